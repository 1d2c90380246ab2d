//! The error queue: where transmit stamps come back, among ICMP reports.
//!
//! The origin of a report tells the two apart; the errno alone does not. A stamp's report carries
//! the id of its datagram and no payload (SOF_TIMESTAMPING_OPT_TSONLY).

use super::ancillary::Stamps;
use super::arena::Arena;
use crate::abi;
use std::net::{IpAddr, SocketAddr};

/// One report from the error queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A datagram was stamped on its way out.
    Stamp(TransmitStamp),
    /// A datagram came to grief on its way.
    Icmp(IcmpError),
    /// A report of neither kind, or one whose control messages were lost or malformed.
    Unreadable,
}

/// The instant a datagram left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitStamp {
    /// The id that sending returned.
    pub id: u32,
    /// Where on its way out the datagram was.
    pub stage: Stage,
    /// Software or hardware stamp; each comes in a notice of its own.
    pub stamps: Stamps,
}

/// A point on a datagram's way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Queued in the packet scheduler.
    Scheduled,
    /// Handed to the wire.
    Sent,
    /// Acknowledged by the other side; streams only.
    Acknowledged,
}

/// A router's or host's report of a datagram we sent, or the local stack's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// The report as an errno, for example ECONNREFUSED.
    pub errno: i32,
    /// ICMP type; 0 if the local stack reports.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// The next hop's MTU for "too big", else 0.
    pub info: u32,
    /// Who reports.
    pub offender: Option<IpAddr>,
    /// To whom the datagram was sent.
    pub destination: Option<SocketAddr>,
}

impl Arena {
    /// The report in slot `index`, after
    /// [`receive_errors`](super::TimestampingSocket::receive_errors); `None` beyond the last.
    pub fn notice(&self, index: usize) -> Option<Notice> {
        let (slot, ancillary) = self.slot(index)?;
        let lost = slot.flags & libc::MSG_CTRUNC != 0 || ancillary.malformed;
        let Some((report, offender)) = ancillary.error.filter(|_| !lost) else {
            return Some(Notice::Unreadable);
        };
        let Ok(errno) = i32::try_from(report.errno) else {
            return Some(Notice::Unreadable);
        };
        Some(match report.origin {
            libc::SO_EE_ORIGIN_TIMESTAMPING if errno == libc::ENOMSG => {
                let stage = match report.info {
                    abi::SCM_TSTAMP_SND => Stage::Sent,
                    abi::SCM_TSTAMP_SCHED => Stage::Scheduled,
                    abi::SCM_TSTAMP_ACK => Stage::Acknowledged,
                    _ => return Some(Notice::Unreadable),
                };
                let id = report.data.wrapping_add(self.first_id);
                Notice::Stamp(TransmitStamp { id, stage, stamps: ancillary.stamps })
            }
            libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6 | libc::SO_EE_ORIGIN_LOCAL => {
                Notice::Icmp(IcmpError {
                    errno,
                    kind: report.kind,
                    code: report.code,
                    info: report.info,
                    offender,
                    destination: slot.name,
                })
            }
            _ => Notice::Unreadable,
        })
    }

    /// All reports of the last call.
    pub fn notices(&self) -> impl ExactSizeIterator<Item = Notice> {
        (0..self.len()).map(|index| self.notice(index).expect("below filled"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::arena::tests::filled;
    use super::super::cmsg::Encoder;
    use super::*;
    use crate::Timespec;

    /// The control messages of a report: errno, origin, info, id; with a software stamp of 5.6 s.
    fn report(errno: i32, origin: u8, info: u32, id: u32) -> Vec<u8> {
        let mut extended = errno.to_ne_bytes().to_vec();
        extended.extend([origin, 3, 1, 0]);
        extended.extend(info.to_ne_bytes());
        extended.extend(id.to_ne_bytes());
        let stamps: Vec<u8> = [5_i64, 6, 0, 0, 0, 0].iter().flat_map(|v| v.to_ne_bytes()).collect();
        let mut buffer = [0; 256];
        let mut encoder = Encoder::new(&mut buffer);
        encoder.push(libc::SOL_SOCKET, abi::SO_TIMESTAMPING_NEW, &stamps).unwrap();
        encoder.push(libc::IPPROTO_IP, libc::IP_RECVERR, &extended).unwrap();
        let length = encoder.length();
        buffer[..length].to_vec()
    }

    fn notice(control: &[u8], flags: i32) -> Notice {
        filled(control, flags | libc::MSG_ERRQUEUE).notice(0).unwrap()
    }

    #[test]
    fn stages_follow_the_numbers_of_errqueue_h() {
        for (info, stage) in [(0, Stage::Sent), (1, Stage::Scheduled), (2, Stage::Acknowledged)] {
            let stamps = Stamps { software: Timespec::new(5, 6), hardware: None };
            let expected = Notice::Stamp(TransmitStamp { id: 77, stage, stamps });
            assert_eq!(notice(&report(libc::ENOMSG, 4, info, 77), 0), expected);
        }
        assert_eq!(notice(&report(libc::ENOMSG, 4, 9, 77), 0), Notice::Unreadable);
    }

    #[test]
    fn ids_count_from_the_first_and_wrap() {
        let mut arena = filled(&report(libc::ENOMSG, 4, 0, 3), 0);
        arena.first_id = u32::MAX;
        assert!(matches!(arena.notice(0), Some(Notice::Stamp(TransmitStamp { id: 2, .. }))));
    }

    #[test]
    fn icmp_is_known_by_its_origin_even_with_a_stamps_errno() {
        for origin in [1, 2, 3] {
            let found = notice(&report(libc::ENOMSG, origin, 1400, 0), 0);
            let Notice::Icmp(error) = found else { panic!("{found:?}") };
            assert_eq!((error.kind, error.code, error.info), (3, 1, 1400));
            assert_eq!(error.destination, Some(([192, 0, 2, 1], 123).into()));
        }
        // Zero-copy completions and transmit-time errors are neither.
        for origin in [0, 5, 6, 255] {
            assert_eq!(notice(&report(libc::ENOMSG, origin, 0, 0), 0), Notice::Unreadable);
        }
        assert_eq!(notice(&report(libc::EIO, 4, 0, 0), 0), Notice::Unreadable);
    }

    #[test]
    fn a_report_that_lost_messages_is_unreadable() {
        let control = report(libc::ENOMSG, 4, 0, 77);
        assert_eq!(notice(&control, libc::MSG_CTRUNC), Notice::Unreadable);
        for length in 0..control.len() {
            assert_eq!(notice(&control[..length], 0), Notice::Unreadable, "{length}");
        }
    }
}
