//! An association and a small model of a server, each with its own clock, over a path of known
//! delays: what comes out must be the offset and delay that went in.

use proptest::prelude::*;

use super::*;
use crate::sample::Exchange;
use crate::time::{Duration, Utc};
use crate::wire::ntp::Header;

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// RFC 5905 only.
    Basic,
    /// RFC 9769: keeps the transmit stamps of its last replies.
    Interleaved,
    /// The same, but it looks one up only if it was asked for interleaved replies before.
    Chrony,
}

struct Server {
    manner: Manner,
    /// Its clock − the client's.
    ahead: Duration,
    /// How much later a reply leaves than the stamp in it says.
    late: Duration,
    /// Receive and true transmit stamps of its replies.
    saved: Vec<(NtpTimestamp, NtpTimestamp)>,
    interleaved: u32,
}

impl Server {
    fn clock(&self, at: Timestamp<System>) -> NtpTimestamp {
        NtpTimestamp::of(at + self.ahead)
    }

    /// The reply to a request that came at `arrived`; it leaves `stay` later.
    fn answer(&mut self, request: &[u8], arrived: Timestamp<System>, stay: Duration) -> [u8; 48] {
        let (asked, _) = Header::parse(request).unwrap();
        let left = arrived + stay;
        let saved = self.saved.iter().find(|(received, _)| *received == asked.origin);
        let known = saved.filter(|_| self.manner != Manner::Basic && !asked.origin.is_zero());
        let (origin, transmit) = match known {
            Some((_, sent)) => (asked.receive, *sent),
            None => (asked.transmit, self.clock(left - self.late)),
        };
        self.interleaved += u32::from(known.is_some());
        let receive = self.clock(arrived);
        if self.manner == Manner::Interleaved || !asked.origin.is_zero() {
            self.saved.push((receive, self.clock(left)));
        }
        let reply = Header {
            leap: LeapIndicator::None,
            mode: Mode::Server,
            stratum: 2,
            precision: Exponent(-23),
            root_delay: NtpShort(0x100),
            root_dispersion: NtpShort(0x80),
            reference_id: ReferenceId([192, 0, 2, 1]),
            reference: receive,
            origin,
            receive,
            transmit,
            ..asked
        };
        let mut out = [0; 48];
        reply.write(&mut out);
        out
    }
}

/// Delays of one exchange.
#[derive(Clone, Copy)]
struct Path {
    out: Duration,
    stay: Duration,
    back: Duration,
}

struct World {
    association: Association,
    server: Server,
    now: Timestamp<Mono>,
    asked: f64,
    requests: u32,
}

impl World {
    fn new(plan: AssociationPlan, manner: Manner, ahead: Duration) -> Self {
        let now = Timestamp::from_seconds(1000);
        Self {
            association: Association::new(SourceId(3), plan, 7, now),
            server: Server {
                manner,
                ahead,
                late: Duration::from_micros(30),
                saved: Vec::new(),
                interleaved: 0,
            },
            now,
            asked: 0.0,
            requests: 0,
        }
    }

    fn system(&self) -> Timestamp<System> {
        Timestamp::from_seconds(1_800_000_000) + (self.now - Timestamp::EPOCH)
    }

    /// The next exchange, and the readings of its reply.
    fn exchange(&mut self, path: Path, lost: bool) -> Vec<Reading> {
        self.now = self.association.poll_timeout(self.asked).unwrap().max(self.now);
        let transmit = self.association.poll_transmit(self.now, self.asked).unwrap();
        self.requests += 1;
        self.association.handle_sent(self.system());
        let polled = self.association.poll_reading().unwrap();
        assert!(matches!(polled.kind, ReadingKind::Polled { .. }));
        let reply = self.server.answer(transmit.bytes(), self.system() + path.out, path.stay);
        self.now = self.now + path.out + path.stay + path.back;
        if !lost {
            self.association.handle_reply(&reply, self.system(), self.now, None);
        }
        core::iter::from_fn(|| self.association.poll_reading()).collect()
    }

    fn exchanges(&mut self, count: usize, path: Path) -> Vec<(Timestamp<System>, Exchange)> {
        let readings: Vec<_> = (0..count).flat_map(|_| self.exchange(path, false)).collect();
        readings.iter().map(exchange_of).collect()
    }
}

fn exchange_of(reading: &Reading) -> (Timestamp<System>, Exchange) {
    match reading.kind {
        ReadingKind::Exchange(exchange) => (reading.stamp, exchange),
        other => panic!("{other:?}"),
    }
}

/// RFC 5905 §8: offset and delay, s.
fn measured((back, e): &(Timestamp<System>, Exchange)) -> (f64, f64) {
    let to = |t: Timestamp<Utc>, local| t.offset_from::<System>(local).seconds();
    let (there, home) = (to(e.received, e.sent), to(e.transmitted, *back));
    ((there + home) / 2.0, there - home)
}

fn plan(interleaved: bool) -> AssociationPlan {
    AssociationPlan {
        poll_min: Exponent(6),
        poll_max: Exponent(10),
        iburst: false,
        burst: false,
        interleaved,
        version: Version::V4,
    }
}

const PATH: Path = Path {
    out: Duration::from_micros(400),
    stay: Duration::from_micros(50),
    back: Duration::from_micros(100),
};

#[test]
fn basic_is_off_by_asymmetry_and_by_the_late_transmission() {
    let mut world = World::new(plan(false), Manner::Basic, Duration::from_millis(1500));
    for exchange in world.exchanges(5, PATH) {
        let (offset, delay) = measured(&exchange);
        // (400 − 100) µs / 2 of the path; the stamp 30 µs before the reply left makes −15 µs.
        assert!((offset - 1.500_135).abs() < 2e-9, "{offset}");
        assert!((delay - 530e-6).abs() < 2e-9, "{delay}");
        assert!(!exchange.1.interleaved);
    }
    assert_eq!(world.server.interleaved, 0);
}

#[test]
fn interleaved_takes_the_late_transmission_out() {
    for manner in [Manner::Interleaved, Manner::Chrony] {
        let mut world = World::new(plan(true), manner, Duration::from_millis(-250));
        let exchanges = world.exchanges(12, PATH);
        let (basic, interleaved): (Vec<_>, Vec<_>) =
            exchanges.iter().partition(|(_, exchange)| !exchange.interleaved);
        assert!((1..=2).contains(&basic.len()) && interleaved.len() >= 4, "{exchanges:?}");
        for exchange in interleaved {
            let (offset, delay) = measured(exchange);
            assert!((offset + 0.249_850).abs() < 2e-9, "{offset}");
            assert!((delay - 500e-6).abs() < 2e-9, "{delay}");
        }
        assert!(world.server.interleaved >= 10);
    }
}

#[test]
fn each_exchange_is_told_once_and_soon() {
    let mut world = World::new(plan(true), Manner::Interleaved, Duration::ZERO);
    let mut told = Vec::new();
    for _ in 0..40 {
        for reading in world.exchange(PATH, false) {
            let (back, exchange) = exchange_of(&reading);
            assert!(!told.contains(&exchange.sent), "twice");
            told.push(exchange.sent);
            let age = (world.system() - back).seconds();
            assert!(age < 0.2, "told after {age} s");
        }
    }
    // A poll of 64 s is one exchange told and one that fetches its stamp.
    assert!(told.len() >= 19, "{}", told.len());
}

#[test]
fn quick_polls_need_no_second_request() {
    let mut world = World::new(plan(true), Manner::Interleaved, Duration::ZERO);
    world.exchange(PATH, false);
    world.asked = 2.0;
    let begun = world.now;
    assert_eq!(world.exchanges(20, PATH).len(), 19, "the first was told as a basic one");
    assert!(((world.now - begun).seconds() - 40.0).abs() < 1.0);
}

#[test]
fn a_server_without_memory_is_asked_basically_after_four_misses() {
    let mut world = World::new(plan(true), Manner::Interleaved, Duration::from_seconds(3));
    world.exchanges(3, PATH);
    for _ in 0..6 {
        assert_eq!(world.exchange(PATH, true), []);
    }
    let before = world.server.interleaved;
    let exchanges = world.exchanges(1, PATH);
    assert!(!exchanges[0].1.interleaved);
    assert!((measured(&exchanges[0]).0 - 3.0).abs() < 1e-3);
    assert_eq!(world.server.interleaved, before);
}

#[test]
fn a_server_that_forgot_answers_basically_and_is_believed() {
    let mut world = World::new(plan(true), Manner::Interleaved, Duration::ZERO);
    world.exchanges(6, PATH);
    world.server.saved.clear();
    let exchanges = world.exchanges(1, PATH);
    assert!(!exchanges[0].1.interleaved && exchanges[0].1.reach & 1 == 1);
    assert!(world.exchanges(4, PATH).iter().any(|(_, exchange)| exchange.interleaved));
}

#[test]
fn eras_are_crossed_and_68_years_bridged() {
    for ahead in [-2_000_000_000, 285_978_000, 285_978_496, 2_000_000_000] {
        let mut world = World::new(plan(false), Manner::Basic, Duration::from_seconds(ahead));
        let (offset, _) = measured(&world.exchanges(1, PATH)[0]);
        assert!((offset - ahead as f64).abs() < 1e-3, "{offset}");
    }
}

proptest! {
    /// Whatever the path does and loses, each sample's offset is off by half its asymmetry.
    #[test]
    fn offsets_and_delays_are_those_of_one_exchange(
        paths in prop::collection::vec((1i64..200_000, 31i64..1000, 1i64..200_000, any::<bool>()), 1..40),
        ahead in -10_000i64..10_000, asked in 0.0..300.0f64,
    ) {
        let mut world = World::new(plan(true), Manner::Interleaved, Duration::from_millis(ahead));
        world.asked = asked;
        let mut sent = Vec::new();
        for (out, stay, back, lost) in paths {
            let micros = Duration::from_micros;
            let path = Path { out: micros(out), stay: micros(stay), back: micros(back) };
            let readings = world.exchange(path, lost);
            let left = world.system() - path.back - path.stay - path.out;
            sent.push((left, out + back, out - back));
            for reading in readings {
                let exchange = exchange_of(&reading);
                let (_, round, asymmetry) =
                    sent.iter().find(|(left, ..)| *left == exchange.1.sent).unwrap();
                let late = if exchange.1.interleaved { 0.0 } else { 30e-6 };
                if stay < 30 && late > 0.0 {
                    continue; // the stamp is before the arrival
                }
                let (offset, delay) = measured(&exchange);
                let expected = ahead as f64 * 1e-3 + *asymmetry as f64 * 0.5e-6 - late / 2.0;
                prop_assert!((offset - expected).abs() < 1e-8, "{} {}", offset, expected);
                prop_assert!((delay - *round as f64 * 1e-6 - late).abs() < 1e-8, "{}", delay);
            }
        }
    }
}
