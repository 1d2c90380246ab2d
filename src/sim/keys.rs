//! What the models' plans share: ranges of keys, streams of random numbers, a leap announcement.

use serde::{Deserialize, Serialize};

use super::Mistake;
use crate::random::Random;
use crate::time::LeapIndicator;

/// A leap announcement as scenarios write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Announcement {
    /// `"none"`: no leap second at the end of the month.
    #[default]
    None,
    /// `"insert"`: 23:59:60 follows.
    Insert,
    /// `"delete"`: 23:59:59 is left out.
    Delete,
    /// `"silent"`: none is announced, even if one comes.
    Silent,
    /// `"unknown"`: whoever says so does not know the time.
    Unknown,
}

impl Announcement {
    /// On the wire.
    pub const fn indicator(self) -> LeapIndicator {
        match self {
            Self::None | Self::Silent => LeapIndicator::None,
            Self::Insert => LeapIndicator::Insert,
            Self::Delete => LeapIndicator::Delete,
            Self::Unknown => LeapIndicator::Unknown,
        }
    }
}

/// Refuses a value outside `low..=high`, NaN too; `what` says what it is and in which unit.
pub(super) fn within(
    key: &str,
    value: f64,
    low: f64,
    high: f64,
    what: &str,
) -> Result<(), Mistake> {
    if value >= low && value <= high {
        return Ok(());
    }
    let [value, low, high] = [value, low, high].map(number);
    Err(Mistake::new(key, format!("is {value}; {what}, {low} to {high}")))
}

/// Refuses what is no probability.
pub(super) fn probability(key: &str, value: f64) -> Result<(), Mistake> {
    within(key, value, 0.0, 1.0, "a probability")
}

/// Refuses what is no span of zero to `SPAN_MAX` seconds.
pub(super) fn span(key: &str, value: f64) -> Result<(), Mistake> {
    within(key, value, 0.0, SPAN_MAX, "seconds")
}

/// A number as people write it.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 | 1e-3..1e6 => value.to_string(),
        _ => format!("{value:e}"),
    }
}

/// The generator of one part of a model: parts of one seed draw apart from each other.
pub(super) fn stream(seed: u64, part: u64) -> Random {
    // Not a multiple of the increment by which `Random` counts, else streams were each other's tail.
    Random::seeded(seed ^ (part + 1).wrapping_mul(0xd134_2543_de82_ef95))
}

/// The seed of one part of a model that draws from several streams itself.
pub(super) fn seed_of(seed: u64, part: u64) -> u64 {
    stream(seed, part).bits()
}

/// Seconds in a day, the period of what follows the sun.
pub(super) const DAY: f64 = 86_400.0;
/// A year: longer than any scenario.
pub(super) const SPAN_MAX: f64 = 366.0 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_key_value_and_range() {
        let said = within("wander", -1.0, 0.0, 1e-3, "a ratio per root second").unwrap_err();
        assert_eq!(said.to_string(), "wander: is -1; a ratio per root second, 0 to 0.001");
        assert!(within("wander", f64::NAN, 0.0, 1.0, "").is_err());
        let said = probability("loss", 1.5).unwrap_err().under("both").under("link[0]");
        assert_eq!(said.to_string(), "link[0].both.loss: is 1.5; a probability, 0 to 1");
        assert!(span("over", 1.0).is_ok() && span("over", f64::INFINITY).is_err());
    }

    #[test]
    fn parts_of_a_seed_share_no_draws() {
        let mut firsts: Vec<u64> = (0..64).map(|part| stream(7, part).bits()).collect();
        let second = stream(7, 0);
        assert_eq!(second.clone().bits(), firsts[0]);
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 64);
        // No stream is another one a few draws later.
        let mut long = stream(7, 0);
        let tail: Vec<u64> = (0..1000).map(|_| long.bits()).collect();
        assert!((1..64).all(|part| !tail.contains(&stream(7, part).bits())));
    }
}
