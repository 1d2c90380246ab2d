//! A world: a universe from a seed, and the loop that lets its time pass.
//!
//! ```text
//!   queue ─► turn ─► node: handle, tick ─► oracle      receiver ─┐
//!     ▲                │                               server   ─┤
//!     └── packets, timers, readings ◄──────────────────links    ─┘
//! ```
//!
//! Single-threaded and without a real clock: what happens is a function of the scenario and the
//! seed. The judge looks a moment before each second, so that he sees clocks at their oldest.

use std::collections::BTreeMap;

use super::assumptions::Witness;
use super::beside::Beside;
use super::keys::seed_of;
use super::log::Log;
use super::mutation::Mutation;
use super::node::{Halt, Node};
use super::oracle::{Law, Look, Loops, Violations};
use super::outcome::Judged;
use super::plain::Plain;
use super::queue::{Queue, Rank};
use super::record::{Record, Recorder, Sight};
use super::turn::{Stream, Turn};
use super::universe::{Asked, Universe, Way, name_of};
use super::{Path, Receiver, Upstream, plan};
use crate::event::Event;
use crate::mitigation::Verdict;
use crate::state::Term;
use crate::time::{Duration, Timestamp, Utc};

/// A universe in motion.
#[derive(Debug)]
pub struct World<'u> {
    pub(super) universe: &'u Universe,
    pub(super) now: Timestamp<Utc>,
    pub(super) queue: Queue<Turn>,
    pub(super) nodes: Vec<Node>,
    pub(super) servers: Vec<Server>,
    pub(super) receivers: Vec<Receiver>,
    /// For each link the way as it is written, and the way back.
    pub(super) links: Vec<[Path; 2]>,
    pub(super) beside: Beside,
    pub(super) plain: Plain,
    pub(super) witness: Witness,
    log: Log,
    loops: Loops,
    violations: Violations,
    judged: Vec<Judged>,
    /// The judged node's largest |error| since the last look, s.
    peak: f64,
    /// Seconds judged.
    second: i64,
    /// What the nodes told, kept for a few.
    told: Vec<(f64, usize, Event)>,
    /// How often the judged node told of each event, by its name.
    events: BTreeMap<&'static str, u32>,
    /// Takes the judged node down, if asked for.
    recorder: Option<Recorder>,
}

/// A server of the outside world.
#[derive(Debug)]
pub(super) struct Server {
    pub upstream: Upstream,
    pub silent: bool,
}

impl<'u> World<'u> {
    /// The world of this seed, at its start.
    pub fn new(universe: &'u Universe, seed: u64) -> Self {
        let scenario = &universe.scenario;
        let start = scenario.start.0;
        let seeded = |stream: Stream, place| seed_of(seed_of(seed, stream as u64), place);
        let nodes: Vec<Node> =
            (0..scenario.node.len()).map(|place| Node::new(universe, place, seed)).collect();
        let server = |(place, entry): (u64, &super::scenario::ServerEntry)| {
            let followed = entry
                .model
                .follows
                .as_ref()
                .and_then(|name| scenario.node.iter().position(|node| node.name == *name));
            let reference = followed.map_or(*b"GPS\0", plan::node_address);
            let seed = seeded(Stream::Server, place);
            let upstream = Upstream::new(&entry.model, seed, start, reference);
            Server { upstream, silent: false }
        };
        let link = |(place, entry): (u64, &super::scenario::LinkEntry)| {
            let way = |way: &Option<_>, stream| {
                let law = way.as_ref().or(entry.both.as_ref()).cloned().unwrap_or_default();
                Path::new(&law, seeded(stream, place), start)
            };
            [way(&entry.there, Stream::There), way(&entry.back, Stream::Back)]
        };
        let receiver = |(place, entry): (u64, &super::scenario::ReceiverEntry)| {
            Receiver::new(&entry.model, seeded(Stream::Receiver, place), start)
        };
        let mut world = Self {
            now: start,
            queue: Queue::new(),
            loops: Loops::new(nodes.len()),
            nodes,
            servers: (0..).zip(&scenario.server).map(server).collect(),
            receivers: (0..).zip(&scenario.receiver).map(receiver).collect(),
            links: (0..).zip(&scenario.link).map(link).collect(),
            beside: Beside::of(universe),
            plain: Plain::of(universe),
            witness: Witness::of(universe),
            log: Log::new(),
            violations: Violations::default(),
            judged: Vec::new(),
            peak: 0.0,
            second: 0,
            told: Vec::new(),
            events: BTreeMap::new(),
            recorder: None,
            universe,
        };
        world.plan_the_start();
        world
    }

    /// The same world, with something of the judged node made wrong.
    pub fn mutated(universe: &'u Universe, seed: u64, mutation: Mutation) -> Self {
        let mut world = Self::new(universe, seed);
        world.nodes[universe.judge].mutate(mutation);
        world
    }

    /// Lets time pass until the scenario's end.
    pub fn run(&mut self) {
        let end = self.universe.scenario.start.0 + self.universe.scenario.duration.0;
        self.run_until(end);
        self.conclude();
    }

    /// Lets time pass until `end`.
    pub fn run_until(&mut self, end: Timestamp<Utc>) {
        loop {
            let judge_at = self.judge_at();
            let next = self.queue.next_at().unwrap_or(end);
            if judge_at <= next && judge_at < end {
                self.now = judge_at;
                self.judge();
            } else if next < end {
                let Some((at, turn)) = self.queue.pop() else { return };
                self.now = at;
                self.log.happened(at, turn.code());
                self.take(turn);
            } else {
                self.now = end;
                return;
            }
        }
    }

    /// What the oracle found so far.
    pub fn violations(&self) -> &Violations {
        &self.violations
    }

    /// Every look at the judged node, one a second.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// Sum of the event log.
    pub fn log(&self) -> u64 {
        self.log.sum()
    }

    /// What the nodes told: seconds from the start, place of the node, event; the first few
    /// thousand.
    pub fn told(&self) -> &[(f64, usize, Event)] {
        &self.told
    }

    /// How often the judged node told of each event, by its name.
    pub fn events(&self) -> &BTreeMap<&'static str, u32> {
        &self.events
    }

    /// From now on the judged node is taken down, so that it can be drawn.
    pub fn keep_record(&mut self) {
        let names = self.universe.judged().source.iter().map(|source| name_of(source).to_owned());
        self.recorder = Some(Recorder::new(self.universe.scenario.duration.seconds(), names));
    }

    /// What was taken down, if anything.
    pub fn take_record(&mut self) -> Option<Record> {
        let settle = self.universe.scenario.settle().seconds();
        self.recorder.take().map(|recorder| recorder.conclude(&self.judged, settle))
    }

    /// Requests that the judged node sent.
    pub fn requests(&self) -> u64 {
        self.nodes[self.universe.judge].requests
    }

    /// The judged node's verdicts, in the order of its sources.
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.nodes[self.universe.judge].engine.reports().map(|report| report.verdict).collect()
    }

    /// Seconds from the start.
    pub(super) fn at(&self) -> f64 {
        (self.now - self.universe.scenario.start.0).seconds()
    }

    /// Plans a turn for a true time.
    pub(super) fn plan(&mut self, at: Timestamp<Utc>, rank: Rank, turn: Turn) {
        self.queue.plan(at, rank, turn);
    }

    fn plan_the_start(&mut self) {
        let scenario = &self.universe.scenario;
        let start = scenario.start.0;
        for (event, happening) in scenario.event.iter().enumerate() {
            self.plan(start + happening.at.0, Rank::Event, Turn::Begin { event });
            let ends = happening.ends(scenario.duration.0);
            if ends > happening.at.0 {
                self.plan(start + ends, Rank::Event, Turn::End { event });
            }
        }
        if let Some(at) = self.universe.truth.leaps_at() {
            self.plan(at, Rank::Event, Turn::Leap);
        }
        self.announce_leap();
        for receiver in 0..self.receivers.len() {
            let due = self.receivers[receiver].due();
            self.plan(due, Rank::Timer, Turn::Receiver { receiver });
        }
        for node in 0..self.nodes.len() {
            self.plan(start, Rank::Timer, Turn::Poll { node });
            self.plan(start + FIRST_TICK, Rank::Timer, Turn::Tick { node });
        }
    }

    /// Does what a turn stands for.
    pub(super) fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Tick { node } => self.timer(node),
            Turn::Poll { node } => self.poll(node),
            Turn::Stamped { node, peer, stamp } => {
                self.nodes[node].peers[peer].association.handle_sent(stamp);
            }
            Turn::Request { node, peer, whom, packet } => self.request(node, peer, whom, packet),
            Turn::Asked { node, peer, whom, packet, stamp } => {
                self.asked(node, peer, whom, packet, stamp);
            }
            Turn::Reply { node, peer, packet } => self.reply(node, peer, packet),
            Turn::Answered { node, peer, packet, stamp } => {
                self.answered(node, peer, &packet, stamp);
            }
            Turn::Receiver { receiver } => {
                for emission in self.receivers[receiver].next_reading() {
                    self.plan(emission.at, Rank::Arrival, Turn::Emitted { receiver, emission });
                }
                let due = self.receivers[receiver].due();
                self.plan(due, Rank::Timer, Turn::Receiver { receiver });
            }
            Turn::Emitted { receiver, emission } => self.emitted(receiver, &emission),
            Turn::Read { node, source, kind, stamp } => self.read(node, source, kind, stamp),
            Turn::Begin { event } => {
                self.begin(event);
                self.note_peak();
            }
            Turn::End { event } => {
                self.end(event);
                self.note_peak();
            }
            Turn::Leap => self.leap(),
            Turn::Announce => self.announce_leap(),
            Turn::Due { node } => {
                if self.nodes[node].tick_at <= self.now {
                    self.tick(node);
                }
            }
        }
    }

    /// The engine ticks once a second at least, like the daemon's conductor: a tick of its own only
    /// a second after any other.
    fn timer(&mut self, node: usize) {
        if self.nodes[node].tick_at <= self.now {
            self.tick(node);
        }
        // A halted node has not ticked; it is looked at again.
        if self.nodes[node].tick_at <= self.now {
            self.nodes[node].tick_at = self.now + TICK;
        }
        let at = self.nodes[node].tick_at;
        self.plan(at, Rank::Timer, Turn::Tick { node });
    }

    /// Judges what a node heard.
    pub(super) fn tick(&mut self, place: usize) {
        let (now, at) = (self.now, self.at());
        let truth = &self.universe.truth;
        let node = &mut self.nodes[place];
        if node.halt.is_some() {
            return;
        }
        let (_, system) = node.advance(now);
        let (state, mutation) = (node.engine.state(), node.mutation);
        let look = Look { now, at, system, state, mutation };
        node.watch.look(&look, truth, &mut self.violations);
        if core::mem::take(&mut node.heard) {
            node.watch.heard();
        }
        let state = node.engine.tick();
        let (_, system) = node.advance(now);
        let look = Look { now, at, system, state: &state, mutation };
        self.log.published(&state, system);
        while let Some(event) = node.engine.poll_event() {
            self.log.told(&(event.source, event.kind));
            self.witness.told(place, at, &event);
            if place == self.universe.judge {
                *self.events.entry(event.kind.name()).or_default() += 1;
                if let Some(recorder) = &mut self.recorder {
                    recorder.told(at, &event);
                }
            }
            node.watch.told(&look, event.kind, truth, &mut self.violations);
            if self.told.len() < TOLD_MAX {
                self.told.push((at, place, event));
            }
        }
        node.watch.look(&look, truth, &mut self.violations);
        node.tick_at = now + TICK;
        if let Some(due) = node.engine.due() {
            node.tick_at = now + TICK.min(due);
            self.queue.plan(node.tick_at, Rank::Timer, Turn::Due { node: place });
        }
        node.note_asked();
        let followed = state.selected.filter(|_| state.phase.is_synchronised());
        let way = followed.and_then(|id| self.universe.ways[place].get(id.index()));
        let whom = match way {
            Some(Way::Asked { whom: Asked::Node(node), .. }) => Some(*node),
            _ => None,
        };
        self.loops.follow(place, whom);
        self.plan_poll(place);
    }

    /// Looks at the judged node's clock between two looks: something happened to it.
    fn note_peak(&mut self) {
        let node = &mut self.nodes[self.universe.judge];
        let (_, system) = node.advance(self.now);
        let error = self.universe.truth.error(node.engine.state().utc(system), self.now);
        self.peak = self.peak.max(error.seconds().abs());
    }

    /// Looks at every node as its clients would see it now.
    fn judge(&mut self) {
        let (now, at) = (self.now, self.at());
        let truth = &self.universe.truth;
        for (place, node) in self.nodes.iter_mut().enumerate() {
            let (raw, system) = node.advance(now);
            let state = node.engine.state();
            let asleep = matches!(node.halt, Some(Halt::Asleep(_)));
            let look = Look { now, at, system, state, mutation: node.mutation };
            let error = if asleep {
                truth.error(state.utc(system), now)
            } else {
                node.watch.look(&look, truth, &mut self.violations)
            };
            if place == self.universe.judge {
                let beside = self.beside.look(raw, now);
                let followed = state.selected.and_then(|id| node.engine.reports().nth(id.index()));
                let root_distance = followed.and_then(|report| report.root_distance_at(system));
                let judged = Judged {
                    error: error.seconds(),
                    peak: error.seconds().abs().max(core::mem::take(&mut self.peak)),
                    bound: look.bound().seconds(),
                    path: look.term(Term::Path),
                    root_distance,
                    claimed: look.claims() && !asleep,
                    reference: beside.map(|(error, _)| error),
                    reference_variance: beside.map_or(0.0, |(_, variance)| variance),
                    apart: self.beside.is_apart(now, node.engine.reports().map(|r| r.verdict)),
                    plain: self.plain.errors(raw, now),
                };
                self.judged.push(judged);
                if let Some(recorder) = &mut self.recorder {
                    let slewed = node.engine.clock().disturbance_rate();
                    let sight = Sight {
                        second: self.second,
                        judged: &judged,
                        state,
                        ledger: state.ledger(system),
                        rate: (node.oscillator.frequency() + slewed).ratio(),
                        phase: raw.offset_from(now).seconds(),
                    };
                    let reports = node.engine.reports();
                    recorder.look(&sight, reports.map(|report| report.verdict));
                }
            }
        }
        self.loops.look(at, &mut self.violations);
        self.second += 1;
    }

    /// At the end: leap seconds that nobody applied, and events that nobody told.
    fn conclude(&mut self) {
        let at = self.at();
        let passed = self.universe.truth.leaps_at().filter(|leap| self.now - *leap > LEAP_NOTICED);
        for (place, node) in self.nodes.iter().enumerate() {
            let smeared = self.universe.is_told_smeared_time(place);
            if passed.is_some() && node.watch.missed_a_leap() && !smeared {
                let detail = || "the leap second was not applied".to_owned();
                self.violations.note(at, place, Law::LeapSecond, detail);
            }
        }
        self.witness.conclude(at, &mut self.violations);
    }

    /// When the judge looks next: a moment before the second, so that noise does not bring its
    /// readings before the look.
    fn judge_at(&self) -> Timestamp<Utc> {
        let start = self.universe.scenario.start.0;
        (start + Duration::from_seconds(self.second) - JUDGED_BEFORE).max(start)
    }
}

/// Without news the engine ticks once a second.
const TICK: Duration = Duration::SECOND;
/// A daemon does not start on a second.
const FIRST_TICK: Duration = Duration::from_millis(500);
const JUDGED_BEFORE: Duration = Duration::from_millis(1);
/// A leap second is applied by then, or it is not.
const LEAP_NOTICED: Duration = Duration::from_seconds(60);
/// Events kept.
const TOLD_MAX: usize = 10_000;
