//! A server's error terms, what it declares, and how it spoils its answers; pinned bits.

use super::*;
use crate::sim::Queueing;
use crate::time::NtpShort;
use crate::wire::ntp::{Mode, ReferenceId, Version};

const START: Timestamp<Utc> = Timestamp::from_seconds(1_700_000_000);
const ORIGIN: NtpTimestamp = NtpTimestamp(0x1234_5678_9abc_def0);

fn at(seconds: f64) -> Timestamp<Utc> {
    START + Duration::from_seconds_f64(seconds)
}

fn server(plan: &ServerPlan, seed: u64) -> Upstream {
    Upstream::new(plan, seed, START, *b"GPS\0")
}

fn request() -> [u8; Header::LENGTH] {
    let mut bytes = [0; Header::LENGTH];
    Header {
        leap: LeapIndicator::Unknown,
        version: Version::V4,
        mode: Mode::Client,
        stratum: 0,
        poll: Exponent(6),
        precision: Exponent(32),
        root_delay: NtpShort::default(),
        root_dispersion: NtpShort::default(),
        reference_id: ReferenceId::default(),
        reference: NtpTimestamp::ZERO,
        origin: NtpTimestamp::ZERO,
        receive: NtpTimestamp::ZERO,
        transmit: ORIGIN,
    }
    .write(&mut bytes);
    bytes
}

fn ask(server: &mut Upstream, now: Timestamp<Utc>) -> Reply {
    server.handle(&request(), "192.0.2.7:40000".parse().unwrap(), now).unwrap()
}

fn header(reply: &Reply) -> Header {
    Header::parse(&reply.bytes).unwrap().0
}

/// What T2 and T3 are off by, s; T3 against the arrival.
fn errors(server: &mut Upstream, now: Timestamp<Utc>) -> (f64, f64) {
    let reply = header(&ask(server, now));
    let off = |stamp: NtpTimestamp| (stamp.near(now) - now).seconds();
    (off(reply.receive), off(reply.transmit))
}

#[test]
fn without_any_key_it_is_exact_and_says_so() {
    let mut server = server(&ServerPlan { hold: 1e-5, ..ServerPlan::default() }, 1);
    let now = at(1_000.123_456_789);
    let (received, sent) = errors(&mut server, now);
    assert!(received.abs() < 3e-10 && (sent - 1e-5).abs() < 3e-10, "{received} {sent}");
    let reply = ask(&mut server, now);
    let head = header(&reply);
    assert_eq!(reply.held, Duration::from_seconds_f64(1e-5));
    assert_eq!((head.origin, head.stratum, head.mode), (ORIGIN, 1, Mode::Server));
    assert_eq!((head.leap, head.reference_id.0), (LeapIndicator::None, *b"GPS\0"));
    assert!(head.root_dispersion.duration() <= Duration::from_units(1 << 48));
}

#[test]
fn it_declares_what_its_plan_says() {
    let plan = ServerPlan {
        stratum: 3,
        root_delay: 0.04,
        root_dispersion: 0.01,
        precision: -18,
        leap: Announcement::Insert,
        ..ServerPlan::default()
    };
    let head = header(&ask(&mut server(&plan, 1), at(9.0)));
    assert_eq!(
        (head.stratum, head.precision, head.leap),
        (3, Exponent(-18), LeapIndicator::Insert)
    );
    let unit = 1.0 / 65_536.0;
    for (short, want) in [(head.root_delay, 0.04), (head.root_dispersion, 0.01)] {
        let over = short.duration().seconds() - want;
        assert!(over.abs() <= 0.51 * unit, "{over}");
    }
}

#[test]
fn its_noise_is_common_to_both_stamps() {
    let plan = ServerPlan { noise: 5e-6, ..ServerPlan::default() };
    let mut server = server(&plan, 1);
    let mut squares = 0.0;
    for second in 0..20_000 {
        let (received, sent) = errors(&mut server, at(f64::from(second)));
        assert!((received - sent).abs() < 1e-9);
        squares += received * received;
    }
    let sigma = libm::sqrt(squares / 2e4);
    assert!((sigma / 5e-6 - 1.0).abs() < 0.02, "{sigma}");
    // The clock itself is right.
    assert_eq!(server.error(at(20_000.0)), Duration::ZERO);
}

#[test]
fn lies_drifts_and_steps_add_up() {
    let drift = Some(Drift { rate: 1e-6, at: 100.0 });
    let mut server = server(&ServerPlan { offset: 0.1, drift, ..ServerPlan::default() }, 1);
    let near = |got: Duration, want: f64| assert!((got.seconds() - want).abs() < 1e-15, "{got}");
    near(server.error(at(50.0)), 0.1);
    near(server.error(at(1100.0)), 0.101);
    server.step(Duration::from_millis(-1));
    near(server.error(at(1100.0)), 0.1);
    server.set_drift(-2e-6, at(1100.0));
    near(server.error(at(1100.0)), 0.1);
    near(server.error(at(2100.0)), 0.098);
    let (received, sent) = errors(&mut server, at(2100.0));
    assert!((received - 0.098).abs() < 1e-9 && (sent - 0.098).abs() < 1e-9);
}

#[test]
fn a_wobble_has_its_size_and_memory() {
    let wobble = Some(Wobble { sigma: 5e-5, tau: 100.0 });
    let mut server = server(&ServerPlan { wobble, ..ServerPlan::default() }, 2);
    let errors: Vec<f64> =
        (0..400_000).map(|s| server.error(at(f64::from(s))).seconds() / 5e-5).collect();
    let count = errors.len() as f64;
    let variance = errors.iter().map(|e| e * e).sum::<f64>() / count;
    assert!((variance - 1.0).abs() < 0.1, "{variance}");
    for lag in [10, 100, 200] {
        let lagged = errors.windows(lag + 1).map(|e| e[0] * e[lag]).sum::<f64>() / count;
        let want = libm::exp(-(lag as f64) / 100.0);
        assert!((lagged / variance - want).abs() < 0.05, "{lag}: {lagged}");
    }
}

#[test]
fn a_wobble_does_not_hang_on_who_asks() {
    let wobble = Some(Wobble { sigma: 5e-5, tau: 100.0 });
    let plan = ServerPlan { wobble, ..ServerPlan::default() };
    let (mut often, mut rarely) = (server(&plan, 2), server(&plan, 2));
    for tenth in 0..50_000 {
        often.error(at(f64::from(tenth) / 10.0));
    }
    assert_eq!(often.error(at(5_000.4)), rarely.error(at(5_000.4)));
}

#[test]
fn a_sawtooth_grows_and_is_slewed_away() {
    let sawtooth = Some(SawtoothSlew { amplitude: 1e-4, period: 1600.0 });
    let mut server = server(&ServerPlan { sawtooth, ..ServerPlan::default() }, 1);
    for (second, want) in
        [(0.0, 0.0), (375.0, 5e-5), (749.0, 9.987e-5), (800.0, 0.0), (850.0, -1e-4), (1600.0, 0.0)]
    {
        let got = server.error(at(second)).seconds();
        assert!((got - want).abs() < 1e-7, "{second}: {got:e}");
    }
    // Never a step.
    let errors: Vec<f64> =
        (0..4000).map(|s| server.error(at(2000.0 + f64::from(s))).seconds()).collect();
    assert!(errors.windows(2).all(|e| (e[1] - e[0]).abs() < 2.1e-6));
}

#[test]
fn its_stamps_are_coarse_in_the_time_it_serves() {
    let stamps = StampPlan {
        quantum: 1.0 / 1024.0,
        receive: vec![Queueing::Exponential(1e-3)],
        ..StampPlan::default()
    };
    let mut server = server(&ServerPlan { offset: 0.3, stamps, ..ServerPlan::default() }, 1);
    for second in 0..200 {
        let now = at(f64::from(second) * 1.1);
        let reply = header(&ask(&mut server, now));
        // The lowest bit tells T2 from T3 (`server::interleave`).
        assert_eq!(reply.receive.0 & ((1 << 22) - 2), 0);
        let off = (reply.receive.near(now) - now).seconds() - 0.3;
        assert!((-1.0 / 1024.0..0.02).contains(&off), "{off}");
    }
}

#[test]
fn each_hostile_server_spoils_its_answer() {
    let mut server = server(&ServerPlan::default(), 1);
    let mut spoiled = |hostile: Hostile, second: f64| {
        server.set_hostile(hostile);
        ask(&mut server, at(second)).bytes
    };
    let parsed = |bytes: &[u8]| Header::parse(bytes).unwrap().0;
    let first = spoiled(Hostile::None, 1.0);
    assert_eq!(spoiled(Hostile::Replay, 2.0), first);
    let second = spoiled(Hostile::None, 3.0);
    assert_ne!(second, first);
    assert_ne!(spoiled(Hostile::Garbage, 4.0), spoiled(Hostile::Garbage, 4.0));
    assert!((0..50).all(|n| spoiled(Hostile::Truncated, 5.0 + f64::from(n)).len() < 48));
    assert_ne!(parsed(&spoiled(Hostile::WrongOrigin, 60.0)).origin, ORIGIN);
    let zeros = parsed(&spoiled(Hostile::ZeroStamps, 61.0));
    assert!(zeros.origin == ORIGIN && zeros.receive.is_zero() && zeros.transmit.is_zero());
    let unknown = parsed(&spoiled(Hostile::Unsynchronised, 62.0));
    assert_eq!((unknown.leap, unknown.stratum), (LeapIndicator::Unknown, 0));
    for (hostile, code) in
        [(Hostile::KissRate, KissCode::Rate), (Hostile::KissDeny, KissCode::Deny)]
    {
        let kiss = parsed(&spoiled(hostile, 63.0));
        assert_eq!((kiss.stratum, KissCode::of(kiss.reference_id)), (0, Some(code)));
        assert_eq!(kiss.origin, ORIGIN);
    }
}

#[test]
fn what_is_no_request_gets_no_answer() {
    let mut server = server(&ServerPlan::default(), 1);
    let from = "[2001:db8::1]:123".parse().unwrap();
    assert!(server.handle(&[], from, at(1.0)).is_none());
    assert!(server.handle(&[0xff; 48], from, at(1.0)).is_none());
    assert!(server.handle(&request(), from, at(1.0)).is_some());
    // However often it is asked.
    assert!((0..1000).all(|_| server.handle(&request(), from, at(2.0)).is_some()));
}

#[test]
fn the_answers_of_a_seed_are_fixed() {
    let plan = ServerPlan {
        noise: 5e-6,
        wobble: Some(Wobble { sigma: 5e-5, tau: 1000.0 }),
        ..ServerPlan::default()
    };
    let mut server = server(&plan, 1);
    let got = [0.0, 16.0, 4000.5].map(|second| header(&ask(&mut server, at(second))).receive.0);
    assert_eq!(got, PINNED);
}

#[test]
fn plans_are_read_and_checked() {
    let read = |text: &str| serde_json::from_str::<ServerPlan>(text);
    let plan = read(
        r#"{"hostile": "kiss_rate", "drift": {"rate": 1e-6}, "follows": "box", "leap": "delete"}"#,
    )
    .unwrap();
    assert_eq!((plan.hostile, plan.leap), (Hostile::KissRate, Announcement::Delete));
    assert_eq!((plan.drift, plan.check()), (Some(Drift { rate: 1e-6, at: 0.0 }), Ok(())));
    assert!(read(r#"{"hostile": "rude"}"#).unwrap_err().to_string().contains("kiss_rate"));
    let refused = |text: &str| read(text).unwrap().check().unwrap_err().to_string();
    assert!(refused(r#"{"stratum": 0}"#).starts_with("stratum: is 0;"));
    assert!(refused(r#"{"wobble": {"sigma": 1, "tau": 1}}"#).starts_with("wobble.tau: is 1;"));
    assert!(refused(r#"{"stamps": {"quantum": -1}}"#).starts_with("stamps.quantum: "));
}

const PINNED: [u64; 3] = [16788979056430410105, 16788979125149889657, 16788996238446774057];
