//! One estimate of the oscillator from the samples of all believed sources.
//!
//! ```text
//!   reading of a clock ──► noise ──────────────► gate ──► bank of filters ──► estimate, bound
//!   exchange ──► server ──► interval ► shifted ──┘ │
//!                                                  └──► suspects ──► step, jump, or news of a server
//! ```
//!
//! A sample is believed if any live filter finds it possible. While a reference clock is believed,
//! exchanges do not touch the state: an interval that ends near `x` pulls it by its own unknown bias.

mod bound;
mod exchange;
mod surprise;

use super::ageing::Ageing;
use super::bank::Bank;
use super::crowd::Crowd;
use super::evidence::Evidence;
use super::filter::Filter;
use super::memory::Memory;
use super::noise::{Noise, seconds_of_day};
use super::server::{Polls, Server};
use super::suspects::Suspects;
use crate::sample::SourceId;
use crate::state::NoiseGrowth;
use crate::time::{Duration, Frequency, Raw, Timestamp};

/// The state of the oscillator, learned from samples.
#[derive(Clone, Debug)]
pub struct Estimator {
    /// true − raw that counts as `x = 0`; integers carry what `f64` cannot.
    base: Duration,
    /// Instant of the filters.
    at: Timestamp<Raw>,
    bank: Option<Bank>,
    clocks: Vec<Option<Noise>>,
    crowd: Crowd,
    suspects: Vec<Suspects>,
    ageing: Ageing,
    /// What was known before the first sample.
    recalled: Option<Memory>,
    started: Timestamp<Raw>,
    /// Counts changes of the estimate by anything but time.
    revision: u64,
    /// Share of an error of long ago that is still in the estimate, since it was last asked for.
    kept: f64,
    believed: u64,
    last_believed: Option<(Timestamp<Raw>, SourceId)>,
    /// When a reference clock was last believed, and which.
    clock_believed: Option<Timestamp<Raw>>,
    led_by: Option<SourceId>,
    interval: f64,
    last_step: Option<Timestamp<Raw>>,
    /// When it was last moved to where a source can be right.
    last_move: Option<Timestamp<Raw>>,
    /// Another clock leads than before: so far apart the two may be by what they declare, s.
    handed_over: f64,
}

/// One reading of a reference clock, as the estimator needs it.
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
    /// Resolution of its stamps, s: readings that repeat are not without noise.
    pub quantization: f64,
    /// Amplitude of its sawtooth, s: a slow one shows in no difference of readings.
    pub sawtooth: f64,
}

/// One exchange with a server, as the estimator needs it.
#[derive(Clone, Copy, Debug)]
pub struct Exchanged {
    /// Whose.
    pub source: SourceId,
    /// The middle between T1 and T4.
    pub at: Timestamp<Raw>,
    /// T2 − T1, against the raw clock.
    pub there: Duration,
    /// T4 − T3, against the raw clock.
    pub back: Duration,
    /// What the server may be wrong by for all it declares, s.
    pub error: f64,
    /// Within which it may be asked.
    pub polls: Polls,
    /// Whether the clock may follow it; otherwise it is only listened to.
    pub steers: bool,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// Believed.
    Accepted,
    /// Learned from, but the estimate did not need it.
    Listened,
    /// Not believed, kept aside.
    Rejected,
    /// The estimate was impossible by so much, if the server is right; it was moved.
    Moved(Duration),
    /// Several told of a step of the oscillator's phase; the estimate starts anew around it.
    PhaseStep(Duration),
    /// Several told of a jump of the oscillator's rate; the estimate opens its frequency.
    FrequencyJump(Frequency),
    /// It contradicts another source that is believed: news of its server only.
    ServerStep(Duration),
    /// The route to the server changed; its base delay by so much.
    RouteChange(Duration),
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

impl Default for Estimator {
    fn default() -> Self {
        Self {
            base: Duration::ZERO,
            at: Timestamp::EPOCH,
            bank: None,
            clocks: vec![None; SourceId::COUNT_MAX],
            crowd: Crowd::default(),
            suspects: vec![Suspects::default(); SourceId::COUNT_MAX],
            ageing: Ageing::default(),
            recalled: None,
            started: Timestamp::EPOCH,
            revision: 0,
            kept: 0.0,
            believed: 0,
            last_believed: None,
            clock_believed: None,
            led_by: None,
            interval: 1.0,
            last_step: None,
            last_move: None,
            handed_over: 0.0,
        }
    }
}

impl Estimator {
    /// Takes in one reading. Samples come in order of time; older ones are dropped.
    pub fn take(&mut self, observation: &Observation) -> Outcome {
        let Observation { source, at, sigma, quantization, sawtooth, .. } = *observation;
        let Some(bank) = &self.bank else {
            let spread = sigma.max(START_SIGMA);
            self.base = observation.offset;
            self.start(source, at, &Filter::starting(0.0, spread * spread));
            self.noise_of(source, sigma).take(seconds_of_day(at), 0.0, 0.0);
            self.clock_believed = Some(at);
            self.led_by = Some(source);
            return Outcome::Accepted;
        };
        if at < self.at {
            return Outcome::Late;
        }
        let (wander, ahead) = (bank.wander(), bank.predicted((at - self.at).seconds()).best().a);
        let y = (self.base - observation.offset).seconds();
        let noise = self.noise_of(source, sigma);
        noise.take(seconds_of_day(at), y, wander * wander);
        let variance = noise.variance_for(ahead);
        let evidence = Evidence::Reading {
            y,
            variance: variance
                .max(quantization * quantization / 12.0)
                .max(sawtooth * sawtooth / 3.0),
            tail_sigma: noise.tail_sigma(),
        };
        let handed_over = core::mem::take(&mut self.handed_over);
        if self.led_by != Some(source) {
            let ways = if self.led_by.is_none() { self.crowd.path(at) } else { 0.0 };
            let apart = handed_over.max(ways);
            self.allow_for_handing_over(apart, at, evidence);
        }
        let outcome = self.weigh(source, at, evidence);
        if matches!(outcome, Outcome::Accepted | Outcome::Moved(_)) {
            self.clock_believed = Some(at);
            self.led_by = Some(source);
        }
        outcome
    }

    /// Changes whenever anything but time changed the estimate.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Which share of the error that the estimate had at the last call is still in it, 0..=1: samples
    /// since have replaced the rest.
    pub fn kept(&mut self) -> f64 {
        core::mem::replace(&mut self.kept, 1.0)
    }

    /// Samples believed.
    pub fn believed(&self) -> u64 {
        self.believed
    }

    /// Mean interval between believed samples, s.
    pub fn interval(&self) -> f64 {
        self.interval
    }

    /// Learned standard deviation of a source's readings, s; of a server, of its own noise.
    pub fn sigma_of(&self, source: SourceId) -> Option<f64> {
        if let Some(server) = self.crowd.find(source) {
            return Some(libm::sqrt(server.own_variance()));
        }
        let noise = self.clocks.get(source.index())?.as_ref()?;
        Some(libm::sqrt(noise.variance()))
    }

    /// Shortest round trip to a server in memory, s.
    pub fn trip_of(&self, source: SourceId) -> Option<f64> {
        self.crowd.find(source).map(Server::trip)
    }

    /// Mean queueing on the way to a server, s.
    pub fn spread_of(&self, source: SourceId) -> Option<f64> {
        self.crowd.find(source).map(|server| libm::sqrt(server.spread_squared()))
    }

    /// What asymmetry on the way to a server can hide at most, s.
    pub fn path_of(&self, source: SourceId) -> Option<f64> {
        self.crowd.find(source).map(Server::path)
    }

    /// Whether a reference clock is believed, so that servers are only listened to.
    pub fn follows_a_clock(&self, at: Timestamp<Raw>) -> bool {
        self.clock_believed.is_some_and(|last| (at - last).seconds() <= CLOCK_RULES_FOR)
    }

    /// Servers that pull at the estimate.
    pub fn pulls(&self, at: Timestamp<Raw>) -> impl Iterator<Item = SourceId> + '_ {
        self.crowd.pulls(at).map(|(id, _)| id)
    }

    /// A server was found to be wrong: it pulls no more, until it is heard again.
    pub fn distrust(&mut self, source: SourceId) {
        self.crowd.distrust(source);
    }

    /// Interval between polls of a server that serves the estimate best, s; `None` before its first
    /// exchange.
    pub fn asked(&self, source: SourceId, polls: Polls, now: Timestamp<Raw>) -> Option<f64> {
        let server = self.crowd.find(source)?;
        // Whoever is suspected, the others are witnesses.
        let recent = |s: &Suspects| s.span().is_some_and(|s| (now - s.1).seconds() < URGENT_FOR);
        let suspected = self.suspects.iter().any(recent);
        Some(server.pace.asked(polls, now, suspected || server.is_gathering()))
    }

    /// Forgets everything but the noise of the clocks: the oscillator is another one.
    pub fn restart(&mut self) {
        self.revision += 1;
        self.ageing = Ageing::default();
        self.recalled = None;
        self.kept = 0.0;
        self.bank = None;
        self.crowd = Crowd::default();
        self.suspects.iter_mut().for_each(Suspects::clear);
        self.believed = 0;
        self.last_believed = None;
        self.clock_believed = None;
        self.led_by = None;
        self.handed_over = 0.0;
        self.last_step = None;
        self.last_move = None;
    }

    /// Another reference clock leads from now on. It may stand `apart` seconds from where the former
    /// one had the estimate, and neither be wrong.
    pub fn hand_over(&mut self, apart: f64) {
        self.handed_over = apart;
    }

    /// Somebody moved the clock of the stamps by `by`, which is known within `sigma` seconds; the
    /// oscillator did not move, and nothing is forgotten.
    pub fn moved(&mut self, by: Duration, sigma: f64) {
        self.revision += 1;
        self.base -= by;
        self.at = self.at + by;
        self.started = self.started + by;
        for at in [&mut self.clock_believed, &mut self.last_step, &mut self.last_move]
            .into_iter()
            .flatten()
        {
            *at = *at + by;
        }
        if let Some((at, _)) = &mut self.last_believed {
            *at = *at + by;
        }
        self.suspects.iter_mut().for_each(|suspects| suspects.moved(by));
        self.ageing.moved(by);
        self.crowd.moved(by);
        if let Some(bank) = &mut self.bank {
            bank.open(sigma * sigma, 0.0);
        }
    }

    /// UTC counted a second twice (`by` = −1 s) or skipped one (+1 s).
    pub fn leapt(&mut self, by: Duration) {
        self.base += by;
    }

    /// Before the first sample: what is known of the oscillator and its clocks from before.
    pub fn recall(&mut self, memory: &Memory) {
        for (source, sigma) in memory.known_noise() {
            self.clocks[source.index() % SourceId::COUNT_MAX] = Some(Noise::recalled(sigma));
        }
        self.ageing = Ageing::recalled(memory.ageing, memory.ageing_sigma);
        self.recalled = Some(*memory);
    }

    /// What is worth keeping over a restart; `None` before the rate is known.
    pub fn memory(&self, at: Timestamp<Raw>) -> Option<Memory> {
        let estimate = self.estimate(at)?;
        let noise = |noise: &Option<Noise>| {
            noise.as_ref().map_or(0.0, |noise| libm::sqrt(noise.variance()))
        };
        Some(Memory {
            frequency: estimate.frequency,
            frequency_sigma: libm::sqrt(estimate.noise.frequency),
            wander: estimate.wander,
            ageing: self.ageing.rate(),
            ageing_sigma: self.ageing.sigma(),
            noise: core::array::from_fn(|id| self.clocks.get(id).map_or(0.0, noise)),
        })
    }

    fn start(&mut self, source: SourceId, at: Timestamp<Raw>, filter: &Filter) {
        self.at = at;
        self.started = at;
        let mut bank = Bank::starting(*filter);
        if let Some(memory) = self.recalled.take() {
            let known = filter.with_rate(memory.frequency.ratio(), memory.frequency_sigma);
            bank = Bank::starting(known);
            bank.expect_wander(memory.wander);
        }
        bank.ageing = self.ageing.rate();
        self.bank = Some(bank);
        self.note_believed(source, at);
    }

    /// Believes a sample or keeps it aside.
    fn weigh(&mut self, source: SourceId, at: Timestamp<Raw>, evidence: Evidence<'_>) -> Outcome {
        let Some(bank) = &self.bank else { return Outcome::Late };
        let dt = (at - self.at).seconds();
        let mut predicted = bank.predicted(dt);
        if !predicted.live().any(|(filter, _)| evidence.is_possible(filter)) {
            return self.suspect(source, at, &predicted.best(), evidence);
        }
        let before = predicted.best().a;
        match evidence {
            Evidence::Reading { y, variance, .. } => predicted.take_reading(y, variance, dt),
            Evidence::Interval(heard) => predicted.take_interval(&heard.interval, heard.own, dt),
        }
        self.kept *= (predicted.best().a / before).clamp(0.0, 1.0);
        self.bank = Some(predicted);
        self.at = at;
        self.suspects[source.index()].clear();
        self.note_believed(source, at);
        Outcome::Accepted
    }

    fn note_believed(&mut self, source: SourceId, at: Timestamp<Raw>) {
        self.revision += 1;
        if let Some((last, _)) = self.last_believed {
            let dt = (at - last).seconds().min(INTERVAL_MAX);
            self.interval += (dt - self.interval) / INTERVAL_MEMORY;
        }
        self.last_believed = Some((at, source));
        self.believed += 1;
        if let Some(bank) = &mut self.bank {
            let best = bank.best();
            self.ageing.take(at, best.f, best.d, bank.wander());
            bank.ageing = self.ageing.rate();
        }
    }

    fn noise_of(&mut self, source: SourceId, sigma: f64) -> &mut Noise {
        self.clocks[source.index() % SourceId::COUNT_MAX]
            .get_or_insert_with(|| Noise::declared(sigma))
    }
}

/// First spread of a reference clock: 100 µs.
const START_SIGMA: f64 = 1e-4;
/// The mean interval is over so many samples, none of them longer, s.
const INTERVAL_MEMORY: f64 = 8.0;
const INTERVAL_MAX: f64 = 1024.0;
/// How long one believed reading of a reference clock keeps servers from steering, s.
const CLOCK_RULES_FOR: f64 = 16.0;
/// How long a suspicion is worth quick polls, s.
const URGENT_FOR: f64 = 64.0;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod exchange_tests;
