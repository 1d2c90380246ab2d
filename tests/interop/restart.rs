//! A daemon that is restarted, and one whose only server falls silent and comes back.

use std::time::Duration;

use serde_json::Value;

use crate::stage::{Folder, Place, Running, free_port, maser, measured, said, wait_for};

/// A server, and a daemon that follows it and keeps what it learns.
struct Pair {
    folder: Folder,
    server: String,
    client: String,
}

impl Pair {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let (port, own) = (free_port(), free_port());
        let server = format!(
            "control = {:?}\n[serve]\nlisten = [\"127.0.0.1:{port}\"]\nrate = false\n\
             [local]\nstratum = 1\nuncertainty = \"1ms\"\n",
            folder.at("server"),
        );
        let client = format!(
            "control = {:?}\nstate_file = {:?}\n[serve]\nlisten = [\"127.0.0.1:{own}\"]\n\
             [[server]]\naddress = \"127.0.0.1\"\nport = {port}\nminpoll = 0\nmaxpoll = 0\n",
            folder.at("client"),
            folder.at("state.toml"),
        );
        let server = folder.write("server.toml", &server);
        let client = folder.write("client.toml", &client);
        Self { folder, server, client }
    }

    fn start(&self, file: &str, log: &str) -> Running {
        let arguments = ["run", "--no-steer", "--config", file];
        Place::Here.start(&maser(), &arguments, &self.folder.at(log))
    }

    /// What the follower tells of its clock.
    fn tracking(&self) -> Option<Value> {
        let arguments = ["tracking", "--json", "--socket", &self.folder.at("client")];
        serde_json::from_slice(&Place::Here.run(&maser(), &arguments).stdout).ok()
    }

    /// Waits for a phase and returns what is told then.
    fn phase(&self, phase: &str) -> Value {
        wait_for(Duration::from_secs(60), phase, || {
            self.tracking().filter(|told| told["phase"] == phase)
        })
    }
}

fn number(told: &Value, key: &str) -> f64 {
    told[key].as_f64().unwrap_or_else(|| panic!("{key}: {told}"))
}

#[test]
fn what_was_learned_outlasts_a_restart_and_a_damaged_file_is_named() {
    let pair = Pair::new("restart");
    let _server = pair.start(&pair.server, "server.log");
    let first = pair.start(&pair.client, "first.log");
    let learned = pair.phase("locked");
    assert!(pair.folder.read("first.log").contains("not there yet"));
    drop(first);
    let kept = pair.folder.read("state.toml");
    assert!(kept.contains("frequency_ppm"), "{kept}");

    let second = pair.start(&pair.client, "second.log");
    let told = pair.phase("locked");
    let log = pair.folder.read("second.log");
    assert!(log.contains("the oscillator runs"), "{log}");
    // It locks after three samples rather than eight.
    assert!(number(&told, "samples") < number(&learned, "samples"), "{told} {learned}");
    drop(second);

    for (text, why) in [
        ("frequency_ppm = 'fast'".to_owned(), "learned anew"),
        (kept.replace("oscillator = \"", "oscillator = \"another "), "learned anew"),
        (year_3000(&kept), "learned anew"),
    ] {
        pair.folder.write("state.toml", &text);
        let third = pair.start(&pair.client, "third.log");
        pair.phase("locked");
        let log = pair.folder.read("third.log");
        assert!(log.contains("state.toml") && log.contains(why), "{text}\n{log}");
        drop(third);
        let again = pair.folder.read("state.toml");
        assert!(again.contains("frequency_ppm") && again != text, "{again}");
    }
}

/// The file as if it were written then.
fn year_3000(kept: &str) -> String {
    let line = kept.lines().find(|line| line.starts_with("written")).unwrap();
    kept.replace(line, "written = 32503680000")
}

#[test]
fn a_server_that_falls_silent_is_held_over_and_returns_without_a_jump() {
    let pair = Pair::new("holdover");
    let server = pair.start(&pair.server, "server.log");
    let _client = pair.start(&pair.client, "client.log");
    pair.phase("locked");
    // The rate is to be known a little.
    std::thread::sleep(Duration::from_secs(15));
    let locked = pair.tracking().unwrap();
    drop(server);

    let held = pair.phase("holdover");
    for same in ["stratum", "reference_id", "leap", "synchronised"] {
        assert_eq!(held[same], locked[same], "{same}: {held}");
    }
    std::thread::sleep(Duration::from_secs(2));
    let later = pair.tracking().unwrap();
    let grown = number(&later, "root_dispersion_ns") - number(&held, "root_dispersion_ns");
    assert!(grown > 0.0, "{held} {later}");

    let _server = pair.start(&pair.server, "server2.log");
    let back = pair.phase("locked");
    measured("offset at the return", number(&back, "offset_ns") * 1e-3, "µs");
    assert!(number(&back, "offset_ns").abs() < 1e6, "{back}");
    let log = said(&Place::Here.run(std::path::Path::new("cat"), &[&pair.folder.at("client.log")]));
    assert_eq!(log.matches("served clock stepped").count(), steps_at_start(&log), "{log}");
}

/// Steps before the first lock.
fn steps_at_start(log: &str) -> usize {
    let before = log.split("→ locked").next().unwrap_or_default();
    before.matches("served clock stepped").count()
}
