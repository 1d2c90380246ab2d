//! True time: a count without leaps that orders the universe, and UTC as it is told from it.
//!
//! The universe's own count is UTC as it was counted at the start. While a second is inserted both
//! counts of it are right: POSIX numbers 23:59:60 like the midnight after it, the kernel and
//! RFC 5905 §7.3 repeat 23:59:59.

use crate::time::{Duration, LeapIndicator, Timestamp, Utc};

/// What UTC does in the course of a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    leap: Option<Leap>,
}

/// A leap second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leap {
    /// The midnight that it comes before.
    pub before: Timestamp<Utc>,
    /// Left out rather than inserted.
    pub deleted: bool,
}

impl Truth {
    /// With this leap second, if one comes.
    pub const fn new(leap: Option<Leap>) -> Self {
        Self { leap }
    }

    /// UTC when the universe counts `now`; in an inserted second the count that repeats.
    pub fn utc(&self, now: Timestamp<Utc>) -> Timestamp<Utc> {
        match self.leap {
            Some(leap) if now >= leap.at() => {
                if leap.deleted {
                    now + Duration::SECOND
                } else {
                    now - Duration::SECOND
                }
            }
            _ => now,
        }
    }

    /// served − true. In an inserted second the smaller one of both counts.
    pub fn error(&self, served: Timestamp<Utc>, now: Timestamp<Utc>) -> Duration {
        let error = served - self.utc(now);
        let inserted = self.leap.filter(|leap| !leap.deleted);
        let inside = |leap: Leap| (leap.at()..leap.at() + Duration::SECOND).contains(&now);
        if inserted.is_some_and(inside) && (served - now).abs() < error.abs() {
            return served - now;
        }
        error
    }

    /// What honest sources announce when the universe counts `now`: in the day before.
    pub fn announced(&self, now: Timestamp<Utc>) -> LeapIndicator {
        match self.leap {
            Some(leap) if now < leap.at() && leap.at() - now <= ANNOUNCED_FOR => {
                if leap.deleted {
                    LeapIndicator::Delete
                } else {
                    LeapIndicator::Insert
                }
            }
            _ => LeapIndicator::None,
        }
    }

    /// When honest sources begin to announce it.
    pub fn announced_from(&self) -> Option<Timestamp<Utc>> {
        self.leaps_at().map(|at| at - ANNOUNCED_FOR)
    }

    /// When those who smear it begin to: at noon.
    pub fn smeared_from(&self) -> Option<Timestamp<Utc>> {
        self.leap.map(|leap| leap.before - ANNOUNCED_FOR / 2)
    }

    /// The leap second in the universe's count: when UTC begins to differ from it.
    pub fn leaps_at(&self) -> Option<Timestamp<Utc>> {
        self.leap.map(Leap::at)
    }
}

impl Leap {
    fn at(self) -> Timestamp<Utc> {
        if self.deleted { self.before - Duration::SECOND } else { self.before }
    }
}

/// Servers announce a leap second for the whole day that it ends.
const ANNOUNCED_FOR: Duration = Duration::from_seconds(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Timestamp<Utc> {
        Timestamp::from_seconds(1_000_000) + Duration::from_seconds_f64(seconds)
    }

    #[test]
    fn an_inserted_second_has_two_names_and_is_counted_once() {
        let truth = Truth::new(Some(Leap { before: at(0.0), deleted: false }));
        assert_eq!(truth.utc(at(-0.5)), at(-0.5));
        assert_eq!(truth.utc(at(0.5)), at(-0.5));
        assert_eq!(truth.utc(at(1.5)), at(0.5));
        assert_eq!(truth.error(at(0.5), at(0.5)), Duration::ZERO);
        assert_eq!(truth.error(at(-0.5), at(0.5)), Duration::ZERO);
        assert_eq!(truth.error(at(1.5), at(1.5)), Duration::SECOND);
    }

    #[test]
    fn a_deleted_second_is_skipped() {
        let truth = Truth::new(Some(Leap { before: at(0.0), deleted: true }));
        assert_eq!(truth.utc(at(-1.5)), at(-1.5));
        assert_eq!(truth.utc(at(-1.0)), at(0.0));
        assert_eq!(truth.error(at(0.5), at(-0.5)), Duration::ZERO);
    }

    #[test]
    fn a_leap_is_announced_the_day_before_only() {
        let truth = Truth::new(Some(Leap { before: at(0.0), deleted: false }));
        assert_eq!(truth.announced(at(-86_401.0)), LeapIndicator::None);
        assert_eq!(truth.announced(at(-1.0)), LeapIndicator::Insert);
        assert_eq!(truth.announced(at(0.0)), LeapIndicator::None);
        assert_eq!(Truth::default().announced(at(0.0)), LeapIndicator::None);
    }
}
