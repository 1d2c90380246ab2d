//! What follows the header: extension fields (RFC 7822 §3), then perhaps an authenticator.
//!
//! ```text
//! version 4   header │ type length body pad │ … │ key id, digest
//! before      header │ key id, digest
//! ```
//!
//! Nothing on the wire tells a field from an authenticator, only lengths do. Four zero bytes are a
//! crypto-NAK; 20 and 24 last bytes are always an authenticator; from 28 on a field comes first,
//! if it fits. Longer digests therefore need a key id that does not look like a field.

use super::{Header, Malformed, Version};

/// The part of a packet behind its header, checked as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions<'a> {
    fields: &'a [u8],
    authenticator: Authenticator<'a>,
}

impl<'a> Extensions<'a> {
    /// Reads `rest`, what [`Header::parse`] hands back.
    ///
    /// # Errors
    /// [`Malformed::FieldLength`], [`Malformed::LastFieldShort`], [`Malformed::Trailing`].
    #[inline]
    pub fn parse(version: Version, rest: &'a [u8]) -> Result<Self, Malformed> {
        let mut at = 0;
        let mut last = 0;
        if version == Version::V4 {
            while rest.len() - at >= LAST_FIELD_MIN {
                let Some(length) = field_length(&rest[at..], at)? else { break };
                last = at;
                at += length;
            }
        }
        let (fields, tail) = rest.split_at(at);
        let Some(authenticator) = Authenticator::parse(version, tail) else {
            return Err(refusal(version, tail, at));
        };
        if authenticator == Authenticator::None && !fields.is_empty() && at - last < LAST_FIELD_MIN
        {
            return Err(Malformed::LastFieldShort { offset: Header::LENGTH + last });
        }
        Ok(Self { fields, authenticator })
    }

    /// The fields in their order.
    #[inline]
    pub const fn fields(&self) -> Fields<'a> {
        Fields { bytes: self.fields, at: 0 }
    }

    /// What vouches for the packet.
    #[inline]
    pub const fn authenticator(&self) -> Authenticator<'a> {
        self.authenticator
    }

    /// How many of the packet's first bytes a MAC covers: the header and every field.
    #[inline]
    pub const fn covered(&self) -> usize {
        Header::LENGTH + self.fields.len()
    }
}

/// One extension field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// What it is.
    pub kind: FieldType,
    /// Where its type stands in the packet: NTS authenticates what lies before.
    pub offset: usize,
    /// Value and padding, at least 12 bytes.
    pub body: &'a [u8],
}

/// The type of an extension field (IANA, "NTP Extension Field Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldType(pub u16);

impl FieldType {
    /// NTS unique identifier (RFC 8915 §5.3).
    pub const UNIQUE_IDENTIFIER: Self = Self(0x0104);
    /// NTS cookie (RFC 8915 §5.4).
    pub const COOKIE: Self = Self(0x0204);
    /// NTS cookie placeholder (RFC 8915 §5.5).
    pub const COOKIE_PLACEHOLDER: Self = Self(0x0304);
    /// NTS authenticator and encrypted fields (RFC 8915 §5.6).
    pub const NTS_AUTHENTICATOR: Self = Self(0x0404);
    /// Corrections by transparent clocks on the way; chrony's network correction.
    pub const NETWORK_CORRECTION: Self = Self(0x010a);
    /// UDP checksum complement (RFC 7821).
    pub const CHECKSUM_COMPLEMENT: Self = Self(0x2005);
    /// chrony's experimental monotonic receive time and finer root delay and dispersion.
    pub const MONOTONIC_ROOT: Self = Self(0xf323);
}

/// Iterates over checked fields.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        let field = self.bytes.get(self.at..)?;
        let (&[k0, k1, l0, l1], _) = field.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let item = Field {
            kind: FieldType(u16::from_be_bytes([k0, k1])),
            offset: Header::LENGTH + self.at,
            body: field.get(4..length)?,
        };
        self.at += length;
        Some(item)
    }
}

/// What vouches for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticator<'a> {
    /// Nothing.
    None,
    /// "Your MAC did not verify": a key id of zero and no digest (RFC 5905 §9.2, §11).
    CryptoNak,
    /// A digest over everything before it (RFC 5905 §7.3, RFC 8573).
    Mac {
        /// Which key.
        key_id: u32,
        /// 16 to 64 bytes; 8 of DES before version 4 (RFC 1305 appendix C).
        digest: &'a [u8],
    },
    /// A domain member asks for a signature with a zero digest (MS-SNTP, 68 byte packets). It
    /// discards an unsigned answer.
    Microsoft {
        /// The account's relative id; the highest bit chooses between its passwords.
        key_id: u32,
    },
    /// The same with an extended authenticator (MS-SNTP, 120 byte packets).
    MicrosoftExtended {
        /// The account's relative id.
        key_id: u32,
    },
}

impl<'a> Authenticator<'a> {
    /// `None` if the length fits nothing.
    fn parse(version: Version, tail: &'a [u8]) -> Option<Self> {
        let Some((key_id, digest)) = tail.split_first_chunk() else {
            return tail.is_empty().then_some(Self::None);
        };
        let key_id = u32::from_be_bytes(*key_id);
        match digest.len() {
            0 => (key_id == 0).then_some(Self::CryptoNak),
            16 if digest == [0; 16] => Some(Self::Microsoft { key_id }),
            8 | 68 if version == Version::V4 => None,
            68 => Some(Self::MicrosoftExtended { key_id }),
            8 | 16..=64 if digest.len().is_multiple_of(4) => Some(Self::Mac { key_id, digest }),
            _ => None,
        }
    }
}

/// The length of the field that `bytes` begin with. `None` if they are rather a long MAC: type 0 is
/// reserved, so that small key ids cannot look like a field.
fn field_length(bytes: &[u8], at: usize) -> Result<Option<usize>, Malformed> {
    let &[k0, k1, l0, l1, ..] = bytes else { return Ok(None) };
    let length = u16::from_be_bytes([l0, l1]);
    let bytes_claimed = usize::from(length);
    let fits =
        bytes_claimed >= FIELD_MIN && length.is_multiple_of(4) && bytes_claimed <= bytes.len();
    if fits && (k0, k1) != (0, 0) {
        Ok(Some(bytes_claimed))
    } else if bytes.len() <= MAC_MAX && bytes.len().is_multiple_of(4) {
        Ok(None)
    } else {
        Err(Malformed::FieldLength { offset: Header::LENGTH + at, length })
    }
}

/// Says what is wrong with a tail that is no authenticator.
fn refusal(version: Version, tail: &[u8], at: usize) -> Malformed {
    let offset = Header::LENGTH + at;
    match tail {
        // A field that would be allowed before another one.
        &[_, _, l0, l1, ..]
            if version == Version::V4
                && tail.len() >= FIELD_MIN
                && usize::from(u16::from_be_bytes([l0, l1])) == tail.len() =>
        {
            Malformed::LastFieldShort { offset }
        }
        _ => Malformed::Trailing { offset, length: tail.len() },
    }
}

/// Bytes of the shortest field (RFC 7822 §3).
pub(super) const FIELD_MIN: usize = 16;
/// Bytes of the shortest field that ends a packet without a MAC (RFC 7822 §3).
pub(super) const LAST_FIELD_MIN: usize = 28;
/// Bytes of the longest MAC: a key id and a SHA-512 digest.
pub(super) const MAC_MAX: usize = 4 + 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(kind: u16, length: u16) -> Vec<u8> {
        let mut bytes = vec![0xaa; usize::from(length).max(4)];
        bytes[..2].copy_from_slice(&kind.to_be_bytes());
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    fn mac(key_id: u32, digest: usize) -> Vec<u8> {
        let mut bytes = key_id.to_be_bytes().to_vec();
        bytes.resize(4 + digest, 0xdd);
        bytes
    }

    fn kinds(rest: &[u8]) -> Vec<(u16, usize, usize)> {
        let extensions = Extensions::parse(Version::V4, rest).unwrap();
        extensions.fields().map(|f| (f.kind.0, f.offset, f.body.len())).collect()
    }

    #[test]
    fn nothing_follows() {
        for version in [Version::V1, Version::V2, Version::V3, Version::V4] {
            let none = Extensions::parse(version, &[]).unwrap();
            assert_eq!(none.authenticator(), Authenticator::None);
            assert_eq!((none.fields().count(), none.covered()), (0, 48));
        }
    }

    #[test]
    fn fields_without_mac() {
        assert_eq!(kinds(&field(0x0104, 36)), [(0x0104, 48, 32)]);
        let nts = [field(0x0104, 36), field(0x0204, 104), field(0x0404, 40)].concat();
        assert_eq!(kinds(&nts), [(0x0104, 48, 32), (0x0204, 84, 100), (0x0404, 188, 36)]);
        let short_then_long = [field(1, 16), field(2, 28)].concat();
        assert_eq!(kinds(&short_then_long), [(1, 48, 12), (2, 64, 24)]);
    }

    #[test]
    fn the_last_field_needs_28_bytes() {
        let two = [field(1, 28), field(2, 16)].concat();
        let refused = Extensions::parse(Version::V4, &two);
        assert_eq!(refused, Err(Malformed::LastFieldShort { offset: 76 }));
        let alone = field(1, 16);
        let refused = Extensions::parse(Version::V4, &alone);
        assert_eq!(refused, Err(Malformed::LastFieldShort { offset: 48 }));
        // Both fields fit by themselves, but the second leaves nothing for a MAC.
        let two = [field(1, 16), field(2, 16)].concat();
        let refused = Extensions::parse(Version::V4, &two);
        assert_eq!(refused, Err(Malformed::LastFieldShort { offset: 64 }));
    }

    #[test]
    fn twenty_or_twenty_four_last_bytes_are_a_mac() {
        for digest in [16, 20] {
            for before in [vec![], field(7, 16), [field(7, 16), field(8, 28)].concat()] {
                let rest = [before.clone(), mac(5, digest)].concat();
                let got = Extensions::parse(Version::V4, &rest).unwrap();
                let digest = &rest[before.len() + 4..];
                assert_eq!(got.authenticator(), Authenticator::Mac { key_id: 5, digest });
                assert_eq!(got.covered(), 48 + before.len());
            }
        }
    }

    #[test]
    fn long_digests() {
        for version in [Version::V3, Version::V4] {
            for digest in [28, 32, 48, 64] {
                // Key 36 would be a field of 36 bytes, were type 0 not reserved.
                let rest = mac(36, digest);
                let got = Extensions::parse(version, &rest).unwrap();
                let mac = Authenticator::Mac { key_id: 36, digest: &rest[4..] };
                assert_eq!(got.authenticator(), mac, "{version:?} {digest}");
            }
        }
    }

    #[test]
    fn before_version_4_there_are_no_fields() {
        let looks_like_a_field = field(0x0104, 36);
        let got = Extensions::parse(Version::V3, &looks_like_a_field).unwrap();
        assert_eq!(got.fields().count(), 0);
        assert!(matches!(got.authenticator(), Authenticator::Mac { key_id: 0x0104_0024, .. }));
        let des = mac(1, 8);
        let got = Extensions::parse(Version::V3, &des).unwrap();
        assert_eq!(got.authenticator(), Authenticator::Mac { key_id: 1, digest: &des[4..] });
        let refused = Extensions::parse(Version::V4, &des);
        assert_eq!(refused, Err(Malformed::Trailing { offset: 48, length: 12 }));
    }

    #[test]
    fn crypto_nak_is_four_zeros() {
        let got = Extensions::parse(Version::V4, &[0; 4]).unwrap();
        assert_eq!(got.authenticator(), Authenticator::CryptoNak);
        let after_a_field = [field(7, 28), vec![0; 4]].concat();
        let got = Extensions::parse(Version::V4, &after_a_field).unwrap();
        assert_eq!((got.authenticator(), got.covered()), (Authenticator::CryptoNak, 76));
        let refused = Extensions::parse(Version::V4, &[0, 0, 0, 1]);
        assert_eq!(refused, Err(Malformed::Trailing { offset: 48, length: 4 }));
    }

    #[test]
    fn microsoft_lengths() {
        let mut rest = vec![0; 20];
        rest[..4].copy_from_slice(&0x8000_044f_u32.to_be_bytes());
        for version in [Version::V3, Version::V4] {
            let got = Extensions::parse(version, &rest).unwrap();
            assert_eq!(got.authenticator(), Authenticator::Microsoft { key_id: 0x8000_044f });
        }
        rest.resize(72, 1);
        let got = Extensions::parse(Version::V3, &rest).unwrap();
        assert_eq!(got.authenticator(), Authenticator::MicrosoftExtended { key_id: 0x8000_044f });
    }

    #[test]
    fn lengths_that_lie() {
        for length in [0, 4, 12, 15, 18, 29, 104, 0xfffc] {
            let mut rest = field(0x0104, 100);
            rest[2..4].copy_from_slice(&u16::to_be_bytes(length));
            let refused = Extensions::parse(Version::V4, &rest);
            assert_eq!(refused, Err(Malformed::FieldLength { offset: 48, length }));
        }
        for length in [1, 3, 5, 8, 19, 21, 23, 25] {
            let rest = vec![1; length];
            let refused = Extensions::parse(Version::V4, &rest);
            assert_eq!(refused, Err(Malformed::Trailing { offset: 48, length }));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn hostile_bytes_are_covered_exactly_or_refused(
            version in 1u8..=4,
            // Small numbers make plausible types and lengths.
            rest in proptest::collection::vec(
                prop_oneof![Just(0u8), Just(16), Just(28), Just(32), any::<u8>()], 0..140),
        ) {
            let version = Version::new(version).unwrap();
            if let Ok(got) = Extensions::parse(version, &rest) {
                let mut at = 48;
                for field in got.fields() {
                    prop_assert_eq!(field.offset, at);
                    at += 4 + field.body.len();
                    prop_assert!(field.body.len() >= 12 && field.body.len().is_multiple_of(4));
                }
                prop_assert_eq!(at, got.covered());
                let tail = match got.authenticator() {
                    Authenticator::None => 0,
                    Authenticator::CryptoNak => 4,
                    Authenticator::Mac { digest, .. } => 4 + digest.len(),
                    Authenticator::Microsoft { .. } => 20,
                    Authenticator::MicrosoftExtended { .. } => 72,
                };
                prop_assert_eq!(at + tail, 48 + rest.len());
            }
        }
    }
}
