//! World 1: Linux. Threads, devices, sockets, privileges and the control plane around the pure core.

pub mod client;
pub mod clock;
pub mod conductor;
pub mod control;
pub mod daemon;
mod departures;
pub mod drivers;
pub mod kernel_clock;
pub mod plan;
pub mod published;
pub mod rivals;
pub mod service;
pub mod state_file;
