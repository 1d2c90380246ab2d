//! How a value becomes a row of 64-bit words and a value again.
//!
//! Threads share memory without a lock and without `unsafe` only through atomics, and the widest
//! atomic is a word. So a value is taken apart by [`Words::put`] on the way in and put together by
//! [`Words::take`] on the way out, field by field in the same order. `take` sees only whole rows,
//! as one `put` left them: a pipe copies the words first, makes sure of the copy, then takes.
//!
//! ```
//! use maser::pipe::{Put, Take, Words};
//!
//! #[derive(Clone, Copy)]
//! struct Edge { at: i128, sequence: u64 }
//!
//! impl Words for Edge {
//!     type Row = [u64; 3];
//!     fn put(&self, row: &mut Put<'_>) { row.i128(self.at); row.u64(self.sequence); }
//!     fn take(row: &mut Take<'_>) -> Self { Self { at: row.i128(), sequence: row.u64() } }
//! }
//! ```

use super::atomic::{AtomicU64, Ordering};

/// A value that can travel through a pipe.
pub trait Words: Copy {
    /// `[u64; N]`, with N the number of words that `put` writes and `take` reads, every time.
    type Row: Row;

    /// Writes the value's words.
    fn put(&self, row: &mut Put<'_>);

    /// Reads them back, in the order they were written.
    fn take(row: &mut Take<'_>) -> Self;
}

impl Words for u64 {
    type Row = [u64; 1];

    fn put(&self, row: &mut Put<'_>) {
        row.u64(*self);
    }

    fn take(row: &mut Take<'_>) -> Self {
        row.u64()
    }
}

impl<const N: usize> Words for [u64; N] {
    type Row = Self;

    fn put(&self, row: &mut Put<'_>) {
        self.iter().for_each(|&word| row.u64(word));
    }

    fn take(row: &mut Take<'_>) -> Self {
        core::array::from_fn(|_| row.u64())
    }
}

/// The row being written. Every method panics when the row is full: the value's `put` writes more
/// words than its `Row` holds.
#[derive(Debug)]
pub struct Put<'a>(core::slice::IterMut<'a, u64>);

impl Put<'_> {
    /// One word.
    pub fn u64(&mut self, value: u64) {
        *self.0.next().expect("`put` stays within the value's `Row`") = value;
    }

    /// One word.
    pub fn i64(&mut self, value: i64) {
        self.u64(value.cast_unsigned());
    }

    /// Two words.
    pub fn i128(&mut self, value: i128) {
        for half in value.to_le_bytes().as_chunks().0 {
            self.u64(u64::from_le_bytes(*half));
        }
    }

    /// One word, bit by bit: a NaN keeps its payload.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// One word.
    pub fn bool(&mut self, value: bool) {
        self.u64(u64::from(value));
    }

    /// The words of a field that is itself a value.
    pub fn value<T: Words>(&mut self, value: &T) {
        value.put(self);
    }

    /// One word more than the field takes, present or not.
    pub fn option<T: Words>(&mut self, value: Option<&T>) {
        self.bool(value.is_some());
        match value {
            Some(value) => value.put(self),
            None => T::Row::BLANK.as_ref().iter().for_each(|&blank| self.u64(blank)),
        }
    }
}

/// The row being read. Every method panics when the row is spent: the value's `take` reads more
/// words than its `Row` holds.
#[derive(Debug)]
pub struct Take<'a>(core::slice::Iter<'a, u64>);

impl Take<'_> {
    /// One word.
    pub fn u64(&mut self) -> u64 {
        *self.0.next().expect("`take` stays within the value's `Row`")
    }

    /// One word.
    pub fn i64(&mut self) -> i64 {
        self.u64().cast_signed()
    }

    /// Two words.
    pub fn i128(&mut self) -> i128 {
        let low = u128::from(self.u64());
        let high = u128::from(self.u64());
        (high << u64::BITS | low).cast_signed()
    }

    /// One word.
    pub fn f64(&mut self) -> f64 {
        f64::from_bits(self.u64())
    }

    /// One word.
    pub fn bool(&mut self) -> bool {
        self.u64() != 0
    }

    /// The words of a field that is itself a value.
    pub fn value<T: Words>(&mut self) -> T {
        T::take(self)
    }

    /// One word more than the field takes, present or not.
    pub fn option<T: Words>(&mut self) -> Option<T> {
        if self.bool() {
            Some(T::take(self))
        } else {
            T::Row::BLANK.as_ref().iter().for_each(|_| _ = self.u64());
            None
        }
    }
}

/// The arrays of words, and nothing else.
pub trait Row: Copy + AsRef<[u64]> + AsMut<[u64]> + sealed::Sealed {
    /// All zeros.
    const BLANK: Self;
    /// How many words.
    const LEN: usize;
}

impl<const N: usize> Row for [u64; N] {
    const BLANK: Self = [0; N];
    const LEN: usize = N;
}

/// Writes a value into its slot, in no particular order of words.
pub(super) fn store<T: Words>(value: &T, slot: &[AtomicU64]) {
    for (word, value) in slot.iter().zip(to_row(value).as_ref()) {
        word.store(*value, Ordering::Relaxed);
    }
}

/// Copies a slot's words, in no particular order. The caller makes sure of the copy.
pub(super) fn load<T: Words>(slot: &[AtomicU64]) -> T::Row {
    let mut row = T::Row::BLANK;
    for (value, word) in row.as_mut().iter_mut().zip(slot) {
        *value = word.load(Ordering::Relaxed);
    }
    row
}

/// Room for `slots` values, each a blank row.
pub(super) fn slots<T: Words>(slots: usize) -> Box<[AtomicU64]> {
    let words = slots.checked_mul(T::Row::LEN).expect("a pipe fits into memory");
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

/// The words of one slot.
pub(super) fn slot<T: Words>(words: &[AtomicU64], index: usize) -> &[AtomicU64] {
    &words[index * T::Row::LEN..][..T::Row::LEN]
}

fn to_row<T: Words>(value: &T) -> T::Row {
    let mut row = T::Row::BLANK;
    let mut put = Put(row.as_mut().iter_mut());
    value.put(&mut put);
    assert!(put.0.as_slice().is_empty(), "`put` fills the value's `Row`");
    row
}

/// Puts the value together from a whole row.
pub(super) fn from_row<T: Words>(row: &T::Row) -> T {
    let mut take = Take(row.as_ref().iter());
    let value = T::take(&mut take);
    assert!(take.0.as_slice().is_empty(), "`take` spends the value's `Row`");
    value
}

mod sealed {
    pub trait Sealed {}
    impl<const N: usize> Sealed for [u64; N] {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Every {
        at: i128,
        count: i64,
        bits: f64,
        flag: bool,
        pair: [u64; 2],
        option: Option<[u64; 2]>,
        last: u64,
    }

    impl Words for Every {
        type Row = [u64; 11];

        fn put(&self, row: &mut Put<'_>) {
            row.i128(self.at);
            row.i64(self.count);
            row.f64(self.bits);
            row.bool(self.flag);
            row.value(&self.pair);
            row.option(self.option.as_ref());
            row.u64(self.last);
        }

        fn take(row: &mut Take<'_>) -> Self {
            Self {
                at: row.i128(),
                count: row.i64(),
                bits: row.f64(),
                flag: row.bool(),
                pair: row.value(),
                option: row.option(),
                last: row.u64(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_value_survives_the_journey(
            at: i128, count: i64, flag: bool, pair: [u64; 2], option: Option<[u64; 2]>, last: u64,
        ) {
            let value = Every { at, count, bits: -0.0, flag, pair, option, last };
            let back: Every = from_row(&to_row(&value));
            prop_assert_eq!(back, value);
            prop_assert!(back.bits.is_sign_negative());
        }

        #[test]
        fn every_bit_of_a_float_survives(bits: u64) {
            let mut row = [0];
            Put(row.iter_mut()).f64(f64::from_bits(bits));
            prop_assert_eq!(Take(row.iter()).f64().to_bits(), bits);
        }
    }

    #[derive(Debug, Clone, Copy)]
    struct Careless<const PUT: usize, const TAKE: usize>;

    impl<const PUT: usize, const TAKE: usize> Words for Careless<PUT, TAKE> {
        type Row = [u64; 2];

        fn put(&self, row: &mut Put<'_>) {
            (0..PUT).for_each(|_| row.u64(7));
        }

        fn take(row: &mut Take<'_>) -> Self {
            (0..TAKE).for_each(|_| _ = row.u64());
            Self
        }
    }

    #[test]
    #[should_panic(expected = "`put` fills")]
    fn a_row_left_short_is_refused() {
        to_row(&Careless::<1, 2>);
    }

    #[test]
    #[should_panic(expected = "`put` stays within")]
    fn a_row_overfilled_is_refused() {
        to_row(&Careless::<3, 2>);
    }

    #[test]
    #[should_panic(expected = "`take` spends")]
    fn a_row_half_read_is_refused() {
        from_row::<Careless<2, 1>>(&[7, 7]);
    }

    #[test]
    #[should_panic(expected = "`take` stays within")]
    fn a_row_overread_is_refused() {
        from_row::<Careless<2, 3>>(&[7, 7]);
    }
}
