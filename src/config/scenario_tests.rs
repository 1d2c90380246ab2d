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
const WRONG: [(&str, &str, &str); 25] = [
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
    ("coverage = 1.0", "recovery = \"1s\"", "need an [[event]]; there is none"),
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
    ("base = 1e-4", "base = -1.0", "link[0].both: `base` = -1e0"),
    ("both =", "there =", "link[0]: has no way there or back"),
    ("wander = 1e-9", "wonder = 1e-9", "did you mean `wander`?"),
    ("coverage = 1.0", "covrage = 1.0", "expect.covrage: unknown key; did you mean `coverage`?"),
    ("coverage = 1.0", "verdict = { a = \"combined\" }", "\"client\" has no such source"),
    ("coverage = 1.0", "verdict = { server = \"peer\" }", "\"peer\" is no verdict; one of silent"),
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
    assert!(event("what = \"block\"\nto = \"x\"").contains("no [[link]] joins these two"));
    assert!(event("what = \"blok\"").contains("unknown variant"));
    assert!(event("what = \"block\"\nuntil = 4").contains("event[0].until: lies before `at`"));
    let slew = "what = \"slew_clock\"\nnode = \"client\"\nby_ppm = 1e9\nuntil = 9";
    assert!(event(slew).contains("event[0].by_ppm: is out of range"));
}
