//! A compiled zone of `right/`, whose table of leap seconds is all that is read (RFC 9636 §3).
//!
//! Its instants count the leap seconds before them, too, and its corrections begin with 0 in 1972.
//! Only version 4 may tell an expiry, as a last entry that corrects nothing; others tell none.

use super::table::{Entry, push};
use super::{Duration, LeapError, LeapTable, TaiOffset, Timestamp, lines};

/// How every compiled zone begins.
pub(super) const MAGIC: &[u8] = b"TZif";

/// Parses the part with 64-bit instants where there is one.
pub(super) fn parse(bytes: &[u8]) -> Result<LeapTable, LeapError> {
    let mut at = Reader { bytes, at: 0 };
    let head = Head::read(&mut at)?;
    if head.version < b'2' {
        return table(&mut at, &head, 4);
    }
    at.skip(head.length(4))?;
    let head = Head::read(&mut at)?;
    table(&mut at, &head, 8)
}

/// The counts of a header (RFC 9636 §3.1).
struct Head {
    version: u8,
    ut_indicators: usize,
    standard_indicators: usize,
    leaps: usize,
    transitions: usize,
    types: usize,
    letters: usize,
}

impl Head {
    fn read(at: &mut Reader<'_>) -> Result<Self, LeapError> {
        if at.take(MAGIC.len())? != MAGIC {
            return Err(LeapError::NotText);
        }
        let version = at.take(1)?[0];
        at.skip(15)?;
        let mut count = || Ok(usize::try_from(at.number(4)?).unwrap_or(usize::MAX));
        Ok(Self {
            version,
            ut_indicators: count()?,
            standard_indicators: count()?,
            leaps: count()?,
            transitions: count()?,
            types: count()?,
            letters: count()?,
        })
    }

    /// Bytes before the leap seconds, in which instants have `width` bytes.
    fn before_leaps(&self, width: usize) -> usize {
        let times = self.transitions.saturating_mul(width + 1);
        times.saturating_add(self.types.saturating_mul(6)).saturating_add(self.letters)
    }

    /// Bytes of the whole block.
    fn length(&self, width: usize) -> usize {
        let leaps = self.leaps.saturating_mul(width + 4);
        let indicators = self.standard_indicators.saturating_add(self.ut_indicators);
        self.before_leaps(width).saturating_add(leaps).saturating_add(indicators)
    }
}

fn table(at: &mut Reader<'_>, head: &Head, width: usize) -> Result<LeapTable, LeapError> {
    at.skip(head.before_leaps(width))?;
    if head.leaps > LeapTable::ENTRIES_MAX {
        return Err(LeapError::TooLong);
    }
    let (mut entries, mut before, mut expires) = (vec![lines::first()], 0, None);
    for index in 1..=head.leaps {
        let (instant, correction) = (at.number(width)?, at.number(4)?);
        let inserted = correction > before;
        // An instant counts the leaps before it; where one is left out it is the second itself.
        let from = Timestamp::from_seconds(instant.saturating_sub(before).min(INSTANT_MAX));
        if correction == before && head.version >= b'4' && index == head.leaps {
            expires = Some(from);
            break;
        }
        let from = if inserted { from } else { from + Duration::SECOND };
        let offset =
            i16::try_from(correction + TAI_AT_FIRST).map_err(|_| LeapError::Order(index))?;
        push(&mut entries, Entry { from, offset: TaiOffset(offset) }, index)?;
        before = correction;
    }
    LeapTable::new(entries, expires)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], LeapError> {
        let end = self.at.saturating_add(count);
        let taken = self.bytes.get(self.at..end).ok_or(LeapError::Cut(self.bytes.len()))?;
        self.at = end;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), LeapError> {
        self.take(count).map(|_| ())
    }

    /// A signed number of 4 or 8 bytes.
    fn number(&mut self, width: usize) -> Result<i64, LeapError> {
        let bytes = self.take(width)?;
        let negative = bytes[0] & 0x80 != 0;
        let start = if negative { -1 } else { 0 };
        Ok(bytes.iter().fold(start, |number: i64, byte| number << 8 | i64::from(*byte)))
    }
}

/// TAI − UTC of 1972, which the corrections leave out.
const TAI_AT_FIRST: i64 = 10;
/// Year 35 000: far, and safe to count with.
const INSTANT_MAX: i64 = 1 << 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::LeapIndicator;

    const ZONE: &[u8] = include_bytes!("../../../tests/data/right-UTC");
    const LIST: &str = include_str!("../../../tests/data/leap-seconds.list");

    /// A zone of this version with these leaps alone.
    fn zone(version: u8, leaps: &[(i64, i32)]) -> Vec<u8> {
        let head = |leaps: usize| {
            let mut head = b"TZif".to_vec();
            head.push(version);
            head.extend([0; 15]);
            for count in [0, 0, leaps, 0, 1, 4] {
                head.extend(u32::try_from(count).unwrap().to_be_bytes());
            }
            head.extend([0; 10]);
            head
        };
        let mut bytes = head(0);
        bytes.extend(head(leaps.len()));
        for (instant, correction) in leaps {
            bytes.extend(instant.to_be_bytes());
            bytes.extend(correction.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn the_shipped_zone_holds_the_leaps_of_the_published_list() {
        let (zone, list) = (parse(ZONE).unwrap(), LeapTable::parse(LIST).unwrap());
        for month in 0..60 * 12 {
            let at = Timestamp::from_seconds(63_072_000 + month * 2_629_746);
            assert_eq!(zone.tai_offset(at), list.tai_offset(at), "{at}");
            assert_eq!(zone.indicator(at), list.indicator(at), "{at}");
        }
        // Nobody knows until when it is complete, so it tells of what it has only.
        let (leap, none) =
            (Timestamp::from_seconds(1_483_000_000), Timestamp::from_seconds(1_490_000_000));
        assert_eq!((zone.tells(leap), zone.tells(none)), (Some(LeapIndicator::Insert), None));
    }

    #[test]
    fn a_deleted_second_and_the_expiry_of_version_4() {
        // 2026-12-31T23:59:59 is left out: 27 leaps before it.
        let leaps = [(78_796_800, 1), (94_694_401, 0), (1_814_140_800, 0)];
        let table = parse(&zone(b'4', &leaps)).unwrap();
        let before = Timestamp::from_seconds(94_694_401);
        assert_eq!(table.tai_offset(before), Some(TaiOffset(10)));
        assert_eq!(table.tai_offset(before - Duration::from_seconds(2)), Some(TaiOffset(11)));
        assert_eq!(table.expires(), Some(Timestamp::from_seconds(1_814_140_800)));
        assert_eq!(parse(&zone(b'2', &leaps)).unwrap_err(), LeapError::Order(3));
    }

    #[test]
    fn a_zone_without_leaps_is_a_table_of_none_and_a_cut_one_is_refused() {
        assert_eq!(parse(&zone(b'2', &[])).unwrap().expires(), None);
        for length in 0..ZONE.len() - 20 {
            let told = parse(&ZONE[..length]);
            assert!(
                matches!(told, Err(LeapError::Cut(at)) if at == length) || length < 4,
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(tail in prop::collection::vec(any::<u8>(), 0..400), keep in 0usize..200) {
            let mut bytes = ZONE[..keep.max(4)].to_vec();
            bytes.extend(tail);
            let _ = LeapTable::read(&bytes);
        }
    }
}
