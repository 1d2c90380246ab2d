//! The time as one address shows it: UTC as it is, or with leap seconds smeared.
//!
//! An address shows one of the two, always, so that no client ever sees them mixed. Smeared time is
//! made on purpose and is no error: root dispersion is of the clock behind it alone, and says nothing
//! of how far the smear is from UTC. That is what the reference id says while it is, as ntpd has it:
//! 254, then smeared − UTC as 24 bits of two's complement, in units of 2⁻²² s. A leap second is never
//! announced there, since none is ever seen there.

use crate::state::{Smeared, State};
use crate::time::{
    Duration, Frequency, LeapIndicator, SmearShape, System, Timestamp, UNITS_PER_SECOND, Utc,
};
use crate::wire::ntp::ReferenceId;

/// What is known, and how an address shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face<'s> {
    pub state: &'s State,
    pub smear: Option<SmearShape>,
}

impl Face<'_> {
    /// The served time at a reading of the system clock; `None` where a leap second makes the reading
    /// ambiguous and the two times of it are not the same.
    #[inline]
    pub fn at(&self, system: Timestamp<System>) -> Option<Smeared> {
        match self.smear {
            Some(shape) => self.state.smeared(system, shape),
            None => {
                let utc = self.state.utc(system);
                Some(Smeared { utc, offset: Duration::ZERO, under_way: false })
            }
        }
    }

    /// The same without what the smear has to do with it.
    #[inline]
    pub fn utc(&self, system: Timestamp<System>) -> Option<Timestamp<Utc>> {
        self.at(system).map(|at| at.utc)
    }

    /// An earlier instant of UTC.
    pub fn before(&self, utc: Timestamp<Utc>) -> Timestamp<Utc> {
        self.smear.map_or(utc, |shape| self.state.smeared_before(utc, shape))
    }

    /// What is announced.
    pub const fn leap(&self, told: LeapIndicator) -> LeapIndicator {
        if self.smear.is_some() { LeapIndicator::None } else { told }
    }

    /// Whom the time is from, or how it is smeared.
    pub fn reference_id(&self, at: &Smeared) -> ReferenceId {
        if at.under_way { smeared_id(at.offset) } else { ReferenceId(self.state.reference_id) }
    }

    /// The rate of the served time against the system clock at a reading of it, less one.
    pub fn rate(&self, now: Timestamp<System>) -> Frequency {
        let state = self.state;
        let is_slewing = now - state.anchor < state.slew_span;
        let slew = if is_slewing { state.slew } else { Frequency::ZERO };
        let offset = |at| self.at(at).map(|at| at.offset);
        // Over a millisecond, so that a leap second between is as good as excluded.
        let beside = now + Duration::from_millis(1);
        let smeared = match (self.smear, offset(now), offset(beside)) {
            (Some(_), Some(a), Some(b)) if (b - a).abs() < Duration::from_micros(1) => {
                (b - a).seconds() * 1e3
            }
            _ => 0.0,
        };
        state.correction_rate + slew + Frequency::new(smeared)
    }
}

/// 254.x.y.z, rounded to 2⁻²² s.
fn smeared_id(offset: Duration) -> ReferenceId {
    let unit = UNITS_PER_SECOND >> 22;
    let [.., x, y, z] = ((offset.units() + unit / 2).div_euclid(unit)).to_be_bytes();
    ReferenceId([254, x, y, z])
}

#[cfg(test)]
#[path = "face_tests.rs"]
mod polls;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_id_holds_the_smear_as_ntpd_has_it() {
        let id = |seconds: f64| smeared_id(Duration::from_seconds_f64(seconds)).0;
        assert_eq!(id(0.0), [254, 0, 0, 0]);
        assert_eq!(id(-0.5), [254, 0xe0, 0, 0]);
        assert_eq!(id(0.5), [254, 0x20, 0, 0]);
        assert_eq!(id(-1.0 / 4_194_304.0), [254, 0xff, 0xff, 0xff]);
        assert_eq!(id(0.4 / 4_194_304.0), [254, 0, 0, 0]);
        assert_eq!(id(-1.0), [254, 0xc0, 0, 0]);
    }
}
