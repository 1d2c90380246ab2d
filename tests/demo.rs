//! The demo as a user runs it: it locks, its error lies inside its bound whatever the scheduler
//! does to the process, its judge sees a planted error, and it leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use maser::random::Random;
use serde_json::Value;

#[test]
fn sock_locks_and_keeps_its_word_while_it_is_stopped_and_continued() {
    under_stops("sock", 1);
}

#[test]
fn shm_locks_and_keeps_its_word_while_it_is_stopped_and_continued() {
    under_stops("shm", 2);
}

/// 200 ms at random times, once 5 s.
fn under_stops(via: &str, seed: u64) {
    let demo = Demo::start(&["--via", via, "--seconds", "60", "--seed", &seed.to_string()]);
    let mut random = Random::seeded(seed);
    let started = Instant::now();
    let mut long_stop_due = true;
    while started.elapsed() < Duration::from_secs(55) {
        std::thread::sleep(Duration::from_secs_f64(random.between(0.2, 2.5)));
        let long = long_stop_due && started.elapsed() > Duration::from_secs(30);
        long_stop_due &= !long;
        demo.signal("STOP");
        std::thread::sleep(Duration::from_millis(if long { 5000 } else { 200 }));
        demo.signal("CONT");
    }
    let (code, summary) = demo.end();
    eprintln!("{via}: {summary}");
    assert_eq!(code, Some(0), "{summary}");
    assert_eq!(summary["locked"], true);
    let number = |key: &str| summary[key].as_f64().unwrap_or_else(|| panic!("{key}: {summary}"));
    assert!(number("seconds_to_lock") <= 30.0, "{summary}");
    assert!(number("error_median_ns") <= 1000.0, "{summary}");
    assert!(number("error_p99_ns") <= 3000.0, "{summary}");
    assert!(number("bound_median_ns") <= 10_000.0, "{summary}");
    assert!(number("bound_violations") == 0.0, "{summary}");
    let (kept, skipped) = (number("readings_kept"), number("readings_skipped"));
    assert!(kept >= 300.0 && kept >= 9.0 * skipped, "{summary}");
    assert!(number("samples") >= 30.0 && number("dropped") == 0.0, "{summary}");
}

#[test]
fn a_planted_error_is_seen() {
    let demo = Demo::start(&["--plant", "100us", "--seconds", "20"]);
    let (code, summary) = demo.end();
    assert_eq!(code, Some(1), "{summary}");
    let median = summary["error_median_ns"].as_f64().unwrap();
    assert!((80e3..=120e3).contains(&median), "{summary}");
    assert!(summary["bound_violations"].as_u64().unwrap() > 100, "{summary}");
}

#[test]
fn it_ends_at_a_signal_and_leaves_nothing_behind() {
    for signal in ["TERM", "HUP"] {
        // A place of its own: a demo that was killed may have left a directory of any name elsewhere.
        let place = PathBuf::from(format!("/tmp/maser-test-{}-{signal}", std::process::id()));
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir(&place).unwrap();
        let demo = Demo::start_in(&place, &["--via", "shm"]);
        let process = demo.child.id();
        let directory = place.join(format!("maser-demo-{process}-0"));
        std::thread::sleep(Duration::from_secs(3));
        assert!(directory.exists());
        assert_eq!(segments(process).len(), 1);
        demo.signal(signal);
        let (code, summary) = demo.end();
        // It had no time to lock, and says so.
        assert_eq!((code, &summary["locked"]), (Some(1), &Value::Bool(false)));
        assert_eq!(summary["error_median_ns"], Value::Null);
        assert_eq!(segments(process), [""; 0]);
        // Empty, or this fails.
        std::fs::remove_dir(&place).unwrap();
    }
}

#[test]
fn an_address_in_use_is_told_in_one_sentence() {
    let first = Demo::start(&["--seconds", "3"]);
    std::thread::sleep(Duration::from_millis(700));
    let listen = first.listen.clone();
    let mut command = maser(&["demo", "--via", "shm", "--listen", &listen, "--seconds", "3"]);
    let second = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let process = second.id();
    let second = second.wait_with_output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&listen) && said.contains("in use"), "{said}");
    assert_eq!(segments(process), [""; 0]);
    first.end();
}

/// A running demo; killed if a test fails before its end.
struct Demo {
    child: Child,
    listen: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        Self::start_in(&std::env::temp_dir(), arguments)
    }

    /// With its temporary files in this directory.
    fn start_in(place: &std::path::Path, arguments: &[&str]) -> Self {
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{port}");
        let mut command = maser(&["demo", "--json", "--listen", &listen]);
        command.env("TMPDIR", place);
        let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        Self { child: child.unwrap(), listen }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(done.success(), "kill -{name} {pid}");
    }

    /// Waits for the end; the exit code and the last line.
    fn end(mut self) -> (Option<i32>, Value) {
        let mut said = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        let code = self.child.wait().unwrap().code();
        let last = said.lines().last().unwrap_or_else(|| panic!("nothing was said"));
        (code, serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {last}")))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, without the right to set the clock where this user could have it.
fn maser(arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_maser");
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| {
        use std::os::unix::fs::MetadataExt;
        m.uid() == 0
    });
    let mut command = if root {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--bounding-set=-sys_time", "--inh-caps=-sys_time", program]);
        setpriv
    } else {
        Command::new(program)
    };
    command.args(arguments);
    command
}

/// Keys of the shared memory segments that a process made; other demos may run beside it.
fn segments(process: u32) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    // key shmid perms size cpid …
    let own = rows.filter(|row| row.get(4) == Some(&process.to_string().as_str()));
    own.map(|row| row[0].to_owned()).collect()
}
