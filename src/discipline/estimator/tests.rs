//! The estimator against oscillators whose truth is known.

use super::*;
use crate::random::Random;

/// An oscillator and its reference clock, one reading a second.
struct World {
    random: Random,
    now: Timestamp<Raw>,
    /// raw − true and its rate.
    x: f64,
    f: f64,
    wander: f64,
    sigma: f64,
}

impl World {
    fn new(seed: u64, wander: f64, sigma: f64) -> Self {
        let now = Timestamp::from_seconds(1_700_000_000);
        Self { random: Random::seeded(seed), now, x: 10e-3, f: 10e-6, wander, sigma }
    }

    fn advance(&mut self) {
        self.now = self.now + Duration::SECOND;
        self.x += self.f;
        self.f += self.wander * self.random.normal();
    }

    fn observation(&mut self) -> Observation {
        let noise = self.sigma * self.random.normal();
        Observation {
            source: SourceId(0),
            at: self.now,
            offset: -Duration::from_seconds_f64(self.x + noise),
            sigma: 1e-6,
            quantization: 0.0,
            sawtooth: 0.0,
        }
    }

    /// Estimate − truth.
    fn error(&self, estimator: &Estimator) -> f64 {
        let estimate = estimator.estimate(self.now).unwrap();
        -(estimate.offset.seconds() + self.x)
    }
}

struct Run {
    rms: f64,
    max: f64,
    uncovered: u32,
    tightness: f64,
}

/// Error just before each sample of the same second, after two hours.
fn run(world: &mut World, estimator: &mut Estimator, seconds: usize) -> Run {
    let (mut errors, mut bounds, mut uncovered) = (Vec::new(), Vec::new(), 0);
    for second in 0..seconds {
        world.advance();
        if estimator.believed() > 0 {
            let error = world.error(estimator).abs();
            let bound = estimator.estimate(world.now).unwrap().noise.at(0.0);
            uncovered += u32::from(error > bound);
            if second >= 7200 {
                errors.push(error);
                bounds.push(bound);
            }
        }
        let observation = world.observation();
        estimator.take(&observation);
    }
    let rms = libm::sqrt(errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64);
    errors.sort_by(f64::total_cmp);
    bounds.sort_by(f64::total_cmp);
    let p99 = errors[errors.len() * 99 / 100];
    let tightness = bounds[bounds.len() / 2] / p99;
    Run { rms, max: *errors.last().unwrap(), uncovered, tightness }
}

#[test]
fn pulses_are_estimated_near_the_limit_and_the_bound_holds() {
    // (σ, what a Kalman filter that knows all reaches, allowed)
    for (sigma, limit) in [(1e-6, 2.14e-7), (1e-7, 3.90e-8), (1e-8, 7.53e-9)] {
        let mut rms = Vec::new();
        for seed in 0..5 {
            let mut world = World::new(seed, 1e-9, sigma);
            let run = run(&mut world, &mut Estimator::default(), 8 * 3600);
            assert_eq!(run.uncovered, 0, "σ {sigma} seed {seed}");
            assert!(run.tightness < 4.0, "σ {sigma} seed {seed}: {}", run.tightness);
            assert!(run.max < 8.0 * limit);
            rms.push(run.rms);
        }
        rms.sort_by(f64::total_cmp);
        assert!(rms[2] < 1.06 * limit, "σ {sigma}: {:e} of {limit:e}", rms[2]);
    }
}

#[test]
fn the_bound_covers_every_live_filter_not_only_the_best() {
    let mut world = World::new(1, 1e-9, 1e-7);
    let mut estimator = Estimator::default();
    let mut apart = 0;
    for _ in 0..1000 {
        world.advance();
        estimator.take(&world.observation());
        let bank = estimator.bank.as_ref().unwrap();
        let (best, growth) = (bank.best(), estimator.estimate(world.now).unwrap().noise);
        for (filter, wander) in bank.live() {
            assert!(growth.phase >= filter.a && growth.frequency >= filter.d);
            assert!(growth.cross >= filter.b && growth.wander >= wander);
            assert!(growth.apart >= (filter.x - best.x).abs());
            assert!(growth.apart_rate >= (filter.f - best.f).abs());
            apart += u32::from((filter.x - best.x).abs() > 0.1 * libm::sqrt(best.a));
        }
    }
    assert!(apart > 300, "the filters hardly differ: {apart}");
}

#[test]
fn the_wander_is_learned() {
    // In the memory of 500 readings a wander of 1e-11 moves the oscillator by 1e-11 · 500^1.5 / √3 =
    // 6e-8 s, less than the noise of one: there the prior and the lean upwards still count.
    for (wander, most) in [(1e-11, 1.4), (1e-10, 1.3), (1e-9, 1.3), (1e-8, 1.3)] {
        let mut learned: Vec<f64> = (0..5)
            .map(|seed| {
                let mut world = World::new(seed, wander, 1e-7);
                let mut estimator = Estimator::default();
                for _ in 0..24 * 3600 {
                    world.advance();
                    estimator.take(&world.observation());
                }
                estimator.estimate(world.now).unwrap().wander / wander
            })
            .collect();
        learned.sort_by(f64::total_cmp);
        assert!((0.7..most).contains(&learned[2]), "{wander:e}: {learned:.2?}");
    }
}

#[test]
fn one_pulse_in_a_hundred_may_be_off_by_ten_milliseconds() {
    let mut world = World::new(1, 1e-9, 1e-6);
    let mut estimator = Estimator::default();
    let (mut worst, mut rejected) = (0.0f64, 0);
    for second in 0..4 * 3600 {
        world.advance();
        if second > 600 {
            worst = worst.max(world.error(&estimator).abs());
        }
        let mut observation = world.observation();
        if world.random.uniform() < 0.01 {
            observation.offset += Duration::from_millis(10);
        }
        let outcome = estimator.take(&observation);
        assert!(matches!(outcome, Outcome::Accepted | Outcome::Rejected), "{outcome:?}");
        rejected += u32::from(outcome == Outcome::Rejected);
    }
    assert!(worst < 2e-6, "{worst}");
    assert!((100..190).contains(&rejected), "{rejected}");
}

#[test]
fn a_phase_step_is_taken_after_five_readings() {
    let mut world = World::new(1, 1e-9, 1e-7);
    let mut estimator = Estimator::default();
    run(&mut world, &mut estimator, 7300);
    world.x += 0.25;
    let mut outcomes = Vec::new();
    for _ in 0..30 {
        world.advance();
        let observation = world.observation();
        outcomes.push(estimator.take(&observation));
    }
    assert_eq!(outcomes[..4], [Outcome::Rejected; 4]);
    let Outcome::PhaseStep(step) = outcomes[4] else { panic!("{outcomes:?}") };
    assert!((step.seconds() - 0.25).abs() < 1e-5, "{step}");
    assert!(outcomes[5..].iter().all(|o| *o == Outcome::Accepted));
    assert!(world.error(&estimator).abs() < 1e-6);
}

#[test]
fn a_frequency_jump_is_followed_within_seconds() {
    let mut world = World::new(2, 1e-9, 1e-8);
    let mut estimator = Estimator::default();
    run(&mut world, &mut estimator, 7300);
    world.f += 0.5e-6;
    let (mut worst, mut jumps) = (0.0f64, 0);
    for second in 0..600 {
        world.advance();
        let error = world.error(&estimator).abs();
        worst = worst.max(error);
        assert!(second < 20 || error < 3e-7, "{second}: {error:e}");
        let observation = world.observation();
        jumps += u32::from(matches!(estimator.take(&observation), Outcome::FrequencyJump(_)));
    }
    assert!(jumps == 1 && worst < 2e-6, "{jumps} {worst:e}");
}

#[test]
fn garbage_alone_starts_everything_anew() {
    let mut world = World::new(5, 1e-9, 1e-7);
    let mut estimator = Estimator::default();
    run(&mut world, &mut estimator, 7300);
    let mut outcomes = Vec::new();
    for k in 0..200 {
        world.advance();
        let mut observation = world.observation();
        // Far, and never twice the same.
        observation.offset += Duration::from_seconds((k % 7 - 3) * 40 + k);
        outcomes.push(estimator.take(&observation));
    }
    assert!(outcomes.contains(&Outcome::Restarted), "{outcomes:?}");
    for _ in 0..600 {
        world.advance();
        let observation = world.observation();
        estimator.take(&observation);
    }
    assert!(world.error(&estimator).abs() < 1e-6, "{}", world.error(&estimator));
}

#[test]
fn offsets_of_decades_keep_their_nanoseconds() {
    let mut estimator = Estimator::default();
    let at = |s| Timestamp::<Raw>::from_seconds(s);
    let offset = Duration::from_seconds(1_700_000_000) + Duration::from_nanos(123);
    for second in 0..100 {
        let observation = Observation {
            source: SourceId(1),
            at: at(second),
            offset,
            sigma: 1e-6,
            quantization: 0.0,
            sawtooth: 0.0,
        };
        assert_eq!(estimator.take(&observation), Outcome::Accepted);
    }
    let estimate = estimator.estimate(at(100)).unwrap();
    assert!((estimate.offset - offset).abs() < Duration::from_nanos(1), "{}", estimate.offset);
}

#[test]
fn late_samples_are_dropped() {
    let mut world = World::new(9, 1e-9, 1e-7);
    let mut estimator = Estimator::default();
    run(&mut world, &mut estimator, 7300);
    let mut observation = world.observation();
    observation.at = world.now - Duration::SECOND;
    assert_eq!(estimator.take(&observation), Outcome::Late);
}
