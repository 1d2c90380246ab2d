//! The judge: holds the served time against true time, and its error against its bound.
//!
//! It reads host, local, host. The served time at the local reading is compared with the middle of
//! the two host readings; a bracket of 2 µs or more says nothing about microseconds and is skipped,
//! counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration as Pause;

use super::machine::{Machine, host_now};
use crate::pipe::{Publisher, Put, Reader, Take, Words};
use crate::random::Random;
use crate::state::State;
use crate::time::{Duration, Timestamp, Utc};

/// What the judge found so far.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// |served − true| of each kept reading, s.
    errors: Vec<f64>,
    /// The bound at each kept reading, s.
    bounds: Vec<f64>,
    /// Readings whose error was beyond bound and half bracket.
    pub violations: u64,
    /// Readings with a bracket of 2 µs or more.
    pub skipped: u64,
    /// From the start to the first lock, s.
    pub seconds_to_lock: Option<f64>,
}

/// The figures of a summary. Quantiles are 0 while nothing was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Median of |served − true|, s.
    pub error_median: f64,
    /// 99th percentile of the same, s.
    pub error_p99: f64,
    /// Median of the bound, s.
    pub bound_median: f64,
    /// Errors beyond bound and half bracket.
    pub violations: u64,
    /// Readings that say something.
    pub kept: u64,
    /// Readings that do not.
    pub skipped: u64,
    /// Seconds to the first lock; negative: not yet.
    pub seconds_to_lock: f64,
}

/// Judges until stopped, publishes figures on the way and returns the last.
pub struct Judge {
    machine: Machine,
    state: Reader<State>,
    figures: Publisher<Figures>,
    started: Timestamp<Utc>,
    random: Random,
}

impl Judge {
    /// A judge of the time that `state` publishes on `machine`.
    pub fn new(
        machine: Machine,
        state: Reader<State>,
        figures: Publisher<Figures>,
        seed: u64,
    ) -> Self {
        Self { machine, state, figures, started: host_now(), random: Random::seeded(seed) }
    }

    /// Runs in a thread of its own.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn spawn(
        mut self,
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<std::thread::JoinHandle<Figures>> {
        std::thread::Builder::new().name("demo-judge".to_owned()).spawn(move || {
            let mut findings = Findings::default();
            let mut publish_at = 1;
            while !stop.load(Ordering::Relaxed) {
                // Not in step with pulses or ticks.
                let pause = self.random.between(0.010, 0.040);
                std::thread::sleep(Pause::from_secs_f64(pause));
                self.look(&mut findings);
                if findings.errors.len() >= publish_at {
                    self.figures.publish(findings.figures());
                    // Quantiles sort everything: the more there is, the more rarely.
                    publish_at = findings.errors.len() + 16.max(findings.errors.len() / 16);
                }
            }
            let last = findings.figures();
            self.figures.publish(last);
            last
        })
    }

    fn look(&self, findings: &mut Findings) {
        // The first reading after a sleep finds cold caches; it is not used.
        let _ = (self.machine.local(host_now()), self.state.read());
        let before = host_now();
        let local = self.machine.local(host_now());
        let after = host_now();
        let state = self.state.read();
        if !state.phase.is_synchronised() {
            return;
        }
        let elapsed = (before - self.started).seconds();
        findings.seconds_to_lock.get_or_insert(elapsed);
        let bracket = after - before;
        if bracket >= BRACKET_MAX {
            findings.skipped += 1;
            return;
        }
        let error = (state.utc(local) - (before + bracket / 2)).seconds().abs();
        let bound = state.bound(local).seconds();
        findings.take(error, bound, bracket / 2);
    }
}

impl Findings {
    fn take(&mut self, error: f64, bound: f64, half_bracket: Duration) {
        self.violations += u64::from(error > bound + half_bracket.seconds());
        if self.errors.len() < READINGS_MAX {
            self.errors.push(error);
            self.bounds.push(bound);
        }
    }

    fn figures(&self) -> Figures {
        let quantile = |values: &[f64], of: f64| {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            let index = (sorted.len() as f64 * of) as usize;
            sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
        };
        Figures {
            error_median: quantile(&self.errors, 0.5),
            error_p99: quantile(&self.errors, 0.99),
            bound_median: quantile(&self.bounds, 0.5),
            violations: self.violations,
            kept: self.errors.len() as u64,
            skipped: self.skipped,
            seconds_to_lock: self.seconds_to_lock.unwrap_or(-1.0),
        }
    }
}

impl Words for Figures {
    type Row = [u64; 7];

    fn put(&self, row: &mut Put<'_>) {
        row.f64(self.error_median);
        row.f64(self.error_p99);
        row.f64(self.bound_median);
        row.u64(self.violations);
        row.u64(self.kept);
        row.u64(self.skipped);
        row.f64(self.seconds_to_lock);
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self {
            error_median: row.f64(),
            error_p99: row.f64(),
            bound_median: row.f64(),
            violations: row.u64(),
            kept: row.u64(),
            skipped: row.u64(),
            seconds_to_lock: row.f64(),
        }
    }
}

/// A reading torn further apart says nothing about microseconds.
const BRACKET_MAX: Duration = Duration::from_micros(2);
/// Ten hours at 40 readings a second; later ones only count as violations.
const READINGS_MAX: usize = 1_500_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_an_error_beyond_bound_and_half_bracket() {
        let mut findings = Findings::default();
        let half = Duration::from_nanos(200);
        findings.take(1.1e-6, 1e-6, half);
        assert_eq!(findings.violations, 0);
        findings.take(1.3e-6, 1e-6, half);
        assert_eq!(findings.violations, 1);
    }

    #[test]
    fn figures_are_quantiles() {
        let mut findings = Findings::default();
        for k in 1..=100 {
            findings.take(f64::from(k), 1e3, Duration::ZERO);
        }
        let figures = findings.figures();
        assert_eq!((figures.error_median, figures.error_p99, figures.kept), (51.0, 100.0, 100));
        assert_eq!(Findings::default().figures().error_p99, 0.0);
    }

    #[test]
    fn a_judge_sees_a_machine_that_serves_its_wrong_clock() {
        let machine = Machine::new(3);
        let state = State { phase: crate::state::Phase::Locked, ..State::default() };
        let (mut publisher, reader) = crate::pipe::snapshot(state);
        publisher.publish(State { fixed: crate::state::ErrorTerms::NONE, ..state });
        let (figures, _) = crate::pipe::snapshot(Figures::default());
        let judge = Judge::new(machine, reader, figures, 1);
        let mut findings = Findings::default();
        for _ in 0..200 {
            judge.look(&mut findings);
        }
        assert!(findings.figures().kept > 0);
        assert_eq!(findings.violations, findings.figures().kept);
        assert!((findings.figures().error_median - 0.4).abs() < 0.01);
    }
}
