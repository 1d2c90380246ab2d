//! How far the truth may be from the estimate: by the filters that are still possible, and by what
//! servers prove.

use super::{Estimate, Estimator};
use crate::discipline::bank::Bank;
use crate::discipline::filter::Filter;
use crate::discipline::server::{Drift, START_RATE};
use crate::sample::SourceId;
use crate::state::NoiseGrowth;
use crate::time::{Duration, Frequency, Raw, Timestamp};

impl Estimator {
    /// The estimate at `at`; `None` before the first sample.
    pub fn estimate(&self, at: Timestamp<Raw>) -> Option<Estimate> {
        let bank = self.bank.as_ref()?;
        let now = bank.predicted((at - self.at).seconds().max(0.0));
        let best = now.best();
        Some(Estimate {
            offset: self.base - Duration::from_seconds_f64(best.x),
            frequency: Frequency::new(best.f),
            sigma: libm::sqrt(best.a),
            sigma_frequency: libm::sqrt(best.d),
            wander: bank.wander(),
            noise: self.envelope(&now, &best, at),
        })
    }

    /// From where to where the truth lies about the estimate at `at` if a server is right, s.
    pub fn correctness_of(&self, source: SourceId, at: Timestamp<Raw>) -> Option<(f64, f64)> {
        let bank = self.bank.as_ref()?.predicted((at - self.at).seconds().max(0.0));
        let server = self.crowd.find(source)?;
        let drift = drift(&bank, self.sigmas(at), server.silent_for(at));
        let (low, high) = server.correctness(at, drift);
        let x = bank.best().x;
        Some((low - x, high - x))
    }

    /// What the oscillator may have gone astray in `age` seconds until `at`, beyond its rate, s; `None`
    /// before the first sample.
    pub fn astray(&self, at: Timestamp<Raw>, age: f64) -> Option<f64> {
        let bank = self.bank.as_ref()?.predicted((at - self.at).seconds().max(0.0));
        Some(drift(&bank, self.sigmas(at), age).uncertain)
    }

    /// Sigmas that make a bound. At the start neither the few samples nor the short time show what
    /// the oscillator does.
    pub(super) fn sigmas(&self, at: Timestamp<Raw>) -> f64 {
        let seconds = (at - self.started).seconds().max(0.0) + 1.0;
        BOUND_FACTOR * (1.0 + START_ALLOWANCE / seconds.min(self.believed.max(1) as f64))
    }

    /// What covers every live filter now and later. One filter's own sigma is not honest: in the
    /// first minutes the learned wander can be far too low, and that filter does not know.
    fn envelope(&self, now: &Bank, best: &Filter, at: Timestamp<Raw>) -> NoiseGrowth {
        let wander = now.wander();
        let mut growth = NoiseGrowth {
            phase: best.a,
            cross: best.b,
            frequency: best.d,
            wander: wander * wander,
            factor: self.sigmas(at),
            ageing: self.ageing.sigma(),
            ..NoiseGrowth::default()
        };
        for (filter, q) in now.live() {
            growth.phase = growth.phase.max(filter.a);
            growth.cross = growth.cross.max(filter.b);
            growth.frequency = growth.frequency.max(filter.d);
            growth.wander = growth.wander.max(q);
            growth.apart = growth.apart.max((filter.x - best.x).abs());
            growth.apart_rate = growth.apart_rate.max((filter.f - best.f).abs());
        }
        growth.ceiling_rate = FREQUENCY_TOLERANCE.max(BOUND_FACTOR * libm::sqrt(growth.frequency));
        if !self.follows_a_clock(at)
            && let Some(floor) = self.crowd.start_bound(at, best)
        {
            growth.floor = floor;
            growth.floor_rate = START_RATE;
        }
        growth
    }
}

/// How the oscillator went during the `dt` seconds before, and how far from that at most.
pub(super) fn drift(bank: &Bank, sigmas: f64, dt: f64) -> Drift {
    let best = bank.best();
    let (mut variance, mut apart) = (0.0, 0.0);
    for (filter, q) in bank.live() {
        variance = f64::max(variance, filter.d * dt * dt + q * dt * dt * dt / 3.0);
        apart = f64::max(apart, (filter.f - best.f).abs() * dt);
    }
    let rate = best.f.clamp(-RATE_MAX, RATE_MAX);
    // A rate beyond any oscillator's says nothing about where this one went.
    let nonsense = if rate == best.f { 0.0 } else { 2.0 * RATE_MAX * dt };
    Drift { rate, uncertain: nonsense + apart + sigmas * libm::sqrt(variance) }
}

/// Rate of the worst oscillator that keeps time at all.
const RATE_MAX: f64 = 5e-4;
/// Sigmas that make a bound; the largest error seen was 4.7.
pub(super) const BOUND_FACTOR: f64 = 6.0;
/// The first bounds are wider by 1 + 8/n, with n samples or seconds.
const START_ALLOWANCE: f64 = 8.0;
/// PHI of RFC 5905 §7.2.
const FREQUENCY_TOLERANCE: f64 = 15e-6;
