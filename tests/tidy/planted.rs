//! Faults planted in a small sound tree: each rule reports its fault, and lets its near miss pass.

use crate::LINES_MAX;
use crate::rules::{Rule, check};
use crate::tree::Tree;

/// A tree without fault: three modules of the core, the host, the demo, the kernel crate.
fn house() -> Tree {
    let lib = "//! Root.\n#![forbid(unsafe_code)]\n\npub mod time;\npub mod state;\npub mod sim;\n\
               pub mod server;\npub mod host;\npub mod cli;\n";
    let texts = [
        ("src/lib.rs", lib),
        ("src/main.rs", "//! Starts.\nfn main() { maser::cli::run() }\n"),
        ("src/time.rs", "//! Time.\n"),
        ("src/state.rs", "//! State.\nuse crate::time::Timestamp;\n"),
        ("src/sim.rs", "//! A universe.\n"),
        ("src/server/mod.rs", "//! Server.\nmod respond;\n"),
        ("src/server/respond.rs", "//! Respond.\nuse super::Policy;\nuse crate::state::State;\n"),
        ("src/host/mod.rs", "//! Linux.\nuse std::thread;\nuse maser_kernel::clock;\n"),
        ("src/cli/mod.rs", "//! Commands.\nmod demo;\nmod show;\n"),
        ("src/cli/show.rs", "//! Shows.\n"),
        ("src/cli/demo/mod.rs", "//! Demo.\nmod judge;\nmod machine;\nmod view;\n"),
        ("src/cli/demo/machine.rs", "//! Wrong.\npub struct Machine;\n"),
        ("src/cli/demo/judge.rs", "//! Judge.\nuse super::machine::Machine;\n"),
        ("src/cli/demo/view.rs", "//! View.\n"),
        ("kernel/src/lib.rs", "//! Kernel.\npub fn read() { unsafe { libc::time(p) } }\n"),
        ("tests/one.rs", "//! Test.\n#[path = \"deep/two.rs\"]\nmod two;\n"),
        ("tests/deep/two.rs", "//! More.\n"),
    ];
    texts.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
}

/// The faults of the house after `text` was appended to the file at `path`.
fn faults(path: &str, text: &str) -> Vec<Rule> {
    let mut tree = house();
    let file = tree.entry(path.to_owned()).or_default();
    *file = if file.is_empty() { text.to_owned() } else { format!("{file}{text}") };
    check(&tree).into_iter().map(|fault| fault.rule).collect()
}

/// Each text alone earns one report of `rule` in `path`.
fn reported(rule: Rule, path: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(faults(path, text), [rule], "{path}: {text}");
    }
}

/// None of the texts is reported.
fn passed(path: &str, texts: &[&str]) {
    for text in texts {
        assert_eq!(faults(path, text), [], "{path}: {text}");
    }
}

#[test]
fn the_house_is_sound() {
    assert_eq!(check(&house()), []);
}

#[test]
fn a_module_names_only_what_the_table_lists() {
    let up = [
        "use crate::server::Policy;\n",
        "fn f() { crate::server::respond() }\n",
        "fn f() { maser::server::respond() }\n",
        "use super::server;\n",
        "use crate::{time::Duration, server::{Policy, Request}};\n",
        "mod inner { use super::super::server::Policy; }\n",
        "#[cfg(test)]\nmod tests { use crate::server::Policy; }\n",
        "use crate as root;\n",
        "use crate::*;\n",
        "use super::*;\n",
    ];
    for text in up {
        let found = faults("src/state.rs", text);
        assert!(!found.is_empty() && found.iter().all(|r| *r == Rule::Dependency), "{text}");
    }
    passed(
        "src/state.rs",
        &[
            "use crate::time::{self, Duration};\n",
            "// use crate::server::Policy;\n/* crate::server */\n",
            "/// See [`crate::server::Policy`].\nconst NAME: &str = \"crate::server\";\n",
            "const RAW: &str = r#\"\" crate::server \"#;\n",
            "mod inner { use super::super::time; use super::*; }\n",
            "use core::server::crate_server;\n",
            "use self::server;\n",
        ],
    );
    reported(Rule::Dependency, "src/server/respond.rs", &["use super::super::host;\n"]);
    passed("src/server/respond.rs", &["use super::host;\n", "use super::super::time;\n"]);
    reported(Rule::Dependency, "src/host/mod.rs", &["use crate::sim::World;\n"]);
    reported(Rule::Dependency, "src/sim.rs", &["use crate::host::Plan;\n"]);
    reported(Rule::Dependency, "src/main.rs", &["use maser::host;\n"]);
    passed("src/cli/mod.rs", &["use crate::{host, sim};\n"]);
}

#[test]
fn a_new_module_is_listed_first() {
    let mut tree = house();
    tree.insert("src/ptp.rs".to_owned(), "//! PTP.\n".to_owned());
    tree.get_mut("src/lib.rs").unwrap().push_str("pub mod ptp;\n");
    let rules: Vec<Rule> = check(&tree).into_iter().map(|fault| fault.rule).collect();
    assert_eq!(rules, [Rule::Unlisted]);
}

#[test]
fn the_core_does_not_touch_the_world() {
    let touches = [
        "fn f() { Instant::now(); }\n",
        "fn f() { std::time::SystemTime::now(); }\n",
        "use std::time::Instant;\n",
        "use std::time;\n",
        "use std::{fmt, fs::File};\n",
        "use std::net::IpAddr;\n",
        "use std::hash::{BuildHasher, RandomState};\n",
        "use std::os::unix::net::UnixStream;\n",
        "fn f() { std::process::exit(1) }\n",
        "fn f() { ::std::env::args(); }\n",
        "use std::thread;\n",
        "use std as s;\n",
        "#[cfg(test)]\nmod tests { use std::fs; }\n",
        "#[cfg(not(test))]\nmod inner { use std::thread; }\n",
    ];
    for path in ["src/state.rs", "src/server/respond.rs"] {
        reported(Rule::Outside, path, &touches);
        passed(
            path,
            &[
                "use core::net::IpAddr;\nuse std::{fmt, sync::Arc};\n",
                "#[cfg(test)]\nmod tests { fn f() { std::thread::spawn(g); } }\n",
                "#[cfg(all(test, not(loom)))]\nmod tests { use std::thread; }\n",
                "fn f() { clock.now(); Timestamp::now(); }\n",
                "fn f<'a>(s: &'a str) -> char { '\"' } // std::fs\n",
            ],
        );
    }
    for path in ["src/host/mod.rs", "src/cli/mod.rs"] {
        passed(path, &touches);
    }
    // After the tests the exemption ends.
    let after = "#[cfg(test)]\nmod tests { fn f() {} }\nuse std::thread;\n";
    reported(Rule::Outside, "src/state.rs", &[after]);
}

#[test]
fn crates_are_named_where_the_table_says() {
    for path in ["src/state.rs", "src/sim.rs", "src/main.rs"] {
        reported(Rule::Crate, path, &["use maser_kernel::clock;\n"]);
    }
    reported(Rule::Crate, "src/host/mod.rs", &["fn f() { libc::getpid(); }\n"]);
    passed("src/cli/mod.rs", &["use maser_kernel::{clock, shm};\n", "use clap::Parser;\n"]);
    passed("src/state.rs", &["use libm::sqrt;\n", "fn f() { maser_kernel_like::g() }\n"]);
}

#[test]
fn unsafe_stays_in_the_kernel_crate() {
    for path in ["src/state.rs", "src/host/mod.rs", "tests/one.rs"] {
        reported(Rule::Unsafe, path, &["fn f() { unsafe { g() } }\n"]);
        passed(path, &["// unsafe\nconst S: &str = \"unsafe\"; fn is_unsafe() {}\n"]);
    }
    let mut tree = house();
    let lib = tree.get_mut("src/lib.rs").unwrap();
    *lib = lib.replace("#![forbid(unsafe_code)]", "#![deny(unsafe_code)]");
    assert_eq!(check(&tree).first().map(|fault| fault.rule), Some(Rule::Unsafe));
}

#[test]
fn maps_are_ordered() {
    for path in ["src/host/mod.rs", "tests/one.rs"] {
        reported(Rule::Unordered, path, &["type M = std::collections::HashMap<u8, u8>;\n"]);
        passed(path, &["type M = BTreeMap<u8, u8>; // HashMap\n"]);
    }
}

#[test]
fn the_wrong_machine_is_known_to_few() {
    let uses = ["use crate::cli::demo::machine;\n", "fn f(m: &Machine) {}\n"];
    for path in ["src/cli/show.rs", "src/cli/demo/view.rs"] {
        reported(Rule::Machine, path, &["fn f() { m.local(host); }\n"]);
        for text in uses {
            assert_eq!(faults(path, text), [Rule::Machine], "{path}: {text}");
        }
        passed(path, &["fn f() { let machine = local; locally(machine) }\n// Machine\n"]);
    }
    reported(Rule::Machine, "src/host/mod.rs", &["struct Machine;\n"]);
    passed("src/host/mod.rs", &["fn f() { source.local(unit); }\n"]);
    passed("src/cli/demo/judge.rs", &["fn f(m: &Machine) { m.local(host); }\n"]);
    reported(
        Rule::Machine,
        "src/cli/demo/mod.rs",
        &["pub(crate) use machine::Machine as M;\n", "pub use self::machine::local;\n"],
    );
    passed("src/cli/demo/mod.rs", &["pub use judge::Judge;\nfn f(m: Machine) {}\n"]);
}

#[test]
fn files_are_short_headed_and_reached() {
    let long = "\n".repeat(LINES_MAX);
    reported(Rule::Long, "src/time.rs", &[&long]);
    passed("src/time.rs", &[&long[1..]]);
    let mut tree = house();
    tree.insert("src/time.rs".to_owned(), "// Time.\n".to_owned());
    assert_eq!(check(&tree).first().map(|fault| fault.rule), Some(Rule::Heading));
    for path in ["src/lost.rs", "src/server/lost.rs", "kernel/src/lost.rs", "tests/deep/lost.rs"] {
        reported(Rule::Unreachable, path, &["//! Lost.\n"]);
    }
    for path in ["tests/found.rs", "tests/found/main.rs", "benches/found.rs"] {
        passed(path, &["//! Found.\n"]);
    }
    let named = "mod inner { mod found; }\n";
    let mut tree = house();
    tree.get_mut("src/time.rs").unwrap().push_str(named);
    tree.insert("src/time/inner/found.rs".to_owned(), "//! Found.\n".to_owned());
    assert_eq!(check(&tree), []);
}

#[test]
fn no_work_is_left_undone() {
    for word in crate::UNDONE {
        reported(Rule::Undone, "src/time.rs", &[&format!("// {word}: later\n")]);
        passed("src/time.rs", &[&format!("// {word}S\n")]);
    }
    for name in crate::UNDONE_MACROS {
        reported(Rule::Undone, "kernel/src/lib.rs", &[&format!("fn f() {{ {name}!() }}\n")]);
        passed("kernel/src/lib.rs", &[&format!("fn f() {{ {name}(); }} // {name}!()\n")]);
    }
}
