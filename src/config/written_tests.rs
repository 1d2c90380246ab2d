//! Scenarios that are written and read again.

use super::*;
use crate::sim::swarm;

#[test]
fn what_is_written_reads_as_the_same_value() {
    for seed in 0..60 {
        let scenario = swarm::scenario(seed);
        let text = text(&scenario).unwrap();
        let read = parse("world.toml", &text).unwrap_or_else(|e| panic!("{seed}: {e}\n{text}"));
        assert_eq!(read.scenario, scenario, "{text}");
    }
}

#[test]
fn a_shipped_scenario_survives_being_written() {
    for file in ["a1", "e1", "d1-1e-6", "wifi"] {
        let path = format!("config/scenarios/{file}.toml");
        let scenario = load(Path::new(&path)).unwrap().scenario;
        let again = parse(file, &text(&scenario).unwrap()).unwrap();
        assert_eq!(again.scenario, scenario, "{file}");
    }
}
