//! Maser: take the best time this machine can see, steer a clock to it, and serve that time with an
//! honest error bound on every answer.
//!
//! The folders are the data flow: `source → pipe → mitigation → discipline → clock`, then
//! `state → server, observe`. Everything but [`host`] and the command line is pure: time, bytes and
//! seeds are arguments. `ARCHITECTURE.md` has the map and the laws; `tests/tidy.rs` holds them.
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod discipline;
pub mod engine;
pub mod event;
pub mod host;
pub mod mitigation;
pub mod observe;
pub mod pipe;
pub mod random;
pub mod rows;
pub mod sample;
pub mod server;
pub mod sim;
pub mod source;
pub mod state;
pub mod time;
pub mod wire;
