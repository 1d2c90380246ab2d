//! What a scenario says of a receiver: its law, and what can go wrong with it.

use serde::{Deserialize, Serialize};

use super::keys::{Announcement, SPAN_MAX, probability, span, within};
use super::{Mistake, Queueing};

/// The law of a receiver. Without any key it brings one exact mark a second.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiverPlan {
    /// What it brings.
    pub kind: ReceiverKind,
    /// Readings a second, 1 to 64; other than 1 for marks only.
    pub rate: u32,
    /// Sigma of a normal error of each stamp, s.
    pub noise: f64,
    /// How late stamps are, one-sided; all of a list add up.
    pub late: Vec<Queueing>,
    /// An error that follows a sine.
    pub wave: Option<Wave>,
    /// The receiver's own clock tick.
    pub sawtooth: Option<Sawtooth>,
    /// What it tells of that tick before each pulse (qErr).
    pub correction: Correction,
    /// Text begins to arrive so long after its second, shortest and longest, s.
    pub text_delay: [f64; 2],
    /// Probability that a second's text is lost.
    pub text_lost: f64,
    /// Probability that it tells the second after.
    pub text_wrong: f64,
    /// Probability that a pulse or mark is lost.
    pub pulse_lost: f64,
    /// Probability of one more, somewhere within the interval.
    pub pulse_extra: f64,
    /// Stamps that are far off.
    pub outlier: Option<Outlier>,
    /// What it announces for the end of the month.
    pub leap: Announcement,
}

/// What a receiver brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiverKind {
    /// Complete marks: SHM, SOCK, a PHC.
    #[default]
    Marks,
    /// Pulses that somebody else has to number.
    Pulses,
    /// Pulses, and text that numbers them.
    PulsesAndText,
    /// Text alone.
    Text,
}

/// What is told of the tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Nothing.
    #[default]
    None,
    /// True edge = stamped edge + correction.
    Right,
    /// The opposite sign.
    Reversed,
    /// Always zero.
    Idle,
}

/// An error that follows a sine from the start on.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// s.
    pub amplitude: f64,
    /// s.
    pub period: f64,
}

/// A receiver raises its pulse on a tick of its own clock, which drifts through the second: the
/// error grows evenly and falls back.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sawtooth {
    /// Largest error, half a tick, s.
    pub amplitude: f64,
    /// How much of a tick it drifts between two readings, 0 to 1; near 0 or 1 the error hangs.
    #[serde(default = "drift")]
    pub step: f64,
}

/// Stamps that are far off, early or late alike.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outlier {
    /// Of a stamp.
    pub probability: f64,
    /// s.
    pub size: f64,
}

/// What can go wrong with a receiver, and right again.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// It has no fix: no pulses, and text says so.
    Outage,
    /// Its time is led away.
    Spoofed {
        /// Receiver − true at last, s.
        by: f64,
        /// It gets there in so many seconds, evenly; 0: at once.
        #[serde(default)]
        over: f64,
    },
    /// Labels and marks tell so many seconds more.
    WrongSecond(i64),
    /// The same from another cause: GPS − UTC is not known after a cold start (18 since 2017).
    WrongUtcOffset(i64),
    /// Its dates are 1024 weeks old.
    WeekRollover,
    /// It announces this leap second.
    WrongLeap(Announcement),
    /// Pulses or marks are lost with this probability, if it is above the plan's.
    MissedPulses(f64),
    /// One more comes with this probability, if it is above the plan's.
    ExtraPulses(f64),
    /// The other edge is stamped: pulses or marks are late by the pulse's width, s.
    WrongEdge(f64),
    /// Text is so much later, s.
    TextLate(f64),
    /// No text comes at all.
    TextMissing,
}

impl Default for ReceiverPlan {
    fn default() -> Self {
        Self {
            kind: ReceiverKind::Marks,
            rate: 1,
            noise: 0.0,
            late: Vec::new(),
            wave: None,
            sawtooth: None,
            correction: Correction::None,
            text_delay: [0.12, 0.35],
            text_lost: 0.0,
            text_wrong: 0.0,
            pulse_lost: 0.0,
            pulse_extra: 0.0,
            outlier: None,
            leap: Announcement::None,
        }
    }
}

impl ReceiverPlan {
    /// Whether a receiver can be so.
    ///
    /// # Errors
    /// The first key out of its range.
    pub fn check(&self) -> Result<(), Mistake> {
        within("rate", self.rate.into(), 1.0, 64.0, "readings a second")?;
        if self.rate != 1 && self.kind != ReceiverKind::Marks {
            let rate = self.rate;
            let reason =
                format!("is {rate}; pulses and text come once a second, only marks oftener");
            return Err(Mistake::new("rate", reason));
        }
        within("noise", self.noise, 0.0, 0.1, "seconds")?;
        for (index, law) in self.late.iter().enumerate() {
            law.check().map_err(|mistake| mistake.under(&format!("late[{index}]")))?;
        }
        if let Some(wave) = &self.wave {
            within("wave.amplitude", wave.amplitude, 0.0, 0.1, "seconds")?;
            within("wave.period", wave.period, 1e-3, SPAN_MAX, "seconds")?;
        }
        if let Some(sawtooth) = &self.sawtooth {
            within("sawtooth.amplitude", sawtooth.amplitude, 0.0, 0.1, "seconds")?;
            within("sawtooth.step", sawtooth.step, 0.0, 1.0, "a part of a tick")?;
        }
        let [shortest, longest] = self.text_delay;
        within("text_delay", shortest, 0.0, 10.0, "seconds")?;
        within("text_delay", longest, shortest, 10.0, "seconds, the longest after the shortest")?;
        probability("text_lost", self.text_lost)?;
        probability("text_wrong", self.text_wrong)?;
        probability("pulse_lost", self.pulse_lost)?;
        probability("pulse_extra", self.pulse_extra)?;
        if let Some(outlier) = &self.outlier {
            probability("outlier.probability", outlier.probability)?;
            within("outlier.size", outlier.size, 0.0, 10.0, "seconds")?;
        }
        Ok(())
    }
}

impl Fault {
    /// Whether what is heard is wrong and looks right, rather than missing or out of place.
    pub(super) const fn is_lie(&self) -> bool {
        matches!(
            self,
            Self::Spoofed { .. }
                | Self::WrongSecond(_)
                | Self::WrongUtcOffset(_)
                | Self::WrongEdge(_)
        )
    }

    /// Whether a fault can be so.
    ///
    /// # Errors
    /// The first key out of its range.
    pub fn check(&self) -> Result<(), Mistake> {
        let seconds = |key: &str, by: i64| match by.unsigned_abs() <= 1_000_000_000 {
            true => Ok(()),
            false => Err(Mistake::new(key, format!("is {by}; seconds, -1e9 to 1e9"))),
        };
        match *self {
            Self::Spoofed { by, over } => {
                within("spoofed.by", by, -1e9, 1e9, "seconds")?;
                span("spoofed.over", over)
            }
            Self::WrongSecond(by) => seconds("wrong_second", by),
            Self::WrongUtcOffset(by) => seconds("wrong_utc_offset", by),
            Self::MissedPulses(share) => probability("missed_pulses", share),
            Self::ExtraPulses(share) => probability("extra_pulses", share),
            Self::WrongEdge(width) => within("wrong_edge", width, 0.0, 1.0, "seconds"),
            Self::TextLate(by) => within("text_late", by, 0.0, 1e3, "seconds"),
            Self::Outage | Self::WeekRollover | Self::WrongLeap(_) | Self::TextMissing => Ok(()),
        }
    }
}

/// 7.3 readings a sawtooth, never the same phase.
const fn drift() -> f64 {
    0.137
}
