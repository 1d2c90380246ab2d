//! The wrong machine of the demo: what its clock reads when the host's reads `host`.
//!
//! `local(host) = host + 0.4 s + 30 ppm · (host − start) + wander`, the wander a seeded random walk
//! of the rate, 1e-9 per √s. Ground truth is the host's clock, which is only read. The receiver
//! model and the judge know this function; the daemon sees the machine through it and knows nothing.

use std::sync::Arc;

use maser_kernel::clock::{ClockId, now};

use crate::host::clock::View;
use crate::random::Random;
use crate::time::{Duration, Frequency, System, Timestamp, Utc};

/// A machine with a wrong clock.
#[derive(Clone, Debug)]
pub struct Machine {
    start: Timestamp<Utc>,
    /// At each second since the start: phase and rate of the wander, s and s/s.
    wander: Arc<[(f64, f64)]>,
}

impl Machine {
    /// The machine of this seed, switched on now.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed);
        let (mut phase, mut rate) = (0.0, 0.0);
        let wander = (0..WANDER_SECONDS)
            .map(|_| {
                let here = (phase, rate);
                phase += rate;
                rate += WANDER * random.normal();
                here
            })
            .collect();
        Self { start: host_now(), wander }
    }

    /// What its clock reads when true time is `host`.
    pub fn local(&self, host: Timestamp<Utc>) -> Timestamp<System> {
        let since = host - self.start;
        let elapsed = since.seconds().max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let second = (elapsed as usize).min(self.wander.len() - 1);
        let (phase, rate) = self.wander[second];
        let wander = phase + rate * (elapsed - second as f64);
        host.corrected_by(OFFSET + RATE.over(since) + Duration::from_seconds_f64(wander))
    }

    /// How a process sees this machine's clock.
    pub fn view(&self) -> View {
        let machine = self.clone();
        View::through(move |host| machine.local(host))
    }
}

/// True time.
pub fn host_now() -> Timestamp<Utc> {
    Timestamp::from_nanos(now(ClockId::Realtime).total_nanoseconds())
}

const OFFSET: Duration = Duration::from_millis(400);
const RATE: Frequency = Frequency::from_ppm(30.0);
/// Random walk of the rate, per √s.
const WANDER: f64 = 1e-9;
/// A day; afterwards the rate stays.
const WANDER_SECONDS: usize = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_wrong_in_phase_and_rate_and_continuous() {
        let machine = Machine::new(1);
        let at = |seconds: f64| machine.start + Duration::from_seconds_f64(seconds);
        let error = |t: Timestamp<Utc>| machine.local(t).offset_from(t).seconds();
        assert!((error(at(0.0)) - 0.4).abs() < 1e-12);
        assert!((error(at(100.0)) - 0.4 - 3e-3).abs() < 1e-5);
        for second in 1..2000 {
            let edge = f64::from(second);
            assert!((error(at(edge)) - error(at(edge - 1e-9))).abs() < 1e-13);
        }
        assert!(machine.local(at(2e5)) > machine.local(at(1e5)));
    }

    #[test]
    fn the_seed_decides_the_wander() {
        let (a, b, c) = (Machine::new(1), Machine::new(1), Machine::new(2));
        assert_eq!(a.wander, b.wander);
        assert_ne!(a.wander, c.wander);
    }
}
