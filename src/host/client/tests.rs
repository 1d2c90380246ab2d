//! The client thread against a small server on this machine's loopback.

use std::net::{ToSocketAddrs, UdpSocket};
use std::time::Instant;

use super::*;
use crate::pipe::{Consumer, ring, snapshot};
use crate::sample::ReadingKind;
use crate::time::{Duration, Exponent};
use crate::wire::ntp::{Header, Mode, ReferenceId, Version};

/// A client of one server, on a thread.
struct Asking {
    readings: Consumer<Reading>,
    place: Reader<Place>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Asking {
    fn start(host: &str, port: u16) -> Self {
        let (producer, readings) = ring(1024);
        let (publisher, place) = snapshot(Place::default());
        let report = SourceReport::silent(SourceId(5), 0);
        let plan = AssociationPlan {
            poll_min: Exponent(-3),
            poll_max: Exponent(0),
            iburst: false,
            burst: false,
            interleaved: false,
            version: Version::V4,
        };
        let post = Post {
            source: SourceId(5),
            name: "server".to_owned(),
            host: host.to_owned(),
            port,
            plan,
            ring: producer,
            report: snapshot(report).1,
            place: publisher,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let doorbell = Arc::new(EventFd::new().unwrap());
        let clock = StampClock::default();
        let client = Client::new(vec![post], clock, doorbell, Arc::clone(&stop)).unwrap();
        let thread = Some(std::thread::spawn(move || client.run()));
        Self { readings, place, stop, thread }
    }

    /// Readings until one satisfies, within 10 s; that one is the last.
    fn until(&mut self, mut satisfies: impl FnMut(&ReadingKind) -> bool) -> Vec<Reading> {
        let begin = Instant::now();
        let mut all = Vec::new();
        while begin.elapsed() < Pause::from_secs(10) {
            match self.readings.pop() {
                Some(reading) => {
                    all.push(reading);
                    if satisfies(&reading.kind) {
                        return all;
                    }
                }
                None => std::thread::sleep(Pause::from_millis(1)),
            }
        }
        panic!("not heard: {all:?}");
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers `count` requests at an address, and tells the ports they came from.
fn serve(socket: UdpSocket, count: usize) -> std::thread::JoinHandle<Vec<u16>> {
    socket.set_read_timeout(Some(Pause::from_secs(10))).unwrap();
    std::thread::spawn(move || {
        let clock = StampClock::default();
        let mut buffer = [0; 100];
        (0..count)
            .map(|_| {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                let (request, _) = Header::parse(&buffer[..length]).unwrap();
                let now = crate::time::NtpTimestamp::of(clock.now());
                let reply = Header {
                    mode: Mode::Server,
                    stratum: 1,
                    reference_id: ReferenceId(*b"GPS\0"),
                    origin: request.transmit,
                    receive: now,
                    transmit: now,
                    ..request
                };
                let mut out = [0; Header::LENGTH];
                reply.write(&mut out);
                socket.send_to(&out, from).unwrap();
                from.port()
            })
            .collect()
    })
}

fn is_exchange(kind: &ReadingKind) -> bool {
    matches!(kind, ReadingKind::Exchange(_))
}

#[test]
fn a_request_is_stamped_answered_and_told() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let server = serve(socket, 5);
    let mut asking = Asking::start("127.0.0.1", port);
    let readings = asking.until(is_exchange);
    assert!(readings.iter().all(|reading| reading.source == SourceId(5)));
    let kinds: Vec<ReadingKind> = readings.iter().map(|reading| reading.kind).collect();
    assert_eq!(
        kinds[..2],
        [ReadingKind::Address { id: [127, 0, 0, 1] }, ReadingKind::Polled { reach: 0 }]
    );
    let last = readings.last().unwrap();
    let ReadingKind::Exchange(exchange) = last.kind else { panic!("{last:?}") };
    assert!(last.stamp > exchange.sent);
    // One clock on both sides: T1 ≤ T2 ≤ T4.
    let ahead = |by: Duration| by > -Duration::from_micros(1);
    assert!(ahead(exchange.received.offset_from(exchange.sent)), "{exchange:?}");
    assert!(ahead(-exchange.transmitted.offset_from(last.stamp)), "{exchange:?}");
    for _ in 0..4 {
        asking.until(is_exchange);
    }
    let mut ports = server.join().unwrap();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 5, "each request comes from a port of its own");
    assert_eq!(asking.place.read().0, Some(([127, 0, 0, 1], port).into()));
}

#[test]
fn a_server_that_is_down_costs_one_attempt_each_interval() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let mut asking = Asking::start("127.0.0.1", port);
    let begin = Instant::now();
    let mut polls = 0;
    asking.until(|kind| {
        polls += i32::from(matches!(kind, ReadingKind::Polled { reach: 0 }));
        polls == 3
    });
    // Nothing is asked more often than once a second while nothing answers.
    assert!(begin.elapsed() > Pause::from_millis(1900), "{:?}", begin.elapsed());
    let server = serve(UdpSocket::bind(("127.0.0.1", port)).unwrap(), 1);
    asking.until(is_exchange);
    server.join().unwrap();
}

#[test]
fn the_next_address_of_a_name_is_tried() {
    let names = ("localhost", 0).to_socket_addrs().map(|all| all.collect::<Vec<_>>());
    let Some(second) = names.ok().and_then(|all| all.get(1).copied()) else {
        println!("skipped: localhost has one address here");
        return;
    };
    let socket = UdpSocket::bind((second.ip(), 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    let server = serve(socket, 1);
    let mut asking = Asking::start("localhost", port);
    asking.until(is_exchange);
    server.join().unwrap();
    assert_eq!(asking.place.read().0.unwrap().ip(), second.ip());
}
