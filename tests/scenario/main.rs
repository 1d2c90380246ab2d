//! The engine in a world where true time is known: an oscillator, a receiver, and a judge that holds
//! the served time against its own bound at every step.

mod hostile;
mod local;
mod mutation;
mod world;

use maser::engine::{Role, StepPolicy};
use maser::event::EventKind;
use maser::mitigation::Verdict;
use maser::sample::SourceId;
use maser::state::Phase;
use maser::time::{Duration, Frequency, LeapIndicator, LeapTable, TaiOffset, Timestamp};
use world::{Receiver, World, WorldPlan};

const TEXT: usize = 0;
const PULSE: usize = 1;

#[test]
fn a_receiver_leads_to_a_lock_within_fifteen_seconds_and_the_bound_holds() {
    for seed in 0..20 {
        for steered in [false, true] {
            let mut world = World::new(WorldPlan { seed, steered, ..WorldPlan::default() });
            world.run(15.0);
            assert_eq!(world.phase(), Phase::Locked, "seed {seed} steered {steered}");
            world.run(900.0);
            assert_eq!(world.violations, 0, "seed {seed} steered {steered}");
            assert_eq!(world.backwards, 0, "seed {seed} steered {steered}");
            let (median, p99) = world.error_quantiles(300.0);
            assert!(median < 3e-8 && p99 < 1.5e-7, "seed {seed}: {median:e} {p99:e}");
            assert!(world.bound_median(300.0) < 1.5e-6, "{:e}", world.bound_median(300.0));
            assert_eq!(world.verdict(PULSE), Verdict::PulsePeer);
            assert_eq!(world.verdict(TEXT), Verdict::Numbering);
            assert_eq!(world.state().stratum, 1);
            assert_eq!(world.steps(), 1);
        }
    }
}

#[test]
fn the_sawtooth_correction_has_the_right_sign() {
    let rms = |sawtooth: f64| {
        let receiver = Receiver { sawtooth, noise: 1e-9, ..Receiver::default() };
        let mut world = World::new(WorldPlan { receiver, wander: 1e-11, ..WorldPlan::default() });
        world.run(1200.0);
        world.jitter(PULSE)
    };
    let (as_sent, reversed, without) = (rms(1.0), rms(-1.0), rms(0.0));
    assert!(
        as_sent * 3.0 < without && without * 1.5 < reversed,
        "{as_sent:e} {without:e} {reversed:e}"
    );
}

#[test]
fn losing_the_receiver_is_holdover_and_its_return_no_jump() {
    let mut world = World::new(WorldPlan::default());
    world.run(900.0);
    world.receiver_mut().on = false;
    world.run(60.0);
    assert_eq!(world.phase(), Phase::Holdover);
    assert_eq!(world.state().stratum, 1);
    let early = world.bound_now();
    world.run(3600.0);
    assert_eq!(world.phase(), Phase::Holdover);
    assert!(world.bound_now() > early);
    world.receiver_mut().on = true;
    world.run(60.0);
    assert_eq!(world.phase(), Phase::Locked);
    assert_eq!((world.violations, world.backwards, world.steps()), (0, 0, 1));
}

#[test]
fn holdover_ends_at_the_declared_limit() {
    let mut plan = WorldPlan::default();
    plan.policy.holdover_limit = Duration::from_micros(20);
    let mut world = World::new(plan);
    world.run(900.0);
    world.receiver_mut().on = false;
    world.run(4.0 * 3600.0);
    assert_eq!(world.phase(), Phase::FreeRunning);
    assert_eq!(world.state().stratum, 16);
    world.receiver_mut().on = true;
    world.run(60.0);
    assert_eq!(world.phase(), Phase::Locked);
}

#[test]
fn text_alone_is_coarse_and_says_so() {
    let receiver = Receiver { pulses: false, ..Receiver::default() };
    let mut world = World::new(WorldPlan { receiver, ..WorldPlan::default() });
    world.run(600.0);
    assert_eq!(world.phase(), Phase::Locked);
    assert_eq!(world.verdict(TEXT), Verdict::SystemPeer);
    assert_eq!(world.violations, 0);
    assert!(world.bound_median(300.0) > 0.4, "{}", world.bound_median(300.0));
}

#[test]
fn pulses_alone_are_never_followed() {
    let receiver = Receiver { text: false, ..Receiver::default() };
    let mut world = World::new(WorldPlan { receiver, ..WorldPlan::default() });
    world.run(120.0);
    assert_eq!(world.verdict(PULSE), Verdict::Unnumbered);
    assert_eq!(world.state().stratum, 16);
    assert_eq!(world.steps(), 0);
}

#[test]
fn lost_late_and_wrong_text_does_not_disturb_the_count() {
    let receiver = Receiver { text_lost: 0.3, text_wrong: 0.1, ..Receiver::default() };
    let mut world = World::new(WorldPlan { receiver, ..WorldPlan::default() });
    world.run(3600.0);
    assert_eq!(world.phase(), Phase::Locked);
    assert_eq!(world.violations, 0);
    assert!(world.seen(|e| matches!(e, EventKind::WrongSecond { .. })));
    assert!(!world.seen(|e| matches!(e, EventKind::SecondLost { .. })));
}

#[test]
fn missing_doubled_and_wild_pulses_are_named_and_harmless() {
    let receiver =
        Receiver { pulse_lost: 0.1, pulse_doubled: 0.05, pulse_wild: 0.02, ..Receiver::default() };
    let mut world = World::new(WorldPlan { receiver, ..WorldPlan::default() });
    world.run(3600.0);
    assert_eq!(world.phase(), Phase::Locked);
    assert_eq!(world.violations, 0);
    let (_, p99) = world.error_quantiles(300.0);
    assert!(p99 < 2e-7, "{p99:e}");
    for (name, seen) in [
        ("missed", world.seen(|e| matches!(e, EventKind::PulseMissed { .. }))),
        ("doubled", world.seen(|e| matches!(e, EventKind::PulseDoubled { .. }))),
        ("rejected", world.seen(|e| matches!(e, EventKind::SampleRejected { .. }))),
    ] {
        assert!(seen, "{name}");
    }
}

#[test]
fn an_engine_that_stands_still_for_five_seconds_serves_on() {
    for steered in [false, true] {
        let mut world = World::new(WorldPlan { steered, ..WorldPlan::default() });
        world.run(300.0);
        for _ in 0..20 {
            world.stall(5.0);
            world.run(30.0);
        }
        assert_eq!(world.phase(), Phase::Locked);
        assert_eq!((world.violations, world.backwards), (0, 0), "steered {steered}");
        let lost = |e: &EventKind| {
            matches!(e, EventKind::SecondLost { .. } | EventKind::ClockDisturbed { .. })
        };
        assert!(!world.seen(lost));
    }
}

#[test]
fn a_slew_that_a_stall_lets_run_on_stays_inside_the_bound() {
    // The oscillator jumps, the estimate follows, and a slew is under way when the engine stops.
    for seed in 0..10 {
        let mut plan = WorldPlan { seed, steered: true, ..WorldPlan::default() };
        plan.policy.slew_limit = Frequency::from_ppm(100.0);
        let mut world = World::new(plan);
        world.run(300.0);
        world.oscillator_mut().jump(Duration::from_micros(400));
        // Until the step is believed nobody can know; what is judged begins with the slew.
        world.run(9.0);
        world.violations = 0;
        world.stall(8.0);
        world.run(60.0);
        assert_eq!(world.violations, 0, "seed {seed}");
        assert_eq!(world.phase(), Phase::Locked);
    }
}

#[test]
fn a_clock_moved_by_somebody_else_is_noticed_at_once() {
    for steered in [false, true] {
        for by in [10, -100, 450, 700_000, -5_000_000] {
            let mut world = World::new(WorldPlan { steered, ..WorldPlan::default() });
            world.run(300.0);
            world.disturb(Duration::from_micros(by));
            world.run(1.1);
            assert_eq!(world.state().stratum, 16, "steered {steered} by {by}");
            assert!(world.seen(|e| matches!(e, EventKind::ClockDisturbed { .. })));
            world.violations = 0;
            world.run(60.0);
            assert_eq!(world.phase(), Phase::Locked, "steered {steered} by {by}");
            assert_eq!(world.violations, 0, "steered {steered} by {by}");
            let (_, p99) = world.error_quantiles(30.0);
            assert!(p99 < 1e-6, "{p99:e}");
        }
    }
}

#[test]
fn a_leap_second_is_no_second_of_wrong_time() {
    let list = include_str!("../data/leap-seconds.list");
    // Five minutes before 2017-01-01, when a second was inserted.
    let mut world = World::new(WorldPlan {
        leaps: Some(LeapTable::parse(list).expect("the published list")),
        start: Timestamp::from_seconds(1_483_228_800 - 300),
        ..WorldPlan::default()
    });
    world.run(299.5);
    assert_eq!((world.phase(), world.state().leap), (Phase::Locked, LeapIndicator::Insert));
    // From the leap on, the receiver counts a second less than the world's seconds.
    world.receiver_mut().lie = -1;
    let before = world.error_now();
    // No tick lies between: what was published before counts the second itself.
    world.run(0.6);
    let after = world.error_now();
    assert!(before.abs() < 1e-6 && (after + 1.0).abs() < 1e-6, "{before} {after}");
    world.run(2.1);
    assert_eq!((world.phase(), world.state().leap), (Phase::Locked, LeapIndicator::None));
    assert!(world.seen(|e| matches!(e, EventKind::LeapSecond { inserted: true, .. })));
    world.run(30.0);
    assert_eq!((world.phase(), world.state().leap), (Phase::Locked, LeapIndicator::None));
    assert!(!world.seen(|e| matches!(e, EventKind::PhaseStep { .. })), "{}", world.story());
    let (median, _) = world.error_quantiles(10.0);
    assert!((median - 1.0).abs() < 1e-6, "served UTC is one second less: {median}");
}

#[test]
fn a_local_clock_that_finds_a_source_forgets_its_own_drift() {
    let mut plan = WorldPlan { local: Some(10), ..WorldPlan::default() };
    plan.receiver.on = false;
    let mut world = World::new(plan);
    world.run(400.0);
    assert_eq!(world.state().stratum, 10);
    world.receiver_mut().on = true;
    world.run(60.0);
    assert_eq!((world.phase(), world.state().stratum), (Phase::Locked, 1));
    let bound = world.state().bound(world.state().anchor + Duration::SECOND);
    assert!(bound < Duration::from_micros(20), "{bound}");
}

#[test]
fn pulses_that_no_text_will_ever_number_say_so() {
    let plan = WorldPlan { role: Role::Pulse { text: None }, ..WorldPlan::default() };
    let mut world = World::new(plan);
    world.run(60.0);
    assert_eq!(world.verdict(PULSE), Verdict::Unnumbered);
}

#[test]
fn a_rate_jump_is_followed() {
    let mut world = World::new(WorldPlan::default());
    world.run(1200.0);
    world.oscillator_mut().jump_frequency(Frequency::from_ppm(2.0));
    world.run(60.0);
    assert!(world.seen(|e| matches!(e, EventKind::FrequencyJump { .. })));
    world.run(300.0);
    let (_, p99) = world.error_quantiles(200.0);
    assert!(p99 < 3e-7, "{p99:e}");
    assert_eq!(world.phase(), Phase::Locked);
}

#[test]
fn a_slew_only_clock_never_steps_and_never_runs_backwards() {
    for offset in [-0.8, 0.8] {
        let mut plan = WorldPlan { offset, steered: true, ..WorldPlan::default() };
        plan.policy.step = StepPolicy::Never;
        let mut world = World::new(plan);
        world.run(60.0);
        assert_eq!(world.phase(), Phase::Locked);
        assert_eq!((world.steps(), world.backwards, world.violations), (0, 0, 0));
    }
}

#[test]
fn an_unplanned_hour_is_beyond_the_panic_limit() {
    let mut world = World::new(WorldPlan::default());
    world.run(300.0);
    // The receiver itself jumps: its labels and pulses agree on a wrong hour.
    world.receiver_mut().lie = 3600;
    world.run(300.0);
    assert!(world.seen(|e| matches!(e, EventKind::SecondLost { by: 3600 })));
    assert!(world.seen(|e| matches!(e, EventKind::Panic { .. })));
    assert_eq!(world.steps(), 1, "the clock was left alone");
    assert_ne!(world.state().stratum, 1);
}

#[test]
fn a_local_clock_is_served_when_nothing_better_is_known() {
    let plan = WorldPlan { local: Some(10), sources: false, ..WorldPlan::default() };
    let mut world = World::new(plan);
    world.run(10.0);
    assert_eq!((world.state().stratum, world.state().reference_id), (10, [127, 127, 1, 1]));
    assert!(world.bound_now() >= Duration::SECOND);
}

#[test]
fn marks_need_no_text_and_are_checked_against_it() {
    for text in [None, Some(SourceId(0))] {
        let receiver = Receiver { marks: true, text: text.is_some(), ..Receiver::default() };
        let plan = WorldPlan { receiver, role: Role::Pulse { text }, ..WorldPlan::default() };
        let mut world = World::new(plan);
        world.run(300.0);
        assert_eq!(world.phase(), Phase::Locked, "{text:?}");
        assert_eq!(world.violations, 0);
    }
}

#[test]
fn a_leap_second_list_announces_in_its_month_and_keeps_quiet_once_expired() {
    let list = include_str!("../data/leap-seconds.list");
    // 2016-12-15, 2017-01-15 and a day after the list's expiry in 2026.
    let days = [
        (1_481_760_000, LeapIndicator::Insert, 36),
        (1_484_438_400, LeapIndicator::None, 37),
        (1_782_691_200, LeapIndicator::None, 37),
    ];
    for (start, leap, tai) in days {
        let mut world = World::new(WorldPlan {
            leaps: Some(LeapTable::parse(list).expect("the published list")),
            start: Timestamp::from_seconds(start),
            ..WorldPlan::default()
        });
        world.run(60.0);
        assert_eq!(world.state().leap, leap, "{start}");
        assert_eq!(world.state().tai_offset, Some(TaiOffset(tai)), "{start}");
        let expired = world.seen(|e| matches!(e, EventKind::LeapTableExpired));
        assert_eq!(expired, start > 1_782_000_000, "{start}");
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed| {
        let mut world = World::new(WorldPlan { seed, ..WorldPlan::default() });
        world.run(600.0);
        (world.story(), format!("{:?}", world.state()))
    };
    assert_eq!(story(4), story(4));
    assert_ne!(story(4), story(5));
}
