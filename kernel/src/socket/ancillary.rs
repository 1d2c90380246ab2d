//! The meaning of the control messages a stamped UDP socket receives.
//!
//! Unknown messages are skipped: a newer kernel may send more. Messages too short for their kind
//! count as malformed, which the caller sees as lost control data.

use super::Destination;
use super::address;
use super::cmsg::{Messages, bytes_at};
use crate::Timespec;
use crate::abi::{self, SockExtendedErr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kernel's and the network card's instant of one datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// CLOCK_REALTIME when the kernel's driver handled the datagram.
    pub software: Option<Timespec>,
    /// The card's own clock (any timescale) at the start of the frame.
    pub hardware: Option<Timespec>,
}

/// The datagram as the wire saw it; with hardware stamps only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Index of the physical interface, under any bond, bridge or VLAN.
    pub interface: u32,
    /// Bytes at layer 2 without the frame check sequence.
    pub length: u32,
}

/// All that came beside one datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ancillary {
    pub destination: Option<Destination>,
    pub stamps: Stamps,
    pub overflow: Option<u32>,
    pub link: Option<Link>,
    pub error: Option<(SockExtendedErr, Option<IpAddr>)>,
    pub malformed: bool,
}

impl Ancillary {
    pub fn parse(control: &[u8]) -> Self {
        let mut found = Self::default();
        for message in Messages::new(control) {
            let complete = match message {
                Ok(message) => found.take(message.level, message.kind, message.payload),
                Err(_) => None,
            };
            found.malformed |= complete.is_none();
        }
        found
    }

    /// Notes one message; `None` if it is too short.
    fn take(&mut self, level: i32, kind: i32, payload: &[u8]) -> Option<()> {
        match (level, kind) {
            (libc::SOL_SOCKET, abi::SO_TIMESTAMPING_NEW | abi::SO_TIMESTAMPING_OLD) => {
                self.stamps = stamps(payload)?;
            }
            (libc::SOL_SOCKET, abi::SCM_TIMESTAMPING_PKTINFO) => {
                let interface = u32::from_ne_bytes(bytes_at(payload, 0)?);
                let length = u32::from_ne_bytes(bytes_at(payload, 4)?);
                self.link = Some(Link { interface, length });
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                self.overflow = Some(u32::from_ne_bytes(bytes_at(payload, 0)?));
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                self.destination = Some(Destination {
                    interface: u32::from_ne_bytes(bytes_at(payload, 0)?),
                    local: Ipv4Addr::from(bytes_at::<4>(payload, 4)?).into(),
                    address: Ipv4Addr::from(bytes_at::<4>(payload, 8)?).into(),
                });
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let address = Ipv6Addr::from(bytes_at::<16>(payload, 0)?);
                // Unlike version 4, the kernel does not say whom to answer a multicast as.
                let local = if address.is_multicast() { Ipv6Addr::UNSPECIFIED } else { address };
                let interface = u32::from_ne_bytes(bytes_at(payload, 16)?);
                self.destination =
                    Some(Destination { interface, local: local.into(), address: address.into() });
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                self.error = Some((extended_error(payload)?, offender(payload)));
            }
            _ => {}
        }
        Some(())
    }
}

/// `scm_timestamping64`: software, nothing, hardware. All zeroes mean absent.
fn stamps(payload: &[u8]) -> Option<Stamps> {
    let stamp = |offset| {
        let seconds = i64::from_ne_bytes(bytes_at(payload, offset)?);
        let nanoseconds = i64::from_ne_bytes(bytes_at(payload, offset + 8)?);
        Some(Timespec::from_raw(seconds, nanoseconds).filter(|&stamp| stamp != Timespec::ZERO))
    };
    Some(Stamps { software: stamp(0)?, hardware: stamp(32)? })
}

fn extended_error(payload: &[u8]) -> Option<SockExtendedErr> {
    let [origin, kind, code, pad] = bytes_at(payload, 4)?;
    Some(SockExtendedErr {
        errno: u32::from_ne_bytes(bytes_at(payload, 0)?),
        origin,
        kind,
        code,
        pad,
        info: u32::from_ne_bytes(bytes_at(payload, 8)?),
        data: u32::from_ne_bytes(bytes_at(payload, 12)?),
    })
}

/// SO_EE_OFFENDER: the address after the report, if it has one.
fn offender(payload: &[u8]) -> Option<IpAddr> {
    Some(address::decode(payload.get(size_of::<SockExtendedErr>()..)?)?.ip())
}

#[cfg(test)]
mod tests {
    use super::super::cmsg::Encoder;
    use super::*;

    fn control(messages: &[(i32, i32, &[u8])]) -> Vec<u8> {
        let mut buffer = vec![0; 512];
        let mut encoder = Encoder::new(&mut buffer);
        for &(level, kind, payload) in messages {
            encoder.push(level, kind, payload).unwrap();
        }
        let length = encoder.length();
        buffer.truncate(length);
        buffer
    }

    fn triple(software: [i64; 2], legacy: [i64; 2], hardware: [i64; 2]) -> Vec<u8> {
        [software, legacy, hardware].iter().flatten().flat_map(|v| v.to_ne_bytes()).collect()
    }

    #[test]
    fn stamps_are_first_and_third_and_zero_is_absent() {
        for kind in [37, 65] {
            let payload = triple([5, 6], [1, 1], [0, 0]);
            let found = Ancillary::parse(&control(&[(libc::SOL_SOCKET, kind, &payload)]));
            assert_eq!(found.stamps.software, Timespec::new(5, 6));
            assert_eq!(found.stamps.hardware, None);
            assert!(!found.malformed);
        }
        let payload = triple([0, 0], [0, 0], [7, 8]);
        let found = Ancillary::parse(&control(&[(libc::SOL_SOCKET, 65, &payload)]));
        assert_eq!(found.stamps, Stamps { software: None, hardware: Timespec::new(7, 8) });
    }

    #[test]
    fn a_fraction_out_of_range_is_no_stamp() {
        for nanoseconds in [-1, 1_000_000_000, i64::MAX] {
            let payload = triple([5, nanoseconds], [0, 0], [0, 0]);
            let found = Ancillary::parse(&control(&[(libc::SOL_SOCKET, 65, &payload)]));
            assert_eq!(found.stamps.software, None);
        }
    }

    #[test]
    fn destinations_of_both_families() {
        let v4 = [3, 0, 0, 0, 10, 0, 0, 1, 224, 0, 1, 1];
        let found = Ancillary::parse(&control(&[(0, 8, &v4)])).destination.unwrap();
        assert_eq!(found.interface, u32::from_ne_bytes([3, 0, 0, 0]));
        assert_eq!(found.local, IpAddr::from([10, 0, 0, 1]));
        assert_eq!(found.address, IpAddr::from([224, 0, 1, 1]));
        let mut v6 = "ff02::101".parse::<Ipv6Addr>().unwrap().octets().to_vec();
        v6.extend(4_u32.to_ne_bytes());
        let found = Ancillary::parse(&control(&[(41, 50, &v6)])).destination.unwrap();
        assert_eq!(found.interface, 4);
        assert!(found.local.is_unspecified());
        assert!(found.address.is_multicast());
    }

    #[test]
    fn reports_carry_an_offender_if_they_have_one() {
        let mut report = 111_u32.to_ne_bytes().to_vec();
        report.extend([2, 3, 4, 0]);
        report.extend(1500_u32.to_ne_bytes());
        report.extend(99_u32.to_ne_bytes());
        let (error, none) = Ancillary::parse(&control(&[(0, 11, &report)])).error.unwrap();
        let read = (error.errno, error.origin, error.kind, error.code, error.info, error.data);
        assert_eq!(read, (111, 2, 3, 4, 1500, 99));
        assert_eq!(none, None);
        report.extend(2_u16.to_ne_bytes());
        report.extend([0, 0, 192, 0, 2, 1]);
        let (_, offender) = Ancillary::parse(&control(&[(0, 11, &report)])).error.unwrap();
        assert_eq!(offender, Some(IpAddr::from([192, 0, 2, 1])));
    }

    #[test]
    fn short_messages_are_malformed_and_unknown_ones_skipped() {
        let short = [0; 3];
        for (level, kind) in [(1, 37), (1, 65), (1, 58), (1, 40), (0, 8), (41, 50), (0, 11)] {
            let found = Ancillary::parse(&control(&[(level, kind, &short)]));
            assert_eq!(found, Ancillary { malformed: true, ..Ancillary::default() });
        }
        let drops = 9_u32.to_ne_bytes();
        let found = Ancillary::parse(&control(&[(1, 9999, &short), (1, 40, &drops)]));
        assert_eq!((found.malformed, found.overflow), (false, Some(9)));
    }
}
