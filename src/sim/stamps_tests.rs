//! Stamps are early on departure, late on arrival, cut down, missing or late; pinned bits.

use super::*;
use crate::time::{System, UNITS_PER_SECOND};

const START: Timestamp<Utc> = Timestamp::from_seconds(1_700_000_000);

fn at(second: i64) -> Timestamp<Utc> {
    START + Duration::from_seconds(second)
}

fn mean(latencies: impl Iterator<Item = Duration>) -> f64 {
    let all: Vec<f64> = latencies.map(Duration::seconds).collect();
    assert!(all.iter().all(|latency| *latency >= 0.0));
    all.iter().sum::<f64>() / all.len() as f64
}

#[test]
fn without_any_key_they_are_exact() {
    let mut stamps = Stamps::new(&StampPlan::default(), 1, START);
    let exact = Stamp { at: at(5), after: Duration::ZERO, missing: false };
    assert_eq!((stamps.transmit(at(5)), stamps.receive(at(5))), (exact, exact));
    assert_eq!(stamps.cut(at(5)), at(5));
}

#[test]
fn departures_are_stamped_early_and_arrivals_late() {
    let plan = StampPlan {
        latency: vec![Queueing::Exponential(1e-6)],
        transmit: vec![Queueing::Exponential(2e-5)],
        receive: vec![Queueing::Exponential(5e-5)],
        ..StampPlan::default()
    };
    let mut stamps = Stamps::new(&plan, 1, START);
    let early = mean((0..50_000).map(|s| at(s) - stamps.transmit(at(s)).at));
    let late = mean((0..50_000).map(|s| stamps.receive(at(s)).at - at(s)));
    assert!((early / 2.1e-5 - 1.0).abs() < 0.02, "{early}");
    assert!((late / 5.1e-5 - 1.0).abs() < 0.02, "{late}");
    // One side alone.
    let plan = StampPlan { receive: Vec::new(), latency: Vec::new(), ..plan };
    let mut stamps = Stamps::new(&plan, 1, START);
    assert_eq!(stamps.receive(at(1)).at, at(1));
    assert!(stamps.transmit(at(1)).at < at(1));
}

#[test]
fn a_coarse_clock_cuts_down() {
    for quantum in [1e-6, 1.0 / f64::from(1 << 18), 1e-2] {
        let stamps = Stamps::new(&StampPlan { quantum, ..StampPlan::default() }, 1, START);
        let grain = Duration::from_seconds_f64(quantum);
        for nanos in [0, 1, 999_999_999, 123_456_789, -1] {
            let exact = START.corrected_by::<System>(Duration::from_nanos(nanos));
            let cut = stamps.cut(exact);
            assert!(cut <= exact && exact - cut < grain, "{quantum} {nanos}");
            assert_eq!(cut.units().rem_euclid(grain.units()), 0);
        }
    }
    let stamps = Stamps::new(&StampPlan { quantum: 0.25, ..StampPlan::default() }, 1, START);
    let before_the_epoch = Timestamp::<System>::from_units(-1);
    assert_eq!(stamps.cut(before_the_epoch).units(), -UNITS_PER_SECOND / 4);
}

#[test]
fn some_are_missing_and_some_come_late() {
    let late = Some(Late { probability: 0.2, by: 0.5 });
    let plan = StampPlan { missing: 0.1, late, ..StampPlan::default() };
    let mut stamps = Stamps::new(&plan, 1, START);
    let all: Vec<Stamp> =
        (0..20_000).flat_map(|s| [stamps.transmit(at(s)), stamps.receive(at(s))]).collect();
    let share = |what: fn(&&Stamp) -> bool| all.iter().filter(what).count() as f64 / 4e4;
    assert!((share(|stamp| stamp.missing) - 0.1).abs() < 0.01);
    assert!((share(|stamp| stamp.after == Duration::from_millis(500)) - 0.2).abs() < 0.01);
    // What comes late is right.
    assert!(all.iter().zip(0..).all(|(stamp, n)| stamp.at == at(n / 2)));
}

#[test]
fn the_stamps_of_a_seed_are_fixed() {
    let latency = vec![Queueing::Exponential(2e-5)];
    let mut stamps = Stamps::new(&StampPlan { latency, ..StampPlan::default() }, 1, START);
    let got = [
        stamps.transmit(at(0)).at - at(0),
        stamps.receive(at(0)).at - at(0),
        stamps.transmit(at(1)).at - at(1),
        stamps.receive(at(1)).at - at(1),
    ];
    assert_eq!(got.map(Duration::units), PINNED);
}

#[test]
fn plans_are_read_and_checked() {
    let read = |text: &str| serde_json::from_str::<StampPlan>(text);
    let plan = read(r#"{"latency": [{"exponential": 2e-5}], "quantum": 1e-6}"#).unwrap();
    assert_eq!((plan.latency.len(), plan.check()), (1, Ok(())));
    assert!(read(r#"{"grain": 1e-6}"#).is_err());
    let refused = |text: &str| read(text).unwrap().check().unwrap_err().to_string();
    assert!(refused(r#"{"missing": 2}"#).starts_with("missing: is 2;"));
    assert!(
        refused(r#"{"receive": [{"exponential": -1}]}"#).starts_with("receive[0].exponential: ")
    );
    assert!(refused(r#"{"late": {"probability": 0.5, "by": -1}}"#).starts_with("late.by: is -1;"));
}

const PINNED: [i128; 4] = [-185651456436483, 244599991479438, -228130092595505, 383068563433718];
