//! chronyd in interleaved mode: what it says of us, and what it gains over basic mode.

use std::time::Duration;

use crate::stage::{Folder, Place, free_port, maser, measured, median, peer, said, wait_for};

/// Measurements of each mode that are compared.
const MEASUREMENTS: usize = 40;
/// The middle of a client's offsets in interleaved mode, s: both ends read one clock.
const OFFSET_MAX: f64 = 20e-6;

/// One chronyd asks in both modes at the same time, from one address: as behind a translated one.
#[test]
fn chronyd_interleaves() {
    let (Some(chronyd), Some(chronyc)) = (peer("chronyd"), peer("chronyc")) else { return };
    let folder = Folder::new("interleave");
    let port = free_port();
    let server = folder.write(
        "maser.toml",
        &format!(
            "control = {:?}\n[serve]\nlisten = [\"127.0.0.1:{port}\", \"127.0.0.2:{port}\"]\n\
             rate = false\n[local]\nuncertainty = \"1ms\"\n",
            folder.at("control"),
        ),
    );
    let arguments = ["run", "--no-steer", "--config", &server];
    let mut daemon = Place::Here.start(&maser(), &arguments, &folder.at("maser.log"));
    let configuration = format!(
        "server 127.0.0.1 port {port} minpoll -2 maxpoll -2 xleave\n\
         server 127.0.0.2 port {port} minpoll -2 maxpoll -2\n\
         port 0\ncmdport 0\nbindcmdaddress {}\npidfile {}\nlogdir {}\nlog measurements\n",
        folder.at("command"),
        folder.at("pid"),
        folder.at("."),
    );
    let file = folder.write("chrony.conf", &configuration);
    let arguments = ["-x", "-d", "-u", "root", "-f", &file];
    let _client = Place::Here.start(&chronyd, &arguments, &folder.at("chronyd.log"));

    let (interleaved, basic) = wait_for(Duration::from_secs(60), "chronyd measures", || {
        assert!(daemon.is_alive(), "maser ended: {}", folder.read("maser.log"));
        let log = folder.read("measurements.log");
        let (interleaved, basic) = (measurements(&log, "4I"), measurements(&log, "4B"));
        let is_enough = interleaved.len().min(basic.len()) >= MEASUREMENTS;
        is_enough.then_some((interleaved, basic))
    });
    let command = folder.at("command");
    let said_of =
        |address: &str| said(&Place::Here.run(&chronyc, &["-h", &command, "ntpdata", address]));
    let data = said_of("127.0.0.1");
    assert_eq!(field(&data, "Interleaved"), Some("Yes"), "{data}");
    assert_eq!(field(&data, "NTP tests"), Some("111 111 1111"), "{data}");
    let data = said_of("127.0.0.2");
    assert_eq!(field(&data, "Interleaved"), Some("No"), "{data}");

    let told = said(&Place::Here.run(&maser(), &["tracking", "--socket", &folder.at("control")]));
    assert!(told.contains("served-interleaved"), "{told}");

    for (mode, lines) in [("basic", &basic), ("interleaved", &interleaved)] {
        let offset = median(lines.iter().map(|line| line.offset.abs()).collect());
        let delay = median(lines.iter().map(|line| line.delay).collect());
        measured(&format!("chronyd -x {mode}, median offset"), offset * 1e6, "µs");
        measured(&format!("chronyd -x {mode}, median delay"), delay * 1e6, "µs");
    }
    let offset = median(interleaved.iter().map(|line| line.offset.abs()).collect());
    assert!(offset < OFFSET_MAX, "{offset} s\n{}", folder.read("measurements.log"));
    // A basic reply's T3 is read before it is sent, so that the time until the kernel's stamp
    // counts as delay.
    let delay = |lines: &[Measurement]| median(lines.iter().map(|line| line.delay).collect());
    assert!(delay(&interleaved) < delay(&basic), "{}", folder.read("measurements.log"));
}

/// One line of chronyd's `measurements.log`, in s.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measurement {
    offset: f64,
    delay: f64,
}

/// The lines of one mode, told by the third column from the end: `4I` is a server's interleaved reply,
/// `4B` a basic one.
fn measurements(log: &str, mode: &str) -> Vec<Measurement> {
    let lines = log.lines().filter(|line| line.starts_with("20"));
    let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|columns| columns.iter().rev().nth(2) == Some(&mode))
        .filter_map(|columns| {
            let offset = columns.get(11)?.parse().ok()?;
            Some(Measurement { offset, delay: columns.get(12)?.parse().ok()? })
        })
        .collect()
}

/// `Interleaved     : Yes`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

#[test]
fn the_lines_of_a_mode_are_told() {
    let line = |mode| {
        format!(
            "2026-01-01 00:00:00 127.0.0.1       N  1 111 111 1111  -2 -2 1.00  -1.5e-06  9.0e-06 \
             1.0e-07  0.000E+00  1.5E-05 7F7F0101 {mode} K K\n"
        )
    };
    let log =
        ["   Date (UTC) Time     IP Address\n", &line("4I"), &line("4B"), &line("4I")].concat();
    let expected = Measurement { offset: -1.5e-6, delay: 9e-6 };
    assert_eq!(measurements(&log, "4I"), [expected; 2]);
    assert_eq!(measurements(&log, "4B"), [expected]);
    assert_eq!(field("Offset          : 1 s\nInterleaved     : Yes\n", "Interleaved"), Some("Yes"));
}
