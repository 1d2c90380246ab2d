//! One request, one answer, and the kernel's stamps of both.
//!
//! Each request goes from a socket and a port of its own (RFC 9109), and carries nothing but a
//! random number where its transmit timestamp would be: the answer that repeats it is ours, and
//! nobody on the way learns this machine's time (draft-ietf-ntp-data-minimization).

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use maser_kernel::Timespec;
use maser_kernel::clock::{self, ClockId};
use maser_kernel::event::{self, Interest, Watch};
use maser_kernel::socket::{Arena, Envelope, Notice, Options, Stage, Stamping, TimestampingSocket};

use super::measure::{Answer, StampedBy};
use crate::time::{Exponent, LeapIndicator, NtpShort, NtpTimestamp, Timestamp};
use crate::wire::ntp::{Header, Mode, ReferenceId, Version};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// None came in time; so many datagrams came that answer something else.
    Silence { strays: u32 },
    /// The request could not be sent, or was sent back.
    Refused(String),
}

/// Asks once and waits for the answer for `timeout`.
pub(super) fn exchange(server: SocketAddr, timeout: Duration) -> Result<Answer, NoAnswer> {
    let refused = |error: maser_kernel::Error| NoAnswer::Refused(error.to_string());
    let mut socket = open(server).map_err(refused)?;
    let request = request().map_err(|error| {
        NoAnswer::Refused(format!("no random numbers from /dev/urandom: {error}"))
    })?;
    let mut packet = [0; Header::LENGTH];
    request.write(&mut packet);

    let before = clock::now(ClockId::Realtime);
    let envelope = Envelope { to: server, from: None, stamp: true };
    let id = socket.send_to(&packet, envelope).map_err(refused)?;
    let mut wait = Wait {
        cookie: request.transmit,
        id,
        sent: None,
        answer: None,
        strays: 0,
        arena: Arena::new(8, PACKET_MAX),
    };
    let mut deadline = Instant::now() + timeout;
    while !wait.is_over() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let mut watches = [Watch::new(socket.as_fd(), Interest::ReadPriority)];
        event::wait(&mut watches, Some(left)).map_err(refused)?;
        let had = wait.answer.is_some();
        wait.take(&socket)?;
        if !had && wait.answer.is_some() {
            // The request's own stamp is here already or will not come.
            deadline = deadline.min(Instant::now() + STAMP_WAIT);
        }
    }
    let Arrival { header, kernel, user } =
        wait.answer.ok_or(NoAnswer::Silence { strays: wait.strays })?;
    let (sent, received, stamps) = match (wait.sent, kernel) {
        (Some(sent), Some(received)) => (sent, received, StampedBy::Kernel),
        _ => (before, user, StampedBy::User),
    };
    let instant = |stamp: Timespec| Timestamp::from_nanos(stamp.total_nanoseconds());
    Ok(Answer { sent: instant(sent), received: instant(received), stamps, header })
}

/// Has the kernel stamp datagrams from now on, for as long as the socket lives.
///
/// It begins to stamp a moment after the first socket asks for it; without this, the first answer
/// of a program that runs this shortly would come without.
pub(super) fn warm_up(server: SocketAddr) -> Option<TimestampingSocket> {
    let socket = open(server).ok();
    std::thread::sleep(WARM_UP);
    socket
}

fn open(server: SocketAddr) -> maser_kernel::Result<TimestampingSocket> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let stamping = Stamping { software: true, hardware: false };
    let options = Options { stamping, report_icmp: true, ..Options::default() };
    let socket = TimestampingSocket::bind(any, &options)?;
    // The kernel drops what comes from elsewhere.
    socket.connect(server)?;
    Ok(socket)
}

fn request() -> std::io::Result<Header> {
    let mut random = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(Header {
        leap: LeapIndicator::None,
        version: Version::V4,
        mode: Mode::Client,
        stratum: 0,
        poll: Exponent(0),
        precision: Exponent(0),
        root_delay: NtpShort(0),
        root_dispersion: NtpShort(0),
        reference_id: ReferenceId::default(),
        reference: NtpTimestamp::ZERO,
        origin: NtpTimestamp::ZERO,
        receive: NtpTimestamp::ZERO,
        // Zero would mean "unknown", and some servers do not answer it.
        transmit: NtpTimestamp(u64::from_ne_bytes(random).max(1)),
    })
}

/// What came for a request so far.
struct Wait {
    cookie: NtpTimestamp,
    id: Option<u32>,
    sent: Option<Timespec>,
    answer: Option<Arrival>,
    strays: u32,
    arena: Arena,
}

#[derive(Clone, Copy)]
struct Arrival {
    header: Header,
    kernel: Option<Timespec>,
    user: Timespec,
}

impl Wait {
    fn is_over(&self) -> bool {
        self.answer.is_some() && self.sent.is_some()
    }

    /// Takes in all that has arrived. The error queue goes first, since it shares the buffer.
    fn take(&mut self, socket: &TimestampingSocket) -> Result<(), NoAnswer> {
        let refused = |error: maser_kernel::Error| NoAnswer::Refused(error.to_string());
        while socket.receive_errors(&mut self.arena).map_err(refused)? > 0 {
            for notice in self.arena.notices() {
                match notice {
                    Notice::Stamp(stamp) if Some(stamp.id) == self.id => {
                        if stamp.stage == Stage::Sent {
                            self.sent = stamp.stamps.software.or(self.sent);
                        }
                    }
                    Notice::Icmp(icmp) => {
                        let why = std::io::Error::from_raw_os_error(icmp.errno);
                        return Err(NoAnswer::Refused(why.to_string()));
                    }
                    Notice::Stamp(_) | Notice::Unreadable => {}
                }
            }
        }
        while socket.receive(&mut self.arena).map_err(refused)? > 0 {
            let user = clock::now(ClockId::Realtime);
            for received in self.arena.iter() {
                match answered(received.bytes, self.cookie) {
                    // The first one counts: a copy that comes later was delayed.
                    Some(header) if self.answer.is_none() => {
                        let kernel = received.stamps.software;
                        self.answer = Some(Arrival { header, kernel, user });
                    }
                    Some(_) => {}
                    None => self.strays = self.strays.saturating_add(1),
                }
            }
        }
        Ok(())
    }
}

/// The header of a packet that answers the request with this number (RFC 5905 §8, test 2).
fn answered(bytes: &[u8], cookie: NtpTimestamp) -> Option<Header> {
    let (header, _) = Header::parse(bytes).ok()?;
    (header.mode == Mode::Server && header.origin == cookie).then_some(header)
}

/// Longer answers carry extension fields, which are of no interest here.
const PACKET_MAX: usize = 1024;
const WARM_UP: Duration = Duration::from_millis(10);
/// How long a transmit stamp may lag behind the answer.
const STAMP_WAIT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_this_request_counts() {
        let request = request().unwrap();
        let mut packet = [0; Header::LENGTH];
        let answer = Header { mode: Mode::Server, origin: request.transmit, ..request };
        answer.write(&mut packet);
        assert_eq!(answered(&packet, request.transmit), Some(answer));
        assert_eq!(answered(&packet, NtpTimestamp(request.transmit.0 ^ 1)), None);
        assert_eq!(answered(&packet[..47], request.transmit), None);
        Header { mode: Mode::Client, ..answer }.write(&mut packet);
        assert_eq!(answered(&packet, request.transmit), None);
    }

    #[test]
    fn requests_tell_nothing_and_differ() {
        let (a, b) = (request().unwrap(), request().unwrap());
        assert_ne!(a.transmit, b.transmit);
        let mut packet = [0; Header::LENGTH];
        a.write(&mut packet);
        assert_eq!(packet[0], 0b00_100_011);
        assert!(packet[1..40].iter().all(|byte| *byte == 0));
    }
}
