//! The draws of a universe are the same on any machine and with any compiler: a digest of what each
//! model makes of a seed stands here in figures.
//!
//! The daemon has no part in it, so no change of the discipline is a reason to renew a digest. The
//! only one is a model that is meant to draw otherwise; then every published figure changes, too.

use maser::random::Random;
use maser::sample::ReadingKind;
use maser::sim::{Oscillator, Path, Receiver, Stamps, Universe, Upstream};
use maser::time::{Duration, Timestamp, Utc};

use super::universe;

/// Every law that a model has.
const EVERYTHING: &str = r#"
name = "everything"
duration = "1h"
[[node]]
name = "client"
[node.oscillator]
offset = 0.01
frequency = 1.1e-5
wander = 1e-9
white = 1e-10
flicker = 1e-10
ageing = 1e-9
ramp = { at = 100.0, over = 600.0, by = 1e-6 }
day = { amplitude = 1e-6, period = 3600.0, phase = 0.3 }
[node.stamps]
latency = [{ exponential = 1e-6 }]
transmit = [{ gamma = { shape = 0.4, mean = 1e-6 } }]
receive = [{ lognormal = { median = 1e-6, sigma = 0.7 } }]
quantum = 1e-9
missing = 0.05
late = { probability = 0.1, by = 0.2 }
[[server]]
name = "server"
[server.model]
noise = 1e-6
wobble = { sigma = 1e-5, tau = 300.0 }
sawtooth = { amplitude = 1e-6, period = 100.0 }
drift = { rate = 1e-9, at = 500.0 }
[[receiver]]
name = "receiver"
[receiver.model]
kind = "pulses_and_text"
noise = 1e-8
late = [{ exponential = 1e-7 }]
wave = { amplitude = 1e-8, period = 777.0 }
sawtooth = { amplitude = 1.1e-8 }
correction = "right"
text_lost = 0.01
text_wrong = 0.01
pulse_lost = 0.01
pulse_extra = 0.01
outlier = { probability = 0.01, size = 1e-3 }
[[link]]
from = "client"
to = "server"
[link.there]
base = 1e-4
queueing = [
  { exponential = 1e-4 },
  { lognormal = { median = 1e-5, sigma = 1.0 } },
  { gamma = { shape = 2.5, mean = 1e-5 } },
  { pareto = { scale = 1e-5, alpha = 1.5 } },
]
loss = 0.05
duplicate = 0.05
[link.back]
base = 2e-4
queueing = [
  { two_point = { delay = 1e-3, probability = 0.1 } },
  { burst = { mean = 1e-3, length = 10.0, every = 60.0 } },
  { daily = { mean = 1e-5, swing = 0.5 } },
  { correlated = { median = 1e-5, sigma = 1.0, rho = 0.9, interval = 16.0 } },
]
reorder = { probability = 0.05, delay = 0.01 }
asymmetry_daily = 1e-5
"#;

/// What each model makes of [`SEED`].
const DIGESTS: [(&str, u64); 7] = [
    ("generator", 0x0769_4233_239f_31e4),
    ("oscillator", 0xbc12_d0e1_d5f6_012e),
    ("stamps", 0xa651_a431_4e2e_5456),
    ("way there", 0xad21_406c_1da3_684f),
    ("way back", 0xb5c1_578d_2d5d_1aac),
    ("receiver", 0xcfc2_3215_342a_ec9a),
    ("server", 0x0b96_fb54_09d2_99c8),
];

#[test]
fn a_seed_draws_the_same_on_any_machine() {
    let universe = universe(EVERYTHING);
    let drawn: [Digest; 7] = [
        generator(),
        oscillator(&universe),
        stamps(&universe),
        path(&universe, 0),
        path(&universe, 1),
        receiver(&universe),
        server(&universe),
    ];
    let drawn = DIGESTS.iter().zip(drawn).map(|((name, _), digest)| (*name, digest.0));
    let drawn: Vec<(&str, u64)> = drawn.collect();
    let now: String =
        drawn.iter().map(|(name, sum)| format!("    (\"{name}\", {sum:#018x}),\n")).collect();
    assert_eq!(
        drawn, DIGESTS,
        "\na seed no longer draws what it drew. Where no model was meant to draw otherwise, this \
         machine or compiler computes differently, and that is the fault to look for. Where one \
         was, DIGESTS become\n{now}"
    );
}

fn generator() -> Digest {
    let (mut random, mut digest) = (Random::seeded(SEED), Digest::new());
    for _ in 0..DRAWS {
        digest.word(random.bits().into());
        for value in [random.uniform(), random.between(-3.0, 7.0)] {
            digest.word(value.to_bits().into());
        }
        for value in [random.normal(), random.exponential()] {
            digest.word(value.to_bits().into());
        }
    }
    digest
}

fn oscillator(universe: &Universe) -> Digest {
    let plan = &universe.scenario.node[0].oscillator;
    let mut oscillator = Oscillator::new(plan, SEED, start(universe));
    let mut digest = Digest::new();
    for at in instants(universe) {
        digest.word(oscillator.read(at).units());
    }
    digest
}

fn stamps(universe: &Universe) -> Digest {
    let mut stamps = Stamps::new(&universe.scenario.node[0].stamps, SEED, start(universe));
    let mut digest = Digest::new();
    for at in instants(universe) {
        for stamp in [stamps.transmit(at), stamps.receive(at)] {
            digest.word(stamps.cut(stamp.at).units());
            digest.word(stamp.after.units());
            digest.word(stamp.missing.into());
        }
    }
    digest
}

fn path(universe: &Universe, way: usize) -> Digest {
    let link = &universe.scenario.link[0];
    let plan = [&link.there, &link.back][way].as_ref().unwrap();
    let mut path = Path::new(plan, SEED, start(universe));
    let mut digest = Digest::new();
    for at in instants(universe) {
        let arrivals = path.send(at);
        digest.word(i128::try_from(arrivals.len()).unwrap());
        arrivals.into_iter().for_each(|delay| digest.word(delay.units()));
    }
    digest
}

fn receiver(universe: &Universe) -> Digest {
    let plan = &universe.scenario.receiver[0].model;
    let mut receiver = Receiver::new(plan, SEED, start(universe));
    let mut digest = Digest::new();
    for emission in (0..DRAWS).flat_map(|_| receiver.next_reading()) {
        digest.word(emission.at.units());
        match emission.kind {
            ReadingKind::Label { utc } | ReadingKind::Mark { utc, .. } => digest.word(utc.units()),
            ReadingKind::QuantizationError { error, .. } => digest.word(error.units()),
            _ => {}
        }
    }
    digest
}

fn server(universe: &Universe) -> Digest {
    let plan = &universe.scenario.server[0].model;
    let mut server = Upstream::new(plan, SEED, start(universe), *b"GPS\0");
    let mut digest = Digest::new();
    for at in instants(universe) {
        digest.word(server.error(at).units());
    }
    digest
}

fn start(universe: &Universe) -> Timestamp<Utc> {
    universe.scenario.start.0
}

/// Instants as uneven as those of polls.
fn instants(universe: &Universe) -> impl Iterator<Item = Timestamp<Utc>> {
    let start = start(universe);
    (0..DRAWS)
        .map(move |number| start + Duration::from_millis(700 * number + number * number % 611))
}

/// FNV-1a over 64 bits, of numbers as sixteen bytes, the least first.
struct Digest(u64);

impl Digest {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn word(&mut self, word: i128) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

const SEED: u64 = 20_260_101;
const DRAWS: i64 = 5000;
