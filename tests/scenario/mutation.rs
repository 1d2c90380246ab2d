//! Is the simulator honest? One quantity after another is made wrong at the border of an engine, by
//! a sign or a factor, in a world that needs that quantity whole: some law or expectation has to
//! notice. Without a mutation nothing may be noticed, whatever the seed.

use std::fmt::Write as _;

use maser::config::scenario::parse;
use maser::sim::{Change, Keep, Mutation, Outcome, Summary, Target, Universe, run, run_mutated};
use maser::state::Term;

/// A world and the targets that it needs.
struct World {
    text: &'static str,
    seed: u64,
    targets: &'static [Target],
}

macro_rules! world {
    ($name:literal, $($target:expr),+) => {
        world!(1 => $name, $($target),+)
    };
    ($seed:literal => $name:literal, $($target:expr),+) => {
        World {
            text: include_str!(concat!("mutation/", $name, ".toml")),
            seed: $seed,
            targets: &[$($target),+],
        }
    };
}

const WORLDS: [World; 19] = [
    world!("reading", Target::Term(Term::Reading)),
    world!("quantization", Target::Term(Term::Quantization)),
    world!("serial", Target::Term(Term::Serial)),
    world!("declared", Target::Term(Term::Declared)),
    world!("sawtooth", Target::Term(Term::Sawtooth)),
    world!("path", Target::Term(Term::Path), Target::Delay),
    world!("server", Target::Term(Term::Server)),
    world!("holdover", Target::Term(Term::Noise), Target::Age),
    world!("lag", Target::Term(Term::Lag)),
    world!("local", Target::Term(Term::Local)),
    world!("exchange", Target::Offset),
    world!("marks", Target::Offset, Target::Frequency),
    world!("kernel", Target::Frequency),
    world!("slew", Target::Slew),
    world!("stall", Target::Age),
    world!("sigmas", Target::Sigmas),
    // One start in fifteen needs the rule.
    world!(17 => "start", Target::Start),
    world!("ceiling", Target::Ceiling),
    world!("span", Target::Span),
];

/// Mutations that nothing notices, and why that is right.
const SURVIVORS: [(&str, Target, Change, &str); 2] = [
    (
        "quantization",
        Target::Term(Term::Quantization),
        Change::Half,
        "readings that repeat still count as noisy by their grain, and six of those sigmas cover it",
    ),
    (
        "ceiling",
        Target::Ceiling,
        Change::Zero,
        "a rate is unknown before the second reading only, and then 54 sigmas of 0.1 ms are the bound",
    ),
];

#[test]
fn worlds_without_a_mutation_keep_every_law_and_expectation() {
    for world in &WORLDS {
        let universe = universe(world);
        for seed in world.seed..world.seed + 5 {
            let outcome = run(&universe, seed, Keep::Figures);
            assert!(outcome.broken().is_empty(), "{}", universe.scenario.name);
            let noticed = noticed(&universe, outcome);
            assert_eq!(noticed, None, "{}, seed {seed}", universe.scenario.name);
        }
    }
}

#[test]
fn every_mutation_is_noticed_or_explained() {
    let (mut killed, mut total, mut wrong) = (0, 0, Vec::new());
    let mut table = String::from("| what | world | change | noticed by |\n|---|---|---|---|\n");
    for world in &WORLDS {
        let universe = universe(world);
        let name = &universe.scenario.name;
        for (target, change) in changes(world) {
            let outcome =
                run_mutated(&universe, world.seed, Keep::Figures, Mutation { target, change });
            let noticed = noticed(&universe, outcome);
            let explained = SURVIVORS.iter().find(|s| (s.0, s.1, s.2) == (name, target, change));
            total += 1;
            killed += u32::from(noticed.is_some());
            let by = match (&noticed, explained) {
                (Some(by), None) => by.clone(),
                (None, Some((.., why))) => format!("survives: {why}"),
                (Some(by), Some(_)) => format!("{by}, though it is listed as a survivor"),
                (None, None) => "nothing".into(),
            };
            let (what, how) = (target.name(), change.name());
            writeln!(table, "| {what} | {name} | {how} | {by} |").unwrap();
            if noticed.is_some() == explained.is_some() {
                wrong.push(format!("{what} {how} in \"{name}\": {by}"));
            }
        }
    }
    println!("{table}\nkilled {killed} of {total}");
    assert!(wrong.is_empty(), "{table}\nkilled {killed} of {total}: {wrong:#?}");
}

#[test]
fn every_target_has_a_world() {
    for target in Target::all() {
        let has = WORLDS.iter().any(|world| world.targets.contains(&target));
        assert!(has, "{target:?}");
    }
}

fn universe(world: &World) -> Universe {
    parse("world", world.text).unwrap_or_else(|errors| panic!("{errors}\n{}", world.text))
}

fn changes(world: &World) -> impl Iterator<Item = (Target, Change)> {
    let with = |target: &Target| {
        let target = *target;
        target.changes().iter().map(move |change| (target, *change))
    };
    world.targets.iter().flat_map(with)
}

/// What is held against a run, the first in short.
fn noticed(universe: &Universe, outcome: Outcome) -> Option<String> {
    let law = outcome.faults().next().map(|fault| format!("law of the {}", fault.law.name()));
    let summary = Summary::of(universe, &[outcome]);
    law.or_else(|| summary.failures.into_iter().next())
}
