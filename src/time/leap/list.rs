//! `leap-seconds.list`: lines of NTP seconds and TAI − UTC, an expiry, and a SHA-1 of its own numbers.
//!
//! The list comes from the IERS. One with a wrong hash is refused: it was damaged or edited.

use sha1::{Digest, Sha1};

use super::table::{Entry, bad, push};
use super::{LeapError, LeapTable, TaiOffset, Timestamp, Utc};

/// Parses it and checks its hash.
pub(super) fn parse(text: &str) -> Result<LeapTable, LeapError> {
    let mut entries: Vec<Entry> = Vec::new();
    let (mut expires, mut stated) = (None, None);
    // The hash covers the digits of `#$`, of `#@` and of each entry, without separators.
    let (mut heads, mut digits) = ([String::new(), String::new()], String::new());
    for (index, line) in text.lines().enumerate() {
        let bad = || bad(index, line, "<NTP seconds> <TAI − UTC>");
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
            push(&mut entries, Entry { from, offset }, index + 1)?;
            digits.extend(line.split('#').next().unwrap_or("").split_whitespace());
        } else if !line.trim_start().starts_with('#') && !line.trim().is_empty() {
            return Err(bad());
        }
    }
    let hash = Sha1::digest([&heads[0], &heads[1], &digits].map(String::as_str).concat());
    match stated {
        None => Err(LeapError::NoHash),
        Some(stated) if hash[..] != stated => Err(LeapError::Hash),
        Some(_) if entries.is_empty() => Err(LeapError::Empty),
        Some(_) => LeapTable::new(entries, Some(expires.ok_or(LeapError::NoExpiry)?)),
    }
}

/// The two fields of an entry, without its comment.
fn fields(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split('#').next()?.split_whitespace();
    let pair = (words.next()?, words.next()?);
    words.next().is_none().then_some(pair)
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
    use crate::time::{Duration, LeapIndicator};

    const LIST: &str = include_str!("../../../tests/data/leap-seconds.list");

    fn utc(text: (i32, u8, u8)) -> Timestamp<Utc> {
        let date = crate::time::Date::new(text.0, text.1, text.2).unwrap();
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
        assert!(table.expires() > Some(utc((2024, 1, 1))));
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
        assert!(matches!(LeapTable::parse("12 apples"), Err(LeapError::Line(1, ..))));
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
}
