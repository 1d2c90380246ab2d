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

    /// Whether no other server was used lately.
    pub fn is_alone(&self, at: Timestamp<Raw>) -> bool {
        self.used(at).nth(1).is_none()
    }

    /// The interval of a server where it stands among the others, and the variance of its noise.
    pub fn place(&self, source: SourceId, heard: &Heard, at: Timestamp<Raw>) -> (Interval, f64) {
        let Some(server) = self.find(source) else { return (heard.interval, heard.own) };
        let alone = self.kept == 0.0 && self.pulls(at).all(|(id, _)| id == source);
        if alone && !server.shift.is_anchored() {
            return (heard.interval, heard.own);
        }
        let anchored = server.shift.is_anchored();
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
            Some((mean, far)) => {
                (server.shift.mean() - mean).abs() <= (server.far() + far) / 2.0
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

    /// It pulls from now on. Where it stands is known by this exchange at least.
    pub fn join(
        &mut self,
        source: SourceId,
        heard: &Heard,
        at: Timestamp<Raw>,
        filter: &Filter,
    ) {
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
        let silent = |id| self.find(id).is_none_or(|server| server.is_silent(at));
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
