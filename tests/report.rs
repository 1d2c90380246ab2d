//! `maser sim --report`: the page as a user gets it, from the command line to the file.
#![expect(clippy::unwrap_used, reason = "a test that cannot run fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCENARIO: &str = r#"
name = "short"
duration = "20min"
settle = "2min"

[[node]]
name = "client"
oscillator = { offset = 0.01, frequency = 1e-5, wander = 1e-9 }

[[node.source]]
server = "server"
minpoll = 4
maxpoll = 4

[[server]]
name = "server"

[[link]]
from = "client"
to = "server"
both = { base = 1e-4, queueing = [{ exponential = 1e-4 }] }

[[event]]
at = "10min"
until = "12min"
what = "block"
"#;

/// A folder of its own with the scenario in it.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("short.toml"), SCENARIO).unwrap();
    folder
}

fn sim(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maser"));
    command.current_dir(folder).args(["sim", "short.toml"]).args(arguments).output().unwrap()
}

#[test]
fn a_page_is_written_whole_and_the_same_however_many_jobs_run() {
    let folder = folder("whole");
    let mut pages = Vec::new();
    for jobs in ["1", "3"] {
        fs::write(folder.join("page.html"), "the page of yesterday").unwrap();
        let arguments = ["--seeds", "5..7", "--jobs", jobs, "--report", "page.html"];
        let output = sim(&folder, &arguments);
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("short"), "{output:?}");
        pages.push(fs::read_to_string(folder.join("page.html")).unwrap());
    }
    assert!(pages[0] == pages[1]);
    let page = &pages[0];
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(page.contains("drawn is seed 5") && page.contains("means over 3 seeds"));
    assert!(page.contains("10 min to 12 min: no packet passes"));
    assert!(!page.contains("http:") && !page.contains("https:"));
    assert!(page.len() < 1_000_000, "{}", page.len());
    let left: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_page_that_cannot_be_written_is_an_error_with_its_name() {
    let folder = folder("refused");
    fs::create_dir(folder.join("taken")).unwrap();
    for path in ["nowhere/page.html", "taken"] {
        let output = sim(&folder, &["--report", path]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(path) && error.contains("cannot be written"), "{error}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
}

#[test]
fn the_drawn_run_is_the_one_that_is_judged() {
    let folder = folder("same");
    let without = sim(&folder, &[]);
    let with = sim(&folder, &["--report", "page.html"]);
    assert_eq!(without.stdout, with.stdout);
}
