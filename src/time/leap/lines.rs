//! The tz database's `leapseconds`: `Leap YEAR Jun 30 23:59:60 + S`, the input of zic(8).
//!
//! It counts from 1972-01-01, when TAI − UTC was 10 s. Its expiry stands in a line `Expires`, which
//! is commented out for the sake of old compilers, and once more as `#expires <POSIX seconds>`.

use super::table::{Entry, bad, push};
use super::{Duration, LeapError, LeapTable, TaiOffset, Timestamp, Utc};
use crate::time::Date;

/// Whether a text is of this format rather than a list.
pub(super) fn is_one(text: &str) -> bool {
    text.lines().any(|line| line.split_whitespace().next() == Some("Leap"))
}

/// Parses it.
pub(super) fn parse(text: &str) -> Result<LeapTable, LeapError> {
    let mut entries = vec![first()];
    let mut expires = None;
    for (index, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Leap", year, month, day, time, sign, ..] => {
                let leap = of_words([year, month, day], time, sign);
                let (from, by) = leap.ok_or_else(|| bad(index, line, LEAP_RIGHT))?;
                let last = entries.last().map_or(0, |entry| entry.offset.0);
                let offset = TaiOffset(last + by);
                push(&mut entries, Entry { from, offset }, index + 1)?;
            }
            ["Leap", ..] => return Err(bad(index, line, LEAP_RIGHT)),
            ["Expires" | "#Expires", year, month, day, ..] => {
                let day = date(year, month, day).ok_or_else(|| bad(index, line, EXPIRES_RIGHT))?;
                expires = Some(midnight(day));
            }
            ["#expires", seconds, ..] => {
                let seconds = seconds.parse().ok().filter(|s| (0..1 << 40).contains(s));
                let seconds =
                    seconds.ok_or_else(|| bad(index, line, "#expires <POSIX seconds>"))?;
                expires = Some(Timestamp::from_seconds(seconds));
            }
            [word, ..] if !word.starts_with('#') => return Err(bad(index, line, LEAP_RIGHT)),
            _ => {}
        }
    }
    LeapTable::new(entries, expires)
}

/// 1972-01-01: the count of both formats of the tz database begins there.
pub(super) fn first() -> Entry {
    Entry { from: Timestamp::from_seconds(63_072_000), offset: TaiOffset(10) }
}

/// From when on UTC counts anew, and what TAI − UTC gains.
fn of_words(day: [&str; 3], time: &str, sign: &str) -> Option<(Timestamp<Utc>, i16)> {
    let [year, month, day] = day;
    let from = midnight(date(year, month, day)?) + Duration::from_seconds(86_400);
    match (time, sign) {
        ("23:59:60", "+") => Some((from, 1)),
        ("23:59:59", "-") => Some((from, -1)),
        _ => None,
    }
}

fn date(year: &str, month: &str, day: &str) -> Option<Date> {
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let year = year.parse().ok().filter(|year| (1972..=9999).contains(year))?;
    Date::new(year, u8::try_from(month + 1).ok()?, day.parse().ok()?)
}

fn midnight(date: Date) -> Timestamp<Utc> {
    Timestamp::from_seconds(date.unix_days() * 86_400)
}

const LEAP_RIGHT: &str = "Leap YEAR Jun 30 23:59:60 + S (or 23:59:59 -)";
const EXPIRES_RIGHT: &str = "Expires YEAR Jun 28 00:00:00";
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::LeapIndicator;

    const LINES: &str = include_str!("../../../tests/data/leapseconds");
    const LIST: &str = include_str!("../../../tests/data/leap-seconds.list");

    #[test]
    fn the_published_text_holds_the_leaps_of_the_published_list() {
        let (lines, list) = (parse(LINES).unwrap(), LeapTable::parse(LIST).unwrap());
        assert!(is_one(LINES) && !is_one(LIST));
        for month in 0..12 * 60 {
            let day = Date::new(1972 + month / 12, u8::try_from(month % 12 + 1).unwrap(), 15);
            let at = midnight(day.unwrap());
            assert_eq!(lines.tai_offset(at), list.tai_offset(at), "{at}");
            assert_eq!(lines.indicator(at), list.indicator(at), "{at}");
        }
        assert_eq!(lines.expires(), Some(Timestamp::from_seconds(1_782_604_800)));
    }

    #[test]
    fn a_deleted_second_and_an_expiry_in_words() {
        let text = "Leap\t2026\tDec\t31\t23:59:59\t-\tS\nExpires\t2027\tJun\t28\t00:00:00\n";
        let table = parse(text).unwrap();
        let december = Timestamp::from_seconds(1_798_000_000);
        assert_eq!(table.tells(december), Some(LeapIndicator::Delete));
        assert_eq!(table.expires(), Some(Timestamp::from_seconds(1_814_140_800)));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let told = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            told("# fine\nLeap 2026 Dec 31 23:59:61 + S"),
            "line 2: 'Leap 2026 Dec 31 23:59:61 + S' is not \
             'Leap YEAR Jun 30 23:59:60 + S (or 23:59:59 -)'"
        );
        for wrong in
            ["Leap 2026 Foo 31 23:59:60 +", "Leap 2026", "Rule 2026", "Leap 20x6 Dec 31 23:59:60 +"]
        {
            assert!(told(wrong).starts_with("line 1: "), "{wrong}");
        }
        assert!(told("Leap 2026 Dec 31 23:59:60 + S\n#expires soon").starts_with("line 2: "));
        assert!(
            told("Leap 2026 Dec 31 23:59:60 + S\nLeap 2026 Jun 30 23:59:60 + S")
                .starts_with("line 2")
        );
    }
}
