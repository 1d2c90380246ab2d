//! What satellite receivers send over a serial line: NMEA 0183 sentences and u-blox's UBX frames.
//!
//! ```text
//! bytes ─► Splitter ─┬─► nmea::parse ────────┬─► rollover ─► Timestamp<Utc>
//!                    └─► ubx::Message::parse ┘
//! ```
//!
//! A receiver tells dates that wrap: two digits of a year, 1024 weeks of GPS. [`rollover`] puts them
//! after a date that is known to have passed.

mod frame;
mod label;
pub mod nmea;
pub mod rollover;
pub mod ubx;

pub use frame::{Frame, Framed, Refusals, Splitter};
pub use label::{TimeOfDay, TwoDigitDate};
