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

use super::bank::Bank;
use super::crowd::Crowd;
use super::evidence::Evidence;
use super::filter::{FREQUENCY_PRIOR, Filter};
use super::noise::{Noise, seconds_of_day};
use super::server::{Heard, Polls, Seen, Server};
use super::suspects::{Shape, Suspect, Suspects};
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
    started: Timestamp<Raw>,
    /// Counts changes of the estimate by anything but time.
    revision: u64,
    /// Share of an error of long ago that is still in the estimate, since it was last asked for.
    kept: f64,
    believed: u64,
    last_believed: Option<(Timestamp<Raw>, SourceId)>,
    /// When a reference clock was last believed.
    clock_believed: Option<Timestamp<Raw>>,
    interval: f64,
    last_step: Option<Timestamp<Raw>>,
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
            started: Timestamp::EPOCH,
            revision: 0,
            kept: 0.0,
            believed: 0,
            last_believed: None,
            clock_believed: None,
            interval: 1.0,
            last_step: None,
        }
    }
}

impl Estimator {
    /// Takes in one reading. Samples come in order of time; older ones are dropped.
    pub fn take(&mut self, observation: &Observation) -> Outcome {
        let Observation { source, at, sigma, quantization, .. } = *observation;
        let Some(bank) = &self.bank else {
            let spread = sigma.max(START_SIGMA);
            self.base = observation.offset;
            self.start(source, at, &Filter::starting(0.0, spread * spread));
            self.noise_of(source, sigma).take(seconds_of_day(at), 0.0, 0.0);
            self.clock_believed = Some(at);
            return Outcome::Accepted;
        };
        if at < self.at {
            return Outcome::Late;
        }
        let wander = bank.wander();
        let y = (self.base - observation.offset).seconds();
        let noise = self.noise_of(source, sigma);
        noise.take(seconds_of_day(at), y, wander * wander);
        let evidence = Evidence::Reading {
            y,
            variance: noise.variance().max(quantization * quantization / 12.0),
            tail_sigma: noise.tail_sigma(),
        };
        let outcome = self.weigh(source, at, evidence);
        if outcome == Outcome::Accepted {
            self.clock_believed = Some(at);
        }
        outcome
    }

    /// Takes in one exchange.
    pub fn exchange(&mut self, exchanged: &Exchanged) -> Outcome {
        let Exchanged { source, at, polls, steers, .. } = *exchanged;
        let Some(bank) = &self.bank else {
            return if steers { self.start_with(exchanged) } else { Outcome::Listened };
        };
        let late = (self.at - at).seconds().max(0.0);
        if late > LATE_MAX {
            return Outcome::Late;
        }
        let at = at.max(self.at);
        let dt = (at - self.at).seconds();
        let predicted = bank.predicted(dt);
        let best = predicted.best();
        // A little late: the oscillator has moved on since, by its rate.
        let moved = best.f * late;
        let seen = self.seen(exchanged, at, moved);
        let Some(server) = self.crowd.of(source) else {
            // Nothing is known of its path beside the others'.
            let mut server = Server::starting(seen, &best);
            server.used_at = steers.then_some(at);
            self.crowd.admit(source, server);
            return Outcome::Listened;
        };
        let heard = server.hear(seen, &best);
        if steers {
            server.used_at = Some(at);
        }
        let ahead = libm::sqrt(predicted.predicted(server.pace.interval(polls)).best().a);
        server.pace.adapt(polls, ahead, server.base() / 2.0);
        if heard.gathering {
            return Outcome::Listened;
        }
        if heard.fell > 4.0 * heard.interval.edge && self.crowd.is_alone(at) {
            self.open_for_base(heard.fell / 2.0, at);
        }
        let outcome = self.follow(source, at, &heard, steers, best.x);
        match heard.changed {
            Some(by) if matches!(outcome, Outcome::Accepted | Outcome::Listened) => {
                Outcome::RouteChange(Duration::from_seconds_f64(by))
            }
            _ => outcome,
        }
    }

    /// The estimate at `at`; `None` before the first sample.
    pub fn estimate(&self, at: Timestamp<Raw>) -> Option<Estimate> {
        let bank = self.bank.as_ref()?;
        let now = bank.predicted((at - self.at).seconds().max(0.0));
        let best = now.best();
        Some(Estimate {
            offset: self.base - Duration::from_seconds_f64(best.x),
            frequency: Frequency::new(best.f),
            sigma: libm::sqrt(best.a),
            sigma_frequency: libm::sqrt(best.d),
            wander: bank.wander(),
            noise: self.envelope(&now, &best, at),
        })
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

    /// What asymmetry on the way to a server can hide at most, s.
    pub fn path_of(&self, source: SourceId) -> Option<f64> {
        self.crowd.find(source).map(Server::path)
    }

    /// How far the truth may be from the estimate by a server's last exchanges, if it is right, s.
    pub fn claim_of(&self, source: SourceId, at: Timestamp<Raw>) -> Option<f64> {
        let bank = self.bank.as_ref()?;
        let best = bank.predicted((at - self.at).seconds().max(0.0)).best();
        self.crowd.find(source).map(|server| server.claim(at, &best))
    }

    /// Whether a reference clock is believed, so that servers are only listened to.
    pub fn follows_a_clock(&self, at: Timestamp<Raw>) -> bool {
        self.clock_believed.is_some_and(|last| (at - last).seconds() <= CLOCK_RULES_FOR)
    }

    /// Servers that pull at the estimate.
    pub fn pulls(&self, at: Timestamp<Raw>) -> impl Iterator<Item = SourceId> + '_ {
        self.crowd.pulls(at).map(|(id, _)| id)
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
        self.kept = 0.0;
        self.bank = None;
        self.crowd = Crowd::default();
        self.suspects.iter_mut().for_each(Suspects::clear);
        self.believed = 0;
        self.last_believed = None;
        self.clock_believed = None;
    }

    /// Somebody moved the clock of the stamps by `by`, which is known within `sigma` seconds; the
    /// oscillator did not move, and nothing is forgotten.
    pub fn moved(&mut self, by: Duration, sigma: f64) {
        self.revision += 1;
        self.base -= by;
        self.at = self.at + by;
        self.started = self.started + by;
        for at in [&mut self.clock_believed, &mut self.last_step].into_iter().flatten() {
            *at = *at + by;
        }
        if let Some((at, _)) = &mut self.last_believed {
            *at = *at + by;
        }
        self.suspects.iter_mut().for_each(|suspects| suspects.moved(by));
        self.crowd.moved(by);
        if let Some(bank) = &mut self.bank {
            bank.open(sigma * sigma, 0.0);
        }
    }

    /// UTC counted a second twice (`by` = −1 s) or skipped one (+1 s).
    pub fn leapt(&mut self, by: Duration) {
        self.base += by;
    }

    fn start(&mut self, source: SourceId, at: Timestamp<Raw>, filter: &Filter) {
        self.at = at;
        self.started = at;
        self.bank = Some(Bank::starting(*filter));
        self.note_believed(source, at);
    }

    fn start_with(&mut self, exchanged: &Exchanged) -> Outcome {
        // The middle of T2 and T3 against that of T1 and T4 is x = 0.
        self.base = (exchanged.there - exchanged.back) / 2;
        let seen = self.seen(exchanged, exchanged.at, 0.0);
        let half = (seen.trip() / 2.0).max(1e-9);
        let filter = Filter::starting(0.0, half * half);
        self.start(exchanged.source, exchanged.at, &filter);
        let mut server = Server::starting(seen, &filter);
        server.used_at = Some(exchanged.at);
        server.fed_at = Some(exchanged.at);
        self.crowd.admit(exchanged.source, server);
        Outcome::Accepted
    }

    fn seen(&self, exchanged: &Exchanged, at: Timestamp<Raw>, moved: f64) -> Seen {
        Seen {
            at,
            alpha: (exchanged.there - self.base).seconds() - moved,
            beta: (exchanged.back + self.base).seconds() + moved,
        }
    }

    /// What an exchange does to the estimate.
    fn follow(
        &mut self,
        source: SourceId,
        at: Timestamp<Raw>,
        heard: &Heard,
        steers: bool,
        x: f64,
    ) -> Outcome {
        let (placed, own) = self.crowd.place(source, heard, at);
        let rules = self.follows_a_clock(at);
        let may_steer = steers && !rules && self.crowd.may_steer(source, at);
        let mut outcome = Outcome::Listened;
        let mut after = x;
        if may_steer {
            let shifted = Heard { interval: placed, own, ..*heard };
            outcome = self.weigh(source, at, Evidence::Interval(&shifted));
            if outcome != Outcome::Accepted {
                return outcome;
            }
            after = self.bank.as_ref().map_or(x, |bank| bank.best().x);
        }
        if let Some(server) = self.crowd.of(source) {
            let spread_squared = server.spread_squared();
            server.shift.take(&heard.interval, spread_squared, after);
            if rules {
                server.shift.anchor();
            }
            if may_steer {
                server.fed_at = Some(at);
            }
        }
        outcome
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
            let dt = (at - last).seconds().min(1024.0);
            self.interval += (dt - self.interval) / 8.0;
        }
        self.last_believed = Some((at, source));
        self.believed += 1;
    }

    fn suspect(
        &mut self,
        source: SourceId,
        at: Timestamp<Raw>,
        best: &Filter,
        evidence: Evidence<'_>,
    ) -> Outcome {
        let (distance, sigma, kind) = evidence.distance(best);
        let age = self.last_believed.map_or(1.0, |(last, _)| (at - last).seconds());
        let suspect = Suspect { at, distance, age: age.max(1e-3), sigma };
        let suspects = &mut self.suspects[source.index()];
        let shape = suspects.take(suspect, kind);
        if shape == Shape::Unclear {
            return Outcome::Rejected;
        }
        let first = suspects.span().map_or(at, |(first, _)| first);
        let contradicted =
            self.last_believed.is_some_and(|(last, who)| last >= first && who != source);
        if !contradicted && self.others_are_silent(source, first, at) {
            // They are asked at once; one alone is not believed against them.
            return Outcome::Rejected;
        }
        if contradicted {
            // What one tells while another is believed is news about that one.
            self.suspects[source.index()].clear();
            if let Some(server) = self.crowd.of(source) {
                server.shift = Default::default();
            }
            return Outcome::ServerStep(Duration::from_seconds_f64(-distance));
        }
        match shape {
            Shape::Unclear => Outcome::Rejected,
            Shape::Growing { slope } => {
                self.open_frequency(slope, at);
                Outcome::FrequencyJump(Frequency::new(slope))
            }
            Shape::Equal { mean } => {
                self.open_phase(mean, at);
                Outcome::PhaseStep(Duration::from_seconds_f64(mean))
            }
            Shape::Hopeless => {
                self.restart();
                Outcome::Restarted
            }
        }
    }

    /// Whether some other source steers and has said nothing since `first`, for a while.
    fn others_are_silent(
        &self,
        source: SourceId,
        first: Timestamp<Raw>,
        at: Timestamp<Raw>,
    ) -> bool {
        let speaks = |id: SourceId| self.suspects[id.index()].span().is_some_and(|s| s.1 >= first);
        (at - first).seconds() < WITNESS_WITHIN
            && self.crowd.pulls(at).any(|(id, _)| id != source && !speaks(id))
    }

    /// The rate changed at the last believed sample: all filters go back there and open it.
    fn open_frequency(&mut self, slope: f64, now: Timestamp<Raw>) {
        let since = (now - self.at).seconds();
        let Some(bank) = &mut self.bank else { return };
        let mut best = bank.best();
        best.d += 4.0 * slope * slope;
        bank.restart(&best, since);
        self.begin_again(now);
    }

    /// The phase stepped: all filters open it and keep their rate, unless this is the second step
    /// within an hour. Then a wrong rate may be what looks like steps.
    fn open_phase(&mut self, mean: f64, now: Timestamp<Raw>) {
        let again = self.last_step.is_some_and(|last| (now - last).seconds() < 3600.0);
        let dt = (now - self.at).seconds();
        let Some(bank) = &mut self.bank else { return };
        let mut best = bank.predicted(dt).best();
        best.a += 4.0 * mean * mean;
        best.d += if again { FREQUENCY_PRIOR * FREQUENCY_PRIOR } else { STEP_FREQUENCY_VARIANCE };
        bank.restart(&best, 0.0);
        self.last_step = Some(now);
        self.begin_again(now);
    }

    /// The filters stand at `now` and were opened.
    fn begin_again(&mut self, now: Timestamp<Raw>) {
        self.revision += 1;
        self.at = now;
        self.suspects.iter_mut().for_each(Suspects::clear);
        if let Some(bank) = &self.bank {
            self.crowd.restart(&bank.best());
        }
    }

    /// The base was found too high by `2 × by`: the earlier intervals were too narrow.
    fn open_for_base(&mut self, by: f64, at: Timestamp<Raw>) {
        let age = (at - self.started).seconds().max(1.0);
        self.revision += 1;
        if let Some(bank) = &mut self.bank {
            bank.open(by * by, by * by / (age * age));
        }
    }

    fn noise_of(&mut self, source: SourceId, sigma: f64) -> &mut Noise {
        self.clocks[source.index() % SourceId::COUNT_MAX]
            .get_or_insert_with(|| Noise::declared(sigma))
    }

    /// What covers every live filter now and later. One filter's own sigma is not honest: in the
    /// first minutes the learned wander can be far too low, and that filter does not know.
    fn envelope(&self, now: &Bank, best: &Filter, at: Timestamp<Raw>) -> NoiseGrowth {
        let wander = now.wander();
        let mut growth = NoiseGrowth {
            phase: best.a,
            cross: best.b,
            frequency: best.d,
            wander: wander * wander,
            factor: BOUND_FACTOR * (1.0 + START_ALLOWANCE / self.believed.max(1) as f64),
            ..NoiseGrowth::default()
        };
        for (filter, q) in now.live() {
            growth.phase = growth.phase.max(filter.a);
            growth.cross = growth.cross.max(filter.b);
            growth.frequency = growth.frequency.max(filter.d);
            growth.wander = growth.wander.max(q);
            growth.apart = growth.apart.max((filter.x - best.x).abs());
            growth.apart_rate = growth.apart_rate.max((filter.f - best.f).abs());
        }
        growth.ceiling_rate = FREQUENCY_TOLERANCE.max(BOUND_FACTOR * libm::sqrt(growth.frequency));
        if !self.follows_a_clock(at)
            && let Some(floor) = self.crowd.start_bound(at, best)
        {
            growth.floor = floor;
            growth.floor_rate = START_RATE;
        }
        growth
    }
}

/// Sigmas that make a bound; the largest error seen was 4.7.
const BOUND_FACTOR: f64 = 6.0;
/// The first bounds are wider by 1 + 8/n.
const START_ALLOWANCE: f64 = 8.0;
/// First spread of a reference clock: 100 µs.
const START_SIGMA: f64 = 1e-4;
/// Growth of the bound that needs no learning: a crystal off by 100 ppm.
const START_RATE: f64 = 1e-4;
/// After a step of phase the rate is a little less sure.
const STEP_FREQUENCY_VARIANCE: f64 = 1e-14;
/// PHI of RFC 5905 §7.2.
const FREQUENCY_TOLERANCE: f64 = 15e-6;
/// Exchanges later than this are no news, s.
const LATE_MAX: f64 = 5.0;
/// How long one believed reading of a reference clock keeps servers from steering, s.
const CLOCK_RULES_FOR: f64 = 16.0;
/// Another source that has not answered quick polls by then is no witness, s.
const WITNESS_WITHIN: f64 = 10.0;
/// How long a suspicion is worth quick polls, s.
const URGENT_FOR: f64 = 64.0;

#[cfg(test)]
#[path = "estimator_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod exchange_tests;
