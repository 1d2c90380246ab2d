//! Several servers in one estimate: where each stands among the others, and who pulls how much.
//!
//! Each is shifted by its distance from the common mean, so that only the mean's error is left in
//! the estimate, and that is dominated by the nearest server: weights go with 1/base³. A server that
//! fell out does not go on pulling, nor does one that stands further from the rest than any path
//! explains.

use super::filter::Filter;
use super::interval::Interval;
use super::server::{Heard, Server};
use crate::sample::SourceId;
use crate::time::{Duration, Raw, Timestamp};

/// All servers heard, in the order of their sources.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd(Vec<(SourceId, Box<Server>)>);

impl Crowd {
    pub fn admit(&mut self, source: SourceId, server: Server) {
        let place = self.0.partition_point(|(id, _)| *id < source);
        self.0.insert(place, (source, Box::new(server)));
    }

    pub fn of(&mut self, source: SourceId) -> Option<&mut Server> {
        self.0.iter_mut().find(|(id, _)| *id == source).map(|(_, server)| &mut **server)
    }

    pub fn find(&self, source: SourceId) -> Option<&Server> {
        self.0.iter().find(|(id, _)| *id == source).map(|(_, server)| &**server)
    }

    pub fn restart(&mut self, now: Timestamp<Raw>, filter: &Filter, by: f64) {
        self.0.iter_mut().for_each(|(_, server)| server.restart(now, filter, by));
    }

    /// The estimate was moved by `by` s, to where `source` can be right: differences between servers
    /// stay, but what was learned beside a clock contradicts that one.
    pub fn estimate_moved(&mut self, by: f64, source: SourceId, filter: &Filter) {
        for (id, server) in &mut self.0 {
            server.estimate_moved(by, filter);
            if *id == source && server.shift.is_anchored() {
                server.shift = Default::default();
            }
        }
    }

    pub fn moved(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|(_, server)| server.moved(by));
    }

    /// Whether no other server was used lately.
    pub fn is_alone(&self, at: Timestamp<Raw>) -> bool {
        self.used(at).nth(1).is_none()
    }

    /// The interval of a server where it stands among the others, and the variance of its noise.
    pub fn place(&self, source: SourceId, heard: &Heard, at: Timestamp<Raw>) -> (Interval, f64) {
        let Some(server) = self.find(source) else { return (heard.interval, heard.own) };
        let alone = self.pulls(at).all(|(id, _)| id == source);
        if alone && !server.shift.is_anchored() {
            return (heard.interval, heard.own);
        }
        let common = if server.shift.is_anchored() { 0.0 } else { self.common(at) };
        // The shift itself is uncertain, and so is what of the distance is not shifted.
        let (edge, left) = (heard.interval.edge, server.shift.unshifted(common));
        let edge = libm::sqrt(edge * edge + server.shift.variance() + left * left);
        let placed = heard.interval.moved(-server.shift.shift(common), edge);
        (placed, heard.own + server.shift.slow_variance())
    }

    /// The nearest may always; another only once it was listened to.
    pub fn may_steer(&self, source: SourceId, at: Timestamp<Raw>) -> bool {
        let nearest = self.used(at).min_by(|(_, a), (_, b)| a.base().total_cmp(&b.base()));
        nearest.is_none_or(|(id, _)| id == source)
            || self.find(source).is_some_and(|server| server.shift.is_known())
    }

    /// Servers that pull, with their weights, which sum to 1.
    pub fn pulls(&self, at: Timestamp<Raw>) -> impl Iterator<Item = (SourceId, f64)> + '_ {
        let middle = self.median(at);
        let counts = move |server: &Server| match middle {
            Some((mean, base)) => {
                (server.shift.mean() - mean).abs() <= (server.base() + base) / 2.0
            }
            None => true,
        };
        let sum: f64 = self.fed(at).filter(|(_, s)| counts(s)).map(|(_, s)| weight(s)).sum();
        self.fed(at)
            .filter(move |(_, server)| counts(server))
            .map(move |(id, server)| (id, weight(server) / sum))
    }

    /// The least bound that needs no learning, while some server in use is still new.
    pub fn start_bound(&self, at: Timestamp<Raw>, filter: &Filter) -> Option<f64> {
        let mut bounds = self.used(at).map(|(_, server)| server.start_bound(at, filter));
        // One that has given enough speaks for all.
        bounds.try_fold(None, |least: Option<f64>, bound| {
            let bound = bound?;
            Some(Some(least.map_or(bound, |least| least.min(bound))))
        })?
    }

    /// D̄: where the servers that pull stand together; nowhere, if one knows where it stands.
    fn common(&self, at: Timestamp<Raw>) -> f64 {
        let anchored = |id| self.find(id).is_some_and(|server| server.shift.is_anchored());
        if self.pulls(at).any(|(id, _)| anchored(id)) {
            return 0.0;
        }
        let mean = |id| self.find(id).map_or(0.0, |server| server.shift.mean());
        self.pulls(at).map(|(id, weight)| weight * mean(id)).sum()
    }

    /// Of three and more: D at the weighted median, and the base of the one who stands there.
    fn median(&self, at: Timestamp<Raw>) -> Option<(f64, f64)> {
        self.fed(at).nth(2)?;
        let mut standing: Vec<(f64, f64, f64)> =
            self.fed(at).map(|(_, s)| (s.shift.mean(), s.base(), weight(s))).collect();
        standing.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = standing.iter().map(|s| s.2).sum::<f64>() / 2.0;
        let mut cumulative = 0.0;
        let found = standing.iter().find(|s| {
            cumulative += s.2;
            cumulative >= half
        });
        found.map(|(mean, base, _)| (*mean, *base))
    }

    fn fed(&self, at: Timestamp<Raw>) -> impl Iterator<Item = (SourceId, &Server)> {
        self.lately(at, |server| server.fed_at)
    }

    /// Those who may steer, if not at once.
    pub fn used(&self, at: Timestamp<Raw>) -> impl Iterator<Item = (SourceId, &Server)> {
        self.lately(at, |server| server.used_at)
    }

    /// Those to whom something happened within their last eight intervals.
    fn lately(
        &self,
        at: Timestamp<Raw>,
        what: impl Fn(&Server) -> Option<Timestamp<Raw>>,
    ) -> impl Iterator<Item = (SourceId, &Server)> {
        self.0.iter().filter_map(move |(id, server)| {
            let last = what(server)?;
            let recent = (at - last).seconds() <= 8.0 * server.every().max(INTERVAL_MIN);
            recent.then_some((*id, &**server))
        })
    }
}

fn weight(server: &Server) -> f64 {
    let base = server.base();
    1.0 / (base * base * base)
}

/// Eight of these are the least time after which a server counts as gone, s.
const INTERVAL_MIN: f64 = 8.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discipline::server::Seen;

    const NOW: Timestamp<Raw> = Timestamp::from_seconds(1_700_000_000);

    /// A reason, the servers, and what is wanted of each.
    type Row<S, W> = (&'static str, &'static [S], &'static [W]);

    /// A server of a round trip that stands at `mean` after `count` samples, and was fed and used just
    /// now.
    fn server(trip: f64, mean: f64, count: u32) -> Server {
        let seen = Seen { at: NOW, alpha: trip / 2.0, beta: trip / 2.0 };
        let mut server = Server::starting(seen, 0.0, &Filter::starting(0.0, 1e-8));
        let interval = Interval { low: mean, high: mean, edge: 1e-6, tilt: 0.0 };
        (0..count).for_each(|_| server.shift.take(&interval, 0.0, 0.0));
        (server.used_at, server.fed_at) = (Some(NOW), Some(NOW));
        server
    }

    fn crowd(servers: impl IntoIterator<Item = Server>) -> Crowd {
        let mut crowd = Crowd::default();
        (0..).zip(servers).for_each(|(id, server)| crowd.admit(SourceId(id), server));
        crowd
    }

    #[test]
    fn who_pulls_and_how_much() {
        let base = server(1e-3, 0.0, 0).base();
        // (reason, round trip and D of each, D in bases of the first, weight of each)
        let rows: &[Row<(f64, f64), f64>] = &[
            ("one alone", &[(1e-3, 0.0)], &[1.0]),
            ("equals", &[(1e-3, 0.0), (1e-3, 0.0)], &[0.5, 0.5]),
            ("twice as far: an eighth", &[(1e-3, 0.0), (2e-3, 0.0)], &[8.0 / 9.0, 1.0 / 9.0]),
            ("of two nobody knows who is odd", &[(1e-3, 0.0), (1e-3, 1.0)], &[0.5, 0.5]),
            (
                "of three one stands further off than any path",
                &[(1e-3, 0.0), (1e-3, 0.01), (1e-3, 1.1)],
                &[0.5, 0.5, 0.0],
            ),
            ("a path explains so much", &[(1e-3, 0.0), (1e-3, 0.01), (1e-3, 0.9)], &[1.0 / 3.0; 3]),
            (
                "a longer path explains more, and weighs less",
                &[(1e-3, 0.0), (1e-3, 0.01), (2e-3, 1.1)],
                &[8.0 / 17.0, 8.0 / 17.0, 1.0 / 17.0],
            ),
            (
                "the nearest is the middle, whatever two far ones say",
                &[(1e-4, 0.0), (1e-3, 20.0), (1e-3, 20.0)],
                &[1.0, 0.0, 0.0],
            ),
        ];
        for (why, servers, weights) in rows {
            let crowd = crowd(servers.iter().map(|(trip, mean)| server(*trip, *mean * base, 20)));
            let pulls: Vec<_> = crowd.pulls(NOW).collect();
            for (index, wanted) in weights.iter().enumerate() {
                let found = pulls.iter().find(|(id, _)| id.index() == index).map_or(0.0, |p| p.1);
                assert!((found - wanted).abs() < 1e-9, "{why}: {pulls:?}");
            }
        }
    }

    #[test]
    fn who_fell_out_does_not_go_on_pulling() {
        let polled_every = |every: f64| {
            let mut server = server(1e-3, 0.0, 20);
            let at = |n: f64| NOW + Duration::from_seconds_f64(n * every);
            for n in 1..=8 {
                let seen = Seen { at: at(f64::from(n)), alpha: 5e-4, beta: 5e-4 };
                server.hear(seen, &Filter::starting(0.0, 1e-8));
            }
            (server.used_at, server.fed_at) = (Some(at(8.0)), Some(at(8.0)));
            (at(8.0), server)
        };
        // (reason, interval between polls, silence, whether it counts)
        for (why, every, silent, counts) in [
            ("quick polls: 64 s are the least", 1.0, 63.0, true),
            ("and the most", 1.0, 65.0, false),
            ("slow ones: seven intervals", 64.0, 448.0, true),
            ("nine are too many", 64.0, 576.0, false),
        ] {
            let (last, server) = polled_every(every);
            let crowd = crowd([server]);
            let at = last + Duration::from_seconds_f64(silent);
            let found = (crowd.pulls(at).next().is_some(), crowd.used(at).next().is_some());
            assert_eq!(found, (counts, counts), "{why}");
        }
    }

    #[test]
    fn only_the_nearest_steers_before_it_was_listened_to() {
        // (reason, round trip and samples of each, who may steer)
        let rows: &[Row<(f64, u32), bool>] = &[
            ("one alone", &[(1e-3, 0)], &[true]),
            ("the nearest at once, the other later", &[(1e-3, 0), (2e-3, 15)], &[true, false]),
            ("sixteen samples are enough", &[(1e-3, 0), (2e-3, 16)], &[true, true]),
            ("a nearer one comes new", &[(2e-3, 3), (1e-3, 0)], &[false, true]),
        ];
        for (why, servers, wanted) in rows {
            let crowd = crowd(servers.iter().map(|(trip, count)| server(*trip, 0.0, *count)));
            let ids = (0..).map(SourceId).take(servers.len());
            let may: Vec<bool> = ids.map(|id| crowd.may_steer(id, NOW)).collect();
            assert_eq!(may, *wanted, "{why}");
            assert_eq!(crowd.is_alone(NOW), servers.len() == 1, "{why}");
        }
    }

    #[test]
    fn where_an_interval_is_placed_among_the_others() {
        let interval = Interval { low: 1e-4, high: 3e-4, edge: 1e-6, tilt: 0.0 };
        let heard = Heard { interval, own: 0.0, fell: 0.0, gathering: false, changed: None };
        // (reason, D of each after 20 samples ± 0.23 µs, whether the first is anchored, shift of it)
        let rows: &[(&str, &[f64], bool, f64)] = &[
            ("one alone is where it is, whatever it stands at", &[4e-5], false, 0.0),
            ("beside a clock it was learned where that is", &[4e-5], true, 4e-5),
            ("two meet in the middle", &[4e-5, 0.0], false, 2e-5),
            ("from both sides", &[-4e-5, 0.0], false, -2e-5),
            ("in one place nothing is shifted", &[4e-5, 4e-5], false, 0.0),
            ("who knows where it stands goes there", &[4e-5, 0.0], true, 4e-5),
        ];
        for (why, means, anchored, wanted) in rows {
            let mut crowd = crowd(means.iter().map(|mean| server(1e-3, *mean, 20)));
            if *anchored {
                crowd.0[0].1.shift.anchor();
            }
            let (placed, _) = crowd.place(SourceId(0), &heard, NOW);
            let shift = (interval.low - placed.low, interval.high - placed.high);
            let near = |shift: f64| (shift - wanted).abs() <= 0.01 * wanted.abs() + 1e-15;
            assert!(near(shift.0) && near(shift.1), "{why}: {shift:?}");
            // What is not known of the place is in the edge.
            let shifts = *anchored || means.len() > 1;
            assert_eq!(placed.edge > interval.edge, shifts, "{why}: {}", placed.edge);
        }
    }

    #[test]
    fn the_others_go_to_where_one_is_anchored() {
        let interval = Interval { low: 0.0, high: 1e-4, edge: 1e-6, tilt: 0.0 };
        let heard = Heard { interval, own: 0.0, fell: 0.0, gathering: false, changed: None };
        let mut crowd = crowd([server(1e-3, 4e-5, 20), server(1e-3, 1e-5, 20)]);
        crowd.0[0].1.shift.anchor();
        let (placed, _) = crowd.place(SourceId(1), &heard, NOW);
        assert!((placed.low + 1e-5).abs() < 1e-6, "{placed:?}");
        // A move to where the other can be right leaves the anchor; a move to where this one can be
        // does not.
        let filter = Filter::starting(0.0, 1e-8);
        crowd.estimate_moved(1e-5, SourceId(1), &filter);
        assert!((crowd.0[0].1.shift.mean() - 4e-5).abs() < 1e-9);
        assert!(crowd.0[1].1.shift.mean().abs() < 1e-9);
        crowd.estimate_moved(1e-5, SourceId(0), &filter);
        assert!(!crowd.0[0].1.shift.is_anchored() && crowd.0[0].1.shift.mean() == 0.0);
    }

    #[test]
    fn the_first_bound_is_the_least_until_one_has_given_enough() {
        let filter = Filter::starting(0.0, 1e-8);
        let at = NOW + Duration::from_seconds(10);
        let bound = |crowd: &Crowd| crowd.start_bound(at, &filter);
        assert_eq!(bound(&Crowd::default()), None);
        let two = [server(4e-3, 0.0, 0), server(1e-3, 0.0, 0)];
        // Half of the shorter round trip, and 100 ppm for ten seconds.
        assert!(bound(&crowd(two)).is_some_and(|bound| (bound - 1.5e-3).abs() < 1e-9));
        let mut known = server(1e-3, 0.0, 0);
        for n in 1..32 {
            let seen = Seen { at: NOW + Duration::from_seconds(n), alpha: 5e-4, beta: 5e-4 };
            known.hear(seen, &filter);
        }
        assert_eq!(bound(&crowd([server(4e-3, 0.0, 0), known])), None);
    }
}
