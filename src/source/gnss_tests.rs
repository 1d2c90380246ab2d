//! Lines of a receiver, and what they tell.

use super::*;
use crate::wire::gnss::ubx;

fn system(millis: i64) -> Timestamp<System> {
    Timestamp::from_seconds(1_800_000_000) + Duration::from_millis(millis)
}

fn gnss() -> Gnss {
    Gnss::new(Timestamp::from_seconds(1_700_000_000))
}

fn sentence(body: &str) -> Vec<u8> {
    format!("${body}*{:02X}\r\n", nmea::checksum(body.as_bytes())).into_bytes()
}

/// Feeds (milliseconds, bytes) and collects what is told.
fn told(gnss: &mut Gnss, reads: &[(i64, Vec<u8>)]) -> Vec<Dated> {
    let mut told = Vec::new();
    for (millis, bytes) in reads {
        gnss.handle(bytes, system(*millis), &mut |dated| told.push(dated));
    }
    told
}

fn labels(told: &[Dated]) -> Vec<(i64, String)> {
    told.iter()
        .filter_map(|(at, kind)| match kind {
            ReadingKind::Label { utc } => {
                Some(((*at - system(0)).round_millis(), utc.to_string()[..19].to_owned()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn an_epoch_is_labelled_once_and_dated_by_its_first_sentence() {
    let reads = [
        (200, sentence("GNGGA,120000.00,4404.1,N,12118.8,W,1,09,0.9,1.0,M,1.0,M,,")),
        (300, sentence("GNRMC,120000.00,A,4404.1,N,12118.8,W,0.1,,241126,,,A")),
        (400, sentence("GNZDA,120000.00,24,11,2026,00,00")),
        (1200, sentence("GNGGA,120001.00,4404.1,N,12118.8,W,1,09,0.9,1.0,M,1.0,M,,")),
        (1300, sentence("GNRMC,120001.00,A,4404.1,N,12118.8,W,0.1,,241126,,,A")),
    ];
    assert_eq!(
        labels(&told(&mut gnss(), &reads)),
        [(200, "2026-11-24T12:00:00".to_owned()), (1200, "2026-11-24T12:00:01".to_owned())]
    );
}

#[test]
fn a_sentence_spread_over_reads_is_dated_by_the_first_of_them() {
    let whole = sentence("GNRMC,120000.00,A,4404.1,N,12118.8,W,0.1,,241126,,,A");
    let (head, tail) = whole.split_at(1);
    let reads = [(100, head.to_vec()), (900, tail.to_vec())];
    assert_eq!(labels(&told(&mut gnss(), &reads))[0].0, 100);
}

#[test]
fn nothing_is_labelled_without_a_fix() {
    let reads = [
        (200, sentence("GNRMC,120000.00,V,,,,,,,241126,,,N")),
        (300, sentence("GNZDA,120000.00,24,11,2026,00,00")),
    ];
    let told = told(&mut gnss(), &reads);
    assert_eq!(labels(&told), []);
    assert!(told.iter().any(|(_, k)| *k == ReadingKind::Refused(Refusal::Invalid)));
}

#[test]
fn zda_alone_is_believed() {
    let reads = [(200, sentence("GPZDA,120000.00,24,11,2026,00,00"))];
    assert_eq!(labels(&told(&mut gnss(), &reads)).len(), 1);
}

#[test]
fn a_leap_second_is_no_label() {
    let reads = [
        (200, sentence("GPRMC,235960.00,A,4404.1,N,12118.8,W,0.1,,311226,,,A")),
        (1200, sentence("GPRMC,000000.00,A,4404.1,N,12118.8,W,0.1,,010127,,,A")),
    ];
    assert_eq!(labels(&told(&mut gnss(), &reads))[0].1, "2027-01-01T00:00:00");
}

#[test]
fn a_rolled_over_week_is_moved_and_said_once() {
    let reads = [
        (200, sentence("GPRMC,120000.00,A,4404.1,N,12118.8,W,0.1,,100407,,,A")),
        (1200, sentence("GPRMC,120001.00,A,4404.1,N,12118.8,W,0.1,,100407,,,A")),
    ];
    let told = told(&mut gnss(), &reads);
    assert_eq!(labels(&told)[1].1, "2026-11-24T12:00:01");
    let said = told.iter().filter(|(_, k)| *k == ReadingKind::Rollover { eras: 1 }).count();
    assert_eq!(said, 1);
}

fn tim_tp(of_week_ms: u32, week: u16, picoseconds: i32, flags: u8) -> Vec<u8> {
    let mut payload = [0; 16];
    payload[..4].copy_from_slice(&of_week_ms.to_le_bytes());
    payload[8..12].copy_from_slice(&picoseconds.to_le_bytes());
    payload[12..14].copy_from_slice(&week.to_le_bytes());
    payload[14] = flags;
    let mut out = [0; 64];
    let length = ubx::encode(0x0d, 0x01, &payload, &mut out).unwrap();
    out[..length].to_vec()
}

fn quantization(told: &[Dated]) -> Vec<(f64, Option<i64>)> {
    told.iter()
        .filter_map(|(_, kind)| match kind {
            ReadingKind::QuantizationError { error, second } => {
                Some((libm::rint(error.seconds() * 1e12), second.map(Timestamp::seconds)))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_correction_names_the_second_of_its_pulse() {
    // Week 2438 begins on 2026-09-27, so this is 2026-09-27T00:00:10Z.
    let utc_base = tim_tp(10_000, 2438, 12_000, 0b11);
    let gps_base = tim_tp(28_000, 2438, -12_500, 0b10);
    let mut machine = gnss();
    let told_first = told(&mut machine, &[(0, utc_base), (1000, gps_base.clone())]);
    let second = 315_964_800 + 2438 * 604_800 + 10;
    assert_eq!(quantization(&told_first), [(12_000.0, Some(second)), (-12_500.0, None)]);
    let mut time_ls = [0; 24];
    time_ls[9] = 18;
    time_ls[23] = 0b11;
    let mut out = [0; 64];
    let length = ubx::encode(0x01, 0x26, &time_ls, &mut out).unwrap();
    let after = told(&mut machine, &[(1500, out[..length].to_vec()), (2000, gps_base)]);
    assert_eq!(quantization(&after), [(-12_500.0, Some(second))]);
}

#[test]
fn a_leap_is_announced_in_its_month_only() {
    let announced = |days: i32| {
        let mut payload = [0; 24];
        payload[9] = 18;
        payload[11] = 1;
        payload[12..16].copy_from_slice(&(days * 86_400).to_le_bytes());
        payload[23] = 0b11;
        let mut out = [0; 64];
        let length = ubx::encode(0x01, 0x26, &payload, &mut out).unwrap();
        let reads = [
            (200, sentence("GNRMC,120000.00,A,4404.1,N,12118.8,W,0.1,,241126,,,A")),
            (300, out[..length].to_vec()),
        ];
        told(&mut gnss(), &reads).into_iter().find_map(|(_, kind)| match kind {
            ReadingKind::Receiver(status) => Some(status.leap),
            _ => None,
        })
    };
    assert_eq!(announced(6), Some(LeapIndicator::Insert));
    assert_eq!(announced(37), Some(LeapIndicator::None));
    assert_eq!(announced(120), Some(LeapIndicator::None));
}

#[test]
fn an_unknown_quantization_error_is_not_told() {
    let reads = [(0, tim_tp(10_000, 2438, 12_000, 0b1_0011))];
    assert_eq!(quantization(&told(&mut gnss(), &reads)), []);
}

#[test]
fn a_line_of_noise_is_a_few_refusals_a_read() {
    let noise: Vec<u8> = (0..4000u32).map(|i| b"$GP*,0\xb5\x62"[(i * 7 % 8) as usize]).collect();
    let told = told(&mut gnss(), &[(0, noise)]);
    assert!((1..=20).contains(&told.len()), "{}", told.len());
    assert!(told.iter().all(|(_, kind)| matches!(kind, ReadingKind::Refused(_))));
}

#[test]
fn the_receivers_state_is_told_when_it_changes() {
    let gga =
        |used| sentence(&format!("GNGGA,120000.00,4404.1,N,12118.8,W,1,{used},0.9,1.0,M,1.0,M,,"));
    let reads = [
        (0, sentence("GNGSA,A,3,01,02,03,,,,,,,,,,1.5,0.9,1.2")),
        (10, sentence("GPGSV,1,1,03,01,53,280,36,03,29,301,24,04,55,223,37")),
        (20, gga("09")),
        (1000, gga("09")),
        (2000, gga("11")),
    ];
    let statuses: Vec<ReceiverStatus> = told(&mut gnss(), &reads)
        .into_iter()
        .filter_map(|(_, kind)| match kind {
            ReadingKind::Receiver(status) => Some(status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses.len(), 2);
    assert_eq!(statuses[0].fix, Fix::ThreeDimensional);
    assert_eq!((statuses[0].satellites_used, statuses[0].satellites_in_view), (9, 3));
    assert_eq!(statuses[1].satellites_used, 11);
}
