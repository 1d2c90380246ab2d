//! What one exchange with a server says of the oscillator: an interval, not a point.
//!
//! With `x = raw − true`, `α = T2 − T1 = d₁ − x` and `β = T4 − T3 = d₂ + x`. Delays exceed their
//! bases, `d₁ ≥ B₁` and `d₂ ≥ B₂`, so
//!
//! ```text
//!   L = B₁ − α  ≤  x  ≤  U = β − B₂ ,      U − L = round trip − (B₁ + B₂)
//! ```
//!
//! If both ways queue alike and exponentially, the likelihood of `x` is flat on `[L, U]`, whatever
//! the spread; with spreads J₁ ≠ J₂ it is `exp(−t x)` there, with the tilt `t = 1/J₁ − 1/J₂`. A short
//! round trip gives a narrow interval, a congested one a wide one that does no harm.
//!
//! A server whose own clock is noisy (σ) adds the same error to T2 and T3, which no round trip
//! shows: then what is cut by the interval is not `x` but `x + noise`.

/// An interval for `x`, s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub low: f64,
    pub high: f64,
    /// How softly it ends: the uncertainty of the bases, s, above zero.
    pub edge: f64,
    /// t, 1/s.
    pub tilt: f64,
}

/// What an interval adds to a prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Site {
    /// 1/s².
    pub precision: f64,
    /// Precision × mean, 1/s.
    pub product: f64,
    /// ln of how likely the interval was, up to a constant that all predictions share.
    pub likelihood: f64,
}

/// Mass, mean and variance of a cut normal distribution.
struct Moments {
    mean: f64,
    variance: f64,
    likelihood: f64,
}

impl Interval {
    /// Its middle, s.
    pub fn middle(&self) -> f64 {
        f64::midpoint(self.low, self.high)
    }

    /// Where `x` is in it on average, before anything else is known, s: by its tilt nearer to the
    /// side that queues less.
    pub fn mean(&self) -> f64 {
        let (length, steep) = (self.length(), self.tilt * self.length());
        let share = if steep.abs() < 1e-3 {
            0.5 - steep / 12.0
        } else {
            1.0 / steep - 1.0 / libm::expm1(steep)
        };
        self.low + length * share
    }

    /// Its length, s.
    pub fn length(&self) -> f64 {
        self.high - self.low
    }

    /// How far the interval is from `x`, signed: positive, it lies above. Zero inside.
    pub fn distance(&self, x: f64) -> f64 {
        (self.low - x).max(0.0) + (self.high - x).min(0.0)
    }

    /// The same interval elsewhere, with an edge at least as soft. Where the edge is softer than
    /// the spread, it no longer tells which way queued.
    #[must_use]
    pub fn moved(&self, by: f64, edge: f64) -> Self {
        let tilt = self.tilt.clamp(-1.0 / edge, 1.0 / edge);
        Self { low: self.low + by, high: self.high + by, edge, tilt }
    }

    /// What it says beside a prediction of mean `m` and variance `v`, for a server whose own noise
    /// has the variance `own`.
    pub fn site(&self, m: f64, v: f64, own: f64) -> Site {
        let total = v + own;
        let sigma = libm::sqrt(total);
        if self.distance(m).abs() > TOO_FAR * sigma {
            return Site { precision: 0.0, product: 0.0, likelihood: IMPOSSIBLE };
        }
        if self.is_point(sigma) {
            return self.as_point(m, total, own);
        }
        let moments = self.cut(m, total, sigma);
        if !moments.mean.is_finite() {
            // A tilt far steeper than the edges are soft leaves no mass at any point that is summed.
            return Site { precision: 0.0, product: 0.0, likelihood: IMPOSSIBLE };
        }
        let precision = 1.0 / moments.variance - 1.0 / total;
        if precision <= 0.0 {
            // Nothing but rounding: the interval is wider than the prediction.
            return Site { precision: 0.0, product: 0.0, likelihood: moments.likelihood };
        }
        let product = moments.mean / moments.variance - m / total;
        // The noise stands between the interval and x.
        let through = 1.0 + own * precision;
        Site {
            precision: precision / through,
            product: product / through,
            likelihood: moments.likelihood,
        }
    }

    /// Short beside the prediction: its shape no longer matters.
    fn is_point(&self, sigma: f64) -> bool {
        let length = self.length();
        POINT_EDGES * self.edge < length
            && length < POINT_LENGTH * sigma
            && self.tilt.abs() * length < POINT_TILT
    }

    fn as_point(&self, m: f64, total: f64, own: f64) -> Site {
        let (middle, length) = (self.middle(), self.length());
        let variance = length * length / 12.0;
        let precision = 1.0 / (variance + own);
        let spread = total + variance;
        let away = middle - m;
        let likelihood = libm::log(length) - 0.5 * libm::log(spread) - 0.5 * away * away / spread;
        Site { precision, product: middle * precision, likelihood }
    }

    /// `N(m, v) e^{−t x}` cut to the interval, summed around its mode. Around `m` alone a strong
    /// tilt with a wide prediction would put all mass where nothing is summed.
    fn cut(&self, m: f64, v: f64, sigma: f64) -> Moments {
        let shifted = m - self.tilt * v;
        let (from, to) = (self.low - 2.0 * self.edge, self.high + 2.0 * self.edge);
        let mode = shifted.clamp(from, to);
        let (start, end, points) = if mode == shifted {
            let start = from.max(shifted - REACH * sigma);
            let end = to.min(shifted + REACH * sigma);
            let wanted = libm::ceil((end - start) / (STEP * sigma));
            (start, end, wanted.clamp(POINTS_MIN, POINTS_MAX))
        } else {
            // From an edge inwards the density falls off at least this fast.
            let reach = 2.0 * self.edge + FALLEN / ((mode - shifted).abs() / v + 1.0 / sigma);
            if mode == from {
                (from, to.min(from + reach), POINTS_AT_EDGE)
            } else {
                (from.max(to - reach), to, POINTS_AT_EDGE)
            }
        };
        let step = (end - start) / points;
        let (mut mass, mut first, mut second) = (0.0, 0.0, 0.0);
        #[expect(clippy::cast_possible_truncation, reason = "at most 40")]
        for index in 0..points as i32 {
            // Relative to the mode, where the numbers are small.
            let away = start + (f64::from(index) + 0.5) * step - mode;
            let x = mode + away;
            let exponent = -(away * (away + 2.0 * (mode - shifted))) / (2.0 * v);
            let weight = self.weight(x) * libm::exp(exponent);
            mass += weight;
            first += weight * away;
            second += weight * away * away;
        }
        let off = mode - shifted;
        let mean = first / mass;
        let variance = (second / mass - mean * mean).max(step * step / 12.0);
        let likelihood = libm::log(mass * step / sigma)
            - off * off / (2.0 * v)
            - self.tilt * (m - self.middle())
            + 0.5 * self.tilt * self.tilt * v;
        Moments { mean: mode + mean, variance, likelihood }
    }

    /// One inside, zero outside, soft between.
    fn weight(&self, x: f64) -> f64 {
        let soft = |inside: f64| {
            let z = (inside / (2.0 * self.edge)).clamp(-1.0, 1.0);
            0.5 + z * (0.75 - 0.25 * z * z)
        };
        soft(x - self.low) * soft(self.high - x)
    }
}

/// The tilt of two spreads, whose geometric mean is `mean` and the logarithm of whose ratio is
/// `ratio`, for an interval `excess` long: a sample far out in a burst says nothing about which way
/// queued.
pub(super) fn tilt(mean: f64, ratio: f64, excess: f64) -> f64 {
    let (there, back) = (mean * libm::exp(ratio / 2.0), mean * libm::exp(-ratio / 2.0));
    (1.0 / there - 1.0 / back) / (excess / (BURST * (there + back))).max(1.0)
}

/// A point: edges that it is longer than, sigmas that it is shorter than, and how much the tilt may
/// change over it.
const POINT_EDGES: f64 = 4.0;
const POINT_LENGTH: f64 = 0.4;
const POINT_TILT: f64 = 1e-3;
/// The sum reaches so many sigmas from the mode, in steps of so many; e^−18 lies beyond.
const REACH: f64 = 6.0;
const STEP: f64 = 0.4;
const POINTS_MIN: f64 = 12.0;
const POINTS_MAX: f64 = 32.0;
/// Where the mode is at an edge: until the density has fallen by e^−12, in so many points.
const FALLEN: f64 = 12.0;
const POINTS_AT_EDGE: f64 = 40.0;
/// Mean queueings beyond which an excess is a burst.
const BURST: f64 = 3.0;
/// Sigmas between prediction and interval beyond which an update says nothing.
const TOO_FAR: f64 = 8.0;
/// A likelihood far below any floor.
const IMPOSSIBLE: f64 = -1e3;

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, high: f64) -> Interval {
        Interval { low, high, edge: 1e-9, tilt: 0.0 }
    }

    fn moments(interval: &Interval, m: f64, v: f64) -> (f64, f64) {
        let moments = interval.cut(m, v, libm::sqrt(v));
        (moments.mean, moments.variance)
    }

    #[test]
    fn a_tilt_far_steeper_than_the_edges_says_nothing_rather_than_nonsense() {
        let steep = Interval { low: -1.05, high: 2.6e-3, edge: 8.1e-2, tilt: -3e6 };
        let site = steep.site(2.1e-2, 1.3e-3, 0.0);
        assert_eq!((site.precision, site.product, site.likelihood), (0.0, 0.0, IMPOSSIBLE));
    }

    #[test]
    fn a_half_line_and_a_short_interval() {
        let (mean, variance) = moments(&interval(0.0, 1e3), 0.0, 1.0);
        assert!((mean / 0.7979 - 1.0).abs() < 0.01 && (variance / 0.3634 - 1.0).abs() < 0.03);
        let (mean, variance) = moments(&interval(-0.1, 0.1), 0.0, 1.0);
        assert!(mean.abs() < 1e-6 && (variance / 0.00333 - 1.0).abs() < 0.02, "{mean} {variance}");
        let point = interval(-0.1, 0.1).site(0.0, 1.0, 0.0);
        assert!((point.precision * 0.00333 - 1.0).abs() < 0.01, "{point:?}");
    }

    #[test]
    fn a_wide_interval_says_nothing_and_an_impossible_one_neither() {
        let wide = interval(-1e-4, 1e-4).site(0.0, 1e-10, 0.0);
        assert!(wide.precision * 1e-10 < 0.01, "{wide:?}");
        let impossible = interval(0.0, 1e-4).site(-1e-3, 1e-10, 0.0);
        assert_eq!((impossible.precision, impossible.product), (0.0, 0.0));
        assert!(impossible.likelihood < -100.0);
    }

    #[test]
    fn a_tilt_pulls_to_the_quieter_side_whatever_the_prediction() {
        // J₁ 1e-5 and J₂ 1e-3: the excess of 1 ms is nearly all on the way back.
        for v in [1e-6, 1e-3, 1.0] {
            let tilted = Interval { tilt: tilt(1e-4, -4.2, 1e-3), ..interval(0.0, 1e-3) };
            let (mean, _) = moments(&tilted, 0.0, v);
            assert!((mean / 1.24e-5 - 1.0).abs() < 0.02, "{v}: {mean}");
        }
        // Without a tilt the mean is the middle.
        assert_eq!(tilt(1e-4, 0.0, 1e-3), 0.0);
        for v in [1e-4, 1e-2, 1.0] {
            let (mean, _) = moments(&interval(0.0, 1e-3), 0.0, v);
            assert!((mean / 5e-4 - 1.0).abs() < 0.01, "{v}: {mean}");
        }
    }

    #[test]
    fn the_mean_of_a_tilted_interval_is_that_of_its_density() {
        for tilt in [0.0, 1e-5, 2e-3, 1.0, -1.0, 40.0, -40.0, 1e6, -1e6] {
            let (interval, points) = (Interval { tilt, ..interval(1.0, 3.0) }, 200_000);
            let edge = if tilt < 0.0 { 3.0 } else { 1.0 };
            let (mut mass, mut first) = (0.0, 0.0);
            for point in 0..points {
                let x = 1.0 + 2.0 * (f64::from(point) + 0.5) / f64::from(points);
                let weight = libm::exp(-tilt * (x - edge));
                mass += weight;
                first += weight * x;
            }
            let want = first / mass;
            assert!((interval.mean() - want).abs() < 1e-5, "{tilt}: {} {want}", interval.mean());
        }
    }

    #[test]
    fn own_noise_stands_between_interval_and_oscillator() {
        let (v, own) = (1e-10, 1e-10);
        let site = interval(-1e-7, 1e-7).site(0.0, v, own);
        assert!((site.precision * own - 1.0).abs() < 0.01, "{site:?}");
        let halved = 1.0 / (1.0 / v + site.precision);
        assert!((halved / v - 0.5).abs() < 0.005, "{halved}");
        let silent = interval(-1e-7, 1e-7).site(0.0, v, 0.0);
        assert!(silent.precision > 1e13);
    }

    #[test]
    fn the_sum_and_the_point_agree_where_they_meet() {
        let short = Interval { low: 2e-6, high: 2e-6 + 3.9e-6, edge: 1e-9, tilt: 0.0 };
        let v = 1e-10;
        let (mean, variance) = moments(&short, 0.0, v);
        let (precision, product) = (1.0 / variance - 1.0 / v, mean / variance);
        let site = short.site(0.0, v, 0.0);
        assert!((site.precision / precision - 1.0).abs() < 0.02, "{site:?} {precision}");
        assert!((site.product / product - 1.0).abs() < 0.03, "{site:?} {product}");
        let summed = short.cut(0.0, v, 1e-5).likelihood;
        assert!((site.likelihood - summed).abs() < 0.01, "{} {summed}", site.likelihood);
    }
}
