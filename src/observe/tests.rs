//! Reports say what state and counters say, as JSON and as text.

use serde_json::Value;

use super::*;
use crate::mitigation::Verdict;
use crate::sample::{Fix, ReceiverStatus, SourceId};
use crate::server::Outcome;
use crate::state::{ErrorTerms, NoiseGrowth, Phase, Term};
use crate::time::{Exponent, Frequency, LeapIndicator, TaiOffset};

fn now() -> Timestamp<System> {
    Timestamp::from_seconds(1_767_225_600) + Duration::from_millis(500)
}

fn state() -> State {
    State {
        phase: Phase::Locked,
        anchor: now() - Duration::from_millis(500),
        correction: Duration::from_millis(-400),
        fixed: ErrorTerms::NONE.with(Term::Declared, 1e-6).with(Term::Sawtooth, 21e-9),
        noise: NoiseGrowth {
            phase: 1e-18,
            frequency: 1e-16,
            factor: 6.0,
            ceiling_rate: 15e-6,
            ..NoiseGrowth::default()
        },
        lag: 5e-9,
        stratum: 1,
        reference_id: *b"PPS\0",
        reference_time: Some(Timestamp::from_seconds(1_767_225_599)),
        leap: LeapIndicator::None,
        tai_offset: Some(TaiOffset(37)),
        precision: Exponent(-25),
        frequency: Frequency::from_ppm(30.1234),
        frequency_error: Frequency::from_ppm(0.0021),
        offset: Duration::from_nanos(-37),
        jitter: 12e-9,
        selected: Some(SourceId(1)),
        samples: 77,
        refused: 3,
        ..State::default()
    }
}

fn reports() -> Vec<SourceReport> {
    let blank = SourceReport::silent(SourceId(0), 0);
    let text = SourceReport {
        verdict: Verdict::Reserve,
        reach: 0o377,
        last_sample: Some(now() - Duration::from_millis(300)),
        offset: Duration::from_micros(1200),
        distance: 3e-3,
        text_delay: 0.2005,
        refused: [2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        receiver: ReceiverStatus {
            fix: Fix::ThreeDimensional,
            satellites_used: 9,
            satellites_in_view: 14,
            leap: LeapIndicator::None,
        },
        ..blank
    };
    let pulse = SourceReport {
        source: SourceId(1),
        verdict: Verdict::PulsePeer,
        reach: 0o17,
        last_sample: Some(now() - Duration::from_seconds(20)),
        offset: Duration::from_nanos(-37),
        distance: 1.03e-6,
        root_distance: 2.8e-4,
        jitter: 12e-9,
        errors: ErrorTerms::NONE.with(Term::Declared, 1e-6),
        samples: 80,
        believed: 77,
        rejected: 3,
        ..blank
    };
    vec![text, pulse, SourceReport { source: SourceId(2), ..blank }]
}

fn service() -> Service {
    let mut counts = [0; Outcome::COUNT];
    counts[Outcome::Served as usize] = 20;
    counts[Outcome::KissRate as usize] = 1;
    Service { counters: Counters::from_counts(counts, 2), clients: 3, overflowed: 0, unsent: 0 }
}

fn with_sight<T>(state: &State, report: impl FnOnce(&Sight<'_>) -> T) -> T {
    let names = ["GPS", "PPS", "spare"].map(str::to_owned);
    let (names, sources, service) = (&names[..], &reports()[..], Some(service()));
    let servers = &[None; 3][..];
    report(&Sight { now: now(), state, names, sources, servers, dropped: 0, service })
}

#[test]
fn a_local_clock_that_is_served_says_so() {
    let local = State { phase: Phase::Cold, stratum: 10, ..state() };
    let text = with_sight(&local, |sight| Tracking::of(sight).to_string());
    assert!(text.contains("cold (serving the local clock)"), "{text}");
    for quiet in [state(), State { phase: Phase::Cold, stratum: 16, ..state() }] {
        let text = with_sight(&quiet, |sight| Tracking::of(sight).to_string());
        assert!(!text.contains("local clock"), "{text}");
    }
}

#[test]
fn tracking_says_what_the_state_says() {
    let report = with_sight(&state(), Tracking::of);
    assert_eq!((report.phase.as_str(), report.stratum, report.synchronised), ("locked", 1, true));
    assert_eq!((report.reference_id.as_str(), report.source.as_deref()), ("PPS", Some("PPS")));
    assert_eq!(report.served_time, "2026-01-01T00:00:00.100000000Z");
    assert_eq!(report.reference_time.as_deref(), Some("2025-12-31T23:59:59.000000000Z"));
    assert!((report.offset_ns + 37.0).abs() < 1e-9 && (report.jitter_ns - 12.0).abs() < 1e-9);
    assert!((report.frequency_ppm - 30.1234).abs() < 1e-9);
    assert!((report.correction_ns + 4e8).abs() < 1e-3);
    let requests = report.requests.unwrap();
    assert_eq!((requests.total, requests.served, requests.clients), (21, 20, 3));
    assert_eq!(requests.outcomes.len(), Outcome::COUNT);
    assert_eq!(requests.outcomes["kiss-rate"], 1);
}

#[test]
fn the_lines_of_a_ledger_add_up_to_the_bound() {
    for state in [state(), State::default()] {
        let ledger = with_sight(&state, Ledger::of);
        let sum: f64 = ledger.terms.iter().map(|term| term.value_ns).sum();
        assert!((sum - ledger.bound_ns).abs() < 0.01, "{sum} {}", ledger.bound_ns);
        let growth: f64 = ledger.terms.iter().map(|term| term.growth_ns_per_s).sum();
        assert!((growth - ledger.growth_ns_per_s).abs() < 0.01);
        let tracking = with_sight(&state, Tracking::of);
        assert!((tracking.bound_ns - ledger.bound_ns).abs() < 1e-9);
    }
    let noise = &with_sight(&state(), Ledger::of).terms[Term::Noise.index()];
    assert_eq!(noise.term, "noise");
    assert!(noise.value_ns > 6.0 && noise.growth_ns_per_s > 0.0);
}

#[test]
fn reports_survive_the_wire() {
    let state = state();
    with_sight(&state, |sight| {
        let tracking = Tracking::of(sight);
        let json = serde_json::to_string(&tracking).unwrap();
        assert_eq!(serde_json::from_str::<Tracking>(&json).unwrap(), tracking);
        let sources = Sources::of(sight);
        let json = serde_json::to_string(&sources).unwrap();
        assert_eq!(serde_json::from_str::<Sources>(&json).unwrap(), sources);
        let ledger = Ledger::of(sight);
        let json = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&json).unwrap(), ledger);
    });
}

/// Whoever reads the JSON relies on these names.
#[test]
fn names_in_json_are_stable() {
    let value = serde_json::to_value(with_sight(&state(), Sources::of)).unwrap();
    let pulse = &value["sources"][1];
    assert_eq!((&pulse["tally"], &pulse["reach"]), (&Value::from("o"), &Value::from(15)));
    assert_eq!(pulse["verdict"], "pulse_peer");
    assert_eq!(pulse["last_sample_age_ns"], 2e10);
    assert_eq!(value["sources"][0]["refused"]["checksum"], 2);
    assert_eq!(value["sources"][2]["last_sample_age_ns"], Value::Null);
    let value = serde_json::to_value(with_sight(&state(), Ledger::of)).unwrap();
    assert_eq!(value["terms"][3]["term"], "declared");
    assert_eq!(value["terms"][3]["value_ns"], 1000.0);
}

#[test]
fn sources_read_well_on_a_terminal() {
    let text = with_sight(&state(), Sources::of).to_string();
    let expected = "   \
        source  reach   last     offset    distance    jitter  text delay  sats  verdict\n\
        #  GPS       377  0.3 s  +1.200 ms  ± 3.000 ms      0 ns    200.5 ms  9/14  sound, but much \
        less certain than the best\n\
        o  PPS       017   20 s  -37.00 ns  ± 1.030 µs  12.00 ns           -     -  system peer by \
        its pulses\n   \
        spare     000      -          -           -         -           -     -  nothing heard yet\n";
    assert_eq!(text, expected, "\n{text}\n{expected}");
    let verbose = with_sight(&state(), Sources::of).verbose().to_string();
    assert!(verbose.contains("dropped  checksum 2, duplicate 1"), "{verbose}");
    assert!(verbose.contains("80 made, 77 believed, 3 rejected"), "{verbose}");
}

#[test]
fn tracking_and_ledger_read_well_on_a_terminal() {
    let text = with_sight(&state(), Tracking::of).to_string();
    for line in [
        "State            locked",
        "Offset           -37.00 ns                      served time was ahead of the source",
        "Requests         21                             served 20, kiss-rate 1",
        "                 2                              without a kernel stamp",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let text = with_sight(&state(), Ledger::of).to_string();
    assert!(text.starts_with("term "), "{text}");
    let sum = text.lines().find(|line| line.starts_with("sum ")).unwrap();
    assert!(sum.ends_with("within this of served time, if"), "{text}");
    let assumed = |line: &str| line.starts_with("  declared ") && line.ends_with("is true");
    assert!(text.lines().any(assumed), "{text}");
    // 280 µs at the sample, and 15 ppm of the 20 s since.
    assert!(text.lines().last().unwrap().starts_with("RFC 5905 would claim 580.0 µs"), "{text}");
    assert!(!text.contains("path"), "zero terms are left out\n{text}");
}

#[test]
fn nothing_known_is_told_as_such() {
    let names: &[String] = &[];
    let state = State::default();
    let (sources, servers) = (&[][..], &[][..]);
    let sight =
        Sight { now: now(), state: &state, names, sources, servers, dropped: 0, service: None };
    let tracking = Tracking::of(&sight);
    assert_eq!((tracking.stratum, tracking.leap.as_str()), (16, "unknown"));
    assert_eq!((&tracking.source, &tracking.requests), (&None, &None));
    assert_eq!(Sources::of(&sight).to_string(), "no sources are configured\n");
    assert!(Ledger::of(&sight).to_string().contains("nothing is claimed"));
    assert!(tracking.to_string().contains("nothing is claimed"));
    // Heard, but not judged yet: no claim is shown as one of zero error.
    let heard = SourceReport { last_sample: Some(now()), ..reports()[2] };
    let line = Sources::of(&Sight { sources: &[heard], ..sight }).to_string();
    assert!(!line.contains("± 0"), "{line}");
}

#[test]
fn times_are_scaled_to_be_read() {
    for (nanoseconds, text) in [
        (0.0, "0 ns"),
        (0.999, "0.999 ns"),
        (12.5, "12.50 ns"),
        (999.96, "1.000 µs"),
        (1234.0, "1.234 µs"),
        (100_000.0, "100.0 µs"),
        (-4e8, "-400.0 ms"),
        (1.5e10, "15.00 s"),
    ] {
        assert_eq!(Scaled::of_nanoseconds(nanoseconds).to_string(), text);
    }
    assert_eq!(Scaled::of_nanoseconds(5.0).signed().to_string(), "+5.000 ns");
    assert_eq!(Scaled::of_nanoseconds(0.0).signed().to_string(), "0 ns");
    assert!(nanoseconds(f64::NAN).is_finite() && nanoseconds(f64::INFINITY).is_finite());
}

#[test]
fn servers_have_columns_of_their_own() {
    let [_, _, blank] = reports()[..] else { panic!("three reports") };
    let heard = SourceReport {
        source: SourceId(0),
        verdict: Verdict::SystemPeer,
        reach: 0o377,
        last_sample: Some(now() - Duration::from_seconds(7)),
        distance: 2e-3,
        poll: 64.0,
        delay: 1.25e-3,
        stratum: 2,
        ..blank
    };
    let silent = SourceReport { source: SourceId(1), ..blank };
    let names = &["near", "far"].map(str::to_owned)[..];
    let servers = &[Some("192.0.2.1:123".parse().unwrap()), Some("0.0.0.0:0".parse().unwrap())][..];
    let (state, sources) = (state(), &[heard, silent][..]);
    let sight =
        Sight { now: now(), state: &state, names, sources, servers, dropped: 0, service: None };
    let sources = Sources::of(&sight);
    let text = sources.to_string();
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
    let head = "source address stratum poll reach last offset distance jitter delay verdict";
    assert_eq!(lines[0].join(" "), head, "no columns of reference clocks\n{text}");
    assert_eq!(lines[1][..9], ["*", "near", "192.0.2.1", "2", "64", "s", "377", "7.0", "s"]);
    assert!(text.contains("1.250 ms"), "{text}");
    assert_eq!(lines[2][..5], ["far", "-", "-", "-", "000"], "{text}");
    let json: Value = serde_json::to_value(&sources).unwrap();
    assert_eq!(json["sources"][0]["server"]["address"], "192.0.2.1");
    assert_eq!(json["sources"][0]["server"]["delay_ns"], 1_250_000.0);
    assert_eq!(json["sources"][1]["server"]["address"], Value::Null);

    let servers = &[Some("[fe80::1%3]:123".parse().unwrap()), None][..];
    let mixed = Sources::of(&Sight { servers, ..sight });
    assert_eq!(mixed.sources[1].server, None);
    let text = mixed.to_string();
    assert!(text.contains("fe80::1%3") && text.contains("text delay"), "{text}");
}
