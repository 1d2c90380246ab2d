//! What passes between the members of a world: requests, answers, readings of receivers.
//!
//! The kernel stamps a packet when it comes, whatever the process does; a stopped process reads it
//! later, with that stamp. Text has no stamp but the time of its read. A sleeping machine hears
//! nothing, and nothing waits for it.

use super::node::{Halt, Peer};
use super::plan;
use super::queue::Rank;
use super::scenario::ReceiverRole;
use super::turn::Turn;
use super::universe::{Asked, Way};
use super::world::World;
use super::{Channel, Emission};
use crate::sample::{Reading, ReadingKind, SourceId};
use crate::server::{Answer, Clients, REPLY_MAX, Request, TableSize, respond};
use crate::source::association::Transmit;
use crate::time::{Duration, Mono, SmearShape, System, Timestamp, Utc};
use crate::wire::ntp::Header;

impl World<'_> {
    /// Sends what a node's associations have due.
    pub(super) fn poll(&mut self, place: usize) {
        let now = self.now;
        if self.nodes[place].poll_at.is_some_and(|at| at <= now) {
            self.nodes[place].poll_at = None;
        }
        if self.nodes[place].halt.is_some() {
            return;
        }
        self.nodes[place].advance(now);
        let mut sent = false;
        for peer in 0..self.nodes[place].peers.len() {
            let mono = self.nodes[place].mono();
            for _ in 0..REQUESTS_MAX {
                let asking = &mut self.nodes[place].peers[peer];
                let asked = asking.asked;
                let Some(request) = asking.association.poll_transmit(mono, asked) else { break };
                self.send(place, peer, &request);
                sent = true;
            }
        }
        if sent {
            self.fetch(place);
            self.tick(place);
        }
        self.plan_poll(place);
    }

    /// Plans the next wake-up of a node's associations, if it comes before the one planned.
    pub(super) fn plan_poll(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let Some(timeout) = node.poll_timeout() else { return };
        // The machine's clock runs at nearly the rate of true time; what is missing is waited again.
        let mono: Timestamp<Mono> = node.mono();
        let at = self.now + (timeout - mono).max(Duration::ZERO);
        if node.poll_at.is_some_and(|planned| planned <= at) || node.halt.is_some() {
            return;
        }
        node.poll_at = Some(at);
        self.plan(at, Rank::Timer, Turn::Poll { node: place });
    }

    fn send(&mut self, place: usize, peer: usize, request: &Transmit) {
        let now = self.now;
        let node = &mut self.nodes[place];
        node.requests += 1;
        let (_, own) = node.advance(now);
        let stamp = node.stamps.transmit(now);
        let kernels = node.system_at(stamp.at);
        let kernels = node.stamps.cut(kernels);
        let Peer { association, whom, link, reversed, .. } = &mut node.peers[peer];
        if stamp.missing {
            association.handle_sent(own);
        } else if stamp.after > Duration::ZERO {
            // Until the kernel's stamp comes, the program's own reading has to do.
            association.handle_sent(own);
            let turn = Turn::Stamped { node: place, peer, stamp: kernels };
            self.queue.plan(now + stamp.after, Rank::Arrival, turn);
        } else {
            association.handle_sent(kernels);
        }
        let (whom, link, lane) = (*whom, *link, usize::from(*reversed));
        for delay in self.links[link][lane].send(now) {
            let packet = request.packet;
            let turn = Turn::Request { node: place, peer, whom, packet };
            self.queue.plan(now + delay, Rank::Arrival, turn);
        }
    }

    /// A request arrives.
    pub(super) fn request(
        &mut self,
        place: usize,
        peer: usize,
        whom: Asked,
        packet: [u8; Transmit::LENGTH_MAX],
    ) {
        match whom {
            Asked::Server(server) => {
                let server = &mut self.servers[server];
                if server.silent {
                    return;
                }
                let reply = server.upstream.handle(&packet, plan::socket(place), self.now);
                if let Some(reply) = reply {
                    self.return_to(place, peer, self.now + reply.held, &reply.bytes);
                }
            }
            Asked::Node(whom) => {
                let turn = |stamp| Turn::Asked { node: place, peer, whom, packet, stamp };
                self.stamped(whom, turn);
            }
        }
    }

    /// A packet came to a node: the kernel stamps it, and the process reads it when it can.
    fn stamped(&mut self, place: usize, turn: impl FnOnce(Option<Timestamp<System>>) -> Turn) {
        let now = self.now;
        let node = &mut self.nodes[place];
        if matches!(node.halt, Some(Halt::Asleep(_) | Halt::Down(_))) {
            return;
        }
        let stamp = node.stamps.receive(now);
        let kernels = node.system_at(stamp.at);
        let turn = turn((!stamp.missing).then(|| node.stamps.cut(kernels)));
        match node.halt {
            Some(_) if node.backlog.len() < BACKLOG_MAX => node.backlog.push(turn),
            Some(_) => {}
            None => self.queue.plan(now + stamp.after, Rank::Arrival, turn),
        }
    }

    /// A node reads a request and answers it as the daemon's server does.
    pub(super) fn asked(
        &mut self,
        place: usize,
        peer: usize,
        whom: usize,
        packet: [u8; Transmit::LENGTH_MAX],
        stamp: Option<Timestamp<System>>,
    ) {
        let now = self.now;
        let node = &mut self.nodes[whom];
        let (_, own) = node.advance(now);
        let leaves = node.stamps.transmit(now);
        let leaves = if leaves.missing { own } else { node.system_at(leaves.at) };
        // The answer is stamped, and leaves, after the request was.
        let late = stamp.map_or(Duration::ZERO, |received| received - leaves).max(Duration::ZERO);
        let leaves = leaves + late;
        let source = plan::socket(place);
        let smear = self.universe.scenario.node[whom].smear.map(plan::smear);
        let request = Request { bytes: &packet, source, received: stamp, now: own, smear };
        let state = node.served(own);
        let mut bytes = [0; REPLY_MAX];
        let answer = respond(&request, &state, &node.policy, &mut node.clients);
        let Some(reply) = Answer::reply(answer) else { return };
        let length = reply.write(leaves, &mut bytes);
        self.return_to(place, peer, now + late, &bytes[..length]);
    }

    /// What a client at a node's side is told now, whose answer takes no time; `None` for silence. The
    /// world goes on as if nobody had asked.
    pub fn ask(&mut self, place: usize) -> Option<Header> {
        let smear = self.universe.scenario.node[place].smear.map(plan::smear);
        self.ask_at(place, smear)
    }

    /// The same at an address of the node that smears so, or does not.
    pub fn ask_at(&mut self, place: usize, smear: Option<SmearShape>) -> Option<Header> {
        let node = &mut self.nodes[place];
        let (_, now) = node.advance(self.now);
        // Version 4, mode 3, and a time of its own that is not zero.
        let mut bytes = [0; REPLY_MAX];
        (bytes[0], bytes[40]) = (0x23, 1);
        let source = plan::socket(place);
        let request = Request { bytes: &bytes, source, received: Some(now), now, smear };
        let state = node.served(now);
        let mut clients = Clients::new(TableSize::default(), [0, 0]);
        let reply = respond(&request, &state, &node.policy, &mut clients).reply()?;
        let mut out = [0; REPLY_MAX];
        reply.write(now, &mut out);
        Header::parse(&out).ok().map(|(header, _)| header)
    }

    /// An answer leaves for the node that asked.
    fn return_to(&mut self, place: usize, peer: usize, at: Timestamp<Utc>, bytes: &[u8]) {
        let Peer { link, reversed, .. } = self.nodes[place].peers[peer];
        for delay in self.links[link][usize::from(!reversed)].send(at) {
            let turn = Turn::Reply { node: place, peer, packet: bytes.to_vec() };
            self.queue.plan(at + delay, Rank::Arrival, turn);
        }
    }

    /// An answer arrives.
    pub(super) fn reply(&mut self, place: usize, peer: usize, packet: Vec<u8>) {
        self.stamped(place, |stamp| Turn::Answered { node: place, peer, packet, stamp });
    }

    /// A node reads an answer.
    pub(super) fn answered(
        &mut self,
        place: usize,
        peer: usize,
        packet: &[u8],
        stamp: Option<Timestamp<System>>,
    ) {
        let node = &mut self.nodes[place];
        let (_, own) = node.advance(self.now);
        let mono = node.mono();
        let received = stamp.unwrap_or(own);
        let address = plan::node_address(place);
        let association = &mut node.peers[peer].association;
        association.handle_reply(packet, received, mono, Some(address));
        self.fetch(place);
        self.tick(place);
    }

    /// Hands the readings of a node's associations to its engine.
    fn fetch(&mut self, place: usize) {
        for peer in 0..self.nodes[place].peers.len() {
            while let Some(reading) = self.nodes[place].peers[peer].association.poll_reading() {
                self.hear(place, &reading);
            }
        }
    }

    /// A receiver's driver stamps something, for every node that listens to it.
    pub(super) fn emitted(&mut self, receiver: usize, emission: &Emission) {
        for place in 0..self.nodes.len() {
            for index in 0..self.universe.ways[place].len() {
                let Way::Heard { receiver: mine, role } = self.universe.ways[place][index] else {
                    continue;
                };
                let channel = match role {
                    ReceiverRole::Text => Channel::Text,
                    ReceiverRole::Pulse => Channel::Pulse,
                };
                if mine == receiver && channel == emission.channel {
                    let Ok(source) = u8::try_from(index).map(SourceId) else { continue };
                    self.driven(place, source, emission);
                }
            }
        }
    }

    /// A driver of this node has something: at once, or when its process runs again. Pulses keep
    /// the kernel's stamp until then.
    fn driven(&mut self, place: usize, source: SourceId, emission: &Emission) {
        let node = &mut self.nodes[place];
        node.advance(self.now);
        let read_at = node.stamps.driven(self.now);
        let stamp = node.system_at(read_at);
        let stamp = node.stamps.cut(stamp);
        let kind = emission.kind;
        match node.halt {
            Some(Halt::Asleep(_) | Halt::Down(_)) => {}
            Some(Halt::Stalled) if node.backlog.len() >= BACKLOG_MAX => {}
            Some(Halt::Stalled) => {
                let stamp = (emission.channel == Channel::Pulse).then_some(stamp);
                node.backlog.push(Turn::Read { node: place, source, kind, stamp });
            }
            None => self.read(place, source, kind, Some(stamp)),
        }
    }

    /// A reading reaches the engine; without a stamp it is dated now.
    pub(super) fn read(
        &mut self,
        place: usize,
        source: SourceId,
        kind: ReadingKind,
        stamp: Option<Timestamp<System>>,
    ) {
        let (_, own) = self.nodes[place].advance(self.now);
        self.hear(place, &Reading { source, stamp: stamp.unwrap_or(own), kind });
        self.tick(place);
    }

    fn hear(&mut self, place: usize, reading: &Reading) {
        if place == self.universe.judge {
            let clock = self.nodes[place].engine.clock();
            self.beside.hear(reading, clock, &self.links, self.now);
            self.plain.hear(reading, clock, self.now);
        }
        self.nodes[place].hear(reading);
    }
}

/// Requests that one association may send at one instant.
const REQUESTS_MAX: usize = 8;
/// Packets and lines that wait for a stopped process; the sockets' buffers hold no more.
const BACKLOG_MAX: usize = 4096;
