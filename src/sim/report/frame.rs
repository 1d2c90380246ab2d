//! What is around every plot: grid, labels, the scenario's events, and words for those who cannot
//! see it.
//!
//! ```text
//!      ①        ②③         marks, numbered above the field
//!  20 µs ┌──────┬────────┐
//!        │ field: stretches with the page
//!      0 └──────┴────────┘
//!        0 h    12 h   24 h  labels keep their size
//! ```

use core::fmt::Write;

use super::scale::Scale;
use super::svg::{escaped, percent};
use super::units;

/// A labelled value.
#[derive(Clone, Debug)]
pub struct Tick {
    /// 0 to 1.
    pub place: f64,
    /// As it is written.
    pub label: String,
}

/// A line across the field with a name above it.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Where, 0 to 1, and how far it reaches.
    pub from: f64,
    /// The same as `from` for what happens at once.
    pub to: f64,
    /// A few characters.
    pub name: String,
    /// What it says when hovered over.
    pub title: String,
}

/// The axes of a plot and what lies across it.
#[derive(Clone, Debug, Default)]
pub struct Frame<'f> {
    /// What identifies it on the page.
    pub id: String,
    /// What is drawn, in a few words.
    pub title: &'f str,
    /// What a reader who cannot see it should know, with figures.
    pub words: String,
    /// Height of the field, pixels.
    pub height: u32,
    /// Along the bottom.
    pub x: Vec<Tick>,
    /// Up the left side.
    pub y: Vec<Tick>,
    /// Across it.
    pub marks: &'f [Mark],
    /// What is not judged: up to this place.
    pub settled: f64,
}

impl Frame<'_> {
    /// The plot: `shapes` in the units of the field, `over` in per cent of it.
    pub fn draw(&self, shapes: &str, over: &str) -> String {
        let Self { id, title, words, height, .. } = self;
        let levels = levels(self.marks);
        let rows = levels.iter().flatten().max().map_or(0, |most| most + 1);
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<div class=\"area\" style=\"padding-top:{}px\"><svg role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\" height=\"{height}\"><title id=\"{id}-t\">{}</title>\
             <desc id=\"{id}-d\">{}</desc>",
            12 + rows * ROW,
            escaped(title),
            escaped(words),
        );
        out.push_str("<rect class=\"field\" width=\"100%\" height=\"100%\"/>\n");
        if self.settled > 0.0 {
            let width = percent(self.settled.min(1.0));
            let _ = writeln!(out, "<rect class=\"settle\" width=\"{width}\" height=\"100%\"/>");
        }
        self.grid(&mut out);
        let _ = write!(
            out,
            "<svg class=\"shapes\" viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" \
             width=\"100%\" height=\"100%\">\n{shapes}</svg>\n{over}"
        );
        self.marks(&levels, &mut out);
        out.push_str("</svg></div>\n");
        out
    }

    fn grid(&self, out: &mut String) {
        for tick in &self.y {
            let y = percent(1.0 - tick.place);
            let class = if tick.label == "0" { "grid zero" } else { "grid" };
            let _ = writeln!(
                out,
                "<line class=\"{class}\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>\
                 <text class=\"y\" x=\"-7\" y=\"{y}\" dy=\".35em\">{}</text>",
                tick.label
            );
        }
        for (index, tick) in self.x.iter().enumerate() {
            let x = percent(tick.place);
            let class = if index % 2 == 1 && self.x.len() > 5 { "x odd" } else { "x" };
            let _ = writeln!(
                out,
                "<line class=\"grid\" y2=\"100%\" x1=\"{x}\" x2=\"{x}\"/>\
                 <text class=\"{class}\" x=\"{x}\" y=\"100%\" dy=\"1.45em\">{}</text>",
                tick.label
            );
        }
    }

    fn marks(&self, levels: &[Option<u32>], out: &mut String) {
        for (mark, level) in self.marks.iter().zip(levels) {
            let (from, to) = (percent(mark.from), percent(mark.to));
            out.push_str("<g class=\"mark\">");
            let _ = write!(out, "<title>{}</title>", escaped(&mark.title));
            if mark.to > mark.from {
                let width = percent(mark.to - mark.from);
                let _ = write!(
                    out,
                    "<rect x=\"{from}\" width=\"{width}\" height=\"100%\"/>\
                     <line x1=\"{to}\" x2=\"{to}\" y2=\"100%\"/>"
                );
            }
            let _ = write!(out, "<line x1=\"{from}\" x2=\"{from}\" y2=\"100%\"/>");
            if let Some(level) = level {
                let y = -4 - i64::from(level * ROW);
                let _ = write!(out, "<text x=\"{from}\" y=\"{y}\">{}</text>", escaped(&mark.name));
            }
            out.push_str("</g>\n");
        }
    }
}

/// Ticks of an axis of time from 0 to so many seconds.
pub fn time(duration: f64) -> Vec<Tick> {
    let fits = |step: &&f64| duration / **step <= TIME_TICKS;
    let step = STEPS.iter().find(fits).copied().unwrap_or(duration / TIME_TICKS);
    let values = (0..=100).map(|index| f64::from(index) * step);
    let (size, name) = match step {
        s if s < 60.0 => (1.0, "s"),
        s if s < 3600.0 => (60.0, "min"),
        s if s < 86_400.0 => (3600.0, "h"),
        _ => (86_400.0, "d"),
    };
    values
        .take_while(|value| *value <= duration * (1.0 + 1e-9))
        .map(|value| Tick { place: value / duration, label: format!("{} {name}", value / size) })
        .collect()
}

/// Ticks of an axis of values that carry a unit.
pub fn values(scale: &Scale, most: usize, units: &[units::Unit]) -> Vec<Tick> {
    let ticks = scale.ticks(most);
    let largest = ticks.iter().map(|tick| tick.value().abs()).fold(0.0, f64::max);
    let common = units::unit_of(largest, units);
    let tick = |tick: &super::scale::Round| {
        // Decades span units; each has the one that it reaches.
        let unit = match scale {
            Scale::Linear { .. } => common,
            _ => units::unit_of(tick.value(), units),
        };
        Tick { place: scale.place(tick.value()), label: units::label(*tick, unit) }
    };
    ticks.iter().map(tick).collect()
}

/// Ticks of an axis of powers of ten.
pub fn powers(scale: &Scale, most: usize) -> Vec<Tick> {
    let tick = |tick: super::scale::Round| Tick {
        place: scale.place(tick.value()),
        label: units::power(tick),
    };
    scale.ticks(most).into_iter().map(tick).collect()
}

/// The row above the field in which each name has room; none if all are taken there.
fn levels(marks: &[Mark]) -> Vec<Option<u32>> {
    let mut ends = [f64::NEG_INFINITY; ROWS_MAX];
    let mut levels = vec![None; marks.len()];
    let mut order: Vec<usize> = (0..marks.len()).collect();
    order.sort_by(|a, b| marks[*a].from.total_cmp(&marks[*b].from));
    for index in order {
        let mark = &marks[index];
        let half = mark.name.chars().count() as f64 * CHARACTER / 2.0 + CHARACTER / 2.0;
        let free = ends.iter().position(|end| mark.from - half >= *end);
        if let Some(level) = free {
            ends[level] = mark.from + half;
            levels[index] = u32::try_from(level).ok();
        }
    }
    levels
}

/// Names above a field: rows, their height in pixels, and a character's width on a narrow page, a
/// share of the field.
const ROWS_MAX: usize = 3;
const ROW: u32 = 13;
const CHARACTER: f64 = 0.026;
/// Spans of time that people count in, s.
const STEPS: [f64; 27] = [
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1200.0,
    1800.0,
    3600.0,
    7200.0,
    10_800.0,
    14_400.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    432_000.0,
    864_000.0,
    1_728_000.0,
    4_320_000.0,
    8_640_000.0,
    17_280_000.0,
    43_200_000.0,
];
const TIME_TICKS: f64 = 8.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_counted_in_the_units_of_people() {
        let labels = |duration| -> Vec<String> {
            time(duration).into_iter().map(|tick| tick.label).collect()
        };
        assert_eq!(labels(93_600.0), ["0 h", "4 h", "8 h", "12 h", "16 h", "20 h", "24 h"]);
        assert_eq!(labels(90.0), ["0 s", "20 s", "40 s", "60 s", "80 s"]);
        assert_eq!(labels(1.0), ["0 s", "1 s"]);
        assert_eq!(
            labels(900.0),
            ["0 min", "2 min", "4 min", "6 min", "8 min", "10 min", "12 min", "14 min"]
        );
        for duration in [7.0 * 86_400.0, 3e7, 3.1e8] {
            let ticks = time(duration);
            assert!((3..=9).contains(&ticks.len()), "{duration}: {ticks:?}");
        }
    }

    #[test]
    fn names_that_would_touch_are_on_rows_of_their_own() {
        let mark = |from| Mark { from, to: from, name: "1".into(), title: String::new() };
        let marks = [0.5, 0.51, 0.1, 0.505, 0.515].map(mark);
        assert_eq!(levels(&marks), [Some(0), Some(2), Some(0), Some(1), None]);
    }

    #[test]
    fn decades_have_units_of_their_own() {
        let scale = Scale::symmetric(1e-6, 0.5);
        let labels: Vec<String> =
            values(&scale, 9, &units::SECONDS).into_iter().map(|tick| tick.label).collect();
        assert!(
            labels.contains(&"1 µs".to_owned()) && labels.contains(&"−10 ms".to_owned()),
            "{labels:?}"
        );
    }
}
