//! The oracle: what must hold of every node at every event, judged by one who knows true time.
//!
//! While a node claims to know the time, be it as a local clock: |served − true| ≤ its bound; its
//! served time does not run backwards, but for its own steps, somebody else's and leap seconds; its
//! bound does not shrink unless something was heard. For that law the lag is left out, which is
//! worked off without news, and a change of the sources in use counts as news: whoever leaves takes
//! his path along. A bound may grow at any time: giving up knowledge is honest. A leap second is
//! applied once, within [`LEAP_WITHIN`] of its instant. A node may follow one that follows it no
//! longer than [`LOOP_FOR`]. What is found here is a fact; whether it is a fault depends on the
//! assumptions that the world was announced to break.

use super::Truth;
use super::mutation::Mutation;
use crate::event::EventKind;
use crate::state::{State, Term};
use crate::time::{Duration, System, Timestamp, Utc};

/// A law that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// |served − true| ≤ bound.
    Bound,
    /// Served time runs forwards between steps.
    Monotone,
    /// A bound shrinks by news only.
    Shrink,
    /// Nobody follows a follower.
    Loop,
    /// A leap second is applied once, at the right second.
    LeapSecond,
    /// What breaks an assumption is told in time.
    Told,
}

impl Law {
    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Monotone => "monotone",
            Self::Shrink => "shrink",
            Self::Loop => "loop",
            Self::LeapSecond => "leap second",
            Self::Told => "told",
        }
    }
}

/// One breach of a law.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// When, in seconds from the start.
    pub at: f64,
    /// Which node, by its place in the scenario.
    pub node: usize,
    /// Which law.
    pub law: Law,
    /// With figures.
    pub detail: String,
}

/// The breaches of a run: the first few in full, all of them counted.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    /// The first ones of each law.
    pub first: Vec<Violation>,
    /// All, by law.
    pub counts: [u64; 6],
}

impl Violations {
    /// Notes one; the detail is only written out for the first few of its law.
    pub fn note(&mut self, at: f64, node: usize, law: Law, detail: impl FnOnce() -> String) {
        let count = &mut self.counts[law as usize];
        *count += 1;
        if *count <= KEPT_OF_EACH {
            self.first.push(Violation { at, node, law, detail: detail() });
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// One look at a node.
#[derive(Clone, Copy, Debug)]
pub struct Look<'s> {
    /// The universe's count.
    pub now: Timestamp<Utc>,
    /// From the start, s.
    pub at: f64,
    /// What the node's system clock reads.
    pub system: Timestamp<System>,
    /// What it published.
    pub state: &'s State,
    /// What of that is made wrong.
    pub mutation: Option<Mutation>,
}

impl Look<'_> {
    /// Whether anything is claimed: a time to follow, or to be shared for want of a better one.
    pub fn claims(&self) -> bool {
        self.state.phase.is_synchronised() || self.state.is_synchronised()
    }

    /// What is claimed of the error.
    pub fn bound(&self) -> Duration {
        match &self.mutation {
            None => self.state.bound(self.system),
            Some(mutation) => mutation.bound(self.state, self.system),
        }
    }

    /// One term of that, s.
    pub fn term(&self, term: Term) -> f64 {
        match &self.mutation {
            None => self.state.ledger(self.system).of(term),
            Some(mutation) => mutation.term(self.state, self.system, term),
        }
    }
}

/// What the oracle remembers of a node between two looks.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    node: usize,
    served: Option<Timestamp<Utc>>,
    bound: Option<f64>,
    leaps: u32,
    /// It claimed to know the time when UTC leapt.
    knew: bool,
}

impl Watch {
    /// Nothing was seen yet of the node at this place.
    pub const fn new(node: usize) -> Self {
        Self { node, served: None, bound: None, leaps: 0, knew: false }
    }

    /// The clock was stepped, by whomever: its time may go anywhere.
    pub fn stepped(&mut self) {
        self.served = None;
    }

    /// Somebody else moved the clock: the age of the bound is counted by it, so that moves, too.
    pub fn disturbed(&mut self) {
        self.stepped();
        self.bound = None;
    }

    /// Something was heard, or the sources in use changed: the bound may shrink.
    pub fn heard(&mut self) {
        self.bound = None;
    }

    /// Looks at the node; the error of its served time, positive when it is ahead.
    pub fn look(&mut self, look: &Look<'_>, truth: &Truth, into: &mut Violations) -> Duration {
        let served = look.state.utc(look.system);
        let error = truth.error(served, look.now);
        if !look.claims() {
            *self = Self { served: None, bound: None, ..*self };
            return error;
        }
        let bound = look.bound();
        // The instant of a leap second is known no better than the time: within its bound of it the
        // count may be of before or of after.
        let near = truth.leaps_at().is_some_and(|at| (look.now - at).abs() <= bound);
        let error = match near {
            true if error > Duration::SECOND / 2 => error - Duration::SECOND,
            true if error < -Duration::SECOND / 2 => error + Duration::SECOND,
            _ => error,
        };
        if error.abs() > bound {
            into.note(look.at, self.node, Law::Bound, || {
                format!("|{error}| is more than the bound of {bound}")
            });
        }
        let near = |leap: Timestamp<Utc>| (look.now - leap).abs() <= LEAP_WITHIN;
        let excused = truth.leaps_at().is_some_and(near);
        let before = self.served.filter(|last| served < *last - ROUNDING && !excused);
        if let Some(last) = before {
            into.note(look.at, self.node, Law::Monotone, || {
                format!("served time ran back by {} without a step", last - served)
            });
        }
        let settled = bound.seconds() - look.term(Term::Lag);
        // Where a clock is stepped back the bound counts the second that is read twice, read or not.
        let shrank = self.bound.filter(|last| settled < *last * (1.0 - TOLERANCE) && !excused);
        if let Some(last) = shrank {
            into.note(look.at, self.node, Law::Shrink, || {
                format!("the bound shrank from {last:.3e} s to {settled:.3e} s without news")
            });
        }
        self.served = Some(served);
        self.bound = Some(settled);
        error
    }

    /// The node told something.
    pub fn told(&mut self, look: &Look<'_>, kind: EventKind, truth: &Truth, into: &mut Violations) {
        match kind {
            EventKind::Stepped { .. } | EventKind::ClockDisturbed { .. } => self.stepped(),
            EventKind::LeapSecond { .. } => {
                self.stepped();
                self.leaps += 1;
                let at = truth.leaps_at();
                let in_time = at.is_some_and(|at| (look.now - at).abs() <= LEAP_WITHIN);
                if self.leaps > 1 || !in_time {
                    into.note(look.at, self.node, Law::LeapSecond, || match at {
                        None => "a leap second was applied where UTC has none".to_owned(),
                        Some(at) => format!(
                            "leap second number {} was applied {} after its instant",
                            self.leaps,
                            look.now - at
                        ),
                    });
                }
            }
            EventKind::Verdict(_) | EventKind::SystemPeer | EventKind::RouteChange { .. } => {
                self.heard();
            }
            _ => {}
        }
    }

    /// UTC leaps now.
    pub fn leapt(&mut self, state: &State) {
        self.knew = state.phase.is_synchronised();
    }

    /// Whether it knew the time when UTC leapt and did not apply that.
    pub const fn missed_a_leap(&self) -> bool {
        self.knew && self.leaps == 0
    }
}

/// Who follows whom among the nodes, and since when in a circle.
#[derive(Clone, Debug)]
pub struct Loops {
    /// For each node the node that it follows.
    follows: Vec<Option<usize>>,
    since: Vec<Option<f64>>,
}

impl Loops {
    /// So many nodes, and nobody follows anybody.
    pub fn new(nodes: usize) -> Self {
        Self { follows: vec![None; nodes], since: vec![None; nodes] }
    }

    /// At `at` seconds `node` follows that other node, or none.
    pub fn follow(&mut self, node: usize, whom: Option<usize>) {
        self.follows[node] = whom;
    }

    /// Holds every node against its chain of upstreams.
    pub fn look(&mut self, at: f64, into: &mut Violations) {
        for node in 0..self.follows.len() {
            if !self.returns(node) {
                self.since[node] = None;
                continue;
            }
            let since = *self.since[node].get_or_insert(at);
            if at - since > LOOP_FOR {
                into.note(at, node, Law::Loop, || {
                    format!("follows one that follows it, for {:.0} s", at - since)
                });
            }
        }
    }

    /// Whether the chain of upstreams leads back.
    fn returns(&self, node: usize) -> bool {
        let mut next = self.follows[node];
        for _ in 0..self.follows.len() {
            match next {
                Some(other) if other == node => return true,
                Some(other) => next = self.follows[other],
                None => return false,
            }
        }
        false
    }
}

/// A follower learns from its next eight answers that it is followed by its upstream; the longest
/// poll of a scenario with nodes in a circle is 64 s.
pub const LOOP_FOR: f64 = 8.0 * 64.0 + 64.0;
/// The engine ticks once a second; the tick before and the tick after the leap.
pub const LEAP_WITHIN: Duration = Duration::from_seconds(2);
/// Served time is told in nanoseconds.
const ROUNDING: Duration = Duration::NANOSECOND;
/// Sums of floats in another order.
const TOLERANCE: f64 = 1e-9;
/// Breaches of one law written out in full.
const KEPT_OF_EACH: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{ErrorTerms, LeapCount, Phase};

    fn state(correction: f64, noise: f64) -> State {
        State {
            phase: Phase::Locked,
            anchor: Timestamp::EPOCH,
            correction: Duration::from_seconds_f64(correction),
            fixed: ErrorTerms::NONE.with(Term::Noise, 0.0).with(Term::Path, noise),
            ..State::default()
        }
    }

    /// What the oracle finds when it looks at these states, a second apart.
    fn found(states: &[State]) -> [u64; 6] {
        let (mut watch, mut into) = (Watch::new(0), Violations::default());
        for (second, state) in (0..).zip(states) {
            let now = Timestamp::from_seconds(second);
            let system = Timestamp::from_seconds(second);
            let look = Look { now, at: second as f64, system, state, mutation: None };
            watch.look(&look, &Truth::default(), &mut into);
        }
        into.counts
    }

    #[test]
    fn each_law_is_seen_to_be_broken() {
        let good = state(1e-6, 2e-6);
        assert_eq!(found(&[good, good, state(-1e-6, 3e-6)]), [0; 6]);
        assert_eq!(found(&[good, state(3e-6, 2e-6)])[Law::Bound as usize], 1);
        assert_eq!(found(&[good, state(1e-6, 1.9e-6)])[Law::Shrink as usize], 1);
        let back = [state(2.0, 9.0), state(0.5, 9.0)];
        assert_eq!(found(&back)[Law::Monotone as usize], 1);
        let unknown = State { phase: Phase::Acquiring, ..state(5.0, 1e-9) };
        assert_eq!(found(&[unknown, good, unknown, state(1e-6, 1.5e-6)]), [0; 6]);
    }

    #[test]
    fn news_and_steps_excuse() {
        let (mut watch, mut into) = (Watch::new(0), Violations::default());
        let truth = Truth::default();
        let at = |second: i64| (Timestamp::from_seconds(second), Timestamp::from_seconds(second));
        let mut look = |second, state: &State, kind| {
            let (now, system) = at(second);
            let look = Look { now, at: second as f64, system, state, mutation: None };
            if let Some(kind) = kind {
                watch.told(&look, kind, &truth, &mut into);
            }
            watch.look(&look, &truth, &mut into);
        };
        look(0, &state(2.0, 9.0), None);
        look(1, &state(0.5, 9.0), Some(EventKind::Stepped { by: Duration::SECOND }));
        look(2, &state(0.5, 8.0), Some(EventKind::SystemPeer));
        assert_eq!(into.count(), 0);
    }

    #[test]
    fn a_leap_second_where_there_is_none_or_twice_is_found() {
        let before = Timestamp::from_seconds(100);
        let truth = Truth::new(Some(super::super::truth::Leap { before, deleted: false }));
        let state = state(0.0, 1.0);
        let count = |truth: &Truth, seconds: &[i64]| {
            let (mut watch, mut into) = (Watch::new(0), Violations::default());
            for second in seconds {
                let (now, system) = (Timestamp::from_seconds(*second), Timestamp::EPOCH);
                let look = Look { now, at: 0.0, system, state: &state, mutation: None };
                let leap = EventKind::LeapSecond { inserted: true, count: LeapCount::InSoftware };
                watch.told(&look, leap, truth, &mut into);
            }
            into.counts[Law::LeapSecond as usize]
        };
        assert_eq!(count(&truth, &[101]), 0);
        assert_eq!(count(&truth, &[101, 102]), 1);
        assert_eq!(count(&truth, &[50]), 1);
        assert_eq!(count(&Truth::default(), &[101]), 1);
    }

    #[test]
    fn a_circle_of_followers_is_found_after_its_time() {
        let (mut loops, mut into) = (Loops::new(3), Violations::default());
        for (node, whom) in [(0, 1), (1, 2), (2, 0)] {
            loops.follow(node, Some(whom));
        }
        loops.look(0.0, &mut into);
        assert_eq!(into.count(), 0);
        loops.look(LOOP_FOR + 1.0, &mut into);
        assert_eq!(into.counts[Law::Loop as usize], 3);
        loops.follow(2, None);
        loops.look(LOOP_FOR + 2.0, &mut into);
        assert_eq!(into.count(), 3);
    }
}
