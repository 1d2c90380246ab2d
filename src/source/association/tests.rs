//! Polling, bursts and each refusal, by hand-made replies; then hostile bytes.

use proptest::prelude::*;

use super::*;
use crate::time::{Duration, Utc};

fn plan() -> AssociationPlan {
    AssociationPlan {
        poll_min: Exponent(4),
        poll_max: Exponent(10),
        iburst: false,
        burst: false,
        interleaved: false,
        version: Version::V4,
    }
}

fn mono(seconds: f64) -> Timestamp<Mono> {
    Timestamp::from_seconds(500) + Duration::from_seconds_f64(seconds)
}

fn system(seconds: f64) -> Timestamp<System> {
    Timestamp::from_seconds(1_800_000_000) + Duration::from_seconds_f64(seconds)
}

fn association(plan: AssociationPlan) -> Association {
    Association::new(SourceId(0), plan, 1, mono(0.0))
}

fn readings(association: &mut Association) -> Vec<ReadingKind> {
    core::iter::from_fn(|| association.poll_reading()).map(|reading| reading.kind).collect()
}

/// Sends the request that is due at `at`.
fn send(association: &mut Association, at: f64) -> Header {
    let transmit = association.poll_transmit(mono(at), 0.0).expect("due");
    association.handle_sent(system(at));
    Header::parse(transmit.bytes()).unwrap().0
}

/// A good reply that arrived and left 1 ms after the request.
fn reply(request: &Header, at: f64) -> Header {
    let stamp = NtpTimestamp::of(system(at + 0.001).read_as::<Utc>());
    Header {
        mode: Mode::Server,
        stratum: 1,
        precision: Exponent(-20),
        reference_id: ReferenceId(*b"GPS\0"),
        root_delay: NtpShort(1),
        root_dispersion: NtpShort(66),
        reference: stamp,
        origin: request.transmit,
        receive: stamp,
        transmit: stamp,
        ..*request
    }
}

/// Hands a reply in 2 ms after its request, and tells what came of it.
fn take(association: &mut Association, reply: &Header, at: f64) -> Vec<ReadingKind> {
    let mut packet = [0; Header::LENGTH];
    reply.write(&mut packet);
    readings(association);
    association.handle_reply(&packet, system(at + 0.002), mono(at + 0.002), Some([10, 0, 0, 1]));
    readings(association)
}

fn due(association: &Association, asked: f64) -> f64 {
    (association.poll_timeout(asked).unwrap() - mono(0.0)).seconds() + 1e-9
}

/// Instants of the first requests when every one is answered or none.
fn requests(association: &mut Association, count: usize, asked: f64, answered: bool) -> Vec<f64> {
    (0..count)
        .map(|_| {
            let at = due(association, asked);
            let transmit = association.poll_transmit(mono(at), asked).unwrap();
            association.handle_sent(system(at));
            if answered {
                let request = Header::parse(transmit.bytes()).unwrap().0;
                take(association, &reply(&request, at), at);
            }
            at
        })
        .collect()
}

fn gaps(instants: &[f64]) -> Vec<f64> {
    instants.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn near(got: &[f64], expected: &[f64]) -> bool {
    got.len() == expected.len() && got.iter().zip(expected).all(|(g, e)| (g - e).abs() <= e * 0.011)
}

#[test]
fn a_request_tells_nothing_of_this_machine() {
    let mut association = association(plan());
    let transmit = association.poll_transmit(mono(0.0), 0.0).unwrap();
    assert_eq!(transmit.bytes().len(), 48);
    assert_eq!(transmit.bytes()[..4], [0x23, 0, 4, 0]);
    assert!(transmit.bytes()[4..40].iter().all(|byte| *byte == 0));
    let first = Header::parse(transmit.bytes()).unwrap().0.transmit;
    assert_ne!(first, send(&mut association, 16.2).transmit);
}

#[test]
fn versions() {
    for (version, first) in [(1, 0x08), (2, 0x13), (3, 0x1b), (4, 0x23)] {
        let version = Version::new(version).unwrap();
        let mut association = association(AssociationPlan { version, interleaved: true, ..plan() });
        for at in [0.0, 17.0] {
            let transmit = association.poll_transmit(mono(at), 0.0).unwrap();
            association.handle_sent(system(at));
            assert_eq!(transmit.bytes()[0], first);
            let request = Header::parse(transmit.bytes()).unwrap().0;
            // Only version 4 has interleaved modes.
            assert_eq!(request.origin.is_zero(), at < 1.0 || version != Version::V4);
            let told = take(&mut association, &reply(&request, at), at);
            assert!(matches!(told[..], [ReadingKind::Exchange(_)]), "{told:?}");
        }
    }
    // A server of version 1 without modes.
    let mut old = association(AssociationPlan { version: Version::V1, ..plan() });
    let answer = reply(&send(&mut old, 0.0), 0.0);
    let told = take(&mut old, &Header { mode: Mode::Reserved, ..answer }, 0.0);
    assert!(matches!(told[..], [ReadingKind::Exchange(_)]));
}

#[test]
fn a_reply_becomes_an_exchange() {
    let mut association = association(plan());
    let request = send(&mut association, 0.0);
    assert_eq!(readings(&mut association), [ReadingKind::Polled { reach: 0 }]);
    association.handle_sent(system(0.0005));
    assert_eq!(readings(&mut association), [], "a better stamp is no second poll");
    let told = take(&mut association, &reply(&request, 0.0), 0.0);
    let [ReadingKind::Exchange(exchange)] = told[..] else { panic!("{told:?}") };
    assert_eq!(exchange.sent, system(0.0005));
    assert!((exchange.received.offset_from(system(0.001))).abs().units() < 1 << 32);
    assert_eq!((exchange.stratum, exchange.leap, exchange.reach), (1, LeapIndicator::None, 1));
    assert_eq!(exchange.root_dispersion, NtpShort(66).duration());
    send(&mut association, 20.0);
    assert_eq!(readings(&mut association), [ReadingKind::Polled { reach: 2 }]);
}

#[test]
fn what_no_request_asked_for_is_bogus_and_what_comes_twice_a_duplicate() {
    let mut association = association(plan());
    let bogus = [ReadingKind::Refused(Refusal::Bogus)];
    let request = send(&mut association, 0.0);
    let good = reply(&request, 0.0);
    for bad in [
        Header { origin: NtpTimestamp(good.origin.0 ^ 1), ..good },
        Header { origin: NtpTimestamp::ZERO, ..good },
        Header { mode: Mode::Client, ..good },
        Header { mode: Mode::SymmetricPassive, ..good },
        Header { mode: Mode::Broadcast, ..good },
        Header { mode: Mode::Reserved, ..good },
    ] {
        assert_eq!(take(&mut association, &bad, 0.0), bogus);
    }
    assert!(matches!(take(&mut association, &good, 0.0)[..], [ReadingKind::Exchange(_)]));
    let duplicate = [ReadingKind::Refused(Refusal::Duplicate)];
    assert_eq!(take(&mut association, &good, 0.0), duplicate);
    let later = send(&mut association, 20.0);
    assert_eq!(take(&mut association, &good, 20.0), duplicate);
    send(&mut association, 40.0);
    assert_eq!(take(&mut association, &reply(&later, 20.0), 40.0), bogus, "given up");
}

#[test]
fn a_reply_to_what_was_never_sent_is_bogus() {
    let mut association = association(plan());
    let transmit = association.poll_transmit(mono(0.0), 0.0).unwrap();
    let request = Header::parse(transmit.bytes()).unwrap().0;
    let told = take(&mut association, &reply(&request, 0.0), 0.0);
    assert_eq!(told, [ReadingKind::Refused(Refusal::Bogus)]);
}

#[test]
fn stamps_of_no_exchange_are_invalid() {
    let changes: [fn(&mut Header); 5] = [
        |h| h.receive = NtpTimestamp::ZERO,
        |h| h.transmit = NtpTimestamp::ZERO,
        |h| h.transmit = NtpTimestamp(h.receive.0 - 1),
        // 16 ms of stay in 2 ms of round trip.
        |h| h.transmit = NtpTimestamp(h.receive.0 + (16 << 32) / 1000),
        |h| h.transmit = NtpTimestamp(h.receive.0 ^ 1 << 63),
    ];
    for change in changes {
        let mut association = association(plan());
        let mut bad = reply(&send(&mut association, 0.0), 0.0);
        change(&mut bad);
        let told = take(&mut association, &bad, 0.0);
        assert_eq!(told, [ReadingKind::Refused(Refusal::Invalid)]);
        assert_eq!(association.reach(), 0);
    }
}

#[test]
fn an_interleaved_stamp_of_another_exchange_is_invalid() {
    let mut association = association(AssociationPlan { interleaved: true, ..plan() });
    let first = send(&mut association, 0.0);
    take(&mut association, &reply(&first, 0.0), 0.0);
    let second = send(&mut association, 20.0);
    assert!(!second.receive.is_zero() && second.receive != second.transmit);
    let wrong = Header { origin: second.receive, ..reply(&second, 20.0) };
    let told = take(&mut association, &wrong, 20.0);
    assert_eq!(told, [ReadingKind::Refused(Refusal::Invalid)]);
    assert!(send(&mut association, 40.0).origin.is_zero(), "and the next request is basic");
}

#[test]
fn a_basic_request_has_no_interleaved_reply() {
    let mut association = association(AssociationPlan { interleaved: true, ..plan() });
    let good = reply(&send(&mut association, 0.0), 0.0);
    let told = take(&mut association, &Header { origin: NtpTimestamp::ZERO, ..good }, 0.0);
    assert_eq!(told, [ReadingKind::Refused(Refusal::Bogus)]);
}

#[test]
fn a_server_that_follows_us_is_a_loop() {
    let mut association = association(plan());
    let good = reply(&send(&mut association, 0.0), 0.0);
    let looping = Header { stratum: 3, reference_id: ReferenceId([10, 0, 0, 1]), ..good };
    let told = take(&mut association, &looping, 0.0);
    assert_eq!(told, [ReadingKind::Refused(Refusal::Loop)]);
    assert_eq!(association.reach(), 0);
    // At stratum 1 the same four bytes are a name.
    let good = reply(&send(&mut association, 20.0), 20.0);
    let named = Header { reference_id: ReferenceId([10, 0, 0, 1]), ..good };
    assert!(matches!(take(&mut association, &named, 20.0)[..], [ReadingKind::Exchange(_)]));
}

#[test]
fn who_does_not_know_the_time_is_heard_but_unknown() {
    let changes: [fn(&mut Header); 6] = [
        |h| h.leap = LeapIndicator::Unknown,
        |h| h.stratum = 16,
        |h| (h.stratum, h.reference_id) = (0, ReferenceId([0; 4])),
        |h| (h.stratum, h.reference_id) = (0, ReferenceId(*b"INIT")),
        |h| (h.stratum, h.reference_id) = (0, ReferenceId(*b"STEP")),
        |h| h.root_dispersion = NtpShort(16 << 16),
    ];
    for change in changes {
        let mut association = association(plan());
        let mut unsynchronised = reply(&send(&mut association, 0.0), 0.0);
        change(&mut unsynchronised);
        let told = take(&mut association, &unsynchronised, 0.0);
        let [ReadingKind::Exchange(exchange)] = told[..] else { panic!("{told:?}") };
        assert_eq!((exchange.leap, exchange.stratum), (LeapIndicator::Unknown, 16));
        assert_eq!(association.reach(), 1);
    }
}

#[test]
fn too_little_and_strange_versions_are_malformed() {
    let mut association = association(plan());
    let good = reply(&send(&mut association, 0.0), 0.0);
    readings(&mut association);
    let mut packet = [0; 60];
    good.write(packet.first_chunk_mut().unwrap());
    let malformed = [ReadingKind::Refused(Refusal::Malformed)];
    for bytes in [&packet[..0], &packet[..47], &packet[..51]] {
        association.handle_reply(bytes, system(0.1), mono(0.1), None);
        assert_eq!(readings(&mut association), malformed, "{}", bytes.len());
    }
    packet[0] = 0x3c; // version 7
    association.handle_reply(&packet[..48], system(0.1), mono(0.1), None);
    assert_eq!(readings(&mut association), malformed);
}

fn kiss(code: &[u8; 4], request: &Header, at: f64) -> Header {
    Header { stratum: 0, reference_id: ReferenceId(*code), ..reply(request, at) }
}

#[test]
fn rate_doubles_the_interval_each_time_and_ends_bursts() {
    let mut association = association(AssociationPlan { iburst: true, burst: true, ..plan() });
    let mut at = 0.0;
    for floor in [32.0, 64.0, 128.0, 256.0] {
        let request = send(&mut association, at);
        let told = take(&mut association, &kiss(b"RATE", &request, at), at);
        assert_eq!(told, [ReadingKind::Kissed { code: *b"RATE" }]);
        for asked in [0.0, 2.0, 20.0] {
            let next = due(&association, asked) - at;
            assert!((floor..floor * 1.02).contains(&next), "{next} after {floor}");
        }
        at = due(&association, 0.0);
    }
    // It answers again: neither burst begins.
    let instants = requests(&mut association, 4, 0.0, true);
    assert!(gaps(&instants).iter().all(|gap| *gap >= 256.0), "{instants:?}");
}

#[test]
fn rate_names_an_interval_within_the_plan() {
    for (poll, expected) in [(7, 128.0), (17, 1024.0), (-6, 32.0), (127, 1024.0)] {
        let mut association = association(plan());
        let request = send(&mut association, 0.0);
        let named = Header { poll: Exponent(poll), ..kiss(b"RATE", &request, 0.0) };
        take(&mut association, &named, 0.0);
        let next = due(&association, 0.0);
        assert!((expected..expected * 1.02).contains(&next), "{next}");
    }
}

#[test]
fn deny_and_rstr_end_the_asking() {
    for code in [b"DENY", b"RSTR"] {
        let mut association = association(AssociationPlan { iburst: true, ..plan() });
        let request = send(&mut association, 0.0);
        let told = take(&mut association, &kiss(code, &request, 0.0), 0.0);
        assert_eq!(told, [ReadingKind::Kissed { code: *code }]);
        assert_eq!(association.poll_timeout(2.0), None);
        assert_eq!(association.poll_transmit(mono(1e6), 2.0), None);
    }
}

#[test]
fn a_kiss_from_a_stranger_changes_nothing_and_other_codes_are_told() {
    let mut association = association(plan());
    let request = send(&mut association, 0.0);
    let forged = Header { origin: NtpTimestamp(1), ..kiss(b"DENY", &request, 0.0) };
    assert_eq!(take(&mut association, &forged, 0.0), [ReadingKind::Refused(Refusal::Bogus)]);
    assert!(due(&association, 0.0) < 17.0);
    let told = take(&mut association, &kiss(b"NKEY", &request, 0.0), 0.0);
    assert_eq!(told, [ReadingKind::Kissed { code: *b"NKEY" }]);
    assert!(due(&association, 0.0) < 17.0);
}

#[test]
fn the_interval_is_what_the_estimate_asks_for_within_limits() {
    let mut association = association(plan());
    requests(&mut association, 1, 0.0, true);
    for (asked, expected) in [
        (0.0, 16.0),
        (f64::NAN, 16.0),
        (-5.0, 16.0),
        (0.1, 2.0),
        (2.0, 2.0),
        (7.0, 7.0),
        (100.0, 100.0),
        (f64::INFINITY, 1024.0),
    ] {
        let next = due(&association, asked);
        let spread = if expected > 2.0 { 0.011 } else { 1e-8 };
        assert!((next - expected).abs() <= spread * expected, "{asked}: {next}");
    }
    let fast = AssociationPlan { poll_min: Exponent(-6), ..plan() };
    let mut fast = Association::new(SourceId(0), fast, 1, mono(0.0));
    requests(&mut fast, 1, 0.0, true);
    for asked in [0.0, 1e-9] {
        assert!((due(&fast, asked) - 1.0 / 64.0).abs() < 1e-8);
    }
}

#[test]
fn an_answer_is_waited_for_even_if_the_interval_is_shorter() {
    let fast = AssociationPlan { poll_min: Exponent(-6), ..plan() };
    let mut association = association(fast);
    requests(&mut association, 1, 0.0, true);
    let at = due(&association, 0.0);
    association.poll_transmit(mono(at), 0.0).unwrap();
    // Sixteen round trips of 2 ms.
    assert!((due(&association, 0.0) - at - 0.032).abs() < 1e-8);
}

#[test]
fn a_silent_server_is_not_asked_in_haste() {
    let mut association = association(plan());
    let instants = requests(&mut association, 5, 2.0, false);
    assert!(near(&gaps(&instants), &[16.0; 4]), "{instants:?}");
}

#[test]
fn iburst_is_eight_requests_whether_they_are_answered_or_not() {
    for answered in [true, false] {
        let mut association = association(AssociationPlan { iburst: true, ..plan() });
        let instants = requests(&mut association, 10, 0.0, answered);
        // The next poll is counted from the first request.
        let expected = [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 16.0];
        let gaps = gaps(&instants);
        assert!(near(&gaps[..7], &expected[..7]), "{instants:?}");
        assert!((1.8..=2.2).contains(&gaps[7]) && near(&gaps[8..], &[16.0]), "{instants:?}");
    }
}

#[test]
fn iburst_begins_again_when_a_server_comes_back() {
    let mut association = association(AssociationPlan { iburst: true, ..plan() });
    requests(&mut association, 8, 0.0, true);
    requests(&mut association, 9, 0.0, false);
    assert_eq!(association.reach(), 0);
    let instants = requests(&mut association, 8, 0.0, true);
    assert!(near(&gaps(&instants), &[2.0; 7]), "{instants:?}");
}

#[test]
fn burst_is_four_requests_a_poll_while_the_server_answers() {
    let plan = AssociationPlan { burst: true, poll_min: Exponent(6), ..plan() };
    let mut association = Association::new(SourceId(0), plan, 1, mono(0.0));
    let instants = requests(&mut association, 1, 0.0, true);
    assert_eq!(instants.len(), 1);
    let instants = requests(&mut association, 8, 0.0, true);
    let between = gaps(&instants);
    assert!(near(&between[..3], &[2.0; 3]) && near(&between[4..], &[2.0; 3]), "{instants:?}");
    assert!((instants[4] - instants[0] - 64.0).abs() < 0.7, "{instants:?}");
}

#[test]
fn another_address_is_another_server() {
    let mut association = association(AssociationPlan { interleaved: true, ..plan() });
    let request = send(&mut association, 0.0);
    take(&mut association, &reply(&request, 0.0), 0.0);
    let request = send(&mut association, 20.0);
    take(&mut association, &kiss(b"RSTR", &request, 20.0), 20.0);
    association.move_on();
    assert_eq!(association.reach(), 0);
    assert!((due(&association, 0.0) - 36.0).abs() < 0.2, "asked again, at the same pace");
    let fresh = send(&mut association, 40.0);
    assert!(fresh.origin.is_zero());
    let late = take(&mut association, &reply(&request, 20.0), 40.0);
    assert_eq!(late, [ReadingKind::Refused(Refusal::Bogus)]);
}

#[test]
fn the_same_seed_asks_the_same() {
    let run = || {
        let mut association = association(AssociationPlan { interleaved: true, ..plan() });
        (0..20).map(|_| requests(&mut association, 1, 8.0, true)[0]).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_or_read_never_a_panic(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..20),
        interleaved in any::<bool>(), asked in prop::num::f64::ANY,
    ) {
        let mut association = association(AssociationPlan { interleaved, ..plan() });
        for (n, packet) in packets.iter().enumerate() {
            let at = n as f64 * 5.0;
            let _ = association.poll_transmit(mono(at), asked);
            association.handle_sent(system(at));
            association.handle_reply(packet, system(at), mono(at), None);
            // Nobody guesses a random number.
            let harmless = readings(&mut association).iter().all(|kind| matches!(
                kind,
                ReadingKind::Polled { reach: 0 }
                    | ReadingKind::Refused(Refusal::Malformed | Refusal::Bogus)
            ));
            prop_assert!(harmless);
        }
    }

    #[test]
    fn a_hostile_server_that_knows_the_number_makes_no_panic(
        fields in prop::collection::vec((any::<[u8; 24]>(), any::<[u64; 2]>(), any::<bool>(), -1e12..1e12f64), 1..20),
        interleaved in any::<bool>(), asked in prop::num::f64::ANY,
    ) {
        let mut association = association(AssociationPlan { interleaved, iburst: true, ..plan() });
        let mut now = mono(0.0);
        for (first, [receive, transmit], by_receive, late) in fields {
            let Some(due) = association.poll_timeout(asked) else { break };
            now = due.max(now);
            let request = association.poll_transmit(now, asked).unwrap();
            let request = Header::parse(request.bytes()).unwrap().0;
            association.handle_sent(system(0.0));
            let mut packet = [0; 48];
            packet[..24].copy_from_slice(&first);
            packet[0] = packet[0] & 0xc0 | 0x24;
            let origin = if by_receive { request.receive } else { request.transmit };
            packet[24..32].copy_from_slice(&origin.0.to_be_bytes());
            packet[32..40].copy_from_slice(&receive.to_be_bytes());
            packet[40..].copy_from_slice(&transmit.to_be_bytes());
            association.handle_reply(&packet, system(late), now, None);
            let next = association.poll_timeout(asked);
            prop_assert!(next.is_none_or(|next| next > now), "{:?} {:?}", next, association);
            for kind in readings(&mut association) {
                if let ReadingKind::Exchange(exchange) = kind {
                    prop_assert!(exchange.transmitted >= exchange.received);
                    prop_assert!((1..=16).contains(&exchange.stratum));
                }
            }
        }
    }
}
