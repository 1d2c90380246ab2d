//! The laws of the oscillator: exactness, Allan deviation of each noise, independence, pinned bits.

use super::*;
use crate::sim::statistics::allan_curve;

const START: Timestamp<Utc> = Timestamp::from_seconds(1_700_000_000);

fn after(seconds: f64) -> Timestamp<Utc> {
    START + Duration::from_seconds_f64(seconds)
}

fn offset(plan: &OscillatorPlan, seed: u64, at: f64) -> f64 {
    Oscillator::new(plan, seed, START).offset(after(at)).seconds()
}

/// raw − true once a second.
fn phases(plan: &OscillatorPlan, seed: u64, count: i64) -> Vec<f64> {
    let mut oscillator = Oscillator::new(plan, seed, START);
    (0..count)
        .map(|second| oscillator.offset(START + Duration::from_seconds(second)).seconds())
        .collect()
}

fn everything() -> OscillatorPlan {
    OscillatorPlan {
        offset: 0.01,
        frequency: 1e-5,
        wander: 1e-9,
        white: 1e-9,
        flicker: 1e-9,
        ageing: 1e-9,
        ramp: Some(Ramp { at: 100.0, over: 1200.0, by: 1e-6 }),
        day: Some(Day { amplitude: 1e-6, period: DAY, phase: 0.25 }),
    }
}

#[test]
fn a_perfect_one_reads_true_time() {
    let mut oscillator = Oscillator::new(&OscillatorPlan::default(), 1, START);
    for at in [0.0, 0.3, 1.0, 7.9, 90_000.25] {
        assert_eq!(oscillator.offset(after(at)), Duration::ZERO, "{at}");
    }
    assert_eq!(oscillator.frequency(), Frequency::ZERO);
}

#[test]
fn extra_readings_change_nothing() {
    let ends: Vec<Timestamp<Raw>> = [1.0, 0.31, 0.013, 64.0, 1000.0]
        .map(|pause| {
            let mut oscillator = Oscillator::new(&everything(), 5, START);
            let mut at = 0.0;
            while at < 1000.0 {
                oscillator.read(after(at));
                at += pause;
            }
            oscillator.read(after(1000.75))
        })
        .to_vec();
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    assert_ne!(ends[0], Oscillator::new(&everything(), 6, START).read(after(1000.75)));
}

#[test]
fn a_constant_rate_is_exact_for_days() {
    let plan = OscillatorPlan { offset: 0.01, frequency: 1e-5, ..OscillatorPlan::default() };
    let days = 10.0;
    let want = 0.01 + 1e-5 * days * DAY;
    assert!((offset(&plan, 1, days * DAY) - want).abs() < 1e-13);
    // Within a second, too.
    assert!((offset(&plan, 1, 0.5) - 0.010_005).abs() < 1e-18);
}

#[test]
fn wander_is_a_random_walk_of_the_rate() {
    let plan = OscillatorPlan { wander: 1e-9, ..OscillatorPlan::default() };
    for (tau, deviation) in allan_curve(&phases(&plan, 3, 1 << 17), 1.0).iter().take(8) {
        // Rate constant within a second: σ²(τ) = w² (2τ² + 1) / 6τ.
        let want = 1e-9 * libm::sqrt((2.0 * tau * tau + 1.0) / (6.0 * tau));
        assert!((deviation / want - 1.0).abs() < 0.06, "{tau} s: {deviation:e} {want:e}");
    }
}

#[test]
fn steps_of_the_rate_are_normal_and_independent() {
    let plan = OscillatorPlan { wander: 1e-9, ..OscillatorPlan::default() };
    let phases = phases(&plan, 11, 100_002);
    let rates: Vec<f64> = phases.windows(2).map(|p| p[1] - p[0]).collect();
    let steps: Vec<f64> = rates.windows(2).map(|r| (r[1] - r[0]) / 1e-9).collect();
    let count = steps.len() as f64;
    let mean = steps.iter().sum::<f64>() / count;
    let variance = steps.iter().map(|s| s * s).sum::<f64>() / count;
    let beyond_two = steps.iter().filter(|s| s.abs() > 2.0).count() as f64 / count;
    let lagged = steps.windows(2).map(|s| s[0] * s[1]).sum::<f64>() / count;
    assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.015, "{mean} {variance}");
    assert!((beyond_two - 0.0455).abs() < 0.002, "{beyond_two}");
    assert!(lagged.abs() < 0.01, "{lagged}");
}

#[test]
fn white_noise_falls_with_the_root_of_time() {
    let plan = OscillatorPlan { white: 1e-8, ..OscillatorPlan::default() };
    for (tau, deviation) in allan_curve(&phases(&plan, 4, 1 << 17), 1.0).iter().take(8) {
        let want = 1e-8 / libm::sqrt(*tau);
        assert!((deviation / want - 1.0).abs() < 0.06, "{tau} s: {deviation:e} {want:e}");
    }
}

#[test]
fn flicker_noise_is_a_floor() {
    let plan = OscillatorPlan { flicker: 1e-9, ..OscillatorPlan::default() };
    for (tau, deviation) in allan_curve(&phases(&plan, 8, 1 << 18), 1.0).iter().take(13) {
        assert!((deviation / 1e-9 - 1.0).abs() < 0.12, "{tau} s: {deviation:e}");
    }
}

#[test]
fn each_noise_draws_apart() {
    let one = |wander, white, flicker| {
        let plan = OscillatorPlan { wander, white, flicker, ..OscillatorPlan::default() };
        offset(&plan, 9, 5000.25)
    };
    let sum = one(1e-9, 0.0, 0.0) + one(0.0, 1e-8, 0.0) + one(0.0, 0.0, 1e-9);
    assert!((one(1e-9, 1e-8, 1e-9) - sum).abs() < 1e-15);
}

#[test]
fn deterministic_terms_follow_their_integrals() {
    let plain = OscillatorPlan::default();
    let ageing = OscillatorPlan { ageing: 1e-9, ..plain.clone() };
    let got = offset(&ageing, 1, 2.0 * DAY);
    assert!((got - 1e-9 * 2.0 * DAY).abs() < 1e-12, "{got:e}");

    let ramp =
        |over| OscillatorPlan { ramp: Some(Ramp { at: 1000.0, over, by: 1e-6 }), ..plain.clone() };
    assert_eq!(offset(&ramp(1200.0), 1, 1000.0), 0.0);
    for (at, want) in [(1600.0, 0.5e-6 * 600.0 / 2.0), (2200.0, 6e-4), (3200.0, 1.6e-3)] {
        let got = offset(&ramp(1200.0), 1, at);
        assert!((got - want).abs() < 1e-12, "{at}: {got:e} {want:e}");
    }
    assert!((offset(&ramp(0.0), 1, 1001.0) - 1e-6).abs() < 1e-15);

    let day = |phase| OscillatorPlan {
        day: Some(Day { amplitude: 1e-6, period: DAY, phase }),
        ..plain.clone()
    };
    let swing = 1e-6 * DAY / core::f64::consts::TAU;
    for (phase, at, want) in [(0.0, 0.5, 2.0), (0.0, 1.0, 0.0), (0.25, 0.25, 1.0), (0.5, 0.5, -2.0)]
    {
        let got = offset(&day(phase), 1, at * DAY);
        assert!((got - want * swing).abs() < 1e-9, "{phase} {at}: {got:e}");
    }
}

#[test]
fn jumps_count_from_the_latest_reading() {
    let plan = OscillatorPlan { frequency: 1e-5, ..OscillatorPlan::default() };
    let mut oscillator = Oscillator::new(&plan, 1, START);
    oscillator.read(after(10.25));
    oscillator.jump(Duration::from_seconds(1));
    assert!((oscillator.offset(after(10.25)).seconds() - 1.000_102_5).abs() < 1e-15);
    oscillator.jump_frequency(Frequency::from_ppm(0.5));
    assert!((oscillator.offset(after(10.25)).seconds() - 1.000_102_5).abs() < 1e-15);
    assert!((oscillator.frequency().ppm() - 10.5).abs() < 1e-9);
    let got = oscillator.offset(after(110.25)).seconds();
    assert!((got - 1.001_152_5).abs() < 1e-15, "{got}");
}

#[test]
fn a_stamp_of_just_before_is_just_before() {
    let mut oscillator = Oscillator::new(&everything(), 2, START);
    let here = oscillator.read(after(100.0));
    let before = oscillator.read(after(99.999_9));
    let apart = (here - before).seconds();
    assert!((apart - 1e-4).abs() < 1e-8, "{apart}");
}

#[test]
fn the_readings_of_a_seed_are_fixed() {
    let mut oscillator = Oscillator::new(&everything(), 1, START);
    let got = [0.0, 1.5, 3600.125, 90_000.0].map(|at| oscillator.offset(after(at)).units());
    assert_eq!(got, PINNED);
}

#[test]
fn plans_are_read_and_checked() {
    let read = |text: &str| serde_json::from_str::<OscillatorPlan>(text);
    let plan = read(r#"{"frequency": 1e-5, "day": {"amplitude": 1e-6}}"#).unwrap();
    assert_eq!(plan.day, Some(Day { amplitude: 1e-6, period: DAY, phase: 0.0 }));
    assert_eq!(plan.check(), Ok(()));
    assert_eq!(everything().check(), Ok(()));
    assert!(read(r#"{"frequncy": 1e-5}"#).unwrap_err().to_string().contains("frequncy"));
    let refused = |text: &str| read(text).unwrap().check().unwrap_err().to_string();
    assert!(refused(r#"{"wander": -1e-9}"#).starts_with("wander: is -1e-9;"));
    assert!(refused(r#"{"frequency": 10}"#).contains("1e-6 is 1 ppm"));
    assert!(refused(r#"{"day": {"amplitude": 1e-6, "period": 0}}"#).starts_with("day.period: "));
}

const PINNED: [i128; 4] =
    [184467440737095520, 184771731488408374, 966450151343696421, 18553233723648659663];
