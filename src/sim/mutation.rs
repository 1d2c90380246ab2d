//! A known wrong: one quantity of a node scaled where it passes between engine and universe.
//!
//! It proves the judges, not the daemon. A world with a mutation runs the same engine as any other;
//! what the engine reads, orders or publishes is made wrong outside of it, just as a wrong sign or
//! factor inside would. A mutation that no law and no expectation notices shows a blind spot.
//!
//! ```text
//!   stamps ──offset, delay──► engine ──frequency, slew──► clock
//!                               └─────terms, age───────► judge, clients
//! ```

use crate::clock::Clock;
use crate::discipline::servo::Order;
use crate::sample::{Exchange, Reading, ReadingKind};
use crate::state::{ErrorTerms, NoiseGrowth, State, Term};
use crate::time::{Duration, Frequency, System, Timestamp, Utc};

/// What is made wrong, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// What.
    pub target: Target,
    /// How.
    pub change: Change,
}

/// A quantity that can be made wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One summand of the published bound.
    Term(Term),
    /// Source − undisturbed oscillator, in marks, labels and exchanges: what a wrong formula for the
    /// offset would make of them.
    Offset,
    /// The rate for good that the clock is ordered to take.
    Frequency,
    /// The rate on top of that, which works off the lag.
    Slew,
    /// The round trip of an exchange; its offset stays.
    Delay,
    /// The time for which the published bound has grown.
    Age,
    /// Sigmas that make a bound.
    Sigmas,
    /// The rule that bounds are wider while little was heard.
    Start,
    /// The rule that a rate which is not known yet may be beyond 15 ppm: the ceiling of the growth.
    Ceiling,
    /// The rule that a lag is worked off within the interval of the samples, where below a second.
    Span,
}

/// A factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// −1.
    Flip,
    /// 2.
    Double,
    /// ½.
    Half,
    /// 0.
    Zero,
}

impl Target {
    /// Every target.
    pub fn all() -> impl Iterator<Item = Self> {
        let others =
            [Self::Offset, Self::Frequency, Self::Slew, Self::Delay, Self::Age, Self::Sigmas];
        let rules = [Self::Start, Self::Ceiling, Self::Span];
        Term::ALL.into_iter().map(Self::Term).chain(others).chain(rules)
    }

    /// Changes that mean something: a rule can only be left out.
    pub const fn changes(self) -> &'static [Change] {
        match self {
            Self::Start | Self::Ceiling | Self::Span => &[Change::Zero],
            _ => &Change::ALL,
        }
    }

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Term(term) => term.name(),
            Self::Offset => "offset",
            Self::Frequency => "frequency correction",
            Self::Slew => "slew",
            Self::Delay => "delay",
            Self::Age => "age",
            Self::Sigmas => "sigmas",
            Self::Start => "start",
            Self::Ceiling => "ceiling",
            Self::Span => "span",
        }
    }
}

impl Change {
    /// Every change.
    pub const ALL: [Self; 4] = [Self::Flip, Self::Double, Self::Half, Self::Zero];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flip => "× −1",
            Self::Double => "× 2",
            Self::Half => "× ½",
            Self::Zero => "× 0",
        }
    }

    /// The factor.
    pub const fn factor(self) -> f64 {
        match self {
            Self::Flip => -1.0,
            Self::Double => 2.0,
            Self::Half => 0.5,
            Self::Zero => 0.0,
        }
    }

    /// What `exact` has to gain to be changed: exact but for half a unit.
    const fn gain(self, exact: Duration) -> Duration {
        let halves = match self {
            Self::Flip => -4,
            Self::Double => 2,
            Self::Half => -1,
            Self::Zero => -2,
        };
        Duration::from_units(exact.units() * halves / 2)
    }
}

impl Mutation {
    /// What the engine is handed instead of a reading. A pulse has no offset before text numbers it,
    /// and passes unchanged.
    #[must_use]
    pub fn reading(&self, reading: &Reading, clock: &impl Clock) -> Reading {
        let kind = match (self.target, reading.kind) {
            (Target::Offset, ReadingKind::Mark { utc, leap }) => {
                ReadingKind::Mark { utc: self.told(utc, reading.stamp, clock), leap }
            }
            (Target::Offset, ReadingKind::Label { utc }) => {
                ReadingKind::Label { utc: self.told(utc, reading.stamp, clock) }
            }
            (Target::Offset | Target::Delay, ReadingKind::Exchange(exchange)) => {
                ReadingKind::Exchange(self.exchange(&exchange, reading.stamp, clock))
            }
            (_, kind) => kind,
        };
        Reading { kind, ..*reading }
    }

    /// What the clock is ordered instead.
    #[must_use]
    pub fn order(&self, order: &Order) -> Order {
        let scaled = |rate: Frequency| Frequency::new(rate.ratio() * self.change.factor());
        match self.target {
            Target::Frequency => Order { rate: scaled(order.rate), ..*order },
            Target::Slew => Order { slew: scaled(order.slew), ..*order },
            Target::Span if order.span < Duration::SECOND => {
                let slew = Frequency::new(order.slew.ratio() * order.span.seconds());
                Order { slew, span: Duration::SECOND, ..*order }
            }
            _ => *order,
        }
    }

    /// The bound that is judged and served, which a flipped term may make negative.
    pub fn bound(&self, state: &State, system: Timestamp<System>) -> Duration {
        let (state, system) = self.grown(state, system);
        let gained = Term::ALL.map(|term| self.gained(&state, system, term)).iter().sum();
        state.bound(system) + Duration::from_seconds_f64(gained)
    }

    /// One term of it, s.
    pub fn term(&self, state: &State, system: Timestamp<System>, term: Term) -> f64 {
        let (state, system) = self.grown(state, system);
        state.ledger(system).of(term) + self.gained(&state, system, term)
    }

    /// A state that tells clients the changed bound as of now. The wire knows no negative one.
    #[must_use]
    pub fn served(&self, state: &State, system: Timestamp<System>) -> State {
        use Target::{Age, Ceiling, Sigmas, Start, Term as OfTerm};
        if !matches!(self.target, OfTerm(_) | Age | Sigmas | Start | Ceiling) {
            return *state;
        }
        let bound = self.bound(state, system) - state.bound(system);
        let all = state.ledger(system).sum() + bound.seconds();
        State {
            fixed: ErrorTerms::NONE.with(Term::Server, all),
            noise: NoiseGrowth::default(),
            lag: 0.0,
            lag_rate: 0.0,
            local_rate: 0.0,
            ..*state
        }
    }

    /// What a source tells, so that its offset to the oscillator is the changed one.
    fn told(
        &self,
        utc: Timestamp<Utc>,
        stamp: Timestamp<System>,
        clock: &impl Clock,
    ) -> Timestamp<Utc> {
        utc + self.change.gain(utc.offset_from(clock.raw(stamp)))
    }

    /// RFC 5905 §8: θ = ((T2 − T1) + (T3 − T4)) / 2 and δ = (T4 − T1) − (T3 − T2).
    fn exchange(
        &self,
        exchange: &Exchange,
        stamp: Timestamp<System>,
        clock: &impl Clock,
    ) -> Exchange {
        let there = exchange.received.offset_from(clock.raw(exchange.sent));
        let back = -exchange.transmitted.offset_from(clock.raw(stamp));
        // T2 and T3 move together by what the offset gains, apart by half of what the delay does.
        let (received, transmitted) = match self.target {
            Target::Offset => {
                let by = self.change.gain((there - back) / 2);
                (by, by)
            }
            _ => {
                let by = self.change.gain(there + back) / 2;
                (by, -by)
            }
        };
        Exchange {
            received: exchange.received + received,
            transmitted: exchange.transmitted + transmitted,
            ..*exchange
        }
    }

    /// What a term gains.
    fn gained(&self, state: &State, system: Timestamp<System>, term: Term) -> f64 {
        match self.target {
            Target::Term(mine) if mine == term => {
                (self.change.factor() - 1.0) * state.ledger(system).of(term)
            }
            _ => 0.0,
        }
    }

    /// The same state with another growth, looked at at another age. Without news the coefficients
    /// carry an age of their own; a negative one counts as none, as everywhere.
    fn grown(&self, state: &State, system: Timestamp<System>) -> (State, Timestamp<System>) {
        let (noise, factor) = (state.noise, self.change.factor());
        let noise = match self.target {
            Target::Age => NoiseGrowth { age: (noise.age * factor).max(0.0), ..noise },
            Target::Sigmas => NoiseGrowth { factor: noise.factor * factor, ..noise },
            Target::Start => {
                let factor = noise.factor.min(SIGMAS);
                NoiseGrowth { factor, floor: 0.0, floor_rate: 0.0, ..noise }
            }
            Target::Ceiling => {
                NoiseGrowth { ceiling_rate: noise.ceiling_rate.min(CEILING), ..noise }
            }
            _ => return (*state, system),
        };
        let later = match self.target {
            Target::Age => self.change.gain(system - state.anchor),
            _ => Duration::ZERO,
        };
        (State { noise, ..*state }, system + later)
    }
}

/// Sigmas that make a bound when enough was heard.
const SIGMAS: f64 = 6.0;
/// The least ceiling of a bound's growth: PHI of RFC 5905 §7.2.
const CEILING: f64 = 15e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::SourceId;
    use crate::sim::SimulatedClock;
    use crate::time::{Exponent, LeapIndicator, Raw};

    const NOW: Timestamp<Raw> = Timestamp::from_seconds(1000);

    fn mutated(target: Target, change: Change) -> Mutation {
        Mutation { target, change }
    }

    fn at(millis: i64) -> Timestamp<Utc> {
        Timestamp::from_seconds(1000) + Duration::from_millis(millis)
    }

    fn assert_close(a: Duration, b: Duration) {
        assert!((a - b).abs().units() < 8, "{a} {b}");
    }

    /// Offset and delay of an exchange whose T1 and T4 are 0 and 100 ms, T2 and T3 70 and 80 ms.
    fn offset_and_delay(target: Target, change: Change) -> (Duration, Duration) {
        let exchange = Exchange {
            sent: at(0).read_as(),
            received: at(70),
            transmitted: at(80),
            leap: LeapIndicator::None,
            stratum: 1,
            reference_id: *b"GPS\0",
            root_delay: Duration::ZERO,
            root_dispersion: Duration::ZERO,
            precision: Exponent(-20),
            interleaved: false,
            reach: 1,
        };
        let stamp = at(100).read_as();
        let reading = Reading { source: SourceId(0), stamp, kind: ReadingKind::Exchange(exchange) };
        let clock = SimulatedClock::new(NOW, false);
        let changed = mutated(target, change).reading(&reading, &clock);
        let ReadingKind::Exchange(e) = changed.kind else { panic!("{changed:?}") };
        let there = e.received.offset_from(e.sent);
        let back = -e.transmitted.offset_from(stamp);
        ((there - back) / 2, there + back)
    }

    #[test]
    fn offset_and_delay_of_an_exchange_change_alone() {
        let (offset, delay) = (Duration::from_millis(25), Duration::from_millis(90));
        for change in Change::ALL {
            let scaled = |d: Duration| Duration::from_seconds_f64(d.seconds() * change.factor());
            let (o, d) = offset_and_delay(Target::Offset, change);
            assert!((o - scaled(offset)).abs() < Duration::NANOSECOND, "{change:?} {o}");
            assert_close(d, delay);
            let (o, d) = offset_and_delay(Target::Delay, change);
            assert_close(o, offset);
            assert!((d - scaled(delay)).abs() < Duration::NANOSECOND, "{change:?} {d}");
            assert_eq!(offset_and_delay(Target::Age, change), (offset, delay));
        }
    }

    #[test]
    fn a_mark_is_told_by_its_changed_offset() {
        let kind = ReadingKind::Mark { utc: at(40), leap: LeapIndicator::None };
        let stamp = at(0).read_as();
        let reading = Reading { source: SourceId(0), stamp, kind };
        let clock = SimulatedClock::new(NOW, false);
        for (change, millis) in Change::ALL.into_iter().zip([-40, 80, 20, 0]) {
            let changed = mutated(Target::Offset, change).reading(&reading, &clock);
            let ReadingKind::Mark { utc, .. } = changed.kind else { panic!("{changed:?}") };
            assert_close(utc - at(0), Duration::from_millis(millis));
        }
    }

    #[test]
    fn a_term_is_changed_in_the_sum_and_may_be_negative() {
        let anchor = Timestamp::from_seconds(1000);
        let terms = ErrorTerms::NONE.with(Term::Declared, 3e-6).with(Term::Path, 1e-6);
        let state = State { anchor, fixed: terms, ..State::default() };
        let exact = state.bound(anchor);
        for change in Change::ALL {
            let m = mutated(Target::Term(Term::Declared), change);
            let gained = (m.bound(&state, anchor) - exact).seconds();
            assert!((gained - 3e-6 * (change.factor() - 1.0)).abs() < 1e-15, "{change:?} {gained}");
            let expected = 3e-6 * change.factor();
            assert!((m.term(&state, anchor, Term::Declared) - expected).abs() < 1e-15);
            assert!((m.term(&state, anchor, Term::Path) - 1e-6).abs() < 1e-15);
            let served = m.served(&state, anchor).bound(anchor);
            let least = m.bound(&state, anchor).max(Duration::NANOSECOND);
            assert!((served - least).abs() < Duration::NANOSECOND / 10, "{served} {least}");
        }
        let flipped = mutated(Target::Term(Term::Declared), Change::Flip);
        assert!(flipped.bound(&state, anchor) < Duration::ZERO);
    }

    #[test]
    fn an_age_is_that_of_the_coefficients_and_that_since_the_anchor() {
        let noise = NoiseGrowth { floor_rate: 1e-3, age: 6.0, ..NoiseGrowth::default() };
        let anchor = Timestamp::from_seconds(1000);
        let state = State { anchor, noise, fixed: ErrorTerms::NONE, ..State::default() };
        let system = anchor + Duration::from_seconds(4);
        for (change, noise) in Change::ALL.into_iter().zip([0.0, 20e-3, 5e-3, 0.0]) {
            let bound = mutated(Target::Age, change).bound(&state, system).seconds();
            assert!((bound - 1e-9 - noise).abs() < 1e-12, "{change:?} {bound}");
        }
    }

    #[test]
    fn a_rule_left_out_is_a_smaller_bound_or_a_slower_slew() {
        let noise = NoiseGrowth {
            phase: 1e-12,
            frequency: 1e-8,
            factor: 18.0,
            ceiling_rate: 6e-4,
            floor: 3e-5,
            floor_rate: 1e-4,
            ..NoiseGrowth::default()
        };
        let anchor = Timestamp::from_seconds(1000);
        let state = State { anchor, noise, fixed: ErrorTerms::NONE, ..State::default() };
        let bound = |target, system| mutated(target, Change::Zero).bound(&state, system).seconds();
        assert!((state.bound(anchor).seconds() - 3e-5 - 1e-9).abs() < 1e-12);
        assert!((bound(Target::Start, anchor) - 6e-6 - 1e-9).abs() < 1e-12);
        let later = anchor + Duration::from_seconds(10);
        let bare = NoiseGrowth { floor: 0.0, floor_rate: 0.0, ..noise };
        let bare = State { noise: bare, ..state };
        let of = |change| mutated(Target::Sigmas, change).bound(&bare, anchor).seconds() - 1e-9;
        assert!((of(Change::Half) - 9e-6).abs() < 1e-12 && of(Change::Zero).abs() < 1e-12);
        let capped = mutated(Target::Ceiling, Change::Zero).bound(&bare, later).seconds();
        assert!((capped - 18e-6 - 150e-6 - 1e-9).abs() < 1e-9, "{capped}");
        assert!((bare.bound(later).seconds() - 18e-6 - 6e-3 - 1e-9).abs() < 1e-9);
        let ppm = Frequency::from_ppm;
        let span = Duration::from_millis(250);
        let order = Order { rate: ppm(10.0), slew: ppm(4.0), span };
        let slow = mutated(Target::Span, Change::Zero).order(&order);
        assert_eq!((slow.rate, slow.span), (ppm(10.0), Duration::SECOND));
        assert!((slow.slew.ppm() - 1.0).abs() < 1e-9);
        let calm = Order { span: Duration::from_seconds(8), ..order };
        assert_eq!(mutated(Target::Span, Change::Zero).order(&calm), calm);
    }

    #[test]
    fn an_order_changes_in_one_of_its_rates() {
        let ppm = Frequency::from_ppm;
        let order = Order { rate: ppm(10.0), slew: ppm(4.0), span: Duration::SECOND };
        let rate = mutated(Target::Frequency, Change::Flip).order(&order);
        assert_eq!((rate.rate, rate.slew, rate.span), (ppm(-10.0), ppm(4.0), Duration::SECOND));
        let slew = mutated(Target::Slew, Change::Zero).order(&order);
        assert_eq!((slew.rate, slew.slew), (ppm(10.0), Frequency::ZERO));
    }
}
