//! What the host is told to run. The configuration file becomes one of these, checked.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::server::{Policy, TableSize};
use crate::source::association::AssociationPlan;
use crate::time::SmearShape;

/// Everything that a running daemon needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Sources and policies.
    pub engine: crate::engine::Plan,
    /// How each source of `engine.sources` is read, in the same order.
    pub drivers: Vec<Driver>,
    /// The NTP service; none: no time is served over a network.
    pub serve: Option<Serve>,
    /// Where reports are given.
    pub control: PathBuf,
    /// SCHED_FIFO priority of the timing threads, if wanted and permitted.
    pub realtime_priority: Option<i32>,
    /// Keep all pages in memory.
    pub lock_memory: bool,
    /// Where what was learned is kept over a restart.
    pub state_file: Option<PathBuf>,
    /// The table of leap seconds: `leap-seconds.list`, `leapseconds` or a zone of `right/`.
    pub leap_file: Option<PathBuf>,
}

/// The NTP service.
#[derive(Clone, Debug)]
pub struct Serve {
    /// Addresses to bind; a wildcard serves all of its family.
    pub listen: Vec<SocketAddr>,
    /// Those of them whose answers carry smeared time, and how.
    pub smear: Vec<(SocketAddr, SmearShape)>,
    /// Threads, each with its own socket on every address.
    pub threads: usize,
    /// Who is answered, and how often.
    pub policy: Policy,
    /// Clients remembered by each thread.
    pub clients: TableSize,
}

impl Serve {
    /// The addresses of `listen`, each with how it is smeared.
    pub fn faces(&self) -> Vec<(SocketAddr, Option<SmearShape>)> {
        let shape = |address| self.smear.iter().find(|(smeared, _)| *smeared == address);
        let face = |address: &SocketAddr| (*address, shape(*address).map(|(_, shape)| *shape));
        self.listen.iter().map(face).collect()
    }
}

/// How a source is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Text over a serial line: NMEA and UBX.
    Gnss {
        /// The line.
        device: PathBuf,
        /// Bits per second.
        speed: u32,
    },
    /// A shared memory segment (127.127.28.u).
    Shm {
        /// Its unit: the key is 0x4E545030 + unit.
        unit: u32,
        /// Permission bits if it has to be created.
        permissions: u32,
        /// Clock and source may be this far apart, s; `None`: any.
        limit: Option<u32>,
        /// It brings pulses: only the fraction of a second counts, text numbers it.
        pulse: bool,
    },
    /// A Unix datagram socket (chrony's SOCK).
    Sock {
        /// Where to bind it.
        path: PathBuf,
    },
    /// An NTP server.
    Server {
        /// Its name, or its address, with a scope after `%` where it has one.
        address: String,
        /// UDP port.
        port: u16,
        /// How it is asked.
        association: AssociationPlan,
    },
}
