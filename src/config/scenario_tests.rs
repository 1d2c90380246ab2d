//! The scenarios in `config/` can be run, and whatever is wrong with one is told with its line and
//! key.

use super::*;

const A1: &str = include_str!("../../config/scenarios/a1.toml");

/// The errors of a text as one string, `""` if there are none.
fn errors(text: &str) -> String {
    parse("s.toml", text).err().map(|errors| errors.to_string()).unwrap_or_default()
}

#[test]
fn every_scenario_that_comes_along_can_be_run() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir("config/scenarios").unwrap() {
        let path = entry.unwrap().path();
        let universe = load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        let scenario = &universe.scenario;
        assert_eq!(Some(scenario.name.as_str()), path.file_stem().unwrap().to_str());
        assert!(scenario.expect.coverage.is_some() && !scenario.about.is_empty(), "{path:?}");
        names.push(scenario.name.clone());
    }
    for name in [
        "a1",
        "a2",
        "b-1e-6-p0",
        "b-1e-6-p2",
        "b-1e-6-p4",
        "b-1e-5-p0",
        "d1-1e-6",
        "d1-1e-7",
        "d2-1e-8",
        "d4",
        "e1",
        "e1-step",
        "f",
        "g-1e-9",
        "g-1e-10",
        "g-1e-11",
    ] {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
}

#[test]
fn the_first_scenario_reads_as_its_comment_says() {
    let scenario = parse("a1", A1).unwrap().scenario;
    assert!((scenario.duration.seconds() - 26.0 * 3600.0).abs() < 1e-9);
    assert!((scenario.settle().seconds() - 7200.0).abs() < 1e-9);
    let [node] = &scenario.node[..] else { panic!("one node") };
    assert!((node.oscillator.frequency - 1e-5).abs() < 1e-18);
    assert_eq!((node.source[0].minpoll, node.source[0].maxpoll), (Some(6), Some(6)));
    let path = scenario.link[0].both.as_ref().unwrap();
    assert!((path.base - 1e-4).abs() < 1e-18 && path.queueing.len() == 1);
}

/// What is changed in `a1.toml`, and what must be said of it.
const WRONG: [(&str, &str, &str); 32] = [
    ("duration = \"26h\"", "", "s.toml:1: missing key `duration`"),
    ("26h", "26 parsec", "s.toml:3: duration: invalid value"),
    ("26h", "0s", "s.toml:3: duration: is out of range; a second to ten years"),
    (
        "duration = \"26h\"",
        "duration = \"26h\"\nsettle = \"27h\"",
        "settle: leaves nothing to judge",
    ),
    ("coverage = 1.0", "coverage = 1.5", "expect.coverage: is out of range; 0 to 1"),
    ("coverage = 1.0", "max = \"-1s\"", "expect.max: is out of range; 0 and more"),
    ("coverage = 1.0", "recovery = \"1s\"", "expect.recovery: needs an [[event]]"),
    ("minpoll = 6", "minpol = 6", "node[0].source[0].minpol: unknown key; did you mean `minpoll`?"),
    ("minpoll = 6", "minpoll = \"6\"", "node[0].source[0].minpoll: invalid type"),
    ("minpoll = 6", "minpoll = 30", "s.toml:11: node[0].source[0].minpoll: is out of range"),
    ("minpoll = 6", "minpoll = 9", "node[0].source[0].maxpoll: is below `minpoll`"),
    ("minpoll = 6", "version = 5", "node[0].source[0].version: is out of range; 1 to 4"),
    ("minpoll = 6", "receiver = \"x\"", "node[0].source[0]: names one of `server` and `receiver`"),
    ("server = \"server\"", "server = \"sever\"", "no server or node is named \"sever\""),
    ("server = \"server\"", "server = \"client\"", "a node cannot ask itself"),
    ("to = \"server\"", "to = \"other\"", "no [[link]] joins \"client\" and \"server\""),
    ("name = \"server\"", "name = \"client\"", "server[0].name: \"client\" is the name of another"),
    ("base = 1e-4", "base = -1.0", "s.toml:20: link[0].both.base: is -1; seconds, 0 to 1000"),
    ("both =", "there =", "link[0]: has no way there or back"),
    ("wander = 1e-9", "wonder = 1e-9", "did you mean `wander`?"),
    ("coverage = 1.0", "covrage = 1.0", "expect.covrage: unknown key; did you mean `coverage`?"),
    ("coverage = 1.0", "verdict = { a = \"combined\" }", "\"client\" has no such source"),
    ("coverage = 1.0", "verdict = { server = \"peer\" }", "\"peer\" is no verdict; one of silent"),
    (
        "route_change = 0",
        "frequency_jmp = 0",
        "s.toml:28: expect.events.frequency_jmp: \"frequency_jmp\" is no event; one of phase",
    ),
    (
        "route_change = 0",
        "route_change = -1",
        "s.toml:28: expect.events.route_change: invalid value: integer `-1`, expected a whole number",
    ),
    (
        "route_change = 0",
        "route_change = \"none\"",
        "s.toml:28: expect.events.route_change: invalid type: string \"none\", expected a whole number",
    ),
    (
        "route_change = 0",
        "route_change = { at_mots = 1 }",
        "expect.events.route_change.at_mots: unknown key; did you mean `at_most`?",
    ),
    (
        "route_change = 0",
        "route_change = { at_least = \"1\" }",
        "s.toml:28: expect.events.route_change.at_least: invalid type",
    ),
    (
        "route_change = 0",
        "route_change = { at_least = 2, at_most = 1 }",
        "s.toml:28: expect.events.route_change.at_least: is above `at_most` = 1",
    ),
    (
        "route_change = 0",
        "route_change = {}",
        "expect.events.route_change: allows any number; it takes `at_least` above 0, `at_most` or",
    ),
    (
        "[expect]",
        "[[event]]\nat = 5\nwhat = \"step_clock\"\nnode = \"client\"\n[expect]",
        "event[0].what: this needs the key `by`",
    ),
    (
        "[expect]",
        "[[event]]\nat = \"27h\"\nwhat = \"block\"\nby = 3\n[expect]",
        "event[0].by: has no effect on this event",
    ),
];

#[test]
fn whatever_is_wrong_is_told_with_line_key_and_what_would_be_right() {
    for (from, to, said) in WRONG {
        assert!(A1.contains(from), "{from}");
        let told = errors(&A1.replacen(from, to, 1));
        assert!(told.contains(said), "{from} -> {to}: {told}");
        assert!(told.lines().all(|line| line.starts_with("s.toml:")), "{told}");
    }
    assert_eq!(errors(A1), "");
}

#[test]
fn everything_that_is_wrong_is_told_in_the_order_of_its_lines() {
    let text = A1.replace("base = 1e-4", "base = -1.0").replace("minpoll = 6", "minpoll = 30");
    let told = errors(&text);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].contains("minpoll") && lines.last().unwrap().contains("link[0]"), "{told}");
}

#[test]
fn an_event_names_whom_it_happens_to() {
    let event = |body: &str| errors(&format!("{A1}\n[[event]]\nat = 5\n{body}\n"));
    assert_eq!(event("what = \"block\""), "");
    assert_eq!(event("what = \"block\"\nfrom = \"client\"\nuntil = 50"), "");
    let fault = "what = \"receiver_fault\"\nreceiver = \"r\"\nfault = { wrong_second = 1 }";
    assert!(event(fault).contains("no receiver is named \"r\""));
    assert!(
        event("what = \"block\"\nto = \"x\"")
            .contains("no [[link]] is meant by this; there is client to server")
    );
    assert!(event("what = \"blok\"").contains("unknown variant"));
    assert!(event("what = \"block\"\nuntil = 4").contains("event[0].until: lies before `at`"));
    let slew = "what = \"slew_clock\"\nnode = \"client\"\nby_ppm = 1e9\nuntil = 9";
    assert!(event(slew).contains("event[0].by_ppm: is out of range"));
}

/// One of everything, in tables and in lines of their own.
const RICH: &str = r#"
name = "rich"
duration = "1h"
judge = "lower"
leap = { before = "2027-01-01T00:00:00Z" }
[[node]]
name = "upper"
oscillator = { frequency = 1e-5, ramp = { at = 1.0, over = 10.0, by = 1e-6 } }
slew_limit_ppm = 500.0
holdover_limit = "1s"
local = { stratum = 10, uncertainty = "1s", wait = "1s" }
[node.stamps]
quantum = 1e-9
receive = [{ exponential = 1e-6 }, { lognormal = { median = 1e-6, sigma = 1.0 } }]
[[node.source]]
name = "text"
receiver = "gps"
role = "text"
[[node.source]]
name = "pulse"
receiver = "gps"
text = "text"
grain = "30ns"
[[node]]
name = "lower"
oscillator = {}
[[node.source]]
server = "upper"
minpoll = 4
[[node.source]]
server = "far"
[[server]]
name = "far"
[server.model]
stratum = 2
follows = "upper"
stamps = { missing = 0.5 }
[[receiver]]
name = "gps"
[receiver.model]
kind = "pulses_and_text"
noise = 1e-8
[[link]]
from = "lower"
to = "upper"
[link.there]
base = 1e-4
queueing = [
  { exponential = 1e-4 },
  { burst = { mean = 1e-3, length = 10.0, every = 60.0 } },
]
[link.back]
base = 2e-4
loss = 0.1
[[link]]
from = "lower"
to = "far"
both = {}
[[event]]
at = "10min"
until = "20min"
what = "receiver_fault"
receiver = "gps"
fault = { missed_pulses = 0.5 }
[[event]]
at = "30min"
what = "block"
from = "lower"
[expect]
event_max = "1s"
verdict = { far = "combined" }
events = { route_change = 0, system_peer = { at_least = 1 } }
"#;

/// What is changed in `RICH`, the key that is at fault, and what must be said of it.
const RANGES: [(&str, &str, &str, &str); 37] = [
    ("\"1h\"", "\"20 years\"", "duration", "invalid value"),
    (
        "judge = \"lower\"",
        "judge = \"low\"",
        "judge",
        "no node is named \"low\"; there is upper, lower",
    ),
    ("01-01T", "01-02T", "leap.before", "midnight of the first of a month"),
    ("frequency = 1e-5", "frequency = 1", "node[0].oscillator.frequency", "is 1; a ratio"),
    ("over = 10.0", "over = -1", "node[0].oscillator.ramp.over", "is -1; seconds, 0 to"),
    ("500.0", "0.5", "node[0].slew_limit_ppm", "is out of range; 1 to 83333 ppm"),
    (
        "holdover_limit = \"1s\"",
        "holdover_limit = 0",
        "node[0].holdover_limit",
        "more than nothing",
    ),
    ("stratum = 10", "stratum = 16", "node[0].local.stratum", "is out of range; 1 to 15"),
    ("stratum = 10", "stratum = 300", "node[0].local.stratum", "a whole number, 0 to 255"),
    ("wait = \"1s\"", "wait = \"-1s\"", "node[0].local.wait", "it cannot be negative"),
    ("quantum = 1e-9", "quantum = 2", "node[0].stamps.quantum", "is 2; seconds, 0 to 1"),
    (
        "exponential = 1e-6",
        "exponential = -1",
        "node[0].stamps.receive[0].exponential",
        "is -1; seconds",
    ),
    (
        "sigma = 1.0",
        "sigma = nan",
        "node[0].stamps.receive[1].lognormal.sigma",
        "is NaN; of the natural",
    ),
    ("name = \"text\"", "name = \"\"", "node[0].source[0].name", "has 1 to 32 characters"),
    (
        "name = \"pulse\"",
        "name = \"text\"",
        "node[0].source[1].name",
        "is another source; give each",
    ),
    (
        "text = \"text\"",
        "text = \"txt\"",
        "node[0].source[1].text",
        "role = \"text\"; there is text",
    ),
    ("\"30ns\"", "\"-30ns\"", "node[0].source[1].grain", "it cannot be negative"),
    (
        "receiver = \"gps\"\nrole",
        "receiver = \"gbs\"\nrole",
        "node[0].source[0].receiver",
        "there is gps",
    ),
    ("minpoll = 4", "minpoll = 18", "node[1].source[0].minpoll", "log2 of seconds, -6 to 17"),
    ("minpoll = 4", "minpoll = 400", "node[1].source[0].minpoll", "a whole number, -128 to 127"),
    (
        "server = \"far\"",
        "server = \"fra\"",
        "node[1].source[1].server",
        "there is far, upper, lower",
    ),
    (
        "stratum = 2",
        "stratum = 0",
        "server[0].model.stratum",
        "is 0; hops from a reference clock, 1 to 15",
    ),
    (
        "follows = \"upper\"",
        "follows = \"far\"",
        "server[0].model.follows",
        "no node is named \"far\"",
    ),
    (
        "missing = 0.5",
        "missing = 2",
        "server[0].model.stamps.missing",
        "is 2; a probability, 0 to 1",
    ),
    ("noise = 1e-8", "rate = 4", "receiver[0].model.rate", "come once a second"),
    ("noise = 1e-8", "noise = 1", "receiver[0].model.noise", "is 1; seconds, 0 to 0.1"),
    (
        "from = \"lower\"\nto = \"upper\"",
        "from = \"low\"\nto = \"upper\"",
        "link[0].from",
        "there is far",
    ),
    ("base = 1e-4", "base = -1e-4", "link[0].there.base", "is -1e-4; seconds, 0 to 1000"),
    (
        "every = 60.0",
        "every = 6.0",
        "link[0].there.queueing[1].burst.every",
        "not below `length` = 10",
    ),
    ("loss = 0.1", "loss = 1.1", "link[0].back.loss", "is 1.1; a probability, 0 to 1"),
    ("\"20min\"", "\"2h\"", "event[0].until", "after the end of the scenario"),
    (
        "missed_pulses = 0.5",
        "missed_pulses = 5",
        "event[0].fault.missed_pulses",
        "is 5; a probability",
    ),
    ("receiver = \"gps\"\nfault", "receiver = \"g\"\nfault", "event[0].receiver", "there is gps"),
    (
        "block\"\nfrom = \"lower\"",
        "block\"\nfrom = \"x\"",
        "event[1].from",
        "lower to upper, lower to far",
    ),
    ("\"30min\"", "\"61min\"", "event[1].at", "between 0 and `duration`"),
    (
        "{ far =",
        "{ fat =",
        "expect.verdict.fat",
        "\"lower\" has no such source; there is upper, far",
    ),
    ("\"combined\"", "\"used\"", "expect.verdict.far", "is no verdict; one of silent"),
];

#[test]
fn a_value_out_of_range_is_told_with_the_line_of_its_own_key() {
    assert_eq!(errors(RICH), "");
    for (from, to, key, said) in RANGES {
        assert!(RICH.contains(from), "{from}");
        let text = RICH.replacen(from, to, 1);
        let told = errors(&text);
        let found = told.lines().find(|line| line.contains(&format!(": {key}: ")));
        let found = found.unwrap_or_else(|| panic!("{from} -> {to}: {told}"));
        assert!(found.contains(said), "{from} -> {to}: {told}");
        let line = found.split(':').nth(1).and_then(|number| number.parse::<usize>().ok());
        let line = line.and_then(|number| text.lines().nth(number - 1)).unwrap();
        let last = key.rsplit('.').next().unwrap();
        assert!(line.contains(last), "{from} -> {to}: {told}: {line}");
    }
}
