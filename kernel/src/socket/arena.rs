//! Room for a batch of received datagrams, allocated once: recvmmsg(2).
//!
//! The kernel overwrites the lengths in each header with what it used. A header reused as it is
//! offers the next datagram only the room of the last one, and one datagram without a stamp ruins
//! its slot for ever. So every header is rebuilt before every call.

use super::address::{self, Name};
use super::ancillary::{Ancillary, Link, Stamps};
use super::{Destination, Local};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A fixed number of slots for received datagrams or error reports.
pub struct Arena {
    payload: Box<[u8]>,
    slot_length: usize,
    controls: Box<[Control]>,
    names: Box<[Name]>,
    vectors: Box<[libc::iovec]>,
    rows: Box<[libc::mmsghdr]>,
    filled: usize,
    pub(super) first_id: u32,
}

/// Room for the control messages of one datagram.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Control(pub [u8; Control::ROOM]);

impl Control {
    /// More than all messages a socket of ours asks for take together (about 230 bytes).
    pub const ROOM: usize = 512;
    pub const EMPTY: Self = Self([0; Self::ROOM]);
}

/// A received datagram, valid until the next call with its arena.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The payload, cut to the slot.
    pub bytes: &'a [u8],
    /// Where it came from.
    pub source: SocketAddr,
    /// Where it went to.
    pub destination: Option<Destination>,
    /// When it was received.
    pub stamps: Stamps,
    /// The wire's view, with hardware stamps.
    pub link: Option<Link>,
    /// Datagrams this socket has dropped so far for lack of room; `None` if none yet.
    pub overflow: Option<u32>,
    /// The datagram was longer than the slot.
    pub truncated: bool,
    /// Control messages were lost or malformed: an absent stamp may have been there.
    pub control_truncated: bool,
}

impl Received<'_> {
    /// Whom to reply as: the address the datagram was sent to.
    ///
    /// The interface is fixed only for link-local sources. Others may be reached by another
    /// interface than they came in by, and the routing table knows.
    pub fn reply_from(&self) -> Option<Local> {
        let Destination { local, interface, .. } = self.destination?;
        let interface = if address::is_link_local(self.source.ip()) { interface } else { 0 };
        Some(Local { address: local, interface })
    }
}

impl Arena {
    /// Room for `slots` datagrams of up to `slot_length` bytes each.
    ///
    /// # Panics
    ///
    /// Unless `slots` is in 1..=1024 (UIO_MAXIOV, the kernel's limit for one call) and
    /// `slot_length` is at least 1.
    pub fn new(slots: usize, slot_length: usize) -> Self {
        assert!((1..=1024).contains(&slots), "{slots} slots");
        assert!(slot_length > 0, "a slot of no bytes");
        Self {
            payload: vec![0; slots * slot_length].into(),
            slot_length,
            controls: vec![Control::EMPTY; slots].into(),
            names: vec![Name::EMPTY; slots].into(),
            vectors: vec![empty_vector(); slots].into(),
            rows: vec![empty_row(); slots].into(),
            filled: 0,
            first_id: 0,
        }
    }

    /// Slots in all.
    pub fn slots(&self) -> usize {
        self.rows.len()
    }

    /// Slots filled by the last call.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Whether the last call filled none.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The datagram in slot `index`; `None` if the last call did not fill it.
    pub fn received(&self, index: usize) -> Option<Received<'_>> {
        let (slot, ancillary) = self.slot(index)?;
        Some(Received {
            bytes: slot.bytes,
            // A UDP datagram has a source; 0.0.0.0:0 cannot be replied to.
            source: slot.name.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0))),
            destination: ancillary.destination,
            stamps: ancillary.stamps,
            link: ancillary.link,
            overflow: ancillary.overflow,
            truncated: slot.flags & libc::MSG_TRUNC != 0,
            control_truncated: slot.flags & libc::MSG_CTRUNC != 0 || ancillary.malformed,
        })
    }

    /// All datagrams of the last call.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Received<'_>> {
        (0..self.filled).map(|index| self.received(index).expect("below filled"))
    }

    /// A filled slot as the kernel left it, every length checked.
    pub(super) fn slot(&self, index: usize) -> Option<(Slot<'_>, Ancillary)> {
        let row = self.rows[..self.filled].get(index)?;
        let header = &row.msg_hdr;
        let payload = &self.payload[index * self.slot_length..][..self.slot_length];
        let length = usize::try_from(row.msg_len).unwrap_or(usize::MAX).min(payload.len());
        let name_length = usize::try_from(header.msg_namelen).unwrap_or(0).min(Name::ROOM);
        let control_length = header.msg_controllen.min(Control::ROOM);
        let slot = Slot {
            bytes: &payload[..length],
            name: address::decode(&self.names[index].0[..name_length]),
            flags: header.msg_flags,
        };
        Some((slot, Ancillary::parse(&self.controls[index].0[..control_length])))
    }

    /// One recvmmsg(2) without waiting. `Err` is an errno.
    pub(super) fn fill(&mut self, fd: BorrowedFd<'_>, flags: i32) -> Result<usize, i32> {
        self.filled = 0;
        self.rebuild();
        let count = u32::try_from(self.rows.len()).map_err(|_| libc::EINVAL)?;
        // SAFETY: `rebuild` has just made every row point at live, exclusively borrowed buffers of
        // this arena, with their true lengths; the kernel keeps no pointer after the call.
        let returned = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                self.rows.as_mut_ptr(),
                count,
                flags | libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        self.filled = usize::try_from(returned).map_err(|_| errno())?;
        Ok(self.filled)
    }

    fn rebuild(&mut self) {
        let buffers = self.payload.chunks_exact_mut(self.slot_length);
        let beside = self.controls.iter_mut().zip(self.names.iter_mut());
        let rows = self.rows.iter_mut().zip(self.vectors.iter_mut());
        for (((row, vector), (control, name)), bytes) in rows.zip(beside).zip(buffers) {
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = bytes.len();
            row.msg_len = 0;
            row.msg_hdr.msg_name = name.0.as_mut_ptr().cast();
            row.msg_hdr.msg_namelen = NAME_ROOM;
            row.msg_hdr.msg_iov = vector;
            row.msg_hdr.msg_iovlen = 1;
            row.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            row.msg_hdr.msg_controllen = Control::ROOM;
            row.msg_hdr.msg_flags = 0;
        }
    }
}

/// What the kernel wrote into one slot.
pub(super) struct Slot<'a> {
    pub bytes: &'a [u8],
    pub name: Option<SocketAddr>,
    pub flags: i32,
}

// SAFETY: the raw pointers in `rows` and `vectors` point into this arena's own boxes, which move
// with it, and are only used inside `fill`, which rebuilds them first.
unsafe impl Send for Arena {}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arena {{ {} of {} slots filled }}", self.filled, self.slots())
    }
}

pub(super) fn empty_vector() -> libc::iovec {
    libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }
}

pub(super) fn empty_row() -> libc::mmsghdr {
    // SAFETY: mmsghdr is integers and raw pointers only, for which all zeroes is a value.
    unsafe { std::mem::zeroed() }
}

pub(super) fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

#[expect(clippy::cast_possible_truncation, reason = "32 fits")]
pub(super) const NAME_ROOM: libc::socklen_t = Name::ROOM as libc::socklen_t;
