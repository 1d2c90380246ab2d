//! A weighted straight line through the latest samples, as chrony draws it.
//!
//! At most 64 samples. A sample counts by the square of `1 + s / mean s`, where s is what its round
//! trip exceeds the least one of the window by: a scale-free kin of s²/12. Residuals of a line that
//! fits change their signs like a fair coin; while they do so too seldom the oldest sample is dropped
//! for good (chrony 4, `regress.c`: runs test; without its look back at samples dropped before).

use std::collections::VecDeque;

use super::Sample;

/// The window and the line through it.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    window: VecDeque<Sample>,
    fit: Option<Fit>,
}

/// `x` s at `at`, growing by `f` a second.
#[derive(Clone, Copy, Debug)]
struct Fit {
    at: f64,
    x: f64,
    f: f64,
}

impl Line {
    /// A sample not older than the one before.
    pub fn take(&mut self, sample: Sample) {
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(sample);
        self.fit = loop {
            let fit = self.fitted();
            if self.window.len() <= KEPT || self.runs(&fit) >= least_runs(self.window.len()) {
                break Some(fit);
            }
            self.window.pop_front();
        };
    }

    /// `x` at an instant; `None` before the first sample.
    pub fn x_at(&self, at: f64) -> Option<f64> {
        self.fit.map(|fit| fit.x_at(at))
    }

    /// The line of least weighted squares; level through one sample.
    fn fitted(&self) -> Fit {
        let least = self.window.iter().map(|s| s.trip).fold(f64::INFINITY, f64::min);
        let mean =
            self.window.iter().map(|s| s.trip - least).sum::<f64>() / self.window.len() as f64;
        let weight = |s: &Sample| {
            let sigma = 1.0 + (s.trip - least) / mean.max(f64::MIN_POSITIVE);
            1.0 / (sigma * sigma)
        };
        let (mut weights, mut at, mut x) = (0.0, 0.0, 0.0);
        for sample in &self.window {
            let w = weight(sample);
            weights += w;
            at += w * sample.at;
            x += w * sample.x;
        }
        (at, x) = (at / weights, x / weights);
        let (mut squares, mut products) = (0.0, 0.0);
        for sample in &self.window {
            let w = weight(sample);
            squares += w * (sample.at - at) * (sample.at - at);
            products += w * (sample.at - at) * (sample.x - x);
        }
        Fit { at, x, f: if squares > 0.0 { products / squares } else { 0.0 } }
    }

    /// Stretches of residuals of one sign.
    fn runs(&self, fit: &Fit) -> usize {
        let mut last = None;
        let mut runs = 0;
        for sample in &self.window {
            let above = sample.x > fit.x_at(sample.at);
            runs += usize::from(last != Some(above));
            last = Some(above);
        }
        runs
    }
}

impl Fit {
    fn x_at(&self, at: f64) -> f64 {
        self.x + self.f * (at - self.at)
    }
}

/// So many runs a fair coin exceeds or reaches in about 95 of 100 series of `n`: their number is
/// 1 + a binomial one of n − 1 halves.
fn least_runs(n: usize) -> usize {
    let changes = n.saturating_sub(1) as f64;
    let least = 1.0 + changes / 2.0 - ONE_SIDED * libm::sqrt(changes) / 2.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to zero and at most the window"
    )]
    let least = libm::round(least.max(0.0)) as usize;
    least
}

/// Samples at most.
const WINDOW: usize = 64;
/// Samples that are never dropped.
const KEPT: usize = 3;
/// Sigmas of a one-sided test at 5 %.
const ONE_SIDED: f64 = 1.645;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn sample(at: f64, x: f64) -> Sample {
        Sample { at, x, trip: 0.0 }
    }

    #[test]
    fn an_exact_line_is_found_and_noise_shortens_nothing() {
        let mut random = Random::seeded(4);
        let mut line = Line::default();
        assert_eq!(line.x_at(0.0), None);
        line.take(sample(0.0, 2.0));
        assert_eq!(line.x_at(9.0), Some(2.0));
        let mut lengths = 0;
        for i in 1..1000 {
            let at = f64::from(i);
            line.take(sample(at, 2.0 + 1e-5 * at + 1e-6 * random.normal()));
            lengths += line.window.len();
        }
        assert!((line.x_at(1010.0).unwrap() - 2.0101).abs() < 1e-6);
        assert!(lengths / 999 > 40, "{lengths}");
    }

    #[test]
    fn a_bend_shortens_the_window() {
        let mut random = Random::seeded(4);
        let mut line = Line::default();
        for i in 0..128 {
            let at = f64::from(i);
            let bent = if i < 100 { 0.0 } else { 1e-5 * (at - 100.0) };
            line.take(sample(at, bent + 1e-7 * random.normal()));
        }
        assert!((12..=30).contains(&line.window.len()), "{}", line.window.len());
        assert!((line.x_at(128.0).unwrap() - 2.8e-4).abs() < 1e-6);
    }

    #[test]
    fn long_round_trips_count_little() {
        let mut line = Line::default();
        for i in 0..16 {
            let late = i % 4 == 0;
            let x = if late { 1e-3 } else { 0.0 };
            line.take(Sample { at: f64::from(i), x, trip: if late { 2e-3 } else { 1e-5 } });
        }
        assert!(line.x_at(8.0).unwrap() < 3e-5);
    }
}
