//! Readings as no sane driver makes them: whatever comes, the engine neither panics nor publishes a
//! state that makes no sense.

use maser::engine::Engine;
use maser::random::Random;
use maser::sample::{Fix, Reading, ReadingKind, ReceiverStatus, Refusal, SourceId};
use maser::sim::SimulatedClock;
use maser::time::{Duration, LeapIndicator, System, Timestamp, Utc};
use proptest::prelude::*;

use crate::world::{WorldPlan, plan_of};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_that_comes_makes_nonsense(seed: u64, steered: bool, readings in 1usize..400) {
        let mut random = Random::seeded(seed);
        let mut raw = Timestamp::from_seconds(1_700_000_000);
        let plan = WorldPlan { steered, ..WorldPlan::default() };
        let mut engine = Engine::new(plan_of(&plan), SimulatedClock::new(raw, steered));
        for _ in 0..readings {
            raw = raw + Duration::from_seconds_f64(random.between(0.0, 1.5));
            engine.clock_mut().set_raw(raw);
            let now = engine.clock().system(raw);
            engine.handle(&reading(&mut random, now));
            if random.uniform() < 0.5 {
                let state = engine.tick();
                prop_assert!(state.bound(now) > Duration::ZERO);
                prop_assert!(state.ledger(now).sum().is_finite(), "{:?}", state);
                prop_assert!((1..=16).contains(&state.stratum));
                prop_assert!(state.frequency.ratio().is_finite());
            }
        }
    }
}

fn reading(random: &mut Random, now: Timestamp<System>) -> Reading {
    let source = SourceId((random.bits() % 4) as u8);
    let stamp = if random.uniform() < 0.8 { now } else { Timestamp::from_units(wild(random)) };
    // Mostly what a receiver would say, so that counts and estimates get under way.
    let second: Timestamp<Utc> = stamp.round_to_second().read_as();
    let utc = if random.uniform() < 0.8 { second } else { Timestamp::from_units(wild(random)) };
    let kind = match random.bits() % 8 {
        0 => ReadingKind::Mark { utc, leap: LeapIndicator::from_bits((random.bits() % 4) as u8) },
        1 | 2 => ReadingKind::Pulse { fraction: stamp - stamp.round_to_second() },
        3 => ReadingKind::Pulse { fraction: Duration::from_units(wild(random)) },
        4 | 5 => ReadingKind::Label { utc },
        6 => ReadingKind::QuantizationError {
            error: Duration::from_units(wild(random)),
            second: (random.uniform() < 0.5).then_some(utc),
        },
        _ if random.uniform() < 0.5 => ReadingKind::Receiver(ReceiverStatus {
            fix: Fix::None,
            leap: LeapIndicator::Delete,
            ..ReceiverStatus::default()
        }),
        _ => ReadingKind::Refused(Refusal::Clash),
    };
    Reading { source, stamp, kind }
}

/// Any size from a unit to the ends of the range.
fn wild(random: &mut Random) -> i128 {
    let bits = i128::from(random.bits()) << 64 | i128::from(random.bits());
    bits >> (random.bits() % 127)
}
