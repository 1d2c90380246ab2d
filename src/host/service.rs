//! A service thread: recvmmsg → [`respond`] → sendmmsg, nothing else.
//!
//! Each thread owns its sockets, its memory of clients and its counters. It reads the published
//! state once a batch; it neither locks, allocates nor logs. T2 is the kernel's receive stamp, T3 is
//! read just before the batch is sent. Replies to clients of interleaved mode, and only those, bring
//! back a transmit stamp of the kernel's.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration as Pause, Instant};

use maser_kernel::event::{Interest, Readiness, Watch, wait};
use maser_kernel::socket::{
    Arena, Envelope, Options, Outbox, Outcome as Sending, Received, Stamping, TimestampingSocket,
};

use super::clock::StampClock;
use super::departures::Departures;
use crate::pipe::{Publisher, Put, Reader, Take, Words};
use crate::server::{Clients, Counters, Outcome, Policy, REPLY_MAX, Reply, Request, respond};
use crate::state::State;
use crate::time::SmearShape;

/// One service thread.
pub struct Service {
    doors: Vec<Door>,
    clock: StampClock,
    state: Reader<State>,
    policy: Arc<Policy>,
    clients: Clients,
    report: Publisher<ServiceReport>,
    stop: Arc<AtomicBool>,
}

/// What a service thread is given besides its doors.
pub struct Post {
    /// The clock of the stamps.
    pub clock: StampClock,
    /// What the world may know.
    pub state: Reader<State>,
    /// Who is answered, and how often.
    pub policy: Arc<Policy>,
    /// Its memory.
    pub clients: Clients,
    /// Where it tells of itself.
    pub report: Publisher<ServiceReport>,
    /// Ends the thread.
    pub stop: Arc<AtomicBool>,
}

/// One address that is listened on.
pub struct Door {
    socket: TimestampingSocket,
    /// Never both on one address: whoever asks here gets smeared time, or never does.
    smear: Option<SmearShape>,
    departures: Departures,
    /// Datagrams lost since the start, as the socket counts them.
    overflowed: u64,
}

/// Opens the doors of `threads` service threads: each has one on every address, all smeared alike.
///
/// # Errors
/// The call that failed and the address.
pub fn bind(
    listen: &[(SocketAddr, Option<SmearShape>)],
    threads: usize,
) -> Result<Vec<Vec<Door>>, maser_kernel::Error> {
    let options = Options {
        stamping: Stamping { software: true, hardware: false },
        reuse_port: threads > 1,
        receive_buffer: Some(RECEIVE_BUFFER),
        ..Options::default()
    };
    let mut doors: Vec<Vec<Door>> = (0..threads).map(|_| Vec::new()).collect();
    for (address, smear) in listen {
        for thread in &mut doors {
            let socket = TimestampingSocket::bind(*address, &options)?;
            let departures = Departures::new();
            thread.push(Door { socket, smear: *smear, departures, overflowed: 0 });
        }
        if let (2.., Some(door)) = (threads, doors[0].last()) {
            // Each client's memory has one owner.
            door.socket.steer_by_source(u32::try_from(threads).unwrap_or(u32::MAX))?;
        }
    }
    Ok(doors)
}

impl Service {
    /// A thread's work, ready to run.
    pub fn new(doors: Vec<Door>, post: Post) -> Self {
        assert!((1..=LISTEN_MAX).contains(&doors.len()), "{} doors", doors.len());
        let Post { clock, state, policy, clients, report, stop } = post;
        Self { doors, clock, state, policy, clients, report, stop }
    }

    /// Serves until stopped.
    pub fn run(mut self) {
        let mut buffers = Buffers {
            arena: Arena::new(BATCH, REQUEST_MAX),
            outbox: Outbox::new(BATCH, REPLY_MAX),
            reports: Arena::new(BATCH, REPORT_MAX),
        };
        let mut told = ServiceReport::default();
        let mut tell_at = Instant::now();
        let mut doors = core::mem::take(&mut self.doors);
        while !self.stop.load(Ordering::Relaxed) {
            let mut ready = [Readiness::default(); LISTEN_MAX];
            self.wait(&doors, &mut ready);
            for (door, ready) in doors.iter_mut().zip(ready) {
                if ready.error {
                    self.collect(door, &mut buffers);
                }
                if ready.any() {
                    self.serve(door, &mut buffers, &mut told);
                }
            }
            if tell_at <= Instant::now() {
                told.counters = self.clients.counters();
                told.clients = self.clients.len() as u64;
                told.overflowed = doors.iter().map(|door| door.overflowed).sum();
                self.report.publish(told);
                tell_at = Instant::now() + TELL;
            }
        }
    }

    fn wait(&self, doors: &[Door], ready: &mut [Readiness; LISTEN_MAX]) {
        let mut watches: [Watch<'_>; LISTEN_MAX] = core::array::from_fn(|index| {
            Watch::new(doors[index.min(doors.len() - 1)].socket.as_fd(), Interest::Read)
        });
        let watches = &mut watches[..doors.len().min(LISTEN_MAX)];
        if wait(watches, Some(STOP_WITHIN)).is_err() {
            // Nothing is known to be ready; it must not become a spin.
            std::thread::sleep(STOP_WITHIN);
            return;
        }
        for (ready, watch) in ready.iter_mut().zip(watches) {
            *ready = watch.readiness();
        }
    }

    /// One batch.
    fn serve(&mut self, door: &mut Door, buffers: &mut Buffers, told: &mut ServiceReport) {
        let Buffers { arena, outbox, .. } = buffers;
        let Ok(received) = door.socket.receive(arena) else { return };
        let state = self.state.read();
        let now = self.clock.now();
        let mut replies: [Option<(Reply<'_>, Envelope)>; BATCH] = [const { None }; BATCH];
        for (datagram, slot) in arena.iter().zip(&mut replies).take(received) {
            door.overflowed = door.overflowed.max(datagram.overflow.unwrap_or(0).into());
            *slot = self.answer(&datagram, door.smear, now, &state);
        }
        let mut departures = [const { None }; BATCH];
        outbox.clear();
        for ((reply, mut envelope), left) in replies.into_iter().flatten().zip(&mut departures) {
            let mut packet = [0; REPLY_MAX];
            // The last thing before the batch goes: T3 of each is its own.
            let now = self.clock.now();
            *left = reply.departure(envelope.to.ip(), now);
            envelope.stamp = left.is_some();
            let length = reply.write(now, &mut packet);
            let _ = outbox.push(&packet[..length], envelope);
        }
        if outbox.is_empty() {
            return;
        }
        door.socket.send(outbox);
        let is_sent = |outcome: &Sending| matches!(outcome, Sending::Sent { .. });
        told.unsent += outbox.outcomes().filter(|outcome| !is_sent(outcome)).count() as u64;
        if door.departures.expect(outbox, departures.into_iter()) {
            self.collect(door, buffers);
        }
    }

    fn collect(&mut self, door: &mut Door, buffers: &mut Buffers) {
        let Door { socket, departures, .. } = door;
        departures.collect(socket, &mut buffers.reports, &self.clock, &mut self.clients);
    }

    fn answer<'s>(
        &mut self,
        datagram: &Received<'_>,
        smear: Option<SmearShape>,
        now: crate::time::Timestamp<crate::time::System>,
        state: &'s State,
    ) -> Option<(Reply<'s>, Envelope)> {
        let request = Request {
            // A datagram longer than its slot is no request of any version.
            bytes: if datagram.truncated { &[] } else { datagram.bytes },
            source: datagram.source,
            received: datagram.stamps.software.map(|stamp| self.clock.stamp(stamp)),
            now,
            smear,
        };
        let reply = respond(&request, state, &self.policy, &mut self.clients).reply()?;
        let envelope = Envelope { to: datagram.source, from: datagram.reply_from(), stamp: false };
        Some((reply, envelope))
    }
}

impl Door {
    /// Where it is; the port, if any would do.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn address(&self) -> Result<SocketAddr, maser_kernel::Error> {
        self.socket.local_address()
    }
}

/// Room for a batch: requests, replies, reports of the error queue.
struct Buffers {
    arena: Arena,
    outbox: Outbox,
    reports: Arena,
}

/// What one service thread tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceReport {
    /// What became of its requests.
    pub counters: Counters,
    /// Clients it remembers.
    pub clients: u64,
    /// Datagrams that the kernel dropped because the thread was too slow.
    pub overflowed: u64,
    /// Replies that the kernel would not send.
    pub unsent: u64,
}

impl Words for ServiceReport {
    type Row = [u64; Outcome::COUNT + 4];

    fn put(&self, row: &mut Put<'_>) {
        self.counters.iter().for_each(|(_, count)| row.u64(count));
        row.u64(self.counters.unstamped);
        row.u64(self.clients);
        row.u64(self.overflowed);
        row.u64(self.unsent);
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self {
            counters: Counters::from_counts(core::array::from_fn(|_| row.u64()), row.u64()),
            clients: row.u64(),
            overflowed: row.u64(),
            unsent: row.u64(),
        }
    }
}

/// Datagrams taken and answered at once.
const BATCH: usize = 32;
/// Bytes of a request that are looked at; NTS with its cookies stays below.
const REQUEST_MAX: usize = 1280;
/// Bytes of a report that are looked at: a stamp's report repeats nothing of its datagram.
const REPORT_MAX: usize = 16;
/// Addresses listened on.
pub const LISTEN_MAX: usize = 16;
/// A burst of some thousand requests waits rather than being lost.
const RECEIVE_BUFFER: usize = 1 << 20;
const STOP_WITHIN: Pause = Pause::from_millis(200);
/// How often the thread tells of itself.
const TELL: Pause = Pause::from_millis(100);
