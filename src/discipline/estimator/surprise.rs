//! What samples that cannot be explained mean: a step or a jump of the oscillator, news of one
//! source, or an estimate that was wrong all along.

use super::bound::BOUND_FACTOR;
use super::{Estimator, Outcome};
use crate::discipline::evidence::{Evidence, GATE};
use crate::discipline::filter::{FREQUENCY_PRIOR, Filter};
use crate::discipline::server::Server;
use crate::discipline::suspects::{Kind, Shape, Suspect, Suspects};
use crate::sample::SourceId;
use crate::time::{Duration, Frequency, Raw, Timestamp};

impl Estimator {
    /// Keeps a sample aside that no live filter finds possible, and says what it shows.
    pub(super) fn suspect(
        &mut self,
        source: SourceId,
        at: Timestamp<Raw>,
        best: &Filter,
        evidence: Evidence<'_>,
    ) -> Outcome {
        let (distance, sigma, kind) = evidence.distance(best);
        let age = self.last_believed.map_or(1.0, |(last, _)| (at - last).seconds());
        let suspect = Suspect { at, distance, age: age.max(1e-3), sigma };
        let range = match kind {
            Kind::Clock => (distance - GATE * sigma, distance + GATE * sigma),
            Kind::Server => self.correctness_of(source, at).unwrap_or((0.0, 0.0)),
        };
        let suspects = &mut self.suspects[source.index()];
        let shape = suspects.take(suspect, kind);
        if kind == Kind::Clock
            && self.suspects[source.index()].agree()
            && self.is_refuted_by(source, range, best, at)
        {
            // The first clock beside servers: it knows better than any path.
            return self.take_over(source, at, distance, evidence);
        }
        if shape == Shape::Unclear {
            return Outcome::Rejected;
        }
        let (first, first_age) = self.suspects[source.index()].first().unwrap_or((at, 0.0));
        let believed_since =
            self.last_believed.is_some_and(|(last, who)| last >= first && who != source);
        let contradicted = believed_since && !self.is_refuted_by(source, range, best, at);
        if !contradicted && self.others_are_silent(source, first, at) {
            // They are asked at once; one alone is not believed against them.
            return Outcome::Rejected;
        }
        if contradicted {
            // What one tells while another is believed is news about that one.
            self.suspects[source.index()].clear();
            if let Some(server) = self.crowd.of(source) {
                server.shift = Default::default();
            }
            return Outcome::ServerStep(Duration::from_seconds_f64(-distance));
        }
        match shape {
            Shape::Unclear => Outcome::Rejected,
            Shape::Growing { slope } => {
                // It may have jumped anywhere in the wait before the first suspect.
                let unsure = first_age / 2.0;
                self.open_frequency(slope, unsure, at);
                self.weigh(source, at, evidence);
                Outcome::FrequencyJump(Frequency::new(slope))
            }
            Shape::Equal { mean } => {
                self.open_phase(mean, at);
                Outcome::PhaseStep(Duration::from_seconds_f64(mean))
            }
            Shape::Hopeless => {
                self.restart();
                Outcome::Restarted
            }
        }
    }

    /// The estimate's phase is opened for a clock, whose reading is then believed; its rate as far as
    /// that clock's readings have shown it to be wrong.
    fn take_over(
        &mut self,
        source: SourceId,
        at: Timestamp<Raw>,
        distance: f64,
        evidence: Evidence<'_>,
    ) -> Outcome {
        self.revision += 1;
        let growth = self.suspects[source.index()].growth();
        if let Some(bank) = &mut self.bank {
            bank.open(WIDELY * distance * distance, TWICE * growth * growth);
            self.crowd.estimate_moved(distance, source, &bank.best());
        }
        match self.weigh(source, at, evidence) {
            Outcome::Accepted => Outcome::Moved(Duration::from_seconds_f64(-distance)),
            outcome => outcome,
        }
    }

    /// Whether the estimate `best` is impossible if this source is right, which then lies in `range`
    /// about it, and no server that pulls says that this cannot be: a far one that finds the estimate
    /// possible is no witness against a near one.
    fn is_refuted_by(
        &self,
        source: SourceId,
        range: (f64, f64),
        best: &Filter,
        at: Timestamp<Raw>,
    ) -> bool {
        let (low, high) = range;
        let contradicts = |id| {
            id != source && self.correctness_of(id, at).is_some_and(|(a, b)| b < low || a > high)
        };
        let unsure = BOUND_FACTOR * libm::sqrt(best.a);
        !self.follows_a_clock(at)
            && (low > unsure || high < -unsure)
            && !self.crowd.pulls(at).any(|(id, _)| contradicts(id))
            && !self.is_outvoted(source, at, unsure)
    }

    /// Whether most of the servers in use, one as near as this among them, find the estimate possible
    /// within `unsure`, s: then it is more likely that this one is wrong.
    fn is_outvoted(&self, source: SourceId, at: Timestamp<Raw>, unsure: f64) -> bool {
        let Some(base) = self.crowd.find(source).map(Server::base) else { return false };
        let agrees = |id| {
            id != source
                && self.correctness_of(id, at).is_some_and(|(a, b)| a <= unsure && b >= -unsure)
        };
        let agreeing = || self.crowd.used(at).filter(|(id, _)| agrees(*id));
        2 * agreeing().count() > self.crowd.used(at).count()
            && agreeing().any(|(_, server)| server.base() < AS_NEAR * base)
    }

    /// How far the estimate is from all that a server can be right about, s. Its exchanges agree with
    /// one another over the time since the estimate was last fed, so the oscillator did nothing: what
    /// is wrong is the estimate.
    pub(super) fn impossible_by(
        &self,
        source: SourceId,
        at: Timestamp<Raw>,
        best: &Filter,
    ) -> Option<f64> {
        let range = self.correctness_of(source, at)?;
        let agrees = self.crowd.find(source)?.agrees_since();
        let lasting = self.last_believed.is_some_and(|(last, _)| agrees < last);
        let by = if range.0 > 0.0 { range.0 } else { range.1 };
        (lasting && self.is_refuted_by(source, range, best, at)).then_some(by)
    }

    /// The estimate goes where it can be right. What is wrong may have gathered since it last did.
    pub(super) fn move_by(&mut self, by: f64, source: SourceId, at: Timestamp<Raw>) {
        self.revision += 1;
        let last = self.last_move.replace(at).unwrap_or(self.started);
        if let Some(bank) = &mut self.bank {
            bank.open_gathered(by, (at - last).seconds().max(GATHERED_IN));
            self.crowd.estimate_moved(by, source, &bank.best());
        }
        self.suspects.iter_mut().for_each(Suspects::clear);
        self.last_believed = Some((at, source));
    }

    /// What two clocks may stand apart, or the ways to servers hide, is no doing of the oscillator:
    /// where the first reading of a new clock is odd, the estimate's phase is opened by it. The rate
    /// takes no part, unless it is only minutes old and came by the same ways.
    pub(super) fn allow_for_handing_over(
        &mut self,
        apart: f64,
        at: Timestamp<Raw>,
        evidence: Evidence<'_>,
    ) {
        let dt = (at - self.at).seconds();
        let Some(bank) = self.bank.as_mut().filter(|_| apart > 0.0) else { return };
        let predicted = bank.predicted(dt);
        let (distance, sigma, _) = evidence.distance(&predicted.best());
        if distance.abs() > sigma && distance.abs() <= apart + GATE * sigma {
            self.revision += 1;
            let age = (at - self.started).seconds().max(1.0);
            let young = self.led_by.is_none() && age < YOUNG;
            let rate = if young { distance / age } else { 0.0 };
            bank.open(WIDELY * distance * distance, WIDELY * rate * rate);
        }
    }

    /// Whether some other source steers and has said nothing since `first`, for a while.
    fn others_are_silent(
        &self,
        source: SourceId,
        first: Timestamp<Raw>,
        at: Timestamp<Raw>,
    ) -> bool {
        let speaks = |id: SourceId| self.suspects[id.index()].span().is_some_and(|s| s.1 >= first);
        (at - first).seconds() < WITNESS_WITHIN
            && self.crowd.pulls(at).any(|(id, _)| id != source && !speaks(id))
    }

    /// The rate changed since the last believed sample: all filters go back there and open it, and the
    /// phase for what it gained in `unsure` seconds more or less.
    fn open_frequency(&mut self, slope: f64, unsure: f64, now: Timestamp<Raw>) {
        let since = (now - self.at).seconds();
        let Some(bank) = &mut self.bank else { return };
        let mut best = bank.best();
        best.d += TWICE * slope * slope;
        best.a += (slope * unsure) * (slope * unsure);
        bank.restart(&best, since);
        self.begin_again(now, 2.0 * slope.abs() * since);
    }

    /// The phase stepped: all filters open it and keep their rate, unless this is the second step
    /// within an hour. Then a wrong rate may be what looks like steps.
    fn open_phase(&mut self, mean: f64, now: Timestamp<Raw>) {
        let again = self.last_step.is_some_and(|last| (now - last).seconds() < 3600.0);
        let dt = (now - self.at).seconds();
        let Some(bank) = &mut self.bank else { return };
        let mut best = bank.predicted(dt).best();
        best.a += TWICE * mean * mean;
        best.d += if again { FREQUENCY_PRIOR * FREQUENCY_PRIOR } else { STEP_FREQUENCY_VARIANCE };
        bank.restart(&best, 0.0);
        self.last_step = Some(now);
        self.begin_again(now, 2.0 * mean.abs());
    }

    /// The filters stand at `now` and were opened; `x` may have stepped by `by`, s.
    fn begin_again(&mut self, now: Timestamp<Raw>, by: f64) {
        self.revision += 1;
        self.ageing.interrupt();
        self.at = now;
        self.suspects.iter_mut().for_each(Suspects::clear);
        if let Some(bank) = &self.bank {
            self.crowd.restart(now, &bank.best(), by);
        }
    }

    /// The base was found too high by `2 × by`: the earlier intervals were too narrow.
    pub(super) fn open_for_base(&mut self, by: f64, at: Timestamp<Raw>) {
        let age = (at - self.started).seconds().max(1.0);
        self.revision += 1;
        if let Some(bank) = &mut self.bank {
            bank.open(by * by, by * by / (age * age));
        }
    }
}

/// Two sources that move the estimate one after the other contradict one another: less time than
/// this, s, is no time for a rate to gather anything.
const GATHERED_IN: f64 = 64.0;
/// So long, s, ways are in the rate learned from servers as well as in the phase.
const YOUNG: f64 = 300.0;
/// Variances that are opened for what was seen: twice or four times that, squared.
const TWICE: f64 = 4.0;
const WIDELY: f64 = 16.0;
/// After a step of phase the rate is a little less sure.
const STEP_FREQUENCY_VARIANCE: f64 = 1e-14;
/// Servers whose bases differ by less than this factor are equally near.
const AS_NEAR: f64 = 1.25;
/// Another source that has not answered quick polls by then is no witness, s.
const WITNESS_WITHIN: f64 = 10.0;

#[cfg(test)]
#[path = "surprise_tests.rs"]
mod tests;
