//! What the daemon tells of itself: reports as values, as JSON and as text.
//!
//! ```text
//!   State, SourceReports, Counters ─► Tracking, Sources, Ledger ─► JSON over the control socket
//!                                                               └► text for a terminal
//! ```
//!
//! The values are what the JSON says and nothing else, so a program on the other end of the socket
//! renders what the daemon said. Names end in their unit: `_ns`, `_s`, `_ppm`. An offset is source −
//! local everywhere: positive, the served time was behind.

mod ledger;
mod sources;
mod text;
mod tracking;

#[cfg(test)]
mod tests;

pub use ledger::{Ledger, LedgerTerm};
pub use sources::{ServerLine, SourceLine, Sources};
pub use text::{Scaled, utc};
pub use tracking::{Requests, Tracking, leap_name};

use core::net::SocketAddr;

use crate::engine::SourceReport;
use crate::server::Counters;
use crate::state::State;
use crate::time::{Duration, System, Timestamp};

/// Everything that a report is made of, read at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// The system clock now.
    pub now: Timestamp<System>,
    /// What the world may know.
    pub state: &'a State,
    /// The operator's names of the sources, in the order of their ids.
    pub names: &'a [String],
    /// A report of each.
    pub sources: &'a [SourceReport],
    /// Where each is asked, if it is a server; an unspecified address before its name is resolved.
    pub servers: &'a [Option<SocketAddr>],
    /// Readings that found no room on their way to the engine.
    pub dropped: u64,
    /// The service threads taken together; none if no time is served.
    pub service: Option<Service>,
}

/// What the service threads have done, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// What became of the requests.
    pub counters: Counters,
    /// Clients remembered.
    pub clients: u64,
    /// Requests that the kernel dropped before anybody read them.
    pub overflowed: u64,
    /// Replies that the kernel would not send.
    pub unsent: u64,
}

/// Seconds as nanoseconds with three decimals: picoseconds, and no noise of binary fractions.
fn nanoseconds(seconds: f64) -> f64 {
    let rounded = libm::rint(seconds * 1e12) / 1e3;
    // JSON has no infinity; −0 would read as a sign that means something.
    if rounded.is_finite() { rounded + 0.0 } else { f64::MAX.copysign(rounded) }
}

fn nanoseconds_of(span: Duration) -> f64 {
    nanoseconds(span.seconds())
}

/// A rate in parts per million with six decimals.
fn ppm(ratio: f64) -> f64 {
    let rounded = libm::rint(ratio * 1e12) / 1e6;
    if rounded.is_finite() { rounded + 0.0 } else { 0.0 }
}
