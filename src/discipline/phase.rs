//! Cold → Acquiring → Locked → Holdover → FreeRunning: one enum, one `match`.
//!
//! The transition is a pure function of what the engine sees; every change becomes an event.

use crate::state::Phase;

/// What decides a transition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// A source is selected now.
    pub selected: bool,
    /// There is an estimate at all.
    pub estimated: bool,
    /// The estimate is settled and the served time follows it.
    pub settled: bool,
    /// The bound is inside the declared holdover limit.
    pub within_limit: bool,
    /// Somebody else moved the clock, and no sample has agreed since.
    pub disturbed: bool,
}

/// The phase that follows `phase` under `conditions`.
pub fn next(phase: Phase, conditions: Conditions) -> Phase {
    let Conditions { selected, estimated, settled, within_limit, disturbed } = conditions;
    if !estimated || disturbed {
        // Whatever was known is gone: a disturbed clock starts anew.
        return if selected { Phase::Acquiring } else { Phase::Cold };
    }
    match phase {
        Phase::Cold | Phase::Acquiring if selected && settled => Phase::Locked,
        Phase::Cold | Phase::Acquiring if selected => Phase::Acquiring,
        Phase::Cold => Phase::Cold,
        Phase::Acquiring => Phase::FreeRunning,
        Phase::Locked if selected && settled => Phase::Locked,
        // A lock is not given up for a moment's lag, only for want of a source or of a bound.
        Phase::Locked | Phase::Holdover if !within_limit => Phase::FreeRunning,
        Phase::Locked if selected => Phase::Locked,
        Phase::Locked => Phase::Holdover,
        Phase::Holdover if selected && settled => Phase::Locked,
        Phase::Holdover => Phase::Holdover,
        Phase::FreeRunning if selected && settled => Phase::Locked,
        Phase::FreeRunning if selected => Phase::Acquiring,
        Phase::FreeRunning => Phase::FreeRunning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_conditions() -> impl Iterator<Item = Conditions> {
        (0..32u8).map(|bits| Conditions {
            disturbed: bits & 16 != 0,
            selected: bits & 1 != 0,
            estimated: bits & 2 != 0,
            settled: bits & 4 != 0,
            within_limit: bits & 8 != 0,
        })
    }

    #[test]
    fn the_usual_day() {
        let none = Conditions {
            selected: false,
            estimated: false,
            settled: false,
            within_limit: false,
            disturbed: false,
        };
        let heard = Conditions { selected: true, estimated: true, ..none };
        let good = Conditions { settled: true, within_limit: true, ..heard };
        let lost = Conditions { selected: false, ..good };
        let void = Conditions { within_limit: false, ..lost };
        let mut phase = Phase::Cold;
        for (conditions, want) in [
            (none, Phase::Cold),
            (heard, Phase::Acquiring),
            (good, Phase::Locked),
            (lost, Phase::Holdover),
            (good, Phase::Locked),
            (lost, Phase::Holdover),
            (void, Phase::FreeRunning),
            (heard, Phase::Acquiring),
            (good, Phase::Locked),
            (none, Phase::Cold),
        ] {
            phase = next(phase, conditions);
            assert_eq!(phase, want, "{conditions:?}");
        }
    }

    #[test]
    fn nothing_is_synchronised_without_an_estimate_inside_the_limit_or_a_settled_source() {
        for phase in Phase::ALL {
            for conditions in all_conditions() {
                let after = next(phase, conditions);
                if after.is_synchronised() {
                    let Conditions { selected, estimated, settled, within_limit, disturbed } =
                        conditions;
                    assert!(!disturbed, "{phase} {conditions:?}");
                    assert!(estimated, "{phase} {conditions:?}");
                    assert!(within_limit || selected && settled, "{phase} {conditions:?}");
                }
            }
        }
    }

    #[test]
    fn one_step_reaches_a_fixed_point() {
        for phase in Phase::ALL {
            for conditions in all_conditions() {
                let once = next(phase, conditions);
                let twice = next(once, conditions);
                assert_eq!(next(twice, conditions), twice, "{phase} {conditions:?}");
            }
        }
    }
}
