//! The TIM class: the next pulse.

use super::{i32_at, u16_at, u32_at};
use crate::time::Duration;

/// Time pulse time data: about the next pulse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimTp {
    /// Week of the next pulse in its time base.
    pub week: u16,
    /// Time of week of the next pulse in its time base, rounded up to 2⁻⁶⁴ s.
    pub of_week: Duration,
    /// How far the grain of the receiver's clock shifts the next pulse; `None` if the receiver does
    /// not know. True edge = stamped edge + this.
    pub quantization_error: Option<Duration>,
    /// What the pulse is aligned to.
    pub base: TimeBase,
    /// Whether the receiver knows UTC, leap seconds included.
    pub utc_available: bool,
    /// What integrity monitoring says of the pulse.
    pub raim: Raim,
    /// Which system's time: GPS 0, GLONASS 1, BeiDou 2, Galileo 3, unknown 15.
    pub time_reference: u8,
    /// Whose UTC: USNO 3, BIPM 4 and others; unknown 15, not available 0.
    pub utc_standard: u8,
}

/// What a pulse is aligned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeBase {
    /// A satellite system's own time.
    Gnss,
    /// UTC.
    Utc,
}

/// Receiver autonomous integrity monitoring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raim {
    /// Nothing said; firmware before protocol 18 never says more.
    Unavailable,
    /// On, and silent.
    Inactive,
    /// On, and watching.
    Active,
    /// The reserved fourth value.
    Reserved,
}

impl TimTp {
    pub(super) fn read(p: &[u8; 16]) -> Self {
        let flags = p[14];
        // towSubMS counts 2⁻³² ms: together a count of 2⁻³² ms, of which 1000 are 2⁻³² s.
        let of_week = i128::from(u32_at(p, 0)) << 32 | i128::from(u32_at(p, 4));
        let units = ((of_week << 32) + 999).div_euclid(1000);
        let picoseconds = i128::from(i32_at(p, 8));
        let error = Duration::from_units((picoseconds << 64) / 1_000_000_000_000);
        Self {
            week: u16_at(p, 12),
            of_week: Duration::from_units(units),
            quantization_error: (flags & 0x10 == 0).then_some(error),
            base: if flags & 1 == 0 { TimeBase::Gnss } else { TimeBase::Utc },
            utc_available: flags & 2 != 0,
            raim: match flags >> 2 & 3 {
                0 => Raim::Unavailable,
                1 => Raim::Inactive,
                2 => Raim::Active,
                _ => Raim::Reserved,
            },
            time_reference: p[15] & 0xf,
            utc_standard: p[15] >> 4,
        }
    }
}
