//! What samples that cannot be explained mean, law by law.

use super::*;
use crate::discipline::estimator::{Exchanged, Observation, Outcome};
use crate::discipline::server::{Polls, Seen};
use crate::time::Exponent;

const START: Timestamp<Raw> = Timestamp::from_seconds(1_700_000_000);
const ME: SourceId = SourceId(0);
const OTHER: SourceId = SourceId(1);
const THIRD: SourceId = SourceId(2);

fn later(seconds: f64) -> Timestamp<Raw> {
    START + Duration::from_seconds_f64(seconds)
}

/// An exact oscillator's server: a round trip with `x` in its middle.
fn exchange(source: SourceId, at: Timestamp<Raw>, trip: f64, x: f64) -> Exchanged {
    Exchanged {
        source,
        at,
        there: Duration::from_seconds_f64(trip / 2.0 - x),
        back: Duration::from_seconds_f64(trip / 2.0 + x),
        error: 0.0,
        polls: Polls { min: Exponent(4), max: Exponent(4) },
        steers: true,
    }
}

fn reading(source: SourceId, at: Timestamp<Raw>, x: f64) -> Observation {
    Observation {
        source,
        at,
        offset: -Duration::from_seconds_f64(x),
        sigma: 1e-8,
        quantization: 1e-9,
        sawtooth: 0.0,
    }
}

/// An estimate at 0 of this sigma, s, that servers of these round trips hold, each at its own place.
fn beside(sigma: f64, servers: &[(SourceId, f64, f64)]) -> Estimator {
    let mut estimator = Estimator::default();
    estimator.start(THIRD, START, &Filter::starting(0.0, sigma * sigma));
    for (source, trip, x) in servers {
        let Exchanged { there, back, at, .. } = exchange(*source, START, *trip, *x);
        let seen = Seen { at, alpha: there.seconds(), beta: back.seconds() };
        let mut server = Server::starting(seen, 0.0, &Filter::starting(0.0, 1e-8));
        (server.used_at, server.fed_at) = (Some(at), Some(at));
        estimator.crowd.admit(*source, server);
    }
    estimator
}

#[test]
fn an_estimate_is_refuted_beyond_six_sigma_where_no_witness_speaks_for_it() {
    type Row = (&'static str, f64, &'static [(SourceId, f64, f64)], (f64, f64), bool);
    // (reason, sigma, servers with round trip and place, the range of the first, whether it refutes)
    let rows: &[Row] = &[
        ("the bound allows it", 1e-6, &[], (5e-6, 9e-6), false),
        ("beyond the bound", 1e-6, &[], (7e-6, 9e-6), true),
        ("beyond it below", 1e-6, &[], (-9e-6, -7e-6), true),
        ("a range on both sides", 1e-6, &[], (-9e-6, 9e-6), false),
        ("a less sure estimate allows more", 2e-6, &[], (7e-6, 9e-6), false),
        (
            "another says that this cannot be",
            1e-6,
            &[(ME, 2e-3, 2e-3), (OTHER, 1e-3, 0.0)],
            (1e-3, 3e-3),
            false,
        ),
        (
            "a far one that overlaps is no witness",
            1e-6,
            &[(ME, 2e-3, 2e-3), (OTHER, 4e-3, 0.0)],
            (1e-3, 3e-3),
            true,
        ),
        (
            "two as near find the estimate possible",
            1e-6,
            &[(ME, 2e-3, 1.5e-3), (OTHER, 2e-3, 0.0), (THIRD, 2e-3, 0.0)],
            (5e-4, 2.5e-3),
            false,
        ),
        (
            "two far ones do, and nobody near",
            1e-6,
            &[(ME, 2e-3, 1.5e-3), (OTHER, 4e-3, 0.0), (THIRD, 4e-3, 0.0)],
            (5e-4, 2.5e-3),
            true,
        ),
        (
            "one of three is no majority",
            1e-6,
            &[(ME, 2e-3, 1.5e-3), (OTHER, 2e-3, 0.0), (THIRD, 2e-3, 1.5e-3)],
            (5e-4, 2.5e-3),
            true,
        ),
    ];
    for (why, sigma, servers, range, wanted) in rows {
        let mut estimator = beside(*sigma, servers);
        let best = estimator.bank.as_ref().unwrap().best();
        let refutes = |e: &Estimator| e.is_refuted_by(ME, *range, &best, START);
        assert_eq!(refutes(&estimator), *wanted, "{why}");
        estimator.clock_believed = Some(START);
        assert!(!refutes(&estimator), "{why}, but a clock holds it");
    }
}

#[test]
fn others_are_asked_before_one_is_believed_against_them() {
    // (reason, seconds since the first suspect, whether another pulls, when it was suspicious itself)
    for (why, since, pulls, spoke, silent) in [
        ("alone there is nobody to ask", 1.0, false, None, false),
        ("another pulls and has said nothing", 1.0, true, None, true),
        ("it has had its time", 10.5, true, None, false),
        ("not yet", 9.5, true, None, true),
        ("it is surprised itself", 1.0, true, Some(0.5), false),
        ("it was so long before", 1.0, true, Some(-30.0), true),
    ] {
        let both = [(ME, 1e-3, 0.0), (OTHER, 1e-3, 0.0)];
        let mut estimator = beside(1e-6, &both[..if pulls { 2 } else { 1 }]);
        if let Some(at) = spoke {
            let suspect = Suspect { at: later(at), distance: 1.0, age: 1.0, sigma: 1e-6 };
            estimator.suspects[OTHER.index()].take(suspect, Kind::Server);
        }
        assert_eq!(estimator.others_are_silent(ME, START, later(since)), silent, "{why}");
    }
}

#[test]
fn what_a_step_or_a_jump_leaves_uncertain() {
    let variance = |e: &Estimator| {
        let best = e.bank.as_ref().unwrap().best();
        (best.a, best.d)
    };
    let near = |found: f64, wanted: f64| (found / wanted - 1.0).abs() < 0.01;
    // (reason, seconds to the second step, variance of the rate after it)
    for (why, apart, rate) in [
        ("an hour later it is another step", 3601.0, 2.0 * STEP_FREQUENCY_VARIANCE),
        (
            "within the hour a wrong rate may look like that",
            3599.0,
            FREQUENCY_PRIOR * FREQUENCY_PRIOR,
        ),
    ] {
        let mut estimator = beside(1e-6, &[]);
        if let Some(bank) = &mut estimator.bank {
            bank.restart(&Filter { x: 0.0, f: 0.0, a: 1e-12, b: 0.0, d: 1e-30 }, 0.0);
        }
        estimator.open_phase(0.25, START);
        let (a, d) = variance(&estimator);
        assert!(near(a, 0.25) && near(d, STEP_FREQUENCY_VARIANCE), "the first: {a:e} {d:e}");
        estimator.open_phase(0.25, later(apart));
        let d = variance(&estimator).1;
        assert!((0.5..2.0).contains(&(d / rate)), "{why}: {d:e}");
    }
    let mut estimator = beside(1e-6, &[]);
    if let Some(bank) = &mut estimator.bank {
        bank.restart(&Filter { x: 0.0, f: 0.0, a: 1e-16, b: 0.0, d: 1e-30 }, 0.0);
    }
    // The rate by twice the slope; the phase by what it gained in the wait before.
    estimator.open_frequency(1e-6, 32.0, START);
    let (a, d) = variance(&estimator);
    assert!(near(a, 32e-6 * 32e-6) && near(d, 4e-12), "{a:e} {d:e}");
}

#[test]
fn what_two_clocks_may_stand_apart_opens_the_phase_alone() {
    // (reason, how far they may stand apart, how far the new one reads, whether the phase opens)
    for (why, apart, read, opens) in [
        ("not a handing over", 0.0, 1e-5, false),
        ("within what both declare", 2e-5, 1e-5, true),
        ("on the other side", 2e-5, -1e-5, true),
        ("within the noise there is nothing to allow for", 2e-5, 0.5e-6, false),
        ("beyond both and the gate", 2e-5, 3e-5, false),
    ] {
        let mut estimator = beside(1e-6, &[]);
        estimator.led_by = Some(OTHER);
        let before = estimator.bank.as_ref().unwrap().best();
        let evidence = Evidence::Reading { y: read, variance: 1e-16, tail_sigma: 0.0 };
        estimator.allow_for_handing_over(apart, START, evidence);
        let after = estimator.bank.as_ref().unwrap().best();
        assert_eq!(after.a > 2.0 * before.a, opens, "{why}");
        assert_eq!(after.d, before.d, "{why}: the rate takes no part");
    }
}

#[test]
fn what_one_tells_while_another_is_believed_is_news_of_that_one() {
    for (why, other_speaks, wanted) in [
        ("another clock disagrees", true, Outcome::ServerStep(-Duration::from_millis(250))),
        ("nobody does", false, Outcome::PhaseStep(Duration::from_millis(250))),
    ] {
        let mut estimator = Estimator::default();
        let mut outcomes = Vec::new();
        for second in 0..700_u32 {
            let at = f64::from(second);
            if second < 600 || other_speaks {
                estimator.take(&reading(OTHER, later(at), 0.0));
            }
            let x = if second < 600 { 0.0 } else { 0.25 };
            outcomes.push(estimator.take(&reading(ME, later(at + 0.5), x)));
        }
        let first = outcomes.iter().find(|o| !matches!(o, Outcome::Accepted | Outcome::Rejected));
        let within =
            |found: Duration, wanted: Duration| (found - wanted).abs() < Duration::from_micros(10);
        let right = match (first, wanted) {
            (Some(Outcome::ServerStep(found)), Outcome::ServerStep(by))
            | (Some(Outcome::PhaseStep(found)), Outcome::PhaseStep(by)) => within(*found, by),
            _ => false,
        };
        assert!(right, "{why}: {first:?}");
    }
}

#[test]
fn a_move_opens_what_may_have_gathered_since_the_last() {
    let mut estimator = beside(1e-6, &[(ME, 1e-3, 0.0)]);
    let rate = |e: &Estimator| e.bank.as_ref().unwrap().best().d;
    // (reason, when, seconds in which it gathered)
    for (why, at, gathered) in [
        ("since the start", 1000.0, 1000.0),
        ("since the last move", 1500.0, 500.0),
        ("a second is no time to gather anything in", 1501.0, GATHERED_IN),
    ] {
        let before = rate(&estimator);
        estimator.move_by(0.01, ME, later(at));
        let opened = rate(&estimator) - before;
        let wanted = 0.01 * 0.01 / (gathered * gathered);
        assert!((opened / wanted - 1.0).abs() < 1e-3, "{why}: {opened:e}");
    }
    assert_eq!(estimator.last_believed, Some((later(1501.0), ME)));
}

#[test]
fn what_the_ways_hid_is_not_taken_for_the_rate_when_the_first_clock_comes() {
    // (reason, when the clock comes, s, whether the rate may be wrong by what was hidden)
    for (why, age, opens) in [
        ("the rate came by the same ways", 16.0, true),
        ("it is long since averaged", 3600.0, false),
    ] {
        let mut estimator = beside(1e-4, &[(ME, 20e-3, 0.0)]);
        let (at, before) = (later(age), estimator.bank.as_ref().unwrap().best().d);
        // It pulls all the same.
        let server = estimator.crowd.of(ME).unwrap();
        (server.used_at, server.fed_at) = (Some(at), Some(at));
        estimator.at = at;
        assert_eq!(estimator.take(&reading(OTHER, at, 2e-3)), Outcome::Accepted, "{why}");
        let best = estimator.bank.as_ref().unwrap().best();
        assert!((best.x - 2e-3).abs() < 1e-6, "{why}: {best:?}");
        assert_eq!(best.d > 2.0 * before, opens, "{why}: {:e} after {before:e}", best.d);
        assert!(best.f.abs() < 1e-7, "{why}: {best:?}");
    }
}
