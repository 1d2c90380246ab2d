//! What does a conversion of time cost: nanoseconds, NTP formats and floats to units and back?
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use core::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use maser::time::{Duration, Frequency, NtpShort, NtpTimestamp, Timestamp, Utc};

fn conversions(c: &mut Criterion) {
    let mut group = c.benchmark_group("timestamp");
    let nanos: i128 = 1_700_000_000_123_456_789;
    let instant = Timestamp::<Utc>::from_nanos(nanos);
    assert_eq!(instant.nanos(), nanos);
    group.bench_function("ns to units", |b| {
        b.iter(|| Timestamp::<Utc>::from_nanos(black_box(nanos)));
    });
    group.bench_function("units to ns", |b| b.iter(|| black_box(instant).nanos()));

    let stamp = NtpTimestamp::of(instant);
    group.bench_function("units to NTP", |b| b.iter(|| NtpTimestamp::of(black_box(instant))));
    group.bench_function("NTP to units, by a pivot", |b| {
        b.iter(|| black_box(stamp).near(black_box(instant)));
    });

    let span = Duration::from_nanos(123_456_789);
    group.bench_function("units to NTP short", |b| {
        b.iter(|| NtpShort::at_least(black_box(span)));
    });
    group.bench_function("f64 to units", |b| {
        b.iter(|| Duration::from_seconds_f64(black_box(0.123_456_789)));
    });
    group.bench_function("units to f64", |b| b.iter(|| black_box(span).seconds()));
    group.bench_function("what a rate gains in a span", |b| {
        let rate = Frequency::from_ppm(12.3);
        b.iter(|| black_box(rate).over(black_box(span)));
    });
    group.finish();
}

criterion_group!(benches, conversions);
criterion_main!(benches);
