//! Sentences of receivers old and new, without a fix, and wrong in every field.

use proptest::prelude::*;

use super::*;

/// Adds `$` and the checksum.
fn sealed(body: &str) -> Vec<u8> {
    format!("${body}*{:02X}\r\n", checksum(body.as_bytes())).into_bytes()
}

fn kind(body: &str) -> Result<Kind, Malformed> {
    parse(&sealed(body)).map(|sentence| sentence.unwrap().kind)
}

fn time(hour: u8, minute: u8, second: u8, nanos: u32) -> Option<TimeOfDay> {
    Some(TimeOfDay::new(hour, minute, second, nanos).unwrap())
}

#[test]
fn rmc_of_several_ages() {
    let date = TwoDigitDate::new(15, 4, 13);
    let rmc = Rmc { time: time(20, 26, 40, 0), valid: true, date, mode: None };
    // Before 2.3 without mode, since 2.3 with it, since 4.1 with a navigational status.
    let body = "GPRMC,202640.000,A,4404.1306,N,12118.8515,W,0.03,225.97,130415,,";
    let differential = Rmc { mode: Some(FixMode::Differential), ..rmc };
    assert_eq!(kind(body), Ok(Kind::Rmc(rmc)));
    assert_eq!(kind(&format!("{body},D")), Ok(Kind::Rmc(differential)));
    assert_eq!(kind(&format!("{body},D,V")), Ok(Kind::Rmc(differential)));
    let ends_with_the_date = "GPRMC,202640.000,A,4404.1306,N,12118.8515,W,0.03,225.97,130415";
    assert_eq!(kind(ends_with_the_date), Ok(Kind::Rmc(rmc)));
}

#[test]
fn a_receiver_without_a_fix() {
    let mode = Some(FixMode::NoFix);
    let rmc = Rmc { time: None, valid: false, date: None, mode };
    assert_eq!(kind("GPRMC,,V,,,,,,,,,,N"), Ok(Kind::Rmc(rmc)));
    assert_eq!(kind("GNGLL,,,,,,V,N"), Ok(Kind::Gll(Gll { time: None, valid: false, mode })));
    assert_eq!(kind("GPZDA,,,,,,"), Ok(Kind::Zda(Zda { time: None, date: None })));
    let gga = Gga { time: None, quality: Quality::NoFix, satellites: None, hdop: None };
    assert_eq!(kind("GPGGA,,,,,,,,,,,,,,"), Ok(Kind::Gga(gga)));
    let Ok(Kind::Gsa(gsa)) = kind("GPGSA,A,1,,,,,,,,,,,,,,,") else { panic!() };
    assert_eq!((gsa.fix, gsa.count(), gsa.pdop), (GsaFix::None, 0, None));
}

#[test]
fn the_last_second_of_2016() {
    let Ok(Kind::Zda(zda)) = kind("GNZDA,235960.25,31,12,2016,00,00") else { panic!() };
    assert_eq!(zda.time, time(23, 59, 60, 250_000_000));
    assert_eq!(zda.date, Date::new(2016, 12, 31));
    assert_eq!(kind("GNZDA,225960.00,31,12,2016,00,00"), Err(Malformed::Field(1)));
}

#[test]
fn fix_data() {
    let body = "GPGGA,132820.60,4134.49,N,09345.03,W,2,09,1.0,278.020,M,-31.442,M,7.6,0133";
    let gga = Gga {
        time: time(13, 28, 20, 600_000_000),
        quality: Quality::Fix(FixMode::Differential),
        satellites: Some(9),
        hdop: Some(Dilution(100)),
    };
    assert_eq!(kind(body), Ok(Kind::Gga(gga)));
    let body = "GNGLL,4404.14066,N,12118.85481,W,171925.00,A,A";
    let mode = Some(FixMode::Autonomous);
    assert_eq!(kind(body), Ok(Kind::Gll(Gll { time: time(17, 19, 25, 0), valid: true, mode })));
}

#[test]
fn satellites() {
    let Ok(Kind::Gsa(gsa)) = kind("GPGSA,A,3,17,28,06,01,30,20,26,13,,,,,1.8,1.1,1.5,1") else {
        panic!()
    };
    assert_eq!((gsa.fix, gsa.count(), gsa.used[7]), (GsaFix::ThreeD, 8, Some(13)));
    assert_eq!(gsa.vdop, Some(Dilution(150)));
    // Three satellites in the last part, and a signal's number behind.
    let Ok(Kind::Gsv(gsv)) = kind("GPGSV,4,3,13,13,21,278,,15,-06,246,,24,,,,1") else { panic!() };
    assert_eq!((gsv.total, gsv.part, gsv.in_view), (4, 3, 13));
    let sky = |id, elevation, azimuth, snr| Some(SatelliteInView { id, elevation, azimuth, snr });
    assert_eq!(gsv.satellites[0], sky(13, Some(21), Some(278), None));
    assert_eq!(gsv.satellites[1], sky(15, Some(-6), Some(246), None));
    assert_eq!(gsv.satellites[2..], [sky(24, None, None, None), None]);
    let Ok(Kind::Gsv(padded)) = kind("GLGSV,1,1,01,66,37,078,27,,,,,,,,,,,,") else { panic!() };
    assert_eq!(padded.satellites, [sky(66, Some(37), Some(78), Some(27)), None, None, None]);
    for (body, field) in [
        ("GPGSV,4,5,13", 2),
        ("GPGSV,4,0,13", 2),
        ("GPGSV,4,1,", 3),
        ("GPGSV,4,1", 3),
        ("GPGSV,1,1,01,66,91,078,27", 5),
        ("GPGSV,1,1,01,66,37,361,27", 6),
        ("GPGSA,A,4,,,,,,,,,,,,,,,", 2),
        ("GPGSA,A,3,17,28", 5),
    ] {
        assert_eq!(kind(body), Err(Malformed::Field(field)), "{body}");
    }
}

#[test]
fn strangers_are_not_refused() {
    for body in ["GPVTG,,T,,M,0.1,N", "PUBX,00", "AIVDM,1", "GP", "", "GPRMCX,1", "IIRMC,1,A"] {
        assert_eq!(parse(&sealed(body)), Ok(None), "{body}");
    }
}

#[test]
fn talkers() {
    for (letters, talker) in [
        ("GP", Talker::Gps),
        ("GN", Talker::Combined),
        ("GL", Talker::Glonass),
        ("GA", Talker::Galileo),
        ("GB", Talker::BeiDou),
        ("BD", Talker::BeiDou),
        ("GQ", Talker::Qzss),
        ("GI", Talker::NavIc),
    ] {
        let sentence = parse(&sealed(&format!("{letters}ZDA,,,,,,"))).unwrap().unwrap();
        assert_eq!(sentence.talker, talker);
    }
}

#[test]
fn numbers_are_digits_and_nothing_else() {
    let rmc = |time: &str, date: &str| kind(&format!("GPRMC,{time},A,,,,,,,{date},,,A"));
    assert!(rmc("000231.42", "220899").is_ok());
    for bad in [
        "+00231",
        "00023",
        "0002311",
        "0002-1",
        "00023x",
        "000231.",
        "000231.+1",
        " 00231",
        "240000",
        "006000",
        "000060",
        ".5",
        "000231.42.1",
    ] {
        assert_eq!(rmc(bad, "220899"), Err(Malformed::Field(1)), "{bad}");
    }
    for bad in ["2208-1", "000000", "320101", "011301", "22089", "2208999", "290219"] {
        assert_eq!(rmc("000231", bad), Err(Malformed::Field(9)), "{bad}");
    }
    for bad in ["20166", "+016", "16", "201"] {
        let body = format!("GPZDA,000000,31,12,{bad},00,00");
        assert_eq!(kind(&body), Err(Malformed::Field(4)), "{bad}");
    }
    assert_eq!(kind("GPZDA,000000,31,,2016,00,00"), Err(Malformed::Field(4)));
    assert_eq!(kind("GPZDA,000000,31,11,2016,00,00"), Err(Malformed::Field(4)));
    assert_eq!(kind("GPRMC,000231,B,,,,,,,220899,,,A"), Err(Malformed::Field(2)));
    assert_eq!(kind("GPRMC,000231,A,,,,,,,220899,,,Z"), Err(Malformed::Field(12)));
    assert_eq!(kind("GPRMC,000231,A"), Err(Malformed::Field(3)));
    assert_eq!(kind("GPGGA,000231,,,,,9,08,1.0"), Err(Malformed::Field(6)));
    assert_eq!(kind("GPGGA,000231,,,,,1,256,1.0"), Err(Malformed::Field(7)));
    assert_eq!(kind("GPGGA,000231,,,,,1,08,-1.0"), Err(Malformed::Field(8)));
}

#[test]
fn fractions_are_cut_at_nanoseconds() {
    let Ok(Kind::Zda(zda)) = kind("GPZDA,000000.9999999999,01,01,2020,,") else { panic!() };
    assert_eq!(zda.time, time(0, 0, 0, 999_999_999));
    let Ok(Kind::Gga(gga)) = kind("GPGGA,,,,,,1,04,99999.99,,,,,,") else { panic!() };
    assert_eq!(gga.hdop, Some(Dilution(u16::MAX)));
}

#[test]
fn frames() {
    assert!(parse(b"$GPZDA,,,,,,*48").is_ok());
    assert!(parse(b"$GPZDA,,,,,,*48\n").is_ok());
    assert_eq!(parse(b"$GPZDA,,,,,,*49"), Err(Malformed::Checksum));
    for bad in [
        &b""[..],
        b"$",
        b"$*",
        b"$GPZDA,,,,,,",
        b"$GPZDA,,,,,,*4",
        b"$GPZDA,,,,,,*4G",
        b"$GPZDA,,,,,,*+8",
        b"GPZDA,,,,,,*48",
        b"$GPZDA,,,,,,*48 ",
    ] {
        assert_eq!(parse(bad), Err(Malformed::Frame), "{}", bad.escape_ascii());
    }
    assert_eq!(parse(b"$*00"), Ok(None));
}

#[test]
fn ten_thousand_commas_do_not_overflow() {
    let body = format!("GPGSV,1,1,1{}", ",".repeat(10_000));
    assert!(kind(&body).is_ok());
}

proptest! {
    #[test]
    fn hostile_fields_never_panic(
        name in prop_oneof![Just("RMC"), Just("ZDA"), Just("GGA"), Just("GLL"), Just("GSA"),
            Just("GSV")],
        fields in "[-+0-9A-Z., *$]{0,100}",
    ) {
        let _ = parse(&sealed(&format!("GP{name},{fields}")));
    }

    #[test]
    fn every_time_of_day_reads_back(h in 0u8..24, m in 0u8..60, s in 0u8..60, ms in 0u32..1000) {
        let body = format!("GNRMC,{h:02}{m:02}{s:02}.{ms:03},A,,,,,,,010120,,,A");
        let Ok(Kind::Rmc(rmc)) = kind(&body) else { panic!("{body}") };
        prop_assert_eq!(rmc.time, time(h, m, s, ms * 1_000_000));
    }
}
