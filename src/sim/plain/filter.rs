//! A two-state Kalman filter with the variance `s²/12 + ν`, and of three wanders the likeliest.
//!
//! `s` is what a round trip exceeds the least one of the last 512 by: the truth is somewhere on that
//! length. ν stands for all that no round trip shows, and is learned from second differences, which
//! contain neither offset nor rate: half of them lie below the median of what the variances, ν
//! included, let expect. A good, a usual and a poor crystal are filtered side by side, and the one
//! whose predictions were right of late is believed. A sample beyond five sigma is given the variance
//! that makes it five, unless two before it were so as well: a clock may step.

use std::collections::VecDeque;

use super::Sample;
use crate::sim::statistics::median;

/// The filters of all wanders.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    members: Option<[Member; WANDERS.len()]>,
    trips: Trips,
    noise: Noise,
}

/// One of them: `x` (s) and `f` at `at`, with the covariance `[[a, b], [b, d]]`.
#[derive(Clone, Copy, Debug)]
struct Member {
    /// Per √s.
    wander: f64,
    at: f64,
    x: f64,
    f: f64,
    a: f64,
    b: f64,
    d: f64,
    /// Samples in a row that were beyond the gate.
    odd: u32,
    /// Of its last predictions, logarithmic and fading.
    likelihood: f64,
}

/// Round trips of the past, s.
#[derive(Clone, Debug, Default)]
struct Trips {
    memory: VecDeque<f64>,
    least: f64,
    sum: f64,
}

/// What no round trip shows.
#[derive(Clone, Debug, Default)]
struct Noise {
    /// The last samples and their s²/12.
    last: VecDeque<(Sample, f64)>,
    /// For each second difference the ν that would make it a median one, s².
    candidates: VecDeque<f64>,
    taken: usize,
    variance: f64,
}

impl Filter {
    /// A sample not older than the one before.
    pub fn take(&mut self, sample: Sample) {
        let excess = self.trips.take(sample.trip);
        let variance = excess * excess / 12.0;
        let wander = self.best().map_or(WANDERS[USUAL], |best| best.wander);
        self.noise.take(sample, variance, wander * wander);
        let variance = (variance + self.noise.variance).max(VARIANCE_MIN);
        let members =
            self.members.get_or_insert_with(|| WANDERS.map(|w| Member::starting(w, &sample)));
        for member in members {
            member.advance(sample.at);
            member.update(sample.x, variance);
        }
    }

    /// `x` at an instant; `None` before the first sample.
    pub fn x_at(&self, at: f64) -> Option<f64> {
        self.best().map(|best| best.x + best.f * (at - best.at))
    }

    /// The likeliest; the usual crystal where others are no better.
    fn best(&self) -> Option<&Member> {
        let members = self.members.as_ref()?;
        let mut best = &members[USUAL];
        for member in members {
            if member.likelihood > best.likelihood {
                best = member;
            }
        }
        Some(best)
    }
}

impl Member {
    fn starting(wander: f64, sample: &Sample) -> Self {
        let half = (sample.trip / 2.0).max(FIRST_SIGMA);
        let d = FREQUENCY_SIGMA * FREQUENCY_SIGMA;
        let Sample { at, x, .. } = *sample;
        Self { wander, at, x, f: 0.0, a: half * half, b: 0.0, d, odd: 0, likelihood: 0.0 }
    }

    fn advance(&mut self, at: f64) {
        let dt = (at - self.at).max(0.0);
        let q = self.wander * self.wander;
        self.at += dt;
        self.x += self.f * dt;
        self.a += 2.0 * self.b * dt + self.d * dt * dt + q * dt * dt * dt / 3.0;
        self.b += self.d * dt + q * dt * dt / 2.0;
        self.d += q * dt;
    }

    fn update(&mut self, measured: f64, variance: f64) {
        let innovation = measured - self.x;
        let squared = innovation * innovation;
        let expected = self.a + variance;
        let surprise = (squared / expected).min(GATE * GATE) + libm::log(expected);
        self.likelihood = KEPT * self.likelihood - surprise / 2.0;
        let least = squared / (GATE * GATE);
        self.odd = if expected < least { self.odd + 1 } else { 0 };
        let variance = if self.odd > ODD_MAX { variance } else { variance.max(least - self.a) };
        let total = self.a + variance;
        let (gain_x, gain_f) = (self.a / total, self.b / total);
        self.x += gain_x * innovation;
        self.f += gain_f * innovation;
        self.d -= gain_f * self.b;
        self.b *= variance / total;
        self.a *= variance / total;
    }
}

impl Trips {
    /// Takes a round trip; what it exceeds the least one by, and how well that one is known.
    fn take(&mut self, trip: f64) -> f64 {
        self.memory.push_back(trip);
        self.sum += trip;
        let dropped = if self.memory.len() > TRIPS { self.memory.pop_front() } else { None };
        self.sum -= dropped.unwrap_or(0.0);
        if dropped.is_some_and(|dropped| dropped <= self.least) || self.memory.len() == 1 {
            self.least = self.memory.iter().copied().fold(f64::INFINITY, f64::min);
        }
        self.least = self.least.min(trip);
        let count = self.memory.len() as f64;
        let mean = (self.sum / count - self.least).max(0.0);
        // The least of n is above the base by about this.
        trip - self.least + mean / libm::sqrt(count)
    }
}

impl Noise {
    /// `q` is the wander squared.
    fn take(&mut self, sample: Sample, variance: f64, q: f64) {
        self.last.push_back((sample, variance));
        if self.last.len() < 3 {
            return;
        }
        let [(old, v0), (middle, v1), (new, v2)] = [0, 1, 2].map(|i| self.last[i]);
        self.last.pop_front();
        let (before, after) = (middle.at - old.at, new.at - middle.at);
        if before <= 0.0 || after <= 0.0 {
            return;
        }
        // The middle one less the line through its neighbours: it lies at this share of the way.
        let share = before / (before + after);
        let difference = middle.x - old.x - share * (new.x - old.x);
        let (w0, w2) = ((1.0 - share) * (1.0 - share), share * share);
        let length = before * after / (before + after);
        let wander = q * length * length * (before + after) / 3.0;
        let known = w0 * v0 + v1 + w2 * v2 + wander;
        let usual = difference * difference / MEDIAN_OF_SQUARES;
        if self.candidates.len() == DIFFERENCES {
            self.candidates.pop_front();
        }
        self.candidates.push_back((usual - known) / (1.0 + w0 + w2));
        self.taken += 1;
        if self.taken < DIFFERENCES || self.taken.is_multiple_of(LOOKED_AT_EVERY) {
            let middle = median(self.candidates.make_contiguous());
            self.variance = middle.unwrap_or(0.0).max(0.0);
        }
    }
}

/// Wander of a good, a usual and a poor crystal, per √s.
const WANDERS: [f64; 3] = [1e-10, 1e-9, 1e-8];
const USUAL: usize = 1;
/// Of a likelihood, at each sample: 500 are remembered.
const KEPT: f64 = 0.998;
/// What is known of a rate before any sample.
const FREQUENCY_SIGMA: f64 = 3e-5;
/// A receiver's first reading is known no better, s.
const FIRST_SIGMA: f64 = 1e-4;
const VARIANCE_MIN: f64 = 1e-24;
/// Sigmas.
const GATE: f64 = 5.0;
const ODD_MAX: u32 = 2;
/// Round trips and second differences remembered, and how often the latter are looked at.
const TRIPS: usize = 512;
const DIFFERENCES: usize = 256;
const LOOKED_AT_EVERY: usize = 32;
/// Of a normal variable of variance 1.
const MEDIAN_OF_SQUARES: f64 = 0.4549;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_noise_of_a_clock_is_learned_whatever_its_rate() {
        let mut random = Random::seeded(8);
        let mut filter = Filter::default();
        assert_eq!(filter.x_at(0.0), None);
        for i in 0..2000 {
            let at = f64::from(i);
            let outlier = if i % 100 == 99 { 1e-2 } else { 0.0 };
            let x = 1e-5 * at + 1e-6 * random.normal() + outlier;
            filter.take(Sample { at, x, trip: 0.0 });
        }
        let sigma = libm::sqrt(filter.noise.variance);
        assert!((0.8e-6..1.2e-6).contains(&sigma), "{sigma}");
        assert!((filter.x_at(2000.0).unwrap() - 2e-2).abs() < 1e-6);
    }

    #[test]
    fn the_noise_of_an_exact_server_is_less_than_its_queues() {
        let mut random = Random::seeded(8);
        let mut filter = Filter::default();
        for i in 0..2000 {
            let (there, back) = (1e-4 * random.exponential(), 1e-4 * random.exponential());
            let (at, x) = (64.0 * f64::from(i), (back - there) / 2.0);
            filter.take(Sample { at, x, trip: 2e-4 + there + back });
        }
        let sigma = libm::sqrt(filter.noise.variance);
        // Queues are no normal errors, so their second differences seem to hold more.
        assert!(sigma < 5e-5, "{sigma}");
        assert!(filter.x_at(64.0 * 1999.0).unwrap().abs() < 5e-5);
    }
}
