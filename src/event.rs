//! Everything worth telling an operator, each with a name. Logs, counters and tests derive from it.

use core::fmt;

use crate::mitigation::Verdict;
use crate::sample::{Refusal, SourceId};
use crate::state::{LeapCount, Phase};
use crate::time::{Duration, Frequency, LeapIndicator, System, Timestamp};

/// Something happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// When, by the system clock.
    pub at: Timestamp<System>,
    /// To which source, if to one.
    pub source: Option<SourceId>,
    /// What.
    pub kind: EventKind,
}

/// What can happen.
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventKind {
    /// The daemon's phase changed.
    Phase { from: Phase, to: Phase },
    /// The source's part in the time changed.
    Verdict(Verdict),
    /// Samples come again, or came last eight polls ago.
    Reach(bool),
    /// Another source is followed, or none.
    SystemPeer,
    /// Text and pulses agree on the number of a second; the seconds are counted from here.
    SecondNumbered,
    /// A label contradicts the count of pulses by so many seconds; it was not believed.
    WrongSecond { by: i64 },
    /// Labels contradict the count for so long that the count is given up.
    SecondLost { by: i64 },
    /// A label came at an odd distance from the one before; it was not believed.
    LabelLate { by: Duration },
    /// Pulses are missing since the last one.
    PulseMissed { count: u32 },
    /// A pulse came too soon after another; it was dropped.
    PulseDoubled { after: Duration },
    /// A pulse came far from any second; it was dropped.
    PulseOffGrid { by: Duration },
    /// A receiver's correction lies far beyond its clock's grain; it was not applied.
    QuantizationRefused { error: Duration },
    /// A server refuses to serve, by this code (RFC 5905 §7.4).
    Kissed { code: [u8; 4] },
    /// The route to a server changed: its shortest round trip by so much.
    RouteChange { by: Duration },
    /// A server's own clock stepped, while another source is believed.
    ServerStep { by: Duration },
    /// A receiver's dates are so many times 1024 weeks old; they were moved forward.
    Rollover { eras: u32 },
    /// A driver dropped something.
    Refused(Refusal),
    /// No filter of the estimator finds the sample possible; so far from the estimate.
    SampleRejected { distance: Duration },
    /// The oscillator's phase stepped.
    PhaseStep { by: Duration },
    /// The oscillator's rate jumped.
    FrequencyJump { by: Frequency },
    /// The estimate was so far outside of where a server, if it is right, proves the time to be; the
    /// oscillator did nothing.
    EstimateMoved { by: Duration },
    /// Too many samples could not be explained: the estimate starts anew.
    EstimateRestarted,
    /// The served clock was stepped.
    Stepped { by: Duration },
    /// Somebody set the clock, or the machine slept: the bound is void until agreed again.
    ClockDisturbed { by: Duration },
    /// The engine was not asked for so long: stopped, asleep, or its count jumped. The bound is void
    /// until agreed again.
    TickLate { after: Duration },
    /// What is announced for the end of the month changed: armed, or taken back.
    LeapAnnounced(LeapIndicator),
    /// UTC inserted or deleted a second, and who counted it.
    LeapSecond { inserted: bool, count: LeapCount },
    /// The table of leap seconds has expired: leaps are taken from sources.
    LeapTableExpired,
    /// A server's clock is noisier, by 6 sigma of what was learned of it, than it declares.
    NoisierThanDeclared { noise: Duration },
    /// The oscillator needs a larger correction than the frequency limit allows.
    FrequencyLimited { needed: Frequency },
    /// The clock would not be steered; the reason is in the log.
    ClockRefused,
    /// The offset is beyond the panic limit; the clock is left alone.
    Panic { offset: Duration },
}

/// Names of all kinds: a kind without one does not compile.
macro_rules! names {
    ($($kind:ident => $name:literal),+ $(,)?) => {
        impl EventKind {
            /// Every name.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// Its name in scenarios.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind { .. } => $name),+
                }
            }
        }
    };
}

names! {
    Phase => "phase",
    Verdict => "verdict",
    Reach => "reach",
    SystemPeer => "system_peer",
    SecondNumbered => "second_numbered",
    WrongSecond => "wrong_second",
    SecondLost => "second_lost",
    LabelLate => "label_late",
    PulseMissed => "pulse_missed",
    PulseDoubled => "pulse_doubled",
    PulseOffGrid => "pulse_off_grid",
    QuantizationRefused => "quantization_refused",
    Kissed => "kissed",
    RouteChange => "route_change",
    ServerStep => "server_step",
    Rollover => "rollover",
    Refused => "refused",
    SampleRejected => "sample_rejected",
    PhaseStep => "phase_step",
    FrequencyJump => "frequency_jump",
    EstimateMoved => "estimate_moved",
    EstimateRestarted => "estimate_restarted",
    Stepped => "stepped",
    ClockDisturbed => "clock_disturbed",
    TickLate => "tick_late",
    LeapAnnounced => "leap_announced",
    LeapSecond => "leap_second",
    LeapTableExpired => "leap_table_expired",
    NoisierThanDeclared => "noisier_than_declared",
    FrequencyLimited => "frequency_limited",
    ClockRefused => "clock_refused",
    Panic => "panic",
}

impl EventKind {
    /// How loud it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Refused(_)
            | Self::LabelLate { .. }
            | Self::SampleRejected { .. }
            | Self::PulseMissed { .. }
            | Self::PulseDoubled { .. }
            | Self::PulseOffGrid { .. }
            | Self::QuantizationRefused { .. } => Severity::Debug,
            Self::Phase { .. }
            | Self::SystemPeer
            | Self::Verdict(_)
            | Self::Reach(_)
            | Self::SecondNumbered
            | Self::LeapAnnounced(_)
            | Self::Stepped { .. } => Severity::Info,
            Self::WrongSecond { .. }
            | Self::SecondLost { .. }
            | Self::Rollover { .. }
            | Self::PhaseStep { .. }
            | Self::EstimateMoved { .. }
            | Self::FrequencyJump { .. }
            | Self::EstimateRestarted
            | Self::LeapSecond { .. }
            | Self::LeapTableExpired
            | Self::Kissed { .. }
            | Self::TickLate { .. }
            | Self::RouteChange { .. }
            | Self::ServerStep { .. }
            | Self::NoisierThanDeclared { .. }
            | Self::FrequencyLimited { .. }
            | Self::ClockDisturbed { .. } => Severity::Warning,
            Self::ClockRefused | Self::Panic { .. } => Severity::Error,
        }
    }
}

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For whoever looks closely.
    Debug,
    /// The usual course of things.
    Info,
    /// Out of the ordinary, handled.
    Warning,
    /// Needs a person.
    Error,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase { from, to } => write!(f, "{from} → {to}"),
            Self::Verdict(verdict) => write!(f, "{verdict}"),
            Self::Reach(true) => f.write_str("reachable"),
            Self::Reach(false) => f.write_str("unreachable for eight polls"),
            Self::SystemPeer => f.write_str("is followed now"),
            Self::SecondNumbered => f.write_str("text and pulses agree on the second"),
            Self::WrongSecond { by } => {
                write!(f, "label is {by:+} s off the count of pulses; not believed")
            }
            Self::SecondLost { by } => {
                write!(f, "labels say {by:+} s for too long; seconds are numbered anew")
            }
            Self::LabelLate { by } => write!(f, "label {by} off its turn; not believed"),
            Self::PulseMissed { count } => write!(f, "{count} pulses missing"),
            Self::PulseDoubled { after } => write!(f, "second pulse after {after}; dropped"),
            Self::PulseOffGrid { by } => write!(f, "pulse {by} off the second; dropped"),
            Self::QuantizationRefused { error } => {
                write!(f, "correction of {error} is beyond the clock's grain; not applied")
            }
            Self::Rollover { eras } => {
                write!(f, "dates are {eras} × 1024 weeks old; moved forward")
            }
            Self::Kissed { code } => write!(f, "refuses to serve: {}", code.escape_ascii()),
            Self::RouteChange { by } => write!(f, "route changed; shortest round trip by {by}"),
            Self::ServerStep { by } => write!(f, "the server's clock stepped by {by}"),
            Self::Refused(refusal) => write!(f, "dropped: {}", refusal.name()),
            Self::SampleRejected { distance } => {
                write!(f, "sample {distance} from the estimate; not believed")
            }
            Self::PhaseStep { by } => write!(f, "oscillator's phase stepped by {by}"),
            Self::EstimateMoved { by } => {
                write!(f, "the estimate could not be right; moved by {by}")
            }
            Self::FrequencyJump { by } => {
                write!(f, "oscillator's rate jumped by {:+.3} ppm", by.ppm())
            }
            Self::EstimateRestarted => f.write_str("samples cannot be explained; starting anew"),
            Self::Stepped { by } => write!(f, "served clock stepped by {by}"),
            Self::ClockDisturbed { by } => {
                write!(f, "somebody else moved the clock by {by}; bound void until agreed again")
            }
            Self::TickLate { after } => {
                write!(f, "no tick for {after}: stopped, asleep, or the clock's count jumped")
            }
            Self::LeapAnnounced(leap) => f.write_str(announced(*leap)),
            Self::LeapSecond { inserted, count } => {
                let what = if *inserted { "inserted" } else { "left out" };
                write!(f, "a second was {what} in UTC; {}", counted(*count))
            }
            Self::LeapTableExpired => {
                f.write_str("the table of leap seconds has expired; leaps are taken from sources")
            }
            Self::NoisierThanDeclared { noise } => {
                write!(f, "the server's clock is off by up to {noise}, more than it declares")
            }
            Self::FrequencyLimited { needed } => {
                write!(
                    f,
                    "the oscillator needs {:+.1} ppm, beyond the frequency limit",
                    needed.ppm()
                )
            }
            Self::ClockRefused => f.write_str("the clock would not be steered"),
            Self::Panic { offset } => {
                write!(f, "offset of {offset} is beyond the panic limit; clock left alone")
            }
        }
    }
}

const fn announced(leap: LeapIndicator) -> &'static str {
    match leap {
        LeapIndicator::Insert => "a second is inserted at the end of the month",
        LeapIndicator::Delete => "a second is left out at the end of the month",
        LeapIndicator::None | LeapIndicator::Unknown => "no leap second is announced any more",
    }
}

const fn counted(count: LeapCount) -> &'static str {
    match count {
        LeapCount::InSoftware => "the served time counts it",
        LeapCount::ByDaemon => "the clock was stepped",
        LeapCount::ByKernel => "the kernel stepped its clock",
        LeapCount::Nobody | LeapCount::Done => "the clock was not stepped",
    }
}
