//! The kernel's binary interface where libc stops: structs, constants, ioctl numbers.
//!
//! Every size, offset and number is asserted below against literals printed by a C program built
//! from the kernel's own headers on x86-64. The ioctl encoding is the generic one (asm-generic):
//! MIPS, PowerPC, SPARC and Alpha differ and are refused at compile time.

use libc::{c_int, c_ulong};

#[cfg(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc64"
))]
compile_error!("ioctl numbers and socket options of this architecture are not laid out here");

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("the layouts here are those of 64-bit Linux");

/// A report of the error queue: `struct sock_extended_err`, linux/errqueue.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SockExtendedErr {
    /// Errno of the report; ENOMSG for a transmit stamp.
    pub errno: u32,
    /// Who reports: `SO_EE_ORIGIN_*`.
    pub origin: u8,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Always 0.
    pub pad: u8,
    /// `SCM_TSTAMP_*` of a stamp; the MTU of an ICMP report.
    pub info: u32,
    /// The id of the stamped datagram.
    pub data: u32,
}

/// Software, (unused) and hardware stamp: `struct scm_timestamping64`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScmTimestamping64 {
    /// Seconds and nanoseconds, three times.
    pub stamps: [[i64; 2]; 3],
}

/// The wire's view of a stamped datagram: `struct scm_ts_pktinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScmTsPktinfo {
    /// The physical interface under any bond, bridge or VLAN.
    pub interface: u32,
    /// Length at layer 2, bytes.
    pub length: u32,
    /// Reserved.
    pub reserved: [u32; 2],
}

/// SO_TIMESTAMPING with a chosen PTP clock: `struct so_timestamping`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoTimestamping {
    /// `SOF_TIMESTAMPING_*`.
    pub flags: c_int,
    /// Index of the PTP clock, with `SOF_TIMESTAMPING_BIND_PHC`.
    pub bind_phc: c_int,
}

/// One edge of a pulse: `struct pps_ktime`, linux/pps.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PpsKtime {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds.
    pub nanoseconds: i32,
    /// [`PPS_TIME_INVALID`] in a timeout: wait for ever.
    pub flags: u32,
}

/// The last edges: `struct pps_kinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PpsKinfo {
    /// Counts assert edges.
    pub assert_sequence: u32,
    /// Counts clear edges.
    pub clear_sequence: u32,
    /// The last assert edge.
    pub assert: PpsKtime,
    /// The last clear edge.
    pub clear: PpsKtime,
    /// Mode bits in force.
    pub current_mode: c_int,
}

/// Argument of [`PPS_FETCH`]: `struct pps_fdata`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PpsFdata {
    /// The last edges.
    pub info: PpsKinfo,
    /// How long to wait for a new one.
    pub timeout: PpsKtime,
}

/// Argument of [`PPS_GETPARAMS`] and [`PPS_SETPARAMS`]: `struct pps_kparams`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PpsKparams {
    /// [`PPS_API_VERSION`].
    pub api_version: c_int,
    /// Mode bits.
    pub mode: c_int,
    /// Added to assert edges with `PPS_OFFSETASSERT`.
    pub assert_offset: PpsKtime,
    /// Added to clear edges with `PPS_OFFSETCLEAR`.
    pub clear_offset: PpsKtime,
}

/// Argument of [`PPS_KC_BIND`]: `struct pps_bind_args`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PpsBindArgs {
    /// `PPS_TSFMT_TSPEC`.
    pub format: c_int,
    /// `PPS_CAPTUREASSERT` or `PPS_CAPTURECLEAR`; 0 unbinds.
    pub edge: c_int,
    /// `PPS_KC_HARDPPS`.
    pub consumer: c_int,
}

/// Argument of capget(2) and capset(2): `struct __user_cap_header_struct`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct CapHeader {
    pub version: u32,
    pub pid: c_int,
}

/// One 32-bit half of the three sets: `struct __user_cap_data_struct`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CapData {
    pub effective: u32,
    pub permitted: u32,
    pub inheritable: u32,
}

/// The clock id of an open clock device: FD_TO_CLOCKID of clock_getres(2).
pub const fn fd_to_clock_id(fd: c_int) -> libc::clockid_t {
    (!fd << 3) | CLOCKFD
}

/// A `timex` that asks for nothing.
pub(crate) fn zeroed_timex() -> libc::timex {
    // SAFETY: timex is integers only, for which all zeroes is a value.
    unsafe { std::mem::zeroed() }
}

/// `_IOR`: the kernel writes `size` bytes.
pub const fn ior(group: u8, number: u8, size: usize) -> c_ulong {
    ioctl(IOC_READ, group, number, size)
}

/// `_IOW`: the kernel reads `size` bytes.
pub const fn iow(group: u8, number: u8, size: usize) -> c_ulong {
    ioctl(IOC_WRITE, group, number, size)
}

/// `_IOWR`: the kernel reads and writes `size` bytes.
pub const fn iowr(group: u8, number: u8, size: usize) -> c_ulong {
    ioctl(IOC_READ | IOC_WRITE, group, number, size)
}

/// Direction (2 bits), size (14), group (8), number (8): asm-generic/ioctl.h.
const fn ioctl(direction: c_ulong, group: u8, number: u8, size: usize) -> c_ulong {
    assert!(size < 1 << 14);
    direction << 30 | (size as c_ulong) << 16 | (group as c_ulong) << 8 | number as c_ulong
}

const IOC_WRITE: c_ulong = 1;
const IOC_READ: c_ulong = 2;
const CLOCKFD: c_int = 3;

// The header takes the size of a pointer where it means that of the struct; so it stays.
const POINTER: usize = size_of::<usize>();
/// Reads a source's parameters into [`PpsKparams`].
pub const PPS_GETPARAMS: c_ulong = ior(b'p', 0xa1, POINTER);
/// Sets a source's parameters from [`PpsKparams`].
pub const PPS_SETPARAMS: c_ulong = iow(b'p', 0xa2, POINTER);
/// Reads a source's capabilities, an `int` of mode bits.
pub const PPS_GETCAP: c_ulong = ior(b'p', 0xa3, POINTER);
/// Waits for an edge and reads the last ones into [`PpsFdata`].
pub const PPS_FETCH: c_ulong = iowr(b'p', 0xa4, POINTER);
/// Binds a source to the kernel's own discipline with [`PpsBindArgs`].
pub const PPS_KC_BIND: c_ulong = iow(b'p', 0xa5, POINTER);
/// The only version of the interface.
pub const PPS_API_VERSION: c_int = 1;
/// In a timeout: wait for ever.
pub const PPS_TIME_INVALID: u32 = 1;
/// Line discipline that stamps pulses on a serial line's carrier detect.
pub const N_PPS: c_int = 18;

/// Reads a `termios2`.
pub const TCGETS2: c_ulong = ior(b'T', 0x2a, size_of::<libc::termios2>());
/// Sets a `termios2` at once.
pub const TCSETS2: c_ulong = iow(b'T', 0x2b, size_of::<libc::termios2>());

/// SO_TIMESTAMPING and SCM_TIMESTAMPING with 64-bit seconds on every architecture (Linux 5.1).
pub const SO_TIMESTAMPING_NEW: c_int = 65;
/// The option's first number; per-datagram requests take it on every kernel.
pub const SO_TIMESTAMPING_OLD: c_int = 37;
/// Control message with [`ScmTsPktinfo`].
pub const SCM_TIMESTAMPING_PKTINFO: c_int = 58;
/// Control message that chooses a datagram's id (Linux 6.13; asm-generic/socket.h).
pub const SCM_TS_OPT_ID: c_int = 81;
/// poll(2) reports the error queue as POLLPRI too.
pub const SO_SELECT_ERR_QUEUE: c_int = 45;
/// The datagram was handed to the wire.
pub const SCM_TSTAMP_SND: u32 = 0;
/// The datagram entered the queue of the packet scheduler.
pub const SCM_TSTAMP_SCHED: u32 = 1;
/// The data was acknowledged (streams only).
pub const SCM_TSTAMP_ACK: u32 = 2;
/// Version of the capability structs with 64-bit sets.
pub(crate) const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn sizes_are_the_kernel_headers() {
        assert_eq!(size_of::<libc::timex>(), 208);
        assert_eq!(size_of::<libc::termios2>(), 44);
        assert_eq!(size_of::<libc::shmid_ds>(), 112);
        assert_eq!(size_of::<libc::in_pktinfo>(), 12);
        assert_eq!(size_of::<libc::in6_pktinfo>(), 20);
        assert_eq!(size_of::<libc::sockaddr_in6>(), 28);
        assert_eq!(size_of::<SockExtendedErr>(), 16);
        assert_eq!(size_of::<ScmTimestamping64>(), 48);
        assert_eq!(size_of::<ScmTsPktinfo>(), 16);
        assert_eq!(size_of::<SoTimestamping>(), 8);
        assert_eq!(size_of::<PpsKtime>(), 16);
        assert_eq!(size_of::<PpsKinfo>(), 48);
        assert_eq!(size_of::<PpsFdata>(), 64);
        assert_eq!(size_of::<PpsKparams>(), 40);
        assert_eq!(size_of::<PpsBindArgs>(), 12);
        assert_eq!(size_of::<CapHeader>(), 8);
        assert_eq!(size_of::<CapData>(), 12);
    }

    #[test]
    fn offsets_are_the_kernel_headers() {
        assert_eq!(offset_of!(libc::timex, tai), 160);
        assert_eq!(offset_of!(libc::termios2, c_line), 16);
        assert_eq!(offset_of!(libc::termios2, c_cc), 17);
        assert_eq!(offset_of!(libc::termios2, c_ispeed), 36);
        assert_eq!(offset_of!(libc::termios2, c_ospeed), 40);
        assert_eq!(offset_of!(libc::in_pktinfo, ipi_spec_dst), 4);
        assert_eq!(offset_of!(libc::in_pktinfo, ipi_addr), 8);
        assert_eq!(offset_of!(libc::in6_pktinfo, ipi6_ifindex), 16);
        assert_eq!(offset_of!(SockExtendedErr, origin), 4);
        assert_eq!(offset_of!(SockExtendedErr, info), 8);
        assert_eq!(offset_of!(SockExtendedErr, data), 12);
        assert_eq!(offset_of!(ScmTsPktinfo, length), 4);
        assert_eq!(offset_of!(PpsKtime, nanoseconds), 8);
        assert_eq!(offset_of!(PpsKtime, flags), 12);
        assert_eq!(offset_of!(PpsKinfo, assert), 8);
        assert_eq!(offset_of!(PpsKinfo, clear), 24);
        assert_eq!(offset_of!(PpsKinfo, current_mode), 40);
        assert_eq!(offset_of!(PpsFdata, timeout), 48);
        assert_eq!(offset_of!(PpsKparams, mode), 4);
        assert_eq!(offset_of!(PpsKparams, assert_offset), 8);
        assert_eq!(offset_of!(PpsKparams, clear_offset), 24);
    }

    #[test]
    fn numbers_are_the_kernel_headers() {
        assert_eq!(PPS_GETPARAMS, 0x8008_70a1);
        assert_eq!(PPS_SETPARAMS, 0x4008_70a2);
        assert_eq!(PPS_GETCAP, 0x8008_70a3);
        assert_eq!(PPS_FETCH, 0xc008_70a4);
        assert_eq!(PPS_KC_BIND, 0x4008_70a5);
        assert_eq!(TCGETS2, 0x802c_542a);
        assert_eq!(TCSETS2, 0x402c_542b);
        assert_eq!(libc::BOTHER, 0x1000);
        assert_eq!(libc::CBAUD, 0x100f);
        assert_eq!(libc::TIOCSETD, 0x5423);
        assert_eq!(libc::TIOCEXCL, 0x540c);
        assert_eq!(libc::SOF_TIMESTAMPING_OPT_ID, 0x80);
        assert_eq!(libc::SOF_TIMESTAMPING_OPT_TSONLY, 0x800);
        assert_eq!(libc::SOF_TIMESTAMPING_OPT_PKTINFO, 0x2000);
        assert_eq!(libc::SOF_TIMESTAMPING_OPT_TX_SWHW, 0x4000);
        assert_eq!(libc::SO_EE_ORIGIN_TIMESTAMPING, 4);
        assert_eq!(libc::IP_PKTINFO, 8);
        assert_eq!(libc::IPV6_RECVPKTINFO, 49);
    }

    #[test]
    fn clock_id_of_a_descriptor_follows_the_manual() {
        // clock_getres(2): ((~(clockid_t)(fd) << 3) | 3)
        assert_eq!(fd_to_clock_id(0), -5);
        assert_eq!(fd_to_clock_id(3), -29);
    }
}
