//! Whether a datagram is a request that we answer, and what of it the answer needs.
//!
//! Clients from 1988 to today ask with versions 1 to 4 (RFC 1059 to RFC 5905). A symmetric active
//! packet, as xntpd's `peer` and many a Windows host send, is answered like a client's: nobody is
//! mobilised by a stranger's packet (RFC 5905 §9.2 would), and the asker learns the time just so.
//!
//! Not answered: packets that are no request, so that two servers never talk in a circle; requests
//! with an authenticator. An unsigned answer would be discarded, and a crypto-NAK would be a gift:
//! anyone who forges the sender can use it to break an association (RFC 5905 §9.2, TEST5).

use super::Outcome;
use super::interleave::is_receive;
use crate::time::{Exponent, NtpTimestamp};
use crate::wire::ntp::{Authenticator, Extensions, Header, Malformed, Mode, Version};

/// A request worth an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) version: Version,
    /// As asked.
    pub(super) mode: Mode,
    /// As echoed.
    pub(super) poll: Exponent,
    /// T1 of the exchange.
    pub(super) transmit: NtpTimestamp,
    /// If it may be a request in interleaved mode.
    pub(super) quote: Option<Quote>,
}

/// What a request in interleaved mode refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    /// Our T2 of an earlier exchange, as the client says.
    pub(super) receive: NtpTimestamp,
    /// The client's receive timestamp, whatever it means there: the origin of an interleaved reply.
    pub(super) echo: NtpTimestamp,
}

impl Quote {
    /// RFC 9769 §2: the origin is a T2, and receive and transmit differ, or the client could not
    /// tell the two kinds of reply apart.
    #[inline]
    fn read(header: &Header) -> Option<Self> {
        let may_be = is_receive(header.origin)
            && header.receive != header.transmit
            && header.version == Version::V4
            && header.mode == Mode::Client;
        may_be.then_some(Self { receive: header.origin, echo: header.receive })
    }
}

impl Question {
    /// Reads a datagram from a port.
    ///
    /// # Errors
    /// The reason of silence.
    #[inline]
    pub(super) fn read(bytes: &[u8], source_port: u16) -> Result<Self, Outcome> {
        // Control messages have another format, and may be shorter than a header.
        match bytes.first().map(|first| Mode::from_bits(*first)) {
            Some(Mode::Control) => return Err(Outcome::Control),
            Some(Mode::Private) => return Err(Outcome::Private),
            _ => {}
        }
        let (header, rest) = Header::parse(bytes).map_err(refusal)?;
        if !is_request(header.version, header.mode, source_port) {
            return Err(Outcome::NotARequest);
        }
        // Fields that we do not know ask for nothing: the answer is the bare header.
        match Extensions::parse(header.version, rest).map_err(refusal)?.authenticator() {
            Authenticator::None => {}
            Authenticator::CryptoNak | Authenticator::Mac { .. } => {
                return Err(Outcome::Unauthenticated);
            }
            Authenticator::Microsoft { .. } | Authenticator::MicrosoftExtended { .. } => {
                return Err(Outcome::MsSntp);
            }
        }
        Ok(Self {
            version: header.version,
            mode: header.mode,
            poll: header.poll.clamp(POLL_MIN, POLL_MAX),
            transmit: header.transmit,
            quote: Quote::read(&header),
        })
    }

    /// The mode of the answer. Version 1 knows none, but a zero there would read as a request.
    pub(super) const fn answer_mode(&self) -> Mode {
        match self.mode {
            Mode::SymmetricActive => Mode::SymmetricPassive,
            _ => Mode::Server,
        }
    }
}

fn is_request(version: Version, mode: Mode, source_port: u16) -> bool {
    match mode {
        Mode::Client | Mode::SymmetricActive => true,
        // RFC 1059: no mode, the ports tell. From port 123 it is a server's or peer's packet.
        Mode::Reserved => version == Version::V1 && source_port != NTP_PORT,
        _ => false,
    }
}

const fn refusal(why: Malformed) -> Outcome {
    match why {
        Malformed::TooShort { .. } => Outcome::Short,
        Malformed::Version(_) => Outcome::Version,
        Malformed::FieldLength { .. }
        | Malformed::LastFieldShort { .. }
        | Malformed::Trailing { .. } => Outcome::Malformed,
    }
}

const NTP_PORT: u16 = 123;
/// The shortest interval that any client asks with, chronyd's 1/128 s.
const POLL_MIN: Exponent = Exponent(-7);
/// RFC 5905 §7.2: MAXPOLL.
const POLL_MAX: Exponent = Exponent(17);

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(first: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        bytes
    }

    fn first(version: u8, mode: u8) -> u8 {
        version << 3 | mode
    }

    fn read(bytes: &[u8]) -> Result<(u8, u8), Outcome> {
        let question = Question::read(bytes, 40_000)?;
        Ok((question.version.number(), question.answer_mode().bits()))
    }

    #[test]
    fn every_version_and_mode_has_its_fate() {
        for version in 0..8 {
            for mode in 0..8 {
                let expected = match (version, mode) {
                    (_, 6) => Err(Outcome::Control),
                    (_, 7) => Err(Outcome::Private),
                    (0 | 5.., _) => Err(Outcome::Version),
                    (_, 3) | (1, 0) => Ok((version, 4)),
                    (_, 1) => Ok((version, 2)),
                    _ => Err(Outcome::NotARequest),
                };
                let bytes = packet(first(version, mode), 48);
                assert_eq!(read(&bytes), expected, "version {version} mode {mode}");
            }
        }
    }

    #[test]
    fn version_1_without_mode_from_the_ntp_port_is_no_request() {
        let bytes = packet(first(1, 0), 48);
        assert_eq!(Question::read(&bytes, 123), Err(Outcome::NotARequest));
        assert!(Question::read(&packet(first(1, 3), 48), 123).is_ok());
        assert!(Question::read(&packet(first(3, 1), 48), 123).is_ok());
    }

    #[test]
    fn short_datagrams() {
        for length in 0..48 {
            assert_eq!(read(&packet(0x23, length)), Err(Outcome::Short), "{length}");
        }
        assert_eq!(read(&packet(0x16, 12)), Err(Outcome::Control));
        assert_eq!(read(&packet(0x17, 1)), Err(Outcome::Private));
    }

    #[test]
    fn unknown_fields_are_ignored_and_authenticators_are_not() {
        let mut field = packet(0x23, 48 + 28);
        field[48..52].copy_from_slice(&[0xf3, 0x23, 0, 28]);
        assert_eq!(read(&field), Ok((4, 4)));
        field[51] = 27;
        assert_eq!(read(&field), Err(Outcome::Unauthenticated));

        let mut field_and_mac = packet(0x23, 48 + 16 + 24);
        field_and_mac[48..52].copy_from_slice(&[0x20, 5, 0, 16]);
        field_and_mac[70] = 1;
        assert_eq!(read(&field_and_mac), Err(Outcome::Unauthenticated));

        for (version, lengths) in [(4, &[52, 68, 72][..]), (3, &[52, 60, 68, 72]), (1, &[60])] {
            for length in lengths {
                let mut mac = packet(first(version, 3), *length);
                if *length > 52 {
                    mac[48..].fill(0x55);
                }
                let refused = Err(Outcome::Unauthenticated);
                assert_eq!(read(&mac), refused, "version {version}, {length} bytes");
            }
        }
    }

    #[test]
    fn domain_members_get_silence() {
        let mut member = packet(first(3, 3), 68);
        member[48..52].copy_from_slice(&1105u32.to_le_bytes());
        assert_eq!(read(&member), Err(Outcome::MsSntp));
        member[0] = first(3, 1);
        assert_eq!(read(&member), Err(Outcome::MsSntp));
        assert_eq!(read(&packet(first(3, 3), 120)), Err(Outcome::MsSntp));
    }

    #[test]
    fn trailing_bytes_that_are_nothing() {
        for length in [49, 51, 53, 64, 121] {
            assert_eq!(read(&packet(first(3, 3), length)), Err(Outcome::Malformed), "{length}");
        }
        for length in [49, 64, 1000] {
            assert_eq!(read(&packet(0x23, length)), Err(Outcome::Malformed), "{length}");
        }
    }

    #[test]
    fn only_a_version_4_client_quotes_a_receive_timestamp() {
        let quote = |first: u8, origin: u64, receive: u64, transmit: u64| {
            let mut bytes = packet(first, 48);
            for (at, stamp) in [(24, origin), (32, receive), (40, transmit)] {
                bytes[at..at + 8].copy_from_slice(&stamp.to_be_bytes());
            }
            Question::read(&bytes, 40_000).unwrap().quote
        };
        let quoted = Quote { receive: NtpTimestamp(77), echo: NtpTimestamp(5) };
        assert_eq!(quote(0x23, 77, 5, 6), Some(quoted));
        assert_eq!(quote(0xe3, 77, 5, 6), Some(quoted));
        // A transmit timestamp or nothing; no telling which; version 3; symmetric active.
        for (first, origin, receive, transmit) in [
            (0x23, 78, 5, 6),
            (0x23, 0, 5, 6),
            (0x23, 77, 5, 5),
            (0x1b, 77, 5, 6),
            (0x21, 77, 5, 6),
        ] {
            assert_eq!(quote(first, origin, receive, transmit), None);
        }
    }

    #[test]
    fn the_poll_is_echoed_within_reason() {
        for (sent, echoed) in [(6, 6), (0, 0), (17, 17), (127, 17), (-6, -6), (-128, -7)] {
            let mut bytes = packet(0x23, 48);
            bytes[2] = i8::cast_unsigned(sent);
            assert_eq!(Question::read(&bytes, 1).unwrap().poll, Exponent(echoed));
        }
    }
}
