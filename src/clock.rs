//! The only clock trait: what a clock must let the engine do, and what was really applied to it.
//!
//! `raw` is the undisturbed oscillator; the served clock is `raw + A(raw)`. A clock keeps `A` as
//! pieces: what was applied, not what was wanted, is what counts.

use core::fmt;
use std::collections::VecDeque;

use crate::discipline::servo::Order;
use crate::state::Phase;
use crate::time::{Duration, Frequency, LeapIndicator, Mono, Raw, System, TaiOffset, Timestamp};

/// A clock that the engine steers. Three worlds have one: the kernel's, one in software over a
/// clock that may not be touched, and the simulator's.
pub trait Clock {
    /// The clock that stamps are taken from, and one that nobody sets, read as one event.
    fn now(&mut self) -> Now;

    /// The oscillator's reading behind a stamp, our own corrections undone.
    fn raw(&self, stamp: Timestamp<System>) -> Timestamp<Raw>;

    /// What is applied now.
    fn correction(&self) -> Correction;

    /// Applies rates from this instant on.
    ///
    /// # Errors
    /// [`ClockError`] if the clock refuses; what was applied before stays applied.
    fn steer(&mut self, order: &Order) -> Result<(), ClockError>;

    /// Jumps by `by`, positive forwards; rates stay.
    ///
    /// # Errors
    /// [`ClockError`] if the clock refuses; nothing was changed.
    fn step(&mut self, by: Duration) -> Result<(), ClockError>;

    /// Takes note of a leap second that the clock made by itself when it read `at`: −1 s where a
    /// second was inserted. Only a clock that [`Clock::declare`] hands leap seconds to does that.
    fn leapt(&mut self, at: Timestamp<System>, by: Duration);

    /// Tells others on this machine how good the clock is.
    ///
    /// # Errors
    /// [`ClockError`] if it refuses.
    fn declare(&mut self, declaration: &Declaration) -> Result<(), ClockError>;

    /// How much faster than the bare hardware `raw` runs: by the rate that was found at the start.
    fn found_rate(&self) -> Frequency {
        Frequency::ZERO
    }

    /// Whether readings of the system clock are the served time already.
    fn is_served(&self) -> bool;
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The clock of the stamps.
    pub system: Timestamp<System>,
    /// Never set, never stepped; compared with the former to notice who else did.
    pub mono: Timestamp<Mono>,
    /// How far apart the two may have been read.
    pub window: Duration,
}

/// The quality of a clock, for adjtimex and for those who read it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Declaration {
    /// Where the daemon stands.
    pub phase: Phase,
    /// |served − true| is at most this.
    pub bound: Duration,
    /// One sigma of the estimate, s.
    pub sigma: f64,
    /// The leap second that the clock is to make by itself at the end of this UTC day.
    pub leap: LeapIndicator,
    /// TAI − UTC where known.
    pub tai_offset: Option<TaiOffset>,
}

/// Why a clock would not be steered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockError(pub String);

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ClockError {}

/// One piece of `A`: phase at an instant, a rate for good and a slew for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    /// Where the piece begins.
    pub at: Timestamp<Raw>,
    /// A at that instant.
    pub phase: Duration,
    /// dA/dτ after the slew.
    pub rate: Frequency,
    /// Added to the rate during `span`.
    pub slew: Frequency,
    /// How long the slew lasts.
    pub span: Duration,
}

impl Default for Correction {
    fn default() -> Self {
        Self {
            at: Timestamp::EPOCH,
            phase: Duration::ZERO,
            rate: Frequency::ZERO,
            slew: Frequency::ZERO,
            span: Duration::ZERO,
        }
    }
}

impl Correction {
    /// A at `raw`. Before the piece its rate is continued backwards.
    pub fn at(&self, raw: Timestamp<Raw>) -> Duration {
        let since = raw - self.at;
        let slewing = since.min(self.span).max(Duration::ZERO);
        self.phase + self.rate.over(since) + self.slew.over(slewing)
    }

    /// The piece that goes on from this one at `raw` with other rates: A stays continuous.
    #[must_use]
    pub fn followed_by(&self, raw: Timestamp<Raw>, order: &Order) -> Self {
        Self { at: raw, phase: self.at(raw), rate: order.rate, slew: order.slew, span: order.span }
    }

    /// The same piece after a jump at `raw`.
    #[must_use]
    pub fn stepped(&self, raw: Timestamp<Raw>, by: Duration) -> Self {
        let left = (self.span - (raw - self.at)).max(Duration::ZERO);
        Self { at: raw, phase: self.at(raw) + by, span: left, ..*self }
    }

    /// The raw reading at which `raw + A(raw)` reads `served`.
    pub fn raw_of(&self, served: Timestamp<System>) -> Timestamp<Raw> {
        // A contraction of at most 10 %: twelve rounds leave less than a unit of any second.
        let mut raw = served.corrected_by::<Raw>(-self.phase);
        for _ in 0..12 {
            raw = served.corrected_by(-self.at(raw));
        }
        raw
    }
}

/// The last pieces of `A`, oldest first: a stamp is undone with the piece that was in force when it
/// was taken, which may be an older one when it is judged.
#[derive(Clone, Debug)]
pub struct Pieces(VecDeque<Correction>);

impl Pieces {
    /// Nothing is applied yet, from `at` on.
    pub fn starting(at: Timestamp<Raw>) -> Self {
        let mut pieces = VecDeque::with_capacity(PIECES_MAX);
        pieces.push_back(Correction { at, ..Correction::default() });
        Self(pieces)
    }

    /// Appends what is applied from now on. A piece that was never in force is forgotten.
    pub fn push(&mut self, piece: Correction) {
        if self.0.len() > 1 && self.latest().at == piece.at {
            self.0.pop_back();
        }
        if self.0.len() == PIECES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(piece);
    }

    /// The clock jumped by itself when it read `at`, before anything was ordered of it since.
    pub fn leapt(&mut self, at: Timestamp<System>, by: Duration) {
        let latest = self.latest();
        let raw = latest.raw_of(at).max(latest.at);
        self.push(latest.stepped(raw, by));
    }

    /// What is applied now.
    pub fn latest(&self) -> Correction {
        *self.0.back().expect("there is always a piece")
    }

    /// A at `raw`.
    pub fn at(&self, raw: Timestamp<Raw>) -> Duration {
        let piece = self.0.iter().rev().find(|piece| piece.at <= raw);
        piece.unwrap_or(&self.0[0]).at(raw)
    }

    /// The raw reading behind a reading of the corrected clock. A reading that a step backwards
    /// made twice is taken for the later one.
    pub fn raw_of(&self, served: Timestamp<System>) -> Timestamp<Raw> {
        let inside = |piece: &&Correction| piece.raw_of(served) >= piece.at;
        self.0.iter().rev().find(inside).unwrap_or(&self.0[0]).raw_of(served)
    }
}

/// At two hundred ticks a second this reaches back five seconds, as far as drivers take readings.
const PIECES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(phase: i64, rate: f64, slew: f64, span: f64) -> Correction {
        Correction {
            at: Timestamp::from_seconds(1_700_000_000),
            phase: Duration::from_nanos(phase.into()),
            rate: Frequency::from_ppm(rate),
            slew: Frequency::from_ppm(slew),
            span: Duration::from_seconds_f64(span),
        }
    }

    proptest! {
        #[test]
        fn undoing_a_correction_finds_the_raw_reading(
            phase in any::<i64>(), rate in -500.0..500.0f64, slew in -83_333.0..83_333.0f64,
            span in 0.0..20.0f64, since in -10.0..1000.0f64,
        ) {
            let a = piece(phase, rate, slew, span);
            let raw = a.at + Duration::from_seconds_f64(since);
            let served = raw.corrected_by::<System>(a.at(raw));
            let error = (a.raw_of(served) - raw).abs();
            prop_assert!(error.units() < 1 << 30, "{}", error.seconds());
        }

        #[test]
        fn a_new_piece_is_continuous_and_time_never_runs_backwards(
            slew in -83_333.0..83_333.0f64, at in 0.0..30.0f64, rate in -500.0..500.0f64,
        ) {
            let a = piece(5, 10.0, slew, 12.0);
            let raw = a.at + Duration::from_seconds_f64(at);
            let order = Order {
                rate: Frequency::from_ppm(rate),
                slew: Frequency::ZERO,
                span: Duration::ZERO,
            };
            let b = a.followed_by(raw, &order);
            prop_assert_eq!(a.at(raw), b.at(raw));
            let later = raw + Duration::from_millis(1);
            prop_assert!(later.corrected_by::<System>(b.at(later)) > raw.corrected_by(b.at(raw)));
        }

        #[test]
        fn a_clock_that_leapt_by_itself_is_undone_before_and_after(
            since in 0.0..100.0f64, rate in -500.0..500.0f64, inserted in any::<bool>(),
        ) {
            let at = Timestamp::<System>::from_seconds(1_700_000_100);
            let by = Duration::from_seconds(if inserted { -1 } else { 1 });
            let mut pieces = Pieces(VecDeque::from([piece(5, rate, 0.0, 0.0)]));
            let before = pieces.raw_of(at - Duration::from_seconds(2));
            let instant = pieces.raw_of(at);
            pieces.leapt(at, by);
            // The oscillator goes on through it.
            let after = pieces.raw_of(at + by + Duration::from_seconds_f64(since));
            prop_assert!(((after - instant).seconds() - since).abs() < 1e-3 * since + 1e-9);
            prop_assert_eq!(pieces.raw_of(at - Duration::from_seconds(2)), before);
        }

        #[test]
        fn a_step_keeps_the_rest_of_the_slew(at in 0.0..30.0f64, by in any::<i32>()) {
            let a = piece(0, 10.0, 1000.0, 12.0);
            let by = Duration::from_nanos(by.into());
            let raw = a.at + Duration::from_seconds_f64(at);
            let b = a.stepped(raw, by);
            let end = a.at + Duration::from_seconds(100);
            prop_assert!((b.at(end) - a.at(end) - by).abs().units() < 1 << 20);
        }
    }
}
