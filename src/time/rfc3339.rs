//! An instant of UTC as files write it (RFC 3339): `2026-01-01T00:00:00Z`.

use super::{Civil, Date, Duration, Timestamp, Utc, parse_span};

/// Reads date, time of day and `Z`; `None` if the calendar or the day has no such instant. A second
/// numbered 60 is refused: which instant it is depends on the leap seconds.
pub fn parse(text: &str) -> Option<Timestamp<Utc>> {
    let (date, time) = text.trim().strip_suffix(['Z', 'z'])?.split_once(['T', 't', ' '])?;
    let [year, month, day] = fields(date, '-')?;
    let (time, fraction) = match time.find('.') {
        Some(point) => (&time[..point], parse_span(&time[point..])?),
        None => (time, Duration::ZERO),
    };
    let [hour, minute, second] = fields(time, ':')?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let narrow = |number: u16| u8::try_from(number).ok();
    let civil = Civil {
        date: Date::new(year.into(), narrow(month)?, narrow(day)?)?,
        hour: narrow(hour)?,
        minute: narrow(minute)?,
        second: narrow(second)?,
    };
    Some(Timestamp::from_seconds(civil.unix_seconds()) + fraction)
}

/// Three numbers of two digits, four for the first of a date.
fn fields(text: &str, between: char) -> Option<[u16; 3]> {
    let mut parts = text.split(between).map(|part| {
        let digits = (2..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let fields = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_as_it_is_shown() {
        for text in ["2026-01-01T00:00:00.000000000Z", "2016-12-31T23:59:59.500000000Z"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("1970-01-01T00:00:01Z"), Some(Timestamp::from_seconds(1)));
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for text in [
            "",
            "Z",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T23:59:60Z",
            "2026-01-01T00:00Z",
            "2026-1-1T00:00:00Z",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00:00Z",
            "2026-01-01T00:00:00.-5Z",
            "99999-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
