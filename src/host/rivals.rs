//! Who else steers this machine's clock. Two that steer fight, and both report nonsense.
//!
//! Programs are known by the name that the kernel shows (`/proc/PID/comm`, at most 15 bytes). One
//! that was told to leave the clock alone, or that lacks CAP_SYS_TIME, is no rival. Daemons in other
//! PID namespaces cannot be seen from here.

use std::fmt;
use std::fs;
use std::path::Path;

/// A running program that may steer the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its process.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

/// All rivals that run now, in the order of their pids. Processes that end meanwhile are no rivals.
pub fn scan() -> Vec<Rival> {
    scan_at(Path::new("/proc"))
}

fn scan_at(proc: &Path) -> Vec<Rival> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut rivals: Vec<Rival> = pids.filter_map(|pid| rival(proc, pid)).collect();
    rivals.retain(|rival| rival.pid != std::process::id());
    rivals.sort_by_key(|rival| rival.pid);
    rivals
}

fn rival(proc: &Path, pid: u32) -> Option<Rival> {
    let process = proc.join(pid.to_string());
    let read = |file: &str| fs::read(process.join(file)).ok();
    let comm = read("comm")?;
    let known = known(String::from_utf8_lossy(&comm).trim_end())?;
    let status = read("status")?;
    let may_steer = effective_capabilities(&String::from_utf8_lossy(&status))? & SYS_TIME != 0;
    let arguments = read("cmdline")?;
    let steers = may_steer && known.steers(&String::from_utf8_lossy(&arguments));
    steers.then(|| Rival { pid, name: known.name.to_owned() })
}

/// A program that steers clocks.
#[derive(Debug)]
struct Known {
    /// As the kernel shows it.
    comm: &'static str,
    /// As people call it.
    name: &'static str,
    steers: Steers,
}

#[derive(Debug)]
enum Steers {
    /// Whenever it may.
    Always,
    /// Unless this option is given.
    Without(char),
    /// Only with this option.
    With(char),
    /// Another of our own kind: `run`, and not `--no-steer`.
    LikeUs,
}

impl Known {
    /// Whether these arguments, separated by zero bytes, let it steer.
    fn steers(&self, cmdline: &str) -> bool {
        let has = |option| cmdline.split('\0').skip(1).any(|argument| flags(argument, option));
        match self.steers {
            Steers::Always => true,
            Steers::Without(option) => !has(option),
            Steers::With(option) => has(option),
            Steers::LikeUs => {
                let given = |word| cmdline.split('\0').skip(1).any(|argument| argument == word);
                given("run") && !given("--no-steer")
            }
        }
    }
}

/// Whether a short option is set by this argument, alone or among others: `-x`, `-nx`.
fn flags(argument: &str, option: char) -> bool {
    argument.strip_prefix('-').is_some_and(|rest| !rest.starts_with('-') && rest.contains(option))
}

fn known(comm: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.comm == comm)
}

/// The set `CapEff` of `/proc/PID/status`.
fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

const KNOWN: [Known; 8] = [
    Known { comm: "maser", name: "another maser", steers: Steers::LikeUs },
    Known { comm: "chronyd", name: "chronyd", steers: Steers::Without('x') },
    Known { comm: "ntpd", name: "ntpd", steers: Steers::Always },
    Known { comm: "ntp-daemon", name: "ntp-daemon", steers: Steers::Always },
    // Cut off at 15 bytes.
    Known { comm: "systemd-timesyn", name: "systemd-timesyncd", steers: Steers::Always },
    // By hardware stamps it steers the network card's clock, which is none of ours.
    Known { comm: "ptp4l", name: "ptp4l", steers: Steers::With('S') },
    Known { comm: "phc2sys", name: "phc2sys", steers: Steers::Always },
    Known { comm: "sfptpd", name: "sfptpd", steers: Steers::Always },
];

/// CAP_SYS_TIME is number 25 (linux/capability.h).
const SYS_TIME: u64 = 1 << 25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_read() {
        let status = "Name:\tntpd\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000002000400\n";
        assert_eq!(effective_capabilities(status), Some(0x0200_0400));
        assert_eq!(effective_capabilities("CapEff:\tzz\n"), None);
        assert_eq!(effective_capabilities(""), None);
    }

    #[test]
    fn options_are_told_apart_from_words() {
        assert!(flags("-x", 'x') && flags("-nx", 'x'));
        assert!(!flags("--sx", 'x') && !flags("x", 'x') && !flags("-d", 'x') && !flags("-", 'x'));
        let chronyd = known("chronyd").unwrap();
        assert!(chronyd.steers("chronyd\0-F\x001\0"));
        assert!(!chronyd.steers("chronyd\0-x\0"));
        let ptp4l = known("ptp4l").unwrap();
        assert!(!ptp4l.steers("ptp4l\0-i\0eth0\0") && ptp4l.steers("ptp4l\0-S\0"));
    }

    #[test]
    fn names_fit_what_the_kernel_shows() {
        assert!(KNOWN.iter().all(|known| known.comm.len() <= 15));
        assert!(known("chronyc").is_none());
    }

    #[test]
    fn another_maser_that_steers_is_a_rival() {
        let maser = known("maser").expect("our own kind is known");
        for (cmdline, steers) in [
            ("maser\0run\0--config\0a.toml\0", true),
            ("maser\0run\0--no-steer\0", false),
            ("maser\0demo\0", false),
        ] {
            assert_eq!(maser.steers(cmdline), steers, "{cmdline:?}");
        }
    }

    /// A `/proc` made up of files: one rival, and five that look like one.
    #[test]
    fn rivals_are_found_among_processes() {
        let root = std::env::temp_dir().join(format!("maser-rivals-{}", std::process::id()));
        let with = "CapEff:\t0000000002000000\n";
        let without = "CapEff:\t0000000000000400\n";
        for (pid, comm, cmdline, status) in [
            ("20", "systemd-timesyn\n", "/lib/systemd/systemd-timesyncd\0", with),
            ("7", "ntpd\n", "ntpd\0-n\0", with),
            ("8", "ntpd\n", "ntpd\0-n\0", without),
            ("9", "chronyd\n", "chronyd\0-x\0", with),
            ("10", "bash\n", "bash\0", with),
            ("self", "ntpd\n", "ntpd\0", with),
        ] {
            let process = root.join(pid);
            fs::create_dir_all(&process).unwrap();
            fs::write(process.join("comm"), comm).unwrap();
            fs::write(process.join("cmdline"), cmdline).unwrap();
            fs::write(process.join("status"), status).unwrap();
        }
        // A process that ended while it was looked at.
        fs::create_dir_all(root.join("11")).unwrap();
        let rivals: Vec<String> = scan_at(&root).iter().map(ToString::to_string).collect();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(rivals, ["ntpd (pid 7)", "systemd-timesyncd (pid 20)"]);
        assert_eq!(scan_at(&root), []);
    }

    #[test]
    fn this_machine_can_be_scanned() {
        assert!(scan().iter().all(|rival| rival.pid != std::process::id()));
    }
}
