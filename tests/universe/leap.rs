//! Leap seconds as a client sees them: what it is told at each second around one, in every mode.
//!
//! The table that [`the_seconds_around_a_leap_second`] prints is that of `docs/leap.md`.

use maser::event::EventKind;
use maser::sim::{Universe, World};
use maser::state::LeapCount;
use maser::time::{Duration, LeapIndicator, SmearShape, Timestamp, Utc};
use maser::wire::ntp::Header;

use super::{CLOCK, faults, outcome, universe};

/// 2027-01-01T00:00:00Z.
const MIDNIGHT: Timestamp<Utc> = Timestamp::from_seconds(1_798_761_600);

/// A node with a reference clock, ten minutes before a leap second.
fn world(node: &str, deleted: bool, start: &str, duration: &str) -> Universe {
    disturbed(node, deleted, (start, duration), "")
}

/// The same with something that happens.
fn disturbed(node: &str, deleted: bool, (start, duration): (&str, &str), event: &str) -> Universe {
    let leap = format!(
        "start = \"{start}\"\nduration = \"{duration}\"\n\
         leap = {{ before = \"2027-01-01T00:00:00Z\", deleted = {deleted} }}"
    );
    let text = CLOCK.replace("duration = \"20min\"", &leap);
    let text = text.replacen("[[node.source]]", &format!("{node}\n[[node.source]]"), 1);
    universe(&format!("{text}\n{event}\n"))
}

/// Half a second before and after the seconds around midnight, as the universe counts.
fn told(node: &str, deleted: bool) -> Vec<(Header, Timestamp<Utc>)> {
    let universe = world(node, deleted, "2026-12-31T23:50:00Z", "20min");
    let mut world = World::new(&universe, 1);
    let halves = if deleted { [-5, -3, -1, 1, 3] } else { [-3, -1, 1, 3, 5] };
    halves
        .map(|halves| {
            world.run_until(MIDNIGHT + Duration::from_millis(500 * halves));
            let header = world.ask(0).expect("an answer");
            (header, header.transmit.near(MIDNIGHT))
        })
        .to_vec()
}

/// Seconds from midnight, to a hundredth.
fn from_midnight(utc: Timestamp<Utc>) -> f64 {
    ((utc - MIDNIGHT).seconds() * 100.0).round() / 100.0
}

fn dispersion(header: &Header) -> f64 {
    header.root_dispersion.duration().seconds()
}

/// Name, keys of the node; the indicators, T3 from midnight and the strata that are expected.
type Row = (&'static str, &'static str, bool, [u8; 5], [f64; 5], [u8; 5]);

const ROWS: [Row; 11] = [
    ("software", "", false, [1, 1, 1, 0, 0], [-1.5, -0.5, -0.5, 0.5, 1.5], [1; 5]),
    ("software", "", true, [2, 2, 0, 0, 0], [-2.5, -1.5, 0.5, 1.5, 2.5], [1; 5]),
    ("kernel", "steered = true", false, [1, 1, 1, 0, 0], [-1.5, -0.5, -0.5, 0.5, 1.5], [1; 5]),
    ("kernel", "steered = true", true, [2, 2, 0, 0, 0], [-2.5, -1.5, 0.5, 1.5, 2.5], [1; 5]),
    (
        "step",
        "steered = true\nleap_mode = \"step\"",
        false,
        [1, 1, 1, 0, 0],
        [-1.5, -0.5, -0.5, 0.5, 1.5],
        [1; 5],
    ),
    (
        "step",
        "steered = true\nleap_mode = \"step\"",
        true,
        [2, 2, 0, 0, 0],
        [-2.5, -1.5, 0.5, 1.5, 2.5],
        [1; 5],
    ),
    (
        "slew",
        "steered = true\nleap_mode = \"slew\"",
        false,
        [1, 1, 0, 0, 0],
        [-1.5, -0.5, 0.46, 1.37, 2.29],
        [1; 5],
    ),
    (
        "slew",
        "leap_mode = \"slew\"",
        true,
        [2, 2, 0, 0, 0],
        [-2.5, -1.5, -0.46, 0.63, 1.71],
        [1; 5],
    ),
    (
        "ignore",
        "leap_mode = \"ignore\"",
        false,
        [1, 1, 3, 3, 3],
        [-1.5, -0.5, 0.5, 0.5, 1.5],
        [1, 1, 0, 0, 0],
    ),
    ("linear", "smear = \"linear\"", false, [0; 5], [-2.0, -1.0, 0.0, 1.0, 2.0], [1; 5]),
    ("cosine", "smear = \"cosine\"", false, [0; 5], [-2.0, -1.0, 0.0, 1.0, 2.0], [1; 5]),
];

#[test]
fn the_seconds_around_a_leap_second() {
    println!("mode      leap    LI / T3 / stratum / root dispersion at each second");
    for (name, keys, deleted, leaps, seconds, strata) in ROWS {
        let told = told(keys, deleted);
        let what = if deleted { "delete" } else { "insert" };
        let cells: Vec<String> = told
            .iter()
            .map(|(h, t3)| {
                format!(
                    "{} {:+.2} s{} {:.1e}",
                    h.leap.bits(),
                    from_midnight(*t3),
                    h.stratum,
                    dispersion(h)
                )
            })
            .collect();
        println!("{name:9} {what:7} {}", cells.join(" | "));
        let got: Vec<u8> = told.iter().map(|(h, _)| h.leap.bits()).collect();
        assert_eq!(got, leaps, "{name} {what}: leap indicators");
        let got: Vec<u8> = told.iter().map(|(h, _)| h.stratum).collect();
        assert_eq!(got, strata, "{name} {what}: strata");
        for (index, ((header, t3), want)) in told.iter().zip(seconds).enumerate() {
            let place = format!("{name} {what}, second {index}");
            assert!((from_midnight(*t3) - want).abs() < 0.025, "{place}: {}", from_midnight(*t3));
            if matches!(name, "linear" | "cosine") {
                assert_eq!(header.reference_id.0[0], 254, "{place}");
                assert!(dispersion(header) < 1e-3, "{place}");
                continue;
            }
            // UTC in the universe's count: the inserted second repeats.
            let utc = match (deleted, index) {
                (false, _) => [-1.5, -0.5, -0.5, 0.5, 1.5][index],
                (true, _) => [-2.5, -1.5, 0.5, 1.5, 2.5][index],
            };
            let error = ((*t3 - MIDNIGHT).seconds() - utc).abs();
            let distance = dispersion(header) + header.root_delay.duration().seconds() / 2.0;
            assert!(header.stratum == 0 || error <= distance, "{place}: {error} > {distance}");
            let is_slewed = matches!(name, "slew" | "ignore") && index >= 2;
            assert!(is_slewed || distance < 1e-3, "{place}: {distance}");
        }
    }
}

#[test]
fn every_mode_keeps_its_bound_and_counts_the_second_once() {
    for deleted in [false, true] {
        for steered in ["", "steered = true\n"] {
            for (mode, longest) in [("kernel", 1e-4), ("step", 1e-4), ("slew", 1.001)] {
                let keys = format!("{steered}leap_mode = \"{mode}\"");
                let universe = world(&keys, deleted, "2026-12-31T23:50:00Z", "20min");
                for seed in 1..=3 {
                    let outcome = maser::sim::run(&universe, seed, maser::sim::Keep::Series);
                    assert_eq!(faults(&outcome), "", "{keys} deleted {deleted} seed {seed}");
                    let late = &outcome.series[300..];
                    let max = late.iter().map(|look| look.error.abs()).fold(0.0, f64::max);
                    assert!(late.iter().all(|look| look.claimed), "{keys} deleted {deleted}");
                    assert!(max <= longest, "{keys} deleted {deleted}: {max}");
                    // A slew of a second at a twelfth takes twelve.
                    let after = &outcome.series[620..];
                    let max = after.iter().map(|look| look.error.abs()).fold(0.0, f64::max);
                    assert!(max < 1e-4, "{keys} deleted {deleted}: {max}");
                }
            }
        }
    }
}

#[test]
fn an_operators_lower_limit_is_kept_by_the_slew_too() {
    let keys = "leap_mode = \"slew\"\nslew_limit_ppm = 2000";
    let universe = world(keys, false, "2026-12-31T23:50:00Z", "30min");
    let outcome = maser::sim::run(&universe, 1, maser::sim::Keep::Series);
    assert_eq!(faults(&outcome), "");
    let error = |second: usize| outcome.series[second].error;
    // 1 s at 2000 ppm takes 500 s, with the holdover limit of 100 ms passed all the while.
    assert!((error(610) - 0.98).abs() < 0.01, "{}", error(610));
    assert!((error(850) - 0.5).abs() < 0.01, "{}", error(850));
    assert!(error(1150).abs() < 1e-3 && outcome.series[300..].iter().all(|look| look.claimed));
}

#[test]
fn the_kernels_own_step_is_nobody_elses() {
    let universe = world("steered = true", false, "2026-12-31T23:50:00Z", "20min");
    let mut world = World::new(&universe, 1);
    world.run();
    let told: Vec<EventKind> = world.told().iter().map(|(_, _, event)| event.kind).collect();
    let leap = EventKind::LeapSecond { inserted: true, count: LeapCount::ByKernel };
    assert_eq!(told.iter().filter(|kind| **kind == leap).count(), 1);
    assert!(told.contains(&EventKind::LeapAnnounced(LeapIndicator::Insert)));
    assert!(!told.iter().any(|kind| matches!(kind, EventKind::ClockDisturbed { .. })), "{told:?}");
    assert!(!told.iter().any(|kind| matches!(kind, EventKind::PhaseStep { .. })), "{told:?}");
}

#[test]
fn what_is_taken_back_is_disarmed_in_the_kernel_too() {
    for keys in ["", "steered = true", "steered = true\nleap_mode = \"step\""] {
        let text = CLOCK
            .replace(
                "duration = \"20min\"",
                "start = \"2026-12-31T23:50:00Z\"\nduration = \"20min\"",
            )
            .replacen("[[node.source]]", &format!("{keys}\n[[node.source]]"), 1);
        let wrong = "[[event]]\nat = 60\nuntil = 540\nwhat = \"receiver_fault\"\n\
                     receiver = \"clock\"\nfault = { wrong_leap = \"insert\" }";
        let text = format!("{text}\n{wrong}\n");
        let universe = universe(&text);
        let mut world = World::new(&universe, 1);
        world.run_until(MIDNIGHT - Duration::from_seconds(120));
        assert_eq!(world.ask(0).unwrap().leap, LeapIndicator::Insert, "{keys}");
        world.run_until(MIDNIGHT - Duration::from_seconds(30));
        assert_eq!(world.ask(0).unwrap().leap, LeapIndicator::None, "{keys}");
        world.run();
        let leapt =
            world.told().iter().any(|(_, _, e)| matches!(e.kind, EventKind::LeapSecond { .. }));
        assert!(!leapt, "{keys}");
        let outcome = outcome(&text, 1);
        assert!(outcome.series[300..].iter().all(|look| look.error.abs() < 1e-4), "{keys}");
    }
}

/// T3 of every answer, each with the universe's count.
fn polled(universe: &Universe, from: i64, to: i64, every: usize) -> Vec<(i64, Timestamp<Utc>)> {
    let mut world = World::new(universe, 1);
    (from..to)
        .step_by(every)
        .map(|second| {
            world.run_until(MIDNIGHT + Duration::from_seconds(second) + Duration::from_millis(300));
            let header = world.ask(0).expect("an answer");
            assert_eq!(header.leap, LeapIndicator::None, "{second}");
            assert_eq!(header.stratum, 1, "{second}");
            assert!(header.reference.near(MIDNIGHT) <= header.receive.near(MIDNIGHT), "{second}");
            let smeared = (-43_200..43_200).contains(&second);
            assert_eq!(header.reference_id.0[0] == 254, smeared, "{second}");
            (second, header.transmit.near(MIDNIGHT))
        })
        .collect()
}

#[test]
fn smeared_time_goes_on_from_noon_to_noon_in_every_mode() {
    for (keys, deleted) in [
        ("smear = \"linear\"", false),
        ("smear = \"cosine\"\nsteered = true", false),
        ("smear = \"linear\"\nsteered = true\nleap_mode = \"step\"", true),
    ] {
        let universe = world(keys, deleted, "2026-12-31T11:50:00Z", "25h");
        let answers = polled(&universe, -43_500, 44_000, 250);
        for pair in answers.windows(2) {
            let passed = (pair[1].1 - pair[0].1).seconds();
            let rate = passed / (pair[1].0 - pair[0].0) as f64 - 1.0;
            assert!(rate.abs() < 18.3e-6, "{keys} at {}: {rate:e}", pair[1].0);
        }
        let (first, last) = (answers[0], answers[answers.len() - 1]);
        let off = |(second, t3): (i64, Timestamp<Utc>)| from_midnight(t3) - second as f64 - 0.3;
        let want = if deleted { 1.0 } else { -1.0 };
        assert!(off(first).abs() < 0.02 && (off(last) - want).abs() < 0.02, "{keys}");
    }
}

/// What a smear has gained on UTC so many seconds after noon of its first day, s.
fn smear(shape: SmearShape, inserted: bool, passed: f64) -> f64 {
    let (sign, day) = if inserted { (-1.0, 86_401.0) } else { (1.0, 86_399.0) };
    let share = (passed / day).clamp(0.0, 1.0);
    let share = match shape {
        SmearShape::Linear => share,
        SmearShape::Cosine => (1.0 - libm::cos(std::f64::consts::PI * share)) / 2.0,
    };
    // UTC repeats the second before midnight, or leaves it out.
    let counted = passed >= if inserted { 43_200.0 } else { 43_199.0 };
    sign * share - if counted { sign } else { 0.0 }
}

#[test]
fn a_plain_and_a_smeared_address_of_one_server_tell_two_times() {
    for (keys, deleted) in [
        ("", false),
        ("", true),
        ("steered = true", false),
        ("steered = true", true),
        ("steered = true\nleap_mode = \"step\"", false),
    ] {
        let universe = world(keys, deleted, "2026-12-31T11:50:00Z", "25h");
        let mut world = World::new(&universe, 1);
        // Seconds after noon that passed: each hour, and each half second around midnight.
        let near = (-10..11).map(|halves| 43_200.25 + 0.5 * f64::from(halves));
        let hours = (0..25).map(|hour| 3600.0 * f64::from(hour) + 7.25);
        let mut all: Vec<f64> = near.chain(hours).chain([-300.0, 87_300.0]).collect();
        all.sort_by(f64::total_cmp);
        for passed in all {
            let at = Duration::from_seconds_f64(passed - 43_200.0);
            world.run_until(MIDNIGHT + at);
            let place = format!("{keys} deleted {deleted}, {passed} s after noon");
            let plain = world.ask_at(0, None).unwrap();
            let leapt = passed >= if deleted { 43_199.0 } else { 43_201.0 };
            let announced = match (leapt, deleted) {
                (true, _) => LeapIndicator::None,
                (false, false) => LeapIndicator::Insert,
                (false, true) => LeapIndicator::Delete,
            };
            assert_eq!(plain.leap, announced, "{place}");
            assert_eq!(&plain.reference_id.0, b"PPS\0", "{place}");
            for shape in [SmearShape::Linear, SmearShape::Cosine] {
                let smeared = world.ask_at(0, Some(shape)).unwrap();
                assert_eq!(smeared.leap, LeapIndicator::None, "{place}");
                assert_eq!(smeared.root_dispersion, plain.root_dispersion, "{place}");
                let under_way = (0.0..if deleted { 86_399.0 } else { 86_401.0 }).contains(&passed);
                assert_eq!(smeared.reference_id.0[0] == 254, under_way, "{place}");
                let apart = smeared.transmit.near(MIDNIGHT) - plain.transmit.near(MIDNIGHT);
                let want = smear(shape, !deleted, passed);
                // What the node's clock is off moves it along the curve.
                let off = (apart.seconds() - want).abs();
                assert!(off < 1e-9, "{place}, {shape:?}: {apart} {want}");
                if under_way {
                    let [_, x, y, z] = smeared.reference_id.0;
                    let told = i32::from_be_bytes([x, y, z, 0]) >> 8;
                    let told = f64::from(told) / 4_194_304.0;
                    assert!((told - want).abs() < 3e-7, "{place}, {shape:?}: {told} {want}");
                }
            }
        }
    }
}

#[test]
fn smeared_time_does_not_jump_at_the_leap_second_itself() {
    for keys in ["", "steered = true", "steered = true\nleap_mode = \"step\""] {
        for deleted in [false, true] {
            let keys = format!("smear = \"linear\"\n{keys}");
            let universe = world(&keys, deleted, "2026-12-31T23:50:00Z", "20min");
            let mut world = World::new(&universe, 1);
            let mut last: Option<Timestamp<Utc>> = None;
            let (mut silent, step) = (0, Duration::from_millis(7));
            world.run_until(MIDNIGHT - Duration::from_seconds(3));
            for index in 0..900i64 {
                world.run_until(MIDNIGHT - Duration::from_seconds(3) + step * index);
                let Some(header) = world.ask(0) else {
                    silent += 1;
                    last = last.map(|last| last + step);
                    continue;
                };
                let t3 = header.transmit.near(MIDNIGHT);
                if let Some(last) = last {
                    let off = (t3 - last - step).seconds().abs();
                    assert!(off < 1e-5, "{keys} deleted {deleted} {index}: {off}");
                }
                last = Some(t3);
            }
            // Where the clock itself is stepped back, a tenth of a second, twice, is ambiguous.
            assert!(silent <= 32, "{keys} deleted {deleted}: {silent}");
        }
    }
}

/// What each event told, from midnight on, s.
fn events(universe: &Universe, seed: u64) -> Vec<(f64, EventKind)> {
    let mut world = World::new(universe, seed);
    world.run();
    world.told().iter().map(|(at, _, event)| (*at - 600.0, event.kind)).collect()
}

#[test]
fn a_stranger_who_steps_the_clock_is_told_from_a_leap_second_that_is_slewed() {
    for (deleted, steered) in [(false, true), (true, true), (false, false)] {
        let keys = format!("steered = {steered}\nleap_mode = \"slew\"");
        stranger(&keys, deleted, LeapCount::Nobody);
    }
}

#[test]
fn a_stranger_who_steps_the_clock_does_not_hide_a_leap_second_that_is_counted() {
    for deleted in [false, true] {
        stranger("", deleted, LeapCount::InSoftware);
    }
}

#[test]
fn what_is_armed_comes_though_the_time_is_lost_before_it() {
    for (keys, count) in [
        ("", LeapCount::InSoftware),
        ("leap_mode = \"slew\"\nsteered = true", LeapCount::Nobody),
        ("steered = true", LeapCount::ByKernel),
    ] {
        // The receiver falls silent, and a stranger makes the time worthless, until a minute after.
        let event = "[[event]]\nat = 580\nuntil = 660\nwhat = \"receiver_fault\"\n\
                     receiver = \"clock\"\nfault = \"outage\"\n\
                     [[event]]\nat = 590\nwhat = \"step_clock\"\nnode = \"client\"\nby = 0.01";
        let universe = disturbed(keys, false, ("2026-12-31T23:50:00Z", "20min"), event);
        let mut world = World::new(&universe, 1);
        world.run_until(MIDNIGHT - Duration::from_seconds(2));
        assert_eq!(world.ask(0).unwrap().leap, LeapIndicator::Unknown, "{keys}");
        let told = events(&universe, 1);
        let leap = EventKind::LeapSecond { inserted: true, count };
        let leaps = told.iter().filter(|(at, kind)| *kind == leap && at.abs() < 0.1).count();
        assert_eq!(leaps, 1, "{keys}: {told:?}");
        let outcome = maser::sim::run(&universe, 1, maser::sim::Keep::Series);
        assert_eq!(faults(&outcome), "", "{keys}");
        let late = &outcome.series[1000..];
        assert!(late.iter().all(|look| look.claimed && look.error.abs() < 1e-4), "{keys}");
    }
}

/// Somebody steps the clock well before a leap second, in the two seconds before it, in the twelve of a
/// slew, just after them, and long after; by what a leap second does, too.
fn stranger(keys: &str, deleted: bool, count: LeapCount) {
    let moments = [-200.0, -1.2, -0.4, 0.3, 4.6, 13.4, 200.0];
    let steps = [-1.0, -0.3, 0.3, 1.0];
    for (at, by) in moments.into_iter().flat_map(|at| steps.map(|by| (at, by))) {
        let event = format!(
            "[[event]]\nat = {}\nwhat = \"step_clock\"\nnode = \"client\"\nby = {by}",
            600.0 + at,
        );
        let universe = disturbed(keys, deleted, ("2026-12-31T23:50:00Z", "20min"), &event);
        let place = format!("{keys} deleted {deleted}, {by} s at {at} s");
        let told = events(&universe, 1);
        let noticed = |(when, kind): &(f64, EventKind)| {
            let EventKind::ClockDisturbed { by: told } = kind else { return false };
            assert!((told.seconds() - by).abs() < 1e-3, "{place}: {told}");
            assert!((at..at + 2.1).contains(when), "{place}: at {when}");
            true
        };
        assert_eq!(told.iter().filter(|event| noticed(event)).count(), 1, "{place}");
        let leap = EventKind::LeapSecond { inserted: !deleted, count };
        let leaps: Vec<f64> =
            told.iter().filter(|(_, kind)| *kind == leap).map(|(at, _)| *at).collect();
        let due = if deleted { -1.0 } else { 0.0 };
        assert!(leaps.len() == 1 && (leaps[0] - due).abs() < 0.05, "{place}: {leaps:?}");
        let outcome = maser::sim::run(&universe, 1, maser::sim::Keep::Series);
        assert_eq!(faults(&outcome), "", "{place}");
        for (second, look) in outcome.series.iter().enumerate().skip(300) {
            // Between the step and the next tick nobody can know.
            let known = !(at..at + 1.1).contains(&(second as f64 - 600.0));
            let off = look.error.abs();
            assert!(!known || off <= look.bound, "{place}: {off} > {} at {second}", look.bound);
        }
        let late = &outcome.series[1000..];
        let max = late.iter().map(|look| look.error.abs()).fold(0.0, f64::max);
        assert!(late.iter().all(|look| look.claimed) && max < 1e-4, "{place}: {max}");
    }
}
