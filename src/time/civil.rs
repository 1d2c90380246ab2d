//! Calendar dates of the proleptic Gregorian calendar and their count of days.
//!
//! The arithmetic counts years from March, so that the leap day is the last of its year and month
//! lengths follow one linear rule.

use core::fmt;

/// A calendar date that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: i32,
    month: u8,
    day: u8,
}

impl Date {
    /// The date, or `None` if the calendar has no such day.
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let exists = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01, negative before.
    pub fn unix_days(self) -> i64 {
        let march_year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = march_year.div_euclid(400);
        let year_of_era = march_year.rem_euclid(400);
        let month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * DAYS_PER_ERA + day_of_era - DAYS_TO_UNIX
    }

    /// The inverse of [`Date::unix_days`]; dates beyond year ±5 million are clamped.
    pub fn of_unix_days(days: i64) -> Self {
        let days = days.clamp(-2_000_000_000, 2_000_000_000) + DAYS_TO_UNIX;
        let era = days.div_euclid(DAYS_PER_ERA);
        let day_of_era = days.rem_euclid(DAYS_PER_ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = narrow(day_of_year - (153 * month + 2) / 5 + 1);
        let month = narrow((month + 2) % 12 + 1);
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Self { year: i32::try_from(year).expect("clamped above"), month, day }
    }

    /// The year.
    pub fn year(self) -> i32 {
        self.year
    }

    /// The month, 1..=12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1..=31.
    pub fn day(self) -> u8 {
        self.day
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A date and a time of day without fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    /// The day.
    pub date: Date,
    /// 0..=23.
    pub hour: u8,
    /// 0..=59.
    pub minute: u8,
    /// 0..=60; 60 only in an inserted leap second.
    pub second: u8,
}

impl Civil {
    /// Reads a count of seconds since 1970 as a date and time of day.
    pub fn of_unix_seconds(seconds: i64) -> Self {
        let of_day = seconds.rem_euclid(86_400);
        Self {
            date: Date::of_unix_days(seconds.div_euclid(86_400)),
            hour: narrow(of_day / 3600),
            minute: narrow(of_day / 60 % 60),
            second: narrow(of_day % 60),
        }
    }

    /// Seconds since 1970. 23:59:60 counts as the following midnight, as POSIX has it.
    pub fn unix_seconds(self) -> i64 {
        let of_day =
            i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        self.date.unix_days() * 86_400 + of_day
    }
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}:{:02}:{:02}", self.date, self.hour, self.minute, self.second)
    }
}

fn days_in(year: i32, month: u8) -> u8 {
    let leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + u8::from(leap_year),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn narrow(value: i64) -> u8 {
    u8::try_from(value).expect("a field of a date is below 256")
}

/// Days of 400 years.
const DAYS_PER_ERA: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_UNIX: i64 = 719_468;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_dates() {
        for (y, m, d, days) in [
            (1970, 1, 1, 0),
            (1969, 12, 31, -1),
            (2000, 2, 29, 11_016),
            (1900, 1, 1, -25_567),
            (2036, 2, 7, 24_143),
            (2100, 3, 1, 47_541),
        ] {
            let date = Date::new(y, m, d).unwrap();
            assert_eq!(date.unix_days(), days, "{date}");
            assert_eq!(Date::of_unix_days(days), date);
        }
    }

    #[test]
    fn impossible_dates_are_refused() {
        for (y, m, d) in [(2023, 2, 29), (2100, 2, 29), (2024, 13, 1), (2024, 0, 1), (2024, 4, 31)]
        {
            assert_eq!(Date::new(y, m, d), None, "{y}-{m}-{d}");
        }
    }

    proptest! {
        #[test]
        fn days_round_trip_and_are_consecutive(days in -1_000_000_000i64..1_000_000_000) {
            let date = Date::of_unix_days(days);
            prop_assert_eq!(Date::new(date.year(), date.month(), date.day()), Some(date));
            prop_assert_eq!(date.unix_days(), days);
            prop_assert!(Date::of_unix_days(days + 1) > date);
        }

        #[test]
        fn seconds_round_trip(seconds in -100_000_000_000i64..100_000_000_000) {
            prop_assert_eq!(Civil::of_unix_seconds(seconds).unix_seconds(), seconds);
        }
    }
}
