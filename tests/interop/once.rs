//! One-shot clients: what each measures of the demo, whose truth is this machine's own clock.

use std::net::SocketAddr;
use std::path::Path;

use crate::stage::{Demo, Place, maser, measured, median, peer, said};

/// Five answers' median offset from a client on this machine, s.
const OFFSET_MAX: f64 = 20e-6;
/// ntpdate and ntpdig stamp in the program, not in the kernel.
const COARSE_OFFSET_MAX: f64 = 500e-6;

#[test]
fn chronyd_finds_this_machine_right() {
    let Some(chronyd) = peer("chronyd") else { return };
    let demo = Demo::shared();
    let server = format!("server 127.0.0.1 port {} iburst maxsamples 4", demo.address.port());
    let offset = median((0..5).map(|_| chronyd_once(&Place::Here, &chronyd, &server)).collect());
    measured("chronyd -Q, median offset", offset * 1e6, "µs");
    assert!(offset < OFFSET_MAX, "{offset} s");
}

#[test]
fn maser_query_finds_this_machine_right() {
    let demo = Demo::shared();
    let server = demo.address.to_string();
    let answers: Vec<serde_json::Value> = (0..5)
        .map(|_| {
            let answer = Place::Here.run(&maser(), &["query", &server, "--json"]);
            assert!(answer.status.success(), "{}", said(&answer));
            serde_json::from_slice(&answer.stdout).unwrap()
        })
        .collect();
    let figures = |name: &str| -> Vec<f64> {
        answers.iter().map(|answer| answer[name].as_f64().unwrap() * 1e-9).collect()
    };
    let (offsets, bounds) = (figures("offset_ns"), figures("bound_ns"));
    // Truth is this machine's clock: each answer has to keep its own word.
    for (offset, bound) in offsets.iter().zip(&bounds) {
        assert!(offset.abs() <= *bound, "|{offset}| s > {bound} s");
    }
    let offset = median(offsets.into_iter().map(f64::abs).collect());
    measured("maser query, median offset", offset * 1e6, "µs");
    assert!(offset < OFFSET_MAX, "{offset} s");
}

#[test]
fn clients_that_know_only_port_123_agree() {
    let (Some(ntpdig), Some(ntpdate)) = (peer("ntpdig"), peer("ntpdate")) else { return };
    let Some(place) = Place::namespace() else { return };
    let _demo = Demo::start(&place, SocketAddr::from(([0, 0, 0, 0], 123)));
    for (name, program, arguments) in [
        ("ntpdig", &ntpdig, &["-j", "-p", "4", "127.0.0.1"][..]),
        ("ntpdate", &ntpdate, &["-q", "-p", "4", "127.0.0.1"][..]),
    ] {
        let answer = place.run(program, arguments);
        let text = said(&answer);
        let offset = match name {
            "ntpdig" => offset_of_ntpdig(&text),
            _ => offset_of_ntpdate(&text),
        };
        let offset = offset.unwrap_or_else(|| panic!("{name} found no time: {text}"));
        measured(&format!("{name}, offset"), offset * 1e6, "µs");
        assert!(offset.abs() < COARSE_OFFSET_MAX, "{name}: {offset} s");
    }
}

/// |offset| in s that `chronyd -Q` finds; it never sets the clock.
fn chronyd_once(place: &Place, chronyd: &Path, server: &str) -> f64 {
    let answer = place.run(chronyd, &["-Q", "-t", "10", "-u", "root", server]);
    let text = said(&answer);
    offset_of_chronyd(&text).unwrap_or_else(|| panic!("chronyd found no time: {text}")).abs()
}

/// `… System clock wrong by -0.000002 seconds (ignored)`
pub fn offset_of_chronyd(text: &str) -> Option<f64> {
    let (_, after) = text.split_once("System clock wrong by ")?;
    after.split_whitespace().next()?.parse().ok()
}

/// `{"time":"…","offset":-0.000012,…,"stratum":1,…}`
pub fn offset_of_ntpdig(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with('{'))?;
    let answer: serde_json::Value = serde_json::from_str(line).ok()?;
    if answer["stratum"] != 1 {
        return None;
    }
    answer["offset"].as_f64()
}

/// `server 127.0.0.1, stratum 1, offset -0.000002, delay 0.02563`
pub fn offset_of_ntpdate(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.contains("stratum 1, offset "))?;
    line.split_once("offset ")?.1.split(',').next()?.parse().ok()
}

#[test]
fn the_clients_words_are_understood() {
    let chronyd = "2026-01-01T00:00:00Z System clock wrong by -0.000002 seconds (ignored)";
    assert_eq!(offset_of_chronyd(chronyd), Some(-2e-6));
    assert_eq!(offset_of_chronyd("No suitable source for synchronisation"), None);
    let ntpdate = "server 127.0.0.1, stratum 1, offset 0.000003, delay 0.02563\n";
    assert_eq!(offset_of_ntpdate(ntpdate), Some(3e-6));
    let unsynchronised = "server 127.0.0.1, stratum 0, offset 0.000000, delay 0.00000\n";
    assert_eq!(offset_of_ntpdate(unsynchronised), None);
    assert_eq!(offset_of_ntpdig("{\"offset\":-0.5,\"stratum\":1}"), Some(-0.5));
    assert_eq!(offset_of_ntpdig("{\"offset\":-0.5,\"stratum\":2}"), None);
    assert_eq!(offset_of_ntpdig("ntpdig: no eligible servers"), None);
}
