//! One request in, one answer or a named silence out.
//!
//! The answer is decided when the request is read and written when it is sent: [`Reply::write`]
//! takes the instant of sending, and transmit timestamp and root dispersion are of that instant.
//! Nothing here allocates, and no answer is longer than its question. An interleaved answer carries
//! the transmit timestamp of the one before; its own is told later by [`Clients::note_sent`].
//!
//! Order of judgement: address, access, format, pace. Silence towards an ignored address comes
//! before its bytes are read; a datagram that is no request takes no place in the client table.

use core::net::{IpAddr, SocketAddr};

use super::clients::Client;
use super::face::Face;
use super::interleave::{Departure, Transmission, transmit_after};
use super::question::Question;
use super::{Access, AccessTable, Clients, Outcome, RateLimit};
use crate::state::{Smeared, State};
use crate::time::{
    Duration, LeapIndicator, NtpShort, NtpTimestamp, SmearShape, System, Timestamp, Utc,
};
use crate::wire::ntp::{Header, KissCode, Mode};

/// A datagram as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What it says.
    pub bytes: &'a [u8],
    /// Who says it.
    pub source: SocketAddr,
    /// The kernel's or the card's receive stamp, on the system clock.
    pub received: Option<Timestamp<System>>,
    /// When it was read.
    pub now: Timestamp<System>,
    /// How the address that it came to smears leap seconds, if it does.
    pub smear: Option<SmearShape>,
}

/// What the operator decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who may ask.
    pub access: AccessTable,
    /// How often; `None`: as often as they like.
    pub rate: Option<RateLimit>,
    /// Least distance of two kisses to one client; `None`: silence only.
    pub kiss_interval: Option<Duration>,
}

impl Default for Policy {
    /// Everybody may ask, at [`RateLimit::default`]; a kiss every 8 s at most.
    fn default() -> Self {
        Self {
            access: AccessTable::open(),
            rate: Some(RateLimit::default()),
            kiss_interval: Some(Duration::from_seconds(8)),
        }
    }
}

/// What to do about a request.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub enum Answer<'s> {
    /// Send this to the source.
    Reply(Reply<'s>),
    /// Send nothing, for this reason.
    Silence(Outcome),
}

impl<'s> Answer<'s> {
    /// What became of the request; it is counted already.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Reply(reply) => reply.outcome,
            Self::Silence(outcome) => *outcome,
        }
    }

    /// The reply, if there is one.
    pub const fn reply(self) -> Option<Reply<'s>> {
        match self {
            Self::Reply(reply) => Some(reply),
            Self::Silence(_) => None,
        }
    }
}

/// An answer that lacks only the instant of sending. It holds on to the state that it was made
/// from, so that receive and transmit timestamp are of one timescale.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'s> {
    /// A transmit timestamp that is there is that of the reply before: interleaved mode.
    header: Header,
    outcome: Outcome,
    /// Whether its client may ask when this reply left.
    is_awaited: bool,
    /// T2, and whence T3 comes. A kiss has no time.
    time: Option<(Timestamp<Utc>, Face<'s>)>,
}

impl Reply<'_> {
    /// Writes the packet as of `now`, just before it is sent, and returns its length.
    ///
    /// The transmit timestamp of a basic reply is later than the receive timestamp whatever `now`
    /// is; that of an interleaved one is of the reply before.
    #[inline]
    pub fn write(self, now: Timestamp<System>, out: &mut [u8; REPLY_MAX]) -> usize {
        let mut header = self.header;
        if let Some((received, face)) = self.time {
            let dispersion = NtpShort::at_least(face.state.root_dispersion(now));
            header.root_dispersion = header.root_dispersion.max(dispersion);
            if header.transmit.is_zero() {
                let transmit = NtpTimestamp::of(face.utc(now).unwrap_or(received).max(received));
                header.transmit = transmit_after(header.receive, transmit);
            }
        }
        header.write(out);
        Header::LENGTH
    }

    /// What [`Clients::note_sent`] takes, if this reply's true transmit stamp is worth asking the
    /// kernel for: its client, at `address`, speaks interleaved mode. `now` is that of
    /// [`Reply::write`].
    #[inline]
    pub fn departure(&self, address: IpAddr, now: Timestamp<System>) -> Option<Departure> {
        let (_, face) = self.time.filter(|_| self.is_awaited)?;
        Departure::new(face, (address, self.header.receive), now)
    }
}

/// Judges a request and counts what became of it. `state` may be as old as the batch of requests:
/// it holds coefficients, not values.
#[inline]
pub fn respond<'s>(
    request: &Request<'_>,
    state: &'s State,
    policy: &Policy,
    clients: &mut Clients,
) -> Answer<'s> {
    let answer = judge(request, state, policy, clients);
    clients.count(answer.outcome());
    answer
}

fn judge<'s>(
    request: &Request<'_>,
    state: &'s State,
    policy: &Policy,
    clients: &mut Clients,
) -> Answer<'s> {
    let source = request.source;
    if !is_answerable(source) {
        return Answer::Silence(Outcome::Unanswerable);
    }
    let access = policy.access.of(source.ip());
    if access == Access::Ignore {
        return Answer::Silence(Outcome::Ignored);
    }
    let question = match Question::read(request.bytes, source.port()) {
        Ok(question) => question,
        Err(why) => return Answer::Silence(why),
    };
    let client = clients.visit(source.ip(), request.now, (question.version, question.mode));
    let refusal = match policy.rate {
        _ if access == Access::Deny => Some(Refusal::Deny),
        Some(limit) if !client.pace.pass(request.now, limit) => Some(Refusal::Rate(limit)),
        _ => None,
    };
    if let Some(refusal) = refusal {
        return refuse(refusal, client, &question, state, policy, request.now);
    }
    let stamp = request.received.filter(|stamp| *stamp <= request.now);
    let received = stamp.unwrap_or(request.now);
    if request.now - received > WAIT_MAX {
        return Answer::Silence(Outcome::Stale);
    }
    let is_known = client.is_known();
    let face = Face { state, smear: request.smear };
    let leap = state.leap_told(received);
    let Some(at) = face.at(received) else {
        // Smeared, the second passage of 23:59:59 is not the first.
        return Answer::Silence(Outcome::Stale);
    };
    let received = at.utc;
    let receive = client.date(NtpTimestamp::of(received));
    if stamp.is_none() {
        clients.count_unstamped();
    }
    let served = Served { question: &question, face, leap, at, receive };
    match question.quote.filter(|_| is_known && served.is_synchronised()) {
        Some(quote) => {
            let past = clients.take_sent(source.ip(), quote.receive);
            let past = past.filter(|past| past.smear == request.smear);
            Answer::Reply(served.to_interleaved(past.as_ref(), quote.echo))
        }
        None => Answer::Reply(served.reply()),
    }
}

#[derive(Clone, Copy)]
enum Refusal {
    Deny,
    Rate(RateLimit),
}

/// RFC 5905 §7.4: a kiss when one is due, else silence.
fn refuse<'s>(
    refusal: Refusal,
    client: &mut Client,
    question: &Question,
    state: &State,
    policy: &Policy,
    now: Timestamp<System>,
) -> Answer<'s> {
    client.refused += 1;
    let is_due = policy.kiss_interval.is_some_and(|interval| client.pace.kiss(now, interval));
    if !is_due {
        return Answer::Silence(match refusal {
            Refusal::Deny => Outcome::Denied,
            Refusal::Rate(_) => Outcome::Limited,
        });
    }
    client.kisses += 1;
    let (code, outcome, poll) = match refusal {
        Refusal::Deny => (KissCode::Deny, Outcome::KissDeny, question.poll),
        // chronyd and ntpd take the poll of this kiss as the pace that is asked of them.
        Refusal::Rate(limit) => {
            (KissCode::Rate, Outcome::KissRate, question.poll.max(limit.poll()))
        }
    };
    let header = Header {
        leap: LeapIndicator::Unknown,
        version: question.version,
        mode: question.answer_mode(),
        stratum: 0,
        poll,
        precision: state.precision,
        root_delay: NtpShort::at_least(Duration::ZERO),
        // Whoever overlooks leap and stratum still finds a root distance that nobody accepts.
        root_dispersion: NtpShort::at_least(NOTHING_KNOWN),
        reference_id: code.reference_id(),
        reference: NtpTimestamp::ZERO,
        origin: question.transmit,
        // Undefined in a kiss, but ntpd drops zeros unread. The client's own time tells it nothing.
        receive: question.transmit,
        transmit: question.transmit,
    };
    Answer::Reply(Reply { header, outcome, is_awaited: false, time: None })
}

/// A request that gets the time.
#[derive(Clone, Copy)]
struct Served<'q, 's> {
    question: &'q Question,
    face: Face<'s>,
    /// What is told of a leap second at T2.
    leap: LeapIndicator,
    /// T2.
    at: Smeared,
    /// The same as sent.
    receive: NtpTimestamp,
}

impl<'s> Served<'_, 's> {
    /// Leap "unknown" and a stratum contradict each other: then nothing is claimed.
    fn is_synchronised(&self) -> bool {
        let state = self.face.state;
        state.is_synchronised() && state.leap != LeapIndicator::Unknown
    }

    #[inline]
    fn reply(&self) -> Reply<'s> {
        let Self { question, face, leap, at, receive } = *self;
        let (state, received) = (face.state, at.utc);
        let is_synchronised = self.is_synchronised();
        let (leap, stratum, reference_id) = if is_synchronised {
            (face.leap(leap), state.stratum, face.reference_id(&at))
        } else {
            // Never the state's own reason here: some codes bid the client to go away.
            (LeapIndicator::Unknown, 0, KissCode::Init.reference_id())
        };
        let header = Header {
            leap,
            version: question.version,
            mode: question.answer_mode(),
            stratum,
            poll: question.poll,
            precision: state.precision,
            root_delay: NtpShort::at_least(state.root_delay),
            root_dispersion: NtpShort::default(),
            reference_id,
            // A pulse may have been believed since the request arrived, and clients refuse a
            // reference timestamp that lies ahead (RFC 5905 §A.5.1.1).
            reference: state
                .reference_time
                .map_or(NtpTimestamp::ZERO, |at| NtpTimestamp::of(face.before(at).min(received))),
            origin: question.transmit,
            receive,
            transmit: NtpTimestamp::ZERO,
        };
        let outcome = match question.answer_mode() {
            _ if !is_synchronised => Outcome::ServedUnsynchronised,
            Mode::SymmetricPassive => Outcome::ServedSymmetric,
            _ => Outcome::Served,
        };
        Reply { header, outcome, is_awaited: false, time: Some((received, face)) }
    }

    /// To a client of interleaved mode: in place of its own transmit timestamp, the reply has that
    /// of the one before, if that is known.
    #[cold]
    fn to_interleaved(self, past: Option<&Transmission>, echo: NtpTimestamp) -> Reply<'s> {
        let mut reply = Reply { is_awaited: true, ..self.reply() };
        if let Some(past) = past {
            reply.outcome = Outcome::ServedInterleaved;
            let header = &mut reply.header;
            header.origin = echo;
            header.transmit = past.transmit;
            // The client's sample is of the exchange before, and as uncertain as that was.
            header.root_delay = header.root_delay.max(past.root_delay);
            header.root_dispersion = past.root_dispersion;
        }
        reply
    }
}

/// Whether a datagram can go back to where this one came from.
fn is_answerable(source: SocketAddr) -> bool {
    let is_host = match source.ip().to_canonical() {
        IpAddr::V4(v4) => !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast()),
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast()),
    };
    is_host && source.port() != 0
}

/// The most bytes that any reply takes.
pub const REPLY_MAX: usize = Header::LENGTH;

/// A receive stamp may be so much older than the reading. No queue lasts as long, so beyond it the
/// clock was stepped in between, and stamp and state no longer belong together.
const WAIT_MAX: Duration = Duration::SECOND;
/// RFC 5905 §7.2: MAXDISP.
const NOTHING_KNOWN: Duration = Duration::from_seconds(16);

#[cfg(test)]
#[path = "respond_tests.rs"]
pub(super) mod tests;
