//! Leap seconds and smears of a running daemon, as clients see them at its plain and its smeared
//! addresses.
//!
//! Nobody sets this machine's clock. The daemon's only source tells it another day: with `--no-steer`
//! served time is a correction in software, so the daemon lives on that day and passes its leap second,
//! while the kernel's stamps and the clients stay where they are. What a client measures is the shift
//! to that day, and the smear on top of it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maser::source::sock::SockSample;
use maser::time::{Date, LeapIndicator, Timestamp, Utc};
use maser::wire::ntp::Header;
use sha1::{Digest, Sha1};

use crate::ask::{HERE, Maser};
use crate::once::{offset_of_chronyd, offset_of_ntpdate, offset_of_ntpdig};
use crate::stage::{Folder, Place, Running, free_port, lacking, measured, peer, said, wait_for};

/// 2027-01-01T00:00:00Z.
const MIDNIGHT: i64 = 1_798_761_600;
/// What chronyd, which has the kernel's stamps, measures a smear wrong by, s; it grows while it asks.
const CHRONYD_WITHIN: f64 = 0.5e-3;
/// The same of programs that stamp by themselves.
const WITHIN: f64 = 2e-3;

#[test]
fn clients_measure_the_smear_at_the_smeared_addresses_only() {
    // The evening before a leap second, and the morning after: a daemon that starts then knows of it by
    // its list only.
    for (hours, told) in [(-5, LeapIndicator::Insert), (6, LeapIndicator::None)] {
        let Some(place) = Place::namespace() else { return };
        let day = Day::new(MIDNIGHT);
        let listen = "[\"127.0.0.1\", { address = \"127.0.0.2\", smear = \"linear\" }, \
                      { address = \"127.0.0.3\", smear = \"cosine\" }]";
        let _source = day.source(day.shift_to(hours * 3600), LeapIndicator::None);
        let mut maser = Maser::start(&place, &day.tables(listen));
        locked(&mut maser);
        let sniffer = Sniffer::start(&place);
        for client in ["chronyd", "ntpdate", "ntpdig"] {
            measure(&place, client, (&day, hours), told);
        }
        if let Some(sniffer) = sniffer {
            sniffer.judge(told);
        }
    }
}

/// Asks every address; what the smeared ones have beyond the plain one is the smear.
fn measure(place: &Place, client: &str, (day, hours): (&Day, i64), told: LeapIndicator) {
    let Some(program) = peer(client) else { return };
    let (mut plain, mut worst) = (0.0, 0.0_f64);
    for (address, shape) in
        [("127.0.0.1", Shape::Plain), ("127.0.0.2", Shape::Linear), ("127.0.0.3", Shape::Cosine)]
    {
        let place_of = format!("{hours:+} h from midnight, {client} at {address}");
        let text = ask_with(place, client, &program, address);
        let offset = match client {
            "chronyd" => offset_of_chronyd(&text),
            "ntpdate" => offset_of_ntpdate(&text),
            _ => offset_of_ntpdig(&text),
        };
        let offset = offset.unwrap_or_else(|| panic!("{place_of}: no time: {text}"));
        if client == "ntpdig" {
            let announced = shape == Shape::Plain && told == LeapIndicator::Insert;
            let word = if announced { "add-leap" } else { "no-leap" };
            assert!(text.contains(word), "{place_of}: {text}");
        }
        let passed = day.passed();
        if shape == Shape::Plain {
            let off = offset - day.ahead(passed);
            assert!(off.abs() < WITHIN, "{place_of}: {off}");
            plain = offset;
            continue;
        }
        let (got, want) = (offset - plain, smear(shape, passed));
        worst = worst.max((got - want).abs());
        let within = if client == "chronyd" { CHRONYD_WITHIN } else { WITHIN };
        assert!((got - want).abs() < within, "{place_of}: {got} {want}");
    }
    measured(&format!("smear {hours:+} h from midnight by {client}, off"), worst * 1e6, "µs");
}

/// What a client says of an address.
fn ask_with(place: &Place, client: &str, program: &Path, address: &str) -> String {
    let server = format!("server {address} iburst maxsamples 4");
    let arguments: &[&str] = match client {
        "chronyd" => &["-Q", "-t", "10", "-u", "root", &server],
        "ntpdate" => &["-q", "-p", "2", address],
        _ => &["-j", "-p", "2", address],
    };
    said(&place.run(program, arguments))
}

#[test]
fn every_second_around_a_leap_second_is_told_as_it_should_be() {
    let day = Day::new(MIDNIGHT);
    let ports = [free_port(), free_port(), free_port()];
    let _source = day.source(day.shift_to(-40), LeapIndicator::None);
    let mut maser = Maser::start(HERE, &day.tables(&three(ports)));
    locked(&mut maser);
    let socket = client();
    sleep(Duration::from_secs_f64(43_200.0 - 6.0 - day.passed()));
    let mut seen = [0; 3];
    while day.passed() < 43_207.0 {
        // One socket asks all of them: to the server it is one client.
        let shapes = [Shape::Plain, Shape::Linear, Shape::Cosine];
        for ((port, shape), seen) in ports.into_iter().zip(shapes).zip(&mut seen) {
            let before = day.passed();
            let header = ask(&socket, port);
            let after = day.passed();
            let place = format!("{:.3} s from midnight, {shape:?}", before - 43_200.0);
            let t3 = (header.transmit.near(day.utc()) - day.utc()).seconds() + 43_200.0;
            // The count goes on; UTC has a second less from its instant on.
            let [early, late] = [before, after].map(|passed| match shape {
                Shape::Plain => passed - f64::from(u8::from(passed >= 43_200.0)),
                _ => passed + smear(shape, passed) - f64::from(u8::from(passed >= 43_200.0)),
            });
            let (early, late) = (early.min(late) - BOUND, early.max(late) + BOUND);
            assert!((early..late).contains(&t3), "{place}: {early} {t3} {late}");
            assert_eq!(header.stratum, 1, "{place}");
            assert!(header.root_dispersion.duration().seconds() < BOUND, "{place}");
            let smeared = shape != Shape::Plain;
            assert_eq!(header.reference_id.0[0] == 254, smeared, "{place}");
            if smeared {
                assert_eq!(header.leap, LeapIndicator::None, "{place}");
            } else if before >= 43_201.0 + BOUND || after < 43_201.0 - BOUND {
                // Announced until the day ends, in the second itself, too.
                let announced = after < 43_201.0;
                assert_eq!(header.leap == LeapIndicator::Insert, announced, "{place}");
            }
            *seen += 1;
        }
        sleep(Duration::from_millis(30));
    }
    assert!(seen.iter().all(|seen| *seen > 100), "{seen:?}");
    let log = maser.log();
    let told = |what: &str| log.matches(what).count();
    assert_eq!(told("a second is inserted at the end of the month"), 1, "{log}");
    assert_eq!(told("the served time counts it"), 1, "{log}");
    assert_eq!(told("no leap second is announced any more"), 0, "{log}");
    assert_eq!(maser.report("tracking").unwrap()["phase"], "locked", "{log}");
}

#[test]
fn a_listed_leap_second_is_announced_all_month_and_the_list_is_read_at_the_start() {
    let midnight = end_of_month();
    if midnight as f64 - machine() < 120.0 {
        return println!("skipped: this month ends");
    }
    let day = Day::new(midnight);
    let ports = [free_port(), free_port(), free_port()];
    // This machine's own day.
    let _source = day.source(0, LeapIndicator::None);
    let tables = day.tables(&three(ports));
    let socket = client();
    let told = || ports.map(|port| ask(&socket, port).leap);
    let (plain, smeared) = (LeapIndicator::Insert, LeapIndicator::None);
    let mut maser = Maser::start(HERE, &tables);
    locked(&mut maser);
    assert_eq!(told(), [plain, smeared, smeared], "{}", maser.log());
    // Smeared from noon of the last day on only.
    let apart = ports.map(|port| {
        let answer = ask(&socket, port);
        (answer.transmit.near(day.utc()) - day.utc()).seconds() - (machine() - midnight as f64)
    });
    for (shape, apart) in [Shape::Plain, Shape::Linear, Shape::Cosine].into_iter().zip(apart) {
        let off = apart - smear(shape, day.passed());
        assert!(off.abs() < 50.0 * BOUND, "{shape:?}: {off}");
    }
    // A new list that knows of none.
    day.folder.write("list", &list(&[], midnight + YEAR));
    sleep(Duration::from_secs(3));
    assert_eq!(told(), [plain, smeared, smeared], "{}", maser.log());
    drop(maser);
    let mut maser = Maser::start(HERE, &tables);
    locked(&mut maser);
    assert_eq!(told(), [smeared; 3], "{}", maser.log());
}

#[test]
fn a_list_that_expired_or_was_edited_is_warned_of_and_sources_tell() {
    let midnight = end_of_month();
    let good = list(&[midnight], midnight + YEAR);
    let expired = list(&[midnight], i64::try_from(now().as_secs()).unwrap() - 86_400);
    let edited = good.replace("\t38", "\t36");
    for (text, warned) in [(&expired, ": expired on "), (&edited, "its SHA-1 does not match")] {
        // What the table would say, the source does not, and the other way round.
        for leap in [LeapIndicator::None, LeapIndicator::Delete] {
            let day = Day::new(midnight);
            day.folder.write("list", text);
            let port = free_port();
            let _source = day.source(0, leap);
            let listen = format!("[\"127.0.0.1:{port}\"]");
            let mut maser = Maser::start(HERE, &day.tables(&listen));
            locked(&mut maser);
            assert_eq!(ask(&client(), port).leap, leap, "{}", maser.log());
            let log = maser.log();
            let line = log.lines().find(|line| line.contains(warned));
            let line = line.unwrap_or_else(|| panic!("not warned of: {log}"));
            assert!(line.contains("WARN") && line.contains("taken from sources"), "{line}");
        }
    }
}

/// A day that a source tells, which ends with an inserted second that a list knows of.
struct Day {
    folder: Folder,
    midnight: i64,
    shift: std::cell::Cell<i64>,
}

impl Day {
    fn new(midnight: i64) -> Self {
        let folder = Folder::new("day");
        folder.write("list", &list(&[midnight], midnight + YEAR));
        Self { folder, midnight, shift: 0.into() }
    }

    fn utc(&self) -> Timestamp<Utc> {
        Timestamp::from_seconds(self.midnight)
    }

    /// The shift by which UTC is now so many seconds from midnight.
    fn shift_to(&self, seconds: i64) -> i64 {
        let leapt = i64::from(seconds >= 0);
        self.midnight + seconds + leapt - i64::try_from(now().as_secs()).unwrap()
    }

    /// Starts to tell the time of this machine so shifted, and announces so much.
    fn source(&self, shift: i64, leap: LeapIndicator) -> Source {
        self.shift.set(shift);
        Source::start(&self.folder.at("sock"), [shift, self.midnight], leap)
    }

    /// Seconds since noon, in the count that does not leap.
    fn passed(&self) -> f64 {
        machine() + (self.shift.get() - self.midnight) as f64 + 43_200.0
    }

    /// How far UTC is ahead of this machine's clock then, s.
    fn ahead(&self, passed: f64) -> f64 {
        (self.shift.get() - i64::from(passed >= 43_200.0)) as f64
    }

    /// The tables of a daemon that listens there.
    fn tables(&self, listen: &str) -> String {
        format!(
            "[serve]\nlisten = {listen}\nrate = false\n[leap]\nfile = {:?}\n[[source]]\n\
             driver = \"sock\"\nname = \"day\"\npath = {:?}\nuncertainty = \"100us\"\n",
            self.folder.at("list"),
            self.folder.at("sock"),
        )
    }
}

/// Tells the daemon the time, until its value ends.
struct Source {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Source {
    fn start(path: &str, [shift, midnight]: [i64; 2], leap: LeapIndicator) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, path) = (Arc::clone(&stop), path.to_owned());
        let thread = std::thread::spawn(move || {
            let socket = UnixDatagram::unbound().unwrap();
            while !ended.load(Ordering::Relaxed) {
                let now = now();
                let seconds = i64::try_from(now.as_secs()).unwrap();
                let leapt = seconds + shift >= midnight;
                let micros = maser::time::Duration::from_micros(now.subsec_micros().into());
                let sample = SockSample {
                    stamp: Timestamp::from_seconds(seconds) + micros,
                    offset: (shift - i64::from(leapt)) as f64,
                    pulse: false,
                    leap: if leapt { LeapIndicator::None } else { leap },
                };
                // There is no such socket before the daemon made it.
                let _ = socket.send_to(&sample.write(), &path);
                sleep(Duration::from_millis(100));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// tshark, which reads every answer off the wire.
struct Sniffer {
    folder: Folder,
    _process: Running,
}

impl Sniffer {
    fn start(place: &Place) -> Option<Self> {
        let tshark = Path::new("/usr/bin/tshark");
        if !tshark.exists() {
            return lacking("tshark");
        }
        let folder = Folder::new("tshark");
        let filters =
            ["-n", "-l", "-i", "lo", "-f", "udp src port 123", "-Y", "ntp.flags.mode == 4"];
        let fields = ["-T", "fields", "-e", "ip.src", "-e", "ntp.flags.li", "-e", "ntp.refid"];
        let process = place.start(tshark, &[&filters[..], &fields].concat(), &folder.at("log"));
        let begun = || folder.read("log").contains("Capture started").then_some(());
        wait_for(Duration::from_secs(30), "tshark captures", begun);
        Some(Self { folder, _process: process })
    }

    /// The plain address announced so much in every answer, the smeared ones nothing.
    fn judge(&self, told: LeapIndicator) {
        let lines = wait_for(Duration::from_secs(10), "answers of every address", || {
            let lines = answers(&self.folder.read("log"));
            let of = |host: u8| lines.iter().filter(|line| line.0 == host).count();
            (1..4).all(|host| of(host) >= 4).then_some(lines)
        });
        for (host, leap, id) in lines {
            let (leap_told, smeared) = if host == 1 { (told.bits(), false) } else { (0, true) };
            assert_eq!((leap, id == "fe"), (leap_told, smeared), "127.0.0.{host}");
        }
    }
}

/// `127.0.0.2⇥0⇥fe:ff:ff:ff`: the last of the address, the indicator, the first byte of the reference id.
fn answers(text: &str) -> Vec<(u8, u8, String)> {
    let line = |line: &str| {
        let mut words = line.strip_prefix("127.0.0.")?.split('\t');
        let (host, leap) = (words.next()?.parse().ok()?, words.next()?);
        let leap = leap.trim_start_matches("0x").parse().ok()?;
        Some((host, leap, words.next()?.get(..2)?.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// How an address tells the time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Plain,
    Linear,
    Cosine,
}

/// What is served − UTC, so many seconds after noon where a second is inserted.
fn smear(shape: Shape, passed: f64) -> f64 {
    let share = (passed / 86_401.0).clamp(0.0, 1.0);
    let share = match shape {
        Shape::Plain => return 0.0,
        Shape::Linear => share,
        Shape::Cosine => (1.0 - libm::cos(std::f64::consts::PI * share)) / 2.0,
    };
    if passed >= 43_200.0 { 1.0 - share } else { -share }
}

/// A plain, a linear and a cosine address, on these ports.
fn three([plain, linear, cosine]: [u16; 3]) -> String {
    format!(
        "[\"127.0.0.1:{plain}\", {{ address = \"127.0.0.1:{linear}\", smear = \"linear\" }}, \
         {{ address = \"127.0.0.1:{cosine}\", smear = \"cosine\" }}]"
    )
}

/// A leap-seconds.list with a second inserted before each of these instants, since the one of 2017.
fn list(leaps: &[i64], expires: i64) -> String {
    let [updated, expires] = [1_782_864_000, expires].map(ntp);
    let mut digits = format!("{updated}{expires}");
    let mut text = format!("#$\t{updated}\n#@\t{expires}\n");
    let leaps = leaps.iter().map(|leap| ntp(*leap));
    for (from, offset) in core::iter::once(3_692_217_600).chain(leaps).zip(37..) {
        let _ = writeln!(text, "{from}\t{offset}");
        let _ = write!(digits, "{from}{offset}");
    }
    let hash = Sha1::digest(digits.as_bytes());
    let word = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let words: Vec<String> = hash.chunks(4).map(word).collect();
    text + &format!("#h\t{}\n", words.join(" "))
}

/// Seconds since 1900.
fn ntp(unix: i64) -> i64 {
    unix + 2_208_988_800
}

/// The midnight after the last day of this month, of this machine's clock.
fn end_of_month() -> i64 {
    let today = i64::try_from(now().as_secs()).unwrap() / 86_400;
    let day = (today + 1..).find(|day| Date::of_unix_days(*day).day() == 1).unwrap();
    day * 86_400
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// This machine's clock, s.
fn machine() -> f64 {
    now().as_secs_f64()
}

/// Waits until the daemon lives on that day.
fn locked(maser: &mut Maser<'_>) {
    let tracking = maser.follows("day");
    let phase = || maser.report("tracking").filter(|told| told["phase"] == "locked");
    wait_for(Duration::from_secs(20), &format!("locked, after {tracking}"), phase);
}

fn client() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

/// Asks as a client of version 4 does.
fn ask(socket: &UdpSocket, port: u16) -> Header {
    let mut packet = [0; 48];
    (packet[0], packet[40]) = (0x23, 1);
    socket.send_to(&packet, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    let length = socket.recv(&mut packet).unwrap();
    Header::parse(&packet[..length]).unwrap().0
}

/// A daemon on its source, and what passes between two readings of a clock here, s.
const BOUND: f64 = 2e-3;
const YEAR: i64 = 365 * 86_400;

#[test]
fn the_lists_are_right_and_tsharks_words_are_understood() {
    use maser::time::LeapTable;
    let table = LeapTable::parse(&list(&[MIDNIGHT], MIDNIGHT + YEAR)).unwrap();
    let december = Timestamp::from_seconds(MIDNIGHT - 86_400);
    assert_eq!(table.tells(december), Some(LeapIndicator::Insert));
    let text =
        "Capturing on 'Loopback: lo'\n127.0.0.2\t0\tfe:ff:00:11\n127.0.0.1\t0x01\t53:4f:43:4b\n";
    assert_eq!(answers(text), [(2, 0, "fe".to_owned()), (1, 1, "53".to_owned())]);
    assert!((smear(Shape::Linear, 43_200.5) - 0.5).abs() < 1e-9);
    assert!((smear(Shape::Cosine, 21_600.25) + 0.146_446_6).abs() < 1e-6);
}
