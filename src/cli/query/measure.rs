//! From four timestamps to an offset, a delay and a bound (RFC 5905 §8), and which sample counts.

use std::fmt;

use serde::Serialize;

use crate::observe::leap_name;
use crate::time::{Duration, LeapIndicator, Timestamp, Utc};
use crate::wire::ntp::Header;

/// One request and its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// T1: when the request left, by this machine's clock.
    pub sent: Timestamp<Utc>,
    /// T4: when the answer arrived, by this machine's clock.
    pub received: Timestamp<Utc>,
    /// Whose stamps these two are.
    pub stamps: StampedBy,
    /// What the server said, T2 and T3 among it.
    pub header: Header,
}

/// Who read the clock for T1 and T4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StampedBy {
    /// The kernel, both.
    Kernel,
    /// This process, before it sent and after it woke up: the delay includes that.
    User,
}

impl fmt::Display for StampedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "by kernel stamps",
            Self::User => "by this process's own readings: no kernel stamps came",
        })
    }
}

/// What one answer says of this machine's clock.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Measurement {
    /// Server − this machine: positive, this machine is behind.
    pub offset_ns: f64,
    /// The round trip, without the server's own time.
    pub delay_ns: f64,
    /// |true time − (this machine + offset)| is at most this, if the server is right.
    pub bound_ns: f64,
    /// Whether the server claims to know the time.
    pub synchronised: bool,
    /// As on the wire: 0 is unsynchronised or a kiss-o'-death.
    pub stratum: u8,
    /// `none`, `insert`, `delete` or `unknown`.
    pub leap: &'static str,
    /// The server's reference, or its kiss code.
    pub reference_id: String,
    /// Round trip from the server to its reference clock.
    pub root_delay_ns: f64,
    /// The server's own error at most.
    pub root_dispersion_ns: f64,
    /// log2 s of the server's clock reading.
    pub precision_log2: i8,
    /// Who stamped request and answer here.
    pub stamps: StampedBy,
}

impl Measurement {
    pub fn of(answer: &Answer) -> Self {
        let Answer { sent, received, stamps, header } = answer;
        // A server may be decades off; the era nearest to this machine's clock is meant.
        let there = (header.receive.near(*sent), header.transmit.near(*received));
        let (out, back) = (there.0 - *sent, there.1 - *received);
        let offset = (out + back) / 2;
        let delay = out - back;
        let (root_delay, root_dispersion) =
            (header.root_delay.duration(), header.root_dispersion.duration());
        // A delay below zero is an error of stamps, never a better bound.
        let bound = (root_delay + delay.max(Duration::ZERO)) / 2 + root_dispersion;
        Self {
            offset_ns: nanoseconds(offset),
            delay_ns: nanoseconds(delay),
            bound_ns: nanoseconds(bound),
            synchronised: is_synchronised(header),
            stratum: header.stratum,
            leap: leap_name(header.leap),
            reference_id: header.reference_id.display(header.stratum).to_string(),
            root_delay_ns: nanoseconds(root_delay),
            root_dispersion_ns: nanoseconds(root_dispersion),
            precision_log2: header.precision.0,
            stamps: *stamps,
        }
    }
}

/// The sample with the least delay of those that know the time; of none do, of all.
pub(super) fn best(samples: &[Measurement]) -> Option<&Measurement> {
    samples.iter().min_by(|a, b| {
        let unsynchronised = (!a.synchronised).cmp(&!b.synchronised);
        // |delay|: a negative one is wrong by at least as much.
        unsynchronised.then(a.delay_ns.abs().total_cmp(&b.delay_ns.abs()))
    })
}

/// RFC 5905 §7.3: stratum 0 says "unspecified" or a kiss, 16 and above unsynchronised.
fn is_synchronised(header: &Header) -> bool {
    let knows = header.leap != LeapIndicator::Unknown && (1..16).contains(&header.stratum);
    knows && !header.receive.is_zero() && !header.transmit.is_zero()
}

fn nanoseconds(span: Duration) -> f64 {
    libm::rint(span.seconds() * 1e10) / 10.0 + 0.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{Exponent, NtpShort, NtpTimestamp};
    use crate::wire::ntp::{Mode, ReferenceId, Version};

    fn answer(sent: Timestamp<Utc>, out: i64, stay: i64, back: i64, ahead: i64) -> Answer {
        let micros = Duration::from_micros;
        let arrived = sent + micros(out);
        let left = arrived + micros(stay);
        let header = Header {
            leap: LeapIndicator::None,
            version: Version::V4,
            mode: Mode::Server,
            stratum: 1,
            poll: Exponent(0),
            precision: Exponent(-25),
            root_delay: NtpShort::at_least(Duration::from_millis(2)),
            root_dispersion: NtpShort::at_least(Duration::from_millis(3)),
            reference_id: ReferenceId(*b"GPS\0"),
            reference: NtpTimestamp::of(sent),
            origin: NtpTimestamp(1),
            receive: NtpTimestamp::of(arrived + micros(ahead)),
            transmit: NtpTimestamp::of(left + micros(ahead)),
        };
        Answer { sent, received: left + micros(back), stamps: StampedBy::Kernel, header }
    }

    fn now() -> Timestamp<Utc> {
        Timestamp::from_seconds(1_767_225_600)
    }

    #[test]
    fn a_server_ahead_has_a_positive_offset() {
        let m = Measurement::of(&answer(now(), 100, 50, 100, 400_000));
        assert!((m.offset_ns - 4e8).abs() < 1.0 && (m.delay_ns - 2e5).abs() < 1.0, "{m:?}");
        // 2 ms / 2 + 3 ms + 200 µs / 2, in steps of 2⁻¹⁶ s.
        assert!((m.bound_ns - 4.1e6).abs() < 3e4 && m.bound_ns >= 4.1e6, "{m:?}");
        assert!(m.synchronised && m.reference_id == "GPS" && m.leap == "none");
    }

    #[test]
    fn asymmetry_shifts_the_offset_by_half_and_stays_inside_the_bound() {
        let m = Measurement::of(&answer(now(), 1000, 10, 200, 0));
        assert!((m.offset_ns - 4e5).abs() < 1.0 && (m.delay_ns - 1.2e6).abs() < 1.0);
        assert!(m.offset_ns < m.bound_ns);
    }

    #[test]
    fn eras_are_crossed() {
        // One second before era 1 begins, with a server two seconds ahead.
        let sent = Timestamp::from_seconds(2_085_978_495);
        let m = Measurement::of(&answer(sent, 10, 10, 10, 2_000_000));
        assert!((m.offset_ns - 2e9).abs() < 1.0, "{m:?}");
    }

    #[test]
    fn who_does_not_know_the_time_says_so_in_many_ways() {
        let good = answer(now(), 1, 1, 1, 0);
        for change in [
            (|h| h.leap = LeapIndicator::Unknown) as fn(&mut Header),
            |h| h.stratum = 0,
            |h| h.stratum = 16,
            |h| h.transmit = NtpTimestamp::ZERO,
            |h| h.receive = NtpTimestamp::ZERO,
        ] {
            let mut bad = good;
            change(&mut bad.header);
            assert!(!Measurement::of(&bad).synchronised);
        }
    }

    #[test]
    fn the_least_delay_counts_but_knowledge_more() {
        let of = |delay_ns, synchronised| Measurement {
            delay_ns,
            synchronised,
            ..Measurement::of(&answer(now(), 1, 1, 1, 0))
        };
        let delay = |samples: &[Measurement]| best(samples).map(|m| m.delay_ns);
        assert_eq!(delay(&[]), None);
        assert_eq!(delay(&[of(3.0, true), of(1.0, true), of(2.0, true)]), Some(1.0));
        assert_eq!(delay(&[of(3.0, true), of(1.0, false)]), Some(3.0));
        assert_eq!(delay(&[of(3.0, false), of(1.0, false)]), Some(1.0));
        assert_eq!(delay(&[of(-30.0, true), of(10.0, true)]), Some(10.0));
    }

    proptest! {
        /// Whatever the path does, the true offset lies within half the delay of the measured one.
        #[test]
        fn the_truth_lies_within_half_the_delay(
            out in 0i64..1_000_000, stay in 0i64..1000, back in 0i64..1_000_000,
            ahead in -10_000_000_000i64..10_000_000_000,
        ) {
            let m = Measurement::of(&answer(now(), out, stay, back, ahead));
            prop_assert!((m.offset_ns - ahead as f64 * 1e3).abs() <= m.delay_ns / 2.0 + 1.0);
            prop_assert!(m.bound_ns >= m.delay_ns / 2.0);
        }
    }
}
