//! The 48 bytes that every NTP packet begins with (RFC 5905 §7.3, figure 8).
//!
//! Versions 1 to 4 (RFC 1059, 1119, 1305, 5905) and SNTP (RFC 1769, 4330) share the layout. Two old
//! meanings are read like the new: version 1 has no mode, its bits are zero, and versions 1 and 2
//! call root delay and root dispersion by other names. A value is kept as it stands on the wire;
//! stratum 0 in particular, whose meaning depends on who speaks.

use super::{Malformed, ReferenceId};
use crate::time::{Exponent, LeapIndicator, NtpShort, NtpTimestamp};

/// One packet's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the sender knows of the end of this month, or that it is not synchronised.
    pub leap: LeapIndicator,
    /// Protocol version, 1 to 4.
    pub version: Version,
    /// Who speaks to whom.
    pub mode: Mode,
    /// Hops from a reference clock, as on the wire: 0 is "unspecified" or a kiss-o'-death, 16 and
    /// above is unsynchronised.
    pub stratum: u8,
    /// log2 of the poll interval in seconds.
    pub poll: Exponent,
    /// log2 of the precision in seconds.
    pub precision: Exponent,
    /// Round trip to the reference clock.
    pub root_delay: NtpShort,
    /// Maximum error against the reference clock.
    pub root_dispersion: NtpShort,
    /// Which reference clock or server, or which kiss code.
    pub reference_id: ReferenceId,
    /// When the sender's clock was last set or corrected.
    pub reference: NtpTimestamp,
    /// T1 of a reply: the request's transmit timestamp.
    pub origin: NtpTimestamp,
    /// T2 of a reply: when the request arrived.
    pub receive: NtpTimestamp,
    /// T3 of a reply, T1 of a request: when this packet left.
    pub transmit: NtpTimestamp,
}

impl Header {
    /// Bytes of a header.
    pub const LENGTH: usize = 48;

    /// Reads a header and hands back what follows it.
    ///
    /// # Errors
    /// [`Malformed::TooShort`], [`Malformed::Version`].
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let Some((header, rest)) = packet.split_first_chunk::<{ Self::LENGTH }>() else {
            return Err(Malformed::TooShort { length: packet.len() });
        };
        let version = header[0] >> 3 & 7;
        let header = Self {
            leap: LeapIndicator::from_bits(header[0] >> 6),
            version: Version::new(version).ok_or(Malformed::Version(version))?,
            mode: Mode::from_bits(header[0]),
            stratum: header[1],
            poll: Exponent(header[2].cast_signed()),
            precision: Exponent(header[3].cast_signed()),
            root_delay: NtpShort(word(header, 4)),
            root_dispersion: NtpShort(word(header, 8)),
            reference_id: ReferenceId(word(header, 12).to_be_bytes()),
            reference: timestamp(header, 16),
            origin: timestamp(header, 24),
            receive: timestamp(header, 32),
            transmit: timestamp(header, 40),
        };
        Ok((header, rest))
    }

    /// The inverse of [`Header::parse`].
    #[inline]
    pub fn write(&self, out: &mut [u8; Self::LENGTH]) {
        out[0] = self.leap.bits() << 6 | self.version.number() << 3 | self.mode.bits();
        out[1] = self.stratum;
        out[2] = self.poll.0.cast_unsigned();
        out[3] = self.precision.0.cast_unsigned();
        out[4..8].copy_from_slice(&self.root_delay.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.root_dispersion.0.to_be_bytes());
        out[12..16].copy_from_slice(&self.reference_id.0);
        out[16..24].copy_from_slice(&self.reference.0.to_be_bytes());
        out[24..32].copy_from_slice(&self.origin.0.to_be_bytes());
        out[32..40].copy_from_slice(&self.receive.0.to_be_bytes());
        out[40..48].copy_from_slice(&self.transmit.0.to_be_bytes());
    }
}

/// A protocol version that this program speaks: 1 to 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u8);

impl Version {
    /// RFC 1059: no modes, no authentication.
    pub const V1: Self = Self(1);
    /// RFC 1119.
    pub const V2: Self = Self(2);
    /// RFC 1305, and what Windows speaks.
    pub const V3: Self = Self(3);
    /// RFC 5905.
    pub const V4: Self = Self(4);

    /// `None` beyond 1..=4.
    pub const fn new(number: u8) -> Option<Self> {
        if matches!(number, 1..=4) { Some(Self(number)) } else { None }
    }

    /// 1..=4.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// RFC 5905 §7.3, figure 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// 0: reserved; every version 1 packet, client's and server's alike.
    Reserved,
    /// 1: asks and offers to be asked; old Windows clients among them.
    SymmetricActive,
    /// 2: the answer to it.
    SymmetricPassive,
    /// 3.
    Client,
    /// 4.
    Server,
    /// 5.
    Broadcast,
    /// 6: control messages (RFC 9327), another format from the second byte on.
    Control,
    /// 7: private use, another format from the first bit on.
    Private,
}

impl Mode {
    /// Reads the lowest three bits, so that a packet's first byte will do: even a message that is
    /// too short for a header shows its mode.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            0 => Self::Reserved,
            1 => Self::SymmetricActive,
            2 => Self::SymmetricPassive,
            3 => Self::Client,
            4 => Self::Server,
            5 => Self::Broadcast,
            6 => Self::Control,
            _ => Self::Private,
        }
    }

    /// The three bits on the wire.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Reserved => 0,
            Self::SymmetricActive => 1,
            Self::SymmetricPassive => 2,
            Self::Client => 3,
            Self::Server => 4,
            Self::Broadcast => 5,
            Self::Control => 6,
            Self::Private => 7,
        }
    }
}

#[inline]
fn word(header: &[u8; Header::LENGTH], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

#[inline]
fn timestamp(header: &[u8; Header::LENGTH], at: usize) -> NtpTimestamp {
    NtpTimestamp(u64::from(word(header, at)) << 32 | u64::from(word(header, at + 4)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 5905 figure 8 filled in by hand, row by row.
    const REPLY: [u8; 48] = [
        0x64, 0x01, 0x06, 0xe7, // LI 1, VN 4, mode 4; stratum 1; poll 64 s; precision 2^-25
        0x00, 0x00, 0x00, 0x42, // root delay 66 / 65536 s
        0x00, 0x01, 0x80, 0x00, // root dispersion 1.5 s
        b'G', b'P', b'S', 0x00, // reference id
        0xe9, 0x1f, 0x00, 0x01, 0x80, 0x00, 0x00, 0x00, // reference
        0xe9, 0x1f, 0x00, 0x02, 0x40, 0x00, 0x00, 0x00, // origin
        0xe9, 0x1f, 0x00, 0x03, 0x20, 0x00, 0x00, 0x00, // receive
        0xe9, 0x1f, 0x00, 0x04, 0x10, 0x00, 0x00, 0x01, // transmit
    ];

    fn reply() -> Header {
        Header {
            leap: LeapIndicator::Insert,
            version: Version::V4,
            mode: Mode::Server,
            stratum: 1,
            poll: Exponent(6),
            precision: Exponent(-25),
            root_delay: NtpShort(66),
            root_dispersion: NtpShort(0x18000),
            reference_id: ReferenceId(*b"GPS\0"),
            reference: NtpTimestamp(0xe91f_0001_8000_0000),
            origin: NtpTimestamp(0xe91f_0002_4000_0000),
            receive: NtpTimestamp(0xe91f_0003_2000_0000),
            transmit: NtpTimestamp(0xe91f_0004_1000_0001),
        }
    }

    #[test]
    fn a_reply_reads_as_the_figure_says() {
        assert_eq!(Header::parse(&REPLY), Ok((reply(), &[][..])));
        let mut out = [0xff; 48];
        reply().write(&mut out);
        assert_eq!(out, REPLY);
    }

    #[test]
    fn first_bytes_of_the_world() {
        use LeapIndicator::{None, Unknown};
        for (byte, leap, version, mode) in [
            (0x23, None, Version::V4, Mode::Client),
            (0xe3, Unknown, Version::V4, Mode::Client), // chronyd and ntpdate before they know
            (0x1b, None, Version::V3, Mode::Client),
            (0xd9, Unknown, Version::V3, Mode::SymmetricActive), // w32time without flags
            (0x08, None, Version::V1, Mode::Reserved),
            (0x16, None, Version::V2, Mode::Control),
            (0x25, None, Version::V4, Mode::Broadcast),
        ] {
            let mut packet = [0; 48];
            packet[0] = byte;
            let (header, _) = Header::parse(&packet).unwrap();
            assert_eq!((header.leap, header.version, header.mode), (leap, version, mode));
        }
    }

    #[test]
    fn short_packets_and_strange_versions_are_refused() {
        for length in 0..48 {
            assert_eq!(Header::parse(&REPLY[..length]), Err(Malformed::TooShort { length }));
        }
        for version in [0, 5, 6, 7] {
            let mut packet = REPLY;
            packet[0] = packet[0] & 0xc7 | version << 3;
            assert_eq!(Header::parse(&packet), Err(Malformed::Version(version)));
        }
    }

    #[test]
    fn what_follows_is_handed_back() {
        let mut packet = [7; 60];
        packet[..48].copy_from_slice(&REPLY);
        assert_eq!(Header::parse(&packet).unwrap().1, &[7; 12]);
    }

    proptest! {
        #[test]
        fn every_header_round_trips(bytes in any::<[u8; 16]>(), stamps in any::<[[u8; 8]; 4]>()) {
            let mut packet = [0; 48];
            packet[..16].copy_from_slice(&bytes);
            packet[16..].copy_from_slice(stamps.as_flattened());
            match Header::parse(&packet) {
                Ok((header, rest)) => {
                    let mut out = [0; 48];
                    header.write(&mut out);
                    prop_assert_eq!(out, packet);
                    prop_assert!(rest.is_empty());
                }
                Err(why) => {
                    let version = bytes[0] >> 3 & 7;
                    prop_assert!(version == 0 || version > 4);
                    prop_assert_eq!(why, Malformed::Version(version));
                }
            }
        }
    }
}
