//! What is answered, to whom, and when nothing is said.

use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::server::{Counters, Rule, TableSize};
use crate::state::{ErrorTerms, NoiseGrowth, Phase, Term};
use crate::time::{Exponent, Frequency};

/// 2023-11-14T22:13:20Z on the system clock.
pub(in crate::server) const T0: Timestamp<System> = Timestamp::from_seconds(1_700_000_000);

pub(in crate::server) fn after_micros(micros: i64) -> Timestamp<System> {
    T0 + Duration::from_micros(micros)
}

/// Steered by a receiver, served time 400 ms ahead of the system clock and 20 ppm faster.
pub(in crate::server) fn synchronised() -> State {
    State {
        phase: Phase::Locked,
        anchor: T0,
        correction: Duration::from_millis(400),
        correction_rate: Frequency::from_ppm(20.0),
        fixed: ErrorTerms::NONE.with(Term::Reading, 1e-6),
        noise: NoiseGrowth {
            phase: 1e-16,
            frequency: 1e-12,
            factor: 6.0,
            ceiling_rate: 1e-3,
            ..NoiseGrowth::default()
        },
        stratum: 1,
        reference_id: *b"GPS\0",
        reference_time: Some(Timestamp::from_seconds(1_699_999_999)),
        leap: LeapIndicator::None,
        precision: Exponent(-25),
        ..State::default()
    }
}

pub(in crate::server) fn clients() -> Clients {
    Clients::new(TableSize::default(), [1, 2])
}

/// A version 4 client's request whose transmit timestamp is `transmit`.
fn asking(transmit: u64) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[0] = 0x23;
    bytes[2] = 6;
    bytes[40..].copy_from_slice(&transmit.to_be_bytes());
    bytes
}

fn request(bytes: &[u8], now: Timestamp<System>) -> Request<'_> {
    let source = SocketAddr::from(([192, 0, 2, 7], 40_123));
    Request { bytes, source, received: Some(now), now, smear: None }
}

/// The header of the reply as written at `sent`; the outcome alone if there is none.
fn header(answer: Answer<'_>, sent: Timestamp<System>) -> Result<Header, Outcome> {
    let reply = answer.reply().ok_or(answer.outcome())?;
    let mut out = [0xa5; REPLY_MAX];
    let length = reply.write(sent, &mut out);
    assert_eq!(length, 48);
    Ok(Header::parse(&out).unwrap().0)
}

#[test]
fn the_time_is_the_corrected_time_at_receipt_and_at_sending() {
    let (state, policy, mut clients) = (synchronised(), Policy::default(), clients());
    let bytes = asking(0x0123_4567_89ab_cdef);
    let (received, read, sent) =
        (after_micros(10_000_000), after_micros(10_000_050), after_micros(10_000_090));
    let request = Request { received: Some(received), ..request(&bytes, read) };
    let answer = respond(&request, &state, &policy, &mut clients);
    assert_eq!(answer.outcome(), Outcome::Served);
    let header = header(answer, sent).unwrap();
    assert_eq!(header.receive.0, NtpTimestamp::of(state.utc(received)).0 | 1);
    assert_eq!(header.transmit.0, NtpTimestamp::of(state.utc(sent)).0 & !1);
    assert_eq!(header.origin, NtpTimestamp(0x0123_4567_89ab_cdef));
    assert_eq!(header.reference, NtpTimestamp::of(Timestamp::<Utc>::from_seconds(1_699_999_999)));
    assert_eq!((header.stratum, header.leap), (1, LeapIndicator::None));
    assert_eq!(header.reference_id.0, *b"GPS\0");
    assert_eq!((header.poll, header.precision), (Exponent(6), Exponent(-25)));
    // Served = system + 400 ms + 20 ppm of 10 s, to the format's 2⁻³² s.
    let served = header.receive.near(state.utc(received)).offset_from(received);
    assert!((served.seconds() - 0.4002).abs() < 1e-9, "{served}");
}

#[test]
fn the_error_bound_is_of_the_instant_of_sending_and_rounded_up() {
    let (state, policy, mut clients) = (synchronised(), Policy::default(), clients());
    let bytes = asking(1);
    let mut last = NtpShort(0);
    for seconds in [0, 100, 200, 300] {
        let sent = T0 + Duration::from_seconds(seconds);
        let request = request(&bytes, T0);
        let header = header(respond(&request, &state, &policy, &mut clients), sent).unwrap();
        assert!(header.root_delay.0 >= 1);
        let distance = header.root_dispersion.duration() + header.root_delay.duration() / 2;
        assert!(distance >= state.bound(sent));
        let rounding = Duration::from_units(3 << 48);
        assert!(distance <= state.bound(sent) + rounding, "{distance}");
        assert!(header.root_dispersion > last, "grows with age");
        last = header.root_dispersion;
    }
}

#[test]
fn transmit_is_later_than_receive_whatever_the_clock_does() {
    let (mut state, policy, mut clients) = (synchronised(), Policy::default(), clients());
    let bytes = asking(1);
    for (received, read, sent) in [(5, 5, 5), (5, 6, 1), (5, 6, -900_000_000)] {
        let request = Request {
            received: Some(after_micros(received)),
            ..request(&bytes, after_micros(read))
        };
        let answer = respond(&request, &state, &policy, &mut clients);
        let header = header(answer, after_micros(sent)).unwrap();
        assert_eq!(header.transmit.0, header.receive.0 + 1);
    }
    // 2036-02-07T06:28:16Z, where the count of seconds wraps to zero, and around it.
    state = State { correction: Duration::ZERO, correction_rate: Frequency::ZERO, ..state };
    let era = Timestamp::<System>::from_seconds(2_085_978_496);
    state.anchor = era;
    for fractions in -3..3 {
        let now = era + Duration::from_units(fractions << 32);
        let answer = respond(&request(&bytes, now), &state, &policy, &mut clients);
        let header = header(answer, now).unwrap();
        assert!(!header.receive.is_zero() && !header.transmit.is_zero());
        let apart = header.transmit.0.wrapping_sub(header.receive.0).cast_signed();
        assert!((1..=3).contains(&apart), "{fractions}: {apart}");
    }
}

#[test]
fn before_synchronisation_nothing_is_claimed() {
    let policy = Policy::default();
    let bytes = asking(77);
    let lost = State { stratum: 16, reference_id: *b"RATE", ..synchronised() };
    let contradictory = State { leap: LeapIndicator::Unknown, ..synchronised() };
    for state in [State::default(), lost, contradictory] {
        let mut clients = clients();
        let answer = respond(&request(&bytes, T0), &state, &policy, &mut clients);
        assert_eq!(answer.outcome(), Outcome::ServedUnsynchronised);
        let header = header(answer, T0).unwrap();
        assert_eq!((header.leap, header.stratum), (LeapIndicator::Unknown, 0));
        assert_eq!(header.reference_id.0, *b"INIT");
        assert_eq!(header.origin, NtpTimestamp(77));
        assert_eq!(header.reference.is_zero(), state.reference_time.is_none());
        assert!(header.root_dispersion.0 > 0 && !header.transmit.is_zero());
    }
}

#[test]
fn the_reference_timestamp_never_lies_ahead() {
    let state =
        State { reference_time: Some(Timestamp::from_seconds(1_800_000_000)), ..synchronised() };
    let bytes = asking(1);
    let answer = respond(&request(&bytes, T0), &state, &Policy::default(), &mut clients());
    let header = header(answer, T0).unwrap();
    // The same instant, before T2 is made odd.
    assert_eq!(header.reference.0 | 1, header.receive.0);
}

#[test]
fn a_missing_or_impossible_stamp_is_replaced_and_counted() {
    let (state, policy, mut clients) = (synchronised(), Policy::default(), clients());
    let bytes = asking(1);
    let impossible = [None, Some(after_micros(1)), Some(after_micros(3_600_000_000))];
    for (n, received) in (0..).zip(impossible) {
        let request = Request { received, ..request(&bytes, T0) };
        let header = header(respond(&request, &state, &policy, &mut clients), T0).unwrap();
        // Odd, and never the same twice.
        assert_eq!(header.receive.0, (NtpTimestamp::of(state.utc(T0)).0 | 1) + 2 * n);
    }
    assert_eq!(clients.counters().unstamped, 3);
    let stale = Request { received: Some(T0), ..request(&bytes, after_micros(1_000_001)) };
    assert_eq!(respond(&stale, &state, &policy, &mut clients).outcome(), Outcome::Stale);
    let late = Request { received: Some(T0), ..request(&bytes, after_micros(1_000_000)) };
    assert_eq!(respond(&late, &state, &policy, &mut clients).outcome(), Outcome::Served);
    assert_eq!(clients.counters().unstamped, 3);
}

#[test]
fn a_kiss_carries_the_clients_time_and_none_of_ours() {
    let bytes = asking(0xfeed);
    let rules = [Rule { prefix: "192.0.2.0/24".parse().unwrap(), access: Access::Deny }];
    let denying = Policy { access: AccessTable::new(Access::Allow, &rules), ..Policy::default() };
    let slow = RateLimit { interval: Duration::from_seconds(1000), burst: 1 };
    let limiting = Policy { rate: Some(slow), ..Policy::default() };
    for (policy, code, poll, served) in [(denying, b"DENY", 6, 0), (limiting, b"RATE", 10, 1)] {
        let (state, mut clients) = (synchronised(), clients());
        for _ in 0..served {
            assert!(
                respond(&request(&bytes, T0), &state, &policy, &mut clients).outcome().is_served()
            );
        }
        let answer = respond(&request(&bytes, T0), &state, &policy, &mut clients);
        assert!(answer.outcome().is_kiss());
        let kiss = header(answer, after_micros(50)).unwrap();
        assert_eq!((kiss.leap, kiss.stratum), (LeapIndicator::Unknown, 0));
        assert_eq!((&kiss.reference_id.0, kiss.poll), (code, Exponent(poll)));
        let asked = NtpTimestamp(0xfeed);
        assert_eq!([kiss.origin, kiss.receive, kiss.transmit], [asked; 3]);
        assert!(kiss.reference.is_zero() && kiss.root_delay.0 > 0);
        assert!(kiss.root_dispersion.duration() >= Duration::from_seconds(16));
        let client = clients.iter().next().unwrap();
        assert_eq!((client.refused, client.kisses), (1, 1));
    }
}

#[test]
fn silence_is_possible() {
    let bytes = asking(1);
    let state = synchronised();
    let never = Policy {
        access: AccessTable::new(Access::Deny, &[]),
        kiss_interval: None,
        ..Policy::default()
    };
    let mut table = clients();
    assert_eq!(
        respond(&request(&bytes, T0), &state, &never, &mut table).outcome(),
        Outcome::Denied
    );
    assert_eq!((table.len(), table.counters().of(Outcome::Denied)), (1, 1));
    let ignoring = Policy { access: AccessTable::new(Access::Ignore, &[]), ..Policy::default() };
    let mut table = clients();
    for bytes in [&bytes[..], &[], &[0x16]] {
        let answer = respond(&request(bytes, T0), &state, &ignoring, &mut table);
        assert_eq!(answer.outcome(), Outcome::Ignored);
    }
    assert!(table.is_empty());
}

#[test]
fn answers_go_to_hosts_only() {
    let (bytes, state, policy) = (asking(1), synchronised(), Policy::default());
    for (source, is_host) in [
        ("192.0.2.1:0", false),
        ("0.0.0.0:123", false),
        ("224.0.1.1:123", false),
        ("255.255.255.255:123", false),
        ("[::ffff:224.0.1.1]:123", false),
        ("[::]:123", false),
        ("[ff02::101]:123", false),
        ("127.0.0.1:123", true),
        ("[fe80::1]:123", true),
        ("[2001:db8::1]:1", true),
    ] {
        let mut table = clients();
        let request = Request { source: source.parse().unwrap(), ..request(&bytes, T0) };
        let answer = respond(&request, &state, &policy, &mut table);
        let expected = if is_host { Outcome::Served } else { Outcome::Unanswerable };
        assert_eq!(answer.outcome(), expected, "{source}");
        assert_eq!(table.len(), usize::from(is_host));
    }
}

#[test]
fn a_flood_of_spoofed_addresses_leaves_a_regular_client_alone() {
    let (state, policy, mut clients) = (synchronised(), Policy::default(), clients());
    let bytes = asking(1);
    let regular = SocketAddr::from(([10, 0, 0, 1], 123));
    let mut kept = 0;
    for n in 0..1_000_000u32 {
        // 200 000 a second.
        let now = after_micros(i64::from(n) * 5);
        let source = SocketAddr::from((Ipv4Addr::from_bits(0x0b00_0000 + n), 123));
        let answer =
            respond(&Request { source, ..request(&bytes, now) }, &state, &policy, &mut clients);
        assert_eq!(answer.outcome(), Outcome::Served);
        if n % 200_000 == 0 {
            let request = Request { source: regular, ..request(&bytes, now) };
            let answer = respond(&request, &state, &policy, &mut clients);
            assert_eq!(answer.outcome(), Outcome::Served);
            // Seen within the table's memory it is known still, and served.
            kept += u32::from(clients.find(regular.ip()).is_some_and(|c| c.requests == 1));
        }
    }
    assert_eq!((clients.len(), clients.capacity(), kept), (4096, 4096, 5));
    // One spoofed address that repeats does not use up anybody else's allowance.
    for _ in 0..1000 {
        let source = SocketAddr::from(([11, 0, 0, 1], 123));
        let request = Request { source, ..request(&bytes, after_micros(5_000_000)) };
        let _ = respond(&request, &state, &policy, &mut clients);
    }
    let request = Request { source: regular, ..request(&bytes, after_micros(5_000_000)) };
    assert_eq!(respond(&request, &state, &policy, &mut clients).outcome(), Outcome::Served);
    assert_eq!(clients.counters().of(Outcome::KissRate), 1);
}

/// Bytes that often are nearly a request.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = prop::collection::vec(any::<u8>(), 0..300);
    (any_bytes, any::<bool>(), 1u8..5, prop_oneof![Just(3u8), Just(1), Just(0)]).prop_map(
        |(mut bytes, is_near, version, mode)| {
            if let (true, Some(first)) = (is_near, bytes.first_mut()) {
                *first = *first & 0xc0 | version << 3 | mode;
            }
            if is_near && bytes.len() < 100 {
                bytes.resize(48, 0);
            }
            bytes
        },
    )
}

fn source() -> impl Strategy<Value = SocketAddr> {
    let v4 = (0u8..4, any::<u16>()).prop_map(|(n, port)| SocketAddr::from(([n, 0, 0, n], port)));
    let v6 = (any::<[u8; 16]>(), any::<u16>()).prop_map(SocketAddr::from);
    prop_oneof![v4, v6]
}

proptest! {
    #[test]
    fn no_bytes_panic_and_no_reply_is_longer_than_its_request(
        datagrams in prop::collection::vec((datagram(), source(), any::<i32>()), 1..40),
        default in prop_oneof![Just(Access::Allow), Just(Access::Deny)],
    ) {
        let (state, mut clients) = (synchronised(), clients());
        let policy = Policy { access: AccessTable::new(default, &[]), ..Policy::default() };
        let mut told = Counters::default();
        for (bytes, source, micros) in &datagrams {
            let now = after_micros((*micros).into());
            let request = Request { source: *source, ..request(bytes, now) };
            let answer = respond(&request, &state, &policy, &mut clients);
            told.count(answer.outcome());
            let is_heard = answer.outcome().is_served() || answer.outcome().is_kiss();
            prop_assert_eq!(answer.reply().is_some(), is_heard);
            if let Some(reply) = answer.reply() {
                let mut out = [0; REPLY_MAX];
                prop_assert!(reply.write(now, &mut out) <= bytes.len());
                prop_assert_eq!(&out[24..32], &bytes[40..48]);
                prop_assert_eq!(out[0] & 0x38, bytes[0] & 0x38, "version");
                prop_assert!(matches!(out[0] & 7, 2 | 4), "never a mode that asks");
                prop_assert!(out[4..12] != [0; 8]);
            }
        }
        prop_assert_eq!(clients.counters(), told);
        prop_assert_eq!(told.requests(), datagrams.len() as u64);
    }

    #[test]
    fn refused_clients_get_few_kisses(
        gaps in prop::collection::vec(1i64..4_000_000, 1..100),
        is_denied in any::<bool>(),
    ) {
        let (state, mut clients, bytes) = (synchronised(), clients(), asking(1));
        let access = if is_denied { Access::Deny } else { Access::Allow };
        let slow = RateLimit { interval: Duration::from_seconds(100_000), burst: 1 };
        let policy = Policy {
            access: AccessTable::new(access, &[]),
            rate: Some(slow),
            kiss_interval: Some(Duration::from_seconds(8)),
        };
        let mut now = 0;
        for gap in &gaps {
            now += gap;
            let _ = respond(&request(&bytes, after_micros(now)), &state, &policy, &mut clients);
        }
        let counters = clients.counters();
        let kisses = counters.of(Outcome::KissRate) + counters.of(Outcome::KissDeny);
        prop_assert!(kisses <= u64::try_from((now - gaps[0]) / 8_000_000).unwrap() + 1);
        let served = counters.of(Outcome::Served);
        prop_assert_eq!(served, u64::from(!is_denied));
        prop_assert_eq!(counters.requests(), gaps.len() as u64);
    }
}
