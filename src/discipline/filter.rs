//! A Kalman filter of two states: phase `x` and frequency `f` of the oscillator.
//!
//! Frequency does a random walk of `w` per √s; phase integrates it. Three numbers hold the
//! covariance `[[a, b], [b, d]]`, so it is symmetric by construction.

/// Estimate and covariance at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Filter {
    /// raw − true, relative to the estimator's base; s.
    pub x: f64,
    /// Rate of `x`; positive: the oscillator is fast.
    pub f: f64,
    /// Variance of `x`, s².
    pub a: f64,
    /// Covariance of `x` and `f`, s.
    pub b: f64,
    /// Variance of `f`.
    pub d: f64,
}

impl Filter {
    /// Certain of nothing but a first reading of variance `a` and a usual crystal's rate.
    pub fn starting(x: f64, a: f64) -> Self {
        Self { x, f: 0.0, a, b: 0.0, d: FREQUENCY_PRIOR * FREQUENCY_PRIOR }
    }

    /// The same with a rate that is known from before, within one `sigma`.
    #[must_use]
    pub fn with_rate(self, f: f64, sigma: f64) -> Self {
        Self { f, d: (sigma * sigma).min(FREQUENCY_PRIOR * FREQUENCY_PRIOR), ..self }
    }

    /// The same estimate `dt ≥ 0` seconds later, with `q = w²`.
    #[must_use]
    pub fn predicted(mut self, dt: f64, q: f64) -> Self {
        self.x += self.f * dt;
        // ∫ of the random walk: q dt³/3 of phase, q dt²/2 jointly, q dt of frequency.
        self.a += 2.0 * self.b * dt
            + self.d * dt * dt
            + q * dt * dt * dt / 3.0
            + WHITE_FREQUENCY_NOISE * dt;
        self.b += self.d * dt + q * dt * dt / 2.0;
        self.d += q * dt;
        self
    }

    /// The rate changed steadily by `ageing` per second during the last `dt` seconds.
    pub fn age(&mut self, ageing: f64, dt: f64) {
        self.x += 0.5 * ageing * dt * dt;
        self.f += ageing * dt;
    }

    /// Takes in a reading `y` of `x` with variance `r`; returns its log likelihood without the
    /// constant `−½ ln 2π`.
    pub fn update(&mut self, y: f64, r: f64) -> f64 {
        let s = self.a + r;
        let e = y - self.x;
        let (gain_x, gain_f) = (self.a / s, self.b / s);
        self.x += gain_x * e;
        self.f += gain_f * e;
        self.d -= gain_f * self.b;
        self.b *= r / s;
        self.a *= r / s;
        -0.5 * (e * e / s + libm::log(s))
    }

    /// Takes in what is known of `x` by itself: `precision` 1/s², which may be 0, and precision ×
    /// mean. Never divides by the precision.
    pub fn site(&mut self, precision: f64, product: f64) {
        let s = 1.0 + precision * self.a;
        let e = product - precision * self.x;
        self.x += self.a * e / s;
        self.f += self.b * e / s;
        self.d -= self.b * self.b * precision / s;
        self.a /= s;
        self.b /= s;
    }

    /// A mean of two estimates, `t` of the way from `self` to `other`.
    #[must_use]
    pub fn between(&self, other: &Self, t: f64) -> Self {
        let mix = |p: f64, q: f64| p + (q - p) * t;
        Self {
            x: mix(self.x, other.x),
            f: mix(self.f, other.f),
            a: mix(self.a, other.a),
            b: mix(self.b, other.b),
            d: mix(self.d, other.d),
        }
    }
}

/// Standard deviation of a crystal's rate before anything is known of it: 30 ppm.
pub(super) const FREQUENCY_PRIOR: f64 = 3e-5;

/// White frequency noise, s per s: only a floor, the learned wander absorbs more.
const WHITE_FREQUENCY_NOISE: f64 = 1e-24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prediction_over_two_halves_is_prediction_over_the_whole() {
        let start = Filter { x: 1e-3, f: 1e-5, a: 1e-12, b: 1e-14, d: 1e-14 };
        let q = 1e-18;
        let (whole, halves) = (start.predicted(2.0, q), start.predicted(1.0, q).predicted(1.0, q));
        for (p, q) in [(whole.x, halves.x), (whole.a, halves.a), (whole.b, halves.b)] {
            assert!((p - q).abs() < 1e-12 * p.abs(), "{p} {q}");
        }
        assert!((whole.d - halves.d).abs() < 1e-30);
    }

    #[test]
    fn an_update_is_the_precision_weighted_mean() {
        let mut filter = Filter { x: 0.0, f: 0.0, a: 4.0, b: 2.0, d: 3.0 };
        filter.update(10.0, 1.0);
        // Precisions 1/4 and 1: mean 10 × 0.8, variance 0.8; f moves by b/s e, d falls by b²/s.
        assert!((filter.x - 8.0).abs() < 1e-12 && (filter.a - 0.8).abs() < 1e-12);
        assert!((filter.f - 4.0).abs() < 1e-12 && (filter.d - 2.2).abs() < 1e-12);
        assert!((filter.b - 0.4).abs() < 1e-12);
    }

    #[test]
    fn a_site_is_an_update_written_with_precisions() {
        let start = Filter { x: 0.5, f: 1e-6, a: 4.0, b: 2.0, d: 3.0 };
        let (mut by_reading, mut by_site) = (start, start);
        by_reading.update(10.0, 0.25);
        by_site.site(4.0, 40.0);
        for (p, q) in [
            (by_reading.x, by_site.x),
            (by_reading.f, by_site.f),
            (by_reading.a, by_site.a),
            (by_reading.b, by_site.b),
            (by_reading.d, by_site.d),
        ] {
            assert!((p - q).abs() < 1e-12, "{p} {q}");
        }
        let mut untouched = start;
        untouched.site(0.0, 0.0);
        assert_eq!(untouched, start);
    }

    #[test]
    fn covariance_stays_positive_over_a_million_updates() {
        let mut filter = Filter::starting(0.0, 1e-8);
        for _ in 0..1_000_000 {
            filter = filter.predicted(1.0, 1e-22);
            filter.update(1e-9, 1e-19);
            assert!(filter.a > 0.0 && filter.d > 0.0);
            assert!(filter.b * filter.b <= filter.a * filter.d * (1.0 + 1e-9));
        }
    }
}
