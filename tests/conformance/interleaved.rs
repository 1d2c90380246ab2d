//! RFC 9769 §2 on the wire: what a client of interleaved mode sends, and the bytes that it must get.
//!
//! The requests are chronyd's with `xleave`: everything but poll and three timestamps is zero, and
//! its receive and transmit timestamps are random numbers. Bytes are read by their offsets in RFC
//! 5905 figure 8.

use core::net::SocketAddr;

use maser::server::{Clients, Outcome, Policy, REPLY_MAX, Request, TableSize, respond};
use maser::state::{ErrorTerms, Phase, State, Term};
use maser::time::{Duration, Exponent, LeapIndicator, System, Timestamp};

const ORIGIN: usize = 24;
const RECEIVE: usize = 32;
const TRANSMIT: usize = 40;

/// 2023-11-14T22:13:20Z; NTP seconds e8fe 6f80.
const T0: Timestamp<System> = Timestamp::from_seconds(1_700_000_000);

/// The served clock is the system clock, so stamps can be read from the bytes.
fn state() -> State {
    State {
        phase: Phase::Locked,
        anchor: T0,
        fixed: ErrorTerms::NONE.with(Term::Declared, 1e-3),
        stratum: 1,
        reference_id: *b"GPS\0",
        reference_time: Some(Timestamp::from_seconds(1_700_000_000)),
        leap: LeapIndicator::None,
        precision: Exponent(-24),
        ..State::default()
    }
}

fn request(first: u8, stamps: [u64; 3]) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..4].copy_from_slice(&[first, 0, 0xfe, 0x20]);
    for (at, stamp) in [ORIGIN, RECEIVE, TRANSMIT].into_iter().zip(stamps) {
        bytes[at..at + 8].copy_from_slice(&stamp.to_be_bytes());
    }
    bytes
}

fn stamp(reply: &[u8; 48], at: usize) -> u64 {
    u64::from_be_bytes(reply[at..at + 8].try_into().expect("eight bytes"))
}

/// 2⁻³² s since [`T0`] as an NTP timestamp.
const fn ntp(fractions: u64) -> u64 {
    0xe8fe_6f80_0000_0000 + fractions
}

fn at(fractions: u64) -> Timestamp<System> {
    T0 + Duration::from_units(i128::from(fractions) << 32)
}

/// Asks at `received`; the reply is written 0x2000 later and leaves 0x1234 after that.
fn ask(clients: &mut Clients, bytes: &[u8; 48], received: u64) -> ([u8; 48], Outcome) {
    let source = SocketAddr::from(([192, 0, 2, 9], 50_123));
    let (now, state) = (at(received + 0x2000), state());
    let request = Request { bytes, source, received: Some(at(received)), now, smear: None };
    let answer = respond(&request, &state, &Policy::default(), clients);
    let outcome = answer.outcome();
    let reply = answer.reply().expect("an answer");
    if let Some(departure) = reply.departure(source.ip(), now) {
        clients.note_sent(&departure, at(received + 0x3234));
    }
    let mut out = [0xee; REPLY_MAX];
    assert_eq!(reply.write(now, &mut out), 48);
    (out, outcome)
}

#[test]
fn three_exchanges_byte_for_byte() {
    let mut clients = Clients::new(TableSize::default(), [3, 4]);
    let second = 1 << 32;

    let (reply, outcome) = ask(&mut clients, &request(0x23, [0, 0, 0xaaaa_0001]), 0x1000_0000);
    assert_eq!(outcome, Outcome::Served);
    let expected = [0xaaaa_0001, ntp(0x1000_0001), ntp(0x1000_2000)];
    assert_eq!([ORIGIN, RECEIVE, TRANSMIT].map(|field| stamp(&reply, field)), expected);

    // The client speaks interleaved mode from here on, the server from the next reply on.
    let quoted = stamp(&reply, RECEIVE);
    let bytes = request(0x23, [quoted, 0xbbbb_0001, 0xbbbb_0002]);
    let (reply, outcome) = ask(&mut clients, &bytes, second + 0x1000_0000);
    assert_eq!(outcome, Outcome::Served);
    let expected = [0xbbbb_0002, ntp(second + 0x1000_0001), ntp(second + 0x1000_2000)];
    assert_eq!([ORIGIN, RECEIVE, TRANSMIT].map(|field| stamp(&reply, field)), expected);

    let quoted = stamp(&reply, RECEIVE);
    let bytes = request(0x23, [quoted, 0xcccc_0001, 0xcccc_0002]);
    let (reply, outcome) = ask(&mut clients, &bytes, 2 * second + 0x1000_0000);
    assert_eq!(outcome, Outcome::ServedInterleaved);
    let mut expected = vec![0x24, 1, 0xfe, 0xe8, 0, 0, 0, 1, 0, 0, 0, 66];
    expected.extend(*b"GPS\0");
    for stamp in [
        ntp(0),
        0xcccc_0001,
        ntp(2 * second + 0x1000_0001),
        // The true stamp of the reply before.
        ntp(second + 0x1000_3234),
    ] {
        expected.extend(stamp.to_be_bytes());
    }
    assert_eq!(reply[..], expected[..]);
}

#[test]
fn what_only_looks_like_interleaved_mode_is_answered_in_basic_mode() {
    // Version 3; symmetric active; receive = transmit, with which a client could not tell the two
    // modes apart; a transmit timestamp quoted, as ntpd does; a stamp that was never given.
    type Quote = fn(u64, u64) -> [u64; 3];
    let cases: [(u8, Quote); 5] = [
        (0x1b, |receive, _| [receive, 5, 6]),
        (0x21, |receive, _| [receive, 5, 6]),
        (0x23, |receive, _| [receive, 6, 6]),
        (0x23, |_, transmit| [transmit, 5, 6]),
        (0x23, |receive, _| [receive + 2, 5, 6]),
    ];
    for (first, quote) in cases {
        let mut clients = Clients::new(TableSize::default(), [3, 4]);
        let (mut receive, mut transmit) = (0, 0);
        for n in 0..5 {
            let bytes = request(first, quote(receive, transmit));
            let (reply, outcome) = ask(&mut clients, &bytes, n << 32);
            assert_ne!(outcome, Outcome::ServedInterleaved, "{first:x}");
            assert_eq!(stamp(&reply, ORIGIN), 6, "{first:x}: the request's transmit timestamp");
            (receive, transmit) = (stamp(&reply, RECEIVE), stamp(&reply, TRANSMIT));
        }
    }
}
