//! Unix datagram sockets at a path: what std's `bind` leaves open.
//!
//! std creates the socket file with whatever the umask gives and fails for ever once a crashed
//! process has left one behind. Here the file never has more permissions than asked for, not even
//! for a moment, and a left-over is removed only if it is a socket and nobody listens to it.

use crate::error::{Error, Result, check};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// A datagram socket bound to `path`, non-blocking, its file with permission bits `mode`.
///
/// Fails with `AddrInUse` if `path` is not a socket, or is one that somebody listens to. Remove
/// the file yourself when done: closing leaves it.
pub fn bind_private(path: &Path, mode: u32) -> Result<UnixDatagram> {
    match bind_new(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            fs::remove_file(path).map_err(|source| Error::new("unlink", path.display(), source))?;
            bind_new(path, mode)
        }
        result => result,
    }
}

fn bind_new(path: &Path, mode: u32) -> Result<UnixDatagram> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket() takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    check(fd, "socket", path.display())?;
    // SAFETY: the descriptor was just opened and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // bind creates the file with the permissions of the socket itself, less the umask.
    // SAFETY: fchmod takes no pointers.
    let returned = unsafe { libc::fchmod(socket.as_raw_fd(), mode & 0o777) };
    check(returned, "fchmod", path.display())?;
    let (name, length) = name(path)?;
    // SAFETY: `name` is a sockaddr_un of which `length` bytes are meant; bind only reads.
    let returned = unsafe { libc::bind(socket.as_raw_fd(), (&raw const name).cast(), length) };
    check(returned, "bind", path.display())?;
    // Now the bits the umask took, if it took any.
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o777))
        .map_err(|source| Error::new("chmod", path.display(), source))?;
    Ok(UnixDatagram::from(socket))
}

/// Whether `path` is a socket file that nobody listens to.
fn is_stale(path: &Path) -> bool {
    let is_socket =
        fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let refused = || {
        let attempt = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
        attempt.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    is_socket && refused()
}

fn name(path: &Path) -> Result<(libc::sockaddr_un, libc::socklen_t)> {
    use std::os::unix::ffi::OsStrExt;

    let bytes = path.as_os_str().as_bytes();
    let invalid = |why| Error::invalid("bind", path.display(), why);
    // SAFETY: sockaddr_un is integers only, for which all zeroes is a value.
    let mut name: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    name.sun_family = FAMILY_UNIX;
    // One byte stays zero: the end of the path.
    if bytes.is_empty() || bytes.contains(&0) || bytes.len() >= name.sun_path.len() {
        return Err(invalid("a socket's path has 1 to 107 bytes, none of them zero"));
    }
    for (to, &from) in name.sun_path.iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let length = std::mem::offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
    Ok((name, libc::socklen_t::try_from(length).map_err(|_| invalid("too long"))?))
}

const FAMILY_UNIX: libc::sa_family_t = 1;
