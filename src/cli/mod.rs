//! The command line.
pub mod demo;
pub mod demo_args;
pub mod signals;
