//! Readings of one receiver, joined into samples.
//!
//! A receiver is up to two sources: text over a serial line (labels, corrections, status) and pulses
//! over something else. Text numbers the pulses and is calibrated by them; each becomes samples of
//! its own. A source that brings complete marks needs no text, but is checked against it if there
//! is some.

use super::numbering::{Edge, Heard, Numbering};
use super::sawtooth::Sawtooth;
use crate::event::EventKind;
use crate::sample::{Sample, SourceId};
use crate::state::{ErrorTerms, Term};
use crate::time::{Duration, LeapIndicator, Raw, Timestamp, Utc};

/// What is declared of a source, in the configuration's words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Declared {
    /// Added to the source's time: cable and antenna delay, a constant known to the operator.
    pub offset: Duration,
    /// What that constant and the receiver may be wrong by, s.
    pub uncertainty: f64,
    /// Resolution of its stamps, s.
    pub quantization: f64,
    /// Largest quantization error of the receiver's pulse; also what an uncorrected pulse may be
    /// wrong by.
    pub grain: Duration,
    /// What remains of it after a correction, s.
    pub grain_corrected: f64,
}

/// Joins the readings of a pulse source with those of the text source that numbers it.
#[derive(Clone, Debug)]
pub struct Pairing {
    pulse: SourceId,
    pulse_declared: Declared,
    text: Option<Text>,
}

/// The text half of a receiver.
#[derive(Clone, Debug)]
struct Text {
    source: SourceId,
    declared: Declared,
    numbering: Numbering,
    sawtooth: Sawtooth,
}

/// What a reading led to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Paired {
    /// A sample of the source that brought the reading.
    pub sample: Option<Sample>,
    /// Something worth telling.
    pub event: Option<EventKind>,
}

impl Pairing {
    /// Pulses of `pulse`, numbered by `text` if there is one.
    pub fn new(pulse: (SourceId, Declared), text: Option<(SourceId, Declared)>) -> Self {
        let text = text.map(|(source, declared)| Text {
            source,
            declared,
            numbering: Numbering::default(),
            sawtooth: Sawtooth::default(),
        });
        Self { pulse: pulse.0, pulse_declared: pulse.1, text }
    }

    /// Starts anew: the clock that stamped everything so far was moved.
    pub fn forget(&mut self) {
        if let Some(text) = &mut self.text {
            text.numbering = Numbering::default();
            text.sawtooth = Sawtooth::default();
        }
    }

    /// Somebody moved the raw clock by `by`, or UTC leapt by `seconds`: the count goes on.
    pub fn shift(&mut self, by: Duration, seconds: i64) {
        if let Some(text) = &mut self.text {
            text.numbering.shift(by, seconds);
            text.sawtooth = Sawtooth::default();
        }
    }

    /// Whether pulses wait for text.
    pub fn is_unnumbered(&self) -> bool {
        self.text.as_ref().is_some_and(|text| !text.numbering.is_counting())
    }

    /// The calibrated delay of the text and half its spread.
    pub fn text_delay(&self) -> Option<(Duration, Duration)> {
        self.text.as_ref()?.numbering.delay()
    }

    /// At `at` a pulse came, `fraction` after the start of some second: of the one that its text
    /// says, or without any text of the one that others tell.
    pub fn pulse(
        &mut self,
        at: Timestamp<Raw>,
        fraction: Duration,
        told: Option<Timestamp<Utc>>,
    ) -> Paired {
        let Some(text) = &mut self.text else {
            let sample = told.map(|second| self.sample_of_pulse(at, second + fraction, None));
            return Paired { sample, event: None };
        };
        match text.numbering.edge(at - fraction) {
            Edge::Second(second, missed) => {
                let correction = text.sawtooth.take(at, second);
                let sample = self.sample_of_pulse(at, second + fraction, correction);
                let event = (missed > 0).then_some(EventKind::PulseMissed { count: missed });
                Paired { sample: Some(sample), event }
            }
            Edge::Unnumbered => Paired::default(),
            Edge::Doubled(after) => Paired::event(EventKind::PulseDoubled { after }),
            Edge::OffGrid(by) => Paired::event(EventKind::PulseOffGrid { by }),
        }
    }

    /// At `at` the source's time was `utc`.
    pub fn mark(&mut self, at: Timestamp<Raw>, utc: Timestamp<Utc>) -> Paired {
        if self.text.is_none() {
            return Paired { sample: Some(self.sample_of_pulse(at, utc, None)), event: None };
        }
        let second = utc.round_to_second();
        let paired = self.pulse(at, utc - second, None);
        match paired.sample {
            // The text counts another second than the mark: neither is believed.
            Some(_) if self.counted_second(at, utc) != Some(second) => {
                let counted = self.counted_second(at, utc).unwrap_or(second);
                let by = (second - counted).round_seconds();
                Paired::event(EventKind::WrongSecond { by })
            }
            _ => paired,
        }
    }

    /// Text that began to arrive at `at` says `utc`.
    pub fn label(&mut self, at: Timestamp<Raw>, utc: Timestamp<Utc>) -> Paired {
        let Some(text) = &mut self.text else { return Paired::default() };
        let heard = text.numbering.label(at, utc);
        let event = match heard {
            Heard::NoEdge | Heard::Agreeing | Heard::Confirmed => None,
            Heard::Begun => Some(EventKind::SecondNumbered),
            Heard::Late(by) => Some(EventKind::LabelLate { by }),
            Heard::Wrong(by) => Some(EventKind::WrongSecond { by }),
            Heard::Lost(by) => Some(EventKind::SecondLost { by }),
        };
        let believed = !matches!(heard, Heard::Late(_) | Heard::Wrong(_) | Heard::Lost(_));
        let sample = believed
            .then(|| sample_of_text(text.source, &text.declared, at, utc, text.numbering.delay()));
        Paired { sample, event }
    }

    /// A quantization error heard at `at`.
    pub fn quantization_error(
        &mut self,
        at: Timestamp<Raw>,
        second: Option<Timestamp<Utc>>,
        error: Duration,
    ) -> Paired {
        let Some(text) = &mut self.text else { return Paired::default() };
        match text.sawtooth.heard(at, second, error, self.pulse_declared.grain) {
            Ok(()) => Paired::default(),
            Err(error) => Paired::event(EventKind::QuantizationRefused { error }),
        }
    }

    fn counted_second(&self, at: Timestamp<Raw>, utc: Timestamp<Utc>) -> Option<Timestamp<Utc>> {
        let fraction = utc - utc.round_to_second();
        self.text.as_ref()?.numbering.second_at(at - fraction)
    }

    fn sample_of_pulse(
        &self,
        at: Timestamp<Raw>,
        utc: Timestamp<Utc>,
        correction: Option<Duration>,
    ) -> Sample {
        let declared = &self.pulse_declared;
        // True edge = stamped edge + correction, so the second began that much later by this clock.
        let edge = at + correction.unwrap_or(Duration::ZERO);
        let grain = match correction {
            Some(_) => declared.grain_corrected,
            None => declared.grain.seconds(),
        };
        Sample {
            source: self.pulse,
            at,
            offset: (utc + declared.offset).offset_from(edge),
            errors: ErrorTerms::NONE
                .with(Term::Declared, declared.uncertainty)
                .with(Term::Quantization, declared.quantization)
                .with(Term::Sawtooth, grain),
            leap: LeapIndicator::None,
            ways: None,
        }
    }
}

impl Paired {
    fn event(event: EventKind) -> Self {
        Self { sample: None, event: Some(event) }
    }
}

/// A sample of text: calibrated by pulses, or in the middle of the second that it may be late.
pub fn sample_of_text(
    source: SourceId,
    declared: &Declared,
    at: Timestamp<Raw>,
    utc: Timestamp<Utc>,
    delay: Option<(Duration, Duration)>,
) -> Sample {
    // Who declares an offset has measured the delay.
    let middle = if declared.offset == Duration::ZERO { UNKNOWN_DELAY } else { Duration::ZERO };
    let (delay, spread) = delay.unwrap_or((middle, UNKNOWN_DELAY));
    let serial = spread.seconds() * SPREAD_MARGIN;
    Sample {
        source,
        at,
        offset: (utc + delay + declared.offset).offset_from(at),
        errors: ErrorTerms::NONE
            .with(Term::Declared, declared.uncertainty)
            .with(Term::Quantization, declared.quantization)
            .with(Term::Serial, serial.min(UNKNOWN_DELAY.seconds())),
        leap: LeapIndicator::None,
        ways: None,
    }
}

/// Text comes less than a second after the instant it names: half a second, give or take as much.
const UNKNOWN_DELAY: Duration = Duration::from_millis(500);
/// The spread seen so far is not the spread there is.
const SPREAD_MARGIN: f64 = 1.5;

#[cfg(test)]
mod tests {
    use super::*;

    const PULSE: SourceId = SourceId(1);
    const TEXT: SourceId = SourceId(0);
    const START: i64 = 1_700_000_000;

    fn declared() -> Declared {
        Declared {
            offset: Duration::ZERO,
            uncertainty: 1e-6,
            quantization: 1e-9,
            grain: Duration::from_nanos(30),
            grain_corrected: 1e-9,
        }
    }

    fn pairing() -> Pairing {
        Pairing::new((PULSE, declared()), Some((TEXT, declared())))
    }

    /// The raw clock is 0.4 s ahead.
    fn raw(second: i64) -> Timestamp<Raw> {
        Timestamp::from_seconds(second) + Duration::from_millis(400)
    }

    fn utc(second: i64) -> Timestamp<Utc> {
        Timestamp::from_seconds(second)
    }

    fn assert_offset(sample: &Sample, nanos: i128) {
        // Sums of roundings to 2⁻⁶⁴ s.
        let error = sample.offset - Duration::from_nanos(nanos);
        assert!(error.abs() < Duration::from_units(16), "{}", sample.offset);
    }

    /// Ten seconds of pulses and text.
    fn counting() -> Pairing {
        let mut p = pairing();
        for s in START..START + 10 {
            p.pulse(raw(s), Duration::ZERO, None);
            p.label(raw(s) + Duration::from_millis(200), utc(s));
        }
        p
    }

    #[test]
    fn a_numbered_pulse_becomes_a_sample_of_the_offset() {
        let mut p = counting();
        let sample = p.pulse(raw(START + 10), Duration::ZERO, None).sample.unwrap();
        assert_offset(&sample, -400_000_000);
        assert_eq!(sample.source, PULSE);
        assert!((sample.errors.of(Term::Sawtooth) - 30e-9).abs() < 1e-15);
    }

    #[test]
    fn the_sawtooth_is_undone_for_the_pulse_it_describes() {
        let mut p = counting();
        // The receiver's pulse comes 20 ns early, so its error is +20 ns: true = stamped + 20 ns.
        let error = Duration::from_nanos(20);
        p.quantization_error(raw(START + 9), Some(utc(START + 10)), error);
        let sample = p.pulse(raw(START + 10) - error, Duration::ZERO, None).sample.unwrap();
        assert_offset(&sample, -400_000_000);
        assert!(sample.errors.of(Term::Sawtooth) < 2e-9);
        let next = p.pulse(raw(START + 11) - error, Duration::ZERO, None).sample.unwrap();
        // It is not corrected twice.
        assert_offset(&next, -400_000_000 + 20);
    }

    #[test]
    fn a_fraction_is_part_of_the_source_s_time() {
        let mut p = counting();
        let fraction = Duration::from_millis(100);
        let sample = p.pulse(raw(START + 10) + fraction, fraction, None).sample.unwrap();
        assert_offset(&sample, -400_000_000);
    }

    #[test]
    fn a_mark_is_checked_against_the_text() {
        let mut p = counting();
        let good = p.mark(raw(START + 10), utc(START + 10));
        assert_offset(&good.sample.unwrap(), -400_000_000);
        let wrong = p.mark(raw(START + 11), utc(START + 12));
        assert_eq!(wrong.sample, None);
        assert_eq!(wrong.event, Some(EventKind::WrongSecond { by: 1 }));
        let after = p.mark(raw(START + 12), utc(START + 12));
        assert!(after.sample.is_some());
    }

    #[test]
    fn a_mark_alone_is_taken_at_its_word() {
        let mut p = Pairing::new((PULSE, declared()), None);
        let sample = p.mark(raw(START), utc(START) + Duration::from_nanos(5)).sample.unwrap();
        assert_offset(&sample, -400_000_000 + 5);
    }

    #[test]
    fn a_pulse_alone_has_no_second() {
        let mut p = Pairing::new((PULSE, declared()), None);
        assert_eq!(p.pulse(raw(START), Duration::ZERO, None), Paired::default());
    }

    #[test]
    fn text_is_half_a_second_uncertain_until_pulses_calibrate_it() {
        let mut p = pairing();
        let first = p.label(raw(START) + Duration::from_millis(200), utc(START)).sample.unwrap();
        assert!((first.errors.of(Term::Serial) - 0.5).abs() < 1e-9);
        let error = first.offset.seconds() + 0.4;
        assert!(error.abs() <= first.errors.sum());
        let mut p = counting();
        p.pulse(raw(START + 10), Duration::ZERO, None);
        let at = raw(START + 10) + Duration::from_millis(203);
        let sample = p.label(at, utc(START + 10)).sample.unwrap();
        assert!((sample.offset.seconds() + 0.403).abs() < 1e-6);
        assert!(sample.errors.of(Term::Serial) <= 4.6e-3);
    }
}
