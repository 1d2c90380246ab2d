//! Figures as text: those of a scenario at a glance, and those of each seed in a table.

use core::fmt::Write;

use super::units;
use crate::sim::{Figures, Outcome};

/// A figure: its name, what it means, and how it is written.
type Row = (&'static str, &'static str, fn(&Figures) -> Option<String>);

/// All figures of one scenario as tiles; means over the seeds.
pub fn tiles(figures: &Figures) -> String {
    let mut out = String::from("<dl class=\"tiles\">");
    for (name, meaning, value) in ROWS {
        // What has no meaning in this scenario takes no room.
        let Some(value) = value(figures) else { continue };
        // Writing to a String cannot fail.
        let _ = write!(out, "<div title=\"{meaning}\"><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>\n");
    out
}

/// A table with a row for each seed, and the mean.
pub fn table(outcomes: &[Outcome], mean: &Figures) -> String {
    let mut out = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Figures of each seed\">\
         <table><thead><tr><th scope=\"col\">seed</th>",
    );
    for (name, meaning, _) in ROWS {
        let _ = write!(out, "<th scope=\"col\" title=\"{meaning}\">{name}</th>");
    }
    out.push_str("<th scope=\"col\" title=\"sum of the event log\">log</th></tr></thead><tbody>\n");
    for outcome in outcomes.iter().take(SEEDS_MAX) {
        row(
            &outcome.seed.to_string(),
            &outcome.figures,
            &format!("{:016x}", outcome.log),
            &mut out,
        );
    }
    if outcomes.len() > 1 {
        row("mean", mean, "", &mut out);
    }
    out.push_str("</tbody></table></div>\n");
    if outcomes.len() > SEEDS_MAX {
        let more = outcomes.len() - SEEDS_MAX;
        let _ = writeln!(out, "<p class=\"note\">{more} more seeds are in the mean.</p>");
    }
    out
}

/// What each figure means.
pub fn meanings() -> String {
    let of = |(name, meaning, _): &Row| format!("<dt>{name}</dt><dd>{meaning}</dd>");
    let all: String = ROWS.iter().map(of).collect();
    format!(
        "<details><summary>What the figures mean</summary><dl class=\"meanings\">{all}</dl>\
         </details>\n"
    )
}

/// The cells of the summary of all scenarios: its head, and the values of one.
pub fn brief() -> impl Iterator<Item = (&'static str, fn(&Figures) -> Option<String>)> {
    ROWS.into_iter().take(7).map(|(name, _, value)| (name, value))
}

fn row(seed: &str, figures: &Figures, log: &str, out: &mut String) {
    let _ = write!(out, "<tr><th scope=\"row\">{seed}</th>");
    for (.., value) in ROWS {
        let value = value(figures).unwrap_or_else(|| "–".to_owned());
        let _ = write!(out, "<td>{value}</td>");
    }
    let _ = writeln!(out, "<td><code>{log}</code></td></tr>");
}

const ROWS: [Row; 13] = [
    ("rms", "root of the mean square of the error after settling", |f| f.rms.map(units::seconds)),
    ("p99", "99 % of all |error| are smaller", |f| f.p99.map(units::seconds)),
    ("max", "largest |error|", |f| f.max.map(units::seconds)),
    ("coverage", "share of claimed seconds with |error| within the bound", |f| {
        f.coverage.map(units::percent)
    }),
    ("tightness", "median bound over p99", |f| f.tightness.map(units::digits)),
    ("without path", "the same without the path term", |f| {
        f.tightness_without_path.map(units::digits)
    }),
    ("RFC 5905", "the same of the root distance that the standard would claim", |f| {
        f.tightness_rfc5905.map(units::digits)
    }),
    ("to lock", "from the start until |error| stays below 1 ms", |f| {
        f.seconds_to_lock.map(units::span)
    }),
    ("vs filter", "rms over that of the filter that knows every law", |f| {
        f.rms_vs_kalman.map(units::digits)
    }),
    ("vs plain", "rms over that of the better of two plain methods", |f| {
        f.rms_vs_plain.map(units::digits)
    }),
    ("requests a day", "requests that the node sent", |f| f.requests_per_day.map(units::digits)),
    ("event max", "largest |error| from an event to two hours after its end", |f| {
        f.event_max.map(units::seconds)
    }),
    ("recovery", "from the first event until |error| stays below 1 ms", |f| {
        f.recovery.map(units::span)
    }),
];
/// Rows of a table that a browser shows at once.
const SEEDS_MAX: usize = 300;
