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

mod believe;
mod bound;
mod companion;
mod disturbance;
mod exchange;
mod leap;
mod plan;
mod root_distance;
mod steer;
mod tracked;

use std::collections::VecDeque;

use companion::Companion;
use leap::Armed;
pub use plan::{LeapMode, LocalPlan, Plan, Policy, Role, ServerPlan, SourcePlan, StepPolicy};
pub use tracked::SourceReport;
use tracked::Tracked;

use crate::clock::{Clock, Now};
use crate::discipline::estimator::{Estimate, Estimator};
pub use crate::discipline::memory::Memory;
use crate::discipline::servo::{Order, Servo};
use crate::event::{Event, EventKind};
use crate::mitigation::{Candidate, Selection, Verdict};
use crate::sample::{Reading, ReadingKind, Sample, SourceId};
use crate::source::pairing::{Paired, Pairing, sample_of_text};
use crate::state::{State, Term};
use crate::time::{Duration, Frequency, LeapIndicator, Mono, Raw, System, Timestamp, Utc};

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
    /// Something was known before the first reading.
    recalled: bool,
    synchronised_at: Option<Timestamp<Raw>>,
    companion: Companion,
    /// Since then the bound is void, until a sample of a later instant agrees: somebody else moved
    /// the clock, or the machine slept.
    void_since: Option<Timestamp<Raw>>,
    /// Exchanges that began earlier have stamps of two clocks.
    void_before: Timestamp<System>,
    /// When the first source was heard.
    first_heard: Option<Timestamp<Raw>>,
    leapt_at: Option<Timestamp<System>>,
    /// Where a leap second steps the clock of the stamps.
    stepped_near: Option<Timestamp<System>>,
    /// What was told of the end of the month.
    told_leap: LeapIndicator,
    told_expired: bool,
    /// Leap seconds that the table does not have.
    tai_beyond_table: i16,
    /// What is left to slew of a leap second, s.
    leap_lag: f64,
    /// What was armed when the time was lost: it comes all the same.
    leap_held: Option<Armed>,
    /// That the oscillator needs more than the frequency limit.
    told_limited: bool,
    /// The estimate whose noise was published last, and when it was.
    told_revision: Option<u64>,
    told_at: Timestamp<Mono>,
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
        let Policy { slew_limit, frequency_limit, .. } = plan.policy;
        let servo = Servo { slew_limit, frequency_limit };
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
            recalled: false,
            synchronised_at: None,
            companion: Companion::default(),
            void_since: None,
            void_before: Timestamp::EPOCH,
            first_heard: None,
            leapt_at: None,
            stepped_near: None,
            told_leap: LeapIndicator::None,
            told_expired: false,
            tai_beyond_table: 0,
            leap_lag: 0.0,
            leap_held: None,
            told_limited: false,
            told_revision: None,
            told_at: now.mono,
            plan,
        }
    }

    /// Before the first reading: what was learned before a restart. The clock runs at that rate from
    /// now on, if it is served as it is.
    pub fn recall(&mut self, memory: &Memory) {
        let found = self.clock.found_rate().ratio();
        let hardware = memory.frequency.ratio();
        let frequency = Frequency::new(hardware + found + hardware * found);
        self.estimator.recall(&Memory { frequency, ..*memory });
        self.recalled = memory.frequency_sigma < RECALLED_WITHIN;
        if self.clock.is_served() {
            let rate = Frequency::new(-frequency.ratio());
            let order = Order { rate, slew: Frequency::ZERO, span: Duration::ZERO };
            if self.clock.steer(&order).is_err() {
                self.tell(self.now.system, None, EventKind::ClockRefused);
            }
        }
    }

    /// What is worth keeping over a restart, of the bare hardware; `None` while not synchronised.
    pub fn memory(&self) -> Option<Memory> {
        let memory = self.estimator.memory(self.raw)?;
        let found = self.clock.found_rate().ratio();
        let ratio = (memory.frequency.ratio() - found) / (1.0 + found);
        let frequency = Frequency::new(ratio);
        self.state.phase.is_synchronised().then_some(Memory { frequency, ..memory })
    }

    /// Takes in one reading; it is judged at the next tick.
    pub fn handle(&mut self, reading: &Reading) {
        if self.is_of_a_leap(reading) {
            return;
        }
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
                source.marks = true;
                self.paired(reading, leap, at, |p| p.mark(at, utc));
            }
            ReadingKind::Pulse { fraction } => {
                let leap = self.announced_with(reading.source);
                let told = self.told_by_others(at, fraction);
                self.paired(reading, leap, at, |p| p.pulse(at, fraction, told));
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
        self.notice_the_kernels_leap(before, raw_before);
        self.notice_others(before, raw_before);
        self.leap();
        self.select(self.raw);
        self.estimate();
        self.steer(self.raw);
        self.publish(self.raw);
        self.pace();
        // While a majority is waited for nothing is lost.
        if self.estimator.believed() > 0 || self.first_heard.is_none() {
            self.samples.clear();
        }
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

    /// The second that a pulse without text begins, as the estimate of the other sources has it: only
    /// while that cannot be wrong by half a second.
    fn told_by_others(&self, at: Timestamp<Raw>, fraction: Duration) -> Option<Timestamp<Utc>> {
        let estimate = self.estimator.estimate(at)?;
        let fixed = self.state.fixed.sum() - self.state.fixed.of(Term::Local);
        let known = self.void_since.is_none() && estimate.noise.at(0.0) + fixed < NUMBERED_WITHIN;
        let utc = at.corrected_by::<Utc>(estimate.offset) - fraction;
        known.then(|| utc.round_to_second())
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
            let served = self.clock.correction().at(sample.at);
            let precision = self.plan.precision.duration();
            source.take(&sample, reading.stamp, frequency, (served, precision));
            if self.samples.len() < SAMPLES_MAX {
                self.samples.push((sample, reading.stamp));
            }
        }
        if let Some(event) = paired.event {
            self.tell(reading.stamp, Some(reading.source), event);
        }
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
/// A rate known so well from before shortens the way to a lock.
const RECALLED_WITHIN: f64 = 2e-6;
/// Samples judged in one tick; a flood beyond that is dropped.
const SAMPLES_MAX: usize = 4096;
/// A second is numbered by others when they know the time this well, s.
const NUMBERED_WITHIN: f64 = 0.4;
/// Text steps in for pulses after this.
const PULSES_MISSED_AFTER: Duration = Duration::from_seconds(64);
