//! What the clock may be wrong by besides noise: the terms of whoever steers it.
//!
//! Beside a reference clock it is what that clock declares. Servers have more to say: each that is
//! right tells where the truth lies, whatever the estimate makes of it and whoever steered before. So
//! the bound reaches as far as the truth can be, with as many liars as a majority leaves room for.

use super::plan::Role;
use super::{Engine, Tracked};
use crate::clock::Clock;
use crate::mitigation::{Verdict, region};
use crate::sample::SourceId;
use crate::state::{ErrorTerms, Term};
use crate::time::{Raw, Timestamp};

impl<C: Clock> Engine<C> {
    /// What is known to be wrong for good with those who steer, when the estimate's noise is `noise`;
    /// `None` while nobody steers.
    pub(super) fn fixed_terms(&self, raw: Timestamp<Raw>, noise: f64) -> Option<ErrorTerms> {
        let start = ErrorTerms::NONE.with(Term::Reading, self.plan.reading);
        if self.estimator.follows_a_clock(raw) {
            return self.terms_of_clocks(start);
        }
        // Its error at the sample is what the clock inherits, whatever it does since.
        let said = |id: SourceId| {
            let errors = &self.sources[id.index()].errors;
            (errors.of(Term::Server), errors.of(Term::Declared))
        };
        let sum = |(server, declared): (f64, f64)| server + declared;
        let surest =
            self.estimator.pulls(raw).min_by(|a, b| sum(said(*a)).total_cmp(&sum(said(*b))));
        let Some(surest) = surest else { return self.terms_of_clocks(start) };
        let (server, declared) = said(surest);
        // Of one alone asymmetry is never seen; several show what there is of it.
        let alone = self.estimator.pulls(raw).nth(1).is_none();
        let path = if alone { self.estimator.path_of(surest).unwrap_or(0.0) } else { 0.0 };
        let reach = self.reach_of_the_truth(raw).unwrap_or(0.0);
        let path = path.max(reach - server - declared - noise);
        Some(start.with(Term::Path, path).with(Term::Server, server).with(Term::Declared, declared))
    }

    /// How far from the estimate the truth may be by what the servers say, s.
    fn reach_of_the_truth(&self, raw: Timestamp<Raw>) -> Option<f64> {
        let honest = |v: Verdict| v.is_used() || matches!(v, Verdict::Reserve | Verdict::Outlier);
        let speaks = self.sources.iter().filter(|source| honest(source.verdict));
        let intervals: Vec<(f64, f64)> = speaks
            .filter_map(|source| self.estimator.correctness_of(source.report.source, raw))
            .collect();
        let voters = self.candidates.len();
        let found = voters - self.selection.truechimers.min(voters);
        let liars = (voters.saturating_sub(1) / 2).saturating_sub(found);
        let depth = intervals.len().saturating_sub(liars);
        // Where too few agree on any instant none is known to be wrong.
        let (low, high) = region(&intervals, depth).or_else(|| region(&intervals, 1))?;
        Some(low.abs().max(high.abs()))
    }

    /// For each term the largest among the reference clocks in use.
    fn terms_of_clocks(&self, start: ErrorTerms) -> Option<ErrorTerms> {
        let is_clock = |s: &&Tracked| !matches!(s.plan.role, Role::Server(_));
        let mut used =
            self.sources.iter().filter(|s| s.verdict.is_used() && is_clock(s)).peekable();
        used.peek()?;
        Some(used.fold(start, |sum, source| {
            Term::ALL
                .into_iter()
                .fold(sum, |sum, term| sum.with(term, sum.of(term).max(source.errors.of(term))))
        }))
    }
}

#[cfg(test)]
#[path = "bound_tests.rs"]
mod tests;
