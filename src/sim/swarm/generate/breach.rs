//! How a world is made to break an assumption.

use super::draw::{Draw, span};
use super::events::{blank, end};
use crate::sim::scenario::Scenario;
use crate::sim::{
    Announcement, Assumption, Correction, Drift, Fault, Happening, PathPlan, Queueing, Ramp,
    ReceiverKind, SawtoothSlew, Universe, Wave, What, Wobble, broken,
};

/// Whether this breach is one of a server or of the network to it.
pub(super) fn needs_server(intended: Option<Assumption>) -> bool {
    matches!(
        intended,
        Some(
            Assumption::HonestMajority
                | Assumption::DeclaredErrors
                | Assumption::NoServerStep
                | Assumption::IndependentQueueing
                | Assumption::AnnouncedLeaps
        )
    )
}

/// Whether this breach is one of a receiver.
pub(super) fn needs_receiver(intended: Option<Assumption>) -> bool {
    intended == Some(Assumption::HonestReceiver)
}

/// Whether a world breaks nothing.
pub(super) fn keeps_all(scenario: &Scenario) -> bool {
    Universe::of(scenario.clone()).is_ok_and(|universe| broken(&universe).is_empty())
}

/// Makes a world break an assumption.
pub(super) fn add(draw: &mut Draw, assumption: Assumption, scenario: &mut Scenario) {
    let event = match assumption {
        Assumption::SteadyOscillator => return unsteady(draw, scenario),
        Assumption::HonestMajority => return majority(draw, scenario),
        Assumption::DeclaredErrors => return undeclared(draw, scenario),
        Assumption::IndependentQueueing => return correlated(draw, scenario),
        Assumption::HonestReceiver => return dishonest(draw, scenario),
        Assumption::AnnouncedLeaps => return announced(draw, scenario),
        Assumption::UnbrokenCount => {
            let by = Some(span(draw.signed(1e-6, 100.0)));
            Happening { by, ..on_node(draw, scenario, What::JumpOscillator) }
        }
        Assumption::ClockUntouched => touched(draw, scenario),
        Assumption::Awake => {
            let mut event = on_node(draw, scenario, What::Suspend);
            end(draw, scenario, &mut event, 3600.0);
            event.by = draw.maybe(0.7, |d| span(d.signed(1e-6, 10.0)));
            event
        }
        Assumption::NoServerStep => {
            let what = *draw.pick(&[What::ServerStep, What::ServerLie]);
            let mut event = blank(draw, scenario, what);
            let server = draw.pick(&scenario.server);
            let declared = server.model.root_dispersion + server.model.root_delay / 2.0;
            event.server = Some(server.name.clone());
            event.by = Some(span(draw.signed(1e-6, 100.0) + 2.0 * declared));
            if draw.chance(0.5) || event.by.is_some_and(|by| by.seconds().abs() <= declared) {
                event.by = Some(span(draw.log(1e-6, 100.0) + declared));
            }
            if what == What::ServerLie {
                end(draw, scenario, &mut event, 7200.0);
            }
            event
        }
    };
    push(scenario, event);
}

fn push(scenario: &mut Scenario, event: Happening) {
    scenario.event.push(event);
    scenario.event.sort_by_key(|event| event.at);
}

fn on_node(draw: &mut Draw, scenario: &Scenario, what: What) -> Happening {
    let node = draw.pick(&scenario.node).name.clone();
    Happening { node: Some(node), ..blank(draw, scenario, what) }
}

/// Somebody else moves a clock.
fn touched(draw: &mut Draw, scenario: &Scenario) -> Happening {
    if draw.chance(0.5) {
        let by = Some(span(draw.signed(1e-6, 100.0)));
        return Happening { by, ..on_node(draw, scenario, What::StepClock) };
    }
    let by_ppm = Some(draw.signed(0.1, 5000.0));
    let mut event = Happening { by_ppm, ..on_node(draw, scenario, What::SlewClock) };
    end(draw, scenario, &mut event, 3600.0);
    event
}

/// An oscillator that no quartz is like, or a jump of its rate.
fn unsteady(draw: &mut Draw, scenario: &mut Scenario) {
    let place = draw.whole(0, scenario.node.len() - 1);
    match draw.whole(0, 2) {
        0 => {
            let by_ppm = Some(draw.signed(0.01, 500.0));
            let event = Happening { by_ppm, ..on_node(draw, scenario, What::JumpFrequency) };
            push(scenario, event);
        }
        1 => scenario.node[place].oscillator.wander = draw.log(1.1e-7, 1e-5),
        _ => {
            let over = draw.log(1.0, 1000.0);
            let by = draw.signed(1.1e-8 * over, 1e-6 * over).clamp(-1e-3, 1e-3);
            let at = draw.between(0.0, scenario.duration.seconds());
            scenario.node[place].oscillator.ramp = Some(Ramp { at, over, by });
        }
    }
}

/// Half of a node's sources lie, or more.
fn majority(draw: &mut Draw, scenario: &mut Scenario) {
    for place in 0..scenario.server.len() {
        let lie = draw.signed(1e-2, 1e3);
        let server = &mut scenario.server[place].model;
        let declared = server.root_dispersion + server.root_delay / 2.0;
        server.offset = lie + if lie > 0.0 { declared } else { -declared };
        let breaks = Universe::of(scenario.clone()).is_ok_and(|universe| {
            let found = broken(&universe);
            found.iter().any(|broken| broken.assumption == Assumption::HonestMajority)
        });
        if breaks {
            return;
        }
    }
    // Whoever hears others hears nothing but liars from now on.
    let (name, to) = (scenario.node[0].name.clone(), scenario.server[0].name.clone());
    let is_server = |name: &String| scenario.server.iter().any(|server| server.name == *name);
    let node = &mut scenario.node[0];
    node.source.retain(|source| source.server.as_ref().is_some_and(is_server));
    node.source.iter_mut().for_each(|source| source.noselect = false);
    if node.source.is_empty() {
        let source = super::network::asking(draw, node, &to, 8);
        node.source.push(crate::sim::SourceEntry { noselect: false, ..source });
        scenario.link.push(super::network::link(draw, &name, &to));
    }
}

/// A server whose clock is worse than it says.
fn undeclared(draw: &mut Draw, scenario: &mut Scenario) {
    let place = draw.whole(0, scenario.server.len() - 1);
    let (name, duration) = (scenario.server[place].name.clone(), scenario.duration.seconds());
    let model = &mut scenario.server[place].model;
    let least = (model.root_dispersion + model.root_delay / 2.0).max(1e-6) * 1.1;
    match draw.whole(0, 4) {
        0 => model.noise = draw.log(least, 10.0 * least),
        1 => {
            let sigma = draw.log(least, 10.0 * least);
            model.wobble = Some(Wobble { sigma, tau: draw.log(10.0, 1e4) });
        }
        2 => {
            let amplitude = draw.log(least, 10.0 * least);
            model.sawtooth = Some(SawtoothSlew { amplitude, period: draw.log(100.0, 1e4) });
        }
        3 => {
            let at = libm::floor(draw.between(0.0, 0.8) * duration);
            let least = least / (duration - at);
            model.drift =
                Some(Drift { rate: draw.signed(least, 10.0 * least).clamp(-0.1, 0.1), at });
        }
        _ => {
            let mut event = blank(draw, scenario, What::ServerDrift);
            event.server = Some(name);
            event.by_ppm = Some(draw.signed(0.01, 100.0));
            push(scenario, event);
        }
    }
}

/// A queue that is like it was before.
fn correlated(draw: &mut Draw, scenario: &mut Scenario) {
    let law = Queueing::Correlated {
        median: draw.log(1e-5, 1e-2),
        sigma: draw.between(0.1, 1.5),
        rho: draw.between(0.1, 0.99),
        interval: draw.log(1.0, 64.0),
    };
    if scenario.link.is_empty() {
        let (from, to) = (scenario.node[0].name.clone(), scenario.server[0].name.clone());
        scenario.link.push(super::network::link(draw, &from, &to));
    }
    let place = draw.whole(0, scenario.link.len() - 1);
    let link = &mut scenario.link[place];
    let ways = [&mut link.both, &mut link.there, &mut link.back];
    let mut ways: Vec<&mut PathPlan> = ways.into_iter().flatten().collect();
    let way = draw.whole(0, ways.len() - 1);
    ways[way].queueing.push(law);
}

/// A receiver that is not what is declared of it, always or for a while.
fn dishonest(draw: &mut Draw, scenario: &mut Scenario) {
    let receiver = draw.pick(&scenario.receiver).clone();
    let index = scenario.receiver.iter().position(|r| r.name == receiver.name).unwrap_or(0);
    let heard = |source: &crate::sim::SourceEntry| source.receiver.as_ref() == Some(&receiver.name);
    if !scenario.node.iter().any(|node| node.source.iter().any(heard)) {
        scenario.node[0].source.extend(super::receiver::listening(draw, &receiver));
    }
    let has_pulses = receiver.model.kind != ReceiverKind::Text;
    let model = &mut scenario.receiver[index].model;
    let always = has_pulses && draw.chance(0.3);
    match draw.whole(0, 3) {
        0 if always => {
            let wave = model.wave.map_or(0.0, |wave| wave.amplitude);
            let amplitude = 1e-5 + wave * 10.0 + draw.log(1e-5, 1e-2);
            model.wave = Some(Wave { amplitude, period: draw.log(60.0, 1e5) });
            for law in &mut model.late {
                *law = Queueing::Exponential(1e-7);
            }
            return;
        }
        1 if always => return model.late.push(Queueing::Exponential(draw.log(1e-3, 1e-2))),
        2 if always => return model.text_wrong = draw.between(0.06, 0.9),
        3 if always && model.correction == Correction::Right => {
            let tick = model.sawtooth.map_or(1e-6, |sawtooth| sawtooth.amplitude);
            model.sawtooth = Some(crate::sim::Sawtooth { amplitude: tick, step: 0.137 });
            return model.correction = Correction::Reversed;
        }
        _ => {}
    }
    let fault = match draw.whole(0, 4) {
        0 => Fault::WrongSecond(*draw.pick(&[-1, 1, 7, 3600])),
        1 => Fault::WrongUtcOffset(*draw.pick(&[-3, 18])),
        2 => Fault::WrongEdge(draw.log(1e-3, 0.5)),
        3 => Fault::ExtraPulses(draw.between(0.06, 0.9)),
        _ => Fault::Spoofed {
            by: draw.signed(1e-5, 10.0),
            over: draw.maybe(0.5, |d| d.log(10.0, 7200.0)).unwrap_or(0.0),
        },
    };
    let mut event = blank(draw, scenario, What::ReceiverFault);
    (event.receiver, event.fault) = (Some(receiver.name), Some(fault));
    if draw.chance(0.7) {
        end(draw, scenario, &mut event, 7200.0);
    }
    push(scenario, event);
}

/// Announced leap seconds that do not come.
fn announced(draw: &mut Draw, scenario: &mut Scenario) {
    let wrong = *draw.pick(&[Announcement::Insert, Announcement::Delete]);
    if draw.chance(0.4) {
        // Over the end of a month, where it would be applied.
        let half = span(libm::rint(scenario.duration.seconds() / 2.0));
        scenario.start = crate::sim::Instant(super::MIDNIGHT - half.0);
    }
    let receivers = scenario.receiver.len();
    if receivers > 0 && draw.chance(0.4) {
        let receiver = draw.whole(0, receivers - 1);
        scenario.receiver[receiver].model.leap = wrong;
        return;
    }
    let server = draw.whole(0, scenario.server.len() - 1);
    scenario.server[server].model.leap = wrong;
}
