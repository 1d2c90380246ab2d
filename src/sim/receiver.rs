//! A receiver: what its driver stamps, and when.
//!
//! A receiver has a time of its own, `true + x`: x is zero unless it is spoofed. At each reading of
//! that time it raises a pulse, with the noise, grain and lateness of its plan, and tells the second
//! in text after it. Everything comes out as the real drivers hand it on: text is placed by the
//! daemon's own rule for rollovers, corrections name their second, status is told when it changes.
//!
//! Every reading draws once from each law, whether or not it is heard: an outage leaves the noise of
//! all other readings as it was.

use super::keys::{seed_of, stream};
use super::queueing::Queues;
use super::receiver_plan::{Correction, Fault, ReceiverKind, ReceiverPlan};
use crate::random::Random;
use crate::sample::{Fix, ReadingKind, ReceiverStatus, Refusal};
use crate::time::{Duration, LeapIndicator, Timestamp, UNITS_PER_SECOND, Utc};
use crate::wire::gnss::rollover::{WEEK_SECONDS, resolve};

/// Which of a receiver's two sources brings a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Pulses or marks.
    Pulse,
    /// Text over a line.
    Text,
}

/// Something that a driver stamps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Emission {
    /// True time when it is stamped.
    pub at: Timestamp<Utc>,
    /// Who brings it.
    pub channel: Channel,
    /// What it is.
    pub kind: ReadingKind,
}

/// A receiver and its drivers.
#[derive(Clone, Debug)]
pub struct Receiver {
    plan: ReceiverPlan,
    start: Timestamp<Utc>,
    /// When [`Receiver::next_reading`] is due.
    due: Timestamp<Utc>,
    late: Queues,
    noise: Random,
    text: Random,
    lost: Random,
    extra: Random,
    outlier: Random,
    /// Place in the receiver's own clock tick, 0..1.
    tick: f64,
    faults: Faults,
    /// Leap seconds since the start: true UTC − the world's count.
    leaps: i64,
    told: Option<ReceiverStatus>,
    eras: u32,
    denied: Option<Timestamp<Utc>>,
}

/// What is wrong now.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    outage: bool,
    /// By, over, since.
    spoofed: Option<(f64, f64, Timestamp<Utc>)>,
    wrong_second: i64,
    wrong_utc_offset: i64,
    week_rollover: bool,
    leap: Option<LeapIndicator>,
    missed_pulses: f64,
    extra_pulses: f64,
    wrong_edge: Duration,
    text_late: Duration,
    text_missing: bool,
}

/// One reading of the receiver's time.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    /// What it tells.
    told: Timestamp<Utc>,
    /// When its time reads so.
    at: Timestamp<Utc>,
    /// When the pulse is stamped, and by how much the receiver's tick delays it, s.
    stamped: Timestamp<Utc>,
    tick: f64,
}

impl Receiver {
    /// The receiver of this seed, whose first reading comes within its interval after `start`.
    pub fn new(plan: &ReceiverPlan, seed: u64, start: Timestamp<Utc>) -> Self {
        Self {
            start,
            due: start,
            late: Queues::new(&plan.late, seed_of(seed, 0), start),
            noise: stream(seed, 1),
            text: stream(seed, 2),
            lost: stream(seed, 3),
            extra: stream(seed, 4),
            outlier: stream(seed, 5),
            tick: stream(seed, 6).uniform(),
            faults: Faults::default(),
            leaps: 0,
            told: None,
            eras: 0,
            denied: None,
            plan: plan.clone(),
        }
    }

    /// When [`Receiver::next_reading`] is due: half an interval before the next reading, at the
    /// start less.
    pub const fn due(&self) -> Timestamp<Utc> {
        self.due
    }

    /// Everything of the next reading, in order of time, none before [`Receiver::due`].
    pub fn next_reading(&mut self) -> Vec<Emission> {
        let epoch = self.epoch();
        let begin = self.due;
        self.due = epoch.at + self.interval() / 2;
        let mut out = Vec::new();
        if self.plan.kind != ReceiverKind::Text {
            self.pulse(&epoch, &mut out);
        }
        if matches!(self.plan.kind, ReceiverKind::Text | ReceiverKind::PulsesAndText) {
            self.tell(&epoch, &mut out);
        }
        for emission in &mut out {
            emission.at = emission.at.max(begin);
        }
        out.sort_by_key(|emission| emission.at);
        out
    }

    /// Something goes wrong from the next reading on, or is right again. A fault of the same kind
    /// is replaced.
    pub fn set(&mut self, fault: Fault, on: bool) {
        let faults = &mut self.faults;
        match fault {
            Fault::Outage => faults.outage = on,
            Fault::Spoofed { by, over } => {
                faults.spoofed = on.then_some((by, over, self.due));
            }
            Fault::WrongSecond(by) => faults.wrong_second = if on { by } else { 0 },
            Fault::WrongUtcOffset(by) => faults.wrong_utc_offset = if on { by } else { 0 },
            Fault::WeekRollover => faults.week_rollover = on,
            Fault::WrongLeap(leap) => faults.leap = on.then_some(leap.indicator()),
            Fault::MissedPulses(share) => faults.missed_pulses = if on { share } else { 0.0 },
            Fault::ExtraPulses(share) => faults.extra_pulses = if on { share } else { 0.0 },
            Fault::WrongEdge(width) => faults.wrong_edge = when(on, width),
            Fault::TextLate(by) => faults.text_late = when(on, by),
            Fault::TextMissing => faults.text_missing = on,
        }
    }

    /// A leap second passed: from the next reading on UTC is so many seconds from the world's
    /// count, −1 for each one inserted.
    pub fn leap(&mut self, by: i64) {
        self.leaps += by;
    }

    /// How far its time is off now, s: what a spoofer makes of it, whole wrong seconds left out.
    pub fn spoofed_by(&self) -> f64 {
        self.faults.spoofed.map_or(0.0, |(by, over, since)| match over > 0.0 {
            true => by * ((self.due - since).seconds() / over).clamp(0.0, 1.0),
            false => by,
        })
    }

    fn interval(&self) -> Duration {
        Duration::from_units(UNITS_PER_SECOND / i128::from(self.plan.rate.max(1)))
    }

    /// The first reading after [`Receiver::due`], with all its noise.
    fn epoch(&mut self) -> Epoch {
        let ahead = Duration::from_seconds_f64(self.spoofed_by());
        let rate = i128::from(self.plan.rate.max(1));
        let count = ((self.due + ahead).units() * rate).div_euclid(UNITS_PER_SECOND) + 1;
        let told = Timestamp::<Utc>::from_units((count * UNITS_PER_SECOND).div_euclid(rate));
        let at = told - ahead;
        let mut tick = 0.0;
        if let Some(sawtooth) = &self.plan.sawtooth {
            self.tick = libm::fmod(self.tick + sawtooth.step, 1.0);
            tick = sawtooth.amplitude * (2.0 * self.tick - 1.0);
        }
        let mut error = tick + self.plan.noise * self.noise.normal();
        if let Some(wave) = &self.plan.wave {
            let turns = (at - self.start).seconds() / wave.period;
            error += wave.amplitude * libm::sin(core::f64::consts::TAU * turns);
        }
        if let Some(outlier) = &self.plan.outlier {
            let size = if self.outlier.uniform() < 0.5 { -outlier.size } else { outlier.size };
            error += if self.outlier.uniform() < outlier.probability { size } else { 0.0 };
        }
        let late = self.late.draw(at) + self.faults.wrong_edge;
        let stamped = at + Duration::from_seconds_f64(error) + late;
        Epoch { told, at, stamped, tick }
    }

    fn pulse(&mut self, epoch: &Epoch, out: &mut Vec<Emission>) {
        let kind = match self.plan.kind {
            ReceiverKind::Marks => {
                let utc = self.claimed(epoch.told);
                ReadingKind::Mark { utc, leap: self.announced() }
            }
            _ => ReadingKind::Pulse { fraction: Duration::ZERO },
        };
        let lost = self.plan.pulse_lost.max(self.faults.missed_pulses);
        let extra = self.plan.pulse_extra.max(self.faults.extra_pulses);
        let is_lost = self.lost.uniform() < lost;
        let is_extra = self.extra.uniform() < extra;
        let after = self.interval().seconds() * self.extra.between(0.05, 0.95);
        if self.faults.outage {
            return;
        }
        let mut emit = |at| out.push(Emission { at, channel: Channel::Pulse, kind });
        if !is_lost {
            emit(epoch.stamped);
        }
        if is_extra {
            emit(epoch.stamped + Duration::from_seconds_f64(after));
        }
    }

    fn tell(&mut self, epoch: &Epoch, out: &mut Vec<Emission>) {
        let [shortest, longest] = self.plan.text_delay;
        let delay = Duration::from_seconds_f64(self.text.between(shortest, longest));
        let is_lost = self.text.uniform() < self.plan.text_lost;
        let is_wrong = self.text.uniform() < self.plan.text_wrong;
        let at = epoch.at + delay + self.faults.text_late;
        if self.faults.text_missing {
            return;
        }
        let mut emit = |at, kind| out.push(Emission { at, channel: Channel::Text, kind });
        self.status(at, &mut emit);
        if self.faults.outage {
            return;
        }
        let wrong = Duration::from_seconds(i64::from(is_wrong));
        let claimed = self.claimed(epoch.told) + wrong;
        let placed = resolve(claimed, self.start);
        if let Some(error) = self.correction(epoch) {
            // Told before the pulse, by the second that it begins.
            let second = placed.map(|(utc, _)| utc);
            emit(epoch.at - CORRECTION_AHEAD, ReadingKind::QuantizationError { error, second });
        }
        if is_lost {
            return;
        }
        let Some((utc, resolution)) = placed else {
            emit(at, ReadingKind::Refused(Refusal::TooFar));
            return;
        };
        let eras = resolution.eras();
        if eras != self.eras {
            self.eras = eras;
            emit(at, ReadingKind::Rollover { eras });
        }
        emit(at, ReadingKind::Label { utc });
    }

    /// Status is told when it changes; without a fix the text is refused, and that is repeated.
    fn status(&mut self, at: Timestamp<Utc>, emit: &mut impl FnMut(Timestamp<Utc>, ReadingKind)) {
        let (fix, used) = match self.faults.outage {
            true => (Fix::None, 0),
            false => (Fix::ThreeDimensional, 11),
        };
        let status = ReceiverStatus {
            fix,
            satellites_used: used,
            satellites_in_view: 2 * used,
            leap: self.announced(),
        };
        if !self.faults.outage {
            self.denied = None;
        } else if self.denied.is_none_or(|last| at - last >= DENIAL_HOLDS) {
            self.denied = Some(at);
            emit(at, ReadingKind::Refused(Refusal::Invalid));
        }
        if self.told != Some(status) {
            self.told = Some(status);
            emit(at, ReadingKind::Receiver(status));
        }
    }

    /// The UTC that it gives to a reading of its time.
    fn claimed(&self, told: Timestamp<Utc>) -> Timestamp<Utc> {
        let faults = &self.faults;
        let seconds = self.leaps + faults.wrong_second + faults.wrong_utc_offset;
        let old = if faults.week_rollover { 1024 * WEEK_SECONDS } else { 0 };
        told + Duration::from_seconds(seconds - old)
    }

    fn announced(&self) -> LeapIndicator {
        self.faults.leap.unwrap_or(self.plan.leap.indicator())
    }

    fn correction(&self, epoch: &Epoch) -> Option<Duration> {
        // True edge = stamped edge + correction.
        let seconds = match self.plan.correction {
            Correction::None => return None,
            Correction::Right => -epoch.tick,
            Correction::Reversed => epoch.tick,
            Correction::Idle => 0.0,
        };
        let has_pulse = self.plan.kind == ReceiverKind::PulsesAndText;
        has_pulse.then(|| Duration::from_seconds_f64(seconds))
    }
}

fn when(on: bool, seconds: f64) -> Duration {
    if on { Duration::from_seconds_f64(seconds) } else { Duration::ZERO }
}

/// A correction is told so long before its pulse.
const CORRECTION_AHEAD: Duration = Duration::from_millis(300);
/// A driver repeats after so long that its receiver has no fix.
const DENIAL_HOLDS: Duration = Duration::from_seconds(3);

#[cfg(test)]
#[path = "receiver_tests.rs"]
mod tests;
