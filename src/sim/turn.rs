//! What stands in the queue of a world, and which stream of random numbers is whose.

use super::Emission;
use super::universe::Asked;
use crate::sample::{ReadingKind, SourceId};
use crate::source::association::Transmit;
use crate::time::{System, Timestamp};

/// Whose turn it is.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    /// A node's engine ticks if it has not lately.
    Tick { node: usize },
    /// A node's associations are due.
    Poll { node: usize },
    /// The kernel brings the stamp of a request that left.
    Stamped { node: usize, peer: usize, stamp: Timestamp<System> },
    /// A request arrives.
    Request { node: usize, peer: usize, whom: Asked, packet: [u8; Transmit::LENGTH_MAX] },
    /// A request that a stopped or slow node reads now.
    Asked {
        node: usize,
        peer: usize,
        whom: usize,
        packet: [u8; Transmit::LENGTH_MAX],
        stamp: Option<Timestamp<System>>,
    },
    /// An answer arrives.
    Reply { node: usize, peer: usize, packet: Vec<u8> },
    /// An answer is read.
    Answered { node: usize, peer: usize, packet: Vec<u8>, stamp: Option<Timestamp<System>> },
    /// A receiver plans its next reading.
    Receiver { receiver: usize },
    /// A receiver's driver stamps something.
    Emitted { receiver: usize, emission: Emission },
    /// A driver's reading that waited for a stopped process; text has no stamp.
    Read { node: usize, source: SourceId, kind: ReadingKind, stamp: Option<Timestamp<System>> },
    /// An event begins.
    Begin { event: usize },
    /// An event ends.
    End { event: usize },
    /// UTC leaps.
    Leap,
    /// Servers begin to announce a leap second.
    Announce,
    /// A node wants to tick before its second is over.
    Due { node: usize },
}

impl Turn {
    /// As a number, for the log.
    pub fn code(&self) -> u64 {
        let (kind, who, what) = match *self {
            Self::Tick { node } => (0, node, 0),
            Self::Poll { node } => (1, node, 0),
            Self::Stamped { node, peer, .. } => (2, node, peer),
            Self::Request { node, peer, .. } => (3, node, peer),
            Self::Asked { node, peer, .. } => (4, node, peer),
            Self::Reply { node, peer, .. } => (5, node, peer),
            Self::Answered { node, peer, .. } => (6, node, peer),
            Self::Receiver { receiver } => (7, receiver, 0),
            Self::Emitted { receiver, emission } => (8, receiver, emission.channel as usize),
            Self::Begin { event } => (9, event, 0),
            Self::End { event } => (10, event, 0),
            Self::Leap => (11, 0, 0),
            Self::Announce => (13, 0, 0),
            Self::Due { node } => (14, node, 0),
            Self::Read { node, source, .. } => (12, node, source.index()),
        };
        (kind << 32) | (who as u64) << 16 | what as u64
    }
}

/// Streams of random numbers: a component's seed hangs on the seed of the world, its kind and its
/// place, so that adding one changes nobody else's draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Oscillator,
    Stamps,
    Association,
    Clients,
    There,
    Back,
    Server,
    Receiver,
}
