//! Queries of a little server on loopback that answers by [`respond`], over real sockets.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::host::clock::StampClock;
use crate::server::{Clients, Policy, REPLY_MAX, Request, TableSize, respond};
use crate::state::{ErrorTerms, Phase, State, Term};
use crate::time::{Duration as Span, LeapIndicator};

/// Answers until dropped; before each answer it does to the socket what `before` says.
struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start(bind: &str, state: State, before: fn(&UdpSocket, SocketAddr)) -> Option<Self> {
        let socket = UdpSocket::bind(bind).ok()?;
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let clock = StampClock::default();
            let mut clients = Clients::new(TableSize::default(), [1, 2]);
            let policy = Policy { rate: None, ..Policy::default() };
            let mut buffer = [0; 1024];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
                let now = clock.now();
                let bytes = &buffer[..length];
                let request = Request { bytes, source, received: Some(now), now, smear: None };
                let answer = respond(&request, &state, &policy, &mut clients);
                before(&socket, source);
                let mut out = [0; REPLY_MAX];
                let length = answer.reply().unwrap().write(clock.now(), &mut out);
                socket.send_to(&out[..length], source).unwrap();
            }
        });
        Some(Self { address, stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Served time is 400 ms ahead of this machine, ± 1 ms.
fn state() -> State {
    State {
        phase: Phase::Locked,
        anchor: StampClock::default().now(),
        correction: Span::from_millis(400),
        fixed: ErrorTerms::NONE.with(Term::Declared, 1e-3),
        stratum: 1,
        reference_id: *b"GPS\0",
        leap: LeapIndicator::None,
        ..State::default()
    }
}

fn args(server: SocketAddr, samples: u32) -> QueryArgs {
    let timeout = Duration::from_millis(500);
    QueryArgs { server: server.to_string(), samples, json: true, timeout }
}

fn nothing(_: &UdpSocket, _: SocketAddr) {}

#[test]
fn a_server_ahead_is_measured_by_kernel_stamps() {
    let server = Server::start("127.0.0.1:0", state(), nothing).unwrap();
    let report = query(&args(server.address, 4)).unwrap();
    let best = &report.best;
    assert!((best.offset_ns - 4e8).abs() < best.delay_ns / 2.0 + 1e3, "{best:?}");
    assert!(best.delay_ns > 0.0 && best.delay_ns < 1e8, "{best:?}");
    assert!(best.bound_ns >= 1e6 + best.delay_ns / 2.0 && best.bound_ns < 1e8, "{best:?}");
    assert_eq!((best.stratum, best.reference_id.as_str(), best.leap), (1, "GPS", "none"));
    assert_eq!(best.stamps, measure::StampedBy::Kernel);
    assert_eq!((report.requests, report.samples.len()), (4, 4));
    assert!(report.samples.iter().all(|sample| sample.delay_ns >= best.delay_ns));

    let json = serde_json::to_value(&report).unwrap();
    for name in [
        "offset_ns",
        "delay_ns",
        "bound_ns",
        "stratum",
        "leap",
        "reference_id",
        "samples",
        "stamps",
    ] {
        assert!(json.get(name).is_some(), "{name}");
    }
    assert_eq!((&json["stamps"], json["samples"].as_array().unwrap().len()), (&"kernel".into(), 4));
    let text = report.to_string();
    assert!(text.contains("this machine is behind the server"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("Answers         4 of 4")), "{text}");
}

#[test]
fn ipv6_is_asked_as_well() {
    // A machine without IPv6 has no such loopback.
    let Some(server) = Server::start("[::1]:0", state(), nothing) else { return };
    let report = query(&args(server.address, 1)).unwrap();
    assert!((report.best.offset_ns - 4e8).abs() < report.best.delay_ns + 1e3);
}

#[test]
fn an_unsynchronised_answer_has_its_own_exit_code() {
    let server = Server::start("127.0.0.1:0", State::default(), nothing).unwrap();
    let report = query(&args(server.address, 1)).unwrap();
    assert!(!report.best.synchronised);
    assert_eq!((report.best.reference_id.as_str(), report.best.leap), ("INIT", "unknown"));
    assert!(report.to_string().contains("does not know the time"));
    let failure = run(&args(server.address, 1)).unwrap_err();
    assert_eq!(failure.code(), 4);
}

#[test]
fn strays_are_not_taken_for_the_answer() {
    fn forge(socket: &UdpSocket, to: SocketAddr) {
        // An answer to nothing that was asked, and half of one.
        let mut packet = [0; 48];
        (packet[0], packet[1]) = (0b00_100_100, 1);
        socket.send_to(&packet, to).unwrap();
        socket.send_to(&packet[..20], to).unwrap();
    }
    let server = Server::start("127.0.0.1:0", state(), forge).unwrap();
    let report = query(&args(server.address, 2)).unwrap();
    assert_eq!(report.samples.len(), 2);
    assert!((report.best.offset_ns - 4e8).abs() < 1e8);
}

#[test]
fn silence_and_refusal_are_told_apart() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let timeout = Duration::from_millis(100);
    let failure = query(&QueryArgs { timeout, ..args(address, 4) }).unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains("no answer within 100ms"), "{failure}");
    drop(silent);
    let failure = query(&args(address, 4)).unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains("Connection refused"), "{failure}");
}

#[test]
fn servers_are_named_in_many_ways() {
    let one = |text: &str| resolve(text).unwrap()[0].to_string();
    assert_eq!(one("192.0.2.1"), "192.0.2.1:123");
    assert_eq!(one("192.0.2.1:11123"), "192.0.2.1:11123");
    assert_eq!(one("2001:db8::1"), "[2001:db8::1]:123");
    assert_eq!(one("[2001:db8::1]:11123"), "[2001:db8::1]:11123");
    assert!(resolve("localhost:4").unwrap().iter().all(|address| address.port() == 4));
    assert_eq!(resolve("localhost:ntp").unwrap_err().code(), 2);
    assert_eq!(resolve("localhost:0").unwrap_err().code(), 2);
    for text in ["", ":123", "[::1", "::1]", "[::1]:0", "192.0.2.1:0", "[::zz]:123", "a b"] {
        assert_eq!(resolve(text).unwrap_err().code(), 2, "{text}");
    }
    assert_eq!(resolve("no-such-host.invalid").unwrap_err().code(), 3);
}
