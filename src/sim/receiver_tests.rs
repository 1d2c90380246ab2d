//! What a receiver brings, law by law and fault by fault; pinned bits.

use super::*;
use crate::sim::statistics::Series;
use crate::sim::{Announcement, Outlier, Queueing, Sawtooth, Wave};

const START: Timestamp<Utc> = Timestamp::from_seconds(1_700_000_000);
const ERA: i64 = 1024 * WEEK_SECONDS;

fn receiver(plan: &ReceiverPlan) -> Receiver {
    plan.check().unwrap();
    Receiver::new(plan, 3, START)
}

fn full() -> ReceiverPlan {
    ReceiverPlan { kind: ReceiverKind::PulsesAndText, ..ReceiverPlan::default() }
}

/// Everything of so many readings.
fn run(receiver: &mut Receiver, readings: u32) -> Vec<Emission> {
    (0..readings).flat_map(|_| receiver.next_reading()).collect()
}

/// Marks: stamp − what they tell, s.
fn mark_errors(plan: &ReceiverPlan, readings: u32) -> Vec<f64> {
    let mut receiver = receiver(plan);
    run(&mut receiver, readings)
        .iter()
        .map(|emission| match emission.kind {
            ReadingKind::Mark { utc, .. } => (emission.at - utc).seconds(),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Labels: what they tell, rounded true second of their stamp taken away.
fn label_errors(emissions: &[Emission]) -> Vec<i64> {
    let lag = |emission: &Emission| match emission.kind {
        ReadingKind::Label { utc } => Some(utc.seconds() - emission.at.seconds()),
        _ => None,
    };
    emissions.iter().filter_map(lag).collect()
}

fn pulses(emissions: &[Emission]) -> Vec<Timestamp<Utc>> {
    let pulse = |e: &&Emission| matches!(e.kind, ReadingKind::Pulse { .. });
    emissions.iter().filter(pulse).map(|e| e.at).collect()
}

fn rms(values: &[f64]) -> f64 {
    let mut series = Series::default();
    values.iter().for_each(|value| series.push(*value));
    series.rms().unwrap()
}

#[test]
fn without_any_key_marks_are_exact() {
    assert_eq!(mark_errors(&ReceiverPlan::default(), 100), [0.0; 100]);
}

#[test]
fn every_reading_comes_in_its_turn() {
    for rate in [1, 7, 16] {
        let mut receiver = receiver(&ReceiverPlan { rate, ..ReceiverPlan::default() });
        let mut due = receiver.due();
        assert_eq!(due, START);
        let times: Vec<Timestamp<Utc>> = (0..5 * rate)
            .map(|_| {
                let [only] = receiver.next_reading()[..] else { panic!() };
                assert!(only.at >= due && receiver.due() > only.at);
                due = receiver.due();
                only.at
            })
            .collect();
        assert_eq!(times.last(), Some(&(START + Duration::from_seconds(5))));
        let pause = 1.0 / f64::from(rate);
        assert!(times.windows(2).all(|t| ((t[1] - t[0]).seconds() - pause).abs() < 1e-15));
    }
}

#[test]
fn a_full_receiver_tells_correction_pulse_and_label() {
    let plan = ReceiverPlan {
        sawtooth: Some(Sawtooth { amplitude: 1.1e-8, step: 0.137 }),
        correction: Correction::Right,
        ..full()
    };
    let mut receiver = receiver(&plan);
    let first = receiver.next_reading();
    let second = START + Duration::from_seconds(1);
    let [correction, pulse, status, label] = first[..] else { panic!("{first:?}") };
    assert_eq!(correction.at, second - CORRECTION_AHEAD);
    assert_eq!(pulse.channel, Channel::Pulse);
    assert_eq!(pulse.kind, ReadingKind::Pulse { fraction: Duration::ZERO });
    assert!(matches!(status.kind, ReadingKind::Receiver(s) if s.fix == Fix::ThreeDimensional));
    assert_eq!(label.kind, ReadingKind::Label { utc: second });
    assert!((0.12..0.35).contains(&(label.at - second).seconds()));
    // Status is told once.
    assert_eq!(receiver.next_reading().len(), 3);
}

#[test]
fn corrections_take_the_tick_away_or_do_not() {
    let left = |correction| {
        let sawtooth = Some(Sawtooth { amplitude: 1.1e-8, step: 0.137 });
        let mut receiver = receiver(&ReceiverPlan { sawtooth, correction, ..full() });
        let errors: Vec<f64> = (0..2000)
            .map(|_| {
                let all = receiver.next_reading();
                let [pulse] = pulses(&all)[..] else { panic!() };
                let told = all.iter().find_map(|e| match e.kind {
                    ReadingKind::QuantizationError { error, second } => {
                        assert_eq!(second, Some(pulse.round_to_second()));
                        Some(error)
                    }
                    _ => None,
                });
                let corrected = pulse + told.unwrap_or(Duration::ZERO);
                (corrected - pulse.round_to_second()).seconds()
            })
            .collect();
        rms(&errors)
    };
    // A sawtooth's RMS is its amplitude over √3.
    let tick = 1.1e-8 / libm::sqrt(3.0);
    for (correction, want) in
        [(Correction::None, tick), (Correction::Idle, tick), (Correction::Reversed, 2.0 * tick)]
    {
        let got = left(correction);
        assert!((got / want - 1.0).abs() < 0.02, "{correction:?}: {got:e}");
    }
    assert!(left(Correction::Right) < 1e-15);
}

#[test]
fn errors_of_stamps_follow_their_laws() {
    let plan = ReceiverPlan::default;
    let noise = mark_errors(&ReceiverPlan { noise: 1e-6, ..plan() }, 50_000);
    assert!((rms(&noise) / 1e-6 - 1.0).abs() < 0.02);
    let late = vec![Queueing::Exponential(2e-6)];
    let late = mark_errors(&ReceiverPlan { late, ..plan() }, 50_000);
    assert!(late.iter().all(|e| *e >= 0.0));
    assert!((late.iter().sum::<f64>() / 5e4 / 2e-6 - 1.0).abs() < 0.03);
    let wave = Some(Wave { amplitude: 2e-8, period: 1000.0 });
    let wave = mark_errors(&ReceiverPlan { wave, ..plan() }, 10_000);
    assert!((rms(&wave) / (2e-8 / libm::sqrt(2.0)) - 1.0).abs() < 0.001);
    assert!((wave[249] - 2e-8).abs() < 1e-16 && wave[499].abs() < 1e-16);
    let outlier = Some(Outlier { probability: 0.01, size: 1e-2 });
    let wild = mark_errors(&ReceiverPlan { outlier, ..plan() }, 50_000);
    let [early, late] =
        [-1e-2, 1e-2].map(|at| wild.iter().filter(|e| (**e - at).abs() < 1e-9).count());
    assert!((200..300).contains(&early) && (200..300).contains(&late), "{early} {late}");
    assert_eq!(wild.iter().filter(|e| **e == 0.0).count(), 50_000 - early - late);
}

#[test]
fn what_is_added_leaves_the_noise_as_it_was() {
    let plain = mark_errors(&ReceiverPlan { noise: 1e-6, ..ReceiverPlan::default() }, 500);
    let mut with = receiver(&ReceiverPlan {
        noise: 1e-6,
        pulse_lost: 0.2,
        pulse_extra: 0.1,
        ..ReceiverPlan::default()
    });
    with.set(Fault::WrongSecond(1), true);
    let mut survivors = 0;
    for want in plain {
        let stamps = with.next_reading();
        let is_there = |e: &&Emission| {
            let off = (e.at - e.at.round_to_second()).seconds();
            (off - want).abs() < 1e-15
        };
        survivors += stamps.iter().filter(is_there).count();
    }
    assert!((370..430).contains(&survivors), "{survivors}");
}

#[test]
fn text_and_pulses_are_lost_doubled_and_wrong_as_often_as_planned() {
    let plan = ReceiverPlan {
        text_lost: 0.1,
        text_wrong: 0.05,
        pulse_lost: 0.2,
        pulse_extra: 0.3,
        ..full()
    };
    let all = run(&mut receiver(&plan), 20_000);
    let labels = label_errors(&all);
    assert!((17_800..18_200).contains(&labels.len()), "{}", labels.len());
    let wrong = labels.iter().filter(|by| **by == 1).count();
    assert!((800..1000).contains(&wrong), "{wrong}");
    assert_eq!(labels.iter().filter(|by| **by == 0).count(), labels.len() - wrong);
    let stamps = pulses(&all);
    let whole = stamps.iter().filter(|at| **at == at.round_to_second()).count();
    assert!((15_800..16_200).contains(&whole), "{whole}");
    assert!((5_800..6_200).contains(&(stamps.len() - whole)));
}

#[test]
fn kinds_bring_what_they_are_called() {
    let seen = |kind| {
        let all = run(&mut receiver(&ReceiverPlan { kind, ..ReceiverPlan::default() }), 10);
        let has = |what: fn(&ReadingKind) -> bool| all.iter().any(|e| what(&e.kind));
        [
            has(|kind| matches!(kind, ReadingKind::Mark { .. })),
            has(|kind| matches!(kind, ReadingKind::Pulse { .. })),
            has(|kind| matches!(kind, ReadingKind::Label { .. })),
        ]
    };
    assert_eq!(seen(ReceiverKind::Marks), [true, false, false]);
    assert_eq!(seen(ReceiverKind::Pulses), [false, true, false]);
    assert_eq!(seen(ReceiverKind::PulsesAndText), [false, true, true]);
    assert_eq!(seen(ReceiverKind::Text), [false, false, true]);
}

#[test]
fn an_outage_is_told_and_ends() {
    let mut receiver = receiver(&full());
    run(&mut receiver, 5);
    receiver.set(Fault::Outage, true);
    let dark = run(&mut receiver, 10);
    assert!(pulses(&dark).is_empty() && label_errors(&dark).is_empty());
    assert!(matches!(dark[1].kind, ReadingKind::Receiver(s) if s.fix == Fix::None));
    let refused = |e: &&Emission| e.kind == ReadingKind::Refused(Refusal::Invalid);
    assert!((3..=4).contains(&dark.iter().filter(refused).count()));
    receiver.set(Fault::Outage, false);
    let light = run(&mut receiver, 10);
    assert_eq!((pulses(&light).len(), label_errors(&light).len()), (10, 10));
    assert!(light.iter().any(|e| matches!(e.kind, ReadingKind::Receiver(s) if s.fix > Fix::None)));
}

#[test]
fn a_spoofer_moves_pulses_and_labels_alike() {
    let mut receiver = receiver(&full());
    run(&mut receiver, 5);
    receiver.set(Fault::Spoofed { by: 2.25, over: 0.0 }, true);
    let led = run(&mut receiver, 10);
    // The receiver's time is 2.25 s ahead: its seconds begin a quarter early.
    assert!(pulses(&led).iter().all(|at| at.subsec_nanos() == 750_000_000));
    let lags = led.iter().filter_map(|e| match e.kind {
        ReadingKind::Label { utc } => Some((utc - e.at).seconds()),
        _ => None,
    });
    assert!(lags.into_iter().all(|lag| (1.9..2.13).contains(&lag)));
    receiver.set(Fault::Spoofed { by: 2.25, over: 0.0 }, false);
    let free = run(&mut receiver, 10);
    assert!(pulses(&free).iter().all(|at| *at == at.round_to_second()));
    assert!(label_errors(&free).iter().all(|by| *by == 0));
}

#[test]
fn a_patient_spoofer_leads_it_away_evenly() {
    let mut receiver = receiver(&ReceiverPlan::default());
    run(&mut receiver, 5);
    receiver.set(Fault::Spoofed { by: -1e-3, over: 100.0 }, true);
    let errors: Vec<f64> = run(&mut receiver, 200)
        .iter()
        .map(|e| match e.kind {
            ReadingKind::Mark { utc, .. } => (utc - e.at).seconds(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(errors[0].abs() < 1e-9 && (errors[50] + 5e-4).abs() < 1e-5, "{}", errors[50]);
    assert!((errors[199] + 1e-3).abs() < 1e-12);
    assert!(errors.windows(2).all(|e| e[1] <= e[0] && e[0] - e[1] < 1.1e-5));
    assert!((receiver.spoofed_by() + 1e-3).abs() < 1e-12);
}

#[test]
fn wrong_seconds_add_up_and_pulses_stay() {
    let mut receiver = receiver(&full());
    receiver.set(Fault::WrongUtcOffset(18), true);
    assert!(label_errors(&run(&mut receiver, 3)).iter().all(|by| *by == 18));
    receiver.set(Fault::WrongSecond(-1), true);
    let all = run(&mut receiver, 3);
    assert!(label_errors(&all).iter().all(|by| *by == 17));
    assert!(pulses(&all).iter().all(|at| *at == at.round_to_second()));
    receiver.set(Fault::WrongUtcOffset(18), false);
    receiver.set(Fault::WrongSecond(-1), false);
    receiver.leap(-1);
    assert!(label_errors(&run(&mut receiver, 3)).iter().all(|by| *by == -1));
}

#[test]
fn old_weeks_are_moved_in_text_and_stand_in_marks() {
    let mut text = receiver(&full());
    run(&mut text, 2);
    text.set(Fault::WeekRollover, true);
    let all = run(&mut text, 3);
    // The driver knows that the date has passed and adds what is missing.
    assert!(label_errors(&all).iter().all(|by| *by == 0));
    let told = |e: &&Emission| e.kind == ReadingKind::Rollover { eras: 1 };
    assert_eq!(all.iter().filter(told).count(), 1);
    let mut marks = receiver(&ReceiverPlan::default());
    marks.set(Fault::WeekRollover, true);
    let [mark] = marks.next_reading()[..] else { panic!() };
    let ReadingKind::Mark { utc, .. } = mark.kind else { panic!() };
    assert_eq!(mark.at - utc, Duration::from_seconds(ERA));
}

#[test]
fn a_wrong_leap_is_announced_and_taken_back() {
    let leaps = |all: &[Emission]| -> Vec<LeapIndicator> {
        let leap = |e: &Emission| match e.kind {
            ReadingKind::Receiver(status) => Some(status.leap),
            ReadingKind::Mark { leap, .. } => Some(leap),
            _ => None,
        };
        all.iter().filter_map(leap).collect()
    };
    let mut text = receiver(&full());
    run(&mut text, 2);
    text.set(Fault::WrongLeap(Announcement::Insert), true);
    assert_eq!(leaps(&run(&mut text, 5)), [LeapIndicator::Insert]);
    text.set(Fault::WrongLeap(Announcement::Insert), false);
    assert_eq!(leaps(&run(&mut text, 5)), [LeapIndicator::None]);
    let mut marks =
        receiver(&ReceiverPlan { leap: Announcement::Delete, ..ReceiverPlan::default() });
    assert_eq!(leaps(&run(&mut marks, 2)), [LeapIndicator::Delete; 2]);
}

#[test]
fn faults_of_pulses_and_text_come_and_go() {
    let mut receiver = receiver(&full());
    receiver.set(Fault::MissedPulses(1.0), true);
    assert!(pulses(&run(&mut receiver, 5)).is_empty());
    receiver.set(Fault::MissedPulses(1.0), false);
    receiver.set(Fault::ExtraPulses(1.0), true);
    assert_eq!(pulses(&run(&mut receiver, 5)).len(), 10);
    receiver.set(Fault::ExtraPulses(1.0), false);
    receiver.set(Fault::WrongEdge(0.1), true);
    assert!(pulses(&run(&mut receiver, 5)).iter().all(|at| at.subsec_nanos() / 1000 == 100_000));
    receiver.set(Fault::WrongEdge(0.1), false);
    receiver.set(Fault::TextLate(1.0), true);
    let late = run(&mut receiver, 5);
    assert_eq!(label_errors(&late), [-1; 5]);
    assert!(pulses(&late).iter().all(|at| *at == at.round_to_second()));
    receiver.set(Fault::TextLate(1.0), false);
    receiver.set(Fault::TextMissing, true);
    assert!(run(&mut receiver, 5).iter().all(|e| e.channel == Channel::Pulse));
}

#[test]
fn the_readings_of_a_seed_are_fixed() {
    let plan = ReceiverPlan {
        noise: 1e-7,
        late: vec![Queueing::Exponential(1e-6)],
        sawtooth: Some(Sawtooth { amplitude: 1.1e-8, step: 0.137 }),
        ..full()
    };
    let got: Vec<i128> =
        run(&mut receiver(&plan), 3).iter().map(|e| (e.at - START).units()).collect();
    assert_eq!(got, PINNED);
}

#[test]
fn plans_and_faults_are_read_and_checked() {
    let read = |text: &str| serde_json::from_str::<ReceiverPlan>(text);
    let plan = read(r#"{"kind": "pulses_and_text", "sawtooth": {"amplitude": 1e-8}}"#).unwrap();
    assert_eq!((plan.kind, plan.check()), (ReceiverKind::PulsesAndText, Ok(())));
    assert!(read(r#"{"kind": "sundial"}"#).unwrap_err().to_string().contains("marks"));
    assert!(read(r#"{"nois": 1}"#).is_err());
    let refused = |text: &str| read(text).unwrap().check().unwrap_err().to_string();
    assert!(refused(r#"{"kind": "text", "rate": 16}"#).starts_with("rate: is 16;"));
    assert!(refused(r#"{"text_delay": [0.5, 0.1]}"#).starts_with("text_delay: is 0.1;"));
    let fault = |text: &str| serde_json::from_str::<Fault>(text).unwrap();
    assert_eq!(fault(r#""outage""#), Fault::Outage);
    assert_eq!(fault(r#"{"spoofed": {"by": 1e-3}}"#), Fault::Spoofed { by: 1e-3, over: 0.0 });
    assert_eq!(fault(r#"{"wrong_leap": "insert"}"#), Fault::WrongLeap(Announcement::Insert));
    assert!(fault(r#"{"missed_pulses": 2}"#).check().unwrap_err().reason.contains("probability"));
    assert!(fault(r#"{"spoofed": {"by": 1, "over": -1}}"#).check().is_err());
}

const PINNED: [i128; 7] = [
    18446792960042845808,
    23252000966771220480,
    23252000966771220480,
    36893529960744001076,
    42050208630976751616,
    55340246213866888242,
    61678213657079394304,
];
