//! The NAV class: time of the last fix, and the leap seconds in it.

use super::{i32_at, u16_at, u32_at};
use crate::time::{Date, Duration};
use crate::wire::gnss::TimeOfDay;

/// GPS time of the last fix. A part that the receiver does not know is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NavTimeGps {
    /// Time of week.
    pub of_week: Option<Duration>,
    /// GPS week since 1980.
    pub week: Option<u16>,
    /// GPS − UTC, seconds.
    pub ahead_of_utc: Option<i8>,
    /// Estimated error of the time.
    pub accuracy: Duration,
}

impl NavTimeGps {
    pub(super) fn read(p: &[u8; 16]) -> Self {
        let of_week = i128::from(u32_at(p, 0)) * 1_000_000 + i128::from(i32_at(p, 4));
        let valid = p[11];
        Self {
            of_week: (valid & 1 != 0).then_some(Duration::from_nanos(of_week)),
            week: (valid & 2 != 0).then_some(u16_at(p, 8)),
            ahead_of_utc: (valid & 4 != 0).then_some(p[10].cast_signed()),
            accuracy: Duration::from_nanos(u32_at(p, 12).into()),
        }
    }
}

/// UTC of the last fix. The time to the nearest nanosecond is `date`, `time` plus `nanos`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NavTimeUtc {
    /// The date; `None` if it does not exist or is not known.
    pub date: Option<Date>,
    /// The time of day, rounded to a whole second; `None` if it does not exist or is not known.
    pub time: Option<TimeOfDay>,
    /// What to add to it, ±10⁹ ns.
    pub nanos: i32,
    /// Whether the leap seconds in it come from the sky. Without, the receiver's firmware guesses.
    pub utc_known: bool,
    /// Estimated error of the time.
    pub accuracy: Duration,
}

impl NavTimeUtc {
    pub(super) fn read(p: &[u8; 20]) -> Self {
        let (valid, dated) = (p[19], Dated::read(&p[12..19]));
        Self {
            date: dated.date.filter(|_| valid & 2 != 0),
            time: dated.time.filter(|_| valid & 1 != 0),
            nanos: i32_at(p, 8),
            utc_known: valid & 4 != 0,
            accuracy: Duration::from_nanos(u32_at(p, 4).into()),
        }
    }
}

/// Position, velocity, time: here only what concerns time and trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NavPvt {
    /// The date; `None` if it does not exist or is not known.
    pub date: Option<Date>,
    /// The time of day, rounded to a whole second; `None` if it does not exist or is not known.
    pub time: Option<TimeOfDay>,
    /// What to add to it, ±10⁹ ns.
    pub nanos: i32,
    /// No doubt about the second remains.
    pub fully_resolved: bool,
    /// Estimated error of the time.
    pub accuracy: Duration,
    /// None 0, dead reckoning 1, two dimensions 2, three 3, both 4, time only 5.
    pub fix_type: u8,
    /// The fix lies within the receiver's own limits.
    pub fix_ok: bool,
    /// Satellites used.
    pub satellites: u8,
}

impl NavPvt {
    pub(super) fn read(p: &[u8; 84]) -> Self {
        let (valid, dated) = (p[11], Dated::read(&p[4..11]));
        Self {
            date: dated.date.filter(|_| valid & 1 != 0),
            time: dated.time.filter(|_| valid & 2 != 0),
            nanos: i32_at(p, 16),
            fully_resolved: valid & 4 != 0,
            accuracy: Duration::from_nanos(u32_at(p, 12).into()),
            fix_type: p[20],
            fix_ok: p[21] & 1 != 0,
            satellites: p[23],
        }
    }
}

/// Leap second event information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NavTimeLs {
    /// GPS − UTC now, seconds; `None` if the receiver does not know.
    pub ahead_of_utc: Option<i8>,
    /// Where that comes from: firmware 0, GPS − GLONASS 1, GPS 2, SBAS 3, BeiDou 4, Galileo 5,
    /// aiding 6, configuration 7, NavIC 8, unknown 255.
    pub source: u8,
    /// The next event; `None` if none is announced.
    pub event: Option<LeapEvent>,
}

/// A leap second, coming or just past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeapEvent {
    /// +1 a second is inserted, −1 one is deleted.
    pub change: i8,
    /// Seconds from the fix to the event, negative after it.
    pub seconds_until: i32,
    /// GPS week of the event.
    pub week: u16,
    /// Day of that week, 1 is Sunday for GPS.
    pub day: u16,
}

impl NavTimeLs {
    pub(super) fn read(p: &[u8; 24]) -> Self {
        let (change, valid) = (p[11].cast_signed(), p[23]);
        let event = LeapEvent {
            change,
            seconds_until: i32_at(p, 12),
            week: u16_at(p, 16),
            day: u16_at(p, 18),
        };
        Self {
            ahead_of_utc: (valid & 1 != 0).then_some(p[9].cast_signed()),
            source: p[8],
            event: (valid & 2 != 0 && change != 0).then_some(event),
        }
    }
}

/// Year to second, as several messages have it.
struct Dated {
    date: Option<Date>,
    time: Option<TimeOfDay>,
}

impl Dated {
    fn read(p: &[u8]) -> Self {
        Self {
            date: Date::new(u16_at(p, 0).into(), p[2], p[3]),
            time: TimeOfDay::new(p[4], p[5], p[6], 0),
        }
    }
}
