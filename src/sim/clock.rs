//! The simulated clock: what an engine in the universe steers.

use super::mutation::Mutation;
use crate::clock::{Clock, ClockError, Correction, Declaration, Now, Pieces};
use crate::discipline::servo::Order;
use crate::time::{Duration, Frequency, LeapIndicator, Mono, Raw, System, Timestamp};

/// A clock whose raw reading the world sets. Steered like the kernel's, where readings are the
/// served time; or in software, where they stay raw.
#[derive(Clone, Debug)]
pub struct SimulatedClock {
    raw: Timestamp<Raw>,
    steered: bool,
    pieces: Pieces,
    /// What others did to the system clock, and since when they slew it at which rate.
    disturbance: Duration,
    slewed: (Timestamp<Raw>, Frequency),
    /// The last order's rate without its slew.
    rest: Frequency,
    /// How long the machine slept: a clock that nobody sets stands still then.
    slept: Duration,
    /// What was declared last.
    pub declared: Option<Declaration>,
    /// Steps in the order they were made.
    pub steps: Vec<Duration>,
    /// The leap second that its kernel is to make: from which reading on, and by how much.
    kernels_leap: Option<(Timestamp<System>, Duration)>,
    /// What its kernel did that it was not told of.
    leapt: Duration,
    /// What of its orders is made wrong; it tells what it really applied.
    pub mutation: Option<Mutation>,
}

impl SimulatedClock {
    /// `steered`: readings of the system clock are the served time.
    pub fn new(raw: Timestamp<Raw>, steered: bool) -> Self {
        Self {
            raw,
            steered,
            pieces: Pieces::starting(raw),
            disturbance: Duration::ZERO,
            slewed: (raw, Frequency::ZERO),
            rest: Frequency::ZERO,
            slept: Duration::ZERO,
            declared: None,
            steps: Vec::new(),
            kernels_leap: None,
            leapt: Duration::ZERO,
            mutation: None,
        }
    }

    /// What a clock reads that nobody sets.
    pub fn mono(&self) -> Timestamp<Mono> {
        self.raw.corrected_by(-self.slept)
    }

    /// The world moves on.
    pub fn set_raw(&mut self, raw: Timestamp<Raw>) {
        self.raw = raw;
        let Some((at, by)) = self.kernels_leap else { return };
        // The kernel looks at its tick.
        if self.system(raw) >= at + KERNEL_TICK {
            self.kernels_leap = None;
            self.leapt += by;
        }
    }

    /// Somebody else sets the system clock.
    pub fn disturb(&mut self, by: Duration) {
        self.disturbance += by;
    }

    /// Somebody else slews the system clock at this rate from now on; zero ends it.
    pub fn disturb_rate(&mut self, rate: Frequency) {
        self.disturbance = self.disturbed(self.raw);
        self.slewed = (self.raw, rate);
    }

    /// At which somebody else slews it now.
    pub fn disturbance_rate(&self) -> Frequency {
        self.slewed.1
    }

    /// The machine slept for so long and has set its clock again, wrong by `error`.
    pub fn wake(&mut self, slept: Duration, error: Duration) {
        self.slept += slept;
        self.disturb(error);
    }

    /// The daemon ends: the kernel's clock goes on at its last rate, without a slew; one in software
    /// is gone.
    pub fn leave(&mut self) {
        let rest = Order { rate: self.rest, slew: Frequency::ZERO, span: Duration::ZERO };
        if self.steered {
            self.pieces.push(self.pieces.latest().followed_by(self.apparent(), &rest));
        } else {
            self.pieces = Pieces::starting(self.raw);
            self.rest = Frequency::ZERO;
        }
        self.declared = None;
    }

    /// What the system clock reads when the oscillator reads `raw`.
    pub fn system(&self, raw: Timestamp<Raw>) -> Timestamp<System> {
        let raw = raw + self.disturbed(raw);
        let applied = if self.steered { self.pieces.at(raw) } else { Duration::ZERO };
        raw.corrected_by(applied + self.leapt)
    }

    /// The oscillator's own reading behind a stamp of after the last disturbance.
    pub fn undisturbed(&self, stamp: Timestamp<System>) -> Timestamp<Raw> {
        self.raw(stamp) - self.disturbance
    }

    /// The oscillator as the engine must take it: nobody can undo what others did.
    fn apparent(&self) -> Timestamp<Raw> {
        self.raw + self.disturbed(self.raw)
    }

    fn disturbed(&self, raw: Timestamp<Raw>) -> Duration {
        let (from, rate) = self.slewed;
        if rate == Frequency::ZERO {
            return self.disturbance;
        }
        self.disturbance + rate.over(raw - from)
    }
}

impl Clock for SimulatedClock {
    fn now(&mut self) -> Now {
        Now { system: self.system(self.raw), mono: self.mono(), window: Duration::ZERO }
    }

    fn raw(&self, stamp: Timestamp<System>) -> Timestamp<Raw> {
        if !self.steered {
            return stamp.read_as();
        }
        self.pieces.raw_of(stamp)
    }

    fn correction(&self) -> Correction {
        self.pieces.latest()
    }

    fn steer(&mut self, order: &Order) -> Result<(), ClockError> {
        let order = &self.mutation.map_or(*order, |mutation| mutation.order(order));
        self.rest = order.rate;
        let order = match self.steered {
            false => *order,
            // Like the kernel, which ends no slew by itself.
            true => {
                let rate = order.rate + order.slew;
                Order { rate, slew: Frequency::ZERO, span: Duration::ZERO }
            }
        };
        self.pieces.push(self.correction().followed_by(self.apparent(), &order));
        Ok(())
    }

    fn step(&mut self, by: Duration) -> Result<(), ClockError> {
        self.steps.push(by);
        self.pieces.push(self.correction().stepped(self.apparent(), by));
        Ok(())
    }

    fn leapt(&mut self, at: Timestamp<System>, by: Duration) {
        self.pieces.leapt(at, by);
        self.leapt -= by;
    }

    fn declare(&mut self, declaration: &Declaration) -> Result<(), ClockError> {
        // As the kernel does: at the end of the day in which it is first told to.
        let day = self.system(self.raw).seconds().div_euclid(86_400) + 1;
        let midnight = Timestamp::from_seconds(day * 86_400);
        let wanted = match declaration.leap {
            LeapIndicator::Insert => Some((midnight, -Duration::SECOND)),
            LeapIndicator::Delete => Some((midnight - Duration::SECOND, Duration::SECOND)),
            LeapIndicator::None | LeapIndicator::Unknown => None,
        };
        let told = self.kernels_leap.filter(|(_, by)| wanted.is_some_and(|(_, w)| w == *by));
        self.kernels_leap = told.or(wanted);
        self.declared = Some(*declaration);
        Ok(())
    }

    fn is_served(&self) -> bool {
        self.steered
    }
}

/// Of 250 a second.
const KERNEL_TICK: Duration = Duration::from_millis(4);
