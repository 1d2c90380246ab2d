//! Each law of waiting against its moments, quantiles and correlation; pinned bits.

use super::*;
use crate::sim::statistics::Series;

const START: Timestamp<Utc> = Timestamp::from_seconds(1_700_000_000);

/// Delays in s of packets `interval` s apart.
fn delays(laws: &[Queueing], seed: u64, count: u32, interval: f64) -> Vec<f64> {
    let mut queues = Queues::new(laws, seed, START);
    let at = |number| START + Duration::from_seconds_f64(interval * f64::from(number));
    (0..count).map(|number| queues.draw(at(number)).seconds()).collect()
}

fn series(law: Queueing) -> Series {
    let mut series = Series::default();
    delays(&[law], 3, 200_000, 1.0).into_iter().for_each(|delay| series.push(delay));
    series
}

#[track_caller]
fn near(got: f64, want: f64, tolerance: f64) {
    assert!((got / want - 1.0).abs() < tolerance, "{got:e}, not {want:e}");
}

fn all() -> [Queueing; 8] {
    [
        Queueing::Exponential(1e-4),
        Queueing::Lognormal { median: 1e-4, sigma: 0.8 },
        Queueing::Gamma { shape: 2.0, mean: 1e-4 },
        Queueing::Pareto { scale: 1e-4, alpha: 2.5 },
        Queueing::TwoPoint { delay: 0.05, probability: 0.25 },
        Queueing::Burst { mean: 5e-3, length: 1200.0, every: 3600.0 },
        Queueing::Daily { mean: 3e-4, swing: 0.9 },
        Queueing::Correlated { median: 1e-4, sigma: 0.8, rho: 0.95, interval: 64.0 },
    ]
}

#[test]
fn exponential() {
    let s = series(Queueing::Exponential(1e-4));
    near(s.mean().unwrap(), 1e-4, 0.01);
    near(s.rms().unwrap(), 1e-4 * libm::sqrt(2.0), 0.01);
    for share in [0.1, 0.5, 0.99] {
        near(s.quantile(share).unwrap(), -1e-4 * libm::log(1.0 - share), 0.03);
    }
}

#[test]
fn lognormal() {
    let s = series(Queueing::Lognormal { median: 1e-4, sigma: 0.8 });
    near(s.quantile(0.5).unwrap(), 1e-4, 0.01);
    near(s.quantile(0.841_345).unwrap(), 1e-4 * libm::exp(0.8), 0.01);
    near(s.quantile(0.158_655).unwrap(), 1e-4 * libm::exp(-0.8), 0.01);
    near(s.mean().unwrap(), 1e-4 * libm::exp(0.32), 0.01);
}

#[test]
fn gamma_of_many_and_of_few() {
    for shape in [0.5, 1.0, 2.0, 20.0] {
        let s = series(Queueing::Gamma { shape, mean: 1e-4 });
        near(s.mean().unwrap(), 1e-4, 0.015);
        near(s.rms().unwrap(), 1e-4 * libm::sqrt(1.0 + 1.0 / shape), 0.015);
    }
    // Of shape 1 it is exponential.
    let s = series(Queueing::Gamma { shape: 1.0, mean: 1e-4 });
    near(s.quantile(0.99).unwrap(), 1e-4 * libm::log(100.0), 0.03);
}

#[test]
fn pareto() {
    for alpha in [1.5, 2.5] {
        let s = series(Queueing::Pareto { scale: 1e-4, alpha });
        for share in [0.5, 0.9, 0.999] {
            let want = 1e-4 * (libm::pow(1.0 - share, -1.0 / alpha) - 1.0);
            near(s.quantile(share).unwrap(), want, 0.1);
        }
    }
    near(series(Queueing::Pareto { scale: 1e-4, alpha: 2.5 }).mean().unwrap(), 1e-4 / 1.5, 0.02);
}

#[test]
fn two_points() {
    let s = series(Queueing::TwoPoint { delay: 0.05, probability: 0.25 });
    near(s.mean().unwrap(), 0.0125, 0.01);
    assert_eq!(s.quantile(0.74), Some(0.0));
    assert!((s.quantile(0.76).unwrap() - 0.05).abs() < 1e-8);
}

#[test]
fn bursts_come_and_go() {
    let law = Queueing::Burst { mean: 5e-3, length: 1200.0, every: 3600.0 };
    let delays = delays(&[law], 3, 36_000, 1.0);
    let (mut inside, mut outside) = (Series::default(), Series::default());
    for (second, delay) in delays.into_iter().enumerate() {
        let of = if second % 3600 < 1200 { &mut inside } else { &mut outside };
        of.push(delay);
    }
    assert_eq!(outside.magnitude_max(), Some(0.0));
    near(inside.mean().unwrap(), 5e-3, 0.03);
}

#[test]
fn a_mean_that_follows_the_day() {
    let delays = delays(&[Queueing::Daily { mean: 3e-4, swing: 0.9 }], 3, 86_400, 1.0);
    let mean = |from: usize, to: usize| delays[from..to].iter().sum::<f64>() / (to - from) as f64;
    near(mean(0, 86_400), 3e-4, 0.02);
    near(mean(21_000, 22_200), 5.7e-4, 0.1);
    near(mean(64_200, 65_400), 0.3e-4, 0.1);
}

#[test]
fn a_correlated_delay_remembers_by_time() {
    let law = |interval| Queueing::Correlated { median: 1e-4, sigma: 0.8, rho: 0.95, interval };
    // Packets at the interval, at twice, at a quarter of it.
    for (pause, want) in [(64.0, 0.95), (128.0, 0.9025), (16.0, 0.987_26)] {
        let logs: Vec<f64> = delays(&[law(64.0)], 3, 400_000, pause)
            .iter()
            .map(|delay| libm::log(delay / 1e-4) / 0.8)
            .collect();
        let count = logs.len() as f64;
        let variance = logs.iter().map(|l| l * l).sum::<f64>() / count;
        let lagged = logs.windows(2).map(|l| l[0] * l[1]).sum::<f64>() / count;
        near(variance, 1.0, 0.1);
        near(lagged / variance, want, 0.004);
    }
}

#[test]
fn the_stated_mean_is_the_mean() {
    for law in all() {
        let total: f64 = delays(core::slice::from_ref(&law), 8, 432_000, 1.0).iter().sum();
        near(total / 432_000.0, law.mean(), 0.06);
    }
    assert!(Queueing::Pareto { scale: 1.0, alpha: 1.0 }.mean().is_infinite());
}

#[test]
fn a_list_adds_up_and_its_laws_draw_apart() {
    let [a, b] = [Queueing::Exponential(1e-4), Queueing::Gamma { shape: 2.0, mean: 1e-3 }];
    let none = Queueing::TwoPoint { delay: 0.0, probability: 0.0 };
    let first = delays(&[a.clone(), none.clone()], 5, 100, 1.0);
    let second = delays(&[none, b.clone()], 5, 100, 1.0);
    let both = delays(&[a, b], 5, 100, 1.0);
    for ((first, second), both) in first.iter().zip(&second).zip(&both) {
        assert!((first + second - both).abs() < 1e-17);
    }
    assert_eq!(delays(&[], 5, 3, 1.0), [0.0; 3]);
}

#[test]
fn no_delay_is_endless() {
    let law = Queueing::Pareto { scale: 1e3, alpha: 0.5 };
    let delays = delays(&[law], 1, 10_000, 1.0);
    assert!(delays.iter().all(|delay| (0.0..=3600.0).contains(delay)));
    assert!(delays.contains(&3600.0));
}

#[test]
fn the_delays_of_a_seed_are_fixed() {
    let got = all().map(|law| {
        let mut queues = Queues::new(&[law], 1, START);
        queues.draw(START);
        queues.draw(START + Duration::from_seconds(7)).units()
    });
    assert_eq!(got, PINNED);
}

#[test]
fn plans_are_read_and_checked() {
    let read = |text: &str| serde_json::from_str::<Queueing>(text);
    assert_eq!(read(r#"{"exponential": 1e-4}"#).unwrap(), Queueing::Exponential(1e-4));
    let two = read(r#"{"two_point": {"delay": 0.05, "probability": 0.5}}"#).unwrap();
    assert_eq!(two, Queueing::TwoPoint { delay: 0.05, probability: 0.5 });
    assert!(read(r#"{"pareto": {"scale": 1e-4, "alfa": 2}}"#).is_err());
    assert!(read(r#"{"poisson": 1e-4}"#).unwrap_err().to_string().contains("exponential"));
    assert!(all().iter().all(|law| law.check().is_ok()));
    let refused = |law: Queueing| law.check().unwrap_err().to_string();
    assert!(refused(Queueing::Exponential(-1.0)).starts_with("exponential: is -1;"));
    let burst = Queueing::Burst { mean: 1.0, length: 20.0, every: 10.0 };
    assert!(refused(burst).starts_with("burst.every: is 10;"));
    let rho = Queueing::Correlated { median: 1.0, sigma: 1.0, rho: 1.0, interval: 1.0 };
    assert!(refused(rho).starts_with("correlated.rho: "));
}

const PINNED: [i128; 8] = [
    812203089889432,
    416267608270104,
    2774606169021594,
    355246172955721,
    0,
    40610154494471592,
    2437725599546515,
    902397623222249,
];
