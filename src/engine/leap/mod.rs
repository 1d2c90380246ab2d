//! Leap seconds: who announces them, and from when on they count.
//!
//! A table that has not expired knows best; then the majority of the sources that can tell. Pulses
//! alone cannot, nor can text of a kind that has no word for it. What is announced is armed on the
//! last day of the month, and disarmed when it is taken back.

mod pass;
mod smear;

pub(super) use pass::Armed;

use super::{Engine, Role, Tracked};
use crate::clock::Clock;
use crate::event::EventKind;
use crate::mitigation::Verdict;
use crate::state::{LeapCount, State};
use crate::time::{Date, Duration, LeapIndicator, System, Timestamp, Utc};

impl<C: Clock> Engine<C> {
    /// Decides what is announced, and arms it.
    pub(super) fn announce_leap(&mut self, state: &mut State) {
        let utc = state.utc(self.now.system);
        let expired = self.plan.leaps.as_ref().is_some_and(|table| table.is_expired(utc));
        if expired && !core::mem::replace(&mut self.told_expired, true) {
            self.tell(self.now.system, None, EventKind::LeapTableExpired);
        }
        // A table that is still complete knows better than any source; an expired one keeps quiet about
        // leaps, though its TAI − UTC is the best guess there is.
        let table = self.plan.leaps.as_ref().and_then(|table| table.tells(utc));
        state.leap = table.unwrap_or_else(|| self.announced());
        self.arm_leap(state);
        self.leap_held = None;
        if state.leap_count != LeapCount::Done && state.leap != self.told_leap {
            self.told_leap = state.leap;
            self.tell(self.now.system, None, EventKind::LeapAnnounced(state.leap));
        }
        let steps = state.leap_at.filter(|_| state.leap_count.steps_the_clock());
        // After the leap stamps of the second before it are still under way.
        self.stepped_near = steps.or(self.stepped_near.filter(|at| Some(*at) == self.leapt_at));
        self.plan_smear(state);
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

    /// Says from which reading of the system clock on an announced leap second counts.
    fn arm_leap(&self, state: &mut State) {
        let passing = |at: &Timestamp<System>| self.now.system < *at;
        if self.state.leap_count == LeapCount::Done {
            if let Some(ends) = self.state.leap_at.filter(passing) {
                (state.leap, state.leap_at) = (LeapIndicator::Insert, Some(ends));
                return;
            }
            (state.leap_at, state.leap_count) = (None, LeapCount::default());
        }
        // A correction by nanoseconds may lift the time over midnight between two ticks, and sources
        // take their word back with the second itself: what is armed so shortly before, comes.
        let near = |at: &Timestamp<System>| (*at - self.now.system).abs() <= LEAP_HELD;
        if let Some(armed) = self.armed().filter(|armed| near(&armed.at)) {
            (state.leap, state.leap_at) = (armed.indicator(), Some(armed.at));
            state.leap_count = armed.count;
            return;
        }
        (state.leap_at, state.leap_count) = (None, LeapCount::default());
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
        (state.leap_at, state.leap_count) = (Some(self.now.system + left), self.leap_count());
    }
}

/// An armed leap second this near is not taken back.
const LEAP_HELD: Duration = Duration::from_seconds(2);
/// Leap seconds are months apart.
const LEAP_APART: Duration = Duration::from_seconds(7 * 86_400);
