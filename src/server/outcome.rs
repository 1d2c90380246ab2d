//! What became of a request. Every refusal has a name; logs, counters and tests use the same one.

use core::fmt;
use core::ops::AddAssign;

/// How a request was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A client got the time.
    Served,
    /// A client got the time, and when its last answer truly left (RFC 9769).
    ServedInterleaved,
    /// A symmetric active request got the time, without an association.
    ServedSymmetric,
    /// An answer that says: not synchronised.
    ServedUnsynchronised,
    /// A kiss `RATE`: asks too often.
    KissRate,
    /// A kiss `DENY`: not allowed to ask.
    KissDeny,
    /// Asks too often, was told so lately.
    Limited,
    /// Not allowed to ask, was told so lately.
    Denied,
    /// Not allowed to ask, and not to be told either.
    Ignored,
    /// Sent from where no answer can go: port 0, a group, no address.
    Unanswerable,
    /// Shorter than a header.
    Short,
    /// A version other than 1 to 4.
    Version,
    /// An answer, a broadcast, or a mode that its version does not have.
    NotARequest,
    /// A control message (mode 6).
    Control,
    /// A private message (mode 7).
    Private,
    /// Extension fields or a tail that do not add up.
    Malformed,
    /// Carries an authenticator that nobody here can check.
    Unauthenticated,
    /// A domain member's request that only a domain controller can sign.
    MsSntp,
    /// Waited so long that the clock was stepped meanwhile, or as good as.
    Stale,
}

impl Outcome {
    /// Count of outcomes.
    pub const COUNT: usize = 19;
    /// Every outcome, in the order of its index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Served,
        Self::ServedInterleaved,
        Self::ServedSymmetric,
        Self::ServedUnsynchronised,
        Self::KissRate,
        Self::KissDeny,
        Self::Limited,
        Self::Denied,
        Self::Ignored,
        Self::Unanswerable,
        Self::Short,
        Self::Version,
        Self::NotARequest,
        Self::Control,
        Self::Private,
        Self::Malformed,
        Self::Unauthenticated,
        Self::MsSntp,
        Self::Stale,
    ];

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::ServedInterleaved => "served-interleaved",
            Self::ServedSymmetric => "served-symmetric",
            Self::ServedUnsynchronised => "served-unsynchronised",
            Self::KissRate => "kiss-rate",
            Self::KissDeny => "kiss-deny",
            Self::Limited => "limited",
            Self::Denied => "denied",
            Self::Ignored => "ignored",
            Self::Unanswerable => "unanswerable",
            Self::Short => "short",
            Self::Version => "version",
            Self::NotARequest => "not-a-request",
            Self::Control => "control",
            Self::Private => "private",
            Self::Malformed => "malformed",
            Self::Unauthenticated => "unauthenticated",
            Self::MsSntp => "ms-sntp",
            Self::Stale => "stale",
        }
    }

    /// Whether a packet goes back that carries the time, or says that it is not known.
    pub const fn is_served(self) -> bool {
        matches!(
            self,
            Self::Served
                | Self::ServedInterleaved
                | Self::ServedSymmetric
                | Self::ServedUnsynchronised
        )
    }

    /// Whether a kiss-o'-death goes back.
    pub const fn is_kiss(self) -> bool {
        matches!(self, Self::KissRate | Self::KissDeny)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How often each outcome came about in one service thread. Add them up over the threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    outcomes: [u64; Outcome::COUNT],
    /// Requests without a usable receive stamp: the time of reading them took its place.
    pub unstamped: u64,
}

impl Counters {
    /// Counters as another thread published them, in the order of [`Outcome::ALL`].
    pub const fn from_counts(outcomes: [u64; Outcome::COUNT], unstamped: u64) -> Self {
        Self { outcomes, unstamped }
    }

    /// One of them.
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// All requests.
    pub fn requests(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Each outcome with its count, zero ones included.
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().zip(self.outcomes)
    }

    pub(super) const fn count(&mut self, outcome: Outcome) {
        self.outcomes[outcome as usize] += 1;
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum += more;
        }
        self.unstamped += other.unstamped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_are_distinct() {
        let mut names: Vec<_> = Outcome::ALL.map(Outcome::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Outcome::COUNT);
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }

    #[test]
    fn counters_add_up() {
        let mut a = Counters::default();
        a.count(Outcome::Served);
        a.count(Outcome::Stale);
        let mut b = Counters { unstamped: 3, ..a };
        b.count(Outcome::Stale);
        a += b;
        assert_eq!((a.of(Outcome::Served), a.of(Outcome::Stale)), (2, 3));
        assert_eq!((a.requests(), a.unstamped), (5, 3));
        assert_eq!(a.iter().filter(|(_, n)| *n > 0).count(), 2);
    }
}
