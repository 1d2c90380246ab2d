//! What the engine is told: its sources and its policies. The configuration makes one of these.

use crate::sample::SourceId;
use crate::source::pairing::Declared;
use crate::time::{Duration, Exponent, Frequency, LeapTable};

/// Everything that does not change while the engine runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// In the order of their [`SourceId`]s; at most [`SourceId::COUNT_MAX`].
    pub sources: Vec<SourcePlan>,
    /// How the clock may be moved.
    pub policy: Policy,
    /// Serve this machine's own clock when nothing better is known.
    pub local: Option<LocalPlan>,
    /// Leap seconds known beforehand; without them sources announce.
    pub leaps: Option<LeapTable>,
    /// log2 s of the time it takes to read the clock.
    pub precision: Exponent,
    /// Half the time it takes to read the clock, s.
    pub reading: f64,
}

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourcePlan {
    /// The operator's name for it.
    pub name: String,
    /// Sent as reference id while it is followed.
    pub reference_id: [u8; 4],
    /// Stratum of the source itself: 0 for a reference clock.
    pub stratum: u8,
    /// What it is.
    pub role: Role,
    /// Its declared constants.
    pub declared: Declared,
    /// First guess of its noise, one sigma, s.
    pub sigma: f64,
    /// Interval of the reach register.
    pub poll: Exponent,
    /// Preferred to any other that survives.
    pub prefer: bool,
    /// Watched, never followed.
    pub noselect: bool,
    /// chrony's `trust`: its time is taken to be true, so only another trusted source that
    /// disagrees can make it a falseticker.
    pub trust: bool,
    /// A wider error bound than this, s, makes it useless.
    pub distance_max: f64,
}

/// What a source brings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Text of a receiver.
    Text,
    /// Pulses or marks, numbered by a text source if one is named.
    Pulse {
        /// Whose labels number them.
        text: Option<SourceId>,
    },
    /// Exchanges with an NTP server.
    Server(ServerPlan),
}

/// How a server is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerPlan {
    /// log2 s of the shortest interval between polls.
    pub poll_min: Exponent,
    /// log2 s of the longest.
    pub poll_max: Exponent,
    /// Exchanges with a longer round trip are dropped, s.
    pub delay_max: f64,
}

/// How the clock may be moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// When to step.
    pub step: StepPolicy,
    /// Larger offsets forward are refused after the first step.
    pub panic_forward: Duration,
    /// Larger offsets backward are refused after the first step.
    pub panic_backward: Duration,
    /// Largest slew.
    pub slew_limit: Frequency,
    /// Largest error of the oscillator's rate that is corrected.
    pub frequency_limit: Frequency,
    /// Holdover ends when the bound passes this.
    pub holdover_limit: Duration,
    /// How the clock passes a leap second.
    pub leap: LeapMode,
}

/// How the clock passes a leap second: chrony's `leapsecmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeapMode {
    /// The kernel steps its clock (adjtimex(2), STA_INS and STA_DEL). A clock in software has no
    /// kernel behind it, and steps.
    #[default]
    Kernel,
    /// The daemon steps it by a second at the instant.
    Step,
    /// It goes on, and the second is worked off by slewing.
    Slew,
    /// Nothing is done: the time is found anew from sources that leapt.
    Ignore,
}

/// When a lag is stepped rather than slewed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepPolicy {
    /// Never, not even at the start.
    Never,
    /// A lag above the threshold, so many times; then only slews.
    First {
        /// Smaller lags are slewed.
        threshold: Duration,
        /// Steps allowed.
        count: u32,
    },
    /// Whenever the lag passes the threshold.
    Always {
        /// Smaller lags are slewed.
        threshold: Duration,
    },
}

/// The machine's own clock as a source of last resort (chrony's `local`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalPlan {
    /// Stratum served, 1..=15.
    pub stratum: u8,
    /// What the clock may be wrong by when it was never compared with anything, s.
    pub uncertainty: f64,
    /// How long better sources are waited for, if any are configured.
    pub wait: Duration,
}

/// What a lag calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Beyond the panic limit: a person decides.
    Nothing,
    Step,
    Slew,
}

impl Policy {
    /// What to do about a lag after so many steps. The first step may be any: a machine without a
    /// battery wakes in 1970.
    pub(super) fn decide(&self, lag: Duration, stepped: u32) -> Move {
        let beyond = lag > self.panic_forward || lag < -self.panic_backward;
        let (threshold, allowed) = match self.step {
            StepPolicy::Never => (None, 0),
            StepPolicy::First { threshold, count } => (Some(threshold), count),
            StepPolicy::Always { threshold } => (Some(threshold), u32::MAX),
        };
        let large = threshold.is_some_and(|threshold| lag.abs() > threshold);
        match (large && stepped < allowed, beyond) {
            (true, _) if stepped == 0 => Move::Step,
            (_, true) => Move::Nothing,
            (true, false) => Move::Step,
            (false, false) => Move::Slew,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            step: StepPolicy::First { threshold: Duration::from_millis(1), count: 3 },
            panic_forward: Duration::from_seconds(1000),
            panic_backward: Duration::from_seconds(1000),
            slew_limit: crate::discipline::servo::SLEW_LIMIT,
            frequency_limit: crate::discipline::servo::FREQUENCY_LIMIT,
            holdover_limit: Duration::from_millis(100),
            leap: LeapMode::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLD: Duration = Duration::from_millis(1);

    fn policy(step: StepPolicy) -> Policy {
        Policy {
            step,
            panic_forward: Duration::from_seconds(10),
            panic_backward: Duration::from_seconds(5),
            ..Policy::default()
        }
    }

    #[test]
    fn steps_are_for_large_lags_and_as_many_as_allowed() {
        let first = policy(StepPolicy::First { threshold: THRESHOLD, count: 3 });
        let always = policy(StepPolicy::Always { threshold: THRESHOLD });
        let never = policy(StepPolicy::Never);
        for sign in [1, -1] {
            let (small, large) = (THRESHOLD * sign, Duration::from_millis(2) * sign);
            for stepped in 0..5 {
                assert_eq!(first.decide(small, stepped), Move::Slew);
                let wanted = if stepped < 3 { Move::Step } else { Move::Slew };
                assert_eq!(first.decide(large, stepped), wanted, "{stepped}");
                assert_eq!(always.decide(large, stepped), Move::Step);
                assert_eq!(never.decide(large, stepped), Move::Slew);
            }
        }
    }

    #[test]
    fn each_way_has_its_own_panic_limit() {
        use Move::{Nothing, Slew};
        let never = policy(StepPolicy::Never);
        let other = Policy {
            panic_forward: never.panic_backward,
            panic_backward: never.panic_forward,
            ..never
        };
        // (what is beyond the limit, lag in s, with 10 s forward and 5 s back, with 5 s and 10 s)
        for (why, lag, wide_forward, wide_backward) in [
            ("neither", 4.9, Slew, Slew),
            ("at a limit it is not beyond it", 5.0, Slew, Slew),
            ("forward of 5 s, within backward", 7.0, Slew, Nothing),
            ("backward of 5 s, within forward", -7.0, Nothing, Slew),
            ("the limit itself, backward", -5.0, Slew, Slew),
            ("both", 10.1, Nothing, Nothing),
            ("both, backward", -10.1, Nothing, Nothing),
        ] {
            let lag = Duration::from_seconds_f64(lag);
            let decided = (never.decide(lag, 1), other.decide(lag, 1));
            assert_eq!(decided, (wide_forward, wide_backward), "{why}");
        }
    }

    #[test]
    fn beyond_the_panic_limit_only_the_first_step_is_allowed() {
        let first = policy(StepPolicy::First { threshold: THRESHOLD, count: 3 });
        let never = policy(StepPolicy::Never);
        for (seconds, panics) in [(11, true), (9, false), (-6, true), (-4, false)] {
            let lag = Duration::from_seconds(seconds);
            assert_eq!(first.decide(lag, 0), Move::Step);
            let later = if panics { Move::Nothing } else { Move::Step };
            assert_eq!(first.decide(lag, 1), later, "{seconds}");
            let slewed = if panics { Move::Nothing } else { Move::Slew };
            assert_eq!((first.decide(lag, 3), never.decide(lag, 0)), (slewed, slewed), "{seconds}");
        }
    }
}
