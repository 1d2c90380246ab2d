//! From an exchange to a sample: offset and delay of RFC 5905 §8, and what is known to be wrong.

use super::{Engine, Role};
use crate::clock::Clock;
use crate::event::EventKind;
use crate::sample::{Exchange, Reading, Refusal, Sample};
use crate::source::pairing::Paired;
use crate::state::{ErrorTerms, Term};
use crate::time::{Raw, Timestamp};

impl<C: Clock> Engine<C> {
    /// Takes in an exchange that ended at `back`.
    pub(super) fn exchange(
        &mut self,
        reading: &Reading,
        exchange: &Exchange,
        back: Timestamp<Raw>,
    ) {
        let out = self.clock.raw(exchange.sent);
        self.reach(reading, exchange.reach);
        let source = &mut self.sources[reading.source.index()];
        let Role::Server(plan) = source.plan.role else { return };
        let there = back - out;
        let delay = there - (exchange.transmitted - exchange.received);
        source.report.delay = delay.seconds();
        source.report.stratum = exchange.stratum;
        source.plan.stratum = exchange.stratum;
        if delay.seconds() > plan.delay_max {
            source.report.refused[Refusal::TooSlow as usize] += 1;
            let kind = EventKind::Refused(Refusal::TooSlow);
            self.tell(reading.stamp, Some(reading.source), kind);
            return;
        }
        let middle = out + there / 2;
        let served = exchange.received + (exchange.transmitted - exchange.received) / 2;
        let root = exchange.root_delay.seconds() / 2.0 + exchange.root_dispersion.seconds();
        let sample = Sample {
            source: reading.source,
            at: middle,
            offset: served.offset_from(middle) + source.plan.declared.offset,
            errors: ErrorTerms::NONE
                .with(Term::Path, delay.seconds() / 2.0)
                .with(Term::Server, root),
            leap: exchange.leap,
        };
        self.keep(Paired { sample: Some(sample), event: None }, reading);
    }

    /// Notes the register of a server's answers.
    pub(super) fn reach(&mut self, reading: &Reading, reach: u8) {
        let report = &mut self.sources[reading.source.index()].report;
        let was = report.reach != 0;
        report.reach = reach;
        if was != (reach != 0) {
            let kind = EventKind::Reach(reach != 0);
            self.tell(reading.stamp, Some(reading.source), kind);
        }
    }
}
