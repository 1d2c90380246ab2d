//! A smeared address beside a plain one, asked through a leap second, in both modes of RFC 9769.

use core::net::SocketAddr;

use super::*;
use crate::server::respond::tests::{clients, synchronised};
use crate::server::{Clients, Outcome, Policy, REPLY_MAX, Request, respond};
use crate::state::LeapCount;
use crate::time::{LeapSecond, Smear};
use crate::wire::ntp::Header;

const MIDNIGHT: Timestamp<System> = Timestamp::from_seconds(1_798_761_600);
const LEAP: LeapSecond =
    LeapSecond { before: Timestamp::from_seconds(1_798_761_600), inserted: true };

/// A clock in software that is right, with a second to insert at midnight.
fn state() -> State {
    State {
        anchor: MIDNIGHT - Duration::from_seconds(100_000),
        correction: Duration::ZERO,
        correction_rate: Frequency::ZERO,
        reference_time: Some(Timestamp::from_seconds(1_798_600_000)),
        leap: LeapIndicator::Insert,
        leap_at: Some(MIDNIGHT),
        smear: Some(Smear::whole(LEAP)),
        ..synchronised()
    }
}

struct Asked {
    header: Header,
    outcome: Outcome,
}

/// Asks with these quotes (origin, receive) and tells the server when its reply left.
fn ask(
    (state, clients): (&State, &mut Clients),
    quote: [u64; 2],
    smear: Option<SmearShape>,
    now: Timestamp<System>,
) -> Asked {
    let mut bytes = [0; 48];
    bytes[0] = 0x23;
    bytes[24..32].copy_from_slice(&quote[0].to_be_bytes());
    bytes[32..40].copy_from_slice(&quote[1].to_be_bytes());
    bytes[40..].copy_from_slice(&(quote[1] + 77).to_be_bytes());
    let source = SocketAddr::from(([192, 0, 2, 7], 40_123));
    let policy = Policy { rate: None, ..Policy::default() };
    let request = Request { bytes: &bytes, source, received: Some(now), now, smear };
    let answer = respond(&request, state, &policy, clients);
    let outcome = answer.outcome();
    let reply = answer.reply().unwrap();
    let mut out = [0; REPLY_MAX];
    if let Some(departure) = reply.departure(source.ip(), now) {
        clients.note_sent(&departure, now + Duration::from_micros(50));
    }
    reply.write(now, &mut out);
    Asked { header: Header::parse(&out).unwrap().0, outcome }
}

#[test]
fn two_addresses_tell_two_times_and_each_its_own_only() {
    let (state, mut clients) = (state(), clients());
    for hours in -11..12 {
        let now = MIDNIGHT + Duration::from_seconds(3600 * hours + 1800);
        let plain = ask((&state, &mut clients), [0; 2], None, now).header;
        let smeared = ask((&state, &mut clients), [0; 2], Some(SmearShape::Linear), now).header;
        let insert = if hours < 0 { LeapIndicator::Insert } else { LeapIndicator::None };
        assert_eq!((plain.leap, smeared.leap), (insert, LeapIndicator::None), "{hours}");
        assert_eq!((&plain.reference_id.0, smeared.reference_id.0[0]), (b"GPS\0", 254));
        let apart = smeared.transmit.near(LEAP.before) - plain.transmit.near(LEAP.before);
        // Plain UTC has leapt from midnight on; what the reference id says is what the two differ by.
        let share =
            (43_200.0 + 3600.0 * f64::from(i32::try_from(hours).unwrap()) + 1800.0) / 86_401.0;
        let want = -share + if hours < 0 { 0.0 } else { 1.0 };
        assert!((apart.seconds() - want).abs() < 1e-8, "{hours}: {apart} {want}");
        let [_, x, y, z] = smeared.reference_id.0;
        let told = f64::from(i32::from_be_bytes([x, y, z, 0]) >> 8) / 4_194_304.0;
        assert!((told - want).abs() < 3e-7, "{hours}: {told}");
        assert_eq!(plain.root_dispersion, smeared.root_dispersion, "a smear is no error");
    }
}

#[test]
fn an_interleaved_answer_is_smeared_by_the_instant_it_left_at() {
    let (state, mut clients) = (state(), clients());
    let shape = Some(SmearShape::Cosine);
    let mut quote = [0, 5];
    let mut left: Option<Timestamp<System>> = None;
    for poll in -40..40 {
        let now = MIDNIGHT + Duration::from_millis(250 * poll);
        let told = ask((&state, &mut clients), quote, shape, now);
        if let Some(left) = left.filter(|_| told.outcome == Outcome::ServedInterleaved) {
            let want = state.smeared(left, SmearShape::Cosine).unwrap().utc;
            let error = told.header.transmit.near(LEAP.before) - want;
            assert!(error.abs() < Duration::from_nanos(2), "{poll}: {error}");
        }
        assert!(poll < -37 || told.outcome == Outcome::ServedInterleaved, "{poll}");
        quote = [told.header.receive.0, quote[1] + 2];
        left = Some(now + Duration::from_micros(50));
    }
}

#[test]
fn a_smeared_stamp_is_not_told_at_a_plain_address() {
    let (state, mut clients) = (state(), clients());
    let shape = Some(SmearShape::Linear);
    let mut quote = [0, 5];
    for second in -20..-15 {
        let now = MIDNIGHT + Duration::from_seconds(second);
        let told = ask((&state, &mut clients), quote, shape, now);
        quote = [told.header.receive.0, quote[1] + 2];
    }
    let now = MIDNIGHT - Duration::from_seconds(10);
    let told = ask((&state, &mut clients), quote, None, now);
    assert_eq!(told.outcome, Outcome::Served);
    let off = told.header.transmit.near(LEAP.before) - state.utc(now);
    assert!(off.abs() < Duration::from_micros(1), "{off}");
}

#[test]
fn a_clock_that_is_stepped_back_is_ambiguous_when_smeared_and_not_otherwise() {
    let anchor = MIDNIGHT - Duration::from_seconds(2);
    let state = State { anchor, leap_count: LeapCount::ByKernel, ..state() };
    let at = |millis| MIDNIGHT + Duration::from_millis(millis);
    let smeared = |millis| state.smeared(at(millis), SmearShape::Linear).is_some();
    assert!(!smeared(-1000) && !smeared(-901) && smeared(-1001) && smeared(-900) && smeared(0));
    // Until its tick the kernel has not leapt; so late, nobody knows, and the bound says so.
    for (millis, want) in [(-1, -1), (10, -990), (99, -901)] {
        let off = state.utc(at(millis)) - LEAP.before - Duration::from_millis(want);
        assert!(off.abs() < Duration::NANOSECOND, "{millis}: {off}");
    }
    assert!(state.bound(at(99)) < Duration::from_millis(50));
    assert!(state.bound(at(100)) > Duration::SECOND);
}
