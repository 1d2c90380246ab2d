//! Where values lie on an axis, and at which of them it is labelled.
//!
//! Ticks are round numbers: 1, 2 or 5 times a power of ten, each computed from integers so that 0.3
//! is 0.3. The symmetric logarithm is linear about zero up to its first tick and counts decades
//! from there: a bound in nanoseconds and a step of a second fit on one axis.

use crate::sim::Range;

/// How values are laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Evenly between two values.
    Linear {
        /// At place 0.
        low: f64,
        /// At place 1.
        high: f64,
    },
    /// Decades both ways from ±10^`linear`, evenly between these two; ±`high` at the ends.
    Symmetric {
        /// The decade within which it is linear.
        linear: i32,
        /// The value at place 1.
        high: f64,
    },
    /// Decades between two positive values.
    Decades {
        /// At place 0.
        low: f64,
        /// At place 1.
        high: f64,
    },
}

/// A multiple of a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// How many.
    pub count: i64,
    /// Of 10 to this.
    pub exponent: i32,
}

impl Scale {
    /// Evenly over a range and a little beyond its ends; a range without width gets one.
    pub fn about(range: Range) -> Self {
        if range.is_empty() {
            return Self::Linear { low: 0.0, high: 1.0 };
        }
        let size = range.low.abs().max(range.high.abs()).max(LEAST);
        let width = (range.high - range.low).max(size * 1e-9);
        Self::Linear { low: range.low - width * MARGIN, high: range.high + width * MARGIN }
    }

    /// Evenly about zero, so that ±`most` is inside.
    pub fn even(most: f64) -> Self {
        let high = most.max(LEAST) * (1.0 + MARGIN);
        Self::Linear { low: -high, high }
    }

    /// Decades both ways from about `small`, so that ±`most` is inside.
    pub fn symmetric(small: f64, most: f64) -> Self {
        let (small, most) = (small.max(LEAST), most.max(LEAST));
        Self::Symmetric { linear: decade(small.min(most)), high: most * 1.5 }
    }

    /// Decades from the least to a little beyond the largest of some positive values.
    pub fn from_least(range: Range) -> Self {
        match Self::decades(range) {
            Self::Decades { .. } if range.low > 0.0 && !range.is_empty() => {
                Self::Decades { low: range.low, high: range.high * 1.25 }
            }
            empty => empty,
        }
    }

    /// Whole decades about positive values.
    pub fn decades(range: Range) -> Self {
        if range.is_empty() || range.low <= 0.0 {
            return Self::Decades { low: 0.1, high: 10.0 };
        }
        let (low, high) = (decade(range.low), decade(range.high * (1.0 - 1e-12)) + 1);
        Self::Decades { low: ten(low), high: ten(high) }
    }

    /// Where a value lies: 0 at the low end, 1 at the high one, beyond them outside.
    pub fn place(&self, value: f64) -> f64 {
        match *self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Symmetric { linear, high } => {
                let folded = |value: f64| {
                    let ratio = value / ten(linear);
                    if ratio <= 1.0 { ratio } else { 1.0 + libm::log10(ratio) }
                };
                0.5 + 0.5 * (folded(value.abs()) / folded(high)).copysign(value)
            }
            Self::Decades { low, high } => libm::log10(value / low) / libm::log10(high / low),
        }
    }

    /// The values to label, at most so many, ascending.
    pub fn ticks(&self, most: usize) -> Vec<Round> {
        let most = i64::try_from(most).unwrap_or(i64::MAX).max(2);
        match *self {
            Self::Linear { low, high } => linear_ticks(low, high, most),
            Self::Symmetric { linear, high } => {
                let decades = i64::from(decade(high) - linear) + 1;
                let stride = ((2 * decades + 1) + most - 1) / most;
                let powers = || (0..decades).step_by(usize::try_from(stride).unwrap_or(1));
                let tick = |count, power: i64| {
                    let power = i32::try_from(power).unwrap_or(0);
                    Round { count, exponent: linear + power }
                };
                let below = powers().map(|power| tick(-1, power));
                let mut ticks: Vec<Round> = below.collect();
                ticks.reverse();
                ticks.push(Round { count: 0, exponent: linear });
                ticks.extend(powers().map(|power| tick(1, power)));
                ticks
            }
            Self::Decades { low, high } => {
                let (first, last) = (decade_from(low), decade(high * (1.0 + 1e-12)));
                let stride = (i64::from(last - first) + most) / most;
                let powers = (first..=last).step_by(usize::try_from(stride).unwrap_or(1));
                powers.map(|exponent| Round { count: 1, exponent }).collect()
            }
        }
    }
}

impl Round {
    /// As a number: the one that its decimal digits mean.
    pub fn value(self) -> f64 {
        scaled(self.count as f64, self.exponent)
    }
}

/// `value` times 10 to this; exact for integers while the power is, which is up to 22.
pub fn scaled(value: f64, exponent: i32) -> f64 {
    if exponent < 0 { value / ten(-exponent) } else { value * ten(exponent) }
}

/// The largest power of ten that is not above a positive value.
pub fn decade(value: f64) -> i32 {
    let guess = floor(libm::log10(value));
    // The logarithm of 1000 may fall a hair below 3.
    if ten(guess + 1) <= value { guess + 1 } else { guess }
}

/// The least power of ten that is not below a positive value.
fn decade_from(value: f64) -> i32 {
    decade(value * (1.0 - 1e-12)) + 1
}

fn ten(exponent: i32) -> f64 {
    let size = (0..exponent.unsigned_abs()).fold(1.0, |product, _| product * 10.0);
    if exponent < 0 { 1.0 / size } else { size }
}

fn linear_ticks(low: f64, high: f64, most: i64) -> Vec<Round> {
    let rough = (high - low) / most as f64;
    let exponent = decade(rough.max(LEAST));
    let count_of = |multiple: i64, value: f64| value / scaled(multiple as f64, exponent);
    let fits = |multiple: &i64| {
        let (first, last) = (count_of(*multiple, low), count_of(*multiple, high));
        libm::floor(last) - libm::ceil(first) < most as f64
    };
    let multiple = [1, 2, 5, 10, 20].into_iter().find(fits).unwrap_or(50);
    let first = i64::from(floor(libm::ceil(count_of(multiple, low) - 1e-9)));
    let last = i64::from(floor(count_of(multiple, high) + 1e-9));
    (first..=last).map(|count| Round { count: count * multiple, exponent }).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "few; casts of floats saturate")]
fn floor(value: f64) -> i32 {
    libm::floor(value) as i32
}

/// Room beyond the ends, a share of the width.
const MARGIN: f64 = 0.06;
/// Nothing here is smaller but zero.
const LEAST: f64 = 1e-30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn values(scale: &Scale, most: usize) -> Vec<f64> {
        scale.ticks(most).into_iter().map(Round::value).collect()
    }

    #[test]
    fn linear_ticks_are_round_few_and_inside() {
        let mut random = Random::seeded(5);
        for _ in 0..2000 {
            let size = libm::pow(10.0, random.between(-14.0, 6.0));
            let low = random.between(-3.0, 3.0) * size;
            let high = low + size * random.between(0.01, 4.0);
            for most in [3, 5, 7] {
                let scale = Scale::Linear { low, high };
                let ticks = scale.ticks(most);
                assert!((1..=most).contains(&ticks.len()), "{low} {high} {most}: {ticks:?}");
                let step = ticks.get(1).map_or(0, |second| second.count - ticks[0].count);
                assert!([0, 1, 2, 5, 10, 20, 50].contains(&step), "{ticks:?}");
                for tick in &ticks {
                    let place = scale.place(tick.value());
                    assert!((-1e-6..=1.0 + 1e-6).contains(&place), "{low} {high}: {tick:?}");
                    // Round in decimal: few digits write it exactly.
                    let digits = format!("{:e}", tick.value());
                    assert!(digits.len() < 20, "{digits}");
                }
            }
        }
        let tenths = Scale::Linear { low: 0.05, high: 0.45 };
        assert_eq!(values(&tenths, 4), [0.1, 0.2, 0.3, 0.4]);
    }

    #[test]
    fn decades_are_powers_of_ten() {
        let scale = Scale::decades(Range { low: 3e-12, high: 0.9e-8 });
        assert_eq!(scale, Scale::Decades { low: 1e-12, high: 1e-8 });
        assert_eq!(values(&scale, 9), [1e-12, 1e-11, 1e-10, 1e-9, 1e-8]);
        assert_eq!(values(&scale, 3), [1e-12, 1e-10, 1e-8]);
        assert!((scale.place(1e-10) - 0.5).abs() < 1e-12);
        assert_eq!([999.0, 1000.0, 1001.0, 0.001].map(decade), [2, 3, 3, -3]);
    }

    #[test]
    fn the_symmetric_logarithm_is_odd_ascending_and_joins_its_parts() {
        let scale = Scale::symmetric(3e-6, 1.0);
        assert_eq!(scale, Scale::Symmetric { linear: -6, high: 1.5 });
        assert_eq!((scale.place(0.0), scale.place(1.5), scale.place(-1.5)), (0.5, 1.0, 0.0));
        let mut last = -1.0;
        for step in -3000..=3000 {
            let value = f64::from(step) * 5e-4;
            let place = scale.place(value);
            assert!(place > last && (place + scale.place(-value) - 1.0).abs() < 1e-12);
            last = place;
        }
        let joint = [0.999_999e-6, 1.000_001e-6].map(|value| scale.place(value));
        assert!((joint[1] - joint[0]).abs() < 1e-6);
        let ticks = values(&scale, 15);
        assert_eq!(ticks.len(), 15);
        assert_eq!(ticks[7..10], [0.0, 1e-6, 1e-5]);
        assert_eq!(values(&scale, 9), [-1.0, -1e-2, -1e-4, -1e-6, 0.0, 1e-6, 1e-4, 1e-2, 1.0]);
    }

    #[test]
    fn decades_may_begin_and_end_anywhere() {
        let scale = Scale::from_least(Range { low: 2.0, high: 16_384.0 });
        assert_eq!(values(&scale, 7), [10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(scale.place(2.0), 0.0);
        assert!(!Scale::from_least(Range::NONE).ticks(7).is_empty());
        assert_eq!(values(&Scale::symmetric(0.0, 0.0), 3).len(), 3);
    }

    #[test]
    fn a_range_of_one_value_or_none_has_an_axis() {
        for range in [Range::NONE, Range { low: 2.0, high: 2.0 }, Range { low: 0.0, high: 0.0 }] {
            let scale = Scale::about(range);
            let place = scale.place(range.low.clamp(0.0, 2.0));
            assert!(place.is_finite() && !scale.ticks(5).is_empty(), "{range:?}");
        }
        assert!(!Scale::decades(Range::NONE).ticks(5).is_empty());
    }
}
