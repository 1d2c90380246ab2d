//! The client thread: every association with an NTP server, and their requests on the wire.
//!
//! ```text
//!   resolver (a thread for each name) ── addresses ──►┐
//!   conductor ── report: interval asked for ────────► client ── readings ──► conductor
//!                                                      │  ▲
//!                                    a socket a request▼  │kernel's stamps
//! ```
//!
//! It never resolves a name and never blocks but in poll(2). What cannot be sent counts as a poll
//! without an answer, so a network that is down costs one attempt each interval.

mod flight;
mod places;
mod resolver;
mod server;

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration as Pause;

use maser_kernel::clock::{self, ClockId};
use maser_kernel::event::{EventFd, Interest, Watch, wait};
use maser_kernel::socket::Arena;

use super::clock::StampClock;
use crate::engine::SourceReport;
use crate::pipe::{Producer, Publisher, Put, Reader, Take, Words};
use crate::sample::{Reading, SourceId};
use crate::source::association::AssociationPlan;
use crate::time::{Mono, Timestamp};

use server::Server;

/// What the client thread is given of one server.
#[derive(Debug)]
pub struct Post {
    /// Its source.
    pub source: SourceId,
    /// The operator's name for it.
    pub name: String,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is asked.
    pub plan: AssociationPlan,
    /// Where its readings go.
    pub ring: Producer<Reading>,
    /// What the engine makes of it: the interval that the estimate asks for.
    pub report: Reader<SourceReport>,
    /// Where it is asked.
    pub place: Publisher<Place>,
}

/// The address at which a server is asked; none before its name is resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place(pub Option<SocketAddr>);

/// The thread's work.
#[derive(Debug)]
pub struct Client {
    servers: Vec<Server>,
    clock: StampClock,
    doorbell: Arc<EventFd>,
    stop: Arc<AtomicBool>,
}

impl Client {
    /// Begins to resolve names.
    ///
    /// # Errors
    /// If there are no threads to be had.
    pub fn new(
        posts: Vec<Post>,
        clock: StampClock,
        doorbell: Arc<EventFd>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, String> {
        let start = |post| Server::start(post, &stop);
        let servers = posts.into_iter().map(start).collect::<Result<_, String>>()?;
        Ok(Self { servers, clock, doorbell, stop })
    }

    /// Asks until stopped.
    pub fn run(mut self) {
        let mut arena = Arena::new(ARENA, REPLY_MAX);
        while !self.stop.load(Ordering::Relaxed) {
            let now = mono();
            let mut told = false;
            let mut left = STOP_WITHIN;
            for server in &mut self.servers {
                told |= server.attend(now, &self.clock);
                if let Some(due) = server.due() {
                    let wait = (due - now).seconds().max(0.0);
                    left = left.min(Pause::try_from_secs_f64(wait).unwrap_or(STOP_WITHIN));
                }
            }
            if told {
                self.doorbell.ring();
            }
            self.wait(left);
            let now = mono();
            let mut heard = false;
            for server in &mut self.servers {
                heard |= server.collect(now, &self.clock, &mut arena);
            }
            if heard {
                self.doorbell.ring();
            }
        }
    }

    fn wait(&self, left: Pause) {
        let flights = self.servers.iter().filter_map(Server::flight);
        let mut watches: Vec<Watch<'_>> =
            flights.map(|flight| Watch::new(flight.as_fd(), Interest::ReadPriority)).collect();
        if wait(&mut watches, Some(left)).is_err() {
            // Nothing is known to have come; it must not become a spin.
            std::thread::sleep(BREATH);
        }
    }
}

impl Words for Place {
    type Row = [u64; 4];

    fn put(&self, row: &mut Put<'_>) {
        row.bool(self.0.is_some());
        resolver::put(row, self.0.unwrap_or(resolver::NOWHERE));
    }

    fn take(row: &mut Take<'_>) -> Self {
        let known = row.bool();
        let address = resolver::take(row);
        Self(known.then_some(address))
    }
}

/// The clock of intervals: nobody steps it.
fn mono() -> Timestamp<Mono> {
    Timestamp::from_nanos(clock::now(ClockId::Monotonic).total_nanoseconds())
}

/// The end, a resolved name and another interval are noticed within this time.
const STOP_WITHIN: Pause = Pause::from_millis(200);
const BREATH: Pause = Pause::from_millis(5);
/// Datagrams read at once.
const ARENA: usize = 8;
/// Longer answers carry extension fields, which nobody asked for.
const REPLY_MAX: usize = 1024;

#[cfg(test)]
mod tests;
