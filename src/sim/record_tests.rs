//! What must not be lost when a run becomes columns.

use super::*;
use crate::sample::SourceId;
use crate::time::{Frequency, Timestamp};

fn look(error: f64, bound: f64) -> Judged {
    Judged {
        error,
        peak: error.abs(),
        bound,
        path: 0.0,
        root_distance: None,
        claimed: true,
        reference: Some(error / 2.0),
        reference_variance: 1.0,
        apart: false,
        plain: None,
    }
}

/// Records these looks, one a second.
fn recorded(looks: &[Judged], settle: f64) -> Record {
    let mut recorder = Recorder::new(looks.len() as f64, ["one".to_owned()].into_iter());
    let state = State { phase: Phase::Locked, samples: 1, ..State::default() };
    for (second, judged) in (0..).zip(looks) {
        let ledger = ErrorTerms::NONE.with(Term::Path, judged.bound);
        let sight = Sight { second, judged, state: &state, ledger, rate: 1e-5, phase: 0.0 };
        recorder.look(&sight, [Verdict::SystemPeer].into_iter());
    }
    recorder.conclude(looks, settle)
}

#[test]
fn no_peak_is_lost_in_a_thousand_columns() {
    for peak in [0, 93, 94, 50_000, 93_599] {
        let mut looks = vec![look(1e-6, 2e-6); 93_600];
        looks[peak] = look(-3e-3, 5e-3);
        let record = recorded(&looks, 7200.0);
        assert!(record.columns.len() <= COLUMNS_MAX, "{}", record.columns.len());
        let mut error = Range::NONE;
        record.columns.iter().for_each(|column| error.join(column.error));
        assert_eq!(error, Range { low: -3e-3, high: 1e-6 });
        let at = record.columns.iter().position(|column| column.error.low == -3e-3).unwrap();
        let place = f64::from(u32::try_from(peak).unwrap()) / record.step;
        assert_eq!(at, whole(place));
        assert_eq!(record.columns[at].bound.high, 5e-3);
    }
}

#[test]
fn one_second_beyond_the_bound_is_counted_though_another_was_wide() {
    let mut looks = vec![look(0.0, 1e-3); 10_000];
    looks[5000] = look(2e-6, 1e-6);
    let record = recorded(&looks, 0.0);
    let outside: u32 = record.columns.iter().map(|column| column.outside).sum();
    assert_eq!(outside, 1);
    assert_eq!(record.columns[500].outside, 1);
}

#[test]
fn a_verdict_between_two_looks_is_kept() {
    let mut recorder = Recorder::new(5000.0, ["one".to_owned(), "two".to_owned()].into_iter());
    let event = |source, kind| Event { at: Timestamp::EPOCH, source: Some(SourceId(source)), kind };
    recorder.told(2501.5, &event(1, EventKind::Verdict(Verdict::Falseticker)));
    recorder.told(2501.6, &event(1, EventKind::Verdict(Verdict::Combined)));
    recorder.told(9e9, &event(7, EventKind::Verdict(Verdict::Combined)));
    let stepped = EventKind::FrequencyJump { by: Frequency::from_ppm(1.0) };
    recorder.told(2502.0, &event(0, stepped));
    let record = recorder.conclude(&[], 0.0);
    let kept: Vec<usize> = record.sources[1].verdicts[500].iter().collect();
    assert_eq!(kept, [Verdict::Falseticker as usize, Verdict::Combined as usize]);
    assert!(record.sources[0].verdicts.iter().all(|bits| bits.iter().next().is_none()));
    assert_eq!(record.told.len(), 1);
}

#[test]
fn every_settled_second_is_in_the_histogram() {
    let mut looks: Vec<Judged> =
        (0..4000).map(|i| look(f64::from(i % 7 - 3) * 1e-6, 1.0)).collect();
    looks[3000] = look(0.25, 1.0);
    looks[10] = look(0.5, 1.0);
    let distribution = recorded(&looks, 100.0).distribution.unwrap();
    let inside: u64 = distribution.error.bins.iter().sum();
    assert_eq!((inside, distribution.error.above, distribution.error.below), (3899, 1, 0));
    assert_eq!(distribution.extreme, 0.25);
    assert!((distribution.p50 / 2e-6 - 1.0).abs() < 1e-6, "{}", distribution.p50);
    assert!(recorded(&looks, 1e9).distribution.is_none());
}

#[test]
fn columns_and_phases_are_bounded_for_ten_years() {
    let recorder = Recorder::new(10.0 * 31_556_952.0, core::iter::empty());
    assert!(recorder.record.columns.len() <= COLUMNS_MAX);
    assert!(315_569_520 / recorder.thin <= PHASES_MAX);
}

#[test]
fn ranges_take_numbers_only() {
    let mut range = Range::NONE;
    assert!(range.is_empty() && range.magnitude().is_none());
    for value in [f64::NAN, f64::INFINITY, -2.0, 1.0] {
        range.take(value);
    }
    assert_eq!((range, range.magnitude()), (Range { low: -2.0, high: 1.0 }, Some(2.0)));
}
