//! A few short worlds, and a broken bound that the swarm notices and makes small.

use super::shrink::shrink_by;
use super::*;
use crate::sim::Scenario;
use crate::time::Duration;

/// Worlds that do not last long.
fn short() -> impl Iterator<Item = u64> {
    (0..).filter(|seed| scenario(*seed).duration.0 <= Duration::from_seconds(900))
}

#[test]
fn worlds_run_and_give_one_log() {
    let mut tally = Tally::default();
    for seed in short().take(16) {
        let trial = trial(seed, seed % 4 == 0);
        let unrepeatable = trial.faults.iter().any(|f| f.kind == FaultKind::Unrepeatable);
        assert!(!unrepeatable && trial.outcome.log != 0, "{seed}");
        tally.add(&trial);
    }
    assert_eq!(tally.worlds, 16);
    assert!(tally.node_hours > 2.0 && tally.kept >= 8 && tally.claimed() >= 4, "{tally:?}");
}

/// What an engine would be found guilty of that publishes three tenths of its bound.
fn with_a_short_bound(universe: &Universe, seed: u64) -> Vec<Fault> {
    let outcome = run(universe, seed, Keep::Series);
    let kind = FaultKind::Law(Law::Bound);
    let broken = outcome.series.iter().position(|j| j.claimed && j.error.abs() > 0.3 * j.bound);
    let fault = |second| Fault { kind, at: second as f64, detail: String::new() };
    broken.filter(|_| !outcome.is_broken()).map(fault).into_iter().collect()
}

#[test]
fn a_short_bound_is_noticed_and_its_world_made_small() {
    let guilty = |seed: &u64| {
        let universe = Universe::of(scenario(*seed)).unwrap();
        !with_a_short_bound(&universe, *seed).is_empty()
    };
    let found: Vec<u64> = short().take(24).filter(guilty).collect();
    assert!(found.len() >= 3, "{found:?}");
    let seed = found[0];
    let judge = |universe: &Universe| with_a_short_bound(universe, seed);
    let small = shrink_by(&scenario(seed), FaultKind::Law(Law::Bound), judge).unwrap();
    let Scenario { node, server, receiver, event, .. } = &small.scenario;
    assert_eq!(node.len(), 1, "{small:?}");
    assert!(server.len() + receiver.len() <= 2 && event.len() <= 1, "{small:?}");
    // It fails as it stands.
    let universe = Universe::of(small.scenario.clone()).unwrap();
    assert!(!with_a_short_bound(&universe, seed).is_empty());
    assert!(shrink(&small.scenario, seed, FaultKind::Unrepeatable).is_none());
}

/// Marks fall on the very second that leaps, early or late by their noise.
#[test]
fn a_leap_second_that_marks_announce_is_applied_once() {
    let text = r#"{
        "name": "leap", "duration": "400 s", "settle": "1 s", "start": "2026-06-30T23:55:00Z",
        "leap": { "before": "2026-07-01T00:00:00Z" },
        "node": [{ "name": "n", "oscillator": {}, "source": [{ "receiver": "r" }] }],
        "receiver": [{ "name": "r", "model": {
            "noise": 3e-9, "sawtooth": { "amplitude": 6e-8, "step": 0.12 }
        } }]
    }"#;
    let universe = Universe::of(serde_json::from_str(text).unwrap()).unwrap();
    for seed in LIFTED_OVER_MIDNIGHT {
        let outcome = run(&universe, seed, Keep::Figures);
        assert_eq!(faults(&universe, &outcome), [], "{seed}");
    }
}

/// Seeds in which the correction at midnight lifts the time over it, and two others.
const LIFTED_OVER_MIDNIGHT: [u64; 4] = [1, 2, 29, 62];
