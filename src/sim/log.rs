//! The event log of a universe as one number: same seed, same log, on any machine.
//!
//! Everything that happens is folded in as it happens: what came when and to whom, what each tick
//! published, what each engine told. Two runs that differ anywhere differ in the sum from there on.

use core::fmt::Debug;

use crate::state::State;
use crate::time::{System, Timestamp, Utc};

/// A running sum over everything that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log(u64);

impl Log {
    /// An empty log.
    pub const fn new() -> Self {
        Self(0x6d61_7365_7220_6c6f)
    }

    /// The sum so far.
    pub const fn sum(self) -> u64 {
        self.0
    }

    /// Something happened at `at`, to whom and what as numbers.
    pub fn happened(&mut self, at: Timestamp<Utc>, what: u64) {
        self.wide(at.units());
        self.word(what);
    }

    /// A node published this.
    pub fn published(&mut self, state: &State, system: Timestamp<System>) {
        self.word(state.phase as u64);
        self.wide(state.utc(system).units());
        self.wide(state.bound(system).units());
    }

    /// A value told in words.
    pub fn told(&mut self, what: &impl Debug) {
        for byte in format!("{what:?}").bytes() {
            self.word(byte.into());
        }
    }

    fn wide(&mut self, value: i128) {
        let [low, high] = [value & LOW, value >> 64 & LOW];
        self.word(u64::try_from(low).unwrap_or(0));
        self.word(u64::try_from(high).unwrap_or(0));
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

const LOW: i128 = (1 << 64) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_time_and_value_all_count() {
        let at = Timestamp::from_seconds;
        let sum = |of: &[(i64, u64)]| {
            let mut log = Log::new();
            of.iter().for_each(|(seconds, what)| log.happened(at(*seconds), *what));
            log.sum()
        };
        let first = sum(&[(1, 2), (3, 4)]);
        assert_eq!(first, sum(&[(1, 2), (3, 4)]));
        for other in [&[(3, 4), (1, 2)][..], &[(1, 2), (3, 5)], &[(1, 2), (4, 4)], &[(1, 2)]] {
            assert_ne!(first, sum(other));
        }
        let told = |what: f64| {
            let mut log = Log::new();
            log.told(&what);
            log.sum()
        };
        assert_ne!(told(0.1), told(0.1 + f64::EPSILON));
    }
}
