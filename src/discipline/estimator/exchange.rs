//! How exchanges with servers come in: from stamps to an interval, and from there to the estimate.

use super::bound::drift;
use super::{Estimator, Exchanged, Outcome};
use crate::discipline::evidence::Evidence;
use crate::discipline::filter::Filter;
use crate::discipline::server::{Heard, Seen, Server};
use crate::sample::SourceId;
use crate::time::{Duration, Raw, Timestamp};

impl Estimator {
    /// Takes in one exchange.
    pub fn exchange(&mut self, exchanged: &Exchanged) -> Outcome {
        let Exchanged { source, at, error, polls, steers, .. } = *exchanged;
        let Some(bank) = &self.bank else {
            return if steers { self.start_with(exchanged) } else { Outcome::Listened };
        };
        let late = (self.at - at).seconds().max(0.0);
        if late > LATE_MAX {
            return Outcome::Late;
        }
        let at = at.max(self.at);
        let dt = (at - self.at).seconds();
        let predicted = bank.predicted(dt);
        let best = predicted.best();
        // A little late: the oscillator has moved on since, by its rate.
        let moved = best.f * late;
        let seen = self.seen(exchanged, at, moved);
        let sigmas = self.sigmas(at);
        let error = error + drift(&predicted, sigmas, late).uncertain;
        let Some(server) = self.crowd.of(source) else {
            // Nothing is known of its path beside the others'.
            let mut server = Server::starting(seen, error, &best);
            server.used_at = steers.then_some(at);
            self.crowd.admit(source, server);
            return Outcome::Listened;
        };
        let since = server.silent_for(at);
        server.confirm(&seen, error, drift(&predicted, sigmas, since));
        let heard = server.hear(seen, &best);
        if steers {
            server.used_at = Some(at);
        }
        let ahead = libm::sqrt(predicted.predicted(server.pace.interval(polls)).best().a);
        server.pace.adapt(polls, ahead, server.base() / 2.0);
        if heard.gathering {
            // It is not gone, and stands where it stood.
            if steers && server.fed_at.is_some() {
                server.fed_at = Some(at);
            }
            return Outcome::Listened;
        }
        // Whoever is only listened to has made nothing narrow.
        let alone = steers && self.crowd.is_alone(at);
        let narrow = alone && heard.fell > FELL * heard.interval.edge;
        if narrow && !self.follows_a_clock(at) {
            self.open_for_base(heard.fell / 2.0, at);
        }
        let impossible = steers.then(|| self.impossible_by(source, at, &best)).flatten();
        if let Some(by) = impossible {
            self.move_by(by, source, at);
        }
        // Who has shown that the estimate is wrong need not be listened to for long.
        let may_steer = steers
            && !self.follows_a_clock(at)
            && (impossible.is_some() || self.crowd.may_steer(source, at));
        let outcome = self.follow(source, at, &heard, may_steer, &best);
        match (outcome, impossible, heard.changed) {
            (Outcome::Accepted | Outcome::Listened, Some(by), _) => {
                Outcome::Moved(Duration::from_seconds_f64(-by))
            }
            (Outcome::Accepted | Outcome::Listened, None, Some(by)) => {
                Outcome::RouteChange(Duration::from_seconds_f64(by))
            }
            _ => outcome,
        }
    }

    fn start_with(&mut self, exchanged: &Exchanged) -> Outcome {
        // The middle of T2 and T3 against that of T1 and T4 is x = 0.
        self.base = (exchanged.there - exchanged.back) / 2;
        let seen = self.seen(exchanged, exchanged.at, 0.0);
        let half = (seen.trip() / 2.0).max(1e-9);
        let filter = Filter::starting(0.0, half * half);
        self.start(exchanged.source, exchanged.at, &filter);
        let mut server = Server::starting(seen, exchanged.error, &filter);
        server.used_at = Some(exchanged.at);
        server.fed_at = Some(exchanged.at);
        self.crowd.admit(exchanged.source, server);
        Outcome::Accepted
    }

    fn seen(&self, exchanged: &Exchanged, at: Timestamp<Raw>, moved: f64) -> Seen {
        Seen {
            at,
            alpha: (exchanged.there - self.base).seconds() - moved,
            beta: (exchanged.back + self.base).seconds() + moved,
        }
    }

    /// Others may pull than before: the estimate goes where they stand together, and says how far, s.
    fn regroup(&mut self, at: Timestamp<Raw>) -> f64 {
        let (by, variance) = self.crowd.regroup(at);
        if by != 0.0
            && let Some(bank) = &mut self.bank
        {
            bank.moved(by);
            bank.open(variance, 0.0);
            self.revision += 1;
        }
        by
    }

    /// What an exchange does to the estimate, which without it would be `predicted`.
    fn follow(
        &mut self,
        source: SourceId,
        at: Timestamp<Raw>,
        heard: &Heard,
        may_steer: bool,
        predicted: &Filter,
    ) -> Outcome {
        let rules = self.follows_a_clock(at);
        let mut filter = *predicted;
        if may_steer {
            self.crowd.join(source, heard, at, &filter);
        }
        if rules {
            self.crowd.forget_silent();
        } else {
            filter.x += self.regroup(at);
        }
        let mut outcome = Outcome::Listened;
        if may_steer {
            let (interval, own) = self.crowd.place(source, heard, at);
            let shifted = Heard { interval, own, ..*heard };
            outcome = self.weigh(source, at, Evidence::Interval(&shifted));
            if outcome != Outcome::Accepted {
                return outcome;
            }
            filter.x = self.bank.as_ref().map_or(filter.x, |bank| bank.best().x);
        }
        if let Some(server) = self.crowd.of(source) {
            let spread_squared = server.spread_squared();
            server.shift.take(&heard.interval, spread_squared, &filter);
            if rules {
                server.shift.anchor();
            }
        }
        outcome
    }
}

/// Edges by which a base falls before earlier intervals were plainly too narrow.
const FELL: f64 = 4.0;
/// Exchanges later than this are no news, s.
const LATE_MAX: f64 = 5.0;
