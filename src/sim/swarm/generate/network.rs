//! Servers of the swarm, and the networks to them.

use super::draw::{Draw, rounded};
use super::node::{self, declared};
use crate::sim::scenario::{LinkEntry, NodeEntry, ServerEntry, SourceEntry};
use crate::sim::{Drift, Hostile, PathPlan, Queueing, Reorder, SawtoothSlew, ServerPlan, Wobble};

/// A server whose errors lie within what it declares. `hours` is how long a drift may last.
pub(super) fn server(draw: &mut Draw, name: String, hours: f64) -> ServerEntry {
    let root_delay = draw.maybe(0.5, |d| d.log(1e-5, 0.1)).unwrap_or(0.0);
    let root_dispersion = draw.maybe(0.6, |d| d.log(1e-6, 0.05)).unwrap_or(0.0);
    // Five errors at most: each takes a share of what is declared.
    let share = (root_dispersion + root_delay / 2.0) * 0.18;
    let errs = share > 0.0;
    let log = |draw: &mut Draw, high: f64| draw.log(high * 1e-3, high);
    let noise = draw.maybe(0.3, |d| log(d, share / 4.0)).filter(|_| errs).unwrap_or(0.0);
    let wobble = draw.maybe(0.15, |d| Wobble { sigma: log(d, share / 4.0), tau: d.log(10.0, 1e4) });
    let sawtooth = draw
        .maybe(0.1, |d| SawtoothSlew { amplitude: log(d, share / 4.0), period: d.log(100.0, 1e4) });
    let drift = draw.maybe(0.1, |d| {
        let rate = (share / (hours * 3600.0)).min(1e-4);
        Drift { rate: log(d, rate), at: 0.0 }
    });
    let offset = draw.maybe(0.3, |d| d.signed(share * 1e-3, share)).filter(|_| errs);
    let mut stamps = node::stamps(draw, 1e-4);
    stamps.quantum = stamps.quantum.min(share);
    ServerEntry {
        name,
        model: ServerPlan {
            stratum: *draw.pick(&[1, 1, 1, 1, 2, 2, 3, 4, 8, 14]),
            root_delay,
            root_dispersion,
            precision: draw.small(-30, -12),
            offset: offset.unwrap_or(0.0),
            noise,
            wobble: wobble.filter(|_| errs),
            sawtooth: sawtooth.filter(|_| errs),
            drift: drift.filter(|_| errs),
            hold: draw.maybe(0.4, |d| d.log(1e-6, 1e-2)).unwrap_or(0.0),
            stamps,
            hostile: draw.maybe(0.12, hostile).unwrap_or_default(),
            ..ServerPlan::default()
        },
    }
}

/// One of the ways to spoil answers.
pub(super) fn hostile(draw: &mut Draw) -> Hostile {
    *draw.pick(&[
        Hostile::Garbage,
        Hostile::KissRate,
        Hostile::KissDeny,
        Hostile::Replay,
        Hostile::WrongOrigin,
        Hostile::ZeroStamps,
        Hostile::Truncated,
        Hostile::Unsynchronised,
    ])
}

/// A network from a node to whom it asks.
pub(super) fn link(draw: &mut Draw, from: &str, to: &str) -> LinkEntry {
    let (low, high) = *draw.pick(&[(1e-6, 1e-3), (1e-5, 1e-3), (1e-3, 0.03), (0.02, 0.3)]);
    let there = path(draw, low, high);
    let back = draw.maybe(0.6, |d| path(d, low, high));
    let (from, to) = (from.to_owned(), to.to_owned());
    match back {
        Some(back) => LinkEntry { from, to, both: None, there: Some(there), back: Some(back) },
        None => LinkEntry { from, to, both: Some(there), there: None, back: None },
    }
}

fn path(draw: &mut Draw, low: f64, high: f64) -> PathPlan {
    let base = draw.log(low, high);
    let laws = *draw.pick(&[0, 1, 1, 1, 2]);
    PathPlan {
        base,
        queueing: (0..laws).map(|_| queueing(draw, 0.01 * low, high)).collect(),
        loss: draw.maybe(0.3, |d| d.log(1e-3, 0.4)).unwrap_or(0.0),
        duplicate: draw.maybe(0.15, |d| d.log(1e-3, 0.3)).unwrap_or(0.0),
        reorder: draw
            .maybe(0.15, |d| Reorder { probability: d.log(1e-3, 0.3), delay: d.log(1e-4, 1.0) }),
        asymmetry_daily: draw.maybe(0.1, |d| d.signed(base * 1e-2, base)).unwrap_or(0.0),
    }
}

/// A law of waiting that draws anew for each packet.
fn queueing(draw: &mut Draw, low: f64, high: f64) -> Queueing {
    let scale = draw.log(low, high);
    match draw.whole(0, 6) {
        0 => Queueing::Exponential(scale),
        1 => Queueing::Lognormal { median: scale, sigma: draw.between(0.1, 1.5) },
        2 => Queueing::Gamma { shape: draw.log(0.3, 8.0), mean: scale },
        3 => Queueing::Pareto { scale, alpha: draw.between(1.2, 4.0) },
        4 => Queueing::TwoPoint {
            delay: rounded(10.0 * scale),
            probability: draw.between(0.01, 0.5),
        },
        5 => {
            let every = draw.log(60.0, 1e4);
            let length = rounded(draw.between(0.05, 0.9) * every);
            Queueing::Burst { mean: rounded(10.0 * scale), length, every }
        }
        _ => Queueing::Daily { mean: scale, swing: draw.between(0.0, 1.0) },
    }
}

/// A source that asks `whom`, with polls of 2^`polls` s at most.
pub(super) fn asking(draw: &mut Draw, node: &NodeEntry, whom: &str, polls: i8) -> SourceEntry {
    let minpoll = draw.small(3, polls.min(8));
    let maxpoll = draw.small(minpoll, polls);
    SourceEntry {
        server: Some(whom.to_owned()),
        minpoll: Some(minpoll),
        maxpoll: Some(maxpoll),
        iburst: draw.chance(0.5),
        burst: draw.chance(0.1),
        interleaved: draw.chance(0.3),
        version: draw.maybe(0.1, |d| *d.pick(&[1, 2, 3, 4])),
        prefer: draw.chance(0.1),
        noselect: draw.chance(0.05),
        delay_max: draw.maybe(0.1, |d| d.span(0.05, 3.0)),
        quantization: declared(node.stamps.quantum),
        ..SourceEntry::default()
    }
}
