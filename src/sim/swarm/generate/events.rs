//! What happens to a world of the swarm without breaking what its bound assumes.

use super::draw::{Draw, span};
use super::network::hostile;
use crate::sim::scenario::Scenario;
use crate::sim::{Direction, Fault, Happening, ReceiverKind, What};
use crate::time::Duration;

/// None to six events at random times, in the order of time.
pub(super) fn add(draw: &mut Draw, scenario: &mut Scenario) {
    let count = *draw.pick(&[0, 0, 1, 1, 2, 3, 4, 6]);
    for _ in 0..count {
        if let Some(happening) = one(draw, scenario) {
            scenario.event.push(happening);
        }
    }
    scenario.event.sort_by_key(|event| event.at);
}

/// An event that begins after the first tenth of a world; it lasts until it is told otherwise.
pub(super) fn blank(draw: &mut Draw, scenario: &Scenario, what: What) -> Happening {
    let duration = scenario.duration.seconds();
    Happening {
        at: span(libm::floor(draw.between(0.02, 0.9) * duration)),
        until: None,
        what,
        node: None,
        server: None,
        receiver: None,
        from: None,
        to: None,
        direction: None,
        by: None,
        by_ppm: None,
        share: None,
        hostile: None,
        fault: None,
        forgets: None,
    }
}

/// An end some time after the begin, within the world.
pub(super) fn end(draw: &mut Draw, scenario: &Scenario, event: &mut Happening, longest: f64) {
    let left = scenario.duration.seconds() - event.at.seconds();
    let lasts = libm::rint(draw.log(5.0, longest)).min(left).max(1.0);
    event.until = Some(span(event.at.seconds() + lasts));
}

fn one(draw: &mut Draw, scenario: &Scenario) -> Option<Happening> {
    let calm = scenario.leap.is_some();
    let what = *draw.pick(if calm { &CALM[..] } else { &ANY[..] });
    let mut event = blank(draw, scenario, what);
    let is_short = matches!(what, What::Stall | What::Restart);
    if what != What::ServerStep {
        end(draw, scenario, &mut event, if is_short { 600.0 } else { 7200.0 });
    }
    match what {
        What::Stall => event.node = Some(draw.pick(&scenario.node).name.clone()),
        What::Restart => {
            event.node = Some(draw.pick(&scenario.node).name.clone());
            event.forgets = draw.maybe(0.3, |_| true);
        }
        What::Block | What::Loss | What::RouteChange => network(draw, scenario, &mut event)?,
        What::ServerStep | What::ServerSilent | What::ServerHostile => {
            server(draw, scenario, &mut event)?;
        }
        _ => receiver(draw, scenario, &mut event)?,
    }
    Some(event)
}

/// To one network, or to all.
fn network(draw: &mut Draw, scenario: &Scenario, event: &mut Happening) -> Option<()> {
    if scenario.link.is_empty() {
        return None;
    }
    if draw.chance(0.8) {
        let link = draw.pick(&scenario.link);
        (event.from, event.to) = (Some(link.from.clone()), Some(link.to.clone()));
        event.direction = draw.maybe(0.5, |d| *d.pick(&[Direction::There, Direction::Back]));
    }
    match event.what {
        What::Loss => event.share = Some(draw.between(0.05, 0.95)),
        What::RouteChange => event.by = Some(span(draw.signed(1e-5, 0.1))),
        _ => {}
    }
    Some(())
}

/// To a server; it steps by what its other errors leave of its declaration.
fn server(draw: &mut Draw, scenario: &Scenario, event: &mut Happening) -> Option<()> {
    if scenario.server.is_empty() {
        return None;
    }
    let server = draw.pick(&scenario.server);
    event.server = Some(server.name.clone());
    match event.what {
        What::ServerHostile => event.hostile = Some(hostile(draw)),
        What::ServerStep => {
            let declared = server.model.root_dispersion + server.model.root_delay / 2.0;
            let by = span(draw.signed(1e-3, 0.01) * declared);
            event.by = Some(by).filter(|by| by.0 != Duration::ZERO);
            event.by?;
        }
        _ => {}
    }
    Some(())
}

/// To a receiver: what it tells remains true.
fn receiver(draw: &mut Draw, scenario: &Scenario, event: &mut Happening) -> Option<()> {
    if scenario.receiver.is_empty() {
        return None;
    }
    let receiver = draw.pick(&scenario.receiver);
    event.receiver = Some(receiver.name.clone());
    let has_text = receiver.model.kind == ReceiverKind::PulsesAndText;
    event.fault = Some(match draw.whole(0, if has_text { 4 } else { 2 }) {
        0 => Fault::Outage,
        1 => Fault::MissedPulses(draw.between(0.05, 1.0)),
        2 => Fault::ExtraPulses(draw.log(1e-3, 0.04)),
        3 => Fault::TextMissing,
        _ => Fault::WeekRollover,
    });
    Some(())
}

/// Beside a leap second.
const CALM: [What; 2] = [What::Loss, What::RouteChange];
const ANY: [What; 11] = [
    What::Stall,
    What::Restart,
    What::Block,
    What::Loss,
    What::RouteChange,
    What::RouteChange,
    What::ServerStep,
    What::ServerSilent,
    What::ServerHostile,
    What::ReceiverFault,
    What::ReceiverFault,
];
