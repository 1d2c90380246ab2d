//! Which of several sockets on one port hears a client: a small program for the kernel.
//!
//! By default the kernel spreads datagrams by addresses and ports, and a client that asks from a
//! new port each time is heard by another thread each time, which then knows nothing of its last
//! question. This program takes the source address alone. It is classic BPF: data offsets count
//! from the payload, negative ones from `SKF_NET_OFF` from the network header.

use crate::error::{Error, Result};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Attaches the program to the group of the socket bound to `address`.
pub(super) fn attach(fd: BorrowedFd<'_>, address: SocketAddr, sockets: u32) -> Result<()> {
    const CALL: &str = "setsockopt(SO_ATTACH_REUSEPORT_CBPF)";
    if sockets == 0 {
        return Err(Error::invalid(CALL, address, "no sockets to steer to"));
    }
    let mut program = if address.is_ipv4() { source_v4() } else { source_v6() };
    program.extend(spread(sockets));
    let length = u16::try_from(program.len())
        .map_err(|_| Error::invalid(CALL, address, "program too long"))?;
    let argument = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the kernel reads one sock_fprog and the `length` instructions it points to, which
    // live until the end of this function; it keeps a copy.
    let returned = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const argument).cast(),
            ARGUMENT_LENGTH,
        )
    };
    if returned == 0 { Ok(()) } else { Err(Error::new(CALL, address, io::Error::last_os_error())) }
}

/// Loads the source address: bytes 12..16 of the IPv4 header (RFC 791 §3.1).
fn source_v4() -> Vec<libc::sock_filter> {
    vec![load(12)]
}

/// Loads the source address, bytes 8..24 of the IPv6 header (RFC 8200 §3), its words xored.
fn source_v6() -> Vec<libc::sock_filter> {
    let mut program = vec![load(8)];
    for offset in [12, 16, 20] {
        program.extend([
            instruction(libc::BPF_MISC | libc::BPF_TAX, 0),
            load(offset),
            instruction(libc::BPF_ALU | libc::BPF_XOR | libc::BPF_X, 0),
        ]);
    }
    program
}

/// Turns the loaded word into an index below `sockets`. Neighbours differ in their last bits, so
/// a multiplication carries these to the top, which the shift then keeps.
fn spread(sockets: u32) -> [libc::sock_filter; 4] {
    [
        instruction(libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K, GOLDEN_RATIO),
        instruction(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 16),
        instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, sockets),
        instruction(libc::BPF_RET | libc::BPF_A, 0),
    ]
}

/// Loads the 32-bit word at `offset` of the network header, in host order.
fn load(offset: i32) -> libc::sock_filter {
    let offset = (libc::SKF_NET_OFF + offset).cast_unsigned();
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn instruction(code: u32, operand: u32) -> libc::sock_filter {
    let code = u16::try_from(code).expect("an instruction code has 16 bits");
    libc::sock_filter { code, jt: 0, jf: 0, k: operand }
}

/// 2³² divided by the golden ratio, the multiplier of Fibonacci hashing.
const GOLDEN_RATIO: u32 = 0x9e37_79b1;
/// Length of the argument.
#[expect(clippy::cast_possible_truncation, reason = "16 fits")]
const ARGUMENT_LENGTH: libc::socklen_t = size_of::<libc::sock_fprog>() as libc::socklen_t;
