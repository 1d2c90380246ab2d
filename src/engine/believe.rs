//! Whom to believe, and what the estimate makes of it: selection over what each source claims now.

use super::root_distance::PHI;
use super::{Engine, PULSES_MISSED_AFTER, Role, Tracked};
use crate::clock::Clock;
use crate::discipline::Polls;
use crate::discipline::estimator::{Exchanged, Observation, Outcome};
use crate::event::EventKind;
use crate::mitigation::{Candidate, Verdict, select};
use crate::sample::{Sample, SourceId};
use crate::state::Term;
use crate::time::{Duration, LeapIndicator, Raw, System, Timestamp};

impl<C: Clock> Engine<C> {
    /// Whose samples count: RFC 5905 §11.2 over what each source claims now.
    pub(super) fn select(&mut self, raw: Timestamp<Raw>) {
        self.candidates.clear();
        for index in 0..self.sources.len() {
            if let Some(reach) = self.sources[index].shift_reach(raw) {
                let id = self.sources[index].report.source;
                self.tell(self.now.system, Some(id), EventKind::Reach(reach));
            }
            let measured = self.measure(index, raw);
            let verdict = match self.eligibility(index, raw) {
                Err(verdict) => verdict,
                Ok(()) if measured.distance > self.sources[index].plan.distance_max => {
                    Verdict::TooDistant
                }
                Ok(()) => {
                    self.candidates.push(measured);
                    continue;
                }
            };
            self.judge(index, verdict);
        }
        if self.waits_for_a_majority(raw) {
            for index in 0..self.candidates.len() {
                self.judge(self.candidates[index].source.index(), Verdict::NoMajority);
            }
            return;
        }
        let former = self.selection.system_peer;
        let mut verdicts = core::mem::take(&mut self.verdicts);
        self.selection = select(&self.candidates, former, &mut verdicts);
        self.hold_rather_than_follow(&mut verdicts, raw);
        for (index, verdict) in verdicts.iter().enumerate() {
            self.judge(self.candidates[index].source.index(), *verdict);
        }
        self.verdicts = verdicts;
        if self.selection.system_peer != former {
            self.hand_over(former);
            self.tell(self.now.system, self.selection.system_peer, EventKind::SystemPeer);
        }
    }

    /// Another reference clock leads than before.
    fn hand_over(&mut self, former: Option<SourceId>) {
        let declared = |id: SourceId| {
            let source = &self.sources[id.index()];
            (!matches!(source.plan.role, Role::Server(_))).then(|| source.errors.sum())
        };
        if let Some(now) = self.selection.system_peer.and_then(declared) {
            // What the estimate had from whoever led before is in the terms still told.
            let before = former.and_then(declared).unwrap_or(0.0);
            self.estimator.hand_over(now + before.max(self.state.fixed.sum()));
        }
    }

    /// Before the first sample steers: whether more than half of the sources, and a trusted one if there
    /// is any, were not heard yet. The first to answer may be the one that lies.
    fn waits_for_a_majority(&mut self, raw: Timestamp<Raw>) -> bool {
        let first = self.candidates.iter().filter_map(|c| self.sources[c.source.index()].last);
        let first = first.map(|sample| sample.at).min();
        let Some(first) = first.filter(|_| self.estimator.believed() == 0) else { return false };
        let since = *self.first_heard.get_or_insert(first);
        // Text that numbers pulses has its say in them.
        let numbers = |id| self.pairings.iter().any(|p| p.text == Some(id));
        let votes = |source: &&Tracked| !source.plan.noselect && !numbers(source.report.source);
        let configured = self.sources.iter().filter(votes).count();
        let heard = self.candidates.iter().filter(|c| !numbers(c.source)).count();
        // Whoever is trusted decides against any majority.
        let trusts = self.sources.iter().any(|s| s.plan.trust && !s.plan.noselect);
        let unheard = trusts && !self.candidates.iter().any(|candidate| candidate.trust);
        (heard * 2 <= configured || unheard) && raw - since < MAJORITY_WAIT
    }

    /// What a source claims now, by its last sample: `offset ± distance` of the served time.
    fn measure(&mut self, index: usize, raw: Timestamp<Raw>) -> Candidate {
        let source = &mut self.sources[index];
        let id = source.report.source;
        let is_server = matches!(source.plan.role, Role::Server(_));
        let sigma = self.estimator.sigma_of(id);
        let sigma = sigma.unwrap_or(if is_server { 0.0 } else { source.plan.sigma });
        let mut rank = source.report.distance;
        if let Some(sample) = &source.last {
            let age = (raw - sample.at).seconds().max(0.0);
            let correction = self.clock.correction().at(raw);
            let drifted = Duration::from_seconds_f64(self.state.frequency.ratio() * age);
            source.report.offset = sample.offset - correction - drifted;
            let errors = if is_server { &sample.errors } else { &source.errors };
            rank = errors.sum() + NOISE_SIGMAS * sigma;
            let astray = self.estimator.astray(raw, age).unwrap_or(f64::INFINITY);
            source.report.distance = rank + astray.clamp(JUMP_RATE * age, AGE_RATE * age);
        }
        let last = (source.report.offset.seconds(), source.report.distance);
        if is_server && self.sources[index].last.is_some() {
            // Compared by its shortest way: one answer that queued makes it no worse.
            rank = self.constant_errors(id) + NOISE_SIGMAS * sigma;
        }
        let source = &self.sources[index];
        let (offset, distance) = self.proven(source, raw, sigma).unwrap_or(last);
        Candidate {
            source: id,
            offset,
            distance,
            rank,
            jitter: source.report.jitter,
            stratum: source.report.stratum,
            prefer: source.plan.prefer,
            trust: source.plan.trust,
            pulse: matches!(source.plan.role, Role::Pulse { .. }),
            interval: is_server,
        }
    }

    /// What all exchanges with a server prove together, where that is more than the last one: offset
    /// and distance, s. One that queued says little, and a liar overlaps with it.
    fn proven(&self, source: &Tracked, raw: Timestamp<Raw>, sigma: f64) -> Option<(f64, f64)> {
        let (low, high) = self.estimator.correctness_of(source.report.source, raw)?;
        let age = source.last.map_or(0.0, |sample| (raw - sample.at).seconds().max(0.0));
        let lag = self.estimator.estimate(raw)?.offset - self.clock.correction().at(raw);
        let distance = (high - low) / 2.0 + NOISE_SIGMAS * sigma + JUMP_RATE * age;
        let offset = lag.seconds() - f64::midpoint(low, high);
        (distance < source.report.distance).then_some((offset, distance))
    }

    /// Whether a source may be a candidate now, or why not.
    fn eligibility(&self, index: usize, raw: Timestamp<Raw>) -> Result<(), Verdict> {
        let source = &self.sources[index];
        let id = source.report.source;
        let pairing = self.pairings.iter().find(|p| p.pulse == id);
        let pulses = pairing.is_some_and(|p| p.last_pulse.is_some());
        if pulses && pairing.is_some_and(|p| p.pairing.is_unnumbered()) {
            return Err(Verdict::Unnumbered);
        }
        // Pulses without any text make no sample, ever.
        let silent = if pulses { Verdict::Unnumbered } else { Verdict::Silent };
        let sample = source.last.ok_or(silent)?;
        let fresh = match source.plan.role {
            Role::Server(_) => source.report.reach != 0,
            Role::Text | Role::Pulse { .. } => raw - sample.at <= FRESH_FOR,
        };
        if !fresh {
            return Err(Verdict::Stale);
        }
        if sample.leap == LeapIndicator::Unknown {
            return Err(Verdict::Unsynchronised);
        }
        if source.plan.noselect {
            return Err(Verdict::NotSelectable);
        }
        // Text that numbers living pulses has had its say in them.
        let speaks_through_pulses = self.pairings.iter().any(|p| {
            p.text == Some(id) && raw - p.last_pulse.unwrap_or(self.started) < PULSES_MISSED_AFTER
        });
        if speaks_through_pulses { Err(Verdict::Numbering) } else { Ok(()) }
    }

    /// A memory that is still much better than anything heard is better held than given up.
    fn hold_rather_than_follow(&mut self, verdicts: &mut [Verdict], raw: Timestamp<Raw>) {
        if !self.state.phase.is_synchronised() || self.estimator.estimate(raw).is_none() {
            return;
        }
        let bound = self.state.bound(self.now.system).seconds();
        // Noise averages out and age is no fault of the source: only its constant errors count.
        let used = || self.candidates.iter().zip(verdicts.iter()).filter(|(_, v)| v.is_used());
        let worse = |c: &Candidate| self.constant_errors(c.source) > HOLD_BELOW * bound;
        if used().next().is_some() && used().all(|(c, _)| worse(c)) {
            verdicts.iter_mut().filter(|v| v.is_used()).for_each(|v| *v = Verdict::Reserve);
            self.selection.system_peer = None;
        }
    }

    /// What a source may be wrong by for good, s.
    fn constant_errors(&self, id: SourceId) -> f64 {
        let errors = &self.sources[id.index()].errors;
        match self.estimator.path_of(id) {
            Some(path) => path + errors.of(Term::Server) + errors.of(Term::Declared),
            None => errors.sum(),
        }
    }

    fn judge(&mut self, index: usize, verdict: Verdict) {
        let source = &mut self.sources[index];
        source.report.verdict = verdict;
        if source.verdict != verdict {
            source.verdict = verdict;
            let id = source.report.source;
            if verdict == Verdict::Falseticker {
                self.estimator.distrust(id);
            }
            self.tell(self.now.system, Some(id), EventKind::Verdict(verdict));
        }
    }

    /// Feeds the samples of the sources in use, in order of time.
    pub(super) fn estimate(&mut self) {
        self.samples.sort_by_key(|(sample, _)| (sample.at, sample.source));
        let samples = core::mem::take(&mut self.samples);
        for (sample, stamp) in &samples {
            if let Some(outcome) = self.learn(sample) {
                self.note(outcome, sample, *stamp);
            }
        }
        self.samples = samples;
    }

    /// Reference clocks are followed or left; servers are listened to as long as they are honest.
    fn learn(&mut self, sample: &Sample) -> Option<Outcome> {
        let source = &self.sources[sample.source.index()];
        let steers = source.verdict.is_used();
        match (source.plan.role, sample.ways) {
            (Role::Server(plan), Some(ways)) => {
                let listens = matches!(source.verdict, Verdict::Reserve | Verdict::Outlier);
                let polls = Polls { min: plan.poll_min, max: plan.poll_max };
                (steers || listens).then(|| {
                    self.estimator.exchange(&Exchanged {
                        source: sample.source,
                        at: sample.at,
                        there: ways.there,
                        back: ways.back,
                        error: sample.errors.of(Term::Server) + sample.errors.of(Term::Declared),
                        polls,
                        steers,
                    })
                })
            }
            _ => steers.then(|| {
                self.estimator.take(&Observation {
                    source: sample.source,
                    at: sample.at,
                    offset: sample.offset,
                    sigma: source.plan.sigma,
                    quantization: source.plan.declared.quantization,
                    sawtooth: source.errors.of(Term::Sawtooth),
                })
            }),
        }
    }

    /// The noise learned of a server is evidence of its dispersion that it has not made itself.
    fn hold_against_its_word(&mut self, sample: &Sample, stamp: Timestamp<System>) {
        let Some(sigma) = self.estimator.sigma_of(sample.source) else { return };
        // What queues hide is not told from noise.
        let queues = self.estimator.spread_of(sample.source).unwrap_or(0.0);
        let source = &mut self.sources[sample.source.index()];
        let declared = sample.errors.of(Term::Server) + sample.errors.of(Term::Declared);
        if !matches!(source.plan.role, Role::Server(_)) || source.report.believed < NOISE_LEARNED {
            return;
        }
        let noise = NOISE_SIGMAS * sigma;
        if noise > declared + queues && !core::mem::replace(&mut source.told_noisy, true) {
            let noise = Duration::from_seconds_f64(noise);
            self.tell(stamp, Some(sample.source), EventKind::NoisierThanDeclared { noise });
        } else if noise < declared / 2.0 {
            source.told_noisy = false;
        }
    }

    fn note(&mut self, outcome: Outcome, sample: &Sample, stamp: Timestamp<System>) {
        let report = &mut self.sources[sample.source.index()].report;
        let moves = matches!(outcome, Outcome::RouteChange(_) | Outcome::Moved(_));
        // The sample that shows a jump of the rate is the first of the new one.
        let jumps = matches!(outcome, Outcome::FrequencyJump(_));
        if outcome == Outcome::Accepted || moves || jumps {
            report.believed += 1;
            self.state.samples += 1;
            if self.void_since.is_some_and(|since| sample.at > since) {
                self.void_since = None;
            }
            self.hold_against_its_word(sample, stamp);
            let served = self.clock.correction().at(sample.at);
            self.state.offset = sample.offset - served;
            self.state.reference_time = Some(sample.at.corrected_by(sample.offset));
            let news = match outcome {
                Outcome::RouteChange(by) => Some(EventKind::RouteChange { by }),
                Outcome::Moved(by) => Some(EventKind::EstimateMoved { by }),
                Outcome::FrequencyJump(by) => Some(EventKind::FrequencyJump { by }),
                _ => None,
            };
            if let Some(news) = news {
                self.tell(stamp, Some(sample.source), news);
            }
            return;
        }
        if outcome == Outcome::Listened {
            return;
        }
        report.rejected += 1;
        self.state.refused += 1;
        let event = match outcome {
            Outcome::Accepted
            | Outcome::Listened
            | Outcome::RouteChange(_)
            | Outcome::Moved(_)
            | Outcome::FrequencyJump(_)
            | Outcome::Late => return,
            Outcome::ServerStep(by) => EventKind::ServerStep { by },
            Outcome::Rejected => {
                let predicted =
                    self.estimator.estimate(sample.at).map_or(sample.offset, |e| e.offset);
                EventKind::SampleRejected { distance: sample.offset - predicted }
            }
            Outcome::PhaseStep(by) => EventKind::PhaseStep { by },
            Outcome::Restarted => EventKind::EstimateRestarted,
        };
        self.tell(stamp, Some(sample.source), event);
    }
}

/// A sample of a reference clock older than this is no claim any more.
const FRESH_FOR: Duration = Duration::from_seconds(16);
/// A source this many times less certain than our own memory is not followed.
const HOLD_BELOW: f64 = 3.0;
/// Sigmas of its noise that a source's claim allows for.
const NOISE_SIGMAS: f64 = 6.0;
/// Samples of a server before its noise is held against what it declares.
const NOISE_LEARNED: u64 = 128;
/// What a claim loses a second at most. Less, where the rate is known: what lies
/// far from the rest must not come to overlap it by waiting.
const AGE_RATE: f64 = PHI;
/// What it loses at least: an oscillator may jump by so much, and nobody knows yet.
const JUMP_RATE: f64 = 0.5e-6;
/// How long a majority of the configured sources is waited for before the first step.
const MAJORITY_WAIT: Duration = Duration::from_seconds(6);
