//! From an exchange to a sample: offset and delay of RFC 5905 §8, and what is known to be wrong.

use super::{Engine, Role};
use crate::clock::Clock;
use crate::event::EventKind;
use crate::sample::{Exchange, Reading, Refusal, Sample, Ways};
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
        self.reach(reading, exchange.reach);
        let out = self.clock.raw(exchange.sent);
        let source = &mut self.sources[reading.source.index()];
        let Role::Server(plan) = source.plan.role else { return };
        let ways = Ways {
            there: exchange.received.offset_from(out),
            back: -exchange.transmitted.offset_from(back),
        };
        let delay = (ways.there + ways.back).seconds();
        let refusal = if exchange.sent < self.void_before || delay <= 0.0 {
            // Its stamps are of two clocks: somebody set this one, or the server's, in between.
            Some(Refusal::Stale)
        } else {
            (delay > plan.delay_max).then_some(Refusal::TooSlow)
        };
        if let Some(refusal) = refusal {
            source.report.refused[refusal as usize] += 1;
            self.tell(reading.stamp, Some(reading.source), EventKind::Refused(refusal));
            return;
        }
        source.report.delay = delay;
        source.report.stratum = exchange.stratum;
        source.root_delay = exchange.root_delay;
        let declared = &source.plan.declared;
        let root = exchange.root_delay.seconds() / 2.0 + exchange.root_dispersion.seconds();
        let offset = (ways.there - ways.back) / 2 + declared.offset;
        let sample = Sample {
            source: reading.source,
            at: out + (back - out) / 2,
            offset,
            errors: ErrorTerms::NONE
                .with(Term::Path, delay / 2.0)
                .with(Term::Server, root)
                .with(Term::Declared, declared.uncertainty),
            leap: exchange.leap,
            ways: Some(Ways {
                there: ways.there + declared.offset,
                back: ways.back - declared.offset,
            }),
        };
        self.keep(Paired { sample: Some(sample), event: None }, reading);
    }

    /// Notes the register of a server's answers.
    pub(super) fn reach(&mut self, reading: &Reading, reach: u8) {
        let report = &mut self.sources[reading.source.index()].report;
        let was = report.reach != 0;
        report.reach = reach;
        if was != (reach != 0) {
            self.tell(reading.stamp, Some(reading.source), EventKind::Reach(reach != 0));
        }
    }
}
