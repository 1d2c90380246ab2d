//! Privileges and limits. Capabilities belong to threads, so each test drops its own thread's and
//! reads back what the kernel says of it in /proc.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use maser_kernel::process::{self, Capability};
use std::net::UdpSocket;

/// A line of this thread's status, as a number in the given base.
fn status(key: &str, radix: u32) -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    u64::from_str_radix(line.trim_start_matches(':').trim(), radix).unwrap()
}

fn on_own_thread(test: impl FnOnce() + Send + 'static) {
    std::thread::spawn(test).join().unwrap();
}

#[test]
fn the_query_agrees_with_proc() {
    let effective = status("CapEff", 16);
    for capability in [
        Capability::NetBindService,
        Capability::NetAdmin,
        Capability::IpcLock,
        Capability::SysNice,
        Capability::SysTime,
    ] {
        let expected = effective >> (capability as u8) & 1 == 1;
        assert_eq!(process::has(capability).unwrap(), expected, "{capability:?}");
    }
}

#[test]
fn all_is_given_up_but_what_is_kept() {
    let permitted = status("CapPrm", 16);
    let bounding = status("CapBnd", 16);
    let may_bound = process::has(Capability::SetCapabilities).unwrap();
    on_own_thread(move || {
        let keep = [Capability::NetBindService, Capability::SysNice];
        process::drop_capabilities(&keep).unwrap();
        let kept = permitted & (1 << 10 | 1 << 23);
        assert_eq!(status("CapEff", 16), kept);
        assert_eq!(status("CapPrm", 16), kept);
        assert_eq!(status("CapInh", 16), 0);
        assert_eq!(status("CapAmb", 16), 0);
        assert_eq!(status("CapBnd", 16), if may_bound { 0 } else { bounding });
        assert_eq!(status("NoNewPrivs", 10), 1);
        assert!(!process::has(Capability::SysTime).unwrap());
        assert_eq!(process::has(Capability::SysNice).unwrap(), kept >> 23 & 1 == 1);
        // A second drop goes further, and never back.
        process::drop_capabilities(&[Capability::SysTime]).unwrap();
        assert_eq!(status("CapPrm", 16), 0);
        assert!(!process::has(Capability::SysTime).unwrap());
    });
    assert_eq!(status("CapPrm", 16), permitted, "another thread's drop reached this one");
}

#[test]
fn a_dropped_privilege_is_refused_by_the_kernel() {
    let first: u16 = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    if first <= 900 {
        eprintln!("SKIPPED: ports from {first} are open to all here");
        return;
    }
    on_own_thread(|| {
        process::drop_capabilities(&[]).unwrap();
        let error = UdpSocket::bind("127.0.0.1:900").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        let error = process::set_fifo(1).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
    });
}

#[test]
fn a_thread_runs_first_in_first_out_and_pinned() {
    on_own_thread(|| {
        let error = process::set_fifo(100).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{error}");
        if process::has(Capability::SysNice).unwrap() {
            process::set_fifo(1).unwrap();
            // Fields 40 and 41 of proc(5) stat: real-time priority and policy (1 is FIFO).
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let after_name = stat.rsplit_once(')').unwrap().1;
            let fields: Vec<&str> = after_name.split_whitespace().collect();
            assert_eq!(fields[40 - 3], "1");
            assert_eq!(fields[41 - 3].parse::<u32>().unwrap() & 0xff, 1);
        } else {
            eprintln!("SKIPPED: no CAP_SYS_NICE");
        }
        let allowed = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:"));
            line.unwrap().trim().to_owned()
        };
        let first = allowed().split(['-', ',']).next().unwrap().to_owned();
        process::pin(first.parse().unwrap()).unwrap();
        assert_eq!(allowed(), first);
        assert!(process::pin(1_000_000).is_err());
    });
}

#[test]
fn the_file_limit_is_the_hard_one() {
    let raised = process::raise_file_limit().unwrap();
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let fields: Vec<&str> = line.split_whitespace().collect();
    assert_eq!((fields[3], fields[4]), (raised.to_string().as_str(), raised.to_string().as_str()));
}
