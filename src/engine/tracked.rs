//! What the engine remembers of each source, and what it reports of it.

use super::plan::{Role, SourcePlan};
use super::root_distance::{ClockFilter, Heard, root_distance_later};
use crate::mitigation::Verdict;
use crate::sample::{ReceiverStatus, Refusal, Sample, SourceId};
use crate::state::{ErrorTerms, Term};
use crate::time::{Duration, Raw, System, Timestamp};

/// One source's memory.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub plan: SourcePlan,
    pub last: Option<Sample>,
    pub errors: ErrorTerms,
    pub verdict: Verdict,
    pub report: SourceReport,
    /// Round trip of a server to its reference clock.
    pub root_delay: Duration,
    /// Its samples came with the second and its leap, as marks do.
    pub marks: bool,
    /// It was told that its clock is noisier than it declares.
    pub told_noisy: bool,
    /// What RFC 5905 would keep of it.
    filter: ClockFilter,
    poll_ends: Option<Timestamp<Raw>>,
    heard_in_poll: bool,
}

/// This machine's clock at a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnClock {
    /// The oscillator's rate, once known: it moves offsets between samples.
    pub frequency: Option<f64>,
    /// Served time − the oscillator's.
    pub correction: Duration,
    /// ρ of RFC 5905 §11.1.
    pub precision: Duration,
}

/// What is told of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceReport {
    /// Who.
    pub source: SourceId,
    /// Its part in the time.
    pub verdict: Verdict,
    /// Eight polls, the newest in the lowest bit: 1 if a sample came.
    pub reach: u8,
    /// When the last sample was stamped.
    pub last_sample: Option<Timestamp<System>>,
    /// The last sample against the served time; positive: served time was behind.
    pub offset: Duration,
    /// Its own claim: the true time lies within `offset ± distance`, s.
    pub distance: f64,
    /// Root distance by RFC 5905 §11.2.1 at the last sample, s: told to compare, used nowhere.
    pub root_distance: f64,
    /// RMS of the differences of its samples, s.
    pub jitter: f64,
    /// Known constant errors of its last sample.
    pub errors: ErrorTerms,
    /// Samples made.
    pub samples: u64,
    /// Samples that the estimate believed.
    pub believed: u64,
    /// Samples that it did not.
    pub rejected: u64,
    /// Readings dropped, by reason.
    pub refused: [u64; Refusal::ALL.len()],
    /// Calibrated delay of its text, s; negative if there is none.
    pub text_delay: f64,
    /// Interval between polls that the estimate asks for now, s; 0 where nothing is polled.
    pub poll: f64,
    /// Round trip of the last exchange, s.
    pub delay: f64,
    /// Stratum that the source declares.
    pub stratum: u8,
    /// What the receiver says of itself.
    pub receiver: ReceiverStatus,
}

impl SourceReport {
    /// What RFC 5905 would claim now, s; `None` before the first sample.
    pub fn root_distance_at(&self, now: Timestamp<System>) -> Option<f64> {
        let age = (now - self.last_sample?).seconds();
        Some(root_distance_later(self.root_distance, age))
    }

    /// Of a source that declares this stratum, before anything was heard of it.
    pub fn silent(source: SourceId, stratum: u8) -> Self {
        Self {
            source,
            verdict: Verdict::Silent,
            reach: 0,
            last_sample: None,
            offset: Duration::ZERO,
            distance: 0.0,
            root_distance: 0.0,
            jitter: 0.0,
            errors: ErrorTerms::NONE,
            samples: 0,
            believed: 0,
            rejected: 0,
            refused: [0; Refusal::ALL.len()],
            text_delay: -1.0,
            poll: 0.0,
            delay: 0.0,
            stratum,
            receiver: ReceiverStatus::default(),
        }
    }
}

impl Tracked {
    pub fn new(source: SourceId, plan: SourcePlan) -> Self {
        let stratum = plan.stratum;
        Self {
            plan,
            last: None,
            errors: ErrorTerms::NONE,
            verdict: Verdict::Silent,
            report: SourceReport::silent(source, stratum),
            root_delay: Duration::ZERO,
            marks: false,
            told_noisy: false,
            filter: ClockFilter::default(),
            poll_ends: None,
            heard_in_poll: false,
        }
    }

    /// A sample came, while this machine's clock was as `own` says.
    pub fn take(&mut self, sample: &Sample, stamp: Timestamp<System>, own: &OwnClock) {
        if let (Some(last), Some(frequency)) = (&self.last, own.frequency) {
            let drifted = (sample.offset - last.offset).seconds()
                + frequency * (sample.at - last.at).seconds();
            let jitter = self.report.jitter;
            let mean = jitter * jitter + (drifted * drifted - jitter * jitter) / JITTER_MEMORY;
            self.report.jitter = libm::sqrt(mean.max(0.0));
        }
        let is_server = matches!(self.plan.role, Role::Server(_));
        for (term, value) in sample.errors.iter() {
            // Held up for a while: one corrected pulse does not make the next one certain.
            let decayed = self.errors.of(term) + (value - self.errors.of(term)) / ERROR_MEMORY;
            // What a server declares is its own business.
            let decayed = if is_server { value } else { decayed };
            self.errors = self.errors.with(term, value.max(decayed));
        }
        let round_trip = if is_server { self.report.delay } else { 0.0 };
        self.report.root_distance = self.filter.take(&Heard {
            at: sample.at,
            offset: (sample.offset - own.correction).seconds(),
            delay: round_trip,
            precision: own.precision.seconds(),
            root: if is_server { sample.errors.of(Term::Server) } else { 0.0 },
        });
        self.last = Some(*sample);
        self.report.errors = self.errors;
        self.report.last_sample = Some(stamp);
        self.report.samples += 1;
        self.heard_in_poll = true;
    }

    /// Shifts the reach register at the end of each poll; whether it changed to or from silence.
    pub fn shift_reach(&mut self, now: Timestamp<Raw>) -> Option<bool> {
        if matches!(self.plan.role, Role::Server(_)) {
            // Its association has the register.
            return None;
        }
        let was = self.report.reach != 0;
        let interval = self.plan.poll.duration();
        let ends = *self.poll_ends.get_or_insert(now + interval);
        if self.heard_in_poll && self.report.reach & 1 == 0 {
            self.report.reach |= 1;
        }
        if now >= ends {
            // One shift for each poll that has ended since the last look.
            let passed = (now - ends).units() / interval.units().max(1) + 1;
            let shifts = u32::try_from(passed).unwrap_or(u32::MAX);
            self.report.reach = self.report.reach.checked_shl(shifts).unwrap_or(0);
            self.poll_ends = Some(now + interval);
            self.heard_in_poll = false;
        }
        let is = self.report.reach != 0;
        (was != is).then_some(is)
    }

    /// Somebody moved the clock of the stamps by `by`.
    pub fn moved(&mut self, by: Duration) {
        if let Some(last) = &mut self.last {
            last.at = last.at + by;
            last.offset -= by;
        }
        self.poll_ends = self.poll_ends.map(|at| at + by);
        self.filter.moved(by);
    }

    /// UTC counted a second twice or not at all.
    pub fn leapt(&mut self, by: Duration) {
        if let Some(last) = &mut self.last {
            last.offset += by;
        }
    }

    /// Drops what was measured against a clock that somebody else has moved.
    pub fn forget(&mut self) {
        self.last = None;
        self.poll_ends = None;
        self.filter = ClockFilter::default();
    }
}

/// Samples over which jitter is averaged.
const JITTER_MEMORY: f64 = 16.0;
/// Samples over which a larger error term fades.
const ERROR_MEMORY: f64 = 16.0;
