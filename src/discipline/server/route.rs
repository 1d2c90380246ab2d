//! The route to a server: its base delay, and what happens when it changes.
//!
//! The base is a little below the shortest round trip in memory. Memory alone would believe a new
//! route for hours or follow it at once; both are wrong. So the bases are kept by regime. Ten round
//! trips in a row that none of the scatter explains are a longer route, more where long ones are
//! usual; one that is far too short is a shorter one, and an older regime that fits comes back with its
//! split, exactly.

use std::collections::VecDeque;

use super::spread::Spreads;

/// One exchange, as far as a route is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    /// Round trip, s.
    pub trip: f64,
    /// d₁ and d₂ by the prediction of `x`, s.
    pub there: f64,
    pub back: f64,
    /// The larger of |Δα| and |Δβ|, rate taken out, s.
    pub jump: f64,
}

/// What an exchange means for the route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RouteNews {
    /// The route is what it was; its base fell by so much, s.
    Same { fell: f64 },
    /// It may be another one: the exchange says nothing yet.
    Gathering,
    /// It is another one; the base changed by so much, s.
    Changed { by: f64 },
}

/// The route and its history.
#[derive(Clone, Debug)]
pub(super) struct Route {
    current: Regime,
    older: Vec<Regime>,
    recent: VecDeque<Passage>,
    long: LongOnes,
    gathering: Vec<Passage>,
}

/// How many round trips in a row were long, and how usual that is.
#[derive(Clone, Copy, Debug, Default)]
struct LongOnes {
    run: u32,
    /// Share of long ones before that run.
    share: f64,
}

/// One route's memory.
#[derive(Clone, Debug)]
struct Regime {
    /// Shortest round trips of the last [`BUCKETS`] × [`BUCKET`] exchanges.
    shortest: VecDeque<f64>,
    in_bucket: usize,
    count: usize,
    /// Base when the regime was entered.
    entered: f64,
    /// B₂ − B₁ over 2: how unequal the ways are, as far as anything has told.
    split: f64,
    /// Error of a split that was measured: the path term of the regime before, and the measuring.
    measured: Option<f64>,
}

impl Route {
    /// From the first round trip.
    pub fn starting(trip: f64, spreads: &Spreads) -> Self {
        let mut current = Regime::new();
        current.take(trip);
        current.entered = current.base(spreads);
        Self {
            current,
            older: Vec::new(),
            recent: VecDeque::with_capacity(CHANGE_AFTER),
            long: LongOnes::default(),
            gathering: Vec::with_capacity(CHANGE_AFTER),
        }
    }

    /// B₁ + B₂, s.
    pub fn base(&self, spreads: &Spreads) -> f64 {
        self.current.base(spreads)
    }

    /// Shortest round trip in memory, s.
    pub fn trip(&self) -> f64 {
        self.current.minimum()
    }

    /// Half of B₂ − B₁, s.
    pub fn split(&self) -> f64 {
        self.current.split
    }

    /// How sure the base is: the scale of the correction, s.
    pub fn scale(&self, spreads: &Spreads) -> f64 {
        self.current.scale(spreads)
    }

    /// What asymmetry can hide at most, s.
    pub fn path(&self) -> f64 {
        let half = self.current.minimum() / 2.0;
        // Delays of two kinds can look like another route for a while, but not for long.
        let measured = self.current.measured.filter(|_| self.current.count >= LASTING);
        measured.map_or(half, |measured| measured.min(half))
    }

    /// Whether exchanges are put aside until it is clear which route this is.
    pub fn is_gathering(&self) -> bool {
        !self.gathering.is_empty()
    }

    /// Takes in an exchange; `edge` is the interval's η and `sigma` that of the prediction, s.
    pub fn take(
        &mut self,
        passage: Passage,
        spreads: &Spreads,
        edge: f64,
        sigma: f64,
    ) -> RouteNews {
        if self.is_gathering() {
            self.gathering.push(passage);
            if self.gathering.len() < CHANGE_AFTER {
                return RouteNews::Gathering;
            }
            let passages = core::mem::take(&mut self.gathering);
            return self.enter(&passages, spreads, sigma);
        }
        let base = self.base(spreads);
        let margin = EDGES * edge;
        if self.current.count >= CHANGE_AFTER
            && let Some(older) = self.older_that_fits(passage.trip, base, spreads, margin)
        {
            return self.come_back(older, &passage, base, spreads);
        }
        let short = passage.trip < base - SHORT * spreads.larger() - margin;
        if self.current.count >= CHANGE_AFTER && short {
            self.gathering.push(passage);
            return RouteNews::Gathering;
        }
        if self.recent.len() == CHANGE_AFTER {
            self.recent.pop_front();
        }
        self.recent.push_back(passage);
        self.long.take(passage.trip > base + LONG * spreads.larger() + margin);
        if self.long.are_news() && self.is_longer(base, spreads, margin) {
            let passages: Vec<Passage> = self.recent.iter().copied().collect();
            return self.enter(&passages, spreads, sigma);
        }
        self.current.take(passage.trip);
        RouteNews::Same { fell: (base - self.base(spreads)).max(0.0) }
    }

    /// Ten in a row that even their own scatter does not explain.
    fn is_longer(&mut self, base: f64, spreads: &Spreads, margin: f64) -> bool {
        if self.recent.len() < CHANGE_AFTER {
            return false;
        }
        let mut jumps: Vec<f64> = self.recent.iter().map(|p| p.jump).collect();
        jumps.sort_by(f64::total_cmp);
        let own = jumps[jumps.len() / 2] / core::f64::consts::LN_2;
        let scatter = LONG * spreads.larger().max(own);
        let strays = self.strays(scatter);
        if strays > 0 {
            self.recent.drain(..strays);
            return false;
        }
        self.recent.iter().all(|p| p.trip > base + scatter + margin)
    }

    /// How many of the first are shorter than all later ones by more than the `scatter`, s: they were
    /// long by chance, and still of the route before. As the base of another one they would be far too
    /// low.
    fn strays(&self, scatter: f64) -> usize {
        let most = |n| self.recent.iter().take(n).map(|p| p.trip).fold(0.0, f64::max);
        let least = |n| self.recent.iter().skip(n).map(|p| p.trip).fold(f64::INFINITY, f64::min);
        (1..=STRAYS_MAX).rev().find(|n| most(*n) + scatter < least(*n)).unwrap_or(0)
    }

    fn older_that_fits(
        &self,
        trip: f64,
        base: f64,
        spreads: &Spreads,
        margin: f64,
    ) -> Option<usize> {
        let larger = spreads.larger();
        let short = trip < base - SHORT * larger - margin;
        self.older.iter().rposition(|regime| {
            let old = regime.base(spreads);
            let fits = short && trip >= old - margin && trip <= old + FITS * larger;
            let apart = self.current.entered - old;
            let beyond_middle = trip < f64::midpoint(old, self.current.entered);
            fits || apart > LONG * larger && beyond_middle && trip >= old - margin
        })
    }

    fn come_back(
        &mut self,
        older: usize,
        passage: &Passage,
        base: f64,
        spreads: &Spreads,
    ) -> RouteNews {
        let back = self.older.remove(older);
        let left = core::mem::replace(&mut self.current, back);
        self.remember(left);
        self.begin_again();
        self.current.take(passage.trip);
        RouteNews::Changed { by: self.base(spreads) - base }
    }

    /// A new regime from its first exchanges. If the prediction is sure enough, it tells how the
    /// change is split between the ways. Lower envelopes tell, not medians: the median's error is J.
    fn enter(&mut self, passages: &[Passage], spreads: &Spreads, sigma: f64) -> RouteNews {
        let before = self.base(spreads);
        let path_before = self.path();
        let mut regime = Regime::new();
        passages.iter().for_each(|p| regime.take(p.trip));
        let base = regime.base(spreads);
        let change = base - before;
        regime.entered = base;
        regime.split = self.current.split;
        if sigma < SPLIT_SURE * change.abs() {
            let n = passages.len() as f64;
            let least =
                |way: fn(&Passage) -> f64| passages.iter().map(way).fold(f64::INFINITY, f64::min);
            let there = least(|p| p.there) - spreads.there / n;
            let back = least(|p| p.back) - spreads.back / n;
            let measured = (back - there) / 2.0;
            let most = change.abs() / 2.0;
            let moved = (measured - self.current.split).clamp(-most, most);
            if moved.abs() >= SPLIT_LEAST * change.abs() {
                regime.split += moved;
            }
            regime.measured = Some(path_before + SPLIT_SIGMAS * (sigma + spreads.larger() / n));
        }
        // No way is shorter than nothing.
        regime.split = regime.split.clamp(-base / 2.0, base / 2.0);
        let left = core::mem::replace(&mut self.current, regime);
        self.remember(left);
        self.begin_again();
        RouteNews::Changed { by: change }
    }

    /// What came before was of another route.
    fn begin_again(&mut self) {
        self.recent.clear();
        self.long.run = 0;
    }

    fn remember(&mut self, regime: Regime) {
        if self.older.len() == OLDER_MAX {
            self.older.remove(0);
        }
        self.older.push(regime);
    }
}

impl LongOnes {
    fn take(&mut self, is_long: bool) {
        if is_long {
            self.run = self.run.saturating_add(1);
            return;
        }
        // A run that has ended was no other route.
        let kept = libm::pow(1.0 - SHARE_FADE, f64::from(self.run));
        self.share = (1.0 - (1.0 - self.share) * kept) * (1.0 - SHARE_FADE);
        self.run = 0;
    }

    /// Whether so many in a row are no chance, as usual as they are one by one.
    fn are_news(&self) -> bool {
        self.run > 0 && libm::pow(self.share, f64::from(self.run)) <= CHANCE
    }
}

impl Regime {
    fn new() -> Self {
        Self {
            shortest: VecDeque::with_capacity(BUCKETS),
            in_bucket: 0,
            count: 0,
            entered: 0.0,
            split: 0.0,
            measured: None,
        }
    }

    fn take(&mut self, trip: f64) {
        match self.shortest.back_mut() {
            Some(shortest) if self.in_bucket < BUCKET => *shortest = shortest.min(trip),
            _ => {
                if self.shortest.len() == BUCKETS {
                    self.shortest.pop_front();
                    self.count -= BUCKET;
                }
                self.shortest.push_back(trip);
                self.in_bucket = 0;
            }
        }
        self.in_bucket += 1;
        self.count += 1;
    }

    fn minimum(&self) -> f64 {
        self.shortest.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The least of n sums of two exponentials is Rayleigh distributed with this scale.
    fn scale(&self, spreads: &Spreads) -> f64 {
        spreads.mean() / libm::sqrt(self.count.max(1) as f64)
    }

    fn base(&self, spreads: &Spreads) -> f64 {
        let minimum = self.minimum();
        minimum - (RAYLEIGH_MEAN * self.scale(spreads)).min(minimum / 2.0)
    }
}

/// Memory of the shortest round trips: 512 exchanges. Longer ones outlive real routes.
const BUCKETS: usize = 16;
const BUCKET: usize = 32;
/// √(π/2), the mean of a Rayleigh distribution of scale 1.
const RAYLEIGH_MEAN: f64 = 1.2533;
/// Spreads and edges by which a round trip is too short or too long for a base, and within which it
/// fits an older one. Both ways queue 4 J or more in 9 % of all.
const SHORT: f64 = 2.0;
const LONG: f64 = 4.0;
const FITS: f64 = 8.0;
const EDGES: f64 = 4.0;
/// A prediction this sure, in shares of the change, tells how it is split; a smaller share of it is
/// none; and the split is as uncertain as so many sigmas.
const SPLIT_SURE: f64 = 0.25;
const SPLIT_LEAST: f64 = 0.1;
const SPLIT_SIGMAS: f64 = 6.0;
/// Exchanges that make a regime: (1 + u) e^−u at u = 4, to the tenth, is 4e-11 false alarms each.
const CHANGE_AFTER: usize = 10;
/// So many of them may be of the route before.
const STRAYS_MAX: usize = 4;
/// Exchanges over which the share of long ones is learned: 64.
const SHARE_FADE: f64 = 1.0 / 64.0;
/// A run of long ones less likely than this is another route.
const CHANCE: f64 = 1e-9;
/// Exchanges after which a regime is no chance.
const LASTING: usize = 64;
/// Routes remembered.
const OLDER_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const SPREADS: Spreads = Spreads { there: 1e-4, back: 1e-4, ratio: 0.0, quantum: 0.0 };

    struct World {
        random: Random,
        there: f64,
        back: f64,
        /// Means of queueing there and back, and of bursts in the first 20 minutes of an hour.
        spreads: (f64, f64),
        bursts: (f64, f64),
        count: u32,
        last: (f64, f64),
    }

    impl World {
        fn new(seed: u64) -> Self {
            Self {
                random: Random::seeded(seed),
                there: 1e-4,
                back: 1e-4,
                spreads: (1e-4, 1e-4),
                bursts: (0.0, 0.0),
                count: 0,
                last: (1e-4, 1e-4),
            }
        }

        /// One every 64 s.
        fn passage(&mut self) -> Passage {
            let burst = if self.count * 64 % 3600 < 1200 { 1.0 } else { 0.0 };
            self.count += 1;
            let mut way = |base: f64, spread: f64, mean: f64| {
                let queue = spread * self.random.exponential();
                base + queue
                    + if mean > 0.0 { burst * mean * self.random.exponential() } else { 0.0 }
            };
            let there = way(self.there, self.spreads.0, self.bursts.0);
            let back = way(self.back, self.spreads.1, self.bursts.1);
            let (was, did) = core::mem::replace(&mut self.last, (there, back));
            let jump = (there - was).abs().max((back - did).abs());
            Passage { trip: there + back, there, back, jump }
        }
    }

    fn pass(route: &mut Route, world: &mut World, count: usize) -> Vec<RouteNews> {
        let take = |_| route.take(world.passage(), &SPREADS, 3e-6, 1e-5);
        (0..count).map(take).filter(|n| matches!(n, RouteNews::Changed { .. })).collect()
    }

    #[test]
    fn the_base_is_unbiased() {
        // Of 512 the least is Rayleigh distributed with the scale 1e-4 / √512 = 4.4 µs, whose standard
        // deviation is 2.9 µs and of which 96.7 % are within 6 µs of the mean.
        const SEEDS: u32 = 1000;
        let (mut sum, mut squares, mut within) = (0.0, 0.0, 0);
        for seed in 0..SEEDS {
            let mut world = World::new(seed.into());
            let mut route = Route::starting(world.passage().trip, &SPREADS);
            pass(&mut route, &mut world, 511);
            let error = route.base(&SPREADS) - 2e-4;
            // The path term is half of what was observed: the base below it is an estimate.
            assert!(
                route.path() == route.trip() / 2.0 && route.path() > route.base(&SPREADS) / 2.0
            );
            sum += error;
            squares += error * error;
            within += u32::from(error.abs() < 6e-6);
        }
        let (mean, deviation) = (sum / f64::from(SEEDS), libm::sqrt(squares / f64::from(SEEDS)));
        assert!(within * 100 >= 95 * SEEDS && mean.abs() < 3e-7, "{within} {mean:e}");
        assert!((deviation / 2.9e-6 - 1.0).abs() < 0.1, "{deviation:e}");
    }

    #[test]
    fn the_base_does_not_drift() {
        let mut halves = [0.0; 2];
        for seed in 0..20 {
            let mut world = World::new(seed);
            let mut route = Route::starting(world.passage().trip, &SPREADS);
            pass(&mut route, &mut world, 511);
            for block in 0..38 {
                assert!(pass(&mut route, &mut world, 512).is_empty());
                halves[block / 19] += (route.base(&SPREADS) - 2e-4) / (19.0 * 20.0);
            }
        }
        // 380 memories each: 2.9 µs / √380 = 0.15 µs by chance.
        assert!(halves.iter().all(|mean: &f64| mean.abs() < 5e-7), "{halves:?}");
    }

    #[test]
    fn a_longer_way_there_is_split_rightly_and_the_way_back_restores_the_first() {
        for seed in 0..20 {
            let mut world = World::new(seed);
            let mut route = Route::starting(world.passage().trip, &SPREADS);
            assert!(pass(&mut route, &mut world, 500).is_empty());
            world.there += 2e-3;
            let changed = pass(&mut route, &mut world, 50);
            assert_eq!(changed.len(), 1, "{changed:?}");
            assert!((route.split() + 1e-3).abs() < 3e-5, "{}", route.split());
            pass(&mut route, &mut world, 64);
            assert!(route.path() < 3e-4, "{}", route.path());
            world.there -= 2e-3;
            let changed = pass(&mut route, &mut world, 50);
            assert_eq!((changed.len(), route.split()), (1, 0.0));
        }
    }

    #[test]
    fn who_was_long_before_the_change_is_not_of_the_new_route() {
        for seed in 0..20 {
            let mut world = World::new(seed);
            let mut route = Route::starting(world.passage().trip, &SPREADS);
            assert!(pass(&mut route, &mut world, 500).is_empty());
            // Queued by seven times the mean, just before.
            world.there += 7e-4;
            pass(&mut route, &mut world, 1);
            world.there += 1.3e-3;
            let changed = pass(&mut route, &mut world, 50);
            let [RouteNews::Changed { by }] = changed[..] else { panic!("{changed:?}") };
            assert!((by - 2e-3).abs() < 2e-4, "seed {seed}: {by:e}");
        }
    }

    #[test]
    fn late_answers_are_no_other_route_however_many_come_in_a_row() {
        for seed in 0..12 {
            let mut random = Random::seeded(seed);
            let mut world = World::new(100 + seed);
            let mut route = Route::starting(world.passage().trip, &SPREADS);
            for _ in 0..5_000 {
                world.back = 1e-4 + if random.uniform() < 0.5 { 5e-2 } else { 0.0 };
                let news = route.take(world.passage(), &SPREADS, 3e-6, 1e-5);
                assert!(!matches!(news, RouteNews::Changed { .. }), "seed {seed}");
            }
            // Where half of the answers are late anyway, a longer way takes longer to be sure of.
            (world.there, world.back) = (3e-3, 1e-4);
            assert!(pass(&mut route, &mut world, 20).is_empty());
            assert_eq!(pass(&mut route, &mut world, 40).len(), 1);
        }
    }

    #[test]
    fn no_regime_is_entered_without_reason() {
        for seed in 0..12 {
            let mut world = World::new(seed);
            let mut route = Route::starting(world.passage().trip, &SPREADS);
            assert!(pass(&mut route, &mut world, 20_000).is_empty());
        }
    }

    #[test]
    fn unlike_ways_and_bursts_are_no_other_route() {
        let unlike = Spreads { there: 1e-5, back: 1e-3, ratio: -4.2, quantum: 0.0 };
        for seed in 0..12 {
            for (spreads, queues, bursts) in
                [(unlike, (1e-5, 1e-3), (0.0, 0.0)), (SPREADS, (1e-4, 1e-4), (5e-3, 1e-2))]
            {
                // It does not begin in a burst.
                let mut world = World { spreads: queues, bursts, count: 20, ..World::new(seed) };
                let mut route = Route::starting(world.passage().trip, &spreads);
                for _ in 0..20_000 {
                    let news = route.take(world.passage(), &spreads, 3e-6, 1e-5);
                    let is_another = matches!(news, RouteNews::Changed { .. });
                    assert!(!is_another, "seed {seed}, {queues:?} {bursts:?}: {news:?}");
                }
            }
        }
    }
}
