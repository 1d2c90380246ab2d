//! Eleven filters, each with its own wander, judged by how well they foretell the samples.
//!
//! How much an oscillator wanders is not known and matters: assumed too small, the filter lags; too
//! large, it follows noise. The estimate lies between the two filters around the learned wander,
//! which have run with that wander all along: a change of mind is a change to a filter that already
//! followed.

use super::filter::Filter;
use super::interval::Interval;

/// The filters and what the samples said of them.
#[derive(Clone, Debug)]
pub(super) struct Bank {
    members: [Member; MEMBERS],
    /// Place of the learned wander between the members, in steps of ln w.
    place: f64,
    /// Members that the samples still allow.
    live: [bool; MEMBERS],
    /// Change of the oscillator's rate that is foreseen, 1/s.
    pub ageing: f64,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    filter: Filter,
    /// Log likelihood with a memory of minutes, and of a dozen samples.
    slow: f64,
    fast: f64,
}

impl Bank {
    /// All members alike.
    pub fn starting(filter: Filter) -> Self {
        let mut bank = Self {
            members: [Member { filter, slow: 0.0, fast: 0.0 }; MEMBERS],
            place: 0.0,
            live: [true; MEMBERS],
            ageing: 0.0,
        };
        bank.judge();
        bank
    }

    /// The same filters `dt ≥ 0` seconds later.
    #[must_use]
    pub fn predicted(&self, dt: f64) -> Self {
        let mut later = self.clone();
        for (index, member) in later.members.iter_mut().enumerate() {
            member.filter = member.filter.predicted(dt, WANDERS_SQUARED[index]);
            member.filter.age(self.ageing, dt);
        }
        later
    }

    /// The filter of the learned wander.
    pub fn best(&self) -> Filter {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..MEMBERS")]
        let below = (self.place as usize).min(MEMBERS - 2);
        let (a, b) = (&self.members[below].filter, &self.members[below + 1].filter);
        a.between(b, self.place - below as f64)
    }

    /// Learned wander, per √s.
    pub fn wander(&self) -> f64 {
        WANDER_MIN * libm::exp(self.place * WANDER_STEP)
    }

    /// Filters that the samples still allow, with their wander squared.
    pub fn live(&self) -> impl Iterator<Item = (&Filter, f64)> {
        let members = self.members.iter().zip(WANDERS_SQUARED).zip(self.live);
        members.filter_map(|((member, q), live)| live.then_some((&member.filter, q)))
    }

    /// All members take in a reading `y` of variance `r`, `dt` after the sample before.
    pub fn take_reading(&mut self, y: f64, r: f64, dt: f64) {
        let likelihoods = core::array::from_fn(|i| self.members[i].filter.update(y, r));
        self.compare(&likelihoods, dt);
    }

    /// All members take in an interval, of a server whose own noise has the variance `own`.
    pub fn take_interval(&mut self, interval: &Interval, own: f64, dt: f64) {
        let likelihoods = core::array::from_fn(|i| {
            let filter = &mut self.members[i].filter;
            let site = interval.site(filter.x, filter.a, own);
            filter.site(site.precision, site.product);
            site.likelihood
        });
        self.compare(&likelihoods, dt);
    }

    /// All members become this filter, after `dt` with their own wander; what is known of the
    /// wander stays.
    pub fn restart(&mut self, filter: &Filter, dt: f64) {
        for (member, q) in self.members.iter_mut().zip(WANDERS_SQUARED) {
            member.filter = filter.predicted(dt, q);
            member.filter.age(self.ageing, dt);
        }
    }

    /// The wander is known from before, within a decade.
    pub fn expect_wander(&mut self, wander: f64) {
        let place = libm::log(wander / WANDER_MIN) / WANDER_STEP;
        for (index, member) in self.members.iter_mut().enumerate() {
            let decades = (index as f64 - place) / 2.0;
            member.slow -= 0.5 * decades * decades;
        }
        self.judge();
    }

    /// What counts as `x = 0` lies `by` s further down.
    pub fn moved(&mut self, by: f64) {
        self.members.iter_mut().for_each(|member| member.filter.x += by);
    }

    /// Every member is less sure of phase and frequency by these variances.
    pub fn open(&mut self, phase: f64, frequency: f64) {
        for member in &mut self.members {
            member.filter.a += phase;
            member.filter.d += frequency;
        }
    }

    /// Every member may be off by `by` s, half of which its rate has gathered in `since` seconds.
    pub fn open_gathered(&mut self, by: f64, since: f64) {
        for member in &mut self.members {
            member.filter.a += 2.0 * by * by;
            member.filter.b += by * by / since;
            member.filter.d += by * by / (since * since);
        }
    }

    /// Likelihoods are compared; a member that fell far behind starts again from the best.
    fn compare(&mut self, likelihoods: &[f64; MEMBERS], dt: f64) {
        let best = likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (slow_keep, fast_keep) = (faded(SLOW_MEMORY, dt), faded(FAST_MEMORY, dt));
        for (member, likelihood) in self.members.iter_mut().zip(likelihoods) {
            // One odd sample must not decide.
            let l = (likelihood - best).max(LIKELIHOOD_FLOOR);
            member.slow = slow_keep * member.slow + l;
            member.fast = fast_keep * member.fast + l;
        }
        let leader = (0..MEMBERS)
            .fold(0, |b, i| if self.members[i].slow > self.members[b].slow { i } else { b });
        let best = self.members[leader];
        for member in &mut self.members {
            if member.slow < best.slow - RESTART_BEHIND {
                member.filter = best.filter;
                member.slow = best.slow - RESTART_BEHIND;
            }
        }
        self.judge();
    }

    /// Where the learned wander lies, and who is live.
    fn judge(&mut self) {
        let slow = self.weights(|m| m.slow);
        let mean: f64 = slow.iter().enumerate().map(|(i, p)| p * i as f64).sum();
        let variance: f64 =
            slow.iter().enumerate().map(|(i, p)| p * (i as f64 - mean) * (i as f64 - mean)).sum();
        // Too small a wander costs more than too large a one.
        let slow_place = mean + LEAN * libm::sqrt(variance.max(0.0));
        let fast = self.weights(|m| m.fast);
        let mut cumulative = 0.0;
        // The smallest that the last dozen samples do not exclude.
        let fast_place = fast.iter().position(|p| {
            cumulative += p;
            cumulative >= FAST_QUANTILE
        });
        let fast_place = fast_place.unwrap_or(0) as f64;
        self.place = slow_place.max(fast_place).clamp(0.0, (MEMBERS - 1) as f64);
        self.live = core::array::from_fn(|i| slow[i] > LIVE_SLOW || fast[i] > LIVE_FAST);
    }

    /// Normalised weights under one memory and the weak prior of the wander.
    fn weights(&self, memory: impl Fn(&Member) -> f64) -> [f64; MEMBERS] {
        let log: [f64; MEMBERS] = core::array::from_fn(|i| {
            memory(&self.members[i]) - wander_prior(i as f64 - PRIOR_PLACE)
        });
        let most = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let linear = log.map(|l| libm::exp(l - most));
        let sum: f64 = linear.iter().sum();
        linear.map(|p| p / sum)
    }
}

/// −ln of the weak prior, `steps` of √10 away from 1e-9: a factor of 100 either way.
pub(super) fn wander_prior(steps: f64) -> f64 {
    let away = steps * WANDER_STEP / PRIOR_SPREAD;
    0.5 * away * away
}

/// What a memory of samples keeps over one that came `dt` seconds after the one before: at 16 readings
/// a second it must still last for minutes.
pub(super) fn faded(memory: f64, dt: f64) -> f64 {
    let theta = dt.clamp(0.01, 1.0);
    if theta < 1.0 { libm::pow(memory, theta) } else { memory }
}

/// Filters in the bank: 1e-12 … 1e-7 per √s in steps of √10, OCXO to bad crystal. 1e-9 and 1e-10
/// are among them exactly.
const MEMBERS: usize = 11;
const WANDER_MIN: f64 = 1e-12;
const WANDERS_SQUARED: [f64; MEMBERS] =
    [1e-24, 1e-23, 1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14];
/// ½ ln 10.
const WANDER_STEP: f64 = core::f64::consts::LN_10 / 2.0;
/// The weak prior lies about 1e-9.
const PRIOR_PLACE: f64 = 6.0;
const PRIOR_SPREAD: f64 = 4.6;
/// Memories of the likelihoods: 500 and 12 samples.
pub(super) const SLOW_MEMORY: f64 = 0.998;
const FAST_MEMORY: f64 = 0.92;
/// One sample weighs at most e⁸.
pub(super) const LIKELIHOOD_FLOOR: f64 = -8.0;
/// Members this far behind the best start again.
pub(super) const RESTART_BEHIND: f64 = 25.0;
/// Leaning towards a larger wander, in standard deviations.
const LEAN: f64 = 0.25;
/// The fast weights raise the wander only when they exclude everything lower.
const FAST_QUANTILE: f64 = 0.01;
const LIVE_SLOW: f64 = 1e-3;
const LIVE_FAST: f64 = 0.3;
