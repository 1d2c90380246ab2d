//! A modelled NTP server: a clock whose error is known, asked through the daemon's own server code.
//!
//! The server's clock is true time plus an error; the error is put into the coefficients of a
//! [`State`], and [`respond`] answers from it. What the server declares of itself, true or not,
//! stands in the same state. Hostile answers are an honest one, spoiled.

use core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Mistake;
use super::keys::{Announcement, SPAN_MAX, seed_of, span, stream, within};
use super::stamps::{StampPlan, Stamps};
use crate::random::Random;
use crate::server::{self, Clients, Policy, REPLY_MAX, Request, TableSize, respond};
use crate::state::{ErrorTerms, Phase, STRATUM_UNSYNCHRONISED, State, Term};
use crate::time::{Duration, Exponent, LeapIndicator, NtpTimestamp, System, Timestamp, Utc};
use crate::wire::ntp::{Header, KissCode};

/// The law of a server. Without any key it is exact, stratum 1, and says so.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerPlan {
    /// Declared, 1 to 15.
    pub stratum: u8,
    /// Declared round trip to the reference clock, s.
    pub root_delay: f64,
    /// Declared error bound, s.
    pub root_dispersion: f64,
    /// Declared log2 of the seconds that a reading takes, −32 to 0.
    pub precision: i8,
    /// What it announces for the end of the month.
    pub leap: Announcement,
    /// A constant lie: served − true, s.
    pub offset: f64,
    /// Sigma of a normal error, drawn anew for each exchange, the same in both its stamps, s.
    pub noise: f64,
    /// An error that wanders about.
    pub wobble: Option<Wobble>,
    /// An error that grows evenly and is slewed away, again and again.
    pub sawtooth: Option<SawtoothSlew>,
    /// A clock that runs away.
    pub drift: Option<Drift>,
    /// Time between the request's arrival and the reply's departure, s.
    pub hold: f64,
    /// Errors of its stamps.
    pub stamps: StampPlan,
    /// Name of the node whose time it says it serves: its reference id is that one's.
    pub follows: Option<String>,
    /// How it spoils its answers.
    pub hostile: Hostile,
}

/// Gauss–Markov noise, in steps of a second with straight lines between.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wobble {
    /// s.
    pub sigma: f64,
    /// Correlation time, s; at least 10.
    pub tau: f64,
}

/// Up from −amplitude to amplitude in 15/16 of the period, back in the rest; zero at the start.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SawtoothSlew {
    /// s.
    pub amplitude: f64,
    /// s.
    pub period: f64,
}

/// A constant rate from some time on.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// A ratio: 1e-6 gains 1 µs a second.
    pub rate: f64,
    /// Seconds from the start.
    #[serde(default)]
    pub at: f64,
}

/// What a hostile or broken server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hostile {
    /// An honest answer.
    #[default]
    None,
    /// Random bytes.
    Garbage,
    /// Kiss-o'-death RATE, always.
    KissRate,
    /// Kiss-o'-death DENY, always.
    KissDeny,
    /// The answer to the request before, again.
    Replay,
    /// An answer to a request that nobody made.
    WrongOrigin,
    /// Receive and transmit timestamps of zero.
    ZeroStamps,
    /// Fewer bytes than a header has.
    Truncated,
    /// Leap "unknown", stratum 0: it does not know the time.
    Unsynchronised,
}

impl Default for ServerPlan {
    fn default() -> Self {
        Self {
            stratum: 1,
            root_delay: 0.0,
            root_dispersion: 0.0,
            precision: -24,
            leap: Announcement::None,
            offset: 0.0,
            noise: 0.0,
            wobble: None,
            sawtooth: None,
            drift: None,
            hold: 0.0,
            stamps: StampPlan::default(),
            follows: None,
            hostile: Hostile::None,
        }
    }
}

impl ServerPlan {
    /// Whether a server can be so.
    ///
    /// # Errors
    /// The first key out of its range.
    pub fn check(&self) -> Result<(), Mistake> {
        within("stratum", self.stratum.into(), 1.0, 15.0, "hops from a reference clock")?;
        within("root_delay", self.root_delay, 0.0, 1e3, "seconds")?;
        within("root_dispersion", self.root_dispersion, 0.0, 1e3, "seconds")?;
        within("precision", self.precision.into(), -32.0, 0.0, "log2 of seconds")?;
        within("offset", self.offset, -1e9, 1e9, "seconds")?;
        within("noise", self.noise, 0.0, 1e3, "seconds")?;
        if let Some(wobble) = &self.wobble {
            within("wobble.sigma", wobble.sigma, 0.0, 1e3, "seconds")?;
            within("wobble.tau", wobble.tau, 10.0, 1e7, "seconds")?;
        }
        if let Some(sawtooth) = &self.sawtooth {
            within("sawtooth.amplitude", sawtooth.amplitude, 0.0, 1e3, "seconds")?;
            within("sawtooth.period", sawtooth.period, 1.0, SPAN_MAX, "seconds")?;
        }
        if let Some(drift) = &self.drift {
            within("drift.rate", drift.rate, -0.1, 0.1, "a ratio (1e-6 is 1 ppm)")?;
            span("drift.at", drift.at)?;
        }
        within("hold", self.hold, 0.0, 10.0, "seconds")?;
        self.stamps.check().map_err(|mistake| mistake.under("stamps"))
    }
}

/// An answer and when it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The datagram.
    pub bytes: Vec<u8>,
    /// From the request's arrival to the reply's departure.
    pub held: Duration,
}

/// A server.
#[derive(Debug)]
pub struct Upstream {
    plan: ServerPlan,
    start: Timestamp<Utc>,
    reference_id: [u8; 4],
    stepped: Duration,
    noise: Random,
    wobble: Option<Wandering>,
    spoiler: Random,
    stamps: Stamps,
    policy: Policy,
    clients: Clients,
    /// The last honest answer.
    last: Option<Vec<u8>>,
}

impl Upstream {
    /// The server of this seed; `reference_id` is what it says it follows.
    pub fn new(plan: &ServerPlan, seed: u64, start: Timestamp<Utc>, reference_id: [u8; 4]) -> Self {
        let size = TableSize { clients: 16, ..TableSize::default() };
        Self {
            start,
            reference_id,
            stepped: Duration::ZERO,
            noise: stream(seed, 0),
            wobble: plan.wobble.map(|wobble| Wandering::new(wobble, stream(seed, 1))),
            spoiler: stream(seed, 2),
            stamps: Stamps::new(&plan.stamps, seed_of(seed, 3), start),
            policy: Policy { rate: None, ..Policy::default() },
            clients: Clients::new(size, [seed_of(seed, 4), seed_of(seed, 5)]),
            last: None,
            plan: plan.clone(),
        }
    }

    /// Served − true at `now`, without the noise of a single exchange. Ask in order of time.
    pub fn error(&mut self, now: Timestamp<Utc>) -> Duration {
        let at = (now - self.start).seconds();
        let mut error = self.plan.offset;
        if let Some(drift) = &self.plan.drift {
            error += drift.rate * (at - drift.at).max(0.0);
        }
        if let Some(sawtooth) = &self.plan.sawtooth {
            error += sawtooth.at(at);
        }
        if let Some(wobble) = &mut self.wobble {
            error += wobble.at(at);
        }
        self.stepped + Duration::from_seconds_f64(error)
    }

    /// Its clock is set: forward by so much.
    pub fn step(&mut self, by: Duration) {
        self.stepped += by;
    }

    /// From `now` on its clock runs away at this ratio, instead of any rate before.
    pub fn set_drift(&mut self, rate: f64, now: Timestamp<Utc>) {
        let before =
            self.plan.drift.take().map_or(0.0, |drift| {
                drift.rate * ((now - self.start).seconds() - drift.at).max(0.0)
            });
        self.stepped += Duration::from_seconds_f64(before);
        self.plan.drift = Some(Drift { rate, at: (now - self.start).seconds() });
    }

    /// What it announces from now on.
    pub fn set_leap(&mut self, leap: Announcement) {
        self.plan.leap = leap;
    }

    /// How it spoils its answers from now on.
    pub fn set_hostile(&mut self, hostile: Hostile) {
        self.plan.hostile = hostile;
    }

    /// A request came at `now`; the answer, if it gets one.
    pub fn handle(
        &mut self,
        request: &[u8],
        from: SocketAddr,
        now: Timestamp<Utc>,
    ) -> Option<Reply> {
        let held = Duration::from_seconds_f64(self.plan.hold);
        let noise = self.plan.noise * self.noise.normal();
        let error = self.error(now) + Duration::from_seconds_f64(noise);
        let (received, sent) = (self.stamps.receive(now).at, self.stamps.transmit(now + held).at);
        // The answer is stamped, and leaves, after the request was.
        let late = (received - sent).max(Duration::ZERO);
        let (held, sent) = (held + late, sent + late);
        let (received, sent) = (self.reading(received, error), self.reading(sent, error));
        let state = self.state(now, error);
        let request = Request {
            bytes: request,
            source: from,
            received: Some(received),
            now: received,
            smear: None,
        };
        let answer = respond(&request, &state, &self.policy, &mut self.clients);
        let mut bytes = [0; REPLY_MAX];
        let length = server::Answer::reply(answer)?.write(sent, &mut bytes);
        let mut honest = bytes.get(..length)?.to_vec();
        self.declare(&mut honest);
        let bytes = self.spoiled(&honest);
        self.last = Some(honest);
        Some(Reply { bytes, held })
    }

    /// Writes what the plan declares into the words of the header, to the nearest unit: ours are
    /// rounded up and never zero, others' need not be.
    fn declare(&self, reply: &mut [u8]) {
        let word = |seconds: f64| {
            let half_a_unit = Duration::from_units(1 << 47);
            let units = (Duration::from_seconds_f64(seconds) + half_a_unit).units() >> 48;
            u32::try_from(units).unwrap_or(u32::MAX).to_be_bytes()
        };
        if let Some(words) = reply.get_mut(4..12) {
            words[..4].copy_from_slice(&word(self.plan.root_delay));
            words[4..].copy_from_slice(&word(self.plan.root_dispersion));
        }
    }

    /// The server's system clock is true time: its error is the correction it serves. The grain of
    /// its stamps is of the time it serves.
    fn reading(&self, at: Timestamp<Utc>, error: Duration) -> Timestamp<System> {
        self.stamps.cut(at + error).corrected_by(-error)
    }

    fn state(&self, now: Timestamp<Utc>, error: Duration) -> State {
        let plan = &self.plan;
        let unknown = plan.hostile == Hostile::Unsynchronised;
        let bound = plan.root_dispersion + plan.root_delay / 2.0;
        State {
            phase: Phase::Locked,
            anchor: now.read_as(),
            correction: error,
            fixed: ErrorTerms::NONE.with(Term::Server, bound),
            stratum: if unknown { STRATUM_UNSYNCHRONISED } else { plan.stratum },
            reference_id: self.reference_id,
            reference_time: Some(now + error),
            root_delay: Duration::from_seconds_f64(plan.root_delay),
            leap: plan.leap.indicator(),
            precision: Exponent(plan.precision),
            ..State::default()
        }
    }

    fn spoiled(&mut self, honest: &[u8]) -> Vec<u8> {
        let kiss = |code: KissCode, header: Header| Header {
            leap: LeapIndicator::Unknown,
            stratum: 0,
            reference_id: code.reference_id(),
            receive: header.origin,
            transmit: header.origin,
            ..header
        };
        let random = &mut self.spoiler;
        match self.plan.hostile {
            Hostile::None | Hostile::Unsynchronised => honest.to_vec(),
            Hostile::Garbage => honest.iter().map(|_| random.bits().to_le_bytes()[0]).collect(),
            Hostile::Truncated => {
                #[expect(clippy::cast_possible_truncation, reason = "below 48")]
                let length = (random.bits() % Header::LENGTH as u64) as usize;
                honest.iter().copied().take(length).collect()
            }
            Hostile::Replay => self.last.clone().unwrap_or_else(|| honest.to_vec()),
            Hostile::KissRate => rewritten(honest, |header| kiss(KissCode::Rate, header)),
            Hostile::KissDeny => rewritten(honest, |header| kiss(KissCode::Deny, header)),
            Hostile::WrongOrigin => {
                let origin = NtpTimestamp(random.bits());
                rewritten(honest, |header| Header { origin, ..header })
            }
            Hostile::ZeroStamps => {
                let zero = NtpTimestamp::ZERO;
                rewritten(honest, |header| Header { receive: zero, transmit: zero, ..header })
            }
        }
    }
}

impl SawtoothSlew {
    fn at(&self, at: f64) -> f64 {
        // The rise passes zero in its middle.
        let place = libm::fmod(at / self.period + RISE / 2.0, 1.0);
        let height = match place < RISE {
            true => 2.0 * place / RISE - 1.0,
            false => 1.0 - 2.0 * (place - RISE) / (1.0 - RISE),
        };
        self.amplitude * height
    }
}

/// The state of a [`Wobble`].
#[derive(Clone, Debug)]
struct Wandering {
    random: Random,
    decay: f64,
    kick: f64,
    /// Value at the start of the present second and at its end.
    ends: [f64; 2],
    second: f64,
}

impl Wandering {
    fn new(wobble: Wobble, mut random: Random) -> Self {
        let decay = libm::exp(-1.0 / wobble.tau);
        let kick = wobble.sigma * libm::sqrt(1.0 - decay * decay);
        let first = wobble.sigma * random.normal();
        let second = first * decay + kick * random.normal();
        Self { random, decay, kick, ends: [first, second], second: 0.0 }
    }

    fn at(&mut self, at: f64) -> f64 {
        while at >= self.second + 1.0 {
            self.second += 1.0;
            let [_, start] = self.ends;
            self.ends = [start, start * self.decay + self.kick * self.random.normal()];
        }
        let [start, end] = self.ends;
        start + (end - start) * (at - self.second).max(0.0)
    }
}

/// The same answer with another header.
fn rewritten(honest: &[u8], change: impl Fn(Header) -> Header) -> Vec<u8> {
    match Header::parse(honest) {
        Ok((header, rest)) => {
            let mut out = [0; Header::LENGTH];
            change(header).write(&mut out);
            [&out[..], rest].concat()
        }
        Err(_) => honest.to_vec(),
    }
}

/// The part of a sawtooth's period in which it grows.
const RISE: f64 = 15.0 / 16.0;

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
