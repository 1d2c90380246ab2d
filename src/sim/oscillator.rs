//! An oscillator: how a machine's raw clock runs away from true time.

use crate::random::Random;
use crate::time::{Duration, Frequency, Raw, Timestamp, Utc};

/// Reads `raw` at true time; rate does a random walk.
#[derive(Clone, Debug)]
pub struct Oscillator {
    random: Random,
    at: Timestamp<Utc>,
    raw: Timestamp<Raw>,
    frequency: f64,
    wander: f64,
}

impl Oscillator {
    /// At `start` it is `offset` ahead of true time and runs `frequency` fast; its rate wanders by
    /// `wander` per √s.
    pub fn new(
        seed: u64,
        start: Timestamp<Utc>,
        offset: Duration,
        frequency: Frequency,
        wander: f64,
    ) -> Self {
        Self {
            random: Random::seeded(seed),
            at: start,
            raw: start.corrected_by(offset),
            frequency: frequency.ratio(),
            wander,
        }
    }

    /// Its reading at true time `now`, not before the last one asked for.
    pub fn read(&mut self, now: Timestamp<Utc>) -> Timestamp<Raw> {
        let dt = now.since(self.at);
        self.raw = self.raw + dt + Frequency::new(self.frequency).over(dt);
        self.frequency += self.wander * libm::sqrt(dt.seconds()) * self.random.normal();
        self.at = self.at.max(now);
        self.raw
    }

    /// Its count jumps: the machine was suspended or migrated.
    pub fn jump(&mut self, by: Duration) {
        self.raw = self.raw + by;
    }

    /// Its rate jumps.
    pub fn jump_frequency(&mut self, by: Frequency) {
        self.frequency += by.ratio();
    }
}
