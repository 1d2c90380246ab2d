//! What happens to the clock that no sample tells of: somebody else's hand, and sleep.
//!
//! Whoever sets the system clock does not move the oscillator. By how much it was set is known at
//! the next tick without a packet: everything measured is moved along, nothing is forgotten. But the
//! hand may have been right and the machine asleep, so the bound is void until a sample agrees.

use super::{Engine, Tracked};
use crate::clock::{Clock, Now};
use crate::event::EventKind;
use crate::time::{Duration, Raw, Timestamp};

impl<C: Clock> Engine<C> {
    /// Raw is kept with the reading: after a step backwards a reading of before is ambiguous.
    pub(super) fn read_clock(&mut self) {
        self.now = self.clock.now();
        self.raw = self.clock.raw(self.now.system);
    }

    /// The raw clock and a clock that nobody sets must keep their rate to one another from tick to
    /// tick. Whoever steps or slews the clock beside us, or stops the machine, breaks it.
    pub(super) fn notice_others(&mut self, before: Now, raw_before: Timestamp<Raw>) {
        let mono = self.now.mono - before.mono;
        let steered = self.clock.correction().rate.ratio().abs();
        let slack = if self.clock.is_served() { STEERING_SLACK * steered } else { 0.0 };
        let windows = (self.now.window + before.window) * 2;
        let uncertain = windows.seconds() + slack;
        let knew = self.companion.knows();
        let by = self.companion.compare(self.raw - raw_before, mono, uncertain);
        let Some(by) = by else {
            self.notice_sleep(raw_before);
            return;
        };
        self.tell(self.now.system, None, EventKind::ClockDisturbed { by });
        self.move_the_leap(by);
        if knew {
            self.move_along(by, uncertain + RATE_UNCERTAIN * mono.seconds());
        } else {
            self.start_anew();
        }
        self.void_since = Some(self.raw);
        // Exchanges under way have stamps of both clocks.
        self.void_before = self.now.system + (-by).max(Duration::ZERO);
    }

    /// Ticks come once a second at least. One that comes much later found the process stopped, the
    /// machine asleep, or its count jumped ahead: nobody can tell from within.
    fn notice_sleep(&mut self, raw_before: Timestamp<Raw>) {
        let passed = self.raw - raw_before;
        let odd = passed > TICK_WITHIN || passed < Duration::ZERO;
        if odd {
            self.tell(self.now.system, None, EventKind::TickLate { after: passed });
        }
        if odd && self.estimator.believed() > 0 {
            self.void_since = Some(self.raw);
        }
    }

    /// Everything measured moves with the clock of its stamps.
    fn move_along(&mut self, by: Duration, sigma: f64) {
        self.estimator.moved(by, sigma);
        self.samples.clear();
        self.sources.iter_mut().for_each(|source| source.moved(by));
        for of in &mut self.pairings {
            of.pairing.shift(by, 0);
            of.last_pulse = of.last_pulse.map(|at| at + by);
        }
        self.started = self.started + by;
        self.synchronised_at = self.synchronised_at.map(|at| at + by);
        self.first_heard = self.first_heard.map(|at| at + by);
    }

    /// Everything measured against the clock as it was is void.
    pub(super) fn start_anew(&mut self) {
        self.estimator.restart();
        self.samples.clear();
        self.sources.iter_mut().for_each(Tracked::forget);
        for of in &mut self.pairings {
            of.pairing.forget();
            of.last_pulse = None;
        }
        self.stepped = 0;
        self.synchronised_at = None;
        self.first_heard = None;
    }
}

/// What a clock may be off after its rate was changed within an interval of so many seconds, which
/// nobody can date exactly.
const STEERING_SLACK: f64 = 2e-3;
/// A tick later than this after the one before is odd.
const TICK_WITHIN: Duration = Duration::from_millis(1500);
/// How well the rate of the two clocks to one another is known, s/s.
const RATE_UNCERTAIN: f64 = 1e-7;
