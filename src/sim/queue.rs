//! What is still to come in a universe, in order of true time.
//!
//! Two happenings at one instant keep a fixed order: first by rank, so that a timer comes after the
//! readings of its own instant, then by the order in which they were planned. Nothing else decides,
//! so the same seed runs the same universe on any machine.

use core::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::time::{Timestamp, Utc};

/// Happenings of kind `T`, each at its true time.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    heap: BinaryHeap<Entry<T>>,
    planned: u64,
}

/// Among happenings of one instant, which come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// What the scenario does to the universe.
    Event,
    /// What reaches a node.
    Arrival,
    /// A node's own timers.
    Timer,
}

impl<T> Queue<T> {
    /// Nothing is to come.
    pub fn new() -> Self {
        Self { heap: BinaryHeap::with_capacity(64), planned: 0 }
    }

    /// Plans `what` at true time `at`.
    pub fn plan(&mut self, at: Timestamp<Utc>, rank: Rank, what: T) {
        self.planned += 1;
        self.heap.push(Entry { at, order: (rank, self.planned), what });
    }

    /// When the next one comes.
    pub fn next_at(&self) -> Option<Timestamp<Utc>> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// Takes out the next one.
    pub fn pop(&mut self) -> Option<(Timestamp<Utc>, T)> {
        self.heap.pop().map(|entry| (entry.at, entry.what))
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Debug)]
struct Entry<T> {
    at: Timestamp<Utc>,
    order: (Rank, u64),
    what: T,
}

impl<T> Entry<T> {
    fn key(&self) -> (Timestamp<Utc>, (Rank, u64)) {
        (self.at, self.order)
    }
}

/// Reversed: the heap gives out the largest first.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn time_then_rank_then_the_order_of_planning_decide() {
        let mut queue = Queue::new();
        let at = Timestamp::from_seconds;
        queue.plan(at(2), Rank::Event, 'f');
        queue.plan(at(1), Rank::Timer, 'd');
        queue.plan(at(1), Rank::Arrival, 'b');
        queue.plan(at(1), Rank::Event, 'a');
        queue.plan(at(1), Rank::Arrival, 'c');
        queue.plan(at(1), Rank::Timer, 'e');
        assert_eq!(queue.next_at(), Some(at(1)));
        let order: String = core::iter::from_fn(|| queue.pop()).map(|(_, what)| what).collect();
        assert_eq!(order, "abcdef");
        assert_eq!(queue.next_at(), None);
    }

    #[test]
    fn time_never_runs_backwards() {
        let (mut queue, mut random) = (Queue::new(), Random::seeded(3));
        let mut last = Timestamp::EPOCH;
        for round in 0..2000u32 {
            let ahead = crate::time::Duration::from_seconds_f64(random.between(0.0, 9.0));
            queue.plan(last + ahead, Rank::Arrival, round);
            if random.uniform() < 0.5 {
                let (at, _) = queue.pop().unwrap();
                assert!(at >= last);
                last = at;
            }
        }
    }
}
