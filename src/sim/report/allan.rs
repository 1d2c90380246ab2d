//! Overlapping Allan deviation of the served time, of the oscillator left to itself, and of the
//! filter that knows every law.

use super::figure::{Entry, figure};
use super::frame::{self, Frame, Tick};
use super::scale::Scale;
use super::svg::{line, path, percent};
use super::units;
use crate::sim::{Range, Record};

/// The figure.
pub fn plot(record: &Record, id: &str) -> String {
    let deviations = &record.deviations;
    let curves = [
        ("free", "oscillator left to itself", &deviations.free),
        ("served", "served time", &deviations.served),
        // Last, since it may lie on the one before.
        ("reference", "filter that knows every law", &deviations.reference),
    ];
    let (mut taus, mut sizes) = (Range::NONE, Range::NONE);
    for (tau, deviation) in curves.iter().flat_map(|(.., curve)| positive(curve)) {
        taus.take(tau);
        sizes.take(deviation);
    }
    let (x, y) = (Scale::from_least(taus), Scale::decades(sizes));
    let (mut shapes, mut over, mut legend) = (String::new(), String::new(), Vec::new());
    for (class, name, curve) in curves {
        if curve.is_empty() {
            continue;
        }
        let points: Vec<(f64, f64)> =
            positive(curve).map(|(tau, size)| (x.place(tau), y.place(size))).collect();
        shapes += &path(&format!("curve {class}"), &line(points.iter().copied().map(Some)));
        over.extend(points.iter().map(|(x, y)| point(class, *x, *y)));
        legend.push(Entry::line(&format!("curve {class}"), name));
    }
    let frame = Frame {
        id: format!("{id}-allan"),
        title: "Allan deviation",
        words: words(record),
        height: 260,
        x: tau_ticks(&x),
        y: frame::powers(&y, 8),
        ..Frame::default()
    };
    let sentence = "Overlapping, after settling, events included. τ is the span over which two \
                    mean frequencies are compared.";
    figure("", "Allan deviation", sentence, &frame.draw(&shapes, &over), &legend)
}

/// A deviation of zero has no logarithm.
fn positive(curve: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + '_ {
    curve.iter().copied().filter(|(_, deviation)| *deviation > 0.0)
}

fn point(class: &str, x: f64, y: f64) -> String {
    let (x, y) = (percent(x), percent(1.0 - y));
    format!("<circle class=\"point {class}\" cx=\"{x}\" cy=\"{y}\" r=\"2.6\"/>")
}

fn tau_ticks(scale: &Scale) -> Vec<Tick> {
    let ticks = scale.ticks(7).into_iter();
    ticks
        .map(|tick| {
            let label = match tick.exponent {
                0..=3 => format!("{} s", tick.value()),
                _ => format!("{} s", units::power(tick)),
            };
            Tick { place: scale.place(tick.value()), label }
        })
        .collect()
}

fn words(record: &Record) -> String {
    let at = |curve: &[(f64, f64)]| {
        let ends = [curve.first(), curve.last()].into_iter().flatten();
        let end =
            |(tau, size): &(f64, f64)| format!("{} at {}", units::ratio(*size), units::span(*tau));
        let ends: Vec<String> = ends.map(end).collect();
        if ends.is_empty() { "no value".to_owned() } else { ends.join(", ") }
    };
    let deviations = &record.deviations;
    format!("Served time: {}. Oscillator: {}.", at(&deviations.served), at(&deviations.free))
}
