//! How often an event is expected in one run: in a scenario a number, or a table of limits.

use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Mistake;
use crate::event::EventKind;

/// A number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Count {
    /// Neither more nor less often.
    Exactly(u32),
    /// Within limits.
    Within(Limits),
}

/// What a number of times may be; without a limit where one is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub struct Limits {
    /// Not less often.
    pub at_least: Option<u32>,
    /// Not more often.
    pub at_most: Option<u32>,
}

impl Count {
    /// Whether this often is as expected.
    pub fn allows(self, times: u32) -> bool {
        let (least, most) = match self {
            Self::Exactly(wanted) => (Some(wanted), Some(wanted)),
            Self::Within(Limits { at_least, at_most }) => (at_least, at_most),
        };
        least.is_none_or(|least| times >= least) && most.is_none_or(|most| times <= most)
    }

    /// Refuses an event that there is not, and limits that nothing or everything keeps.
    pub(super) fn check(self, event: &str) -> Result<(), Mistake> {
        if !EventKind::NAMES.contains(&event) {
            let names = EventKind::NAMES.join(", ");
            return Err(Mistake::new(event, format!("\"{event}\" is no event; one of {names}")));
        }
        let Self::Within(Limits { at_least, at_most }) = self else { return Ok(()) };
        match (at_least, at_most) {
            (None | Some(0), None) => {
                let reason = "allows any number; it takes `at_least` above 0, `at_most` or both";
                Err(Mistake::new(event, reason))
            }
            (Some(least), Some(most)) if least > most => {
                let reason = format!("is above `at_most` = {most}");
                Err(Mistake::new("at_least", reason).under(event))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exactly(times) => write!(f, "{times}"),
            Self::Within(Limits { at_least, at_most }) => match (at_least, at_most) {
                (Some(least), Some(most)) => write!(f, "{least} to {most}"),
                (Some(least), None) => write!(f, "at least {least}"),
                (None, Some(most)) => write!(f, "at most {most}"),
                (None, None) => f.write_str("any number"),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTable)
    }
}

struct NumberOrTable;

impl<'de> Visitor<'de> for NumberOrTable {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, 0 and more, or { at_least = 1, at_most = 2 }")
    }

    fn visit_i64<E: Error>(self, times: i64) -> Result<Count, E> {
        let wrong = || E::invalid_value(serde::de::Unexpected::Signed(times), &self);
        u32::try_from(times).map(Count::Exactly).map_err(|_| wrong())
    }

    fn visit_u64<E: Error>(self, times: u64) -> Result<Count, E> {
        let wrong = || E::invalid_value(serde::de::Unexpected::Unsigned(times), &self);
        u32::try_from(times).map(Count::Exactly).map_err(|_| wrong())
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Count, M::Error> {
        Limits::deserialize(MapAccessDeserializer::new(map)).map(Count::Within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(at_least: Option<u32>, at_most: Option<u32>) -> Count {
        Count::Within(Limits { at_least, at_most })
    }

    #[test]
    fn a_number_means_exactly_and_limits_belong_to_what_they_allow() {
        for (count, allowed, said) in [
            (Count::Exactly(2), [false, false, true, false], "2"),
            (within(Some(1), Some(2)), [false, true, true, false], "1 to 2"),
            (within(Some(1), None), [false, true, true, true], "at least 1"),
            (within(None, Some(1)), [true, true, false, false], "at most 1"),
        ] {
            assert_eq!([0, 1, 2, 3].map(|times| count.allows(times)), allowed, "{count}");
            assert_eq!(count.to_string(), said);
            assert!(count.check("frequency_jump").is_ok());
        }
    }

    #[test]
    fn names_are_those_of_the_kinds() {
        let jump = EventKind::FrequencyJump { by: crate::time::Frequency::ZERO };
        assert_eq!(jump.name(), "frequency_jump");
        assert_eq!(EventKind::Reach(true).name(), "reach");
        let mut names = EventKind::NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EventKind::NAMES.len());
    }
}
