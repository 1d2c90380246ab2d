//! What a sample is, beside a prediction: a point of some variance, or an interval.

use super::filter::Filter;
use super::server::Heard;
use super::suspects::Kind;

/// What a sample is compared with: a point of some variance, or an interval.
#[derive(Clone, Copy, Debug)]
pub(super) enum Evidence<'a> {
    Reading { y: f64, variance: f64, tail_sigma: f64 },
    Interval(&'a Heard),
}

impl Evidence<'_> {
    /// Whether a filter finds it possible.
    pub fn is_possible(&self, filter: &Filter) -> bool {
        let (distance, variance) = match self {
            Self::Reading { y, variance, .. } => (y - filter.x, *variance),
            Self::Interval(heard) => {
                let Heard { interval, own, .. } = heard;
                (interval.distance(filter.x), interval.edge * interval.edge + own)
            }
        };
        distance.abs() <= GATE * libm::sqrt(filter.a + variance)
    }

    /// Signed distance from a prediction, its sigma, s, and the kind of source.
    pub fn distance(&self, filter: &Filter) -> (f64, f64, Kind) {
        match self {
            Self::Reading { y, variance, tail_sigma } => {
                let sigma = libm::sqrt(filter.a + variance).max(*tail_sigma);
                (y - filter.x, sigma, Kind::Clock)
            }
            Self::Interval(heard) => {
                let Heard { interval, own, .. } = heard;
                let sigma = libm::sqrt(filter.a + interval.edge * interval.edge + own);
                (interval.distance(filter.x), sigma, Kind::Server)
            }
        }
    }
}

/// Sigmas within which a sample is believed.
pub(super) const GATE: f64 = 5.0;
