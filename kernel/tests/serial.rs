//! Serial lines over pseudo terminals, on the real kernel.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use maser_kernel::event::{Interest, Watch, wait};
use maser_kernel::serial::{Line, Pty, Tty};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

const LINE: Line = Line { speed: 9600, exclusive: false };

fn read(tty: &Tty, buffer: &mut [u8]) -> usize {
    wait(&mut [Watch::new(tty.as_fd(), Interest::Read)], Some(Duration::from_secs(1))).unwrap();
    tty.read(buffer).unwrap()
}

#[test]
fn every_byte_passes_unchanged_both_ways() {
    let pty = Pty::open().unwrap();
    let tty = Tty::open(pty.path(), LINE).unwrap();
    // All 256, interrupt, end of file, newline, XOFF and 0xff among them.
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(pty.write(&all).unwrap(), 256);
    let mut buffer = [0; 512];
    let mut received: Vec<u8> = Vec::new();
    while received.len() < 256 {
        let count = read(&tty, &mut buffer);
        assert_ne!(count, 0, "{} of 256", received.len());
        received.extend(&buffer[..count]);
    }
    assert_eq!(received, all);
    assert_eq!(tty.read(&mut buffer).unwrap(), 0, "an echo or an invention");
    assert_eq!(tty.write(&all).unwrap(), 256);
    let mut received: Vec<u8> = Vec::new();
    while received.len() < 256 {
        wait(&mut [Watch::new(pty.as_fd(), Interest::Read)], Some(Duration::from_secs(1))).unwrap();
        let count = pty.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "{} of 256", received.len());
        received.extend(&buffer[..count]);
    }
    assert_eq!(received, all);
    assert_eq!(pty.read(&mut buffer).unwrap(), 0, "echoed");
}

#[test]
fn any_speed_is_taken() {
    let pty = Pty::open().unwrap();
    let tty = Tty::open(pty.path(), LINE).unwrap();
    assert_eq!(tty.speed().unwrap(), 9600);
    let mut buffer = [0; 16];
    // 12 345 and 250 000 have no constant of their own.
    for speed in [50, 4800, 12_345, 115_200, 250_000, 921_600, 4_000_000] {
        tty.set_speed(speed).unwrap();
        assert_eq!(tty.speed().unwrap(), speed);
        pty.write(&[0, 0x0d, 0xff]).unwrap();
        let count = read(&tty, &mut buffer);
        assert_eq!(buffer[..count], [0, 0x0d, 0xff], "at {speed}");
    }
}

#[test]
fn stale_input_is_discarded() {
    let pty = Pty::open().unwrap();
    pty.write(b"before anybody listened").unwrap();
    let tty = Tty::open(pty.path(), LINE).unwrap();
    let mut buffer = [0; 64];
    assert_eq!(tty.read(&mut buffer).unwrap(), 0);
    pty.write(b"now").unwrap();
    let count = read(&tty, &mut buffer);
    assert_eq!(&buffer[..count], b"now");
}

#[test]
fn a_hang_up_is_an_error_not_silence() {
    let pty = Pty::open().unwrap();
    let tty = Tty::open(pty.path(), LINE).unwrap();
    drop(pty);
    let mut buffer = [0; 4];
    let mut watches = [Watch::new(tty.as_fd(), Interest::Read)];
    wait(&mut watches, Some(Duration::from_secs(1))).unwrap();
    assert!(watches[0].readiness().hung_up);
    assert_eq!(tty.read(&mut buffer).unwrap_err().call(), "read");
    assert_eq!(tty.write(b"x").unwrap_err().call(), "write");
}

#[test]
fn the_near_end_outlives_its_listeners() {
    let pty = Pty::open().unwrap();
    for _ in 0..2 {
        let tty = Tty::open(pty.path(), LINE).unwrap();
        tty.write(b"hello").unwrap();
        drop(tty);
        let mut buffer = [0; 16];
        assert_eq!(pty.read(&mut buffer).unwrap(), 5);
        assert_eq!(pty.read(&mut buffer).unwrap(), 0);
    }
}

#[test]
fn a_full_line_takes_what_fits() {
    let pty = Pty::open().unwrap();
    let tty = Tty::open(pty.path(), LINE).unwrap();
    let mut total = 0;
    while let count @ 1.. = tty.write(&[b'x'; 4096]).unwrap() {
        total += count;
        assert!(total < 10_000_000, "a pseudo terminal without a limit");
    }
    assert!(total > 0);
}

#[test]
fn the_far_end_is_private() {
    let pty = Pty::open().unwrap();
    let mode = std::fs::metadata(pty.path()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    // Exclusive use does not hinder the one who asked for it.
    let tty = Tty::open(pty.path(), Line { exclusive: true, ..LINE }).unwrap();
    pty.write(b"ok").unwrap();
    assert_eq!(read(&tty, &mut [0; 4]), 2);
}

#[test]
fn what_is_no_line_is_named() {
    let error = Tty::open("/dev/null", LINE).unwrap_err();
    assert_eq!((error.call(), error.on()), ("ioctl(TCGETS2)", "/dev/null"));
    assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    let error = Tty::open("/dev/no-such-line", LINE).unwrap_err();
    assert_eq!((error.call(), error.kind()), ("open", ErrorKind::NotFound));
}
