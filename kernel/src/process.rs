//! What the process may do and how promptly it runs: capabilities, memory, scheduling, limits.
//!
//! Capabilities and no_new_privs belong to a thread in Linux, and new threads inherit them: drop
//! before the first thread starts. The order within a drop matters, because emptying the bounding
//! set itself needs a capability.

use crate::abi::{CapData, CapHeader, LINUX_CAPABILITY_VERSION_3};
use crate::error::{Error, Result, check};
use std::io;

/// A privilege a timing daemon may need (linux/capability.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Capability {
    /// Become another group.
    SetGid = 6,
    /// Become another user.
    SetUid = 7,
    /// Change the capabilities of the process; needed to empty the bounding set.
    SetCapabilities = 8,
    /// Bind ports below 1024.
    NetBindService = 10,
    /// Turn on hardware stamping, exceed buffer limits.
    NetAdmin = 12,
    /// Raw and packet sockets, binding to an interface.
    NetRaw = 13,
    /// Lock memory beyond the limit.
    IpcLock = 14,
    /// Real-time scheduling.
    SysNice = 23,
    /// Set and steer clocks.
    SysTime = 25,
}

/// Whether this thread has `capability` in effect.
pub fn has(capability: Capability) -> Result<bool> {
    let sets = capability_sets()?;
    let (half, bit) = position(capability as u8);
    Ok(sets[half].effective & bit != 0)
}

/// Gives up all capabilities but `keep`, for this thread and all it starts, for ever.
///
/// Effective and permitted sets shrink to those of `keep` that were permitted; the inheritable,
/// ambient and bounding sets become empty; no program run from here gains any (no_new_privs).
pub fn drop_capabilities(keep: &[Capability]) -> Result<()> {
    empty_bounding_set()?;
    let mut sets = capability_sets()?;
    let mut mask = [0_u32; 2];
    for &capability in keep {
        let (half, bit) = position(capability as u8);
        mask[half] |= bit;
    }
    for (set, mask) in sets.iter_mut().zip(mask) {
        set.permitted &= mask;
        // What is permitted and wanted is put to work, whether it was in effect or not.
        set.effective = set.permitted;
        set.inheritable = 0;
    }
    let header = CapHeader { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    // SAFETY: capset reads one header and, for version 3, two halves: `sets` has two.
    let returned = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    check_long(returned, "capset")?;
    control("prctl(PR_SET_NO_NEW_PRIVS)", libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Keeps all memory, now and later, in RAM, so that no page fault delays a stamp.
///
/// Needs [`Capability::IpcLock`] or a sufficient RLIMIT_MEMLOCK. Under a limit, later allocations
/// beyond it fail: raise the limit or do not lock.
pub fn lock_memory() -> Result<()> {
    // SAFETY: mlockall takes no pointers.
    let returned = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    check(returned, "mlockall", "this process")?;
    Ok(())
}

/// Runs the calling thread ahead of all ordinary ones (SCHED_FIFO), not those it starts.
///
/// `priority` is 1..=99. Needs [`Capability::SysNice`] or RLIMIT_RTPRIO.
pub fn set_fifo(priority: i32) -> Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the kernel reads one sched_param; 0 is the calling thread.
    let returned = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
    check(returned, "sched_setscheduler", format_args!("this thread, priority {priority}"))?;
    Ok(())
}

/// Runs the calling thread on one processor only.
pub fn pin(processor: usize) -> Result<()> {
    let on = format_args!("this thread, processor {processor}").to_string();
    // SAFETY: cpu_set_t is integers only, for which all zeroes is a value: no processor.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if processor >= size_of::<libc::cpu_set_t>() * 8 {
        return Err(Error::invalid("sched_setaffinity", on, "no such processor"));
    }
    // SAFETY: `processor` was just checked to be inside the set.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the kernel reads one cpu_set_t of the given size; 0 is the calling thread.
    let returned =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    check(returned, "sched_setaffinity", on)?;
    Ok(())
}

/// Raises the limit of open files as far as allowed and returns it.
pub fn raise_file_limit() -> Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a live, writable rlimit.
    let returned = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    check(returned, "getrlimit(RLIMIT_NOFILE)", "this process")?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one rlimit.
    let returned = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    check(returned, "setrlimit(RLIMIT_NOFILE)", "this process")?;
    Ok(limit.rlim_cur)
}

fn capability_sets() -> Result<[CapData; 2]> {
    let mut header = CapHeader { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let mut sets = [CapData::default(); 2];
    // SAFETY: capget reads and may rewrite one header and, for version 3, writes two halves.
    let returned = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    check_long(returned, "capget")?;
    Ok(sets)
}

/// Empties the bounding set as far as this thread may.
fn empty_bounding_set() -> Result<()> {
    for number in 0..64 {
        match control("prctl(PR_CAPBSET_DROP)", libc::PR_CAPBSET_DROP, number) {
            Ok(()) => {}
            // The first number this kernel does not know.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            // Not ours to change; with no_new_privs set it can give nothing back anyway.
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn control(call: &'static str, option: i32, argument: libc::c_ulong) -> Result<()> {
    let zero: libc::c_ulong = 0;
    // SAFETY: the two options used here take numbers, no pointers.
    let returned = unsafe { libc::prctl(option, argument, zero, zero, zero) };
    check(returned, call, "this thread")?;
    Ok(())
}

fn check_long(returned: libc::c_long, call: &'static str) -> Result<()> {
    if returned == 0 {
        Ok(())
    } else {
        Err(Error::new(call, "this thread", io::Error::last_os_error()))
    }
}

/// Which half of the sets, and which bit of it.
fn position(number: u8) -> (usize, u32) {
    (usize::from(number / 32), 1 << (number % 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernel_headers() {
        assert_eq!(Capability::SetUid as u8, 7);
        assert_eq!(Capability::SetCapabilities as u8, 8);
        assert_eq!(Capability::NetBindService as u8, 10);
        assert_eq!(Capability::NetAdmin as u8, 12);
        assert_eq!(Capability::IpcLock as u8, 14);
        assert_eq!(Capability::SysNice as u8, 23);
        assert_eq!(Capability::SysTime as u8, 25);
        assert_eq!(position(25), (0, 1 << 25));
        assert_eq!(position(40), (1, 1 << 8));
    }
}
