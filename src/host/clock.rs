//! The clocks of this machine: the one that stamps, the kernel's steered, and one in software.
//!
//! Every reading of a clock and every kernel stamp passes the [`View`]. In a daemon that is the
//! identity; the demo puts a wrong machine there.

use std::fmt;
use std::sync::Arc;

use maser_kernel::Timespec;
use maser_kernel::clock::{self, ClockId};

use crate::clock::{Clock, ClockError, Correction, Declaration, Now};
use crate::discipline::servo::Order;
use crate::time::{Duration, Exponent, Frequency, Mono, Raw, System, Timestamp, Utc};

/// How this process sees the machine's real-time clock.
#[derive(Clone, Default)]
pub struct View(Option<Arc<ViewFunction>>);

type ViewFunction = dyn Fn(Timestamp<Utc>) -> Timestamp<System> + Send + Sync;

impl View {
    /// As it is.
    pub fn plain() -> Self {
        Self(None)
    }

    /// Through a function of the machine's reading.
    pub fn through(
        function: impl Fn(Timestamp<Utc>) -> Timestamp<System> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(function)))
    }

    fn of(&self, host: Timestamp<Utc>) -> Timestamp<System> {
        match &self.0 {
            None => host.read_as(),
            Some(function) => function(host),
        }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "View(through)" } else { "View(plain)" })
    }
}

/// The clock that stamps packets, pulses and text: CLOCK_REALTIME as this process sees it.
#[derive(Clone, Debug, Default)]
pub struct StampClock {
    view: View,
}

impl StampClock {
    /// CLOCK_REALTIME through a view.
    pub fn new(view: View) -> Self {
        Self { view }
    }

    /// Its reading.
    #[inline]
    pub fn now(&self) -> Timestamp<System> {
        self.stamp(clock::now(ClockId::Realtime))
    }

    /// A kernel stamp.
    #[inline]
    pub fn stamp(&self, kernel: Timespec) -> Timestamp<System> {
        self.view.of(Timestamp::from_nanos(kernel.total_nanoseconds()))
    }

    /// Its reading with one of CLOCK_MONOTONIC_RAW, and how far apart the two may be. A reading torn
    /// apart by the scheduler is tried again.
    pub fn pair(&self) -> Now {
        let mut best = self.pair_once();
        for _ in 0..PAIR_TRIES {
            if best.window <= PAIR_WINDOW {
                break;
            }
            let again = self.pair_once();
            if again.window < best.window {
                best = again;
            }
        }
        best
    }

    /// How long a reading takes, as the median of a few: the clock's precision (RFC 5905 §7.3).
    pub fn reading_time(&self) -> Duration {
        let mut gaps: Vec<Duration> = (0..PRECISION_READINGS)
            .map(|_| {
                let first = self.now();
                (self.now() - first).max(Duration::NANOSECOND)
            })
            .collect();
        gaps.sort_unstable();
        gaps[gaps.len() / 2]
    }

    fn pair_once(&self) -> Now {
        let before = clock::now(ClockId::Realtime);
        let raw = clock::now(ClockId::MonotonicRaw);
        let after = clock::now(ClockId::Realtime);
        let window = Duration::from_nanos(after.nanoseconds_since(before));
        let host = Timestamp::<Utc>::from_nanos(before.total_nanoseconds()) + window / 2;
        let system = self.view.of(host);
        // One oscillator drives both clocks, so what the view does to one it does to the other.
        let raw = Timestamp::<Mono>::from_nanos(raw.total_nanoseconds());
        Now { system, mono: raw + system.offset_from(host), window }
    }
}

/// A clock in software over one that may not be touched: the stamps stay raw, and the correction
/// lives in the published state alone.
#[derive(Debug)]
pub struct SoftwareClock {
    stamps: StampClock,
    correction: Correction,
    found: Frequency,
}

impl SoftwareClock {
    /// Uncorrected.
    pub fn new(stamps: StampClock) -> Self {
        let at = stamps.now().read_as();
        // Another daemon's last word is a part of this clock; it is asked only.
        let found = clock::read(ClockId::Realtime).map_or(Frequency::ZERO, |(_, found)| {
            super::kernel_clock::rate_of(found.tick, found.frequency)
        });
        Self { stamps, correction: Correction { at, ..Correction::default() }, found }
    }

    fn raw_now(&self) -> Timestamp<Raw> {
        self.stamps.now().read_as()
    }
}

impl Clock for SoftwareClock {
    fn now(&mut self) -> Now {
        self.stamps.pair()
    }

    fn raw(&self, stamp: Timestamp<System>) -> Timestamp<Raw> {
        stamp.read_as()
    }

    fn correction(&self) -> Correction {
        self.correction
    }

    fn steer(&mut self, order: &Order) -> Result<(), ClockError> {
        self.correction = self.correction.followed_by(self.raw_now(), order);
        Ok(())
    }

    fn step(&mut self, by: Duration) -> Result<(), ClockError> {
        self.correction = self.correction.stepped(self.raw_now(), by);
        Ok(())
    }

    fn leapt(&mut self, _: Timestamp<System>, _: Duration) {
        // No kernel is behind it.
    }

    fn declare(&mut self, _: &Declaration) -> Result<(), ClockError> {
        // Nobody else reads a clock in software.
        Ok(())
    }

    fn found_rate(&self) -> Frequency {
        self.found
    }

    fn is_served(&self) -> bool {
        false
    }
}

/// log2 of a reading time, never claimed better than a nanosecond.
pub fn precision(reading: Duration) -> Exponent {
    Exponent::at_least(reading.seconds().max(1e-9))
}

/// A pair read within this is good.
const PAIR_WINDOW: Duration = Duration::from_micros(5);
const PAIR_TRIES: usize = 8;
const PRECISION_READINGS: usize = 101;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_advance_and_take_less_than_a_millisecond() {
        let clock = StampClock::default();
        let (a, b) = (clock.now(), clock.now());
        assert!(b >= a);
        assert!(clock.reading_time() < Duration::from_millis(1));
        assert!((-30..=-9).contains(&precision(clock.reading_time()).0));
    }

    #[test]
    fn a_view_shifts_readings_stamps_and_pairs_alike() {
        let shift = Duration::from_seconds(100);
        let plain = StampClock::default();
        let shifted = StampClock::new(View::through(move |host| host.corrected_by(shift)));
        let (p, s) = (plain.pair(), shifted.pair());
        let slack = Duration::from_millis(500);
        assert!((s.system - p.system - shift).abs() < slack);
        assert!((s.mono - p.mono - shift).abs() < slack);
        let stamp = Timespec::new(5, 0).unwrap();
        assert!((shifted.stamp(stamp) - plain.stamp(stamp) - shift).abs() < Duration::NANOSECOND);
    }

    #[test]
    fn a_software_clock_steps_and_slews_without_touching_anything() {
        let mut clock = SoftwareClock::new(StampClock::default());
        clock.step(Duration::from_millis(-400)).unwrap();
        let now = clock.now().system;
        let raw = clock.raw(now);
        assert!((clock.correction().at(raw) - Duration::from_millis(-400)).abs().nanos() < 2);
        assert!(!clock.is_served());
    }
}
