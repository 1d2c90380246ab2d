//! The terms of the bound that are no noise, row by row.

use super::*;
use crate::clock::{ClockError, Correction, Declaration, Now};
use crate::discipline::Polls;
use crate::discipline::estimator::Exchanged;
use crate::discipline::servo::Order;
use crate::engine::{Plan, Policy, ServerPlan, SourcePlan};
use crate::mitigation::Candidate;
use crate::source::pairing::Declared;
use crate::time::{Duration, Exponent, System};

const START: Timestamp<Raw> = Timestamp::from_seconds(1_700_000_000);
const READING: f64 = 1e-7;

/// A clock that stands.
struct Still;

impl Clock for Still {
    fn now(&mut self) -> Now {
        let at = Timestamp::from_seconds(START.seconds());
        Now { system: at, mono: at.read_as(), window: Duration::ZERO }
    }

    fn raw(&self, stamp: Timestamp<System>) -> Timestamp<Raw> {
        stamp.read_as()
    }

    fn correction(&self) -> Correction {
        Correction::default()
    }

    fn steer(&mut self, _: &Order) -> Result<(), ClockError> {
        Ok(())
    }

    fn step(&mut self, _: Duration) -> Result<(), ClockError> {
        Ok(())
    }

    fn leapt(&mut self, _: Timestamp<System>, _: Duration) {}

    fn declare(&mut self, _: &Declaration) -> Result<(), ClockError> {
        Ok(())
    }

    fn is_served(&self) -> bool {
        false
    }
}

/// An engine of three sources in this role, of which the first steer.
fn engine(role: Role, verdicts: [Verdict; 3]) -> Engine<Still> {
    let source = SourcePlan {
        name: "s".to_owned(),
        reference_id: *b"TEST",
        stratum: 1,
        role,
        declared: Declared {
            offset: Duration::ZERO,
            uncertainty: 0.0,
            quantization: 0.0,
            grain: Duration::ZERO,
            grain_corrected: 0.0,
        },
        sigma: 1e-6,
        poll: Exponent(4),
        prefer: false,
        noselect: false,
        trust: false,
        distance_max: 3.0,
    };
    let plan = Plan {
        sources: vec![source; 3],
        policy: Policy::default(),
        local: None,
        leaps: None,
        precision: Exponent(-24),
        reading: READING,
    };
    let mut engine = Engine::new(plan, Still);
    engine.sources.iter_mut().zip(verdicts).for_each(|(source, v)| source.verdict = v);
    engine
}

#[test]
fn beside_clocks_each_term_is_the_largest_of_those_in_use() {
    use Verdict::{Combined, Falseticker, PulsePeer, Reserve, Silent};
    let terms = [(2e-7, 3e-8), (1e-7, 5e-8), (1.0, 1.0)];
    // (reason, verdicts, declared, sawtooth)
    for (why, verdicts, wanted) in [
        ("nobody steers", [Silent, Reserve, Falseticker], None),
        ("one steers", [PulsePeer, Reserve, Silent], Some((2e-7, 3e-8))),
        ("two steer: the larger of each", [Combined, PulsePeer, Silent], Some((2e-7, 5e-8))),
        ("who is not used may declare anything", [Silent, PulsePeer, Reserve], Some((1e-7, 5e-8))),
    ] {
        let mut engine = engine(Role::Pulse { text: None }, verdicts);
        for (source, (declared, sawtooth)) in engine.sources.iter_mut().zip(terms) {
            source.errors =
                ErrorTerms::NONE.with(Term::Declared, declared).with(Term::Sawtooth, sawtooth);
        }
        let wanted = wanted.map(|(declared, sawtooth)| {
            let start = ErrorTerms::NONE.with(Term::Reading, READING);
            start.with(Term::Declared, declared).with(Term::Sawtooth, sawtooth)
        });
        assert_eq!(engine.fixed_terms(START, 0.0), wanted, "{why}");
    }
}

/// A server of an exchange with this round trip and `x` in its middle; what it declares of itself.
#[derive(Clone, Copy)]
struct Said {
    trip: f64,
    x: f64,
    server: f64,
}

/// What is declared of each server here.
const DECLARED: f64 = 2e-5;

fn with_servers(said: &[Said], falsetickers: usize, asked: usize) -> Engine<Still> {
    let polls = Polls { min: Exponent(4), max: Exponent(4) };
    let plan = ServerPlan { poll_min: polls.min, poll_max: polls.max, delay_max: 3.0 };
    let mut engine = engine(Role::Server(plan), [Verdict::Silent; 3]);
    for (index, one) in (0..).zip(said) {
        let source = SourceId(index);
        let honest = index as usize + falsetickers < said.len();
        let tracked = &mut engine.sources[source.index()];
        tracked.verdict = if honest { Verdict::Combined } else { Verdict::Falseticker };
        tracked.errors =
            ErrorTerms::NONE.with(Term::Server, one.server).with(Term::Declared, DECLARED);
        // The first is heard once, the nearer ones until they steer, if they are to.
        for _ in 0..if index == 0 { 1 } else { asked } {
            engine.estimator.exchange(&Exchanged {
                source,
                at: START,
                there: Duration::from_seconds_f64(one.trip / 2.0 - one.x),
                back: Duration::from_seconds_f64(one.trip / 2.0 + one.x),
                error: one.server + DECLARED,
                polls,
                steers: honest,
            });
        }
        engine.candidates.push(Candidate {
            source,
            offset: 0.0,
            distance: 1.0,
            rank: 1.0,
            jitter: 0.0,
            stratum: 1,
            prefer: false,
            trust: false,
            pulse: false,
            interval: true,
        });
    }
    engine.selection.truechimers = said.len() - falsetickers;
    engine
}

/// A reason, servers, how many of them are falsetickers, exchanges with all but the first, noise, and the
/// terms of path and server, s.
type Row<'s> = (&'static str, &'s [Said], usize, usize, f64, (f64, f64));

#[test]
fn beside_servers_the_bound_reaches_to_where_the_truth_can_be() {
    let of = |trip, x, server| Said { trip, x, server };
    let far = of(2e-3, 0.0, 1e-4);
    let rows: &[Row<'_>] = &[
        ("half of the way to one alone", &[far], 0, 1, 0.0, (1e-3, 1e-4)),
        ("which noise does not make less", &[far], 0, 1, 4e-4, (1e-3, 1e-4)),
        (
            "two that pull show their asymmetry: noise is a part of the reach",
            &[far, of(1e-3, 0.0, 3e-4)],
            0,
            20,
            2e-4,
            (5e-4, 1e-4),
        ),
        (
            "who declares least is the one inherited",
            &[far, of(1e-3, 0.0, 5e-5)],
            0,
            20,
            2e-4,
            (3e-4, 5e-5),
        ),
        (
            "of two nobody may lie: both are right",
            &[far, of(2e-3, 5e-4, 1e-4)],
            0,
            1,
            0.0,
            (1e-3, 1e-4),
        ),
        (
            "of three one may lie: as far as two agree",
            &[far, of(2e-3, 5e-4, 1e-4), of(2e-3, 1e-3, 1e-4)],
            0,
            1,
            0.0,
            (1.5e-3, 1e-4),
        ),
        (
            "it was found: the two others are right",
            &[far, of(2e-3, 5e-4, 1e-4), of(2e-3, 1e-3, 1e-4)],
            1,
            1,
            0.0,
            (1e-3, 1e-4),
        ),
        (
            "two that contradict: either may be right",
            &[far, of(2e-3, 5e-3, 1e-4)],
            0,
            1,
            0.0,
            (6e-3, 1e-4),
        ),
    ];
    for (why, said, falsetickers, asked, noise, (path, server)) in rows {
        let engine = with_servers(said, *falsetickers, *asked);
        let terms = engine.fixed_terms(START, *noise).expect("somebody steers");
        let near = |found: f64, wanted: f64| (found - wanted).abs() <= 0.02 * wanted;
        assert!(near(terms.of(Term::Path), *path), "{why}: path {:e}", terms.of(Term::Path));
        assert_eq!(terms.of(Term::Server), *server, "{why}");
        assert_eq!((terms.of(Term::Declared), terms.of(Term::Reading)), (DECLARED, READING));
    }
}
