//! The on-wire formats of RFC 5905 §6: 32.32 timestamps that wrap every 136 years, 16.16 shorts.
//!
//! A timestamp loses its era on the wire and gets it back from a pivot: the era that puts it
//! nearest to a time already known. Era 1 begins on 2036-02-07T06:28:16Z.

use super::{Duration, Scale, Timestamp};

/// NTP timestamp format: seconds since 1900 in 32 bits, fraction in 32 bits. 0 means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NtpTimestamp(pub u64);

impl NtpTimestamp {
    /// "Unknown or unsynchronised time" (RFC 5905 §6).
    pub const ZERO: Self = Self(0);

    /// The instant without its era, rounded down to 2⁻³² s. The one instant an era that would read
    /// as "unknown" becomes the next fraction.
    pub const fn of<S: Scale>(instant: Timestamp<S>) -> Self {
        let bits = modulo_era((instant.units() >> 32) + (UNIX_TO_NTP_SECONDS << 32));
        Self(if bits == 0 { 1 } else { bits })
    }

    /// The instant nearest to `pivot` that reads like this: the era within ±68 years of it.
    pub const fn near<S: Scale>(self, pivot: Timestamp<S>) -> Timestamp<S> {
        let pivot_bits = (pivot.units() >> 32) + (UNIX_TO_NTP_SECONDS << 32);
        // The signed difference modulo 2⁶⁴ is the shorter way round.
        let ahead = self.0.wrapping_sub(modulo_era(pivot_bits)).cast_signed();
        Timestamp::from_units((pivot_bits + ahead as i128 - (UNIX_TO_NTP_SECONDS << 32)) << 32)
    }

    /// Whether it says "unknown".
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The fraction's lowest bits replaced by `noise` below `2^bits`: hides that a clock is coarser
    /// than the format, and makes stamps hard to guess (RFC 5905 §6, §14).
    #[must_use]
    pub const fn with_low_bits(self, noise: u64, bits: u32) -> Self {
        let mask = (1u64 << if bits > 32 { 32 } else { bits }) - 1;
        Self(self.0 & !mask | noise & mask)
    }
}

/// NTP short format: 16.16 seconds, for root delay and root dispersion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpShort(pub u32);

impl NtpShort {
    /// Rounded up, so that an error bound never shrinks; at least one unit, because a root distance
    /// of zero is a lie; saturates at 65 536 s. Negative values count as zero.
    pub fn at_least(duration: Duration) -> Self {
        let units = duration.units().max(1);
        let rounded_up = (units + ((1 << 48) - 1).min(i128::MAX - units)) >> 48;
        Self(u32::try_from(rounded_up).unwrap_or(u32::MAX))
    }

    /// The exact value.
    pub const fn duration(self) -> Duration {
        Duration::from_units((self.0 as i128) << 48)
    }
}

/// Drops the era: what does not fit into 32 bits of seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2⁶⁴ is meant")]
const fn modulo_era(bits: i128) -> u64 {
    bits as u64
}

/// From 1900-01-01 to 1970-01-01.
const UNIX_TO_NTP_SECONDS: i128 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Utc;

    #[test]
    fn eras() {
        let last_of_era_0 = Timestamp::<Utc>::from_seconds(2_085_978_495);
        assert_eq!(last_of_era_0.to_string(), "2036-02-07T06:28:15.000000000Z");
        assert_eq!(NtpTimestamp::of(last_of_era_0).0, 0xffff_ffff_0000_0000);
        let first_of_era_1 = last_of_era_0 + Duration::SECOND;
        // Exactly the start of an era would read as "unknown".
        assert_eq!(NtpTimestamp::of(first_of_era_1).0, 1);
        let later = first_of_era_1 + Duration::from_seconds(10);
        assert_eq!(NtpTimestamp::of(later).0, 10 << 32);
        for pivot in [last_of_era_0, first_of_era_1, later + Duration::from_seconds(1 << 30)] {
            assert_eq!(NtpTimestamp(10 << 32).near(pivot), later);
            assert_eq!(NtpTimestamp(0xffff_ffff_0000_0000).near(pivot), last_of_era_0);
        }
    }

    #[test]
    fn unix_epoch() {
        assert_eq!(NtpTimestamp::of(Timestamp::<Utc>::EPOCH).0, 2_208_988_800 << 32);
    }

    proptest! {
        #[test]
        fn an_instant_comes_back_rounded_down(nanos in any::<i64>(), away in -60i64..60) {
            let t = Timestamp::<Utc>::from_nanos(nanos.into());
            let years = Duration::from_seconds(away * 31_556_952);
            let back = NtpTimestamp::of(t).near(t + years);
            let lost = t - back;
            prop_assert!(!lost.is_negative() && lost.units() < 1 << 32, "{}", lost);
            // 2⁻³² s is finer than a nanosecond, so nanoseconds read back within one.
            prop_assert!(lost.nanos() == 0);
        }

        #[test]
        fn shorts_never_shrink_and_are_never_zero(nanos in -10i128..100_000_000_000_000) {
            let d = Duration::from_nanos(nanos);
            let short = NtpShort::at_least(d);
            prop_assert!(short.0 >= 1);
            prop_assert!(short.0 == u32::MAX || short.duration() >= d);
            prop_assert!(short.duration() - d.max(Duration::ZERO) <= Duration::from_units(1 << 48));
        }
    }

    #[test]
    fn shorts_saturate() {
        assert_eq!(NtpShort::at_least(Duration::MAX).0, u32::MAX);
        assert_eq!(NtpShort::at_least(Duration::from_seconds(1)).0, 1 << 16);
    }

    #[test]
    fn noise_stays_below_its_bits() {
        assert_eq!(NtpTimestamp(0xff00).with_low_bits(0xabc, 8).0, 0xffbc);
        assert_eq!(NtpTimestamp(7).with_low_bits(u64::MAX, 0).0, 7);
    }
}
