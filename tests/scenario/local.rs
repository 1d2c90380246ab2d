//! A local clock that is served makes a claim like any other, and is judged like any other: before a
//! first source, while one is acquired, and after the last one.

use maser::config::scenario::parse;
use maser::sim::{Keep, run};

/// Within its 100 ms, until a server that is off by 0.9 s, and says so, is stepped to.
const STEPPED_TO: &str = r#"
name = "stepped-to"
duration = "3min"
settle = "1min"

[[node]]
name = "client"
oscillator = { offset = 0.05, frequency = 5e-5, wander = 1e-9 }
local = { uncertainty = "100ms" }
holdover_limit = "3s"

[[node.source]]
server = "server"
minpoll = 3
maxpoll = 3

[[server]]
name = "server"
model = { offset = 0.9, root_dispersion = 1.0 }

[[link]]
from = "client"
to = "server"
both = { base = 1e-4, queueing = [{ exponential = 1e-5 }] }
"#;

/// Exact time until the only server falls silent, then no holdover that is worth the name.
const LEFT_ALONE: &str = r#"
name = "left-alone"
duration = "3h"
settle = "10min"

[[node]]
name = "client"
oscillator = { offset = 0.05, frequency = 5e-5, wander = 1e-9 }
local = { uncertainty = "100ms" }
holdover_limit = "300us"

[[node.source]]
server = "server"
minpoll = 3
maxpoll = 3

[[server]]
name = "server"

[[link]]
from = "client"
to = "server"
both = { base = 1e-4, queueing = [{ exponential = 1e-5 }] }

[[event]]
at = "1h"
what = "server_silent"
server = "server"
"#;

#[test]
fn a_local_clock_keeps_its_word_while_a_source_is_acquired_and_after_the_last_one() {
    for text in [STEPPED_TO, LEFT_ALONE] {
        let universe = parse("local", text).unwrap();
        for seed in 1..=5 {
            let outcome = run(&universe, seed, Keep::Series);
            // The first look is before the first tick.
            let silent = outcome.series.iter().skip(1).position(|look| !look.claimed);
            assert_eq!(silent, None, "{}, seed {seed}", universe.scenario.name);
            let fault = outcome.faults().next();
            assert_eq!(fault, None, "{}, seed {seed}", universe.scenario.name);
        }
    }
}
