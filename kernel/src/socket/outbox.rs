//! A batch of datagrams to send, allocated once: sendmmsg(2).
//!
//! sendmmsg stops at the first datagram it cannot send and tells its error only when that one
//! comes first. One unreachable client must not silence the rest, so each datagram has an outcome
//! of its own and the batch goes on after a failed one.

use super::Local;
use super::address::Name;
use super::arena::{Control, empty_row, empty_vector, errno};
use super::numbering::Numbering;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A fixed number of slots for datagrams to send.
pub struct Outbox {
    payload: Box<[u8]>,
    slot_length: usize,
    entries: Box<[Entry]>,
    controls: Box<[Control]>,
    names: Box<[Name]>,
    vectors: Box<[libc::iovec]>,
    rows: Box<[libc::mmsghdr]>,
    filled: usize,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not tried yet.
    Pending,
    /// Handed to the kernel; its transmit stamp, if asked for, carries this id.
    Sent {
        /// The id to expect in [`TransmitStamp`](super::TransmitStamp).
        id: Option<u32>,
    },
    /// Refused with this errno.
    Failed(i32),
    /// The send buffer is full: neither this nor any later datagram was sent.
    Blocked,
}

/// Where a datagram goes, as whom, and whether to stamp it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// To whom.
    pub to: SocketAddr,
    /// As whom; `None` lets the kernel choose.
    pub from: Option<Local>,
    /// Whether to ask for a transmit stamp.
    pub stamp: bool,
}

/// Every slot is filled, or the datagram is longer than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

#[derive(Clone, Copy, Debug)]
struct Entry {
    length: usize,
    envelope: Envelope,
    outcome: Outcome,
}

impl Outbox {
    /// Room for `slots` datagrams of up to `slot_length` bytes each.
    ///
    /// # Panics
    ///
    /// Unless `slots` is in 1..=1024 (UIO_MAXIOV) and `slot_length` is at least 1.
    pub fn new(slots: usize, slot_length: usize) -> Self {
        assert!((1..=1024).contains(&slots), "{slots} slots");
        assert!(slot_length > 0, "a slot of no bytes");
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        let envelope = Envelope { to: nobody, from: None, stamp: false };
        Self {
            payload: vec![0; slots * slot_length].into(),
            slot_length,
            entries: vec![Entry { length: 0, envelope, outcome: Outcome::Pending }; slots].into(),
            controls: vec![Control::EMPTY; slots].into(),
            names: vec![Name::EMPTY; slots].into(),
            vectors: vec![empty_vector(); slots].into(),
            rows: vec![empty_row(); slots].into(),
            filled: 0,
        }
    }

    /// Datagrams pushed since the last [`clear`](Self::clear).
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Whether none was pushed.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Slots in all.
    pub fn slots(&self) -> usize {
        self.entries.len()
    }

    /// Copies a datagram into the next slot and returns the slot's index.
    pub fn push(&mut self, bytes: &[u8], envelope: Envelope) -> Result<usize, NoRoom> {
        let slot = self.vacant().ok_or(NoRoom)?;
        slot.get_mut(..bytes.len()).ok_or(NoRoom)?.copy_from_slice(bytes);
        self.commit(bytes.len(), envelope)
    }

    /// The bytes of the next slot, to write a datagram in place; `None` if all are filled.
    pub fn vacant(&mut self) -> Option<&mut [u8]> {
        self.payload.chunks_exact_mut(self.slot_length).nth(self.filled)
    }

    /// Takes the first `length` bytes written into [`vacant`](Self::vacant) as a datagram.
    pub fn commit(&mut self, length: usize, envelope: Envelope) -> Result<usize, NoRoom> {
        let index = self.filled;
        let entry = self.entries.get_mut(index).ok_or(NoRoom)?;
        if length > self.slot_length {
            return Err(NoRoom);
        }
        *entry = Entry { length, envelope, outcome: Outcome::Pending };
        self.filled += 1;
        Ok(index)
    }

    /// What became of the datagram in slot `index`; `None` if there is none.
    pub fn outcome(&self, index: usize) -> Option<Outcome> {
        Some(self.entries[..self.filled].get(index)?.outcome)
    }

    /// What became of each datagram, in order.
    pub fn outcomes(&self) -> impl ExactSizeIterator<Item = Outcome> {
        self.entries[..self.filled].iter().map(|entry| entry.outcome)
    }

    /// Forgets all datagrams.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Sends all pending datagrams; returns how many were sent.
    pub(super) fn send(&mut self, fd: BorrowedFd<'_>, numbering: &mut Numbering) -> usize {
        for entry in &mut self.entries[..self.filled] {
            if entry.outcome == Outcome::Blocked {
                entry.outcome = Outcome::Pending;
            }
        }
        let is_pending = |entry: &Entry| entry.outcome == Outcome::Pending;
        let start = self.entries[..self.filled].iter().position(is_pending).unwrap_or(self.filled);
        self.rebuild(start, numbering);
        let (mut next, mut sent, mut retried) = (start, 0, false);
        while next < self.filled {
            match self.send_from(next, fd) {
                Ok(count) => {
                    for entry in &mut self.entries[next..next + count] {
                        let id = entry.envelope.stamp.then(|| numbering.sent()).flatten();
                        entry.outcome = Outcome::Sent { id };
                    }
                    next += count;
                    sent += count;
                    retried = false;
                }
                Err(libc::EINTR) => {}
                Err(libc::EAGAIN) => {
                    for entry in &mut self.entries[next..self.filled] {
                        entry.outcome = Outcome::Blocked;
                    }
                    break;
                }
                Err(errno) => {
                    let entry = &mut self.entries[next];
                    if entry.envelope.stamp {
                        numbering.doubt(fd);
                    }
                    // An error left over from an earlier datagram is told once, to whoever
                    // sends next: try again before believing it.
                    if retried {
                        entry.outcome = Outcome::Failed(errno);
                        if entry.envelope.stamp {
                            numbering.skip();
                        }
                        next += 1;
                    }
                    retried = !retried;
                }
            }
        }
        sent
    }

    /// One sendmmsg(2) of the slots from `next` on. `Err` is an errno.
    fn send_from(&mut self, next: usize, fd: BorrowedFd<'_>) -> Result<usize, i32> {
        let rows = &mut self.rows[next..self.filled];
        let count = u32::try_from(rows.len()).map_err(|_| libc::EINVAL)?;
        // SAFETY: `rebuild` made these rows point at live buffers of this outbox with their true
        // lengths, and nothing was pushed since; the kernel keeps no pointer after the call.
        let returned =
            unsafe { libc::sendmmsg(fd.as_raw_fd(), rows.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
        usize::try_from(returned).map_err(|_| errno())
    }

    fn rebuild(&mut self, start: usize, numbering: &Numbering) {
        let buffers = self.payload.chunks_exact_mut(self.slot_length);
        let beside = self.controls.iter_mut().zip(self.names.iter_mut());
        let rows = self.rows.iter_mut().zip(self.vectors.iter_mut());
        let slots = self.entries[..self.filled].iter().zip(rows).zip(beside).zip(buffers);
        let mut ahead = 0;
        for (((entry, (row, vector)), (control, name)), bytes) in slots.skip(start) {
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = entry.length;
            row.msg_len = 0;
            row.msg_hdr.msg_namelen = name.encode(entry.envelope.to);
            row.msg_hdr.msg_name = name.0.as_mut_ptr().cast();
            row.msg_hdr.msg_iov = vector;
            row.msg_hdr.msg_iovlen = 1;
            let length = numbering.encode(&entry.envelope, ahead, &mut control.0);
            ahead += u32::from(entry.envelope.stamp);
            row.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            row.msg_hdr.msg_controllen = length;
            row.msg_hdr.msg_flags = 0;
        }
    }
}

// SAFETY: the raw pointers in `rows` and `vectors` point into this outbox's own boxes, which move
// with it, and are only used inside `send`, which rebuilds them first.
unsafe impl Send for Outbox {}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outbox {{ {} of {} slots filled }}", self.filled, self.slots())
    }
}
