//! The reference beside the engine: a filter that is told every law sees the same readings.
//!
//! It is told the truth about sources, too: whoever lies, steps or runs away is kept from it from
//! then on, and as long as the node uses such a source the two are not compared. Where even its
//! model has no law, as for a crystal that ages or follows the day, there is no reference.

use super::happening::{Happening, What};
use super::scenario::{ReceiverEntry, ServerEntry};
use super::statistics::median;
use super::universe::{Asked, Deed, Universe, Way};
use super::{
    Exchanged, Fault, Hostile, KnownPath, OscillatorPlan, Path, PathPlan, Queueing, Reference,
    SimulatedClock,
};
use crate::mitigation::Verdict;
use crate::sample::{Reading, ReadingKind};
use crate::time::{Duration, Frequency, Raw, Timestamp, Utc};

/// The reference of the judged node.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    reference: Option<Reference>,
    start: Timestamp<Utc>,
    /// For each source of the node.
    sources: Vec<Known>,
}

/// What is known of a source: its law, and when it lies first, s from the start.
#[derive(Clone, Copy, Debug)]
struct Known {
    law: Law,
    lies_from: f64,
}

/// The law of a source's readings.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Law {
    /// Variance of the server's error, s², and the tilt of what its exchanges wait, 1/s.
    Exchange { link: usize, reversed: bool, variance: f64, tilt: f64 },
    /// Variance of a mark or pulse, s².
    Mark { variance: f64 },
    /// It is not to be told of.
    Unfit,
}

impl Beside {
    /// The reference of a universe.
    pub fn of(universe: &Universe) -> Self {
        let OscillatorPlan { wander, white, flicker, ageing, ramp, day, .. } =
            &universe.judged().oscillator;
        let modelled = *flicker == 0.0 && *ageing == 0.0 && ramp.is_none() && day.is_none();
        let sources: Vec<Known> = known(universe);
        let fit = sources.iter().any(|source| source.law != Law::Unfit);
        let start = universe.scenario.start.0;
        let has_reference = modelled && fit && universe.scenario.leap.is_none();
        let reference =
            has_reference.then(|| Reference::new(*wander, *white, FREQUENCY_SIGMA, start));
        Self { reference, start, sources }
    }

    /// A reading of the judged node, now.
    pub fn hear(
        &mut self,
        reading: &Reading,
        clock: &SimulatedClock,
        links: &[[Path; 2]],
        now: Timestamp<Utc>,
    ) {
        let Some(reference) = &mut self.reference else { return };
        let Some(source) = self.sources.get(reading.source.index()) else { return };
        if source.is_kept(now - self.start) {
            return;
        }
        let raw = clock.undisturbed(reading.stamp);
        match (source.law, reading.kind) {
            (Law::Exchange { link, reversed, variance, tilt }, ReadingKind::Exchange(exchange)) => {
                let [there, back] = [usize::from(reversed), usize::from(!reversed)];
                let known = KnownPath {
                    there: links[link][there].base_at(now),
                    back: links[link][back].base_at(now),
                    server: variance,
                    tilt,
                };
                let stamps = Exchanged {
                    sent: clock.undisturbed(exchange.sent),
                    received: exchange.received,
                    transmitted: exchange.transmitted,
                    arrived: raw,
                };
                reference.take_exchange(&stamps, &known);
            }
            (Law::Mark { variance }, ReadingKind::Mark { utc, .. }) => {
                mark(reference, raw, utc, now, variance);
            }
            (Law::Mark { variance }, ReadingKind::Pulse { .. }) => {
                mark(reference, raw, now.round_to_second(), now, variance);
            }
            _ => {}
        }
    }

    /// Its error at a reading of the oscillator, s, and the variance that it believes this to have.
    pub fn look(&self, raw: Timestamp<Raw>, now: Timestamp<Utc>) -> Option<(f64, f64)> {
        self.reference.as_ref()?.look_at(raw, now)
    }

    /// Whether the node uses a source that is kept from the reference; `verdicts` on its sources.
    pub fn is_apart(&self, now: Timestamp<Utc>, verdicts: impl Iterator<Item = Verdict>) -> bool {
        let used = |verdict| {
            matches!(verdict, Verdict::SystemPeer | Verdict::PulsePeer | Verdict::Combined)
        };
        let since = now - self.start;
        // Hardly a world has one that is.
        self.sources.iter().any(|source| source.is_kept(since))
            && self
                .sources
                .iter()
                .zip(verdicts)
                .any(|(s, verdict)| s.is_kept(since) && used(verdict))
    }

    /// The oscillator's count jumps.
    pub fn jump(&mut self, by: Duration) {
        if let Some(reference) = &mut self.reference {
            reference.jump(by);
        }
    }

    /// The oscillator's rate jumps.
    pub fn jump_frequency(&mut self, raw: Timestamp<Raw>, by: Frequency) {
        if let Some(reference) = &mut self.reference {
            reference.jump_frequency(raw, by);
        }
    }
}

fn mark(
    reference: &mut Reference,
    raw: Timestamp<Raw>,
    utc: Timestamp<Utc>,
    now: Timestamp<Utc>,
    variance: f64,
) {
    // Outliers and lies are no part of the law.
    let fair = FAIR_SIGMAS * libm::sqrt(variance);
    if (utc - now).seconds().abs() <= fair {
        reference.take_refclock(raw, utc.offset_from(raw), variance);
    }
}

impl Known {
    /// Whether its readings are kept from the reference, so long after the start.
    fn is_kept(&self, since: Duration) -> bool {
        self.law == Law::Unfit || since.seconds() >= self.lies_from
    }
}

/// What the reference is told of the ways to the judged node's sources and no node can find out:
/// the middle one of the errors that their known asymmetries stand for, s.
pub(super) fn told(universe: &Universe) -> f64 {
    let of = |source: &Known| match source.law {
        Law::Exchange { link, reversed, .. } => {
            let [there, back] = universe.scenario.link[link].ways(reversed);
            let base = |way: Option<&PathPlan>| way.map_or(0.0, |way| way.base);
            Some((base(there) - base(back)) / 2.0)
        }
        Law::Mark { .. } => Some(0.0),
        Law::Unfit => None,
    };
    let told: Vec<f64> = known(universe).iter().filter_map(of).collect();
    median(&told).unwrap_or(0.0)
}

fn known(universe: &Universe) -> Vec<Known> {
    let of = |way: &Way| Known { law: law(universe, *way), lies_from: lies_from(universe, *way) };
    universe.ways[universe.judge].iter().map(of).collect()
}

fn law(universe: &Universe, way: Way) -> Law {
    let scenario = &universe.scenario;
    match way {
        Way::Asked { whom: Asked::Server(server), link, reversed } => {
            let tilt = tilt(scenario.link[link].ways(reversed));
            of_server(&scenario.server[server]).map_or(Law::Unfit, |variance| Law::Exchange {
                link,
                reversed,
                variance,
                tilt,
            })
        }
        Way::Asked { whom: Asked::Node(_), .. } => Law::Unfit,
        Way::Heard { receiver, .. } => of_receiver(&scenario.receiver[receiver])
            .map_or(Law::Unfit, |variance| Law::Mark { variance }),
    }
}

/// When a source is first made to lie, s from the start.
fn lies_from(universe: &Universe, way: Way) -> f64 {
    let scenario = &universe.scenario;
    let lies = |event: &Happening, deed: &Deed| match way {
        Way::Asked { whom: Asked::Server(server), .. } => {
            deed.server == server
                && matches!(event.what, What::ServerStep | What::ServerLie | What::ServerDrift)
        }
        Way::Asked { whom: Asked::Node(_), .. } => false,
        Way::Heard { receiver, .. } => {
            deed.receiver == receiver && event.fault.as_ref().is_some_and(Fault::is_lie)
        }
    };
    let events = scenario.event.iter().zip(&universe.deeds);
    let told =
        events.filter(|(event, deed)| lies(event, deed)).map(|(event, _)| event.at.seconds());
    let drift = match way {
        Way::Asked { whom: Asked::Server(server), .. } => scenario.server[server].model.drift,
        _ => None,
    };
    told.chain(drift.map(|drift| drift.at)).fold(f64::INFINITY, f64::min)
}

/// One over the mean wait there less that back, where both are exponential.
fn tilt(ways: [Option<&PathPlan>; 2]) -> f64 {
    let mean = |way: Option<&PathPlan>| match way?.queueing[..] {
        [Queueing::Exponential(mean)] if mean > 0.0 => Some(mean),
        _ => None,
    };
    match ways.map(mean) {
        [Some(there), Some(back)] => 1.0 / there - 1.0 / back,
        _ => 0.0,
    }
}

/// The variance of a server's error, if it has a law.
fn of_server(entry: &ServerEntry) -> Option<f64> {
    let model = &entry.model;
    let lawful = model.offset == 0.0 && model.sawtooth.is_none() && model.hostile == Hostile::None;
    let wobble = model.wobble.map_or(0.0, |wobble| wobble.sigma);
    lawful.then_some(model.noise * model.noise + wobble * wobble)
}

/// The variance of a receiver's marks; its tick is even over twice its amplitude.
fn of_receiver(entry: &ReceiverEntry) -> Option<f64> {
    let model = &entry.model;
    let lawful = model.late.is_empty() && model.wave.is_none();
    let tick = model.sawtooth.map_or(0.0, |sawtooth| sawtooth.amplitude);
    lawful.then_some(model.noise * model.noise + tick * tick / 3.0 + GRAIN * GRAIN)
}

/// What is known of a rate before any reading: no usable crystal is further off.
const FREQUENCY_SIGMA: f64 = 3e-5;
const FAIR_SIGMAS: f64 = 8.0;
/// Rounding of stamps, s: nothing is known exactly.
const GRAIN: f64 = 1e-12;
