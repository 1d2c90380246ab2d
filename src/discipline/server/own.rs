//! The noise of a server's own clock, which T2 and T3 share and no round trip shows.
//!
//! Taken at face value its intervals contradict each other, a filter learns a huge wander and
//! follows the noise. White noise and wander are told apart by likelihood alone: a private bank holds
//! a filter for every pair of a wander and a noise, fed with this server's intervals only. A noise of
//! zero wins where the server is exact.

use crate::discipline::bank::{LIKELIHOOD_FLOOR, RESTART_BEHIND, SLOW_MEMORY, faded, wander_prior};
use crate::discipline::filter::Filter;
use crate::discipline::interval::Interval;

/// The private bank.
#[derive(Clone, Debug)]
pub(super) struct OwnNoise {
    members: Vec<Member>,
    sigma: f64,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    filter: Filter,
    slow: f64,
}

impl OwnNoise {
    /// Every member begins with `filter`.
    pub fn starting(filter: &Filter) -> Self {
        let members = vec![Member { filter: *filter, slow: 0.0 }; WANDERS * NOISES];
        Self { members, sigma: 0.0 }
    }

    /// The oscillator is where this filter says; what was learned of the noise stays.
    pub fn restart(&mut self, filter: &Filter) {
        self.members.iter_mut().for_each(|member| member.filter = *filter);
    }

    /// The ends of the intervals moved by `by` s, for what was found out of the route is no noise.
    pub fn ends_moved(&mut self, by: f64) {
        self.members.iter_mut().for_each(|member| member.filter.a += by * by);
    }

    /// Takes in an interval `dt` after the one before.
    pub fn take(&mut self, interval: &Interval, dt: f64) {
        let mut most = f64::NEG_INFINITY;
        let mut likelihoods = [0.0; WANDERS * NOISES];
        for (index, member) in self.members.iter_mut().enumerate() {
            let filter = member.filter.predicted(dt, WANDERS_SQUARED[index / NOISES]);
            let sigma = noise(index % NOISES);
            let site = interval.site(filter.x, filter.a, sigma * sigma);
            member.filter = filter;
            member.filter.site(site.precision, site.product);
            likelihoods[index] = site.likelihood;
            most = most.max(site.likelihood);
        }
        let keep = faded(SLOW_MEMORY, dt);
        for (member, likelihood) in self.members.iter_mut().zip(likelihoods) {
            member.slow = keep * member.slow + (likelihood - most).max(LIKELIHOOD_FLOOR);
        }
        self.restart_those_behind();
        self.sigma = self.mean();
    }

    /// Standard deviation of the server's own noise, s.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    fn restart_those_behind(&mut self) {
        let leads = |best: Member, m: &Member| if m.slow > best.slow { *m } else { best };
        let best = self.members.iter().fold(self.members[0], leads);
        for member in &mut self.members {
            if member.slow < best.slow - RESTART_BEHIND {
                *member = Member { filter: best.filter, slow: best.slow - RESTART_BEHIND };
            }
        }
    }

    /// Under the weights, with the weak prior of the wander and none of the noise.
    fn mean(&self) -> f64 {
        // The grid of wanders goes in steps of 10 from 1e-11; the prior counts steps of √10 from 1e-9.
        let log = |index: usize| {
            let steps = 2.0 * ((index / NOISES) as f64 - 2.0);
            self.members[index].slow - wander_prior(steps)
        };
        let most = (0..self.members.len()).map(log).fold(f64::NEG_INFINITY, f64::max);
        let (mut weights, mut sum) = (0.0, 0.0);
        for index in 0..self.members.len() {
            let weight = libm::exp(log(index) - most);
            weights += weight;
            sum += weight * noise(index % NOISES);
        }
        sum / weights
    }
}

/// None, then 1e-9 … 1e-3 s in steps of 10^¼: steps of √10 are 10–19 % worse.
fn noise(index: usize) -> f64 {
    NOISE_GRID[index]
}

const WANDERS: usize = 5;
const WANDERS_SQUARED: [f64; WANDERS] = [1e-22, 1e-20, 1e-18, 1e-16, 1e-14];
const NOISES: usize = 26;
/// 10^(k/4) of each decade.
const STEPS: [f64; 4] =
    [1.0, 1.778_279_410_038_922_8, 3.162_277_660_168_379_5, 5.623_413_251_903_491];
const NOISE_GRID: [f64; NOISES] = grid();

const fn grid() -> [f64; NOISES] {
    let mut grid = [0.0; NOISES];
    let (mut index, mut decade) = (1, 1e-9);
    while index < NOISES {
        grid[index] = decade * STEPS[(index - 1) % 4];
        if index % 4 == 0 {
            decade *= 10.0;
        }
        index += 1;
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// An exact oscillator of wander 1e-9 and a server of own noise `sigma`, asked every `dt`.
    fn learned(sigma: f64, spread: f64, dt: f64, seed: u64) -> f64 {
        let mut random = Random::seeded(seed);
        let mut own = OwnNoise::starting(&Filter::starting(0.0, 1e-8));
        let (mut x, mut f) = (0.0, 0.0);
        for _ in 0..1500 {
            x += f * dt;
            f += 1e-9 * libm::sqrt(dt) * random.normal();
            let error = sigma * random.normal();
            let low = x + error - spread * random.exponential();
            let high = x + error + spread * random.exponential();
            own.take(&Interval { low, high, edge: 0.02 * spread, tilt: 0.0 }, dt);
        }
        own.sigma()
    }

    #[test]
    fn noise_is_found_and_an_exact_server_has_none() {
        for seed in 0..3 {
            let noisy = learned(5e-6, 1e-6, 1.0, seed);
            assert!((noisy / 5e-6 - 1.0).abs() < 0.15, "{noisy}");
            let exact = learned(0.0, 1e-6, 1.0, seed);
            assert!(exact < 1e-7, "{exact}");
        }
    }

    #[test]
    fn the_grid_spans_a_nanosecond_to_a_millisecond() {
        assert_eq!((noise(0), noise(1)), (0.0, 1e-9));
        assert!((noise(25) / 1e-3 - 1.0).abs() < 1e-9 && (noise(5) / 1e-8 - 1.0).abs() < 1e-9);
    }
}
