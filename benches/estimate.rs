//! What does one sample cost the estimator: of a reference clock, and of a server?
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{Criterion, criterion_group, criterion_main};
use maser::discipline::Polls;
use maser::discipline::estimator::{Estimator, Exchanged, Observation, Outcome};
use maser::random::Random;
use maser::sample::SourceId;
use maser::time::{Duration, Exponent, Raw, Timestamp};

fn one_sample(c: &mut Criterion) {
    let mut group = c.benchmark_group("estimate");
    let kinds: [(&str, Measure); 2] = [("refclock", World::observe), ("exchange", World::exchange)];
    for (kind, sample) in kinds {
        for sources in [1, 4] {
            let mut world = World::new(sources);
            let taken = (0..2000).filter(|_| is_taken(sample(&mut world))).count();
            assert!(taken > 1900, "{kind}: {taken} of 2000");
            group.bench_function(format!("{kind}, one of {sources}"), |b| {
                b.iter(|| sample(&mut world));
            });
            group.bench_function(format!("estimate read, after {kind} of {sources}"), |b| {
                b.iter(|| world.estimator.estimate(world.now));
            });
        }
    }
    group.finish();
}

/// Takes the next sample of its kind.
type Measure = fn(&mut World) -> Outcome;

fn is_taken(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Accepted | Outcome::Listened)
}

/// A clock without a fault, whose sources take turns: one sample a second.
struct World {
    estimator: Estimator,
    sources: u8,
    turn: u8,
    now: Timestamp<Raw>,
    random: Random,
}

impl World {
    fn new(sources: u8) -> Self {
        Self {
            estimator: Estimator::default(),
            sources,
            turn: 0,
            now: Timestamp::from_seconds(1_700_000_000),
            random: Random::seeded(1),
        }
    }

    fn next(&mut self) -> SourceId {
        self.now = self.now + Duration::SECOND;
        self.turn = (self.turn + 1) % self.sources;
        SourceId(self.turn)
    }

    fn observe(&mut self) -> Outcome {
        let source = self.next();
        let offset = Duration::from_seconds_f64(self.random.normal() * 1e-7);
        self.estimator.take(&Observation {
            source,
            at: self.now,
            offset,
            sigma: 1e-7,
            quantization: 0.0,
            sawtooth: 0.0,
        })
    }

    /// 100 µs each way, and as much again of queueing.
    fn exchange(&mut self) -> Outcome {
        let source = self.next();
        let mut way = || Duration::from_seconds_f64(1e-4 + self.random.exponential() * 1e-4);
        let (there, back) = (way(), way());
        let polls = Polls { min: Exponent(0), max: Exponent(10) };
        self.estimator.exchange(&Exchanged {
            error: 0.0,
            source,
            at: self.now,
            there,
            back,
            polls,
            steers: true,
        })
    }
}

criterion_group!(benches, one_sample);
criterion_main!(benches);
