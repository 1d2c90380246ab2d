//! UDP with the kernel's stamps: when each datagram came and went, where it was sent to, and how
//! many were lost.
//!
//! ```text
//!   TimestampingSocket ── receive ───────► Arena ── received(i) ─► bytes, source, stamps, …
//!          │      └────── receive_errors ► Arena ── notice(i) ───► transmit stamp by id, ICMP
//!          └── send ◄── Outbox ◄── push(bytes, to, from, stamp?)
//! ```
//! One wildcard socket per family serves every address: the destination of each datagram comes
//! with it and is the source of the reply. Transmit stamps are asked for per datagram, so only
//! those who use them cost a report. The paths above allocate nothing; errors of the socket itself
//! do.

mod address;
mod ancillary;
mod arena;
pub mod cmsg;
mod errqueue;
mod numbering;
mod options;
mod outbox;
mod steering;

pub use ancillary::{Link, Stamps};
pub use arena::{Arena, Received};
pub use errqueue::{IcmpError, Notice, Stage, TransmitStamp};
pub use numbering::Identification;
pub use outbox::{Envelope, NoRoom, Outbox, Outcome};

use crate::error::{Error, Result};
use numbering::Numbering;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A bound UDP socket of one family that never blocks.
#[derive(Debug)]
pub struct TimestampingSocket {
    fd: OwnedFd,
    numbering: Numbering,
}

/// How a socket is made. The default is a plain socket without stamps.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whose stamps to ask for.
    pub stamping: Stamping,
    /// Share the port with other sockets of this user that ask for it too.
    pub reuse_port: bool,
    /// Receive buffer in bytes, for datagrams and reports together.
    pub receive_buffer: Option<usize>,
    /// The only interface to use.
    pub device: Option<String>,
    /// Deliver ICMP errors of unconnected datagrams as notices.
    pub report_icmp: bool,
    /// Who numbers stamped datagrams; `None` takes the best this kernel has.
    pub identification: Option<Identification>,
}

/// Whose stamps a socket delivers. Hardware stamps must also be enabled on the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamping {
    /// The kernel's.
    pub software: bool,
    /// The network card's.
    pub hardware: bool,
}

/// Where a received datagram was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The destination in its header: may be a multicast or broadcast address.
    pub address: IpAddr,
    /// The local address to answer as; unspecified if the kernel is to choose.
    pub local: IpAddr,
    /// Index of the interface it came in by.
    pub interface: u32,
}

/// A source address for a datagram to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The source address; unspecified lets the kernel choose.
    pub address: IpAddr,
    /// Index of the interface to leave by; 0 follows the routing table.
    pub interface: u32,
}

impl TimestampingSocket {
    /// A socket bound to `address`: its family's wildcard, or one address. Port 0 takes a free one.
    ///
    /// IPv6 sockets take IPv6 only.
    pub fn bind(address: SocketAddr, options: &Options) -> Result<Self> {
        let identification = match options.identification {
            Some(identification) => identification,
            None if options.stamping.any() => options::identification(),
            None => Identification::Counted,
        };
        let fd = options::bind(address, options)?;
        Ok(Self { fd, numbering: Numbering::new(identification, options.stamping) })
    }

    /// Exchanges datagrams with `peer` only, from now on.
    pub fn connect(&self, peer: SocketAddr) -> Result<()> {
        options::name_socket(self.as_fd(), peer, "connect", libc::connect)
    }

    /// Joins a multicast group on one interface, given by its index.
    pub fn join(&self, group: IpAddr, interface: u32) -> Result<()> {
        options::join(self.as_fd(), group, interface)
    }

    /// Delivers to the sockets that share this port by source address: each client always to the
    /// same one of `sockets`, counted in the order they were bound, whatever port it asks from.
    ///
    /// Holds for the whole group; call once all are bound, on any of them.
    pub fn steer_by_source(&self, sockets: u32) -> Result<()> {
        steering::attach(self.as_fd(), self.local_address()?, sockets)
    }

    /// The address the socket is bound to.
    pub fn local_address(&self) -> Result<SocketAddr> {
        options::local_address(self.as_fd())
    }

    /// Who numbers the datagrams that ask for a stamp.
    pub fn identification(&self) -> Identification {
        self.numbering.identification()
    }

    /// Fills `arena` with what has arrived, without waiting; returns how many slots, 0 if nothing.
    pub fn receive(&self, arena: &mut Arena) -> Result<usize> {
        self.fill(arena, 0)
    }

    /// Fills `arena` with reports from the error queue; returns how many, 0 if it is empty.
    ///
    /// The queue shares the receive buffer with datagrams: call until it returns 0.
    pub fn receive_errors(&self, arena: &mut Arena) -> Result<usize> {
        arena.first_id = self.numbering.first();
        self.fill(arena, libc::MSG_ERRQUEUE)
    }

    /// Sends what is pending or was blocked in `outbox`; returns how many datagrams were sent.
    /// [`Outbox::outcome`] tells what became of each.
    pub fn send(&mut self, outbox: &mut Outbox) -> usize {
        outbox.send(self.fd.as_fd(), &mut self.numbering)
    }

    /// Sends one datagram; returns the id of its stamp if one was asked for and the socket stamps.
    pub fn send_to(&mut self, bytes: &[u8], envelope: Envelope) -> Result<Option<u32>> {
        let mut failure = libc::EIO;
        for _ in 0..2 {
            match numbering::send_one(self.fd.as_fd(), bytes, &envelope, &self.numbering) {
                Ok(()) => return Ok(envelope.stamp.then(|| self.numbering.sent()).flatten()),
                Err(errno) => failure = errno,
            }
            // The first error may be an earlier datagram's, told late: see `Outbox::send`.
            if envelope.stamp {
                self.numbering.doubt(self.fd.as_fd());
            }
        }
        if envelope.stamp {
            self.numbering.skip();
        }
        Err(Error::new("sendmsg", envelope.to, io::Error::from_raw_os_error(failure)))
    }

    fn fill(&self, arena: &mut Arena, flags: i32) -> Result<usize> {
        let mut failure = libc::EIO;
        // An ICMP error left over from sending is told once and then forgotten by the kernel; it
        // says nothing about receiving. More than a few in a row come from elsewhere.
        for _ in 0..8 {
            match arena.fill(self.as_fd(), flags) {
                Ok(count) => return Ok(count),
                Err(libc::EAGAIN) => return Ok(0),
                Err(errno) => failure = errno,
            }
        }
        Err(Error::new("recvmmsg", "UDP socket", io::Error::from_raw_os_error(failure)))
    }
}

impl AsFd for TimestampingSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Stamping {
    /// Whether any stamp is asked for.
    pub const fn any(self) -> bool {
        self.software || self.hardware
    }

    /// SO_TIMESTAMPING of the socket: receive always, transmit only per datagram.
    fn socket_flags(self) -> u32 {
        let mut flags = libc::SOF_TIMESTAMPING_OPT_ID
            | libc::SOF_TIMESTAMPING_OPT_TSONLY
            | libc::SOF_TIMESTAMPING_OPT_PKTINFO;
        if self.software {
            flags |= libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_RX_SOFTWARE;
        }
        if self.hardware {
            flags |= libc::SOF_TIMESTAMPING_RAW_HARDWARE | libc::SOF_TIMESTAMPING_RX_HARDWARE;
        }
        if self.software && self.hardware {
            flags |= libc::SOF_TIMESTAMPING_OPT_TX_SWHW;
        }
        flags
    }

    /// The request beside a datagram; the kernel refuses any but these bits there.
    fn transmit_flags(self) -> u32 {
        let software = if self.software { libc::SOF_TIMESTAMPING_TX_SOFTWARE } else { 0 };
        let hardware = if self.hardware { libc::SOF_TIMESTAMPING_TX_HARDWARE } else { 0 };
        software | hardware
    }
}
