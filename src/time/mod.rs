//! The vocabulary of time: instants in a timescale, differences, frequencies, leap seconds.
//!
//! An instant is one integer, 2⁻⁶⁴ s since 1970-01-01T00:00:00 of its scale: the resolution of the
//! date format of RFC 5905 §6, with room for every era. `f64` seconds serve differences and
//! statistics only: at today's count of seconds an `f64` resolves 0.2 µs.
//!
//! Instants of different scales do not subtract:
//!
//! ```compile_fail
//! use maser::time::{Tai, Timestamp, Utc};
//! let _ = Timestamp::<Utc>::EPOCH - Timestamp::<Tai>::EPOCH;
//! ```

mod civil;
mod duration;
mod leap;
mod ntp;
mod rfc3339;
mod smear;
mod span;
mod timestamp;

pub use civil::{Civil, Date};
pub use duration::{Duration, Exponent, Frequency};
pub use leap::{LeapError, LeapIndicator, LeapSecond, LeapTable, TaiOffset};
pub use ntp::{NtpShort, NtpTimestamp};
pub use rfc3339::parse as parse_rfc3339;
pub use smear::{Smear, SmearShape};
pub use span::{Span, SpanVisitor, parse as parse_span};
pub use timestamp::{Mono, Raw, Scale, System, Tai, Timestamp, Utc};

/// Units of [`Timestamp`] and [`Duration`] in a second.
pub const UNITS_PER_SECOND: i128 = 1 << 64;

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// PHI: the drift that RFC 5905 §7.2 assumes of a clock nobody watches, 15 ppm.
pub const FREQUENCY_TOLERANCE: Frequency = Frequency::from_ppm(15.0);
