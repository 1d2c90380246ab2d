//! A path: what becomes of a packet on its way in one direction.
//!
//! Every packet draws once from each law, lost or not, blocked or not: so adding loss or an outage
//! leaves the delays of the other packets as they were.

use serde::{Deserialize, Serialize};

use super::keys::{DAY, probability, seed_of, stream, within};
use super::queueing::Queues;
use super::{Mistake, Queueing};
use crate::random::Random;
use crate::time::{Duration, Timestamp, Utc};

/// The law of one direction. Without any key packets arrive at once.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PathPlan {
    /// The shortest delay, s.
    pub base: f64,
    /// What is waited on top of it; all of a list add up.
    pub queueing: Vec<Queueing>,
    /// Probability that a packet is lost.
    pub loss: f64,
    /// Probability that a packet arrives twice; the copy waits on its own.
    pub duplicate: f64,
    /// Packets that let others pass.
    pub reorder: Option<Reorder>,
    /// The base swings by this over a day, s: `base + asymmetry_daily × sine`, from the start. The
    /// way back with the other sign makes an asymmetry that no round trip shows.
    pub asymmetry_daily: f64,
}

/// Packets that let others pass.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reorder {
    /// Of a packet.
    pub probability: f64,
    /// How long it is held, s.
    pub delay: f64,
}

impl PathPlan {
    /// Whether a path can be so.
    ///
    /// # Errors
    /// The first key out of its range.
    pub fn check(&self) -> Result<(), Mistake> {
        within("base", self.base, 0.0, 1e3, "seconds")?;
        for (index, law) in self.queueing.iter().enumerate() {
            law.check().map_err(|mistake| mistake.under(&format!("queueing[{index}]")))?;
        }
        probability("loss", self.loss)?;
        probability("duplicate", self.duplicate)?;
        if let Some(reorder) = &self.reorder {
            probability("reorder.probability", reorder.probability)?;
            within("reorder.delay", reorder.delay, 0.0, 1e3, "seconds")?;
        }
        let base = self.base;
        within("asymmetry_daily", self.asymmetry_daily, -base, base, "seconds, at most the base")
    }
}

/// Delays at which a packet arrives: none if it is lost, two if it is doubled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrivals([Option<Duration>; 2]);

impl Arrivals {
    /// How often it arrives.
    pub fn len(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Whether it is lost.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl IntoIterator for Arrivals {
    type Item = Duration;
    type IntoIter = core::iter::Flatten<core::array::IntoIter<Option<Duration>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

/// One direction of a link.
#[derive(Clone, Debug)]
pub struct Path {
    plan: PathPlan,
    start: Timestamp<Utc>,
    base: Duration,
    queues: Queues,
    copy_queues: Queues,
    lost: Random,
    doubled: Random,
    held: Random,
    blocked: bool,
}

impl Path {
    /// The path of this seed.
    pub fn new(plan: &PathPlan, seed: u64, start: Timestamp<Utc>) -> Self {
        Self {
            start,
            base: Duration::from_seconds_f64(plan.base),
            queues: Queues::new(&plan.queueing, seed_of(seed, 0), start),
            copy_queues: Queues::new(&plan.queueing, seed_of(seed, 1), start),
            lost: stream(seed, 2),
            doubled: stream(seed, 3),
            held: stream(seed, 4),
            blocked: false,
            plan: plan.clone(),
        }
    }

    /// A packet leaves at `now`. Delays are never negative.
    pub fn send(&mut self, now: Timestamp<Utc>) -> Arrivals {
        let base = self.base_at(now);
        let mut delay = base + self.queues.draw(now);
        if let Some(reorder) = self.plan.reorder
            && self.held.uniform() < reorder.probability
        {
            delay += Duration::from_seconds_f64(reorder.delay);
        }
        let mut copy = None;
        if self.plan.duplicate > 0.0 {
            let delay = base + self.copy_queues.draw(now);
            copy = (self.doubled.uniform() < self.plan.duplicate).then_some(delay);
        }
        let is_lost = self.plan.loss > 0.0 && self.lost.uniform() < self.plan.loss;
        if is_lost || self.blocked {
            return Arrivals::default();
        }
        Arrivals([Some(delay), copy])
    }

    /// The route changes: its base delay grows by so much, or shrinks. The negated change restores
    /// it exactly.
    pub fn route_change(&mut self, by: Duration) {
        self.base += by;
    }

    /// Whether nothing passes from now on.
    pub fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    /// The probability of loss from now on.
    pub fn set_loss(&mut self, loss: f64) {
        self.plan.loss = loss;
    }

    /// The shortest delay in force, the daily swing left out.
    pub fn base(&self) -> Duration {
        self.base.max(Duration::ZERO)
    }

    /// The shortest delay at `now`, the daily swing included.
    pub fn base_at(&self, now: Timestamp<Utc>) -> Duration {
        if self.plan.asymmetry_daily == 0.0 {
            return self.base();
        }
        let turns = (now - self.start).seconds() / DAY;
        let swing = self.plan.asymmetry_daily * libm::sin(core::f64::consts::TAU * turns);
        (self.base + Duration::from_seconds_f64(swing)).max(Duration::ZERO)
    }
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
