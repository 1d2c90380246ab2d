//! The true error of the served time inside the bound that was published with it.

use super::course::Course;
use super::figure::{Entry, figure};
use super::frame;
use super::scale::Scale;
use super::svg::{band, path};
use super::units;
use crate::sim::statistics::median;
use crate::sim::{Column, Range};

/// The figure.
pub fn plot(course: &Course<'_>) -> String {
    let columns = &course.record.columns;
    let scale = scale(course);
    let mirrored = |of: fn(&Range) -> f64| {
        let bound = |index: usize| {
            let bound = columns[index].bound;
            (!bound.is_empty()).then(|| (-of(&bound), of(&bound)))
        };
        band(&placed(course, &scale, bound))
    };
    let error = |index: usize| {
        let Range { low, high } = columns[index].error;
        (low <= high).then_some((low, high))
    };
    let shapes = [
        path("bound", &mirrored(|bound| bound.high)),
        path("bound sure", &mirrored(|bound| bound.low)),
        path("outside", &strokes(course, 1.0, |column| column.outside)),
        path("unclaimed", &strokes(course, UNCLAIMED, |column| column.unclaimed)),
        path("error", &band(&placed(course, &scale, error))),
    ];
    let mut frame = course.frame("error", "True error inside its bound", HEIGHT, words(course));
    frame.y = frame::values(&scale, 9, &units::SECONDS);
    let mut legend = vec![
        Entry::area("error", "true error: served − true"),
        Entry::area("bound sure", "± bound, the least of each span"),
        Entry::area("bound", "± bound, the largest"),
    ];
    let beyond: u32 = columns.iter().map(|column| column.outside).sum();
    if beyond > 0 {
        legend.push(Entry::area("outside", format!("error beyond the bound: {beyond} s")));
    }
    let unclaimed: u32 = columns.iter().map(|column| column.unclaimed).sum();
    if unclaimed > 0 {
        legend.push(Entry::area("unclaimed", format!("no bound claimed: {unclaimed} s")));
    }
    if course.settled() > 0.0 {
        legend.push(Entry::area("settle", "settling, not in the figures"));
    }
    let drawn = frame.draw(&shapes.concat(), "") + &course.events();
    figure("wide", "True error inside its bound", &sentence(course, &scale), &drawn, &legend)
}

/// Ranges of a quantity in each column as places on the axis.
fn placed(
    course: &Course<'_>,
    scale: &Scale,
    of: impl Fn(usize) -> Option<(f64, f64)>,
) -> Vec<(f64, Option<Range>)> {
    course.columns(|index| {
        let (low, high) = of(index)?;
        Some(Range { low: scale.place(low), high: scale.place(high) })
    })
}

/// Wide enough for all that came after settling; evenly, unless that makes what is usual too small
/// to see.
fn scale(course: &Course<'_>) -> Scale {
    let columns = &course.record.columns;
    let both = |column: &Column| {
        let mut range = column.error;
        range.join(column.bound);
        range.magnitude()
    };
    let most = course.range(|index| {
        let mut range = columns[index].error;
        range.join(columns[index].bound);
        range
    });
    let most = most.magnitude().unwrap_or(1.0);
    let usual = |of: &dyn Fn(&Column) -> Option<f64>| {
        let judged = course.columns(|index| of(&columns[index])).into_iter();
        let settled = judged.filter(|(place, _)| *place >= course.settled());
        median(&settled.filter_map(|(_, value)| value).collect::<Vec<_>>()).unwrap_or(most)
    };
    if most <= EVEN_UP_TO * usual(&both) {
        return Scale::even(most);
    }
    Scale::symmetric(2.0 * usual(&|column| column.error.magnitude()), most)
}

/// Strokes from the bottom up, so high, at each column in which there was any.
fn strokes(course: &Course<'_>, height: f64, of: impl Fn(&Column) -> u32) -> String {
    let full = Range { low: 0.0, high: height };
    let any = |index: usize| (of(&course.record.columns[index]) > 0).then_some(full);
    band(&course.columns(any))
}

fn sentence(course: &Course<'_>, scale: &Scale) -> String {
    let mut text = match scale {
        Scale::Linear { .. } => String::new(),
        _ => "Even about zero up to the first line, decades beyond. ".to_owned(),
    };
    let judged = course.range(|index| course.record.columns[index].error).magnitude();
    let mut before = Range::NONE;
    let columns = course.columns(|index| course.record.columns[index].error);
    let early = columns.into_iter().filter(|(place, _)| *place < course.settled());
    early.for_each(|(_, range)| before.join(range));
    if let (Some(before), Some(judged)) = (before.magnitude(), judged)
        && before > judged
    {
        text += &format!("While settling up to {}.", units::seconds(before));
    }
    text
}

fn words(course: &Course<'_>) -> String {
    let columns = &course.record.columns;
    let error = course.range(|index| columns[index].error).magnitude();
    let bounds = course.columns(|index| columns[index].bound);
    let bounds: Vec<f64> = bounds
        .into_iter()
        .filter(|(place, bound)| *place >= course.settled() && !bound.is_empty())
        .map(|(_, bound)| bound.high)
        .collect();
    let beyond: u32 = columns.iter().map(|column| column.outside).sum();
    format!(
        "After settling the error stays within {}; the bound is usually {}. It was beyond the bound \
         in {beyond} s of the run.",
        error.map_or_else(|| "no value".to_owned(), units::seconds),
        median(&bounds).map_or_else(|| "not claimed".to_owned(), units::seconds),
    )
}

const HEIGHT: u32 = 300;
/// Height of the strip that tells of seconds without a bound, a share of the field.
const UNCLAIMED: f64 = 0.022;
/// How far the largest may be beyond what is usual on an even axis.
const EVEN_UP_TO: f64 = 6.0;
