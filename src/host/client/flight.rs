//! One request on its way, from a socket and a random port of its own (RFC 9109), and the kernel's
//! stamps of it and of its answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use maser_kernel::socket::{
    Arena, Envelope, Notice, Options, Stage, Stamping, Stamps, TimestampingSocket,
};

use super::super::clock::StampClock;
use crate::time::{System, Timestamp};
use crate::wire::ntp::ReferenceId;

/// A request whose answer may still come.
#[derive(Debug)]
pub(super) struct Flight {
    socket: TimestampingSocket,
    id: Option<u32>,
    /// By which a server that follows us names us; none on a loopback, where everybody has the
    /// same.
    own: Option<[u8; 4]>,
}

/// What has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arrival<'a> {
    /// The request left at this instant.
    Sent(Timestamp<System>),
    /// A datagram.
    Reply(&'a [u8], Timestamp<System>),
    /// The network sent the request back, for this errno, or the socket is beyond use.
    Returned(i32),
}

impl Flight {
    /// Sends a request; also the reading of the clock just before.
    ///
    /// # Errors
    /// The call that failed; nothing was sent.
    pub fn launch(
        server: SocketAddr,
        request: &[u8],
        clock: &StampClock,
    ) -> maser_kernel::Result<(Self, Timestamp<System>)> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let stamping = Stamping { software: true, hardware: false };
        let options = Options { stamping, report_icmp: true, ..Options::default() };
        let mut socket = TimestampingSocket::bind(any, &options)?;
        // The kernel drops what comes from elsewhere.
        socket.connect(server)?;
        let own = named_by(socket.local_address()?.ip());
        let before = clock.now();
        let id = socket.send_to(request, Envelope { to: server, from: None, stamp: true })?;
        Ok((Self { socket, id, own }, before))
    }

    /// By which a server that follows us names us.
    pub fn own(&self) -> Option<[u8; 4]> {
        self.own
    }

    /// Hands over what has come, the request's own stamp before the answer to it.
    pub fn collect(
        &self,
        arena: &mut Arena,
        clock: &StampClock,
        hear: &mut impl FnMut(Arrival<'_>),
    ) {
        self.reports(arena, clock, hear);
        for _ in 0..BATCHES_MAX {
            match self.socket.receive(arena) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => return hear(returned(&error)),
            }
            let user = clock.now();
            let stamped = |stamps: Stamps| stamps.software.map_or(user, |at| clock.stamp(at));
            for received in arena.iter() {
                if !received.truncated {
                    hear(Arrival::Reply(received.bytes, stamped(received.stamps)));
                }
            }
        }
    }

    fn reports(&self, arena: &mut Arena, clock: &StampClock, hear: &mut impl FnMut(Arrival<'_>)) {
        for _ in 0..BATCHES_MAX {
            match self.socket.receive_errors(arena) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => return hear(returned(&error)),
            }
            for notice in arena.notices() {
                match notice {
                    Notice::Stamp(stamp)
                        if Some(stamp.id) == self.id && stamp.stage == Stage::Sent =>
                    {
                        if let Some(at) = stamp.stamps.software {
                            hear(Arrival::Sent(clock.stamp(at)));
                        }
                    }
                    Notice::Icmp(icmp) => hear(Arrival::Returned(icmp.errno)),
                    Notice::Stamp(_) | Notice::Unreadable => {}
                }
            }
        }
    }
}

impl AsFd for Flight {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn returned(error: &maser_kernel::Error) -> Arrival<'static> {
    Arrival::Returned(error.raw_os_error().unwrap_or(0))
}

fn named_by(local: IpAddr) -> Option<[u8; 4]> {
    (!local.is_loopback() && !local.is_unspecified()).then(|| ReferenceId::of_address(local).0)
}

/// A server that floods does not keep the others waiting; the rest is read next time.
const BATCHES_MAX: usize = 4;
