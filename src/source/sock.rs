//! The Unix datagram of chrony's SOCK driver, as gpsd and others send it.
//!
//! `struct sock_sample` on 64-bit Linux: `timeval tv; double offset; int pulse, leap, pad, magic`.
//! `tv` is the system clock's reading, `offset` what the source's time is ahead of it at that
//! instant; with `pulse` set only its fraction of a second counts. The microseconds of `tv` lose
//! nothing: the offset is meant at the exact instant, and a microsecond's drift is picoseconds.

use crate::sample::{ReadingKind, Refusal};
use crate::time::{Duration, LeapIndicator, System, Timestamp, Utc};

/// Bytes of a sample.
pub const LENGTH: usize = 40;

/// "SOCK".
pub const MAGIC: i32 = 0x534f_434b;

/// One sample as it is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SockSample {
    /// The system clock's reading.
    pub stamp: Timestamp<System>,
    /// Source − system clock, s.
    pub offset: f64,
    /// Only the fraction of a second counts.
    pub pulse: bool,
    /// What the source announces.
    pub leap: LeapIndicator,
}

impl SockSample {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for another length, magic or value.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let bytes: &[u8; LENGTH] = bytes.try_into().map_err(|_| Refusal::Malformed)?;
        let word = |at: usize| <[u8; 8]>::try_from(&bytes[at..at + 8]).expect("inside");
        let half = |at: usize| {
            i32::from_ne_bytes(<[u8; 4]>::try_from(&bytes[at..at + 4]).expect("inside"))
        };
        let (seconds, micros) = (i64::from_ne_bytes(word(0)), i64::from_ne_bytes(word(8)));
        let offset = f64::from_ne_bytes(word(16));
        let leap = u8::try_from(half(28)).ok().filter(|leap| *leap < 4);
        let sound = half(36) == MAGIC
            && (0..1_000_000).contains(&micros)
            && offset.is_finite()
            && offset.abs() < OFFSET_MAX;
        let (true, Some(leap)) = (sound, leap) else { return Err(Refusal::Malformed) };
        Ok(Self {
            stamp: Timestamp::from_seconds(seconds) + Duration::from_micros(micros),
            offset,
            pulse: half(24) != 0,
            leap: LeapIndicator::from_bits(leap),
        })
    }

    /// Writes the datagram; the stamp is rounded down to microseconds, as the format has it.
    pub fn write(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let micros = i64::from(self.stamp.subsec_nanos() / 1000);
        bytes[..8].copy_from_slice(&self.stamp.seconds().to_ne_bytes());
        bytes[8..16].copy_from_slice(&micros.to_ne_bytes());
        bytes[16..24].copy_from_slice(&self.offset.to_ne_bytes());
        bytes[24..28].copy_from_slice(&i32::from(self.pulse).to_ne_bytes());
        bytes[28..32].copy_from_slice(&i32::from(self.leap.bits()).to_ne_bytes());
        bytes[36..].copy_from_slice(&MAGIC.to_ne_bytes());
        bytes
    }

    /// What it tells at `now`.
    ///
    /// # Errors
    /// [`Refusal::Stale`] if it is older than 5 s or of the future.
    pub fn reading(&self, now: Timestamp<System>) -> Result<ReadingKind, Refusal> {
        if now - self.stamp > AGE_MAX || self.stamp - now > AHEAD_MAX {
            return Err(Refusal::Stale);
        }
        let utc: Timestamp<Utc> = self.stamp.corrected_by(Duration::from_seconds_f64(self.offset));
        if !self.pulse {
            return Ok(ReadingKind::Mark { utc, leap: self.leap });
        }
        Ok(ReadingKind::Pulse { fraction: utc - utc.round_to_second() })
    }
}

/// Older samples are of no use to a clock.
const AGE_MAX: Duration = Duration::from_seconds(5);
/// A sample cannot be of the future but for the time it takes to read a clock.
const AHEAD_MAX: Duration = Duration::from_millis(1);
/// No offset is longer than an era.
const OFFSET_MAX: f64 = 4_294_967_296.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn sample() -> SockSample {
        SockSample {
            stamp: Timestamp::from_seconds(NOW) + Duration::from_micros(400_000),
            offset: -0.400_000_020,
            pulse: false,
            leap: LeapIndicator::None,
        }
    }

    fn now() -> Timestamp<System> {
        sample().stamp + Duration::from_millis(3)
    }

    #[test]
    fn the_layout_is_that_of_the_c_struct() {
        let bytes = sample().write();
        assert_eq!(i64::from_ne_bytes(bytes[..8].try_into().unwrap()), NOW);
        assert_eq!(i64::from_ne_bytes(bytes[8..16].try_into().unwrap()), 400_000);
        assert_eq!(bytes[36..], 0x534f_434bi32.to_ne_bytes());
        assert_eq!(SockSample::parse(&bytes), Ok(sample()));
    }

    #[test]
    fn a_mark_keeps_its_whole_seconds_and_a_pulse_only_its_fraction() {
        let ReadingKind::Mark { utc, .. } = sample().reading(now()).unwrap() else { panic!() };
        assert!((utc - Timestamp::from_seconds(NOW)).seconds() + 2e-8 < 1e-12);
        let pulse = SockSample { pulse: true, offset: 12.6 - 0.000_000_5, ..sample() };
        let ReadingKind::Pulse { fraction } = pulse.reading(now()).unwrap() else { panic!() };
        assert!((fraction.seconds() + 5e-7).abs() < 1e-12, "{fraction}");
    }

    #[test]
    fn old_and_future_samples_are_stale() {
        let stale = |by| sample().reading(now() + Duration::from_seconds(by));
        assert_eq!(stale(6), Err(Refusal::Stale));
        assert_eq!(stale(-1), Err(Refusal::Stale));
    }

    proptest! {
        #[test]
        fn rubbish_is_refused_or_read_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(sample) = SockSample::parse(&bytes) {
                let _ = sample.reading(now());
            }
        }

        #[test]
        fn one_wrong_field_is_refused(at in 36usize..40, flip in 1u8..) {
            let mut bytes = sample().write();
            bytes[at] ^= flip;
            prop_assert_eq!(SockSample::parse(&bytes), Err(Refusal::Malformed));
        }

        #[test]
        fn offsets_that_are_no_numbers_are_refused(offset in prop::num::f64::ANY) {
            let parsed = SockSample::parse(&SockSample { offset, ..sample() }.write());
            prop_assert_eq!(parsed.is_ok(), offset.is_finite() && offset.abs() < OFFSET_MAX);
        }
    }
}
