//! The world of the scenarios: one machine, one receiver, one judge.

use std::collections::BTreeMap;

use maser::clock::Clock as _;
use maser::engine::{Engine, LocalPlan, Plan, Policy, Role, SourcePlan};
use maser::event::EventKind;
use maser::mitigation::Verdict;
use maser::random::Random;
use maser::sample::{Reading, ReadingKind, SourceId};
use maser::sim::{Oscillator, OscillatorPlan, SimulatedClock};
use maser::source::pairing::Declared;
use maser::state::{Phase, State};
use maser::time::{Duration, Exponent, LeapIndicator, LeapTable, System, Timestamp, Utc};

/// A receiver: pulses at the second, text after it, corrections before it.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub on: bool,
    pub pulses: bool,
    pub text: bool,
    /// Pulses come as complete marks.
    pub marks: bool,
    /// Noise of a stamp, s.
    pub noise: f64,
    /// Sign and size with which corrections are sent; 1 is right, 0 sends none.
    pub sawtooth: f64,
    pub text_lost: f64,
    pub text_wrong: f64,
    pub pulse_lost: f64,
    pub pulse_doubled: f64,
    pub pulse_wild: f64,
    /// Seconds added to every label.
    pub lie: i64,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            on: true,
            pulses: true,
            text: true,
            marks: false,
            noise: 2e-8,
            sawtooth: 1.0,
            text_lost: 0.0,
            text_wrong: 0.0,
            pulse_lost: 0.0,
            pulse_doubled: 0.0,
            pulse_wild: 0.0,
            lie: 0,
        }
    }
}

#[derive(Clone, Debug)]
pub struct WorldPlan {
    pub seed: u64,
    pub steered: bool,
    pub offset: f64,
    pub wander: f64,
    pub receiver: Receiver,
    pub role: Role,
    pub policy: Policy,
    pub local: Option<u8>,
    pub sources: bool,
    pub leaps: Option<LeapTable>,
    pub start: Timestamp<Utc>,
}

impl Default for WorldPlan {
    fn default() -> Self {
        Self {
            seed: 1,
            steered: false,
            offset: 0.4,
            wander: 1e-9,
            receiver: Receiver::default(),
            role: Role::Pulse { text: Some(SourceId(0)) },
            policy: Policy::default(),
            local: None,
            sources: true,
            leaps: None,
            start: Timestamp::from_seconds(1_700_000_000),
        }
    }
}

pub struct World {
    engine: Engine<SimulatedClock>,
    oscillator: Oscillator,
    receiver: Receiver,
    random: Random,
    now: Timestamp<Utc>,
    start: Timestamp<Utc>,
    /// What is still to come, in order of true time.
    queue: BTreeMap<(Timestamp<Utc>, u64), Step>,
    queued: u64,
    stalled_until: Timestamp<Utc>,
    events: Vec<(SourceName, EventKind)>,
    errors: Vec<(f64, f64, f64)>,
    last_served: Option<Timestamp<Utc>>,
    pub violations: u32,
    pub backwards: u32,
}

type SourceName = Option<SourceId>;

#[derive(Clone, Copy)]
enum Step {
    /// The receiver plans the second that begins now.
    Second,
    /// A driver stamps something, and hands it over at once.
    Reading(SourceId, ReadingKind),
    Tick,
    Judge,
}

/// What an engine is told in such a world.
pub fn plan_of(plan: &WorldPlan) -> Plan {
    let source = |name: &str, role, sigma| SourcePlan {
        name: name.to_owned(),
        reference_id: *b"GPS\0",
        stratum: 0,
        role,
        declared: Declared {
            offset: Duration::ZERO,
            uncertainty: 2e-7,
            quantization: 1e-9,
            grain: Duration::from_nanos(30),
            grain_corrected: 1e-9,
        },
        sigma,
        poll: Exponent(3),
        prefer: false,
        noselect: false,
        trust: false,
        distance_max: 3.0,
    };
    let sources = vec![source("text", Role::Text, 0.2), source("pulse", plan.role, 1e-6)];
    Plan {
        sources: if plan.sources { sources } else { Vec::new() },
        policy: plan.policy,
        local: plan.local.map(|stratum| LocalPlan {
            stratum,
            uncertainty: 1.0,
            wait: Duration::from_seconds(300),
        }),
        leaps: plan.leaps.clone(),
        precision: Exponent(-24),
        reading: 3e-8,
    }
}

impl World {
    pub fn new(plan: WorldPlan) -> Self {
        let start = plan.start;
        let oscillator = OscillatorPlan {
            offset: plan.offset,
            frequency: 30e-6,
            wander: plan.wander,
            ..OscillatorPlan::default()
        };
        let mut oscillator = Oscillator::new(&oscillator, plan.seed, start);
        let clock = SimulatedClock::new(oscillator.read(start), plan.steered);
        let mut world = Self {
            engine: Engine::new(plan_of(&plan), clock),
            oscillator,
            receiver: plan.receiver,
            random: Random::seeded(plan.seed ^ 0x5eed),
            now: start,
            start,
            queue: BTreeMap::new(),
            queued: 0,
            stalled_until: start,
            events: Vec::new(),
            errors: Vec::new(),
            last_served: None,
            violations: 0,
            backwards: 0,
        };
        // The receiver's second does not begin when the daemon starts.
        world.plan(0.37, Step::Second);
        world.plan(0.5, Step::Tick);
        world.plan(0.1, Step::Judge);
        world
    }

    /// Lets `seconds` pass.
    pub fn run(&mut self, seconds: f64) {
        let end = self.now + Duration::from_seconds_f64(seconds);
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), step) = entry.remove_entry();
            self.now = at;
            let raw = self.oscillator.read(at);
            self.engine.clock_mut().set_raw(raw);
            self.take(step);
        }
        self.now = end;
        let raw = self.oscillator.read(end);
        self.engine.clock_mut().set_raw(raw);
    }

    /// The engine does nothing for so long; drivers stamp on, except text, which piles up.
    pub fn stall(&mut self, seconds: f64) {
        self.stalled_until = self.now + Duration::from_seconds_f64(seconds);
        self.run(seconds);
    }

    pub fn receiver_mut(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    pub fn oscillator_mut(&mut self) -> &mut Oscillator {
        &mut self.oscillator
    }

    /// Somebody sets the system clock, and with it every stamp from now on.
    pub fn disturb(&mut self, by: Duration) {
        self.engine.clock_mut().disturb(by);
        self.last_served = None;
    }

    pub fn state(&self) -> &State {
        self.engine.state()
    }

    pub fn phase(&self) -> Phase {
        self.engine.state().phase
    }

    pub fn verdict(&self, source: usize) -> Verdict {
        self.engine.reports().nth(source).expect("a configured source").verdict
    }

    pub fn jitter(&self, source: usize) -> f64 {
        self.engine.reports().nth(source).expect("a configured source").jitter
    }

    pub fn steps(&self) -> usize {
        self.engine.clock().steps.len()
    }

    pub fn bound_now(&mut self) -> Duration {
        let now = self.system_now();
        self.state().bound(now)
    }

    fn system_now(&mut self) -> Timestamp<System> {
        self.engine.clock_mut().now().system
    }

    pub fn seen(&self, what: impl Fn(&EventKind) -> bool) -> bool {
        self.events.iter().any(|(_, kind)| what(kind))
    }

    pub fn story(&self) -> String {
        self.events.iter().map(|(source, kind)| format!("{source:?} {kind}\n")).collect()
    }

    /// Median and 99th percentile of |error| over the last `seconds`.
    pub fn error_quantiles(&self, seconds: f64) -> (f64, f64) {
        let errors = self.last(seconds, |(_, error, _)| error.abs());
        (errors[errors.len() / 2], errors[errors.len() * 99 / 100])
    }

    pub fn bound_median(&self, seconds: f64) -> f64 {
        let bounds = self.last(seconds, |(_, _, bound)| bound);
        bounds[bounds.len() / 2]
    }

    fn last(&self, seconds: f64, what: impl Fn((f64, f64, f64)) -> f64) -> Vec<f64> {
        let from = (self.now - self.start).seconds() - seconds;
        let mut values: Vec<f64> =
            self.errors.iter().filter(|(at, ..)| *at >= from).map(|e| what(*e)).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn plan(&mut self, after: f64, step: Step) {
        self.plan_at(self.now + Duration::from_seconds_f64(after), step);
    }

    fn plan_at(&mut self, at: Timestamp<Utc>, step: Step) {
        self.queued += 1;
        self.queue.insert((at, self.queued), step);
    }

    fn take(&mut self, step: Step) {
        let stalled = self.now < self.stalled_until;
        match step {
            Step::Second => self.second(),
            Step::Reading(SourceId(0), kind) if stalled => {
                // Nobody reads the line: the text is dated when the process runs again.
                self.plan_at(self.stalled_until, Step::Reading(SourceId(0), kind));
            }
            Step::Reading(source, kind) => {
                let raw = self.oscillator.read(self.now);
                let stamp = self.engine.clock().system(raw);
                self.engine.handle(&Reading { source, stamp, kind });
            }
            Step::Tick => {
                if !stalled {
                    self.engine.tick();
                    while let Some(event) = self.engine.poll_event() {
                        self.events.push((event.source, event.kind));
                    }
                }
                self.plan(1.0, Step::Tick);
            }
            Step::Judge => self.judge(),
        }
    }

    /// Half a second ahead of its pulse the receiver decides what comes.
    fn second(&mut self) {
        let next = Timestamp::from_seconds(self.now.seconds() + 1);
        self.plan_at(next + Duration::from_millis(370), Step::Second);
        if !self.receiver.on {
            return;
        }
        let receiver = self.receiver.clone();
        let told = next + Duration::from_seconds(receiver.lie);
        let sawtooth = self.random.between(-1.1e-8, 1.1e-8);
        let noise = receiver.noise * self.random.normal();
        let text = SourceId(0);
        if receiver.sawtooth != 0.0 {
            let error = Duration::from_seconds_f64(-sawtooth * receiver.sawtooth);
            let kind = ReadingKind::QuantizationError { error, second: Some(told) };
            self.plan(0.2, Step::Reading(text, kind));
        }
        if receiver.pulses && self.random.uniform() >= receiver.pulse_lost {
            let wild = if self.random.uniform() < receiver.pulse_wild { 3e-3 } else { 0.0 };
            let at = next + Duration::from_seconds_f64(sawtooth + noise + wild);
            let kind = if receiver.marks {
                ReadingKind::Mark { utc: told, leap: LeapIndicator::None }
            } else {
                ReadingKind::Pulse { fraction: Duration::ZERO }
            };
            self.plan_at(at, Step::Reading(SourceId(1), kind));
            if self.random.uniform() < receiver.pulse_doubled {
                self.plan_at(at + Duration::from_micros(300), Step::Reading(SourceId(1), kind));
            }
        }
        if receiver.text && self.random.uniform() >= receiver.text_lost {
            let wrong = i64::from(self.random.uniform() < receiver.text_wrong);
            let late = Duration::from_seconds_f64(self.random.between(0.12, 0.35));
            let utc = told + Duration::from_seconds(wrong);
            self.plan_at(next + late, Step::Reading(text, ReadingKind::Label { utc }));
        }
    }

    fn judge(&mut self) {
        let raw = self.oscillator.read(self.now);
        let system = self.engine.clock().system(raw);
        let state = self.engine.state();
        let served = state.utc(system);
        if self.last_served.is_some_and(|last| served < last) && self.steps() == self.judged_steps()
        {
            self.backwards += 1;
        }
        self.last_served = Some(served);
        let state = self.engine.state();
        if state.phase.is_synchronised() {
            let error = (served - self.now).seconds();
            let bound = state.bound(system).seconds();
            self.violations += u32::from(error.abs() > bound);
            let at = (self.now - self.start).seconds();
            self.errors.push((at, error, bound));
        }
        let next = self.random.between(0.05, 0.3);
        self.plan(next, Step::Judge);
    }

    /// Steps that may explain a served time that runs backwards: those before the first lock.
    fn judged_steps(&self) -> usize {
        if self.errors.is_empty() { usize::MAX } else { self.steps() }
    }
}
