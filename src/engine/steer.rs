//! The engine's second half: phase, clock, and what is published.

use super::plan::{Move, Role};
use super::{Engine, Estimate};
use crate::clock::{Clock, Declaration};
use crate::discipline::Polls;
use crate::discipline::phase::{self, Conditions};
use crate::event::EventKind;
use crate::state::{LeapCount, Phase, STRATUM_UNSYNCHRONISED, State, Term};
use crate::time::{Duration, Frequency, LeapIndicator, Raw, TaiOffset, Timestamp};

impl<C: Clock> Engine<C> {
    /// Brings the served clock to the estimate.
    pub(super) fn steer(&mut self, raw: Timestamp<Raw>) {
        let estimate = self.estimator.estimate(raw).filter(|_| !self.awaits_the_kernel());
        let Some(estimate) = estimate else { return };
        self.hold_against_the_limit(estimate.frequency);
        let lag = estimate.offset - self.clock.correction().at(raw);
        let refused = match self.decide(lag) {
            Move::Nothing => {
                self.tell(self.now.system, None, EventKind::Panic { offset: lag });
                return;
            }
            Move::Step => {
                self.stepped += 1;
                let stepped = self.clock.step(lag);
                if stepped.is_ok() {
                    self.tell(self.now.system, None, EventKind::Stepped { by: lag });
                    if self.clock.is_served() {
                        self.move_the_leap(lag);
                    }
                    self.read_clock();
                }
                stepped.and_then(|()| {
                    let order = self.servo.order(Duration::ZERO, &estimate, 1.0);
                    self.clock.steer(&order)
                })
            }
            Move::Slew => {
                // The kernel's slew runs on until the next order, a silent tick away at most.
                let least = if self.clock.is_served() { TICK_MAX } else { 0.0 };
                let interval = self.estimator.interval().max(least);
                let order = self.servo.order(lag, &estimate, interval);
                self.clock.steer(&order)
            }
        };
        if refused.is_err() {
            self.tell(self.now.system, None, EventKind::ClockRefused);
        }
    }

    /// A clock that needs more than the limit is broken, or its source is.
    fn hold_against_the_limit(&mut self, needed: Frequency) {
        let beyond = needed.ratio().abs() > self.servo.frequency_limit.ratio();
        if beyond && !self.told_limited {
            self.tell(self.now.system, None, EventKind::FrequencyLimited { needed });
        }
        self.told_limited = beyond;
    }

    /// Decides the phase and fills the coefficients.
    pub(super) fn publish(&mut self, raw: Timestamp<Raw>) {
        let estimate = self.estimator.estimate(raw);
        let correction = self.clock.correction();
        let applied = correction.at(raw);
        let lag = estimate.map_or(Duration::ZERO, |e| e.offset - applied);
        let mut state = State { anchor: self.now.system, ..self.state };
        let revision = Some(self.estimator.revision());
        let news = core::mem::replace(&mut self.told_revision, revision) != revision;
        // A step of our own backwards is no time that passed backwards.
        let told_at = core::mem::replace(&mut self.told_at, self.now.mono);
        let before = (self.now.system - self.state.anchor).max(self.now.mono - told_at).seconds();
        if let Some(estimate) = &estimate {
            // Without news the bound goes on as it was told.
            state.noise = if news { estimate.noise } else { self.state.noise.later(before) };
            state.frequency = estimate.frequency;
            state.frequency_error = Frequency::new(estimate.sigma_frequency);
        }
        if !self.clock.is_served() {
            // Raw and system are one here, so the pieces of A are the coefficients.
            state.correction = applied;
            state.correction_rate = correction.rate;
            state.slew = correction.slew;
            state.slew_span = (correction.span - (raw - correction.at)).max(Duration::ZERO);
        }
        state.lag = lag.seconds();
        self.leap_lag = self.leap_lag.min(state.lag.abs());
        if self.leap_lag < LEAP_SLEWED {
            self.leap_lag = 0.0;
        }
        // A clock in software ends its slew itself; the kernel's runs on until the next order.
        let ends =
            Frequency::new(if self.clock.is_served() { correction.slew.ratio() } else { 0.0 });
        let parting = correction.rate + ends + state.frequency;
        state.lag_rate = parting.ratio();
        state.selected = self.selection.system_peer;
        if let Some(fixed) = self.fixed_terms(raw, state.noise.at(0.0)) {
            // What the estimate was wrong by before is still in it, as far as samples left it there.
            let kept = if news { self.estimator.kept() } else { 1.0 };
            state.fixed = fixed.inherited(&self.state.fixed, kept);
        }
        self.advance_phase(&mut state, estimate.as_ref(), lag, raw);
        self.name_reference(&mut state, raw);
        let declaration = Declaration {
            phase: state.phase,
            bound: state.bound(self.now.system),
            sigma: estimate.map_or(0.0, |e| e.sigma),
            leap: self.kernels_leap(&state),
            tai_offset: state.tai_offset,
        };
        self.state = state;
        if self.clock.declare(&declaration).is_err() {
            self.tell(self.now.system, None, EventKind::ClockRefused);
        }
    }

    fn decide(&self, lag: Duration) -> Move {
        // What is beyond the second is somebody else's doing.
        if self.leap_lag > 0.0 && lag.seconds().abs() < self.leap_lag + LEAP_BESIDE {
            return Move::Slew;
        }
        self.plan.policy.decide(lag, self.stepped)
    }

    fn advance_phase(
        &mut self,
        state: &mut State,
        estimate: Option<&Estimate>,
        lag: Duration,
        raw: Timestamp<Raw>,
    ) {
        let samples = if self.recalled { LOCK_SAMPLES_RECALLED } else { LOCK_SAMPLES };
        let settled = estimate.is_some_and(|e| {
            // A source's constant errors excuse a moment's lag, but no start with one.
            let fixed = if self.state.phase == Phase::Locked { state.fixed.sum() } else { 0.0 };
            self.estimator.believed() >= samples
                && lag.seconds().abs() <= (e.noise.at(0.0) + fixed).max(LOCK_LAG)
        });
        let conditions = Conditions {
            selected: self.selection.system_peer.is_some(),
            estimated: estimate.is_some(),
            settled,
            disturbed: self.void_since.is_some(),
            // A second that the operator wants slewed is no reason to give up.
            within_limit: state.bound_but_for_leap(self.now.system, self.leap_lag)
                <= self.plan.policy.holdover_limit,
        };
        let from = self.state.phase;
        state.phase = phase::next(from, conditions);
        if state.phase != from {
            self.tell(self.now.system, None, EventKind::Phase { from, to: state.phase });
        }
        if state.phase.is_synchronised() {
            self.synchronised_at = Some(raw);
        }
    }

    /// Stratum, reference id and leap: who we say we follow, and whether we say anything.
    fn name_reference(&mut self, state: &mut State, raw: Timestamp<Raw>) {
        state.tai_offset = self.tai_offset(state);
        if state.phase.is_synchronised() {
            // In holdover the last one followed is still where the time came from.
            if let Some(source) = state.selected.and_then(|id| self.sources.get(id.index())) {
                state.stratum = source.report.stratum.saturating_add(1).min(STRATUM_UNSYNCHRONISED);
                state.reference_id = source.plan.reference_id;
                state.jitter = source.report.jitter;
                // To a reference clock on this machine nothing but the reading lies between.
                let trip = self.estimator.trip_of(source.report.source).unwrap_or(0.0);
                state.root_delay =
                    (source.root_delay + Duration::from_seconds_f64(trip)).max(ROOT_DELAY);
            }
            self.announce_leap(state);
            state.fixed = state.fixed.with(Term::Local, 0.0);
            state.local_rate = 0.0;
            return;
        }
        self.hold_the_leap(state);
        *state = State {
            stratum: STRATUM_UNSYNCHRONISED,
            leap: LeapIndicator::Unknown,
            reference_id: match state.phase {
                Phase::FreeRunning => *b"FREE",
                _ => *b"INIT",
            },
            reference_time: None,
            ..*state
        };
        if self.synchronised_at.is_none() {
            state.fixed = state.fixed.with(Term::Local, State::default().fixed.sum());
        }
        self.serve_local_clock(state, raw);
    }

    fn tai_offset(&self, state: &State) -> Option<TaiOffset> {
        let table = self.plan.leaps.as_ref().filter(|_| state.phase.is_synchronised())?;
        // In an inserted second UTC repeats, TAI does not.
        let passing = state.leap_count == LeapCount::Done;
        let ahead = if passing { Duration::SECOND } else { Duration::ZERO };
        let TaiOffset(offset) = table.tai_offset(state.utc(self.now.system) + ahead)?;
        Some(TaiOffset(offset + self.tai_beyond_table))
    }

    /// chrony's `local`: rather a clock that all clients share than none.
    fn serve_local_clock(&self, state: &mut State, raw: Timestamp<Raw>) {
        let Some(local) = self.plan.local else { return };
        let since = raw - self.synchronised_at.unwrap_or(self.started);
        if !self.sources.is_empty() && since < local.wait {
            return;
        }
        state.stratum = local.stratum;
        // As chrony and ntpq have it: 127.127.1.1, or its name where an address has no place.
        state.reference_id = if local.stratum == 1 { *b"LOCL" } else { [127, 127, 1, 1] };
        state.leap = LeapIndicator::None;
        state.reference_time = Some(state.utc(self.now.system));
        if self.synchronised_at.is_none() {
            // Never compared with anything: the operator's word, and a crystal's drift since. A clock
            // that was set by a source before a lock is as wrong as that source, too.
            let drifted = local.uncertainty + LOCAL_RATE * since.seconds();
            state.fixed = state.fixed.with(Term::Local, drifted);
            state.local_rate = LOCAL_RATE;
        }
    }

    /// How often each server is best asked.
    pub(super) fn pace(&mut self) {
        for source in &mut self.sources {
            let Role::Server(plan) = source.plan.role else { continue };
            let polls = Polls { min: plan.poll_min, max: plan.poll_max };
            let asked = self.estimator.asked(source.report.source, polls, self.raw);
            source.report.poll = match asked {
                Some(asked) if self.void_since.is_some() => asked.min(CONFIRM_WITHIN),
                asked => asked.unwrap_or(0.0),
            };
        }
    }
}

/// Round trip to a reference clock of this machine: never nothing, as nobody is told zero.
const ROOT_DELAY: Duration = Duration::NANOSECOND;
/// Samples before a lock is claimed.
const LOCK_SAMPLES: u64 = 8;
/// And where the rate is known from before.
const LOCK_SAMPLES_RECALLED: u64 = 3;
/// A lag below this never keeps a lock away, s.
const LOCK_LAG: f64 = 1e-6;
/// What an unwatched crystal drifts at most: a bad one's 100 ppm, not PHI's hope of 15.
const LOCAL_RATE: f64 = 1e-4;
/// A leap second of which less is left was slewed, s.
const LEAP_SLEWED: f64 = 1e-3;
/// What else may be left to slew beside a leap second, s.
const LEAP_BESIDE: f64 = 0.1;
/// Ticks without news are so far apart, s.
const TICK_MAX: f64 = 1.0;
/// A clock that somebody moved is looked after so soon, s.
const CONFIRM_WITHIN: f64 = 2.0;
