//! Which id a transmit stamp carries, so that it finds its datagram again.
//!
//! With SOF_TIMESTAMPING_OPT_ID the kernel counts the datagrams of a socket that asked for a
//! stamp. Whether one that failed was counted depends on where it failed and on the kernel's
//! version. So from Linux 6.13 on each datagram brings its id along (SCM_TS_OPT_ID). Before, the
//! count is started afresh after every failure, and `first` says which of our ids the kernel's 0
//! now is. A stamp still under way across that restart comes back with an id not handed out yet,
//! or, at the very start of a socket's life, with that of another datagram.

use super::arena::{Control, errno};
use super::cmsg::Encoder;
use super::outbox::Envelope;
use super::{Local, Stamping, options};
use crate::abi;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

/// Who numbers the datagrams that ask for a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identification {
    /// We do: exact whatever happens. Linux 6.13.
    Chosen,
    /// The kernel does, by counting.
    Counted,
}

#[derive(Debug)]
pub(super) struct Numbering {
    identification: Identification,
    stamping: Stamping,
    /// The id of the next datagram that asks for a stamp.
    next: u32,
    /// Our id for the kernel's 0.
    first: u32,
}

impl Numbering {
    pub fn new(identification: Identification, stamping: Stamping) -> Self {
        Self { identification, stamping, next: 0, first: 0 }
    }

    pub fn first(&self) -> u32 {
        self.first
    }

    pub fn identification(&self) -> Identification {
        self.identification
    }

    /// Writes a datagram's control messages and returns their length. `ahead` counts the stamped
    /// datagrams of this batch before it.
    pub fn encode(&self, envelope: &Envelope, ahead: u32, control: &mut [u8]) -> usize {
        let mut encoder = Encoder::new(control);
        let mut push = |level, kind, payload: &[u8]| {
            encoder.push(level, kind, payload).expect("Control::ROOM holds all three");
        };
        if let Some(local) = envelope.from {
            let (level, kind, payload, length) = packet_info(local);
            push(level, kind, &payload[..length]);
        }
        if envelope.stamp && self.stamping.any() {
            let flags = self.stamping.transmit_flags();
            push(libc::SOL_SOCKET, abi::SO_TIMESTAMPING_OLD, &flags.to_ne_bytes());
            if self.identification == Identification::Chosen {
                let id = self.next.wrapping_add(ahead);
                push(libc::SOL_SOCKET, abi::SCM_TS_OPT_ID, &id.to_ne_bytes());
            }
        }
        encoder.length()
    }

    /// The id of a stamped datagram just sent; `None` if the socket does not stamp.
    pub fn sent(&mut self) -> Option<u32> {
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.stamping.any().then_some(id)
    }

    /// A stamped datagram was given up; in this batch its id is spent.
    pub fn skip(&mut self) {
        if self.identification == Identification::Chosen {
            self.next = self.next.wrapping_add(1);
        }
    }

    /// A stamped datagram failed: nobody knows whether the kernel counted it, so count afresh.
    pub fn doubt(&mut self, fd: BorrowedFd<'_>) {
        if self.identification == Identification::Counted && self.stamping.any() {
            let flags = self.stamping.socket_flags();
            // Turning OPT_ID off and on sets the kernel's count to 0. Both calls only repeat what
            // succeeded at creation with fewer or equal flags.
            let restarted = options::set(
                fd,
                libc::SOL_SOCKET,
                abi::SO_TIMESTAMPING_NEW,
                &(flags & !libc::SOF_TIMESTAMPING_OPT_ID),
            )
            .and_then(|()| options::set(fd, libc::SOL_SOCKET, abi::SO_TIMESTAMPING_NEW, &flags));
            if restarted.is_ok() {
                self.first = self.next;
            }
        }
    }
}

/// IP_PKTINFO or IPV6_PKTINFO for a source address: level, kind, bytes and their length.
fn packet_info(local: Local) -> (i32, i32, [u8; 20], usize) {
    let mut payload = [0; 20];
    match local.address {
        // in_pktinfo: interface, source, (destination, ignored when sending).
        IpAddr::V4(address) => {
            payload[..4].copy_from_slice(&local.interface.to_ne_bytes());
            payload[4..8].copy_from_slice(&address.octets());
            (libc::IPPROTO_IP, libc::IP_PKTINFO, payload, 12)
        }
        // in6_pktinfo: source, interface.
        IpAddr::V6(address) => {
            payload[..16].copy_from_slice(&address.octets());
            payload[16..].copy_from_slice(&local.interface.to_ne_bytes());
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, payload, 20)
        }
    }
}

/// Sends one datagram with sendmsg(2). `Err` is an errno.
pub(super) fn send_one(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    envelope: &Envelope,
    numbering: &Numbering,
) -> Result<(), i32> {
    use super::address::Name;
    use std::os::fd::AsRawFd;

    let mut name = Name::EMPTY;
    let mut control = Control::EMPTY;
    // sendmsg does not write through iov_base; the C type has no const.
    let mut vector =
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut row = super::arena::empty_row();
    let header = &mut row.msg_hdr;
    header.msg_namelen = name.encode(envelope.to);
    header.msg_name = name.0.as_mut_ptr().cast();
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_controllen = numbering.encode(envelope, 0, &mut control.0);
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: every pointer in the header is to a local or to `bytes`, all alive for the call,
    // with its true length.
    let returned = unsafe { libc::sendmsg(fd.as_raw_fd(), header, libc::MSG_DONTWAIT) };
    if returned < 0 { Err(errno()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::cmsg::Messages;
    use super::*;

    fn envelope(from: Option<Local>, stamp: bool) -> Envelope {
        Envelope { to: ([127, 0, 0, 1], 9).into(), from, stamp }
    }

    fn messages(numbering: &Numbering, envelope: &Envelope, ahead: u32) -> Vec<(i32, Vec<u8>)> {
        let mut control = Control::EMPTY;
        let length = numbering.encode(envelope, ahead, &mut control.0);
        let all = Messages::new(&control.0[..length]).map(Result::unwrap);
        all.map(|message| (message.kind, message.payload.to_vec())).collect()
    }

    #[test]
    fn only_what_is_asked_for_is_sent_along() {
        let software = Stamping { software: true, hardware: false };
        let chosen = Numbering::new(Identification::Chosen, software);
        assert_eq!(messages(&chosen, &envelope(None, false), 0), []);
        let stamped = messages(&chosen, &envelope(None, true), 5);
        // SOF_TIMESTAMPING_TX_SOFTWARE is bit 1; the kernel refuses any but transmit bits here.
        assert_eq!(stamped, [(37, vec![2, 0, 0, 0]), (81, 5_u32.to_ne_bytes().to_vec())]);
        let both = Stamping { software: true, hardware: true };
        let counted = Numbering::new(Identification::Counted, both);
        assert_eq!(messages(&counted, &envelope(None, true), 5), [(37, vec![3, 0, 0, 0])]);
        let never = Numbering::new(Identification::Chosen, Stamping::default());
        assert_eq!(messages(&never, &envelope(None, true), 0), []);
    }

    #[test]
    fn source_addresses_of_both_families() {
        let numbering = Numbering::new(Identification::Chosen, Stamping::default());
        let local = Local { address: [10, 1, 2, 3].into(), interface: 7 };
        let mut expected = 7_u32.to_ne_bytes().to_vec();
        expected.extend([10, 1, 2, 3, 0, 0, 0, 0]);
        assert_eq!(messages(&numbering, &envelope(Some(local), false), 0), [(8, expected)]);
        let local = Local { address: "fe80::7".parse().unwrap(), interface: 7 };
        let sent = messages(&numbering, &envelope(Some(local), false), 0);
        assert_eq!((sent[0].0, sent[0].1.len(), sent[0].1[15]), (50, 20, 7));
        assert_eq!(sent[0].1[16..], 7_u32.to_ne_bytes());
    }

    #[test]
    fn a_skipped_datagram_spends_a_chosen_id_only() {
        let software = Stamping { software: true, hardware: false };
        let mut chosen = Numbering::new(Identification::Chosen, software);
        let mut counted = Numbering::new(Identification::Counted, software);
        for numbering in [&mut chosen, &mut counted] {
            assert_eq!(numbering.sent(), Some(0));
            numbering.skip();
        }
        assert_eq!(chosen.sent(), Some(2));
        assert_eq!(counted.sent(), Some(1));
        chosen.next = u32::MAX;
        assert_eq!((chosen.sent(), chosen.sent()), (Some(u32::MAX), Some(0)));
    }
}
