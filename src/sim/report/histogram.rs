//! How the error was distributed after settling.

use super::figure::{Entry, figure};
use super::frame::{self, Frame, Mark};
use super::scale::Scale;
use super::svg::{line, path};
use super::units;
use crate::sim::statistics::Histogram;
use crate::sim::{Distribution, Range, Record};

/// The figure; nothing where nothing came after settling.
pub fn plot(record: &Record, id: &str) -> String {
    let Some(distribution) = &record.distribution else { return String::new() };
    let Distribution { error, reference, p50, p99, extreme } = distribution;
    let x = Scale::Linear { low: error.low, high: error.high };
    let (ours, theirs) = (shares(error), shares(reference));
    let tallest = ours.iter().chain(&theirs).copied().fold(0.0, f64::max);
    let y = Scale::Linear { low: 0.0, high: (tallest * 1.08).max(1e-9) };
    let mut shapes = path("bars", &(outline(&ours, &y) + "Z"));
    let has_reference = theirs.iter().any(|share| *share > 0.0);
    if has_reference {
        shapes += &path("curve reference", &outline(&theirs, &y));
    }
    let marks = marks(&x, *p50, *p99, *extreme);
    let beyond = error.below + error.above;
    let words = format!(
        "Half of all errors are below {}, 99 % below {}; the largest is {}.",
        units::seconds(*p50),
        units::seconds(*p99),
        units::seconds(*extreme)
    );
    let frame = Frame {
        id: format!("{id}-histogram"),
        title: "Distribution of the error",
        words: words.clone(),
        height: 260,
        x: frame::values(&x, 5, &units::SECONDS),
        y: share_ticks(&y),
        marks: &marks,
        settled: 0.0,
    };
    let mut legend = vec![Entry::area("bars", "seconds with this error")];
    if has_reference {
        legend.push(Entry::line("curve reference", "filter that knows every law"));
    }
    let mut sentence = words;
    if beyond > 0 {
        sentence += &format!(" Beyond the edges: {beyond} s.");
    }
    figure("", "Distribution of the error", &sentence, &frame.draw(&shapes, ""), &legend)
}

/// Of all values, those beyond the edges included.
fn shares(histogram: &Histogram) -> Vec<f64> {
    let inside: u64 = histogram.bins.iter().sum();
    let all = (inside + histogram.below + histogram.above).max(1) as f64;
    histogram.bins.iter().map(|count| *count as f64 / all).collect()
}

/// Steps from the first bin's lower end to the last one's upper end.
fn outline(shares: &[f64], y: &Scale) -> String {
    let width = 1.0 / shares.len() as f64;
    let steps = shares.iter().enumerate().flat_map(|(bin, share)| {
        let (from, place) = (bin as f64 * width, y.place(*share));
        [Some((from, place)), Some((from + width, place))]
    });
    let (first, last) = (Some((0.0, 0.0)), Some((1.0, 0.0)));
    line([first].into_iter().chain(steps).chain([last]))
}

fn marks(x: &Scale, p50: f64, p99: f64, extreme: f64) -> Vec<Mark> {
    let mark = |value: f64, name: &str, title: &str| {
        let place = x.place(value);
        let name = match place {
            place if place > 1.0 => format!("{name} ▸"),
            place if place < 0.0 => format!("◂ {name}"),
            _ => name.to_owned(),
        };
        let place = place.clamp(0.0, 1.0);
        let title = format!("{title}: {}", units::seconds(value));
        Mark { from: place, to: place, name, title }
    };
    let half = "half of all errors are smaller";
    let nearly = "99 % of all errors are smaller";
    vec![
        mark(-p50, "p50", half),
        mark(p50, "p50", half),
        mark(-p99, "p99", nearly),
        mark(p99, "p99", nearly),
        mark(extreme, "max", "the largest error"),
    ]
}

fn share_ticks(scale: &Scale) -> Vec<frame::Tick> {
    let of = |range: Range| Scale::Linear { low: range.low * 100.0, high: range.high * 100.0 };
    let Scale::Linear { low, high } = *scale else { return Vec::new() };
    let unit = units::Unit { name: "%", exponent: 0 };
    let scale = of(Range { low, high });
    let ticks = scale.ticks(5).into_iter();
    ticks
        .map(|tick| frame::Tick {
            place: scale.place(tick.value()),
            label: units::label(tick, unit),
        })
        .collect()
}
