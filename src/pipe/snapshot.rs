//! The latest value, from one publisher to any number of readers: a sequence lock with two slots.
//!
//! ```text
//!   generation = 6, even          A reader copies the slot that `generation` points at, then
//!     │                           looks whether it still does.
//!     ▼
//!   ┌─────────┬─────────┐         The publisher writes 7 into the other slot, whose 5 is shown
//!   │ slot 0  │ slot 1  │         to nobody but a reader that is late, then moves `generation`
//!   │    6    │  5 → 7  │         on.
//!   └─────────┴─────────┘
//! ```
//!
//! The publisher waits for nobody. A reader retries only when a whole publication ended during its
//! copy: at most once for each, and publications are some milliseconds apart where a copy takes
//! well under a microsecond. With one slot a reader would also have to wait out a publication under
//! way, and a real-time reader that interrupted the publisher on its own core would wait for ever
//! (the reason for Linux's `seqcount_latch`). The fences are those of Boehm, "Can seqlocks get
//! along with programming language memory models?" (2012); [`Orderings`] says what each is for.

use std::marker::PhantomData;
use std::sync::Arc;

use super::atomic::{AtomicU64, Ordering, Padded, Sound, fence};
use super::words::{self, Words};

/// A snapshot that shows `initial`, generation 0. Allocates here and never again.
///
/// Clone the reader for each thread that reads.
pub fn snapshot<T: Words>(initial: T) -> (Publisher<T>, Reader<T>) {
    snapshot_with(initial)
}

/// The end that replaces the value.
#[derive(Debug)]
pub struct Publisher<T, O = Sound> {
    shared: Arc<Shared>,
    generation: u64,
    values: PhantomData<(T, O)>,
}

impl<T: Words, O: Orderings> Publisher<T, O> {
    /// Shows a new value to every read that begins from now on.
    pub fn publish(&mut self, value: T) {
        let generation = self.generation + 1;
        fence(O::WRITE_FENCE);
        words::store(&value, self.shared.slot::<T>(generation));
        self.shared.generation.0.store(generation, O::GENERATION_STORE);
        self.generation = generation;
    }

    /// How many values were published after the initial one.
    pub fn generation(&self) -> u64 {
        self.generation
    }
}

/// An end that reads the value.
#[derive(Debug)]
pub struct Reader<T, O = Sound> {
    shared: Arc<Shared>,
    /// The generation last returned by `read_if_newer`.
    seen: Option<u64>,
    values: PhantomData<(T, O)>,
}

impl<T: Words, O: Orderings> Reader<T, O> {
    /// The latest value.
    pub fn read(&self) -> T {
        self.read_numbered().1
    }

    /// The latest value, unless this reader's last `read_if_newer` returned it already. The first
    /// call returns the value there is.
    pub fn read_if_newer(&mut self) -> Option<T> {
        if self.seen == Some(self.generation()) {
            return None;
        }
        let (generation, value) = self.read_numbered();
        self.seen = Some(generation);
        Some(value)
    }

    /// The latest value and its generation, counted from 0 for the initial value.
    pub fn read_numbered(&self) -> (u64, T) {
        loop {
            let generation = self.shared.generation.0.load(O::GENERATION_LOAD);
            let row = words::load::<T>(self.shared.slot::<T>(generation));
            fence(O::READ_FENCE);
            // Relaxed: the fence before it orders it after the copy, and nothing follows from it.
            if self.shared.generation.0.load(Ordering::Relaxed) == generation {
                return (generation, words::from_row(&row));
            }
        }
    }

    /// How many values were published after the initial one. A later read shows this generation
    /// or a newer one.
    pub fn generation(&self) -> u64 {
        // Relaxed: the read that may follow loads it anew, and one thread never sees it go back.
        self.shared.generation.0.load(Ordering::Relaxed)
    }
}

/// The clone has seen nothing: its first [`Reader::read_if_newer`] returns the value there is.
impl<T, O> Clone for Reader<T, O> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), seen: None, values: PhantomData }
    }
}

/// What each ordering of the snapshot holds together. `tests/loom.rs` weakens them one by one.
pub trait Orderings {
    /// The value is written before the generation that shows it is seen …
    const GENERATION_STORE: Ordering = Ordering::Release;
    /// … and copied after. Weaken either and a reader copies what was in the slot before.
    const GENERATION_LOAD: Ordering = Ordering::Acquire;
    /// The generation that retires a slot is stored before the slot is written again …
    const WRITE_FENCE: Ordering = Ordering::Release;
    /// … so a copy that caught one new word is followed by a look that finds the slot retired.
    /// Weaken either and a torn copy passes for whole. (A release store keeps earlier accesses
    /// before itself, and an acquire load later ones after itself; these two must be held the
    /// other way round, which only a fence does.)
    const READ_FENCE: Ordering = Ordering::Acquire;
}

impl Orderings for Sound {}

/// [`snapshot`] with other orderings.
#[doc(hidden)]
pub fn snapshot_with<T: Words, O: Orderings>(initial: T) -> (Publisher<T, O>, Reader<T, O>) {
    let shared =
        Arc::new(Shared { generation: Padded(AtomicU64::new(0)), words: words::slots::<T>(2) });
    words::store(&initial, shared.slot::<T>(0));
    let reader = Reader { shared: Arc::clone(&shared), seen: None, values: PhantomData };
    (Publisher { shared, generation: 0, values: PhantomData }, reader)
}

#[derive(Debug)]
struct Shared {
    generation: Padded<AtomicU64>,
    words: Box<[AtomicU64]>,
}

impl Shared {
    fn slot<T: Words>(&self, generation: u64) -> &[AtomicU64] {
        words::slot::<T>(&self.words, usize::from(generation % 2 == 1))
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Operation {
        Publish([u64; 3]),
        Read,
        ReadIfNewer,
        Clone,
    }

    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        let operation = prop_oneof![
            any::<[u64; 3]>().prop_map(Operation::Publish),
            Just(Operation::Read),
            Just(Operation::ReadIfNewer),
            Just(Operation::Clone),
        ];
        prop::collection::vec(operation, 0..100)
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_all_values(initial: [u64; 3], operations in operations()) {
            let (mut publisher, mut reader) = snapshot(initial);
            let mut published = vec![initial];
            let mut seen = None;
            for operation in operations {
                let generation = published.len() as u64 - 1;
                let latest = published[published.len() - 1];
                prop_assert_eq!(publisher.generation(), generation);
                prop_assert_eq!(reader.generation(), generation);
                match operation {
                    Operation::Publish(value) => {
                        publisher.publish(value);
                        published.push(value);
                    }
                    Operation::Read => {
                        prop_assert_eq!(reader.read(), latest);
                        prop_assert_eq!(reader.read_numbered(), (generation, latest));
                    }
                    Operation::ReadIfNewer => {
                        let news = (seen != Some(generation)).then_some(latest);
                        prop_assert_eq!(reader.read_if_newer(), news);
                        seen = Some(generation);
                    }
                    Operation::Clone => {
                        reader = reader.clone();
                        seen = None;
                    }
                }
            }
        }
    }

    /// Readers on other threads see whole values only, never an older one after a newer one, and
    /// at the end the last.
    #[test]
    fn readers_see_whole_values_in_order() {
        const VALUES: u64 = 300_000;
        let value = |n: u64| [n, !n, n.rotate_left(32), n, n, n, n, !n];
        let (mut publisher, reader) = snapshot(value(0));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let mut reader = reader.clone();
                std::thread::spawn(move || {
                    let mut last = 0;
                    while last < VALUES {
                        let (generation, read) = reader.read_numbered();
                        assert_eq!(read, value(generation));
                        assert!(generation >= last, "{generation} after {last}");
                        if let Some([n, ..]) = reader.read_if_newer() {
                            assert!(n >= generation, "{n} after {generation}");
                            last = n;
                        }
                    }
                })
            })
            .collect();
        (1..=VALUES).for_each(|n| publisher.publish(value(n)));
        for reader in readers {
            reader.join().unwrap();
        }
    }

    /// A publisher stopped half-way, as by a reader of higher priority on its core, stops nobody.
    #[test]
    fn a_publication_under_way_holds_up_no_reader() {
        let (publisher, reader) = snapshot([1u64, 1]);
        publisher.shared.slot::<[u64; 2]>(1)[0].store(2, Ordering::Relaxed);
        assert_eq!(reader.read_numbered(), (0, [1, 1]));
    }
}
