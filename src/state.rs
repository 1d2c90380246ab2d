//! What the world may know: the served time and its error bound, as coefficients.
//!
//! Coefficients, not values: whoever answers computes the time and the bound at the answer's own
//! instant. The bound is a sum of named terms (RFC 5905 §11.2.3 calls the sum root distance Λ); the
//! ledger, the root dispersion of a reply and the figure in a report are this one sum.

mod leap;

use core::fmt;

pub use leap::{LeapCount, Smeared};

use crate::sample::SourceId;
use crate::time::{
    Duration, Exponent, Frequency, LeapIndicator, Smear, System, TaiOffset, Timestamp, Utc,
};

/// Where the daemon stands. [`crate::discipline::phase`] holds the transitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Nothing usable was heard yet.
    #[default]
    Cold,
    /// Samples arrive, the estimate is not settled.
    Acquiring,
    /// Steered by a believed source.
    Locked,
    /// No source; steered from memory inside the declared limit.
    Holdover,
    /// No memory worth steering from, or the holdover limit has passed.
    FreeRunning,
}

impl Phase {
    /// Every phase, in the order of their codes.
    pub const ALL: [Self; 5] =
        [Self::Cold, Self::Acquiring, Self::Locked, Self::Holdover, Self::FreeRunning];

    /// Whether the served time carries a bound that may be believed.
    pub const fn is_synchronised(self) -> bool {
        matches!(self, Self::Locked | Self::Holdover)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cold => "cold",
            Self::Acquiring => "acquiring",
            Self::Locked => "locked",
            Self::Holdover => "holdover",
            Self::FreeRunning => "free-running",
        })
    }
}

/// The name of one summand of the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// Half the time it takes to read the clock that stamped the event.
    Reading,
    /// The resolution of the stamp.
    Quantization,
    /// Uncertainty of a serial line's delay.
    Serial,
    /// What the receiver's makers declare of its pulse: cable, antenna, constant latency.
    Declared,
    /// What the receiver's own clock grain leaves in a pulse: all of it without a correction.
    Sawtooth,
    /// Half the smallest round trip: the asymmetry nobody can see.
    Path,
    /// What the upstream server declares: root delay / 2 + root dispersion.
    Server,
    /// Noise of the estimate and the wander of the oscillator since.
    Noise,
    /// The correction that the slew has not applied yet.
    Lag,
    /// A local clock's own word: drift since it was last compared with anything.
    Local,
}

impl Term {
    /// Count of terms.
    pub const COUNT: usize = 10;
    /// Every term, in the order of its index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Reading,
        Self::Quantization,
        Self::Serial,
        Self::Declared,
        Self::Sawtooth,
        Self::Path,
        Self::Server,
        Self::Noise,
        Self::Lag,
        Self::Local,
    ];

    /// Its place in [`Term::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in ledgers and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Quantization => "quantization",
            Self::Serial => "serial",
            Self::Declared => "declared",
            Self::Sawtooth => "sawtooth",
            Self::Path => "path",
            Self::Server => "server",
            Self::Noise => "noise",
            Self::Lag => "lag",
            Self::Local => "local",
        }
    }

    /// Where it comes from, for `maser ledger`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Reading => "half the window in which the clock was read",
            Self::Quantization => "resolution of the stamp",
            Self::Serial => "spread of the serial line's delay",
            Self::Declared => "declared of the receiver: cable, antenna, constant latency",
            Self::Sawtooth => "grain of the receiver's clock, less its reported correction",
            Self::Path => "half the smallest round trip: asymmetry nobody can see",
            Self::Server => "declared upstream: root delay / 2 + root dispersion",
            Self::Noise => "estimate's noise and the oscillator's learned wander since",
            Self::Lag => "correction not applied yet",
            Self::Local => "a free clock's drift since it was last compared",
        }
    }

    /// What must be so for it to hold.
    pub const fn assumption(self) -> &'static str {
        match self {
            Self::Reading => "the event fell within the window",
            Self::Quantization => "stamps are cut, not wrong",
            Self::Serial => "the line's delay varies no more than declared",
            Self::Declared => "the declaration is true",
            Self::Sawtooth => "grain is as declared, correction of the right pulse and sign",
            Self::Path => "no way is shorter than nothing; most servers are honest",
            Self::Server => "the server is right within what it declares",
            Self::Noise => "the oscillator changes as it did, within 6 sigma",
            Self::Lag => "nobody else steers this clock",
            Self::Local => "it was right when set, and drifts by 100 ppm at most",
        }
    }
}

/// Error terms in seconds, none negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ErrorTerms([f64; Term::COUNT]);

impl ErrorTerms {
    /// No error at all: the start of a sum.
    pub const NONE: Self = Self([0.0; Term::COUNT]);

    /// The same terms with one set; a negative or undefined value counts as zero.
    #[must_use]
    pub fn with(mut self, term: Term, seconds: f64) -> Self {
        self.0[term.index()] = seconds.max(0.0);
        self
    }

    /// One term.
    pub const fn of(&self, term: Term) -> f64 {
        self.0[term.index()]
    }

    /// These terms after others of which a share of `kept` is still there: none is smaller than what
    /// is left of the former.
    #[must_use]
    pub fn inherited(&self, former: &Self, kept: f64) -> Self {
        Self(core::array::from_fn(|index| {
            let (now, before) = (self.0[index], former.0[index]);
            now.max(now + (before - now) * kept)
        }))
    }

    /// All terms together.
    pub fn sum(&self) -> f64 {
        self.0.iter().sum()
    }

    /// Each term with its value, zero ones included.
    pub fn iter(&self) -> impl Iterator<Item = (Term, f64)> + '_ {
        Term::ALL.into_iter().zip(self.0)
    }
}

/// How uncertain the estimate is, and how that grows: an envelope over every wander that the
/// samples still allow. All in seconds, all at `age` before [`State::anchor`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NoiseGrowth {
    /// Variance of phase, s².
    pub phase: f64,
    /// Covariance of phase and frequency, s.
    pub cross: f64,
    /// Variance of frequency.
    pub frequency: f64,
    /// Wander squared, 1/s: variance of frequency gained a second.
    pub wander: f64,
    /// One sigma of a steady change of frequency, 1/s.
    pub ageing: f64,
    /// How far the still possible estimates lie apart, s, and how fast they part, s/s.
    pub apart: f64,
    /// Rate at which they part.
    pub apart_rate: f64,
    /// Sigmas that make a bound.
    pub factor: f64,
    /// Growth beyond which no crystal goes, s/s.
    pub ceiling_rate: f64,
    /// While a server is new: what its exchanges bound without any learning, s.
    pub floor: f64,
    /// Growth of that, s/s.
    pub floor_rate: f64,
    /// Seconds since the samples at which the coefficients hold: without news a bound only grows, so
    /// it goes on from there.
    pub age: f64,
}

impl NoiseGrowth {
    /// The same growth, seen from an anchor `by` seconds later.
    #[must_use]
    pub fn later(&self, by: f64) -> Self {
        Self { age: self.age + by.max(0.0), ..*self }
    }

    /// The noise term `age` seconds after the anchor.
    pub fn at(&self, age: f64) -> f64 {
        let age = self.age + age.max(0.0);
        let variance = self.phase
            + 2.0 * self.cross.max(0.0) * age
            + self.frequency * age * age
            + self.wander * age * age * age / 3.0
            + self.ageing * self.ageing * age * age * age * age / 4.0;
        let now = self.apart + self.factor * libm::sqrt(self.phase);
        let predicted = self.apart + self.apart_rate * age + self.factor * libm::sqrt(variance);
        let grown = predicted.min(now + self.ceiling_rate * age).max(now);
        grown.max(self.floor + self.floor_rate * age)
    }
}

/// Everything that a reply, a report or an application may know, valid from `anchor` on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// Where the daemon stands.
    pub phase: Phase,
    /// The instant at which the coefficients hold.
    pub anchor: Timestamp<System>,
    /// Served − system at the anchor. Zero where the kernel's clock is steered itself.
    pub correction: Duration,
    /// Rate at which the correction changes, s per s of the system clock.
    pub correction_rate: Frequency,
    /// Added to that rate for `slew_span` from the anchor on.
    pub slew: Frequency,
    /// When the slew ends, so that a stopped daemon does not overshoot.
    pub slew_span: Duration,
    /// Terms that do not grow, at the anchor; [`Term::Noise`] and [`Term::Lag`] are separate.
    pub fixed: ErrorTerms,
    /// The noise term and its growth.
    pub noise: NoiseGrowth,
    /// Correction still to come at the anchor, s; positive: the served time is behind the estimate.
    /// Counted in full until the next anchor.
    pub lag: f64,
    /// Rate at which a slew that nobody ends works the lag off, s/s: through zero and beyond, or
    /// away from it if the slew was refused its end.
    pub lag_rate: f64,
    /// Growth of [`Term::Local`], s/s.
    pub local_rate: f64,
    /// 1..=15, or 16 while unsynchronised (RFC 5905 §7.3).
    pub stratum: u8,
    /// What the clock is steered by, or why it is not.
    pub reference_id: [u8; 4],
    /// When the clock was last corrected by a sample.
    pub reference_time: Option<Timestamp<Utc>>,
    /// Round trip to the reference clock.
    pub root_delay: Duration,
    /// Announced leap second.
    pub leap: LeapIndicator,
    /// From which reading of the system clock on that second is counted twice, or skipped; once it
    /// was counted, the reading at which the inserted second ends.
    pub leap_at: Option<Timestamp<System>>,
    /// Who counts it.
    pub leap_count: LeapCount,
    /// How it is spread over the day for those who are served smeared time.
    pub smear: Option<Smear>,
    /// TAI − UTC where known.
    pub tai_offset: Option<TaiOffset>,
    /// log2 s of the time it takes to read the clock.
    pub precision: Exponent,
    /// The oscillator's estimated rate error: positive, it runs fast.
    pub frequency: Frequency,
    /// One sigma of that.
    pub frequency_error: Frequency,
    /// Last sample's offset against the served time; positive: served time was behind.
    pub offset: Duration,
    /// RMS noise of the selected source's samples, s.
    pub jitter: f64,
    /// Who is followed.
    pub selected: Option<SourceId>,
    /// Samples believed since the start.
    pub samples: u64,
    /// Samples refused since the start.
    pub refused: u64,
}

impl State {
    /// The served time at a reading of the system clock.
    pub fn utc(&self, system: Timestamp<System>) -> Timestamp<Utc> {
        let since = system - self.anchor;
        let slewing = since.min(self.slew_span).max(Duration::ZERO);
        let correction = self.correction + self.correction_rate.over(since);
        system.corrected_by(correction + self.slew.over(slewing) + self.leapt_by(system))
    }

    /// Each term of the bound at a reading of the system clock.
    pub fn ledger(&self, system: Timestamp<System>) -> ErrorTerms {
        let age = ((system - self.anchor).seconds() + self.repeated(system)).max(0.0);
        let lag = self.lag.abs().max((self.lag - self.lag_rate * age).abs());
        self.fixed
            .with(Term::Noise, self.noise.at(age))
            .with(Term::Lag, lag + self.leap_lag(system))
            .with(Term::Local, self.fixed.of(Term::Local) + self.local_rate * age)
    }

    /// |served − true| is at most this, while the assumptions hold that each term names.
    pub fn bound(&self, system: Timestamp<System>) -> Duration {
        Duration::from_seconds_f64(self.ledger(system).sum()) + RESOLUTION
    }

    /// E of RFC 5905 §11.2.3: the bound less the half of the round trip that Δ already carries.
    pub fn root_dispersion(&self, system: Timestamp<System>) -> Duration {
        (self.bound(system) - self.root_delay / 2).max(RESOLUTION)
    }

    /// Whether a reply may claim to know the time.
    pub const fn is_synchronised(&self) -> bool {
        self.stratum < STRATUM_UNSYNCHRONISED
    }
}

impl Default for State {
    /// Before anything was heard: stratum 16, leap unknown, and no claim about the error but one
    /// that no client accepts.
    fn default() -> Self {
        Self {
            phase: Phase::Cold,
            anchor: Timestamp::EPOCH,
            correction: Duration::ZERO,
            correction_rate: Frequency::ZERO,
            slew: Frequency::ZERO,
            slew_span: Duration::ZERO,
            fixed: ErrorTerms::NONE.with(Term::Local, UNKNOWN_ERROR),
            noise: NoiseGrowth::default(),
            lag: 0.0,
            lag_rate: 0.0,
            local_rate: 0.0,
            stratum: STRATUM_UNSYNCHRONISED,
            reference_id: *b"INIT",
            reference_time: None,
            root_delay: Duration::ZERO,
            leap: LeapIndicator::Unknown,
            leap_at: None,
            leap_count: LeapCount::default(),
            smear: None,
            tai_offset: None,
            precision: Exponent(-20),
            frequency: Frequency::ZERO,
            frequency_error: Frequency::ZERO,
            offset: Duration::ZERO,
            jitter: 0.0,
            selected: None,
            samples: 0,
            refused: 0,
        }
    }
}

/// Stratum of a clock that does not know the time (RFC 5905 §7.3); sent as 0.
pub const STRATUM_UNSYNCHRONISED: u8 = 16;

/// The served time is published in nanoseconds at best.
const RESOLUTION: Duration = Duration::NANOSECOND;

/// MAXDISP of RFC 5905 §7.2: the dispersion of a clock about which nothing is known, s.
const UNKNOWN_ERROR: f64 = 16.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            anchor: Timestamp::from_seconds(1000),
            correction: Duration::from_millis(400),
            correction_rate: Frequency::from_ppm(-30.0),
            fixed: ErrorTerms::NONE.with(Term::Declared, 1e-6).with(Term::Sawtooth, 1e-8),
            noise: NoiseGrowth {
                phase: 1e-16,
                frequency: 1e-18,
                wander: 1e-18,
                factor: 6.0,
                ceiling_rate: 15e-6,
                ..NoiseGrowth::default()
            },
            lag: 5e-9,
            ..State::default()
        }
    }

    #[test]
    fn served_time_follows_the_coefficients() {
        let s = state();
        let later = s.anchor + Duration::from_seconds(100);
        let gained = s.utc(later) - s.utc(s.anchor) - Duration::from_seconds(100);
        assert_eq!(s.utc(s.anchor).offset_from(s.anchor), Duration::from_millis(400));
        assert!((gained.seconds() + 3e-3).abs() < 1e-15);
    }

    #[test]
    fn the_bound_is_the_sum_of_its_terms_and_grows() {
        let s = state();
        let now = s.bound(s.anchor).seconds();
        assert!((now - (1e-6 + 1e-8 + 6e-8 + 5e-9 + 1e-9)).abs() < 1e-15, "{now}");
        let mut last = now;
        for age in 1..10_000 {
            let bound = s.bound(s.anchor + Duration::from_seconds(age)).seconds();
            assert!(bound >= last);
            last = bound;
        }
        let sum: f64 = s.ledger(s.anchor).iter().map(|(_, v)| v).sum();
        assert!((sum + 1e-9 - now).abs() < 1e-15);
    }

    #[test]
    fn a_slew_that_nobody_ends_passes_the_lag_and_goes_on() {
        let s = State { lag: 1e-3, lag_rate: 1e-3, ..State::default() };
        let lag = |age| s.ledger(s.anchor + Duration::from_seconds(age)).of(Term::Lag);
        // After one second the clock is right, after two as wrong as before, after five 4 ms off.
        for (age, want) in [(0, 1e-3), (1, 1e-3), (2, 1e-3), (5, 4e-3)] {
            assert!((lag(age) - want).abs() < 1e-15, "{age}: {}", lag(age));
        }
        let away = State { lag_rate: -1e-3, ..s };
        let later = away.ledger(away.anchor + Duration::from_seconds(5));
        assert!((later.of(Term::Lag) - 6e-3).abs() < 1e-15);
    }

    #[test]
    fn growth_stops_at_the_ceiling() {
        let mut s = state();
        s.noise.wander = 1.0;
        let age = 3600.0;
        let now = 6.0 * 1e-8;
        assert!((s.noise.at(age) - (now + 15e-6 * age)).abs() < 1e-12);
    }

    #[test]
    fn before_the_start_nothing_is_claimed() {
        let s = State::default();
        assert!(!s.is_synchronised());
        assert!(s.bound(s.anchor) > Duration::from_seconds(15));
        assert_eq!(s.leap, LeapIndicator::Unknown);
    }

    #[test]
    fn terms_are_numbered_as_listed() {
        for (index, term) in Term::ALL.into_iter().enumerate() {
            assert_eq!(term.index(), index);
        }
    }
}
