//! The few shapes that the plots are made of, as text.
//!
//! Curves lie in a field of [`FIELD`] by [`FIELD`] units that stretches with the page; what must
//! keep its size, as text and line widths, is placed in per cent of it. Coordinates have one decimal:
//! a tenth of a thousandth is finer than a screen.

use crate::sim::Range;

/// Width and height of the field of a plot, in its own units.
pub const FIELD: f64 = 1000.0;

/// Text that HTML and XML take for text; control characters have no place in it.
pub fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}

/// A coordinate with at most one decimal.
pub fn coordinate(value: f64) -> String {
    let text = format!("{:.1}", value.clamp(-FAR, FAR));
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A place from 0 to 1 in per cent, for what does not stretch.
pub fn percent(place: f64) -> String {
    format!("{:.2}%", place.clamp(-10.0, 10.0) * 100.0)
}

/// A curve through points with gaps, as path data; x and y from 0 to 1, y upwards.
pub fn line(points: impl IntoIterator<Item = Option<(f64, f64)>>) -> String {
    let mut path = String::new();
    let mut open = false;
    for point in points {
        let Some((x, y)) = point else {
            open = false;
            continue;
        };
        path.push(if open { ' ' } else { 'M' });
        push(&mut path, x, y);
        open = true;
    }
    path
}

/// The outline of a band, as path data: columns of x with a range of y each, gaps between.
pub fn band(columns: &[(f64, Option<Range>)]) -> String {
    let mut path = String::new();
    for run in columns.split(|(_, range)| range.is_none()) {
        let ranges: Vec<(f64, Range)> =
            run.iter().filter_map(|(x, range)| Some((*x, (*range)?))).collect();
        let there = ranges.iter().map(|(x, range)| (*x, range.high));
        let back = ranges.iter().rev().map(|(x, range)| (*x, range.low));
        let mut mark = 'M';
        for (x, y) in there.chain(back) {
            path.push(mark);
            push(&mut path, x, y);
            mark = ' ';
        }
        if mark == ' ' {
            path.push('Z');
        }
    }
    path
}

/// A path of a class.
pub fn path(class: &str, data: &str) -> String {
    if data.is_empty() {
        return String::new();
    }
    format!("<path class=\"{class}\" d=\"{data}\"/>\n")
}

/// A rectangle as path data: its ends from 0 to 1, its top and height in the units of its field.
pub fn rectangle(ends: [f64; 2], top: f64, height: f64) -> String {
    // From the rounded ends, so that one begins where the one before it ends.
    let [from, to] = ends.map(|place| libm::round(place * FIELD * 10.0) / 10.0);
    let [x, y, width, height] = [from, top, to - from, height].map(coordinate);
    format!("M{x},{y}h{width}v{height}h-{width}z")
}

fn push(path: &mut String, x: f64, y: f64) {
    path.push_str(&coordinate(x * FIELD));
    path.push(',');
    path.push_str(&coordinate((1.0 - y) * FIELD));
}

/// A curve may leave the field; it need not leave it further.
const FAR: f64 = 99_999.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escaped("a<b> & \"c\" 'd'\n"),
            "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;\u{fffd}"
        );
    }

    #[test]
    fn coordinates_are_short_and_finite() {
        assert_eq!([1.0, 0.04, -0.04, 0.25, 1e9].map(coordinate), ["1", "0", "0", "0.2", "99999"]);
        assert_eq!(percent(1.0 / 3.0), "33.33%");
        assert_eq!(rectangle([0.25, 0.2512], 7.5, 7.5), "M250,7.5h1.2v7.5h-1.2z");
    }

    #[test]
    fn gaps_break_a_curve() {
        let points = [Some((0.0, 0.0)), Some((0.5, 1.0)), None, Some((1.0, 0.5)), None];
        assert_eq!(line(points), "M0,1000 500,0M1000,500");
    }

    #[test]
    fn a_band_holds_every_column() {
        let range = |low, high| Some(Range { low, high });
        let columns =
            [(0.0, range(0.0, 0.5)), (0.5, range(0.25, 1.0)), (0.6, None), (1.0, range(0.5, 0.5))];
        assert_eq!(band(&columns), "M0,500 500,0 500,750 0,1000ZM1000,500 1000,500Z");
        assert_eq!(band(&[]), "");
    }
}
