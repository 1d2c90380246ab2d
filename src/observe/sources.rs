//! `maser sources`: each source, its part in the time, and why.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{Scaled, table};
use super::{Sight, nanoseconds, nanoseconds_of};
use crate::engine::SourceReport;
use crate::sample::{Fix, Refusal};
use crate::state::Term;
use crate::time::{System, Timestamp};

/// All sources, in the order of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sources {
    /// One line each.
    pub sources: Vec<SourceLine>,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceLine {
    /// The sign that ntpq prints: `o` and `*` the followed one, `+` combined, `x` falseticker.
    pub tally: char,
    /// The operator's name.
    pub name: String,
    /// The verdict's name.
    pub verdict: String,
    /// The verdict as a sentence.
    pub reason: String,
    /// What is said of it if it is a server.
    pub server: Option<ServerLine>,
    /// Eight polls, the newest in the lowest bit: 1 if a sample came.
    pub reach: u8,
    /// Age of the last sample; none if there was none.
    pub last_sample_age_ns: Option<f64>,
    /// The last sample against the served time; positive: served time was behind.
    pub offset_ns: f64,
    /// The source's claim: the true time lies within offset ± distance.
    pub distance_ns: f64,
    /// RMS of the differences of its samples.
    pub jitter_ns: f64,
    /// Calibrated delay of its text.
    pub text_delay_ns: Option<f64>,
    /// `none`, `2d` or `3d`.
    pub fix: String,
    /// Satellites used in the solution.
    pub satellites_used: u8,
    /// Satellites in view.
    pub satellites_in_view: u8,
    /// Samples made.
    pub samples: u64,
    /// Samples that the estimate believed.
    pub believed: u64,
    /// Samples that it did not.
    pub rejected: u64,
    /// Readings dropped by the driver, by reason, zero ones included.
    pub refused: BTreeMap<String, u64>,
    /// Known constant errors of the last sample, by term, zero ones included.
    pub errors_ns: BTreeMap<String, f64>,
}

/// What only a server has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerLine {
    /// Where it is asked; none before its name is resolved.
    pub address: Option<String>,
    /// The stratum that it declares, 16 if it does not know the time; none before it answered.
    pub stratum: Option<u8>,
    /// Interval between polls that the estimate asks for; none before it asks.
    pub poll_s: Option<f64>,
    /// Round trip of the last exchange; none before there was one.
    pub delay_ns: Option<f64>,
}

impl Sources {
    /// The report of an instant.
    pub fn of(sight: &Sight<'_>) -> Self {
        let unnamed = String::new();
        let lines = sight.sources.iter().map(|report| {
            let index = report.source.index();
            let name = sight.names.get(index).unwrap_or(&unnamed);
            let server = sight.servers.get(index).copied().flatten();
            let server = server.map(|address| ServerLine::of(report, address));
            SourceLine { server, ..SourceLine::of(report, name, sight.now) }
        });
        Self { sources: lines.collect() }
    }

    /// The table, and below it what each driver dropped and what its errors are made of.
    pub fn verbose(&self) -> impl fmt::Display + '_ {
        Verbose(self)
    }
}

impl SourceLine {
    fn of(report: &SourceReport, name: &str, now: Timestamp<System>) -> Self {
        let receiver = report.receiver;
        let refused = Refusal::ALL.into_iter().zip(report.refused);
        let errors = Term::ALL.into_iter().map(|term| (term, report.errors.of(term)));
        Self {
            tally: report.verdict.tally(),
            name: name.to_owned(),
            verdict: report.verdict.name().to_owned(),
            reason: report.verdict.to_string(),
            server: None,
            reach: report.reach,
            last_sample_age_ns: report.last_sample.map(|at| nanoseconds_of(now.since(at))),
            offset_ns: nanoseconds_of(report.offset),
            distance_ns: nanoseconds(report.distance),
            jitter_ns: nanoseconds(report.jitter),
            text_delay_ns: (report.text_delay >= 0.0).then(|| nanoseconds(report.text_delay)),
            fix: fix_name(receiver.fix).to_owned(),
            satellites_used: receiver.satellites_used,
            satellites_in_view: receiver.satellites_in_view,
            samples: report.samples,
            believed: report.believed,
            rejected: report.rejected,
            refused: refused.map(|(refusal, n)| (refusal.name().to_owned(), n)).collect(),
            errors_ns: errors.map(|(t, value)| (t.name().to_owned(), nanoseconds(value))).collect(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let ns = Scaled::of_nanoseconds;
        let measured = self.last_sample_age_ns.is_some();
        let or_none = |text: String| if measured { text } else { "-".to_owned() };
        // No claim is without error: a distance of zero means that none was made yet.
        let claim = |text: String| if self.distance_ns > 0.0 { text } else { "-".to_owned() };
        let satellites = match (self.satellites_used, self.satellites_in_view) {
            (0, 0) => "-".to_owned(),
            (used, in_view) => format!("{used}/{in_view}"),
        };
        let server = self.server.as_ref();
        let of_server = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            self.tally.to_string(),
            self.name.clone(),
            of_server(server.and_then(|s| s.address.clone())),
            of_server(server.and_then(|s| s.stratum).map(|stratum| stratum.to_string())),
            of_server(server.and_then(|s| s.poll_s).map(poll)),
            format!("{:03o}", self.reach),
            self.last_sample_age_ns.map_or_else(|| "-".to_owned(), age),
            claim(ns(self.offset_ns).signed().to_string()),
            claim(format!("± {}", ns(self.distance_ns))),
            or_none(ns(self.jitter_ns).to_string()),
            of_server(server.and_then(|s| s.delay_ns).map(|delay| ns(delay).to_string())),
            self.text_delay_ns.map_or_else(|| "-".to_owned(), |delay| ns(delay).to_string()),
            satellites,
            self.reason.clone(),
        ]
    }
}

impl ServerLine {
    fn of(report: &SourceReport, address: SocketAddr) -> Self {
        let heard = report.stratum > 0;
        Self {
            address: (!address.ip().is_unspecified()).then(|| match address {
                SocketAddr::V4(v4) => v4.ip().to_string(),
                SocketAddr::V6(v6) if v6.scope_id() != 0 => {
                    format!("{}%{}", v6.ip(), v6.scope_id())
                }
                SocketAddr::V6(v6) => v6.ip().to_string(),
            }),
            stratum: heard.then_some(report.stratum),
            poll_s: (report.poll > 0.0).then_some(report.poll),
            delay_ns: heard.then(|| nanoseconds(report.delay)),
        }
    }
}

impl fmt::Display for Sources {
    /// The report for a terminal. Offsets are source − local: positive, served time was behind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sources.is_empty() {
            return writeln!(f, "no sources are configured");
        }
        let servers = self.sources.iter().any(|source| source.server.is_some());
        let clocks = self.sources.iter().any(|source| source.server.is_none());
        let shown = |of: Of| match of {
            Of::Any => true,
            Of::Server => servers,
            Of::Clock => clocks,
        };
        let columns: Vec<usize> = (0..HEAD.len()).filter(|n| shown(HEAD[*n].2)).collect();
        let mut rows = vec![columns.iter().map(|n| HEAD[*n].0.to_owned()).collect()];
        rows.extend(self.sources.iter().map(|source| {
            let cells = source.cells();
            columns.iter().map(|n| cells[*n].clone()).collect()
        }));
        let right: Vec<bool> = columns.iter().map(|n| HEAD[*n].1).collect();
        table(f, &right, &rows)
    }
}

struct Verbose<'a>(&'a Sources);

impl fmt::Display for Verbose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        for source in &self.0.sources {
            let counted = |(name, count): (&String, &u64)| format!("{name} {count}");
            let dropped: Vec<String> =
                source.refused.iter().filter(|(_, count)| **count > 0).map(counted).collect();
            let dropped =
                if dropped.is_empty() { "nothing".to_owned() } else { dropped.join(", ") };
            let error = |(name, value): (&String, &f64)| {
                format!("{name} {}", Scaled::of_nanoseconds(*value))
            };
            let errors: Vec<String> =
                source.errors_ns.iter().filter(|(_, value)| **value > 0.0).map(error).collect();
            let errors =
                if errors.is_empty() { "none known".to_owned() } else { errors.join(", ") };
            writeln!(f, "\n{} ({})", source.name, source.verdict)?;
            let (samples, believed) = (source.samples, source.believed);
            let rejected = source.rejected;
            writeln!(f, "  samples  {samples} made, {believed} believed, {rejected} rejected")?;
            writeln!(f, "  dropped  {dropped}")?;
            writeln!(f, "  errors   {errors}")?;
            if source.server.is_none() {
                writeln!(f, "  fix      {}", source.fix)?;
            }
        }
        writeln!(f, "\noffset = source − local: positive, the served time was behind.")?;
        writeln!(f, "tally: o followed by pulse, * followed, + combined, # reserve,")?;
        writeln!(f, "       - outlier, x falseticker, blank unusable")
    }
}

/// An interval between polls, s.
fn poll(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.0} s") }
}

/// An age in whole seconds, minutes, hours or days.
fn age(nanoseconds: f64) -> String {
    let seconds = nanoseconds / 1e9;
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 300.0 => format!("{s:.0} s"),
        s if s < 18_000.0 => format!("{:.0} min", s / 60.0),
        s if s < 432_000.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

const fn fix_name(fix: Fix) -> &'static str {
    match fix {
        Fix::None => "none",
        Fix::TwoDimensional => "2d",
        Fix::ThreeDimensional => "3d",
    }
}

/// Which sources have something to say in a column.
#[derive(Clone, Copy)]
enum Of {
    Any,
    Server,
    Clock,
}

/// Head, whether it holds numbers (aligned right), and whose it is; in the order of the cells.
const HEAD: [(&str, bool, Of); 14] = [
    ("", false, Of::Any),
    ("source", false, Of::Any),
    ("address", false, Of::Server),
    ("stratum", true, Of::Server),
    ("poll", true, Of::Server),
    ("reach", true, Of::Any),
    ("last", true, Of::Any),
    ("offset", true, Of::Any),
    ("distance", true, Of::Any),
    ("jitter", true, Of::Any),
    ("delay", true, Of::Server),
    ("text delay", true, Of::Clock),
    ("sats", true, Of::Clock),
    ("verdict", false, Of::Any),
];
