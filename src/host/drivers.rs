//! Driver threads: each owns one device, dates what comes from it, and hands readings over a ring.
//!
//! A device that is not there, or goes away, is tried again with growing pauses; the daemon starts
//! without it. Readings that do not fit into the ring are dropped and counted there.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration as Pause;

use maser_kernel::event::{EventFd, Interest, Watch, wait};
use maser_kernel::serial::{Line, Tty};
use maser_kernel::shm::{Create, Segment, fence};
use tracing::{info, warn};

use super::clock::StampClock;
use super::plan::Driver;
use crate::pipe::Producer;
use crate::sample::{Reading, ReadingKind, Refusal, SourceId};
use crate::source::gnss::Gnss;
use crate::source::shm::{Copied, KEY, SIZE, Shm, field};
use crate::source::sock::{LENGTH, SockSample};
use crate::time::{Duration, System, Timestamp, Utc};

/// What every driver thread has.
pub struct Post {
    /// Its source.
    pub source: SourceId,
    /// The operator's name for it.
    pub name: String,
    /// The clock of its stamps.
    pub clock: StampClock,
    /// Where its readings go.
    pub ring: Producer<Reading>,
    /// Wakes the conductor.
    pub doorbell: Arc<EventFd>,
    /// Ends the thread.
    pub stop: Arc<AtomicBool>,
    /// A day that has passed, against week rollovers.
    pub pivot: Timestamp<Utc>,
}

/// Runs a driver until it is stopped.
pub fn run(driver: &Driver, mut post: Post) {
    let mut pause = PAUSE_MIN;
    let mut complained = false;
    while !post.stopped() {
        let outcome = match driver {
            Driver::Gnss { device, speed } => serial(&mut post, device, *speed),
            Driver::Shm { unit, permissions, limit, pulse } => {
                let limit = limit.map(|seconds| Duration::from_seconds(seconds.into()));
                shared_memory(&mut post, *unit, *permissions, Shm::new(limit), *pulse)
            }
            Driver::Sock { path } => datagrams(&mut post, path),
            // The client thread asks all servers.
            Driver::Server { .. } => return,
        };
        let Err(error) = outcome else { return };
        if !complained {
            warn!("{}: {error}; trying again", post.name);
        }
        complained = error.was_never_open;
        pause = if error.was_never_open { (pause * 2).min(PAUSE_MAX) } else { PAUSE_MIN };
        post.sleep(pause);
    }
}

/// Why a device is given up for now.
struct Lost {
    error: maser_kernel::Error,
    was_never_open: bool,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

fn never_open(error: maser_kernel::Error) -> Lost {
    Lost { error, was_never_open: true }
}

fn gone(error: maser_kernel::Error) -> Lost {
    Lost { error, was_never_open: false }
}

impl Post {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn tell(&mut self, stamp: Timestamp<System>, kind: ReadingKind) {
        // A full ring counts what it drops; there is nothing better to do about it here.
        let _ = self.ring.push(Reading { source: self.source, stamp, kind });
    }

    fn sleep(&self, pause: Pause) {
        let mut left = pause;
        while !self.stopped() && !left.is_zero() {
            let nap = left.min(STOP_WITHIN);
            std::thread::sleep(nap);
            left -= nap;
        }
    }
}

fn serial(post: &mut Post, device: &Path, speed: u32) -> Result<(), Lost> {
    let tty = Tty::open(device, Line { speed, exclusive: false }).map_err(never_open)?;
    info!("{}: reading {} at {speed} bits/s", post.name, device.display());
    let mut gnss = Gnss::new(post.pivot);
    let mut buffer = [0; 4096];
    while !post.stopped() {
        let mut watch = [Watch::new(std::os::fd::AsFd::as_fd(&tty), Interest::Read)];
        if wait(&mut watch, Some(STOP_WITHIN)).map_err(gone)? == 0 {
            continue;
        }
        let stamp = post.clock.now();
        let length = tty.read(&mut buffer).map_err(gone)?;
        gnss.handle(&buffer[..length], stamp, &mut |(stamp, kind)| post.tell(stamp, kind));
        if length > 0 {
            post.doorbell.ring();
        }
        std::thread::sleep(BREATH);
    }
    Ok(())
}

fn datagrams(post: &mut Post, path: &Path) -> Result<(), Lost> {
    let socket = maser_kernel::datagram::bind_private(path, SOCK_MODE).map_err(never_open)?;
    info!("{}: listening on {}", post.name, path.display());
    let outcome = receive_datagrams(post, &socket);
    let _ = std::fs::remove_file(path);
    outcome
}

fn receive_datagrams(post: &mut Post, socket: &UnixDatagram) -> Result<(), Lost> {
    // One byte more than a sample: a longer datagram is no sample.
    let mut buffer = [0; LENGTH + 1];
    while !post.stopped() {
        let mut watch = [Watch::new(std::os::fd::AsFd::as_fd(socket), Interest::Read)];
        if wait(&mut watch, Some(STOP_WITHIN)).map_err(gone)? == 0 {
            continue;
        }
        for _ in 0..DATAGRAMS_MAX {
            let Ok(length) = socket.recv(&mut buffer) else { break };
            let now = post.clock.now();
            match SockSample::parse(&buffer[..length])
                .and_then(|sample| Ok((sample.stamp, sample.reading(now)?)))
            {
                Ok((stamp, kind)) => post.tell(stamp, kind),
                Err(refusal) => post.tell(now, ReadingKind::Refused(refusal)),
            }
        }
        post.doorbell.ring();
        std::thread::sleep(BREATH);
    }
    Ok(())
}

fn shared_memory(
    post: &mut Post,
    unit: u32,
    permissions: u32,
    mut shm: Shm,
    pulse: bool,
) -> Result<(), Lost> {
    let key = KEY.wrapping_add(i32::try_from(unit).unwrap_or(i32::MAX - KEY));
    let segment = Segment::attach(key, SIZE, permissions, Create::IfMissing).map_err(never_open)?;
    info!("{}: reading shared memory unit {unit}", post.name);
    while !post.stopped() {
        std::thread::sleep(SHM_POLL);
        let copied = copy(&segment);
        let now = post.clock.now();
        let Some((stamp, kind)) = shm.judge(&copied, now) else { continue };
        if !matches!(kind, ReadingKind::Refused(Refusal::Clash)) {
            // Taken: what comes next is news.
            segment.store_i32(field::VALID, 0);
        }
        post.tell(stamp, if pulse { fraction_only(kind) } else { kind });
        post.doorbell.ring();
    }
    Ok(())
}

/// The segment's words, with the count before and after.
fn copy(segment: &Segment) -> Copied {
    let mut copied = Copied {
        mode: segment.load_i32(field::MODE),
        count_before: segment.load_i32(field::COUNT),
        ..Copied::default()
    };
    fence();
    copied.valid = segment.load_i32(field::VALID);
    copied.clock_seconds = segment.load_i64(field::CLOCK_SECONDS);
    copied.clock_micros = segment.load_i32(field::CLOCK_MICROS);
    copied.clock_nanos = segment.load_u32(field::CLOCK_NANOS);
    copied.receive_seconds = segment.load_i64(field::RECEIVE_SECONDS);
    copied.receive_micros = segment.load_i32(field::RECEIVE_MICROS);
    copied.receive_nanos = segment.load_u32(field::RECEIVE_NANOS);
    copied.leap = segment.load_i32(field::LEAP);
    fence();
    copied.count_after = segment.load_i32(field::COUNT);
    copied
}

fn fraction_only(kind: ReadingKind) -> ReadingKind {
    match kind {
        ReadingKind::Mark { utc, .. } => {
            ReadingKind::Pulse { fraction: utc - utc.round_to_second() }
        }
        other => other,
    }
}

/// A thread notices within this time that it is to stop.
const STOP_WITHIN: Pause = Pause::from_millis(200);
/// Eight looks a second: a sample waits an eighth of a second at most, its stamp waits not at all.
const SHM_POLL: Pause = Pause::from_millis(125);
/// Datagrams taken at once.
const DATAGRAMS_MAX: usize = 64;
/// Between two reads: a device that floods, or one that is always ready with nothing, must not take
/// the processor. The fastest line fills a fifth of the buffer meanwhile.
const BREATH: Pause = Pause::from_millis(2);
/// Writers of another user in the daemon's group may send.
const SOCK_MODE: u32 = 0o660;
const PAUSE_MIN: Pause = Pause::from_millis(500);
const PAUSE_MAX: Pause = Pause::from_secs(16);
