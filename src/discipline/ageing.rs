//! How an oscillator ages: a slow change of its rate that goes one way, learned over days.
//!
//! Over a day the rate of an oscillator that wanders by `w` per √s and ages by `g` per second goes
//! `g T ± w √T` away, so each day is a reading of `g` with the variance `(w² T + d₀ + d₁)/T²`. A prior
//! of 1e-9 a day holds it near zero: for all but the quietest oscillators wander hides ageing, and
//! nothing is learned. It matters in a holdover of days, by `g t²/2`.

use crate::time::{Duration, Raw, Timestamp};

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ageing {
    /// dd f/dτ, 1/s.
    rate: f64,
    /// Its variance, 1/s².
    variance: f64,
    /// The rate of the oscillator when the day began, and its variance.
    since: Option<(Timestamp<Raw>, f64, f64)>,
}

impl Default for Ageing {
    fn default() -> Self {
        Self { rate: 0.0, variance: PRIOR * PRIOR, since: None }
    }
}

impl Ageing {
    /// Known from before, 1/s with one sigma. Nothing is known better than it can be learned.
    pub fn recalled(rate: f64, sigma: f64) -> Self {
        let sigma = sigma.clamp(PRIOR / 1e3, PRIOR);
        Self { rate: rate.clamp(-RATE_MAX, RATE_MAX), variance: sigma * sigma, since: None }
    }

    /// Change of the oscillator's rate, 1/s.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// One sigma of that, 1/s.
    pub fn sigma(&self) -> f64 {
        libm::sqrt(self.variance)
    }

    /// The oscillator's rate `f` at an instant, its variance, and the wander in use, per √s.
    pub fn take(&mut self, at: Timestamp<Raw>, f: f64, variance: f64, wander: f64) {
        let Some((first, f0, d0)) = self.since else {
            self.since = Some((at, f, variance));
            return;
        };
        let span = (at - first).seconds();
        if span < DAY {
            return;
        }
        self.since = Some((at, f, variance));
        // Long ago counts for less: a month is remembered, and beyond it the prior.
        let share = (span / MEMORY).min(1.0);
        self.rate *= 1.0 - share;
        self.variance += (PRIOR * PRIOR - self.variance) * share;
        let read = (wander * wander * span + d0 + variance) / (span * span);
        let gain = self.variance / (self.variance + read);
        self.rate += gain * ((f - f0) / span - self.rate);
        self.variance *= 1.0 - gain;
    }

    /// The rate jumped, or nobody looked: what the day shows is not ageing.
    pub fn interrupt(&mut self) {
        self.since = None;
    }

    /// Somebody moved the clock of the stamps.
    pub fn moved(&mut self, by: Duration) {
        if let Some((at, ..)) = &mut self.since {
            *at = *at + by;
        }
    }
}

/// Ageing of a plain oscillator: 1e-9 a day.
const PRIOR: f64 = 1e-14;
/// Beyond any oscillator that keeps time: 1 ppm a day.
pub const RATE_MAX: f64 = 1e-11;
const DAY: f64 = 86_400.0;
/// What is remembered: a month.
const MEMORY: f64 = 30.0 * DAY;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Learned after so many days of an oscillator that ages by `g` and wanders by `w`.
    fn learned(g: f64, w: f64, days: u32, seed: u64) -> Ageing {
        let mut random = Random::seeded(seed);
        let (mut ageing, mut f) = (Ageing::default(), 1e-6);
        for hour in 0..24 * i64::from(days) + 1 {
            ageing.take(Timestamp::from_seconds(hour * 3600), f, 1e-22, w);
            f += g * 3600.0 + w * 60.0 * random.normal();
        }
        ageing
    }

    #[test]
    fn a_quiet_oscillator_shows_its_ageing_within_the_sigma_that_is_told() {
        let g = 6e-15;
        let worlds: Vec<Ageing> = (0..40).map(|seed| learned(g, 1e-12, 20, seed)).collect();
        let away = |a: &Ageing| (a.rate() - g) / a.sigma();
        let rms = libm::sqrt(worlds.iter().map(|a| away(a) * away(a)).sum::<f64>() / 40.0);
        assert!((0.5..1.3).contains(&rms), "{rms}");
        assert!(worlds.iter().all(|a| a.sigma() < 3e-15), "{:e}", worlds[0].sigma());
    }

    #[test]
    fn a_restless_one_shows_none() {
        let ageing = learned(1e-15, 1e-9, 20, 1);
        assert!(ageing.rate().abs() < 1e-16 && ageing.sigma() > 0.9 * PRIOR, "{ageing:?}");
    }

    #[test]
    fn what_a_jump_did_is_no_ageing() {
        let mut ageing = Ageing::default();
        ageing.take(Timestamp::from_seconds(0), 0.0, 1e-22, 1e-12);
        ageing.interrupt();
        ageing.take(Timestamp::from_seconds(90_000), 1e-6, 1e-22, 1e-12);
        assert_eq!(ageing.rate(), 0.0);
        assert_eq!(Ageing::recalled(1.0, 0.0).rate(), RATE_MAX);
    }
}
