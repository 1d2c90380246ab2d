//! The engine: drain readings → pair → select → estimate → steer → publish, at its own pace.
//!
//! ```text
//!   handle(reading)* ──► tick() ──► Clock::step / steer / declare
//!                          │
//!                          └──► State, SourceReports, Events
//! ```
//!
//! It owns everything that judges. It reads no clock but the one it steers, and it never blocks:
//! readings are queued by [`Engine::handle`] and judged together by [`Engine::tick`].

mod companion;
mod exchange;
mod plan;
mod steer;
mod tracked;

use std::collections::VecDeque;

use companion::Companion;
pub use plan::{LocalPlan, Plan, Policy, Role, ServerPlan, SourcePlan, StepPolicy};
pub use tracked::SourceReport;
use tracked::Tracked;

use crate::clock::{Clock, Now};
use crate::discipline::estimator::{Estimate, Estimator, Observation, Outcome};
use crate::discipline::servo::Servo;
use crate::event::{Event, EventKind};
use crate::mitigation::{Candidate, Selection, Verdict, select};
use crate::sample::{Reading, ReadingKind, Sample, SourceId};
use crate::source::pairing::{Paired, Pairing, sample_of_text};
use crate::state::State;
use crate::time::{Date, Duration, LeapIndicator, Raw, System, Timestamp, Utc};

/// Judges readings and steers one clock.
#[derive(Debug)]
pub struct Engine<C: Clock> {
    clock: C,
    plan: Plan,
    sources: Vec<Tracked>,
    pairings: Vec<PairingOf>,
    estimator: Estimator,
    servo: Servo,
    state: State,
    selection: Selection,
    /// Samples of this tick, with the stamps they came with.
    samples: Vec<(Sample, Timestamp<System>)>,
    candidates: Vec<Candidate>,
    verdicts: Vec<Verdict>,
    events: VecDeque<Event>,
    events_dropped: u64,
    now: Now,
    raw: Timestamp<Raw>,
    started: Timestamp<Raw>,
    stepped: u32,
    synchronised_at: Option<Timestamp<Raw>>,
    companion: Companion,
}

/// A pairing and the sources it joins.
#[derive(Debug)]
struct PairingOf {
    pulse: SourceId,
    text: Option<SourceId>,
    pairing: Pairing,
    last_pulse: Option<Timestamp<Raw>>,
}

impl<C: Clock> Engine<C> {
    /// An engine that has heard nothing.
    pub fn new(plan: Plan, mut clock: C) -> Self {
        let now = clock.now();
        let ids = (0..=u8::MAX).map(SourceId);
        let sources: Vec<Tracked> =
            ids.zip(&plan.sources).map(|(id, plan)| Tracked::new(id, plan.clone())).collect();
        let declared = |id: SourceId| (id, plan.sources[id.index()].declared);
        let pairings = sources
            .iter()
            .filter_map(|source| match source.plan.role {
                Role::Text | Role::Server(_) => None,
                Role::Pulse { text } => Some((source.report.source, text)),
            })
            .map(|(pulse, text)| PairingOf {
                pulse,
                text,
                pairing: Pairing::new(declared(pulse), text.map(declared)),
                last_pulse: None,
            })
            .collect();
        let servo = Servo { slew_limit: plan.policy.slew_limit, ..Servo::default() };
        let state = State { anchor: now.system, precision: plan.precision, ..State::default() };
        let started = clock.raw(now.system);
        Self {
            clock,
            sources,
            pairings,
            estimator: Estimator::default(),
            servo,
            state,
            selection: Selection::default(),
            samples: Vec::with_capacity(EVENTS_MAX),
            candidates: Vec::with_capacity(SourceId::COUNT_MAX),
            verdicts: Vec::with_capacity(SourceId::COUNT_MAX),
            events: VecDeque::with_capacity(EVENTS_MAX),
            events_dropped: 0,
            now,
            raw: started,
            started,
            stepped: 0,
            synchronised_at: None,
            companion: Companion::default(),
            plan,
        }
    }

    /// Takes in one reading; it is judged at the next tick.
    pub fn handle(&mut self, reading: &Reading) {
        let Some(source) = self.sources.get_mut(reading.source.index()) else { return };
        let at = self.clock.raw(reading.stamp);
        match reading.kind {
            ReadingKind::Refused(refusal) => {
                source.report.refused[refusal as usize] += 1;
                self.tell(reading.stamp, Some(reading.source), EventKind::Refused(refusal));
            }
            ReadingKind::Exchange(exchange) => self.exchange(reading, &exchange, at),
            ReadingKind::Polled { reach } => self.reach(reading, reach),
            ReadingKind::Kissed { code } => {
                self.tell(reading.stamp, Some(reading.source), EventKind::Kissed { code });
            }
            ReadingKind::Address { id } => source.plan.reference_id = id,
            ReadingKind::Receiver(status) => source.report.receiver = status,
            ReadingKind::Rollover { eras } => {
                self.tell(reading.stamp, Some(reading.source), EventKind::Rollover { eras });
            }
            ReadingKind::Mark { utc, leap } => {
                self.paired(reading, leap, at, |p| p.mark(at, utc));
            }
            ReadingKind::Pulse { fraction } => {
                let leap = self.announced_with(reading.source);
                self.paired(reading, leap, at, |p| p.pulse(at, fraction));
            }
            ReadingKind::Label { utc } => self.label(reading, at, utc),
            ReadingKind::QuantizationError { error, second } => {
                for index in 0..self.pairings.len() {
                    if self.pairings[index].text == Some(reading.source) {
                        let pairing = &mut self.pairings[index].pairing;
                        let paired = pairing.quantization_error(at, second, error);
                        self.keep(paired, reading);
                    }
                }
            }
        }
    }

    /// Judges what came, steers the clock and returns what the world may know.
    pub fn tick(&mut self) -> State {
        let (before, raw_before) = (self.now, self.raw);
        self.read_clock();
        self.notice_others(before, raw_before);
        self.leap();
        self.select(self.raw);
        self.estimate();
        self.steer(self.raw);
        self.publish(self.raw);
        self.samples.clear();
        self.state
    }

    /// What the world may know since the last tick.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The clock that is steered.
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// The clock, for a world that moves it.
    pub fn clock_mut(&mut self) -> &mut C {
        &mut self.clock
    }

    /// What is told of each source.
    pub fn reports(&self) -> impl Iterator<Item = SourceReport> + '_ {
        self.sources.iter().map(|source| source.report)
    }

    /// The oldest event not yet told.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Events that nobody fetched in time.
    pub fn events_dropped(&self) -> u64 {
        self.events_dropped
    }

    fn paired(
        &mut self,
        reading: &Reading,
        leap: LeapIndicator,
        at: Timestamp<Raw>,
        join: impl FnOnce(&mut Pairing) -> Paired,
    ) {
        let Some(of) = self.pairings.iter_mut().find(|p| p.pulse == reading.source) else { return };
        of.last_pulse = Some(at);
        let mut paired = join(&mut of.pairing);
        if let Some(sample) = &mut paired.sample {
            sample.leap = leap;
        }
        self.keep(paired, reading);
    }

    /// What the text says that comes with these pulses. Text that is not valid makes no labels, so
    /// numbered pulses need no further word of it.
    fn announced_with(&self, pulse: SourceId) -> LeapIndicator {
        let text = self.pairings.iter().find(|p| p.pulse == pulse).and_then(|p| p.text);
        text.map_or(LeapIndicator::None, |text| self.announced_by(text))
    }

    fn announced_by(&self, text: SourceId) -> LeapIndicator {
        match self.sources[text.index()].report.receiver.leap {
            leap @ (LeapIndicator::Insert | LeapIndicator::Delete) => leap,
            LeapIndicator::None | LeapIndicator::Unknown => LeapIndicator::None,
        }
    }

    fn label(&mut self, reading: &Reading, at: Timestamp<Raw>, utc: Timestamp<Utc>) {
        let leap = self.announced_by(reading.source);
        let mut sampled = false;
        for index in 0..self.pairings.len() {
            if self.pairings[index].text != Some(reading.source) {
                continue;
            }
            let mut paired = self.pairings[index].pairing.label(at, utc);
            // One sample of the text is enough, however many pulses it numbers.
            paired.sample = paired.sample.filter(|_| !sampled).map(|s| Sample { leap, ..s });
            sampled = true;
            if let Some((delay, _)) = self.pairings[index].pairing.text_delay() {
                self.sources[reading.source.index()].report.text_delay = delay.seconds();
            }
            self.keep(paired, reading);
        }
        if !sampled {
            let declared = &self.plan.sources[reading.source.index()].declared;
            let sample = sample_of_text(reading.source, declared, at, utc, None);
            self.keep(Paired { sample: Some(Sample { leap, ..sample }), event: None }, reading);
        }
    }

    fn keep(&mut self, paired: Paired, reading: &Reading) {
        // Before a lock the oscillator's rate is not known, and would pass for jitter.
        let frequency = self.state.phase.is_synchronised().then(|| self.state.frequency.ratio());
        let source = &mut self.sources[reading.source.index()];
        if let Some(sample) = paired.sample {
            source.take(&sample, reading.stamp, frequency);
            if self.samples.len() < SAMPLES_MAX {
                self.samples.push((sample, reading.stamp));
            }
        }
        if let Some(event) = paired.event {
            self.tell(reading.stamp, Some(reading.source), event);
        }
    }

    /// Raw is kept with the reading: after a step backwards a reading of before is ambiguous.
    fn read_clock(&mut self) {
        self.now = self.clock.now();
        self.raw = self.clock.raw(self.now.system);
    }

    /// The raw clock and a clock that nobody sets must keep their rate to one another from tick to
    /// tick. Whoever steps or slews the clock beside us, or stops the machine, breaks it.
    fn notice_others(&mut self, before: Now, raw_before: Timestamp<Raw>) {
        let mono = self.now.mono - before.mono;
        let steered = self.clock.correction().rate.ratio().abs();
        let slack = if self.clock.is_served() { STEERING_SLACK * steered } else { 0.0 };
        let windows = (self.now.window + before.window) * 2;
        let by = self.companion.compare(self.raw - raw_before, mono, windows.seconds() + slack);
        if let Some(by) = by {
            self.tell(self.now.system, None, EventKind::ClockDisturbed { by });
            self.start_anew();
        }
    }

    /// Everything measured against the clock as it was is void.
    fn start_anew(&mut self) {
        self.estimator.restart();
        self.samples.clear();
        self.sources.iter_mut().for_each(Tracked::forget);
        for of in &mut self.pairings {
            of.pairing.forget();
            of.last_pulse = None;
        }
        self.stepped = 0;
        self.synchronised_at = None;
    }

    /// At an announced leap second UTC counts one second twice, or not at all. The clock is given up
    /// at that instant and found anew within seconds, rather than served a second wrong.
    fn leap(&mut self) {
        if !matches!(self.state.leap, LeapIndicator::Insert | LeapIndicator::Delete) {
            return;
        }
        let date = |t: Timestamp<Utc>| Date::of_unix_days(t.seconds().div_euclid(86_400));
        let deleted = self.state.leap == LeapIndicator::Delete;
        let ahead = if deleted { Duration::SECOND } else { Duration::ZERO };
        let (before, now) =
            (self.state.utc(self.state.anchor) + ahead, self.state.utc(self.now.system) + ahead);
        if date(before) != date(now) && date(now).day() == 1 {
            self.tell(self.now.system, None, EventKind::LeapSecond { inserted: !deleted });
            self.start_anew();
        }
    }

    /// Whose samples count: RFC 5905 §11.2 over what each source claims now.
    fn select(&mut self, raw: Timestamp<Raw>) {
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
        let former = self.selection.system_peer;
        let mut verdicts = core::mem::take(&mut self.verdicts);
        self.selection = select(&self.candidates, former, &mut verdicts);
        self.hold_rather_than_follow(&mut verdicts, raw);
        for (index, verdict) in verdicts.iter().enumerate() {
            self.judge(self.candidates[index].source.index(), *verdict);
        }
        self.verdicts = verdicts;
        if self.selection.system_peer != former {
            self.tell(self.now.system, self.selection.system_peer, EventKind::SystemPeer);
        }
    }

    /// What a source claims now, by its last sample: `offset ± distance` of the served time.
    fn measure(&mut self, index: usize, raw: Timestamp<Raw>) -> Candidate {
        let source = &mut self.sources[index];
        let id = source.report.source;
        let sigma = self.estimator.sigma_of(id).unwrap_or(source.plan.sigma);
        if let Some(sample) = &source.last {
            let age = (raw - sample.at).seconds().max(0.0);
            let correction = self.clock.correction().at(raw);
            let drifted = Duration::from_seconds_f64(self.state.frequency.ratio() * age);
            source.report.offset = sample.offset - correction - drifted;
            source.report.distance = source.errors.sum() + NOISE_SIGMAS * sigma + AGE_RATE * age;
        }
        Candidate {
            source: id,
            offset: source.report.offset.seconds(),
            distance: source.report.distance,
            jitter: source.report.jitter,
            prefer: source.plan.prefer,
            pulse: matches!(source.plan.role, Role::Pulse { .. }),
        }
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
        let Some(peer) = self.selection.system_peer else { return };
        if !self.state.phase.is_synchronised() || self.estimator.estimate(raw).is_none() {
            return;
        }
        let bound = self.state.bound(self.now.system).seconds();
        // Noise averages out and age is no fault of the source: only its constant errors count.
        if self.sources[peer.index()].errors.sum() > HOLD_BELOW * bound {
            verdicts.iter_mut().filter(|v| v.is_used()).for_each(|v| *v = Verdict::Reserve);
            self.selection.system_peer = None;
        }
    }

    fn judge(&mut self, index: usize, verdict: Verdict) {
        let source = &mut self.sources[index];
        source.report.verdict = verdict;
        if source.verdict != verdict {
            source.verdict = verdict;
            let id = source.report.source;
            self.tell(self.now.system, Some(id), EventKind::Verdict(verdict));
        }
    }

    /// Feeds the samples of the sources in use, in order of time.
    fn estimate(&mut self) {
        self.samples.sort_by_key(|(sample, _)| (sample.at, sample.source));
        let samples = core::mem::take(&mut self.samples);
        for (sample, stamp) in &samples {
            let source = &self.sources[sample.source.index()];
            if !source.verdict.is_used() {
                continue;
            }
            let outcome = self.estimator.take(&Observation {
                source: sample.source,
                at: sample.at,
                offset: sample.offset,
                sigma: source.plan.sigma,
            });
            self.note(outcome, sample, *stamp);
        }
        self.samples = samples;
    }

    fn note(&mut self, outcome: Outcome, sample: &Sample, stamp: Timestamp<System>) {
        let report = &mut self.sources[sample.source.index()].report;
        if outcome == Outcome::Accepted {
            report.believed += 1;
            self.state.samples += 1;
            let served = self.clock.correction().at(sample.at);
            self.state.offset = sample.offset - served;
            self.state.reference_time = Some(sample.at.corrected_by(sample.offset));
            return;
        }
        report.rejected += 1;
        self.state.refused += 1;
        let event = match outcome {
            Outcome::Accepted | Outcome::Late => return,
            Outcome::Rejected => {
                let predicted =
                    self.estimator.estimate(sample.at).map_or(sample.offset, |e| e.offset);
                EventKind::SampleRejected { distance: sample.offset - predicted }
            }
            Outcome::PhaseStep(by) => EventKind::PhaseStep { by },
            Outcome::FrequencyJump(by) => EventKind::FrequencyJump { by },
            Outcome::Restarted => EventKind::EstimateRestarted,
        };
        self.tell(stamp, Some(sample.source), event);
    }

    fn tell(&mut self, at: Timestamp<System>, source: Option<SourceId>, kind: EventKind) {
        if self.events.len() == EVENTS_MAX {
            self.events_dropped += 1;
        } else {
            self.events.push_back(Event { at, source, kind });
        }
    }
}

/// Events kept until they are fetched.
const EVENTS_MAX: usize = 256;
/// Samples judged in one tick; a flood beyond that is dropped.
const SAMPLES_MAX: usize = 4096;
/// A sample older than this is no claim any more.
const FRESH_FOR: Duration = Duration::from_seconds(16);
/// Text steps in for pulses after this.
const PULSES_MISSED_AFTER: Duration = Duration::from_seconds(64);
/// A source this many times less certain than our own memory is not followed.
const HOLD_BELOW: f64 = 3.0;
/// Sigmas of its noise that a source's claim allows for.
const NOISE_SIGMAS: f64 = 6.0;
/// PHI of RFC 5905 §7.2: what a claim loses a second.
const AGE_RATE: f64 = 15e-6;
/// What a clock may be off after its rate was changed within an interval of so many seconds, which
/// nobody can date exactly.
const STEERING_SLACK: f64 = 2e-3;
