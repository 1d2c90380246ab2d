//! An oscillator: how a machine's raw clock runs away from true time.
//!
//! The rate is constant within each second of true time since the start, and drawn anew at its end.
//! So extra readings never change a realisation, and a reading is exact: whole seconds add up in
//! integers, the part of a second is one product. Wander, white and flicker noise draw from streams
//! of their own: adding one leaves the others' values as they were.

use serde::{Deserialize, Serialize};

use super::Mistake;
use super::keys::{DAY, SPAN_MAX, span, stream, within};
use crate::random::Random;
use crate::time::{Duration, Frequency, Raw, Timestamp, Utc};

/// The law of an oscillator. Without any key it is perfect.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OscillatorPlan {
    /// Raw − true at the start, s; negative: it starts in the past.
    pub offset: f64,
    /// Rate at the start, a ratio: 1e-5 is 10 ppm fast.
    pub frequency: f64,
    /// Random walk of the rate: one step of this sigma each second, a ratio per √s.
    pub wander: f64,
    /// White noise of the rate: a random walk of phase, s per √s.
    pub white: f64,
    /// Flicker noise of the rate: the floor of its Allan deviation, a ratio. It starts anywhere: the
    /// first rate is off by about three times this.
    pub flicker: f64,
    /// Change of rate, a ratio a day.
    pub ageing: f64,
    /// One change of temperature.
    pub ramp: Option<Ramp>,
    /// Temperature that follows the day.
    pub day: Option<Day>,
}

/// A rate that changes evenly for a while and stays.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// Seconds from the start.
    pub at: f64,
    /// How long it takes, s; 0: at once.
    pub over: f64,
    /// Change of rate in all, a ratio, signed.
    pub by: f64,
}

/// A rate that swings like a sine.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Day {
    /// Largest deviation, a ratio.
    pub amplitude: f64,
    /// Seconds; a day if not given.
    #[serde(default = "one_day")]
    pub period: f64,
    /// Where in its period it starts, 0 to 1; 0 rises through zero.
    #[serde(default)]
    pub phase: f64,
}

impl OscillatorPlan {
    /// Whether an oscillator can be so.
    ///
    /// # Errors
    /// The first key out of its range.
    pub fn check(&self) -> Result<(), Mistake> {
        within("offset", self.offset, -1e9, 1e9, "seconds")?;
        within("frequency", self.frequency, -RATE_MAX, RATE_MAX, "a ratio (1e-6 is 1 ppm)")?;
        within("wander", self.wander, 0.0, 1e-4, "a ratio per root second")?;
        within("white", self.white, 0.0, 1e-4, "seconds per root second")?;
        within("flicker", self.flicker, 0.0, 1e-4, "a ratio")?;
        within("ageing", self.ageing, -1e-4, 1e-4, "a ratio a day")?;
        if let Some(ramp) = &self.ramp {
            span("ramp.at", ramp.at)?;
            span("ramp.over", ramp.over)?;
            within("ramp.by", ramp.by, -RATE_MAX, RATE_MAX, "a ratio (1e-6 is 1 ppm)")?;
        }
        if let Some(day) = &self.day {
            within("day.amplitude", day.amplitude, 0.0, RATE_MAX, "a ratio (1e-6 is 1 ppm)")?;
            within("day.period", day.period, 1.0, SPAN_MAX, "seconds")?;
            within("day.phase", day.phase, 0.0, 1.0, "a part of the period")?;
        }
        Ok(())
    }
}

/// Reads `raw` at true time.
#[derive(Clone, Debug)]
pub struct Oscillator {
    plan: OscillatorPlan,
    wander: Random,
    white: Random,
    flicker: Option<Flicker>,
    /// Where the present piece begins, by both clocks, and its rate.
    at: Timestamp<Utc>,
    raw: Timestamp<Raw>,
    rate: Frequency,
    /// When the present second ends, and which it is.
    end: Timestamp<Utc>,
    second: u32,
    /// Random walk and jumps.
    walk: f64,
    /// The latest reading, when jumps happen.
    last: Timestamp<Utc>,
}

impl Oscillator {
    /// The oscillator of this seed, whose first second begins at `start`.
    pub fn new(plan: &OscillatorPlan, seed: u64, start: Timestamp<Utc>) -> Self {
        let mut oscillator = Self {
            wander: stream(seed, 0),
            white: stream(seed, 1),
            flicker: (plan.flicker > 0.0).then(|| Flicker::new(plan.flicker, stream(seed, 2))),
            at: start,
            raw: start.corrected_by(Duration::from_seconds_f64(plan.offset)),
            rate: Frequency::ZERO,
            end: start + Duration::SECOND,
            second: 0,
            walk: plan.frequency,
            last: start,
            plan: plan.clone(),
        };
        oscillator.rate = oscillator.drawn();
        oscillator
    }

    /// Its reading at true time `now`. Ask in order of time: before the present second the rate of
    /// this one is continued.
    pub fn read(&mut self, now: Timestamp<Utc>) -> Timestamp<Raw> {
        while now >= self.end {
            self.next_second();
        }
        self.last = self.last.max(now);
        self.at_instant(now)
    }

    /// What it reads ahead of true time at `now`: raw − true.
    pub fn offset(&mut self, now: Timestamp<Utc>) -> Duration {
        self.read(now).offset_from(now)
    }

    /// The rate in force since the latest reading; positive: fast.
    pub const fn frequency(&self) -> Frequency {
        self.rate
    }

    /// Its count jumps at the latest reading: the machine was suspended or migrated.
    pub fn jump(&mut self, by: Duration) {
        self.raw = self.raw + by;
    }

    /// Its rate jumps at the latest reading.
    pub fn jump_frequency(&mut self, by: Frequency) {
        self.raw = self.at_instant(self.last);
        self.at = self.last;
        self.walk += by.ratio();
        self.rate = self.rate + by;
    }

    fn at_instant(&self, now: Timestamp<Utc>) -> Timestamp<Raw> {
        let since = now - self.at;
        self.raw + since + self.rate.over(since)
    }

    fn next_second(&mut self) {
        self.raw = self.at_instant(self.end);
        self.at = self.end;
        self.end = self.end + Duration::SECOND;
        self.second += 1;
        if self.plan.wander > 0.0 {
            self.walk += self.plan.wander * self.wander.normal();
        }
        self.rate = self.drawn();
    }

    /// The rate of the second that begins.
    fn drawn(&mut self) -> Frequency {
        let mut rate = self.walk;
        if self.plan.white > 0.0 {
            rate += self.plan.white * self.white.normal();
        }
        if let Some(flicker) = &mut self.flicker {
            rate += flicker.draw();
        }
        // The middle of a second: phase is then right to second order.
        let at = f64::from(self.second) + 0.5;
        rate += self.plan.ageing * at / DAY;
        if let Some(ramp) = &self.plan.ramp {
            let passed = if ramp.over > 0.0 { (at - ramp.at) / ramp.over } else { at - ramp.at };
            rate += match ramp.over > 0.0 {
                true => ramp.by * passed.clamp(0.0, 1.0),
                false if passed >= 0.0 => ramp.by,
                false => 0.0,
            };
        }
        if let Some(day) = &self.plan.day {
            let turns = at / day.period + day.phase;
            rate += day.amplitude * libm::sin(core::f64::consts::TAU * turns);
        }
        Frequency::new(rate.clamp(-2.0 * RATE_MAX, 2.0 * RATE_MAX))
    }
}

/// 1/f noise of rate: first-order noises of equal power, their time constants a factor of 4 apart.
/// Each has the variance h₋₁ ln 4; with σ² = 2 ln 2 h₋₁ that is the floor of the Allan variance.
#[derive(Clone, Debug)]
struct Flicker {
    random: Random,
    /// Value, decay a second, kick a second.
    filters: [(f64, f64, f64); FILTERS],
}

impl Flicker {
    fn new(level: f64, mut random: Random) -> Self {
        let mut constant = 1.0;
        let filters = core::array::from_fn(|_| {
            let decay = libm::exp(-1.0 / constant);
            constant *= 4.0;
            (level * random.normal(), decay, level * libm::sqrt(1.0 - decay * decay))
        });
        Self { random, filters }
    }

    fn draw(&mut self) -> f64 {
        let mut sum = 0.0;
        for (value, decay, kick) in &mut self.filters {
            sum += *value;
            *value = *value * *decay + *kick * self.random.normal();
        }
        sum
    }
}

const fn one_day() -> f64 {
    DAY
}

/// No crystal is so wrong; the product of rate and time stays exact below 25 %.
const RATE_MAX: f64 = 0.1;
/// From 1 s to 3 days.
const FILTERS: usize = 10;

#[cfg(test)]
#[path = "oscillator_tests.rs"]
mod tests;
