//! Unix datagram sockets at a path, on the real kernel.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use maser_kernel::datagram::bind_private;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;

/// A directory of one test's own, removed at the end whatever happens.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("maser-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_file_has_exactly_the_asked_permissions() {
    let directory = Directory::new("mode");
    for mode in [0o600, 0o660, 0o666] {
        let path = directory.0.join(format!("{mode:o}"));
        let socket = bind_private(&path, mode).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"sample", &path).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 6);
        assert_eq!(socket.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_left_over_is_replaced_but_not_a_listener() {
    let directory = Directory::new("stale");
    let path = directory.0.join("socket");
    let first = bind_private(&path, 0o600).unwrap();
    let error = bind_private(&path, 0o600).unwrap_err();
    assert_eq!((error.call(), error.kind()), ("bind", ErrorKind::AddrInUse));
    drop(first);
    assert!(path.exists(), "closing leaves the file");
    let second = bind_private(&path, 0o600).unwrap();
    UnixDatagram::unbound().unwrap().send_to(b"x", &path).unwrap();
    assert_eq!(second.recv(&mut [0; 4]).unwrap(), 1);
    // A stream listener refuses datagrams, yet it listens.
    let stream = directory.0.join("stream");
    let _listener = UnixListener::bind(&stream).unwrap();
    assert_eq!(bind_private(&stream, 0o600).unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn what_is_no_socket_is_never_removed() {
    let directory = Directory::new("precious");
    let file = directory.0.join("file");
    std::fs::write(&file, "precious").unwrap();
    assert_eq!(bind_private(&file, 0o600).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    // A link to a left-over socket is a link.
    let (target, link) = (directory.0.join("target"), directory.0.join("link"));
    drop(bind_private(&target, 0o600).unwrap());
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert!(bind_private(&link, 0o600).is_err());
    assert!(target.exists() && std::fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_path_too_long_is_refused_not_cut() {
    let directory = Directory::new("long");
    let path = directory.0.join("x".repeat(120));
    assert_eq!(bind_private(&path, 0o600).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 0);
    assert!(bind_private(&PathBuf::new(), 0o600).is_err());
}
