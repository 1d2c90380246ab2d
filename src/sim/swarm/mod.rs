//! The swarm: random worlds, each from a seed, run and judged.
//!
//! ```text
//!   seed ─► generate ─► Universe ─► run ─► Trial ─► Tally      a failure ─► shrink ─► a small world
//! ```
//!
//! A world fails when the oracle holds something against the daemon: a law broken where the world
//! keeps what the law assumes, or a breach that was to be told and was not. Worlds that are run twice
//! must give one log.

mod generate;
mod shrink;
mod tally;

pub use generate::{intended, scenario};
pub use shrink::{Shrunk, shrink};
pub use tally::{Breach, Tally};

use super::assumptions::Assumption;
use super::oracle::Law;
use super::outcome::Outcome;
use super::run::{Keep, run};
use super::universe::{Universe, name_of};
use super::world::World;
use crate::event::Event;

/// A world that was run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its seed, of the world and of the run alike.
    pub seed: u64,
    /// How long it lasted, s.
    pub seconds: f64,
    /// Nodes times hours.
    pub node_hours: f64,
    /// What came out.
    pub outcome: Outcome,
    /// What is held against the daemon; empty: the world is sound.
    pub faults: Vec<Fault>,
}

/// Something that is held against the daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What kind: a smaller world shows the same fault if it shows one of this kind.
    pub kind: FaultKind,
    /// When, s from the start.
    pub at: f64,
    /// What, with figures.
    pub detail: String,
}

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A law was broken.
    Law(Law),
    /// A breach of this assumption was not told in time.
    Untold(Assumption),
    /// The same world gave two logs.
    Unrepeatable,
    /// The world cannot be made.
    Impossible,
}

/// Makes and runs the world of a seed; `twice` to hold two runs of it against each other.
pub fn trial(seed: u64, twice: bool) -> Trial {
    let scenario = scenario(seed);
    let seconds = scenario.duration.seconds();
    let node_hours = scenario.node.len() as f64 * seconds / 3600.0;
    let universe = match Universe::of(scenario) {
        Ok(universe) => universe,
        Err(mistakes) => return impossible(seed, &mistakes),
    };
    let outcome = run(&universe, seed, Keep::Figures);
    let mut faults = faults(&universe, &outcome);
    if twice {
        let again = run(&universe, seed, Keep::Figures);
        if again.log != outcome.log {
            let detail = format!("two runs gave the logs {:x} and {:x}", outcome.log, again.log);
            faults.push(Fault { kind: FaultKind::Unrepeatable, at: 0.0, detail });
        }
    }
    Trial { seed, seconds, node_hours, outcome, faults }
}

/// What is held against the daemon in a run of a universe.
pub fn faults(universe: &Universe, outcome: &Outcome) -> Vec<Fault> {
    let mut found = Vec::new();
    for violation in outcome.faults().filter(|violation| violation.law != Law::Told) {
        let node = universe.scenario.node.get(violation.node).map_or("", |node| &node.name);
        let count = outcome.violations.counts[violation.law as usize];
        found.push(Fault {
            kind: FaultKind::Law(violation.law),
            at: violation.at,
            detail: format!(
                "{} of {node} at {:.3} s: {} ({count} in all)",
                violation.law.name(),
                violation.at,
                violation.detail
            ),
        });
    }
    let end = universe.scenario.duration.seconds();
    for broken in outcome.broken.iter().filter(|broken| broken.is_untold(end)) {
        let kind = FaultKind::Untold(broken.assumption);
        if found.iter().all(|fault| fault.kind != kind) {
            found.push(Fault {
                kind,
                at: broken.from + broken.within,
                detail: format!(
                    "\"{}\" is broken from {} s on, and not told within {} s",
                    broken.assumption.name(),
                    broken.from,
                    broken.within
                ),
            });
        }
    }
    found
}

/// What the nodes told of in the time before a fault, a line each, the latest last.
pub fn course(universe: &Universe, seed: u64, fault: &Fault) -> Vec<String> {
    let mut world = World::new(universe, seed);
    world.run();
    let scenario = &universe.scenario;
    let line = |(at, node, event): &(f64, usize, Event)| {
        let node = scenario.node.get(*node)?;
        let source = event.source.and_then(|id| node.source.get(id.index()));
        let source = source.map_or(String::new(), |source| format!(" {}:", name_of(source)));
        Some(format!("{at:12.3} s {}:{source} {}", node.name, event.kind))
    };
    let before: Vec<_> = world.told().iter().filter(|(at, ..)| *at <= fault.at).collect();
    let latest = before.len().saturating_sub(LINES_MAX);
    before[latest..].iter().filter_map(|told| line(told)).collect()
}

fn impossible(seed: u64, mistakes: &[super::Mistake]) -> Trial {
    let detail = mistakes.iter().map(|m| format!("{}: {}", m.path, m.reason));
    let detail = detail.collect::<Vec<_>>().join("; ");
    let fault = Fault { kind: FaultKind::Impossible, at: 0.0, detail };
    let outcome = Outcome::none(seed);
    Trial { seed, seconds: 0.0, node_hours: 0.0, outcome, faults: vec![fault] }
}

/// Lines of a course.
const LINES_MAX: usize = 16;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
