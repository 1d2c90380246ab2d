//! The kernel's instant: whole seconds, and nanoseconds that always count forward.
//!
//! Which clock the count belongs to is the caller's knowledge. The fraction is kept in
//! 0..1 000 000 000 also before the epoch, as POSIX has it, so that the derived order is the order
//! in time.

/// An instant of some kernel clock, or a signed span between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: u32,
}

impl Timespec {
    /// The epoch of its clock.
    pub const ZERO: Self = Self { seconds: 0, nanoseconds: 0 };

    /// `seconds` + `nanoseconds`; `None` unless `nanoseconds` is below 1 000 000 000.
    pub const fn new(seconds: i64, nanoseconds: u32) -> Option<Self> {
        if nanoseconds < 1_000_000_000 { Some(Self { seconds, nanoseconds }) } else { None }
    }

    /// `seconds` + `nanoseconds` of any size and sign, carried into range; `None` on overflow.
    pub fn normalised(seconds: i64, nanoseconds: i64) -> Option<Self> {
        let carry = nanoseconds.div_euclid(NANOSECONDS_PER_SECOND);
        let rest = u32::try_from(nanoseconds.rem_euclid(NANOSECONDS_PER_SECOND)).ok()?;
        Self::new(seconds.checked_add(carry)?, rest)
    }

    /// The instant `nanoseconds` after the epoch; `None` beyond ±2⁶³ s.
    pub fn from_nanoseconds(nanoseconds: i128) -> Option<Self> {
        let per_second = i128::from(NANOSECONDS_PER_SECOND);
        let seconds = i64::try_from(nanoseconds.div_euclid(per_second)).ok()?;
        Self::new(seconds, u32::try_from(nanoseconds.rem_euclid(per_second)).ok()?)
    }

    /// Whole seconds, rounded towards the past.
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`seconds`](Self::seconds), 0..1 000 000 000.
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// All of it in nanoseconds. Cannot overflow.
    pub fn total_nanoseconds(self) -> i128 {
        i128::from(self.seconds) * i128::from(NANOSECONDS_PER_SECOND) + i128::from(self.nanoseconds)
    }

    /// Nanoseconds from `earlier` to `self`: positive if `self` is later.
    pub fn nanoseconds_since(self, earlier: Self) -> i128 {
        self.total_nanoseconds() - earlier.total_nanoseconds()
    }

    /// From the kernel's own struct. A fraction out of range is not an instant.
    pub(crate) fn from_raw(seconds: i64, nanoseconds: i64) -> Option<Self> {
        Self::new(seconds, u32::try_from(nanoseconds).ok()?)
    }
}

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructor_refuses_what_is_not_a_fraction() {
        assert!(Timespec::new(1, 999_999_999).is_some());
        assert!(Timespec::new(1, 1_000_000_000).is_none());
        assert!(Timespec::from_raw(1, -1).is_none());
        assert!(Timespec::from_raw(1, i64::MAX).is_none());
    }

    #[test]
    fn normalising_carries_both_ways_and_never_wraps() {
        let t = |s, n| Timespec::new(s, n).unwrap();
        assert_eq!(Timespec::normalised(1, -1), Some(t(0, 999_999_999)));
        assert_eq!(Timespec::normalised(-1, 2_500_000_000), Some(t(1, 500_000_000)));
        assert_eq!(Timespec::normalised(0, -500_000_000), Some(t(-1, 500_000_000)));
        assert_eq!(Timespec::normalised(i64::MAX, 1_000_000_000), None);
        assert_eq!(Timespec::normalised(i64::MIN, -1), None);
        assert_eq!(Timespec::from_nanoseconds(-1), Some(t(-1, 999_999_999)));
        assert_eq!(Timespec::from_nanoseconds(i128::MAX), None);
        for instant in [t(i64::MIN, 0), t(-1, 1), t(0, 0), t(i64::MAX, 999_999_999)] {
            assert_eq!(Timespec::from_nanoseconds(instant.total_nanoseconds()), Some(instant));
        }
    }

    #[test]
    fn order_is_order_in_time() {
        let t = |s, n| Timespec::new(s, n).unwrap();
        assert!(t(-1, 999_999_999) < t(0, 0));
        assert!(t(0, 1) < t(0, 2));
        assert_eq!(t(0, 0).nanoseconds_since(t(-1, 999_999_999)), 1);
    }
}
