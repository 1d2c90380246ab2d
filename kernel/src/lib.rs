//! Linux for a timing daemon: clocks, stamped sockets, serial lines, shared memory, privileges.
//!
//! This crate speaks file descriptors, bytes and [`Timespec`]; it knows no protocol. Every
//! `unsafe` line of the project is here, one operation a block, behind a safe function that checks
//! lengths in release builds too.

pub mod abi;
pub mod clock;
pub mod error;
pub mod event;
pub mod socket;
mod timespec;

pub use error::{Error, Result};
pub use timespec::Timespec;
