//! Why a datagram is no NTP packet.

use core::error::Error;
use core::fmt;

/// What is wrong with a packet. Offsets count from its first byte, lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Shorter than a header.
    TooShort {
        /// Of the whole packet.
        length: usize,
    },
    /// A version other than 1 to 4.
    Version(u8),
    /// A field's length is below 16, no multiple of 4, or beyond the packet (RFC 7822 §3).
    FieldLength {
        /// Where the field begins.
        offset: usize,
        /// What it claims.
        length: u16,
    },
    /// The last field is below 28 bytes and no authenticator follows: nobody can tell it from one
    /// (RFC 7822 §3).
    LastFieldShort {
        /// Where the field begins.
        offset: usize,
    },
    /// What follows the header or the last field has no length that an authenticator can have.
    Trailing {
        /// Where it begins.
        offset: usize,
        /// How much there is.
        length: usize,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort { length } => write!(f, "{length} bytes are no NTP header, 48 are"),
            Self::Version(version) => write!(f, "NTP version {version}, not 1 to 4"),
            Self::FieldLength { offset, length } => write!(
                f,
                "extension field at byte {offset} claims {length} bytes: \
                 not 16 or more, a multiple of 4, and within the packet"
            ),
            Self::LastFieldShort { offset } => {
                write!(f, "last extension field at byte {offset} is shorter than 28 bytes")
            }
            Self::Trailing { offset, length } => {
                write!(f, "{length} bytes at byte {offset} are no authenticator")
            }
        }
    }
}

impl Error for Malformed {}
