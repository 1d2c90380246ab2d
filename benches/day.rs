//! Does a simulated day cost no more than is promised: polls at 64 s less than 0.3 s, pulses at 1
//! Hz less than 2 s, a PHC at 16 Hz less than 30 s?

use std::hint::black_box;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use maser::config::scenario;
use maser::sim::{Keep, run};

fn day(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("day");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (name, text) in [
        ("polls-64s, promised 0.3 s", include_str!("../config/scenarios/a1.toml")),
        ("pulses-1hz, promised 2 s", include_str!("../config/scenarios/d1-1e-7.toml")),
        ("phc-16hz, promised 30 s", include_str!("../config/scenarios/d4.toml")),
    ] {
        let text = text.replacen("duration = \"26h\"", "duration = \"24h\"", 1);
        assert!(text.contains("\"24h\""), "{name}: another length than it had");
        let universe = scenario::parse(name, &text).expect("a scenario of ours");
        group.bench_function(name, |b| {
            b.iter(|| black_box(run(&universe, 1, Keep::Figures)));
        });
    }
    group.finish();
}

criterion_group!(benches, day);
criterion_main!(benches);
