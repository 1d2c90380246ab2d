//! Leap seconds: the indicator on the wire, TAI − UTC, and the table of all that are known.
//!
//! Three formats of one table: `leap-seconds.list` of the IERS with a hash of its own (`list`), the
//! text `leapseconds` that the tz database makes of it (`lines`), and a compiled zone of `right/`
//! (`zone`). Debian's tzdata has all three up to 12; from 13 on `right/` is in tzdata-legacy. Which
//! one a file holds is told by its first bytes.

mod lines;
mod list;
mod table;
mod zone;

pub use table::{LeapError, LeapSecond, LeapTable};

use super::{Duration, Tai, Timestamp, Utc};

/// The two bits of RFC 5905 §7.3, figure 9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeapIndicator {
    /// No leap second at the end of this month.
    None,
    /// The last minute of the month has 61 seconds.
    Insert,
    /// The last minute of the month has 59 seconds.
    Delete,
    /// The clock was never synchronised, or no longer is.
    #[default]
    Unknown,
}

impl LeapIndicator {
    /// The two bits on the wire.
    pub const fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Insert => 1,
            Self::Delete => 2,
            Self::Unknown => 3,
        }
    }

    /// Reads the lowest two bits.
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::None,
            1 => Self::Insert,
            2 => Self::Delete,
            _ => Self::Unknown,
        }
    }
}

/// TAI − UTC in whole seconds; 37 since 2017.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaiOffset(pub i16);

impl TaiOffset {
    /// The same instant in TAI.
    pub fn tai(self, utc: Timestamp<Utc>) -> Timestamp<Tai> {
        utc.corrected_by(Duration::from_seconds(self.0.into()))
    }

    /// The same instant in UTC.
    pub fn utc(self, tai: Timestamp<Tai>) -> Timestamp<Utc> {
        tai.corrected_by(Duration::from_seconds((-self.0).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indicator_bits_round_trip() {
        for bits in 0..4 {
            assert_eq!(LeapIndicator::from_bits(bits).bits(), bits);
        }
    }

    #[test]
    fn tai_and_utc_differ_by_the_offset() {
        let t = Timestamp::from_seconds(1_704_067_200);
        assert_eq!(TaiOffset(37).utc(TaiOffset(37).tai(t)), t);
        assert_eq!(TaiOffset(37).tai(t).seconds() - t.seconds(), 37);
    }
}
