//! What does one read of the published state cost, next to a mutex?
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::sync::Mutex;

use criterion::{Criterion, criterion_group, criterion_main};

/// The size of the published state.
type Value = [u64; 32];

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read 32 words");
    let value: Value = std::array::from_fn(|n| n as u64);

    let (_publisher, reader) = maser::pipe::snapshot(value);
    group.bench_function("maser", |bencher| bencher.iter(|| reader.read()));

    let mutex = Mutex::new(value);
    group.bench_function("mutex", |bencher| {
        bencher.iter(|| *mutex.lock().expect("no other thread"));
    });
}

criterion_group!(benches, read);
criterion_main!(benches);
