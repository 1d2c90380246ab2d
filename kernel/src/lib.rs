//! Linux for a timing daemon: clocks, stamped sockets, serial lines, shared memory, privileges.
//!
//! This crate speaks file descriptors, bytes and [`Timespec`]; it knows no protocol. Every
//! `unsafe` line of the project is here, one operation a block, behind a safe function that checks
//! lengths in release builds too.

pub mod abi;
#[cfg(feature = "counting-allocator")]
pub mod allocation;
pub mod clock;
pub mod datagram;
pub mod error;
pub mod event;
pub mod process;
pub mod serial;
pub mod shm;
pub mod socket;
mod timespec;

pub use error::{Error, Result};
pub use timespec::Timespec;
