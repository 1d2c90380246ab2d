//! What is kept of a run so that it can be drawn: columns of equal span, however long it was.
//!
//! A column holds the least and the largest of everything that was seen in its span, so no peak is
//! lost by drawing at most [`COLUMNS_MAX`] of them. What happens between two looks, as a verdict
//! that changes twice within a second, is in its column, too. Deviations and histograms come from
//! one value a second at most, thinned evenly where a run is longer than [`PHASES_MAX`] seconds.

use super::outcome::Judged;
use super::statistics::{Histogram, Series, allan_curve};
use crate::event::{Event, EventKind};
use crate::mitigation::Verdict;
use crate::state::{ErrorTerms, Phase, State, Term};

/// A run of the judged node, ready to be drawn.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The span of a column, s.
    pub step: f64,
    /// In the order of time, from the start.
    pub columns: Vec<Column>,
    /// Sources of the node, in their order.
    pub sources: Vec<SourceRecord>,
    /// Seconds in each phase, in the order of [`Phase::ALL`].
    pub phases: [u32; Phase::ALL.len()],
    /// Sum of the ledgers of all looks while a bound was claimed, s.
    pub terms: [f64; Term::COUNT],
    /// Deviations after settling.
    pub deviations: Deviations,
    /// Distribution of the error after settling; none if nothing came after it.
    pub distribution: Option<Distribution>,
    /// What the node told, s from the start: what is out of the ordinary, and steps; the first few.
    pub told: Vec<(f64, Event)>,
}

/// What was seen in one span.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// served − true, s.
    pub error: Range,
    /// What was published while a bound was claimed, s.
    pub bound: Range,
    /// Looks at which the error was beyond a claimed bound.
    pub outside: u32,
    /// Looks at which no bound was claimed.
    pub unclaimed: u32,
    /// The rate at which the node's raw clock truly runs, a ratio.
    pub rate: Range,
    /// What the node takes it to be.
    pub estimate: Range,
    /// estimate − rate.
    pub rate_error: Range,
    /// One sigma of the estimate, as the node has it.
    pub rate_sigma: Range,
    /// Sums of the ledger's terms over the looks at which a bound was claimed, s.
    pub terms: [f64; Term::COUNT],
    /// One bit for each phase it was in, by the place in [`Phase::ALL`].
    pub phases: Bits,
}

/// A source of the judged node.
#[derive(Clone, Debug, Default)]
pub struct SourceRecord {
    /// What verdicts and events call it.
    pub name: String,
    /// For each column one bit for each verdict on it, by the place in [`Verdict::ALL`].
    pub verdicts: Vec<Bits>,
    /// Seconds of each verdict.
    pub seconds: [u32; Verdict::ALL.len()],
}

/// A set of small numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits(u16);

/// The least and the largest of some values; of none, unless one was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The least.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

/// Allan deviations, each as (τ in s, deviation).
#[derive(Clone, Debug, Default)]
pub struct Deviations {
    /// Of the served time.
    pub served: Vec<(f64, f64)>,
    /// Of the oscillator that nobody steers.
    pub free: Vec<(f64, f64)>,
    /// Of the reference beside the engine, where there is one all the time.
    pub reference: Vec<(f64, f64)>,
}

/// How the error was distributed.
#[derive(Clone, Debug)]
pub struct Distribution {
    /// Of the error, s.
    pub error: Histogram,
    /// Of the reference's, in the same bins.
    pub reference: Histogram,
    /// Half of all |error| are smaller, s.
    pub p50: f64,
    /// All but one in a hundred are smaller, s.
    pub p99: f64,
    /// The largest by magnitude, with its sign, s.
    pub extreme: f64,
}

/// One look at the judged node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<'s> {
    /// The second from the start.
    pub second: i64,
    pub judged: &'s Judged,
    pub state: &'s State,
    pub ledger: ErrorTerms,
    /// At which its raw clock truly runs, somebody's slew included.
    pub rate: f64,
    /// raw − true of the oscillator, s.
    pub phase: f64,
}

/// Takes down a run as it goes.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    record: Record,
    /// raw − true, s, one in `thin` seconds.
    free: Vec<f64>,
    thin: usize,
}

impl Recorder {
    /// For a run of so many seconds and these sources.
    pub fn new(seconds: f64, sources: impl Iterator<Item = String>) -> Self {
        let step = libm::ceil(seconds / COLUMNS_MAX as f64).max(1.0);
        let columns = whole(libm::ceil(seconds / step)).max(1);
        let source = |name| SourceRecord {
            name,
            verdicts: vec![Bits::default(); columns],
            seconds: [0; Verdict::ALL.len()],
        };
        let record = Record {
            step,
            columns: vec![Column::default(); columns],
            sources: sources.map(source).collect(),
            ..Record::default()
        };
        let thin = whole(libm::ceil(seconds / PHASES_MAX as f64)).max(1);
        Self { record, free: Vec::new(), thin }
    }

    /// A look at the node, once a second.
    pub fn look(&mut self, sight: &Sight<'_>, verdicts: impl Iterator<Item = Verdict>) {
        let at = self.column(sight.second as f64);
        let Sight { judged, state, .. } = *sight;
        let column = &mut self.record.columns[at];
        column.error.take(judged.error);
        column.rate.take(sight.rate);
        if state.samples > 0 {
            column.estimate.take(state.frequency.ratio());
            column.rate_error.take(state.frequency.ratio() - sight.rate);
            column.rate_sigma.take(state.frequency_error.ratio());
        }
        if judged.claimed {
            column.bound.take(judged.bound);
            column.outside += u32::from(judged.error.abs() > judged.bound);
            for (term, seconds) in sight.ledger.iter() {
                column.terms[term.index()] += seconds;
                self.record.terms[term.index()] += seconds;
            }
        } else {
            column.unclaimed += 1;
        }
        column.phases.insert(state.phase as usize);
        self.record.phases[state.phase as usize] += 1;
        for (source, verdict) in self.record.sources.iter_mut().zip(verdicts) {
            source.verdicts[at].insert(verdict as usize);
            source.seconds[verdict as usize] += 1;
        }
        if usize::try_from(sight.second).is_ok_and(|second| second % self.thin == 0) {
            self.free.push(sight.phase);
        }
    }

    /// The node told something, so many seconds from the start.
    pub fn told(&mut self, seconds: f64, event: &Event) {
        let at = self.column(seconds);
        let record = &mut self.record;
        match event.kind {
            EventKind::Phase { to, .. } => record.columns[at].phases.insert(to as usize),
            EventKind::Verdict(verdict) => {
                let source = event.source.and_then(|id| record.sources.get_mut(id.index()));
                if let Some(source) = source {
                    source.verdicts[at].insert(verdict as usize);
                }
            }
            _ => {}
        }
        let is_step = matches!(event.kind, EventKind::Stepped { .. });
        let is_notable = is_step || event.kind.severity() >= crate::event::Severity::Warning;
        if is_notable && record.told.len() < TOLD_MAX {
            record.told.push((seconds, *event));
        }
    }

    /// The record, with what only the whole run tells; `judged` from the start, `settle` in s.
    pub fn conclude(mut self, judged: &[Judged], settle: f64) -> Record {
        let settled = judged.get(whole(settle)..).unwrap_or(&[]);
        let interval = self.thin as f64;
        let thinned = || settled.iter().step_by(self.thin);
        let served: Vec<f64> = thinned().map(|look| look.error).collect();
        let reference: Option<Vec<f64>> = thinned().map(|look| look.reference).collect();
        let free = self.free.get(whole(settle / interval)..).unwrap_or(&[]);
        self.record.deviations = Deviations {
            served: allan_curve(&served, interval),
            free: allan_curve(free, interval),
            reference: allan_curve(&reference.unwrap_or_default(), interval),
        };
        self.record.distribution = distribution(settled);
        self.record
    }

    fn column(&self, seconds: f64) -> usize {
        whole(seconds / self.record.step).min(self.record.columns.len() - 1)
    }
}

impl Bits {
    /// Puts a number below 16 in.
    pub fn insert(&mut self, number: usize) {
        self.0 |= 1 << (number & 15);
    }

    /// What is in any of these.
    pub fn all(sets: &[Self]) -> Self {
        Self(sets.iter().fold(0, |all, set| all | set.0))
    }

    /// The numbers in it, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..16).filter(move |number| self.0 & (1 << number) != 0)
    }
}

impl Range {
    /// Of no values.
    pub const NONE: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };

    /// Takes a value in; one that is no finite number is not taken.
    pub fn take(&mut self, value: f64) {
        if value.is_finite() {
            self.low = self.low.min(value);
            self.high = self.high.max(value);
        }
    }

    /// Takes all of another range in.
    pub fn join(&mut self, other: Self) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    /// Whether no value was taken.
    pub fn is_empty(self) -> bool {
        self.low > self.high
    }

    /// The largest magnitude; `None` without values.
    pub fn magnitude(self) -> Option<f64> {
        (!self.is_empty()).then(|| self.low.abs().max(self.high.abs()))
    }
}

impl Default for Range {
    fn default() -> Self {
        Self::NONE
    }
}

/// In bins about zero as wide as nearly all of the errors; what lies beyond is counted aside.
fn distribution(settled: &[Judged]) -> Option<Distribution> {
    let mut errors = Series::with_capacity(settled.len());
    settled.iter().for_each(|look| errors.push(look.error));
    let quantile = |share| errors.magnitude_quantile(share);
    let (p50, p99, most) = (quantile(0.5)?, quantile(0.99)?, errors.magnitude_max()?);
    let extreme = settled.iter().map(|look| look.error).find(|error| error.abs() == most)?;
    let nearly = quantile(0.999)? * 1.1;
    let reach = if most > 2.0 * nearly { nearly } else { most * 1.02 }.max(REACH_MIN);
    let empty = Histogram::new(-reach, reach, BINS);
    let (mut error, mut reference) = (empty.clone(), empty);
    for look in settled {
        error.push(look.error);
        if let Some(value) = look.reference {
            reference.push(value);
        }
    }
    Some(Distribution { error, reference, p50, p99, extreme })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a scenario, not negative; casts of floats saturate"
)]
fn whole(value: f64) -> usize {
    value as usize
}

/// A plot of more is finer than a screen.
pub const COLUMNS_MAX: usize = 1000;
/// Phases kept of the free oscillator: a day and a half, one a second.
const PHASES_MAX: usize = 131_072;
/// An odd number, so that zero is in the middle of one.
const BINS: usize = 101;
/// A clock without any error still gets an axis, s.
const REACH_MIN: f64 = 1e-12;
/// What was told beyond is left out.
const TOLD_MAX: usize = 200;

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
