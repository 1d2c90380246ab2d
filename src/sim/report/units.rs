//! Values with the unit that suits their size, as a reader of a page expects them.

use super::scale::{Round, decade, scaled};

/// A unit of something, as a power of ten of its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// As it is written behind a number.
    pub name: &'static str,
    /// Its power of ten.
    pub exponent: i32,
}

/// Units of time up from the picosecond.
pub const SECONDS: [Unit; 5] = [
    Unit { name: "ps", exponent: -12 },
    Unit { name: "ns", exponent: -9 },
    Unit { name: "µs", exponent: -6 },
    Unit { name: "ms", exponent: -3 },
    Unit { name: "s", exponent: 0 },
];

/// Units of a rate.
pub const RATES: [Unit; 2] =
    [Unit { name: "ppb", exponent: -9 }, Unit { name: "ppm", exponent: -6 }];

/// The largest unit that a value reaches, the smallest if it reaches none.
pub fn unit_of(size: f64, units: &[Unit]) -> Unit {
    let reached = units.iter().rev().find(|unit| size.abs() >= scaled(0.9995, unit.exponent));
    reached.or(units.first()).copied().unwrap_or(Unit { name: "", exponent: 0 })
}

/// A value with three significant digits and its unit: `1.23 µs`.
pub fn figure(value: f64, units: &[Unit]) -> String {
    if value == 0.0 {
        let unit = units.last().map_or("", |unit| unit.name);
        return format!("0 {unit}");
    }
    let unit = unit_of(value, units);
    format!("{} {}", digits(scaled(value, -unit.exponent)), unit.name)
}

/// Seconds: `1.23 µs`.
pub fn seconds(value: f64) -> String {
    figure(value, &SECONDS)
}

/// A rate: `1.23 ppm`.
pub fn rate(value: f64) -> String {
    figure(value, &RATES)
}

/// A number with three significant digits, without a unit.
pub fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 || size == 0.0 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        _ => 3,
    };
    minus(&format!("{value:.decimals$}"))
}

/// A share of 1 in per cent. One that is not whole must not look so by rounding.
pub fn percent(share: f64) -> String {
    match share {
        1.0 => "100 %".to_owned(),
        _ if share > 0.999 => format!("{:.4} %", (share * 100.0).min(99.9999)),
        _ if share >= 0.1 => format!("{:.1} %", share * 100.0),
        _ => format!("{:.2} %", share * 100.0),
    }
}

/// The label of a tick: in the unit of the axis' largest, or in its own.
pub fn label(tick: Round, unit: Unit) -> String {
    if tick.count == 0 {
        return "0".to_owned();
    }
    let decimals = usize::try_from(unit.exponent - tick.exponent).unwrap_or(0);
    let value = scaled(tick.count as f64, tick.exponent - unit.exponent);
    let text = format!("{value:.decimals$}");
    let text = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{} {}", minus(text), unit.name)
}

/// The label of a power of ten: `10⁻⁹`.
pub fn power(tick: Round) -> String {
    let exponent = tick.exponent.to_string();
    let raised = exponent.chars().map(|c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' => '⁰',
        c => c.to_digit(10).and_then(|digit| char::from_u32(0x2070 + digit)).unwrap_or(c),
    });
    format!("10{}", raised.collect::<String>())
}

/// A span on the scale of a run, with its unit: `90 min`, `26 h`.
pub fn span(value: f64) -> String {
    let (size, name) = match value.abs() {
        v if v < 120.0 => (1.0, "s"),
        v if v < 7200.0 => (60.0, "min"),
        v if v < 4.0 * 86_400.0 => (3600.0, "h"),
        _ => (86_400.0, "d"),
    };
    let text = format!("{:.2}", value / size);
    format!("{} {name}", minus(text.trim_end_matches('0').trim_end_matches('.')))
}

/// A deviation: `1.2·10⁻⁹`.
pub fn ratio(value: f64) -> String {
    if value <= 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let exponent = decade(value);
    let mantissa = format!("{:.1}", scaled(value, -exponent));
    let (mantissa, exponent) =
        if mantissa == "10.0" { ("1.0", exponent + 1) } else { (mantissa.as_str(), exponent) };
    format!("{mantissa}·{}", power(Round { count: 1, exponent }))
}

/// A minus as wide as a plus.
fn minus(text: &str) -> String {
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_unit_of_their_size() {
        for (value, want) in [
            (0.0, "0 s"),
            (1.234e-6, "1.23 µs"),
            (-3.4e-8, "−34.0 ns"),
            (0.0999, "99.9 ms"),
            (0.9999e-3, "1.00 ms"),
            (12.0, "12.0 s"),
            (4e-12, "4.00 ps"),
            (1e-14, "0.010 ps"),
        ] {
            assert_eq!(seconds(value), want);
        }
        assert_eq!(rate(1e-5), "10.0 ppm");
        assert_eq!(rate(-2e-10), "−0.200 ppb");
        assert_eq!(ratio(9.99e-10), "1.0·10⁻⁹");
        assert_eq!(ratio(3.14e-12), "3.1·10⁻¹²");
    }

    #[test]
    fn a_share_below_one_never_reads_as_one() {
        assert_eq!(
            [1.0, 0.999_999_99, 0.5, 0.001].map(percent),
            ["100 %", "99.9999 %", "50.0 %", "0.10 %"]
        );
    }

    #[test]
    fn labels_are_as_short_as_they_can_be() {
        let unit = unit_of(3e-5, &SECONDS);
        let tick = |count, exponent| label(Round { count, exponent }, unit);
        assert_eq!(
            [tick(0, -5), tick(2, -5), tick(-15, -7), tick(1, -6)],
            ["0", "20 µs", "−1.5 µs", "1 µs"]
        );
        assert_eq!(power(Round { count: 1, exponent: -13 }), "10⁻¹³");
        assert_eq!(
            [60.0, 5400.0, 93_600.0, 864_000.0].map(span),
            ["60 s", "90 min", "26 h", "10 d"]
        );
    }
}
