//! The kernel's CLOCK_REALTIME, steered by clock_adjtime(2).
//!
//! The rate is set by frequency alone inside ±500 ppm and by the tick beyond. Both are quantised, so
//! what counts is the rate that the kernel really runs at. The rate found at the start is the
//! undisturbed oscillator's: another daemon's last word, or the kernel's own.

use maser_kernel::Timespec;
use maser_kernel::clock::{self, Adjustment, ClockId, Status};

use tracing::warn;

use super::clock::StampClock;
use crate::clock::{Clock, ClockError, Correction, Declaration, Now, Pieces};
use crate::discipline::servo::Order;
use crate::time::{Duration, Frequency, LeapIndicator, Raw, System, Timestamp};

/// The kernel's clock. Needs CAP_SYS_TIME.
#[derive(Debug)]
pub struct KernelClock {
    stamps: StampClock,
    base: Rate,
    pieces: Pieces,
    /// The last order's rate without its slew.
    rest: Frequency,
}

/// A rate as the kernel holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    /// Microseconds a tick, 10 000 nominal.
    tick: i64,
    /// 2⁻¹⁶ ppm.
    frequency: i64,
}

impl KernelClock {
    /// Takes over the clock as it is.
    ///
    /// # Errors
    /// [`ClockError`] if its rate cannot be read.
    pub fn new(stamps: StampClock) -> Result<Self, ClockError> {
        let (_, found) = clock::read(ClockId::Realtime).map_err(|e| refused(&e))?;
        let base = Rate { tick: found.tick, frequency: found.frequency };
        let raw = stamps.now().read_as();
        Ok(Self { stamps, base, pieces: Pieces::starting(raw), rest: Frequency::ZERO })
    }

    fn raw_now(&self) -> Timestamp<Raw> {
        self.pieces.raw_of(self.stamps.now())
    }
}

impl Drop for KernelClock {
    /// Leaves the clock at the oscillator's own rate: a slew that nobody ends would go on for ever.
    fn drop(&mut self) {
        let (rate, _) = self.base.changed_by(self.rest);
        let adjustment = Adjustment {
            tick: Some(rate.tick),
            frequency: Some(rate.frequency),
            ..Adjustment::default()
        };
        if let Err(error) = clock::adjust(ClockId::Realtime, &adjustment) {
            warn!("{error}: the clock may still be slewing");
        }
    }
}

impl Clock for KernelClock {
    fn now(&mut self) -> Now {
        // Nobody steers CLOCK_MONOTONIC_RAW, so the raw reading may be compared with it.
        self.stamps.pair()
    }

    fn raw(&self, stamp: Timestamp<System>) -> Timestamp<Raw> {
        self.pieces.raw_of(stamp)
    }

    fn correction(&self) -> Correction {
        self.pieces.latest()
    }

    fn steer(&mut self, order: &Order) -> Result<(), ClockError> {
        let (rate, applied) = self.base.changed_by(order.rate + order.slew);
        let adjustment = Adjustment {
            tick: Some(rate.tick),
            frequency: Some(rate.frequency),
            ..Adjustment::default()
        };
        let before = self.raw_now();
        clock::adjust(ClockId::Realtime, &adjustment).map_err(|e| refused(&e))?;
        // The change fell between two readings; their middle halves what a preemption can spoil.
        let raw = before + (self.raw_now() - before) / 2;
        self.rest = order.rate;
        // The kernel does not end a slew by itself: it runs until the next order.
        let order = Order { rate: applied, slew: Frequency::ZERO, span: Duration::ZERO };
        self.pieces.push(self.pieces.latest().followed_by(raw, &order));
        Ok(())
    }

    fn step(&mut self, by: Duration) -> Result<(), ClockError> {
        let step = Timespec::from_nanoseconds(by.nanos())
            .ok_or_else(|| ClockError(format!("a step of {by} is beyond the clock's range")))?;
        let raw = self.raw_now();
        let adjustment = Adjustment { step: Some(step), ..Adjustment::default() };
        clock::adjust(ClockId::Realtime, &adjustment).map_err(|e| refused(&e))?;
        let stepped = Duration::from_nanos(by.nanos());
        self.pieces.push(self.pieces.latest().stepped(raw, stepped));
        Ok(())
    }

    fn leapt(&mut self, at: Timestamp<System>, by: Duration) {
        self.pieces.leapt(at, by);
    }

    fn declare(&mut self, declaration: &Declaration) -> Result<(), ClockError> {
        let synchronised = declaration.phase.is_synchronised();
        let micros = |nanos: i128| i64::try_from((nanos + 999) / 1000).unwrap_or(UNSYNC_ERROR);
        let error = micros(declaration.bound.nanos_up());
        let adjustment = Adjustment {
            // timedated and others call a clock synchronised while this is below 16 s.
            maximum_error: Some(if synchronised { error } else { error.max(UNSYNC_ERROR) }),
            estimated_error: Some(micros(Duration::from_seconds_f64(declaration.sigma).nanos_up())),
            status: Some(status(synchronised, declaration.leap)),
            tai: declaration.tai_offset.map(|offset| offset.0.into()),
            ..Adjustment::default()
        };
        clock::adjust(ClockId::Realtime, &adjustment).map_err(|e| refused(&e))?;
        Ok(())
    }

    fn found_rate(&self) -> Frequency {
        rate_of(self.base.tick, self.base.frequency)
    }

    fn is_served(&self) -> bool {
        true
    }
}

/// How much faster than the bare hardware the kernel's clock runs with this tick, µs, and this
/// frequency, 2⁻¹⁶ ppm.
pub(super) fn rate_of(tick: i64, frequency: i64) -> Frequency {
    Frequency::new(Rate { tick, frequency }.factor() - 1.0)
}

impl Rate {
    /// Seconds of the clock a second of the hardware. The kernel adds frequency to the tick's rate.
    fn factor(self) -> f64 {
        self.tick as f64 / TICK_NOMINAL + self.frequency as f64 / FREQUENCY_UNIT
    }

    /// The nearest rate to `self × (1 + change)` that the kernel can hold, and the change that it
    /// really makes. The tick moves only when frequency alone does not reach.
    fn changed_by(self, change: Frequency) -> (Self, Frequency) {
        let wanted = self.factor() * (1.0 + change.ratio());
        let by_frequency = (wanted - 1.0) * FREQUENCY_UNIT;
        let tick = if by_frequency.abs() <= FREQUENCY_MAX {
            TICK_NOMINAL
        } else {
            libm::rint(wanted * TICK_NOMINAL).clamp(TICK_MIN, TICK_MAX)
        };
        let rest = (wanted - tick / TICK_NOMINAL) * FREQUENCY_UNIT;
        let frequency = libm::rint(rest).clamp(-FREQUENCY_MAX, FREQUENCY_MAX);
        #[expect(clippy::cast_possible_truncation, reason = "clamped to small whole numbers")]
        let rate = Self { tick: tick as i64, frequency: frequency as i64 };
        (rate, Frequency::new(rate.factor() / self.factor() - 1.0))
    }
}

/// The kernel's flags. It leaps at the end of the UTC day in which it is told to, and whoever takes the
/// flag away in time takes the leap second back.
fn status(synchronised: bool, leap: LeapIndicator) -> Status {
    let status = if synchronised { Status::default() } else { Status::UNSYNCHRONISED };
    match leap {
        LeapIndicator::Insert => status.with(Status::INSERT),
        LeapIndicator::Delete => status.with(Status::DELETE),
        LeapIndicator::None | LeapIndicator::Unknown => status,
    }
}

fn refused(error: &maser_kernel::Error) -> ClockError {
    ClockError(error.to_string())
}

/// Microseconds a tick at USER_HZ = 100.
const TICK_NOMINAL: f64 = 10_000.0;
/// The kernel's limits of the tick: ±10 %.
const TICK_MIN: f64 = 9_000.0;
const TICK_MAX: f64 = 11_000.0;
/// A whole in units of 2⁻¹⁶ ppm.
const FREQUENCY_UNIT: f64 = 65_536e6;
/// 500 ppm.
const FREQUENCY_MAX: f64 = 500.0 * 65_536.0;
/// 16 s in µs: a clock with so much error counts as unsynchronised.
const UNSYNC_ERROR: i64 = 16_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOMINAL: Rate = Rate { tick: 10_000, frequency: 0 };

    proptest! {
        #[test]
        fn the_applied_rate_is_the_wanted_one_to_a_unit(
            found in -500.0..500.0f64, wanted in -83_333.0..83_333.0f64,
        ) {
            let (base, _) = NOMINAL.changed_by(Frequency::from_ppm(found));
            let (rate, applied) = base.changed_by(Frequency::from_ppm(wanted));
            // One unit is 15 picoseconds a second.
            prop_assert!((applied.ppm() - wanted).abs() < 2.0 / 65_536.0, "{} {wanted}", applied.ppm());
            prop_assert!((9_000..=11_000).contains(&rate.tick));
            prop_assert!(rate.frequency.abs() <= 500 << 16);
        }

        #[test]
        fn small_changes_leave_the_tick_alone(wanted in -499.0..499.0f64) {
            let (rate, _) = NOMINAL.changed_by(Frequency::from_ppm(wanted));
            prop_assert_eq!(rate.tick, 10_000);
        }
    }

    #[test]
    fn a_leap_second_is_a_flag_and_its_withdrawal_the_lack_of_one() {
        let told = |leap| status(true, leap);
        assert_eq!(told(LeapIndicator::Insert), Status::INSERT);
        assert_eq!(told(LeapIndicator::Delete), Status::DELETE);
        assert_eq!(told(LeapIndicator::None), Status::default());
        let unsure = status(false, LeapIndicator::Insert);
        assert!(unsure.contains(Status::UNSYNCHRONISED.with(Status::INSERT)));
    }

    #[test]
    fn what_was_not_asked_for_is_not_changed() {
        let (rate, applied) = NOMINAL.changed_by(Frequency::ZERO);
        assert_eq!((rate, applied), (NOMINAL, Frequency::ZERO));
    }
}
