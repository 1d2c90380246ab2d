//! The table of scenarios on a terminal, and below it why one failed.

use std::fmt::Write;

use super::Ran;

/// One line for each scenario, in the order of the command line.
pub(super) fn report(ran: &[Ran<'_>]) -> String {
    let names = ran.iter().map(|ran| ran.universe.scenario.name.chars().count());
    let width = names.max().unwrap_or(0).max("scenario".len());
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{:width$} seeds     rms s     p99 s     max s  lock s coverage  tight  -path    rfc /kalman /plain  \
         req/day  event max  recov s",
        "scenario"
    );
    for ran in ran {
        let f = &ran.summary.figures;
        let _ = writeln!(
            out,
            "{:width$} {:5} {:>9} {:>9} {:>9} {:>7} {:>8} {:>6} {:>6} {:>6} {:>7} {:>6} {:>8} {:>10} {:>8}  {}",
            ran.universe.scenario.name,
            ran.seeds,
            small(f.rms),
            small(f.p99),
            small(f.max),
            plain(f.seconds_to_lock, 1),
            f.coverage.map_or_else(dash, share),
            plain(f.tightness, 2),
            plain(f.tightness_without_path, 2),
            plain(f.tightness_rfc5905, 0),
            plain(f.rms_vs_kalman, 2),
            plain(f.rms_vs_plain, 2),
            plain(f.requests_per_day, 0),
            small(f.event_max),
            plain(f.recovery, 1),
            if ran.summary.is_ok() { "ok" } else { "FAILED" },
        );
    }
    for ran in ran {
        let failures = &ran.summary.failures;
        for failure in failures.iter().take(FAILURES_MAX) {
            let _ = writeln!(out, "{}: {failure}", ran.universe.scenario.name);
        }
        if failures.len() > FAILURES_MAX {
            let more = failures.len() - FAILURES_MAX;
            let _ = writeln!(out, "{}: and {more} more", ran.universe.scenario.name);
        }
    }
    out
}

fn small(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.2e}"))
}

fn plain(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(dash, |value| format!("{value:.decimals$}"))
}

/// A coverage that is not whole must not look so by rounding.
fn share(value: f64) -> String {
    if value < 1.0 { format!("{:.6}", value.min(0.999_999)) } else { "1".to_owned() }
}

fn dash() -> String {
    "-".to_owned()
}

/// Lines for one scenario.
const FAILURES_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coverage_below_one_never_reads_as_one() {
        assert_eq!(share(1.0), "1");
        assert_eq!(share(0.999_999_9), "0.999999");
        assert_eq!(share(0.5), "0.500000");
    }
}
