//! What does one simulated hour cost: polls at 64 s, pulses at 1 Hz, a PHC at 16 Hz?

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use maser::config::scenario;
use maser::sim::{Keep, run};

fn hour(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hour");
    group.sample_size(10);
    for (name, text) in [
        ("polls-64s", include_str!("../config/scenarios/a1.toml")),
        ("pulses-1hz", include_str!("../config/scenarios/d1-1e-7.toml")),
        ("phc-16hz", include_str!("../config/scenarios/d4.toml")),
    ] {
        let text: String = text.lines().map(one_hour).collect();
        let universe = scenario::parse(name, &text).expect("a scenario of ours");
        group.bench_function(name, |b| {
            b.iter(|| black_box(run(&universe, 1, Keep::Figures)));
        });
    }
    group.finish();
}

/// The scenario's line, but for its length.
fn one_hour(line: &str) -> String {
    match line.split_once('=').map(|(key, _)| key.trim()) {
        Some("duration") => "duration = \"1h\"\n".to_owned(),
        _ => format!("{line}\n"),
    }
}

criterion_group!(benches, hour);
criterion_main!(benches);
