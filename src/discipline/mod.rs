//! How to steer: an estimate of the oscillator, a servo that follows it, and the daemon's phase.
//!
//! Signs and units of this folder. τ is the undisturbed oscillator, `x(τ) = raw − true` in seconds,
//! `f = dx/dτ`. The served clock is `C(τ) = τ + A(τ)`, ideally `A = −x`. Samples are stored against
//! τ: a correction changes neither `x` nor any stored sample.

mod ageing;
mod bank;
mod crowd;
pub mod estimator;
mod evidence;
mod filter;
mod interval;
pub mod memory;
mod noise;
pub mod phase;
mod server;
pub mod servo;
mod suspects;

pub use server::Polls;
