//! Answering requests: who may ask, how often, and what the answer says.
//!
//! ```text
//!   datagram ─► access ─► question ─► clients ─► respond ─► Reply ─► write(now) ─► sendmmsg
//!               who?      a request?  how often?  the time       └─► departure(now) ─┐
//!                                        ▲                                           ▼
//!                                        └───────────── note_sent ◄─── the kernel's transmit stamp
//! ```
//!
//! All of it is pure and allocates only when a table is built. A service thread owns its
//! [`Clients`]; [`Policy`] and the state are lent for the batch.

mod access;
mod clients;
mod face;
mod interleave;
mod outcome;
mod question;
mod rate;
mod respond;
pub(crate) mod siphash;

pub use access::{Access, AccessTable, Prefix, PrefixError, Rule};
pub use clients::{Client, Clients, TableSize};
pub use interleave::Departure;
pub use outcome::{Counters, Outcome};
pub use rate::RateLimit;
pub use respond::{Answer, Policy, REPLY_MAX, Reply, Request, respond};
