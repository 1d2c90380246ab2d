//! Whose atomics the pipes are built on: the machine's, or under the feature `loom` those of the
//! model checker, which explores the orders that the C++20 memory model allows (all but a load
//! seeing a store that runs later; `tests/loom.rs` says how it catches those).
//!
//! A feature and not `--cfg loom`, since the flag would reach every dependency and tokio does not
//! build under it.

#[cfg(not(feature = "loom"))]
pub use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
#[cfg(feature = "loom")]
pub use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

#[cfg(not(feature = "loom"))]
use core::sync::atomic as native;
#[cfg(feature = "loom")]
use loom::sync::atomic as native;

/// The orderings as argued in each pipe: the default of every pipe's second parameter.
#[derive(Debug, Clone, Copy)]
pub struct Sound;

/// Keeps its content on a cache line of its own: two threads that write two neighbours would
/// otherwise pull the same line back and forth.
///
/// 128 bytes: x86-64 fetches lines in pairs, and Arm's larger cores have lines of 128.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

/// A fence of the given strength. `Relaxed` asks for none, where the standard's own fence panics.
pub(super) fn fence(ordering: Ordering) {
    if ordering != Ordering::Relaxed {
        native::fence(ordering);
    }
}
