//! Servers that the daemon asks: it follows real ones, counts its own stratum as theirs plus one,
//! and finds them where their names, addresses and links are.
//!
//! Both ends read this machine's clock, so the truth is an offset of zero.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::stage::{
    Folder, LEFT, Place, RIGHT, Running, free_port, maser, measured, median, peer, said, wait_for,
};

/// The middle of the offsets to chronyd, which has the kernel's stamps but for its transmission, s.
const OFFSET_MAX: f64 = 50e-6;
/// The same to an ntpd, which stamps in the program.
const NTPD_OFFSET_MAX: f64 = 500e-6;
/// Place::Here has no drop, so it may live for ever.
pub const HERE: &Place = &Place::Here;
/// Offsets looked at.
const LOOKS: usize = 21;

/// `maser run --no-steer` with these tables, which end the file.
pub struct Maser<'a> {
    place: &'a Place,
    folder: Folder,
    process: Running,
}

impl<'a> Maser<'a> {
    /// Starts it.
    pub fn start(place: &'a Place, tables: &str) -> Self {
        let folder = Folder::new("maser");
        let text = format!("control = \"{}\"\n{tables}", folder.at("socket"));
        let file = folder.write("maser.toml", &text);
        let arguments = ["run", "--no-steer", "--config", &file];
        let process = place.start(&maser(), &arguments, &folder.at("log"));
        Self { place, folder, process }
    }

    /// A report, once there is one.
    pub fn report(&mut self, what: &str) -> Option<Value> {
        assert!(self.process.is_alive(), "maser ended: {}", self.log());
        let socket = self.folder.at("socket");
        let answer = self.place.run(&maser(), &[what, "--json", "--socket", &socket]);
        serde_json::from_slice(&answer.stdout).ok()
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        self.folder.read("log")
    }

    /// Waits until a source of this name is followed; tracking then.
    pub fn follows(&mut self, name: &str) -> Value {
        let what = format!("maser follows {name}");
        let log = self.folder.at("log");
        let begin = std::time::Instant::now();
        loop {
            let tracking = self.report("tracking");
            if let Some(tracking) = tracking
                && tracking["source"] == name
                && tracking["synchronised"] == true
            {
                return tracking;
            }
            let sources = self.report("sources");
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(begin.elapsed() < Duration::from_secs(60), "{what}: {text}\n{sources:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The line of the only server.
    fn server(&mut self) -> Value {
        let report = || self.report("sources");
        wait_for(Duration::from_secs(20), "maser reports", report)["sources"][0].clone()
    }

    /// The middle of what the followed server's samples are off by, s, each looked at once.
    fn offset(&mut self) -> f64 {
        let mut seen = -1.0;
        let offsets = (0..LOOKS).map(|_| {
            wait_for(Duration::from_secs(20), "another sample", || {
                let line = self.server();
                let samples = line["samples"].as_f64()?;
                (samples > seen).then(|| {
                    seen = samples;
                    line["offset_ns"].as_f64().unwrap().abs() * 1e-9
                })
            })
        });
        median(offsets.collect())
    }
}

/// A chronyd that serves this machine's clock and never touches it.
struct Chronyd {
    folder: Folder,
    _process: Running,
}

impl Chronyd {
    fn start(place: &Place, name: &str, more: &str) -> Option<Self> {
        Self::following(place, name, &format!("local stratum 3\n{more}"))
    }

    /// One that does not know the time by itself.
    fn following(place: &Place, name: &str, more: &str) -> Option<Self> {
        let chronyd = peer(name)?;
        let folder = Folder::new("chronyd");
        let configuration = format!(
            "allow all\ncmdport 0\nbindcmdaddress {}\npidfile {}\n{more}\n",
            folder.at("command"),
            folder.at("pid"),
        );
        let file = folder.write("chrony.conf", &configuration);
        let arguments = ["-x", "-d", "-u", "root", "-f", &file];
        let process = place.start(&chronyd, &arguments, &folder.at("log"));
        Some(Self { folder, _process: process })
    }
}

fn quick(address: &str, port: u16, more: &str) -> String {
    format!(
        "[[server]]\nname = \"peer\"\naddress = \"{address}\"\nport = {port}\niburst = true\n\
         minpoll = -1\nmaxpoll = 0\n{more}\n"
    )
}

#[test]
fn chronyd_is_followed() {
    let port = free_port();
    let more = format!("port {port}\nbindaddress 127.0.0.1");
    let Some(_chronyd) = Chronyd::start(&Place::Here, "chronyd", &more) else { return };
    let mut maser = Maser::start(HERE, &quick("127.0.0.1", port, ""));
    let tracking = maser.follows("peer");
    assert_eq!(tracking["stratum"], 4, "{tracking}");
    assert_eq!(tracking["reference_id"], "127.0.0.1", "{tracking}");
    let offset = maser.offset();
    measured("chronyd asked, median offset", offset * 1e6, "µs");
    assert!(offset < OFFSET_MAX, "{offset} s\n{}", maser.log());
    let line = maser.server();
    assert_eq!(line["server"]["address"], "127.0.0.1");
    assert_eq!(line["server"]["stratum"], 3);
    assert!(line["server"]["delay_ns"].as_f64().unwrap() < 5e6, "{line}");
    assert_eq!(line["reach"].as_u64().unwrap() & 1, 1, "{line}");
}

#[test]
fn chronyd_counts_interleaved_requests() {
    // Chronyd of trixie counts them as well, with more columns.
    for (chronyd, chronyc) in [("chronyd", "chronyc"), ("chronyd-new", "chronyc-new")] {
        let Some(chronyc) = peer(chronyc) else { return };
        let port = free_port();
        let more = format!("port {port}\nbindaddress 127.0.0.1");
        let Some(server) = Chronyd::start(&Place::Here, chronyd, &more) else { return };
        let tables = quick("127.0.0.1", port, "interleaved = true");
        let mut maser = Maser::start(HERE, &tables);
        maser.follows("peer");
        let offset = maser.offset();
        measured(&format!("{chronyd} interleaved, median offset"), offset * 1e6, "µs");
        assert!(offset < OFFSET_MAX, "{offset} s\n{}", maser.log());
        let command = server.folder.at("command");
        let statistics = said(&Place::Here.run(&chronyc, &["-h", &command, "serverstats"]));
        let count = |name| interleaved(&statistics, name);
        let (all, kept) = (count("NTP packets received"), count("Interleaved NTP packets"));
        let (all, kept) = (all.unwrap(), kept.unwrap_or_else(|| panic!("{statistics}")));
        // All but the first two, and what was lost.
        assert!(kept >= 10 && kept + 4 >= all, "{statistics}");
    }
}

/// `Interleaved NTP packets    : 12`
fn interleaved(statistics: &str, name: &str) -> Option<u64> {
    let line = statistics.lines().find(|line| line.starts_with(name))?;
    line.split_once(':')?.1.trim().parse().ok()
}

#[test]
fn classic_ntpd_is_followed() {
    ntpd("classic ntpd", "ntp-ntpd", "");
}

#[test]
fn ntpsec_is_followed() {
    // By itself it falls silent to whoever asks twice a second.
    ntpd("ntpsec", "ntpsec-ntpd", "limit average 100 burst 100");
}

/// An ntpd that nobody tells the time serves its own as an orphan, and is followed over a line.
fn ntpd(name: &str, ntpd: &str, more: &str) {
    let Some(ntpd) = peer(ntpd) else { return };
    let Some((left, right)) = Place::pair() else { return };
    let folder = Folder::new("ntpd");
    let configuration = format!(
        "disable ntp\nrestrict default nomodify\ndriftfile {}\ntos orphan 5 orphanwait 1\n\
         {more}\n",
        folder.at("frequency"),
    );
    let file = folder.write("ntp.conf", &configuration);
    let _daemon = left.start(&ntpd, &["-n", "-g", "-c", &file], &folder.at("log"));
    let mut maser = Maser::start(&right, &quick(&LEFT.to_string(), 123, ""));
    let tracking = maser.follows("peer");
    assert_eq!(tracking["stratum"], 6, "{tracking}");
    assert_eq!(tracking["reference_id"], LEFT.to_string(), "{tracking}");
    let offset = maser.offset();
    measured(&format!("{name} asked, median offset"), offset * 1e6, "µs");
    assert!(offset < NTPD_OFFSET_MAX, "{offset} s\n{}", maser.log());
}

#[test]
fn a_server_that_comes_up_later_is_found() {
    let port = free_port();
    let mut maser = Maser::start(HERE, &quick("127.0.0.1", port, ""));
    wait_for(Duration::from_secs(20), "the refusal is told", || {
        maser.log().contains("refused").then_some(())
    });
    assert_eq!(maser.server()["reach"], 0);
    let more = format!("port {port}\nbindaddress 127.0.0.1");
    let Some(chronyd) = Chronyd::start(&Place::Here, "chronyd", &more) else { return };
    maser.follows("peer");
    drop(chronyd);
    wait_for(Duration::from_secs(30), "eight requests in vain", || {
        (maser.server()["reach"] == 0).then_some(())
    });
    let Some(_chronyd) = Chronyd::start(&Place::Here, "chronyd", &more) else { return };
    maser.follows("peer");
}

#[test]
fn a_network_that_comes_up_later_is_used() {
    let Some((left, right)) = Place::pair() else { return };
    let Some(_chronyd) = Chronyd::start(&left, "chronyd", "") else { return };
    right.ip(&["link", "set", "line", "down"]);
    let mut maser = Maser::start(&right, &quick(&LEFT.to_string(), 123, ""));
    wait_for(Duration::from_secs(20), "nothing can be sent", || {
        maser.log().contains("unreachable").then_some(())
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(maser.server()["reach"], 0);
    right.ip(&["link", "set", "line", "up"]);
    maser.follows("peer");
}

#[test]
fn of_two_addresses_the_one_that_answers_is_kept() {
    let Some(place) = Place::namespace() else { return };
    place.hosts("127.0.0.9 both.test\n127.0.0.1 both.test\n");
    let more = "port 1123\nbindaddress 127.0.0.1";
    let Some(_chronyd) = Chronyd::start(&place, "chronyd", more) else { return };
    let mut maser = Maser::start(&place, &quick("both.test", 1123, ""));
    maser.follows("peer");
    assert_eq!(maser.server()["server"]["address"], "127.0.0.1");
    let log = maser.log();
    assert!(log.contains("both.test is ") && log.contains("asking 127.0.0.1"), "{log}");
}

#[test]
fn a_name_that_is_known_later_is_found() {
    let Some(place) = Place::namespace() else { return };
    place.hosts("127.0.0.1 localhost\n");
    let Some(_chronyd) = Chronyd::start(&place, "chronyd", "port 1123\nbindaddress ::1") else {
        return;
    };
    let mut maser = Maser::start(&place, &quick("late.test", 1123, ""));
    wait_for(Duration::from_secs(20), "the name is not known", || {
        maser.log().contains("late.test: ").then_some(())
    });
    assert_eq!(maser.server()["server"]["address"], Value::Null);
    place.hosts("::1 late.test\n");
    let tracking = maser.follows("peer");
    // The first bytes of the digest of ::1.
    assert_eq!(tracking["reference_id"], "207.64.77.200", "{tracking}");
    assert_eq!(maser.server()["server"]["address"], "::1");
}

#[test]
fn a_link_local_address_has_its_interface() {
    let Some((left, right)) = Place::pair() else { return };
    let address = wait_for(Duration::from_secs(20), "a link-local address", || {
        let text = said(&left.run(Path::new("ip"), &["-6", "-o", "addr", "show", "dev", "line"]));
        let ready = text.contains("fe80::") && !text.contains("tentative");
        let address = text.split_whitespace().find(|word| word.starts_with("fe80::"))?;
        ready.then(|| address.split('/').next().unwrap_or_default().to_owned())
    });
    let Some(_chronyd) = Chronyd::start(&left, "chronyd", "bindaddress ::") else { return };
    let mut maser = Maser::start(&right, &quick(&format!("{address}%line"), 123, ""));
    maser.follows("peer");
    let asked = maser.server()["server"]["address"].as_str().unwrap().to_owned();
    assert!(asked.starts_with(&format!("{address}%")), "{asked}");
}

#[test]
fn a_server_that_denies_is_not_asked_again() {
    let Some((left, right)) = Place::pair() else { return };
    let denies =
        format!("[serve]\nlisten = [\"{LEFT}:123\"]\ndeny = [\"{RIGHT}\"]\n[local]\nwait = 0\n");
    let _server = Maser::start(&left, &denies);
    let maser = Maser::start(&right, &quick(&LEFT.to_string(), 123, ""));
    for told in ["peer: refuses to serve us; not asked any more", "refuses to serve: DENY"] {
        wait_for(Duration::from_secs(30), told, || maser.log().contains(told).then_some(()));
    }
}

#[test]
fn a_server_that_follows_us_is_not_followed() {
    let Some((left, right)) = Place::pair() else { return };
    let asks = |whom: Ipv4Addr| quick(&whom.to_string(), 123, "");
    // It knows the time from nobody else.
    let more = format!("server {RIGHT} iburst minpoll -1 maxpoll 0");
    let Some(_chronyd) = Chronyd::following(&left, "chronyd", &more) else { return };
    let serve = format!("[serve]\nlisten = [\"{RIGHT}:123\"]\n");
    let local = "[local]\nstratum = 2\nuncertainty = \"1ms\"\nwait = 0\n";
    let mut maser = Maser::start(&right, &(serve + local + &asks(LEFT)));
    let line = wait_for(Duration::from_secs(60), "the loop is noticed", || {
        let line = maser.server();
        (line["refused"]["loop"].as_u64()? > 3).then_some(line)
    });
    let tracking = maser.report("tracking").unwrap();
    assert_ne!(tracking["source"], "peer", "{line}");
}

#[test]
fn the_words_of_chronyc_are_understood() {
    let text = "NTP packets received       : 41\nNTP packets dropped        : 0\n\
                Interleaved NTP packets    : 12\n";
    assert_eq!(interleaved(text, "NTP packets received"), Some(41));
    assert_eq!(interleaved(text, "Interleaved NTP packets"), Some(12));
    assert_eq!(interleaved("506 Cannot talk to daemon", "NTP packets received"), None);
}
