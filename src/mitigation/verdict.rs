//! Every reason why a source is used, or is not.

use core::fmt;

/// What part a source has in the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing was heard of it yet.
    #[default]
    Silent,
    /// It was heard, but not lately.
    Stale,
    /// Its pulses have no number yet: no text agrees with them.
    Unnumbered,
    /// It says itself that it does not know the time.
    Unsynchronised,
    /// The configuration says to watch it only.
    NotSelectable,
    /// Its claim is too wide to be of use.
    TooDistant,
    /// Its interval misses the instant on which the majority agrees.
    Falseticker,
    /// No majority agrees on any instant.
    NoMajority,
    /// It scatters more than the others, which are enough.
    Outlier,
    /// Its text numbers the pulses of another source, through which it has its say.
    Numbering,
    /// Sound, but much less certain than the best; used only if that one fails.
    Reserve,
    /// Combined with the system peer.
    Combined,
    /// The system peer.
    SystemPeer,
    /// The system peer, by its pulses.
    PulsePeer,
}

impl Verdict {
    /// Every verdict, in the order of its index.
    pub const ALL: [Self; 14] = [
        Self::Silent,
        Self::Stale,
        Self::Unnumbered,
        Self::Unsynchronised,
        Self::NotSelectable,
        Self::TooDistant,
        Self::Falseticker,
        Self::NoMajority,
        Self::Outlier,
        Self::Numbering,
        Self::Reserve,
        Self::Combined,
        Self::SystemPeer,
        Self::PulsePeer,
    ];

    /// Whether its samples steer the clock.
    pub const fn is_used(self) -> bool {
        matches!(self, Self::Combined | Self::SystemPeer | Self::PulsePeer)
    }

    /// The sign that ntpq prints before a source.
    pub const fn tally(self) -> char {
        match self {
            Self::Silent
            | Self::Stale
            | Self::Unnumbered
            | Self::Unsynchronised
            | Self::NotSelectable
            | Self::TooDistant
            | Self::NoMajority => ' ',
            Self::Falseticker => 'x',
            Self::Outlier => '-',
            Self::Numbering | Self::Reserve => '#',
            Self::Combined => '+',
            Self::SystemPeer => '*',
            Self::PulsePeer => 'o',
        }
    }

    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Stale => "stale",
            Self::Unnumbered => "unnumbered",
            Self::Unsynchronised => "unsynchronised",
            Self::NotSelectable => "not_selectable",
            Self::TooDistant => "too_distant",
            Self::Falseticker => "falseticker",
            Self::NoMajority => "no_majority",
            Self::Outlier => "outlier",
            Self::Numbering => "numbering",
            Self::Reserve => "reserve",
            Self::Combined => "combined",
            Self::SystemPeer => "system_peer",
            Self::PulsePeer => "pulse_peer",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "nothing heard yet",
            Self::Stale => "not heard lately",
            Self::Unnumbered => "pulses wait for text that numbers them",
            Self::Unsynchronised => "says itself that it does not know the time",
            Self::NotSelectable => "watched only, as configured",
            Self::TooDistant => "its own error bound is too wide",
            Self::Falseticker => "contradicts the majority",
            Self::NoMajority => "no majority of sources agrees",
            Self::Outlier => "scatters more than the others",
            Self::Numbering => "numbers the pulses of another source",
            Self::Reserve => "sound, but much less certain than the best",
            Self::Combined => "combined with the system peer",
            Self::SystemPeer => "system peer",
            Self::PulsePeer => "system peer by its pulses",
        })
    }
}
