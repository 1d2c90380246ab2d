//! How often one client may ask: a bucket that fills with every answer and leaks with time.
//!
//! The bucket counts time, not tokens: an answer costs one interval, and what is owed may not exceed
//! `burst` intervals. Requests beyond that are dropped and cost nothing. A kiss-o'-death tells a
//! client so now and then (RFC 5905 §7.4); it has its own, slower pace, because a spoofed flood must
//! not turn into a flood of kisses.
//!
//! The clock of this bucket may be stepped. A step back starts the leak anew from there instead of
//! starving the client until the old time is reached again.

use crate::time::{Duration, Exponent, System, Timestamp};

/// The pace allowed to one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Average distance of two answers; not negative.
    pub interval: Duration,
    /// Answers in one go after a pause; at least 1.
    pub burst: u16,
}

impl RateLimit {
    /// The poll exponent that keeps within the limit: the interval rounded up to a power of two.
    pub fn poll(self) -> Exponent {
        Exponent::at_least(self.interval.seconds())
    }

    /// The most that may be owed.
    fn depth(self) -> Duration {
        self.interval * i64::from(self.burst.max(1))
    }
}

impl Default for RateLimit {
    /// Four a second, sixteen in one go.
    ///
    /// The limit stops loops, broken clients and reflection; an answer is no longer than its
    /// question, so nothing is won by being stricter. An address may stand for a whole site: 256
    /// hosts that ask every 64 s make four a second. One host is far below: a test client at 1/s, a
    /// burst of eight to ten from `iburst`, `ntpdate` or a restarted Windows, every 2 s from
    /// `w32tm /stripchart`.
    fn default() -> Self {
        Self { interval: Duration::from_millis(250), burst: 16 }
    }
}

/// What one client owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    owed: Duration,
    updated: Timestamp<System>,
    kissed: Option<Timestamp<System>>,
}

impl Pace {
    /// A client that was never heard before `now`.
    pub(super) const fn new(now: Timestamp<System>) -> Self {
        Self { owed: Duration::ZERO, updated: now, kissed: None }
    }

    /// Whether one more answer is within the limit; if so it is paid.
    pub(super) fn pass(&mut self, now: Timestamp<System>, limit: RateLimit) -> bool {
        self.owed = (self.owed - now.since(self.updated)).max(Duration::ZERO);
        self.updated = now;
        let with_this = self.owed + limit.interval;
        let passes = with_this <= limit.depth();
        if passes {
            self.owed = with_this;
        }
        passes
    }

    /// Whether a kiss is due: at most one every `interval`.
    pub(super) fn kiss(&mut self, now: Timestamp<System>, interval: Duration) -> bool {
        let is_due = self.kissed.is_none_or(|at| now - at >= interval || now < at);
        if is_due {
            self.kissed = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp<System> {
        Timestamp::from_seconds(1_700_000_000) + Duration::from_millis(millis)
    }

    /// How many of the requests at these instants pass.
    fn passed(limit: RateLimit, millis: impl IntoIterator<Item = i64>) -> usize {
        let mut pace = Pace::new(at(0));
        millis.into_iter().filter(|ms| pace.pass(at(*ms), limit)).count()
    }

    #[test]
    fn ordinary_clients_never_notice() {
        let limit = RateLimit::default();
        // Stripchart for a day, chronyd at minpoll 0 for a day on a clock 1 % fast.
        assert_eq!(passed(limit, (0..43_200).map(|n| n * 2000)), 43_200);
        assert_eq!(passed(limit, (0..86_400).map(|n| n * 990)), 86_400);
        // Ten at once every 16 s.
        assert_eq!(passed(limit, (0..1000).map(|n| n / 10 * 16_000)), 1000);
        // 256 hosts behind one address, each at 64 s.
        assert_eq!(passed(limit, (0..10_000).map(|n| n * 250)), 10_000);
    }

    #[test]
    fn a_loop_gets_the_average_and_no_more() {
        let limit = RateLimit::default();
        // 1 kHz for 100 s: the burst, then four a second.
        let answered = passed(limit, 0..100_000);
        assert!((415..=416).contains(&answered), "{answered}");
    }

    #[test]
    fn dropped_requests_cost_nothing() {
        let limit = RateLimit { interval: Duration::from_seconds(1), burst: 2 };
        let mut pace = Pace::new(at(0));
        let answers = [0, 0, 0, 10, 500, 999, 1000].map(|ms| pace.pass(at(ms), limit));
        assert_eq!(answers, [true, true, false, false, false, false, true]);
    }

    #[test]
    fn a_step_of_the_clock_starves_nobody() {
        let limit = RateLimit { interval: Duration::from_seconds(1), burst: 1 };
        let mut pace = Pace::new(at(0));
        assert!(pace.pass(at(0), limit));
        assert!(pace.kiss(at(0), Duration::from_seconds(8)));
        let hour = 3_600_000;
        assert!(!pace.pass(at(-hour), limit));
        assert!(pace.pass(at(1000 - hour), limit));
        assert!(pace.kiss(at(-hour), Duration::from_seconds(8)));
        assert!(pace.pass(at(hour), limit));
    }

    #[test]
    fn kisses_keep_their_distance() {
        let mut pace = Pace::new(at(0));
        let kisses = (0..100_000).filter(|ms| pace.kiss(at(*ms), Duration::from_seconds(8)));
        assert_eq!(kisses.collect::<Vec<_>>(), (0..13).map(|n| n * 8000).collect::<Vec<_>>());
    }

    #[test]
    fn the_poll_asked_of_a_limited_client_is_within_the_limit() {
        for (millis, poll) in [(250, -2), (251, -1), (1000, 0), (3000, 2), (8000, 3)] {
            let limit = RateLimit { interval: Duration::from_millis(millis), burst: 1 };
            assert_eq!(limit.poll(), Exponent(poll), "{millis} ms");
        }
    }

    #[test]
    fn a_burst_of_zero_is_a_burst_of_one() {
        let limit = RateLimit { interval: Duration::SECOND, burst: 0 };
        assert_eq!(passed(limit, [0, 0, 1000]), 2);
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_average(
            gaps in prop::collection::vec(0i64..3000, 1..200),
            interval in 1i64..3000,
            burst in 1u16..40,
        ) {
            let limit = RateLimit { interval: Duration::from_millis(interval), burst };
            let mut now = 0;
            let instants: Vec<i64> = gaps.iter().map(|gap| { now += gap; now }).collect();
            let most = i64::from(burst) + (now - instants[0]) / interval + 1;
            prop_assert!(i64::try_from(passed(limit, instants)).unwrap() <= most);
        }
    }
}
