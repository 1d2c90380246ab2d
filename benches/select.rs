//! What does it cost to select among 64 sources?
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use core::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use maser::mitigation::{Candidate, Verdict, select};
use maser::random::Random;
use maser::sample::SourceId;

fn among(c: &mut Criterion) {
    let mut group = c.benchmark_group("select");
    // A third of the sources at most lies; servers' intervals are weighed, not clustered.
    for (name, count, false_every, interval) in [
        ("4 reference clocks", 4, u8::MAX, false),
        ("64 reference clocks", 64, u8::MAX, false),
        ("64 reference clocks, 21 false", 64, 3, false),
        ("64 servers, 21 false", 64, 3, true),
    ] {
        let candidates = candidates(count, false_every, interval);
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(SourceId::COUNT_MAX);
        let selection = select(&candidates, None, &mut verdicts);
        let honest = (1..=count).filter(|n| n % false_every != 0).count();
        assert_eq!(selection.truechimers, honest, "{name}");
        group.bench_function(name, |b| {
            b.iter(|| select(black_box(&candidates), selection.system_peer, &mut verdicts));
        });
    }
    group.finish();
}

/// Intervals of 0.1 to 1 ms that hold the truth, and every so many one that lies 1 s and more away.
fn candidates(count: u8, false_every: u8, interval: bool) -> Vec<Candidate> {
    let mut random = Random::seeded(1);
    (0..count)
        .map(|n| {
            let distance = random.between(1e-4, 1e-3);
            let lie = if (n + 1) % false_every == 0 { 1.0 + f64::from(n) } else { 0.0 };
            Candidate {
                source: SourceId(n),
                offset: lie + random.between(-0.9, 0.9) * distance,
                rank: distance,
                distance,
                jitter: distance / 10.0,
                stratum: 1,
                prefer: false,
                trust: false,
                pulse: false,
                interval,
            }
        })
        .collect()
}

criterion_group!(benches, among);
criterion_main!(benches);
