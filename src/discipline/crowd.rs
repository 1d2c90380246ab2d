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
