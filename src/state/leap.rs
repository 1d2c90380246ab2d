//! How the served time passes a leap second, and what clients are told of it at each reading.
//!
//! ```text
//!   UTC            23:59:58  23:59:59  23:59:60  00:00:00  00:00:01
//!   in software          58        59        59        00        01    counted by what is published
//!   by the daemon        58        59        59        00        01    who steps the clock at its instant
//!   by the kernel        58        59        59        00        01    which steps it by itself
//!   not counted          58        59        00        01        02    a second off from there on
//!   leap indicator        1         1         1         0         0    not counted: 0 from 23:59:60 on
//! ```
//!
//! RFC 5905 §7.3 announces the leap second of the last minute of the day, so it is announced until the
//! day ends, in the second itself, too. What is published holds at every reading, those behind the
//! leap included: who reads it need not know whether the conductor has ticked since.

use super::{State, Term};
use crate::time::{Duration, LeapIndicator, SmearShape, System, Timestamp, Utc};

/// Who counts an announced leap second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeapCount {
    /// What is published does: the clock of the stamps is not moved.
    #[default]
    InSoftware,
    /// The daemon steps the clock of the stamps.
    ByDaemon,
    /// The kernel steps the clock of the stamps at its next tick.
    ByKernel,
    /// Nobody: from there on the served time is a second off, and its bound says so.
    Nobody,
    /// It was counted, and the inserted second still passes.
    Done,
}

impl LeapCount {
    /// Every way, in the order of its code.
    pub const ALL: [Self; 5] =
        [Self::InSoftware, Self::ByDaemon, Self::ByKernel, Self::Nobody, Self::Done];

    /// How long after its instant the clock of the stamps may not have leapt yet; `None`: for good.
    const fn within(self) -> Option<Duration> {
        match self {
            Self::InSoftware => None,
            Self::ByDaemon => Some(Duration::SECOND),
            Self::ByKernel => Some(KERNEL_TICK),
            Self::Nobody | Self::Done => Some(Duration::ZERO),
        }
    }

    /// Whether the clock of the stamps leaps: then readings of it are ambiguous for a while.
    pub const fn steps_the_clock(self) -> bool {
        matches!(self, Self::ByDaemon | Self::ByKernel)
    }
}

/// Smeared time at a reading of the system clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smeared {
    /// What is served.
    pub utc: Timestamp<Utc>,
    /// That − UTC.
    pub offset: Duration,
    /// The smear is under way.
    pub under_way: bool,
}

impl State {
    /// What this reading's count of UTC has gained by a leap second that the clock of the stamps, or
    /// its correction, does not have yet.
    pub(super) fn leapt_by(&self, system: Timestamp<System>) -> Duration {
        match self.leap {
            LeapIndicator::Insert if self.counts_itself(system) => -Duration::SECOND,
            LeapIndicator::Delete if self.counts_itself(system) => Duration::SECOND,
            _ => Duration::ZERO,
        }
    }

    fn counts_itself(&self, system: Timestamp<System>) -> bool {
        let after = self.leap_at.map(|at| system - at).filter(|after| !after.is_negative());
        let within = self.leap_count.within();
        after.is_some_and(|after| within.is_none_or(|within| after < within))
    }

    /// Whether the clock of the stamps was stepped over a second that is left out.
    fn skipped(&self, system: Timestamp<System>) -> bool {
        let steps = self.leap == LeapIndicator::Delete && self.leap_count.steps_the_clock();
        steps && self.leap_at.is_some_and(|at| system >= at + Duration::SECOND)
    }

    /// What a leap second adds to [`Term::Lag`], s: a whole one where nobody counts it, or where it is
    /// not known whether the clock was stepped, since nothing was published in time.
    pub(super) fn leap_lag(&self, system: Timestamp<System>) -> f64 {
        let passed = self.leap_at.is_some_and(|at| system >= at);
        let is_sure = self.leap_count == LeapCount::Done
            || self.counts_itself(system)
            || (self.leap_count == LeapCount::ByKernel && self.skipped(system));
        if passed && !is_sure { 1.0 } else { 0.0 }
    }

    /// How much more time than the clock of the stamps tells may have passed since the anchor, s: one
    /// that is stepped back by a leap second reads the second before it twice.
    pub(super) fn repeated(&self, system: Timestamp<System>) -> f64 {
        let steps = self.leap == LeapIndicator::Insert && self.leap_count.steps_the_clock();
        let near = self.leap_at.is_some_and(|at| system >= at - Duration::SECOND);
        if steps && near { 1.0 } else { 0.0 }
    }

    /// The leap indicator to tell at a reading of the system clock (RFC 5905 §7.3).
    pub fn leap_told(&self, system: Timestamp<System>) -> LeapIndicator {
        let Some(at) = self.leap_at else { return self.leap };
        let passes = match (self.leap, self.leap_count) {
            (LeapIndicator::Insert, LeapCount::InSoftware | LeapCount::ByDaemon) => {
                Duration::SECOND
            }
            (LeapIndicator::Insert, LeapCount::ByKernel) => KERNEL_TICK,
            _ => Duration::ZERO,
        };
        if system < at + passes { self.leap } else { LeapIndicator::None }
    }

    /// The leap second that the kernel is to make by itself at the end of this UTC day, if any.
    pub fn kernels_leap(&self) -> LeapIndicator {
        match self.leap_count {
            LeapCount::ByKernel if self.leap_at.is_some() => self.leap,
            _ => LeapIndicator::None,
        }
    }

    /// Smeared time at a reading of the system clock; `None` where the clock of the stamps is about to
    /// leap, or just has, and the reading does not tell which.
    pub fn smeared(&self, system: Timestamp<System>, shape: SmearShape) -> Option<Smeared> {
        let utc = self.utc(system);
        let Some(smear) = &self.smear else {
            return Some(Smeared { utc, offset: Duration::ZERO, under_way: false });
        };
        let again = self.leap_at.map(|at| system - (at - Duration::SECOND));
        let near = |since: Duration| !since.is_negative() && since < AMBIGUOUS;
        let inserted = self.leap == LeapIndicator::Insert && self.leap_count.steps_the_clock();
        if inserted && again.is_some_and(near) {
            return None;
        }
        let counted = smear.counted || self.counts_itself(system) || self.skipped(system);
        let count = smear.count(utc, counted);
        let offset = smear.offset(shape, count, counted);
        Some(Smeared { utc: utc + offset, offset, under_way: smear.is_under_way(count) })
    }

    /// The smeared time of an earlier instant of UTC, such as the reference timestamp.
    pub fn smeared_before(&self, utc: Timestamp<Utc>, shape: SmearShape) -> Timestamp<Utc> {
        let Some(smear) = &self.smear else { return utc };
        // The repeated second is taken for its first passage: a second too early does no harm here.
        let counted = smear.counted && utc >= smear.leap.before;
        utc + smear.offset(shape, smear.count(utc, counted), counted)
    }

    /// What of the bound is a leap second that is still worked off.
    pub fn bound_but_for_leap(&self, system: Timestamp<System>, lag: f64) -> Duration {
        let terms = self.ledger(system);
        self.bound(system) - Duration::from_seconds_f64(lag.min(terms.of(Term::Lag)))
    }
}

/// The kernel leaps at its next tick, ten milliseconds later at most, if it is not held up.
const KERNEL_TICK: Duration = Duration::from_millis(100);
/// After a step backwards, until the next publication is sure to be out.
const AMBIGUOUS: Duration = Duration::from_millis(100);
