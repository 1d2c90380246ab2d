//! Doorbells and waiting, on the real kernel.

use maser_kernel::clock::{self, ClockId};
use maser_kernel::event::{EventFd, Interest, Watch, wait};
use std::os::fd::AsFd;
use std::time::Duration;

#[test]
fn a_bell_rings_once_for_many_rings() {
    let bell = EventFd::new().unwrap();
    assert!(!bell.clear());
    bell.ring();
    bell.ring();
    let mut watches = [Watch::new(bell.as_fd(), Interest::Read)];
    assert_eq!(wait(&mut watches, Some(Duration::ZERO)).unwrap(), 1);
    assert!(watches[0].readiness().readable);
    assert!(bell.clear());
    assert!(!bell.clear());
    assert_eq!(wait(&mut watches, Some(Duration::ZERO)).unwrap(), 0);
    assert!(!watches[0].readiness().any());
}

#[test]
fn a_ring_from_another_thread_ends_the_wait() {
    let bell = EventFd::new().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(20));
            bell.ring();
        });
        let mut watches = [Watch::new(bell.as_fd(), Interest::Read)];
        assert_eq!(wait(&mut watches, Some(Duration::from_secs(30))).unwrap(), 1);
    });
}

#[test]
fn a_timeout_is_not_early() {
    let bell = EventFd::new().unwrap();
    let start = clock::now(ClockId::Monotonic);
    let mut watches = [Watch::new(bell.as_fd(), Interest::Read)];
    assert_eq!(wait(&mut watches, Some(Duration::from_micros(2500))).unwrap(), 0);
    let elapsed = clock::now(ClockId::Monotonic).nanoseconds_since(start);
    assert!(elapsed >= 2_500_000, "{elapsed} ns");
}

#[test]
fn only_the_ready_one_is_reported_and_hang_up_is() {
    let (quiet, bell) = (EventFd::new().unwrap(), EventFd::new().unwrap());
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    bell.ring();
    drop(far);
    let mut watches = [
        Watch::new(quiet.as_fd(), Interest::Read),
        Watch::new(bell.as_fd(), Interest::Read),
        Watch::new(near.as_fd(), Interest::Error),
        Watch::new(quiet.as_fd(), Interest::Write),
    ];
    assert_eq!(wait(&mut watches, None).unwrap(), 3);
    let [first, second, third, fourth] = watches.map(|watch| watch.readiness());
    assert!(!first.any());
    assert!(second.readable && !second.writable);
    assert!(third.hung_up && !third.readable);
    assert!(fourth.writable && !fourth.readable);
}
