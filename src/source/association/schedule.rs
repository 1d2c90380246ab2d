//! When to ask: the interval that the estimate asks for, bursts, and what a server forbids.
//!
//! ```text
//!   poll          poll                 burst of a poll     follow-up of an interleaved poll
//!    |─ interval ──|─ interval ──|      | 2 s | 2 s | 2 s |     | 0.1 s |
//! ```
//!
//! The estimate may change its mind at any time, so nothing but the past is stored and the next
//! instant is computed when it is asked for. RFC 5905 §7.4 and RFC 8633: a server that says
//! RATE is asked half as often at least, and never in bursts again.

use super::AssociationPlan;
use crate::time::{Duration, Exponent, Mono, Timestamp};

/// The past that decides when the next request is due.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    poll_min: f64,
    poll_max: f64,
    iburst: bool,
    burst: bool,
    started: Timestamp<Mono>,
    /// First and last request of the last poll.
    last: Option<(Timestamp<Mono>, Timestamp<Mono>)>,
    /// Of the last poll, s.
    interval: f64,
    /// Requests that are left of a burst.
    left: u8,
    /// The answered request is to be followed by another at once.
    fetch: bool,
    /// Of the interval, ±1.
    jitter: f64,
    /// The shortest interval that the server bears, s; 0: it never complained.
    floor: f64,
    stopped: bool,
    /// Last round trip, s.
    round_trip: f64,
}

/// A request's place in the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Turn {
    /// It only fetches the stamp of the reply before.
    pub follows_up: bool,
    /// Interval until the next poll, s.
    pub interval: f64,
}

impl Schedule {
    pub fn new(plan: &AssociationPlan, now: Timestamp<Mono>) -> Self {
        let seconds =
            |poll: Exponent| Exponent(poll.0.clamp(POLL_MIN.0, POLL_MAX.0)).duration().seconds();
        Self {
            poll_min: seconds(plan.poll_min),
            poll_max: seconds(plan.poll_max).max(seconds(plan.poll_min)),
            iburst: plan.iburst,
            burst: plan.burst,
            started: now,
            last: None,
            interval: 0.0,
            left: 0,
            fetch: false,
            jitter: 0.0,
            floor: 0.0,
            stopped: false,
            round_trip: PATIENCE_MAX,
        }
    }

    /// When the next request is due; `None`: never.
    pub fn due(&self, asked: f64, reachable: bool, waiting: bool) -> Option<Timestamp<Mono>> {
        if self.stopped {
            return None;
        }
        let Some((first, last)) = self.last else { return Some(self.started) };
        let after = |at: Timestamp<Mono>, by: f64| at + Duration::from_seconds_f64(by);
        let due = if self.left > 0 {
            after(last, self.spacing())
        } else if self.fetch {
            after(last, FOLLOW_UP)
        } else {
            let interval = self.interval(asked, reachable);
            let jitter = if interval > QUICK { JITTER * self.jitter * interval } else { 0.0 };
            // The poll may have been a burst that lasted longer than its interval.
            let least = after(last, self.spacing().max(self.floor));
            after(first, interval + jitter).max(least)
        };
        // A round trip longer than the interval must not make every answer a late one.
        let patience = (PATIENCE * self.round_trip).min(PATIENCE_MAX);
        Some(if waiting { due.max(after(last, patience)) } else { due })
    }

    /// A request goes out. `jitter` is a random number of ±1.
    pub fn sent(&mut self, now: Timestamp<Mono>, asked: f64, reachable: bool, jitter: f64) -> Turn {
        let follows_up = self.left == 0 && self.fetch;
        self.fetch = false;
        let first = match self.last {
            Some((first, _)) if self.left > 0 || follows_up => {
                self.left = self.left.saturating_sub(1);
                first
            }
            _ => {
                self.interval = self.interval(asked, reachable);
                self.jitter = jitter;
                self.left = self.burst_of_a_poll(reachable);
                now
            }
        };
        self.last = Some((first, now));
        Turn { follows_up, interval: self.interval }
    }

    /// A request was answered after `round_trip` s. `fetch`: the server has a better stamp of its
    /// answer.
    pub fn answered(&mut self, round_trip: f64, was_reachable: bool, fetch: bool) {
        self.round_trip = round_trip.max(0.0);
        if !was_reachable && self.iburst && self.floor <= 0.0 && self.left == 0 {
            self.left = IBURST - 1;
        }
        self.fetch = fetch && self.floor <= 0.0 && self.interval > QUICK;
    }

    /// The server says RATE; `poll` is the interval that it names.
    pub fn slow_down(&mut self, poll: Exponent) {
        let named = poll.duration().seconds().min(self.poll_max);
        let doubled = 2.0 * self.interval.max(self.poll_min).max(self.floor);
        self.floor = doubled.max(named).min(POLL_MAX.duration().seconds());
        self.left = 0;
        self.fetch = false;
    }

    /// The server says that it is not to be asked.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Another server is asked: the old one's wishes and distance do not bind.
    pub fn move_on(&mut self) {
        self.fetch = false;
        self.floor = 0.0;
        self.stopped = false;
        self.round_trip = PATIENCE_MAX;
    }

    /// Between polls, s.
    fn interval(&self, asked: f64, reachable: bool) -> f64 {
        let wanted = match asked {
            _ if asked > 0.0 => asked.clamp(self.poll_min.min(QUICK), self.poll_max),
            _ => self.poll_min,
        };
        // A server that does not answer is not asked in haste.
        let least = if reachable { 0.0 } else { self.poll_min.max(UNREACHABLE_MIN) };
        wanted.max(least).max(self.floor)
    }

    /// Between the requests of a burst, s.
    fn spacing(&self) -> f64 {
        self.poll_min.min(QUICK)
    }

    /// Requests that follow the first of a poll.
    fn burst_of_a_poll(&self, reachable: bool) -> u8 {
        let fits = self.interval >= 2.0 * f64::from(BURST) * self.spacing();
        match self.last {
            _ if self.floor > 0.0 => 0,
            None if self.iburst => IBURST - 1,
            Some(_) if self.burst && reachable && fits => BURST - 1,
            _ => 0,
        }
    }
}

/// 16 ms.
pub(super) const POLL_MIN: Exponent = Exponent(-6);
/// 36 h (RFC 5905 §7.2).
pub(super) const POLL_MAX: Exponent = Exponent(17);
/// Requests after a start, as ntpd has it.
const IBURST: u8 = 8;
/// Requests of a poll.
const BURST: u8 = 4;
/// Between the requests of a burst, and the shortest interval that the estimate may ask for where
/// the operator allows none shorter, s.
const QUICK: f64 = 2.0;
/// From an answered request to the one that fetches its stamp, s.
const FOLLOW_UP: f64 = 0.1;
/// Part of the interval by which polls are spread, so that associations fall out of step.
const JITTER: f64 = 0.01;
/// Round trips that an answer is waited for, whatever the interval.
const PATIENCE: f64 = 16.0;
/// At most, and before any is known, s.
const PATIENCE_MAX: f64 = 1.0;
/// The shortest interval while nothing answers, s.
const UNREACHABLE_MIN: f64 = 1.0;
