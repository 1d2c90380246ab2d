//! Which assumptions a universe breaks: a pure function of its values, written down before it runs.
//!
//! A sign is demanded only where the breach is far beyond what noise, path or declared errors hide;
//! the figures at the foot say how far. `docs/simulator.md` lists them.

use super::assumptions::{Assumption, Broken, Sign};
use super::happening::{Happening, What};
use super::scenario::{NodeEntry, SourceEntry};
use super::universe::{Asked, Deed, Universe, Way};
use super::{
    Announcement, Correction, Fault, Hostile, OscillatorPlan, Queueing, ReceiverKind, ReceiverRole,
    ServerPlan,
};
use crate::sample::SourceId;

/// What a universe breaks, in the order of its tables.
pub fn broken(universe: &Universe) -> Vec<Broken> {
    let mut found = Found { universe, broken: Vec::new() };
    for place in 0..universe.scenario.node.len() {
        found.node(place);
    }
    for server in 0..universe.scenario.server.len() {
        found.server(server);
    }
    found.links();
    for receiver in 0..universe.scenario.receiver.len() {
        found.receiver(receiver);
    }
    for (happening, deed) in universe.scenario.event.iter().zip(&universe.deeds) {
        found.event(happening, deed);
    }
    found.forgive_restarts();
    found.broken
}

struct Found<'u> {
    universe: &'u Universe,
    broken: Vec<Broken>,
}

impl Found<'_> {
    fn add(&mut self, assumption: Assumption, from: f64) -> &mut Broken {
        self.broken.push(Broken {
            assumption,
            from,
            node: None,
            signs: &[],
            about: Vec::new(),
            within: 0.0,
            told: None,
        });
        self.broken.last_mut().expect("just pushed")
    }

    fn node(&mut self, place: usize) {
        let entry = &self.universe.scenario.node[place];
        if !is_steady(&entry.oscillator) {
            self.add(Assumption::SteadyOscillator, 0.0);
        }
        let off = entry.oscillator.offset.abs();
        if entry.local.is_some_and(|local| local.uncertainty.seconds() < off) {
            self.add(Assumption::DeclaredErrors, 0.0);
        }
        self.majority(place, entry);
        let noon = self.universe.truth.smeared_from().filter(|_| entry.smear.is_some());
        if let Some(noon) = noon {
            // Who asks it is told another time than UTC, and not how far that is from it.
            let from = (noon - self.universe.scenario.start.0).seconds().max(0.0);
            self.add(Assumption::DeclaredErrors, from);
        }
    }

    /// Whether nobody is misled by sources that do not announce a leap second: every node has a table
    /// that does.
    fn knows_by_itself(&self, leap: Announcement) -> bool {
        let tells = |node: &NodeEntry| node.leaps.is_some();
        leap == Announcement::Silent && self.universe.scenario.node.iter().all(tells)
    }

    /// Servers that lie all the time, against the sources that tell the truth all the time. Whoever
    /// falls silent has no vote then; where some are trusted, only those have one.
    fn majority(&mut self, place: usize, entry: &NodeEntry) {
        let ways = &self.universe.ways[place];
        let trusts = entry.source.iter().any(|source| source.trust && !source.noselect);
        let votes = |source: &SourceEntry| !source.noselect && (source.trust || !trusts);
        let sources = entry.source.iter().zip(ways).filter(|(source, _)| votes(source));
        let voters: Vec<(&SourceEntry, Way)> =
            sources.map(|(source, way)| (source, *way)).filter(|(_, way)| is_voter(*way)).collect();
        let lies: Vec<f64> = voters.iter().map(|(_, way)| self.lie_of(*way)).collect();
        let liars = lies.iter().filter(|lie| **lie > 0.0).count();
        let honest = voters.iter().zip(&lies).filter(|(_, lie)| **lie == 0.0);
        let heard = |source: &SourceEntry, way| self.is_used(way, source) && self.tells(way);
        let telling = honest.filter(|((source, way), _)| heard(source, *way)).count();
        if liars == 0 || 2 * telling > lies.len() {
            return;
        }
        let plain = lies.iter().copied().fold(0.0, f64::max) > PLAIN + self.base_of(place);
        let within = SETTLED + POLLS * poll_of(entry);
        let broken = self.add(Assumption::HonestMajority, 0.0);
        broken.node = Some(place);
        if plain && telling > 0 {
            broken.signs = &[Sign::Disagreement];
            broken.within = within;
        }
    }

    /// How long from then on a node may be stopped or asleep before it can tell anything, s.
    fn halted(&self, node: usize, from: f64) -> f64 {
        self.halts(node, from).map(|(_, end)| end - from).fold(0.0, f64::max)
    }

    /// When a node is stopped or asleep, from then on or soon after.
    fn halts(&self, node: usize, from: f64) -> impl Iterator<Item = (f64, f64)> + '_ {
        let scenario = &self.universe.scenario;
        let events = scenario.event.iter().zip(&self.universe.deeds);
        events.filter_map(move |(event, deed)| {
            let stops = matches!(event.what, What::Stall | What::Suspend | What::Restart);
            let (at, end) = (event.at.seconds(), event.ends(scenario.duration.0).seconds());
            let halts = stops && deed.node == node && end > from && at <= from + SETTLED;
            halts.then_some((at, end))
        })
    }

    /// Whether a receiver names the seconds of its pulses all the time, rightly or not.
    fn speaks(&self, receiver: usize) -> bool {
        let scenario = &self.universe.scenario;
        let model = &scenario.receiver[receiver].model;
        let silenced = scenario.event.iter().zip(&self.universe.deeds).any(|(event, deed)| {
            let silent = match event.fault {
                Some(Fault::Outage | Fault::TextMissing | Fault::WeekRollover) => true,
                Some(Fault::MissedPulses(share)) => share > LOSSY,
                _ => false,
            };
            silent && deed.receiver == receiver
        });
        model.kind != ReceiverKind::Pulses && model.pulse_lost <= LOSSY && !silenced
    }

    /// The ways by which a node sees all the time what its oscillator does.
    fn sees(&self, node: usize) -> impl Iterator<Item = Way> + '_ {
        let sources = self.universe.scenario.node[node].source.iter();
        let ways = self.universe.ways[node].iter().zip(sources);
        let seen = ways.filter(|(way, source)| {
            is_voter(**way) && self.is_used(**way, source) && self.tells(**way)
        });
        seen.map(|(way, _)| *way)
    }

    /// Whether a node may follow a source, by its configuration: pulses need somebody to number them,
    /// and whose answers take too long is never heard.
    fn is_used(&self, way: Way, source: &SourceEntry) -> bool {
        let marks = |receiver: usize| {
            self.universe.scenario.receiver[receiver].model.kind == ReceiverKind::Marks
        };
        let numbered = match way {
            Way::Heard { receiver, role: ReceiverRole::Pulse } => {
                marks(receiver) || source.text.is_some()
            }
            Way::Heard { .. } => true,
            Way::Asked { link, .. } => {
                let most =
                    source.delay_max.map_or(super::plan::DELAY_MAX, crate::time::Span::seconds);
                self.trip_of(link) < most
            }
        };
        numbered && !source.noselect
    }

    /// How far a source is off beyond what it declares, s.
    fn lie_of(&self, way: Way) -> f64 {
        let Way::Asked { whom: Asked::Server(server), .. } = way else { return 0.0 };
        let model = &self.universe.scenario.server[server].model;
        (model.offset.abs() - declared(model)).max(0.0)
    }

    /// Whether a source can be heard all the time: another node knows the time at times only.
    fn tells(&self, way: Way) -> bool {
        let scenario = &self.universe.scenario;
        let events = || scenario.event.iter().zip(&self.universe.deeds);
        match way {
            Way::Asked { whom: Asked::Node(_), .. } => false,
            Way::Asked { whom: Asked::Server(server), link, .. } => {
                let entry = &scenario.link[link];
                let losses = [&entry.both, &entry.there, &entry.back].into_iter().flatten();
                let loss = losses.map(|path| path.loss).fold(0.0, f64::max);
                let silenced = events().any(|(event, deed)| match event.what {
                    What::ServerSilent | What::ServerHostile => deed.server == server,
                    What::Block => deed.lanes.iter().any(|(lane, _)| *lane == link),
                    What::Loss => {
                        let heavy = event.share.is_some_and(|share| share > LOSSY);
                        heavy && deed.lanes.iter().any(|(lane, _)| *lane == link)
                    }
                    _ => false,
                });
                let hostile = scenario.server[server].model.hostile != Hostile::None;
                loss <= LOSSY && !hostile && !silenced
            }
            Way::Heard { receiver, .. } => {
                let failed = events().any(|(event, deed)| {
                    event.what == What::ReceiverFault && deed.receiver == receiver
                });
                !failed && self.speaks(receiver)
            }
        }
    }

    /// Whether every node that hears a receiver sees something else that tells the time.
    fn is_contradicted(&self, receiver: usize) -> bool {
        let hears = |way: &Way| matches!(way, Way::Heard { receiver: r, .. } if *r == receiver);
        let mut hearers = (0..self.universe.ways.len())
            .filter(|node| self.universe.ways[*node].iter().any(hears));
        hearers.all(|node| self.sees(node).any(|way| !hears(&way)))
    }

    /// The longest base delay of a node's links, both ways.
    fn base_of(&self, place: usize) -> f64 {
        let trips = self.universe.ways[place].iter().filter_map(|way| match way {
            Way::Asked { link, .. } => Some(self.trip_of(*link)),
            Way::Heard { .. } => None,
        });
        trips.fold(0.0, f64::max)
    }

    /// The base delay of a link, both ways.
    fn trip_of(&self, link: usize) -> f64 {
        let link = &self.universe.scenario.link[link];
        let of = |own: &Option<super::PathPlan>| {
            own.as_ref().or(link.both.as_ref()).map_or(0.0, |path| path.base)
        };
        of(&link.there) + of(&link.back)
    }

    fn server(&mut self, server: usize) {
        let model = &self.universe.scenario.server[server].model;
        let duration = self.universe.scenario.duration.seconds();
        let mut error = SIGMAS * model.noise;
        error += model.wobble.map_or(0.0, |wobble| SIGMAS * wobble.sigma);
        error += model.sawtooth.map_or(0.0, |sawtooth| OVERSHOOT * sawtooth.amplitude);
        error += model.drift.map_or(0.0, |drift| drift.rate.abs() * (duration - drift.at).max(0.0));
        error += model.stamps.quantum;
        // A constant lie beyond what is declared is the majority's to find.
        let constant = model.offset.abs();
        error += if constant > declared(model) { 0.0 } else { constant };
        if error > declared(model) {
            self.add(Assumption::DeclaredErrors, model.drift.map_or(0.0, |drift| drift.at));
        }
        let leap = self.universe.scenario.leap.is_some();
        if self.knows_by_itself(model.leap) {
            return;
        }
        if leap && model.leap != Announcement::None || model.leap == Announcement::Delete {
            self.add(Assumption::AnnouncedLeaps, 0.0);
        }
        if !leap && model.leap == Announcement::Insert {
            self.add(Assumption::AnnouncedLeaps, 0.0);
        }
    }

    fn links(&mut self) {
        let correlated = |path: &super::PathPlan| {
            path.queueing.iter().any(|law| match law {
                Queueing::Correlated { .. } => true,
                Queueing::TwoPoint { probability, .. } => *probability > 0.5,
                _ => false,
            })
        };
        let mut links = self.universe.scenario.link.iter();
        let any = links.any(|link| {
            [&link.both, &link.there, &link.back].into_iter().flatten().any(correlated)
        });
        if any {
            self.add(Assumption::IndependentQueueing, 0.0);
        }
    }

    /// A receiver against what each node that listens declares of it.
    fn receiver(&mut self, receiver: usize) {
        let model = &self.universe.scenario.receiver[receiver].model;
        let late: f64 = model.late.iter().map(Queueing::mean).sum();
        let wave = model.wave.map_or(0.0, |wave| wave.amplitude);
        let tick = model.sawtooth.map_or(0.0, |sawtooth| sawtooth.amplitude);
        let declares = |(node, source): (&NodeEntry, &SourceEntry)| {
            // The first bounds hang on it: nothing is learned yet.
            let noise = source.noise.map_or(super::plan::PULSE_NOISE, crate::time::Span::seconds);
            source.uncertainty.seconds() >= late + wave
                && source.grain.seconds() >= tick
                && noise >= model.noise
                && source.quantization.seconds() >= node.stamps.quantum
                && node.reading.seconds() >= node.stamps.reading
        };
        let all_declare = self.listeners(receiver).all(declares);
        let right = model.correction != Correction::Reversed || tick == 0.0;
        let [_, longest] = model.text_delay;
        let numbers = model.text_wrong <= RARE && model.pulse_extra <= RARE && longest < TEXT_MAX;
        let near = model.outlier.is_none_or(|outlier| outlier.probability <= RARE);
        if !all_declare || !numbers || !right || !near {
            self.add(Assumption::HonestReceiver, 0.0);
        }
        if model.leap != Announcement::None && !self.knows_by_itself(model.leap) {
            self.add(Assumption::AnnouncedLeaps, 0.0);
        }
    }

    fn listeners(&self, receiver: usize) -> impl Iterator<Item = (&NodeEntry, &SourceEntry)> {
        let nodes = self.universe.scenario.node.iter().zip(&self.universe.ways);
        nodes.flat_map(move |(node, ways)| {
            node.source.iter().zip(ways).filter_map(move |(source, way)| match way {
                Way::Heard { receiver: heard, role: ReceiverRole::Pulse } if *heard == receiver => {
                    Some((node, source))
                }
                _ => None,
            })
        })
    }

    fn event(&mut self, happening: &Happening, deed: &Deed) {
        let from = happening.at.seconds();
        let by = happening.by.map_or(0.0, |span| span.seconds().abs());
        let ppm = happening.by_ppm.map_or(0.0, f64::abs);
        let scenario = &self.universe.scenario;
        let poll = scenario.node.get(deed.node).map_or(0.0, poll_of);
        let halted = self.halted(deed.node, from);
        let steered = scenario.node.get(deed.node).is_some_and(|node| node.steered);
        let haze = if steered { OWN_SLEW } else { 1.0 };
        match happening.what {
            What::StepClock => {
                // A tick that comes late compares long intervals.
                let late =
                    self.halts(deed.node, from).map(|(at, end)| end - at).fold(0.0, f64::max);
                let seen = SEEN_STEP * haze + SEEN_RATE * late;
                self.clock_moved(deed.node, from, by >= seen, halted);
            }
            What::SlewClock => {
                self.clock_moved(deed.node, from, ppm >= SEEN_SLEW_PPM * haze, halted);
            }
            What::Suspend => {
                let slept = happening.until.map_or(from, crate::time::Span::seconds);
                let broken = self.add(Assumption::Awake, from);
                broken.node = Some(deed.node);
                (broken.signs, broken.within) = (&[Sign::Disturbed], slept - from + NOTICED);
            }
            What::JumpOscillator => {
                let base = self.base_of(deed.node);
                let seen = self.sees(deed.node).next().is_some();
                let broken = self.add(Assumption::UnbrokenCount, from);
                broken.node = Some(deed.node);
                if seen && by >= PLAIN + base {
                    broken.signs = &[Sign::Unexplained, Sign::Disturbed, Sign::Disagreement];
                    broken.within = SETTLED + 2.0 * poll + halted;
                }
            }
            What::JumpFrequency => {
                // Within a second beyond its noise.
                let shows =
                    |receiver: usize| ppm * 1e-6 >= 5.0 * scenario.receiver[receiver].model.noise;
                let heard = self
                    .sees(deed.node)
                    .any(|way| matches!(way, Way::Heard { receiver, .. } if shows(receiver)));
                let broken = self.add(Assumption::SteadyOscillator, from);
                broken.node = Some(deed.node);
                if heard && ppm >= PLAIN_PPM {
                    broken.signs = &[Sign::FrequencyJump, Sign::Unexplained, Sign::Disturbed];
                    broken.within = SETTLED + halted;
                }
            }
            What::ServerStep | What::ServerLie => {
                // A step is there to stay.
                let end = match happening.what {
                    What::ServerStep => f64::INFINITY,
                    _ => happening.ends(scenario.duration.0).seconds(),
                };
                self.server_step(from, end - from, by, deed.server);
            }
            What::ServerDrift => {
                self.add(Assumption::DeclaredErrors, from);
            }
            What::ReceiverFault => self.fault(happening, from, deed.receiver),
            What::Stall
            | What::Restart
            | What::Block
            | What::Loss
            | What::RouteChange
            | What::ServerSilent
            | What::ServerHostile => {}
        }
    }

    /// What a process saw it cannot tell once it has ended, and what happens meanwhile it does not see.
    fn forgive_restarts(&mut self) {
        for index in 0..self.broken.len() {
            let Broken { node, from, within, .. } = self.broken[index];
            let all = 0..self.universe.scenario.node.len();
            let mut told_by = all.filter(|place| node.is_none_or(|node| node == *place));
            if told_by.any(|place| self.restarts(place, from, within)) {
                self.broken[index].signs = &[];
            }
        }
    }

    /// Whether a node's process ends within so many seconds, or starts only now.
    fn restarts(&self, node: usize, from: f64, within: f64) -> bool {
        let scenario = &self.universe.scenario;
        scenario.event.iter().zip(&self.universe.deeds).any(|(event, deed)| {
            let (at, end) = (event.at.seconds(), event.ends(scenario.duration.0).seconds());
            let about = from <= end + NOTICED && at <= from + within;
            event.what == What::Restart && deed.node == node && about
        })
    }

    /// Somebody else moves a node's clock. While the engine itself slews it, it sees the less.
    fn clock_moved(&mut self, node: usize, from: f64, plain: bool, halted: f64) {
        let broken = self.add(Assumption::ClockUntouched, from);
        broken.node = Some(node);
        if plain {
            (broken.signs, broken.within) = (&[Sign::Disturbed], NOTICED + halted);
        }
    }

    fn server_step(&mut self, from: f64, lasting: f64, by: f64, server: usize) {
        let scenario = &self.universe.scenario;
        if by <= declared(&scenario.server[server].model) {
            return;
        }
        let whom = Asked::Server(server);
        let asks = |way: &Way| matches!(way, Way::Asked { whom: w, .. } if *w == whom);
        let about = self.sources(|way, source| asks(way) && !source.noselect && self.tells(*way));
        let places = || about.iter().map(|(place, _)| *place);
        let poll = places().map(|p| poll_of(&scenario.node[p])).fold(0.0, f64::max);
        let base = places().map(|p| self.base_of(p)).fold(0.0, f64::max);
        let broken = self.add(Assumption::NoServerStep, from);
        // One that is over before anybody asks again is not seen.
        let plain = by - declared(&scenario.server[server].model) >= PLAIN + base;
        if plain && !about.is_empty() && lasting >= POLLS * poll {
            broken.signs = &[Sign::Disagreement, Sign::Unexplained, Sign::ServerNews];
            broken.within = SETTLED + POLLS * poll;
            broken.about = about;
        }
    }

    /// The sources of all nodes that are so.
    fn sources(&self, are: impl Fn(&Way, &SourceEntry) -> bool) -> Vec<(usize, SourceId)> {
        let nodes = self.universe.scenario.node.iter().zip(&self.universe.ways);
        let named = nodes.enumerate().flat_map(|(place, (node, ways))| {
            let sources = (0..).map(SourceId).zip(ways.iter().zip(&node.source));
            sources.map(move |(id, (way, source))| (place, id, way, source))
        });
        named
            .filter(|(.., way, source)| are(way, source))
            .map(|(place, id, ..)| (place, id))
            .collect()
    }

    fn fault(&mut self, happening: &Happening, from: f64, receiver: usize) {
        let way = Way::Heard { receiver, role: ReceiverRole::Pulse };
        let heard = self.listeners(receiver).any(|(_, source)| self.is_used(way, source));
        let heard = heard && self.speaks(receiver);
        let [_, longest] = self.universe.scenario.receiver[receiver].model.text_delay;
        let nodes = 0..self.universe.scenario.node.len();
        let halted = nodes.map(|node| self.halted(node, from)).fold(0.0, f64::max);
        // Nobody looks at what is over before the machine runs again.
        let end = happening.ends(self.universe.scenario.duration.0).seconds();
        let heard =
            heard && end > from + halted && (from >= SETTLED || self.is_contradicted(receiver));
        let about =
            self.sources(|way, _| matches!(way, Way::Heard { receiver: r, .. } if *r == receiver));
        let mut dishonest = |plain: bool| {
            let broken = self.add(Assumption::HonestReceiver, from);
            if plain && heard {
                broken.signs = &[
                    Sign::WrongSecond,
                    Sign::Unexplained,
                    Sign::Disagreement,
                    Sign::FrequencyJump,
                ];
                broken.within = SETTLED + halted;
                broken.about.clone_from(&about);
            }
        };
        match happening.fault {
            Some(Fault::Spoofed { by, over }) => dishonest(over == 0.0 && by.abs() >= PLAIN),
            Some(Fault::WrongSecond(by) | Fault::WrongUtcOffset(by)) => dishonest(by != 0),
            Some(Fault::WrongEdge(width)) => dishonest(width >= PLAIN),
            Some(Fault::WrongLeap(_)) => {
                self.add(Assumption::AnnouncedLeaps, from);
            }
            // A label that comes after the next pulse seems to name that one.
            Some(Fault::TextLate(by)) if longest + by >= TEXT_MAX => dishonest(false),
            // Pulses at any place of the second, one of which may be believed.
            Some(Fault::ExtraPulses(share)) if share > RARE => dishonest(false),
            _ => {}
        }
    }
}

/// Whether a source votes: text has its say in the pulses that it numbers, and little without them.
fn is_voter(way: Way) -> bool {
    !matches!(way, Way::Heard { role: ReceiverRole::Text, .. })
}

/// Whether a bank of filters for quartz of every kind explains it.
fn is_steady(oscillator: &OscillatorPlan) -> bool {
    let slope = oscillator.ramp.map_or(0.0, |ramp| ramp.by.abs() / ramp.over.max(1.0));
    let swing =
        oscillator.day.map_or(0.0, |day| day.amplitude * core::f64::consts::TAU / day.period);
    oscillator.frequency.abs() <= FREQUENCY_MAX
        && oscillator.wander.max(oscillator.white).max(oscillator.flicker) <= WANDER_MAX
        && slope.max(swing) <= SLOPE_SHARE * oscillator.wander
}

/// What a server says that it may be off by, s.
fn declared(model: &ServerPlan) -> f64 {
    model.root_dispersion + model.root_delay / 2.0
}

/// A node's longest interval between polls, s.
fn poll_of(node: &NodeEntry) -> f64 {
    let longest = |source: &SourceEntry| {
        let least = source.minpoll.unwrap_or(6);
        libm::exp2(f64::from(source.maxpoll.unwrap_or(10.max(least))))
    };
    let asked = node.source.iter().filter(|source| source.server.is_some());
    asked.map(longest).fold(0.0, f64::max)
}

/// Worst quartz: its rate and its noise per √s.
const FREQUENCY_MAX: f64 = 1e-4;
const WANDER_MAX: f64 = 1e-7;
/// How fast temperature may move a rate, 1/s, as a share of the wander: what a calm hour has taught
/// must still explain it when the sources are gone.
const SLOPE_SHARE: f64 = 0.15;
/// Of a normal error that is declared as a limit.
const SIGMAS: f64 = 4.0;
/// A clock that follows a server's slope overshoots where it turns, so the turning error has to be
/// declared so many times over.
const OVERSHOOT: f64 = 3.5;
/// Beyond any noise, s; paths come on top.
const PLAIN: f64 = 1e-2;
const PLAIN_PPM: f64 = 1.0;
/// A step or slew of the clock that the engine's second clock shows.
const SEEN_STEP: f64 = 1e-4;
const SEEN_SLEW_PPM: f64 = 100.0;
const SEEN_RATE: f64 = 4e-6;
/// So much larger where the engine itself may be slewing the clock at its limit.
const OWN_SLEW: f64 = 4.0;
/// By the next tick, s.
const NOTICED: f64 = 2.5;
/// Several samples of a receiver, or of quick polls, s.
const SETTLED: f64 = 120.0;
/// Polls until a vote has changed.
const POLLS: f64 = 8.0;
/// A share of wrong text or extra pulses that numbering lives with.
const RARE: f64 = 0.05;
/// With this share of packets lost a source is heard several times in eight polls.
const LOSSY: f64 = 0.5;
/// Text names the latest second if it comes within this, s.
const TEXT_MAX: f64 = 0.95;
