//! Who is told of its last reply, what exactly, and that nobody is told of another's.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::server::respond::tests::{after_micros, clients, synchronised};
use crate::server::{Clients, Outcome, Policy, REPLY_MAX, Request, TableSize, respond};
use crate::state::{State, Term};
use crate::wire::ntp::Header;

/// A client of RFC 9769 that quotes whatever reply it heard last.
#[derive(Clone, Copy, Debug)]
struct Asker {
    source: SocketAddr,
    /// The T2 of the last reply.
    receive: NtpTimestamp,
}

impl Asker {
    fn new(host: u32) -> Self {
        let source = SocketAddr::from((Ipv4Addr::from_bits(0xc000_0200 + host), 40_000));
        Self { source, receive: NtpTimestamp::ZERO }
    }

    fn bytes(&self, cookie: u64) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[0] = 0x23;
        bytes[24..32].copy_from_slice(&self.receive.0.to_be_bytes());
        bytes[32..40].copy_from_slice(&(2 * cookie + 1).to_be_bytes());
        bytes[40..48].copy_from_slice(&(2 * cookie + 2).to_be_bytes());
        bytes
    }
}

/// A server with a kernel that stamps what leaves.
struct Server {
    state: State,
    policy: Policy,
    clients: Clients,
    smear: Option<SmearShape>,
}

/// What came back, and what the kernel knows of it.
#[derive(Clone, Copy, Debug)]
struct Answered {
    header: Header,
    outcome: Outcome,
    departure: Option<Departure>,
}

impl Server {
    fn new() -> Self {
        let policy = Policy { rate: None, ..Policy::default() };
        Self { state: synchronised(), policy, clients: clients(), smear: None }
    }

    /// Asks; read 20 µs after it arrived, sent 10 µs later.
    fn ask(&mut self, asker: &Asker, cookie: u64, micros: i64) -> Answered {
        let request = Request {
            bytes: &asker.bytes(cookie),
            source: asker.source,
            received: Some(after_micros(micros)),
            now: after_micros(micros + 20),
            smear: self.smear,
        };
        let answer = respond(&request, &self.state, &self.policy, &mut self.clients);
        let outcome = answer.outcome();
        let reply = answer.reply().unwrap();
        let now = after_micros(micros + 30);
        let departure = reply.departure(asker.source.ip(), now);
        let mut out = [0; REPLY_MAX];
        assert_eq!(reply.write(now, &mut out), 48);
        Answered { header: Header::parse(&out).unwrap().0, outcome, departure }
    }

    /// Asks, hears the reply, and the kernel's stamp is 7 µs later than the reading before sending.
    fn exchange(&mut self, asker: &mut Asker, cookie: u64, micros: i64) -> Answered {
        let answered = self.ask(asker, cookie, micros);
        if let Some(departure) = answered.departure {
            self.clients.note_sent(&departure, after_micros(micros + 37));
        }
        asker.receive = answered.header.receive;
        answered
    }
}

#[test]
fn the_third_reply_is_the_first_that_can_be_interleaved() {
    let (mut server, mut asker) = (Server::new(), Asker::new(1));
    let first = server.exchange(&mut asker, 10, 0);
    assert_eq!(first.outcome, Outcome::Served);
    assert!(first.departure.is_none(), "a client that quotes nothing costs no stamp");
    let second = server.exchange(&mut asker, 11, 1_000_000);
    assert_eq!(second.outcome, Outcome::Served);
    assert_eq!(second.header.origin.0, 24, "basic: the request's transmit timestamp");
    let third = server.exchange(&mut asker, 12, 2_000_000);
    assert_eq!(third.outcome, Outcome::ServedInterleaved);
    assert_eq!(third.header.origin.0, 25, "interleaved: the request's receive timestamp");
    let (state, second_left) = (synchronised(), after_micros(1_000_037));
    let expected = NtpTimestamp::of(state.utc(second_left)).0;
    // The rate is applied once from the reading on, or from the state's anchor on.
    assert!(third.header.transmit.0.abs_diff(expected) <= 1, "{third:?}");
    assert_eq!(third.header.receive.0, NtpTimestamp::of(state.utc(after_micros(2_000_000))).0 | 1);
    assert_eq!(server.clients.counters().of(Outcome::ServedInterleaved), 1);
}

#[test]
fn a_reply_is_told_of_once() {
    let (mut server, mut asker) = (Server::new(), Asker::new(1));
    server.exchange(&mut asker, 1, 0);
    server.exchange(&mut asker, 2, 1_000_000);
    // The third reply is lost: the client quotes the second one again.
    assert_eq!(server.ask(&asker, 3, 2_000_000).outcome, Outcome::ServedInterleaved);
    assert_eq!(server.ask(&asker, 4, 3_000_000).outcome, Outcome::Served);
}

#[test]
fn without_a_stamp_the_answer_is_basic() {
    let (mut server, mut asker) = (Server::new(), Asker::new(1));
    for n in 0..10 {
        let answered = server.ask(&asker, n, i64::try_from(n).unwrap() * 1_000_000);
        assert_eq!(answered.outcome, Outcome::Served);
        assert_eq!(answered.departure.is_some(), n > 0);
        asker.receive = answered.header.receive;
    }
}

#[test]
fn a_stamp_from_another_time_is_no_stamp() {
    for (micros, is_told) in [(1_000_029, false), (1_000_030, true), (1_900_000, true)] {
        let (mut server, mut asker) = (Server::new(), Asker::new(1));
        server.exchange(&mut asker, 1, 0);
        let second = server.ask(&asker, 2, 1_000_000);
        server.clients.note_sent(&second.departure.unwrap(), after_micros(micros));
        asker.receive = second.header.receive;
        let third = server.ask(&asker, 3, 2_500_000);
        assert_eq!(third.outcome == Outcome::ServedInterleaved, is_told, "{micros}");
    }
    let (mut server, mut asker) = (Server::new(), Asker::new(1));
    server.exchange(&mut asker, 1, 0);
    let second = server.ask(&asker, 2, 1_000_000);
    server.clients.note_sent(&second.departure.unwrap(), after_micros(2_000_031));
    asker.receive = second.header.receive;
    assert_eq!(server.ask(&asker, 3, 2_500_000).outcome, Outcome::Served);
}

#[test]
fn who_was_never_answered_costs_no_stamp() {
    let mut server = Server::new();
    for host in 0..1000 {
        let asker = Asker { receive: NtpTimestamp(0x0123_4567_89ab_cdef), ..Asker::new(host) };
        assert!(server.ask(&asker, 1, i64::from(host)).departure.is_none());
    }
}

#[test]
fn a_basic_client_that_quotes_transmit_timestamps_costs_no_stamp() {
    let (mut server, mut asker) = (Server::new(), Asker::new(1));
    for n in 0..100 {
        let micros = 1_000_000 * i64::try_from(n).unwrap();
        let answered = server.ask(&asker, n, micros);
        assert!(answered.departure.is_none());
        assert_eq!(answered.outcome, Outcome::Served);
        asker.receive = answered.header.transmit;
    }
}

#[test]
fn before_synchronisation_and_after_nothing_is_interleaved() {
    let (mut server, mut asker) = (Server::new(), Asker::new(1));
    server.state = State::default();
    for n in 0..4 {
        let answered = server.exchange(&mut asker, n, 0);
        assert_eq!(answered.outcome, Outcome::ServedUnsynchronised);
        assert!(answered.departure.is_none());
    }
    // The time of an unsynchronised reply is never told of: its T3 was not kept.
    server.state = synchronised();
    assert_eq!(server.exchange(&mut asker, 5, 1_000_000).outcome, Outcome::Served);
    assert_eq!(server.exchange(&mut asker, 6, 2_000_000).outcome, Outcome::ServedInterleaved);
    server.state = State::default();
    assert_eq!(server.exchange(&mut asker, 7, 3_000_000).outcome, Outcome::ServedUnsynchronised);
}

#[test]
fn an_old_stamp_brings_its_old_error_bound() {
    let (mut server, mut asker) = (Server::new(), Asker::new(1));
    let good = server.state;
    let poor = State { fixed: good.fixed.with(Term::Declared, 50e-3), ..good };
    let poor = State { root_delay: Duration::from_millis(40), ..poor };
    server.state = poor;
    server.exchange(&mut asker, 1, 0);
    let second = server.exchange(&mut asker, 2, 100);
    server.state = good;
    let third = server.exchange(&mut asker, 3, 200);
    assert_eq!(third.outcome, Outcome::ServedInterleaved);
    assert_eq!(third.header.root_delay, second.header.root_delay);
    assert_eq!(third.header.root_dispersion, second.header.root_dispersion);
    let fourth = server.exchange(&mut asker, 4, 300);
    assert_eq!(fourth.outcome, Outcome::ServedInterleaved);
    assert!(fourth.header.root_dispersion < third.header.root_dispersion);
    assert!(fourth.header.root_delay < third.header.root_delay);
    // The other way round the present counts.
    server.state = poor;
    let fifth = server.exchange(&mut asker, 5, 400);
    assert_eq!(fifth.outcome, Outcome::ServedInterleaved);
    assert!(fifth.header.root_dispersion >= second.header.root_dispersion);
}

#[test]
fn many_clients_behind_one_address_are_told_apart() {
    let mut server = Server::new();
    let mut askers = [Asker::new(1); 50];
    for round in 0..5 {
        for (n, asker) in askers.iter_mut().enumerate() {
            let micros = round * 1_000_000 + 200 * i64::try_from(n).unwrap();
            let past = asker.receive;
            let answered = server.exchange(asker, 7, micros);
            assert_eq!(answered.outcome == Outcome::ServedInterleaved, round >= 2);
            if round >= 2 {
                // 37 µs and the served clock's 20 ppm lie between its own T2 and T3.
                let between = answered.header.transmit.0 - past.0;
                assert!((158_913..158_918).contains(&between), "{between}");
            }
        }
    }
    assert_eq!(server.clients.len(), 1);
}

#[test]
fn nobody_is_told_of_anothers_reply() {
    let (mut server, mut asker) = (Server::new(), Asker::new(1));
    let mut thief = Asker::new(2);
    server.exchange(&mut asker, 1, 0);
    server.exchange(&mut thief, 2, 10);
    let second = server.exchange(&mut asker, 3, 1_000_000);
    thief.receive = second.header.receive;
    assert_eq!(server.exchange(&mut thief, 4, 1_000_500).outcome, Outcome::Served);
    assert_eq!(server.exchange(&mut asker, 5, 2_000_000).outcome, Outcome::ServedInterleaved);
}

#[test]
fn the_memory_is_bounded_and_the_latest_stay() {
    let mut table = Transmissions::new(4096, [1, 2]);
    let places = table.sets.len() * WAYS;
    let sent = |n: u64| {
        let transmission = Transmission {
            smear: None,
            transmit: NtpTimestamp(n + 1),
            root_delay: NtpShort(1),
            root_dispersion: NtpShort(2),
        };
        (Key { client: 1, receive: NtpTimestamp(n | 1) }, transmission)
    };
    for n in 0..1_000_000 {
        let (key, transmission) = sent(2 * n);
        table.put(key, transmission);
        // The last 64 are never more than four in a set of a thousand, for these numbers.
        let (key, transmission) = sent(2 * n.saturating_sub(16));
        if n % 1000 == 999 {
            assert_eq!(table.take(key), Some(transmission));
            assert_eq!(table.take(key), None);
        }
    }
    let kept = table.sets.iter().flatten().flatten().count();
    assert!(places == 4096 && kept > 3900 && kept <= places, "{kept} of {places}");
    for clients in [0, 1, 16, 1 << 22] {
        let places = Transmissions::new(clients, [1, 2]).sets.len() * WAYS;
        assert!((WAYS..=REPLIES_MAX).contains(&places), "{clients}: {places}");
    }
}

proptest! {
    #[test]
    fn stamps_are_odd_and_even_and_in_order(last in any::<u64>(), raw in any::<u64>(), turn in 0u64..1 << 40) {
        for last in [0, last | 1, raw | 1, (raw | 1).wrapping_add(2), raw.wrapping_sub(2) | 1] {
            let receive = receive_after(NtpTimestamp(last), NtpTimestamp(raw));
            prop_assert!(is_receive(receive) && receive.0 != last);
            prop_assert!(receive.0.wrapping_sub(raw) <= SAME_TICK + 1);
            let transmit = transmit_after(receive, NtpTimestamp(raw.wrapping_add(turn)));
            let apart = transmit.0.wrapping_sub(receive.0);
            prop_assert!(!is_receive(transmit) && !transmit.is_zero());
            prop_assert!(apart > 0 && apart <= turn.max(3), "{}", apart);
        }
    }

    /// Clients on few addresses, replies lost, requests doubled, stamps late or never, coarse clock:
    /// whatever is told of a reply is true of the reply that the client quotes.
    #[test]
    fn what_is_told_is_true(
        steps in prop::collection::vec((0usize..12, 0i64..4000, 0u8..8, any::<bool>()), 1..300),
        tick in prop_oneof![Just(1i64), Just(1000)],
    ) {
        let mut server = Server::new();
        server.clients = Clients::new(TableSize { clients: 16, ..TableSize::default() }, [3, 4]);
        let mut askers: Vec<Asker> = (0..12).map(|n| Asker::new(n / 4)).collect();
        // By address and T2, what truly happened.
        let mut truth: BTreeMap<(IpAddr, u64), u64> = BTreeMap::new();
        let mut late: Vec<(Departure, Timestamp<System>)> = Vec::new();
        let mut micros = 0;
        for (cookie, (who, gap, fate, is_late)) in (1u64..).zip(steps) {
            micros += gap;
            let asker = &mut askers[who];
            let answered = server.ask(asker, cookie, micros / tick * tick);
            let Header { origin, receive, transmit, .. } = answered.header;
            prop_assert!(is_receive(receive) && !is_receive(transmit) && !transmit.is_zero());
            if answered.outcome == Outcome::ServedInterleaved {
                prop_assert_eq!(origin.0, 2 * cookie + 1);
                let told = truth.remove(&(asker.source.ip(), asker.receive.0));
                prop_assert_eq!(Some(transmit.0), told);
            } else {
                prop_assert_eq!(answered.outcome, Outcome::Served);
                prop_assert_eq!(origin.0, 2 * cookie + 2);
            }
            if let Some(departure) = answered.departure {
                let stamp = departure.read + Duration::from_micros(i64::from(fate));
                let key = (asker.source.ip(), receive.0);
                let before = truth.insert(key, departure.at(stamp).unwrap().transmit.0);
                prop_assert_eq!(before, None, "a T2 given twice");
                match fate {
                    0 => {}
                    _ if is_late => late.push((departure, stamp)),
                    _ => server.clients.note_sent(&departure, stamp),
                }
            }
            // A reply is lost: the client goes on quoting the last one it heard.
            if fate != 1 {
                askers[who].receive = receive;
            }
            if late.len() > 5 {
                late.drain(..).for_each(|(departure, at)| server.clients.note_sent(&departure, at));
            }
        }
        prop_assert!(server.clients.len() <= 16);
    }
}
