//! What is learned of one server: spreads, route, own noise, place among the others, pace.
//!
//! ```text
//!   exchange ─► spread ─► route ─► interval ─► own noise
//!                          │           │
//!                       news of it     └─► the estimator, shifted by the server's place
//! ```

mod correctness;
mod own;
mod pace;
mod route;
mod shift;
mod spread;

use correctness::Correctness;
pub(super) use correctness::Drift;
use own::OwnNoise;
use pace::Pace;
pub use pace::Polls;
use route::{Passage, Route, RouteNews};
use shift::Shift;
use spread::Spread;

use super::filter::Filter;
use super::interval::{Interval, tilt};
use crate::time::{Duration, Raw, Timestamp};

/// One server's memory.
#[derive(Clone, Debug)]
pub(super) struct Server {
    spread: Spread,
    route: Route,
    own: OwnNoise,
    pub shift: Shift,
    pub pace: Pace,
    last: Seen,
    /// Seconds since the own noise was last looked at.
    since_own: f64,
    correctness: Correctness,
    /// The first exchanges: they bound the error without any learning.
    first: Vec<Seen>,
    heard: u32,
    /// Time between exchanges, s: the last, or a mean where it was longer.
    every: f64,
    /// What it may be wrong by for all it declares, s: the last, or a mean where that was less.
    declared: f64,
    /// When it was last allowed to steer, and when it last did.
    pub used_at: Option<Timestamp<Raw>>,
    pub fed_at: Option<Timestamp<Raw>>,
    /// It was found to be wrong, and has not been heard since.
    pub distrusted: bool,
}

/// An exchange in the estimator's terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub at: Timestamp<Raw>,
    /// α = d₁ − x and β = d₂ + x, s.
    pub alpha: f64,
    pub beta: f64,
}

impl Seen {
    pub fn trip(&self) -> f64 {
        self.alpha + self.beta
    }

    pub fn middle(&self) -> f64 {
        (self.beta - self.alpha) / 2.0
    }
}

/// What an exchange says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// Where `x` lies by this server alone.
    pub interval: Interval,
    /// Variance of its own noise, s².
    pub own: f64,
    /// How far the base fell, s: earlier intervals were too narrow by half of it.
    pub fell: f64,
    /// It cannot be used before it is clear which route it took.
    pub gathering: bool,
    /// The route changed by so much, s.
    pub changed: Option<f64>,
}

impl Server {
    /// From its first exchange.
    pub fn starting(seen: Seen, error: f64, filter: &Filter) -> Self {
        let spread = Spread::starting(seen.trip());
        let route = Route::starting(seen.trip(), &spread.spreads());
        Self {
            spread,
            route,
            own: OwnNoise::starting(filter),
            shift: Shift::default(),
            pace: Pace::starting(seen.at),
            last: seen,
            since_own: 0.0,
            correctness: Correctness::of(&seen, error),
            first: vec![seen],
            heard: 1,
            every: 0.0,
            declared: error,
            used_at: None,
            fed_at: None,
            distrusted: false,
        }
    }

    /// Takes in an exchange; `predicted` is the estimate at its instant.
    pub fn hear(&mut self, seen: Seen, predicted: &Filter) -> Heard {
        let dt = (seen.at - self.last.at).seconds().max(0.0);
        self.heard = self.heard.saturating_add(1);
        self.distrusted = false;
        // Polls that grow rarer show at once, or the next of them would look like the server's end.
        self.every = dt.max(self.every + (dt - self.every) / f64::from(self.heard.min(8)));
        if self.first.len() < START_SAMPLES {
            self.first.push(seen);
        }
        let moved = predicted.f * dt;
        let there = seen.alpha - self.last.alpha + moved;
        let back = seen.beta - self.last.beta - moved;
        self.spread.take(there, back, seen.trip() - self.last.trip());
        self.last = seen;
        let passage = Passage {
            trip: seen.trip(),
            there: seen.alpha + predicted.x,
            back: seen.beta - predicted.x,
            jump: there.abs().max(back.abs()),
        };
        let sigma = libm::sqrt(predicted.a);
        let news = self.route.take(passage, &self.spread.spreads(), self.edge(), sigma);
        let interval = self.interval();
        let gathering = news == RouteNews::Gathering;
        let (fell, changed) = match news {
            RouteNews::Same { fell } => (fell, None),
            RouteNews::Gathering => (0.0, None),
            RouteNews::Changed { by } => (0.0, Some(by)),
        };
        self.since_own += dt;
        if !gathering {
            self.own.ends_moved(changed.unwrap_or(fell) / 2.0);
            self.own.take(&interval, core::mem::take(&mut self.since_own));
        }
        Heard { interval, own: self.own_variance(), fell, gathering, changed }
    }

    /// Where `x` lies by its last exchange.
    pub fn interval(&self) -> Interval {
        let spreads = self.spread.spreads();
        let (base, split) = (self.route.base(&spreads), self.route.split());
        let low = base / 2.0 - split - self.last.alpha;
        let high = self.last.beta - base / 2.0 - split;
        // An older route that came back may be a little too long for this exchange.
        let (low, high) = if low <= high {
            (low, high)
        } else {
            (f64::midpoint(low, high), f64::midpoint(low, high))
        };
        let tilt = tilt(spreads.mean(), spreads.ratio, high - low);
        Interval { low, high, edge: self.edge(), tilt }
    }

    /// J₁ J₂, s².
    pub fn spread_squared(&self) -> f64 {
        let mean = self.spread.spreads().mean();
        mean * mean
    }

    /// η: a third of the scale on which the base is known.
    pub fn edge(&self) -> f64 {
        let spreads = self.spread.spreads();
        (EDGE_SHARE * self.route.scale(&spreads)).max(QUANTUM_SHARE * spreads.quantum).max(EDGE_MIN)
    }

    /// B₁ + B₂, s.
    pub fn base(&self) -> f64 {
        self.route.base(&self.spread.spreads()).max(EDGE_MIN)
    }

    /// All that delays can hide between here and the truth, s: its own base, and what it is off itself.
    pub fn far(&self) -> f64 {
        self.base() + 2.0 * self.declared
    }

    /// Shortest round trip in memory, s.
    pub fn trip(&self) -> f64 {
        self.route.trip()
    }

    /// What asymmetry can hide at most, s.
    pub fn path(&self) -> f64 {
        self.route.path()
    }

    /// Variance of the server's own noise, s².
    pub fn own_variance(&self) -> f64 {
        self.own.sigma() * self.own.sigma()
    }

    /// Whether it is being found out which route its exchanges take.
    pub fn is_gathering(&self) -> bool {
        self.route.is_gathering()
    }

    /// The oscillator is where this filter says.
    /// It may have stepped there by `by`, s.
    pub fn restart(&mut self, now: Timestamp<Raw>, filter: &Filter, by: f64) {
        self.correctness.restart(now, by);
        self.own.restart(filter);
        self.since_own = 0.0;
    }

    /// The estimate was moved by `by` s.
    pub fn estimate_moved(&mut self, by: f64, filter: &Filter) {
        self.shift.estimate_moved(by);
        self.own.restart(filter);
        self.since_own = 0.0;
    }

    /// Whether it has said nothing for eight of its intervals.
    pub fn is_silent(&self, now: Timestamp<Raw>) -> bool {
        self.silent_for(now) > self.lasts()
    }

    /// How long what happened to it counts as of now, s.
    pub fn lasts(&self) -> f64 {
        LASTS * self.every.max(INTERVAL_MIN)
    }

    /// Since when its exchanges agree with one another.
    pub fn agrees_since(&self) -> Timestamp<Raw> {
        self.correctness.since()
    }

    /// Somebody moved the clock of the stamps: what was stamped moves along.
    pub fn moved(&mut self, by: Duration) {
        self.last.at = self.last.at + by;
        self.first.iter_mut().for_each(|seen| seen.at = seen.at + by);
        self.correctness.moved(by);
        self.pace.moved(by);
        for at in [&mut self.used_at, &mut self.fed_at].into_iter().flatten() {
            *at = *at + by;
        }
    }

    /// Takes in what an exchange says of the truth if the server is right: it is off by no more than
    /// `error`, s.
    pub fn confirm(&mut self, seen: &Seen, error: f64, drift: Drift) {
        self.declared = error.min(self.declared + (error - self.declared) / 8.0);
        self.correctness.take(Correctness::of(seen, error), drift);
    }

    /// Seconds since its last exchange.
    pub fn silent_for(&self, now: Timestamp<Raw>) -> f64 {
        self.correctness.silent_for(now)
    }

    /// Where `x` lies at `now` if the server is right, s.
    pub fn correctness(&self, now: Timestamp<Raw>, drift: Drift) -> (f64, f64) {
        self.correctness.at(now, drift)
    }

    /// Bound of |x − truth| at `now` that needs no learning: the least over the first exchanges.
    /// `None` once there were enough of them.
    pub fn start_bound(&self, now: Timestamp<Raw>, filter: &Filter) -> Option<f64> {
        if self.heard >= START_UNTIL {
            return None;
        }
        let bounds = self.first.iter().map(|seen| {
            let age = (now - seen.at).seconds().max(0.0);
            (seen.middle() - filter.x).abs() + seen.trip() / 2.0 + START_RATE * age
        });
        Some(bounds.fold(f64::INFINITY, f64::min))
    }
}

/// Intervals after which a server counts as gone, and the least of them, s.
const LASTS: f64 = 8.0;
const INTERVAL_MIN: f64 = 8.0;
/// η in scales of the base.
const EDGE_SHARE: f64 = 0.33;
const EDGE_MIN: f64 = 1e-9;
/// Coarse stamps: η in grains.
const QUANTUM_SHARE: f64 = 0.3;
/// Exchanges that bound the start, and how long they do.
const START_SAMPLES: usize = 32;
const START_UNTIL: u32 = 32;
/// Before anything is learned a crystal may be off by 100 ppm.
pub(super) const START_RATE: f64 = 1e-4;
