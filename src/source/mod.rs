//! Who measures: one machine per kind of source, without I/O.
//!
//! A driver's machine turns bytes into readings ([`gnss`], [`shm`], [`sock`]); it runs where the
//! bytes arrive. An [`association`] also asks for them. [`pairing`] turns readings into samples; it
//! runs in the engine, because a pulse and the text that numbers it come from two drivers.

pub mod association;
pub mod gnss;
pub mod numbering;
pub mod pairing;
pub mod sawtooth;
pub mod shm;
pub mod sock;
