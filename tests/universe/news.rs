//! What the engine finds out of a server: a noisier clock than it declares, another route.

use maser::event::EventKind;
use maser::sim::World;

use super::universe;

/// A client of one server with its model and its queues, for so many minutes.
fn client(minutes: u32, poll: i8, model: &str, queueing: &str, more: &str) -> String {
    format!(
        r#"
name = "t"
duration = "{minutes}min"
settle = "10min"
[[node]]
name = "client"
oscillator = {{ offset = 0.01, frequency = 1e-5, wander = 1e-9 }}
[[node.source]]
server = "server"
minpoll = {poll}
maxpoll = {poll}
[[server]]
name = "server"
model = {{ {model} }}
[[link]]
from = "client"
to = "server"
both = {{ base = 1e-4, queueing = [{{ exponential = 1e-6 }}{queueing}] }}
{more}"#
    )
}

/// Runs a world; what it told of its server with the seconds of it, and what was broken.
fn told(text: &str, seed: u64, of: impl Fn(&EventKind) -> bool) -> (Vec<f64>, String) {
    let universe = universe(text);
    let mut world = World::new(&universe, seed);
    world.run();
    let told = world.told().iter().filter(|(_, _, event)| of(&event.kind));
    let told = told.map(|(at, ..)| *at).collect();
    let broken =
        world.violations().first.iter().map(|v| format!("{}: {}\n", v.law.name(), v.detail));
    (told, broken.collect())
}

#[test]
fn a_server_noisier_than_it_declares_is_told_of_once() {
    let noisier = |kind: &EventKind| matches!(kind, EventKind::NoisierThanDeclared { .. });
    // 5 µs of noise are 30 µs at six sigma; the server declares 10 µs.
    let text = client(60, 0, "noise = 5e-6, root_dispersion = 1e-5", "", "");
    for seed in 1..=5 {
        let (at, _) = told(&text, seed, noisier);
        assert_eq!(at.len(), 1, "seed {seed}: {at:?}");
        assert!(at[0] > 100.0 && at[0] < 600.0, "seed {seed}: {at:?}");
    }
}

#[test]
fn a_server_that_declares_its_noise_or_has_none_is_never_told_of() {
    let noisier = |kind: &EventKind| matches!(kind, EventKind::NoisierThanDeclared { .. });
    for model in ["noise = 5e-6, root_dispersion = 5e-5", "root_dispersion = 1e-6"] {
        let text = client(60, 0, model, "", "");
        for seed in 1..=5 {
            let (at, broken) = told(&text, seed, noisier);
            assert_eq!((at, broken.as_str()), (vec![], ""), "{model} seed {seed}");
        }
    }
}

#[test]
fn a_route_that_changes_as_a_congestion_ends_is_recognised_or_stays_in_the_bound() {
    let congested = ", { burst = { mean = 10e-3, length = 1200, every = 3600 } }";
    // The third congestion ends at 8400 s.
    let change =
        "[[event]]\nat = \"8401s\"\nwhat = \"route_change\"\ndirection = \"there\"\nby = \"2ms\"";
    let text = client(240, 4, "root_dispersion = 1e-6", congested, change);
    let mut within_ten = Vec::new();
    for seed in 1..=5 {
        let changed = |kind: &EventKind| matches!(kind, EventKind::RouteChange { .. });
        let (at, broken) = told(&text, seed, changed);
        // In 20 minutes of queues the estimate may have become less sure than the change is long: then
        // it is not told how the ways share it, and it is the bound that has to hold.
        assert_eq!(broken, "", "seed {seed}");
        if at.iter().any(|at| (8401.0..8401.0 + 10.0 * 16.0).contains(at)) {
            within_ten.push(seed);
        }
    }
    assert!(within_ten.contains(&1), "recognised within ten polls: {within_ten:?}");
}
