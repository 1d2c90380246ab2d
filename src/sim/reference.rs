//! The mark to compare with: a Kalman filter that knows every noise level.
//!
//! Two states, `x = raw − true` and `f = dx/dτ` by the raw clock τ. Wander acts as the simulated
//! oscillator has it: one step at the end of each second since the start, so that the covariance is
//! exact. A network sample is its midpoint less the known asymmetry, with the mean and variance of
//! what exponential queues make of its excess over the known bases: an even distribution as wide as
//! the excess, or one tilted towards the way that queues less. It judges nothing and steers
//! nothing, and shares no code with the discipline that it is compared with.

use crate::time::{Duration, Frequency, Raw, Timestamp, Utc};

/// The filter.
#[derive(Clone, Debug)]
pub struct Reference {
    wander: f64,
    white: f64,
    frequency_sigma: f64,
    start: Timestamp<Utc>,
    state: Option<Estimate>,
}

/// At `at`: x in two parts, the constant one in integers.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    at: Timestamp<Raw>,
    base: Duration,
    x: f64,
    f: f64,
    /// Seconds since the start whose step is in the covariance. Counted, for an estimate that moves
    /// over the end of a second would count its step twice or never.
    steps: f64,
    /// Covariance `[[a, b], [b, d]]`.
    a: f64,
    b: f64,
    d: f64,
}

/// The four stamps of an exchange (RFC 5905 §8), local ones by the undisturbed oscillator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// T1.
    pub sent: Timestamp<Raw>,
    /// T2.
    pub received: Timestamp<Utc>,
    /// T3.
    pub transmitted: Timestamp<Utc>,
    /// T4.
    pub arrived: Timestamp<Raw>,
}

/// What only the simulator knows of a path and its server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownPath {
    /// The shortest delay to the server.
    pub there: Duration,
    /// The shortest delay back.
    pub back: Duration,
    /// Variance of the server's own error, the same in T2 and T3, s².
    pub server: f64,
    /// One over the mean wait there less one over the mean wait back, 1/s; 0 where these are alike
    /// or the queues are not exponential.
    pub tilt: f64,
}

impl Reference {
    /// For an oscillator that started at `start` with this wander (ratio per √s), white noise (s
    /// per √s), and a rate of which only the sigma (ratio) is known.
    pub const fn new(wander: f64, white: f64, frequency_sigma: f64, start: Timestamp<Utc>) -> Self {
        Self { wander, white, frequency_sigma, start, state: None }
    }

    /// At `raw` a reference clock was `offset` ahead of it (source − raw), with this variance, s².
    /// Returns the squared innovation over its predicted variance; nothing for the first sample.
    pub fn take_refclock(
        &mut self,
        raw: Timestamp<Raw>,
        offset: Duration,
        variance: f64,
    ) -> Option<f64> {
        self.advance(raw);
        let Some(state) = &mut self.state else {
            let mut state = Estimate {
                at: raw,
                base: -offset,
                x: 0.0,
                f: 0.0,
                steps: 0.0,
                a: variance,
                b: 0.0,
                d: self.frequency_sigma * self.frequency_sigma,
            };
            state.steps = libm::floor(self.seconds_since_start(&state));
            self.state = Some(state);
            return None;
        };
        Some(state.update((-offset - state.base).seconds(), variance))
    }

    /// An exchange with a server; returns as [`Reference::take_refclock`] does.
    pub fn take_exchange(&mut self, stamps: &Exchanged, path: &KnownPath) -> Option<f64> {
        let there = stamps.received.offset_from(stamps.sent);
        let back = stamps.transmitted.offset_from(stamps.arrived);
        let offset = (there + back) / 2 - (path.there - path.back) / 2;
        let round_trip = there - back;
        let excess = (round_trip - path.there - path.back).seconds().max(EXCESS_MIN);
        let (mean, variance) = uneven(excess, path.tilt);
        let offset = offset - Duration::from_seconds_f64(mean);
        let at = stamps.sent + (stamps.arrived - stamps.sent) / 2;
        self.take_refclock(at, offset, variance + path.server)
    }

    /// The oscillator's count jumps by so much, and the filter is told.
    pub fn jump(&mut self, by: Duration) {
        if let Some(state) = &mut self.state {
            state.at = state.at + by;
            state.base += by;
        }
    }

    /// The oscillator's rate jumps by so much at `raw`, and the filter is told.
    pub fn jump_frequency(&mut self, raw: Timestamp<Raw>, by: Frequency) {
        self.advance(raw);
        if let Some(state) = &mut self.state {
            state.f = by_raw(by_true(state.f) + by.ratio());
        }
    }

    /// Its time at `raw` less the true one, s; `None` before the first sample. The filter stays
    /// where it is.
    pub fn error_at(&self, raw: Timestamp<Raw>, truth: Timestamp<Utc>) -> Option<f64> {
        Some(self.look_at(raw, truth)?.0)
    }

    /// That error, and the variance that the filter believes it to have, s².
    pub fn look_at(&self, raw: Timestamp<Raw>, truth: Timestamp<Utc>) -> Option<(f64, f64)> {
        let state = self.predicted(raw)?;
        // Served time = raw − x.
        let exact = raw.corrected_by::<Utc>(-state.base) - truth;
        Some((exact.seconds() - state.x, state.a))
    }

    /// One sigma of that error, s.
    pub fn sigma_at(&self, raw: Timestamp<Raw>) -> Option<f64> {
        Some(libm::sqrt(self.predicted(raw)?.a))
    }

    /// Its rate at `raw`; positive: the oscillator runs fast.
    pub fn frequency_at(&self, raw: Timestamp<Raw>) -> Option<Frequency> {
        Some(Frequency::new(by_true(self.predicted(raw)?.f)))
    }

    /// Squared error of time and rate together over their covariance: 2 on average if the filter is
    /// honest. `frequency` is the oscillator's true rate.
    pub fn surprise_at(
        &self,
        raw: Timestamp<Raw>,
        truth: Timestamp<Utc>,
        frequency: Frequency,
    ) -> Option<f64> {
        let state = self.predicted(raw)?;
        let x = -self.error_at(raw, truth)?;
        let f = state.f - by_raw(frequency.ratio());
        let determinant = state.a * state.d - state.b * state.b;
        Some((state.d * x * x - 2.0 * state.b * x * f + state.a * f * f) / determinant)
    }

    fn advance(&mut self, raw: Timestamp<Raw>) {
        if self.state.is_some_and(|state| raw > state.at) {
            self.state = self.predicted(raw);
        }
    }

    fn predicted(&self, raw: Timestamp<Raw>) -> Option<Estimate> {
        let mut state = self.state?;
        let dt = (raw - state.at).seconds();
        state.at = raw;
        state.x += state.f * dt;
        state.a += 2.0 * state.b * dt + state.d * dt * dt + self.white * self.white * dt.max(0.0);
        state.b += state.d * dt;
        let seconds = self.seconds_since_start(&state);
        let n = libm::floor(seconds) - state.steps;
        if n > 0.0 {
            // Steps of the rate lie u, u + 1, … before now.
            let u = seconds - libm::floor(seconds);
            let q = self.wander * self.wander;
            state.steps += n;
            let once = n * u + n * (n - 1.0) / 2.0;
            let twice = n * u * u + u * n * (n - 1.0) + (n - 1.0) * n * (2.0 * n - 1.0) / 6.0;
            state.a += q * twice;
            state.b += q * once;
            state.d += q * n;
        }
        Some(state)
    }

    /// By its own clock: where the second's end lies is known to the estimate's error.
    fn seconds_since_start(&self, state: &Estimate) -> f64 {
        let time = state.at.corrected_by::<Utc>(-state.base);
        (time - self.start).seconds() - state.x
    }
}

impl Estimate {
    fn update(&mut self, measured: f64, variance: f64) -> f64 {
        let innovation = measured - self.x;
        let total = self.a + variance;
        let (gain_x, gain_f) = (self.a / total, self.b / total);
        self.x += gain_x * innovation;
        self.f += gain_f * innovation;
        self.d -= gain_f * self.b;
        self.b *= variance / total;
        self.a *= variance / total;
        innovation * innovation / total
    }
}

/// Mean and variance of half of what an exchange waited there more than back, if it waited `excess`
/// in all: it lies within half of the excess about 0, with a density of exp(−`tilt` × it).
fn uneven(excess: f64, tilt: f64) -> (f64, f64) {
    let half = excess / 2.0;
    let z = half * tilt;
    let (mean, variance) = if z.abs() < SERIES_BELOW {
        (z / 3.0 - z * z * z / 45.0, 1.0 / 3.0 - z * z / 15.0)
    } else {
        let sinh = libm::sinh(z);
        (1.0 / libm::tanh(z) - 1.0 / z, 1.0 / (z * z) - 1.0 / (sinh * sinh))
    };
    (-half * mean, half * half * variance)
}

/// dx/dτ of an oscillator whose rate against true time is this ratio.
fn by_raw(ratio: f64) -> f64 {
    ratio / (1.0 + ratio)
}

/// The inverse of [`by_raw`].
fn by_true(ratio: f64) -> f64 {
    ratio / (1.0 - ratio)
}

/// An excess that small is not seen as smaller, s.
const EXCESS_MIN: f64 = 1e-9;
/// Below this the closed form loses more digits than the series has terms.
const SERIES_BELOW: f64 = 1e-2;

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
