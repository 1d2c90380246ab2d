//! A machine of the swarm: its quartz, its stamps, how its clock may be moved.

use super::draw::{Draw, span};
use crate::sim::scenario::{Leaping, NodeEntry, Step};
use crate::sim::{Day, Late, OscillatorPlan, Queueing, Ramp, StampPlan};

/// A node without sources.
pub(super) fn node(draw: &mut Draw, name: String) -> NodeEntry {
    NodeEntry {
        name,
        oscillator: oscillator(draw),
        steered: draw.chance(0.5),
        step: *draw.pick(&[Step::First, Step::First, Step::First, Step::Always, Step::Never]),
        step_threshold: draw.maybe(0.3, |d| d.span(1e-4, 1.0)),
        steps: draw.maybe(0.2, |d| u32::try_from(d.whole(1, 5)).unwrap_or(1)),
        slew_limit_ppm: draw.maybe(0.3, |d| d.log(50.0, 80_000.0)),
        panic: draw.maybe(0.1, |d| d.span(1.0, 1e4)),
        holdover_limit: draw.maybe(0.2, |d| d.span(1e-3, 1.0)),
        reading: draw.maybe(0.2, |d| d.span(1e-9, 1e-6)).unwrap_or_default(),
        stamps: stamps(draw, 1e-4),
        leap_mode: Leaping::default(),
        leaps: None,
        smear: None,
        local: None,
        source: Vec::new(),
    }
}

/// Quartz between the best and the worst.
fn oscillator(draw: &mut Draw) -> OscillatorPlan {
    let offset = match draw.whole(0, 99) {
        0..30 => draw.signed(1e-6, 1e-2),
        30..80 => draw.signed(1e-2, 10.0),
        80..97 => draw.signed(10.0, 1e5),
        _ => -draw.log(1e6, 5e8),
    };
    let frequency = draw.signed(1e-8, 9e-5);
    let wander = draw.log(1e-12, 1e-8);
    // Temperature moves it slowly beside that.
    let slope = 0.09 * wander;
    OscillatorPlan {
        offset,
        frequency,
        wander,
        white: draw.maybe(0.4, |d| d.log(1e-12, 1e-8)).unwrap_or(0.0),
        flicker: draw.maybe(0.3, |d| d.log(1e-12, 1e-9)).unwrap_or(0.0),
        ageing: draw.maybe(0.2, |d| d.signed(1e-10, 1e-8)).unwrap_or(0.0),
        ramp: draw.maybe(0.15, |d| {
            let over = d.log(60.0, 7200.0);
            Ramp {
                at: d.between(0.0, 20_000.0),
                over,
                by: d.signed(1e-2 * slope * over, slope * over),
            }
        }),
        day: draw.maybe(0.2, |d| {
            let period = d.log(3600.0, 86_400.0);
            let most = slope * period / core::f64::consts::TAU;
            let amplitude = d.log(1e-2 * most, most);
            Day { amplitude, period, phase: d.between(0.0, 1.0) }
        }),
    }
}

/// Stamps that are late on arrival and early on departure, up to this mean, s.
pub(super) fn stamps(draw: &mut Draw, latency: f64) -> StampPlan {
    if draw.chance(0.4) {
        return StampPlan::default();
    }
    let late = |draw: &mut Draw, share: f64| {
        let law = draw.maybe(share, |d| Queueing::Exponential(d.log(1e-8, latency)));
        law.into_iter().collect()
    };
    StampPlan {
        latency: late(draw, 0.5),
        transmit: late(draw, 0.2),
        receive: late(draw, 0.2),
        quantum: draw.maybe(0.15, |d| d.log(1e-9, 1e-6)).unwrap_or(0.0),
        reading: 0.0,
        missing: draw.maybe(0.15, |d| d.between(0.0, 0.3)).unwrap_or(0.0),
        late: draw.maybe(0.15, |d| Late { probability: d.between(0.0, 0.3), by: d.log(1e-4, 0.5) }),
    }
}

/// A declaration of at least this many seconds.
pub(super) fn declared(seconds: f64) -> crate::time::Span {
    // A span holds whole nanoseconds; a declaration is never rounded down.
    span(libm::ceil(seconds * 1e9) / 1e9)
}
