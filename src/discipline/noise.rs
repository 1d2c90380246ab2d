//! How noisy a reference clock is, learned from its own readings.
//!
//! The second difference of three readings, `h₀` and `h₁` apart,
//!
//! ```text
//!   e = (y₂ − y₁)/h₁ − (y₁ − y₀)/h₀,    var e = w R + q (h₀ + h₁)/3,
//!                                       w = 1/h₁² + (1/h₁ + 1/h₀)² + 1/h₀²
//! ```
//!
//! contains neither offset nor frequency, only noise and a little wander. It is taken times √(6/w),
//! so that it is `y₂ − 2y₁ + y₀` where they are evenly spaced: 6 R and ⅔ q h³. Its median does not
//! see outliers: one per cent of 10 ms costs nothing.

use crate::time::{Raw, Timestamp};

/// Learns the variance of one source's readings.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    /// The last two readings, newest last: (instant in s, value in s).
    last: [Option<(f64, f64)>; 2],
    /// |second differences|, a ring of at most [`MEMORY`].
    differences: Vec<f64>,
    next: usize,
    until_recomputed: usize,
    /// h³ of the differences: what wander adds to them, over ⅔ q.
    cubed: f64,
    /// What was declared, s².
    first: f64,
    variance: f64,
    /// 98th percentile of the second differences, s: the tail of late pulses.
    tail: f64,
}

impl Noise {
    /// Before three readings: what is declared of the source, or 1 µs.
    pub fn declared(sigma: f64) -> Self {
        let first = (sigma * sigma).clamp(FIRST_VARIANCE, 1.0);
        Self {
            last: [None; 2],
            differences: Vec::with_capacity(MEMORY),
            next: 0,
            until_recomputed: 0,
            cubed: 1.0,
            first,
            variance: first,
            tail: 0.0,
        }
    }

    /// Learned before: one sigma, s.
    pub fn recalled(sigma: f64) -> Self {
        let variance = (sigma * sigma).clamp(VARIANCE_FLOOR, 1.0);
        Self { first: variance, variance, ..Self::declared(sigma) }
    }

    /// Takes in a reading of `raw − source`; `wander_squared` is the q in use.
    pub fn take(&mut self, at: f64, y: f64, wander_squared: f64) {
        if let [Some((t0, y0)), Some((t1, y1))] = self.last {
            let (h0, h1) = (t1 - t0, at - t1);
            if h0 > 0.0 && h1 > 0.0 {
                let (r0, r1) = (1.0 / h0, 1.0 / h1);
                let scaled = 6.0 / (r1 * r1 + (r1 + r0) * (r1 + r0) + r0 * r0);
                self.push(((y - y1) * r1 - (y1 - y0) * r0).abs() * libm::sqrt(scaled));
                self.cubed = f64::midpoint(h0, h1) * scaled;
                if self.until_recomputed == 0 {
                    self.recompute(wander_squared);
                    self.until_recomputed = self.differences.len() / 8;
                } else {
                    self.until_recomputed -= 1;
                }
            }
        }
        self.last = [self.last[1], Some((at, y))];
    }

    /// Variance of a reading, s².
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// Variance of a reading beside a prediction of the variance `predicted`, s²: where little else is
    /// known, a reading from the tail is believed, and decides. What is further out than any tail is
    /// an outlier, which others contradict.
    pub fn variance_for(&self, predicted: f64) -> f64 {
        let tail = self.tail_sigma() * self.tail_sigma();
        let more = (tail.min(TAIL_MAX * self.variance) - self.variance).max(0.0);
        let share = (predicted - self.variance) / (predicted + self.variance);
        self.variance + more * share.max(0.0)
    }

    /// Standard deviation that the tail of the readings suggests: late pulses have a long one.
    pub fn tail_sigma(&self) -> f64 {
        self.tail / TAIL_TO_SIGMA
    }

    fn push(&mut self, difference: f64) {
        if self.differences.len() < MEMORY {
            self.differences.push(difference);
        } else {
            self.differences[self.next] = difference;
            self.next = (self.next + 1) % MEMORY;
        }
    }

    fn recompute(&mut self, wander_squared: f64) {
        let mut sorted = self.differences.clone();
        if sorted.len() < FEW {
            // The first difference may be next to nothing by chance.
            let declared = MEDIAN_TO_SIGMA * libm::sqrt(6.0 * self.first);
            sorted.extend([declared; FIRST_WEIGHT]);
        }
        sorted.sort_by(f64::total_cmp);
        let count = self.differences.len();
        // So much too low it may be by chance.
        let chance = 1.0 + CHANCE / libm::sqrt(count.max(FEW) as f64);
        let sigma = chance * sorted[sorted.len() / 2] / MEDIAN_TO_SIGMA;
        let sixth = sigma * sigma / 6.0;
        let wander = if count < WANDER_FROM {
            0.0
        } else {
            WANDER_SHARE * wander_squared * self.cubed / 6.0
        };
        self.variance = (sixth - wander).max(NOISE_SHARE * sixth).max(VARIANCE_FLOOR);
        self.tail = sorted[sorted.len() * TAIL_PERCENT / 100];
    }
}

/// Seconds since midnight and a growing count of days would lose digits; a day's worth is enough to
/// compare neighbours, and a midnight only costs one comparison.
pub(super) fn seconds_of_day(at: Timestamp<Raw>) -> f64 {
    let day = at.seconds().div_euclid(86_400) * 86_400;
    (at - Timestamp::from_seconds(day)).seconds()
}

/// Of what the learned wander makes of the differences so much is taken off them, but half is left:
/// with less, noise and wander feed each other, and noise taken for wander stays so all day.
const WANDER_SHARE: f64 = 0.67;
const NOISE_SHARE: f64 = 0.5;
/// Where the tail begins.
const TAIL_PERCENT: usize = 98;
/// While there are fewer, what is declared counts as four of them.
const FEW: usize = 16;
const FIRST_WEIGHT: usize = 4;
/// Second differences kept.
const MEMORY: usize = 1024;
/// Over √n: one standard deviation of the median of n differences, as a share of it; neighbours
/// share readings.
const CHANCE: f64 = 2.0;
/// Differences that tell a wander from noise.
const WANDER_FROM: usize = 64;
/// Variance before anything is known: (1 µs)².
const FIRST_VARIANCE: f64 = 1e-12;
/// Nothing is quieter than 0.3 ns.
const VARIANCE_FLOOR: f64 = 1e-19;
/// Variance of a tail over that of the noise.
const TAIL_MAX: f64 = 100.0;
/// Median of |N(0, 1)|.
const MEDIAN_TO_SIGMA: f64 = 0.6745;
/// 98th percentile of |N(0, 1)| × √6.
const TAIL_TO_SIGMA: f64 = 2.326 * 2.449_489_742_783_178;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// σ 1 µs at 1 Hz with wander 1e-9 and 1 % of readings off by 10 ms.
    fn learned_after(count: usize, seed: u64) -> f64 {
        let mut random = Random::seeded(seed);
        let mut noise = Noise::declared(0.0);
        let (mut x, mut f) = (0.0, 1e-5);
        for k in 0..count {
            f += 1e-9 * random.normal();
            x += f;
            let outlier = if random.uniform() < 0.01 { 10e-3 } else { 0.0 };
            noise.take(k as f64, x + 1e-6 * random.normal() + outlier, 1e-18);
        }
        libm::sqrt(noise.variance())
    }

    #[test]
    fn outliers_and_wander_do_not_disturb_it() {
        // What is learned leans: by what it may be too low by chance, 2/√n, and by 3.5 %, since one
        // outlier spoils three differences. After 300 readings that is 15.4 % above the truth, with a
        // full memory 10.0 %.
        for (readings, count, share) in [(300, 300.0, 0.15), (1500, 1024.0, 0.08)] {
            let lean = 1.035 * (1.0 + CHANCE / libm::sqrt(count));
            let mut learned: Vec<f64> =
                (0..100).map(|seed| learned_after(readings, seed) / 1e-6 / lean - 1.0).collect();
            learned.sort_by(f64::total_cmp);
            let within = learned.iter().filter(|off| off.abs() < share).count();
            assert!(within >= 90, "{readings}: {within} within {share}, {learned:?}");
            assert!(learned[50].abs() < 0.03, "{readings}: {}", learned[50]);
        }
    }

    #[test]
    fn it_is_usable_from_the_first_reading() {
        assert!((Noise::declared(0.0).variance() - 1e-12).abs() < 1e-24);
        assert!((Noise::declared(1e-2).variance() - 1e-4).abs() < 1e-12);
    }

    #[test]
    fn one_difference_that_is_nothing_by_chance_is_not_believed() {
        let mut noise = Noise::declared(2e-6);
        for t in 0..4 {
            noise.take(f64::from(t), 1e-6, 0.0);
        }
        assert!((4e-12..1e-11).contains(&noise.variance()), "{}", noise.variance());
        for t in 4..30 {
            noise.take(f64::from(t), 1e-6, 0.0);
        }
        assert!(noise.variance() < 1e-17, "{}", noise.variance());
    }

    #[test]
    fn uneven_spacing_tells_as_much() {
        for seed in 0..20 {
            let mut random = Random::seeded(seed);
            let mut noise = Noise::declared(0.0);
            let mut t = 0.0;
            for _ in 0..1500 {
                t += if random.uniform() < 0.3 { 7.0 } else { 1.0 };
                noise.take(t, 1e-5 * t + 1e-6 * random.normal(), 0.0);
            }
            let sigma = libm::sqrt(noise.variance());
            assert!((sigma / 1e-6 - 1.06).abs() < 0.16, "{sigma}");
        }
    }
}
