//! One server: its addresses, its association, and its request on the wire.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use maser_kernel::socket::Arena;
use tracing::{info, warn};

use super::flight::{Arrival, Flight};
use super::places::Places;
use super::resolver::{Asked, Resolver};
use super::{Place, Post};
use crate::host::clock::StampClock;
use crate::sample::{Reading, ReadingKind};
use crate::source::association::Association;
use crate::time::{Duration, Mono, System, Timestamp};
use crate::wire::ntp::ReferenceId;

/// A server and all that is known of it here.
#[derive(Debug)]
pub(super) struct Server {
    post: Post,
    resolver: Resolver,
    places: Places,
    /// Begins when the first address is known.
    association: Option<Association>,
    flight: Option<Flight>,
    launched: Timestamp<Mono>,
    /// The network refuses, and that was said.
    complained: bool,
    denied: bool,
}

impl Server {
    /// Begins to resolve its name.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(post: Post, stop: &Arc<AtomicBool>) -> Result<Self, String> {
        let (name, host) = (post.name.clone(), post.host.clone());
        let resolver = Resolver::start(Asked { name, host, port: post.port }, Arc::clone(stop))?;
        Ok(Self {
            post,
            resolver,
            places: Places::default(),
            association: None,
            flight: None,
            launched: Timestamp::EPOCH,
            complained: false,
            denied: false,
        })
    }

    /// When it wants to be attended to.
    pub fn due(&self) -> Option<Timestamp<Mono>> {
        self.association.as_ref()?.poll_timeout(self.asked())
    }

    /// The request that waits for an answer.
    pub fn flight(&self) -> Option<&Flight> {
        self.flight.as_ref()
    }

    /// Takes a resolved name, and sends what is due. Whether the engine was told something.
    pub fn attend(&mut self, now: Timestamp<Mono>, clock: &StampClock) -> bool {
        let found = self.resolver.poll();
        if found.is_some_and(|found| self.places.found(&found)) {
            self.moved(now, clock.now());
        }
        if now - self.launched > FLIGHT_MAX {
            self.flight = None;
        }
        if self.due().is_none_or(|due| now < due) {
            return self.tell();
        }
        let next = self.places.next();
        if next.resolve {
            self.resolver.ask();
        }
        if next.moved {
            self.moved(now, clock.now());
        }
        self.send(now, clock);
        self.tell()
    }

    /// Takes in what has come. Whether the engine was told something.
    pub fn collect(&mut self, now: Timestamp<Mono>, clock: &StampClock, arena: &mut Arena) -> bool {
        let (Some(association), Some(flight)) = (&mut self.association, &self.flight) else {
            return false;
        };
        let (mut returned, own) = (None, flight.own());
        flight.collect(arena, clock, &mut |arrival| match arrival {
            Arrival::Sent(at) => association.handle_sent(at),
            Arrival::Reply(packet, at) => association.handle_reply(packet, at, now, own),
            Arrival::Returned(errno) => returned = Some(errno),
        });
        let answered = !association.is_waiting();
        if answered {
            // Nothing that comes after the answer is of use.
            self.flight = None;
            self.places.answered();
            self.recovered();
            self.note_denial();
        } else if let Some(errno) = returned {
            self.flight = None;
            self.complain(&std::io::Error::from_raw_os_error(errno));
        }
        self.tell()
    }

    fn asked(&self) -> f64 {
        self.post.report.read().poll
    }

    /// Another address is in use.
    fn moved(&mut self, now: Timestamp<Mono>, stamp: Timestamp<System>) {
        let Some(address) = self.places.current() else { return };
        self.flight = None;
        match &mut self.association {
            Some(association) => association.move_on(),
            None => {
                let (source, plan) = (self.post.source, self.post.plan);
                self.association = Some(Association::new(source, plan, seed(source.0), now));
            }
        }
        self.denied = false;
        if self.places.count() > 1 {
            info!("{}: asking {}", self.post.name, address.ip());
        }
        self.post.place.publish(Place(Some(address)));
        let id = ReferenceId::of_address(address.ip()).0;
        let (source, kind) = (self.post.source, ReadingKind::Address { id });
        let _ = self.post.ring.push(Reading { source, stamp, kind });
    }

    fn send(&mut self, now: Timestamp<Mono>, clock: &StampClock) {
        let asked = self.asked();
        let (Some(address), Some(association)) = (self.places.current(), &mut self.association)
        else {
            return;
        };
        let Some(request) = association.poll_transmit(now, asked) else { return };
        self.flight = None;
        self.launched = now;
        let launched = Flight::launch(address, request.bytes(), clock);
        self.places.asked(launched.is_err());
        match launched {
            Ok((flight, before)) => {
                // T1 unless the kernel's stamp betters it, and never later than that.
                association.handle_sent(before);
                self.flight = Some(flight);
            }
            Err(error) => {
                association.handle_sent(clock.now());
                self.complain(&error);
            }
        }
    }

    /// Hands readings over.
    fn tell(&mut self) -> bool {
        let Some(association) = &mut self.association else { return false };
        let mut told = false;
        while let Some(reading) = association.poll_reading() {
            // A full ring counts what it drops.
            let _ = self.post.ring.push(reading);
            told = true;
        }
        told
    }

    fn note_denial(&mut self) {
        let stopped = self.due().is_none() && self.association.is_some();
        if stopped && !self.denied {
            warn!("{}: refuses to serve us; not asked any more", self.post.name);
        }
        self.denied = stopped;
    }

    fn complain(&mut self, error: &impl std::fmt::Display) {
        if !self.complained {
            let at = self.places.current().map(|address: SocketAddr| address.ip().to_string());
            warn!("{} ({}): {error}", self.post.name, at.unwrap_or_default());
        }
        self.complained = true;
    }

    fn recovered(&mut self) {
        if core::mem::take(&mut self.complained) {
            info!("{}: answers", self.post.name);
        }
    }
}

/// A seed that nobody outside can guess: the standard library seeds its hashes from the kernel.
fn seed(source: u8) -> u64 {
    RandomState::new().hash_one(source)
}

/// An answer that takes longer is of no use.
const FLIGHT_MAX: Duration = Duration::from_seconds(5);
