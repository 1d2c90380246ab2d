//! The packet paths allocate nothing after creation.

use maser_kernel::allocation::{self, Counting};
use maser_kernel::clock::{self, ClockId};
use maser_kernel::event::{EventFd, Interest, Watch, wait};
use maser_kernel::socket::{
    Arena, Envelope, Notice, Options, Outbox, Outcome, Stamping, TimestampingSocket,
};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_counter_counts_this_thread_only() {
    let before = allocation::count();
    let mut bytes = std::hint::black_box(vec![1_u8]);
    assert_eq!(allocation::count(), before + 1);
    bytes.reserve_exact(4096);
    assert_eq!(allocation::count(), before + 2);
    std::thread::scope(|scope| {
        let spawned = allocation::count();
        let other = scope.spawn(|| {
            let before = allocation::count();
            drop(std::hint::black_box(vec![1_u8; 1000]));
            allocation::count() - before
        });
        let here = allocation::count();
        assert_eq!(other.join().unwrap(), 1);
        assert!(here >= spawned);
    });
}

#[test]
fn receiving_replying_and_draining_allocate_nothing() {
    let stamping = Stamping { software: true, hardware: false };
    let options = Options { stamping, report_icmp: true, ..Options::default() };
    let local = (Ipv4Addr::LOCALHOST, 0).into();
    let mut server = TimestampingSocket::bind(local, &options).unwrap();
    let mut client = TimestampingSocket::bind(local, &options).unwrap();
    let to = server.local_address().unwrap();
    let nowhere = (Ipv4Addr::BROADCAST, 9).into();
    let (mut arena, mut outbox) = (Arena::new(8, 128), Outbox::new(8, 128));
    let mut reports = Arena::new(8, 128);
    let bell = EventFd::new().unwrap();

    let before = allocation::count();
    let (mut served, mut stamps, mut failed) = (0, 0, 0);
    for _ in 0..20 {
        client.send_to(b"request", Envelope { to, from: None, stamp: true }).unwrap();
        bell.ring();
        let mut watches = [
            Watch::new(server.as_fd(), Interest::ReadPriority),
            Watch::new(bell.as_fd(), Interest::Read),
        ];
        wait(&mut watches, Some(Duration::from_secs(1))).unwrap();
        bell.clear();
        // The last call finds nothing, and that costs nothing either.
        while server.receive(&mut arena).unwrap() > 0 {
            outbox.clear();
            for request in arena.iter() {
                let envelope =
                    Envelope { to: request.source, from: request.reply_from(), stamp: true };
                outbox.push(request.bytes, envelope).unwrap();
                outbox.push(b"lost", Envelope { to: nowhere, ..envelope }).unwrap();
            }
            served += server.send(&mut outbox);
            failed += outbox.outcomes().filter(|o| matches!(o, Outcome::Failed(_))).count();
        }
        while server.receive_errors(&mut reports).unwrap() > 0 {
            stamps += reports.notices().filter(|n| matches!(n, Notice::Stamp(_))).count();
        }
        clock::now(ClockId::Realtime);
    }
    assert_eq!(allocation::count() - before, 0);
    assert_eq!((served, stamps, failed), (20, 20, 20));
}
