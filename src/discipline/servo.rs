//! Which rate makes the served clock follow the estimate.
//!
//! The estimate is the best there is, so nothing is filtered twice: the rate undoes the oscillator's
//! error and works off the lag in `h` seconds. There is no integral, the estimate is the integral.
//! The slew ends after `h` by itself, so that a daemon that was stopped for a while does not
//! overshoot.

use super::estimator::Estimate;
use crate::time::{Duration, Frequency};

/// The rates to apply from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Order {
    /// For good: undoes the oscillator's own error.
    pub rate: Frequency,
    /// On top of that, for `span`: works off the lag.
    pub slew: Frequency,
    /// How long the slew lasts.
    pub span: Duration,
}

/// The servo's law and its limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Servo {
    /// Largest slew, s per s; never above [`SLEW_LIMIT`].
    pub slew_limit: Frequency,
    /// Largest rate that an oscillator may need.
    pub frequency_limit: Frequency,
}

impl Default for Servo {
    fn default() -> Self {
        Self { slew_limit: SLEW_LIMIT, frequency_limit: FREQUENCY_LIMIT }
    }
}

impl Servo {
    /// `lag` is what the served clock is behind the estimate; `interval` the mean time between
    /// believed samples in seconds.
    pub fn order(&self, lag: Duration, estimate: &Estimate, interval: f64) -> Order {
        let step = interval.clamp(SPAN_MIN, 1.0);
        let lag = lag.seconds();
        // T/8 costs nothing in phase and halves the frequency noise; a large lag is urgent.
        let span = if lag.abs() > URGENT * estimate.sigma {
            step
        } else {
            (interval / CALM).clamp(step, SPAN_MAX)
        };
        let limit = self.slew_limit.ratio().min(SLEW_LIMIT.ratio());
        let wanted = lag / span;
        let slew = wanted.clamp(-limit, limit);
        // At the limit the slew needs longer than the span: it goes on until the lag is gone.
        let span = if slew.abs() < wanted.abs() { lag.abs() / limit } else { span };
        let most = self.frequency_limit.ratio();
        Order {
            rate: Frequency::new((-estimate.frequency.ratio()).clamp(-most, most)),
            slew: Frequency::new(slew),
            span: Duration::from_seconds_f64(span),
        }
    }
}

/// What chrony and the kernel's tick allow: 83 333 ppm, one second in twelve.
pub const SLEW_LIMIT: Frequency = Frequency::from_ppm(83_333.0);
/// No usable oscillator is further off than 500 ppm (RFC 5905 §11.3); ten times that is allowed
/// because virtual machines are.
pub const FREQUENCY_LIMIT: Frequency = Frequency::from_ppm(5000.0);
/// Sigmas of the estimate beyond which a lag is urgent.
const URGENT: f64 = 4.0;
/// Parts of the interval between samples in which another lag is worked off.
const CALM: f64 = 8.0;
/// The slew's span lies between these, s.
const SPAN_MIN: f64 = 1.0 / 64.0;
const SPAN_MAX: f64 = 32.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::NoiseGrowth;

    fn estimate(sigma: f64) -> Estimate {
        Estimate {
            offset: Duration::ZERO,
            frequency: Frequency::from_ppm(10.0),
            sigma,
            sigma_frequency: 1e-9,
            wander: 1e-9,
            noise: NoiseGrowth::default(),
        }
    }

    #[test]
    fn the_oscillators_error_is_undone() {
        let order = Servo::default().order(Duration::ZERO, &estimate(1e-7), 1.0);
        assert_eq!(order.rate, Frequency::from_ppm(-10.0));
        assert_eq!(order.slew, Frequency::ZERO);
    }

    #[test]
    fn the_lag_is_worked_off_within_the_span() {
        for (lag, interval) in
            [(1e-6, 1.0), (-3e-5, 64.0), (1e-9, 0.0625), (0.9, 1.0), (-5.0, 16.0)]
        {
            let lag = Duration::from_seconds_f64(lag);
            let order = Servo::default().order(lag, &estimate(1e-6), interval);
            let left = lag - order.slew.over(order.span);
            assert!(left.seconds().abs() < 1e-9, "{lag}: {left}");
            assert!(order.slew.ratio().abs() <= SLEW_LIMIT.ratio());
        }
    }

    #[test]
    fn a_small_lag_is_worked_off_calmly_and_a_large_one_at_once() {
        let servo = Servo::default();
        let calm = servo.order(Duration::from_micros(3), &estimate(1e-6), 64.0);
        let urgent = servo.order(Duration::from_micros(5), &estimate(1e-6), 64.0);
        assert_eq!(calm.span, Duration::from_seconds(8));
        assert_eq!(urgent.span, Duration::SECOND);
    }

    #[test]
    fn a_rate_beyond_the_frequency_limit_is_not_corrected() {
        let servo = Servo { frequency_limit: Frequency::from_ppm(4.0), ..Servo::default() };
        let order = servo.order(Duration::ZERO, &estimate(1e-6), 1.0);
        assert_eq!(order.rate, Frequency::from_ppm(-4.0));
    }

    #[test]
    fn a_users_lower_limit_is_kept() {
        let servo = Servo { slew_limit: Frequency::from_ppm(500.0), ..Servo::default() };
        let order = servo.order(Duration::from_millis(-10), &estimate(1e-6), 1.0);
        assert_eq!(order.slew, Frequency::from_ppm(-500.0));
        assert!((order.span.seconds() - 20.0).abs() < 1e-9);
    }
}
