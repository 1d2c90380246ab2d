//! The leap second itself: who counts it, and what becomes of the clock and of all that was measured.
//!
//! Nothing is found anew: UTC moves against the oscillator by exactly a second, so every estimate
//! moves along. Where the clock of the stamps itself is stepped, readings of it are ambiguous for a
//! second, so whatever was stamped then is dropped: four pulses, or a poll.

use super::super::{Engine, LeapMode};
use crate::clock::{Clock, Now};
use crate::event::EventKind;
use crate::sample::{Reading, ReadingKind};
use crate::state::{LeapCount, State};
use crate::time::{Duration, LeapIndicator, Raw, System, Timestamp};

/// An armed leap second.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Armed {
    /// From which reading of the system clock on it counts.
    pub at: Timestamp<System>,
    /// A second is counted twice; else one is left out.
    pub inserted: bool,
    /// Who counts it.
    pub count: LeapCount,
}

impl Armed {
    /// What UTC gains.
    fn by(self) -> Duration {
        if self.inserted { -Duration::SECOND } else { Duration::SECOND }
    }

    /// How it is announced.
    pub(super) const fn indicator(self) -> LeapIndicator {
        if self.inserted { LeapIndicator::Insert } else { LeapIndicator::Delete }
    }
}

impl<C: Clock> Engine<C> {
    /// Who counts leap seconds with this clock.
    pub(super) fn leap_count(&self) -> LeapCount {
        match (self.plan.policy.leap, self.clock.is_served()) {
            (LeapMode::Slew | LeapMode::Ignore, _) => LeapCount::Nobody,
            (LeapMode::Kernel | LeapMode::Step, false) => LeapCount::InSoftware,
            (LeapMode::Kernel, true) => LeapCount::ByKernel,
            (LeapMode::Step, true) => LeapCount::ByDaemon,
        }
    }

    /// The leap second that is armed and not counted yet.
    pub(super) fn armed(&self) -> Option<Armed> {
        let Some(at) = self.state.leap_at else { return self.leap_held };
        let (count, inserted) = (self.state.leap_count, self.state.leap == LeapIndicator::Insert);
        (count != LeapCount::Done).then_some(Armed { at, inserted, count })
    }

    /// The time is lost, so nothing is announced; what is armed comes all the same, wherever the time is
    /// found again.
    pub(in crate::engine) fn hold_the_leap(&mut self, state: &mut State) {
        self.leap_held = self.armed();
        (state.leap_at, state.leap_count) = (None, LeapCount::default());
    }

    /// What the kernel is to do at the end of this day.
    pub(in crate::engine) fn kernels_leap(&self, state: &State) -> LeapIndicator {
        let held = self.leap_held.filter(|held| held.count == LeapCount::ByKernel);
        held.map_or(state.kernels_leap(), Armed::indicator)
    }

    /// The kernel steps its clock by itself, which a clock that nobody sets shows; found before anybody
    /// else is suspected.
    pub(in crate::engine) fn notice_the_kernels_leap(
        &mut self,
        before: Now,
        raw_before: Timestamp<Raw>,
    ) {
        let armed = self.armed().filter(|armed| armed.count == LeapCount::ByKernel);
        let Some(armed) = armed else { return };
        let moved = (self.raw - raw_before) - (self.now.mono - before.mono);
        let is_it = (moved - armed.by()).abs() < Duration::SECOND / 4;
        if !is_it || self.now.system < armed.at + armed.by() {
            return;
        }
        self.clock.leapt(armed.at, armed.by());
        self.raw = self.clock.raw(self.now.system);
        self.leapt(armed);
    }

    /// The clock was set: the leap second comes at another reading of it. The kernel goes by the
    /// reading, right or wrong.
    pub(in crate::engine) fn move_the_leap(&mut self, by: Duration) {
        if self.state.leap_count != LeapCount::ByKernel {
            self.state.leap_at = self.state.leap_at.map(|at| at + by);
        }
        if let Some(held) = self.leap_held.as_mut().filter(|h| h.count != LeapCount::ByKernel) {
            held.at = held.at + by;
        }
    }

    /// At an announced leap second UTC counts one second twice, or not at all.
    pub(in crate::engine) fn leap(&mut self) {
        let Some(armed) = self.armed().filter(|armed| armed.at <= self.now.system) else { return };
        match armed.count {
            LeapCount::Done => {}
            // Its tick comes a moment later.
            LeapCount::ByKernel if self.now.system - armed.at < KERNEL_WITHIN => {}
            LeapCount::Nobody => self.pass_uncounted(armed),
            LeapCount::InSoftware | LeapCount::ByDaemon | LeapCount::ByKernel => {
                if self.clock.step(armed.by()).is_ok() {
                    self.read_clock();
                    self.leapt(armed);
                } else {
                    self.tell(armed.at, None, EventKind::ClockRefused);
                    self.pass_over(armed);
                    self.start_anew();
                }
            }
        }
    }

    /// Served time goes on; the second is slewed, or found in the samples of sources that leapt.
    fn pass_uncounted(&mut self, armed: Armed) {
        self.pass_over(armed);
        if self.plan.policy.leap == LeapMode::Slew {
            self.move_along_with_utc(armed);
            self.leap_lag = Duration::SECOND.seconds();
        } else {
            self.start_anew();
        }
    }

    /// The clock, or its correction, has counted it.
    fn leapt(&mut self, armed: Armed) {
        self.pass_over(armed);
        self.move_along_with_utc(armed);
        let steps = armed.count.steps_the_clock();
        if steps {
            self.void_before = armed.at.max(armed.at + armed.by());
        }
        if armed.inserted {
            // What was told counted the second that the clock now reads again.
            let repeated = if steps { Duration::SECOND.seconds() } else { 0.0 };
            self.state.noise = self.state.noise.later(repeated);
            // The inserted second ends where the clock reads the instant once more.
            let ends = if steps { armed.at } else { armed.at + Duration::SECOND };
            self.state.leap = LeapIndicator::Insert;
            self.state.leap_at = Some(ends);
            self.state.leap_count = LeapCount::Done;
        }
        if let Some(smear) = &mut self.state.smear {
            smear.counted = true;
        }
    }

    /// It is told, and armed no more.
    fn pass_over(&mut self, armed: Armed) {
        let Armed { at, inserted, count } = armed;
        self.tell(at, None, EventKind::LeapSecond { inserted, count });
        if let Some(table) = &self.plan.leaps {
            let of = |utc| table.tai_offset(utc).map_or(0, |offset| offset.0);
            let near = Duration::from_seconds(10);
            let utc = at.corrected_by(self.state.correction);
            let known = of(utc + near) != of(utc - near);
            let step = if inserted { 1 } else { -1 };
            self.tai_beyond_table += if known { 0 } else { step };
        }
        self.leap_held = None;
        self.state.leap = LeapIndicator::None;
        self.state.leap_at = None;
        self.state.leap_count = LeapCount::default();
        self.told_leap = LeapIndicator::None;
        self.leapt_at = Some(at);
    }

    /// All that was measured is of UTC before.
    fn move_along_with_utc(&mut self, armed: Armed) {
        let by = armed.by();
        self.estimator.leapt(by);
        self.samples.clear();
        self.sources.iter_mut().for_each(|source| source.leapt(by));
        for of in &mut self.pairings {
            of.pairing.shift(Duration::ZERO, by.round_seconds());
        }
    }

    /// Whether a reading was stamped before or after a step of the clock that a leap second makes, and
    /// nobody can tell which: all that counts of it is that it came.
    pub(in crate::engine) fn is_of_a_leap(&mut self, reading: &Reading) -> bool {
        let Some(stepped) = self.stepped_near else { return false };
        let near = |stamp: Timestamp<System>| (stamp - stepped).abs() <= STAMPS_DROPPED;
        match reading.kind {
            ReadingKind::Exchange(exchange) if near(reading.stamp) || near(exchange.sent) => {
                if reading.source.index() < self.sources.len() {
                    self.reach(reading, exchange.reach);
                }
                true
            }
            ReadingKind::Mark { .. }
            | ReadingKind::Pulse { .. }
            | ReadingKind::Label { .. }
            | ReadingKind::QuantizationError { .. } => near(reading.stamp),
            _ => false,
        }
    }

    /// Whether the clock is about to be stepped by the kernel: it must be left alone meanwhile.
    pub(in crate::engine) fn awaits_the_kernel(&self) -> bool {
        let armed = self.armed().filter(|armed| armed.count == LeapCount::ByKernel);
        armed.is_some_and(|armed| self.now.system >= armed.at - LEFT_ALONE)
    }

    /// When the engine wants to tick next, less than a second from its last tick on: at a leap second,
    /// so that it is counted at once.
    pub fn due(&self) -> Option<Duration> {
        let armed = self.armed()?;
        let left = armed.at - self.now.system;
        let left = match armed.count {
            LeapCount::ByKernel => (left + KERNEL_TICK).max(KERNEL_TICK),
            _ => left.max(Duration::from_millis(1)),
        };
        (left < Duration::SECOND).then_some(left)
    }
}

/// A kernel that has not leapt by then does not: the daemon steps the clock itself.
const KERNEL_WITHIN: Duration = Duration::from_millis(500);
/// After its instant the kernel leaps so soon, and after so long it is looked at again.
const KERNEL_TICK: Duration = Duration::from_millis(20);
/// Before it.
const LEFT_ALONE: Duration = Duration::from_millis(20);
/// Stamps this near to a step by a leap second are dropped: a second on either side, and as much again
/// for a step that comes late.
const STAMPS_DROPPED: Duration = Duration::from_seconds(2);
