//! What must hold of a page: it is whole, needs nothing else, and hides nothing.

use std::collections::BTreeSet;

use super::*;
use crate::sim::{Keep, Outcome, Scenario, Summary, Universe, run};

/// Every mark-up character, an event of each kind of span, a leap second, a source that lies.
const SCENARIO: &str = r#"{
    "name": "<one> & \"two\"", "about": "it's </style><script>", "duration": "3000s", "settle": "600s",
    "start": "2026-12-31T23:20:00Z", "leap": { "before": "2027-01-01T00:00:00Z" },
    "node": [{ "name": "<client>", "oscillator": { "frequency": 1e-5, "wander": 1e-9 },
        "source": [{ "server": "<server>", "minpoll": 4, "maxpoll": 4 },
                   { "server": "other", "minpoll": 4, "maxpoll": 4 },
                   { "server": "false", "minpoll": 4, "maxpoll": 4 }] }],
    "server": [{ "name": "<server>" }, { "name": "other" },
               { "name": "false", "model": { "offset": 0.1 } }],
    "link": [{ "from": "<client>", "to": "<server>", "both": { "base": 1e-4 } },
             { "from": "<client>", "to": "other", "both": { "base": 1e-4 } },
             { "from": "<client>", "to": "false", "both": { "base": 1e-4 } }],
    "event": [{ "at": "1020s", "node": "<client>", "what": "step_clock", "by": "1s" },
              { "at": "1500s", "until": "1800s", "what": "block" },
              { "at": "1501s", "server": "false", "what": "server_hostile", "hostile": "kiss_rate" }],
    "expect": { "rms": "1 ns" }
}"#;

fn universe() -> Universe {
    let scenario: Scenario = serde_json::from_str(SCENARIO).unwrap();
    Universe::of(scenario).unwrap()
}

fn outcomes(universe: &Universe, seeds: u64) -> Vec<Outcome> {
    let keep = |seed| if seed == 1 { Keep::Record } else { Keep::Figures };
    (1..=seeds).map(|seed| run(universe, seed, keep(seed))).collect()
}

fn paged(universe: &Universe, outcomes: &[Outcome]) -> String {
    let summary = Summary::of(universe, outcomes);
    page(&[Section { universe, summary: &summary, outcomes }])
}

/// Names of the elements, each with its attributes; or what is not closed where it must be.
fn elements(page: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut open: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        let is_style = open.last() == Some(&"style");
        if text.contains('>') && !is_style {
            return Err(format!("a bare > in {text:?}"));
        }
        let end = rest[at..].find('>').ok_or("a tag does not end")? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        if tag.starts_with('!') {
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if attributes.matches('"').count() % 2 != 0 {
            return Err(format!("a quote stays open in {tag:?}"));
        }
        found.push((name.trim_end_matches('/'), attributes));
        if !tag.ends_with('/') && !["meta", "br"].contains(&name) {
            open.push(name);
        }
    }
    if open.is_empty() { Ok(found) } else { Err(format!("left open: {open:?}")) }
}

fn attribute<'p>(attributes: &'p str, name: &str) -> Option<&'p str> {
    let from = attributes.find(&format!("{name}=\""))? + name.len() + 2;
    attributes[from..].split('"').next()
}

#[test]
fn the_checker_finds_what_is_wrong() {
    assert!(elements("<p>a<b class=\"x\">c</b><br></p><i/>").is_ok());
    for wrong in ["<p>", "</p>", "<p><b></p></b>", "<p class=\"x></p>", "<p>a > b</p>", "<p"] {
        assert!(elements(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_page_is_well_formed_and_stands_alone() {
    let universe = universe();
    let page = paged(&universe, &outcomes(&universe, 2));
    let elements = elements(&page).unwrap();
    let mut ids = BTreeSet::new();
    for (_, attributes) in &elements {
        if let Some(id) = attribute(attributes, " id")
            .or(attributes.strip_prefix("id=\"").map(|rest| rest.split('"').next().unwrap()))
        {
            assert!(ids.insert(id), "{id} twice");
        }
    }
    for (name, attributes) in &elements {
        assert!(
            !["script", "link", "img", "iframe", "object", "use", "image"].contains(name),
            "{name}"
        );
        for id in attribute(attributes, "aria-labelledby").unwrap_or_default().split_whitespace() {
            assert!(ids.contains(id), "nothing is {id}");
        }
        if let Some(target) = attribute(attributes, "href") {
            assert!(target.strip_prefix('#').is_some_and(|id| ids.contains(id)), "{target}");
        }
        assert!(
            attribute(attributes, "src").is_none() && attribute(attributes, "onload").is_none()
        );
    }
    for outside in ["http://", "https://", "@import", "javascript:", "//cdn"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let targets: Vec<&str> = page.split("url(").skip(1).collect();
    assert!(!targets.is_empty() && targets.iter().all(|target| target.starts_with('#')));
    let images = elements.iter().filter(|(_, a)| attribute(a, "role") == Some("img"));
    assert_eq!(images.count(), 7);
}

#[test]
fn everything_asked_for_is_on_it() {
    let universe = universe();
    let page = paged(&universe, &outcomes(&universe, 2));
    for part in [
        "&lt;one&gt; &amp; &quot;two&quot;",
        "True error inside its bound",
        "Frequency",
        "Allan deviation",
        "Distribution of the error",
        "Verdicts on the sources",
        "What the bound is made of",
        "17 min: somebody steps the clock of &lt;client&gt; by 1.00 s",
        "25 min to 30 min: no packet passes",
        "leap second inserted",
        "hostile answers of false KissRate",
        "falseticker: contradicts the majority",
        "✗ failed",
        "rms is",
        "clock untouched from",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("NaN") && !page.contains("inf%"));
    // One row for each seed and the mean.
    assert_eq!(page.matches("<td><code>").count(), 3);
}

#[test]
fn the_same_seeds_give_the_same_bytes() {
    let universe = universe();
    let [first, second] = [2, 2].map(|seeds| paged(&universe, &outcomes(&universe, seeds)));
    assert!(first == second);
    assert!(first.len() < 1_000_000, "{}", first.len());
    let other = vec![run(&universe, 7, Keep::Record)];
    assert!(paged(&universe, &other) != first);
}

/// A record is the whole of what is drawn; whatever stands out in it stands out on the page.
#[test]
fn a_peak_of_one_second_is_drawn_at_full_height() {
    let universe = universe();
    let mut outcomes = outcomes(&universe, 1);
    let record = outcomes[0].record.as_mut().unwrap();
    let at = record.columns.len() / 2;
    let ranges = record.columns.iter().flat_map(|column| [column.error, column.bound]);
    let peak = 2.0 * ranges.filter_map(|range| range.magnitude()).fold(0.0, f64::max);
    record.columns[at].error.take(peak);
    let page = paged(&universe, &outcomes);
    let path = page.split("class=\"error\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let points = path.split(['M', ' ', 'Z']).filter_map(|point| point.split_once(','));
    let heights: Vec<(f64, f64)> =
        points.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect();
    let top = heights.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert!((top.0 - 500.0).abs() < 1.0 && (0.0..200.0).contains(&top.1), "{top:?}");
    assert!(heights.len() >= 2 * outcomes[0].record.as_ref().unwrap().columns.len());
}

#[test]
fn the_largest_universe_stays_below_a_megabyte() {
    let mut scenario = universe().scenario;
    let entry = scenario.node[0].source[1].clone();
    let more = (0..61).map(|index| crate::sim::SourceEntry {
        name: Some(format!("source number {index} of a long name")),
        ..entry.clone()
    });
    scenario.node[0].source.extend(more);
    let universe = Universe::of(scenario).unwrap();
    let mut outcomes = outcomes(&universe, 1);
    // As restless as can be, under more seeds than a table shows.
    let record = outcomes[0].record.as_mut().unwrap();
    let column = record.columns[record.columns.len() - 1].clone();
    record.columns.resize(crate::sim::record::COLUMNS_MAX, column);
    for source in &mut record.sources {
        let restless = |index: usize| {
            let mut bits = crate::sim::Bits::default();
            bits.insert(index % 3);
            bits.insert(12 + index % 2);
            bits
        };
        source.verdicts = (0..record.columns.len()).map(restless).collect();
    }
    let many = Outcome { record: None, ..outcomes[0].clone() };
    outcomes.extend((0..1000).map(|_| many.clone()));
    let page = paged(&universe, &outcomes);
    elements(&page).unwrap();
    assert!(page.len() < 1_000_000, "{}", page.len());
}

#[test]
fn a_run_without_a_lock_or_a_record_is_a_page_too() {
    let mut scenario = universe().scenario;
    scenario.event.clear();
    scenario.leap = None;
    scenario.node[0].source.clear();
    scenario.duration = crate::time::Span(crate::time::Duration::from_seconds(700));
    let universe = Universe::of(scenario).unwrap();
    for keep in [Keep::Record, Keep::Figures] {
        let page = paged(&universe, &[run(&universe, 1, keep)]);
        elements(&page).unwrap();
        assert!(!page.contains("NaN") && !page.contains("inf"), "{keep:?}");
    }
    elements(&page(&[])).unwrap();
}

#[test]
fn every_class_that_is_drawn_has_a_colour() {
    let style = include_str!("style.css");
    let terms = crate::state::Term::ALL.map(|term| format!(".t-{} {{", term.name()));
    assert!(terms.iter().all(|class| style.contains(class)), "{terms:?}");
    let universe = universe();
    let page = paged(&universe, &outcomes(&universe, 1));
    for (name, attributes) in elements(&page).unwrap() {
        let is_shape = matches!(name, "path" | "rect" | "line" | "circle" | "text");
        let classes = attribute(attributes, "class").filter(|_| is_shape).unwrap_or_default();
        let known = |class: &str| {
            style.contains(&format!(".{class} ")) || style.contains(&format!(".{class},"))
        };
        let any = classes
            .split(' ')
            .any(|class| known(class) || style.contains(&format!("text.{class} ")));
        assert!(classes.is_empty() || any, "{classes}");
    }
}
