//! A clock that nobody sets, beside the one that is steered: together they betray whoever else moves
//! the machine's clock, or stops the machine.
//!
//! One oscillator drives both, so their rates to one another stay as they are. The rate is learned
//! from ticks of some length; a tick that breaks it by more than the readings are uncertain is
//! somebody's doing.

use crate::time::Duration;

/// The learned relation of the raw clock to its companion.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Companion {
    /// raw − companion, s per s; none until a first interval was seen.
    rate: Option<f64>,
    /// What passed on both since the rate was last learned from: ticks may be short.
    passed: (Duration, Duration),
    /// The last comparison broke the rate: twice in a row is no step but another rate.
    broke: bool,
}

impl Companion {
    /// Whether a rate was learned: then a step is known, not only seen.
    pub fn knows(&self) -> bool {
        self.rate.is_some()
    }

    /// Compares what passed on both; `uncertain` is what the readings themselves may be off, s.
    /// Returns by how much the raw clock was moved, if it was.
    pub fn compare(
        &mut self,
        raw: Duration,
        companion: Duration,
        uncertain: f64,
    ) -> Option<Duration> {
        let elapsed = companion.seconds();
        let apart = (raw - companion).seconds();
        let by = apart - self.rate.unwrap_or(0.0) * elapsed;
        let allowed = match self.rate {
            None => UNLEARNED + UNLEARNED_RATE * elapsed.abs(),
            Some(_) => LEARNED + LEARNED_RATE * elapsed.abs(),
        };
        if by.abs() > allowed + uncertain {
            if core::mem::replace(&mut self.broke, true) {
                self.rate = None;
            }
            self.passed = Default::default();
            return Some(Duration::from_seconds_f64(by));
        }
        self.broke = false;
        if uncertain >= LEARN_BELOW {
            self.passed = Default::default();
            return None;
        }
        self.passed = (self.passed.0 + raw, self.passed.1 + companion);
        let (raw, companion) = self.passed;
        if companion.seconds() >= LEARN_FROM {
            let measured = (raw - companion).seconds() / companion.seconds();
            let rate = self.rate.map_or(measured, |rate| rate + (measured - rate) / 8.0);
            self.rate = Some(rate);
            self.passed = Default::default();
        }
        None
    }
}

/// Before the rate is known: any kernel's 500 ppm, doubled.
const UNLEARNED: f64 = 500e-6;
const UNLEARNED_RATE: f64 = 1e-3;
/// Once it is known: a few readings of a clock, and what a rate learned from them is worth.
const LEARNED: f64 = 3e-6;
const LEARNED_RATE: f64 = 2e-6;
/// Less time says too little about a rate, and so do torn readings.
const LEARN_FROM: f64 = 0.4;
const LEARN_BELOW: f64 = 30e-6;

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: f64) -> Duration {
        Duration::from_seconds_f64(s)
    }

    /// A companion that knows a rate of 40 ppm.
    fn learned() -> Companion {
        let mut companion = Companion::default();
        for _ in 0..20 {
            assert_eq!(companion.compare(seconds(1.000_040), seconds(1.0), 1e-6), None);
        }
        companion
    }

    #[test]
    fn a_step_of_a_few_microseconds_is_noticed() {
        for by in [-10e-6, 10e-6, 1e-3, -3600.0] {
            let noticed = learned().compare(seconds(1.000_040 + by), seconds(1.0), 1e-6).unwrap();
            assert!((noticed.seconds() - by).abs() < 1e-7, "{by}: {noticed}");
        }
        assert_eq!(learned().compare(seconds(1.000_041), seconds(1.0), 1e-6), None);
    }

    #[test]
    fn somebody_elses_slew_is_noticed() {
        assert!(learned().compare(seconds(1.000_140), seconds(1.0), 1e-6).is_some());
    }

    #[test]
    fn short_ticks_teach_the_rate_as_well() {
        let mut companion = Companion::default();
        for _ in 0..20 {
            assert_eq!(companion.compare(seconds(0.1 * 1.000_040), seconds(0.1), 1e-6), None);
        }
        assert!(companion.knows());
        assert!(companion.compare(seconds(0.1 * 1.000_140), seconds(0.1), 1e-6).is_some());
    }

    #[test]
    fn a_long_stall_is_no_disturbance() {
        assert_eq!(learned().compare(seconds(5.0 * 1.000_040), seconds(5.0), 1e-6), None);
    }

    #[test]
    fn torn_readings_excuse_what_they_may_be_off() {
        assert_eq!(learned().compare(seconds(1.000_240), seconds(1.0), 300e-6), None);
    }

    #[test]
    fn before_a_rate_is_known_only_large_moves_are() {
        let mut fresh = Companion::default();
        assert_eq!(fresh.compare(seconds(1.000_500), seconds(1.0), 0.0), None);
        assert!(Companion::default().compare(seconds(1.1), seconds(1.0), 0.0).is_some());
    }
}
