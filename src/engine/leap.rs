//! Leap seconds: who announces them, from when on they count, and what becomes of the clock.
//!
//! A list that has not expired knows best; then the majority of the sources that can tell. Pulses
//! alone cannot, nor can text of a kind that has no word for it.

use super::{Engine, Role, Tracked};
use crate::clock::Clock;
use crate::event::EventKind;
use crate::mitigation::Verdict;
use crate::state::State;
use crate::time::{Date, Duration, LeapIndicator, System, Timestamp, Utc};

impl<C: Clock> Engine<C> {
    /// A list that is still complete knows better than any source; an expired one keeps quiet about
    /// leaps, though its TAI − UTC is the best guess there is.
    pub(super) fn leap_of_table(&self, state: &State) -> Option<LeapIndicator> {
        let now = state.utc(self.now.system);
        let table = self.plan.leaps.as_ref().filter(|table| now < table.expires())?;
        Some(table.indicator(now))
    }

    /// What more than half of those say who can tell, or the followed one where they are divided; as
    /// before, while nobody can.
    pub(super) fn announced(&self) -> LeapIndicator {
        let honest = |v: Verdict| v.is_used() || matches!(v, Verdict::Reserve | Verdict::Outlier);
        let tells = |s: &&Tracked| self.tells_of_leaps(s);
        let says = |s: &Tracked| s.last.map_or(LeapIndicator::None, |sample| sample.leap);
        let (mut insert, mut delete, mut all) = (0, 0, 0);
        for source in self.sources.iter().filter(|s| honest(s.verdict)).filter(tells) {
            all += 1;
            insert += usize::from(says(source) == LeapIndicator::Insert);
            delete += usize::from(says(source) == LeapIndicator::Delete);
        }
        if all == 0 {
            return match self.state.leap {
                LeapIndicator::Unknown => LeapIndicator::None,
                known => known,
            };
        }
        let followed = self.selection.system_peer.map(|id| &self.sources[id.index()]);
        let followed = followed.filter(tells).map_or(LeapIndicator::None, says);
        match followed {
            _ if 2 * insert > all => LeapIndicator::Insert,
            _ if 2 * delete > all => LeapIndicator::Delete,
            LeapIndicator::Insert if 2 * insert == all => LeapIndicator::Insert,
            LeapIndicator::Delete if 2 * delete == all => LeapIndicator::Delete,
            _ => LeapIndicator::None,
        }
    }

    fn tells_of_leaps(&self, source: &Tracked) -> bool {
        let knows = |text: &Tracked| text.report.receiver.leap != LeapIndicator::Unknown;
        match source.plan.role {
            Role::Server(_) => true,
            Role::Text => knows(source),
            Role::Pulse { text: Some(text) } => knows(&self.sources[text.index()]),
            Role::Pulse { text: None } => source.marks,
        }
    }

    /// At an announced leap second UTC counts one second twice, or not at all. A clock in software
    /// is carried over: what is published says from which instant on the count differs. The kernel's
    /// clock is given up and found anew within seconds, rather than served a second wrong.
    pub(super) fn leap(&mut self) {
        let Some(at) = self.state.leap_at.filter(|at| *at <= self.now.system) else { return };
        let inserted = self.state.leap == LeapIndicator::Insert;
        self.tell(at, None, EventKind::LeapSecond { inserted });
        self.state.leap_at = None;
        self.state.leap = LeapIndicator::None;
        self.leapt_at = Some(at);
        let by = if inserted { -Duration::SECOND } else { Duration::SECOND };
        if !self.clock.is_served() && self.clock.step(by).is_ok() {
            self.estimator.leapt(by);
            self.samples.clear();
            for source in &mut self.sources {
                source.leapt(by);
            }
            let seconds = if inserted { -1 } else { 1 };
            for of in &mut self.pairings {
                of.pairing.shift(Duration::ZERO, seconds);
            }
        } else {
            self.start_anew();
        }
    }

    /// Says from which reading of the system clock on an announced leap second counts.
    pub(super) fn arm_leap(&self, state: &mut State) {
        // A correction by nanoseconds may lift the time over midnight between two ticks, and sources
        // take their word back with the second itself: what is armed so shortly before, comes.
        let near = |at: &Timestamp<System>| (*at - self.now.system).abs() <= LEAP_HELD;
        if let Some(at) = self.state.leap_at.filter(near) {
            (state.leap, state.leap_at) = (self.state.leap, Some(at));
            return;
        }
        state.leap_at = None;
        // One that just happened is still announced for a while.
        if self.leapt_at.is_some_and(|last| self.now.system - last < LEAP_APART) {
            state.leap = LeapIndicator::None;
            return;
        }
        let ends = match state.leap {
            LeapIndicator::Insert => Duration::ZERO,
            LeapIndicator::Delete => Duration::SECOND,
            LeapIndicator::None | LeapIndicator::Unknown => return,
        };
        let utc = state.utc(self.now.system);
        let day = (utc + ends).seconds().div_euclid(86_400) + 1;
        if Date::of_unix_days(day).day() != 1 {
            return;
        }
        let instant = Timestamp::<Utc>::from_seconds(day * 86_400) - ends;
        let rate = 1.0 + state.correction_rate.ratio();
        let left = Duration::from_seconds_f64((instant - utc).seconds() / rate);
        state.leap_at = Some(self.now.system + left);
    }
}

/// An armed leap second this near is not taken back.
const LEAP_HELD: Duration = Duration::from_seconds(2);
/// Leap seconds are months apart.
const LEAP_APART: Duration = Duration::from_seconds(7 * 86_400);
