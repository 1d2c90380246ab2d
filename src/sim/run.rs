//! One run, and what several runs of a scenario come to.

use super::assumptions::{Assumption, Broken};
use super::beside;
use super::happening::Happening;
use super::mutation::Mutation;
use super::oracle::{Law, Violation};
use super::outcome::{Course, Figures, Outcome};
use super::scenario::Expect;
use super::universe::{Universe, name_of};
use super::world::World;
use crate::mitigation::Verdict;

/// What is kept of a run beside its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    #[default]
    Figures,
    /// Every look at the judged node.
    Series,
    /// What a drawing of it takes.
    Record,
}

/// Runs a universe with one seed.
pub fn run(universe: &Universe, seed: u64, keep: Keep) -> Outcome {
    outcome(World::new(universe, seed), seed, keep)
}

/// The same with something of the judged node made wrong.
pub fn run_mutated(universe: &Universe, seed: u64, keep: Keep, mutation: Mutation) -> Outcome {
    outcome(World::mutated(universe, seed, mutation), seed, keep)
}

fn outcome(mut world: World<'_>, seed: u64, keep: Keep) -> Outcome {
    let universe = world.universe;
    if keep == Keep::Record {
        world.keep_record();
    }
    world.run();
    let record = world.take_record();
    let names = universe.judged().source.iter().map(|source| name_of(source).to_owned());
    Outcome {
        seed,
        figures: Figures::of(world.judged(), &course(universe), world.requests()),
        violations: world.violations().clone(),
        broken: world.witness.broken().to_vec(),
        verdicts: names.zip(world.verdicts()).collect(),
        events: world.events().clone(),
        log: world.log(),
        series: match keep {
            Keep::Figures | Keep::Record => Vec::new(),
            Keep::Series => world.judged().to_vec(),
        },
        record,
    }
}

/// What several seeds of one scenario come to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Means over the seeds.
    pub figures: Figures,
    /// What was expected and did not come out, and what the oracle holds against the daemon; each
    /// with figures.
    pub failures: Vec<String>,
}

impl Summary {
    /// Of these outcomes, in the order of their seeds.
    pub fn of(universe: &Universe, outcomes: &[Outcome]) -> Self {
        let figures: Vec<Figures> = outcomes.iter().map(|outcome| outcome.figures).collect();
        let figures = Figures::mean(&figures);
        let mut failures = Vec::new();
        let expect = &universe.scenario.expect;
        expected(expect, &figures, outcomes, &mut failures);
        for outcome in outcomes {
            verdicts(expect, outcome, &mut failures);
            events(expect, outcome, &mut failures);
            for violation in outcome.faults() {
                let Violation { at, node, law, detail } = violation;
                let name = &universe.scenario.node[*node].name;
                let count = outcome.violations.counts[*law as usize];
                failures.push(format!(
                    "seed {}: oracle: {} of {name} at {at:.3} s: {detail} ({count} in all)",
                    outcome.seed,
                    law.name(),
                ));
            }
        }
        Self { figures, failures }
    }

    /// Whether all came out as expected.
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Outcome {
    /// Breaches that are held against the daemon: the first one of each law, and no wrong bound once
    /// the world breaks what the bound assumes (who follows a node is misled with it), nor a leap
    /// second that was announced wrongly.
    pub fn faults(&self) -> impl Iterator<Item = &Violation> {
        let misled = self.broken.iter().any(|b| b.assumption == Assumption::AnnouncedLeaps);
        let from = self.broken.iter().map(|broken| broken.from).fold(f64::INFINITY, f64::min);
        let excused = move |violation: &Violation| match violation.law {
            Law::Bound => violation.at >= from,
            // What is announced is served: a second that is counted twice runs back.
            Law::LeapSecond | Law::Monotone => misled,
            _ => false,
        };
        let first = |index: usize, law| self.violations.first[..index].iter().all(|v| v.law != law);
        let violations = self.violations.first.iter().enumerate();
        violations.filter_map(move |(index, violation)| {
            (!excused(violation) && first(index, violation.law)).then_some(violation)
        })
    }

    /// Whether the world breaks an assumption.
    pub fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// What the world breaks.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }
}

fn course(universe: &Universe) -> Course {
    let scenario = &universe.scenario;
    let span = |event: &Happening| (event.at.seconds(), event.ends(scenario.duration.0).seconds());
    let moves = scenario.event.iter().filter(|event| event.what.moves_clock());
    Course {
        settle: scenario.settle().seconds(),
        duration: scenario.duration.seconds(),
        events: scenario.event.iter().map(span).collect(),
        moves: moves.map(span).collect(),
        told: beside::told(universe),
    }
}

/// Each expectation is a largest value, but for the coverage: that is the least of the worst seed.
fn expected(expect: &Expect, means: &Figures, outcomes: &[Outcome], failures: &mut Vec<String>) {
    let seconds = |span: Option<crate::time::Span>| span.map(crate::time::Span::seconds);
    for (name, most, got) in [
        ("rms", seconds(expect.rms), means.rms),
        ("p99", seconds(expect.p99), means.p99),
        ("max", seconds(expect.max), means.max),
        ("seconds_to_lock", seconds(expect.seconds_to_lock), means.seconds_to_lock),
        ("tightness", expect.tightness, means.tightness),
        ("tightness_without_path", expect.tightness_without_path, means.tightness_without_path),
        ("rms_vs_kalman", expect.rms_vs_kalman, means.rms_vs_kalman),
        ("rms_vs_plain", expect.rms_vs_plain, means.rms_vs_plain),
        ("requests_per_day", expect.requests_per_day, means.requests_per_day),
        ("event_max", seconds(expect.event_max), means.event_max),
        ("recovery", seconds(expect.recovery), means.recovery),
    ] {
        match (most, got) {
            (Some(most), Some(got)) if got <= most => {}
            (Some(most), Some(got)) => {
                failures.push(format!("{name} is {got:.4e}, expected at most {most:.4e}"));
            }
            (Some(most), None) => {
                failures.push(format!("{name} has no value, expected at most {most:.4e}"));
            }
            (None, _) => {}
        }
    }
    let Some(least) = expect.coverage else { return };
    for outcome in outcomes {
        match outcome.figures.coverage {
            Some(got) if got >= least => {}
            Some(got) => failures.push(format!(
                "seed {}: coverage is {got:.6}, expected at least {least}",
                outcome.seed
            )),
            None => failures.push(format!("seed {}: no bound was ever published", outcome.seed)),
        }
    }
}

fn verdicts(expect: &Expect, outcome: &Outcome, failures: &mut Vec<String>) {
    for (name, wanted) in &expect.verdict {
        let got = outcome.verdicts.iter().find(|(source, _)| source == name);
        let got = got.map_or(Verdict::Silent, |(_, verdict)| *verdict);
        if !wanted.split('|').any(|word| word.trim() == got.name()) {
            failures.push(format!(
                "seed {}: the verdict on {name} is {}, expected {wanted}",
                outcome.seed,
                got.name()
            ));
        }
    }
}

fn events(expect: &Expect, outcome: &Outcome, failures: &mut Vec<String>) {
    for (name, wanted) in &expect.events {
        let got = outcome.events.get(name.as_str()).copied().unwrap_or(0);
        if !wanted.allows(got) {
            let seed = outcome.seed;
            failures.push(format!("seed {seed}: {name} was told {got} times, expected {wanted}"));
        }
    }
}
