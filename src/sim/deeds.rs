//! What the scenario's events do to the members of a world, and undo at their end.

use super::Fault;
use super::happening::What;
use super::keys::Announcement;
use super::node::Halt;
use super::queue::Rank;
use super::turn::Turn;
use super::world::World;
use crate::time::{Duration, Frequency, LeapIndicator};

impl World<'_> {
    /// An event begins.
    pub(super) fn begin(&mut self, event: usize) {
        let universe = self.universe;
        let happening = &universe.scenario.event[event];
        let deed = &universe.deeds[event];
        let by = happening.by.map_or(Duration::ZERO, |span| span.0);
        let rate = Frequency::from_ppm(happening.by_ppm.unwrap_or(0.0));
        let now = self.now;
        match happening.what {
            What::StepClock => {
                let node = &mut self.nodes[deed.node];
                node.advance(now);
                node.engine.clock_mut().disturb(by);
                node.watch.disturbed();
            }
            What::SlewClock => self.slew_clock(deed.node, rate),
            What::JumpOscillator => {
                let node = &mut self.nodes[deed.node];
                node.advance(now);
                node.oscillator.jump(by);
                node.advance(now);
                node.watch.disturbed();
                if deed.node == universe.judge {
                    self.beside.jump(by);
                }
            }
            What::JumpFrequency => {
                let node = &mut self.nodes[deed.node];
                let (raw, _) = node.advance(now);
                node.oscillator.jump_frequency(rate);
                if deed.node == universe.judge {
                    self.beside.jump_frequency(raw, rate);
                }
            }
            // A machine that sleeps has no process to stop.
            What::Stall => {
                self.nodes[deed.node].halt.get_or_insert(Halt::Stalled);
            }
            What::Restart => {
                let keeps = happening.forgets != Some(true);
                self.nodes[deed.node].end(universe, keeps, now);
            }
            What::Suspend => self.nodes[deed.node].halt = Some(Halt::Asleep(now)),
            What::Block => self.lanes(event, |path| path.set_blocked(true)),
            What::Loss => {
                let share = happening.share.unwrap_or(0.0);
                self.lanes(event, |path| path.set_loss(share));
            }
            What::RouteChange => self.lanes(event, |path| path.route_change(by)),
            What::ServerStep | What::ServerLie => self.servers[deed.server].upstream.step(by),
            What::ServerSilent => self.servers[deed.server].silent = true,
            What::ServerDrift => self.servers[deed.server].upstream.set_drift(rate.ratio(), now),
            What::ServerHostile => {
                let hostile = happening.hostile.unwrap_or_default();
                self.servers[deed.server].upstream.set_hostile(hostile);
            }
            What::ReceiverFault => self.fault(event, true),
        }
    }

    /// An event ends.
    pub(super) fn end(&mut self, event: usize) {
        let universe = self.universe;
        let happening = &universe.scenario.event[event];
        let deed = &universe.deeds[event];
        let by = happening.by.map_or(Duration::ZERO, |span| span.0);
        match happening.what {
            What::SlewClock => self.slew_clock(deed.node, Frequency::ZERO),
            What::Stall if self.nodes[deed.node].halt == Some(Halt::Stalled) => {
                self.wake(deed.node, by);
            }
            What::Suspend => self.wake(deed.node, by),
            What::Restart => {
                self.nodes[deed.node].start(self.now);
                self.tick(deed.node);
                self.poll(deed.node);
            }
            What::Stall => {}
            What::Block => self.lanes(event, |path| path.set_blocked(false)),
            What::Loss => {
                for (link, as_written) in &deed.lanes {
                    let entry = &universe.scenario.link[*link];
                    let own = if *as_written { &entry.there } else { &entry.back };
                    let law = own.as_ref().or(entry.both.as_ref());
                    let loss = law.map_or(0.0, |law| law.loss);
                    self.links[*link][usize::from(!as_written)].set_loss(loss);
                }
            }
            What::RouteChange => self.lanes(event, |path| path.route_change(-by)),
            What::ServerLie => self.servers[deed.server].upstream.step(-by),
            What::ServerSilent => self.servers[deed.server].silent = false,
            What::ServerHostile => {
                let before = universe.scenario.server[deed.server].model.hostile;
                self.servers[deed.server].upstream.set_hostile(before);
            }
            What::ReceiverFault => self.fault(event, false),
            What::StepClock
            | What::JumpOscillator
            | What::JumpFrequency
            | What::ServerStep
            | What::ServerDrift => {}
        }
    }

    /// UTC leaps: the servers' clocks with it, and what receivers tell.
    pub(super) fn leap(&mut self) {
        let by = self.universe.truth.utc(self.now) - self.now;
        for node in &mut self.nodes {
            node.watch.leapt(node.engine.state());
        }
        self.servers.iter_mut().for_each(|server| server.upstream.step(by));
        self.receivers.iter_mut().for_each(|receiver| receiver.leap(by.round_seconds()));
        self.announce_leap();
    }

    /// Servers and receivers whose plan announces nothing of its own announce what UTC does.
    pub(super) fn announce_leap(&mut self) {
        let truth = &self.universe.truth;
        let Some(leaps_at) = truth.leaps_at() else { return };
        let announced = match truth.announced(self.now) {
            LeapIndicator::Insert => Announcement::Insert,
            LeapIndicator::Delete => Announcement::Delete,
            _ => Announcement::None,
        };
        for (server, entry) in self.servers.iter_mut().zip(&self.universe.scenario.server) {
            if entry.model.leap == Announcement::None {
                server.upstream.set_leap(announced);
            }
        }
        for (receiver, entry) in self.receivers.iter_mut().zip(&self.universe.scenario.receiver) {
            if entry.model.leap == Announcement::None {
                receiver.set(Fault::WrongLeap(announced), announced != Announcement::None);
            }
        }
        let begins = truth.announced_from().filter(|at| *at > self.now && leaps_at > self.now);
        if let Some(at) = begins {
            self.plan(at, Rank::Event, Turn::Announce);
        }
    }

    fn slew_clock(&mut self, place: usize, rate: Frequency) {
        let node = &mut self.nodes[place];
        node.advance(self.now);
        node.engine.clock_mut().disturb_rate(rate);
        // A slew by somebody else may run backwards against what was served.
        node.watch.disturbed();
    }

    /// A node runs again: a stopped process finds what waited for it, a machine that slept a clock
    /// set anew.
    fn wake(&mut self, place: usize, error: Duration) {
        let now = self.now;
        let node = &mut self.nodes[place];
        node.advance(now);
        if let Some(Halt::Asleep(since)) = node.halt.take() {
            node.engine.clock_mut().wake(now - since, error);
            node.watch.disturbed();
        }
        for turn in core::mem::take(&mut self.nodes[place].backlog) {
            self.take(turn);
        }
        self.tick(place);
        self.poll(place);
    }

    fn lanes(&mut self, event: usize, change: impl Fn(&mut super::Path)) {
        for (link, as_written) in &self.universe.deeds[event].lanes {
            change(&mut self.links[*link][usize::from(!as_written)]);
        }
    }

    fn fault(&mut self, event: usize, on: bool) {
        let happening = &self.universe.scenario.event[event];
        if let Some(fault) = happening.fault {
            self.receivers[self.universe.deeds[event].receiver].set(fault, on);
        }
    }
}
