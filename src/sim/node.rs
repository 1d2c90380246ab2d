//! A node: a machine with the daemon on it, made of the daemon's own parts.
//!
//! An oscillator whose true rate is known drives a clock; engine, associations and server are those
//! of the daemon and see nothing but stamps of that clock and bytes. A stopped process keeps the
//! stamps that the kernel took meanwhile; a sleeping machine hears nothing.

use super::keys::seed_of;
use super::mutation::Mutation;
use super::oracle::Watch;
use super::plan;
use super::turn::{Stream, Turn};
use super::universe::{Asked, Universe, Way};
use super::{Oscillator, SimulatedClock, Stamps};
use crate::discipline::memory::{Memory, SAME_BOOT};
use crate::engine::Engine;
use crate::sample::{Reading, ReadingKind, SourceId};
use crate::server::{Clients, Policy, TableSize};
use crate::source::association::Association;
use crate::state::State;
use crate::time::{Mono, Raw, System, Timestamp, Utc};

/// A machine that runs the daemon.
#[derive(Debug)]
pub(super) struct Node {
    pub oscillator: Oscillator,
    pub engine: Engine<SimulatedClock>,
    pub peers: Vec<Peer>,
    pub stamps: Stamps,
    pub clients: Clients,
    pub policy: Policy,
    pub watch: Watch,
    pub halt: Option<Halt>,
    /// What waits for a stopped process.
    pub backlog: Vec<Turn>,
    /// When the engine ticks unless something is heard before.
    pub tick_at: Timestamp<Utc>,
    /// The earliest wake-up planned for the associations.
    pub poll_at: Option<Timestamp<Utc>>,
    pub requests: u64,
    /// Something was heard since the last tick.
    pub heard: bool,
    /// What of it is made wrong.
    pub mutation: Option<Mutation>,
    /// What its process left behind when it ended.
    memory: Option<Memory>,
    place: usize,
    seed: u64,
    starts: u64,
}

/// Why a node does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// The process is stopped.
    Stalled,
    /// The machine sleeps, since then.
    Asleep(Timestamp<Utc>),
    /// There is no process, since then.
    Down(Timestamp<Utc>),
}

/// An association and the way to its server.
#[derive(Debug)]
pub(super) struct Peer {
    pub source: SourceId,
    pub association: Association,
    pub whom: Asked,
    pub link: usize,
    pub reversed: bool,
    /// The interval that the engine asks for, s.
    pub asked: f64,
}

impl Node {
    /// The node at this place, which starts with the universe.
    pub fn new(universe: &Universe, place: usize, seed: u64) -> Self {
        let entry = &universe.scenario.node[place];
        let start = universe.scenario.start.0;
        let seeded = |stream: Stream| seed_of(seed_of(seed, stream as u64), place as u64);
        let mut oscillator = Oscillator::new(&entry.oscillator, seeded(Stream::Oscillator), start);
        let clock = SimulatedClock::new(oscillator.read(start), entry.steered);
        let now = clock.mono();
        Self {
            peers: peers(universe, place, seeded(Stream::Association), now),
            engine: Engine::new(plan::engine(universe, place), clock),
            oscillator,
            stamps: Stamps::new(&entry.stamps, seeded(Stream::Stamps), start),
            clients: clients(seeded(Stream::Clients)),
            policy: Policy::default(),
            watch: Watch::new(place),
            halt: None,
            backlog: Vec::new(),
            tick_at: start,
            poll_at: None,
            requests: 0,
            heard: false,
            mutation: None,
            memory: None,
            place,
            seed,
            starts: 0,
        }
    }

    /// Its process ends, and with it all that it knew but what it wrote down, if it `keeps` that. A
    /// new one will know nothing of the clients either.
    pub fn end(&mut self, universe: &Universe, keeps: bool, now: Timestamp<Utc>) {
        if matches!(self.halt, Some(Halt::Asleep(_))) {
            return;
        }
        self.advance(now);
        self.memory = self.engine.memory().filter(|_| keeps);
        self.halt = Some(Halt::Down(now));
        self.backlog.clear();
        let mut clock = self.engine.clock().clone();
        clock.leave();
        self.starts += 1;
        let seed = seed_of(self.seed, self.starts);
        let seeded = |stream: Stream| seed_of(seed_of(seed, stream as u64), self.place as u64);
        let mono = clock.mono();
        self.peers = peers(universe, self.place, seeded(Stream::Association), mono);
        self.clients = clients(seeded(Stream::Clients));
        self.engine = Engine::new(plan::engine(universe, self.place), clock);
        self.watch.stepped();
    }

    /// A new process starts, and reads what the last one wrote.
    pub fn start(&mut self, now: Timestamp<Utc>) {
        self.advance(now);
        let Some(Halt::Down(since)) = self.halt else { return };
        self.halt = None;
        if let Some(memory) = self.memory.take() {
            self.engine.recall(&memory.later(now - since, SAME_BOOT));
        }
    }

    /// Makes something of it wrong from now on.
    pub fn mutate(&mut self, mutation: Mutation) {
        self.mutation = Some(mutation);
        self.engine.clock_mut().mutation = Some(mutation);
    }

    /// What its clients are told.
    pub fn served(&self, system: Timestamp<System>) -> State {
        let state = self.engine.state();
        self.mutation.map_or(*state, |mutation| mutation.served(state, system))
    }

    /// Moves its clocks to true time `now`; what the oscillator and the system clock read.
    pub fn advance(&mut self, now: Timestamp<Utc>) -> (Timestamp<Raw>, Timestamp<System>) {
        let raw = self.oscillator.read(now);
        self.engine.clock_mut().set_raw(raw);
        (raw, self.engine.clock().system(raw))
    }

    /// What its system clock reads at a true time close to now.
    pub fn system_at(&mut self, at: Timestamp<Utc>) -> Timestamp<System> {
        let raw = self.oscillator.read(at);
        self.engine.clock().system(raw)
    }

    /// What a clock that nobody sets reads.
    pub fn mono(&self) -> Timestamp<Mono> {
        self.engine.clock().mono()
    }

    /// Hands a reading to the engine.
    pub fn hear(&mut self, reading: &Reading) {
        self.heard |= !matches!(reading.kind, ReadingKind::Polled { .. });
        match &self.mutation {
            None => self.engine.handle(reading),
            Some(mutation) => {
                let changed = mutation.reading(reading, self.engine.clock());
                self.engine.handle(&changed);
            }
        }
    }

    /// Notes the intervals that the engine asks for.
    pub fn note_asked(&mut self) {
        let mut reports = self.engine.reports().enumerate();
        for peer in &mut self.peers {
            let mine = reports.find(|(index, _)| *index == peer.source.index());
            peer.asked = mine.map_or(0.0, |(_, report)| report.poll);
        }
    }

    /// When the first of its associations wants to be asked.
    pub fn poll_timeout(&self) -> Option<Timestamp<Mono>> {
        self.peers.iter().filter_map(|peer| peer.association.poll_timeout(peer.asked)).min()
    }
}

/// A node's associations, as they are when its process starts.
fn peers(universe: &Universe, place: usize, seed: u64, now: Timestamp<Mono>) -> Vec<Peer> {
    let sources = &universe.scenario.node[place].source;
    let ids = (0..=u8::MAX).map(SourceId);
    let peers = ids.zip(sources.iter().zip(&universe.ways[place]));
    let peers = peers.filter_map(|(source, (table, way))| match *way {
        Way::Heard { .. } => None,
        Way::Asked { whom, link, reversed } => {
            let seed = seed_of(seed, source.0.into());
            let association = Association::new(source, plan::association(table), seed, now);
            Some(Peer { source, association, whom, link, reversed, asked: 0.0 })
        }
    });
    peers.collect()
}

/// A table of clients that nobody has asked yet.
fn clients(seed: u64) -> Clients {
    let table = TableSize { clients: 64, ..TableSize::default() };
    Clients::new(table, [seed_of(seed, 0), seed_of(seed, 1)])
}
