//! The machine's clocks, read only: nothing here may change one.

use maser_kernel::clock::{self, ClockId};
use std::os::fd::AsFd;

#[test]
#[expect(clippy::disallowed_types, reason = "std is the judge of what we read")]
fn clocks_agree_with_std_and_go_forward() {
    let std = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let ours = clock::now(ClockId::Realtime).total_nanoseconds();
    let apart = ours - i128::try_from(std.as_nanos()).unwrap();
    assert!(apart.abs() < 1_000_000_000, "{apart} ns apart");
    for id in [ClockId::Monotonic, ClockId::MonotonicRaw, ClockId::Boottime] {
        let (first, second) = (clock::now(id), clock::now(id));
        assert!(first <= second, "{id:?} went back");
        assert!(first.seconds() > 0, "{id:?} is unread");
    }
}

#[test]
fn resolution_is_a_nanosecond_or_a_tick() {
    let resolution = clock::resolution(ClockId::Realtime).unwrap();
    assert!((1..=10_000_000).contains(&resolution.total_nanoseconds()), "{resolution:?}");
}

#[test]
fn discipline_is_read_without_privilege() {
    let (_, timex) = clock::read(ClockId::Realtime).unwrap();
    let apart = clock::now(ClockId::Realtime).nanoseconds_since(timex.time);
    assert!((0..1_000_000_000).contains(&apart), "{apart} ns apart");
    // include/linux/timex.h: MAXFREQ is 500 ppm, the tick is 10 000 µs ± 10 %.
    assert_eq!(timex.tolerance, 500 << 16);
    assert!(timex.frequency.abs() <= timex.tolerance);
    assert!((9_000..=11_000).contains(&timex.tick), "{}", timex.tick);
    let tai = clock::now(ClockId::Tai).nanoseconds_since(clock::now(ClockId::Realtime));
    assert!((tai - i128::from(timex.tai) * 1_000_000_000).abs() < 1_000_000_000, "{tai}");
}

#[test]
fn what_is_no_clock_says_so() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = clock::time(file.as_fd()).unwrap_err();
    assert_eq!(error.call(), "clock_gettime");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    // MONOTONIC exists but has no discipline of its own.
    assert!(clock::read(ClockId::Monotonic).is_err());
}
