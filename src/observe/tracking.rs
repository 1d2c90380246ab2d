//! `maser tracking`: where the clock stands, by what, and how far it may be off.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{Rows, Scaled, utc};
use super::{Service, Sight, nanoseconds, nanoseconds_of, ppm};
use crate::server::Outcome;
use crate::time::LeapIndicator;
use crate::wire::ntp::ReferenceId;

/// The served clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tracking {
    /// `cold`, `acquiring`, `locked`, `holdover` or `free-running`.
    pub phase: String,
    /// Whether replies claim to know the time.
    pub synchronised: bool,
    /// 1..=15; 16 while unsynchronised.
    pub stratum: u8,
    /// What the clock is steered by, as clients are told.
    pub reference_id: String,
    /// The source that is followed.
    pub source: Option<String>,
    /// The served time at this report, RFC 3339.
    pub served_time: String,
    /// When a sample last corrected the clock, RFC 3339.
    pub reference_time: Option<String>,
    /// The last sample against the served time; positive: served time was behind.
    pub offset_ns: f64,
    /// RMS noise of the followed source's samples.
    pub jitter_ns: f64,
    /// The oscillator's rate error; positive: it runs fast.
    pub frequency_ppm: f64,
    /// One sigma of that.
    pub frequency_error_ppm: f64,
    /// Served − system clock now; zero where the system clock itself is steered.
    pub correction_ns: f64,
    /// Round trip to the reference clock.
    pub root_delay_ns: f64,
    /// Error against the reference clock at most, less half the root delay.
    pub root_dispersion_ns: f64,
    /// |served − true time| is at most this.
    pub bound_ns: f64,
    /// `none`, `insert`, `delete` or `unknown`.
    pub leap: String,
    /// TAI − UTC, where known.
    pub tai_offset_s: Option<i16>,
    /// log2 s of a reading of the clock.
    pub precision_log2: i8,
    /// Samples believed.
    pub samples: u64,
    /// Samples refused.
    pub refused: u64,
    /// Readings that found no room on their way to the engine.
    pub dropped: u64,
    /// The NTP service; none if no time is served.
    pub requests: Option<Requests>,
}

/// What became of the requests since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// All of them.
    pub total: u64,
    /// Answered with the time, or with the word that it is not known.
    pub served: u64,
    /// Clients remembered.
    pub clients: u64,
    /// Without a kernel stamp; dated by when they were read.
    pub unstamped: u64,
    /// Dropped by the kernel before anybody read them.
    pub overflowed: u64,
    /// Replies that the kernel would not send.
    pub unsent: u64,
    /// Each outcome by its name, zero ones included.
    pub outcomes: BTreeMap<String, u64>,
}

impl Tracking {
    /// The report of an instant.
    pub fn of(sight: &Sight<'_>) -> Self {
        let state = sight.state;
        let served = state.utc(sight.now);
        // Unsynchronised, it is a word such as INIT; an address only from stratum 2 on.
        let shown = if state.is_synchronised() { state.stratum } else { 1 };
        let name = |id: crate::sample::SourceId| sight.names.get(id.index()).cloned();
        Self {
            phase: state.phase.to_string(),
            synchronised: state.is_synchronised(),
            stratum: state.stratum,
            reference_id: ReferenceId(state.reference_id).display(shown).to_string(),
            source: state.selected.and_then(name),
            served_time: served.to_string(),
            reference_time: state.reference_time.map(|at| at.to_string()),
            offset_ns: nanoseconds_of(state.offset),
            jitter_ns: nanoseconds(state.jitter),
            frequency_ppm: ppm(state.frequency.ratio()),
            frequency_error_ppm: ppm(state.frequency_error.ratio()),
            correction_ns: nanoseconds_of(served.offset_from(sight.now)),
            root_delay_ns: nanoseconds_of(state.root_delay),
            root_dispersion_ns: nanoseconds_of(state.root_dispersion(sight.now)),
            bound_ns: nanoseconds_of(state.bound(sight.now)),
            leap: leap_name(state.leap).to_owned(),
            tai_offset_s: state.tai_offset.map(|offset| offset.0),
            precision_log2: state.precision.0,
            samples: state.samples,
            refused: state.refused,
            dropped: sight.dropped,
            requests: sight.service.as_ref().map(Requests::of),
        }
    }
}

impl Tracking {
    /// The phase, and that an unsynchronised clock is served all the same.
    fn state(&self) -> String {
        let follows = matches!(self.phase.as_str(), "locked" | "holdover");
        match self.synchronised && !follows {
            true => format!("{} (serving the local clock)", self.phase),
            false => self.phase.clone(),
        }
    }

    fn bound_meaning(&self) -> &'static str {
        match self.synchronised {
            true => "true time is within this of served time",
            false => "not synchronised: nothing is claimed",
        }
    }
}

impl Requests {
    fn of(service: &Service) -> Self {
        let counters = &service.counters;
        let served = counters.iter().filter(|(outcome, _)| outcome.is_served());
        Self {
            total: counters.requests(),
            served: served.map(|(_, count)| count).sum(),
            clients: service.clients,
            unstamped: counters.unstamped,
            overflowed: service.overflowed,
            unsent: service.unsent,
            outcomes: counters
                .iter()
                .map(|(outcome, count)| (outcome.name().to_owned(), count))
                .collect(),
        }
    }

    /// `served 20, kiss-rate 1`: what happened at all, in the order of the outcomes.
    fn summary(&self) -> String {
        let counts = Outcome::ALL.iter().filter_map(|outcome| {
            let count = self.outcomes.get(outcome.name()).filter(|count| **count > 0)?;
            Some(format!("{} {count}", outcome.name()))
        });
        counts.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Tracking {
    /// The report for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = |value: f64| Scaled::of_nanoseconds(value);
        let mut rows = Rows::default();
        rows.add("State", self.state(), "");
        let stratum = if self.synchronised { "" } else { "unsynchronised" };
        rows.add("Stratum", self.stratum, stratum);
        rows.add("Reference", &self.reference_id, self.source.as_deref().unwrap_or("no source"));
        rows.add("Served time", utc(&self.served_time), "UTC");
        let reference_time = self.reference_time.as_deref().map(utc);
        rows.add("Reference time", reference_time.unwrap_or_else(|| "never".to_owned()), "");
        rows.add("Offset", ns(self.offset_ns).signed(), side(self.offset_ns));
        rows.add("Jitter", ns(self.jitter_ns), "RMS of the followed source's samples");
        let frequency = format!("{:+.4} ± {:.4} ppm", self.frequency_ppm, self.frequency_error_ppm);
        rows.add("Frequency", frequency, pace(self.frequency_ppm));
        rows.add("Correction", ns(self.correction_ns).signed(), "served time − system clock");
        rows.add("Root delay", ns(self.root_delay_ns), "");
        rows.add("Root dispersion", ns(self.root_dispersion_ns), "");
        rows.add("Error bound", ns(self.bound_ns), self.bound_meaning());
        rows.add("Leap", &self.leap, "");
        if let Some(offset) = self.tai_offset_s {
            rows.add("TAI − UTC", format!("{offset} s"), "");
        }
        rows.add("Samples", self.samples, format!("believed, {} refused", self.refused));
        if self.dropped > 0 {
            rows.add("", self.dropped, "readings lost: the engine did not keep up");
        }
        match &self.requests {
            None => rows.add("Requests", "", "no time is served over a network"),
            Some(requests) => {
                rows.add("Requests", requests.total, requests.summary());
                rows.add("Clients", requests.clients, "");
                let lost = [
                    (requests.unstamped, "without a kernel stamp"),
                    (requests.overflowed, "lost in the kernel's queue"),
                    (requests.unsent, "replies not sent"),
                ];
                for (count, what) in lost.into_iter().filter(|(count, _)| *count > 0) {
                    rows.add("", count, what);
                }
            }
        }
        rows.fmt(f)
    }
}

/// What the sign of an offset means.
pub(super) fn side(offset_ns: f64) -> &'static str {
    match offset_ns {
        o if o > 0.0 => "served time was behind the source",
        o if o < 0.0 => "served time was ahead of the source",
        _ => "",
    }
}

fn pace(frequency_ppm: f64) -> &'static str {
    match frequency_ppm {
        f if f > 0.0 => "the oscillator runs fast",
        f if f < 0.0 => "the oscillator runs slow",
        _ => "",
    }
}

/// How reports call a leap indicator.
pub const fn leap_name(leap: LeapIndicator) -> &'static str {
    match leap {
        LeapIndicator::None => "none",
        LeapIndicator::Insert => "insert",
        LeapIndicator::Delete => "delete",
        LeapIndicator::Unknown => "unknown",
    }
}
