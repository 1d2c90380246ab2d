//! `maser sim` as a user has it: exit codes, files, errors.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::{CLIENT, CLOCK};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("maser-sim-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_maser")).arg("sim").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn figures_are_the_same_bytes_however_many_jobs_there_are() {
    let folder = Folder::new("same");
    let clock = CLOCK.replace("name = \"t\"", "name = \"u\"");
    let (a, b) = (folder.file("a.toml", CLIENT), folder.file("b.toml", &clock));
    for (json, jobs) in [("1.json", "1"), ("2.json", "3")] {
        let path = folder.0.join(json).display().to_string();
        let out = sim(&[&a, &b, "--seeds", "4..6", "--jobs", jobs, "--json", &path]);
        assert_eq!(out.status.code(), Some(0), "{}{}", text(&out.stdout), text(&out.stderr));
    }
    let json = folder.read("1.json");
    assert_eq!(json, folder.read("2.json"));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let first = &report["scenarios"][0];
    assert_eq!((first["name"].as_str(), first["seeds"].as_u64()), (Some("t"), Some(3)));
    assert!(first["rms_s"].as_f64().unwrap() < 1e-3 && first["ok"] == true);
    assert!(first["event_max_s"].is_null() && first["recovery_s"].is_null());
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 17);
    // Each seed once, whatever the others came to.
    let reached = &first["events"]["system_peer"];
    assert_eq!((reached["at_least"].as_u64(), reached["at_most"].as_u64()), (Some(1), Some(1)));
}

#[test]
fn an_expectation_that_fails_is_told_with_figures_and_exit_code_1() {
    let folder = Folder::new("fails");
    let file = folder.file("a.toml", &format!("{CLOCK}\n[expect]\nrms = \"1ns\"\n"));
    let junit = folder.0.join("r.xml").display().to_string();
    let out = sim(&[&file, "--junit", &junit]);
    assert_eq!(out.status.code(), Some(1));
    let told = text(&out.stdout);
    assert!(
        told.contains("FAILED") && told.contains("rms is ") && told.contains("1.0000e-9"),
        "{told}"
    );
    let xml = folder.read("r.xml");
    assert!(xml.contains("tests=\"1\" failures=\"1\"") && xml.contains("<failure"), "{xml}");
}

#[test]
fn files_that_are_wrong_are_all_told_before_anything_runs() {
    let folder = Folder::new("wrong");
    let a = folder.file("a.toml", &CLIENT.replace("minpoll", "minpol"));
    let wrong = CLIENT.replace("base = 1e-4", "base = -1");
    let wrong = wrong.replace("minpoll = 4\nmaxpoll = 4", "minpoll = 40\nversion = 4");
    let b = folder.file("b.toml", &wrong);
    let out = sim(&[&a, &b, "/nonexistent.toml"]);
    assert_eq!(out.status.code(), Some(1));
    let told = text(&out.stderr);
    let lines: Vec<&str> = told.lines().collect();
    let [first, second, third, fourth] = lines[..] else { panic!("{told}") };
    let starts = |line: &str, file: &str, rest: &str| {
        assert!(line.starts_with(&format!("maser: {file}{rest}")), "{told}");
    };
    starts(first, &a, ":10: node[0].source[0].minpol: unknown key; did you mean `minpoll`?");
    starts(
        second,
        &b,
        ":10: node[0].source[0].minpoll: is out of range; log2 of seconds, -6 to 17",
    );
    starts(third, &b, ":17: link[0].both.base: is -1; seconds, 0 to 1000");
    starts(fourth, "/nonexistent.toml", ": cannot be read");
    assert!(out.stdout.is_empty());
}

#[test]
fn two_scenarios_of_one_name_are_refused_with_both_files() {
    let folder = Folder::new("names");
    let (a, b) = (folder.file("a.toml", CLIENT), folder.file("b.toml", CLOCK));
    let out = sim(&[&a, &b]);
    let told = text(&out.stderr);
    assert_eq!((out.status.code(), out.stdout.len()), (Some(1), 0), "{told}");
    let line = format!("maser: {b}:2: name: \"t\" is the name in {a}, too; ");
    assert!(told.starts_with(&line), "{told}");
}

#[test]
fn a_swarm_and_one_of_its_worlds_write_the_same_figures() {
    let folder = Folder::new("swarm");
    let keys = |name: &str, arguments: &[&str]| -> Vec<String> {
        let path = folder.0.join(name).display().to_string();
        let out = sim(&[&["--swarm", "--json", &path], arguments].concat());
        assert_eq!(out.status.code(), Some(0), "{}{}", text(&out.stdout), text(&out.stderr));
        let report: serde_json::Value = serde_json::from_str(&folder.read(name)).unwrap();
        assert_eq!(
            (report["worlds"].as_u64(), report["failed"].as_array().unwrap().len()),
            (Some(1), 0)
        );
        report.as_object().unwrap().keys().cloned().collect()
    };
    let swarm = keys("swarm.json", &["--worlds", "1", "--from", "1000000"]);
    assert_eq!(swarm, keys("world.json", &["--world", "1000000"]));
}

#[test]
fn what_would_be_ignored_is_refused() {
    for arguments in [
        &["--swarm", "--report", "x.html"][..],
        &["--swarm", "--junit", "x.xml"],
        &["--swarm", "--seeds", "1..3"],
        &["--swarm", "x.toml"],
        &["--swarm", "--world", "3", "--jobs", "2"],
        &["x.toml", "--worlds", "3"],
    ] {
        let out = sim(arguments);
        let told = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains("cannot be used with"), "{arguments:?}: {told}");
    }
}
