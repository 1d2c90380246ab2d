//! Bytes ⇄ values: no state, no I/O, no allocation.
//!
//! A parser takes bytes from a hostile world and answers with a value or a named refusal; it never
//! panics and never reads past its input. What a value means is decided elsewhere.

pub mod ntp;
