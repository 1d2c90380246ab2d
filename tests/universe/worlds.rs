//! Whole worlds: figures, determinism, streams of random numbers.

use maser::event::EventKind;
use maser::sim::{Keep, Summary, World, run};

use super::{CLIENT, CLOCK, faults, outcome, universe};

#[test]
fn the_same_seed_is_the_same_world_and_another_seed_is_not() {
    for text in [CLIENT, CLOCK] {
        let (a, b, c) = (outcome(text, 7), outcome(text, 7), outcome(text, 8));
        assert_eq!((a.log, &a.series), (b.log, &b.series));
        assert_eq!(a.figures, b.figures);
        assert_ne!(a.log, c.log);
    }
}

#[test]
fn a_world_can_be_stopped_and_looked_at_without_changing_it() {
    let universe = universe(CLIENT);
    let mut whole = World::new(&universe, 3);
    whole.run();
    let mut pieces = World::new(&universe, 3);
    let start = universe.scenario.start.0;
    for minute in 1..30 {
        pieces.run_until(start + maser::time::Duration::from_seconds(60 * minute));
    }
    pieces.run();
    assert_eq!(whole.log(), pieces.log());
    assert_eq!(whole.judged(), pieces.judged());
}

#[test]
fn a_reference_clock_is_followed_as_well_as_a_kalman_filter_can() {
    for seed in 1..=3 {
        let outcome = outcome(CLOCK, seed);
        let f = &outcome.figures;
        assert_eq!(faults(&outcome), "", "seed {seed}");
        assert_eq!((f.coverage, f.requests_per_day), (Some(1.0), Some(0.0)), "seed {seed}");
        assert!(f.seconds_to_lock.unwrap() <= 5.0, "seed {seed}: {f:?}");
        let ratio = f.rms_vs_kalman.unwrap();
        assert!((0.9..1.3).contains(&ratio), "seed {seed}: {ratio}");
        assert_eq!((f.event_max, f.recovery), (None, None));
    }
}

#[test]
fn a_server_is_followed_over_real_packets() {
    for seed in 1..=3 {
        let outcome = outcome(CLIENT, seed);
        let f = &outcome.figures;
        assert_eq!(faults(&outcome), "", "seed {seed}");
        assert_eq!(f.coverage, Some(1.0), "seed {seed}");
        assert!(f.rms.unwrap() < 1e-4 && f.seconds_to_lock.unwrap() < 60.0, "seed {seed}: {f:?}");
        // Every 16 s for 30 minutes, and a few quick ones at the start.
        let requests = f.requests_per_day.unwrap() / 48.0;
        assert!((100.0..140.0).contains(&requests), "seed {seed}: {requests}");
        assert_eq!(outcome.verdicts[0].1.name(), "system_peer");
    }
}

#[test]
fn a_clock_steered_like_the_kernels_keeps_its_bound_too() {
    for text in [CLIENT, CLOCK] {
        let steered = text.replacen("[[node.source]]", "steered = true\n[[node.source]]", 1);
        let outcome = outcome(&steered, 1);
        assert_eq!(faults(&outcome), "");
        assert_eq!(outcome.figures.coverage, Some(1.0));
        assert!(outcome.figures.rms.unwrap() < 1e-4, "{:?}", outcome.figures);
    }
}

#[test]
fn another_server_leaves_the_draws_of_the_first_as_they_were() {
    let more = format!("{CLIENT}\n[[server]]\nname = \"idle\"\n[[receiver]]\nname = \"unheard\"\n");
    assert_eq!(outcome(CLIENT, 5).series, outcome(&more, 5).series);
}

#[test]
fn a_node_serves_another_by_the_daemons_own_server() {
    let text = format!(
        "{}\n{}",
        CLOCK.replace("\"client\"", "\"upper\"").replacen(
            "name = \"t\"",
            "name = \"t\"\njudge = \"lower\"",
            1
        ),
        r#"
[[node]]
name = "lower"
oscillator = { offset = -0.02, frequency = -2e-5, wander = 1e-9 }
[[node.source]]
server = "upper"
minpoll = 4
maxpoll = 4
[[link]]
from = "lower"
to = "upper"
both = { base = 1e-4, queueing = [{ exponential = 1e-5 }] }
"#
    );
    let outcome = outcome(&text, 1);
    assert_eq!(faults(&outcome), "");
    assert_eq!(outcome.figures.coverage, Some(1.0));
    assert!(outcome.figures.rms.unwrap() < 1e-4, "{:?}", outcome.figures);
    assert_eq!(outcome.verdicts[0].1.name(), "system_peer");
}

#[test]
fn equally_near_servers_do_not_take_turns_as_the_system_peer() {
    let text = include_str!("../../config/scenarios/f.toml");
    let universe = universe(&text.replacen("duration = \"26h\"", "duration = \"6h\"", 1));
    let mut world = World::new(&universe, 1);
    world.run();
    let turns = world.told().iter().filter(|(_, _, event)| event.kind == EventKind::SystemPeer);
    assert!((1..=3).contains(&turns.count()));
}

#[test]
fn events_are_counted_and_an_unexpected_number_is_told_with_its_seed() {
    // Somebody sets the clock after twelve minutes: told once, and stepped back.
    let text = CLOCK.replacen("name = \"client\"", "name = \"client\"\nstep = \"always\"", 1);
    let step = "[[event]]\nat = \"12min\"\nwhat = \"step_clock\"\nnode = \"client\"\nby = 1\n";
    let failures = |expected: &str| {
        let universe = universe(&format!("{text}{step}[expect]\nevents = {expected}\n"));
        let outcomes = [4, 5].map(|seed| run(&universe, seed, Keep::Figures));
        Summary::of(&universe, &outcomes).failures.join("; ")
    };
    for met in [
        "{ clock_disturbed = 1, route_change = 0 }",
        "{ clock_disturbed = { at_least = 1, at_most = 1 } }",
        "{ stepped = { at_least = 1 }, frequency_jump = { at_most = 0 } }",
    ] {
        assert_eq!(failures(met), "", "{met}");
    }
    for (unmet, wanted) in [
        ("{ clock_disturbed = 0 }", "0"),
        ("{ clock_disturbed = 2 }", "2"),
        ("{ clock_disturbed = { at_least = 2 } }", "at least 2"),
        ("{ clock_disturbed = { at_most = 0 } }", "at most 0"),
        ("{ clock_disturbed = { at_least = 2, at_most = 3 } }", "2 to 3"),
    ] {
        let told =
            |seed| format!("seed {seed}: clock_disturbed was told 1 times, expected {wanted}");
        assert_eq!(failures(unmet), format!("{}; {}", told(4), told(5)), "{unmet}");
    }
}
