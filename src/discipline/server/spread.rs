//! How far delays to and from a server scatter: J₁ and J₂, the means of exponential queueing.
//!
//! Learned from differences of neighbouring samples, `|Δα + f Δτ|`: they do not contain the level of
//! `x`, so no filter feeds back into its own noise model. The median sees no bursts.

/// The last differences of one kind.
#[derive(Clone, Debug, Default)]
struct Window {
    values: Vec<f64>,
    next: usize,
}

/// What is learned of the scatter.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    there: Window,
    back: Window,
    trip: Window,
    /// First round trip, the guess before differences are many.
    first_trip: f64,
    spreads: Spreads,
}

/// The learned figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spreads {
    /// J₁, to the server, s.
    pub there: f64,
    /// J₂, from it, s.
    pub back: f64,
    /// What is sure of ln(J₁ / J₂).
    pub ratio: f64,
    /// What stamps are multiples of, s; 0 for fine ones.
    pub quantum: f64,
}

impl Spreads {
    pub fn larger(&self) -> f64 {
        self.there.max(self.back)
    }

    /// √(J₁ J₂).
    pub fn mean(&self) -> f64 {
        libm::sqrt(self.there * self.back)
    }
}

impl Spread {
    /// Before any difference.
    pub fn starting(trip: f64) -> Self {
        let mut spread = Self { first_trip: trip, ..Self::default() };
        spread.recompute();
        spread
    }

    /// Takes in the differences of two neighbouring samples: of the way there and back with the
    /// oscillator's rate taken out, and of the round trip.
    pub fn take(&mut self, there: f64, back: f64, trip: f64) {
        self.there.push(there.abs());
        self.back.push(back.abs());
        self.trip.push(trip.abs());
        self.recompute();
    }

    /// What is learned.
    pub fn spreads(&self) -> Spreads {
        self.spreads
    }

    fn recompute(&mut self) {
        let guess = FIRST_SHARE * self.first_trip;
        let guesses = if self.there.values.len() < FEW { FIRST_WEIGHT } else { 0 };
        let mean_of = |window: &Window| {
            (window.median(guess, guesses) / core::f64::consts::LN_2).max(SPREAD_MIN)
        };
        let (mut there, mut back) = (mean_of(&self.there), mean_of(&self.back));
        // What both stamps of the server share is no delay: the round trip does not have it.
        let trip_guess = guess / core::f64::consts::LN_2 / TRIP_TO_SPREAD;
        let shown = TRIP_TO_SPREAD * self.trip.median(trip_guess, guesses);
        let mean = libm::sqrt(there * back);
        if mean > NOISY * shown.max(SPREAD_MIN) {
            let scale = shown.max(SPREAD_MIN) / mean;
            (there, back) = (there * scale, back * scale);
        }
        let quantum = self.quantum();
        (there, back) = (there.max(quantum), back.max(quantum));
        let shown = libm::log(there / back);
        let ratio = if shown * self.ratio() > 0.0 {
            self.ratio().clamp(-shown.abs(), shown.abs())
        } else {
            0.0
        };
        self.spreads = Spreads { there, back, ratio, quantum };
    }

    /// ln(J₁ / J₂) as far as it is no chance. Two ways that differ do so at every quantile; medians
    /// of delays of two kinds flip from one to the other.
    fn ratio(&self) -> f64 {
        if self.there.values.len() < RATIO_FROM {
            return 0.0;
        }
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for quarter in 1..=3 {
            let quantile = |w: &Window| w.quantile(quarter).max(SPREAD_MIN);
            let ratio = libm::log(quantile(&self.there) / quantile(&self.back));
            (least, most) = (least.min(ratio), most.max(ratio));
        }
        let dead = DEAD_ZONE / libm::sqrt(self.there.values.len() as f64);
        if least > 0.0 { (least - dead).max(0.0) } else { (most + dead).min(0.0) }
    }

    /// Fine stamps hardly ever repeat a round trip; coarse ones do, and the smallest difference is
    /// their grain.
    fn quantum(&self) -> f64 {
        let trips = &self.trip.values;
        let zeros = trips.iter().filter(|d| **d == 0.0).count();
        if zeros * 10 < trips.len() || zeros == 0 {
            return 0.0;
        }
        let smallest = trips.iter().copied().filter(|d| *d > 0.0).fold(f64::INFINITY, f64::min);
        if smallest.is_finite() { smallest } else { 0.0 }
    }
}

impl Window {
    fn push(&mut self, value: f64) {
        if self.values.len() < MEMORY {
            self.values.push(value);
        } else {
            self.values[self.next] = value;
            self.next = (self.next + 1) % MEMORY;
        }
    }

    /// The value that so many quarters of them do not exceed.
    fn quantile(&self, quarters: usize) -> f64 {
        if self.values.is_empty() {
            return 0.0;
        }
        let (count, mut sorted) = (self.values.len(), [0.0; MEMORY]);
        sorted[..count].copy_from_slice(&self.values);
        let place = (count * quarters / 4).min(count - 1);
        *sorted[..count].select_nth_unstable_by(place, f64::total_cmp).1
    }

    /// Of the values and of `guesses` times `guess`.
    fn median(&self, guess: f64, guesses: usize) -> f64 {
        let mut sorted = [0.0; MEMORY + FIRST_WEIGHT];
        let count = self.values.len() + guesses;
        sorted[..self.values.len()].copy_from_slice(&self.values);
        sorted[self.values.len()..count].fill(guess);
        let (_, median, _) =
            sorted[..count.max(1)].select_nth_unstable_by(count / 2, f64::total_cmp);
        *median
    }
}

/// Differences kept.
const MEMORY: usize = 256;
/// While there are fewer, three times a fifth of the round trip counts among them.
const FEW: usize = 32;
const FIRST_WEIGHT: usize = 3;
const FIRST_SHARE: f64 = 0.2;
/// Nothing scatters less than a nanosecond.
const SPREAD_MIN: f64 = 1e-9;
/// Median of |Δ round trip| to the spread of one way, for exponential queueing.
const TRIP_TO_SPREAD: f64 = 0.873;
/// Differences from which a ratio is believed.
const RATIO_FROM: usize = 16;
/// Over √n: the ratio of two equal spreads has a standard deviation of 2.1, three of which are chance.
const DEAD_ZONE: f64 = 6.4;
/// Ways that scatter this much more than the round trip shows are the server's own noise.
const NOISY: f64 = 1.25;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn learned(there: f64, back: f64, own: f64, outliers: f64) -> Spreads {
        let mut random = Random::seeded(3);
        let mut spread = Spread::starting(4e-4);
        let mut last = None;
        for _ in 0..2000 {
            let burst = if random.uniform() < outliers { 1e-2 } else { 0.0 };
            let noise = own * random.normal();
            let d1 = there * random.exponential() + burst;
            let d2 = back * random.exponential();
            if let Some((p1, p2, q)) = last.replace((d1, d2, noise)) {
                spread.take(d1 - p1 + noise - q, d2 - p2 - noise + q, d1 - p1 + d2 - p2);
            }
        }
        spread.spreads()
    }

    #[test]
    fn spreads_are_found_beside_bursts_and_own_noise() {
        for (own, outliers) in [(0.0, 0.0), (0.0, 0.02), (1e-3, 0.0)] {
            let found = learned(1e-4, 1e-4, own, outliers);
            for spread in [found.there, found.back] {
                assert!((spread / 1e-4 - 1.0).abs() < 0.25, "{own} {outliers}: {found:?}");
            }
        }
        let found = learned(1e-5, 1e-3, 0.0, 0.0);
        assert!((found.ratio + 4.2).abs() < 0.4, "{found:?}");
        assert!((found.there / 1e-5 - 1.0).abs() < 0.25 && (found.back / 1e-3 - 1.0).abs() < 0.25);
    }

    /// What a full memory shows of spreads that are exactly these.
    fn shown(there: f64, back: f64) -> Spreads {
        let mut spread = Spread::starting(4e-4);
        for k in 0..MEMORY {
            let share = (k as f64 + 0.5) / MEMORY as f64;
            let difference = -libm::log(1.0 - share);
            spread.take(there * difference, back * difference, back * difference);
        }
        spread.spreads()
    }

    #[test]
    fn a_small_difference_of_spreads_is_no_tilt() {
        // The dead zone is 6.4 / √256 = 0.4: ln 1.3 = 0.26 is inside, ln 1.6 = 0.47 is not.
        assert_eq!(shown(1e-4, 1e-4).ratio, 0.0);
        assert_eq!((shown(1.3e-4, 1e-4).ratio, shown(1e-4, 1.3e-4).ratio), (0.0, 0.0));
        assert!(shown(1.6e-4, 1e-4).ratio > 0.05 && shown(1e-4, 1.6e-4).ratio < -0.05);
        // ln 100 less the dead zone.
        assert!((shown(1e-5, 1e-3).ratio + 4.2).abs() < 0.02, "{:?}", shown(1e-5, 1e-3));
    }

    #[test]
    fn no_way_is_the_busier_one_by_chance() {
        let (mut all, mut wrong) = (0, 0);
        for seed in 0..50 {
            let mut random = Random::seeded(seed);
            let mut spread = Spread::starting(1e-3);
            for _ in 0..300 {
                // Three in ten are 30 ms late: the medians of differences are just at the edge.
                let mut way = || {
                    let late = random.uniform() < 0.3;
                    1e-6 * random.exponential() + if late { 0.03 } else { 0.0 }
                };
                let (d1, d2) = (way() - way(), way() - way());
                spread.take(d1, d2, d1 + d2);
                all += 1;
                wrong += u32::from(spread.spreads().ratio.abs() > 0.5);
            }
        }
        assert!(wrong * 100 < all, "{wrong} of {all}");
    }

    #[test]
    fn coarse_stamps_show_their_grain() {
        let mut random = Random::seeded(5);
        let mut spread = Spread::starting(2e-5);
        for _ in 0..300 {
            let tick = |r: &mut Random| libm::floor(2.0 * r.uniform()) * 1e-6;
            let (d1, d2) = (tick(&mut random), tick(&mut random));
            spread.take(d1, d2, d1 + d2);
        }
        let found = spread.spreads();
        assert!((found.quantum - 1e-6).abs() < 1e-12 && found.there >= 1e-6, "{found:?}");
    }

    #[test]
    fn it_is_usable_before_the_first_difference() {
        let found = Spread::starting(1e-3).spreads();
        assert!((found.there - 2e-4 / core::f64::consts::LN_2).abs() < 1e-9, "{found:?}");
        assert_eq!(found.quantum, 0.0);
    }
}
