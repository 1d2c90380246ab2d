//! What is worth keeping over a restart: how the oscillator runs, and how noisy its clocks are.
//!
//! It is a prior, and no more: the oscillator may have been warmed, cooled or replaced meanwhile.

pub use super::ageing::RATE_MAX as AGEING_MAX;
use crate::sample::SourceId;
use crate::time::{Duration, Frequency};

/// What was learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Rate error of the oscillator; positive: fast.
    pub frequency: Frequency,
    /// One sigma of that.
    pub frequency_sigma: f64,
    /// Wander, per √s.
    pub wander: f64,
    /// Change of the rate, 1/s, and one sigma of it.
    pub ageing: f64,
    /// One sigma of that, 1/s.
    pub ageing_sigma: f64,
    /// Learned noise of each source's readings, one sigma, s; 0 where nothing was learned.
    pub noise: [f64; SourceId::COUNT_MAX],
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            frequency: Frequency::ZERO,
            frequency_sigma: 0.0,
            wander: 0.0,
            ageing: 0.0,
            ageing_sigma: 0.0,
            noise: [0.0; SourceId::COUNT_MAX],
        }
    }
}

impl Memory {
    /// Learned noise of the reference clocks, one sigma, s.
    pub fn known_noise(&self) -> impl Iterator<Item = (SourceId, f64)> + '_ {
        let named = (0..=u8::MAX).map(SourceId).zip(self.noise);
        named.filter(|(_, sigma)| *sigma > 0.0)
    }

    /// Learned noise of one, s.
    pub fn set_noise(&mut self, source: SourceId, sigma: f64) {
        if let Some(noise) = self.noise.get_mut(source.index()) {
            *noise = sigma;
        }
    }

    /// What it is worth so much later: the oscillator aged and wandered. `at_least` is what the rate
    /// may have changed by for other reasons, one sigma.
    #[must_use]
    pub fn later(&self, by: Duration, at_least: f64) -> Self {
        let seconds = by.seconds().max(0.0);
        let aged = self.ageing_sigma * seconds;
        let variance = self.frequency_sigma * self.frequency_sigma
            + self.wander * self.wander * seconds
            + aged * aged
            + at_least * at_least;
        Self {
            frequency: Frequency::new(self.frequency.ratio() + self.ageing * seconds),
            frequency_sigma: libm::sqrt(variance),
            ..*self
        }
    }
}

/// What a rate may have changed by while only the daemon was away, one sigma: warmth.
pub const SAME_BOOT: f64 = 1e-8;
/// And over a start of the machine: cold, and its counter calibrated anew by the kernel.
pub const OTHER_BOOT: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oscillator_that_nobody_watched_is_known_less() {
        let memory = Memory {
            frequency: Frequency::from_ppm(10.0),
            frequency_sigma: 3e-9,
            wander: 1e-9,
            ageing: 1e-14,
            ageing_sigma: 1e-15,
            ..Memory::default()
        };
        let later = memory.later(Duration::from_seconds(1_000_000), 1e-8);
        assert!((later.frequency.ppm() - 10.01).abs() < 1e-9);
        // 3e-9, 1e-9 × √1e6, 1e-15 × 1e6 and 1e-8 as the sides of a box.
        assert!((later.frequency_sigma / 1.00005e-6 - 1.0).abs() < 1e-4, "{later:?}");
        assert_eq!(memory.later(Duration::from_seconds(-5), 0.0).frequency, memory.frequency);
    }
}
