//! Payloads written by hand from the receiver description.

use proptest::prelude::*;

use super::*;
use crate::time::{Date, Duration};
use crate::wire::gnss::TimeOfDay;

fn parsed(class: u8, id: u8, payload: &[u8]) -> Message {
    Message::parse(class, id, payload).unwrap().unwrap()
}

#[test]
fn tim_tp_field_by_field() {
    // 331 200 000.5 ms into week 1516; −1234 ps; UTC base, UTC available, RAIM active.
    let mut payload = [0; 16];
    payload[0..4].copy_from_slice(&331_200_000_u32.to_le_bytes());
    payload[4..8].copy_from_slice(&0x8000_0000_u32.to_le_bytes());
    payload[8..12].copy_from_slice(&(-1234_i32).to_le_bytes());
    payload[12..14].copy_from_slice(&1516_u16.to_le_bytes());
    payload[14] = 2 << 2 | 2 | 1;
    payload[15] = 0x32;
    let Message::TimTp(pulse) = parsed(0x0d, 0x01, &payload) else { panic!() };
    assert_eq!(pulse.week, 1516);
    assert_eq!(pulse.of_week.nanos(), 331_200_000_500_000);
    // Multiplied first, so that nothing is lost to nanoseconds.
    let error = pulse.quantization_error.unwrap() * 1000;
    assert!((error + Duration::from_nanos(1234)).abs() < Duration::NANOSECOND, "{error:?}");
    assert_eq!((pulse.base, pulse.utc_available), (TimeBase::Utc, true));
    assert_eq!((pulse.raim, pulse.time_reference, pulse.utc_standard), (Raim::Active, 2, 3));
    payload[14] = 0x10 | 1 << 2;
    let Message::TimTp(pulse) = parsed(0x0d, 0x01, &payload) else { panic!() };
    assert_eq!((pulse.quantization_error, pulse.raim), (None, Raim::Inactive));
    assert_eq!((pulse.base, pulse.utc_available), (TimeBase::Gnss, false));
}

#[test]
fn nav_timeutc_needs_its_flags() {
    let mut payload = [0; 20];
    payload[4..8].copy_from_slice(&25_u32.to_le_bytes());
    payload[8..12].copy_from_slice(&(-499_999_999_i32).to_le_bytes());
    payload[12..14].copy_from_slice(&2016_u16.to_le_bytes());
    payload[14..19].copy_from_slice(&[12, 31, 23, 59, 60]);
    for valid in 0..16 {
        payload[19] = valid;
        let Message::NavTimeUtc(utc) = parsed(0x01, 0x21, &payload) else { panic!() };
        let time = TimeOfDay::new(23, 59, 60, 0).filter(|_| valid & 1 != 0);
        let date = Date::new(2016, 12, 31).filter(|_| valid & 2 != 0);
        assert_eq!((utc.date, utc.time, utc.utc_known), (date, time, valid & 4 != 0));
        assert_eq!((utc.nanos, utc.accuracy.nanos()), (-499_999_999, 25));
    }
    payload[14] = 13;
    let Message::NavTimeUtc(utc) = parsed(0x01, 0x21, &payload) else { panic!() };
    assert_eq!(utc.date, None);
}

#[test]
fn nav_timegps() {
    let mut payload = [0; 16];
    payload[0..4].copy_from_slice(&1000_u32.to_le_bytes());
    payload[4..8].copy_from_slice(&(-500_000_i32).to_le_bytes());
    payload[8..10].copy_from_slice(&2047_u16.to_le_bytes());
    payload[10..12].copy_from_slice(&[18, 7]);
    let Message::NavTimeGps(gps) = parsed(0x01, 0x20, &payload) else { panic!() };
    assert_eq!(gps.of_week.map(Duration::nanos), Some(999_500_000));
    assert_eq!((gps.week, gps.ahead_of_utc), (Some(2047), Some(18)));
    payload[11] = 0;
    let Message::NavTimeGps(gps) = parsed(0x01, 0x20, &payload) else { panic!() };
    assert_eq!((gps.of_week, gps.week, gps.ahead_of_utc), (None, None, None));
}

#[test]
fn nav_timels() {
    let mut payload = [0; 24];
    payload[8..12].copy_from_slice(&[2, 17, 2, 1]);
    payload[12..16].copy_from_slice(&(-5_i32).to_le_bytes());
    payload[16..18].copy_from_slice(&1929_u16.to_le_bytes());
    payload[18..20].copy_from_slice(&7_u16.to_le_bytes());
    payload[23] = 3;
    let Message::NavTimeLs(leap) = parsed(0x01, 0x26, &payload) else { panic!() };
    assert_eq!((leap.ahead_of_utc, leap.source), (Some(17), 2));
    assert_eq!(leap.event, Some(LeapEvent { change: 1, seconds_until: -5, week: 1929, day: 7 }));
    payload[11] = 0;
    payload[23] = 2;
    let Message::NavTimeLs(leap) = parsed(0x01, 0x26, &payload) else { panic!() };
    assert_eq!((leap.ahead_of_utc, leap.event), (None, None));
}

#[test]
fn nav_pvt_old_and_new() {
    let mut payload = [0; 92];
    payload[4..6].copy_from_slice(&2018_u16.to_le_bytes());
    payload[6..12].copy_from_slice(&[10, 25, 20, 55, 46, 7]);
    payload[16..20].copy_from_slice(&(-8_i32).to_le_bytes());
    payload[20..24].copy_from_slice(&[5, 1, 0, 17]);
    for length in [84, 92] {
        let Message::NavPvt(fix) = parsed(0x01, 0x07, &payload[..length]) else { panic!() };
        assert_eq!(fix.date, Date::new(2018, 10, 25));
        assert_eq!(fix.time, TimeOfDay::new(20, 55, 46, 0));
        assert_eq!((fix.nanos, fix.fully_resolved), (-8, true));
        assert_eq!((fix.fix_type, fix.fix_ok, fix.satellites), (5, true, 17));
    }
}

#[test]
fn short_payloads_are_refused_and_strangers_pass() {
    for (class, id, length) in
        [(0x01, 0x07, 84), (0x01, 0x20, 16), (0x01, 0x21, 20), (0x01, 0x26, 24), (0x0d, 0x01, 16)]
    {
        let short = vec![0; length - 1];
        let refused = Message::parse(class, id, &short);
        assert_eq!(refused, Err(Malformed { class, id, length: length - 1 }));
        assert!(Message::parse(class, id, &vec![0xff; length]).unwrap().is_some());
    }
    assert_eq!(Message::parse(0x02, 0x15, &[]), Ok(None));
}

#[test]
fn a_frame_known_from_the_manuals() {
    // CFG-RATE polled: B5 62 06 08 00 00 0E 30.
    let mut out = [0; 8];
    assert_eq!(encode(0x06, 0x08, &[], &mut out), Some(8));
    assert_eq!(out, [0xb5, 0x62, 0x06, 0x08, 0x00, 0x00, 0x0e, 0x30]);
    assert_eq!(encode(0x06, 0x08, &[], &mut out[..7]), None);
    assert_eq!(encode(0x06, 0x08, &[0; 65_536], &mut [0; 65_544]), None);
}

proptest! {
    #[test]
    fn hostile_payloads_never_panic(
        which in 0usize..5,
        payload in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let (class, id) = [(1, 7), (1, 0x20), (1, 0x21), (1, 0x26), (0x0d, 1)][which];
        let _ = Message::parse(class, id, &payload);
    }
}
