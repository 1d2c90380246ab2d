//! Which pulse does a receiver's quantization error describe?
//!
//! A receiver can raise its pulse only on a tick of its own clock; it knows by how much that is
//! wrong and says so before the pulse (UBX-TIM-TP). True edge = stamped edge + error: Wallin measured
//! it on a ZED-F9T with an interval counter, stamp + error is the smooth one.

use crate::time::{Duration, Raw, Timestamp, Utc};

/// Corrections that wait for their pulse.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sawtooth {
    waiting: [Option<Correction>; WAITING],
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Correction {
    heard: Timestamp<Raw>,
    second: Option<Timestamp<Utc>>,
    error: Duration,
}

impl Sawtooth {
    /// Takes in a correction heard at `heard` for the pulse of `second`, or for the next one.
    ///
    /// # Errors
    /// The correction itself if it is beyond `grain`, the receiver's clock tick: it is not applied.
    pub fn heard(
        &mut self,
        heard: Timestamp<Raw>,
        second: Option<Timestamp<Utc>>,
        error: Duration,
        grain: Duration,
    ) -> Result<(), Duration> {
        if error.abs() > grain {
            return Err(error);
        }
        self.waiting[self.next] = Some(Correction { heard, second, error });
        self.next = (self.next + 1) % WAITING;
        Ok(())
    }

    /// The correction of the edge at `edge` that begins `second`, if one was heard.
    pub fn take(&mut self, edge: Timestamp<Raw>, second: Timestamp<Utc>) -> Option<Duration> {
        let describes = |c: &Correction| match c.second {
            Some(described) => described == second,
            // The last one before the pulse counts, and only if it is of the second before it.
            None => c.heard < edge && edge - c.heard < Duration::SECOND,
        };
        let found = self
            .waiting
            .iter_mut()
            .filter(|slot| slot.as_ref().is_some_and(describes))
            .max_by_key(|slot| slot.as_ref().map(|c| c.heard))?;
        found.take().map(|c| c.error)
    }
}

/// A process that was stopped for seconds finds this many at once.
const WAITING: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const GRAIN: Duration = Duration::from_nanos(30);

    fn raw(millis: i64) -> Timestamp<Raw> {
        Timestamp::EPOCH + Duration::from_millis(millis)
    }

    fn utc(second: i64) -> Timestamp<Utc> {
        Timestamp::from_seconds(second)
    }

    #[test]
    fn a_named_second_is_matched_whatever_the_order() {
        let mut s = Sawtooth::default();
        for k in 1..=5 {
            let error = Duration::from_nanos(k);
            s.heard(raw(9000), Some(utc(k.try_into().unwrap())), error, GRAIN).unwrap();
        }
        assert_eq!(s.take(raw(3000), utc(3)), Some(Duration::from_nanos(3)));
        assert_eq!(s.take(raw(3000), utc(3)), None, "used once");
        assert_eq!(s.take(raw(6000), utc(6)), None);
    }

    #[test]
    fn without_a_second_the_last_before_the_pulse_counts() {
        let mut s = Sawtooth::default();
        s.heard(raw(100), None, Duration::from_nanos(1), GRAIN).unwrap();
        s.heard(raw(1100), None, Duration::from_nanos(2), GRAIN).unwrap();
        s.heard(raw(1200), None, Duration::from_nanos(3), GRAIN).unwrap();
        assert_eq!(s.take(raw(2000), utc(77)), Some(Duration::from_nanos(3)));
        assert_eq!(s.take(raw(4000), utc(79)), None, "too old");
        s.heard(raw(5100), None, Duration::from_nanos(4), GRAIN).unwrap();
        assert_eq!(s.take(raw(5000), utc(80)), None, "heard after the pulse");
    }

    #[test]
    fn what_is_beyond_the_grain_is_refused() {
        let mut s = Sawtooth::default();
        let huge = Duration::from_micros(-40);
        assert_eq!(s.heard(raw(1), Some(utc(1)), huge, GRAIN), Err(huge));
        assert_eq!(s.take(raw(2), utc(1)), None);
    }

    #[test]
    fn a_flood_overwrites_the_oldest() {
        let mut s = Sawtooth::default();
        for k in 0..1000 {
            let error = Duration::from_nanos((k % 29).into());
            s.heard(raw(k), Some(utc(k)), error, GRAIN).unwrap();
        }
        assert_eq!(s.take(raw(1000), utc(1)), None);
        assert_eq!(s.take(raw(1000), utc(999)), Some(Duration::from_nanos(999 % 29)));
    }
}
