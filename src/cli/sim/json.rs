//! The figures of scenarios as JSON: means over the seeds, null where one has no meaning.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Ran;
use crate::cli::Failure;

#[derive(Serialize)]
struct Report<'r> {
    scenarios: Vec<Scenario<'r>>,
}

#[derive(Serialize)]
struct Scenario<'r> {
    name: &'r str,
    seeds: usize,
    rms_s: Option<f64>,
    p99_s: Option<f64>,
    max_s: Option<f64>,
    seconds_to_lock: Option<f64>,
    coverage: Option<f64>,
    tightness: Option<f64>,
    tightness_without_path: Option<f64>,
    tightness_rfc5905: Option<f64>,
    rms_vs_kalman: Option<f64>,
    rms_vs_plain: Option<f64>,
    requests_per_day: Option<f64>,
    event_max_s: Option<f64>,
    recovery_s: Option<f64>,
    events: BTreeMap<&'static str, Times>,
    ok: bool,
}

/// How often an event was told in a run: in the seed with the fewest, and in that with the most.
#[derive(Serialize)]
struct Times {
    at_least: u32,
    at_most: u32,
}

/// One object for each scenario, in the order of the command line.
pub(super) fn report(ran: &[Ran<'_>]) -> Result<String, Failure> {
    let scenarios = ran.iter().map(scenario).collect();
    let mut text = serde_json::to_string_pretty(&Report { scenarios }).map_err(Failure::new)?;
    text.push('\n');
    Ok(text)
}

fn scenario<'r>(ran: &'r Ran<'_>) -> Scenario<'r> {
    let figures = &ran.summary.figures;
    Scenario {
        name: &ran.universe.scenario.name,
        seeds: ran.seeds,
        rms_s: figures.rms,
        p99_s: figures.p99,
        max_s: figures.max,
        seconds_to_lock: figures.seconds_to_lock,
        coverage: figures.coverage,
        tightness: figures.tightness,
        tightness_without_path: figures.tightness_without_path,
        tightness_rfc5905: figures.tightness_rfc5905,
        rms_vs_kalman: figures.rms_vs_kalman,
        rms_vs_plain: figures.rms_vs_plain,
        requests_per_day: figures.requests_per_day,
        event_max_s: figures.event_max,
        recovery_s: figures.recovery,
        events: events(ran),
        ok: ran.summary.is_ok(),
    }
}

/// Every event that any seed told of.
fn events(ran: &Ran<'_>) -> BTreeMap<&'static str, Times> {
    let counts = || ran.outcomes.iter().map(|outcome| &outcome.events);
    let names = counts().flat_map(|counts| counts.keys().copied());
    let times = |name| counts().map(move |counts| counts.get(name).copied().unwrap_or(0));
    let within = |name| Times {
        at_least: times(name).min().unwrap_or(0),
        at_most: times(name).max().unwrap_or(0),
    };
    names.map(|name| (name, within(name))).collect()
}
