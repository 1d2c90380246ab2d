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
        a.at < b.at && apart < b.distance.abs() / 4.0 + 3.0 * a.sigma.max(b.sigma)
    }

    /// By how much they grow a second, as far as noise does not do that.
    pub fn growth(&self) -> f64 {
        let [first, .., last] = self.0.as_slice() else { return 0.0 };
        let grown = last.distance - first.distance;
        let plain = grown.abs() > 3.0 * (first.sigma + last.sigma);
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
        if !slopes().all(|s| (s - mean).abs() < 0.6 * mean.abs()) || mean.abs() >= LARGE_JUMP {
            return None;
        }
        let enough = match kind {
            Kind::Server => count >= 3,
            Kind::Clock => {
                let far = self.0.iter().all(|s| s.distance.abs() > 8.0 * s.sigma);
                // Growth shows only over a span.
                let spans =
                    self.0.first().zip(self.0.last()).is_some_and(|(a, b)| b.age > 1.5 * a.age);
                spans && (count >= 4 || count >= 2 && far && mean.abs() < SMALL_JUMP)
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
            Kind::Server => 3,
            Kind::Clock => 5,
        };
        (count >= enough && spread < mean.abs() / 4.0 + 3.0 * sigma).then_some(mean)
    }
}

/// Unexplained samples in a row after which nothing is known any more.
pub(super) const SUSPECTS_MAX: usize = 32;
/// Less time than this makes no series of readings, s.
const SPAN_MIN: f64 = 0.4;
/// A suspect is no news of what began just before it.
const ONSET_MOST: f64 = 0.95;
/// Jumps below this are plausible at a glance, above the other never.
const SMALL_JUMP: f64 = 5e-6;
const LARGE_JUMP: f64 = 1e-4;
/// An estimate of the rate may be wrong by this: twice that of the worst oscillator.
const RATE_ERROR_MAX: f64 = 1e-3;
