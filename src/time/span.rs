//! A span of time as people write it: `"120 ms"`, `"1us"`, `0.5`. A number alone is seconds.
//!
//! Decimal digits are read as integers, so `"1.1us"` is 1100 ns exactly and no binary fraction of
//! it.

use core::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::Duration;

/// A span of time as it was written in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// In seconds.
    pub fn seconds(self) -> f64 {
        self.0.seconds()
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Span {
    /// In the largest unit that makes it whole, such as `90 min`; exact for whole nanoseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.nanos();
        if Duration::from_nanos(nanos) != self.0 {
            return write!(f, "{} s", self.seconds());
        }
        let divides = |(_, scale): &(&str, i128)| nanos % scale == 0;
        let (unit, scale) = SHOWN.into_iter().find(divides).unwrap_or(("ns", 1));
        write!(f, "{} {unit}", nanos / scale)
    }
}

/// Reads a number with a unit, such as `120 ms`; without one it is seconds. `None` if it is neither,
/// or longer than a hundred years.
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1i128, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, unit) = rest.split_at(digits);
    let unit = unit.trim_start();
    let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() > DIGITS_MAX || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    // `split_once` leaves a second point in the fraction, where it is no digit.
    let mantissa: i128 = [whole, fraction].concat().parse().ok()?;
    let places = 10i128.pow(u32::try_from(fraction.len()).ok()?);
    let scaled = sign * mantissa * scale;
    let span = if scaled % places == 0 {
        Duration::from_nanos(scaled / places)
    } else {
        Duration::from_seconds_f64(scaled as f64 / places as f64 / 1e9)
    };
    (span.abs() <= LONGEST).then_some(span)
}

/// Reads a [`Span`] from a text or a number; for those who accept other words beside it.
#[derive(Clone, Copy, Debug)]
pub struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a time such as \"120ms\", \"1us\" or \"0.5s\" (ns, us, ms, s, min, h, d), or a \
             number of seconds",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        let invalid = || E::invalid_value(de::Unexpected::Str(text), &self);
        parse(text).map(Span).ok_or_else(invalid)
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
        let invalid = || E::invalid_value(de::Unexpected::Signed(seconds), &self);
        parse(&seconds.to_string()).map(Span).ok_or_else(invalid)
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Span, E> {
        // A float prints the shortest digits that mean it, which are those of the file.
        let invalid = || E::invalid_value(de::Unexpected::Float(seconds), &self);
        parse(&seconds.to_string()).map(Span).ok_or_else(invalid)
    }
}

/// Names of units and their length in nanoseconds.
const UNITS: [(&str, i128); 11] = [
    ("", 1_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    // The Greek letter, which keyboards type, is not the micro sign.
    ("μs", 1_000),
    ("ns", 1),
    ("min", 60 * 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
];

/// Units that are written, the longest first.
const SHOWN: [(&str, i128); 6] = [
    ("h", 3_600 * 1_000_000_000),
    ("min", 60 * 1_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// With a day's nanoseconds the product stays within 127 bits.
const DIGITS_MAX: usize = 20;
/// A hundred years: no span here means more.
const LONGEST: Duration = Duration::from_seconds(100 * 31_556_952);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_as_written() {
        for (text, nanos) in [
            ("1us", 1_000),
            ("120 ms", 120_000_000),
            ("0.5s", 500_000_000),
            ("-30ns", -30),
            ("+1.1 µs", 1_100),
            ("5m", 300_000_000_000),
            ("5min", 300_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("2", 2_000_000_000),
            (".25", 250_000_000),
            ("0", 0),
        ] {
            assert_eq!(parse(text).unwrap().nanos(), nanos, "{text}");
        }
        assert!((parse("0.1ns").unwrap().seconds() - 1e-10).abs() < 1e-19);
        for text in ["", "s", ".", "1.2.3s", "1 parsec", "--1s", "1e3", "NaN", "inf", "101000d"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"9".repeat(40)), None);
    }

    #[test]
    fn times_are_written_in_the_largest_whole_unit() {
        for (nanos, text) in [
            (0, "0 h"),
            (5_400_000_000_000, "90 min"),
            (-1_500_000_000, "-1500 ms"),
            (1_001, "1001 ns"),
        ] {
            assert_eq!(Span(Duration::from_nanos(nanos)).to_string(), text);
        }
        let third = Span(Duration::from_seconds(1) / 3);
        let again = parse(&third.to_string()).unwrap();
        assert!((again - third.0).abs() <= Duration::from_units(4096), "{third}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9. a-zµ]{0,30}") {
            parse(&text);
        }

        #[test]
        fn whole_nanoseconds_are_exact(nanos in -1_000_000_000_000i64..1_000_000_000_000) {
            let text = format!("{nanos} ns");
            prop_assert_eq!(parse(&text).unwrap(), Duration::from_nanos(nanos.into()));
            let text = format!("{}{}.{:06}ms", if nanos < 0 { "-" } else { "" },
                nanos.abs() / 1_000_000, nanos.abs() % 1_000_000);
            prop_assert_eq!(parse(&text).unwrap().nanos(), i128::from(nanos));
            let span = Span(Duration::from_nanos(nanos.into()));
            prop_assert_eq!(parse(&span.to_string()), Some(span.0));
        }
    }
}
