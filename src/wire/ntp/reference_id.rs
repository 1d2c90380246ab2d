//! Four bytes that say where time comes from, or why there is none (RFC 5905 §7.3, §7.4).

use core::fmt;
use core::net::IpAddr;

use super::md5;

/// The reference identifier. Its meaning hangs on the stratum that it came with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferenceId(pub [u8; 4]);

impl ReferenceId {
    /// Of a reference clock or kiss code: up to four ASCII characters, left justified. `None` if
    /// the text is longer or holds anything but printable ASCII.
    pub fn of_text(text: &str) -> Option<Self> {
        let mut bytes = [0; 4];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        text.bytes().all(|b| b.is_ascii_graphic() || b == b' ').then_some(Self(bytes))
    }

    /// Of a server that others follow: its IPv4 address, or the first four bytes of the MD5 digest
    /// of its IPv6 address (RFC 5905 §7.3).
    pub fn of_address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = md5::digest(&address.octets());
                Self([a, b, c, d])
            }
        }
    }

    /// How an operator reads it: text at stratum 0 and 1, an IPv4 address above, although an IPv6
    /// server is four bytes of a hash that only look like one.
    pub const fn display(self, stratum: u8) -> impl fmt::Display {
        Shown { id: self, stratum }
    }
}

/// A refusal or a state told in the reference id of a stratum 0 packet (RFC 5905 figure 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KissCode {
    /// ACST: the association belongs to an anycast server.
    Anycast,
    /// AUTH: server authentication failed.
    Authentication,
    /// AUTO: Autokey sequence failed.
    Autokey,
    /// BCST: the association belongs to a broadcast server.
    Broadcast,
    /// CRYP: cryptographic authentication or identification failed.
    Cryptography,
    /// DENY: access denied; stop asking.
    Deny,
    /// DROP: lost peer in symmetric mode.
    Drop,
    /// INIT: not yet synchronised for the first time.
    Init,
    /// MCST: the association belongs to a dynamically discovered server.
    Multicast,
    /// NKEY: no key found.
    NoKey,
    /// NTSN: NTS negative acknowledgement (RFC 8915 §5.7).
    NtsNak,
    /// RATE: rate exceeded; ask more slowly.
    Rate,
    /// RMOT: alteration of the association from a remote host.
    Remote,
    /// RSTR: access denied by local policy; stop asking.
    Restrict,
    /// STEP: the clock was stepped and is not yet synchronised again.
    Step,
}

impl KissCode {
    /// Reads the reference id of a stratum 0 packet; `None` for codes this program does not know,
    /// which RFC 5905 §7.4 bids us to ignore.
    pub const fn of(id: ReferenceId) -> Option<Self> {
        Some(match &id.0 {
            b"ACST" => Self::Anycast,
            b"AUTH" => Self::Authentication,
            b"AUTO" => Self::Autokey,
            b"BCST" => Self::Broadcast,
            b"CRYP" => Self::Cryptography,
            b"DENY" => Self::Deny,
            b"DROP" => Self::Drop,
            b"INIT" => Self::Init,
            b"MCST" => Self::Multicast,
            b"NKEY" => Self::NoKey,
            b"NTSN" => Self::NtsNak,
            b"RATE" => Self::Rate,
            b"RMOT" => Self::Remote,
            b"RSTR" => Self::Restrict,
            b"STEP" => Self::Step,
            _ => return None,
        })
    }

    /// The four characters.
    pub const fn reference_id(self) -> ReferenceId {
        ReferenceId(*match self {
            Self::Anycast => b"ACST",
            Self::Authentication => b"AUTH",
            Self::Autokey => b"AUTO",
            Self::Broadcast => b"BCST",
            Self::Cryptography => b"CRYP",
            Self::Deny => b"DENY",
            Self::Drop => b"DROP",
            Self::Init => b"INIT",
            Self::Multicast => b"MCST",
            Self::NoKey => b"NKEY",
            Self::NtsNak => b"NTSN",
            Self::Rate => b"RATE",
            Self::Remote => b"RMOT",
            Self::Restrict => b"RSTR",
            Self::Step => b"STEP",
        })
    }
}

impl fmt::Display for KissCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference_id().display(0).fmt(f)
    }
}

struct Shown {
    id: ReferenceId,
    stratum: u8,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.id.0;
        if self.stratum > 1 {
            return write!(f, "{a}.{b}.{c}.{d}");
        }
        let length = self.id.0.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        self.id.0[..length].escape_ascii().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(id: &[u8; 4], stratum: u8) -> String {
        ReferenceId(*id).display(stratum).to_string()
    }

    #[test]
    fn text_below_stratum_2_and_an_address_above() {
        assert_eq!(shown(b"GPS\0", 1), "GPS");
        assert_eq!(shown(b"RATE", 0), "RATE");
        assert_eq!(shown(b"GPS\0", 2), "71.80.83.0");
        assert_eq!(shown(&[203, 0, 113, 7], 16), "203.0.113.7");
    }

    #[test]
    fn addresses_name_servers() {
        let of = |text: &str| ReferenceId::of_address(text.parse().unwrap()).0;
        assert_eq!(of("192.0.2.7"), [192, 0, 2, 7]);
        // md5sum of fifteen zeros and a one.
        assert_eq!(of("::1"), [0xcf, 0x40, 0x4d, 0xc8]);
    }

    #[test]
    fn hostile_text_is_escaped() {
        assert_eq!(shown(&[0; 4], 1), "");
        assert_eq!(shown(&[0x1b, b'[', 0xff, b'\n'], 1), r"\x1b[\xff\n");
        assert_eq!(shown(b"A\0B\0", 1), r"A\x00B");
    }

    #[test]
    fn text_must_fit_and_print() {
        assert_eq!(ReferenceId::of_text("PPS"), Some(ReferenceId(*b"PPS\0")));
        assert_eq!(ReferenceId::of_text(""), Some(ReferenceId([0; 4])));
        for text in ["GALIL", "é", "A\n"] {
            assert_eq!(ReferenceId::of_text(text), None, "{text}");
        }
    }

    #[test]
    fn kiss_codes_round_trip_and_strangers_are_none() {
        let texts = "ACST AUTH AUTO BCST CRYP DENY DROP INIT MCST NKEY NTSN RATE RMOT RSTR STEP";
        for text in texts.split(' ') {
            let id = ReferenceId::of_text(text).unwrap();
            let code = KissCode::of(id).unwrap();
            assert_eq!((code.reference_id(), code.to_string()), (id, text.to_owned()));
        }
        for stranger in [*b"rate", *b"XABC", [0; 4]] {
            assert_eq!(KissCode::of(ReferenceId(stranger)), None);
        }
    }
}
