//! How the values that cross threads become rows of words: readings, states, reports, events.

use crate::engine::{Memory, SourceReport};
use crate::event::{Event, EventKind};
use crate::mitigation::Verdict;
use crate::pipe::{Put, Take, Words};
use crate::sample::{Exchange, Fix, Reading, ReadingKind, ReceiverStatus, Refusal, SourceId};
use crate::state::{ErrorTerms, LeapCount, NoiseGrowth, Phase, State, Term};
use crate::time::{
    Duration, Exponent, Frequency, LeapIndicator, LeapSecond, Scale, Smear, TaiOffset, Timestamp,
};

impl<S: Scale> Words for Timestamp<S> {
    type Row = [u64; 2];

    fn put(&self, row: &mut Put<'_>) {
        row.i128(self.units());
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self::from_units(row.i128())
    }
}

impl Words for Duration {
    type Row = [u64; 2];

    fn put(&self, row: &mut Put<'_>) {
        row.i128(self.units());
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self::from_units(row.i128())
    }
}

impl Words for Frequency {
    type Row = [u64; 1];

    fn put(&self, row: &mut Put<'_>) {
        row.f64(self.ratio());
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self::new(row.f64())
    }
}

impl Words for SourceId {
    type Row = [u64; 1];

    fn put(&self, row: &mut Put<'_>) {
        row.u64(self.0.into());
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self(byte(row))
    }
}

impl Words for TaiOffset {
    type Row = [u64; 1];

    fn put(&self, row: &mut Put<'_>) {
        row.i64(self.0.into());
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self(i16::try_from(row.i64()).unwrap_or(0))
    }
}

impl Words for ErrorTerms {
    type Row = [u64; Term::COUNT];

    fn put(&self, row: &mut Put<'_>) {
        self.iter().for_each(|(_, value)| row.f64(value));
    }

    fn take(row: &mut Take<'_>) -> Self {
        Term::ALL.into_iter().fold(Self::NONE, |terms, term| terms.with(term, row.f64()))
    }
}

impl Words for NoiseGrowth {
    type Row = [u64; 12];

    fn put(&self, row: &mut Put<'_>) {
        let Self { phase, cross, frequency, wander, ageing, apart, apart_rate, .. } = *self;
        let Self { factor, ceiling_rate, floor, floor_rate, age, .. } = *self;
        for value in [phase, cross, frequency, wander, ageing, apart, apart_rate] {
            row.f64(value);
        }
        for value in [factor, ceiling_rate, floor, floor_rate, age] {
            row.f64(value);
        }
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self {
            phase: row.f64(),
            cross: row.f64(),
            frequency: row.f64(),
            wander: row.f64(),
            ageing: row.f64(),
            apart: row.f64(),
            apart_rate: row.f64(),
            factor: row.f64(),
            ceiling_rate: row.f64(),
            floor: row.f64(),
            floor_rate: row.f64(),
            age: row.f64(),
        }
    }
}

impl Words for Memory {
    type Row = [u64; 5 + SourceId::COUNT_MAX];

    fn put(&self, row: &mut Put<'_>) {
        let Self { frequency, frequency_sigma, wander, ageing, ageing_sigma, .. } = *self;
        for value in [frequency.ratio(), frequency_sigma, wander, ageing, ageing_sigma] {
            row.f64(value);
        }
        self.noise.iter().for_each(|sigma| row.f64(*sigma));
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self {
            frequency: Frequency::new(row.f64()),
            frequency_sigma: row.f64(),
            wander: row.f64(),
            ageing: row.f64(),
            ageing_sigma: row.f64(),
            noise: core::array::from_fn(|_| row.f64()),
        }
    }
}

impl Words for ReceiverStatus {
    type Row = [u64; 1];

    fn put(&self, row: &mut Put<'_>) {
        let fix = match self.fix {
            Fix::None => 0,
            Fix::TwoDimensional => 1,
            Fix::ThreeDimensional => 2,
        };
        row.u64(u64::from_le_bytes([
            fix,
            self.satellites_used,
            self.satellites_in_view,
            self.leap.bits(),
            0,
            0,
            0,
            0,
        ]));
    }

    fn take(row: &mut Take<'_>) -> Self {
        let [fix, satellites_used, satellites_in_view, leap, ..] = row.u64().to_le_bytes();
        let fix = match fix {
            0 => Fix::None,
            1 => Fix::TwoDimensional,
            _ => Fix::ThreeDimensional,
        };
        Self { fix, satellites_used, satellites_in_view, leap: LeapIndicator::from_bits(leap) }
    }
}

/// All of an exchange but T4.
impl Words for Exchange {
    type Row = [u64; 11];

    fn put(&self, row: &mut Put<'_>) {
        row.value(&self.sent);
        row.value(&self.received);
        row.value(&self.transmitted);
        row.value(&self.root_delay);
        row.value(&self.root_dispersion);
        let [a, b, c, d] = self.reference_id;
        let flags = self.leap.bits() | u8::from(self.interleaved) << 7;
        let precision = self.precision.0.cast_unsigned();
        row.u64(u64::from_le_bytes([a, b, c, d, self.stratum, self.reach, precision, flags]));
    }

    fn take(row: &mut Take<'_>) -> Self {
        let (sent, received, transmitted) = (row.value(), row.value(), row.value());
        let (root_delay, root_dispersion) = (row.value(), row.value());
        let [a, b, c, d, stratum, reach, precision, flags] = row.u64().to_le_bytes();
        Self {
            sent,
            received,
            transmitted,
            leap: LeapIndicator::from_bits(flags & 3),
            stratum,
            reference_id: [a, b, c, d],
            root_delay,
            root_dispersion,
            precision: Exponent(precision.cast_signed()),
            interleaved: flags & 0x80 != 0,
            reach,
        }
    }
}

impl Words for Reading {
    type Row = [u64; 15];

    /// Kind and a small value, then an exchange or up to two 128-bit values and a status.
    fn put(&self, row: &mut Put<'_>) {
        row.value(&self.source);
        row.value(&self.stamp);
        let (code, a, b, small) = match self.kind {
            ReadingKind::Mark { utc, leap } => (0, utc.units(), 0, u64::from(leap.bits())),
            ReadingKind::Pulse { fraction } => (1, fraction.units(), 0, 0),
            ReadingKind::Label { utc } => (2, utc.units(), 0, 0),
            ReadingKind::QuantizationError { error, second } => {
                let units = second.map_or(0, Timestamp::units);
                (3, error.units(), units, u64::from(second.is_some()))
            }
            ReadingKind::Receiver(_) => (4, 0, 0, 0),
            ReadingKind::Refused(refusal) => (5, 0, 0, refusal as u64),
            ReadingKind::Rollover { eras } => (6, eras.into(), 0, 0),
            ReadingKind::Exchange(_) => (7, 0, 0, 0),
            ReadingKind::Polled { reach } => (8, 0, 0, reach.into()),
            ReadingKind::Kissed { code } => (9, u32::from_be_bytes(code).into(), 0, 0),
            ReadingKind::Address { id } => (10, u32::from_be_bytes(id).into(), 0, 0),
        };
        row.u64(code << 8 | small);
        if let ReadingKind::Exchange(exchange) = self.kind {
            row.value(&exchange);
            return;
        }
        row.i128(a);
        row.i128(b);
        let status = match self.kind {
            ReadingKind::Receiver(status) => status,
            _ => ReceiverStatus::default(),
        };
        row.value(&status);
        // Only an exchange fills the row.
        (0..6).for_each(|_| row.u64(0));
    }

    fn take(row: &mut Take<'_>) -> Self {
        let (source, stamp) = (row.value(), row.value());
        let [small, code, ..] = row.u64().to_le_bytes();
        if code == 7 {
            return Self { source, stamp, kind: ReadingKind::Exchange(row.value()) };
        }
        let (a, b) = (row.i128(), row.i128());
        let status = row.value();
        for _ in 0..6 {
            row.u64();
        }
        let kind = match code {
            0 => ReadingKind::Mark {
                utc: Timestamp::from_units(a),
                leap: LeapIndicator::from_bits(small),
            },
            1 => ReadingKind::Pulse { fraction: Duration::from_units(a) },
            2 => ReadingKind::Label { utc: Timestamp::from_units(a) },
            3 => ReadingKind::QuantizationError {
                error: Duration::from_units(a),
                second: (small != 0).then(|| Timestamp::from_units(b)),
            },
            4 => ReadingKind::Receiver(status),
            6 => ReadingKind::Rollover { eras: u32::try_from(a).unwrap_or(0) },
            8 => ReadingKind::Polled { reach: small },
            9 => ReadingKind::Kissed { code: u32::try_from(a).unwrap_or(0).to_be_bytes() },
            10 => ReadingKind::Address { id: u32::try_from(a).unwrap_or(0).to_be_bytes() },
            _ => ReadingKind::Refused(Refusal::ALL[usize::from(small) % Refusal::ALL.len()]),
        };
        Self { source, stamp, kind }
    }
}

impl Words for Smear {
    type Row = [u64; 9];

    fn put(&self, row: &mut Put<'_>) {
        row.value(&self.leap.before);
        row.value(&self.from);
        row.value(&self.span);
        row.f64(self.start);
        row.f64(self.end);
        row.u64(u64::from(self.leap.inserted) | u64::from(self.counted) << 1);
    }

    fn take(row: &mut Take<'_>) -> Self {
        let (before, from, span) = (row.value(), row.value(), row.value());
        let (start, end, flags) = (row.f64(), row.f64(), row.u64());
        let leap = LeapSecond { before, inserted: flags & 1 != 0 };
        Self { leap, from, span, start, end, counted: flags & 2 != 0 }
    }
}

impl Words for State {
    type Row = [u64; 68];

    fn put(&self, row: &mut Put<'_>) {
        row.u64(self.phase as u64);
        row.value(&self.anchor);
        row.value(&self.correction);
        row.value(&self.correction_rate);
        row.value(&self.slew);
        row.value(&self.slew_span);
        row.value(&self.fixed);
        row.value(&self.noise);
        row.f64(self.lag);
        row.f64(self.lag_rate);
        row.f64(self.local_rate);
        row.u64(self.stratum.into());
        row.u64(u32::from_be_bytes(self.reference_id).into());
        row.option(self.reference_time.as_ref());
        row.value(&self.root_delay);
        row.u64(self.leap.bits().into());
        row.option(self.leap_at.as_ref());
        row.u64(self.leap_count as u64);
        row.option(self.smear.as_ref());
        row.option(self.tai_offset.as_ref());
        row.i64(self.precision.0.into());
        row.value(&self.frequency);
        row.value(&self.frequency_error);
        row.value(&self.offset);
        row.f64(self.jitter);
        row.option(self.selected.as_ref());
        row.u64(self.samples);
        row.u64(self.refused);
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self {
            phase: Phase::ALL[usize::from(byte(row)) % Phase::ALL.len()],
            anchor: row.value(),
            correction: row.value(),
            correction_rate: row.value(),
            slew: row.value(),
            slew_span: row.value(),
            fixed: row.value(),
            noise: row.value(),
            lag: row.f64(),
            lag_rate: row.f64(),
            local_rate: row.f64(),
            stratum: byte(row),
            reference_id: u32::try_from(row.u64()).unwrap_or(0).to_be_bytes(),
            reference_time: row.option(),
            root_delay: row.value(),
            leap: LeapIndicator::from_bits(byte(row)),
            leap_at: row.option(),
            leap_count: LeapCount::ALL[usize::from(byte(row)) % LeapCount::ALL.len()],
            smear: row.option(),
            tai_offset: row.option(),
            precision: Exponent(i8::try_from(row.i64()).unwrap_or(0)),
            frequency: row.value(),
            frequency_error: row.value(),
            offset: row.value(),
            jitter: row.f64(),
            selected: row.option(),
            samples: row.u64(),
            refused: row.u64(),
        }
    }
}

impl Words for SourceReport {
    type Row = [u64; 40];

    fn put(&self, row: &mut Put<'_>) {
        row.value(&self.source);
        row.u64(self.verdict as u64);
        row.u64(self.reach.into());
        row.option(self.last_sample.as_ref());
        row.value(&self.offset);
        row.f64(self.distance);
        row.f64(self.root_distance);
        row.f64(self.jitter);
        row.value(&self.errors);
        row.u64(self.samples);
        row.u64(self.believed);
        row.u64(self.rejected);
        row.value(&self.refused);
        row.f64(self.text_delay);
        row.f64(self.poll);
        row.f64(self.delay);
        row.u64(self.stratum.into());
        row.value(&self.receiver);
    }

    fn take(row: &mut Take<'_>) -> Self {
        Self {
            source: row.value(),
            verdict: Verdict::ALL[usize::from(byte(row)) % Verdict::ALL.len()],
            reach: byte(row),
            last_sample: row.option(),
            offset: row.value(),
            distance: row.f64(),
            root_distance: row.f64(),
            jitter: row.f64(),
            errors: row.value(),
            samples: row.u64(),
            believed: row.u64(),
            rejected: row.u64(),
            refused: row.value(),
            text_delay: row.f64(),
            poll: row.f64(),
            delay: row.f64(),
            stratum: byte(row),
            receiver: row.value(),
        }
    }
}

impl Words for Event {
    type Row = [u64; 7];

    /// Every kind of event carries at most one number.
    fn put(&self, row: &mut Put<'_>) {
        row.value(&self.at);
        row.option(self.source.as_ref());
        let (code, number) = match self.kind {
            EventKind::Phase { from, to } => (0, from as i128 | (to as i128) << 8),
            EventKind::Verdict(verdict) => (1, verdict as i128),
            EventKind::Reach(reach) => (2, reach.into()),
            EventKind::SystemPeer => (3, 0),
            EventKind::SecondNumbered => (4, 0),
            EventKind::WrongSecond { by } => (5, by.into()),
            EventKind::SecondLost { by } => (6, by.into()),
            EventKind::LabelLate { by } => (7, by.units()),
            EventKind::PulseMissed { count } => (8, count.into()),
            EventKind::PulseDoubled { after } => (9, after.units()),
            EventKind::PulseOffGrid { by } => (10, by.units()),
            EventKind::QuantizationRefused { error } => (11, error.units()),
            EventKind::Refused(refusal) => (12, refusal as i128),
            EventKind::SampleRejected { distance } => (13, distance.units()),
            EventKind::PhaseStep { by } => (14, by.units()),
            EventKind::FrequencyJump { by } => (15, by.ratio().to_bits().into()),
            EventKind::EstimateRestarted => (16, 0),
            EventKind::Stepped { by } => (17, by.units()),
            EventKind::ClockDisturbed { by } => (18, by.units()),
            EventKind::ClockRefused => (19, 0),
            EventKind::Panic { offset } => (20, offset.units()),
            EventKind::Rollover { eras } => (21, eras.into()),
            EventKind::LeapSecond { inserted, count } => {
                (22, i128::from(inserted) | (count as i128) << 8)
            }
            EventKind::Kissed { code } => (23, u32::from_be_bytes(code).into()),
            EventKind::RouteChange { by } => (24, by.units()),
            EventKind::ServerStep { by } => (25, by.units()),
            EventKind::TickLate { after } => (26, after.units()),
            EventKind::EstimateMoved { by } => (27, by.units()),
            EventKind::LeapAnnounced(leap) => (28, leap.bits().into()),
            EventKind::LeapTableExpired => (29, 0),
            EventKind::NoisierThanDeclared { noise } => (30, noise.units()),
            EventKind::FrequencyLimited { needed } => (31, needed.ratio().to_bits().into()),
        };
        row.u64(code);
        row.i128(number);
    }

    fn take(row: &mut Take<'_>) -> Self {
        let (at, source) = (row.value(), row.option());
        let (code, number) = (row.u64(), row.i128());
        let duration = Duration::from_units(number);
        let whole = i64::try_from(number).unwrap_or(0);
        let [low, high, ..] = number.to_le_bytes().map(usize::from);
        let frequency = || Frequency::new(f64::from_bits(u64::try_from(number).unwrap_or(0)));
        let phase = |index: usize| Phase::ALL[index % Phase::ALL.len()];
        let kind = match code {
            0 => EventKind::Phase { from: phase(low), to: phase(high) },
            1 => EventKind::Verdict(Verdict::ALL[low % Verdict::ALL.len()]),
            2 => EventKind::Reach(low != 0),
            3 => EventKind::SystemPeer,
            4 => EventKind::SecondNumbered,
            5 => EventKind::WrongSecond { by: whole },
            6 => EventKind::SecondLost { by: whole },
            7 => EventKind::LabelLate { by: duration },
            8 => EventKind::PulseMissed { count: u32::try_from(number).unwrap_or(0) },
            9 => EventKind::PulseDoubled { after: duration },
            10 => EventKind::PulseOffGrid { by: duration },
            11 => EventKind::QuantizationRefused { error: duration },
            12 => EventKind::Refused(Refusal::ALL[low % Refusal::ALL.len()]),
            13 => EventKind::SampleRejected { distance: duration },
            14 => EventKind::PhaseStep { by: duration },
            15 => EventKind::FrequencyJump { by: frequency() },
            16 => EventKind::EstimateRestarted,
            17 => EventKind::Stepped { by: duration },
            18 => EventKind::ClockDisturbed { by: duration },
            19 => EventKind::ClockRefused,
            22 => EventKind::LeapSecond {
                inserted: low != 0,
                count: LeapCount::ALL[high % LeapCount::ALL.len()],
            },
            23 => EventKind::Kissed { code: u32::try_from(number).unwrap_or(0).to_be_bytes() },
            24 => EventKind::RouteChange { by: duration },
            25 => EventKind::ServerStep { by: duration },
            26 => EventKind::TickLate { after: duration },
            27 => EventKind::EstimateMoved { by: duration },
            28 => EventKind::LeapAnnounced(LeapIndicator::from_bits(number.to_le_bytes()[0])),
            29 => EventKind::LeapTableExpired,
            30 => EventKind::NoisierThanDeclared { noise: duration },
            31 => EventKind::FrequencyLimited { needed: frequency() },
            21 => EventKind::Rollover { eras: u32::try_from(number).unwrap_or(0) },
            _ => EventKind::Panic { offset: duration },
        };
        Self { at, source, kind }
    }
}

/// A small number; a row is written whole, so it always fits.
fn byte(row: &mut Take<'_>) -> u8 {
    u8::try_from(row.u64()).unwrap_or(0)
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
