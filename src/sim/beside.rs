//! The reference beside the engine: a filter that is told every law sees the same readings.
//!
//! It is told the truth about sources, too: what lies, steps or runs away is kept from it. Where
//! even its model has no law, as for a crystal that ages or follows the day, there is no reference.

use super::happening::What;
use super::scenario::{ReceiverEntry, ServerEntry};
use super::universe::{Asked, Universe, Way};
use super::{Exchanged, Hostile, KnownPath, OscillatorPlan, Path, Reference, SimulatedClock};
use crate::sample::{Reading, ReadingKind};
use crate::time::{Duration, Frequency, Raw, Timestamp, Utc};

/// The reference of the judged node.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    reference: Option<Reference>,
    /// For each source of the node.
    laws: Vec<Law>,
}

/// What is known of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Law {
    /// Variance of the server's error, s².
    Exchange { link: usize, reversed: bool, variance: f64 },
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
        let laws: Vec<Law> =
            universe.ways[universe.judge].iter().map(|way| law(universe, *way)).collect();
        let fit = laws.iter().any(|law| *law != Law::Unfit);
        let start = universe.scenario.start.0;
        let has_reference = modelled && fit && universe.scenario.leap.is_none();
        let reference =
            has_reference.then(|| Reference::new(*wander, *white, FREQUENCY_SIGMA, start));
        Self { reference, laws }
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
        let Some(law) = self.laws.get(reading.source.index()) else { return };
        let raw = clock.undisturbed(reading.stamp);
        match (*law, reading.kind) {
            (Law::Exchange { link, reversed, variance }, ReadingKind::Exchange(exchange)) => {
                let [there, back] = [usize::from(reversed), usize::from(!reversed)];
                let known = KnownPath {
                    there: links[link][there].base_at(now),
                    back: links[link][back].base_at(now),
                    server: variance,
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

    /// Its error at a reading of the oscillator, s.
    pub fn error(&self, raw: Timestamp<Raw>, now: Timestamp<Utc>) -> Option<f64> {
        self.reference.as_ref()?.error_at(raw, now)
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

fn law(universe: &Universe, way: Way) -> Law {
    match way {
        Way::Asked { whom: Asked::Server(server), link, reversed } => {
            let variance = of_server(&universe.scenario.server[server]);
            let moved = universe.scenario.event.iter().zip(&universe.deeds).any(|(event, deed)| {
                let moves = [What::ServerStep, What::ServerLie, What::ServerDrift];
                deed.server == server && moves.contains(&event.what)
            });
            match variance {
                Some(variance) if !moved => Law::Exchange { link, reversed, variance },
                _ => Law::Unfit,
            }
        }
        Way::Asked { whom: Asked::Node(_), .. } => Law::Unfit,
        Way::Heard { receiver, .. } => of_receiver(&universe.scenario.receiver[receiver])
            .map_or(Law::Unfit, |variance| Law::Mark { variance }),
    }
}

/// The variance of a server's error, if it has a law.
fn of_server(entry: &ServerEntry) -> Option<f64> {
    let model = &entry.model;
    let lawful = model.offset == 0.0
        && model.sawtooth.is_none()
        && model.drift.is_none()
        && model.hostile == Hostile::None;
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
