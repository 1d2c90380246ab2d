//! The rate of the oscillator as the node estimates it, against the rate at which it truly runs.

use super::course::Course;
use super::figure::{Entry, figure};
use super::frame;
use super::scale::Scale;
use super::svg::{band, line, path};
use super::units;
use crate::sim::{Column, Range};

/// The figure: both rates, and below their difference inside the node's own sigma.
pub fn plot(course: &Course<'_>) -> String {
    let columns = &course.record.columns;
    let of = |of: fn(&Column) -> Range| move |index: usize| of(&columns[index]);
    let mut both = course.range(of(|column| column.rate));
    both.join(course.range(of(|column| column.estimate)));
    let scale = Scale::about(both);
    let shapes = [
        path("rate", &band(&placed(course, &scale, of(|column| column.rate)))),
        path("estimate", &band(&placed(course, &scale, of(|column| column.estimate)))),
    ];
    let error = course.range(of(|column| column.rate_error));
    let words = format!(
        "The true rate lies between {} and {} after settling; the estimate is off by {} at most.",
        units::rate(both.low),
        units::rate(both.high),
        error.magnitude().map_or_else(|| "no value".to_owned(), units::rate)
    );
    let mut rates = course.frame("rate", "Frequency, estimated and true", 180, words.clone());
    rates.y = labelled(&scale, 6);
    let upper = rates.draw(&shapes.concat(), "");

    let mut about = error;
    about.join(course.range(of(|column| least(column.rate_sigma))));
    let most = about.magnitude().unwrap_or(1e-9);
    let scale = Scale::even(most);
    let shapes = [
        path("estimate", &band(&placed(course, &scale, of(|column| column.rate_error)))),
        path("sigma", &sigma(course, &scale)),
    ];
    let mut errors = course.frame("rate-error", "Estimated − true frequency", 150, words);
    errors.y = labelled(&scale, 5);
    let lower = errors.draw(&shapes.concat(), "");
    let legend = [
        Entry::area("rate", "true rate of the oscillator"),
        Entry::area("estimate", "the node's estimate; below: estimate − true"),
        Entry::line("sigma", "± one sigma, as the node has it, the least of each span"),
    ];
    let plots = format!("{upper}{lower}");
    figure("wide", "Frequency", "Positive: the oscillator runs fast.", &plots, &legend)
}

fn placed(
    course: &Course<'_>,
    scale: &Scale,
    of: impl Fn(usize) -> Range,
) -> Vec<(f64, Option<Range>)> {
    course.columns(|index| {
        let Range { low, high } = of(index);
        (low <= high).then(|| Range { low: scale.place(low), high: scale.place(high) })
    })
}

/// The least of a range: between samples a sigma grows, and the strictest one is shown.
fn least(range: Range) -> Range {
    if range.is_empty() { range } else { Range { high: range.low, ..range } }
}

/// Both edges of what the node takes to be one sigma.
fn sigma(course: &Course<'_>, scale: &Scale) -> String {
    let edge = |sign: f64| {
        let points = course.columns(|index| course.record.columns[index].rate_sigma);
        let placed = points
            .into_iter()
            .map(move |(x, sigma)| (!sigma.is_empty()).then(|| (x, scale.place(sign * sigma.low))));
        line(placed)
    };
    edge(1.0) + &edge(-1.0)
}

fn labelled(scale: &Scale, most: usize) -> Vec<frame::Tick> {
    frame::values(scale, most, &units::RATES)
}
