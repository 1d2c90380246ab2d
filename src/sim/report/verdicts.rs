//! What was thought of each source in the course of the run, below the phase of the node.
//!
//! A column in which a row changed shows all that it was, one above the other: nothing is lost, and
//! a source that flickers looks like one.

use core::fmt::Write;
use std::collections::BTreeMap;

use super::course::Course;
use super::figure::{Entry, figure, layers};
use super::svg::{FIELD, escaped, rectangle};
use super::units;
use crate::mitigation::Verdict;
use crate::sim::Bits;
use crate::state::Phase;

/// The figure.
pub fn plot(course: &Course<'_>) -> String {
    let record = course.record;
    let mut over = String::new();
    let phases: Vec<Bits> = record.columns.iter().map(|column| column.phases).collect();
    let phase = |index: usize| (phase_class(Phase::ALL[index]), Phase::ALL[index].to_string());
    row(course, 0, "phase", &phases, &phase, &mut over);
    let verdict = |index: usize| {
        let verdict = Verdict::ALL[index];
        (verdict_class(verdict), verdict.name().replace('_', " "))
    };
    let shown = record.sources.iter().take(ROWS_MAX);
    for (index, source) in shown.enumerate() {
        row(course, index + 1, &source.name, &source.verdicts, &verdict, &mut over);
    }
    let rows = u32::try_from(record.sources.len().min(ROWS_MAX) + 1).unwrap_or(1);
    let title = "Verdicts on the sources";
    let frame = course.frame("verdicts", title, rows * ROW, words(course));
    figure("wide", title, &sentence(course), &frame.draw("", &over), &legend(course))
}

/// One row: a name above a strip of runs of equal columns, a path for each thing that it was.
fn row(
    course: &Course<'_>,
    index: usize,
    name: &str,
    strip: &[Bits],
    named: &impl Fn(usize) -> (&'static str, String),
    out: &mut String,
) {
    let top = index as f64 * f64::from(ROW);
    let rows = course.record.sources.len().min(ROWS_MAX) + 1;
    let merged = (strip.len() * rows).div_ceil(CELLS_MAX).max(1);
    let cells: Vec<Bits> = strip.chunks(merged).map(Bits::all).collect();
    let mut paths: BTreeMap<usize, (usize, String)> = BTreeMap::new();
    let mut at = 0;
    for run in cells.chunk_by(|a, b| a == b) {
        let ends = [at, at + run.len()].map(|cell| course.place(cell * merged, 0.0));
        at += run.len();
        let parts: Vec<usize> = run[0].iter().collect();
        let height = STRIP / parts.len().max(1) as f64;
        for (place, part) in parts.iter().enumerate() {
            let (cells, path) = paths.entry(*part).or_default();
            *cells += run.len();
            path.push_str(&rectangle(ends, place as f64 * height, height));
        }
    }
    // What is rare comes last, so that nothing hides it.
    let mut paths: Vec<(usize, (usize, String))> = paths.into_iter().collect();
    paths.sort_by_key(|(_, (cells, _))| core::cmp::Reverse(*cells));
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<text class=\"row\" x=\"4\" y=\"{}\">{}</text><svg class=\"shapes strip\" y=\"{}\" \
         width=\"100%\" height=\"{STRIP}\" viewBox=\"0 0 {FIELD} {STRIP}\" \
         preserveAspectRatio=\"none\">",
        top + 12.0,
        escaped(name),
        top + 17.0
    );
    for (part, (_, path)) in paths {
        let (class, word) = named(part);
        for class in layers(class) {
            let _ =
                writeln!(out, "<path class=\"{class}\" d=\"{path}\"><title>{word}</title></path>");
        }
    }
    out.push_str("</svg>\n");
}

fn legend(course: &Course<'_>) -> Vec<Entry> {
    let record = course.record;
    let (mut phases, mut verdicts) = (Bits::default(), Bits::default());
    let columns = record.columns.iter().flat_map(|column| column.phases.iter());
    columns.for_each(|phase| phases.insert(phase));
    let bits = record.sources.iter().flat_map(|source| &source.verdicts);
    bits.flat_map(|bits| bits.iter()).for_each(|verdict| verdicts.insert(verdict));
    let phase = |index: usize| {
        let phase = Phase::ALL[index];
        Entry::area(phase_class(phase), format!("phase: {phase}"))
    };
    let verdict = |index: usize| {
        let verdict = Verdict::ALL[index];
        let (name, meaning) = (verdict.name().replace('_', " "), verdict.to_string());
        let text = if name == meaning { name } else { format!("{name}: {meaning}") };
        Entry::area(verdict_class(verdict), text)
    };
    phases.iter().map(phase).chain(verdicts.iter().map(verdict)).collect()
}

fn sentence(course: &Course<'_>) -> String {
    let more = course.record.sources.len().saturating_sub(ROWS_MAX);
    let text = "A strip in layers was all of them within that span.";
    if more > 0 { format!("{text} {more} more sources are left out.") } else { text.to_owned() }
}

/// The same in words: shares of time.
fn words(course: &Course<'_>) -> String {
    let record = course.record;
    let share = |seconds: u32, all: u32| units::percent(f64::from(seconds) / f64::from(all.max(1)));
    let mut text = "Phase:".to_owned();
    let all = record.phases.iter().sum();
    for (phase, seconds) in Phase::ALL.iter().zip(record.phases).filter(|(_, s)| *s > 0) {
        text += &format!(" {phase} {}", share(seconds, all));
    }
    for source in record.sources.iter().take(ROWS_MAX) {
        text += &format!(". {}:", source.name);
        let all = source.seconds.iter().sum();
        for (verdict, seconds) in Verdict::ALL.iter().zip(source.seconds).filter(|(_, s)| *s > 0) {
            text += &format!(" {} {}", verdict.name().replace('_', " "), share(seconds, all));
        }
    }
    text
}

const fn phase_class(phase: Phase) -> &'static str {
    match phase {
        Phase::Cold => "c-grey",
        Phase::Acquiring => "c-yellow",
        Phase::Locked => "c-green",
        Phase::Holdover => "c-orange+hatch-lines",
        Phase::FreeRunning => "c-red+hatch-dots",
    }
}

/// Used ones blue and green, refused ones red and purple, quiet ones grey; what shares a colour has
/// a pattern of its own.
const fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Silent => "c-grey",
        Verdict::Stale => "c-grey+hatch-lines",
        Verdict::Unnumbered => "c-grey+hatch-dots",
        Verdict::Unsynchronised => "c-dark",
        Verdict::NotSelectable => "c-dark+hatch-lines",
        Verdict::TooDistant => "c-yellow+hatch-lines",
        Verdict::Falseticker => "c-red",
        Verdict::NoMajority => "c-purple",
        Verdict::Outlier => "c-orange",
        Verdict::Numbering => "c-sky+hatch-dots",
        Verdict::Reserve => "c-sky+hatch-lines",
        Verdict::Combined => "c-sky",
        Verdict::SystemPeer => "c-blue",
        Verdict::PulsePeer => "c-blue+hatch-dots",
    }
}

/// Cells of all strips: with more than a few sources a cell is several columns.
const CELLS_MAX: usize = 8000;
/// Pixels of a row and of the strip in it.
const ROW: u32 = 36;
const STRIP: f64 = 15.0;
/// A node has at most 64 sources.
const ROWS_MAX: usize = 64;
