//! Figures of a run: RMS, quantiles, Allan deviation, histogram.
//!
//! Quantiles are exact: every value is kept, as `f32`, whose seven digits are more than any table
//! shows. Sums are taken in `f64`, in the order of the values, so that a seed gives the same bits.

/// Values of one quantity over a run, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    values: Vec<f32>,
    sum: f64,
    squares: f64,
    magnitude_max: f64,
}

impl Series {
    /// Nothing yet, and room for so many.
    pub fn with_capacity(values: usize) -> Self {
        Self { values: Vec::with_capacity(values), ..Self::default() }
    }

    /// Appends a value.
    pub fn push(&mut self, value: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are kept")]
        self.values.push(value as f32);
        self.sum += value;
        self.squares += value * value;
        self.magnitude_max = self.magnitude_max.max(value.abs());
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values, each to seven digits.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Mean; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum / self.count())
    }

    /// Root of the mean square; `None` without values.
    pub fn rms(&self) -> Option<f64> {
        (!self.is_empty()).then(|| libm::sqrt(self.squares / self.count()))
    }

    /// The largest |value|; `None` without values.
    pub fn magnitude_max(&self) -> Option<f64> {
        (!self.is_empty()).then_some(self.magnitude_max)
    }

    /// The smallest value that at least `share` of them do not exceed, 0..=1.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        quantile_of(self.values.clone(), share)
    }

    /// The same of |value|.
    pub fn magnitude_quantile(&self, share: f64) -> Option<f64> {
        quantile_of(self.values.iter().map(|value| value.abs()).collect(), share)
    }

    fn count(&self) -> f64 {
        self.values.len() as f64
    }
}

/// The middle of a few values, the mean of two in the middle; `None` without any.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some((sorted[low] + sorted[high]) / 2.0)
}

/// Overlapping Allan deviation of phases in s, `interval` s apart, over `factor` intervals: what the
/// frequencies of two adjacent spans differ by, RMS, over √2. `None` if the phases do not reach.
pub fn allan_deviation(phases: &[f64], interval: f64, factor: usize) -> Option<f64> {
    let terms = phases.len().checked_sub(2 * factor).filter(|&terms| factor > 0 && terms > 0)?;
    let squares = (0..terms).map(|i| {
        let curvature = phases[i + 2 * factor] - 2.0 * phases[i + factor] + phases[i];
        curvature * curvature
    });
    let tau = interval * factor as f64;
    Some(libm::sqrt(squares.sum::<f64>() / (2.0 * terms as f64)) / tau)
}

/// The deviation at every octave, as `(τ in s, deviation)`: from one interval up to a quarter of
/// the phases.
pub fn allan_curve(phases: &[f64], interval: f64) -> Vec<(f64, f64)> {
    let factors = core::iter::successors(Some(1_usize), |factor| factor.checked_mul(2));
    factors
        .take_while(|factor| *factor <= phases.len() / 4)
        .filter_map(|factor| {
            let deviation = allan_deviation(phases, interval, factor)?;
            Some((interval * factor as f64, deviation))
        })
        .collect()
}

/// Counts of values in bins of one width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Where the first bin begins.
    pub low: f64,
    /// Where the last one ends.
    pub high: f64,
    /// Values in each bin; a bin holds its lower end.
    pub bins: Vec<u64>,
    /// Values below `low`, and NaN.
    pub below: u64,
    /// Values from `high` on.
    pub above: u64,
}

impl Histogram {
    /// So many empty bins between two values; at least one.
    pub fn new(low: f64, high: f64, bins: usize) -> Self {
        Self { low, high, bins: vec![0; bins.max(1)], below: 0, above: 0 }
    }

    /// Counts a value.
    pub fn push(&mut self, value: f64) {
        let place = (value - self.low) / (self.high - self.low) * self.bins.len() as f64;
        if value >= self.high {
            self.above += 1;
        } else if place >= 0.0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "not negative, and float casts saturate"
            )]
            let bin = (place as usize).min(self.bins.len() - 1);
            self.bins[bin] += 1;
        } else {
            self.below += 1;
        }
    }
}

fn quantile_of(mut values: Vec<f32>, share: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let rank = libm::ceil(share.clamp(0.0, 1.0) * values.len() as f64).max(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "1 to the count of values"
    )]
    let index = (rank as usize - 1).min(last);
    let (_, value, _) = values.select_nth_unstable_by(index, f32::total_cmp);
    Some(f64::from(*value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn series(values: impl IntoIterator<Item = f64>) -> Series {
        let mut series = Series::default();
        values.into_iter().for_each(|value| series.push(value));
        series
    }

    #[test]
    fn figures_of_a_few_values() {
        let s = series([3.0, -4.0, 0.0, 1.0]);
        assert_eq!((s.len(), s.mean(), s.magnitude_max()), (4, Some(0.0), Some(4.0)));
        assert_eq!(s.rms(), Some(libm::sqrt(6.5)));
        assert_eq!(
            [0.0, 0.25, 0.5, 0.51, 1.0].map(|q| s.quantile(q).unwrap()),
            [-4.0, -4.0, 0.0, 1.0, 3.0]
        );
        assert_eq!([0.5, 0.99].map(|q| s.magnitude_quantile(q).unwrap()), [1.0, 4.0]);
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[1.0, 2.0])), (Some(2.0), Some(1.5)));
    }

    #[test]
    fn nothing_has_no_figures() {
        let s = Series::default();
        assert!(s.is_empty() && s.rms().is_none() && s.mean().is_none());
        assert!(s.quantile(0.5).is_none() && s.magnitude_max().is_none());
        assert!(median(&[]).is_none() && allan_deviation(&[0.0; 4], 1.0, 2).is_none());
        assert!(allan_deviation(&[0.0; 4], 1.0, 0).is_none() && allan_curve(&[], 1.0).is_empty());
    }

    #[test]
    fn quantiles_are_exact_ranks() {
        let mut random = Random::seeded(1);
        let s = series((0..9_999).map(|_| random.normal()));
        let mut sorted: Vec<f64> = s.values().iter().copied().map(f64::from).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        for (share, index) in [(0.01, 99), (0.5, 4_999), (0.99, 9_899), (0.999, 9_989)] {
            assert_eq!(s.quantile(share), Some(sorted[index]), "{share}");
        }
    }

    #[test]
    fn allan_deviation_of_a_worked_example() {
        // Frequencies 1, 3, 2 a second: differences 2, −1; √((4 + 1) / 4).
        let phases = [0.0, 1.0, 4.0, 6.0];
        let got = allan_deviation(&phases, 1.0, 1).unwrap();
        assert!((got - libm::sqrt(1.25)).abs() < 1e-15, "{got}");
        // At half the interval, twice the frequencies.
        assert!((allan_deviation(&phases, 0.5, 1).unwrap() - 2.0 * got).abs() < 1e-15);
        // Constant frequency and phase cancel.
        let line: Vec<f64> = (0..64).map(|i| 5.0 + 0.25 * f64::from(i)).collect();
        assert!(allan_curve(&line, 1.0).iter().all(|(_, deviation)| *deviation < 1e-15));
    }

    /// SP 1065 §12.4: the generator n ← 16 807 n mod 2³¹ − 1 from 1234567890, over the modulus, is
    /// a series of 1000 frequencies whose overlapping deviation is tabled.
    #[test]
    fn allan_deviation_of_the_nist_set() {
        let mut n: u64 = 1_234_567_890;
        let mut phases = vec![0.0];
        for _ in 0..1000 {
            let last = phases[phases.len() - 1];
            phases.push(last + n as f64 / 2_147_483_647.0);
            n = n * 16_807 % 2_147_483_647;
        }
        for (factor, want) in [(1, 2.922_319e-1), (10, 9.159_953e-2), (100, 3.241_343e-2)] {
            let got = allan_deviation(&phases, 1.0, factor).unwrap();
            assert!((got / want - 1.0).abs() < 1e-6, "{factor}: {got} {want}");
        }
    }

    #[test]
    fn octaves_of_white_noise_fall_by_the_root_of_two() {
        let mut random = Random::seeded(3);
        let mut phase = 0.0;
        let phases: Vec<f64> = (0..100_000)
            .map(|_| {
                phase += random.normal();
                phase
            })
            .collect();
        let curve = allan_curve(&phases, 2.0);
        assert_eq!((curve[0].0, curve[3].0), (2.0, 16.0));
        for (tau, deviation) in &curve[..8] {
            let want = 0.5 / libm::sqrt(tau / 2.0);
            assert!((deviation / want - 1.0).abs() < 0.05, "{tau} {deviation}");
        }
    }

    #[test]
    fn every_value_is_counted_once() {
        let mut histogram = Histogram::new(-1.0, 1.0, 4);
        for value in [-1.0, -0.5, -0.1, 0.0, 0.999, 1.0, 7.0, -1.1, f64::NAN] {
            histogram.push(value);
        }
        assert_eq!(histogram.bins, [1, 2, 1, 1]);
        assert_eq!((histogram.below, histogram.above), (2, 2));
    }
}
