//! Samples that no live filter finds possible, kept aside until together they show a shape: growing
//! distances are a jump of frequency, equal ones a step of phase.

use crate::time::{Duration, Raw, Timestamp};

/// One source's suspicious samples since its last believed one.
#[derive(Clone, Debug, Default)]
pub(super) struct Suspects(Vec<Suspect>);

/// A sample that was not believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    pub at: Timestamp<Raw>,
    /// Sample − prediction, s.
    pub distance: f64,
    /// Seconds since the last believed sample of any source, above zero.
    pub age: f64,
    pub sigma: f64,
}

/// What the suspects look like together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Unclear,
    /// A rate that was not there before.
    Growing {
        slope: f64,
    },
    /// A step, s.
    Equal {
        mean: f64,
    },
    /// Too many without any shape.
    Hopeless,
}

/// How a kind of source shows a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Clock,
    Server,
}

impl Suspects {
    /// Keeps one more aside, and says what they look like. What comes in a burst, as from a reader
    /// that was stopped, is one voice, however many.
    pub fn take(&mut self, suspect: Suspect, kind: Kind) -> Shape {
        if self.0.len() == SUSPECTS_MAX {
            self.0.remove(0);
        }
        self.0.push(suspect);
        let spans = self.span().map_or(0.0, |(first, last)| (last - first).seconds());
        if kind == Kind::Clock && spans < SPAN_MIN {
            return Shape::Unclear;
        }
        match self.shape(kind) {
            Shape::Unclear if self.0.len() >= SUSPECTS_MAX => Shape::Hopeless,
            shape => shape,
        }
    }

    /// Whether the last two stand in one place.
    pub fn agree(&self) -> bool {
        let [.., a, b] = self.0.as_slice() else { return false };
        let apart = (a.distance - b.distance).abs();
        a.at < b.at && apart < ALIKE * b.distance.abs() + NOISE * a.sigma.max(b.sigma)
    }

    /// By how much they grow a second, as far as noise does not do that.
    pub fn growth(&self) -> f64 {
        let [first, .., last] = self.0.as_slice() else { return 0.0 };
        let grown = last.distance - first.distance;
        let plain = grown.abs() > NOISE * (first.sigma + last.sigma);
        let growth = grown / (last.at - first.at).seconds();
        // What grows faster is neither an oscillator's rate nor a wrong estimate of it.
        if plain && growth.abs() < RATE_ERROR_MAX { growth } else { 0.0 }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// When the first was seen, and how long after the last believed sample, s.
    pub fn first(&self) -> Option<(Timestamp<Raw>, f64)> {
        self.0.first().map(|first| (first.at, first.age))
    }

    /// When the first and the last were seen.
    pub fn span(&self) -> Option<(Timestamp<Raw>, Timestamp<Raw>)> {
        self.0.first().zip(self.0.last()).map(|(first, last)| (first.at, last.at))
    }

    pub fn moved(&mut self, by: Duration) {
        self.0.iter_mut().for_each(|suspect| suspect.at = suspect.at + by);
    }

    fn shape(&self, kind: Kind) -> Shape {
        let slope = self.common_slope(kind);
        let step = self.common_distance(kind);
        match (kind, slope, step) {
            // Quick polls after a long wait look like both: real oscillators jump by little.
            (Kind::Server, Some(slope), Some(mean)) if slope.abs() > SMALL_JUMP => {
                Shape::Equal { mean }
            }
            (_, Some(slope), _) => Shape::Growing { slope },
            (_, None, Some(mean)) => Shape::Equal { mean },
            (_, None, None) => Shape::Unclear,
        }
    }

    /// The slope on which all agree, if they are enough for its size.
    fn common_slope(&self, kind: Kind) -> Option<f64> {
        let count = self.0.len();
        let onset = self.onset();
        let slopes = || self.0.iter().map(|s| s.distance / (s.age - onset));
        let mean = slopes().sum::<f64>() / count as f64;
        if !slopes().all(|s| (s - mean).abs() < SLOPES_ALIKE * mean.abs())
            || mean.abs() >= LARGE_JUMP
        {
            return None;
        }
        let enough = match kind {
            Kind::Server => count >= SERVER_ENOUGH,
            Kind::Clock => {
                let far = self.0.iter().all(|s| s.distance.abs() > PLAIN * s.sigma);
                // Growth shows only over a span.
                let ends = self.0.first().zip(self.0.last());
                let spans = ends.is_some_and(|(a, b)| b.age > GROWN * a.age);
                let plain = count >= CLOCK_PLAIN && far && mean.abs() < SMALL_JUMP;
                spans && (count >= CLOCK_SLOPE || plain)
            }
        };
        enough.then_some(mean)
    }

    /// How long after the last believed sample the rate changed, s: where the line through the first
    /// suspect and the last one meets the prediction.
    fn onset(&self) -> f64 {
        let [first, .., last] = self.0.as_slice() else { return 0.0 };
        let growth = (last.distance - first.distance) / (last.age - first.age);
        let onset = first.age - first.distance / growth;
        // Nothing grew, or noise did.
        if onset.is_finite() { onset.clamp(0.0, ONSET_MOST * first.age) } else { 0.0 }
    }

    /// The distance on which all agree.
    fn common_distance(&self, kind: Kind) -> Option<f64> {
        let count = self.0.len();
        let mean = self.0.iter().map(|s| s.distance).sum::<f64>() / count as f64;
        let spread = self.0.iter().map(|s| (s.distance - mean).abs()).fold(0.0, f64::max);
        let sigma = self.0.iter().map(|s| s.sigma).fold(0.0, f64::max);
        let enough = match kind {
            Kind::Server => SERVER_ENOUGH,
            Kind::Clock => CLOCK_STEP,
        };
        (count >= enough && spread < ALIKE * mean.abs() + NOISE * sigma).then_some(mean)
    }
}

/// Unexplained samples in a row after which nothing is known any more.
pub(super) const SUSPECTS_MAX: usize = 32;
/// Distances in one place differ by less than this share of them, and by this many sigmas.
const ALIKE: f64 = 0.25;
const NOISE: f64 = 3.0;
/// Slopes of one jump differ by less than this share: each has the whole error of its own sample.
const SLOPES_ALIKE: f64 = 0.6;
/// Samples of a server that make a shape: it is asked quickly then, and three late ones in a row of
/// one size are rare.
const SERVER_ENOUGH: usize = 3;
/// Readings of a clock that make a slope, or a small one that nobody could miss; and a step, which
/// costs more if it is none.
const CLOCK_SLOPE: usize = 4;
const CLOCK_PLAIN: usize = 2;
const CLOCK_STEP: usize = 5;
/// Sigmas that nobody could miss.
const PLAIN: f64 = 8.0;
/// What grew has done so until half as long again after the last believed sample.
const GROWN: f64 = 1.5;
/// Less time than this makes no series of readings, s.
const SPAN_MIN: f64 = 0.4;
/// A suspect is no news of what began just before it.
const ONSET_MOST: f64 = 0.95;
/// Jumps below this are plausible at a glance, above the other never.
const SMALL_JUMP: f64 = 5e-6;
const LARGE_JUMP: f64 = 1e-4;
/// An estimate of the rate may be wrong by this: twice that of the worst oscillator.
const RATE_ERROR_MAX: f64 = 1e-3;

#[cfg(test)]
mod tests {
    use Kind::{Clock, Server};
    use Shape::{Equal, Growing, Unclear};

    use super::*;

    /// Age and distance of each, s.
    type Course = &'static [(f64, f64)];

    /// Reason, kind, sigma, s, the suspects, and what the last of them shows.
    type Row = (&'static str, Kind, f64, Course, Shape);

    const FINE: f64 = 1e-9;

    const ROWS: &[Row] = &[
        (
            "four readings are too few for a step",
            Clock,
            FINE,
            &[(1.0, 0.25), (2.0, 0.25), (3.0, 0.25), (4.0, 0.25)],
            Unclear,
        ),
        (
            "five are enough",
            Clock,
            FINE,
            &[(1.0, 0.25), (2.0, 0.25), (3.0, 0.25), (4.0, 0.25), (5.0, 0.25)],
            Equal { mean: 0.25 },
        ),
        (
            "a burst of readings is one voice",
            Clock,
            FINE,
            &[(1.0, 0.25), (1.05, 0.25), (1.1, 0.25), (1.15, 0.25), (1.2, 0.25), (1.3, 0.25)],
            Unclear,
        ),
        (
            "readings apart by more than a quarter of their mean are no step",
            Clock,
            FINE,
            &[(1.0, 0.4), (2.0, 0.2), (3.0, 0.4), (4.0, 0.2), (5.0, 0.3)],
            Unclear,
        ),
        (
            "noise of a tenth of a second explains as much",
            Clock,
            0.1,
            &[(1.0, 0.4), (2.0, 0.2), (3.0, 0.4), (4.0, 0.2), (5.0, 0.3)],
            Equal { mean: 0.3 },
        ),
        (
            "two far beyond noise show a small jump",
            Clock,
            FINE,
            &[(1.0, 2e-6), (2.0, 4e-6)],
            Growing { slope: 2e-6 },
        ),
        ("at twice the noise two show nothing", Clock, 1e-6, &[(1.0, 2e-6), (2.0, 4e-6)], Unclear),
        (
            "four show it beside noise",
            Clock,
            1e-6,
            &[(1.0, 2e-6), (2.0, 4e-6), (3.0, 6e-6), (4.0, 8e-6)],
            Growing { slope: 2e-6 },
        ),
        ("a large jump needs more than two", Clock, FINE, &[(1.0, 2e-5), (2.0, 4e-5)], Unclear),
        (
            "four of them are believed",
            Clock,
            FINE,
            &[(1.0, 2e-5), (2.0, 4e-5), (3.0, 6e-5), (4.0, 8e-5)],
            Growing { slope: 2e-5 },
        ),
        (
            "no oscillator jumps by 200 ppm",
            Clock,
            FINE,
            &[(1.0, 2e-4), (2.0, 4e-4), (3.0, 6e-4), (4.0, 8e-4), (5.0, 1e-3)],
            Unclear,
        ),
        (
            "growth shows only over a span",
            Clock,
            FINE,
            &[(10.0, 1e-5), (11.0, 1.1e-5), (12.0, 1.2e-5), (13.0, 1.3e-5)],
            Unclear,
        ),
        (
            "a rate that changed late is counted from when it did",
            Clock,
            FINE,
            &[(4.0, 1e-6), (5.0, 2e-6), (6.0, 3e-6), (7.0, 4e-6)],
            Growing { slope: 1e-6 },
        ),
        ("two exchanges are too few", Server, FINE, &[(64.0, 0.01), (128.0, 0.01)], Unclear),
        (
            "three exchanges in one place are a step",
            Server,
            FINE,
            &[(64.0, 0.01), (128.0, 0.01), (192.0, 0.01)],
            Equal { mean: 0.01 },
        ),
        (
            "three that grow are a jump",
            Server,
            FINE,
            &[(64.0, 64e-6), (128.0, 128e-6), (192.0, 192e-6)],
            Growing { slope: 1e-6 },
        ),
        (
            "quick polls after a long wait look like both: by much it is a step",
            Server,
            FINE,
            &[(1000.0, 0.01), (1002.0, 0.01), (1004.0, 0.01)],
            Equal { mean: 0.01 },
        ),
        (
            "by little it is a jump",
            Server,
            FINE,
            &[(1000.0, 2e-3), (1002.0, 2.004e-3), (1004.0, 2.008e-3)],
            Growing { slope: 2e-6 },
        ),
    ];

    fn all(course: &[(f64, f64)], sigma: f64) -> Vec<Suspect> {
        let at = |age| Timestamp::EPOCH + Duration::from_seconds_f64(age);
        course
            .iter()
            .map(|(age, d)| Suspect { at: at(*age), distance: *d, age: *age, sigma })
            .collect()
    }

    fn shape(kind: Kind, course: &[(f64, f64)], sigma: f64) -> Shape {
        let mut suspects = Suspects::default();
        all(course, sigma).into_iter().fold(Shape::Unclear, |_, one| suspects.take(one, kind))
    }

    #[test]
    fn what_suspects_look_like_together() {
        for (why, kind, sigma, course, wanted) in ROWS {
            let found = shape(*kind, course, *sigma);
            let alike = match (found, *wanted) {
                (Growing { slope: a }, Growing { slope: b })
                | (Equal { mean: a }, Equal { mean: b }) => (a - b).abs() < 0.01 * b.abs(),
                (found, wanted) => found == wanted,
            };
            assert!(alike, "{why}: {found:?}");
        }
    }

    #[test]
    fn too_many_without_a_shape_are_hopeless_and_only_the_last_are_kept() {
        let mut suspects = Suspects::default();
        let course: Vec<(f64, f64)> =
            (1..=40).map(|n| (f64::from(n), f64::from(n % 2) - 0.5)).collect();
        for (one, count) in all(&course, 1e-9).into_iter().zip(1..) {
            let wanted = if count < SUSPECTS_MAX { Shape::Unclear } else { Shape::Hopeless };
            assert_eq!(suspects.take(one, Kind::Clock), wanted, "{count}");
        }
        let ninth = Timestamp::EPOCH + Duration::from_seconds(9);
        assert_eq!(suspects.first(), Some((ninth, 9.0)));
    }

    #[test]
    fn whether_two_stand_in_one_place_and_how_fast_they_grow() {
        let rows: &[(&str, Course, f64, bool, f64)] = &[
            ("one alone agrees with nobody", &[(1.0, 1.0)], 1e-9, false, 0.0),
            ("one place", &[(1.0, 1.0), (2.0, 1.0)], 1e-9, true, 0.0),
            ("at one instant they are one voice", &[(1.0, 1.0), (1.0, 1.0)], 1.0, false, 0.0),
            ("apart by half", &[(1.0, 1e-6), (11.0, 2e-6)], 1e-9, false, 1e-7),
            ("apart by a fifth", &[(1.0, 4e-6), (11.0, 5e-6)], 1e-9, true, 1e-7),
            ("noise hides it", &[(1.0, 1e-6), (11.0, 2e-6)], 1e-6, true, 0.0),
            ("noise of a third of it does not", &[(1.0, 1e-6), (11.0, 8e-6)], 1e-6, false, 7e-7),
            ("on both sides", &[(1.0, 1e-6), (11.0, -1e-6)], 1e-9, false, -2e-7),
            ("no oscillator goes so fast", &[(1.0, 0.1), (11.0, 0.2)], 1e-9, false, 0.0),
        ];
        for (why, course, sigma, agree, growth) in rows {
            let suspects = Suspects(all(course, *sigma));
            assert_eq!(suspects.agree(), *agree, "{why}");
            assert!((suspects.growth() - growth).abs() <= 1e-6 * growth.abs(), "{why}");
        }
    }
}
