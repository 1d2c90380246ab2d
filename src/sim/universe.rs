//! A scenario whose names are resolved and whose values make sense: what a world is made from.
//!
//! Everything that cannot be is told at once, each with the path of the key that is at fault, so
//! that whoever read a file can say on which line. A link joins two names whichever way it was
//! written; two nodes that ask one another share it.

use core::fmt;

use super::happening::Direction;
use super::scenario::{Leaping, LinkEntry, NodeEntry, ReceiverRole, Scenario, SourceEntry};
use super::truth::{Leap, Truth};
use crate::sample::SourceId;
use crate::time::{Date, Duration, LeapTable, Span};

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub struct Universe {
    /// As it was written.
    pub scenario: Scenario,
    /// The node that is judged.
    pub(super) judge: usize,
    pub(super) truth: Truth,
    /// For each node the ways to its sources, in their order.
    pub(super) ways: Vec<Vec<Way>>,
    /// What happens, in the order of the scenario.
    pub(super) deeds: Vec<Deed>,
}

/// Something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key at fault, such as `node[0].source[1].server`.
    pub path: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Mistake {
    /// Of this key.
    pub(super) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }

    /// The same, where its path begins at this key of something larger.
    pub(super) fn under(self, key: &str) -> Self {
        Self { path: format!("{key}.{}", self.path), ..self }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// Where a source's readings come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Asked over a link; `reversed` if that was written from the other end.
    Asked { whom: Asked, link: usize, reversed: bool },
    /// Heard beside the machine.
    Heard { receiver: usize, role: ReceiverRole },
}

/// Who is asked for the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Server(usize),
    Node(usize),
}

/// Whom an event happens to, by their places in the scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deed {
    pub node: usize,
    pub server: usize,
    pub receiver: usize,
    /// Ways of links: the link, and whether it is the way as it was written.
    pub lanes: Vec<(usize, bool)>,
}

impl Universe {
    /// Resolves the names of a scenario.
    ///
    /// # Errors
    /// Everything that cannot be.
    pub fn of(scenario: Scenario) -> Result<Self, Vec<Mistake>> {
        let mut check = Check { scenario: &scenario, mistakes: Vec::new() };
        check.values();
        check.names();
        let judge = check.judge();
        let leap = check.leap();
        let ways = (0..scenario.node.len()).map(|node| check.ways(node)).collect();
        let deeds = (0..scenario.event.len()).map(|event| check.deed(event)).collect();
        check.expectations(judge);
        if !check.mistakes.is_empty() {
            return Err(check.mistakes);
        }
        Ok(Self { judge, truth: Truth::new(leap), ways, deeds, scenario })
    }

    /// Whether a node asks one that smears leap seconds, and so never hears of one.
    pub(super) fn is_told_smeared_time(&self, node: usize) -> bool {
        let smears = |way: &Way| match *way {
            Way::Asked { whom: Asked::Node(other), .. } => {
                self.scenario.node[other].smear.is_some()
            }
            _ => false,
        };
        self.ways[node].iter().any(smears)
    }

    /// The node that is judged.
    pub(super) fn judged(&self) -> &NodeEntry {
        &self.scenario.node[self.judge]
    }
}

/// What verdicts and events call a source.
pub(super) fn name_of(source: &SourceEntry) -> &str {
    let named = [&source.name, &source.server, &source.receiver];
    named.into_iter().flatten().next().map_or("", String::as_str)
}

struct Check<'s> {
    scenario: &'s Scenario,
    mistakes: Vec<Mistake>,
}

impl<'s> Check<'s> {
    fn mistake(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.mistakes.push(Mistake::new(path, reason));
    }

    fn values(&mut self) {
        let scenario = self.scenario;
        let longest = Duration::from_seconds(DURATION_MAX);
        if scenario.duration.0 < Duration::SECOND || scenario.duration.0 > longest {
            self.mistake("duration", "is out of range; a second to ten years");
        }
        let judged = |settle: Span| settle.0 >= Duration::ZERO && settle.0 < scenario.duration.0;
        if scenario.settle.is_some_and(|settle| !judged(settle)) {
            self.mistake("settle", "leaves nothing to judge; between 0 and `duration`");
        }
        if scenario.node.is_empty() {
            self.mistake("node", "there is no [[node]]; a universe needs one");
        }
        for (count, key) in [
            (scenario.node.len(), "node"),
            (scenario.server.len(), "server"),
            (scenario.receiver.len(), "receiver"),
        ] {
            if count > MEMBERS_MAX {
                self.mistake(key, format!("is there {count} times; at most {MEMBERS_MAX}"));
            }
        }
        for (index, event) in scenario.event.iter().enumerate() {
            event.check(index, scenario.duration.0, &mut self.mistakes);
        }
        for (index, link) in scenario.link.iter().enumerate() {
            self.ends(index, link);
            let ways = (link.there.is_some() || link.both.is_some())
                && (link.back.is_some() || link.both.is_some());
            if !ways {
                let path = format!("link[{index}]");
                self.mistake(path, "has no way there or back; say `both`, or `there` and `back`");
            }
        }
        for (index, node) in scenario.node.iter().enumerate() {
            self.node(index, node);
        }
        self.models();
    }

    /// Each model knows its own ranges.
    fn models(&mut self) {
        let scenario = self.scenario;
        for (index, node) in scenario.node.iter().enumerate() {
            self.model(&format!("node[{index}].oscillator"), node.oscillator.check());
            self.model(&format!("node[{index}].stamps"), node.stamps.check());
        }
        for (index, server) in scenario.server.iter().enumerate() {
            self.model(&format!("server[{index}].model"), server.model.check());
            if let Some(name) = &server.model.follows {
                self.found(&format!("server[{index}].model.follows"), name, "node", &self.nodes());
            }
        }
        for (index, receiver) in scenario.receiver.iter().enumerate() {
            self.model(&format!("receiver[{index}].model"), receiver.model.check());
        }
        for (index, link) in scenario.link.iter().enumerate() {
            for (key, path) in [("both", &link.both), ("there", &link.there), ("back", &link.back)]
            {
                if let Some(path) = path {
                    self.model(&format!("link[{index}].{key}"), path.check());
                }
            }
        }
        for (index, event) in scenario.event.iter().enumerate() {
            if let Some(fault) = &event.fault {
                self.model(&format!("event[{index}].fault"), fault.check());
            }
        }
    }

    fn model(&mut self, path: &str, checked: Result<(), Mistake>) {
        self.mistakes.extend(checked.err().map(|mistake| mistake.under(path)));
    }

    fn node(&mut self, index: usize, node: &NodeEntry) {
        let path = |key: &str| format!("node[{index}].{key}");
        if node.slew_limit_ppm.is_some_and(|ppm| !(1.0..=SLEW_MAX_PPM).contains(&ppm)) {
            self.mistake(
                path("slew_limit_ppm"),
                format!("is out of range; 1 to {SLEW_MAX_PPM} ppm"),
            );
        }
        for (key, span) in [
            ("step_threshold", node.step_threshold),
            ("panic", node.panic),
            ("holdover_limit", node.holdover_limit),
        ] {
            if span.is_some_and(|span| span.0 <= Duration::ZERO) {
                self.mistake(path(key), "is out of range; more than nothing");
            }
        }
        if let Some(text) = &node.leaps
            && let Err(error) = LeapTable::read(text.as_bytes())
        {
            self.mistake(path("leaps"), format!("is no table of leap seconds: {error}"));
        }
        if node.smear.is_some() && matches!(node.leap_mode, Leaping::Slew | Leaping::Ignore) {
            let reason = "needs a clock that counts leap seconds: leap_mode \"kernel\" or \"step\"";
            self.mistake(path("smear"), reason);
        }
        if node.reading.0.is_negative() {
            self.mistake(path("reading"), "is out of range; it cannot be negative");
        }
        if let Some(local) = &node.local {
            if !(1..=15).contains(&local.stratum) {
                self.mistake(path("local.stratum"), "is out of range; 1 to 15");
            }
            for (key, span) in [("uncertainty", local.uncertainty), ("wait", local.wait)] {
                if span.0.is_negative() {
                    let path = path(&format!("local.{key}"));
                    self.mistake(path, "is out of range; it cannot be negative");
                }
            }
        }
        if node.source.len() > SourceId::COUNT_MAX {
            let (count, most) = (node.source.len(), SourceId::COUNT_MAX);
            self.mistake(path("source"), format!("is there {count} times; at most {most}"));
        }
        for (at, source) in node.source.iter().enumerate() {
            self.source(&format!("node[{index}].source[{at}]"), source);
        }
    }

    fn source(&mut self, path: &str, source: &SourceEntry) {
        if source.name.as_ref().is_some_and(|name| !is_name(name)) {
            self.mistake(format!("{path}.name"), format!("a name has 1 to {NAME_MAX} characters"));
        }
        let polls = -6..=17;
        let (least, most) = (source.minpoll.unwrap_or(6), source.maxpoll.unwrap_or(10));
        for (key, poll) in [("minpoll", source.minpoll), ("maxpoll", source.maxpoll)] {
            if poll.is_some_and(|poll| !polls.contains(&poll)) {
                self.mistake(format!("{path}.{key}"), "is out of range; log2 of seconds, -6 to 17");
            }
        }
        // A lone minpoll above the default takes the longest interval along.
        if source.maxpoll.is_some() && least > most {
            self.mistake(format!("{path}.maxpoll"), "is below `minpoll`, which is 6 unless said");
        }
        if source.version.is_some_and(|version| !(1..=4).contains(&version)) {
            self.mistake(format!("{path}.version"), "is out of range; 1 to 4");
        }
        for (key, span) in [
            ("uncertainty", source.uncertainty),
            ("quantization", source.quantization),
            ("grain", source.grain),
            ("grain_corrected", source.grain_corrected),
        ] {
            if span.0.is_negative() {
                self.mistake(format!("{path}.{key}"), "is out of range; it cannot be negative");
            }
        }
        for (key, span) in [
            ("delay_max", source.delay_max),
            ("noise", source.noise),
            ("distance_max", source.distance_max),
        ] {
            if span.is_some_and(|span| span.0 <= Duration::ZERO) {
                self.mistake(format!("{path}.{key}"), "is out of range; more than nothing");
            }
        }
    }

    /// Names are there, and each names one thing.
    fn names(&mut self) {
        let scenario = self.scenario;
        let nodes = scenario.node.iter().enumerate().map(|(i, n)| (format!("node[{i}]"), &n.name));
        let servers =
            scenario.server.iter().enumerate().map(|(i, s)| (format!("server[{i}]"), &s.name));
        let receivers =
            scenario.receiver.iter().enumerate().map(|(i, r)| (format!("receiver[{i}]"), &r.name));
        let all: Vec<(String, &String)> = nodes.chain(servers).chain(receivers).collect();
        for (index, (path, name)) in all.iter().enumerate() {
            let path = format!("{path}.name");
            if !is_name(name) {
                self.mistake(path, format!("a name has 1 to {NAME_MAX} characters"));
            } else if all[..index].iter().any(|(_, other)| other == name) {
                self.mistake(path, format!("\"{name}\" is the name of another; names are unique"));
            }
        }
        if scenario.name.is_empty() || scenario.name.chars().any(char::is_control) {
            self.mistake("name", "is empty or holds control characters; reports need a name");
        }
    }

    fn judge(&mut self) -> usize {
        let Some(name) = &self.scenario.judge else { return 0 };
        self.found("judge", name, "node", &self.nodes())
    }

    fn leap(&mut self) -> Option<Leap> {
        let entry = self.scenario.leap?;
        let before = entry.before.0;
        let days = before.seconds().div_euclid(86_400);
        let is_midnight = before.units() == Duration::from_seconds(days * 86_400).units();
        if !is_midnight || Date::of_unix_days(days).day() != 1 {
            self.mistake(
                "leap.before",
                "leap seconds come before midnight of the first of a month",
            );
        }
        Some(Leap { before, deleted: entry.deleted })
    }

    fn ways(&mut self, node: usize) -> Vec<Way> {
        let scenario = self.scenario;
        let entry = &scenario.node[node];
        let mut ways = Vec::with_capacity(entry.source.len());
        for (index, source) in entry.source.iter().enumerate() {
            let path = format!("node[{node}].source[{index}]");
            let twice = |other: &SourceEntry| name_of(other) == name_of(source);
            if entry.source[..index].iter().any(twice) {
                let keys = [("name", &source.name), ("server", &source.server)];
                let key = keys.iter().find(|(_, name)| name.is_some()).map_or("receiver", |k| k.0);
                let reason =
                    format!("\"{}\" is another source; give each its `name`", name_of(source));
                self.mistake(format!("{path}.{key}"), reason);
            }
            ways.push(match (&source.server, &source.receiver) {
                (Some(server), None) => self.asked(node, &path, server),
                (None, Some(receiver)) => self.heard(node, &path, source, receiver),
                _ => {
                    self.mistake(path, "names one of `server` and `receiver`, not both or neither");
                    Way::Heard { receiver: 0, role: ReceiverRole::Pulse }
                }
            });
        }
        ways
    }

    fn asked(&mut self, node: usize, path: &str, name: &String) -> Way {
        let scenario = self.scenario;
        let from = &scenario.node[node].name;
        let server = scenario.server.iter().position(|server| server.name == *name);
        let other = scenario.node.iter().position(|other| other.name == *name);
        let path = format!("{path}.server");
        let whom = match (server, other) {
            (Some(server), _) => Asked::Server(server),
            (None, Some(other)) if other == node => {
                self.mistake(path.clone(), "a node cannot ask itself");
                Asked::Node(other)
            }
            (None, Some(other)) => Asked::Node(other),
            (None, None) => {
                let known = [self.servers(), self.nodes()].concat();
                self.found(&path, name, "server or node", &known);
                Asked::Node(0)
            }
        };
        let mut links = scenario.link.iter().enumerate();
        let joined = links.find_map(|(index, link)| {
            let forward = link.from == *from && link.to == *name;
            let backward = link.from == *name && link.to == *from;
            (forward || backward).then_some((index, !forward))
        });
        let known = server.is_some() || other.is_some();
        if joined.is_none() && known && other != Some(node) {
            let reason = format!("no [[link]] joins \"{from}\" and \"{name}\"; it needs one");
            self.mistake(path, reason);
        }
        let (link, reversed) = joined.unwrap_or_default();
        Way::Asked { whom, link, reversed }
    }

    fn heard(&mut self, node: usize, path: &str, source: &SourceEntry, name: &str) -> Way {
        let receiver = self.found(&format!("{path}.receiver"), name, "receiver", &self.receivers());
        if let Some(text) = &source.text {
            let sources = &self.scenario.node[node].source;
            let is_text =
                |s: &SourceEntry| name_of(s) == text && s.role == Some(ReceiverRole::Text);
            if !sources.iter().any(is_text) {
                let texts = sources.iter().filter(|s| s.role == Some(ReceiverRole::Text));
                let known = known(&texts.map(name_of).collect::<Vec<_>>());
                let reason =
                    format!("no source \"{text}\" of this node has role = \"text\"; {known}");
                self.mistake(format!("{path}.text"), reason);
            }
        }
        Way::Heard { receiver, role: source.role.unwrap_or(ReceiverRole::Pulse) }
    }

    fn deed(&mut self, index: usize) -> Deed {
        let scenario = self.scenario;
        let event = &scenario.event[index];
        let path = |key: &str| format!("event[{index}].{key}");
        let mut deed = Deed::default();
        if let Some(name) = &event.node {
            deed.node = self.found(&path("node"), name, "node", &self.nodes());
        }
        if let Some(name) = &event.server {
            deed.server = self.found(&path("server"), name, "server", &self.servers());
        }
        if let Some(name) = &event.receiver {
            deed.receiver = self.found(&path("receiver"), name, "receiver", &self.receivers());
        }
        let ends = [&event.from, &event.to];
        for (link, entry) in scenario.link.iter().enumerate() {
            let named = |end: &Option<String>, name| end.as_ref().is_none_or(|end| end == name);
            let forward = named(ends[0], &entry.from) && named(ends[1], &entry.to);
            let backward = named(ends[0], &entry.to) && named(ends[1], &entry.from);
            if forward || backward {
                let direction = event.direction.unwrap_or_default();
                if direction != Direction::Back {
                    deed.lanes.push((link, forward));
                }
                if direction != Direction::There {
                    deed.lanes.push((link, !forward));
                }
            }
        }
        if deed.lanes.is_empty() && ends.iter().any(|end| end.is_some()) {
            let links = scenario.link.iter().map(|link| format!("{} to {}", link.from, link.to));
            let links: Vec<String> = links.collect();
            let known = known(&links.iter().map(String::as_str).collect::<Vec<_>>());
            let key = if event.to.is_some() { "to" } else { "from" };
            self.mistake(path(key), format!("no [[link]] is meant by this; {known}"));
        }
        deed
    }

    fn expectations(&mut self, judge: usize) {
        self.limits();
        let Some(node) = self.scenario.node.get(judge) else { return };
        for (name, verdicts) in &self.scenario.expect.verdict {
            let path = format!("expect.verdict.{name}");
            if !node.source.iter().any(|source| name_of(source) == name) {
                let known = known(&node.source.iter().map(name_of).collect::<Vec<_>>());
                let reason = format!("\"{}\" has no such source; {known}", node.name);
                self.mistake(path.clone(), reason);
            }
            for verdict in verdicts.split('|').map(str::trim) {
                let known = crate::mitigation::Verdict::ALL.iter().any(|v| v.name() == verdict);
                if !known {
                    let names: Vec<&str> =
                        crate::mitigation::Verdict::ALL.iter().map(|v| v.name()).collect();
                    let reason =
                        format!("\"{verdict}\" is no verdict; one of {}", names.join(", "));
                    self.mistake(path.clone(), reason);
                }
            }
        }
        for (name, count) in &self.scenario.expect.events {
            if let Err(mistake) = count.check(name) {
                self.mistakes.push(mistake.under("expect.events"));
            }
        }
    }

    /// A limit that nothing can keep, or whose figure has no value here, would fail after the run.
    fn limits(&mut self) {
        let expect = &self.scenario.expect;
        let spans = [
            ("rms", expect.rms),
            ("p99", expect.p99),
            ("max", expect.max),
            ("seconds_to_lock", expect.seconds_to_lock),
            ("event_max", expect.event_max),
            ("recovery", expect.recovery),
        ];
        let ratios = [
            ("tightness", expect.tightness),
            ("tightness_without_path", expect.tightness_without_path),
            ("rms_vs_kalman", expect.rms_vs_kalman),
            ("rms_vs_plain", expect.rms_vs_plain),
            ("requests_per_day", expect.requests_per_day),
        ];
        let spans = spans.into_iter().map(|(key, span)| (key, span.map(|s| s.seconds())));
        let wrong: Vec<&str> = spans
            .chain(ratios)
            .filter(|(_, limit)| limit.is_some_and(|limit| limit < 0.0 || limit.is_nan()))
            .map(|(key, _)| key)
            .collect();
        let share = expect.coverage.is_none_or(|share| (0.0..=1.0).contains(&share));
        let of_events =
            [("event_max", expect.event_max.is_some()), ("recovery", expect.recovery.is_some())];
        for key in wrong {
            self.mistake(format!("expect.{key}"), "is out of range; 0 and more");
        }
        if !share {
            self.mistake("expect.coverage", "is out of range; 0 to 1");
        }
        for (key, _) in of_events.iter().filter(|(_, is_there)| *is_there) {
            if self.scenario.event.is_empty() {
                self.mistake(format!("expect.{key}"), "needs an [[event]], and there is none");
            }
        }
    }

    /// A link joins a node and whom it asks.
    fn ends(&mut self, index: usize, link: &LinkEntry) {
        let (nodes, known) = (self.nodes(), [self.servers(), self.nodes()].concat());
        for (key, name) in [("from", &link.from), ("to", &link.to)] {
            self.found(&format!("link[{index}].{key}"), name, "server or node", &known);
        }
        let asks = [&link.from, &link.to].into_iter().any(|end| nodes.contains(&end.as_str()));
        if !asks && known.contains(&link.from.as_str()) && known.contains(&link.to.as_str()) {
            let reason = "joins two servers, of which none asks; one end is a node";
            self.mistake(format!("link[{index}].from"), reason);
        }
    }

    fn nodes(&self) -> Vec<&'s str> {
        self.scenario.node.iter().map(|node| node.name.as_str()).collect()
    }

    fn servers(&self) -> Vec<&'s str> {
        self.scenario.server.iter().map(|server| server.name.as_str()).collect()
    }

    fn receivers(&self) -> Vec<&'s str> {
        self.scenario.receiver.iter().map(|receiver| receiver.name.as_str()).collect()
    }

    /// The place of a name among these, or a fault and the first place.
    fn found(&mut self, path: &str, name: &str, what: &str, names: &[&str]) -> usize {
        let place = names.iter().position(|known| *known == name);
        if place.is_none() {
            self.mistake(path, format!("no {what} is named \"{name}\"; {}", known(names)));
        }
        place.unwrap_or(0)
    }
}

/// What a name could have been.
fn known(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "there is none".to_owned(),
        count if count > NAMES_SHOWN => {
            format!("there is {shown} and {} more", count - NAMES_SHOWN)
        }
        _ => format!("there is {shown}"),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX && !name.chars().any(char::is_control)
}

/// Ten years.
const DURATION_MAX: i64 = 10 * 31_556_952;
/// Nodes, servers and receivers each.
const MEMBERS_MAX: usize = 250;
const NAME_MAX: usize = 32;
/// Names that a mistake lists.
const NAMES_SHOWN: usize = 8;
/// What the servo allows: one second in twelve.
const SLEW_MAX_PPM: f64 = 83_333.0;
