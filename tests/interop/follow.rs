//! Daemons that follow: each selects the demo as its source and counts its own stratum as 2.

use std::net::SocketAddr;
use std::time::Duration;

use crate::stage::{Demo, Folder, LEFT, Place, measured, median, peer, said, wait_for};

/// The middle of a following chronyd's measurements, s.
const OFFSET_MAX: f64 = 20e-6;
const MEASUREMENTS: usize = 20;
/// The middle of a following ntpd's last eight, as `ntpq` tells it, s.
const NTPD_OFFSET_MAX: f64 = 500e-6;

#[test]
fn chronyd_follows() {
    let (Some(chronyd), Some(chronyc)) = (peer("chronyd"), peer("chronyc")) else { return };
    let demo = Demo::shared();
    let folder = Folder::new("chronyd");
    let configuration = format!(
        "server 127.0.0.1 port {} iburst minpoll 0 maxpoll 0\n\
         port 0\ncmdport 0\nbindcmdaddress {}\npidfile {}\nlogdir {}\nlog measurements\n",
        demo.address.port(),
        folder.at("command"),
        folder.at("pid"),
        folder.at("."),
    );
    let file = folder.write("chrony.conf", &configuration);
    let log = folder.at("log");
    let arguments = ["-x", "-d", "-u", "root", "-f", &file];
    let _daemon = Place::Here.start(&chronyd, &arguments, &log);

    let offsets = wait_for(Duration::from_secs(60), "chronyd measures", || {
        let offsets = measurements(&folder.read("measurements.log"));
        (offsets.len() >= MEASUREMENTS).then_some(offsets)
    });
    let command = folder.at("command");
    let tracking = said(&Place::Here.run(&chronyc, &["-h", &command, "-c", "tracking"]));
    let fields: Vec<&str> = tracking.trim().split(',').collect();
    // Reference id, name, stratum, …
    assert_eq!(fields.get(1..3), Some(&["127.0.0.1", "2"][..]), "{tracking}");
    let offset = median(offsets.into_iter().map(f64::abs).collect());
    measured("chronyd -x, median offset", offset * 1e6, "µs");
    assert!(offset < OFFSET_MAX, "{offset} s\n{}", folder.read("measurements.log"));
}

#[test]
fn classic_ntpd_follows() {
    follow("classic ntpd", "ntp-ntpd", "ntp-ntpq");
}

#[test]
fn ntpsec_follows() {
    follow("ntpsec", "ntpsec-ntpd", "ntpsec-ntpq");
}

/// An ntpd, which wants port 123 of every address for itself, selects the demo over a line.
fn follow(name: &str, ntpd: &str, ntpq: &str) {
    let (Some(ntpd), Some(ntpq)) = (peer(ntpd), peer(ntpq)) else { return };
    let Some((left, right)) = Place::pair() else { return };
    let _demo = Demo::start(&left, SocketAddr::from(([0, 0, 0, 0], 123)));
    let folder = Folder::new("ntpd");
    // It measures and selects without steering.
    let configuration = format!(
        "disable ntp\nrestrict 127.0.0.1\ndriftfile {}\nserver {LEFT} iburst minpoll 3 maxpoll 3\n",
        folder.at("frequency"),
    );
    let file = folder.write("ntp.conf", &configuration);
    let log = folder.at("log");
    let mut daemon = right.start(&ntpd, &["-n", "-g", "-c", &file], &log);

    let billboard = wait_for(Duration::from_secs(90), "ntpd selects the demo", || {
        assert!(daemon.is_alive(), "{name} ended: {}", folder.read("log"));
        let text = said(&right.run(&ntpq, &["-n", "-p", "127.0.0.1"]));
        billboard(&text).filter(|line| line.is_selected)
    });
    assert_eq!(billboard.stratum, 1);
    measured(&format!("{name}, offset"), billboard.offset * 1e6, "µs");
    assert!(billboard.offset.abs() < NTPD_OFFSET_MAX, "{billboard:?}");
    let variables = said(&right.run(&ntpq, &["-n", "-c", "rv 0 stratum,refid", "127.0.0.1"]));
    assert!(
        variables.contains("stratum=2") && variables.contains(&LEFT.to_string()),
        "{variables}"
    );
}

/// The offsets in s of chronyd's `measurements.log`: its twelfth column.
fn measurements(log: &str) -> Vec<f64> {
    let lines = log.lines().filter(|line| line.starts_with("20"));
    lines.filter_map(|line| line.split_whitespace().nth(11)?.parse().ok()).collect()
}

/// What `ntpq -p` tells of one server.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Billboard {
    is_selected: bool,
    stratum: u8,
    /// s.
    offset: f64,
}

/// `*192.0.2.1  .GPS.  1 u  3  8  377  0.020  -0.001  0.002`: tally, remote, refid, stratum, type,
/// when, poll, reach, delay, offset, jitter, the last three in ms.
fn billboard(text: &str) -> Option<Billboard> {
    let line = text.lines().find(|line| line.contains(&format!("{LEFT} ")))?;
    let fields: Vec<&str> = line.split_whitespace().collect();
    Some(Billboard {
        // `o` is a system peer that marks seconds by pulses.
        is_selected: line.starts_with(['*', 'o']),
        stratum: fields.get(2)?.parse().ok()?,
        offset: fields.get(8)?.parse::<f64>().ok()? * 1e-3,
    })
}

#[test]
fn the_daemons_words_are_understood() {
    let log = "   Date (UTC) Time     IP Address   L St 123 567 ABCD  LP RP Score    Offset  Peer del.\n\
        2026-01-01 00:00:00 127.0.0.1       N  1 111 111 1111   0  0 0.00 -1.234e-06 2.5e-05 1e-6\n";
    assert_eq!(measurements(log), [-1.234e-6]);
    let text = "     remote           refid      st t when poll reach   delay   offset  jitter\n\
        ==============================================================================\n\
        *192.0.2.1       .GPS.            1 u    3    8   17    0.020   -0.250   0.002\n";
    let line = billboard(text).unwrap();
    assert_eq!(line, Billboard { is_selected: true, stratum: 1, offset: -0.25e-3 });
    assert!(!billboard(&text.replace('*', " ")).unwrap().is_selected);
    assert_eq!(billboard("ntpq: read: Connection refused"), None);
}
