//! What passes between threads, and nothing else does: a [`ring`](mod@ring) hands on every value in
//! order, a [`snapshot`](mod@snapshot) shows the latest one.
//!
//! ```text
//!   driver ──ring──► conductor ──snapshot──► service ×N        one owner per mutable value,
//!   driver ──ring──►     │     ──ring──────► observers         one writer per pipe
//! ```
//!
//! Neither locks, allocates after construction or waits for the other side. Both are safe Rust: a
//! value travels as a row of atomic [`words`], so a torn read is a wrong number to be thrown away
//! and never undefined behaviour. Every ordering is an associated constant, so that `tests/loom.rs`
//! runs this very code with one of them weakened and sees it fail.

pub mod atomic;
pub mod ring;
pub mod snapshot;
pub mod words;

pub use ring::{Consumer, Full, Producer, ring};
pub use snapshot::{Publisher, Reader, snapshot};
pub use words::{Put, Take, Words};
