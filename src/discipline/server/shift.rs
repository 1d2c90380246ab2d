//! How far a server stands from the clock for good, among others.
//!
//! The asymmetry of one path is not observable, differences of asymmetries are; and intervals that
//! disagree are poison. So each server's mean distance `D` from the clock is learned, and its
//! intervals are shifted by what it stands away from the common mean. Only differences are learned:
//! the common error stays where it was.

use crate::discipline::filter::Filter;
use crate::discipline::interval::Interval;

/// What is learned of one server's place.
#[derive(Clone, Debug, Default)]
pub(in crate::discipline) struct Shift {
    /// Σ weight × (mean − x) and Σ weight, fading.
    sum: f64,
    weights: f64,
    count: u32,
    /// Learned beside a reference clock: then it is no difference but the distance itself.
    anchored: bool,
    slow: SlowErrors,
}

/// Errors that neighbouring samples share: a server that wobbles.
#[derive(Clone, Debug, Default)]
struct SlowErrors {
    squares: f64,
    products: f64,
    weights: f64,
    /// √weight × residual of the one before.
    last: f64,
    count: u32,
}

impl Shift {
    /// Takes in an unshifted interval; `filter` holds the estimate of `x` after it, and its variance
    /// before: a distance from what is not known itself is none.
    pub fn take(&mut self, interval: &Interval, spread_squared: f64, filter: &Filter) {
        let (length, edge) = (interval.length(), interval.edge);
        let weight =
            1.0 / (length * length / 12.0 + SPREAD_SHARE * spread_squared + edge * edge + filter.a);
        let away = interval.mean() - filter.x;
        if self.count > 0 {
            self.slow.take(weight, away - self.mean());
        }
        self.sum += weight * away - self.sum * FADE;
        self.weights += weight - self.weights * FADE;
        self.count = self.count.saturating_add(1);
    }

    /// The estimate was moved by `by` s: unless it is one from the truth, the distance is smaller by
    /// that.
    pub fn estimate_moved(&mut self, by: f64) {
        if !self.anchored {
            self.sum -= self.weights * by;
        }
    }

    /// A reference clock held the estimate meanwhile.
    pub fn anchor(&mut self) {
        self.anchored |= self.count > 0;
    }

    /// Whether nothing is known of it yet.
    pub fn is_new(&self) -> bool {
        self.count == 0
    }

    /// Whether its distance is one from the truth.
    pub fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// D, s.
    pub fn mean(&self) -> f64 {
        if self.weights > 0.0 { self.sum / self.weights } else { 0.0 }
    }

    /// How uncertain it is, s².
    pub fn variance(&self) -> f64 {
        if self.weights > 0.0 { 1.0 / self.weights } else { 0.0 }
    }

    /// What its intervals are shifted by, when the common mean is `common`.
    pub fn shift(&self, common: f64) -> f64 {
        if self.count < SHIFT_FROM {
            return 0.0;
        }
        let apart = self.mean() - common;
        let squared = apart * apart;
        apart * squared / (squared + SHIFT_UNSURE * self.variance() + f64::MIN_POSITIVE)
    }

    /// What of its distance is not shifted yet, s.
    pub fn unshifted(&self, common: f64) -> f64 {
        self.mean() - common - self.shift(common)
    }

    /// Whether it was listened to for long enough to be believed beside a nearer one.
    pub fn is_known(&self) -> bool {
        self.count >= LISTEN_FOR
    }

    /// Whether so many samples tell its place within `sigma`, s, that their base does not deceive.
    pub fn is_known_within(&self, sigma: f64) -> bool {
        self.count >= SHIFT_FROM && self.variance() <= sigma * sigma
    }

    /// Variance that stands for errors which samples share, s²: those alike count as few.
    pub fn slow_variance(&self) -> f64 {
        self.slow.variance()
    }
}

impl SlowErrors {
    fn take(&mut self, weight: f64, residual: f64) {
        let keep = if self.count < SLOW_MEMORY { 1.0 / f64::from(self.count + 1) } else { FADE };
        // Each residual by its own weight: one late answer must not hide what the others share.
        let weighed = libm::sqrt(weight) * residual;
        self.squares += (weighed * weighed - self.squares) * keep;
        self.products += (weighed * self.last - self.products) * keep;
        self.weights += (weight - self.weights) * keep;
        self.last = weighed;
        self.count = self.count.saturating_add(1);
    }

    fn variance(&self) -> f64 {
        if self.count < SLOW_FROM || self.squares <= 0.0 {
            return 0.0;
        }
        let correlation = (self.products / self.squares).min(0.99);
        if correlation < SLOW_CORRELATION {
            return 0.0;
        }
        self.products / self.weights * (1.0 + correlation) / (1.0 - correlation)
    }
}

/// What queueing adds to the variance of a place, in shares of J₁ J₂.
const SPREAD_SHARE: f64 = 0.05;
/// Samples remembered: 256; 64 make pools half as bad again.
const FADE: f64 = 1.0 / 256.0;
/// Samples from which a place is believed, and a shift applied.
const SHIFT_FROM: u32 = 8;
/// Half of a distance is shifted where it is √8 sigma of what is known of it, nearly all where it is
/// more: noise is no distance, and what is left of a large one pulls for hours.
const SHIFT_UNSURE: f64 = 8.0;
/// Samples for which another than the nearest is only listened to.
const LISTEN_FOR: u32 = 16;
const SLOW_FROM: u32 = 16;
const SLOW_MEMORY: u32 = 256;
/// Correlation of neighbours above which they count as alike.
const SLOW_CORRELATION: f64 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// An estimate without error.
    const KNOWN: Filter = Filter { x: 0.0, f: 0.0, a: 0.0, b: 0.0, d: 0.0 };

    /// Learned so far: `mean` ± `sigma` of `count` samples.
    fn known(mean: f64, sigma: f64, count: u32) -> Shift {
        let weights = 1.0 / (sigma * sigma);
        Shift { sum: weights * mean, weights, count, ..Shift::default() }
    }

    #[test]
    fn a_distance_is_worth_what_is_known_of_it() {
        let root8 = libm::sqrt(8.0);
        // (reason, D and D̄ in sigmas of D, samples, share of D − D̄ that is shifted)
        for (why, mean, common, count, share) in [
            ("nothing to shift", 0.0, 0.0, 100, 0.0),
            ("a tenth of a sigma is noise", 0.1, 0.0, 100, 0.01 / 8.01),
            ("one sigma is mostly noise", 1.0, 0.0, 100, 1.0 / 9.0),
            ("half of √8 sigma is real", root8, 0.0, 100, 0.5),
            ("the same on the other side", -root8, 0.0, 100, 0.5),
            ("only what is beside the others counts", 50.0 + root8, 50.0, 100, 0.5),
            ("twice that is real for four fifths", 2.0 * root8, 0.0, 100, 0.8),
            ("twenty sigma are a distance", 20.0, 0.0, 100, 400.0 / 408.0),
            ("seven samples tell nothing, however far", 20.0, 0.0, 7, 0.0),
            ("eight do", 20.0, 0.0, 8, 400.0 / 408.0),
        ] {
            for sigma in [1e-9, 1e-5, 1e-2] {
                let (shift, common) = (known(mean * sigma, sigma, count), common * sigma);
                let apart = mean * sigma - common;
                let shifted = shift.shift(common);
                assert!((shifted - share * apart).abs() <= 1e-9 * apart.abs(), "{why}: {shifted}");
                let left = shift.unshifted(common);
                assert!((left - (apart - shifted)).abs() <= 1e-9 * apart.abs(), "{why}: {left}");
            }
        }
    }

    #[test]
    fn a_shift_is_known_after_sixteen_samples_and_anchored_beside_a_clock() {
        let (mut new, mut old) = (Shift::default(), known(3e-5, 1e-6, 16));
        assert!(!known(3e-5, 1e-6, 15).is_known() && old.is_known());
        new.anchor();
        assert!(!new.is_anchored(), "nothing was learned beside the clock");
        old.estimate_moved(1e-5);
        assert!((old.mean() - 2e-5).abs() < 1e-12, "a difference is smaller by the move");
        old.anchor();
        old.estimate_moved(1e-5);
        assert!((old.mean() - 2e-5).abs() < 1e-12, "a distance from the truth is not");
    }

    #[test]
    fn a_constant_distance_is_learned_and_white_errors_are_not_slow() {
        let mut random = Random::seeded(9);
        let mut shift = Shift::default();
        for _ in 0..600 {
            let half = 1e-4 * random.exponential();
            let at = 4e-5 + half * random.between(-1.0, 1.0);
            let interval = Interval { low: at - half, high: at + half, edge: 1e-6, tilt: 0.0 };
            shift.take(&interval, 1e-8, &KNOWN);
        }
        assert!((shift.mean() - 4e-5).abs() < 8e-6, "{}", shift.mean());
        assert_eq!(shift.slow_variance(), 0.0);
        assert!((shift.shift(1e-5) - 3e-5).abs() < 8e-6 && shift.is_known());
    }

    #[test]
    fn a_wobble_is_slow() {
        let mut random = Random::seeded(9);
        let (mut shift, mut wobble) = (Shift::default(), 0.0);
        for _ in 0..600 {
            wobble += -0.05 * wobble + 1e-5 * random.normal();
            // Some answers are very late, which says nothing of the others.
            let late = if random.uniform() < 0.1 { 0.4 } else { 0.0 };
            let (low, high) = (wobble - 1e-7, wobble + 1e-7 + late);
            shift.take(&Interval { low, high, edge: 1e-9, tilt: 0.0 }, 1e-14, &KNOWN);
        }
        let slow = libm::sqrt(shift.slow_variance());
        assert!(slow > 5e-5, "{slow}");
    }
}
