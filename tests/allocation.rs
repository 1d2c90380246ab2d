//! The hot paths allocate nothing once their tables are built.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use core::hint::black_box;
use core::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use maser::host::clock::StampClock;
use maser::host::service::{self, Post, Service, ServiceReport};
use maser::pipe::snapshot;
use maser::server::{
    Access, AccessTable, Clients, Outcome, Policy, REPLY_MAX, Request, Rule, TableSize, respond,
};
use maser::state::State;
use maser::time::{Duration, LeapIndicator, Timestamp};
use maser_kernel::allocation::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn allocations_are_counted() {
    let before = allocation::count();
    black_box(Box::new(1));
    assert_eq!(allocation::count(), before + 1);
}

/// A whole service thread over real sockets: whatever it allocates, it allocates at its start.
#[test]
fn serving_allocates_nothing_however_many_ask() {
    let (few, many) = (allocations_of_a_service(50), allocations_of_a_service(5000));
    assert_eq!(few, many);
}

/// Runs a service in this thread while another asks `requests` times; counts this thread's
/// allocations.
fn allocations_of_a_service(requests: u32) -> u64 {
    let state = State { stratum: 1, leap: LeapIndicator::None, ..State::default() };
    let (_publisher, state) = snapshot(state);
    let (report, told) = snapshot(ServiceReport::default());
    let stop = Arc::new(AtomicBool::new(false));
    let mut doors = service::bind(&[("127.0.0.1:0".parse().unwrap(), None)], 1).unwrap();
    let address = doors[0][0].address().unwrap();
    let post = Post {
        clock: StampClock::default(),
        state,
        policy: Arc::new(Policy { rate: None, ..Policy::default() }),
        clients: Clients::new(TableSize::default(), [1, 2]),
        report,
        stop: Arc::clone(&stop),
    };
    let service = Service::new(doors.remove(0), post);
    let asking = std::thread::spawn(move || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
        let mut reply = [0; 64];
        let mut request = [0; 48];
        request[0] = 0x23;
        for n in 0..requests {
            // Basic and interleaved mode in turn, a hundred requests each.
            let origin = if n / 100 % 2 == 0 { [0; 8] } else { reply[32..40].try_into().unwrap() };
            request[24..32].copy_from_slice(&origin);
            request[40..44].copy_from_slice(&(n + 1).to_be_bytes());
            socket.send(&request).unwrap();
            assert_eq!(socket.recv(&mut reply).unwrap(), 48);
            // The origin says in which mode the answer is.
            assert!(reply[24..32] == request[40..48] || n % 200 > 100 && reply[24..32] == [0; 8]);
        }
        // It reports ten times a second.
        std::thread::sleep(std::time::Duration::from_millis(400));
        stop.store(true, Ordering::Relaxed);
    });
    let before = allocation::count();
    service.run();
    let allocated = allocation::count() - before;
    asking.join().unwrap();
    let counters = told.read().counters;
    let interleaved = counters.of(Outcome::ServedInterleaved);
    assert_eq!(counters.of(Outcome::Served) + interleaved, u64::from(requests));
    // All but the first of each hundred, if no stamp comes later than the next request.
    let most = u64::from(requests / 200 * 99);
    assert!((most / 2..=most).contains(&interleaved), "{interleaved} of {most}");
    allocated
}

/// Ten thousand requests: known, new and evicted clients, limited, denied and ignored ones, in both
/// modes, with fields, with authenticators, and rubbish.
#[test]
fn answering_allocates_nothing() {
    let rules = ["10.1.0.0/16 deny", "10.2.0.0/16 ignore"].map(|line| {
        let (prefix, access) = line.split_once(' ').unwrap();
        let access = if access == "deny" { Access::Deny } else { Access::Ignore };
        Rule { prefix: prefix.parse().unwrap(), access }
    });
    let access = AccessTable::new(Access::Allow, &rules);
    let policy = Policy { access, ..Policy::default() };
    let state = State { stratum: 1, leap: LeapIndicator::None, ..State::default() };
    let mut clients = Clients::new(TableSize { clients: 256, ..TableSize::default() }, [5, 6]);
    let mut datagrams = datagrams();
    let mut receive = [0; 8];

    let before = allocation::count();
    for n in 0..10_000u32 {
        let now = Timestamp::EPOCH + Duration::from_micros(i64::from(n) * 10);
        let place = n as usize % datagrams.len();
        // Bits that wander through rules, ports and hosts; every eighth is the same host, and so
        // is the one that quotes.
        let is_same = n % 8 == 0 || place == INTERLEAVED;
        let host = if is_same { 0 } else { n.wrapping_mul(0x9e37_79b9) >> 14 };
        let source = SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 | host), 1000));
        if place == INTERLEAVED {
            datagrams[place][24..32].copy_from_slice(&receive);
        }
        let bytes = &datagrams[place];
        let request = Request { bytes, source, received: Some(now), now, smear: None };
        if let Some(reply) = respond(&request, &state, &policy, &mut clients).reply() {
            if let Some(departure) = reply.departure(source.ip(), now) {
                clients.note_sent(&departure, now);
            }
            let mut out = [0; REPLY_MAX];
            black_box(reply.write(now, black_box(&mut out)));
            if host == 0 && out[1] > 0 {
                receive.copy_from_slice(&out[32..40]);
            }
        }
    }
    assert_eq!(allocation::count() - before, 0);

    // The mixture was one: every way out was taken.
    let counters = clients.counters();
    assert_eq!((counters.requests(), clients.len()), (10_000, 256));
    for outcome in [
        Outcome::Served,
        Outcome::ServedInterleaved,
        Outcome::ServedSymmetric,
        Outcome::KissRate,
        Outcome::KissDeny,
        Outcome::Limited,
        Outcome::Ignored,
        Outcome::Short,
        Outcome::Version,
        Outcome::Control,
        Outcome::Malformed,
        Outcome::Unauthenticated,
    ] {
        assert!(counters.of(outcome) > 0, "{outcome}");
    }
}

/// The place of the request that quotes the receive timestamp of an answer.
const INTERLEAVED: usize = 9;

fn datagrams() -> Vec<Vec<u8>> {
    let plain = |first: u8, length: usize| {
        let mut bytes = vec![0; length];
        bytes[0] = first;
        bytes
    };
    let mut field = plain(0x23, 48 + 28);
    field[48..52].copy_from_slice(&[0x01, 0x04, 0, 28]);
    let mut interleaved = plain(0x23, 48);
    interleaved[47] = 1;
    let mut keyed = plain(0x23, 68);
    keyed[52..].fill(9);
    vec![
        plain(0x23, 48),
        plain(0x1b, 48),
        plain(0x19, 48),
        field,
        keyed,
        plain(0x16, 12),
        plain(0x23, 47),
        plain(0x2b, 48),
        plain(0x23, 51),
        interleaved,
    ]
}
