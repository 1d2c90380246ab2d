//! Locking memory, in a process of its own: what is locked stays so for every test in it.

use maser_kernel::process::{self, Capability};

#[test]
fn memory_is_locked_now_and_later() {
    let locked = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    if !process::has(Capability::IpcLock).unwrap() {
        eprintln!("SKIPPED: no CAP_IPC_LOCK");
        return;
    }
    assert_eq!(locked(), 0);
    process::lock_memory().unwrap();
    let before = locked();
    assert!(before > 0);
    let more = std::hint::black_box(vec![1_u8; 8 << 20]);
    assert!(locked() >= before + (8 << 10), "{} kB, {before} kB before", locked());
    drop(more);
}
