//! What the daemon learned, kept in a file over a restart.
//!
//! It is text, so that an administrator may look at it, and it names the oscillator that it tells of:
//! a file of another machine or of another kernel counter is no news of this one. Whatever is wrong
//! with it is told, and the daemon learns anew. It is written to a file beside it, which then takes its
//! place: whoever reads it finds the old one or the new one, whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::discipline::memory::{AGEING_MAX, Memory, OTHER_BOOT, SAME_BOOT};
use crate::discipline::servo::FREQUENCY_LIMIT;
use crate::sample::SourceId;
use crate::server::siphash::siphash;
use crate::time::{Duration, Frequency, Timestamp, Utc};

/// Where a daemon keeps what it learned.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
    origin: Origin,
    /// Of the sources, in the order of their ids.
    names: Vec<String>,
}

/// Which oscillator it is, and since which start of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    oscillator: String,
    boot: String,
}

/// The file as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    /// Seconds since 1970.
    written: i64,
    oscillator: String,
    boot: String,
    frequency_ppm: f64,
    frequency_sigma_ppm: f64,
    /// Per √s.
    wander: f64,
    /// 1/s.
    ageing: f64,
    ageing_sigma: f64,
    /// By the source's name, s.
    #[serde(default)]
    noise: BTreeMap<String, f64>,
}

impl StateFile {
    /// At this path, for sources of these names.
    pub fn new(path: PathBuf, names: Vec<String>) -> Self {
        Self { path, origin: Origin::this(), names }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was learned before, as much as it is still worth at `now`; nothing if there is no file.
    ///
    /// # Errors
    /// Why it cannot be used, in a sentence.
    pub fn load(&self, now: Timestamp<Utc>) -> Result<Option<Memory>, String> {
        let kind = match fs::metadata(&self.path) {
            Ok(kind) => kind,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        // Whoever opens a pipe waits for its writer.
        if !kind.is_file() {
            return Err("is no plain file".to_owned());
        }
        let mut bytes = Vec::new();
        File::open(&self.path)
            .and_then(|file| file.take(LENGTH_MAX as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        if bytes.len() > LENGTH_MAX {
            return Err("is too long".to_owned());
        }
        let text = str::from_utf8(&bytes).map_err(|error| format!("is damaged: {error}"))?;
        self.read(text, now).map(Some)
    }

    fn read(&self, text: &str, now: Timestamp<Utc>) -> Result<Memory, String> {
        let written: Written =
            toml::from_str(text).map_err(|error| format!("is damaged: {}", error.message()))?;
        if written.version != VERSION {
            return Err(format!("is of version {}; {VERSION} is known", written.version));
        }
        if written.oscillator != self.origin.oscillator {
            return Err("tells of another machine or clock source".to_owned());
        }
        let age = now - Timestamp::from_seconds(written.written);
        if age < -CLOCKS_DIFFER {
            return Err(format!("is of the future, by {}", -age));
        }
        let mut memory = Memory {
            frequency: Frequency::from_ppm(written.frequency_ppm),
            frequency_sigma: written.frequency_sigma_ppm * 1e-6,
            wander: written.wander,
            ageing: written.ageing,
            ageing_sigma: written.ageing_sigma,
            ..Memory::default()
        };
        for (name, id) in self.names.iter().zip(0u8..) {
            if let Some(sigma) = written.noise.get(name) {
                memory.set_noise(SourceId(id), *sigma);
            }
        }
        let noises = written.noise.values().all(|sigma| *sigma > 0.0 && sigma.is_finite());
        if !noises || !is_of_a_clock(&memory) {
            return Err("holds a value that no clock has".to_owned());
        }
        let again = written.boot == self.origin.boot;
        let aged = memory.later(age, if again { SAME_BOOT } else { OTHER_BOOT });
        if !is_of_a_clock(&aged) || aged.frequency_sigma > WORTH_MAX {
            return Err(format!("is too old to tell anything: written {age} ago"));
        }
        Ok(aged)
    }

    /// Writes what was learned, at `now`.
    ///
    /// # Errors
    /// Of the file system, or that no clock is as told; the former file is still there then.
    pub fn save(&self, memory: &Memory, now: Timestamp<Utc>) -> io::Result<()> {
        if !is_of_a_clock(memory) {
            return Err(io::Error::other("what was learned is of no clock"));
        }
        let noise = memory.known_noise().filter_map(|(id, sigma)| {
            let name = self.names.get(id.index())?;
            Some((name.clone(), sigma))
        });
        let written = Written {
            version: VERSION,
            written: now.seconds(),
            oscillator: self.origin.oscillator.clone(),
            boot: self.origin.boot.clone(),
            frequency_ppm: memory.frequency.ppm(),
            frequency_sigma_ppm: memory.frequency_sigma * 1e6,
            wander: memory.wander,
            ageing: memory.ageing,
            ageing_sigma: memory.ageing_sigma,
            noise: noise.collect(),
        };
        let text = toml::to_string(&written).map_err(io::Error::other)?;
        let beside = self.path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(HEADING.as_bytes())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        match self.path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Whether an oscillator can be like that. What comes from a file must not send a clock anywhere.
fn is_of_a_clock(memory: &Memory) -> bool {
    memory.frequency.ratio().abs() <= FREQUENCY_LIMIT.ratio()
        && memory.frequency_sigma > 0.0
        && memory.frequency_sigma <= FREQUENCY_LIMIT.ratio()
        && (WANDER_MIN..=WANDER_MAX).contains(&memory.wander)
        && memory.ageing.abs() <= AGEING_MAX
        && (0.0..=AGEING_MAX).contains(&memory.ageing_sigma)
}

impl Origin {
    /// This one. Its identity is told by a hash only: it is nobody's business elsewhere.
    fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let id = u128::from_str_radix(&read("/etc/machine-id"), 16).unwrap_or(0);
        let counter = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
        let hash = siphash(HASH_KEY, id);
        Self {
            oscillator: format!("{hash:016x} {counter}").trim().to_owned(),
            boot: read("/proc/sys/kernel/random/boot_id"),
        }
    }
}

const VERSION: u32 = 1;
const HEADING: &str =
    "# What maser learned of this machine's clock; it is written anew every hour.\n";
/// A file of 64 sources with long names is shorter.
const LENGTH_MAX: usize = 65_536;
/// A clock that is not set yet may be behind the one that dated the file.
const CLOCKS_DIFFER: Duration = Duration::from_seconds(60);
/// A rate known no better than this is what a daemon without a file begins with.
const WORTH_MAX: f64 = 1e-5;
const WANDER_MIN: f64 = 1e-13;
const WANDER_MAX: f64 = 1e-6;
/// Only to hide the machine's name: the same everywhere.
const HASH_KEY: [u64; 2] = [0x6d61_7365_7220_7374, 0x6174_6520_6669_6c65];

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp<Utc> = Timestamp::from_seconds(1_800_000_000);

    fn memory() -> Memory {
        let mut memory = Memory {
            frequency: Frequency::from_ppm(-12.5),
            frequency_sigma: 2e-9,
            wander: 1e-9,
            ageing: 3e-15,
            ageing_sigma: 1e-15,
            ..Memory::default()
        };
        memory.set_noise(SourceId(1), 4e-8);
        memory
    }

    /// A file in a directory of its own, with what was written into it.
    fn file(name: &str) -> (PathBuf, StateFile) {
        let folder =
            std::env::temp_dir().join(format!("maser-state-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let origin = Origin { oscillator: "f00d tsc".to_owned(), boot: "b".to_owned() };
        let names = vec!["gps".to_owned(), "pps".to_owned()];
        let file = StateFile { path: folder.join("state.toml"), origin, names };
        file.save(&memory(), NOW).unwrap();
        (folder, file)
    }

    #[test]
    fn what_was_written_is_read_and_has_aged() {
        let (folder, file) = file("aged");
        let read = file.load(NOW).unwrap().unwrap();
        assert!((read.frequency.ppm() + 12.5).abs() < 1e-9);
        assert!((read.frequency_sigma / libm::sqrt(4e-18 + 1e-16) - 1.0).abs() < 1e-6);
        assert_eq!(read.known_noise().collect::<Vec<_>>(), [(SourceId(1), 4e-8)]);
        let later = file.load(NOW + Duration::from_seconds(1_000_000)).unwrap().unwrap();
        assert!(later.frequency_sigma > 1e-6 && later.frequency > read.frequency);
        let origin = Origin { boot: "c".to_owned(), ..file.origin.clone() };
        let rebooted = StateFile { origin, ..file.clone() }.load(NOW).unwrap().unwrap();
        assert!(rebooted.frequency_sigma > 0.9e-6);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_tells_nothing_of_this_clock_is_named_and_not_used() {
        let (folder, file) = file("bad");
        let good = fs::read_to_string(&file.path).unwrap();
        let refused = |text: &str, why: &str| {
            fs::write(&file.path, text).unwrap();
            let error = file.load(NOW).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        refused(&good[..good.len() / 2], "damaged");
        refused("\0\0\0", "damaged");
        refused(&good.replace("version = 1", "version = 9"), "version 9");
        refused(&good.replace("f00d", "beef"), "another machine");
        refused(&good.replace("1800000000", "1900000000"), "of the future");
        let rate = good.lines().find(|line| line.starts_with("frequency_ppm")).unwrap();
        refused(&good.replace(rate, "frequency_ppm = -1e9"), "no clock has");
        refused(&good.replace(rate, "frequency_ppm = nan"), "no clock has");
        for (key, values) in [
            ("ageing", &["1e300", "inf", "-1e-8"][..]),
            ("ageing_sigma", &["inf", "1e-8", "-1e-15"]),
            ("frequency_sigma_ppm", &["inf", "0.0", "1e9"]),
            ("wander", &["0.0", "inf"]),
        ] {
            let begins = format!("{key} = ");
            let line = good.lines().find(|line| line.starts_with(&begins)).unwrap();
            for value in values {
                refused(&good.replace(line, &format!("{key} = {value}")), "no clock has");
            }
        }
        refused(&good.replace("1800000000", "0"), "too old");
        refused(&good.replace("1800000000", "-9223372036854775808"), "");
        refused(&good.replace("gps", "x").replace("pps = ", "pps = -"), "no clock has");
        refused(&"#".repeat(LENGTH_MAX + 1), "too long");
        let most = format!("{good}{}", "#".repeat(LENGTH_MAX - good.len()));
        fs::write(&file.path, most).unwrap();
        assert!(file.load(NOW).is_ok());
        fs::write(&file.path, b"version = \xff").unwrap();
        assert!(file.load(NOW).unwrap_err().contains("damaged"));
        fs::remove_file(&file.path).unwrap();
        assert_eq!(file.load(NOW), Ok(None));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_plain_file_or_has_no_end_is_refused_at_once() {
        let (folder, file) = file("kinds");
        let refused = |why: &str| assert_eq!(file.load(NOW), Err(why.to_owned()));
        // A hole of a terabyte: whoever read it whole would die of it.
        let hole = File::create(&file.path).and_then(|f| f.set_len(1 << 40));
        match hole {
            Ok(()) => refused("is too long"),
            Err(error) => eprintln!("no holes here: {error}"),
        }
        fs::remove_file(&file.path).unwrap();
        fs::create_dir(&file.path).unwrap();
        refused("is no plain file");
        fs::remove_dir(&file.path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file.path).unwrap();
        refused("is no plain file");
        fs::remove_file(&file.path).unwrap();
        // Nobody ever writes into this pipe.
        let made = std::process::Command::new("mkfifo").arg(&file.path).status().unwrap();
        assert!(made.success());
        refused("is no plain file");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_and_loses_nothing() {
        let (folder, file) = file("full");
        fs::create_dir(file.path.with_extension("new")).unwrap();
        assert!(file.save(&Memory { wander: 2e-9, ..memory() }, NOW).is_err());
        assert!((file.load(NOW).unwrap().unwrap().wander - 1e-9).abs() < 1e-15);
        fs::remove_dir_all(folder).unwrap();
    }
}
