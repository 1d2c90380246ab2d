//! The rules, each a function from one file to its faults.

use std::fmt;

use crate::scan::{Path, Token};
use crate::tree::{self, File, Tree};
use crate::{
    CRATES, KNOW_THE_MACHINE, LINES_MAX, MACHINE, MAY_NAME, OUTER_PATHS, OUTSIDE, UNDONE,
    UNDONE_MACROS,
};

/// What is wrong, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub path: String,
    pub line: usize,
    pub rule: Rule,
    pub what: String,
}

/// Why it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The table does not let this module name that one.
    Dependency,
    /// A top-level module that the table does not list.
    Unlisted,
    /// A clock, socket, file, thread or process in a pure module.
    Outside,
    /// A crate that this module may not name.
    Crate,
    /// `unsafe` outside `kernel/`, or a root crate that no longer forbids it.
    Unsafe,
    /// A map whose order differs from run to run.
    Unordered,
    /// The demo's wrong machine, known to one that may not know it.
    Machine,
    /// More lines than a file may have.
    Long,
    /// No `//!` at the top.
    Heading,
    /// No `mod` leads to this file.
    Unreachable,
    /// A word for work left undone.
    Undone,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {:?}: {}", self.path, self.line, self.rule, self.what)
    }
}

/// Every fault of a tree.
pub fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree::files(tree).values() {
        let mut report = |line: usize, rule: Rule, what: String| {
            faults.push(Fault { path: file.path.to_owned(), line, rule, what });
        };
        look(file, &mut report);
        words(file, &mut report);
        if file.path.starts_with("src/") {
            dependencies(file, &mut report);
            outside(file, &mut report);
            machine(file, &mut report);
        }
    }
    faults
}

/// How a file looks, and whether it is compiled at all.
fn look(file: &File<'_>, report: &mut impl FnMut(usize, Rule, String)) {
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        report(lines, Rule::Long, format!("{lines} lines, {LINES_MAX} at most"));
    }
    if !file.text.starts_with("//!") {
        report(1, Rule::Heading, "the file does not open with `//!`".to_owned());
    }
    if file.module.is_none() {
        report(1, Rule::Unreachable, "no `mod` leads here".to_owned());
    }
    for (number, line) in file.text.lines().enumerate() {
        for word in UNDONE.iter().filter(|word| has_word(line, word)) {
            report(number + 1, Rule::Undone, (*word).to_owned());
        }
    }
}

/// Single words that have no place.
fn words(file: &File<'_>, report: &mut impl FnMut(usize, Rule, String)) {
    let is_kernel = file.path.starts_with("kernel/");
    let tokens = &file.scan.tokens;
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        if word == "unsafe" && !is_kernel {
            report(token.line, Rule::Unsafe, "`unsafe` belongs into kernel/".to_owned());
        }
        if matches!(word, "HashMap" | "HashSet") {
            report(token.line, Rule::Unordered, word.to_owned());
        }
        let is_call = tokens.get(at + 1).is_some_and(|next| next.is_mark('!'));
        if is_call && UNDONE_MACROS.contains(&word) {
            report(token.line, Rule::Undone, format!("{word}!"));
        }
    }
    if file.path == "src/lib.rs" && !file.text.contains("\n#![forbid(unsafe_code)]\n") {
        report(1, Rule::Unsafe, "the root crate does not forbid unsafe code".to_owned());
    }
}

/// The table [`MAY_NAME`].
fn dependencies(file: &File<'_>, report: &mut impl FnMut(usize, Rule, String)) {
    let Some(own) = top(file) else { return };
    let Some((_, others)) = MAY_NAME.iter().find(|(name, _)| *name == own) else {
        report(1, Rule::Unlisted, format!("the table does not list `{own}`"));
        return;
    };
    for path in &file.scan.paths {
        let Some(other) = named(file, path) else { continue };
        if other != own && !others.contains(&other) {
            report(path.line, Rule::Dependency, format!("{own} may not name {other}"));
        }
    }
}

/// The world outside, and the crates that lead to it.
fn outside(file: &File<'_>, report: &mut impl FnMut(usize, Rule, String)) {
    let own = top(file).unwrap_or("lib");
    let is_outside = OUTSIDE.contains(&own);
    for path in &file.scan.paths {
        let is_test = file.test || path.test;
        let written = path.segments.join("::");
        let is_outer = OUTER_PATHS
            .iter()
            .any(|(outer, in_tests)| begins(&written, outer) && !(is_test && *in_tests));
        let reads_clock = ends(&written, "Instant::now") || ends(&written, "SystemTime::now");
        let hides = matches!(written.as_str(), "std::*" | "std::time" | "std::time::*")
            || written == "std" && path.renamed;
        if !is_outside && (is_outer || reads_clock || hides) {
            report(path.line, Rule::Outside, format!("{own} names {written}"));
        }
        for (name, users) in CRATES {
            if path.segments[0] == *name && path.segments.len() > 1 && !users.contains(&own) {
                report(path.line, Rule::Crate, format!("{own} names {written}"));
            }
        }
    }
}

/// Who knows how the demo's clock is wrong.
fn machine(file: &File<'_>, report: &mut impl FnMut(usize, Rule, String)) {
    let tokens = &file.scan.tokens;
    let may_know = KNOW_THE_MACHINE.contains(&file.path);
    for (at, token) in tokens.iter().enumerate() {
        let beside = |offset: usize| tokens.get(at.wrapping_add(offset));
        let is_type = token.is_word("Machine");
        let is_module = token.is_word("machine")
            && [beside(1), beside(usize::MAX)].iter().flatten().any(|t| t.is_separator());
        let is_reading = file.path.starts_with("src/cli/")
            && token.is_word("local")
            && beside(1).is_some_and(|next| next.is_mark('('));
        if !may_know && (is_type || is_module || is_reading) {
            report(token.line, Rule::Machine, "the wrong machine is not known here".to_owned());
        }
        // Those who know it keep it to themselves.
        if file.path != MACHINE && token.is_word("pub") && hands_on_the_machine(&tokens[at..]) {
            report(token.line, Rule::Machine, "the wrong machine is handed on".to_owned());
        }
    }
}

/// Whether the item that begins here is a `pub mod machine` or a `pub use` of it.
fn hands_on_the_machine(item: &[Token]) -> bool {
    let restricted = item.get(1).is_some_and(|token| token.is_mark('('));
    let key = item.get(if restricted { 4 } else { 1 });
    let is_shown = key.is_some_and(|key| key.is_word("use") || key.is_word("mod"));
    let named = item.iter().take_while(|token| !token.is_mark(';'));
    let named = named.skip(1).take_while(|token| !token.is_word("fn"));
    is_shown && named.into_iter().any(|t| t.is_word("machine") || t.is_word("Machine"))
}

/// The top-level module that a file belongs to; `None` for the crate root.
fn top<'a>(file: &'a File<'_>) -> Option<&'a str> {
    match file.path {
        "src/main.rs" => Some("main"),
        _ => file.module.as_ref()?.first().map(String::as_str),
    }
}

/// The top-level module that a path leads to; `None` if it stays where it is, or leaves the crate.
fn named<'a>(file: &File<'_>, path: &'a Path) -> Option<&'a str> {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let depth = file.module.as_ref().map_or(0, Vec::len) + path.inside.len();
    let climbs = segments.iter().take_while(|segment| **segment == "super").count();
    let rest = match segments[0] {
        "crate" | "maser" => &segments[1..],
        "super" if climbs >= depth => &segments[climbs..],
        "self" if depth == 0 => &segments[1..],
        _ => return None,
    };
    // `use crate as c` or `crate::*` would hide every name that follows.
    if rest.is_empty() { path.renamed.then_some("*") } else { Some(rest[0]) }
}

/// Whether a written path is `start` or lies below it.
fn begins(written: &str, start: &str) -> bool {
    written.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a written path is `end` or ends with it.
fn ends(written: &str, end: &str) -> bool {
    written.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
}

/// Whether a line holds a word by itself.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|own| own == word)
}
