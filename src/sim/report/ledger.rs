//! What the bound was made of: each term's share of it, stacked.

use super::course::Course;
use super::figure::{Entry, figure};
use super::frame::Tick;
use super::svg::{band, path};
use super::units;
use crate::sim::Range;
use crate::state::Term;

/// The figure.
pub fn plot(course: &Course<'_>) -> String {
    let record = course.record;
    let all: f64 = record.terms.iter().sum();
    let share = |term: Term| if all > 0.0 { record.terms[term.index()] / all } else { 0.0 };
    let present: Vec<Term> =
        Term::ALL.into_iter().filter(|term| record.terms[term.index()] > 0.0).collect();
    let mut below = vec![0.0; record.columns.len()];
    let mut shapes = String::new();
    for term in &present {
        let column = |index: usize| {
            let terms = &record.columns[index].terms;
            let sum: f64 = terms.iter().sum();
            let part = terms[term.index()] / sum;
            (sum > 0.0).then(|| Range { low: below[index], high: below[index] + part })
        };
        let stacked = course.columns(column);
        for (below, (_, range)) in below.iter_mut().zip(&stacked) {
            *below = range.map_or(0.0, |range| range.high);
        }
        shapes += &path(&class(*term), &band(&stacked));
    }
    let listed = |term: &Term| {
        format!("{} {}: {}", term.name(), units::percent(share(*term)), term.meaning())
    };
    let words: Vec<String> = present.iter().map(listed).collect();
    let mut frame = course.frame("ledger", "What the bound is made of", 200, words.join("; "));
    let tick = |percent: u32| Tick {
        place: f64::from(percent) / 100.0,
        label: if percent == 0 { "0".to_owned() } else { format!("{percent} %") },
    };
    frame.y = [0, 25, 50, 75, 100].map(tick).to_vec();
    // Topmost first, as they lie in the plot.
    let legend: Vec<Entry> =
        present.iter().rev().map(|term| Entry::area(&class(*term), listed(term))).collect();
    let sentence = "Each term's share of the bound, while one was claimed; figures are of the \
                    whole run.";
    figure("wide list", "What the bound is made of", sentence, &frame.draw(&shapes, ""), &legend)
}

fn class(term: Term) -> String {
    format!("term t-{}", term.name())
}
