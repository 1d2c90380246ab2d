//! The architecture test: who may name whom, where the outside world may be touched, and how a
//! file looks. `ARCHITECTURE.md` has the reasons.
//!
//! [`MAY_NAME`] is the table of dependencies. The checker is a pure function of a tree of texts, so
//! that `tests/tidy/planted.rs` can plant each fault in a small sound tree and ask for its report.
#![expect(clippy::unwrap_used, reason = "a tree that cannot be read fails the test")]

#[path = "tidy/planted.rs"]
mod planted;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/scan.rs"]
mod scan;
#[path = "tidy/tree.rs"]
mod tree;

/// Top-level modules of the root crate, and exactly the others that each may name.
///
/// Vocabulary first, then the flow of data, then the two worlds, then who starts them.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("time", &[]),
    ("random", &[]),
    ("pipe", &[]),
    ("wire", &["time"]),
    // Samples are summed into a state's error terms, a state names the sample's source.
    ("sample", &["state", "time"]),
    ("state", &["sample", "time"]),
    ("event", &["mitigation", "sample", "state", "time"]),
    ("source", &["event", "random", "sample", "state", "time", "wire"]),
    ("mitigation", &["sample"]),
    ("discipline", &["random", "sample", "state", "time"]),
    ("clock", &["discipline", "state", "time"]),
    (
        "engine",
        &["clock", "discipline", "event", "mitigation", "sample", "source", "state", "time"],
    ),
    ("server", &["state", "time", "wire"]),
    // Rows of words for whatever crosses between threads.
    ("rows", &["engine", "event", "mitigation", "pipe", "sample", "state", "time"]),
    ("observe", &["engine", "event", "mitigation", "sample", "server", "state", "time", "wire"]),
    (
        "sim",
        &[
            "clock",
            "discipline",
            "engine",
            "event",
            "mitigation",
            "random",
            "sample",
            "server",
            "source",
            "state",
            "time",
            "wire",
        ],
    ),
    (
        "host",
        &[
            "clock",
            "discipline",
            "engine",
            "event",
            "mitigation",
            "observe",
            "pipe",
            "random",
            "rows",
            "sample",
            "server",
            "source",
            "state",
            "time",
            "wire",
        ],
    ),
    ("config", &["engine", "host", "sample", "server", "sim", "source", "state", "time", "wire"]),
    (
        "cli",
        &[
            "clock",
            "config",
            "discipline",
            "engine",
            "event",
            "host",
            "mitigation",
            "observe",
            "pipe",
            "random",
            "rows",
            "sample",
            "server",
            "sim",
            "source",
            "state",
            "time",
            "wire",
        ],
    ),
    ("main", &["cli"]),
];

/// Modules that may touch the outside world: clocks, sockets, files, threads, processes.
const OUTSIDE: &[&str] = &["host", "config", "cli", "main"];

/// Paths that only [`OUTSIDE`] may name, and whether the tests of a pure module may as well.
const OUTER_PATHS: &[(&str, bool)] = &[
    ("std::env", false),
    ("std::fs", false),
    ("std::hash::RandomState", false),
    ("std::net", false),
    ("std::os", false),
    ("std::process", false),
    ("std::thread", true),
    ("std::time::Instant", false),
    ("std::time::SystemTime", false),
];

/// Crates that only some modules may name.
const CRATES: &[(&str, &[&str])] = &[
    ("maser_kernel", &["host", "cli"]),
    ("libc", &[]),
    ("nix", &[]),
    ("socket2", &[]),
    ("tokio", &["host", "cli"]),
    ("tracing", &["host", "config", "cli", "main"]),
    ("clap", &["cli", "main"]),
    ("toml", &["config", "host"]),
];

/// The demo's wrong machine is known to its receiver and its judge, and joined to them in `mod.rs`:
/// whatever else knew how the clock is wrong could cheat.
const MACHINE: &str = "src/cli/demo/machine.rs";
const KNOW_THE_MACHINE: &[&str] =
    &["src/cli/demo/mod.rs", MACHINE, "src/cli/demo/receiver.rs", "src/cli/demo/judge.rs"];

/// Lines in a file, tests included.
const LINES_MAX: usize = 600;

/// Words that stand for work left undone; split here, so that this file holds none of them.
const UNDONE: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const UNDONE_MACROS: &[&str] = &["todo", "unimplemented", "dbg"];

#[test]
fn the_tree_is_tidy() {
    let tree = tree::read(env!("CARGO_MANIFEST_DIR").as_ref());
    assert!(tree.contains_key("src/lib.rs") && tree.contains_key("kernel/src/lib.rs"));
    let faults = rules::check(&tree);
    let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{} faults\n{}", listed.len(), listed.join("\n"));
}

#[test]
fn the_table_is_in_order() {
    let names: Vec<_> = MAY_NAME.iter().map(|(name, _)| *name).collect();
    for (name, others) in MAY_NAME {
        assert!(others.is_sorted(), "{name}");
        for other in *others {
            assert!(names.contains(other) && other != name, "{name} may name {other}");
        }
    }
}
