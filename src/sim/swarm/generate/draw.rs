//! Draws for worlds: values as somebody would write them, from a generator of one part of a world.

use crate::random::Random;
use crate::sim::keys::stream;
use crate::time::{Duration, Span};

/// Draws for one part of a world: the parts of one seed draw apart, so that a change to one leaves
/// the others as they were.
#[derive(Clone, Debug)]
pub(super) struct Draw(Random);

impl Draw {
    /// For this part of the world of this seed.
    pub fn of(seed: u64, part: u64) -> Self {
        Self(stream(seed, part))
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.uniform() < probability
    }

    /// A value of `make` with this probability. The chance is drawn before it.
    pub fn maybe<T>(&mut self, probability: f64, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(probability).then(|| make(self))
    }

    /// A whole number, both ends included.
    pub fn whole(&mut self, low: usize, high: usize) -> usize {
        let count = high.saturating_sub(low) as u64 + 1;
        low + usize::try_from(self.0.bits() % count).unwrap_or(0)
    }

    /// A small number with a sign, both ends included.
    pub fn small(&mut self, low: i8, high: i8) -> i8 {
        let above = self.whole(0, usize::from(high.abs_diff(low)));
        low.saturating_add(i8::try_from(above).unwrap_or(0))
    }

    /// One of these.
    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.whole(0, of.len() - 1)]
    }

    /// Even between two values, with three digits.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        rounded(self.0.between(low, high)).clamp(low, high)
    }

    /// Between two values above zero, every decade as likely as another, with three digits.
    pub fn log(&mut self, low: f64, high: f64) -> f64 {
        let exponent = self.0.between(libm::log(low), libm::log(high.max(low)));
        rounded(libm::exp(exponent)).clamp(low, high.max(low))
    }

    /// The same with either sign.
    pub fn signed(&mut self, low: f64, high: f64) -> f64 {
        let sign = if self.chance(0.5) { -1.0 } else { 1.0 };
        sign * self.log(low, high)
    }

    /// The same as a span.
    pub fn span(&mut self, low: f64, high: f64) -> Span {
        span(self.log(low, high))
    }
}

/// Seconds as whole nanoseconds.
pub(super) fn span(seconds: f64) -> Span {
    #[expect(clippy::cast_possible_truncation, reason = "float casts saturate")]
    let nanos = libm::rint(seconds * 1e9) as i128;
    Span(Duration::from_nanos(nanos))
}

/// To three digits, so that a world can be read.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}
