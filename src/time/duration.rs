//! Differences of instants, ratios of rates, and powers of two.
//!
//! Rounding law: nanoseconds → units rounds up, units → nanoseconds rounds down. A unit is smaller
//! than a nanosecond, so every nanosecond comes back unchanged.

use core::fmt;
use core::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use super::{NANOS_PER_SECOND, UNITS_PER_SECOND};

/// A signed difference of two instants, in 2⁻⁶⁴ s. Arithmetic saturates.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i128);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest difference, about 2⁶³ s.
    pub const MAX: Self = Self(i128::MAX);
    /// One nanosecond, rounded up to units.
    pub const NANOSECOND: Self = Self::from_nanos(1);
    /// One second.
    pub const SECOND: Self = Self::from_seconds(1);

    /// A count of 2⁻⁶⁴ s.
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// Whole seconds.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self((seconds as i128) << 64)
    }

    /// Milliseconds, rounded up to units.
    pub const fn from_millis(millis: i64) -> Self {
        Self::from_nanos(millis as i128 * 1_000_000)
    }

    /// Microseconds, rounded up to units.
    pub const fn from_micros(micros: i64) -> Self {
        Self::from_nanos(micros as i128 * 1_000)
    }

    /// Nanoseconds, rounded up to units. Saturates beyond ±2⁶³ s.
    pub const fn from_nanos(nanos: i128) -> Self {
        let seconds = nanos.div_euclid(NANOS_PER_SECOND);
        let fraction = nanos.rem_euclid(NANOS_PER_SECOND);
        if seconds > i64::MAX as i128 {
            return Self(i128::MAX);
        }
        if seconds < i64::MIN as i128 {
            return Self(i128::MIN);
        }
        // 30 bits of nanoseconds shifted by 64 stay far below 127.
        let rounded_up = ((fraction << 64) + NANOS_PER_SECOND - 1) / NANOS_PER_SECOND;
        Self((seconds << 64).saturating_add(rounded_up))
    }

    /// The nearest count of units; saturates, and NaN is zero.
    pub fn from_seconds_f64(seconds: f64) -> Self {
        let whole = libm::floor(seconds);
        // Split first: the fraction keeps all its bits.
        let fraction = libm::rint((seconds - whole) * UNITS_F64);
        #[expect(clippy::cast_possible_truncation, reason = "float casts saturate; NaN is 0")]
        let (whole, fraction) = (whole as i64, fraction as i128);
        Self((i128::from(whole) << 64).saturating_add(fraction))
    }

    /// The count of 2⁻⁶⁴ s.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Nanoseconds, rounded down.
    pub const fn nanos(self) -> i128 {
        let seconds = self.0 >> 64;
        let fraction = self.0 & (UNITS_PER_SECOND - 1);
        seconds * NANOS_PER_SECOND + ((fraction * NANOS_PER_SECOND) >> 64)
    }

    /// Nanoseconds, rounded up: for bounds, which must never shrink by rounding.
    pub const fn nanos_up(self) -> i128 {
        -Self(self.0.saturating_neg()).nanos()
    }

    /// Seconds; exact to 2⁻⁵³ of the value, or of a second if that is more.
    pub fn seconds(self) -> f64 {
        // Whole and fraction apart: each conversion is exact to its own size.
        let fraction = self.0 & (UNITS_PER_SECOND - 1);
        (self.0 >> 64) as f64 + fraction as f64 / UNITS_F64
    }

    /// The nearest whole second, halves up.
    pub const fn round_seconds(self) -> i64 {
        let rounded = self.0.saturating_add(UNITS_PER_SECOND / 2) >> 64;
        rounded as i64
    }

    /// The nearest millisecond, halves up.
    pub const fn round_millis(self) -> i64 {
        let seconds = (self.0 >> 64) as i64;
        let fraction = (self.0 & (UNITS_PER_SECOND - 1)) * 1000;
        let rounded = ((fraction + UNITS_PER_SECOND / 2) >> 64) as i64;
        seconds.saturating_mul(1000).saturating_add(rounded)
    }

    /// The difference without its sign.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Whether it runs backwards.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl Add for Duration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Duration {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Duration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for Duration {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Duration {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Mul<i64> for Duration {
    type Output = Self;
    fn mul(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(i128::from(factor)))
    }
}

impl Div<i64> for Duration {
    type Output = Self;
    /// Rounds towards zero.
    ///
    /// # Panics
    /// If the divisor is 0, as integers do.
    fn div(self, divisor: i64) -> Self {
        Self(self.0 / i128::from(divisor))
    }
}

impl fmt::Display for Duration {
    /// Engineering notation with sign: `+1.234 ms`, `-37 ns`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        let (scale, unit) = match seconds.abs() {
            s if s >= 1.0 => (1.0, "s"),
            s if s >= 1e-3 => (1e3, "ms"),
            s if s >= 1e-6 => (1e6, "µs"),
            _ => (1e9, "ns"),
        };
        let decimals = if unit == "ns" { 0 } else { 3 };
        write!(f, "{:+.decimals$} {unit}", seconds * scale)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Duration({self})")
    }
}

/// A relative rate: seconds per second. Positive: the clock in question runs fast.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Frequency(f64);

impl Frequency {
    /// Runs exactly at the reference's rate.
    pub const ZERO: Self = Self(0.0);

    /// Seconds per second.
    pub const fn new(ratio: f64) -> Self {
        Self(ratio)
    }

    /// Parts per million.
    pub const fn from_ppm(ppm: f64) -> Self {
        Self(ppm * 1e-6)
    }

    /// Seconds per second.
    pub const fn ratio(self) -> f64 {
        self.0
    }

    /// Parts per million.
    pub const fn ppm(self) -> f64 {
        self.0 * 1e6
    }

    /// What this rate gains in `elapsed`. The product is taken in integers (2⁻⁶⁴ of the ratio), so
    /// a day at 500 ppm is exact to 2⁻⁴⁷ s and any shorter span to less than a picosecond.
    #[inline]
    pub fn over(self, elapsed: Duration) -> Duration {
        #[expect(clippy::cast_possible_truncation, reason = "a ratio far below 2⁶³ in 2⁻⁶⁴ units")]
        let ratio = libm::rint(self.0 * UNITS_F64) as i128;
        let units = elapsed.units();
        let (whole, fraction) = (units >> 64, units & (UNITS_PER_SECOND - 1));
        // |ratio| < 2⁶² (25 %) keeps both products inside 127 bits.
        let low = ((fraction >> 2) * ratio) >> 62;
        Duration::from_units(whole.saturating_mul(ratio).saturating_add(low))
    }
}

impl Add for Frequency {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Frequency {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Frequency {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

/// log2 of a time in seconds: poll τ and precision ρ of RFC 5905 §7.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exponent(pub i8);

impl Exponent {
    /// 2ⁿ seconds. Beyond −64 it is zero, beyond 62 the longest duration.
    pub const fn duration(self) -> Duration {
        match self.0 {
            ..=-65 => Duration::ZERO,
            63.. => Duration::MAX,
            n => Duration::from_units(1 << (64 + n)),
        }
    }

    /// The smallest power of two that is not below `seconds`: precision rounded to the honest side.
    pub fn at_least(seconds: f64) -> Self {
        let exponent = libm::ceil(libm::log2(seconds.max(1e-18)));
        #[expect(clippy::cast_possible_truncation, reason = "float casts saturate")]
        let exponent = exponent as i8;
        Self(exponent)
    }
}

/// [`UNITS_PER_SECOND`], exact in binary.
const UNITS_F64: f64 = 18_446_744_073_709_551_616.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_nanosecond_round_trips(nanos in -(1i128 << 92)..(1i128 << 92)) {
            prop_assert_eq!(Duration::from_nanos(nanos).nanos(), nanos);
            let up = Duration::from_nanos(nanos).nanos_up() - nanos;
            prop_assert!(up == 0 || up == 1);
        }

        #[test]
        fn nanoseconds_round_down_and_up_around_the_value(units in any::<i64>()) {
            let d = Duration::from_units(i128::from(units) << 20);
            prop_assert!(d.nanos() <= d.nanos_up() && d.nanos_up() - d.nanos() <= 1);
            // from_nanos rounds up and nanos rounds down, so they enclose the value.
            prop_assert!(Duration::from_nanos(d.nanos()) <= d + Duration::from_units(1));
            prop_assert!(Duration::from_nanos(d.nanos_up()) >= d);
        }

        #[test]
        fn seconds_agree_with_units(seconds in -1e9..1e9f64) {
            let d = Duration::from_seconds_f64(seconds);
            prop_assert!((d.seconds() - seconds).abs() <= 1e-16 * (1.0 + seconds.abs()));
        }

        #[test]
        fn addition_undoes_subtraction(a in any::<i64>(), b in any::<i64>()) {
            let (a, b) = (Duration::from_nanos(a.into()), Duration::from_nanos(b.into()));
            prop_assert_eq!(a - b + b, a);
        }

        #[test]
        fn a_rate_over_a_span_is_their_product(ppm in -90_000.0..90_000.0f64, span in 0.0..1e6f64) {
            let got = Frequency::from_ppm(ppm).over(Duration::from_seconds_f64(span)).seconds();
            let want = ppm * 1e-6 * span;
            // Of the rate half a unit is lost, of the product what a double has.
            let lost = 0.5 * span / UNITS_F64 + 1e-15 * (1.0 + want.abs());
            prop_assert!((got - want).abs() <= lost, "{got} {want}");
        }

        #[test]
        fn rounding_to_seconds_is_nearest(millis in -10_000_000i64..10_000_000) {
            let rounded = Duration::from_millis(millis).round_seconds();
            prop_assert!((millis - rounded * 1000).abs() <= 500);
        }
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(Duration::MAX + Duration::SECOND, Duration::MAX);
        assert_eq!(Duration::from_seconds_f64(f64::NAN), Duration::ZERO);
        assert_eq!(Duration::from_seconds_f64(f64::INFINITY).units() >> 64, i128::from(i64::MAX));
        assert_eq!(Duration::from_nanos(i128::MAX), Duration::MAX);
        assert!(Duration::from_nanos(i128::MIN).is_negative());
    }

    #[test]
    fn exponents() {
        assert_eq!(Exponent(0).duration(), Duration::SECOND);
        assert_eq!(Exponent(-20).duration().nanos(), 953);
        assert_eq!(Exponent::at_least(1e-6), Exponent(-19));
        assert_eq!(Exponent::at_least(0.5), Exponent(-1));
        assert_eq!(Exponent::at_least(0.0), Exponent(-59));
        assert_eq!(Exponent(-128).duration(), Duration::ZERO);
        assert_eq!(Exponent(127).duration(), Duration::MAX);
    }

    #[test]
    fn display_is_in_engineering_notation() {
        assert_eq!(Duration::from_nanos(-37).to_string(), "-37 ns");
        assert_eq!(Duration::from_micros(1234).to_string(), "+1.234 ms");
        assert_eq!(Duration::from_seconds(2).to_string(), "+2.000 s");
    }
}
