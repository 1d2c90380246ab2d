//! Encoding and decoding of the C struct, without the kernel. The kernel is read in tests/clock.rs
//! and never asked to change anything.

use super::*;

#[test]
fn nothing_to_change_sets_no_mode() {
    assert_eq!(Adjustment::default().encode().unwrap().modes, 0);
}

#[test]
fn each_value_sets_its_own_mode_and_field() {
    let one = |adjustment: Adjustment| adjustment.encode().unwrap();
    let raw = one(Adjustment { frequency: Some(-65536), ..Adjustment::default() });
    assert_eq!((raw.modes, raw.freq), (0x0002, -65536));
    let raw = one(Adjustment { tick: Some(9999), ..Adjustment::default() });
    assert_eq!((raw.modes, raw.tick), (0x4000, 9999));
    let raw = one(Adjustment { offset: Some(-7), ..Adjustment::default() });
    assert_eq!((raw.modes, raw.offset), (0x2001, -7));
    let raw = one(Adjustment { maximum_error: Some(16), ..Adjustment::default() });
    assert_eq!((raw.modes, raw.maxerror), (0x0004, 16));
    let raw = one(Adjustment { estimated_error: Some(5), ..Adjustment::default() });
    assert_eq!((raw.modes, raw.esterror), (0x0008, 5));
    let raw = one(Adjustment { constant: Some(2), ..Adjustment::default() });
    assert_eq!((raw.modes, raw.constant), (0x0020, 2));
    let raw = one(Adjustment { tai: Some(37), ..Adjustment::default() });
    assert_eq!((raw.modes, raw.constant), (0x0080, 37));
    let raw = one(Adjustment { status: Some(Status::UNSYNCHRONISED), ..Adjustment::default() });
    assert_eq!((raw.modes, raw.status), (0x0010, 0x40));
}

#[test]
fn a_backward_step_counts_its_fraction_forward() {
    // The kernel refuses a negative fraction: −0.25 s is −1 s + 750 000 000 ns.
    let step = Timespec::from_nanoseconds(-250_000_000);
    let raw = Adjustment { step, ..Adjustment::default() }.encode().unwrap();
    assert_eq!(raw.modes, 0x2100);
    assert_eq!((raw.time.tv_sec, raw.time.tv_usec), (-1, 750_000_000));
}

#[test]
fn two_values_for_one_field_are_refused() {
    let both = Adjustment { constant: Some(2), tai: Some(37), ..Adjustment::default() };
    assert!(both.encode().is_none());
}

#[test]
fn status_nano_decides_the_unit_of_offset_time_and_jitter() {
    let mut raw = abi::zeroed_timex();
    raw.offset = -3;
    raw.jitter = 2;
    raw.time.tv_sec = 10;
    raw.time.tv_usec = 999_999;
    let micro = Timex::decode(&raw);
    assert_eq!((micro.offset, micro.pulses.jitter), (-3000, 2000));
    assert_eq!(micro.time, Timespec::new(10, 999_999_000).unwrap());
    raw.status = Status::NANOSECONDS.with(Status::PLL).0;
    let nano = Timex::decode(&raw);
    assert_eq!((nano.offset, nano.pulses.jitter), (-3, 2));
    assert_eq!(nano.time, Timespec::new(10, 999_999).unwrap());
    assert!(nano.status.contains(Status::PLL));
    assert!(!nano.status.without(Status::PLL).contains(Status::PLL));
}

#[test]
fn states_follow_the_numbers_of_timex_h() {
    use ClockState::{Delete, InProgress, Insert, Ok, Unsynchronised, Wait};
    let states: Vec<_> = (0..=6).map(ClockState::from_raw).collect();
    assert_eq!(states, [Ok, Insert, Delete, InProgress, Wait, Unsynchronised, Unsynchronised]);
}
