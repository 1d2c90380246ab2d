//! What is wrong with a file, and where: line, key, reason.
//!
//! serde and the TOML parser tell the bytes at fault. The key that holds them is found by walking
//! the parsed tables once more, so that errors of every stage name keys alike.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// The line, from 1; none if the file could not be read at all.
    pub line: Option<usize>,
    /// The key, for example `source[1].unit`; empty outside of any.
    pub key: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Everything that is wrong with a file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// An error at these bytes of the text.
pub(super) fn at(file: &str, text: &str, span: &Range<usize>, reason: String) -> ConfigError {
    let (file, line) = (file.to_owned(), Some(line_of(text, span.start)));
    ConfigError { file, line, key: key_at(text, span), reason }
}

/// What the TOML parser or serde had to say, in the operator's words.
pub(super) fn of_toml(file: &str, text: &str, error: &toml::de::Error) -> ConfigErrors {
    let span = error.span().unwrap_or(0..0);
    let mut found = at(file, text, &span, plain(error.message()));
    // What is missing from the whole file is the fault of no key in it.
    if span.is_empty() && error.message().starts_with("missing field") {
        found.key = String::new();
    }
    ConfigErrors(vec![found])
}

/// The line, from 1, that holds a byte; the last line for whatever lies behind it.
fn line_of(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte).filter(|b| **b == b'\n').count();
    (before + 1).min(text.lines().count().max(1))
}

/// The key whose name or value is the closest around these bytes; empty if there is none.
fn key_at(text: &str, span: &Range<usize>) -> String {
    let Ok(root) = DeTable::parse(text) else { return String::new() };
    let mut best = None;
    walk_table(root.get_ref(), "", span, &mut best);
    best.map_or_else(String::new, |(_, key)| key)
}

/// The narrowest match so far: bytes it covers, and its key.
type Best = Option<(usize, String)>;

fn walk_table(table: &DeTable<'_>, path: &str, span: &Range<usize>, best: &mut Best) {
    for (name, value) in table {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}", name.get_ref());
        consider(&name.span(), &path, span, best);
        walk_value(value, &path, span, best);
    }
}

fn walk_value(value: &Spanned<DeValue<'_>>, path: &str, span: &Range<usize>, best: &mut Best) {
    consider(&value.span(), path, span, best);
    match value.get_ref() {
        DeValue::Table(table) => walk_table(table, path, span, best),
        DeValue::Array(items) => {
            // Only tables are told apart; an element of a plain list is found by its line.
            for (index, item) in items.iter().enumerate() {
                let is_table = matches!(item.get_ref(), DeValue::Table(_));
                let path = if is_table { format!("{path}[{index}]") } else { path.to_owned() };
                walk_value(item, &path, span, best);
            }
        }
        _ => {}
    }
}

fn consider(here: &Range<usize>, path: &str, span: &Range<usize>, best: &mut Best) {
    let holds = here.start <= span.start && span.end <= here.end;
    if holds && best.as_ref().is_none_or(|(length, _)| here.len() <= *length) {
        *best = Some((here.len(), path.to_owned()));
    }
}

fn plain(message: &str) -> String {
    let message = message.trim().replace('\n', "; ");
    if message.starts_with("unknown field") {
        return unknown(&message);
    }
    let words = [
        ("missing field", "missing key"),
        ("expected i64", "expected a whole number"),
        ("expected u64", "expected a whole number, 0 and more"),
        ("expected u32", "expected a whole number, 0 and more"),
        ("expected u8", "expected a whole number, 0 to 255"),
        ("expected i8", "expected a whole number, -128 to 127"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
        ("expected a sequence", "expected a list in [ ]"),
        ("expected a string", "expected a text in \"\""),
    ];
    words.iter().fold(message, |message, (from, to)| message.replace(from, to))
}

/// serde lists every known key after the unknown one, each in backquotes.
fn unknown(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let Some(unknown) = names.next() else { return message.to_owned() };
    let known: Vec<&str> = names.collect();
    match near(unknown, &known) {
        Some(meant) => format!("unknown key; did you mean `{meant}`?"),
        None => format!("unknown key; known here are {}", known.join(", ")),
    }
}

/// The known word that fewest changes lead to, if they are few.
pub(super) fn near<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|candidate| (changes(word, candidate), *candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= candidate.chars().count().div_ceil(3)).then_some(candidate)
}

/// Insertions, deletions and replacements from one word to another (Levenshtein).
fn changes(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (index, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted() {
        for (a, b, count) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("polls", "poll", 1)]
        {
            assert_eq!((changes(a, b), changes(b, a)), (count, count), "{a} {b}");
        }
        assert_eq!(near("sped", &["speed", "step"]), Some("speed"));
        assert_eq!(near("quux", &["speed", "step"]), None);
        assert_eq!(near("x", &[]), None);
    }

    #[test]
    fn lines_are_counted_from_one_and_never_beyond_the_end() {
        for (text, byte, line) in
            [("", 0, 1), ("a\n", 0, 1), ("a\n", 2, 1), ("a\nb", 2, 2), ("a\nb\n", 99, 2)]
        {
            assert_eq!(line_of(text, byte), line, "{text:?} {byte}");
        }
    }
}
