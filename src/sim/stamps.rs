//! Stamps: at which instant a machine stamps what happens to a packet.
//!
//! Software is never early on arrival and never late on departure: a receive stamp is taken after
//! the packet came, a transmit stamp before it goes. A coarse clock then cuts the reading down.

use serde::{Deserialize, Serialize};

use super::keys::{probability, seed_of, stream, within};
use super::queueing::Queues;
use super::{Mistake, Queueing};
use crate::random::Random;
use crate::time::{Duration, Scale, Timestamp, Utc};

/// The law of a machine's stamps. Without any key they are exact and always there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StampPlan {
    /// How far a stamp is off, one-sided, in both directions.
    pub latency: Vec<Queueing>,
    /// The same, added on departure only.
    pub transmit: Vec<Queueing>,
    /// The same, added on arrival only.
    pub receive: Vec<Queueing>,
    /// Readings are multiples of this, cut down, s; 0: exact. Drivers' stamps, too.
    pub quantum: f64,
    /// What drivers see is stamped so much later, s: a reading of the clock takes its time.
    pub reading: f64,
    /// Probability that the kernel brings no stamp.
    pub missing: f64,
    /// Stamps that the kernel brings late.
    pub late: Option<Late>,
}

/// Stamps that come long after what they date; their value is right.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// Of a stamp.
    pub probability: f64,
    /// s.
    pub by: f64,
}

impl StampPlan {
    /// Whether stamps can be so.
    ///
    /// # Errors
    /// The first key out of its range.
    pub fn check(&self) -> Result<(), Mistake> {
        let lists =
            [("latency", &self.latency), ("transmit", &self.transmit), ("receive", &self.receive)];
        for (key, laws) in lists {
            for (index, law) in laws.iter().enumerate() {
                law.check().map_err(|mistake| mistake.under(&format!("{key}[{index}]")))?;
            }
        }
        within("quantum", self.quantum, 0.0, 1.0, "seconds")?;
        within("reading", self.reading, 0.0, 1.0, "seconds")?;
        probability("missing", self.missing)?;
        if let Some(late) = &self.late {
            probability("late.probability", late.probability)?;
            within("late.by", late.by, 0.0, 1e3, "seconds")?;
        }
        Ok(())
    }
}

/// What the kernel tells of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The true instant at which the clock was read for it.
    pub at: Timestamp<Utc>,
    /// The stamp is brought so long after the packet went or came.
    pub after: Duration,
    /// It is never brought: the program has only its own readings.
    pub missing: bool,
}

/// A machine's stamps.
#[derive(Clone, Debug)]
pub struct Stamps {
    quantum: Duration,
    reading: Duration,
    missing: f64,
    late: Option<Late>,
    transmit: Side,
    receive: Side,
}

#[derive(Clone, Debug)]
struct Side {
    both: Queues,
    own: Queues,
    missing: Random,
    late: Random,
}

impl Stamps {
    /// The stamps of this seed.
    pub fn new(plan: &StampPlan, seed: u64, start: Timestamp<Utc>) -> Self {
        let side = |own: &[Queueing], part: u64| Side {
            both: Queues::new(&plan.latency, seed_of(seed, part), start),
            own: Queues::new(own, seed_of(seed, part + 1), start),
            missing: stream(seed, part + 2),
            late: stream(seed, part + 3),
        };
        Self {
            quantum: Duration::from_seconds_f64(plan.quantum),
            reading: Duration::from_seconds_f64(plan.reading),
            missing: plan.missing,
            late: plan.late,
            transmit: side(&plan.transmit, 0),
            receive: side(&plan.receive, 4),
        }
    }

    /// The stamp of a packet that leaves at `at`: not later than that.
    pub fn transmit(&mut self, at: Timestamp<Utc>) -> Stamp {
        let (latency, after, missing) = self.transmit.draw(at, self.missing, self.late);
        Stamp { at: at - latency, after, missing }
    }

    /// The stamp of a packet that comes at `at`: not earlier than that.
    pub fn receive(&mut self, at: Timestamp<Utc>) -> Stamp {
        let (latency, after, missing) = self.receive.draw(at, self.missing, self.late);
        Stamp { at: at + latency, after, missing }
    }

    /// When the clock is read for what a driver sees at `at`: not earlier than that.
    pub fn driven(&self, at: Timestamp<Utc>) -> Timestamp<Utc> {
        at + self.reading
    }

    /// What a clock that reads `exact` says, in its own grain.
    #[must_use]
    pub fn cut<S: Scale>(&self, exact: Timestamp<S>) -> Timestamp<S> {
        match self.quantum.units() {
            ..=0 => exact,
            grain => Timestamp::from_units(exact.units() - exact.units().rem_euclid(grain)),
        }
    }
}

impl Side {
    fn draw(
        &mut self,
        now: Timestamp<Utc>,
        missing: f64,
        late: Option<Late>,
    ) -> (Duration, Duration, bool) {
        let latency = self.both.draw(now) + self.own.draw(now);
        let is_missing = missing > 0.0 && self.missing.uniform() < missing;
        let after = match late {
            Some(late) if self.late.uniform() < late.probability => {
                Duration::from_seconds_f64(late.by)
            }
            _ => Duration::ZERO,
        };
        (latency, after, is_missing)
    }
}

#[cfg(test)]
#[path = "stamps_tests.rs"]
mod tests;
