//! What a scenario does to its universe, and when: one table `[[event]]` for each.
//!
//! A table names what happens, whom it happens to, and how much. Which keys belong to which word is
//! one table here, [`What::takes`]; a key that has no effect is refused like one that is missing.

use serde::{Deserialize, Serialize};

use super::{Fault, Hostile, Mistake};
use crate::time::{Duration, Span};

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct Happening {
    /// When, from the start.
    pub at: Span,
    /// When it ends, where it lasts; the end of the scenario unless said.
    pub until: Option<Span>,
    /// What.
    pub what: What,
    /// The node it happens to.
    pub node: Option<String>,
    /// The server it happens to.
    pub server: Option<String>,
    /// The receiver it happens to.
    pub receiver: Option<String>,
    /// The asking end of a link; every link unless named.
    pub from: Option<String>,
    /// The asked end of a link; every link unless named.
    pub to: Option<String>,
    /// Which way of a link; both unless said.
    pub direction: Option<Direction>,
    /// By how much time.
    pub by: Option<Span>,
    /// By how much rate, ppm.
    pub by_ppm: Option<f64>,
    /// Of the packets, 0 to 1.
    pub share: Option<f64>,
    /// How a server spoils its answers.
    pub hostile: Option<Hostile>,
    /// What is wrong with a receiver.
    pub fault: Option<Fault>,
    /// A process that ends leaves no state file behind.
    pub forgets: Option<bool>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Somebody sets the system clock forward `by`; the oscillator is not touched.
    StepClock,
    /// Somebody slews the system clock by `by_ppm`.
    SlewClock,
    /// The oscillator's count jumps: a machine that was suspended or migrated, unknown to it.
    JumpOscillator,
    /// The oscillator's rate jumps.
    JumpFrequency,
    /// The process is stopped: stamps go on, nothing is read.
    Stall,
    /// The daemon ends, and starts anew.
    Restart,
    /// The machine sleeps and hears nothing; it wakes with its clock set, wrong `by`.
    Suspend,
    /// No packet passes a link.
    Block,
    /// A link loses this `share` of its packets.
    Loss,
    /// The base delay of a link changes.
    RouteChange,
    /// A server's clock steps.
    ServerStep,
    /// A server lies by so much, whatever it says of its error.
    ServerLie,
    /// A server answers nobody.
    ServerSilent,
    /// A server's clock runs away by `by_ppm`.
    ServerDrift,
    /// A server spoils its answers, as `hostile` says.
    ServerHostile,
    /// A receiver is broken, as `fault` says.
    ReceiverFault,
}

/// Which way of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Requests.
    There,
    /// Answers.
    Back,
    /// Both.
    #[default]
    Both,
}

/// A key of the table and whether it must be there.
type Takes = &'static [(Key, bool)];

/// The keys whose presence depends on what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Until,
    Node,
    Server,
    Receiver,
    Link,
    Direction,
    By,
    ByPpm,
    Share,
    Hostile,
    Fault,
    Forgets,
}

impl What {
    /// Whether it moves a clock or stops a machine, rather than what it hears.
    pub const fn moves_clock(self) -> bool {
        matches!(
            self,
            Self::StepClock
                | Self::SlewClock
                | Self::JumpOscillator
                | Self::JumpFrequency
                | Self::Stall
                | Self::Restart
                | Self::Suspend
        )
    }

    /// The keys that mean something beside this word; `true`: it must be said.
    const fn takes(self) -> Takes {
        use Key::{By, ByPpm, Direction, Link, Node, Receiver, Server, Until};
        match self {
            Self::StepClock | Self::JumpOscillator => &[(Node, true), (By, true)],
            Self::SlewClock => &[(Node, true), (ByPpm, true), (Until, true)],
            Self::JumpFrequency => &[(Node, true), (ByPpm, true)],
            Self::Stall => &[(Node, true), (Until, true)],
            Self::Restart => &[(Node, true), (Until, true), (Key::Forgets, false)],
            Self::Suspend => &[(Node, true), (Until, true), (By, false)],
            Self::Block => &[(Link, false), (Direction, false), (Until, false)],
            Self::Loss => &[(Link, false), (Direction, false), (Until, false), (Key::Share, true)],
            Self::RouteChange => &[(Link, false), (Direction, false), (Until, false), (By, true)],
            Self::ServerStep => &[(Server, true), (By, true)],
            Self::ServerLie => &[(Server, true), (By, true), (Until, false)],
            Self::ServerSilent => &[(Server, true), (Until, false)],
            Self::ServerDrift => &[(Server, true), (ByPpm, true)],
            Self::ServerHostile => &[(Server, true), (Key::Hostile, true), (Until, false)],
            Self::ReceiverFault => &[(Receiver, true), (Key::Fault, true), (Until, false)],
        }
    }
}

impl Happening {
    /// When it is over: its `until`, the end of the scenario if it lasts, else at once.
    pub fn ends(&self, duration: Duration) -> Duration {
        let lasts = self.what.takes().iter().any(|(key, _)| *key == Key::Until);
        match self.until {
            Some(until) => until.0,
            None if lasts => duration,
            None => self.at.0,
        }
    }

    /// What is missing or has no effect; `index` is its place among the events.
    pub(super) fn check(&self, index: usize, duration: Duration, mistakes: &mut Vec<Mistake>) {
        let mut mistake = |key: &str, reason: String| {
            mistakes.push(Mistake { path: format!("event[{index}].{key}"), reason });
        };
        for (key, name, present) in self.keys() {
            let takes = self.what.takes().iter().find(|(taken, _)| *taken == key);
            match takes {
                Some((_, true)) if !present => {
                    mistake("what", format!("this needs the key `{name}`, which is missing"));
                }
                None if present => {
                    mistake(name, "has no effect on this event; leave it out".into());
                }
                _ => {}
            }
        }
        if self.at.0.is_negative() || self.at.0 > duration {
            mistake("at", "lies outside of the scenario; between 0 and `duration`".into());
        }
        if self.until.is_some_and(|until| until.0 <= self.at.0 || until.0 > duration) {
            mistake("until", "lies before `at` or after the end of the scenario".into());
        }
        if self.by_ppm.is_some_and(|ppm| !(-RATE_MAX_PPM..=RATE_MAX_PPM).contains(&ppm)) {
            mistake("by_ppm", format!("is out of range; -{RATE_MAX_PPM} to {RATE_MAX_PPM} ppm"));
        }
        if self.share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            mistake("share", "is out of range; 0 to 1".into());
        }
    }

    fn keys(&self) -> [(Key, &'static str, bool); 13] {
        [
            (Key::Until, "until", self.until.is_some()),
            (Key::Node, "node", self.node.is_some()),
            (Key::Server, "server", self.server.is_some()),
            (Key::Receiver, "receiver", self.receiver.is_some()),
            (Key::Link, "from", self.from.is_some()),
            (Key::Link, "to", self.to.is_some()),
            (Key::Direction, "direction", self.direction.is_some()),
            (Key::By, "by", self.by.is_some()),
            (Key::ByPpm, "by_ppm", self.by_ppm.is_some()),
            (Key::Share, "share", self.share.is_some()),
            (Key::Hostile, "hostile", self.hostile.is_some()),
            (Key::Fault, "fault", self.fault.is_some()),
            (Key::Forgets, "forgets", self.forgets.is_some()),
        ]
    }
}

/// No quartz and no slew is faster: a tenth.
const RATE_MAX_PPM: f64 = 100_000.0;
