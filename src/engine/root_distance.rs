//! What RFC 5905 would claim of a source: its root distance (§11.2.1), from its clock filter (§10).
//!
//! Nothing here judges or steers. It is told beside the bound, so that the two can be compared: the
//! standard's claim is one for all oscillators, 15 ppm, and for what a filter of eight samples shows.
//! MINDISP, which would add 5 ms to any claim, is left out.

use crate::time::{Duration, Raw, Timestamp};

/// Eight samples of a source, as §10 keeps them.
#[derive(Clone, Debug, Default)]
pub(super) struct ClockFilter {
    /// The newest first.
    stages: [Option<Stage>; STAGES],
}

#[derive(Clone, Copy, Debug)]
struct Stage {
    at: Timestamp<Raw>,
    delay: f64,
    dispersion: f64,
    offset: f64,
}

/// One sample, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// When.
    pub at: Timestamp<Raw>,
    /// θ, against the served time.
    pub offset: f64,
    /// δ; 0 of a reference clock.
    pub delay: f64,
    /// ρ, the precision of the two clocks that stamped it.
    pub precision: f64,
    /// Δ/2 + E that the source declares; 0 of a reference clock.
    pub root: f64,
}

impl ClockFilter {
    /// Somebody moved the clock of the stamps by `by`.
    pub fn moved(&mut self, by: Duration) {
        self.stages.iter_mut().flatten().for_each(|stage| stage.at = stage.at + by);
    }

    /// Takes a sample in and returns the root distance at its instant, s: (Δ + δ)/2 + E + ε + ψ.
    pub fn take(&mut self, heard: &Heard) -> f64 {
        self.stages.rotate_right(1);
        self.stages[0] = Some(Stage {
            at: heard.at,
            delay: heard.delay,
            dispersion: heard.precision + PHI * heard.delay,
            offset: heard.offset,
        });
        let mut stages = self.stages;
        let delay = |stage: &Option<Stage>| stage.map_or(f64::INFINITY, |stage| stage.delay);
        stages.sort_by(|a, b| delay(a).total_cmp(&delay(b)));
        let (mut dispersion, mut apart, mut others) = (0.0, 0.0, -1.0);
        let (best, shortest) = stages[0].map_or((0.0, 0.0), |best| (best.offset, best.delay));
        for (place, stage) in (1..).zip(stages) {
            let aged = stage.map_or(DISPERSION_MAX, |stage| {
                let off = stage.offset - best;
                (apart, others) = (apart + off * off, others + 1.0);
                stage.dispersion + PHI * (heard.at - stage.at).seconds().max(0.0)
            });
            dispersion += libm::ldexp(aged, -place);
        }
        let jitter = libm::sqrt(apart / f64::max(others, 1.0)).max(heard.precision);
        heard.root + shortest / 2.0 + dispersion + jitter
    }
}

/// That distance so many seconds later: what any oscillator is allowed to drift (§7.2).
pub(super) fn root_distance_later(distance: f64, seconds: f64) -> f64 {
    distance + PHI * seconds.max(0.0)
}

/// NSTAGE of the register.
const STAGES: usize = 8;
/// MAXDISP of an empty stage, s.
const DISPERSION_MAX: f64 = 16.0;
/// PHI of §7.2: what the standard lets any oscillator drift, 15 ppm.
pub(super) const PHI: f64 = 15e-6;

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(second: i64, offset: f64, delay: f64) -> Heard {
        let at = Timestamp::from_seconds(second);
        Heard { at, offset, delay, precision: 1e-7, root: 1e-3 }
    }

    #[test]
    fn an_empty_register_claims_little_and_a_full_one_what_the_standard_says() {
        let mut filter = ClockFilter::default();
        // 16 s in seven of eight stages: ½ is the first one's, 1/256 is nobody's.
        let first = filter.take(&heard(0, 0.0, 0.01));
        assert!(
            (first - (1e-3 + 5e-3 + 0.5 * 2.5e-7 + 1e-7 + 16.0 * (0.5 - 1.0 / 256.0))).abs()
                < 1e-12
        );
        let mut last = first;
        for poll in 1..8 {
            last = filter.take(&heard(poll * 64, 0.0, 0.01));
        }
        // Equal delays: the newest is first; Σ i/2^(i+1) over 0..8 of 64 s each.
        let ages: f64 = (0..8).map(|i| f64::from(i) / f64::from(2 << i)).sum();
        let want = 6e-3 + 255.0 / 256.0 * 2.5e-7 + PHI * 64.0 * ages + 1e-7;
        assert!((last - want).abs() < 1e-12, "{last} {want}");
        assert!((root_distance_later(last, 10.0) - last - 1.5e-4).abs() < 1e-15);
    }

    #[test]
    fn the_shortest_trip_is_believed_and_the_others_scatter_around_it() {
        let mut filter = ClockFilter::default();
        for poll in 0..7 {
            filter.take(&heard(poll, 2e-3, 0.02));
        }
        let distance = filter.take(&heard(7, 0.0, 0.002));
        assert!(distance > 1e-3 + 1e-3 + 2e-3 && distance < 4.1e-3, "{distance}");
    }
}
