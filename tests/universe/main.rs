//! Worlds of the simulator, for minutes of their time: the same seed is the same world, byte for
//! byte; what the world can do reaches the daemon's own code; and the oracle sees what is wrong.
#![expect(clippy::unwrap_used, reason = "a folder that cannot be written fails the test")]

mod deeds;
mod draws;
mod leap;
mod news;
mod program;
mod worlds;

use maser::config;
use maser::sim::{Keep, Outcome, Universe, run};

/// A client of one server, which others add to.
pub const CLIENT: &str = r#"
name = "t"
duration = "30min"
settle = "10min"
[[node]]
name = "client"
oscillator = { offset = 0.01, frequency = 1e-5, wander = 1e-9 }
[[node.source]]
server = "server"
minpoll = 4
maxpoll = 4
[[server]]
name = "server"
[[link]]
from = "client"
to = "server"
both = { base = 1e-4, queueing = [{ exponential = 1e-5 }] }
"#;

/// A client of one reference clock.
pub const CLOCK: &str = r#"
name = "t"
duration = "20min"
settle = "5min"
[[node]]
name = "client"
oscillator = { offset = 0.01, frequency = 1e-5, wander = 1e-9 }
[[node.source]]
receiver = "clock"
[[receiver]]
name = "clock"
model = { noise = 1e-7 }
"#;

/// The universe of a text.
pub fn universe(text: &str) -> Universe {
    config::scenario::parse("t.toml", text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// What comes out of a text with a seed.
pub fn outcome(text: &str, seed: u64) -> Outcome {
    run(&universe(text), seed, Keep::Series)
}

/// What the oracle holds against the daemon, as text.
pub fn faults(outcome: &Outcome) -> String {
    let lines = outcome.faults().map(|v| format!("{} at {}: {}\n", v.law.name(), v.at, v.detail));
    lines.collect()
}
