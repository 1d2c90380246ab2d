//! One estimate of the oscillator from the samples of all believed reference clocks.
//!
//! How much an oscillator wanders is not known and matters: assumed too small, the filter lags; too
//! large, it follows noise. So eleven filters run side by side, each with its own wander, each
//! judged by how well it foretold the samples. The estimate lies between the two filters around the
//! learned wander, which have run with that wander all along: a change of mind is a change to a
//! filter that already followed.
//!
//! A sample is believed if any live filter finds it possible. What is not believed is kept aside
//! until it shows its shape: growing distances are a frequency jump, equal ones a phase step.

use super::filter::{FREQUENCY_PRIOR, Filter};
use super::noise::Noise;
use crate::sample::SourceId;
use crate::state::NoiseGrowth;
use crate::time::{Duration, Frequency, Raw, Timestamp, Utc};

/// The state of the oscillator, learned from samples.
#[derive(Clone, Debug)]
pub struct Estimator {
    /// true − raw that counts as `x = 0`; integers carry what `f64` cannot.
    base: Duration,
    /// Instant of the filters.
    at: Timestamp<Raw>,
    members: Option<[Member; MEMBERS]>,
    noise: Vec<Option<Noise>>,
    suspects: Vec<Suspect>,
    believed: u64,
    last_believed: Option<Timestamp<Raw>>,
    interval: f64,
    last_step: Option<Timestamp<Raw>>,
}

/// One sample, as the estimator needs it.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// Who measured: noise is learned per source.
    pub source: SourceId,
    /// When.
    pub at: Timestamp<Raw>,
    /// true − raw.
    pub offset: Duration,
    /// Declared standard deviation, s; the first guess of the noise.
    pub sigma: f64,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Believed.
    Accepted,
    /// Not believed, kept aside.
    Rejected,
    /// Several told of a step of the oscillator's phase; the estimate starts anew around it.
    PhaseStep(Duration),
    /// Several told of a jump of the oscillator's rate; the estimate opens its frequency.
    FrequencyJump(Frequency),
    /// Too many could not be explained: everything starts anew.
    Restarted,
    /// Older than what was already taken in.
    Late,
}

/// The estimate at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// true − raw.
    pub offset: Duration,
    /// The oscillator's rate error; positive: fast.
    pub frequency: Frequency,
    /// One sigma of phase, s.
    pub sigma: f64,
    /// One sigma of frequency.
    pub sigma_frequency: f64,
    /// Learned wander, per √s.
    pub wander: f64,
    /// The envelope of all live filters.
    pub noise: NoiseGrowth,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    filter: Filter,
    /// Log likelihood with a memory of minutes, and of a dozen samples.
    slow: f64,
    fast: f64,
}

/// A sample that no live filter found possible.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    at: Timestamp<Raw>,
    /// Sample − prediction, s.
    distance: f64,
    /// Seconds since the last believed sample.
    age: f64,
    sigma: f64,
}

/// What the suspects look like together.
enum Shape {
    Unclear,
    Growing { slope: f64 },
    Equal { mean: f64 },
}

impl Default for Estimator {
    fn default() -> Self {
        Self {
            base: Duration::ZERO,
            at: Timestamp::EPOCH,
            members: None,
            noise: vec![None; SourceId::COUNT_MAX],
            suspects: Vec::with_capacity(SUSPECTS_MAX),
            believed: 0,
            last_believed: None,
            interval: 1.0,
            last_step: None,
        }
    }
}

impl Estimator {
    /// Takes in one sample. Samples come in order of time; older ones are dropped.
    pub fn take(&mut self, observation: &Observation) -> Outcome {
        let Some(members) = self.members else {
            self.start(observation);
            return Outcome::Accepted;
        };
        let dt = (observation.at - self.at).seconds();
        if dt < 0.0 {
            return Outcome::Late;
        }
        let y = self.relative(observation.offset);
        let wander = WanderIndex::of(&members).wander();
        let noise = self.noise[observation.source.index() % SourceId::COUNT_MAX]
            .get_or_insert_with(|| Noise::declared(observation.sigma));
        noise.take(seconds_of_day(observation.at), y, wander * wander);
        let (r, tail_sigma) = (noise.variance(), noise.tail_sigma());

        let predicted = advanced(&members, dt);
        let possible = predicted.iter().zip(live(&predicted)).any(|(member, live)| {
            live && (y - member.filter.x).abs() <= GATE * libm::sqrt(member.filter.a + r)
        });
        if !possible {
            return self.suspect(observation.at, &predicted, y, r, tail_sigma);
        }
        self.suspects.clear();
        self.members = Some(updated(predicted, y, r, dt));
        self.at = observation.at;
        self.note_believed(observation.at);
        Outcome::Accepted
    }

    /// The estimate at `at`; `None` before the first sample.
    pub fn estimate(&self, at: Timestamp<Raw>) -> Option<Estimate> {
        let members = self.members.as_ref()?;
        let dt = (at - self.at).seconds().max(0.0);
        let index = WanderIndex::of(members);
        let now = advanced(members, dt);
        let best = index.filter(&now);
        let wander = index.wander();
        Some(Estimate {
            offset: self.base - Duration::from_seconds_f64(best.x),
            frequency: Frequency::new(best.f),
            sigma: libm::sqrt(best.a),
            sigma_frequency: libm::sqrt(best.d),
            wander,
            noise: self.envelope(&now, &best, wander),
        })
    }

    /// Samples believed.
    pub fn believed(&self) -> u64 {
        self.believed
    }

    /// When the last sample was believed.
    pub fn last_believed(&self) -> Option<Timestamp<Raw>> {
        self.last_believed
    }

    /// Mean interval between believed samples, s.
    pub fn interval(&self) -> f64 {
        self.interval
    }

    /// Learned standard deviation of a source's readings, s.
    pub fn sigma_of(&self, source: SourceId) -> Option<f64> {
        let noise = self.noise.get(source.index())?.as_ref()?;
        Some(libm::sqrt(noise.variance()))
    }

    /// Forgets everything but the noise of the sources: the oscillator is another one.
    pub fn restart(&mut self) {
        self.members = None;
        self.suspects.clear();
        self.believed = 0;
        self.last_believed = None;
    }

    /// The estimate in the sources' own terms: the served time that it would give at `at`.
    pub fn utc(&self, at: Timestamp<Raw>) -> Option<Timestamp<Utc>> {
        Some(at.corrected_by(self.estimate(at)?.offset))
    }

    fn start(&mut self, observation: &Observation) {
        let spread = observation.sigma.max(START_SIGMA);
        let filter = Filter::starting(0.0, spread * spread);
        self.base = observation.offset;
        self.at = observation.at;
        self.members = Some([Member { filter, slow: 0.0, fast: 0.0 }; MEMBERS]);
        let noise = &mut self.noise[observation.source.index() % SourceId::COUNT_MAX];
        noise.get_or_insert_with(|| Noise::declared(observation.sigma)).take(
            seconds_of_day(observation.at),
            0.0,
            0.0,
        );
        self.note_believed(observation.at);
    }

    fn note_believed(&mut self, at: Timestamp<Raw>) {
        if let Some(last) = self.last_believed {
            let dt = (at - last).seconds().min(1024.0);
            self.interval += (dt - self.interval) / 8.0;
        }
        self.last_believed = Some(at);
        self.believed += 1;
    }

    /// x of an offset: what the raw clock is ahead of the base.
    fn relative(&self, offset: Duration) -> f64 {
        (self.base - offset).seconds()
    }

    fn suspect(
        &mut self,
        at: Timestamp<Raw>,
        predicted: &[Member; MEMBERS],
        y: f64,
        r: f64,
        tail_sigma: f64,
    ) -> Outcome {
        let best = WanderIndex::of(predicted).filter(predicted);
        let sigma = libm::sqrt(best.a + r).max(tail_sigma);
        let age = self.last_believed.map_or(1.0, |last| (at - last).seconds());
        if self.suspects.len() == SUSPECTS_MAX {
            self.restart();
            return Outcome::Restarted;
        }
        self.suspects.push(Suspect { at, distance: y - best.x, age: age.max(1e-3), sigma });
        match shape(&self.suspects) {
            Shape::Unclear => Outcome::Rejected,
            Shape::Growing { slope } => {
                self.open_frequency(slope, at);
                Outcome::FrequencyJump(Frequency::new(slope))
            }
            Shape::Equal { mean } => {
                self.open_phase(mean, at);
                Outcome::PhaseStep(Duration::from_seconds_f64(mean))
            }
        }
    }

    /// The rate changed at the last believed sample: all filters go back there and open it.
    fn open_frequency(&mut self, slope: f64, now: Timestamp<Raw>) {
        let Some(members) = &mut self.members else { return };
        let since = (now - self.at).seconds();
        let mut best = WanderIndex::of(members).filter(members);
        best.d += 4.0 * slope * slope;
        for (index, member) in members.iter_mut().enumerate() {
            member.filter = best.predicted(since, wander(index) * wander(index));
        }
        self.at = now;
        self.suspects.clear();
    }

    /// The phase stepped: all filters open it and keep their rate, unless this is the second step
    /// within an hour. Then a wrong rate may be what looks like steps.
    fn open_phase(&mut self, mean: f64, now: Timestamp<Raw>) {
        let Some(members) = &mut self.members else { return };
        let again = self.last_step.is_some_and(|last| (now - last).seconds() < 3600.0);
        let dt = (now - self.at).seconds();
        let mut best = WanderIndex::of(members).filter(members);
        best = best.predicted(dt, wander(0) * wander(0));
        best.a += 4.0 * mean * mean;
        best.d += if again { FREQUENCY_PRIOR * FREQUENCY_PRIOR } else { STEP_FREQUENCY_VARIANCE };
        members.iter_mut().for_each(|member| member.filter = best);
        self.at = now;
        self.last_step = Some(now);
        self.suspects.clear();
    }

    /// What covers every live filter now and later. One filter's own sigma is not honest: in the
    /// first minutes the learned wander can be far too low, and that filter does not know.
    fn envelope(&self, now: &[Member; MEMBERS], best: &Filter, learned: f64) -> NoiseGrowth {
        let mut growth = NoiseGrowth {
            phase: best.a,
            cross: best.b,
            frequency: best.d,
            wander: learned * learned,
            factor: BOUND_FACTOR * (1.0 + START_ALLOWANCE / self.believed.max(1) as f64),
            ..NoiseGrowth::default()
        };
        let live = live(now);
        for (index, Member { filter, .. }) in now.iter().enumerate().filter(|(i, _)| live[*i]) {
            growth.phase = growth.phase.max(filter.a);
            growth.cross = growth.cross.max(filter.b);
            growth.frequency = growth.frequency.max(filter.d);
            growth.wander = growth.wander.max(wander(index) * wander(index));
            growth.apart = growth.apart.max((filter.x - best.x).abs());
            growth.apart_rate = growth.apart_rate.max((filter.f - best.f).abs());
        }
        growth.ceiling_rate = FREQUENCY_TOLERANCE.max(BOUND_FACTOR * libm::sqrt(growth.frequency));
        growth
    }
}

/// A place between two members of the bank, in steps of ln w.
#[derive(Clone, Copy, Debug)]
struct WanderIndex(f64);

impl WanderIndex {
    /// The larger of what the slow weights say and of what the fast ones still allow.
    fn of(members: &[Member; MEMBERS]) -> Self {
        let slow = weights(members, |m| m.slow);
        let mean: f64 = slow.iter().enumerate().map(|(i, p)| p * i as f64).sum();
        let variance: f64 =
            slow.iter().enumerate().map(|(i, p)| p * (i as f64 - mean) * (i as f64 - mean)).sum();
        // Too small a wander costs more than too large a one.
        let slow_index = mean + LEAN * libm::sqrt(variance.max(0.0));
        let fast = weights(members, |m| m.fast);
        let mut cumulative = 0.0;
        let fast_index = fast
            .iter()
            .position(|p| {
                cumulative += p;
                cumulative >= FAST_QUANTILE
            })
            .unwrap_or(0);
        Self(slow_index.max(fast_index as f64).clamp(0.0, (MEMBERS - 1) as f64))
    }

    fn wander(self) -> f64 {
        WANDER_MIN * libm::exp(self.0 * WANDER_STEP)
    }

    fn filter(self, members: &[Member; MEMBERS]) -> Filter {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..MEMBERS")]
        let below = (self.0 as usize).min(MEMBERS - 2);
        members[below].filter.between(&members[below + 1].filter, self.0 - below as f64)
    }
}

fn advanced(members: &[Member; MEMBERS], dt: f64) -> [Member; MEMBERS] {
    core::array::from_fn(|i| Member {
        filter: members[i].filter.predicted(dt, wander(i) * wander(i)),
        ..members[i]
    })
}

/// Every member takes the reading in; their likelihoods are compared, and one that fell far behind
/// starts again from the best.
fn updated(mut members: [Member; MEMBERS], y: f64, r: f64, dt: f64) -> [Member; MEMBERS] {
    let likelihoods: [f64; MEMBERS] = core::array::from_fn(|i| members[i].filter.update(y, r));
    let best = likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // At 16 readings a second the memory must still be minutes.
    let theta = dt.clamp(0.01, 1.0);
    let (slow_keep, fast_keep) = (libm::pow(SLOW_MEMORY, theta), libm::pow(FAST_MEMORY, theta));
    for (member, likelihood) in members.iter_mut().zip(likelihoods) {
        // One odd sample must not decide.
        let l = (likelihood - best).max(LIKELIHOOD_FLOOR);
        member.slow = slow_keep * member.slow + l;
        member.fast = fast_keep * member.fast + l;
    }
    let leader = (0..MEMBERS).fold(0, |b, i| if members[i].slow > members[b].slow { i } else { b });
    let best = members[leader];
    for member in &mut members {
        if member.slow < best.slow - RESTART_BEHIND {
            member.filter = best.filter;
            member.slow = best.slow - RESTART_BEHIND;
        }
    }
    members
}

/// Normalised weights under one memory and the weak prior of the wander.
fn weights(members: &[Member; MEMBERS], memory: impl Fn(&Member) -> f64) -> [f64; MEMBERS] {
    let log: [f64; MEMBERS] = core::array::from_fn(|i| {
        let away = (i as f64 - PRIOR_INDEX) * WANDER_STEP / PRIOR_SPREAD;
        memory(&members[i]) - 0.5 * away * away
    });
    let most = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let linear = log.map(|l| libm::exp(l - most));
    let sum: f64 = linear.iter().sum();
    linear.map(|p| p / sum)
}

/// Which members the samples still allow.
fn live(members: &[Member; MEMBERS]) -> [bool; MEMBERS] {
    let slow = weights(members, |m| m.slow);
    let fast = weights(members, |m| m.fast);
    core::array::from_fn(|i| slow[i] > LIVE_SLOW || fast[i] > LIVE_FAST)
}

fn shape(suspects: &[Suspect]) -> Shape {
    let slopes: Vec<f64> = suspects.iter().map(|s| s.distance / s.age).collect();
    let mean_slope = slopes.iter().sum::<f64>() / slopes.len() as f64;
    let agree = slopes.iter().all(|s| (s - mean_slope).abs() < 0.6 * mean_slope.abs());
    let far = suspects.iter().all(|s| s.distance.abs() > 8.0 * s.sigma);
    // Growth shows only over a span: later suspects must be older ones' proportion away.
    let spans = suspects.first().zip(suspects.last()).is_some_and(|(a, b)| b.age > 1.5 * a.age);
    if agree && spans {
        let count = suspects.len();
        let small = mean_slope.abs() < 5e-6 && far && count >= 2;
        if small || mean_slope.abs() < 1e-4 && count >= 4 {
            return Shape::Growing { slope: mean_slope };
        }
    }
    let mean = suspects.iter().map(|s| s.distance).sum::<f64>() / suspects.len() as f64;
    let spread = suspects.iter().map(|s| (s.distance - mean).abs()).fold(0.0, f64::max);
    let sigma = suspects.iter().map(|s| s.sigma).fold(0.0, f64::max);
    let recent = suspects.last().zip(suspects.first()).is_some_and(|(b, a)| b.at > a.at);
    if suspects.len() >= 5 && recent && spread < mean.abs() / 4.0 + 3.0 * sigma {
        return Shape::Equal { mean };
    }
    Shape::Unclear
}

/// Wander of a member, per √s.
fn wander(index: usize) -> f64 {
    WANDER_MIN * libm::exp(index as f64 * WANDER_STEP)
}

/// Seconds since midnight and a growing count of days would lose digits; a day's worth is enough to
/// compare neighbours, and a midnight only costs one comparison.
fn seconds_of_day(at: Timestamp<Raw>) -> f64 {
    let day = at.seconds().div_euclid(86_400) * 86_400;
    (at - Timestamp::from_seconds(day)).seconds()
}

/// Filters in the bank: 1e-12 … 1e-7 per √s in steps of √10, OCXO to bad crystal.
const MEMBERS: usize = 11;
const WANDER_MIN: f64 = 1e-12;
/// ½ ln 10.
const WANDER_STEP: f64 = core::f64::consts::LN_10 / 2.0;
/// The weak prior: 1e-9, a factor of 100 either way.
const PRIOR_INDEX: f64 = 6.0;
const PRIOR_SPREAD: f64 = 4.6;
/// Memories of the likelihoods: 500 and 12 samples.
const SLOW_MEMORY: f64 = 0.998;
const FAST_MEMORY: f64 = 0.92;
/// One sample weighs at most e⁸.
const LIKELIHOOD_FLOOR: f64 = -8.0;
const RESTART_BEHIND: f64 = 25.0;
/// Leaning towards a larger wander, in standard deviations.
const LEAN: f64 = 0.25;
/// The fast weights raise the wander only when they exclude everything lower.
const FAST_QUANTILE: f64 = 0.01;
const LIVE_SLOW: f64 = 1e-3;
const LIVE_FAST: f64 = 0.3;
/// Sigmas within which a sample is believed.
const GATE: f64 = 5.0;
/// Sigmas that make a bound; the largest error seen was 4.7.
const BOUND_FACTOR: f64 = 6.0;
/// The first bounds are wider by 1 + 8/n.
const START_ALLOWANCE: f64 = 8.0;
/// First spread of a reference clock: 100 µs.
const START_SIGMA: f64 = 1e-4;
/// After a step of phase the rate is a little less sure.
const STEP_FREQUENCY_VARIANCE: f64 = 1e-14;
/// Unexplained samples in a row after which nothing is known any more.
const SUSPECTS_MAX: usize = 32;
/// PHI of RFC 5905 §7.2.
const FREQUENCY_TOLERANCE: f64 = 15e-6;

#[cfg(test)]
#[path = "estimator_tests.rs"]
mod tests;
