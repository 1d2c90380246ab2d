//! The same logs through a real pty, at their baud rate, read by the daemon's own driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration as Pause, Instant};

use maser::host::clock::StampClock;
use maser::host::drivers::{self, Post};
use maser::host::plan::Driver;
use maser::pipe::ring;
use maser::sample::{Reading, ReadingKind, SourceId};
use maser_kernel::event::EventFd;
use maser_kernel::serial::Pty;

use super::{LOGS, Log, to_millisecond};

#[test]
fn through_a_pty_at_their_baud_rate() {
    std::thread::scope(|scope| {
        for log in &LOGS {
            scope.spawn(move || replay(log));
        }
    });
}

fn replay(log: &Log) {
    let pty = Pty::open().unwrap();
    let (producer, mut readings) = ring::<Reading>(4096);
    let stop = Arc::new(AtomicBool::new(false));
    let post = Post {
        source: SourceId(0),
        name: log.name.to_owned(),
        clock: StampClock::default(),
        ring: producer,
        doorbell: Arc::new(EventFd::new().unwrap()),
        stop: Arc::clone(&stop),
        pivot: log.pivot(),
    };
    let driver = Driver::Gnss { device: pty.path().to_owned(), speed: log.speed() };
    let thread = std::thread::spawn(move || drivers::run(&driver, post));
    std::thread::sleep(Pause::from_millis(300));
    send(&pty, &log.bytes(), log.speed());
    // A frame whose end never came is given up when something else comes after a silence.
    std::thread::sleep(Pause::from_millis(1700));
    pty.write(b"\r\n").unwrap();
    std::thread::sleep(Pause::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    assert_eq!(readings.dropped(), 0, "{}", log.name);
    let (mut seconds, mut last) = (Vec::new(), None);
    while let Some(Reading { stamp, kind, .. }) = readings.pop() {
        if let ReadingKind::Label { utc } = kind {
            assert!(last.is_none_or(|last| stamp >= last), "{}: stamps run backwards", log.name);
            last = Some(stamp);
            seconds.push(to_millisecond(utc));
        }
    }
    log.compare(seconds);
}

/// Ten bits a byte, in the small writes of a serial line.
fn send(pty: &Pty, bytes: &[u8], speed: u32) {
    let start = Instant::now();
    let mut sent = 0;
    while sent < bytes.len() {
        let due = start.elapsed().as_micros() * u128::from(speed) / 10_000_000;
        let due = usize::try_from(due).unwrap().min(bytes.len());
        if due > sent {
            sent += pty.write(&bytes[sent..due]).unwrap();
        }
        std::thread::sleep(Pause::from_millis(4));
    }
}

impl Log {
    /// Bits per second of the line; the logs say nothing of it, so the receivers' usual ones.
    fn speed(&self) -> u32 {
        match self.name {
            "bu353s4" | "april6_2019" | "nmea-fuzzy-cases" => 4800,
            "neo-m8n" | "ublox-neo-m8t" => 38_400,
            "quectel" => 115_200,
            _ => 9600,
        }
    }
}
