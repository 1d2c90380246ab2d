//! Which smear is published: from the first word of a leap second to the noon after it.
//!
//! A daemon that just started joins the curve where UTC says, as other servers are on it. One that
//! serves already may not jump: late news begin the curve anew, a leap second that is taken back lets
//! it run back.

use super::super::Engine;
use crate::clock::Clock;
use crate::state::{LeapCount, State};
use crate::time::{Duration, LeapIndicator, LeapSecond, Smear, Timestamp, Utc};

impl<C: Clock> Engine<C> {
    /// Decides the smear of a synchronised state whose leap second is armed, or is not.
    pub(in crate::engine) fn plan_smear(&self, state: &mut State) {
        if self.leap_count() == LeapCount::Nobody {
            state.smear = None;
            return;
        }
        let utc = state.utc(self.now.system);
        let served = self.state.is_synchronised();
        let armed = armed(state);
        state.smear = match (state.smear, armed) {
            (None, Some(leap)) if served => Some(Smear::late(leap, utc)),
            (None, Some(leap)) => Some(Smear::whole(leap)),
            (None, None) if served => None,
            (None, None) => self.passed(utc),
            (Some(smear), Some(leap)) if smear.leap != leap => Some(Smear::late(leap, utc)),
            (Some(smear), Some(_)) if smear.is_turned() => Some(smear.resumed(utc)),
            (Some(smear), Some(_)) => Some(smear),
            (Some(smear), None) => after(smear, utc, served),
        };
    }

    /// The curve of a leap second that came before this daemon, and which the table tells of.
    fn passed(&self, utc: Timestamp<Utc>) -> Option<Smear> {
        let leap = self.plan.leaps.as_ref()?.last(utc)?;
        let smear = Smear { counted: true, ..Smear::whole(leap) };
        (!smear.is_over(smear.count(utc, true))).then_some(smear)
    }
}

/// A smear whose leap second is armed no more: it came, or it was taken back.
fn after(smear: Smear, utc: Timestamp<Utc>, served: bool) -> Option<Smear> {
    // Found again after midnight, UTC has leapt without being counted here.
    let counted = smear.counted || (!served && utc >= smear.leap.before);
    let smear = Smear { counted, ..smear };
    let count = smear.count(utc, counted);
    match smear.is_over(count) {
        true => None,
        false if counted || smear.is_turned() => Some(smear),
        false => Some(smear.turned(count)),
    }
}

fn armed(state: &State) -> Option<LeapSecond> {
    let at = state.leap_at.filter(|_| state.leap_count != LeapCount::Done)?;
    // The day is told by an instant that no leap touches.
    let day = state.utc(at - Duration::from_seconds(60)).seconds().div_euclid(86_400) + 1;
    let before = Timestamp::from_seconds(day * 86_400);
    Some(LeapSecond { before, inserted: state.leap == LeapIndicator::Insert })
}
