//! What the demo says at its end.

use serde::Serialize;

use super::judge::Figures;
use crate::host::published::Published;

/// The judge's figures and the daemon's counts. Times are rounded to the unit of their names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The daemon claimed a lock at some time.
    pub locked: bool,
    /// From the start to the lock; null without one.
    pub seconds_to_lock: Option<f64>,
    /// Median of |served − true| after the lock; null if nothing was judged, like the next two.
    pub error_median_ns: Option<i64>,
    /// 99th percentile of it.
    pub error_p99_ns: Option<i64>,
    /// Median of the published bound.
    pub bound_median_ns: Option<i64>,
    /// Readings whose error was beyond the bound.
    pub bound_violations: u64,
    /// Readings judged.
    pub readings_kept: u64,
    /// Readings too torn to judge.
    pub readings_skipped: u64,
    /// Samples that the estimate believed.
    pub samples: u64,
    /// Readings that a ring had no room for.
    pub dropped: u64,
    /// Requests answered with time.
    pub served: u64,
}

impl Summary {
    /// From the judge's last figures and what is published.
    pub fn of(figures: &Figures, published: &Published) -> Self {
        let judged = |seconds| (figures.kept > 0).then(|| nanos(seconds));
        let locked = figures.seconds_to_lock >= 0.0;
        Self {
            locked,
            seconds_to_lock: locked.then(|| libm::rint(figures.seconds_to_lock * 1000.0) / 1000.0),
            error_median_ns: judged(figures.error_median),
            error_p99_ns: judged(figures.error_p99),
            bound_median_ns: judged(figures.bound_median),
            bound_violations: figures.violations,
            readings_kept: figures.kept,
            readings_skipped: figures.skipped,
            samples: published.state.read().samples,
            dropped: published.conductor.read().dropped,
            served: served(published),
        }
    }

    /// It locked, and the judge saw no lie.
    pub fn is_success(&self) -> bool {
        self.locked && self.bound_violations == 0
    }

    /// One line of JSON, or three for people.
    pub fn text(&self, json: bool) -> String {
        if json {
            return serde_json::to_string(self).expect("numbers and names") + "\n";
        }
        let lock = match self.seconds_to_lock {
            Some(seconds) => format!("locked after {seconds:.1} s"),
            None => "never locked".to_owned(),
        };
        let judged = match (self.error_median_ns, self.error_p99_ns, self.bound_median_ns) {
            (Some(median), Some(p99), Some(bound)) => format!(
                "error median {median} ns, p99 {p99} ns; bound median {bound} ns, violated {} \
                 times in {} readings ({} skipped)",
                self.bound_violations, self.readings_kept, self.readings_skipped,
            ),
            _ => "no reading was judged".to_owned(),
        };
        format!(
            "{lock}\n{judged}\n{} samples, {} readings dropped, {} requests served\n",
            self.samples, self.dropped, self.served
        )
    }
}

/// Requests answered with time by all service threads.
pub fn served(published: &Published) -> u64 {
    let answered = |reader: &crate::pipe::Reader<crate::host::service::ServiceReport>| {
        let counters = reader.read().counters;
        counters.iter().filter(|(outcome, _)| outcome.is_served()).map(|(_, n)| n).sum::<u64>()
    };
    published.services.iter().map(answered).sum()
}

fn nanos(seconds: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "float casts saturate")]
    let nanos = libm::rint(seconds * 1e9) as i64;
    nanos
}
