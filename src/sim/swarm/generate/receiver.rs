//! Receivers of the swarm, and what those who listen declare of them.

use super::draw::{Draw, rounded};
use super::node::declared;
use crate::sim::scenario::{ReceiverEntry, ReceiverRole, SourceEntry};
use crate::sim::{Correction, Outlier, Queueing, ReceiverKind, ReceiverPlan, Sawtooth, Wave};

/// A receiver whose errors can be declared.
pub(super) fn receiver(draw: &mut Draw, name: String) -> ReceiverEntry {
    let kind = *draw.pick(&[
        ReceiverKind::Marks,
        ReceiverKind::PulsesAndText,
        ReceiverKind::PulsesAndText,
        ReceiverKind::Pulses,
        ReceiverKind::Text,
    ]);
    let shortest = draw.between(0.02, 0.5);
    let longest = rounded(shortest + draw.between(0.0, 0.35)).max(shortest);
    let law = |draw: &mut Draw| match draw.chance(0.5) {
        true => Queueing::Exponential(draw.log(1e-8, 1e-5)),
        false => {
            Queueing::Lognormal { median: draw.log(1e-8, 1e-5), sigma: draw.between(0.1, 1.0) }
        }
    };
    let share = |draw: &mut Draw, of: f64, high: f64| {
        draw.maybe(of, |d| d.log(high * 1e-2, high)).unwrap_or(0.0)
    };
    let rate = *draw.pick(&[1, 1, 1, 2, 5, 16]);
    let model = ReceiverPlan {
        kind,
        rate: if kind == ReceiverKind::Marks { rate } else { 1 },
        noise: draw.log(1e-9, 1e-5),
        late: draw.maybe(0.3, law).into_iter().collect(),
        wave: draw.maybe(0.15, |d| Wave { amplitude: d.log(1e-9, 1e-6), period: d.log(60.0, 1e5) }),
        sawtooth: draw
            .maybe(0.4, |d| Sawtooth { amplitude: d.log(1e-9, 1e-7), step: d.between(0.0, 1.0) }),
        correction: *draw.pick(&[Correction::None, Correction::Right, Correction::Idle]),
        text_delay: [shortest, longest],
        text_lost: share(draw, 0.2, 0.2),
        text_wrong: share(draw, 0.1, 0.02),
        pulse_lost: share(draw, 0.2, 0.2),
        pulse_extra: share(draw, 0.1, 0.02),
        outlier: draw
            .maybe(0.15, |d| Outlier { probability: d.log(1e-4, 0.02), size: d.log(1e-5, 0.3) }),
        ..ReceiverPlan::default()
    };
    ReceiverEntry { name, model }
}

/// The sources of a node that listens to a receiver: one for each half.
pub(super) fn listening(draw: &mut Draw, receiver: &ReceiverEntry) -> Vec<SourceEntry> {
    let (name, model) = (&receiver.name, &receiver.model);
    let mut sources = Vec::new();
    let has_text = matches!(model.kind, ReceiverKind::Text | ReceiverKind::PulsesAndText);
    if has_text {
        sources.push(SourceEntry {
            name: Some(text_of(name)),
            receiver: Some(name.clone()),
            role: Some(ReceiverRole::Text),
            ..SourceEntry::default()
        });
    }
    if model.kind != ReceiverKind::Text {
        let late: f64 = model.late.iter().map(Queueing::mean).sum();
        let wave = model.wave.map_or(0.0, |wave| wave.amplitude);
        let tick = model.sawtooth.map_or(0.0, |sawtooth| sawtooth.amplitude);
        let left = if model.correction == Correction::Right { 0.0 } else { tick };
        sources.push(SourceEntry {
            receiver: Some(name.clone()),
            text: has_text.then(|| text_of(name)),
            uncertainty: declared((late + wave) * draw.between(1.0, 3.0)),
            grain: declared(tick * draw.between(1.0, 2.0)),
            grain_corrected: declared(left),
            noise: draw
                .maybe(0.3, |d| declared(model.noise * d.between(1.0, 10.0)))
                .or((model.noise > NOISE_GUESSED).then(|| declared(model.noise))),
            prefer: draw.chance(0.1),
            noselect: draw.chance(0.03),
            ..SourceEntry::default()
        });
    }
    sources
}

fn text_of(receiver: &str) -> String {
    format!("{receiver}-text")
}

/// What a daemon takes for the noise of pulses before it heard any, unless it is told, s.
const NOISE_GUESSED: f64 = 1e-6;
