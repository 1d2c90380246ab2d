//! What a node's engine and associations are told, from its table in the scenario.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::scenario::{Leaping, LocalEntry, NodeEntry, ReceiverRole, Smearing, SourceEntry, Step};
use super::universe::{Asked, Universe, Way, name_of};
use crate::engine::{LeapMode, LocalPlan, Plan, Policy, Role, ServerPlan, SourcePlan, StepPolicy};
use crate::sample::SourceId;
use crate::source::association::AssociationPlan;
use crate::source::pairing::Declared;
use crate::time::{Duration, Exponent, Frequency, LeapTable, SmearShape};
use crate::wire::ntp::Version;

/// The engine's plan of a node.
pub(super) fn engine(universe: &Universe, node: usize) -> Plan {
    let entry = &universe.scenario.node[node];
    let ways = &universe.ways[node];
    let sources = entry.source.iter().zip(ways);
    Plan {
        sources: sources.map(|(source, way)| engine_source(entry, source, *way)).collect(),
        policy: policy(entry),
        local: entry.local.as_ref().map(local),
        leaps: entry.leaps.as_ref().and_then(|text| LeapTable::read(text.as_bytes()).ok()),
        precision: PRECISION,
        reading: entry.reading.seconds(),
    }
}

/// How a server is asked.
pub(super) fn association(source: &SourceEntry) -> AssociationPlan {
    let (poll_min, poll_max) = polls(source);
    AssociationPlan {
        poll_min,
        poll_max,
        iburst: source.iburst,
        burst: source.burst,
        interleaved: source.interleaved,
        version: source.version.and_then(Version::new).unwrap_or(Version::V4),
    }
}

/// The address of a node, by its place.
pub(super) fn node_address(node: usize) -> [u8; 4] {
    [10, 0, 0, place(node)]
}

/// The address of a server, by its place.
pub(super) fn server_address(server: usize) -> [u8; 4] {
    [10, 0, 1, place(server)]
}

/// Where a node's requests come from.
pub(super) fn socket(node: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(node_address(node))), CLIENT_PORT)
}

fn engine_source(node: &NodeEntry, source: &SourceEntry, way: Way) -> SourcePlan {
    let seconds = |span: Option<crate::time::Span>, default: f64| {
        span.map_or(default, crate::time::Span::seconds)
    };
    let (role, reference_id, noise) = match way {
        Way::Asked { whom, .. } => {
            let (poll_min, poll_max) = polls(source);
            let delay_max = seconds(source.delay_max, DELAY_MAX);
            let plan = ServerPlan { poll_min, poll_max, delay_max };
            let address = match whom {
                Asked::Server(server) => server_address(server),
                Asked::Node(node) => node_address(node),
            };
            (Role::Server(plan), address, NETWORK_NOISE)
        }
        Way::Heard { role: ReceiverRole::Text, .. } => (Role::Text, *b"GPS\0", TEXT_NOISE),
        Way::Heard { role: ReceiverRole::Pulse, .. } => {
            let numbers = |text: &String| {
                let place = node.source.iter().position(|other| name_of(other) == text)?;
                u8::try_from(place).ok().map(SourceId)
            };
            let text = source.text.as_ref().and_then(numbers);
            (Role::Pulse { text }, *b"PPS\0", PULSE_NOISE)
        }
    };
    SourcePlan {
        name: name_of(source).to_owned(),
        reference_id,
        stratum: 0,
        role,
        declared: Declared {
            offset: source.offset.0,
            uncertainty: source.uncertainty.seconds(),
            quantization: source.quantization.seconds(),
            grain: source.grain.0,
            grain_corrected: source.grain_corrected.seconds(),
        },
        sigma: seconds(source.noise, noise),
        poll: RECEIVER_POLL,
        prefer: source.prefer,
        noselect: source.noselect,
        trust: source.trust,
        distance_max: seconds(source.distance_max, DISTANCE_MAX),
    }
}

fn policy(node: &NodeEntry) -> Policy {
    let default = Policy::default();
    let threshold = node.step_threshold.map_or(STEP_THRESHOLD, |span| span.0);
    Policy {
        step: match node.step {
            Step::Never => StepPolicy::Never,
            Step::First => StepPolicy::First { threshold, count: node.steps.unwrap_or(STEPS) },
            Step::Always => StepPolicy::Always { threshold },
        },
        panic_forward: node.panic.map_or(default.panic_forward, |span| span.0),
        panic_backward: node.panic.map_or(default.panic_backward, |span| span.0),
        slew_limit: node.slew_limit_ppm.map_or(default.slew_limit, Frequency::from_ppm),
        holdover_limit: node.holdover_limit.map_or(default.holdover_limit, |span| span.0),
        frequency_limit: default.frequency_limit,
        leap: match node.leap_mode {
            Leaping::Kernel => LeapMode::Kernel,
            Leaping::Step => LeapMode::Step,
            Leaping::Slew => LeapMode::Slew,
            Leaping::Ignore => LeapMode::Ignore,
        },
    }
}

/// How a node smears what it serves.
pub(super) const fn smear(smearing: Smearing) -> SmearShape {
    match smearing {
        Smearing::Linear => SmearShape::Linear,
        Smearing::Cosine => SmearShape::Cosine,
    }
}

fn local(entry: &LocalEntry) -> LocalPlan {
    LocalPlan {
        stratum: entry.stratum,
        uncertainty: entry.uncertainty.seconds(),
        wait: entry.wait.0,
    }
}

fn polls(source: &SourceEntry) -> (Exponent, Exponent) {
    let least = source.minpoll.unwrap_or(POLL_MIN);
    (Exponent(least), Exponent(source.maxpoll.unwrap_or(POLL_MAX.max(least))))
}

fn place(index: usize) -> u8 {
    // A universe has fewer members than a byte has values.
    u8::try_from(index + 1).unwrap_or(u8::MAX)
}

/// A reading takes nothing here; the wire has no smaller word for it that all servers accept.
const PRECISION: Exponent = Exponent(-24);
/// As the configuration has it.
const POLL_MIN: i8 = 6;
const POLL_MAX: i8 = 10;
const STEPS: u32 = 3;
const STEP_THRESHOLD: Duration = Duration::from_millis(1);
pub(super) const DELAY_MAX: f64 = 3.0;
const DISTANCE_MAX: f64 = 3.0;
const RECEIVER_POLL: Exponent = Exponent(4);
/// First guesses of noise, s.
const NETWORK_NOISE: f64 = 1e-4;
const TEXT_NOISE: f64 = 0.2;
pub(super) const PULSE_NOISE: f64 = 1e-6;
/// RFC 9109: any but the server's.
const CLIENT_PORT: u16 = 49_123;
