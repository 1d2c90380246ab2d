//! Scenario files of `maser sim`: TOML in, a [`Universe`] that can be run out.
//!
//! The simulator knows values and names keys by their path; here the path becomes a line again, so
//! that errors of a scenario read like those of a configuration.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{self, ConfigError, ConfigErrors};
use crate::sim::{self, Mistake, Scenario, Universe};

/// Reads and checks a scenario.
///
/// # Errors
/// Everything that is wrong with it; a file that cannot be read is one error without a line.
pub fn load(path: &Path) -> Result<Universe, ConfigErrors> {
    parse(&path.display().to_string(), &super::read(path)?)
}

/// Reads and checks scenarios that are run together, each of which needs a name of its own: that is
/// how reports tell them apart.
///
/// # Errors
/// Everything that is wrong with any of them, file by file.
pub fn load_all(paths: &[PathBuf]) -> Result<Vec<Universe>, ConfigErrors> {
    let (mut universes, mut wrong) = (Vec::with_capacity(paths.len()), Vec::new());
    let mut names: BTreeMap<String, &Path> = BTreeMap::new();
    for path in paths {
        let file = path.display().to_string();
        let read = super::read(path).and_then(|text| Ok((parse(&file, &text)?, text)));
        let (universe, text) = match read {
            Ok(read) => read,
            Err(errors) => {
                wrong.extend(errors.0);
                continue;
            }
        };
        let name = universe.scenario.name.clone();
        if let Some(first) = names.get(&name) {
            let reason = format!(
                "\"{name}\" is the name in {}, too; scenarios of one call need names of their own",
                first.display()
            );
            wrong.push(located(&file, &text, Mistake { path: "name".to_owned(), reason }));
        } else {
            names.insert(name, path);
        }
        universes.push(universe);
    }
    if wrong.is_empty() { Ok(universes) } else { Err(ConfigErrors(wrong)) }
}

/// Checks the text of a scenario; `name` is how errors call it.
///
/// # Errors
/// Everything that is wrong with it, in the order of its lines.
pub fn parse(name: &str, text: &str) -> Result<Universe, ConfigErrors> {
    let scenario: Scenario = toml::from_str(text).map_err(|e| error::of_toml(name, text, &e))?;
    Universe::of(scenario).map_err(|mistakes| {
        let mut errors: Vec<ConfigError> =
            mistakes.into_iter().map(|mistake| located(name, text, mistake)).collect();
        errors.sort_by_key(|error| error.line);
        ConfigErrors(errors)
    })
}

/// The text of a scenario, which [`parse`] reads as the same value: keys that mean what they mean
/// without being written are left out.
///
/// # Errors
/// A value that TOML cannot hold.
pub fn text(scenario: &Scenario) -> Result<String, String> {
    toml::to_string(&sim::written(scenario)).map_err(|error| error.to_string())
}

fn located(name: &str, text: &str, mistake: Mistake) -> ConfigError {
    let span = DeTable::parse(text)
        .ok()
        .map_or(0..0, |root| span_of(root.get_ref(), &mistake.path).unwrap_or(0..0));
    ConfigError { key: mistake.path, ..error::at(name, text, &span, mistake.reason) }
}

/// The bytes of the key at a path such as `node[0].source[1].server`; of the table around it where
/// the key is not written.
fn span_of(root: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let mut table = root;
    let mut found = None;
    for part in path.split('.') {
        let (key, index) = match part.split_once('[') {
            Some((key, rest)) => (key, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some((name, value)) = table.get_key_value(key) else { break };
        let Some(value) = element(value, index) else { break };
        found = Some(if index.is_some() { value.span() } else { name.span() });
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found
}

fn element<'t, 'a>(
    value: &'t Spanned<DeValue<'a>>,
    index: Option<usize>,
) -> Option<&'t Spanned<DeValue<'a>>> {
    let Some(index) = index else { return Some(value) };
    match value.get_ref() {
        DeValue::Array(items) => items.get(index),
        _ => None,
    }
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "written_tests.rs"]
mod written_tests;
