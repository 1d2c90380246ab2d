//! Several servers in one estimate: where each stands among the others, and who pulls how much.
//!
//! Each is shifted by its distance from the common mean, so that only the mean's error is left in
//! the estimate, and that is dominated by the nearest server: weights go with 1/distance³. When others
//! pull than before, the common mean moves and the estimate along with it, or all intervals would
//! contradict what was learned from them. One that stands further from the rest than any path
//! explains does not pull; when one falls silent, the others stay where they were beside it.

use super::filter::Filter;
use super::interval::Interval;
use super::server::{Heard, Server};
use crate::sample::SourceId;
use crate::time::{Duration, Raw, Timestamp};

/// All servers heard, and where they stand together.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd {
    /// In the order of their sources.
    servers: Vec<(SourceId, Box<Server>)>,
    /// Who pulled when it was last looked.
    pulling: Vec<SourceId>,
    /// How far beyond the mean of these the common mean lies, s: where those had it who fell silent.
    kept: f64,
}

impl Crowd {
    pub fn admit(&mut self, source: SourceId, server: Server) {
        let place = self.servers.partition_point(|(id, _)| *id < source);
        self.servers.insert(place, (source, Box::new(server)));
    }

    pub fn of(&mut self, source: SourceId) -> Option<&mut Server> {
        self.servers.iter_mut().find(|(id, _)| *id == source).map(|(_, server)| &mut **server)
    }

    pub fn find(&self, source: SourceId) -> Option<&Server> {
        self.servers.iter().find(|(id, _)| *id == source).map(|(_, server)| &**server)
    }

    pub fn restart(&mut self, now: Timestamp<Raw>, filter: &Filter, by: f64) {
        self.servers.iter_mut().for_each(|(_, server)| server.restart(now, filter, by));
    }

    /// The estimate was moved by `by` s, to where `source` can be right: differences between servers
    /// stay, but what was learned beside a clock contradicts that one.
    pub fn estimate_moved(&mut self, by: f64, source: SourceId, filter: &Filter) {
        for (id, server) in &mut self.servers {
            server.estimate_moved(by, filter);
            if *id == source && server.shift.is_anchored() {
                server.shift = Default::default();
            }
        }
    }

    pub fn moved(&mut self, by: Duration) {
        self.servers.iter_mut().for_each(|(_, server)| server.moved(by));
    }

    /// It was found to be wrong: where it stood is no place for the others to be kept at.
    pub fn distrust(&mut self, source: SourceId) {
        if let Some(server) = self.of(source) {
            (server.used_at, server.fed_at, server.distrusted) = (None, None, true);
        }
    }

    /// Whether no other server was used lately.
    pub fn is_alone(&self, at: Timestamp<Raw>) -> bool {
        self.used(at).nth(1).is_none()
    }

    /// The interval of a server where it stands among the others, and the variance of its noise.
    pub fn place(&self, source: SourceId, heard: &Heard, at: Timestamp<Raw>) -> (Interval, f64) {
        let Some(server) = self.find(source) else { return (heard.interval, heard.own) };
        let anchored = server.shift.is_anchored();
        let alone = self.kept == 0.0 && self.pulls(at).all(|(id, _)| id == source);
        if alone && !anchored {
            return (heard.interval, heard.own);
        }
        let common = if anchored { 0.0 } else { self.common(&self.pulling) + self.kept };
        // The shift itself is uncertain, and so is what of the distance is not shifted.
        let (edge, left) = (heard.interval.edge, server.shift.unshifted(common));
        let edge = libm::sqrt(edge * edge + self.unsure(source, server) + left * left);
        let placed = heard.interval.moved(-server.shift.shift(common), edge);
        (placed, heard.own + server.shift.slow_variance())
    }

    /// Whoever pulls may, and one alone. Another only once it was listened to; the nearest as soon as it
    /// is known better where it stands than its own ways could tell.
    pub fn may_steer(&self, source: SourceId, at: Timestamp<Raw>) -> bool {
        let mut pulls = self.pulls(at).map(|(id, _)| id).peekable();
        if pulls.peek().is_none() || pulls.any(|id| id == source) {
            return true;
        }
        let Some(server) = self.find(source) else { return false };
        let nearest = self.used(at).min_by(|(_, a), (_, b)| a.far().total_cmp(&b.far()));
        let known = server.shift.is_known_within(PLACE_SHARE * server.far());
        server.shift.is_known() || known && nearest.is_none_or(|(id, _)| id == source)
    }

    /// Servers that pull, with their weights, which sum to 1.
    pub fn pulls(&self, at: Timestamp<Raw>) -> impl Iterator<Item = (SourceId, f64)> + '_ {
        let middle = self.median(at);
        let counts = move |server: &Server| match middle {
            Some((mean, far)) => (server.shift.mean() - mean).abs() <= (server.far() + far) / 2.0,
            None => true,
        };
        let sum: f64 = self.fed(at).filter(|(_, s)| counts(s)).map(|(_, s)| weight(s)).sum();
        self.fed(at)
            .filter(move |(_, server)| counts(server))
            .map(move |(id, server)| (id, weight(server) / sum))
    }

    /// What asymmetry can hide from those who pull, s.
    pub fn path(&self, at: Timestamp<Raw>) -> f64 {
        let paths = self.pulls(at).filter_map(|(id, _)| self.find(id).map(Server::path));
        paths.fold(0.0, f64::max)
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

    /// It pulls from now on. Where it stands is known by this exchange at least.
    pub fn join(&mut self, source: SourceId, heard: &Heard, at: Timestamp<Raw>, filter: &Filter) {
        let Some(server) = self.of(source) else { return };
        server.fed_at = Some(at);
        if server.shift.is_new() {
            let spread_squared = server.spread_squared();
            server.shift.take(&heard.interval, spread_squared, filter);
        }
    }

    /// Looks who pulls now, and says how far the common mean moved by that, s, positive: up, and the
    /// variance of that, s².
    pub fn regroup(&mut self, at: Timestamp<Raw>) -> (f64, f64) {
        let now: Vec<SourceId> = self.pulls(at).map(|(id, _)| id).collect();
        if now.is_empty() || now == self.pulling {
            return (0.0, 0.0);
        }
        let before = core::mem::replace(&mut self.pulling, now);
        if before.is_empty() {
            return (0.0, 0.0);
        }
        let moved = self.common(&self.pulling) - self.common(&before) - self.kept;
        let joined: Vec<_> = self.pulls(at).filter(|(id, _)| !before.contains(id)).collect();
        if joined.is_empty() && self.only_silent_left(&before, at) {
            self.kept = -moved;
            return (0.0, 0.0);
        }
        self.kept = 0.0;
        self.servers.iter_mut().for_each(|(_, server)| server.shift.estimate_moved(moved));
        let variance = |id| self.find(id).map_or(0.0, |server| server.shift.variance());
        (moved, joined.iter().map(|(id, weight)| weight * weight * variance(*id)).sum())
    }

    /// Whether all who pulled `before` and do so no longer have fallen silent.
    fn only_silent_left(&self, before: &[SourceId], at: Timestamp<Raw>) -> bool {
        let silent = |id| self.find(id).is_none_or(|s| !s.distrusted && s.is_silent(at));
        let mut left = before.iter().filter(|id| !self.pulling.contains(id));
        left.all(|id| silent(*id))
    }

    /// A reference clock knows better than those who fell silent.
    pub fn forget_silent(&mut self) {
        self.kept = 0.0;
    }

    /// D̄: where these servers stand together; nowhere, if one knows where it stands.
    fn common(&self, pulling: &[SourceId]) -> f64 {
        let servers = || pulling.iter().filter_map(|id| self.find(*id));
        if pulling.is_empty() || servers().any(|server| server.shift.is_anchored()) {
            return 0.0;
        }
        let weights: f64 = servers().map(weight).sum();
        servers().map(|server| weight(server) * server.shift.mean()).sum::<f64>() / weights
    }

    /// Variance of how far a server stands from the common mean, of which it is a part itself, s².
    fn unsure(&self, source: SourceId, server: &Server) -> f64 {
        if server.shift.is_anchored() {
            return server.shift.variance();
        }
        let pulling = || self.pulling.iter().filter_map(|id| Some((*id, self.find(*id)?)));
        let sum: f64 = pulling().map(|(_, s)| weight(s)).sum();
        let (mut own, mut others) = (1.0, 0.0);
        for (id, other) in pulling() {
            let share = weight(other) / sum;
            if id == source {
                own -= share;
            } else {
                others += share * share * other.shift.variance();
            }
        }
        own * own * server.shift.variance() + others
    }

    /// Of three and more: D at the weighted median, and how far away it is who stands there.
    fn median(&self, at: Timestamp<Raw>) -> Option<(f64, f64)> {
        self.fed(at).nth(2)?;
        let mut standing: Vec<(f64, f64, f64)> =
            self.fed(at).map(|(_, s)| (s.shift.mean(), s.far(), weight(s))).collect();
        standing.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = standing.iter().map(|s| s.2).sum::<f64>() / 2.0;
        let mut cumulative = 0.0;
        let found = standing.iter().find(|s| {
            cumulative += s.2;
            cumulative >= half
        });
        found.map(|(mean, far, _)| (*mean, *far))
    }

    fn fed(&self, at: Timestamp<Raw>) -> impl Iterator<Item = (SourceId, &Server)> {
        self.lately(at, |server| server.fed_at)
    }

    /// Those who may steer, if not at once.
    pub fn used(&self, at: Timestamp<Raw>) -> impl Iterator<Item = (SourceId, &Server)> {
        self.lately(at, |server| server.used_at)
    }

    /// Those to whom something happened lately.
    fn lately(
        &self,
        at: Timestamp<Raw>,
        what: impl Fn(&Server) -> Option<Timestamp<Raw>>,
    ) -> impl Iterator<Item = (SourceId, &Server)> {
        self.servers.iter().filter_map(move |(id, server)| {
            let last = what(server)?;
            ((at - last).seconds() <= server.lasts()).then_some((*id, &**server))
        })
    }
}

/// A nearer server joins when its place is known within this share of its distance.
const PLACE_SHARE: f64 = 0.25;

fn weight(server: &Server) -> f64 {
    let far = server.far();
    1.0 / (far * far * far)
}

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
        let known = Filter { x: 0.0, f: 0.0, a: 0.0, b: 0.0, d: 0.0 };
        (0..count).for_each(|_| server.shift.take(&interval, 0.0, &known));
        (server.used_at, server.fed_at) = (Some(NOW), Some(NOW));
        server
    }

    fn crowd(servers: impl IntoIterator<Item = Server>) -> Crowd {
        let mut crowd = Crowd::default();
        (0..).zip(servers).for_each(|(id, server)| crowd.admit(SourceId(id), server));
        assert_eq!(crowd.regroup(NOW), (0.0, 0.0), "at first nothing moves");
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
    fn who_pulls_steers_and_others_once_they_were_listened_to() {
        // (reason, round trip and samples of each, all but the first only heard, who may steer)
        let rows: &[Row<(f64, u32), bool>] = &[
            ("one alone", &[(1e-3, 0)], &[true]),
            ("a farther one later", &[(1e-3, 0), (2e-3, 15)], &[true, false]),
            ("sixteen samples are enough", &[(1e-3, 0), (2e-3, 16)], &[true, true]),
            ("a nearer one comes new", &[(2e-3, 3), (1e-3, 0)], &[true, false]),
            ("its place is known after eight", &[(2e-3, 3), (1e-3, 8)], &[true, true]),
            ("seven may deceive", &[(2e-3, 3), (1e-3, 7)], &[true, false]),
        ];
        for (why, servers, wanted) in rows {
            let mut crowd = crowd(servers.iter().map(|(trip, count)| server(*trip, 0.0, *count)));
            crowd.servers.iter_mut().skip(1).for_each(|(_, server)| server.fed_at = None);
            let ids = (0..).map(SourceId).take(servers.len());
            let may: Vec<bool> = ids.map(|id| crowd.may_steer(id, NOW)).collect();
            assert_eq!(may, *wanted, "{why}");
            assert_eq!(crowd.is_alone(NOW), servers.len() == 1, "{why}");
        }
    }

    #[test]
    fn the_estimate_goes_along_when_others_pull() {
        let near = |crowd: &Crowd, id| crowd.find(SourceId(id)).map(|s| s.shift.mean());
        let mut crowd = crowd([server(2e-3, 0.0, 20), server(1e-3, 4e-5, 20)]);
        let later = NOW + Duration::from_seconds(60);
        // The nearer one falls silent: the other stays where it was beside it.
        crowd.of(SourceId(0)).expect("admitted").fed_at = Some(later);
        let silent = NOW + Duration::from_seconds(65);
        assert_eq!(crowd.regroup(silent), (0.0, 0.0));
        let kept = 4e-5 * 8.0 / 9.0;
        assert!((crowd.kept - kept).abs() < 1e-7, "{}", crowd.kept);
        // It comes back, and nothing has to move.
        crowd.of(SourceId(1)).expect("admitted").fed_at = Some(silent);
        let (by, variance) = crowd.regroup(silent);
        assert!(by.abs() < 1e-15 && variance > 0.0 && crowd.kept == 0.0, "{by} {variance}");
        // A third that is nearer still joins: all move by what it stands away.
        let mut third = server(1e-4, -1e-4, 20);
        third.fed_at = Some(silent);
        crowd.admit(SourceId(2), third);
        let (by, _) = crowd.regroup(silent);
        assert!((by + 1e-4 + kept).abs() < 1e-6, "{by}");
        assert!(near(&crowd, 2).is_some_and(|mean| (mean - kept).abs() < 1e-6));
    }

    #[test]
    fn who_was_wrong_keeps_the_others_nowhere() {
        let mut crowd =
            crowd([server(1e-3, 0.0, 20), server(1e-3, 0.0, 20), server(1e-3, 3e-4, 20)]);
        assert_eq!(crowd.pulls(NOW).count(), 3);
        crowd.distrust(SourceId(2));
        let (by, variance) = crowd.regroup(NOW);
        assert!((by + 1e-4).abs() < 1e-6 && variance == 0.0, "{by} {variance}");
        assert_eq!((crowd.kept, crowd.pulls(NOW).count()), (0.0, 2));
        // Even when it has said nothing for long.
        let mut silent = crowd;
        silent.kept = 1e-5;
        let later = NOW + Duration::from_seconds(65);
        silent.of(SourceId(0)).expect("admitted").fed_at = Some(later);
        let (by, _) = silent.regroup(later);
        assert_eq!((by, silent.kept != 0.0), (0.0, true), "the second fell silent, that is all");
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
                crowd.servers[0].1.shift.anchor();
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
        crowd.servers[0].1.shift.anchor();
        let (placed, _) = crowd.place(SourceId(1), &heard, NOW);
        assert!((placed.low + 1e-5).abs() < 1e-6, "{placed:?}");
        // A move to where the other can be right leaves the anchor; a move to where this one can be
        // does not.
        let filter = Filter::starting(0.0, 1e-8);
        crowd.estimate_moved(1e-5, SourceId(1), &filter);
        assert!((crowd.servers[0].1.shift.mean() - 4e-5).abs() < 1e-9);
        assert!(crowd.servers[1].1.shift.mean().abs() < 1e-9);
        crowd.estimate_moved(1e-5, SourceId(0), &filter);
        assert!(!crowd.servers[0].1.shift.is_anchored() && crowd.servers[0].1.shift.mean() == 0.0);
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
