//! A bounded ring from one producer to one consumer: every value, in order. When it is full the new
//! value is dropped and counted; the producer never waits.
//!
//! ```text
//!            head = 5                tail = 8          positions count on for ever and wrap with
//!               ▼                       ▼              the machine word; slot = position mod 8
//!   ┌───────┬───────┬───────┬───────┬───────┬───┬─
//!   │ free  │ row 5 │ row 6 │ row 7 │ free  │        len = tail − head, full when len = capacity
//!   └───────┴───────┴───────┴───────┴───────┴───┴─
//!         consumer ──►            producer ──►
//! ```
//!
//! Only the producer moves `tail` and writes free rows; only the consumer moves `head` and reads
//! the others. Each keeps its own position, and its last sight of the other's, in its own memory,
//! and looks at the other's cache line only when that sight says full or empty (as `rtrb` does).
//! [`Orderings`] says what each of the four orderings holds together.

use std::marker::PhantomData;
use std::sync::Arc;

use super::atomic::{AtomicU64, AtomicUsize, Ordering, Padded, Sound};
use super::words::{self, Words};

/// A ring with room for `capacity` values, rounded up to a power of two and at least one.
///
/// Allocates here and never again. Panics when the rows do not fit into memory.
pub fn ring<T: Words>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    ring_at(capacity, 0)
}

/// The end that fills the ring.
#[derive(Debug)]
pub struct Producer<T, O = Sound> {
    shared: Arc<Shared>,
    /// The next position to fill. `shared.tail` follows it.
    tail: usize,
    /// A `head` seen earlier: the consumer may be further on, never further back.
    head_seen: usize,
    dropped: u64,
    values: PhantomData<(T, O)>,
}

impl<T: Words, O: Orderings> Producer<T, O> {
    /// Appends a value, or drops and counts it when the ring is full.
    pub fn push(&mut self, value: T) -> Result<(), Full> {
        if self.seems_full() {
            self.head_seen = self.shared.head.0.load(O::HEAD_LOAD);
            if self.seems_full() {
                self.dropped += 1;
                // Relaxed: a count that no other memory hangs on.
                self.shared.tail.0.dropped.store(self.dropped, Ordering::Relaxed);
                return Err(Full);
            }
        }
        words::store(&value, self.shared.slot::<T>(self.tail));
        self.tail = self.tail.wrapping_add(1);
        self.shared.tail.0.position.store(self.tail, O::TAIL_STORE);
        Ok(())
    }

    /// How many values wait in the ring, or fewer: the consumer may be at work.
    pub fn len(&self) -> usize {
        // Relaxed: nothing is read or written on the strength of it.
        self.tail.wrapping_sub(self.shared.head.0.load(Ordering::Relaxed))
    }

    /// Whether nothing waits in the ring.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the ring holds when full.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// How many values were dropped since the ring was made, because it was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn seems_full(&self) -> bool {
        self.tail.wrapping_sub(self.head_seen) == self.shared.capacity
    }
}

/// The end that drains the ring.
#[derive(Debug)]
pub struct Consumer<T, O = Sound> {
    shared: Arc<Shared>,
    /// The next position to drain. `shared.head` follows it.
    head: usize,
    /// A `tail` seen earlier: the producer may be further on, never further back.
    tail_seen: usize,
    values: PhantomData<(T, O)>,
}

impl<T: Words, O: Orderings> Consumer<T, O> {
    /// Removes the oldest value; `None` when the ring is empty.
    pub fn pop(&mut self) -> Option<T> {
        if self.head == self.tail_seen {
            self.tail_seen = self.shared.tail.0.position.load(O::TAIL_LOAD);
            if self.head == self.tail_seen {
                return None;
            }
        }
        let row = words::load::<T>(self.shared.slot::<T>(self.head));
        let value = words::from_row(&row);
        self.head = self.head.wrapping_add(1);
        self.shared.head.0.store(self.head, O::HEAD_STORE);
        Some(value)
    }

    /// How many values wait in the ring, or more: the producer may be at work.
    pub fn len(&self) -> usize {
        // Relaxed: nothing is read or written on the strength of it.
        self.shared.tail.0.position.load(Ordering::Relaxed).wrapping_sub(self.head)
    }

    /// Whether nothing waits in the ring.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the ring holds when full.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// How many values were dropped since the ring was made, because it was full.
    pub fn dropped(&self) -> u64 {
        self.shared.tail.0.dropped.load(Ordering::Relaxed)
    }
}

/// The ring was full; the value was dropped and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the ring is full: the value was dropped and counted")
    }
}

impl std::error::Error for Full {}

/// What each ordering of the ring holds together. `tests/loom.rs` weakens them one by one.
pub trait Orderings {
    /// The row is written before the tail that shows it is seen …
    const TAIL_STORE: Ordering = Ordering::Release;
    /// … and read after. Weaken either and the consumer reads what was in the slot before.
    const TAIL_LOAD: Ordering = Ordering::Acquire;
    /// The row is read before the head that frees it is seen …
    const HEAD_STORE: Ordering = Ordering::Release;
    /// … and overwritten after. Weaken either and the consumer reads the row that comes a round
    /// later: a branch orders no later store, in the memory model.
    const HEAD_LOAD: Ordering = Ordering::Acquire;
}

impl Orderings for Sound {}

/// [`ring`] with other orderings, its positions counting from `start`.
#[doc(hidden)]
pub fn ring_at<T: Words, O: Orderings>(
    capacity: usize,
    start: usize,
) -> (Producer<T, O>, Consumer<T, O>) {
    let capacity =
        capacity.max(1).checked_next_power_of_two().expect("a ring's capacity fits into memory");
    let shared = Arc::new(Shared {
        head: Padded(AtomicUsize::new(start)),
        tail: Padded(Tail { position: AtomicUsize::new(start), dropped: AtomicU64::new(0) }),
        capacity,
        words: words::slots::<T>(capacity),
    });
    let consumer = Consumer {
        shared: Arc::clone(&shared),
        head: start,
        tail_seen: start,
        values: PhantomData,
    };
    let producer =
        Producer { shared, tail: start, head_seen: start, dropped: 0, values: PhantomData };
    (producer, consumer)
}

#[derive(Debug)]
struct Shared {
    /// The consumer's line.
    head: Padded<AtomicUsize>,
    /// The producer's line.
    tail: Padded<Tail>,
    /// A power of two, so that positions may wrap with the machine word.
    capacity: usize,
    words: Box<[AtomicU64]>,
}

impl Shared {
    fn slot<T: Words>(&self, position: usize) -> &[AtomicU64] {
        words::slot::<T>(&self.words, position & (self.capacity - 1))
    }
}

#[derive(Debug)]
struct Tail {
    position: AtomicUsize,
    dropped: AtomicU64,
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[derive(Debug, Clone)]
    enum Operation {
        Push([u64; 3]),
        Pop,
    }

    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        let operation =
            prop_oneof![any::<[u64; 3]>().prop_map(Operation::Push), Just(Operation::Pop),];
        prop::collection::vec(operation, 0..200)
    }

    proptest! {
        /// The positions start near the end of the machine word, so that most runs wrap.
        #[test]
        fn agrees_with_a_queue(
            wanted in 0usize..20,
            before_wrap in 0usize..40,
            operations in operations(),
        ) {
            let start = usize::MAX - before_wrap;
            let (mut producer, mut consumer) = ring_at::<[u64; 3], Sound>(wanted, start);
            let capacity = producer.capacity();
            prop_assert!(capacity >= wanted.max(1) && capacity.is_power_of_two());
            prop_assert_eq!(consumer.capacity(), capacity);
            let mut queue = VecDeque::new();
            let mut dropped = 0;
            for operation in operations {
                match operation {
                    Operation::Push(_) if queue.len() == capacity => {
                        prop_assert_eq!(producer.push([0; 3]), Err(Full));
                        dropped += 1;
                    }
                    Operation::Push(value) => {
                        prop_assert_eq!(producer.push(value), Ok(()));
                        queue.push_back(value);
                    }
                    Operation::Pop => prop_assert_eq!(consumer.pop(), queue.pop_front()),
                }
                prop_assert_eq!((producer.len(), consumer.len()), (queue.len(), queue.len()));
                prop_assert_eq!(producer.is_empty(), queue.is_empty());
                prop_assert_eq!(consumer.is_empty(), queue.is_empty());
                prop_assert_eq!((producer.dropped(), consumer.dropped()), (dropped, dropped));
            }
        }
    }

    /// Every accepted value arrives once, whole and in order, whatever the pace of either side.
    #[test]
    fn two_threads_lose_nothing_but_what_is_counted() {
        const VALUES: u64 = 300_000;
        for capacity in [1, 2, 64] {
            let (mut producer, mut consumer) = ring::<[u64; 4]>(capacity);
            let sender = std::thread::spawn(move || {
                let accepted: Vec<u64> = (0..VALUES)
                    .filter(|&n| {
                        let taken = producer.push([n, !n, n.rotate_left(32), n]).is_ok();
                        if !taken {
                            std::thread::yield_now();
                        }
                        taken
                    })
                    .collect();
                (accepted, producer.dropped())
            });
            let mut arrived = Vec::new();
            loop {
                // Asked before the last look, or a value pushed in between would be missed.
                let done = sender.is_finished();
                let Some(value @ [n, ..]) = consumer.pop() else {
                    if done {
                        break;
                    }
                    std::thread::yield_now();
                    continue;
                };
                assert_eq!(value, [n, !n, n.rotate_left(32), n]);
                arrived.push(n);
            }
            let (accepted, dropped) = sender.join().unwrap();
            assert_eq!(arrived, accepted);
            assert_eq!(accepted.len() as u64 + dropped, VALUES);
            assert_eq!(consumer.dropped(), dropped);
        }
    }

    #[test]
    fn a_row_of_no_words_still_counts() {
        let (mut producer, mut consumer) = ring::<[u64; 0]>(2);
        assert_eq!(
            [producer.push([]), producer.push([]), producer.push([])],
            [Ok(()), Ok(()), Err(Full)]
        );
        assert_eq!([consumer.pop(), consumer.pop(), consumer.pop()], [Some([]), Some([]), None]);
    }

    #[test]
    #[should_panic(expected = "fits into memory")]
    fn a_capacity_beyond_memory_is_refused() {
        ring::<u64>(usize::MAX);
    }
}
