//! A scenario as somebody would write it: only the keys that mean something.
//!
//! The values know their defaults by how they are read; so a key that reads the same when it is left
//! out is left out, and nothing here knows any key. The shrinker works on the same form: to leave a
//! key out is its only tool.

use serde_json::Value;

use super::scenario::Scenario;

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a table.
    Key(String),
    /// A place in a list.
    Place(usize),
}

/// The tables and lists of a scenario; a key is there where it changes what is read.
pub fn written(scenario: &Scenario) -> Value {
    let mut value = serde_json::to_value(scenario).unwrap_or_default();
    for path in paths(&value) {
        let mut shorter = value.clone();
        let is_key = matches!(path.last(), Some(Step::Key(_)));
        if is_key && remove(&mut shorter, &path) && read(&shorter).as_ref() == Some(scenario) {
            value = shorter;
        }
    }
    value
}

/// The scenario that this is written for; `None` if it is none.
pub(super) fn read(value: &Value) -> Option<Scenario> {
    serde_json::from_value(value.clone()).ok()
}

/// Ways to everything within a value: those to the last elements of a list and to the innermost
/// first, so that removing one leaves the others where they are.
pub(super) fn paths(value: &Value) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    collect(value, &mut Vec::new(), &mut found);
    found
}

/// Takes something out; whether it was there.
pub(super) fn remove(value: &mut Value, path: &[Step]) -> bool {
    let Some((last, way)) = path.split_last() else { return false };
    match (at(value, way), last) {
        (Some(Value::Object(table)), Step::Key(key)) => table.remove(key).is_some(),
        (Some(Value::Array(list)), Step::Place(place)) if *place < list.len() => {
            list.remove(*place);
            true
        }
        _ => false,
    }
}

/// What a way leads to.
pub(super) fn at<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match (value, step) {
        (Value::Object(table), Step::Key(key)) => table.get_mut(key),
        (Value::Array(list), Step::Place(place)) => list.get_mut(*place),
        _ => None,
    })
}

fn collect(value: &Value, way: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let mut inside = |step: Step, inner: &Value| {
        way.push(step);
        collect(inner, way, found);
        found.push(way.clone());
        way.pop();
    };
    match value {
        Value::Object(table) => {
            table.iter().for_each(|(key, inner)| inside(Step::Key(key.clone()), inner));
        }
        Value::Array(list) => {
            let last_first = list.iter().enumerate().rev();
            last_first.for_each(|(place, inner)| inside(Step::Place(place), inner));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_need_not_be_said_is_not_written() {
        let text = r#"{
            "name": "a", "duration": "1 h", "start": "2026-01-01T00:00:00Z",
            "node": [{
                "name": "n", "step": "first", "oscillator": { "frequency": 1e-5, "wander": 0.0 },
                "source": [{ "server": "s", "prefer": false, "minpoll": 6 }]
            }],
            "link": [{ "from": "n", "to": "s", "both": { "queueing": [{ "exponential": 0.0 }] } }]
        }"#;
        let scenario: Scenario = serde_json::from_str(text).unwrap();
        let short = written(&scenario);
        let right: Value = serde_json::from_str(
            r#"{
            "name": "a", "duration": "1 h",
            "node": [{
                "name": "n", "oscillator": { "frequency": 1e-5 },
                "source": [{ "server": "s", "minpoll": 6 }]
            }],
            "link": [{ "from": "n", "to": "s", "both": { "queueing": [{ "exponential": 0.0 }] } }]
        }"#,
        )
        .unwrap();
        assert_eq!(short, right);
        assert_eq!(read(&short), Some(scenario));
    }
}
