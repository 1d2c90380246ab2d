//! Instants, each in the frame in which it was read.
//!
//! `System` and `Raw` are this machine's clock with and without our own corrections. Samples are
//! kept in `Raw`, so that a correction never rewrites a stored sample; `Utc` is what a source says
//! or what we serve. Only an offset joins two frames, and it says so: [`Timestamp::offset_from`]; or
//! the two are said to be one: [`Timestamp::read_as`].

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Add, Sub};

use super::civil::Civil;
use super::{Duration, NANOS_PER_SECOND};

/// A timescale: the frame in which a count of seconds is meant (RFC 5905 §4).
pub trait Scale: Copy + Ord + fmt::Debug + Send + Sync + 'static {
    /// Its name in messages.
    const NAME: &'static str;
}

macro_rules! scales {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {}
        impl Scale for $name {
            const NAME: &'static str = $text;
        }
    )*};
}

scales! {
    /// Coordinated Universal Time as NTP counts it: a leap second repeats a count.
    Utc = "UTC";
    /// International Atomic Time: UTC + the TAI offset, without leaps.
    Tai = "TAI";
    /// What this machine's real-time clock reads, corrections included. Kernel stamps are this.
    System = "system clock";
    /// The undisturbed oscillator: the system clock with our own corrections undone.
    Raw = "raw clock";
    /// Seconds since some boot; never set, never stepped.
    Mono = "monotonic clock";
}

/// An instant: 2⁻⁶⁴ s since 1970-01-01T00:00:00 of its scale. Arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp<S: Scale> {
    units: i128,
    scale: PhantomData<S>,
}

impl<S: Scale> Timestamp<S> {
    /// 1970-01-01T00:00:00.
    pub const EPOCH: Self = Self::from_units(0);

    /// A count of 2⁻⁶⁴ s since the epoch.
    pub const fn from_units(units: i128) -> Self {
        Self { units, scale: PhantomData }
    }

    /// Whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_units((seconds as i128) << 64)
    }

    /// Nanoseconds since the epoch, rounded up to units.
    pub const fn from_nanos(nanos: i128) -> Self {
        Self::from_units(Duration::from_nanos(nanos).units())
    }

    /// The count of 2⁻⁶⁴ s since the epoch.
    pub const fn units(self) -> i128 {
        self.units
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        (self.units >> 64) as i64
    }

    /// Nanoseconds since the epoch, rounded down.
    pub const fn nanos(self) -> i128 {
        Duration::from_units(self.units).nanos()
    }

    /// Nanoseconds into the second, 0..10⁹, rounded down.
    pub fn subsec_nanos(self) -> u32 {
        u32::try_from(self.nanos().rem_euclid(NANOS_PER_SECOND)).expect("below 10⁹")
    }

    /// The nearest whole second, halves up.
    #[must_use]
    pub const fn round_to_second(self) -> Self {
        Self::from_seconds(Duration::from_units(self.units).round_seconds())
    }

    /// What has passed since `earlier`; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        (self - earlier).max(Duration::ZERO)
    }

    /// θ = source − local (RFC 5905 §8): positive when `self`, the source, is ahead of `local`.
    pub fn offset_from<L: Scale>(self, local: Timestamp<L>) -> Duration {
        Duration::from_units(self.units.saturating_sub(local.units))
    }

    /// The same count in another frame: where the two are one, or nothing is known between them yet.
    #[must_use]
    pub const fn read_as<T: Scale>(self) -> Timestamp<T> {
        Timestamp::from_units(self.units)
    }

    /// The instant of another frame that lies `offset` ahead: the inverse of [`Self::offset_from`].
    #[must_use]
    pub fn corrected_by<T: Scale>(self, offset: Duration) -> Timestamp<T> {
        Timestamp::from_units(self.units.saturating_add(offset.units()))
    }
}

impl<S: Scale> Add<Duration> for Timestamp<S> {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self::from_units(self.units.saturating_add(by.units()))
    }
}

impl<S: Scale> Sub<Duration> for Timestamp<S> {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self::from_units(self.units.saturating_sub(by.units()))
    }
}

impl<S: Scale> Sub for Timestamp<S> {
    type Output = Duration;
    fn sub(self, other: Self) -> Duration {
        Duration::from_units(self.units.saturating_sub(other.units))
    }
}

impl<S: Scale> fmt::Display for Timestamp<S> {
    /// RFC 3339 to the nanosecond, `Z` for UTC and the scale's name otherwise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::of_unix_seconds(self.seconds());
        write!(f, "{civil}.{:09}", self.subsec_nanos())?;
        if S::NAME == Utc::NAME { f.write_str("Z") } else { write!(f, " {}", S::NAME) }
    }
}

impl<S: Scale> fmt::Debug for Timestamp<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nanoseconds_round_trip(nanos in any::<i64>()) {
            let t = Timestamp::<Utc>::from_nanos(nanos.into());
            prop_assert_eq!(t.nanos(), i128::from(nanos));
            prop_assert_eq!(
                i128::from(t.seconds()) * NANOS_PER_SECOND + i128::from(t.subsec_nanos()),
                i128::from(nanos)
            );
        }

        #[test]
        fn an_offset_joins_two_frames(source in any::<i64>(), local in any::<i64>()) {
            let source = Timestamp::<Utc>::from_nanos(source.into());
            let local = Timestamp::<Raw>::from_nanos(local.into());
            let offset = source.offset_from(local);
            prop_assert_eq!(local.corrected_by::<Utc>(offset), source);
            prop_assert_eq!(offset.is_negative(), source.units() < local.units());
        }

        #[test]
        fn rounding_goes_to_the_nearest_second(nanos in any::<i64>()) {
            let t = Timestamp::<Utc>::from_nanos(nanos.into());
            prop_assert!((t - t.round_to_second()).abs().nanos() <= 500_000_000);
        }
    }

    #[test]
    fn since_never_runs_backwards() {
        let (a, b) = (Timestamp::<Raw>::from_seconds(5), Timestamp::<Raw>::from_seconds(7));
        assert_eq!(b.since(a), Duration::from_seconds(2));
        assert_eq!(a.since(b), Duration::ZERO);
    }

    #[test]
    fn display_names_the_scale() {
        let t = Timestamp::<Utc>::from_nanos(1_483_228_799_000_000_001);
        assert_eq!(t.to_string(), "2016-12-31T23:59:59.000000001Z");
        assert_eq!(Timestamp::<Tai>::EPOCH.to_string(), "1970-01-01T00:00:00.000000000 TAI");
    }

    #[test]
    fn the_ends_of_the_range_saturate() {
        let last = Timestamp::<Utc>::from_units(i128::MAX);
        assert_eq!(last + Duration::SECOND, last);
    }
}
