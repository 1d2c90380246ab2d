//! How often a server is asked.
//!
//! At the start quickly, then each wait is half of the time looked back on: a frequency known to
//! 3e-6 must not coast for 1024 s. Later the error scales as T^{3/8}; there is no knee. What bounds
//! the use of more samples is the path, which none can lower: the interval is lengthened while the
//! predicted sigma is a small part of half the base.

use crate::time::{Duration, Exponent, Raw, Timestamp};

/// The configured limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polls {
    /// log2 s of the shortest interval.
    pub min: Exponent,
    /// log2 s of the longest.
    pub max: Exponent,
}

/// The pace of one server.
#[derive(Clone, Debug)]
pub(in crate::discipline) struct Pace {
    first: Timestamp<Raw>,
    /// log2 s; `None` until the limits are known.
    exponent: Option<i8>,
    /// Exchanges at this exponent.
    count: u32,
}

impl Pace {
    /// From the first exchange.
    pub fn starting(first: Timestamp<Raw>) -> Self {
        Self { first, exponent: None, count: 0 }
    }

    /// After an exchange: `ahead` is the sigma predicted one interval ahead, `half_base` half of the
    /// base delay, s.
    pub fn adapt(&mut self, polls: Polls, ahead: f64, half_base: f64) {
        let exponent = self.exponent.unwrap_or(polls.min.0).clamp(polls.min.0, polls.max.0);
        self.count += 1;
        let next = if ahead > SHORTEN_ABOVE * half_base {
            exponent - 1
        } else if ahead < LENGTHEN_BELOW * half_base && self.count >= SETTLED {
            exponent + 1
        } else {
            exponent
        };
        let next = next.clamp(polls.min.0, polls.max.0);
        if Some(next) != self.exponent {
            self.count = 0;
        }
        self.exponent = Some(next);
    }

    /// The interval that the exponent means, s.
    pub fn interval(&self, polls: Polls) -> f64 {
        let exponent = self.exponent.unwrap_or(polls.min.0).clamp(polls.min.0, polls.max.0);
        Exponent(exponent).duration().seconds()
    }

    /// The interval asked for at `now`, s; `urgent` while a change is suspected.
    pub fn asked(&self, polls: Polls, now: Timestamp<Raw>, urgent: bool) -> f64 {
        let interval = self.interval(polls);
        if urgent {
            return QUICK.min(interval);
        }
        let looked_back_on = (now - self.first).seconds();
        if looked_back_on < QUICK_FOR {
            return QUICK.min(interval);
        }
        (looked_back_on / 2.0).max(QUICK).min(interval)
    }

    pub fn moved(&mut self, by: Duration) {
        self.first = self.first + by;
    }
}

/// Interval of quick polls, s, and how long the first ones last.
const QUICK: f64 = 2.0;
const QUICK_FOR: f64 = 7.0;
/// Parts of half the base delay.
const LENGTHEN_BELOW: f64 = 0.015;
const SHORTEN_ABOVE: f64 = 0.03;
/// Exchanges at an interval before a longer one.
const SETTLED: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const POLLS: Polls = Polls { min: Exponent(6), max: Exponent(10) };

    #[test]
    fn eleven_requests_reach_the_interval() {
        let start = Timestamp::from_seconds(1000);
        let pace = Pace::starting(start);
        let (mut now, mut requests) = (start, 1);
        loop {
            let wait = pace.asked(POLLS, now, false);
            if wait >= 64.0 {
                break;
            }
            now = now + Duration::from_seconds_f64(wait);
            requests += 1;
        }
        assert!((10..=13).contains(&requests), "{requests}");
    }

    #[test]
    fn the_interval_follows_what_it_is_good_for() {
        let mut pace = Pace::starting(Timestamp::from_seconds(0));
        for _ in 0..100 {
            pace.adapt(POLLS, 1e-6, 1e-2);
        }
        assert!((pace.interval(POLLS) - 1024.0).abs() < 1e-9);
        pace.adapt(POLLS, 4e-4, 1e-2);
        assert!((pace.interval(POLLS) - 512.0).abs() < 1e-9);
        let later = Timestamp::from_seconds(10_000);
        assert!((pace.asked(POLLS, later, true) - 2.0).abs() < 1e-9);
        assert!((pace.asked(POLLS, later, false) - 512.0).abs() < 1e-9);
    }
}
