//! Every value that crosses threads comes back as it went.

use super::*;
use crate::pipe::{ring, snapshot};

fn through<T: Words>(value: T) -> T {
    let (mut producer, mut consumer) = ring::<T>(1);
    assert!(producer.push(value).is_ok());
    let popped = consumer.pop().unwrap();
    snapshot(popped).1.read()
}

fn instant<S: Scale>() -> Timestamp<S> {
    Timestamp::from_units(-0x1234_5678_9abc_def0_1111_2222_3333)
}

#[test]
fn every_reading_comes_back() {
    let duration = Duration::from_units(-77 << 60);
    let mut kinds = vec![
        ReadingKind::Pulse { fraction: duration },
        ReadingKind::Label { utc: instant() },
        ReadingKind::Rollover { eras: 3 },
        ReadingKind::Polled { reach: 0o201 },
        ReadingKind::Kissed { code: *b"RATE" },
        ReadingKind::Exchange(Exchange {
            sent: instant(),
            received: instant(),
            transmitted: Timestamp::from_units(1),
            leap: LeapIndicator::Unknown,
            stratum: 15,
            reference_id: [1, 2, 3, 255],
            root_delay: duration,
            root_dispersion: Duration::from_units(2),
            precision: Exponent(-29),
            interleaved: true,
            reach: 0o377,
        }),
        ReadingKind::QuantizationError { error: duration, second: None },
        ReadingKind::QuantizationError { error: duration, second: Some(instant()) },
        ReadingKind::Receiver(ReceiverStatus {
            fix: Fix::ThreeDimensional,
            satellites_used: 12,
            satellites_in_view: 255,
            leap: LeapIndicator::Delete,
        }),
    ];
    kinds.extend(
        (0..4)
            .map(|bits| ReadingKind::Mark { utc: instant(), leap: LeapIndicator::from_bits(bits) }),
    );
    kinds.extend(Refusal::ALL.map(ReadingKind::Refused));
    for kind in kinds {
        let reading = Reading { source: SourceId(63), stamp: instant(), kind };
        assert_eq!(through(reading), reading);
    }
}

#[test]
fn a_state_comes_back() {
    let terms = Term::ALL.into_iter().zip(1u8..);
    let state = State {
        phase: Phase::Holdover,
        anchor: instant(),
        correction: Duration::from_units(-5),
        slew: Frequency::from_ppm(3.0),
        slew_span: Duration::SECOND,
        fixed: terms.fold(ErrorTerms::NONE, |e, (t, v)| e.with(t, f64::from(v))),
        noise: NoiseGrowth {
            phase: 1.0,
            cross: 2.0,
            frequency: 3.0,
            wander: 4.0,
            ageing: 4.5,
            apart: 5.0,
            apart_rate: 6.0,
            factor: 7.0,
            ceiling_rate: 8.0,
            floor: 9.0,
            floor_rate: 10.0,
            age: 11.0,
        },
        reference_id: *b"GPS\0",
        reference_time: Some(instant()),
        leap: LeapIndicator::Delete,
        leap_at: Some(instant()),
        leap_count: LeapCount::ByKernel,
        smear: Some(Smear {
            from: instant(),
            start: 0.25,
            counted: true,
            ..Smear::whole(LeapSecond { before: Timestamp::from_seconds(5), inserted: true })
        }),
        tai_offset: Some(TaiOffset(-37)),
        precision: Exponent(-24),
        selected: Some(SourceId(9)),
        samples: u64::MAX,
        ..State::default()
    };
    assert_eq!(through(state), state);
    assert_eq!(through(State::default()), State::default());
}

#[test]
fn a_memory_comes_back() {
    let mut memory = Memory {
        frequency: Frequency::from_ppm(-3.0),
        frequency_sigma: 1.0,
        wander: 2.0,
        ageing: -3.0,
        ageing_sigma: 4.0,
        ..Memory::default()
    };
    for id in (0..64).map(SourceId) {
        memory.set_noise(id, 5.0 + f64::from(id.0));
    }
    assert_eq!(through(memory), memory);
}

#[test]
fn a_report_comes_back() {
    let report = SourceReport {
        source: SourceId(7),
        verdict: Verdict::PulsePeer,
        reach: 0o377,
        last_sample: Some(instant()),
        offset: Duration::from_units(-3),
        distance: 1e-6,
        root_distance: 2e-5,
        jitter: 2e-8,
        errors: ErrorTerms::NONE.with(Term::Serial, 0.5),
        samples: 1,
        believed: 2,
        rejected: 3,
        refused: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        text_delay: -1.0,
        poll: 64.0,
        delay: 1e-3,
        stratum: 2,
        receiver: ReceiverStatus::default(),
    };
    assert_eq!(through(report), report);
}

#[test]
fn every_event_comes_back() {
    let by = Duration::from_units(-(1 << 100));
    let mut kinds = vec![
        EventKind::Reach(true),
        EventKind::Reach(false),
        EventKind::SystemPeer,
        EventKind::SecondNumbered,
        EventKind::WrongSecond { by: -1 },
        EventKind::SecondLost { by: 18 },
        EventKind::LabelLate { by },
        EventKind::PulseMissed { count: u32::MAX },
        EventKind::PulseDoubled { after: by },
        EventKind::PulseOffGrid { by },
        EventKind::QuantizationRefused { error: by },
        EventKind::SampleRejected { distance: by },
        EventKind::PhaseStep { by },
        EventKind::FrequencyJump { by: Frequency::from_ppm(-0.5) },
        EventKind::EstimateRestarted,
        EventKind::Stepped { by },
        EventKind::ClockDisturbed { by },
        EventKind::ClockRefused,
        EventKind::Panic { offset: by },
        EventKind::Rollover { eras: 2 },
        EventKind::LeapSecond { inserted: true, count: LeapCount::Nobody },
        EventKind::LeapSecond { inserted: false, count: LeapCount::InSoftware },
        EventKind::LeapAnnounced(LeapIndicator::Delete),
        EventKind::LeapTableExpired,
        EventKind::NoisierThanDeclared { noise: by },
        EventKind::FrequencyLimited { needed: Frequency::from_ppm(-700.0) },
        EventKind::Kissed { code: *b"DENY" },
        EventKind::RouteChange { by },
        EventKind::EstimateMoved { by },
        EventKind::ServerStep { by },
        EventKind::TickLate { after: by },
    ];
    kinds.extend(Verdict::ALL.map(EventKind::Verdict));
    kinds.extend(Refusal::ALL.map(EventKind::Refused));
    for from in Phase::ALL {
        kinds.extend(Phase::ALL.map(|to| EventKind::Phase { from, to }));
    }
    for kind in kinds {
        for source in [None, Some(SourceId(3))] {
            let event = Event { at: instant(), source, kind };
            assert_eq!(through(event), event);
        }
    }
}
