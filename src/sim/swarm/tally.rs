//! What a swarm came to: counts over its worlds, in any order.

use std::collections::BTreeMap;

use super::Trial;
use crate::sim::Assumption;

/// Counts over worlds.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Worlds that ran.
    pub worlds: u64,
    /// Nodes times hours, of all worlds.
    pub node_hours: f64,
    /// Worlds that keep every assumption of the bound.
    pub kept: u64,
    /// Worlds that break one, by the assumption; a world may break several.
    pub broken: BTreeMap<Assumption, Breach>,
    /// Worlds with a fault.
    pub failed: u64,
    /// Worlds that were run twice.
    pub repeated: u64,
    /// median(bound) / p99(|error|) of the judged nodes, worlds that keep everything.
    tightness: Vec<f64>,
    /// Worlds that keep everything and whose judged node published a bound.
    claimed: u64,
}

/// Worlds that break one assumption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breach {
    /// Worlds.
    pub worlds: u64,
    /// Of these, worlds in which it must be told.
    pub plain: u64,
    /// Of these, worlds in which it was told in time.
    pub told: u64,
}

impl Tally {
    /// Counts a world in.
    pub fn add(&mut self, trial: &Trial) {
        self.worlds += 1;
        self.node_hours += trial.node_hours;
        self.failed += u64::from(!trial.faults.is_empty());
        let outcome = &trial.outcome;
        if !outcome.is_broken() {
            self.kept += 1;
            self.claimed += u64::from(outcome.figures.coverage.is_some());
            self.tightness.extend(outcome.figures.tightness);
        }
        let end = trial.seconds;
        for assumption in Assumption::ALL {
            let mine = || outcome.broken.iter().filter(|b| b.assumption == assumption);
            if mine().next().is_none() {
                continue;
            }
            let breach = self.broken.entry(assumption).or_default();
            breach.worlds += 1;
            if mine().any(|broken| broken.is_due(end)) {
                breach.plain += 1;
                breach.told += u64::from(mine().all(|broken| !broken.is_untold(end)));
            }
        }
    }

    /// The share of worlds that keep every assumption.
    pub fn share_kept(&self) -> f64 {
        self.kept as f64 / (self.worlds as f64).max(1.0)
    }

    /// Worlds that keep everything in which the judged node published a bound.
    pub fn claimed(&self) -> u64 {
        self.claimed
    }

    /// The median over worlds of median(bound) / p99(|error|).
    pub fn tightness(&self) -> Option<f64> {
        crate::sim::statistics::median(&self.tightness)
    }
}
