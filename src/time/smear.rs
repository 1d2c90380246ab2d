//! A leap second spread over a day: how far smeared time is from UTC at every instant.
//!
//! ```text
//!   noon              midnight              noon
//!    ├────────────────────┼────────────────────┤     served − UTC, a second inserted
//!    0 ╲___                ▲ +½ s
//!          ╲___            │   ╲___
//!              ╲___        │       ╲___
//!               −½ s ──────┘           ╲── 0
//! ```
//!
//! Smeared time is a function of UTC and of nothing else, so that servers agree and a restart is not
//! seen. It is counted on through the leap second, which is why instants here are of a count that
//! does not leap: UTC until the leap second, UTC less its step from there on. A leap second that is
//! heard of late, or that is taken back, bends the curve; nothing jumps.

use super::{Duration, LeapSecond, Timestamp, Utc};

/// How the second is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmearShape {
    /// At one rate, 11.6 ppm: what public smearing servers do.
    Linear,
    /// Along half a cosine: no jump of the rate at either end, 18.2 ppm in the middle.
    Cosine,
}

impl SmearShape {
    /// Its word in configurations and scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Cosine => "cosine",
        }
    }

    /// The share of the second at a share of the day, both 0 to 1.
    fn at(self, share: f64) -> f64 {
        match self {
            Self::Linear => share,
            Self::Cosine => (1.0 - libm::cos(core::f64::consts::PI * share)) / 2.0,
        }
    }
}

/// The smear of one leap second, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smear {
    /// Which leap second.
    pub leap: LeapSecond,
    /// Where this leg of the curve begins, in the count that does not leap.
    pub from: Timestamp<Utc>,
    /// How long it takes.
    pub span: Duration,
    /// The share of the day at its begin, 0 to 1.
    pub start: f64,
    /// The share at its end.
    pub end: f64,
    /// UTC has leapt: it differs from the count that does not.
    pub counted: bool,
}

impl Smear {
    /// From noon before to noon after the leap second.
    pub fn whole(leap: LeapSecond) -> Self {
        let from = leap.before - HALF;
        Self { leap, from, span: ends(leap) - from, start: 0.0, end: 1.0, counted: false }
    }

    /// The same for a leap second that nobody knew of before `now`: it begins at once and ends as
    /// ever, at twice the rate at most.
    pub fn late(leap: LeapSecond, now: Timestamp<Utc>) -> Self {
        let whole = Self::whole(leap);
        if now <= whole.from {
            return whole;
        }
        Self { from: now, span: (ends(leap) - now).max(Duration::SECOND), ..whole }
    }

    /// The leap second is taken back: the way back takes as long as the way here.
    #[must_use]
    pub fn turned(&self, now: Timestamp<Utc>) -> Self {
        let start = self.share(now);
        let span = Duration::from_seconds_f64(start * DAY).max(Duration::SECOND);
        Self { from: now, span, start, end: 0.0, ..*self }
    }

    /// It comes after all.
    #[must_use]
    pub fn resumed(&self, now: Timestamp<Utc>) -> Self {
        let span = (ends(self.leap) - now).max(Duration::SECOND);
        Self { from: now, span, start: self.share(now), end: 1.0, ..*self }
    }

    /// Whether it was taken back.
    pub fn is_turned(&self) -> bool {
        self.end < self.start || self.end <= 0.0
    }

    /// The instant in the count that does not leap.
    pub fn count(&self, utc: Timestamp<Utc>, counted: bool) -> Timestamp<Utc> {
        if counted { utc - self.leap.step() } else { utc }
    }

    /// Whether it is over at this instant of that count: smeared time is UTC again.
    pub fn is_over(&self, count: Timestamp<Utc>) -> bool {
        count >= self.from + self.span
    }

    /// Whether smeared time differs from UTC.
    pub fn is_under_way(&self, count: Timestamp<Utc>) -> bool {
        !self.is_over(count) && (count > self.from || self.start > 0.0)
    }

    /// Smeared time − UTC at an instant of that count; `counted`: whether UTC has leapt by then.
    pub fn offset(&self, shape: SmearShape, count: Timestamp<Utc>, counted: bool) -> Duration {
        let applied = Duration::from_seconds_f64(shape.at(self.share(count)));
        let step = self.leap.step();
        let applied = if step.is_negative() { -applied } else { applied };
        if counted { applied - step } else { applied }
    }

    /// The share of the day at an instant of that count, 0 to 1; exact at both ends.
    fn share(&self, count: Timestamp<Utc>) -> f64 {
        let passed = (count - self.from).seconds() / self.span.seconds();
        self.start + (self.end - self.start) * passed.clamp(0.0, 1.0)
    }
}

/// Noon after the leap second, in the count that does not leap.
fn ends(leap: LeapSecond) -> Timestamp<Utc> {
    leap.before + HALF - leap.step()
}

const HALF: Duration = Duration::from_seconds(43_200);
const DAY: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDNIGHT: Timestamp<Utc> = Timestamp::from_seconds(1_798_761_600);
    const SHAPES: [SmearShape; 2] = [SmearShape::Linear, SmearShape::Cosine];

    fn leap(inserted: bool) -> LeapSecond {
        LeapSecond { before: MIDNIGHT, inserted }
    }

    fn at(seconds: f64) -> Timestamp<Utc> {
        MIDNIGHT + Duration::from_seconds_f64(seconds)
    }

    /// Smeared time in the count that does not leap.
    fn smeared(smear: &Smear, shape: SmearShape, count: Timestamp<Utc>) -> Timestamp<Utc> {
        count + smear.offset(shape, count, false)
    }

    #[test]
    fn the_ends_meet_utc_exactly_and_midnight_is_half_a_second() {
        for (shape, inserted) in [(0, true), (0, false), (1, true), (1, false)] {
            let (shape, smear) = (SHAPES[shape], Smear::whole(leap(inserted)));
            let noon = at(43_200.0) - smear.leap.step();
            assert_eq!(smear.offset(shape, at(-43_200.0), false), Duration::ZERO);
            assert_eq!(smear.offset(shape, at(-50_000.0), false), Duration::ZERO);
            assert_eq!(smear.offset(shape, noon, true), Duration::ZERO);
            assert_eq!(smear.offset(shape, noon + Duration::SECOND, true), Duration::ZERO);
            assert!(smear.is_over(noon) && !smear.is_over(noon - Duration::NANOSECOND));
            assert!(!smear.is_under_way(at(-43_200.0)) && smear.is_under_way(at(-43_199.0)));
            // The middle of the leap second is the middle of the day.
            let middle = smear.leap.before - smear.leap.step() / 2;
            let off = smear.offset(shape, middle, false).seconds();
            assert!((off.abs() - 0.5).abs() < 1e-9, "{off}");
            assert_eq!(off < 0.0, inserted);
        }
    }

    #[test]
    fn a_second_of_the_linear_smear_is_the_same_all_day() {
        let smear = Smear::whole(leap(true));
        for hour in 0..24 {
            let from = at(-43_200.0 + 3600.0 * f64::from(hour));
            let gained = smear.offset(SmearShape::Linear, from + Duration::SECOND, false)
                - smear.offset(SmearShape::Linear, from, false);
            assert!((gained.seconds() * 86_401.0 + 1.0).abs() < 1e-9);
        }
    }

    proptest! {
        #[test]
        fn the_rate_is_bounded_and_time_never_runs_back(
            from in -43_300.0..43_300.0f64, step in 1e-3..100.0f64, inserted in any::<bool>(),
        ) {
            let smear = Smear::whole(leap(inserted));
            for (shape, most) in [(SHAPES[0], 1.0), (SHAPES[1], core::f64::consts::FRAC_PI_2)] {
                let (a, b) = (at(from), at(from + step));
                let passed = (smeared(&smear, shape, b) - smeared(&smear, shape, a)).seconds();
                let step = (b - a).seconds();
                let rate = (passed - step) / step;
                // Of a day of 86 399 SI seconds where one is left out.
                prop_assert!(rate.abs() <= most / 86_399.0 + 1e-12, "{rate:e}");
                prop_assert!(passed > 0.0);
            }
        }

        #[test]
        fn deleted_is_inserted_in_the_mirror(share in 0.0..1.0f64) {
            for shape in SHAPES {
                let of = |inserted| {
                    let smear = Smear::whole(leap(inserted));
                    let count = smear.from + Duration::from_seconds_f64(smear.span.seconds() * share);
                    smear.offset(shape, count, false).seconds()
                };
                prop_assert!((of(true) + of(false)).abs() < 1e-12);
            }
        }

        #[test]
        fn late_news_and_news_taken_back_bend_the_curve_and_break_it_nowhere(
            heard in -43_200.0..-1.0f64, taken in 0.0..1.0f64, again in 0.0..1.0f64,
            inserted in any::<bool>(),
        ) {
            let taken = heard + (-heard) * taken * 0.9;
            let again = taken + (-taken) * again * 0.9;
            let late = Smear::late(leap(inserted), at(heard));
            let turned = late.turned(at(taken));
            let resumed = turned.resumed(at(again));
            for shape in SHAPES {
                let same = |a: &Smear, b: &Smear, t| {
                    (a.offset(shape, at(t), false) - b.offset(shape, at(t), false)).seconds().abs()
                };
                prop_assert!(late.offset(shape, at(heard), false) == Duration::ZERO);
                prop_assert!(same(&late, &turned, taken) < 1e-12);
                prop_assert!(same(&turned, &resumed, again) < 1e-12);
                let noon = at(43_200.0) - resumed.leap.step();
                prop_assert_eq!(resumed.offset(shape, noon, true), Duration::ZERO);
                prop_assert_eq!(turned.offset(shape, at(90_000.0), false), Duration::ZERO);
            }
            prop_assert!(turned.is_turned() && !resumed.is_turned() && !late.is_turned());
        }
    }
}
