//! One association with an NTP server as its client: when to ask, what to send, what to believe.
//!
//! Sans-IO: bytes, stamps, the seed and the time are arguments, readings for the engine come out. A
//! request carries nothing of this machine but the version and the poll (RFC 9109 leaves the port
//! to the host, draft-ietf-ntp-data-minimization the fields to us): its transmit field is a random
//! number, and only a reply that repeats it counts (RFC 5905 §8, §9.2).
//!
//! Interleaved (RFC 9769 §2), a reply carries the true transmit stamp of the reply before it, so a
//! sample is as old as the exchange before. To keep samples fresh, a second request follows the
//! answered one at once and fetches its stamp; `schedule.rs` says when.

mod reply;
mod schedule;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod two_party;

use std::collections::VecDeque;

use self::reply::{Answer, Kept, Pending};
use self::schedule::Schedule;
use crate::random::Random;
use crate::sample::{Reading, ReadingKind, Refusal, SourceId};
use crate::time::{Exponent, LeapIndicator, Mono, NtpShort, NtpTimestamp, System, Timestamp};
use crate::wire::ntp::{Header, KissCode, Mode, ReferenceId, Version};

/// How a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssociationPlan {
    /// log2 s of the shortest interval between polls that nobody asked for.
    pub poll_min: Exponent,
    /// log2 s of the longest.
    pub poll_max: Exponent,
    /// Up to eight requests in a row at the start, and when the server answers again after it was
    /// unreachable.
    pub iburst: bool,
    /// Four requests in a row at each poll while the server is reachable.
    pub burst: bool,
    /// Ask for interleaved replies; only version 4 has them.
    pub interleaved: bool,
    /// Version of the requests.
    pub version: Version,
}

/// A request to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The datagram, as far as `length`.
    pub packet: [u8; Self::LENGTH_MAX],
    /// Its bytes.
    pub length: usize,
}

impl Transmit {
    /// Of any request.
    pub const LENGTH_MAX: usize = Header::LENGTH;

    /// The datagram.
    pub fn bytes(&self) -> &[u8] {
        &self.packet[..self.length]
    }
}

/// What is known of one server, and what is asked of it.
#[derive(Clone, Debug)]
pub struct Association {
    source: SourceId,
    plan: AssociationPlan,
    random: Random,
    schedule: Schedule,
    reach: u8,
    pending: Option<Pending>,
    /// Numbers of the request that was answered last.
    answered: Option<Pending>,
    kept: Option<Kept>,
    /// Interleaved requests since the last valid reply.
    missed: u8,
    readings: VecDeque<Reading>,
}

impl Association {
    /// An association that has asked nothing yet and is due at `now`.
    pub fn new(source: SourceId, plan: AssociationPlan, seed: u64, now: Timestamp<Mono>) -> Self {
        Self {
            source,
            plan,
            random: Random::seeded(seed),
            schedule: Schedule::new(&plan, now),
            reach: 0,
            pending: None,
            answered: None,
            kept: None,
            missed: 0,
            readings: VecDeque::with_capacity(READINGS_MAX),
        }
    }

    /// When `poll_transmit` wants to be called, given the interval in s that the estimate asks for
    /// (`SourceReport::poll`; 0: nothing asked yet). `None`: never again, the server denies.
    pub fn poll_timeout(&self, asked: f64) -> Option<Timestamp<Mono>> {
        self.schedule.due(asked, self.reach != 0, self.pending.is_some())
    }

    /// A request, if one is due. An older one that is still unanswered is given up.
    pub fn poll_transmit(&mut self, now: Timestamp<Mono>, asked: f64) -> Option<Transmit> {
        if now < self.poll_timeout(asked)? {
            return None;
        }
        let jitter = self.random.between(-1.0, 1.0);
        let turn = self.schedule.sent(now, asked, self.reach != 0, jitter);
        self.reach <<= 1;
        let quoted = self.quoted();
        let transmit = self.nonce(&[quoted]);
        let receive = match quoted {
            NtpTimestamp::ZERO => NtpTimestamp::ZERO,
            _ => self.nonce(&[quoted, transmit]),
        };
        let follows_up = turn.follows_up;
        self.pending = Some(Pending { transmit, receive, quoted, sent: None, at: now, follows_up });
        let header = Header {
            leap: LeapIndicator::None,
            version: self.plan.version,
            // RFC 1059 has no modes; its servers know a client by its port.
            mode: if self.plan.version == Version::V1 { Mode::Reserved } else { Mode::Client },
            stratum: 0,
            poll: Exponent::at_least(turn.interval),
            precision: Exponent(0),
            root_delay: NtpShort(0),
            root_dispersion: NtpShort(0),
            reference_id: ReferenceId::default(),
            reference: NtpTimestamp::ZERO,
            origin: quoted,
            receive,
            transmit,
        };
        let mut packet = [0; Transmit::LENGTH_MAX];
        header.write(&mut packet);
        Some(Transmit { packet, length: Header::LENGTH })
    }

    /// T1: when the request really left, by the kernel's stamp or a reading just before. Called
    /// again before the reply, it betters the stamp. A request that could not be sent counts as
    /// one without an answer: tell when it was tried.
    pub fn handle_sent(&mut self, stamp: Timestamp<System>) {
        let Some(pending) = &mut self.pending else { return };
        if pending.sent.replace(stamp).is_none() {
            self.tell(stamp, ReadingKind::Polled { reach: self.reach });
        }
    }

    /// A datagram from the server. `received` is T4; `own` the reference id by which servers that
    /// follow us name us, if it is known: such a server's time is our own.
    pub fn handle_reply(
        &mut self,
        packet: &[u8],
        received: Timestamp<System>,
        now: Timestamp<Mono>,
        own: Option<[u8; 4]>,
    ) {
        if let Err(refusal) = self.reply(packet, received, now, own) {
            self.tell(received, ReadingKind::Refused(refusal));
        }
    }

    /// The server is asked at another address from now on: what was learned of the old one is
    /// forgotten, the pace of the requests is kept.
    pub fn move_on(&mut self) {
        self.pending = None;
        self.answered = None;
        self.kept = None;
        self.missed = 0;
        self.reach = 0;
        self.schedule.move_on();
    }

    /// What the engine is to hear, oldest first.
    pub fn poll_reading(&mut self) -> Option<Reading> {
        self.readings.pop_front()
    }

    /// Whether a request waits for its answer.
    pub fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// Register of the answers: eight requests, the newest in the lowest bit.
    pub fn reach(&self) -> u8 {
        self.reach
    }

    fn reply(
        &mut self,
        packet: &[u8],
        received: Timestamp<System>,
        now: Timestamp<Mono>,
        own: Option<[u8; 4]>,
    ) -> Result<(), Refusal> {
        let header = reply::parse(packet)?;
        let Some(pending) = self.pending.filter(|pending| pending.is_answered_by(&header)) else {
            let again = self.answered.is_some_and(|before| before.is_answered_by(&header));
            return Err(if again { Refusal::Duplicate } else { Refusal::Bogus });
        };
        let sent = pending.sent.ok_or(Refusal::Bogus)?;
        self.pending = None;
        self.answered = Some(pending);
        match reply::answer(&header) {
            Answer::Kiss(code) => {
                self.kissed(code, header.poll);
                let code = header.reference_id.0;
                self.tell(received, ReadingKind::Kissed { code });
                return Ok(());
            }
            Answer::Time if header.stratum > 1 && Some(header.reference_id.0) == own => {
                self.kept = None;
                return Err(Refusal::Loop);
            }
            Answer::Time => {}
        }
        let was_reachable = self.reach != 0;
        let interleaved = header.origin != pending.transmit;
        let mut kept = Kept::of(&header, sent, received);
        let before = self.kept.take();
        let exchange = if interleaved {
            let before = before.ok_or(Refusal::Bogus)?;
            Some(before.interleaved(&header)?).filter(|_| !before.told)
        } else {
            Some(kept.basic(&header)?)
        };
        self.reach |= 1;
        self.missed = 0;
        kept.told = !interleaved || pending.follows_up;
        self.kept = Some(kept);
        let fetch = interleaved && !pending.follows_up;
        self.schedule.answered((now - pending.at).seconds(), was_reachable, fetch);
        if let Some((stamp, exchange)) = exchange {
            let exchange = ReadingKind::Exchange(reply::with_reach(exchange, self.reach));
            self.tell(stamp, exchange);
        }
        Ok(())
    }

    /// RFC 5905 §7.4.
    fn kissed(&mut self, code: KissCode, poll: Exponent) {
        match code {
            KissCode::Rate => self.schedule.slow_down(poll),
            KissCode::Deny | KissCode::Restrict => self.schedule.stop(),
            _ => {}
        }
    }

    /// The receive stamp by which the server finds the reply whose transmit stamp is wanted; zero
    /// in a basic request (RFC 9769 §2).
    fn quoted(&mut self) -> NtpTimestamp {
        if self.missed >= MISSES_MAX {
            self.kept = None;
        }
        match self.kept {
            Some(kept) if self.plan.interleaved && self.plan.version == Version::V4 => {
                self.missed += 1;
                kept.received_wire
            }
            _ => NtpTimestamp::ZERO,
        }
    }

    /// A number that no other field of the request has; zero would mean "unknown".
    fn nonce(&mut self, others: &[NtpTimestamp]) -> NtpTimestamp {
        loop {
            let nonce = NtpTimestamp(self.random.bits());
            if !nonce.is_zero() && !others.contains(&nonce) {
                return nonce;
            }
        }
    }

    fn tell(&mut self, stamp: Timestamp<System>, kind: ReadingKind) {
        if self.readings.len() == READINGS_MAX {
            self.readings.pop_front();
        }
        self.readings.push_back(Reading { source: self.source, stamp, kind });
    }
}

/// Kept until they are fetched; the oldest goes first.
const READINGS_MAX: usize = 16;
/// Interleaved requests without a reply before a basic one: a server that lost its memory, or whose
/// replies are lost, is not asked about the past for ever (RFC 9769 §2).
const MISSES_MAX: u8 = 4;
