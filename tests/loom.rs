//! Every order in which two threads can meet in a pipe, explored by loom: the orderings as written
//! hold, and each of them is needed, since with any one weakened to `Relaxed` the same code fails.
//!
//! `cargo test --features loom --test loom`; without the feature there is nothing here.
//!
//! A value is [`Numbered`]: it knows when its row is torn, stale, or not the one expected. That
//! shows all but one kind of fault. A load that sees a store which runs later (the memory model
//! allows it, and Arm does it) is never explored by loom, so no wrong number can betray a ring
//! whose `head` is weakened. There the test asks for the cause: that each read of a row happens
//! before the row is overwritten. See [`Receipts`].
#![cfg(feature = "loom")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering as Native};

use loom::sync::atomic::{AtomicBool, Ordering, Ordering::Relaxed};
use loom::thread;
use maser::pipe::atomic::Sound;
use maser::pipe::ring::{self, ring_at};
use maser::pipe::snapshot::{self, snapshot_with};
use maser::pipe::{Put, Take, Words};

#[test]
fn ring_of_one() {
    explore(ring_model::<Sound, 1>);
}

#[test]
fn ring_of_two() {
    explore(ring_model::<Sound, 2>);
}

#[test]
fn snapshot_with_one_reader() {
    explore(snapshot_model::<Sound, 1>);
}

#[test]
fn snapshot_with_two_readers() {
    explore(snapshot_model::<Sound, 2>);
}

/// One test per ordering: the same model, with only that one weakened, must fail as foretold.
macro_rules! weakened {
    ($($test:ident: $trait:path, $weak:ident, $model:ident::<$size:literal>, $fault:literal;)*) => {
        $(
            #[test]
            #[should_panic(expected = $fault)]
            fn $test() {
                struct Weakened;
                impl $trait for Weakened {
                    const $weak: Ordering = Relaxed;
                }
                explore($model::<Weakened, $size>);
            }
        )*
    };
}

weakened! {
    ring_without_tail_store: ring::Orderings, TAIL_STORE, ring_model::<1>, "torn or stale";
    ring_without_tail_load: ring::Orderings, TAIL_LOAD, ring_model::<1>, "torn or stale";
    ring_without_head_store: ring::Orderings, HEAD_STORE, ring_model::<1>, "Causality violation";
    ring_without_head_load: ring::Orderings, HEAD_LOAD, ring_model::<1>, "Causality violation";
    snapshot_without_generation_store:
        snapshot::Orderings, GENERATION_STORE, snapshot_model::<1>, "torn or stale";
    snapshot_without_generation_load:
        snapshot::Orderings, GENERATION_LOAD, snapshot_model::<1>, "torn or stale";
    snapshot_without_write_fence:
        snapshot::Orderings, WRITE_FENCE, snapshot_model::<1>, "torn or stale";
    snapshot_without_read_fence:
        snapshot::Orderings, READ_FENCE, snapshot_model::<1>, "torn or stale";
}

/// Three values through a ring that holds fewer, so that slots are used again.
fn ring_model<O: ring::Orderings + 'static, const CAPACITY: usize>() {
    Receipts::clear();
    let (mut producer, mut consumer) = ring_at::<Numbered<CAPACITY>, O>(CAPACITY, usize::MAX);
    let consumer = thread::spawn(move || {
        let arrived: Vec<_> = (0..3).filter_map(|_| consumer.pop()).collect();
        (consumer, arrived)
    });
    let mut accepted = Vec::new();
    for _ in 0..3 {
        let value = Numbered(accepted.len() as u64 + 1);
        if producer.push(value).is_ok() {
            accepted.push(value);
        }
    }
    let (mut consumer, mut arrived) = consumer.join().expect("the consumer ends");
    arrived.extend(std::iter::from_fn(|| consumer.pop()));
    assert_eq!(arrived, accepted);
    assert_eq!(consumer.dropped(), 3 - accepted.len() as u64);
    Receipts::clear();
}

/// So many publications that a slot is used again, and reads meanwhile.
fn snapshot_model<O: snapshot::Orderings + 'static, const READERS: usize>() {
    let publications = if READERS == 1 { 3 } else { 2 };
    let (mut publisher, reader) = snapshot_with::<Numbered<0>, O>(Numbered(0));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut reader = reader.clone();
            thread::spawn(move || {
                let (generation, value) = reader.read_numbered();
                assert_eq!(value, Numbered(generation), "torn or stale");
                if READERS == 1 {
                    let value = reader.read_if_newer().expect("a fresh reader has seen nothing");
                    assert!(value.0 >= generation, "torn or stale");
                }
            })
        })
        .collect();
    (1..=publications).for_each(|number| publisher.publish(Numbered(number)));
    readers.into_iter().for_each(|reader| reader.join().expect("the reader ends"));
    assert_eq!(reader.read_numbered(), (publications, Numbered(publications)));
}

/// A value that tells a whole row from a torn or blank one. With `SLOTS`, those of the ring it goes
/// through, it keeps [`Receipts`].
#[derive(Debug, Clone, Copy, PartialEq)]
struct Numbered<const SLOTS: usize>(u64);

impl<const SLOTS: usize> Numbered<SLOTS> {
    fn slot(self) -> Option<u64> {
        self.0.checked_rem(SLOTS as u64)
    }
}

impl<const SLOTS: usize> Words for Numbered<SLOTS> {
    type Row = [u64; 2];

    fn put(&self, row: &mut Put<'_>) {
        if let Some(slot) = self.slot() {
            Receipts::demand(slot);
        }
        row.u64(self.0);
        row.u64(!self.0);
    }

    fn take(row: &mut Take<'_>) -> Self {
        let value = Self(row.u64());
        assert_eq!(row.u64(), !value.0, "torn or stale");
        if let Some(slot) = value.slot() {
            Receipts::leave(slot);
        }
        value
    }
}

/// Proof that a row was read before it is overwritten. Whoever read a slot leaves a new atomic
/// behind, and whoever fills the slot again must load it: loom fails unless the making of an atomic
/// happens before its use. The receipt itself travels outside the model, where it orders nothing;
/// all threads of a model are coroutines on one.
struct Receipts;

impl Receipts {
    fn leave(slot: u64) {
        let receipt = AtomicBool::new(true);
        RECEIPTS.with_borrow_mut(|receipts| receipts.insert(slot, receipt));
    }

    fn demand(slot: u64) {
        if let Some(receipt) = RECEIPTS.with_borrow_mut(|receipts| receipts.remove(&slot)) {
            assert!(receipt.load(Relaxed));
        }
    }

    fn clear() {
        RECEIPTS.with_borrow_mut(BTreeMap::clear);
    }
}

std::thread_local! {
    static RECEIPTS: RefCell<BTreeMap<u64, AtomicBool>> = const { RefCell::new(BTreeMap::new()) };
}

/// Runs the model in every order with up to `PREEMPTIONS` involuntary switches, which is where
/// such faults are found, and in seconds.
fn explore(model: fn()) {
    let runs = std::sync::Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(move || {
        count.fetch_add(1, Native::Relaxed);
        model();
    });
    let runs = runs.load(Native::Relaxed);
    println!("{runs} executions");
    assert!(runs > 100, "{runs} executions explore nothing");
}

const PREEMPTIONS: usize = 3;
