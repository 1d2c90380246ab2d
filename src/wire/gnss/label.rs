//! Dates and times as receivers write them: in part, and with wrapping years.

use crate::time::{Civil, Date, Duration, Timestamp, Utc};

/// A UTC time of day that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay {
    /// 0..=23.
    pub hour: u8,
    /// 0..=59.
    pub minute: u8,
    /// 0..=60; 60 only at 23:59, in an inserted leap second.
    pub second: u8,
    /// Fraction of the second, 0..10⁹ ns.
    pub nanos: u32,
}

impl TimeOfDay {
    /// `None` if no day has such a time.
    pub const fn new(hour: u8, minute: u8, second: u8, nanos: u32) -> Option<Self> {
        let second_max = if hour == 23 && minute == 59 { 60 } else { 59 };
        if hour < 24 && minute < 60 && second <= second_max && nanos < 1_000_000_000 {
            Some(Self { hour, minute, second, nanos })
        } else {
            None
        }
    }

    /// The instant of that day. A leap second counts like the midnight after it, so that the two
    /// share a label: see [`TimeOfDay::second`].
    pub fn on(self, date: Date) -> Timestamp<Utc> {
        let Self { hour, minute, second, nanos } = self;
        let whole = Civil { date, hour, minute, second }.unix_seconds();
        Timestamp::from_seconds(whole) + Duration::from_nanos(nanos.into())
    }
}

/// A day whose century nobody sent. The day exists in some year, perhaps not in every century's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TwoDigitDate {
    year: u8,
    month: u8,
    day: u8,
}

impl TwoDigitDate {
    /// `None` if no century has such a day.
    pub fn new(year: u8, month: u8, day: u8) -> Option<Self> {
        let date = Self { year, month, day };
        // 2000 is a leap year, 1900 and 2100 are not.
        (year < 100 && date.of_century(2000).is_some()).then_some(date)
    }

    /// The date in the hundred years from `century`, if it has one.
    pub fn of_century(self, century: i32) -> Option<Date> {
        Date::new(century.checked_add(self.year.into())?, self.month, self.day)
    }

    /// 0..=99.
    pub const fn year(self) -> u8 {
        self.year
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_exist() {
        assert!(TimeOfDay::new(23, 59, 60, 999_999_999).is_some());
        assert!(TimeOfDay::new(0, 0, 0, 0).is_some());
        for (hour, minute, second, nanos) in [
            (24, 0, 0, 0),
            (0, 60, 0, 0),
            (12, 59, 60, 0),
            (23, 59, 61, 0),
            (0, 0, 0, 1_000_000_000),
        ] {
            assert_eq!(TimeOfDay::new(hour, minute, second, nanos), None);
        }
    }

    #[test]
    fn a_leap_second_shares_its_label_with_midnight() {
        let leap = TimeOfDay::new(23, 59, 60, 250_000_000).unwrap();
        let at = leap.on(Date::new(2016, 12, 31).unwrap());
        assert_eq!(at.to_string(), "2017-01-01T00:00:00.250000000Z");
    }

    #[test]
    fn days_that_some_century_has() {
        let leap_day = TwoDigitDate::new(0, 2, 29).unwrap();
        assert_eq!(leap_day.of_century(2000), Date::new(2000, 2, 29));
        assert_eq!(leap_day.of_century(2100), None);
        assert_eq!(leap_day.of_century(i32::MAX), Date::new(i32::MAX, 2, 29));
        for (year, month, day) in [(100, 1, 1), (19, 0, 1), (19, 13, 1), (19, 2, 29), (19, 1, 0)] {
            assert_eq!(TwoDigitDate::new(year, month, day), None);
        }
    }
}
