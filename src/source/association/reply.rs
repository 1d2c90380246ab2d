//! What a reply is worth: whom it answers, what it refuses, which four stamps belong together.
//!
//! ```text
//!   server      T2  T3              T2' T3'          basic: T1 T2 T3 T4, T3 read before it left
//!              /      \            /      \          interleaved: the primed reply carries the
//!   client   T1        T4        T1'       T4'       true T3, sample T1 T2 T3 T4
//! ```

use crate::sample::{Exchange, Refusal};
use crate::time::{Duration, Exponent, LeapIndicator, Mono, NtpTimestamp, System, Timestamp, Utc};
use crate::wire::ntp::{Extensions, Header, KissCode, Mode, Version};

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// Its transmit field, which a basic reply repeats.
    pub transmit: NtpTimestamp,
    /// Its receive field, which an interleaved reply repeats; zero in a basic request.
    pub receive: NtpTimestamp,
    /// Its origin field: which reply's transmit stamp it asks for; zero in a basic request.
    pub quoted: NtpTimestamp,
    /// T1, once it is known.
    pub sent: Option<Timestamp<System>>,
    /// When it was made.
    pub at: Timestamp<Mono>,
    /// It only fetches the stamp of the reply before.
    pub follows_up: bool,
}

impl Pending {
    /// RFC 5905 §9.2 test 2, RFC 9769 §2: the origin is one of our random numbers.
    pub fn is_answered_by(&self, reply: &Header) -> bool {
        let interleaved = !self.quoted.is_zero() && reply.origin == self.receive;
        reply.origin == self.transmit || interleaved
    }
}

/// The three stamps of an exchange that wait for the server's true transmit stamp.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    sent: Timestamp<System>,
    /// T2 as it stood on the wire, to be quoted.
    pub received_wire: NtpTimestamp,
    received: Timestamp<Utc>,
    back: Timestamp<System>,
    root_delay: Duration,
    root_dispersion: Duration,
    synchronised: bool,
    /// The engine has a sample of this exchange, or is to have none.
    pub told: bool,
}

impl Kept {
    /// What a reply leaves behind.
    pub fn of(header: &Header, sent: Timestamp<System>, back: Timestamp<System>) -> Self {
        Self {
            sent,
            received_wire: header.receive,
            received: header.receive.near(utc(back)),
            back,
            root_delay: header.root_delay.duration(),
            root_dispersion: header.root_dispersion.duration(),
            synchronised: is_synchronised(header),
            told: true,
        }
    }

    /// The exchange by the reply's own stamps.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if they cannot be those of one exchange.
    pub fn basic(&self, header: &Header) -> Result<(Timestamp<System>, Exchange), Refusal> {
        self.with(header, false)
    }

    /// The exchange before, by the true transmit stamp that this reply brings.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] if the stamp cannot be of that exchange.
    pub fn interleaved(&self, header: &Header) -> Result<(Timestamp<System>, Exchange), Refusal> {
        if header.receive.is_zero() {
            return Err(Refusal::Invalid);
        }
        self.with(header, true)
    }

    fn with(
        &self,
        header: &Header,
        interleaved: bool,
    ) -> Result<(Timestamp<System>, Exchange), Refusal> {
        let transmitted: Timestamp<Utc> = header.transmit.near(utc(self.back));
        let stay = transmitted - self.received;
        let slack = SLACK + header.precision.duration().min(SLACK_MAX);
        let unknown = header.transmit.is_zero() || self.received_wire.is_zero();
        if unknown || stay.is_negative() || stay > self.back - self.sent + slack {
            return Err(Refusal::Invalid);
        }
        let synchronised = self.synchronised && is_synchronised(header);
        let exchange = Exchange {
            sent: self.sent,
            received: self.received,
            transmitted,
            leap: if synchronised { header.leap } else { LeapIndicator::Unknown },
            stratum: if synchronised { header.stratum } else { STRATUM_UNSYNCHRONISED },
            reference_id: header.reference_id.0,
            // The server may have changed its own source between the two replies.
            root_delay: self.root_delay.max(header.root_delay.duration()),
            root_dispersion: self.root_dispersion.max(header.root_dispersion.duration()),
            precision: header.precision,
            interleaved,
            reach: 0,
        };
        Ok((self.back, exchange))
    }
}

/// The same exchange with the register of its answer.
pub(super) fn with_reach(exchange: Exchange, reach: u8) -> Exchange {
    Exchange { reach, ..exchange }
}

/// A server's packet.
///
/// # Errors
/// [`Refusal::Malformed`] if it is no NTP packet, [`Refusal::Bogus`] if no server speaks.
pub(super) fn parse(packet: &[u8]) -> Result<Header, Refusal> {
    let (header, rest) = Header::parse(packet).map_err(|_| Refusal::Malformed)?;
    Extensions::parse(header.version, rest).map_err(|_| Refusal::Malformed)?;
    let speaks = match header.mode {
        Mode::Server => true,
        // RFC 1059 has no modes.
        Mode::Reserved => header.version == Version::V1,
        _ => false,
    };
    if speaks { Ok(header) } else { Err(Refusal::Bogus) }
}

/// What a server says.
pub(super) enum Answer {
    /// The time, perhaps that it does not know it.
    Time,
    /// It refuses.
    Kiss(KissCode),
}

/// RFC 5905 §7.4. INIT and STEP refuse nothing: they are how a server that does not know the time
/// yet fills its reference id. Codes that nobody knows are no refusal either.
pub(super) fn answer(header: &Header) -> Answer {
    match KissCode::of(header.reference_id) {
        None | Some(KissCode::Init | KissCode::Step) => Answer::Time,
        Some(code) if header.stratum == 0 => Answer::Kiss(code),
        Some(_) => Answer::Time,
    }
}

/// RFC 5905 §9.2 tests 6 and 7: leap, stratum and root distance vouch for the time.
fn is_synchronised(header: &Header) -> bool {
    let distance = header.root_delay.duration() / 2 + header.root_dispersion.duration();
    header.leap != LeapIndicator::Unknown
        && (1..STRATUM_UNSYNCHRONISED).contains(&header.stratum)
        && distance < Exponent(4).duration()
}

/// The local clock as the pivot of eras: within 68 years of the truth it finds the right one.
fn utc(stamp: Timestamp<System>) -> Timestamp<Utc> {
    stamp.read_as()
}

/// RFC 5905 §7.3.
const STRATUM_UNSYNCHRONISED: u8 = 16;
/// How much longer than the round trip a server's stay may seem by coarse stamps, and by clocks
/// that are steered meanwhile.
const SLACK: Duration = Duration::from_millis(10);
/// No clock that is worth asking is coarser.
const SLACK_MAX: Duration = Duration::from_millis(100);
