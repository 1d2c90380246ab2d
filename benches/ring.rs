//! What does one push and pop cost, next to `rtrb` and to a channel of the standard library?
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{Criterion, criterion_group, criterion_main};

/// The size of a sample.
type Value = [u64; 16];

fn push_and_pop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push and pop 16 words");
    let value: Value = std::array::from_fn(|n| n as u64);

    let (mut producer, mut consumer) = maser::pipe::ring::<Value>(64);
    group.bench_function("maser", |bencher| {
        bencher.iter(|| (producer.push(value), consumer.pop()));
    });

    let (mut producer, mut consumer) = rtrb::RingBuffer::<Value>::new(64);
    group.bench_function("rtrb", |bencher| {
        bencher.iter(|| (producer.push(value), consumer.pop()));
    });

    let (sender, receiver) = std::sync::mpsc::sync_channel::<Value>(64);
    group.bench_function("sync_channel", |bencher| {
        bencher.iter(|| (sender.try_send(value), receiver.try_recv()));
    });
}

criterion_group!(benches, push_and_pop);
criterion_main!(benches);
