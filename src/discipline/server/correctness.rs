//! Where the truth lies if a server is right: the correctness interval of RFC 5905 §11.2, kept.
//!
//! Each exchange alone bounds the oscillator's `x`: no way is shorter than nothing, and the server is
//! no further from the truth than it declares. What an earlier exchange said still holds, widened by
//! what the oscillator may have drifted since, so the intersection of all is kept. Nothing of it is
//! learned: whatever the filters believe, a server that is right is right about this. They may be
//! wrong about the rate, too: two intervals do not tell it better than their widths over the time
//! between them.

use super::Seen;
use crate::time::{Duration, Raw, Timestamp};

/// The intersection so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correctness {
    low: f64,
    high: f64,
    at: Timestamp<Raw>,
    /// Since when the oscillator's rate was watched.
    since: Timestamp<Raw>,
    /// Width of the narrowest exchange, s.
    narrowest: f64,
}

/// How the oscillator went on from one instant to another.
#[derive(Clone, Copy, Debug)]
pub(in crate::discipline) struct Drift {
    /// Its rate by the estimate.
    pub rate: f64,
    /// Most that `x` may have gone otherwise, s.
    pub uncertain: f64,
}

impl Correctness {
    /// What one exchange says; `error` is what its server declares, s.
    pub fn of(seen: &Seen, error: f64) -> Self {
        let (low, high) = (-seen.alpha - error, seen.beta + error);
        Self { low, high, at: seen.at, since: seen.at, narrowest: high - low }
    }

    /// Takes in what another exchange says. One that contradicts stands alone: the earlier ones
    /// were wrong, or somebody stepped.
    pub fn take(&mut self, other: Self, drift: Drift) {
        let (low, high) = self.at(other.at, drift);
        let (low, high) = (low.max(other.low), high.min(other.high));
        let narrowest = self.narrowest.min(other.narrowest);
        *self =
            if low <= high { Self { low, high, at: other.at, narrowest, ..*self } } else { other };
    }

    /// Its ends at `now`, s.
    pub fn at(&self, now: Timestamp<Raw>, drift: Drift) -> (f64, f64) {
        let (silent, watched) = (self.silent_for(now), (now - self.since).seconds().max(1.0));
        let uncertain = drift.uncertain.max(2.0 * self.narrowest * silent / watched);
        let moved = drift.rate * silent;
        (self.low + moved - uncertain, self.high + moved + uncertain)
    }

    /// Seconds since the last exchange.
    pub fn silent_for(&self, now: Timestamp<Raw>) -> f64 {
        (now - self.at).seconds().max(0.0)
    }

    /// Since when the exchanges agree.
    pub fn since(&self) -> Timestamp<Raw> {
        self.since
    }

    /// The oscillator is another one since `now`, and may have stepped by so much, s, either way.
    pub fn restart(&mut self, now: Timestamp<Raw>, by: f64) {
        self.low -= by;
        self.high += by;
        self.since = now;
    }

    /// Somebody moved the clock of the stamps.
    pub fn moved(&mut self, by: Duration) {
        self.at = self.at + by;
        self.since = self.since + by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Drift = Drift { rate: 0.0, uncertain: 0.0 };

    fn long_watched(kept: Correctness) -> Correctness {
        Correctness { since: Timestamp::from_seconds(-100_000_000), ..kept }
    }

    fn seen(at: i64, alpha: f64, beta: f64) -> Seen {
        Seen { at: Timestamp::from_seconds(at), alpha, beta }
    }

    #[test]
    fn queueing_there_and_queueing_back_leave_what_neither_explains() {
        let mut kept = long_watched(Correctness::of(&seen(0, 1e-3, 5e-3), 0.0));
        kept.take(Correctness::of(&seen(10, 5e-3, 1e-3), 0.0), STILL);
        let (low, high) = kept.at(Timestamp::from_seconds(10), STILL);
        assert!((low + 1e-3).abs() < 1e-7 && (high - 1e-3).abs() < 1e-7, "{low} {high}");
    }

    #[test]
    fn it_widens_with_time_and_moves_with_the_rate() {
        let kept = long_watched(Correctness::of(&seen(0, 1e-3, 1e-3), 1e-4));
        let drift = Drift { rate: 1e-6, uncertain: 1e-5 };
        let (low, high) = kept.at(Timestamp::from_seconds(100), drift);
        assert!((low - (-1.1e-3 + 1e-4 - 1e-5)).abs() < 1e-15, "{low}");
        assert!((high - (1.1e-3 + 1e-4 + 1e-5)).abs() < 1e-15, "{high}");
    }

    #[test]
    fn a_rate_is_known_no_better_than_the_time_allows() {
        let mut kept = Correctness::of(&seen(0, 1e-3, 1e-3), 0.0);
        kept.take(Correctness::of(&seen(100, 1e-3, 1e-3), 0.0), STILL);
        // Twice 2 ms over 200 s, for 100 s more.
        let (_, high) = kept.at(Timestamp::from_seconds(200), STILL);
        assert!((high - 3e-3).abs() < 1e-12, "{high}");
        kept.restart(Timestamp::from_seconds(150), 0.0);
        let (_, high) = kept.at(Timestamp::from_seconds(200), STILL);
        assert!((high - 9e-3).abs() < 1e-12, "{high}");
    }

    #[test]
    fn a_contradiction_stands_alone() {
        let mut kept = Correctness::of(&seen(0, 1e-3, 1e-3), 0.0);
        kept.take(Correctness::of(&seen(1, -0.5, 0.502), 0.0), STILL);
        assert_eq!(kept.at(Timestamp::from_seconds(1), STILL), (0.5, 0.502));
    }
}
