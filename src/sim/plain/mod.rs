//! Two plain methods beside the engine, which are told nothing: what a daemon has to be worth.
//!
//! A weighted straight line and a two-state Kalman filter with learned noise and wander hear the same
//! readings as the engine, of the judged node's nearest source alone: the one whose least round trip
//! is the shortest by the scenario, a receiver's being nothing. Where several are equally near, each
//! is heard for itself and the median of their times counts. Neither rejects, selects or steers, and
//! no code is shared with the discipline that is compared with them. They run only in scenarios that
//! expect something of the comparison.

mod filter;
mod line;

use filter::Filter;
use line::Line;

use super::scenario::ReceiverRole;
use super::statistics::median;
use super::universe::{Universe, Way};
use super::{PathPlan, SimulatedClock};
use crate::sample::{Reading, ReadingKind};
use crate::time::{Duration, Raw, Timestamp, Utc};

/// The plain methods of the judged node.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    /// For each source of the node; `None`: another one is nearer.
    heard: Vec<Option<Heard>>,
}

/// What both methods make of one source.
#[derive(Clone, Debug, Default)]
struct Heard {
    /// The first reading: its instant, and raw − source then.
    origin: Option<(Timestamp<Raw>, Duration)>,
    line: Line,
    filter: Filter,
}

/// A reading as the methods see it, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    /// By the raw clock, since the first one.
    at: f64,
    /// raw − source, less what it was at the first one; of an exchange its midpoint.
    x: f64,
    /// The round trip; 0 of a receiver.
    trip: f64,
}

impl Plain {
    /// Those of a universe, if it expects a comparison.
    pub fn of(universe: &Universe) -> Self {
        let asked = universe.scenario.expect.rms_vs_plain.is_some();
        let ways = &universe.ways[universe.judge];
        let trips: Vec<f64> = ways.iter().map(|way| least_trip(universe, *way)).collect();
        let nearest = trips.iter().copied().fold(f64::MAX, f64::min);
        let is_heard = |trip: f64| asked && trip <= nearest;
        let heard = trips.into_iter().map(|trip| is_heard(trip).then(Heard::default)).collect();
        Self { heard }
    }

    /// A reading of the judged node, now.
    pub fn hear(&mut self, reading: &Reading, clock: &SimulatedClock, now: Timestamp<Utc>) {
        let Some(Some(heard)) = self.heard.get_mut(reading.source.index()) else { return };
        let raw = clock.undisturbed(reading.stamp);
        match reading.kind {
            ReadingKind::Exchange(exchange) => {
                let sent = clock.undisturbed(exchange.sent);
                let there = exchange.received.offset_from(sent);
                let back = exchange.transmitted.offset_from(raw);
                let middle = sent + (raw - sent) / 2;
                heard.take(middle, (there + back) / 2, (there - back).seconds());
            }
            ReadingKind::Mark { utc, .. } => heard.take(raw, utc.offset_from(raw), 0.0),
            // Whoever numbers pulses does it well.
            ReadingKind::Pulse { .. } => {
                heard.take(raw, now.round_to_second().offset_from(raw), 0.0);
            }
            _ => {}
        }
    }

    /// The errors of the line and of the filter at a reading of the oscillator, time told − true, s.
    pub fn errors(&self, raw: Timestamp<Raw>, now: Timestamp<Utc>) -> Option<[f64; 2]> {
        let heard = || self.heard.iter().flatten();
        let lines: Vec<f64> =
            heard().filter_map(|h| h.error(raw, now, |at| h.line.x_at(at))).collect();
        let filters: Vec<f64> =
            heard().filter_map(|h| h.error(raw, now, |at| h.filter.x_at(at))).collect();
        Some([median(&lines)?, median(&filters)?])
    }
}

impl Heard {
    /// `offset` is source − raw.
    fn take(&mut self, raw: Timestamp<Raw>, offset: Duration, trip: f64) {
        let (start, first) = *self.origin.get_or_insert((raw, -offset));
        let at = (raw - start).seconds();
        let sample = Sample { at, x: (-offset - first).seconds(), trip };
        self.line.take(sample);
        self.filter.take(sample);
    }

    /// What a method's time is wrong by that puts `x` where `x_at` says.
    fn error(
        &self,
        raw: Timestamp<Raw>,
        now: Timestamp<Utc>,
        x_at: impl Fn(f64) -> Option<f64>,
    ) -> Option<f64> {
        let (start, first) = self.origin?;
        let x = x_at((raw - start).seconds())?;
        Some((raw.corrected_by::<Utc>(-first) - now).seconds() - x)
    }
}

/// The shortest round trip to a source by the scenario, s; text tells no time worth a line.
fn least_trip(universe: &Universe, way: Way) -> f64 {
    match way {
        Way::Asked { link, .. } => {
            let link = &universe.scenario.link[link];
            let base = |way: &Option<PathPlan>| {
                way.as_ref().or(link.both.as_ref()).map_or(0.0, |path| path.base)
            };
            base(&link.there) + base(&link.back)
        }
        Way::Heard { role: ReceiverRole::Pulse, .. } => 0.0,
        Way::Heard { role: ReceiverRole::Text, .. } => f64::INFINITY,
    }
}
