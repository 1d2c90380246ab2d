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
