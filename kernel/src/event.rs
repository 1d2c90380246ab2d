//! Waiting: poll(2) over a few descriptors, and an eventfd(2) as a doorbell between threads.
//!
//! A thread here watches one or two sockets and a bell, so poll is as good as epoll and leaves
//! nothing registered. Timeouts count on CLOCK_MONOTONIC: a step of the time of day, the very
//! thing this project does, cannot lengthen one.

use crate::clock::{self, ClockId};
use crate::error::{Error, Result, check};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// A descriptor to wait for, and afterwards what it was ready for.
#[repr(transparent)]
pub struct Watch<'fd> {
    poll: libc::pollfd,
    descriptor: PhantomData<BorrowedFd<'fd>>,
}

/// What to wait for. Errors and hang-ups are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Errors only: the error queue without `SO_SELECT_ERR_QUEUE`.
    Error,
    /// Bytes or datagrams to read.
    Read,
    /// Room to write.
    Write,
    /// Something out of the ordinary: an error queue, an external time stamp.
    Priority,
    /// `Read` and `Priority`.
    ReadPriority,
}

/// What a descriptor is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Bytes or datagrams to read, or the end of them.
    pub readable: bool,
    /// Room to write.
    pub writable: bool,
    /// An error queue has a report, or a device an event.
    pub priority: bool,
    /// An error is pending.
    pub error: bool,
    /// The other side is gone.
    pub hung_up: bool,
}

impl Readiness {
    /// Whether there is anything to do.
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

impl<'fd> Watch<'fd> {
    /// Watches `fd` for `interest`.
    pub fn new(fd: BorrowedFd<'fd>, interest: Interest) -> Self {
        let events = match interest {
            Interest::Error => 0,
            Interest::Read => libc::POLLIN,
            Interest::Write => libc::POLLOUT,
            Interest::Priority => libc::POLLPRI,
            Interest::ReadPriority => libc::POLLIN | libc::POLLPRI,
        };
        let poll = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
        Self { poll, descriptor: PhantomData }
    }

    /// What the last [`wait`] found.
    pub fn readiness(&self) -> Readiness {
        let has = |bit| self.poll.revents & bit != 0;
        Readiness {
            readable: has(libc::POLLIN),
            writable: has(libc::POLLOUT),
            priority: has(libc::POLLPRI),
            error: has(libc::POLLERR) || has(libc::POLLNVAL),
            hung_up: has(libc::POLLHUP),
        }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch {{ fd {}: {:?} }}", self.poll.fd, self.readiness())
    }
}

/// Waits until a descriptor is ready or `timeout` has passed; `None` waits for ever.
///
/// Returns how many are ready, 0 for none. A signal does not end the wait.
pub fn wait(watches: &mut [Watch<'_>], timeout: Option<Duration>) -> Result<usize> {
    let count = libc::nfds_t::try_from(watches.len())
        .map_err(|_| Error::invalid("ppoll", "descriptors", "too many"))?;
    let start = clock::now(ClockId::Monotonic);
    loop {
        let left = timeout.map(|timeout| remaining(timeout, start));
        let pointer = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: Watch is a transparent pollfd, `watches` holds `count` of them; the descriptors
        // are borrowed for as long as the watches live; `pointer` is null or to `left`.
        let ready =
            unsafe { libc::ppoll(watches.as_mut_ptr().cast(), count, pointer, std::ptr::null()) };
        if let Ok(ready) = usize::try_from(ready) {
            return Ok(ready);
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(Error::new("ppoll", "descriptors", error));
        }
    }
}

fn remaining(timeout: Duration, start: crate::Timespec) -> libc::timespec {
    let elapsed = clock::now(ClockId::Monotonic).nanoseconds_since(start);
    let elapsed = Duration::from_nanos(u64::try_from(elapsed).unwrap_or(0));
    let left = timeout.saturating_sub(elapsed);
    libc::timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    }
}

/// A doorbell: any thread rings, one waits for it with [`wait`] and clears it.
///
/// Rings before a clear count as one.
#[derive(Debug)]
pub struct EventFd {
    fd: OwnedFd,
}

impl EventFd {
    /// A silent bell.
    pub fn new() -> Result<Self> {
        // SAFETY: eventfd() takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        check(fd, "eventfd", "doorbell")?;
        // SAFETY: the descriptor was just opened and nobody else owns it.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Rings. Never blocks, never fails: a bell rung 2⁶⁴ − 2 times is still ringing.
    pub fn ring(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the kernel reads the eight bytes of `one`.
        let written = unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        debug_assert!(written == 8 || std::io::Error::last_os_error().kind() == WOULD_BLOCK);
    }

    /// Silences the bell; returns whether it was ringing. Never blocks.
    pub fn clear(&self) -> bool {
        let mut count = [0_u8; 8];
        // SAFETY: the kernel writes at most the eight bytes of `count`.
        let read =
            unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        read == 8
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

const WOULD_BLOCK: std::io::ErrorKind = std::io::ErrorKind::WouldBlock;
