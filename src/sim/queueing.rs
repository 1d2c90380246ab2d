//! Laws of waiting: what a packet waits in queues, what a stamp comes late.
//!
//! Nothing is ever early, so every law starts at zero. A list of laws adds up. Each law of a list
//! draws from a stream of its own.

use serde::{Deserialize, Serialize};

use super::Mistake;
use super::keys::{DAY, probability, seed_of, span, stream, within};
use crate::random::Random;
use crate::time::{Duration, Timestamp, Utc};

/// One law. Delays are in seconds; times count from the start of the world.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Queueing {
    /// `{ exponential = 1e-4 }`: of this mean, s.
    Exponential(f64),
    /// Its logarithm is normal.
    Lognormal {
        /// s.
        median: f64,
        /// Of the natural logarithm.
        sigma: f64,
    },
    /// Gamma: several queues of equal mean in a row.
    Gamma {
        /// How many; any number above zero.
        shape: f64,
        /// Of all together, s.
        mean: f64,
    },
    /// Heavy-tailed (Lomax): longer than x with the probability `(1 + x / scale)^-alpha`.
    Pareto {
        /// s.
        scale: f64,
        /// 1.5: finite mean, infinite variance.
        alpha: f64,
    },
    /// Nothing, or one delay.
    TwoPoint {
        /// s.
        delay: f64,
        /// Of the delay.
        probability: f64,
    },
    /// An exponential delay at times.
    Burst {
        /// s.
        mean: f64,
        /// It is there in the first so many seconds …
        length: f64,
        /// … of each so many, counted from the start.
        every: f64,
    },
    /// An exponential delay whose mean follows the day: mean × (1 + swing × sine), rising at the
    /// start.
    Daily {
        /// Over the day, s.
        mean: f64,
        /// 0 to 1.
        swing: f64,
    },
    /// Lognormal, and like the delay before: the logarithm is autoregressive.
    Correlated {
        /// s.
        median: f64,
        /// Of the natural logarithm.
        sigma: f64,
        /// Correlation of two logarithms `interval` apart, 0 to below 1.
        rho: f64,
        /// s.
        interval: f64,
    },
}

impl Queueing {
    /// Whether delays can be so.
    ///
    /// # Errors
    /// The first key out of its range.
    pub fn check(&self) -> Result<(), Mistake> {
        match *self {
            Self::Exponential(mean) => delay("exponential", mean),
            Self::Lognormal { median, sigma } => {
                delay("lognormal.median", median)?;
                within("lognormal.sigma", sigma, 0.0, 5.0, "of the natural logarithm")
            }
            Self::Gamma { shape, mean } => {
                within("gamma.shape", shape, 1e-2, 1e3, "a count of queues")?;
                delay("gamma.mean", mean)
            }
            Self::Pareto { scale, alpha } => {
                delay("pareto.scale", scale)?;
                within("pareto.alpha", alpha, 0.5, 100.0, "the exponent of the tail")
            }
            Self::TwoPoint { delay: long, probability: share } => {
                delay("two_point.delay", long)?;
                probability("two_point.probability", share)
            }
            Self::Burst { mean, length, every } => {
                delay("burst.mean", mean)?;
                span("burst.length", length)?;
                span("burst.every", every)?;
                match length <= every && every > 0.0 {
                    true => Ok(()),
                    false => Err(Mistake::new(
                        "burst.every",
                        format!("is {every}; seconds, above 0 and not below `length` = {length}"),
                    )),
                }
            }
            Self::Daily { mean, swing } => {
                delay("daily.mean", mean)?;
                within("daily.swing", swing, 0.0, 1.0, "a part of the mean")
            }
            Self::Correlated { median, sigma, rho, interval } => {
                delay("correlated.median", median)?;
                within("correlated.sigma", sigma, 0.0, 5.0, "of the natural logarithm")?;
                within("correlated.rho", rho, 0.0, 0.999_999, "a correlation")?;
                within("correlated.interval", interval, 1e-6, 1e7, "seconds")
            }
        }
    }

    /// The mean of its delays over a long time, s; infinite where none exists.
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Exponential(mean) | Self::Gamma { mean, .. } | Self::Daily { mean, .. } => mean,
            Self::Lognormal { median, sigma } | Self::Correlated { median, sigma, .. } => {
                median * libm::exp(sigma * sigma / 2.0)
            }
            Self::Pareto { scale, alpha } if alpha > 1.0 => scale / (alpha - 1.0),
            Self::Pareto { .. } => f64::INFINITY,
            Self::TwoPoint { delay, probability } => delay * probability,
            Self::Burst { mean, length, every } => mean * length / every,
        }
    }
}

/// Delays that add up, drawn one after another.
#[derive(Clone, Debug)]
pub struct Queues(Vec<Queue>);

impl Queues {
    /// The delays of this seed.
    pub fn new(laws: &[Queueing], seed: u64, start: Timestamp<Utc>) -> Self {
        let queue = |(law, part): (&Queueing, u64)| Queue {
            law: law.clone(),
            random: stream(seed_of(seed, 0), part),
            start,
            last: None,
        };
        Self(laws.iter().zip(0..).map(queue).collect())
    }

    /// The next delay, of something that happens at `now`; never negative, an hour at most.
    pub fn draw(&mut self, now: Timestamp<Utc>) -> Duration {
        if self.0.is_empty() {
            return Duration::ZERO;
        }
        let sum: f64 = self.0.iter_mut().map(|queue| queue.draw(now)).sum();
        Duration::from_seconds_f64(sum.clamp(0.0, DELAY_MAX))
    }
}

/// One law with its memory.
#[derive(Clone, Debug)]
struct Queue {
    law: Queueing,
    random: Random,
    start: Timestamp<Utc>,
    /// The normal deviate of a correlated delay, and when it was drawn.
    last: Option<(Timestamp<Utc>, f64)>,
}

impl Queue {
    fn draw(&mut self, now: Timestamp<Utc>) -> f64 {
        let random = &mut self.random;
        match self.law {
            Queueing::Exponential(mean) => mean * random.exponential(),
            Queueing::Lognormal { median, sigma } => median * libm::exp(sigma * random.normal()),
            Queueing::Gamma { shape, mean } => mean / shape * gamma(shape, random),
            Queueing::Pareto { scale, alpha } => {
                // u^(−1/α) − 1 with u = e^(−exponential).
                scale * libm::expm1(random.exponential() / alpha)
            }
            Queueing::TwoPoint { delay, probability } => {
                if random.uniform() < probability {
                    delay
                } else {
                    0.0
                }
            }
            Queueing::Burst { mean, length, every } => {
                // Drawn in between too: the bursts' draws hang on the count of packets only.
                let delay = mean * random.exponential();
                let at = now.since(self.start).seconds();
                if libm::fmod(at, every) < length { delay } else { 0.0 }
            }
            Queueing::Daily { mean, swing } => {
                let turns = (now - self.start).seconds() / DAY;
                let swung = 1.0 + swing * libm::sin(core::f64::consts::TAU * turns);
                mean * swung * random.exponential()
            }
            Queueing::Correlated { median, sigma, rho, interval } => {
                let fresh = random.normal();
                let deviate = match self.last {
                    None => fresh,
                    Some((at, last)) => {
                        let rho = libm::pow(rho, now.since(at).seconds() / interval);
                        rho * last + libm::sqrt(1.0 - rho * rho) * fresh
                    }
                };
                self.last = Some((now, deviate));
                median * libm::exp(sigma * deviate)
            }
        }
    }
}

/// Gamma of this shape and scale 1 (Marsaglia and Tsang, 2000).
fn gamma(shape: f64, random: &mut Random) -> f64 {
    if shape < 1.0 {
        let less = libm::pow(1.0 - random.uniform(), 1.0 / shape);
        return less * gamma(shape + 1.0, random);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = random.normal();
        let t = 1.0 + c * x;
        let v = t * t * t;
        let u = 1.0 - random.uniform();
        if t > 0.0 && libm::log(u) < x * x / 2.0 + d * (1.0 - v + libm::log(v)) {
            return d * v;
        }
    }
}

fn delay(key: &str, value: f64) -> Result<(), Mistake> {
    within(key, value, 0.0, 1e3, "seconds")
}

/// Nobody waits for a packet so long, s.
const DELAY_MAX: f64 = 3600.0;

#[cfg(test)]
#[path = "queueing_tests.rs"]
mod tests;
