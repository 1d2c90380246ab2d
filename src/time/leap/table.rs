//! All leap seconds known, and what they say of an instant.
//!
//! A table that has expired is still the best knowledge of TAI − UTC there is. One that tells no
//! expiry is believed where it has a leap second, and where it has none says nothing: nobody knows
//! whether it is complete.

use core::fmt;

use super::{Duration, LeapIndicator, TaiOffset, Timestamp, Utc, lines, list, zone};
use crate::time::Date;

/// All leap seconds known, in order of time, at most [`LeapTable::ENTRIES_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeapTable {
    entries: Vec<Entry>,
    expires: Option<Timestamp<Utc>>,
}

/// From when on TAI − UTC has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub from: Timestamp<Utc>,
    pub offset: TaiOffset,
}

/// One leap second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeapSecond {
    /// The midnight of UTC that follows it.
    pub before: Timestamp<Utc>,
    /// 23:59:60 is counted; else 23:59:59 is left out.
    pub inserted: bool,
}

/// Why a table of leap seconds was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeapError {
    /// A line is not what its format has; the line's number, its text and what would be right.
    Line(usize, String, &'static str),
    /// Instants or offsets do not increase by one leap; the line's number, or the entry's in a zone.
    Order(usize),
    /// More lines than any plausible table has.
    TooLong,
    /// No entry at all.
    Empty,
    /// A list without its line `#@ <NTP seconds>`, which tells when it expires.
    NoExpiry,
    /// The numbers do not match the list's own SHA-1: it was damaged or edited.
    Hash,
    /// No `#h` line: nothing vouches for the numbers.
    NoHash,
    /// Neither text nor a compiled zone.
    NotText,
    /// A compiled zone that ends before its table does; the byte at which more was expected.
    Cut(usize),
}

impl LeapSecond {
    /// What UTC gains by it: −1 s inserted, +1 s deleted.
    pub const fn step(self) -> Duration {
        if self.inserted { Duration::from_seconds(-1) } else { Duration::SECOND }
    }

    /// How it is announced.
    pub const fn indicator(self) -> LeapIndicator {
        if self.inserted { LeapIndicator::Insert } else { LeapIndicator::Delete }
    }

    /// The instant from which on UTC counts differently than without it: midnight before an inserted
    /// second, a second before midnight where one is deleted.
    pub fn at(self) -> Timestamp<Utc> {
        if self.inserted { self.before } else { self.before - Duration::SECOND }
    }
}

impl LeapTable {
    /// More than ten times today's count.
    pub const ENTRIES_MAX: usize = 512;

    /// Reads any of the three formats.
    ///
    /// # Errors
    /// [`LeapError`] names the line or what is missing.
    pub fn read(bytes: &[u8]) -> Result<Self, LeapError> {
        if bytes.starts_with(zone::MAGIC) {
            return zone::parse(bytes);
        }
        let text = core::str::from_utf8(bytes).map_err(|_| LeapError::NotText)?;
        if lines::is_one(text) { lines::parse(text) } else { list::parse(text) }
    }

    /// Parses the text of a `leap-seconds.list` and checks its hash.
    ///
    /// # Errors
    /// [`LeapError`] names the line or what is missing.
    pub fn parse(text: &str) -> Result<Self, LeapError> {
        list::parse(text)
    }

    /// A table of these entries, which are in order.
    pub(super) fn new(
        entries: Vec<Entry>,
        expires: Option<Timestamp<Utc>>,
    ) -> Result<Self, LeapError> {
        if entries.is_empty() {
            return Err(LeapError::Empty);
        }
        Ok(Self { entries, expires })
    }

    /// Until when the table is known to be complete, if it says so.
    pub fn expires(&self) -> Option<Timestamp<Utc>> {
        self.expires
    }

    /// Whether it is known to lack what was decided since.
    pub fn is_expired(&self, instant: Timestamp<Utc>) -> bool {
        self.expires.is_some_and(|expires| expires <= instant)
    }

    /// TAI − UTC at `instant`; `None` before the first entry (1972).
    pub fn tai_offset(&self, instant: Timestamp<Utc>) -> Option<TaiOffset> {
        let after = self.entries.partition_point(|entry| entry.from <= instant);
        Some(self.entries.get(after.checked_sub(1)?)?.offset)
    }

    /// What the table says about the end of `instant`'s UTC month.
    pub fn indicator(&self, instant: Timestamp<Utc>) -> LeapIndicator {
        let month = |t: Timestamp<Utc>| {
            let date = Date::of_unix_days(t.seconds().div_euclid(86_400));
            (date.year(), date.month())
        };
        // A leap belongs to the month that its last second ends.
        let ends = |leap: &LeapSecond| month(leap.before - Duration::SECOND) == month(instant);
        self.next(instant).filter(ends).map_or(LeapIndicator::None, LeapSecond::indicator)
    }

    /// The same, if the table can tell: not once it has expired, and without an expiry only of a leap
    /// second that it has.
    pub fn tells(&self, instant: Timestamp<Utc>) -> Option<LeapIndicator> {
        let told = self.indicator(instant);
        match self.expires {
            Some(expires) if instant < expires => Some(told),
            None if told != LeapIndicator::None => Some(told),
            _ => None,
        }
    }

    /// The first leap second after `instant`.
    pub fn next(&self, instant: Timestamp<Utc>) -> Option<LeapSecond> {
        self.leap(self.entries.partition_point(|entry| entry.from <= instant))
    }

    /// The last leap second before `instant`.
    pub fn last(&self, instant: Timestamp<Utc>) -> Option<LeapSecond> {
        let after = self.entries.partition_point(|entry| entry.from <= instant);
        self.leap(after.checked_sub(1)?)
    }

    fn leap(&self, index: usize) -> Option<LeapSecond> {
        let (former, entry) = (self.entries.get(index.checked_sub(1)?)?, self.entries.get(index)?);
        Some(LeapSecond { before: entry.from, inserted: entry.offset > former.offset })
    }
}

impl fmt::Display for LeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n, text, right) => write!(f, "line {n}: '{text}' is not '{right}'"),
            Self::Order(n) => write!(f, "line {n}: entries must rise in time, one second a leap"),
            Self::TooLong => write!(f, "more than {} entries", LeapTable::ENTRIES_MAX),
            Self::Empty => f.write_str("no leap second in it"),
            Self::NoExpiry => f.write_str("no expiry: a line '#@ <NTP seconds>' is missing"),
            Self::Hash => f.write_str("its SHA-1 does not match its numbers: damaged or edited"),
            Self::NoHash => {
                f.write_str("no hash: a line '#h' with five hexadecimal words is missing")
            }
            Self::NotText => f.write_str(
                "neither text nor a compiled zone; a leap-seconds.list, the tz database's \
                 leapseconds or a zone of right/ is wanted",
            ),
            Self::Cut(at) => write!(f, "a compiled zone that is cut off at byte {at}"),
        }
    }
}

impl core::error::Error for LeapError {}

/// Appends an entry that keeps the order: `line` is where it stands.
pub(super) fn push(entries: &mut Vec<Entry>, entry: Entry, line: usize) -> Result<(), LeapError> {
    let follows = |last: &Entry| {
        let steps = i32::from(entry.offset.0) - i32::from(last.offset.0);
        entry.from > last.from && steps.abs() == 1
    };
    if !entries.last().is_none_or(follows) {
        return Err(LeapError::Order(line));
    }
    if entries.len() == LeapTable::ENTRIES_MAX {
        return Err(LeapError::TooLong);
    }
    entries.push(entry);
    Ok(())
}

/// An error of a line, with as much of it as helps.
pub(super) fn bad(index: usize, line: &str, right: &'static str) -> LeapError {
    LeapError::Line(index + 1, line.chars().take(80).collect(), right)
}
