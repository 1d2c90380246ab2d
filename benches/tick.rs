//! What does a tick of the engine cost, with nothing new and with a reading?
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use criterion::{Criterion, criterion_group, criterion_main};
use maser::engine::{Engine, Plan, Policy, Role, ServerPlan, SourcePlan};
use maser::random::Random;
use maser::sample::{Exchange, Reading, ReadingKind, SourceId};
use maser::sim::SimulatedClock;
use maser::source::pairing::Declared;
use maser::state::{Phase, State};
use maser::time::{Duration, Exponent, LeapIndicator, Raw, Timestamp};

fn tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("tick");
    let server =
        Role::Server(ServerPlan { poll_min: Exponent(0), poll_max: Exponent(10), delay_max: 3.0 });
    for (name, role) in [("mark", Role::Pulse { text: None }), ("exchange", server)] {
        let mut world = World::new(role);
        let settled = (0..1000).map(|_| world.second()).last();
        assert_eq!(settled.map(|state| state.phase), Some(Phase::Locked), "{name}");
        group.bench_function(format!("idle, after each {name}"), |b| {
            b.iter(|| world.tick_after(Duration::from_nanos(100)));
        });
        group.bench_function(format!("with one {name} a second"), |b| b.iter(|| world.second()));
    }
    group.finish();
}

/// A clock without a fault, and one source with a little noise.
struct World {
    engine: Engine<SimulatedClock>,
    role: Role,
    raw: Timestamp<Raw>,
    random: Random,
}

impl World {
    fn new(role: Role) -> Self {
        let raw = Timestamp::from_seconds(1_700_000_000);
        let engine = Engine::new(plan(role), SimulatedClock::new(raw, false));
        Self { engine, role, raw, random: Random::seeded(1) }
    }

    /// A tick, so much later than the last.
    fn tick_after(&mut self, later: Duration) -> State {
        self.raw = self.raw + later;
        self.engine.clock_mut().set_raw(self.raw);
        let state = self.engine.tick();
        while self.engine.poll_event().is_some() {}
        state
    }

    /// A second with one reading, and its tick.
    fn second(&mut self) -> State {
        let next = self.raw + Duration::SECOND;
        self.engine.clock_mut().set_raw(next);
        let stamp = self.engine.clock().system(next);
        let kind = match self.role {
            Role::Server(_) => ReadingKind::Exchange(self.exchange(next)),
            _ => {
                let noise = Duration::from_seconds_f64(self.random.normal() * 1e-7);
                let utc = next.corrected_by(noise);
                ReadingKind::Mark { utc, leap: LeapIndicator::None }
            }
        };
        self.engine.handle(&Reading { source: SourceId(0), stamp, kind });
        self.tick_after(Duration::SECOND)
    }

    /// 100 µs each way, and as much again of queueing.
    fn exchange(&mut self, at: Timestamp<Raw>) -> Exchange {
        let mut way = || Duration::from_seconds_f64(1e-4 + self.random.exponential() * 1e-4);
        let (there, back) = (way(), way());
        let sent = self.engine.clock().system(at - there - back);
        Exchange {
            sent,
            received: (at - back).read_as(),
            transmitted: (at - back).corrected_by(Duration::from_nanos(500)),
            leap: LeapIndicator::None,
            stratum: 1,
            reference_id: *b"GPS\0",
            root_delay: Duration::from_micros(1),
            root_dispersion: Duration::from_micros(1),
            precision: Exponent(-24),
            interleaved: false,
            reach: 0xff,
        }
    }
}

fn plan(role: Role) -> Plan {
    let source = SourcePlan {
        name: "source".to_owned(),
        reference_id: *b"PPS\0",
        stratum: 0,
        role,
        declared: Declared {
            offset: Duration::ZERO,
            uncertainty: 1e-6,
            quantization: 1e-9,
            grain: Duration::from_nanos(30),
            grain_corrected: 1e-9,
        },
        sigma: 1e-6,
        poll: Exponent(3),
        prefer: false,
        noselect: false,
        trust: false,
        distance_max: 3.0,
    };
    Plan {
        sources: vec![source],
        policy: Policy::default(),
        local: None,
        leaps: None,
        precision: Exponent(-24),
        reading: 3e-8,
    }
}

criterion_group!(benches, tick);
criterion_main!(benches);
