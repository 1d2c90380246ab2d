//! What the published bound assumes of the world, and what must be told where that is broken.
//!
//! Which assumptions a universe breaks is a pure function of its values ([`super::broken`]), written
//! down before it runs. In such a world a wrong bound is no fault of the daemon, but silence is:
//! where the breach can be seen from inside, one of its signs must be told in time.

use super::breaks;
use super::oracle::{Law, Violations};
use super::universe::Universe;
use crate::event::{Event, EventKind};
use crate::mitigation::Verdict;
use crate::sample::SourceId;

/// Something that the bound takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assumption {
    /// The oscillator's rate does not jump, and wanders no more than the worst quartz.
    SteadyOscillator,
    /// The oscillator's count does not jump.
    UnbrokenCount,
    /// Nobody else sets or slews the clock.
    ClockUntouched,
    /// The machine does not sleep.
    Awake,
    /// More than half of a node's sources tell the truth.
    HonestMajority,
    /// Servers declare the error of their clocks.
    DeclaredErrors,
    /// A server's clock does not step by more than it declares.
    NoServerStep,
    /// What two packets wait in queues is independent, polls apart, and short waits are no exception.
    IndependentQueueing,
    /// A receiver's pulses lie within what is declared of it, its text tells their seconds.
    HonestReceiver,
    /// Leap seconds are announced as they come.
    AnnouncedLeaps,
}

impl Assumption {
    /// Every assumption.
    pub const ALL: [Self; 10] = [
        Self::SteadyOscillator,
        Self::UnbrokenCount,
        Self::ClockUntouched,
        Self::Awake,
        Self::HonestMajority,
        Self::DeclaredErrors,
        Self::NoServerStep,
        Self::IndependentQueueing,
        Self::HonestReceiver,
        Self::AnnouncedLeaps,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SteadyOscillator => "steady oscillator",
            Self::UnbrokenCount => "unbroken count",
            Self::ClockUntouched => "clock untouched",
            Self::Awake => "awake",
            Self::HonestMajority => "honest majority",
            Self::DeclaredErrors => "declared errors",
            Self::NoServerStep => "no server step",
            Self::IndependentQueueing => "independent queueing",
            Self::HonestReceiver => "honest receiver",
            Self::AnnouncedLeaps => "announced leaps",
        }
    }
}

/// What an engine can tell of a breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `ClockDisturbed`.
    Disturbed,
    /// `PhaseStep`, `EstimateMoved`, `SampleRejected`, `EstimateRestarted`: samples that cannot be
    /// explained.
    Unexplained,
    /// `FrequencyJump`.
    FrequencyJump,
    /// `ServerStep` or `RouteChange`: news of one server.
    ServerNews,
    /// A verdict: falseticker, or no majority.
    Disagreement,
    /// `WrongSecond`, `SecondLost`, `PulseOffGrid`: text and pulses against one another.
    WrongSecond,
}

impl Sign {
    /// Whether this event is it.
    pub fn is(self, kind: &EventKind) -> bool {
        match kind {
            EventKind::ClockDisturbed { .. } => self == Self::Disturbed,
            EventKind::PhaseStep { .. }
            | EventKind::EstimateMoved { .. }
            | EventKind::SampleRejected { .. }
            | EventKind::EstimateRestarted => self == Self::Unexplained,
            EventKind::FrequencyJump { .. } => self == Self::FrequencyJump,
            EventKind::ServerStep { .. } | EventKind::RouteChange { .. } => {
                self == Self::ServerNews
            }
            EventKind::Verdict(Verdict::Falseticker | Verdict::NoMajority) => {
                self == Self::Disagreement
            }
            EventKind::WrongSecond { .. }
            | EventKind::SecondLost { .. }
            | EventKind::PulseOffGrid { .. } => self == Self::WrongSecond,
            _ => false,
        }
    }
}

/// An assumption that a universe breaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// Which.
    pub assumption: Assumption,
    /// From when on, s from the start.
    pub from: f64,
    /// The node that is to tell; any one of them if it concerns several.
    pub node: Option<usize>,
    /// One of these must be told; none where nobody can see it from inside.
    pub signs: &'static [Sign],
    /// The sources that are wrong, each with the node that has it: news of a source must be news of
    /// one of these. None where the breach is no source's.
    pub about: Vec<(usize, SourceId)>,
    /// In so many seconds.
    pub within: f64,
    /// When it was told, s from the start.
    pub told: Option<f64>,
}

impl Broken {
    /// Whether what a node told is news of a source that is wrong. Who disagrees with the rest is a
    /// matter of votes, and a jump of the rate one of the estimate.
    fn is_about(&self, node: usize, event: &Event) -> bool {
        let of_all = [Sign::Disagreement, Sign::FrequencyJump, Sign::Disturbed];
        let named = event.source.is_some_and(|source| self.about.contains(&(node, source)));
        self.about.is_empty() || named || of_all.iter().any(|sign| sign.is(&event.kind))
    }

    /// In a world that lasts so long, whether it must be told.
    pub fn is_due(&self, end: f64) -> bool {
        !self.signs.is_empty() && (end > self.from + self.within || self.told.is_some())
    }

    /// In a world that lasts so long, whether it was to be told and was not, or too late.
    pub fn is_untold(&self, end: f64) -> bool {
        let due = self.from + self.within;
        let told = self.told.map_or(end <= due, |told| told <= due);
        !self.signs.is_empty() && !told
    }
}

/// Holds what the engines tell against what was written down before.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness {
    broken: Vec<Broken>,
}

impl Witness {
    /// For a universe.
    pub fn of(universe: &Universe) -> Self {
        Self { broken: breaks::broken(universe) }
    }

    /// What is broken, and when it was told.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// A node told something.
    pub fn told(&mut self, node: usize, at: f64, event: &Event) {
        for broken in &mut self.broken {
            let concerned = broken.node.is_none_or(|concerned| concerned == node);
            let is_sign = broken.signs.iter().any(|sign| sign.is(&event.kind));
            let is_sign = is_sign && broken.is_about(node, event);
            if broken.told.is_none() && concerned && at >= broken.from && is_sign {
                broken.told = Some(at);
            }
        }
    }

    /// At the end: breaches that were to be told and were not, or too late.
    pub fn conclude(&self, at: f64, into: &mut Violations) {
        for broken in self.broken.iter().filter(|broken| broken.is_untold(at)) {
            let due = broken.from + broken.within;
            let node = broken.node.unwrap_or(0);
            into.note(due.min(at), node, Law::Told, || {
                let name = broken.assumption.name();
                let (from, within) = (broken.from, broken.within);
                format!("\"{name}\" is broken from {from} s on; not told within {within} s")
            });
        }
    }
}
