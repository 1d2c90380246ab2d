//! What drivers hand to the engine, and what the engine makes of it.
//!
//! A [`Reading`] is what a driver saw, dated by a stamp of the system clock; it crosses a ring. A
//! [`Sample`] is one measurement of `source − local` against the undisturbed oscillator, with every
//! error that is already known of it by name.

use crate::state::ErrorTerms;
use crate::time::{Duration, Exponent, LeapIndicator, Raw, System, Timestamp, Utc};

/// Index of a source in the order of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u8);

impl SourceId {
    /// More sources than any appliance has; tables are sized by it.
    pub const COUNT_MAX: usize = 64;

    /// As an index into tables of sources.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One thing that a driver saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Whose driver it was.
    pub source: SourceId,
    /// When, by the system clock.
    pub stamp: Timestamp<System>,
    /// What.
    pub kind: ReadingKind,
}

/// What a driver can see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReadingKind {
    /// At the stamp, the source's time was `utc`: SHM and SOCK samples.
    Mark {
        /// The source's time.
        utc: Timestamp<Utc>,
        /// What it announces; `Unknown` means it does not vouch for its time.
        leap: LeapIndicator,
    },
    /// At the stamp a pulse came, `fraction` after the start of some second, 0..1 s.
    Pulse {
        /// Zero for a receiver's pulse per second.
        fraction: Duration,
    },
    /// Text that began to arrive at the stamp tells the time of an instant before it.
    Label {
        /// The time told.
        utc: Timestamp<Utc>,
    },
    /// How far the receiver's clock grain shifts a pulse: true edge = stamped edge + `error`.
    QuantizationError {
        /// Signed, at most a few tens of nanoseconds.
        error: Duration,
        /// The second that the pulse begins; without it, the first pulse after the stamp.
        second: Option<Timestamp<Utc>>,
    },
    /// A server's reply came at the stamp (T4).
    Exchange(Exchange),
    /// A request was sent to a server at the stamp; its reach register after the shift.
    Polled {
        /// Eight polls, the newest in the lowest bit: 1 if it was answered.
        reach: u8,
    },
    /// A server refused to serve (RFC 5905 §7.4).
    Kissed {
        /// The code, four ASCII letters.
        code: [u8; 4],
    },
    /// The server is asked at another address from now on.
    Address {
        /// The reference id of those who follow it (RFC 5905 §7.3).
        id: [u8; 4],
    },
    /// The receiver's own state.
    Receiver(ReceiverStatus),
    /// The receiver's dates are so many times 1024 weeks old and were moved.
    Rollover {
        /// Times 1024 weeks.
        eras: u32,
    },
    /// Something unusable came; it was dropped and is counted.
    Refused(Refusal),
}

/// A request to an NTP server and its reply (RFC 5905 §8). T4 is the reading's stamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    /// T1: when the request left this machine.
    pub sent: Timestamp<System>,
    /// T2: when it reached the server.
    pub received: Timestamp<Utc>,
    /// T3: when the reply left it.
    pub transmitted: Timestamp<Utc>,
    /// What the server announces; `Unknown`: it does not know the time.
    pub leap: LeapIndicator,
    /// The server's stratum, 1..=15; 16 if it is not synchronised.
    pub stratum: u8,
    /// What the server says it follows.
    pub reference_id: [u8; 4],
    /// Its round trip to the reference clock.
    pub root_delay: Duration,
    /// Its own error bound, the half of that round trip left out.
    pub root_dispersion: Duration,
    /// log2 s of the time it takes to read the server's clock.
    pub precision: Exponent,
    /// All four stamps are true ones of the exchange before (RFC 9769).
    pub interleaved: bool,
    /// Register of the answers, this one included.
    pub reach: u8,
}

/// What a satellite receiver says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStatus {
    /// Whether it vouches for its position and time.
    pub fix: Fix,
    /// Satellites used.
    pub satellites_used: u8,
    /// Satellites in view.
    pub satellites_in_view: u8,
    /// What it announces for the end of the month.
    pub leap: LeapIndicator,
}

/// Kind of a receiver's solution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fix {
    /// It does not know where or when it is.
    #[default]
    None,
    /// Time, without a full position.
    TwoDimensional,
    /// Time and position.
    ThreeDimensional,
}

/// Why a driver dropped something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// A checksum did not match.
    Checksum,
    /// It did not have the shape that its protocol demands.
    Malformed,
    /// More bytes than any message of its protocol.
    TooLong,
    /// The source said itself that its data is not valid.
    Invalid,
    /// Its stamp is older than the driver's limit or lies ahead of the clock.
    Stale,
    /// Clock and source are further apart than the driver's limit.
    TooFar,
    /// It changed while it was read.
    Clash,
    /// It repeats what was already taken.
    Duplicate,
    /// It answers nothing that was asked.
    Bogus,
    /// The server follows us.
    Loop,
    /// The round trip took longer than the configured maximum.
    TooSlow,
}

impl Refusal {
    /// Every refusal, in the order of its index.
    pub const ALL: [Self; 11] = [
        Self::Checksum,
        Self::Malformed,
        Self::TooLong,
        Self::Invalid,
        Self::Stale,
        Self::TooFar,
        Self::Clash,
        Self::Duplicate,
        Self::Bogus,
        Self::Loop,
        Self::TooSlow,
    ];

    /// Its name in counters and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checksum => "checksum",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Invalid => "invalid",
            Self::Stale => "stale",
            Self::TooFar => "too_far",
            Self::Clash => "clash",
            Self::Duplicate => "duplicate",
            Self::Bogus => "bogus",
            Self::Loop => "loop",
            Self::TooSlow => "too_slow",
        }
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Who measured.
    pub source: SourceId,
    /// When, by the undisturbed oscillator.
    pub at: Timestamp<Raw>,
    /// Source − raw clock, with sawtooth and declared offsets applied.
    pub offset: Duration,
    /// What is known to be wrong with it at most, by name.
    pub errors: ErrorTerms,
    /// What the source announces.
    pub leap: LeapIndicator,
}
