//! The shared memory of driver 28: `struct shmTime`, as ntpd, gpsd and chrony read and write it.
//!
//! Mode 0: the writer sets `valid`, the reader takes the values and clears it. Mode 1: the writer
//! counts up before and after; the values hold if the count did not change while they were read.
//! The host copies the words; what they mean is decided here.

use crate::sample::{ReadingKind, Refusal};
use crate::time::{Duration, LeapIndicator, System, Timestamp, Utc};

/// Where each field lies on 64-bit Linux; the segment is [`SIZE`] bytes.
pub mod field {
    /// 0 or 1.
    pub const MODE: usize = 0;
    /// Mode 1: changes around each write.
    pub const COUNT: usize = 4;
    /// i64: the source's time.
    pub const CLOCK_SECONDS: usize = 8;
    /// i32.
    pub const CLOCK_MICROS: usize = 16;
    /// i64: the system clock at that instant.
    pub const RECEIVE_SECONDS: usize = 24;
    /// i32.
    pub const RECEIVE_MICROS: usize = 32;
    /// i32: leap indicator.
    pub const LEAP: usize = 36;
    /// i32: log2 s.
    pub const PRECISION: usize = 40;
    /// i32: unused by all known readers.
    pub const SAMPLES: usize = 44;
    /// i32: there is something to take.
    pub const VALID: usize = 48;
    /// u32: used if it agrees with the microseconds.
    pub const CLOCK_NANOS: usize = 52;
    /// u32: the same.
    pub const RECEIVE_NANOS: usize = 56;
}

/// Bytes of the segment.
pub const SIZE: usize = 96;

/// "NTP0": the key of unit 0; unit u has this + u.
pub const KEY: i32 = 0x4e54_5030;

/// One copy of the segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in `field`")]
pub struct Copied {
    pub mode: i32,
    pub count_before: i32,
    pub count_after: i32,
    pub valid: i32,
    pub clock_seconds: i64,
    pub clock_micros: i32,
    pub clock_nanos: u32,
    pub receive_seconds: i64,
    pub receive_micros: i32,
    pub receive_nanos: u32,
    pub leap: i32,
}

/// The reader of one segment.
#[derive(Clone, Debug)]
pub struct Shm {
    /// Clock and source may be this far apart.
    limit: Option<Duration>,
    last: Option<Timestamp<System>>,
}

impl Shm {
    /// `limit`: the distance of clock and source beyond which a sample is refused. ntpd's is
    /// 14 400 s, switched off by flag 1 there and on by it in NTPsec; `None` is off.
    pub fn new(limit: Option<Duration>) -> Self {
        Self { limit, last: None }
    }

    /// Judges a copy made at `now`. `None`: nothing new.
    pub fn judge(
        &mut self,
        copied: &Copied,
        now: Timestamp<System>,
    ) -> Option<(Timestamp<System>, ReadingKind)> {
        if copied.valid == 0 {
            return None;
        }
        match self.mark(copied, now) {
            // Polled faster than it is written: the same sample is no news and no fault.
            Err(Refusal::Duplicate) => None,
            Err(refusal) => Some((now, ReadingKind::Refused(refusal))),
            Ok((stamp, utc)) => {
                self.last = Some(stamp);
                let leap = match copied.leap {
                    0 => LeapIndicator::None,
                    1 => LeapIndicator::Insert,
                    2 => LeapIndicator::Delete,
                    _ => LeapIndicator::Unknown,
                };
                Some((stamp, ReadingKind::Mark { utc, leap }))
            }
        }
    }

    fn mark(
        &self,
        copied: &Copied,
        now: Timestamp<System>,
    ) -> Result<(Timestamp<System>, Timestamp<Utc>), Refusal> {
        match copied.mode {
            0 => {}
            1 if copied.count_before == copied.count_after => {}
            1 => return Err(Refusal::Clash),
            _ => return Err(Refusal::Malformed),
        }
        let stamp = instant(copied.receive_seconds, copied.receive_micros, copied.receive_nanos)?;
        let utc = instant(copied.clock_seconds, copied.clock_micros, copied.clock_nanos)?;
        let stamp = Timestamp::from_units(stamp);
        let utc = Timestamp::from_units(utc);
        if self.last == Some(stamp) {
            return Err(Refusal::Duplicate);
        }
        if now - stamp > AGE_MAX || stamp - now > AHEAD_MAX {
            return Err(Refusal::Stale);
        }
        if self.limit.is_some_and(|limit| utc.offset_from(stamp).abs() > limit) {
            return Err(Refusal::TooFar);
        }
        Ok((stamp, utc))
    }
}

/// Nanoseconds count only if they say the same as the microseconds, truncated: an old writer leaves
/// rubbish there.
fn instant(seconds: i64, micros: i32, nanos: u32) -> Result<i128, Refusal> {
    let Ok(micros) = u32::try_from(micros) else { return Err(Refusal::Malformed) };
    if micros >= 1_000_000 {
        return Err(Refusal::Malformed);
    }
    let nanos = if nanos / 1000 == micros { nanos } else { micros * 1000 };
    let whole = Timestamp::<Utc>::from_seconds(seconds);
    Ok((whole + Duration::from_nanos(nanos.into())).units())
}

/// Older samples are of no use to a clock.
const AGE_MAX: Duration = Duration::from_seconds(5);
/// The copy may have been made a little before the clock was read.
const AHEAD_MAX: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn copied() -> Copied {
        Copied {
            mode: 1,
            count_before: 7,
            count_after: 7,
            valid: 1,
            clock_seconds: NOW - 3,
            clock_micros: 0,
            clock_nanos: 5,
            receive_seconds: NOW - 1,
            receive_micros: 400_000,
            receive_nanos: 400_000_123,
            leap: 0,
        }
    }

    fn judged(copied: &Copied) -> Option<ReadingKind> {
        let mut shm = Shm::new(Some(Duration::from_seconds(14_400)));
        shm.judge(copied, Timestamp::from_seconds(NOW)).map(|(_, kind)| kind)
    }

    #[test]
    fn a_sample_is_taken_once_to_the_nanosecond() {
        let mut shm = Shm::new(None);
        let now = Timestamp::from_seconds(NOW);
        let (stamp, kind) = shm.judge(&copied(), now).unwrap();
        assert_eq!(stamp.nanos(), i128::from(NOW - 1) * 1_000_000_000 + 400_000_123);
        let ReadingKind::Mark { utc, leap } = kind else { panic!("{kind:?}") };
        assert_eq!(
            (utc.nanos(), leap),
            (i128::from(NOW - 3) * 1_000_000_000 + 5, LeapIndicator::None)
        );
        assert_eq!(shm.judge(&copied(), now), None);
    }

    #[test]
    fn nanoseconds_that_contradict_the_microseconds_are_rubbish() {
        let rubbish = Copied { receive_nanos: 999, ..copied() };
        let (stamp, _) = Shm::new(None).judge(&rubbish, Timestamp::from_seconds(NOW)).unwrap();
        assert_eq!(stamp.subsec_nanos(), 400_000_000);
    }

    #[test]
    fn what_is_refused_and_why() {
        let refused = |copied: Copied| match judged(&copied) {
            Some(ReadingKind::Refused(refusal)) => Some(refusal),
            _ => None,
        };
        let c = copied();
        assert_eq!(refused(Copied { count_after: 8, ..c }), Some(Refusal::Clash));
        assert_eq!(refused(Copied { mode: 2, ..c }), Some(Refusal::Malformed));
        assert_eq!(refused(Copied { clock_micros: -1, ..c }), Some(Refusal::Malformed));
        assert_eq!(refused(Copied { receive_micros: 1_000_000, ..c }), Some(Refusal::Malformed));
        assert_eq!(refused(Copied { receive_seconds: NOW - 9, ..c }), Some(Refusal::Stale));
        assert_eq!(refused(Copied { receive_seconds: NOW + 9, ..c }), Some(Refusal::Stale));
        assert_eq!(refused(Copied { clock_seconds: NOW - 20_000, ..c }), Some(Refusal::TooFar));
        assert_eq!(refused(Copied { clock_seconds: i64::MAX, ..c }), Some(Refusal::TooFar));
        assert_eq!(refused(Copied { mode: 0, count_after: 8, ..c }), None, "mode 0 has no count");
    }

    #[test]
    fn nothing_valid_is_nothing_new() {
        assert_eq!(judged(&Copied { valid: 0, ..copied() }), None);
    }

    #[test]
    fn a_leap_of_three_means_that_the_source_does_not_vouch_for_its_time() {
        let Some(ReadingKind::Mark { leap, .. }) = judged(&Copied { leap: 3, ..copied() }) else {
            panic!()
        };
        assert_eq!(leap, LeapIndicator::Unknown);
    }
}
