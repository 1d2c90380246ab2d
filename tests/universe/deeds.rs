//! What a scenario can do to a world, each seen in what the judge or the engine tells.

use maser::event::EventKind;
use maser::sim::{Assumption, World, broken};

use super::{CLIENT, CLOCK, faults, outcome, universe};

/// A text with one more event.
fn with(text: &str, event: &str) -> String {
    format!("{text}\n[[event]]\n{event}\n")
}

/// Seconds, from the start, of the events that this is true of.
fn told(text: &str, what: impl Fn(&EventKind) -> bool) -> Vec<f64> {
    let universe = universe(text);
    let mut world = World::new(&universe, 1);
    world.run();
    world.told().iter().filter(|(_, _, event)| what(&event.kind)).map(|(at, _, _)| *at).collect()
}

#[test]
fn somebody_who_sets_the_clock_is_noticed_within_two_seconds() {
    for text in [CLIENT, CLOCK] {
        let text = with(text, "at = 700\nwhat = \"step_clock\"\nnode = \"client\"\nby = 1");
        let at = told(&text, |kind| matches!(kind, EventKind::ClockDisturbed { .. }));
        assert!(at.iter().any(|at| (700.0..702.0).contains(at)), "{at:?}");
        let outcome = outcome(&text, 1);
        assert_eq!(faults(&outcome), "");
        assert_eq!(outcome.broken()[0].assumption, Assumption::ClockUntouched);
        assert!(outcome.figures.recovery.unwrap() < 120.0, "{:?}", outcome.figures);
    }
}

#[test]
fn a_slew_by_somebody_else_is_noticed() {
    let event = "at = 700\nuntil = 710\nwhat = \"slew_clock\"\nnode = \"client\"\nby_ppm = 300";
    let at = told(&with(CLOCK, event), |k| matches!(k, EventKind::ClockDisturbed { .. }));
    assert!(at.iter().any(|at| (700.0..703.0).contains(at)), "{at:?}");
}

#[test]
fn a_machine_that_slept_knows_it_and_one_that_migrated_sees_it_in_its_samples() {
    let slept = "at = 600\nuntil = 660\nwhat = \"suspend\"\nnode = \"client\"\nby = 0.2";
    let at = told(&with(CLOCK, slept), |kind| matches!(kind, EventKind::ClockDisturbed { .. }));
    assert!(at.iter().any(|at| (660.0..662.5).contains(at)), "{at:?}");
    let outcome = outcome(&with(CLOCK, slept), 1);
    assert_eq!(faults(&outcome), "");
    let jumped = "at = 600\nwhat = \"jump_oscillator\"\nnode = \"client\"\nby = 0.2";
    let at = told(&with(CLOCK, jumped), |kind| {
        matches!(kind, EventKind::SampleRejected { .. } | EventKind::PhaseStep { .. })
    });
    assert!(at.iter().any(|at| (600.0..610.0).contains(at)), "{at:?}");
}

#[test]
fn a_stopped_process_answers_nobody_and_finds_its_packets_again() {
    let event = "at = 700\nuntil = 800\nwhat = \"stall\"\nnode = \"client\"";
    let (calm, stalled) = (outcome(CLIENT, 1), outcome(&with(CLIENT, event), 1));
    assert_eq!(faults(&stalled), "");
    assert_eq!(stalled.figures.coverage, Some(1.0));
    let (calm, stalled) = (calm.figures.requests_per_day, stalled.figures.requests_per_day);
    assert!(stalled.unwrap() < calm.unwrap() - 48.0 * 4.0, "{stalled:?} {calm:?}");
}

#[test]
fn a_blocked_link_is_holdover_and_the_bound_grows() {
    let event = "at = 700\nuntil = 1500\nwhat = \"block\"";
    let outcome = outcome(&with(CLIENT, event), 1);
    assert_eq!(faults(&outcome), "");
    assert_eq!(outcome.figures.coverage, Some(1.0));
    assert!(outcome.series[1490].bound > outcome.series[710].bound);
}

#[test]
fn a_server_that_steps_and_one_that_goes_silent_are_seen() {
    let step = with(CLIENT, "at = 700\nwhat = \"server_step\"\nserver = \"server\"\nby = 0.2");
    let at = told(&step, |kind| {
        matches!(kind, EventKind::SampleRejected { .. } | EventKind::PhaseStep { .. })
    });
    assert!(at.iter().any(|at| (700.0..760.0).contains(at)), "{at:?}");
    let silent = with(CLIENT, "at = 700\nwhat = \"server_silent\"\nserver = \"server\"");
    let at = told(&silent, |kind| matches!(kind, EventKind::Reach(false)));
    assert!(at.iter().any(|at| (700.0..900.0).contains(at)), "{at:?}");
}

#[test]
fn a_receiver_breaks_and_is_whole_again() {
    let event = "at = 300\nuntil = 600\nwhat = \"receiver_fault\"\nreceiver = \"clock\"";
    let missed = with(CLOCK, &format!("{event}\nfault = {{ missed_pulses = 1.0 }}"));
    let outcome = outcome(&missed, 1);
    assert_eq!(faults(&outcome), "");
    assert!(outcome.series[590].bound > 2.0 * outcome.series[290].bound);
    assert!(outcome.series[700].bound < outcome.series[590].bound);
}

#[test]
fn three_servers_of_which_one_lies_keep_every_assumption_and_two_liars_do_not() {
    let servers = |lies: [f64; 3]| {
        let mut text = CLIENT.split("[[node.source]]").next().unwrap().to_owned();
        for (index, lie) in lies.iter().enumerate() {
            text += &format!("[[node.source]]\nserver = \"s{index}\"\nminpoll = 4\nmaxpoll = 4\n");
            let _ = lie;
        }
        for (index, lie) in lies.iter().enumerate() {
            text += &format!(
                "[[server]]\nname = \"s{index}\"\nmodel = {{ offset = {lie:?} }}\n[[link]]\n\
                 from = \"client\"\nto = \"s{index}\"\nboth = {{ base = 1e-4, queueing = \
                 [{{ exponential = 1e-5 }}] }}\n"
            );
        }
        text
    };
    let one = outcome(&servers([0.0, 0.0, 0.1]), 1);
    assert!(one.broken().is_empty());
    assert_eq!((faults(&one).as_str(), one.figures.coverage), ("", Some(1.0)));
    assert_eq!(one.verdicts[2].1.name(), "falseticker");
    let two = outcome(&servers([0.0, 0.1, 0.1]), 1);
    assert_eq!(two.broken()[0].assumption, Assumption::HonestMajority);
    assert_eq!(faults(&two), "", "a lying majority is told");
    assert!(two.broken()[0].told.is_some());
}

#[test]
fn a_leap_second_is_applied_once_at_its_second() {
    let leap = r#"start = "2026-12-31T23:50:00Z"
leap = { before = "2027-01-01T00:00:00Z" }
duration = "20min""#;
    for text in
        [CLOCK.replace("duration = \"20min\"", leap), CLIENT.replace("duration = \"30min\"", leap)]
    {
        let at = told(&text, |kind| matches!(kind, EventKind::LeapSecond { inserted: true, .. }));
        assert!(at.len() == 1 && (600.0..602.0).contains(&at[0]), "{at:?}");
        let outcome = outcome(&text, 1);
        assert_eq!(faults(&outcome), "");
        assert!(broken(&universe(&text)).is_empty());
        let late = &outcome.series[900..];
        assert!(late.iter().all(|look| look.claimed && look.error.abs() < 1e-3));
    }
}
