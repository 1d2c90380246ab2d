//! The values of a scenario: who is in the universe, what happens to it, and what is expected.
//!
//! Plain data as a file or the swarm writes it, with names for references. [`super::Universe`]
//! resolves them and says what cannot be; nothing here knows where a value came from. Times are
//! spans from the start of the scenario, unless said otherwise.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::count::Count;
use super::happening::Happening;
use super::{OscillatorPlan, PathPlan, ReceiverPlan, ServerPlan, StampPlan};
use crate::time::{Duration, Span, Timestamp, Utc, parse_rfc3339};

/// A universe to be run, from files in `config/scenarios/` or made by the swarm.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "tables of keys")]
pub struct Scenario {
    /// How tables and reports call it.
    pub name: String,
    /// What it shows, in a sentence.
    #[serde(default)]
    pub about: String,
    /// How long it lasts.
    pub duration: Span,
    /// Statistics leave out what came before; two hours unless said, or half of a shorter one.
    pub settle: Option<Span>,
    /// True time at its begin.
    #[serde(default)]
    pub start: Instant,
    /// A leap second of UTC in its course.
    pub leap: Option<LeapEntry>,
    /// The node whose clock the figures are of; the first one unless named.
    pub judge: Option<String>,
    /// Machines that run the daemon.
    #[serde(default)]
    pub node: Vec<NodeEntry>,
    /// Servers of the outside world.
    #[serde(default)]
    pub server: Vec<ServerEntry>,
    /// Receivers and other reference clocks.
    #[serde(default)]
    pub receiver: Vec<ReceiverEntry>,
    /// Networks between them.
    #[serde(default)]
    pub link: Vec<LinkEntry>,
    /// What happens in its course.
    #[serde(default)]
    pub event: Vec<Happening>,
    /// What must come out.
    #[serde(default)]
    pub expect: Expect,
}

impl Scenario {
    /// What statistics leave out.
    pub fn settle(&self) -> Duration {
        let usual = Duration::from_seconds(7200).min(self.duration.0 / 2);
        self.settle.map_or(usual, |settle| settle.0)
    }
}

/// A leap second.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct LeapEntry {
    /// The midnight of UTC that it comes before.
    pub before: Instant,
    /// Left out rather than inserted.
    #[serde(default)]
    pub deleted: bool,
}

/// A machine that runs the daemon.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct NodeEntry {
    /// How others refer to it.
    pub name: String,
    /// Its quartz.
    pub oscillator: OscillatorPlan,
    /// Steered like the kernel's clock; otherwise a clock in software over an untouched one.
    #[serde(default)]
    pub steered: bool,
    /// When lags are stepped.
    #[serde(default)]
    pub step: Step,
    /// Smaller lags are slewed; 1 ms.
    pub step_threshold: Option<Span>,
    /// Steps allowed beside `step = "first"`; 3.
    pub steps: Option<u32>,
    /// Largest slew; 83 333 ppm.
    pub slew_limit_ppm: Option<f64>,
    /// Larger offsets are refused after the first step, both ways; 1000 s.
    pub panic: Option<Span>,
    /// Holdover ends when the bound passes this; 100 ms.
    pub holdover_limit: Option<Span>,
    /// Half the time it takes to read the clock; 0.
    #[serde(default)]
    pub reading: Span,
    /// How its clock passes a leap second.
    #[serde(default)]
    pub leap_mode: Leaping,
    /// The text of its table of leap seconds: a `leap-seconds.list`, or the tz database's `leapseconds`.
    pub leaps: Option<String>,
    /// It serves smeared time.
    pub smear: Option<Smearing>,
    /// Its own clock is served while nothing better is known.
    pub local: Option<LocalEntry>,
    /// What is wrong with the stamps of its packets.
    #[serde(default)]
    pub stamps: StampPlan,
    /// Where its time comes from.
    #[serde(default)]
    pub source: Vec<SourceEntry>,
}

/// A machine's own clock as the source of last resort.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct LocalEntry {
    /// Stratum served, 1 to 15; 10.
    #[serde(default = "ten")]
    pub stratum: u8,
    /// What the clock may be wrong by when it was never compared with anything.
    pub uncertainty: Span,
    /// How long better sources are waited for, if there are any; 0.
    #[serde(default)]
    pub wait: Span,
}

/// When a lag is stepped rather than slewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Never, not even at the start.
    Never,
    /// So many times, then only slews.
    #[default]
    First,
    /// Whenever it is large enough.
    Always,
}

/// How a node's clock passes a leap second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Leaping {
    /// The kernel steps it; a clock in software counts it.
    #[default]
    Kernel,
    /// The daemon steps it.
    Step,
    /// It is slewed.
    Slew,
    /// Nothing is done.
    Ignore,
}

/// How a node that serves smeared time spreads a leap second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Smearing {
    /// At one rate.
    Linear,
    /// Along half a cosine.
    Cosine,
}

/// A source of a node: a server that it asks, or a receiver at its side.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct SourceEntry {
    /// How verdicts and events call it; what it is connected to unless said.
    pub name: Option<String>,
    /// A server, or another node.
    pub server: Option<String>,
    /// A receiver.
    pub receiver: Option<String>,
    /// Which half of a receiver.
    pub role: Option<ReceiverRole>,
    /// The source whose text numbers these pulses.
    pub text: Option<String>,
    /// log2 s of the shortest interval between polls; 6.
    pub minpoll: Option<i8>,
    /// log2 s of the longest; 10.
    pub maxpoll: Option<i8>,
    /// A burst at the start.
    #[serde(default)]
    pub iburst: bool,
    /// A burst at each poll.
    #[serde(default)]
    pub burst: bool,
    /// Ask for interleaved answers (RFC 9769).
    #[serde(default)]
    pub interleaved: bool,
    /// Version of the requests; 4.
    pub version: Option<u8>,
    /// Preferred to any other that survives.
    #[serde(default)]
    pub prefer: bool,
    /// Taken to be true: only trusted sources vote, where there are any.
    #[serde(default)]
    pub trust: bool,
    /// Watched, never followed.
    #[serde(default)]
    pub noselect: bool,
    /// Exchanges with a longer round trip are dropped; 3 s.
    pub delay_max: Option<Span>,
    /// Added to the source's time.
    #[serde(default)]
    pub offset: Span,
    /// What the receiver and that constant may be wrong by.
    #[serde(default)]
    pub uncertainty: Span,
    /// Resolution of its stamps.
    #[serde(default)]
    pub quantization: Span,
    /// Grain of the receiver's clock.
    #[serde(default)]
    pub grain: Span,
    /// What a correction leaves of it.
    #[serde(default)]
    pub grain_corrected: Span,
    /// First guess of its noise, one sigma; 1 µs for pulses and marks, 200 ms for text.
    pub noise: Option<Span>,
    /// A wider bound makes it useless; 3 s.
    pub distance_max: Option<Span>,
}

/// Which half of a receiver a source listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiverRole {
    /// Its serial line.
    Text,
    /// Its pulses or marks.
    Pulse,
}

/// A server of the outside world.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct ServerEntry {
    /// How others refer to it.
    pub name: String,
    /// Its clock and what it says of it.
    #[serde(default)]
    pub model: ServerPlan,
}

/// A receiver.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct ReceiverEntry {
    /// How others refer to it.
    pub name: String,
    /// What it sends, and what is wrong with that.
    #[serde(default)]
    pub model: ReceiverPlan,
}

/// A network between a node and whom it asks.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct LinkEntry {
    /// The node that asks.
    pub from: String,
    /// The server or node that is asked.
    pub to: String,
    /// The way of requests and of answers, drawn independently.
    pub both: Option<PathPlan>,
    /// The way of requests, if it differs.
    pub there: Option<PathPlan>,
    /// The way of answers, if it differs.
    pub back: Option<PathPlan>,
}

impl LinkEntry {
    /// The laws of requests and of answers, if the node that asks is `from`; `reversed`: if it is
    /// `to`.
    pub(super) fn ways(&self, reversed: bool) -> [Option<&PathPlan>; 2] {
        let [there, back] =
            [&self.there, &self.back].map(|way| way.as_ref().or(self.both.as_ref()));
        if reversed { [back, there] } else { [there, back] }
    }
}

/// What must come out, in the mean over the seeds: nothing where a key is left out. Each is the
/// largest value allowed, but for `coverage`, `verdict` and `events`, which every seed has to meet.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct Expect {
    /// RMS of the error after settling.
    pub rms: Option<Span>,
    /// 99th percentile of |error|.
    pub p99: Option<Span>,
    /// Largest |error|.
    pub max: Option<Span>,
    /// Time from the start until |error| < 1 ms for good.
    pub seconds_to_lock: Option<Span>,
    /// Least share of judged seconds in which |error| ≤ bound, of the worst seed.
    pub coverage: Option<f64>,
    /// median(bound) / p99.
    pub tightness: Option<f64>,
    /// The same with the path term left out.
    pub tightness_without_path: Option<f64>,
    /// RMS over that of the reference.
    pub rms_vs_kalman: Option<f64>,
    /// RMS over that of the better of two plain methods.
    pub rms_vs_plain: Option<f64>,
    /// Requests that the judged node sent a day.
    pub requests_per_day: Option<f64>,
    /// Largest |error| from the event to two hours after its end.
    pub event_max: Option<Span>,
    /// Time from the event until |error| < 1 ms for good.
    pub recovery: Option<Span>,
    /// Verdicts at the end, by the name of the source: one of these words, by `|`.
    #[serde(default)]
    pub verdict: BTreeMap<String, String>,
    /// How often the judged node tells of an event in a run, by the event's name.
    #[serde(default)]
    pub events: BTreeMap<String, Count>,
}

/// An instant of UTC, written as RFC 3339 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Instant(pub Timestamp<Utc>);

impl Default for Instant {
    /// 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self(Timestamp::from_seconds(1_767_225_600))
    }
}

impl From<Instant> for String {
    fn from(instant: Instant) -> Self {
        instant.0.to_string()
    }
}

impl TryFrom<String> for Instant {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong =
            || format!("\"{text}\" is no instant of UTC; write it as \"2026-01-01T00:00:00Z\"");
        parse_rfc3339(&text).map(Self).ok_or_else(wrong)
    }
}

const fn ten() -> u8 {
    10
}
