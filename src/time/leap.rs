//! Leap seconds: the indicator on the wire and the table of `leap-seconds.list`.
//!
//! The list comes from the IERS and carries an expiry and a SHA-1 of its own numbers. A list with a
//! wrong hash is refused; an expired one is still the best knowledge there is, so it warns and
//! serves. Between lists a receiver or a majority of servers announces leaps.

use core::fmt;

use sha1::{Digest, Sha1};

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

/// All leap seconds known, in order of time, at most [`LeapTable::ENTRIES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeapTable {
    entries: Vec<Entry>,
    expires: Timestamp<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    from: Timestamp<Utc>,
    offset: TaiOffset,
}

/// Why a leap second list was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeapError {
    /// A line is not `<NTP seconds> <TAI − UTC>`; the line's number and text.
    Line(usize, String),
    /// Instants or offsets do not increase by one leap; the line's number.
    Order(usize),
    /// More lines than any plausible list has.
    TooLong,
    /// No entry at all.
    Empty,
    /// No line `#@ <NTP seconds>` tells when the list expires.
    NoExpiry,
    /// The numbers do not match the list's own SHA-1: it was damaged or edited.
    Hash,
    /// No `#h` line: nothing vouches for the numbers.
    NoHash,
}

impl LeapTable {
    /// More than ten times today's count.
    pub const ENTRIES_MAX: usize = 512;

    /// Parses the text of a `leap-seconds.list` and checks its hash.
    ///
    /// # Errors
    /// [`LeapError`] names the line or what is missing.
    pub fn parse(text: &str) -> Result<Self, LeapError> {
        let mut entries: Vec<Entry> = Vec::new();
        let (mut expires, mut stated) = (None, None);
        // The hash covers the digits of `#$`, of `#@` and of each entry, without separators.
        let (mut heads, mut digits) = ([String::new(), String::new()], String::new());
        for (index, line) in text.lines().enumerate() {
            let bad = || LeapError::Line(index + 1, line.chars().take(80).collect());
            if let Some(updated) = line.strip_prefix("#$") {
                heads[0] = updated.trim().to_owned();
            } else if let Some(expiry) = line.strip_prefix("#@") {
                heads[1] = expiry.trim().to_owned();
                expires = Some(ntp_seconds(&heads[1]).ok_or_else(bad)?);
            } else if let Some(hash) = line.strip_prefix("#h") {
                stated = Some(parse_hash(hash).ok_or_else(bad)?);
            } else if let Some((seconds, offset)) = fields(line) {
                let from = ntp_seconds(seconds).ok_or_else(bad)?;
                let offset = TaiOffset(offset.parse().map_err(|_| bad())?);
                if entries.last().is_some_and(|last| !follows(last, from, offset)) {
                    return Err(LeapError::Order(index + 1));
                }
                if entries.len() == Self::ENTRIES_MAX {
                    return Err(LeapError::TooLong);
                }
                digits.extend(line.split('#').next().unwrap_or("").split_whitespace());
                entries.push(Entry { from, offset });
            } else if !line.trim_start().starts_with('#') && !line.trim().is_empty() {
                return Err(bad());
            }
        }
        let hash = Sha1::digest([&heads[0], &heads[1], &digits].map(String::as_str).concat());
        match stated {
            None => Err(LeapError::NoHash),
            Some(stated) if hash[..] != stated => Err(LeapError::Hash),
            Some(_) if entries.is_empty() => Err(LeapError::Empty),
            Some(_) => Ok(Self { entries, expires: expires.ok_or(LeapError::NoExpiry)? }),
        }
    }

    /// Until when the list is known to be complete.
    pub fn expires(&self) -> Timestamp<Utc> {
        self.expires
    }

    /// TAI − UTC at `instant`; `None` before the first entry (1972).
    pub fn tai_offset(&self, instant: Timestamp<Utc>) -> Option<TaiOffset> {
        let after = self.entries.partition_point(|entry| entry.from <= instant);
        Some(self.entries.get(after.checked_sub(1)?)?.offset)
    }

    /// What the list says about the end of `instant`'s UTC month.
    pub fn indicator(&self, instant: Timestamp<Utc>) -> LeapIndicator {
        let next = self.entries.partition_point(|entry| entry.from <= instant);
        let (Some(before), Some(leap)) = (next.checked_sub(1), self.entries.get(next)) else {
            return LeapIndicator::None;
        };
        let month = |t: Timestamp<Utc>| {
            let date = super::Date::of_unix_days(t.seconds().div_euclid(86_400));
            (date.year(), date.month())
        };
        // A leap belongs to the month that its last second ends.
        if month(leap.from - Duration::SECOND) != month(instant) {
            return LeapIndicator::None;
        }
        if leap.offset > self.entries[before].offset {
            LeapIndicator::Insert
        } else {
            LeapIndicator::Delete
        }
    }
}

impl fmt::Display for LeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n, text) => {
                write!(f, "line {n}: '{text}' is not '<NTP seconds> <TAI − UTC>'")
            }
            Self::Order(n) => write!(f, "line {n}: entries must rise in time, one second a leap"),
            Self::TooLong => write!(f, "more than {} entries", LeapTable::ENTRIES_MAX),
            Self::Empty => f.write_str("no leap second in it"),
            Self::NoExpiry => f.write_str("no expiry: a line '#@ <NTP seconds>' is missing"),
            Self::Hash => f.write_str("its SHA-1 does not match its numbers: damaged or edited"),
            Self::NoHash => {
                f.write_str("no hash: a line '#h' with five hexadecimal words is missing")
            }
        }
    }
}

impl core::error::Error for LeapError {}

/// The two fields of an entry, without its comment.
fn fields(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split('#').next()?.split_whitespace();
    let pair = (words.next()?, words.next()?);
    words.next().is_none().then_some(pair)
}

fn follows(last: &Entry, from: Timestamp<Utc>, offset: TaiOffset) -> bool {
    from > last.from && (i32::from(offset.0) - i32::from(last.offset.0)).abs() == 1
}

/// Seconds since 1900, as the list has them; era 1 needs no pivot, the list is not 32 bits wide.
fn ntp_seconds(text: &str) -> Option<Timestamp<Utc>> {
    let seconds: i64 = text.parse().ok().filter(|s| (0..1 << 40).contains(s))?;
    Some(Timestamp::from_seconds(seconds - 2_208_988_800))
}

/// Five words of hexadecimal; lists have been published without leading zeros.
fn parse_hash(text: &str) -> Option<[u8; 20]> {
    let mut hash = [0; 20];
    let mut words = text.split_whitespace();
    for chunk in hash.chunks_exact_mut(4) {
        chunk.copy_from_slice(&u32::from_str_radix(words.next()?, 16).ok()?.to_be_bytes());
    }
    words.next().is_none().then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = include_str!("../../tests/data/leap-seconds.list");

    fn utc(text: (i32, u8, u8)) -> Timestamp<Utc> {
        let date = super::super::Date::new(text.0, text.1, text.2).unwrap();
        Timestamp::from_seconds(date.unix_days() * 86_400)
    }

    #[test]
    fn the_published_list() {
        let table = LeapTable::parse(LIST).unwrap();
        assert_eq!(table.tai_offset(utc((2024, 1, 1))), Some(TaiOffset(37)));
        assert_eq!(table.tai_offset(utc((2017, 1, 1))), Some(TaiOffset(37)));
        assert_eq!(table.tai_offset(utc((2017, 1, 1)) - Duration::SECOND), Some(TaiOffset(36)));
        assert_eq!(table.tai_offset(utc((1972, 1, 1))), Some(TaiOffset(10)));
        assert_eq!(table.tai_offset(utc((1971, 12, 31))), None);
        assert!(table.expires() > utc((2024, 1, 1)));
    }

    #[test]
    fn a_leap_is_announced_in_its_month_only() {
        let table = LeapTable::parse(LIST).unwrap();
        assert_eq!(table.indicator(utc((2016, 11, 30))), LeapIndicator::None);
        assert_eq!(table.indicator(utc((2016, 12, 1))), LeapIndicator::Insert);
        assert_eq!(table.indicator(utc((2016, 12, 31))), LeapIndicator::Insert);
        assert_eq!(table.indicator(utc((2017, 1, 1))), LeapIndicator::None);
        assert_eq!(table.indicator(utc((2050, 1, 1))), LeapIndicator::None);
    }

    #[test]
    fn one_changed_digit_is_found() {
        let edited = LIST.replacen("3692217600", "3692304000", 1);
        assert_ne!(edited, LIST);
        assert_eq!(LeapTable::parse(&edited), Err(LeapError::Hash));
    }

    #[test]
    fn what_is_missing_is_named() {
        let without = |start: &str| {
            LIST.lines().filter(|l| !l.starts_with(start)).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(LeapTable::parse(&without("#h")), Err(LeapError::NoHash));
        assert_eq!(LeapTable::parse(&without("#@")), Err(LeapError::Hash));
        assert_eq!(LeapTable::parse(""), Err(LeapError::NoHash));
        assert!(matches!(LeapTable::parse("12 apples"), Err(LeapError::Line(1, _))));
        let swapped = "2272060800 10\n2272060800 11\n";
        assert_eq!(LeapTable::parse(swapped), Err(LeapError::Order(2)));
    }

    #[test]
    fn a_deleted_second_lowers_the_offset() {
        let text = "#$ 1\n#@ 5000000000\n2272060800 10\n2287785600 9\n";
        let hash = Sha1::digest("1500000000022720608001022877856009");
        let words: Vec<_> = hash
            .chunks_exact(4)
            .map(|c| format!("{:x}", u32::from_be_bytes(c.try_into().unwrap())))
            .collect();
        let table = LeapTable::parse(&format!("{text}#h {}\n", words.join(" "))).unwrap();
        assert_eq!(table.indicator(utc((1972, 6, 15))), LeapIndicator::Delete);
    }

    #[test]
    fn indicator_bits_round_trip() {
        for bits in 0..4 {
            assert_eq!(LeapIndicator::from_bits(bits).bits(), bits);
        }
    }

    #[test]
    fn tai_and_utc_differ_by_the_offset() {
        let t = utc((2024, 1, 1));
        assert_eq!(TaiOffset(37).utc(TaiOffset(37).tai(t)), t);
        assert_eq!(TaiOffset(37).tai(t).seconds() - t.seconds(), 37);
    }
}
