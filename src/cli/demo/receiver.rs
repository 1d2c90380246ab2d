//! The receiver model: a satellite receiver and its pulse, on real kernel interfaces.
//!
//! Text (NMEA and UBX) goes to a pty; for pulse N one sample goes through a SOCK datagram or an SHM
//! segment. Its stamp is the modelled edge, `local(N + sawtooth + noise)`, not the moment a thread
//! woke up: as with an interrupt's stamp, scheduling makes a sample late, never wrong.

use std::fmt::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration as Pause;

use maser_kernel::serial::Pty;
use maser_kernel::shm::{Segment, fence};

use super::machine::{Machine, host_now};
use crate::random::Random;
use crate::source::shm::field;
use crate::source::sock::SockSample;
use crate::time::{Civil, Duration, LeapIndicator, System, Timestamp, Utc};
use crate::wire::gnss::rollover::{GPS_EPOCH, WEEK_SECONDS};
use crate::wire::gnss::{nmea, ubx};

/// Everything drawn of the receiver, printed at the start.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// Noise of an edge, one sigma, s.
    pub noise: f64,
    /// Grain of the receiver's clock, s: an edge lies within half of it.
    pub grain: f64,
    /// Pulses lost, of one.
    pub loss: f64,
    /// Shifts the edges behind what the receiver declares: the judge must see it.
    pub plant: Duration,
}

/// How pulses reach the daemon.
pub enum Pulses {
    /// A datagram to this socket.
    Sock(PathBuf),
    /// A segment, written in mode 1.
    Shm(Segment),
}

/// The model at work.
pub struct Receiver {
    model: Model,
    machine: Machine,
    pty: Pty,
    pulses: Pulses,
    sock: Option<UnixDatagram>,
    random: Random,
    sawtooth: f64,
}

/// One second as the receiver sees it coming.
#[derive(Clone, Copy, Debug)]
struct Second {
    begins: Timestamp<Utc>,
    /// How late the pulse is by the grain of the receiver's clock.
    sawtooth: Duration,
    noise: Duration,
    lost: bool,
    text_after: Duration,
}

impl Receiver {
    /// A receiver at this pty, with these pulses.
    pub fn new(model: Model, machine: Machine, pty: Pty, pulses: Pulses) -> Self {
        let random = Random::seeded(model.seed);
        Self { model, machine, pty, pulses, sock: None, random, sawtooth: 0.0 }
    }

    /// Runs until stopped.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut second = host_now().seconds() + 1;
        while !stop.load(Ordering::Relaxed) {
            let drawn = self.draw(Timestamp::from_seconds(second));
            if !self.live_through(&drawn, stop) {
                return;
            }
            // A process that was stopped missed pulses for good, as a powerless receiver would.
            second = (second + 1).max(host_now().seconds() + 1);
        }
    }

    fn draw(&mut self, begins: Timestamp<Utc>) -> Second {
        // The receiver's clock slides past the second by a seeded step: a saw with teeth.
        let grain = self.model.grain;
        self.sawtooth = (self.sawtooth + grain * (0.09 + 0.02 * self.random.uniform())) % grain;
        Second {
            begins,
            sawtooth: Duration::from_seconds_f64(self.sawtooth - grain / 2.0),
            noise: Duration::from_seconds_f64(self.model.noise * self.random.normal()),
            lost: self.random.uniform() < self.model.loss,
            text_after: Duration::from_seconds_f64(self.random.between(0.120, 0.350)),
        }
    }

    /// Correction before the pulse, pulse, text after it; false if stopped meanwhile.
    fn live_through(&mut self, second: &Second, stop: &AtomicBool) -> bool {
        if !sleep_until(second.begins - CORRECTION_BEFORE, stop) {
            return false;
        }
        self.send(&tim_tp(second.begins, -second.sawtooth));
        if second.begins.seconds() % 10 == 0 {
            self.send(&nav_time_ls());
        }
        if !sleep_until(second.begins + PULSE_READ_AFTER, stop) {
            return false;
        }
        if !second.lost {
            let edge = second.begins + second.sawtooth + second.noise + self.model.plant;
            let stamp = self.machine.local(edge);
            self.pulse(second.begins, stamp);
        }
        if !sleep_until(second.begins + second.text_after, stop) {
            return false;
        }
        self.send(sentences(second.begins).as_bytes());
        true
    }

    fn pulse(&mut self, second: Timestamp<Utc>, stamp: Timestamp<System>) {
        match &self.pulses {
            Pulses::Sock(path) => {
                let offset = second.offset_from(stamp).seconds();
                let sample = SockSample { stamp, offset, pulse: true, leap: LeapIndicator::None };
                if self.sock.is_none() {
                    self.sock = UnixDatagram::unbound().ok();
                }
                if let Some(sock) = &self.sock {
                    // The daemon may not have bound it yet; the next pulse comes in a second.
                    let _ = sock.send_to(&sample.write(), path);
                }
            }
            Pulses::Shm(segment) => write_segment(segment, second, stamp),
        }
    }

    fn send(&self, bytes: &[u8]) {
        // A daemon that does not read leaves the line full; a receiver does not wait for it.
        let _ = self.pty.write(bytes);
    }
}

/// Runs the receiver in a thread of its own.
pub fn spawn(
    receiver: Receiver,
    stop: Arc<AtomicBool>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("demo-receiver".to_owned()).spawn(move || receiver.run(&stop))
}

fn write_segment(segment: &Segment, second: Timestamp<Utc>, stamp: Timestamp<System>) {
    let count = segment.load_i32(field::COUNT);
    segment.store_i32(field::MODE, 1);
    segment.store_i32(field::VALID, 0);
    segment.store_i32(field::COUNT, count.wrapping_add(1));
    fence();
    segment.store_i64(field::CLOCK_SECONDS, second.seconds());
    segment.store_i32(field::CLOCK_MICROS, 0);
    segment.store_u32(field::CLOCK_NANOS, 0);
    segment.store_i64(field::RECEIVE_SECONDS, stamp.seconds());
    segment.store_u32(field::RECEIVE_NANOS, stamp.subsec_nanos());
    let micros = i32::try_from(stamp.subsec_nanos() / 1000).expect("below 10⁶");
    segment.store_i32(field::RECEIVE_MICROS, micros);
    segment.store_i32(field::LEAP, 0);
    segment.store_i32(field::PRECISION, -20);
    fence();
    segment.store_i32(field::COUNT, count.wrapping_add(2));
    segment.store_i32(field::VALID, 1);
}

/// RMC, ZDA, GGA, GSA and GSV of one second, from Greenwich.
fn sentences(second: Timestamp<Utc>) -> String {
    let Civil { date, hour, minute, second } = Civil::of_unix_seconds(second.seconds());
    let time = format!("{hour:02}{minute:02}{second:02}.00");
    let (day, month, year) = (date.day(), date.month(), date.year());
    let year_2 = year.rem_euclid(100);
    let mut text = String::with_capacity(512);
    for body in [
        format!("GNRMC,{time},A,5128.6400,N,00000.0900,W,0.0,,{day:02}{month:02}{year_2:02},,,A"),
        format!("GNZDA,{time},{day:02},{month:02},{year:04},00,00"),
        format!("GNGGA,{time},5128.6400,N,00000.0900,W,1,08,0.9,46.0,M,45.0,M,,"),
        "GNGSA,A,3,01,03,06,09,12,17,19,22,,,,,1.5,0.9,1.2".to_owned(),
        "GPGSV,3,1,10,01,53,280,44,03,29,301,38,06,55,223,46,09,38,166,41".to_owned(),
        "GPGSV,3,2,10,12,40,245,42,17,05,034,27,19,43,055,40,22,16,324,33".to_owned(),
        "GPGSV,3,3,10,25,12,069,,31,08,133,".to_owned(),
    ] {
        let sum = nmea::checksum(body.as_bytes());
        write!(text, "${body}*{sum:02X}\r\n").expect("a string takes everything");
    }
    text
}

/// UBX-TIM-TP: true edge = stamped edge + `error`.
fn tim_tp(second: Timestamp<Utc>, error: Duration) -> Vec<u8> {
    let since = (second - GPS_EPOCH).round_seconds();
    let (week, of_week) = (since / WEEK_SECONDS, since % WEEK_SECONDS);
    let mut payload = [0; 16];
    let millis = u32::try_from(of_week * 1000).expect("a week has 6·10⁸ ms");
    payload[..4].copy_from_slice(&millis.to_le_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "half a grain in ps")]
    let picoseconds = (error.seconds() * 1e12) as i32;
    payload[8..12].copy_from_slice(&picoseconds.to_le_bytes());
    let week = u16::try_from(week).expect("weeks fit for a thousand years");
    payload[12..14].copy_from_slice(&week.to_le_bytes());
    // UTC time base, UTC available.
    payload[14] = 0b11;
    message(0x0d, 0x01, &payload)
}

/// UBX-NAV-TIMELS: the leap seconds are known, none is announced.
fn nav_time_ls() -> Vec<u8> {
    let mut payload = [0; 24];
    payload[8] = 2;
    payload[9] = LEAP_SECONDS;
    payload[23] = 0b11;
    message(0x01, 0x26, &payload)
}

fn message(class: u8, id: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = [0; 64];
    let length = ubx::encode(class, id, payload, &mut out).expect("64 bytes hold it");
    out[..length].to_vec()
}

/// Sleeps until true time is `until`; false if stopped meanwhile.
fn sleep_until(until: Timestamp<Utc>, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = (until - host_now()).nanos();
        let Ok(nanos @ 1..) = u64::try_from(left) else { return true };
        std::thread::sleep(Pause::from_nanos(nanos).min(Pause::from_millis(100)));
    }
}

/// The correction describes the pulse that follows it.
const CORRECTION_BEFORE: Duration = Duration::from_millis(400);
/// An interrupt's handler and a reader's thread take their time.
const PULSE_READ_AFTER: Duration = Duration::from_millis(2);
/// GPS − UTC since 2017.
const LEAP_SECONDS: u8 = 18;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::ReadingKind;
    use crate::source::gnss::Gnss;

    #[test]
    fn the_daemons_own_driver_reads_what_the_model_sends() {
        let second = Timestamp::<Utc>::from_seconds(1_800_000_000);
        let mut gnss = Gnss::new(Timestamp::from_seconds(1_767_225_600));
        let mut told = Vec::new();
        let mut bytes = tim_tp(second, Duration::from_nanos(-7));
        bytes.extend(nav_time_ls());
        bytes.extend(sentences(second).into_bytes());
        gnss.handle(&bytes, Timestamp::EPOCH, &mut |(_, kind)| told.push(kind));
        assert!(told.contains(&ReadingKind::Label { utc: second }));
        let correction = told.iter().find_map(|kind| match kind {
            ReadingKind::QuantizationError { error, second } => Some((*error, *second)),
            _ => None,
        });
        let (error, described) = correction.unwrap();
        assert!((error.seconds() + 7e-9).abs() < 2e-12);
        assert_eq!(described, Some(second));
        let fix = told.iter().any(|kind| {
            matches!(kind, ReadingKind::Receiver(s) if s.satellites_used == 8
                && s.leap == LeapIndicator::None)
        });
        assert!(fix && !told.iter().any(|k| matches!(k, ReadingKind::Refused(_))), "{told:?}");
    }
}
