//! The figures of a run: from one look at the judged node each second of true time.
//!
//! A look is taken just before whatever happens at its instant, so it sees a clock at its oldest.
//! Statistics count after settling; coverage counts from the first bound that was published; the
//! time to a lock before the first event.

use std::collections::BTreeMap;

use super::assumptions::Broken;
use super::oracle::Violations;
use super::record::Record;
use crate::mitigation::Verdict;

/// One look a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judged {
    /// served − true, s.
    pub error: f64,
    /// The largest |error| since the look before, s: what happened in between may be mended
    /// already.
    pub peak: f64,
    /// What was published of it, s.
    pub bound: f64,
    /// The path term in it, s.
    pub path: f64,
    /// What RFC 5905 would claim by the source that is followed, s.
    pub root_distance: Option<f64>,
    /// The node claimed to be synchronised.
    pub claimed: bool,
    /// The error of the reference beside it, s; it has none before its first sample.
    pub reference: Option<f64>,
    /// The variance that the reference believes this to have, s².
    pub reference_variance: f64,
    /// The node uses a source that is kept from the reference.
    pub apart: bool,
    /// The errors of two plain methods beside it, s; nothing where no comparison is asked for.
    pub plain: Option<[f64; 2]>,
}

/// When things happen in a scenario, in seconds from its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Statistics begin.
    pub settle: f64,
    /// How long it lasts.
    pub duration: f64,
    /// Begin and end of each event.
    pub events: Vec<(f64, f64)>,
    /// Which of them move a clock or a machine: the reference is told of those.
    pub moves: Vec<(f64, f64)>,
    /// What the reference is told of asymmetries and no node can find out, s.
    pub told: f64,
}

/// What came out of a scenario with one seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Figures.
    pub figures: Figures,
    /// What the oracle found.
    pub violations: Violations,
    /// Assumptions that the world was announced to break, and whether that was told.
    pub broken: Vec<Broken>,
    /// The last verdict on each source of the judged node, by name.
    pub verdicts: Vec<(String, Verdict)>,
    /// How often the judged node told of each event, by its name.
    pub events: BTreeMap<&'static str, u32>,
    /// Sum of the event log.
    pub log: u64,
    /// Every look at the judged node, if asked for.
    pub series: Vec<Judged>,
    /// What a drawing of it takes, if asked for.
    pub record: Option<Record>,
}

impl Outcome {
    /// Of a world that never was.
    pub(super) fn none(seed: u64) -> Self {
        Self {
            seed,
            figures: Figures::default(),
            violations: Violations::default(),
            broken: Vec::new(),
            verdicts: Vec::new(),
            events: BTreeMap::new(),
            log: 0,
            series: Vec::new(),
            record: None,
        }
    }
}

/// Figures; `None` where one has no meaning. The means over seeds have the same shape.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// RMS of the error, s.
    pub rms: Option<f64>,
    /// 99th percentile of |error|, s.
    pub p99: Option<f64>,
    /// Largest |error|, s.
    pub max: Option<f64>,
    /// From the start until |error| < 1 ms for good, s.
    pub seconds_to_lock: Option<f64>,
    /// Share of judged seconds in which |error| ≤ bound.
    pub coverage: Option<f64>,
    /// median(bound) / p99.
    pub tightness: Option<f64>,
    /// The same with the path term left out.
    pub tightness_without_path: Option<f64>,
    /// The same of RFC 5905's root distance.
    pub tightness_rfc5905: Option<f64>,
    /// RMS over the reference's RMS in the same seconds.
    pub rms_vs_kalman: Option<f64>,
    /// RMS over that of the better of two plain methods in the same seconds.
    pub rms_vs_plain: Option<f64>,
    /// Requests a day.
    pub requests_per_day: Option<f64>,
    /// Largest |error| from an event to two hours after its end, s.
    pub event_max: Option<f64>,
    /// From the first event until |error| < 1 ms for good, s.
    pub recovery: Option<f64>,
}

impl Figures {
    /// The figures of these looks, one a second from the start.
    pub fn of(judged: &[Judged], course: &Course, requests: u64) -> Self {
        let settled = judged.get(second(course.settle)..).unwrap_or(&[]);
        let mut errors: Vec<f64> = settled.iter().map(|j| j.error.abs()).collect();
        let p99 = quantile(&mut errors, 0.99);
        let against_p99 = |bound: Option<f64>| match (bound, p99) {
            (Some(bound), Some(p99)) if p99 > 0.0 => Some(bound / p99),
            _ => None,
        };
        let claimed = || settled.iter().filter(|j| j.claimed);
        let mut bounds: Vec<f64> = claimed().map(|j| j.bound).collect();
        let mut without_path: Vec<f64> = claimed().map(|j| j.bound - j.path).collect();
        let mut distances: Vec<f64> = claimed().filter_map(|j| j.root_distance).collect();
        let first = course.events.iter().map(|(begin, _)| *begin).min_by(f64::total_cmp);
        let undisturbed = &judged[..first.map_or(judged.len(), second).min(judged.len())];
        let affected = course.events.iter().flat_map(|(begin, end)| {
            let until = (second(end + AFTERMATH) + 1).min(judged.len());
            judged.get(second(*begin)..until).unwrap_or(&[])
        });
        Self {
            rms: rms(settled.iter().map(|j| j.error)),
            p99,
            max: largest(settled.iter().map(|j| j.error.abs())),
            seconds_to_lock: good_from(undisturbed).map(|second| second as f64),
            coverage: coverage(judged),
            tightness: against_p99(quantile(&mut bounds, 0.5)),
            tightness_without_path: against_p99(quantile(&mut without_path, 0.5)),
            tightness_rfc5905: against_p99(quantile(&mut distances, 0.5)),
            rms_vs_kalman: against_reference(judged, course),
            rms_vs_plain: against_plain(judged, course),
            requests_per_day: Some(requests as f64 * 86_400.0 / course.duration),
            event_max: largest(affected.map(|j| j.peak)),
            recovery: first.and_then(|first| {
                let after = judged.get(second(first)..)?;
                good_from(after).map(|second| second as f64)
            }),
        }
    }

    /// The mean of each figure; `None` if it is `None` for one of them.
    pub fn mean(all: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> Option<f64>| {
            let values: Option<Vec<f64>> = all.iter().map(of).collect();
            let values = values.filter(|values| !values.is_empty())?;
            Some(values.iter().sum::<f64>() / values.len() as f64)
        };
        Self {
            rms: mean(|f| f.rms),
            p99: mean(|f| f.p99),
            max: mean(|f| f.max),
            seconds_to_lock: mean(|f| f.seconds_to_lock),
            coverage: mean(|f| f.coverage),
            tightness: mean(|f| f.tightness),
            tightness_without_path: mean(|f| f.tightness_without_path),
            tightness_rfc5905: mean(|f| f.tightness_rfc5905),
            rms_vs_kalman: mean(|f| f.rms_vs_kalman),
            rms_vs_plain: mean(|f| f.rms_vs_plain),
            requests_per_day: mean(|f| f.requests_per_day),
            event_max: mean(|f| f.event_max),
            recovery: mean(|f| f.recovery),
        }
    }
}

/// The look of a second from the start.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "seconds of a scenario, not negative; casts of floats saturate"
)]
fn second(at: f64) -> usize {
    libm::ceil(at) as usize
}

/// The first second from which on |error| < 1 ms; `None` if even the last one is not.
fn good_from(judged: &[Judged]) -> Option<usize> {
    let bad = judged.iter().rposition(|j| j.error.abs() >= GOOD);
    let from = bad.map_or(0, |bad| bad + 1);
    (from < judged.len()).then_some(from)
}

fn coverage(judged: &[Judged]) -> Option<f64> {
    let (mut kept, mut claimed) = (0u32, 0u32);
    for look in judged.iter().filter(|look| look.claimed) {
        claimed += 1;
        kept += u32::from(look.error.abs() <= look.bound);
    }
    (claimed > 0).then(|| f64::from(kept) / f64::from(claimed))
}

/// Looks that follow an event that moves the clock, and those at which the node uses a source that
/// is kept from the reference, say nothing about the estimate. The ratio has no meaning where the
/// reference is no mark to compare with: it does not know its own errors, or it owes them to what
/// it alone was told.
fn against_reference(judged: &[Judged], course: &Course) -> Option<f64> {
    let moved = moved(course);
    let looks =
        || judged.iter().enumerate().skip(second(course.settle)).filter(|(at, _)| !moved(*at));
    let apart = looks().filter(|(_, look)| look.apart).count() as f64;
    let compared = || {
        let looks = looks().filter(|(_, look)| !look.apart);
        looks.filter_map(|(_, look)| Some((look.error, look.reference?, look.reference_variance)))
    };
    let ours = rms(compared().map(|(error, ..)| error))?;
    let reference = rms(compared().map(|(_, reference, _)| reference))?;
    let sigmas = rms(compared().map(|(_, error, variance)| error / libm::sqrt(variance)))?;
    let is_honest = sigmas * sigmas <= SURPRISE_MAX;
    let is_fair = course.told.abs() <= reference && apart <= APART_MAX * looks().count() as f64;
    (is_honest && is_fair && reference > 0.0).then(|| ours / reference)
}

/// Looks that follow an event that moves the clock say nothing about the estimate.
fn moved<'c>(course: &'c Course) -> impl Fn(usize) -> bool + 'c {
    |at| {
        let within =
            |(begin, end): &(f64, f64)| (second(*begin)..=second(end + AFTERMATH)).contains(&at);
        course.moves.iter().any(within)
    }
}

/// Over the RMS of the better of the two plain methods.
fn against_plain(judged: &[Judged], course: &Course) -> Option<f64> {
    let moved = moved(course);
    let looks =
        || judged.iter().enumerate().skip(second(course.settle)).filter(|(at, _)| !moved(*at));
    let against = |method: usize| {
        let compared = || looks().filter_map(|(_, look)| Some((look.error, look.plain?[method])));
        let (ours, theirs) = (rms(compared().map(|b| b.0))?, rms(compared().map(|b| b.1))?);
        (theirs > 0.0).then(|| ours / theirs)
    };
    Some(against(0)?.max(against(1)?))
}

fn rms(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0u32);
    for value in values {
        sum += value * value;
        count += 1;
    }
    (count > 0).then(|| libm::sqrt(sum / f64::from(count)))
}

fn largest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.max_by(f64::total_cmp)
}

/// The value below which this share of the others lies.
fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let place = second(share * values.len() as f64).saturating_sub(1);
    let in_range = place < values.len();
    in_range.then(|| *values.select_nth_unstable_by(place, f64::total_cmp).1)
}

/// Below this a clock is right, s.
const GOOD: f64 = 1e-3;
/// An event is watched for so long after its end, s.
const AFTERMATH: f64 = 7200.0;
/// Mean of the squared errors of the reference over their variance: 0.6 to 1.9 in a run with laws
/// that it has; more than 7 with noise that it takes for independent from poll to poll.
const SURPRISE_MAX: f64 = 4.0;
/// Share of looks at which the node may use a source that is kept from the reference: whoever lies
/// is found out within a few polls, or the run tells of the lie rather than of noise.
const APART_MAX: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(errors: &[f64]) -> Vec<Judged> {
        let look = |error: &f64| Judged {
            error: *error,
            peak: error.abs(),
            bound: 4.0,
            path: 1.0,
            root_distance: Some(40.0),
            claimed: true,
            reference: Some(error / 2.0),
            reference_variance: 1.0,
            apart: false,
            plain: Some([*error, error / 4.0]),
        };
        errors.iter().map(look).collect()
    }

    fn course(settle: f64, events: &[(f64, f64)]) -> Course {
        let events = events.to_vec();
        Course { settle, duration: 8.0, events, moves: Vec::new(), told: 0.0 }
    }

    #[test]
    fn figures_are_those_of_the_definitions() {
        let looks = judged(&[9.0, 0.5, 2e-4, 3.0, -4.0, 2.0, 1e-4, -1e-4]);
        let f = Figures::of(&looks, &course(3.0, &[(3.0, 3.0)]), 10);
        assert_eq!(f.rms, Some(libm::sqrt((9.0 + 16.0 + 4.0 + 2e-8) / 5.0)));
        assert_eq!((f.p99, f.max), (Some(4.0), Some(4.0)));
        assert_eq!(f.seconds_to_lock, Some(2.0));
        assert_eq!(f.coverage, Some(7.0 / 8.0));
        assert_eq!((f.tightness, f.tightness_without_path), (Some(1.0), Some(0.75)));
        assert_eq!(f.tightness_rfc5905, Some(10.0));
        assert_eq!((f.rms_vs_kalman, f.rms_vs_plain), (Some(2.0), Some(4.0)));
        assert_eq!(f.requests_per_day, Some(108_000.0));
        assert_eq!((f.event_max, f.recovery), (Some(4.0), Some(3.0)));
    }

    #[test]
    fn what_has_no_meaning_is_none() {
        let mut looks = judged(&[1.0, 1.0]);
        looks.iter_mut().for_each(|look| {
            *look = Judged { claimed: false, reference: None, plain: None, ..*look }
        });
        let f = Figures::of(&looks, &course(0.0, &[]), 0);
        assert_eq!((f.coverage, f.tightness), (None, None));
        assert_eq!((f.rms_vs_kalman, f.rms_vs_plain), (None, None));
        assert_eq!((f.seconds_to_lock, f.event_max, f.recovery), (None, None, None));
        assert_eq!(Figures::mean(&[]).rms, None);
        let locked = Figures { seconds_to_lock: Some(3.0), rms: Some(1.0), ..f };
        let mean = Figures::mean(&[locked, Figures { rms: Some(2.0), ..f }]);
        assert_eq!((mean.rms, mean.seconds_to_lock), (Some(1.5), None));
    }

    #[test]
    fn a_reference_that_is_no_mark_gives_no_ratio() {
        let looks = judged(&[2.0, -2.0, 2.0, 4.0]);
        let ratio = |looks: &[Judged], told| {
            Figures::of(looks, &Course { told, ..course(0.0, &[]) }, 0).rms_vs_kalman
        };
        let with = |change: fn(&mut Judged)| {
            let mut looks = looks.clone();
            looks.iter_mut().for_each(change);
            looks
        };
        assert_eq!(ratio(&looks, 1.3), Some(2.0));
        assert_eq!(ratio(&looks, -1.4), None, "told more than its own error");
        assert_eq!(ratio(&with(|look| look.reference_variance = 0.45), 0.0), Some(2.0));
        assert_eq!(ratio(&with(|look| look.reference_variance = 0.43), 0.0), None, "surprised");
        let led = |looks: usize| {
            let mut all = judged(&[2.0; 1000]);
            for look in &mut all[..looks] {
                *look = Judged { apart: true, error: 50.0, ..*look };
            }
            all
        };
        assert_eq!(ratio(&led(10), 0.0), Some(2.0), "led for a moment");
        assert_eq!(ratio(&led(11), 0.0), None, "led astray");
        assert_eq!(ratio(&led(1000), 0.0), None, "nothing in common");
    }

    #[test]
    fn quantiles() {
        let mut values: Vec<f64> = (1..=100).map(f64::from).rev().collect();
        assert_eq!(quantile(&mut values, 0.99), Some(99.0));
        assert_eq!(quantile(&mut values, 0.5), Some(50.0));
        assert_eq!(quantile(&mut [], 0.5), None);
    }
}
