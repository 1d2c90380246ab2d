//! A failing world made small: what is not needed to fail is left out.
//!
//! The world is shrunk as it is written: each key that may be left out and each element of a list is
//! taken out, and stays out if the world still fails by the same kind of fault. So nothing here knows
//! any key, but for the length of the world, which is cut to just past the fault. What is left is
//! then written in rounder numbers. The work is bounded by simulated time, so a seed shrinks to the
//! same world anywhere.

use serde_json::Value;

use super::{Fault, FaultKind, faults};
use crate::sim::scenario::Scenario;
use crate::sim::swarm::generate::whole_seconds;
use crate::sim::written::{self, Step};
use crate::sim::{Keep, Universe, run};
use crate::time::Span;

/// A small world that fails.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The world.
    pub scenario: Scenario,
    /// How it fails.
    pub fault: Fault,
    /// Worlds that were tried.
    pub runs: u32,
}

/// Shrinks the world of a scenario that fails with this seed by a fault of this kind; `None` if it
/// does not fail so.
pub fn shrink(scenario: &Scenario, seed: u64, kind: FaultKind) -> Option<Shrunk> {
    shrink_by(scenario, kind, |universe| faults(universe, &run(universe, seed, Keep::Figures)))
}

/// The same by another judge.
pub(super) fn shrink_by(
    scenario: &Scenario,
    kind: FaultKind,
    judge: impl Fn(&Universe) -> Vec<Fault>,
) -> Option<Shrunk> {
    let mut search = Search { judge, kind, runs: 0, seconds: 0.0 };
    let fault = search.fails(scenario)?;
    let mut found = Shrunk { scenario: scenario.clone(), fault, runs: 0 };
    search.shorten(&mut found);
    loop {
        let before = written::written(&found.scenario);
        search.leave_out(&mut found);
        search.shorten(&mut found);
        if search.is_spent() || written::written(&found.scenario) == before {
            break;
        }
    }
    search.round(&mut found);
    search.shorten(&mut found);
    found.runs = search.runs;
    Some(found)
}

struct Search<J> {
    judge: J,
    kind: FaultKind,
    runs: u32,
    /// Simulated so far, over all nodes.
    seconds: f64,
}

impl<J: Fn(&Universe) -> Vec<Fault>> Search<J> {
    fn is_spent(&self) -> bool {
        self.runs >= RUNS_MAX || self.seconds >= SECONDS_MAX
    }

    /// The fault of this kind, if the world shows one.
    fn fails(&mut self, scenario: &Scenario) -> Option<Fault> {
        let universe = Universe::of(scenario.clone()).ok()?;
        self.runs += 1;
        self.seconds += scenario.duration.seconds() * scenario.node.len() as f64;
        (self.judge)(&universe).into_iter().find(|fault| fault.kind == self.kind)
    }

    /// Takes a smaller world if it still fails.
    fn try_out(&mut self, smaller: Scenario, found: &mut Shrunk) -> bool {
        if self.is_spent() || smaller == found.scenario {
            return false;
        }
        let Some(fault) = self.fails(&smaller) else { return false };
        (found.scenario, found.fault) = (smaller, fault);
        true
    }

    /// Ends the world just past the fault, and what would come later with it.
    fn shorten(&mut self, found: &mut Shrunk) {
        let mut shorter = found.scenario.clone();
        let end = whole_seconds(found.fault.at + MARGIN);
        if end >= shorter.duration {
            return;
        }
        shorter.duration = end;
        // Figures are not what it fails by.
        shorter.settle = Some(Span::default());
        shorter.event.retain(|event| event.at < end);
        for event in &mut shorter.event {
            event.until = event.until.map(|until| until.min(end));
        }
        self.try_out(shorter, found);
    }

    /// Leaves out whatever can be, the last of a list first: events before what they happen to.
    fn leave_out(&mut self, found: &mut Shrunk) {
        let mut value = written::written(&found.scenario);
        let mut paths = written::paths(&value);
        // Whole tables first: what is gone with them need not be tried.
        paths.sort_by_key(|path| (rank(path), path.len()));
        for path in paths {
            let mut smaller = value.clone();
            // Without its base a way takes no time: an answer at once is no answer to a daemon.
            if path.last() == Some(&Step::Key("base".into()))
                || !written::remove(&mut smaller, &path)
            {
                continue;
            }
            let Some(scenario) = written::read(&smaller).map(without_strays) else { continue };
            if self.try_out(scenario, found) {
                value = written::written(&found.scenario);
            }
        }
    }

    /// Writes numbers with one digit where the world still fails.
    fn round(&mut self, found: &mut Shrunk) {
        let paths = written::paths(&written::written(&found.scenario));
        for path in paths {
            let mut value = written::written(&found.scenario);
            let Some(place) = written::at(&mut value, &path) else { continue };
            let Some(number) = place.as_f64().filter(|_| place.is_f64()) else { continue };
            let round: f64 = format!("{number:.0e}").parse().unwrap_or(number);
            *place = Value::from(round);
            if let Some(scenario) = written::read(&value) {
                self.try_out(scenario, found);
            }
        }
    }
}

/// In which order things are left out: events, nodes, sources, receivers and servers, all others.
fn rank(path: &[Step]) -> u8 {
    let key = |depth: usize| match path.get(depth) {
        Some(Step::Key(key)) => key.as_str(),
        _ => "",
    };
    match (key(0), key(2), path.len()) {
        ("event", _, 2) => 0,
        ("node", _, 2) => 1,
        ("node", "source", 4) => 2,
        ("receiver" | "server" | "link", _, 2) => 3,
        _ => 4,
    }
}

/// Without sources, links and events whose other end is gone, and whatever nobody asks or hears.
fn without_strays(mut scenario: Scenario) -> Scenario {
    let names = |scenario: &Scenario| {
        let nodes = scenario.node.iter().map(|node| node.name.clone());
        let servers = scenario.server.iter().map(|server| server.name.clone());
        let receivers = scenario.receiver.iter().map(|receiver| receiver.name.clone());
        nodes.chain(servers).chain(receivers).collect::<Vec<String>>()
    };
    let known = names(&scenario);
    let is_known = |name: &Option<String>| name.as_ref().is_none_or(|name| known.contains(name));
    for node in &mut scenario.node {
        node.source.retain(|source| is_known(&source.server) && is_known(&source.receiver));
        let texts: Vec<Option<String>> = node.source.iter().map(|s| s.name.clone()).collect();
        for source in &mut node.source {
            source.text = source.text.take().filter(|text| texts.contains(&Some(text.clone())));
        }
    }
    let sources = || scenario.node.iter().flat_map(|node| &node.source);
    let wanted: Vec<String> =
        sources().flat_map(|s| [s.server.clone(), s.receiver.clone()]).flatten().collect();
    scenario.server.retain(|server| wanted.contains(&server.name));
    scenario.receiver.retain(|receiver| wanted.contains(&receiver.name));
    let joins = |from: &str, to: &str| {
        scenario.node.iter().any(|node| {
            node.name == from && node.source.iter().any(|s| s.server.as_deref() == Some(to))
        })
    };
    let mut links = core::mem::take(&mut scenario.link);
    links.retain(|link| joins(&link.from, &link.to) || joins(&link.to, &link.from));
    scenario.link = links;
    let known = names(&scenario);
    let is_known = |name: &Option<String>| name.as_ref().is_none_or(|name| known.contains(name));
    scenario.event.retain(|event| {
        [&event.node, &event.server, &event.receiver, &event.from, &event.to]
            .into_iter()
            .all(is_known)
    });
    scenario
}

/// Past the fault, s.
const MARGIN: f64 = 2.0;
const RUNS_MAX: u32 = 600;
/// Simulated: a minute or two of work.
const SECONDS_MAX: f64 = 2e6;
