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
    let (a, b) = (folder.file("a.toml", CLIENT), folder.file("b.toml", CLOCK));
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
    assert_eq!(keys.len(), 14);
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
    let out = sim(&[&a, "/nonexistent.toml"]);
    assert_eq!(out.status.code(), Some(1));
    let told = text(&out.stderr);
    assert!(told.contains("a.toml:10: node[0].source[0].minpol: unknown key"), "{told}");
    assert!(told.contains("/nonexistent.toml: cannot be read"), "{told}");
    assert!(out.stdout.is_empty());
}
