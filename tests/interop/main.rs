//! Real programs judge the answers: chronyd, classic ntpd, ntpsec, ntpdate, ntpdig and tshark.
//!
//! `tests/run interop` builds and fetches what they need; `tests/peers.sh` unpacks the programs.
//! Every process starts without the right to set a clock. What needs port 123 runs in a network
//! namespace of its own. A test that lacks its means says so and passes, but in CI it fails.

#![expect(clippy::unwrap_used, reason = "what fails on the stage fails its test")]

mod ask;
mod decode;
mod follow;
mod interleave;
mod leap;
mod once;
mod restart;
mod stage;
