//! Values as a person at a terminal reads them: scaled, aligned, without noise.

use std::fmt;

/// A time with the unit that suits its size and four significant digits at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaled {
    nanoseconds: f64,
    signed: bool,
}

impl Scaled {
    /// So many nanoseconds.
    pub const fn of_nanoseconds(nanoseconds: f64) -> Self {
        Self { nanoseconds, signed: false }
    }

    /// With a plus where it is positive.
    #[must_use]
    pub const fn signed(self) -> Self {
        Self { signed: true, ..self }
    }
}

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.nanoseconds.abs();
        // The limits lie where rounding would otherwise write 1000.0.
        let (scale, unit) = match size {
            s if s >= 0.999_95e9 => (1e9, "s"),
            s if s >= 0.999_95e6 => (1e6, "ms"),
            s if s >= 0.999_95e3 => (1e3, "µs"),
            _ => (1.0, "ns"),
        };
        let value = self.nanoseconds / scale;
        let decimals = match value.abs() {
            0.0 => 0,
            v if v >= 99.995 => 1,
            v if v >= 9.9995 => 2,
            _ => 3,
        };
        let text = if self.signed && size > 0.0 {
            format!("{value:+.decimals$} {unit}")
        } else {
            format!("{value:.decimals$} {unit}")
        };
        f.pad(&text)
    }
}

/// An RFC 3339 instant without the letters: `2026-03-01 12:00:00.123456789`.
pub fn utc(rfc3339: &str) -> String {
    rfc3339.trim_end_matches('Z').replacen('T', " ", 1)
}

/// Rows of a name, a value and a remark, aligned.
#[derive(Debug, Default)]
pub(super) struct Rows(Vec<[String; 3]>);

impl Rows {
    pub fn add(&mut self, name: &str, value: impl fmt::Display, remark: impl fmt::Display) {
        self.0.push([name.to_owned(), value.to_string(), remark.to_string()]);
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| width(self.0.iter().map(|row| row[column].as_str()));
        let (names, values) = (width(0), width(1));
        for [name, value, remark] in &self.0 {
            let line = format!("{name:<names$}  {value:<values$}  {remark}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A table: a head, rows of as many cells, and which columns hold numbers (aligned right).
pub(super) fn table(
    f: &mut fmt::Formatter<'_>,
    right: &[bool],
    rows: &[Vec<String>],
) -> fmt::Result {
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let widths: Vec<usize> = (0..right.len())
        .map(|column| rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let mut line = String::new();
        for (column, width) in widths.iter().enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            let text = cell(row, column);
            line += &match right[column] {
                true => format!("{gap}{text:>width$}"),
                false => format!("{gap}{text:<width$}"),
            };
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

fn width<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}
