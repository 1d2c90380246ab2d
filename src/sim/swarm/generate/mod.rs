//! A world from a seed: the same one for ever, on any machine.
//!
//! First it is drawn whether an assumption of the bound is to be broken, and which; then a world that
//! keeps them all is made; then the breach is done to it. What is broken in the end is not taken from
//! here but from [`crate::sim::broken`], which judges every world alike; the tests hold the two
//! against each other. Each part draws from a stream of its own.

mod breach;
mod draw;
mod events;
mod network;
mod node;
mod receiver;

use draw::Draw;

use super::super::scenario::{Instant, LeapEntry, Leaping, NodeEntry, Scenario};
use crate::sim::{Announcement, Assumption, Expect, Hostile};
use crate::time::{Duration, Span, Timestamp};

/// The assumption that the world of this seed is made to break, if any.
pub fn intended(seed: u64) -> Option<Assumption> {
    let mut draw = Draw::of(seed, Part::Intent as u64);
    let which = *draw.pick(&Assumption::ALL);
    draw.chance(BROKEN).then_some(which)
}

/// The world of this seed.
pub fn scenario(seed: u64) -> Scenario {
    let intended = intended(seed);
    let draw = |part: Part| Draw::of(seed, part as u64);
    let mut scenario = members(seed, intended);
    scenario.duration = duration(&mut draw(Part::Duration), &scenario);
    scenario.settle = Some(whole_seconds(scenario.duration.seconds() / 2.0));
    let mut polls = draw(Part::Sources);
    wire(&mut polls, &mut scenario);
    let mut links = draw(Part::Links);
    join(&mut links, &mut scenario);
    if intended.is_none() {
        leap(&mut draw(Part::Leap), &mut scenario);
    }
    events::add(&mut draw(Part::Events), &mut scenario);
    liar(&mut draw(Part::Liar), &mut scenario);
    if let Some(assumption) = intended {
        breach::add(&mut draw(Part::Breach), assumption, &mut scenario);
    }
    declare_stamps(&mut scenario);
    scenario
}

/// What is heard of a receiver is declared as coarse as the stamps of the node that hears it.
fn declare_stamps(scenario: &mut Scenario) {
    for entry in &mut scenario.node {
        let coarse = node::declared(entry.stamps.quantum);
        let heard = entry.source.iter_mut().filter(|source| source.receiver.is_some());
        heard.for_each(|source| source.quantization = coarse);
    }
}

/// Whole seconds of a world, at least three.
pub(super) fn whole_seconds(seconds: f64) -> Span {
    draw::span(libm::ceil(seconds).max(3.0))
}

/// Streams of random numbers.
#[derive(Clone, Copy, Debug)]
enum Part {
    Breach,
    Members,
    Duration,
    Sources,
    Links,
    Leap,
    Events,
    Liar,
    Node,
    Server,
    Receiver,
    Intent,
}

/// Nodes without sources, servers and receivers.
fn members(seed: u64, intended: Option<Assumption>) -> Scenario {
    let mut draw = Draw::of(seed, Part::Members as u64);
    let nodes = *draw.pick(&[1, 1, 1, 2, 2, 3]);
    let needs = |draw: &mut Draw, needed: bool, of: &[usize]| {
        let count = *draw.pick(of);
        if needed { count.max(1) } else { count }
    };
    let servers = needs(&mut draw, breach::needs_server(intended), &[0, 1, 1, 2, 3, 3, 4, 5, 6]);
    let wants = breach::needs_receiver(intended) || servers == 0;
    let receivers = needs(&mut draw, wants, &[0, 0, 1, 1, 2]);
    let part = |part: Part, place: usize| Draw::of(seed, part as u64 + COUNT * (place as u64 + 1));
    let node = |place| node::node(&mut part(Part::Node, place), format!("node-{place}"));
    let server = |place| {
        network::server(&mut part(Part::Server, place), format!("server-{place}"), HOURS_MAX)
    };
    let receiver =
        |place| receiver::receiver(&mut part(Part::Receiver, place), format!("receiver-{place}"));
    Scenario {
        name: format!("world-{seed}"),
        about: String::new(),
        duration: Span(Duration::SECOND),
        settle: None,
        start: Instant::default(),
        leap: None,
        judge: None,
        node: (0..nodes).map(node).collect(),
        server: (0..servers).map(server).collect(),
        receiver: (0..receivers).map(receiver).collect(),
        link: Vec::new(),
        event: Vec::new(),
        expect: Expect::default(),
    }
}

/// Ten minutes to twelve hours; less where a receiver speaks many times a second.
fn duration(draw: &mut Draw, scenario: &Scenario) -> Span {
    let readings: u32 = scenario.receiver.iter().map(|receiver| receiver.model.rate).sum();
    let longest = HOURS_MAX * 3600.0 / f64::from(readings.max(2) / 2);
    let minutes = libm::rint(draw.log(600.0, longest) / 60.0);
    draw::span(minutes * 60.0)
}

/// Gives the nodes their sources.
fn wire(draw: &mut Draw, scenario: &mut Scenario) {
    let count = scenario.node.len();
    let circle = count > 1 && draw.chance(0.2);
    for place in 0..count {
        let first = place == 0;
        let mut sources = Vec::new();
        for receiver in &scenario.receiver {
            if draw.chance(if first { 0.8 } else { 0.2 }) {
                sources.extend(receiver::listening(draw, receiver));
            }
        }
        let node = &scenario.node[place];
        for server in &scenario.server {
            if draw.chance(if first { 0.85 } else { 0.4 }) {
                sources.push(network::asking(draw, node, &server.name, 10));
            }
        }
        for (other, upstream) in scenario.node.iter().enumerate() {
            let above = other < place && draw.chance(0.7);
            let below = other > place && circle && draw.chance(0.6);
            if above || below {
                // What nodes hear of one another comes round within minutes, also in a circle.
                sources.push(network::asking(draw, node, &upstream.name, 6));
            }
        }
        if sources.is_empty() {
            sources = fallback(draw, scenario, node);
        }
        scenario.node[place].source = sources;
    }
}

/// A node that drew no source takes the first there is.
fn fallback(
    draw: &mut Draw,
    scenario: &Scenario,
    node: &NodeEntry,
) -> Vec<crate::sim::SourceEntry> {
    match (scenario.server.first(), scenario.receiver.first()) {
        (Some(server), _) => vec![network::asking(draw, node, &server.name, 10)],
        (None, Some(receiver)) => receiver::listening(draw, receiver),
        (None, None) => Vec::new(),
    }
}

/// Joins each node and whom it asks by a network; two nodes that ask one another share it.
fn join(draw: &mut Draw, scenario: &mut Scenario) {
    let asked = |node: &NodeEntry| {
        let from = node.name.clone();
        let names = node.source.iter().filter_map(|source| source.server.clone());
        names.map(move |to| (from.clone(), to)).collect::<Vec<_>>()
    };
    for (from, to) in scenario.node.iter().flat_map(asked).collect::<Vec<_>>() {
        let joined = scenario.link.iter().any(|link| link.from == to && link.to == from);
        if !joined {
            scenario.link.push(network::link(draw, &from, &to));
        }
    }
}

/// A leap second in the middle of a world whose members all announce it, a day ahead.
fn leap(draw: &mut Draw, scenario: &mut Scenario) {
    let duration = scenario.duration.0;
    if !draw.chance(0.05) || duration < Duration::from_seconds(3600) {
        return;
    }
    let share = draw.between(0.3, 0.8);
    let whole = libm::rint(duration.seconds() * share);
    scenario.start = Instant(MIDNIGHT - draw::span(whole).0);
    scenario.leap = Some(LeapEntry { before: Instant(MIDNIGHT), deleted: draw.chance(0.3) });
    for server in &mut scenario.server {
        server.model.hostile = Hostile::None;
    }
    for node in &mut scenario.node {
        node.leap_mode =
            *draw.pick(&[Leaping::Kernel, Leaping::Kernel, Leaping::Step, Leaping::Slew]);
    }
}

/// A server that lies, where a majority of honest ones remains: nothing is broken by it.
fn liar(draw: &mut Draw, scenario: &mut Scenario) {
    let lie = draw.signed(1e-3, 1e3);
    let place = draw.whole(0, scenario.server.len().max(1) - 1);
    if !draw.chance(0.3) || scenario.leap.is_some() {
        return;
    }
    let mut lying = scenario.clone();
    let Some(server) = lying.server.get_mut(place) else { return };
    server.model.offset = lie;
    if server.model.leap == Announcement::None && breach::keeps_all(&lying) {
        *scenario = lying;
    }
}

/// Of the worlds.
const BROKEN: f64 = 0.22;
const HOURS_MAX: f64 = 12.0;
/// More than there are parts.
const COUNT: u64 = 16;
/// 2026-07-01T00:00:00Z.
const MIDNIGHT: Timestamp<crate::time::Utc> = Timestamp::from_seconds(1_782_864_000);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Universe, broken};

    #[test]
    fn every_world_can_be_and_breaks_what_it_was_made_to_break_and_nothing_else() {
        let mut kept = 0;
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..3000 {
            let universe = Universe::of(scenario(seed)).unwrap_or_else(|m| panic!("{seed}: {m:?}"));
            let found: Vec<Assumption> =
                broken(&universe).iter().map(|broken| broken.assumption).collect();
            match intended(seed) {
                None => assert_eq!(found, [], "{seed}"),
                Some(assumption) => assert!(found.contains(&assumption), "{seed} {assumption:?}"),
            }
            kept += u32::from(found.is_empty());
            seen.extend(found);
        }
        assert!((2100..=2700).contains(&kept), "{kept}");
        assert_eq!(seen.len(), Assumption::ALL.len(), "{seen:?}");
    }

    #[test]
    fn a_seed_means_the_same_world_for_ever() {
        let sum = |seed| {
            let mut log = crate::sim::log::Log::new();
            log.told(&crate::sim::written(&scenario(seed)).to_string());
            log.sum()
        };
        assert_eq!([1, 2, 3].map(sum), FIRST);
    }

    #[test]
    fn most_breaches_that_can_be_told_are_plain_at_times() {
        let mut plain = std::collections::BTreeSet::new();
        for seed in 0..2000 {
            let universe = Universe::of(scenario(seed)).unwrap();
            let told = broken(&universe).into_iter().filter(|broken| !broken.signs.is_empty());
            plain.extend(told.map(|broken| broken.assumption));
        }
        let wanted = [
            Assumption::SteadyOscillator,
            Assumption::UnbrokenCount,
            Assumption::ClockUntouched,
            Assumption::Awake,
            Assumption::HonestMajority,
            Assumption::NoServerStep,
            Assumption::HonestReceiver,
        ];
        assert!(wanted.iter().all(|assumption| plain.contains(assumption)), "{plain:?}");
    }

    const FIRST: [u64; 3] = [11128217614432759975, 15686343156308853951, 9349217453220099532];
}
