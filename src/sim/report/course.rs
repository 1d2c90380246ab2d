//! A run's axis of time: where columns lie, when judging begins, and what the scenario does when.

use super::frame::{self, Frame, Mark, Tick};
use super::svg::escaped;
use super::units;
use crate::sim::{Happening, Range, Record, Universe, What};

/// What the plots over time share.
#[derive(Debug)]
pub struct Course<'r> {
    /// What it is a course of.
    pub record: &'r Record,
    /// Prefix of identifiers on the page.
    pub id: &'r str,
    marks: Vec<Mark>,
    legend: Vec<String>,
    ticks: Vec<Tick>,
    duration: f64,
    settle: f64,
}

impl<'r> Course<'r> {
    /// Of this run.
    pub fn new(universe: &Universe, record: &'r Record, id: &'r str) -> Self {
        let scenario = &universe.scenario;
        let duration = scenario.duration.seconds();
        let mut happenings: Vec<(f64, f64, String)> = Vec::new();
        for event in &scenario.event {
            let ends = event.ends(scenario.duration.0).seconds();
            happenings.push((event.at.seconds(), ends, described(event)));
        }
        if let Some(at) = universe.truth.leaps_at() {
            let at = (at - scenario.start.0).seconds();
            let deleted = scenario.leap.is_some_and(|leap| leap.deleted);
            let what = if deleted { "deleted" } else { "inserted" };
            happenings.push((at, at, format!("leap second {what}")));
        }
        happenings.retain(|(from, ..)| (0.0..=duration).contains(from));
        happenings.sort_by(|a, b| a.0.total_cmp(&b.0));
        let named = |(index, (from, to, what)): (usize, &(f64, f64, String))| {
            let when = match to > from {
                true => format!("{} to {}", units::span(*from), units::span(*to)),
                false => units::span(*from),
            };
            (index + 1, *from, *to, format!("{when}: {what}"))
        };
        let named: Vec<_> = happenings.iter().enumerate().map(named).take(MARKS_MAX).collect();
        let mark = |(number, from, to, title): &(usize, f64, f64, String)| Mark {
            from: from / duration,
            to: to / duration,
            name: number.to_string(),
            title: title.clone(),
        };
        Self {
            record,
            id,
            marks: named.iter().map(mark).collect(),
            legend: named.into_iter().map(|(.., title)| title).collect(),
            ticks: frame::time(duration),
            duration,
            settle: scenario.settle().seconds(),
        }
    }

    /// Columns with the middle of their span, 0 to 1.
    pub fn columns<T>(&self, of: impl Fn(usize) -> T) -> Vec<(f64, T)> {
        let count = self.record.columns.len();
        (0..count).map(|index| (self.place(index, 0.5), of(index))).collect()
    }

    /// Where a column begins, 0 to 1, or a share of it later.
    pub fn place(&self, column: usize, share: f64) -> f64 {
        ((column as f64 + share) * self.record.step / self.duration).min(1.0)
    }

    /// The place from which on the run is judged.
    pub fn settled(&self) -> f64 {
        self.settle / self.duration
    }

    /// All of a quantity from the settling on; of the whole run if nothing was seen since.
    pub fn range(&self, of: impl Fn(usize) -> Range) -> Range {
        let (mut all, mut judged) = (Range::NONE, Range::NONE);
        for (place, range) in self.columns(of) {
            all.join(range);
            if place >= self.settled() {
                judged.join(range);
            }
        }
        if judged.is_empty() { all } else { judged }
    }

    /// A frame over time.
    pub fn frame<'f>(&'f self, id: &str, title: &'f str, height: u32, words: String) -> Frame<'f> {
        Frame {
            id: format!("{}-{id}", self.id),
            title,
            words,
            height,
            x: self.ticks.clone(),
            y: Vec::new(),
            marks: &self.marks,
            settled: self.settled(),
        }
    }

    /// The numbered events as a list, empty if nothing happens.
    pub fn events(&self) -> String {
        if self.legend.is_empty() {
            return String::new();
        }
        let item = |title: &String| format!("<li>{}</li>", escaped(title));
        let items: String = self.legend.iter().map(item).collect();
        format!("<ol class=\"events\" aria-label=\"What happens\">{items}</ol>\n")
    }
}

/// An event in words: what, to whom, how much.
fn described(event: &Happening) -> String {
    let mut words = vec![named(event.what).to_owned()];
    let whom = [&event.node, &event.server, &event.receiver];
    words.extend(whom.into_iter().flatten().map(|name| format!("of {name}")));
    let ends = [("from", &event.from), ("to", &event.to)];
    words.extend(
        ends.into_iter().filter_map(|(word, name)| Some(format!("{word} {}", name.as_ref()?))),
    );
    if let Some(direction) = event.direction {
        words.push(format!("({})", format!("{direction:?}").to_lowercase()));
    }
    if let Some(by) = event.by {
        words.push(format!("by {}", units::seconds(by.seconds())));
    }
    if let Some(ppm) = event.by_ppm {
        words.push(format!("by {}", units::rate(ppm * 1e-6)));
    }
    if let Some(share) = event.share {
        words.push(units::percent(share));
    }
    if let Some(hostile) = event.hostile {
        words.push(format!("{hostile:?}"));
    }
    if let Some(fault) = event.fault {
        words.push(format!("{fault:?}"));
    }
    words.join(" ")
}

const fn named(what: What) -> &'static str {
    match what {
        What::StepClock => "somebody steps the clock",
        What::SlewClock => "somebody slews the clock",
        What::JumpOscillator => "jump of the oscillator's count",
        What::JumpFrequency => "jump of the oscillator's rate",
        What::Stall => "the process is stopped",
        What::Restart => "the daemon starts anew",
        What::Suspend => "the machine sleeps",
        What::Block => "no packet passes",
        What::Loss => "packets are lost",
        What::RouteChange => "the route changes",
        What::ServerStep => "step of the clock",
        What::ServerLie => "a lie",
        What::ServerSilent => "silence",
        What::ServerDrift => "drift of the clock",
        What::ServerHostile => "hostile answers",
        What::ReceiverFault => "fault",
    }
}

/// More are a blur.
const MARKS_MAX: usize = 99;
