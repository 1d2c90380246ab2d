//! Which century, and which 1024 weeks, a receiver means.
//!
//! GPS counts weeks modulo 1024 (19.6 years) and old firmware guesses the rest; sentences carry two
//! digits of the year. The cure is a date known to have passed, the pivot: the build's, or one the
//! daemon kept on disk. Whatever lies before it is wrong by whole eras and is moved forward, and
//! this is said. Nothing is ever moved back, and a date beyond the next rollover is refused.

use super::{TimeOfDay, TwoDigitDate};
use crate::time::{Duration, Timestamp, Utc};

/// What had to be done to a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// Nothing; two-digit years are read as 1980 to 2079.
    AsReceived,
    /// A two-digit year is of a later century.
    CenturyAdded,
    /// So many times 1024 weeks were added.
    ErasAdded(u32),
}

impl Resolution {
    /// How many times 1024 weeks were added.
    pub const fn eras(self) -> u32 {
        match self {
            Self::ErasAdded(eras) => eras,
            Self::AsReceived | Self::CenturyAdded => 0,
        }
    }
}

/// Places a date with its century: from a day before the pivot up to 1024 weeks after it. `None` if
/// it lies beyond.
pub fn resolve(
    received: Timestamp<Utc>,
    pivot: Timestamp<Utc>,
) -> Option<(Timestamp<Utc>, Resolution)> {
    if in_window(received, pivot) {
        return Some((received, Resolution::AsReceived));
    }
    let missing = earliest(pivot).since(received);
    // Never zero: what is not before the window lies beyond it.
    let eras = missing.units().div_euclid(ERA.units())
        + i128::from(missing.units().rem_euclid(ERA.units()) != 0);
    let eras = u32::try_from(eras).ok().filter(|&eras| eras > 0)?;
    Some((received + ERA * eras.into(), Resolution::ErasAdded(eras)))
}

/// Places a date without its century. Where the digits as they stand fit some century they are
/// believed; only then are eras added to their reading in 1980 to 2079.
pub fn resolve_two_digits(
    date: TwoDigitDate,
    time: TimeOfDay,
    pivot: Timestamp<Utc>,
) -> Option<(Timestamp<Utc>, Resolution)> {
    let first = if date.year() < 80 { 2000 } else { 1900 };
    let mut readings = (first..=LAST_CENTURY).step_by(100).filter_map(|century| {
        let instant = time.on(date.of_century(century)?);
        let resolution =
            if century == first { Resolution::AsReceived } else { Resolution::CenturyAdded };
        in_window(instant, pivot).then_some((instant, resolution))
    });
    readings.next().or_else(|| resolve(time.on(date.of_century(first)?), pivot))
}

/// The instant of a GPS week and time of week, however the receiver counts weeks: modulo 1024 or
/// from 1980. `ahead_of_utc` is GPS − UTC, 18 s since 2017. Its eras are still to be resolved.
pub fn of_gps_week(week: u16, of_week: Duration, ahead_of_utc: Duration) -> Timestamp<Utc> {
    GPS_EPOCH + Duration::from_seconds(WEEK_SECONDS) * week.into() + of_week - ahead_of_utc
}

fn in_window(instant: Timestamp<Utc>, pivot: Timestamp<Utc>) -> bool {
    instant >= earliest(pivot) && instant - pivot < ERA
}

/// Pivots are dates, perhaps of a place ahead of UTC: the day before is not yet the past.
fn earliest(pivot: Timestamp<Utc>) -> Timestamp<Utc> {
    pivot - Duration::from_seconds(86_400)
}

/// 1980-01-06T00:00:00Z, the start of GPS week 0.
pub const GPS_EPOCH: Timestamp<Utc> = Timestamp::from_seconds(315_964_800);
/// Seconds in a week.
pub const WEEK_SECONDS: i64 = 604_800;
/// GPS − TAI is constant: TAI is 19 s ahead of GPS time.
pub const TAI_AHEAD_OF_GPS: Duration = Duration::from_seconds(19);
/// What the ten-bit week number of GPS spans.
const ERA: Duration = Duration::from_seconds(1024 * WEEK_SECONDS);
/// Far enough for anybody's pivot, and a bound for the search.
const LAST_CENTURY: i32 = 2900;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Date;

    fn utc(year: i32, month: u8, day: u8) -> Timestamp<Utc> {
        TimeOfDay::new(0, 0, 0, 0).unwrap().on(Date::new(year, month, day).unwrap())
    }

    fn digits(
        year: u8,
        month: u8,
        day: u8,
        pivot: Timestamp<Utc>,
    ) -> Option<(Timestamp<Utc>, Resolution)> {
        let date = TwoDigitDate::new(year, month, day).unwrap();
        resolve_two_digits(date, TimeOfDay::new(0, 0, 0, 0).unwrap(), pivot)
    }

    #[test]
    fn a_good_receiver_is_believed() {
        let pivot = utc(2025, 6, 1);
        let as_received = |date| Some((date, Resolution::AsReceived));
        assert_eq!(digits(25, 6, 2, pivot), as_received(utc(2025, 6, 2)));
        assert_eq!(digits(25, 5, 31, pivot), as_received(utc(2025, 5, 31)));
        assert_eq!(digits(44, 2, 29, pivot), as_received(utc(2044, 2, 29)));
        assert_eq!(resolve(utc(2030, 1, 1), pivot), as_received(utc(2030, 1, 1)));
    }

    #[test]
    fn the_rollover_of_april_2019() {
        // A Telit HE910 said 22 August 1999 on 7 April 2019.
        let moved = Some((utc(2019, 4, 7), Resolution::ErasAdded(1)));
        for pivot in [utc(2017, 1, 1), utc(2019, 4, 7), utc(2019, 4, 8)] {
            assert_eq!(digits(99, 8, 22, pivot), moved);
            assert_eq!(resolve(utc(1999, 8, 22), pivot), moved);
        }
        // Its pivot of two days later makes it another era, and a later one two.
        let later = Some((utc(2038, 11, 21), Resolution::ErasAdded(2)));
        assert_eq!(digits(99, 8, 22, utc(2019, 4, 9)), later);
        assert_eq!(digits(80, 1, 6, utc(2019, 4, 6)).unwrap().0, utc(2019, 4, 7));
        assert_eq!(digits(80, 1, 6, utc(2019, 4, 6)).unwrap().1, Resolution::ErasAdded(2));
    }

    #[test]
    fn centuries_turn() {
        let pivot = utc(2099, 12, 31);
        assert_eq!(digits(0, 1, 1, pivot), Some((utc(2100, 1, 1), Resolution::CenturyAdded)));
        assert_eq!(digits(99, 12, 31, pivot), Some((utc(2099, 12, 31), Resolution::CenturyAdded)));
        // 2100 has no leap day, so the digits are an old receiver's reading of 2000.
        let leap_day = digits(0, 2, 29, pivot).unwrap();
        assert!(matches!(leap_day.1, Resolution::ErasAdded(_)) && leap_day.0 >= pivot);
        let pivot = utc(1999, 12, 31);
        assert_eq!(digits(0, 1, 1, pivot), Some((utc(2000, 1, 1), Resolution::AsReceived)));
    }

    #[test]
    fn the_far_future_is_refused() {
        let pivot = utc(2025, 6, 1);
        assert_eq!(digits(79, 1, 1, pivot), None);
        assert_eq!(resolve(utc(2045, 1, 15), pivot), None);
        let last = pivot + ERA - Duration::from_units(1);
        assert_eq!(resolve(last, pivot), Some((last, Resolution::AsReceived)));
        assert_eq!(resolve(pivot + ERA, pivot), None);
    }

    #[test]
    fn weeks_of_gps() {
        let week = |week, seconds| {
            of_gps_week(week, Duration::from_seconds(seconds), Duration::from_seconds(18))
        };
        // Week 2048 began at 2019-04-07T00:00:00 GPS; many receivers say 0.
        assert_eq!(week(2048, 18), utc(2019, 4, 7));
        let pivot = utc(2019, 1, 1);
        let rolled = resolve(week(0, 18), pivot);
        assert_eq!(rolled, Some((utc(2019, 4, 7), Resolution::ErasAdded(2))));
        assert_eq!(GPS_EPOCH, utc(1980, 1, 6));
    }

    proptest! {
        #[test]
        fn results_lie_in_the_window_and_differ_by_whole_eras(
            received in 0i64..8_000_000_000,
            pivot in 315_964_800i64..8_000_000_000,
        ) {
            let (received, pivot) =
                (Timestamp::from_seconds(received), Timestamp::from_seconds(pivot));
            match resolve(received, pivot) {
                Some((got, resolution)) => {
                    prop_assert!(in_window(got, pivot));
                    let eras = match resolution {
                        Resolution::ErasAdded(eras) => eras,
                        _ => 0,
                    };
                    prop_assert_eq!(got - received, ERA * eras.into());
                }
                None => prop_assert!(received - pivot >= ERA),
            }
        }

        #[test]
        fn a_date_of_the_next_19_years_survives_its_two_digits(
            days in 3_650i64..40_000,
            ahead in 0i64..7_166,
        ) {
            let pivot = Timestamp::from_seconds(days * 86_400);
            let date = Date::of_unix_days(days + ahead);
            let year = u8::try_from(date.year() % 100).unwrap();
            let got = digits(year, date.month(), date.day(), pivot).unwrap();
            prop_assert_eq!(got.0, utc(date.year(), date.month(), date.day()));
            prop_assert!(!matches!(got.1, Resolution::ErasAdded(_)));
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        for received in [i128::MIN, -1, 0, i128::MAX].map(Timestamp::from_units) {
            for pivot in [i128::MIN, 0, i128::MAX].map(Timestamp::from_units) {
                let _ = resolve(received, pivot);
            }
        }
    }
}
