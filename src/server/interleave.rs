//! Interleaved mode (RFC 9769 §2): a reply carries the true transmit stamp of the one before it.
//!
//! ```text
//!   request          origin = T2 of the last reply     receive = the client's, to be echoed
//!   our answer       origin = that receive             receive = T2 of this request
//!                                                      transmit = true T3 of the last reply
//! ```
//!
//! Every T2 we give out is odd and every T3 even, so an origin tells by itself which one it quotes.
//! Only who quotes a T2, and was answered before, costs a transmit stamp. The stamps are kept by T2
//! and client in one table of fixed size, not one for each client: behind a translated address there
//! may be many. Each is given out once. The root delay and dispersion of the old reply go along with
//! its stamp, since the client dates its sample by the old T2 and T3.

use core::net::IpAddr;

use super::face::Face;
use super::siphash::siphash;
use crate::time::{
    Duration, Frequency, NtpShort, NtpTimestamp, SmearShape, System, Timestamp, Utc,
};

/// A reply on its way, whose client may ask when it truly left.
#[derive(Clone, Copy, Debug)]
pub struct Departure {
    /// To whom, and its T2.
    pub(super) reply: (IpAddr, NtpTimestamp),
    /// Just before it was sent, and the served time of then.
    read: Timestamp<System>,
    served: Timestamp<Utc>,
    /// Of the served time against the system clock, less one.
    rate: Frequency,
    smear: Option<SmearShape>,
    root_delay: NtpShort,
    root_dispersion: NtpShort,
}

impl Departure {
    #[cold]
    pub(super) fn new(
        face: Face<'_>,
        reply: (IpAddr, NtpTimestamp),
        now: Timestamp<System>,
    ) -> Option<Self> {
        let state = face.state;
        Some(Self {
            reply,
            read: now,
            served: face.utc(now)?,
            rate: face.rate(now),
            smear: face.smear,
            root_delay: NtpShort::at_least(state.root_delay),
            root_dispersion: NtpShort::at_least(state.root_dispersion(now)),
        })
    }

    /// What its client may be told once the transmit stamp is known. None for a stamp that cannot
    /// be this reply's: the clock was stepped in between.
    pub(super) fn at(&self, stamp: Timestamp<System>) -> Option<Transmission> {
        let since = stamp - self.read;
        if since.is_negative() || since > UNDER_WAY_MAX {
            return None;
        }
        let transmit = NtpTimestamp::of(self.served + since + self.rate.over(since));
        let transmit = transmit_after(self.reply.1, transmit);
        let Self { root_delay, root_dispersion, smear, .. } = *self;
        Some(Transmission { transmit, root_delay, root_dispersion, smear })
    }
}

/// Whose reply, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The client as the table of clients numbers it.
    pub(super) client: u128,
    /// Its T2, as sent; never zero.
    pub(super) receive: NtpTimestamp,
}

/// A reply that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transmission {
    /// Its true T3.
    pub(super) transmit: NtpTimestamp,
    /// How that is smeared: it is told with a T2 of the same kind only.
    pub(super) smear: Option<SmearShape>,
    /// What it declared.
    pub(super) root_delay: NtpShort,
    /// What it declared.
    pub(super) root_dispersion: NtpShort,
}

/// The replies that left lately: sets of few places, in each the oldest makes room.
#[derive(Debug)]
pub(super) struct Transmissions {
    /// Their count is a power of two. The newest of a set comes first.
    sets: Box<[Set]>,
    hash: [u64; 2],
}

type Set = [Option<(Key, Transmission)>; WAYS];

impl Transmissions {
    /// Room for about as many replies as there are clients, taken now and never again.
    pub(super) fn new(clients: usize, hash: [u64; 2]) -> Self {
        let sets = (clients.clamp(WAYS, REPLIES_MAX) / WAYS).next_power_of_two();
        Self { sets: vec![[None; WAYS]; sets].into_boxed_slice(), hash }
    }

    /// Remembers a reply.
    pub(super) fn put(&mut self, key: Key, transmission: Transmission) {
        let set = self.set(key);
        set.rotate_right(1);
        set[0] = Some((key, transmission));
    }

    /// The reply with this T2, once.
    pub(super) fn take(&mut self, key: Key) -> Option<Transmission> {
        let place =
            self.set(key).iter_mut().find(|place| place.is_some_and(|(other, _)| other == key))?;
        place.take().map(|(_, transmission)| transmission)
    }

    fn set(&mut self, key: Key) -> &mut Set {
        #[expect(clippy::cast_possible_truncation, reason = "masked to the count of sets")]
        let hash = siphash(self.hash, key.receive.0.into()) as usize;
        &mut self.sets[hash & (self.sets.len() - 1)]
    }
}

/// The T2 to send: odd, and not one of those that the client was just given. Its requests may come
/// in the same tick of a coarse clock.
#[inline]
pub(super) const fn receive_after(last: NtpTimestamp, received: NtpTimestamp) -> NtpTimestamp {
    let odd = received.0 | 1;
    let is_given = !last.is_zero() && last.0.wrapping_sub(odd) < SAME_TICK;
    NtpTimestamp(if is_given { last.0.wrapping_add(2) } else { odd })
}

/// The T3 to send: even, and later than T2. RFC 9769 §2 forbids that the two are equal.
#[inline]
pub(super) const fn transmit_after(receive: NtpTimestamp, transmit: NtpTimestamp) -> NtpTimestamp {
    let even = transmit.0 & !1;
    let is_later = even.wrapping_sub(receive.0).cast_signed() > 0;
    let even = if is_later { even } else { receive.0.wrapping_add(1) };
    // The first instant of an era would read as "unknown".
    NtpTimestamp(if even == 0 { 2 } else { even })
}

/// Whether this can be a T2 of ours.
#[inline]
pub(super) const fn is_receive(stamp: NtpTimestamp) -> bool {
    stamp.0 & 1 == 1
}

/// Replies in a set.
const WAYS: usize = 4;
/// 5 MiB: replies remembered, however many clients there are. An interleaved client needs one.
const REPLIES_MAX: usize = 1 << 16;
/// Between the reading before a reply is sent and its stamp. Longer, the clock was stepped.
const UNDER_WAY_MAX: Duration = Duration::SECOND;
/// 15 ns, in units of 2⁻³² s: so little may T2 be moved to be distinct.
const SAME_TICK: u64 = 64;

#[cfg(test)]
#[path = "interleave_tests.rs"]
mod tests;
