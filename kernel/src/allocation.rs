//! A global allocator that counts, for tests that assert an allocation-free path.
//!
//! ```
//! use maser_kernel::allocation::{self, Counting};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! let before = allocation::count();
//! let boxed = Box::new(1);
//! assert_eq!(allocation::count(), before + 1);
//! # drop(boxed);
//! ```
//! The count is the calling thread's own, so tests may run side by side.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting what each thread takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

/// Allocations and reallocations by this thread so far. Always 0 unless [`Counting`] is the
/// global allocator.
pub fn count() -> u64 {
    COUNT.try_with(Cell::get).unwrap_or(0)
}

fn increment() {
    // A thread that is being torn down has no count left to keep.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

thread_local! {
    // Without a destructor and const, so that its use does not itself allocate.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged, which upholds the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        increment();
        // SAFETY: the caller upholds the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        increment();
        // SAFETY: the caller upholds the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        increment();
        // SAFETY: the caller upholds the contract of `GlobalAlloc::realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}
