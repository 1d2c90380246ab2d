//! Creating the socket: every option by name, the probe for chosen ids, the keep-alive.

use super::address::Name;
use super::arena::errno;
use super::numbering::{Identification, Numbering, send_one};
use super::outbox::Envelope;
use super::{Options, Stamping};
use crate::abi;
use crate::error::{Error, Result, check};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

/// A bound, non-blocking UDP socket with all options set before the first datagram can arrive.
pub(super) fn bind(address: SocketAddr, options: &Options) -> Result<OwnedFd> {
    if options.stamping.software {
        keep_stamping_on();
    }
    let socket = create(address)?;
    let fd = socket.as_fd();
    let named = |call: &'static str| {
        move |errno: i32| Error::new(call, address, io::Error::from_raw_os_error(errno))
    };
    if address.is_ipv6() {
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &1).map_err(named("IPV6_V6ONLY"))?;
        set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &1)
            .map_err(named("setsockopt(IPV6_RECVPKTINFO)"))?;
    } else {
        set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, &1).map_err(named("setsockopt(IP_PKTINFO)"))?;
    }
    if options.report_icmp {
        let (level, name) = if address.is_ipv6() {
            (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        } else {
            (libc::IPPROTO_IP, libc::IP_RECVERR)
        };
        set(fd, level, name, &1).map_err(named("setsockopt(RECVERR)"))?;
    }
    if options.reuse_port {
        set(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, &1)
            .map_err(named("setsockopt(SO_REUSEPORT)"))?;
    }
    if let Some(bytes) = options.receive_buffer {
        receive_buffer(fd, bytes).map_err(named("setsockopt(SO_RCVBUF)"))?;
    }
    if let Some(device) = &options.device {
        set_bytes(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, device.as_bytes()).map_err(
            |errno| {
                Error::new(
                    "setsockopt(SO_BINDTODEVICE)",
                    device,
                    io::Error::from_raw_os_error(errno),
                )
            },
        )?;
    }
    set(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &1).map_err(named("setsockopt(SO_RXQ_OVFL)"))?;
    set(fd, libc::SOL_SOCKET, abi::SO_SELECT_ERR_QUEUE, &1)
        .map_err(named("setsockopt(SO_SELECT_ERR_QUEUE)"))?;
    if options.stamping.any() {
        let flags = options.stamping.socket_flags();
        set(fd, libc::SOL_SOCKET, abi::SO_TIMESTAMPING_NEW, &flags)
            .map_err(named("setsockopt(SO_TIMESTAMPING)"))?;
    }
    name_socket(fd, address, "bind", libc::bind)?;
    Ok(socket)
}

fn create(address: SocketAddr) -> Result<OwnedFd> {
    let family = if address.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket() takes no pointers.
    let fd = unsafe { libc::socket(family, kind, libc::IPPROTO_UDP) };
    check(fd, "socket", address)?;
    // SAFETY: the descriptor was just opened and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

type NameCall = unsafe extern "C" fn(i32, *const libc::sockaddr, libc::socklen_t) -> i32;

/// bind(2) or connect(2).
pub(super) fn name_socket(
    fd: BorrowedFd<'_>,
    address: SocketAddr,
    call: &'static str,
    apply: NameCall,
) -> Result<()> {
    let mut name = Name::EMPTY;
    let length = name.encode(address);
    // SAFETY: `name` holds a whole sockaddr of `length` bytes, aligned to 8; both calls only read.
    let returned = unsafe { apply(fd.as_raw_fd(), name.0.as_ptr().cast(), length) };
    check(returned, call, address)?;
    Ok(())
}

/// The address a socket is bound to.
pub(super) fn local_address(fd: BorrowedFd<'_>) -> Result<SocketAddr> {
    let mut name = Name::EMPTY;
    let mut length = super::arena::NAME_ROOM;
    // SAFETY: `name` is writable for `length` bytes and aligned as sockaddr_in6.
    let returned =
        unsafe { libc::getsockname(fd.as_raw_fd(), name.0.as_mut_ptr().cast(), &raw mut length) };
    check(returned, "getsockname", "UDP socket")?;
    super::address::decode(&name.0)
        .ok_or_else(|| Error::invalid("getsockname", "UDP socket", "neither IPv4 nor IPv6"))
}

/// setsockopt(2) with an `int`. `Err` is an errno.
pub(super) fn set<T: Int>(
    fd: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: &T,
) -> std::result::Result<(), i32> {
    set_bytes(fd, level, name, &value.bytes())
}

/// The two C types that options of four bytes have.
pub(super) trait Int: Copy {
    fn bytes(self) -> [u8; 4];
}

impl Int for i32 {
    fn bytes(self) -> [u8; 4] {
        self.to_ne_bytes()
    }
}

impl Int for u32 {
    fn bytes(self) -> [u8; 4] {
        self.to_ne_bytes()
    }
}

/// setsockopt(2) with any value. `Err` is an errno.
pub(super) fn set_bytes(
    fd: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: &[u8],
) -> std::result::Result<(), i32> {
    let length = libc::socklen_t::try_from(value.len()).map_err(|_| libc::EINVAL)?;
    // SAFETY: the kernel reads `length` bytes of `value` and no more.
    let returned =
        unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast(), length) };
    if returned == 0 { Ok(()) } else { Err(errno()) }
}

/// Beyond the system's limit if privileged, up to it if not.
fn receive_buffer(fd: BorrowedFd<'_>, bytes: usize) -> std::result::Result<(), i32> {
    let bytes = i32::try_from(bytes).map_err(|_| libc::EINVAL)?;
    set(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes)
        .or_else(|_| set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes))
}

/// The kernel stamps received datagrams only while some socket wants it, and takes a moment to
/// begin. One idle socket that wants it for ever spares every later one that moment.
fn keep_stamping_on() {
    static KEEPER: OnceLock<Option<OwnedFd>> = OnceLock::new();
    KEEPER.get_or_init(|| {
        let socket = create(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).ok()?;
        let flags = libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_RX_SOFTWARE;
        set(socket.as_fd(), libc::SOL_SOCKET, abi::SO_TIMESTAMPING_NEW, &flags).ok()?;
        Some(socket)
    });
}

/// Asks the kernel once, by a datagram to ourselves, whether it takes ids.
pub(super) fn identification() -> Identification {
    static ANSWER: OnceLock<Identification> = OnceLock::new();
    *ANSWER.get_or_init(|| match probe() {
        Some(libc::EINVAL) | None => Identification::Counted,
        // Sent, or stopped by something behind the check of the control message.
        Some(_) => Identification::Chosen,
    })
}

/// The errno of a datagram with an id, 0 if it was sent, `None` if there is no loopback.
fn probe() -> Option<i32> {
    let stamping = Stamping { software: true, hardware: false };
    let options = Options { stamping, ..Options::default() };
    let socket = bind((Ipv4Addr::LOCALHOST, 0).into(), &options).ok()?;
    let to = local_address(socket.as_fd()).ok()?;
    let numbering = Numbering::new(Identification::Chosen, stamping);
    let envelope = Envelope { to, from: None, stamp: true };
    Some(send_one(socket.as_fd(), &[], &envelope, &numbering).err().unwrap_or(0))
}

/// Joins a multicast group on one interface.
pub(super) fn join(fd: BorrowedFd<'_>, group: IpAddr, interface: u32) -> Result<()> {
    let joined = match group {
        IpAddr::V4(group) => {
            // ip_mreqn: group, local address (unused with an index), interface.
            let mut request = [0; 12];
            request[..4].copy_from_slice(&group.octets());
            request[8..].copy_from_slice(&interface.to_ne_bytes());
            set_bytes(fd, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &request)
        }
        IpAddr::V6(group) => {
            // ipv6_mreq: group, interface.
            let mut request = [0; 20];
            request[..16].copy_from_slice(&group.octets());
            request[16..].copy_from_slice(&interface.to_ne_bytes());
            set_bytes(fd, libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, &request)
        }
    };
    joined.map_err(|errno| {
        Error::new("setsockopt(ADD_MEMBERSHIP)", group, io::Error::from_raw_os_error(errno))
    })
}
