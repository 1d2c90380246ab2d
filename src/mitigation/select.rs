//! Selection, clustering and combination of RFC 5905 §11.2.1–§11.2.3.

use super::Verdict;
use crate::sample::SourceId;

/// What one source claims, at one common instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Who.
    pub source: SourceId,
    /// source − served time, s.
    pub offset: f64,
    /// Root distance Λ: the true time lies within `offset ± distance`, s.
    pub distance: f64,
    /// Λ at its last sample, of a server by its shortest round trip, s: what it is ranked by, less is
    /// better. How long ago that was, or how that one sample queued, says nothing of a source, and would
    /// let two take turns with each sample.
    pub rank: f64,
    /// RMS scatter of its samples ψ, s.
    pub jitter: f64,
    /// Hops between it and a reference clock.
    pub stratum: u8,
    /// The operator prefers it.
    pub prefer: bool,
    /// The operator takes its time to be true (chrony's `trust`): only trusted ones vote, where
    /// there are any.
    pub trust: bool,
    /// It marks seconds by pulses.
    pub pulse: bool,
    /// Its samples are intervals, which the estimate weighs against each other by itself.
    pub interval: bool,
}

/// Whose samples are used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Selection {
    /// The best of the survivors.
    pub system_peer: Option<SourceId>,
    /// Sources in the majority.
    pub truechimers: usize,
}

/// Judges all candidates. `verdicts[i]` is what becomes of `candidates[i]`; `former` is the system
/// peer so far, kept unless another is clearly better, so that equals do not take turns.
pub fn select(
    candidates: &[Candidate],
    former: Option<SourceId>,
    verdicts: &mut Vec<Verdict>,
) -> Selection {
    verdicts.clear();
    verdicts.resize(candidates.len(), Verdict::NoMajority);
    let Some((low, high)) = intersection(candidates) else {
        return Selection::default();
    };
    for (verdict, candidate) in verdicts.iter_mut().zip(candidates) {
        let overlaps = candidate.offset - candidate.distance <= high
            && candidate.offset + candidate.distance >= low;
        *verdict = if overlaps { Verdict::Combined } else { Verdict::Falseticker };
    }
    let truechimers = verdicts.iter().filter(|v| v.is_used()).count();
    cluster(candidates, verdicts);
    let Some(peer) = system_peer(candidates, verdicts, former) else {
        return Selection { truechimers, ..Selection::default() };
    };
    let limit = COMBINE_LIMIT * candidates[peer].rank;
    for (index, candidate) in candidates.iter().enumerate() {
        let weighed = candidate.interval && candidates[peer].interval;
        let uncertain = candidate.rank > limit && !weighed;
        // Whoever stands further down may follow us: two that combine each other swing together.
        let below = candidate.stratum > candidates[peer].stratum;
        if verdicts[index] == Verdict::Combined && (uncertain || below) {
            verdicts[index] = Verdict::Reserve;
        }
    }
    verdicts[peer] = if candidates[peer].pulse { Verdict::PulsePeer } else { Verdict::SystemPeer };
    Selection { system_peer: Some(candidates[peer].source), truechimers }
}

/// The interval on which most intervals agree, if these are a majority. Where two places are equally
/// deep it spans both: a wide honest source may lie over a true and a false narrow one, and nobody
/// can tell which. The RFC counts midpoints as well; here only the intervals vote, since a wide
/// honest source may have its midpoint anywhere.
fn intersection(candidates: &[Candidate]) -> Option<(f64, f64)> {
    let only_trusted = candidates.iter().any(|c| c.trust);
    let voters = || candidates.iter().filter(|c| c.trust || !only_trusted);
    let mut edges: Vec<(f64, i32)> =
        voters().flat_map(|c| [(c.offset - c.distance, 1), (c.offset + c.distance, -1)]).collect();
    // Where one interval ends and another begins at the same point they share it: begins first.
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let majority = i32::try_from(voters().count() / 2 + 1).ok()?;
    let (mut depth, mut most) = (0, majority);
    let mut best: Option<(f64, f64)> = None;
    for (index, (at, change)) in edges.iter().enumerate() {
        depth += change;
        if *change > 0 && depth >= most {
            let end = edges.get(index + 1)?.0;
            let equal = best.filter(|_| depth == most);
            let low = equal.map_or(*at, |(low, _)| low);
            (most, best) = (depth, Some((low, end)));
        }
    }
    best
}

/// RFC 5905 §11.2.2: while more than three survive, the one whose offset scatters most about the
/// others goes, unless its own jitter already explains as much.
fn cluster(candidates: &[Candidate], verdicts: &mut [Verdict]) {
    loop {
        let competes = |i: usize| verdicts[i] == Verdict::Combined && !candidates[i].interval;
        let left: Vec<usize> = (0..candidates.len()).filter(|i| competes(*i)).collect();
        if left.len() <= CLUSTER_MIN {
            return;
        }
        let scatter = |i: usize| {
            let squares = left.iter().map(|j| {
                let apart = candidates[*j].offset - candidates[i].offset;
                apart * apart
            });
            libm::sqrt(squares.sum::<f64>() / (left.len() - 1) as f64)
        };
        let worst = left.iter().copied().filter(|i| !candidates[*i].prefer).max_by(|a, b| {
            let weighted = |i: usize| scatter(i) * candidates[i].rank;
            weighted(*a).total_cmp(&weighted(*b))
        });
        let calmest = left.iter().map(|i| candidates[*i].jitter).fold(f64::INFINITY, f64::min);
        match worst {
            Some(worst) if scatter(worst) > calmest => verdicts[worst] = Verdict::Outlier,
            _ => return,
        }
    }
}

fn system_peer(
    candidates: &[Candidate],
    verdicts: &[Verdict],
    former: Option<SourceId>,
) -> Option<usize> {
    let survivors = || (0..candidates.len()).filter(|i| verdicts[*i] == Verdict::Combined);
    // One two strata below the best may follow us, whatever the operator prefers.
    let limit = survivors().map(|i| candidates[i].stratum).min()?.saturating_add(1);
    let order = |i: usize| {
        let candidate = &candidates[i];
        let loyalty = if Some(candidate.source) == former { LOYALTY } else { 1.0 };
        (!candidate.prefer || candidate.stratum > limit, candidate.rank * loyalty)
    };
    survivors().min_by(|a, b| {
        let (a, b) = (order(*a), order(*b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    })
}

/// Survivors this many times less certain than the best are kept in reserve (chrony's
/// `combinelimit`).
const COMBINE_LIMIT: f64 = 3.0;
/// NMIN of RFC 5905 §7.2: clustering leaves at least so many.
const CLUSTER_MIN: usize = 3;
/// Another source must be better by this factor to take over.
const LOYALTY: f64 = 0.7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(id: u8, offset: f64, distance: f64) -> Candidate {
        Candidate {
            source: SourceId(id),
            offset,
            distance,
            rank: distance,
            jitter: distance / 10.0,
            prefer: false,
            pulse: false,
            interval: false,
            stratum: 1,
            trust: false,
        }
    }

    fn judged(candidates: &[Candidate]) -> (Selection, Vec<Verdict>) {
        let mut verdicts = Vec::new();
        (select(candidates, None, &mut verdicts), verdicts)
    }

    #[test]
    fn one_of_three_lies() {
        let (selection, verdicts) =
            judged(&[candidate(0, 0.0, 1e-3), candidate(1, 0.1, 1e-3), candidate(2, 5e-4, 1e-3)]);
        assert_eq!(verdicts, [Verdict::SystemPeer, Verdict::Falseticker, Verdict::Combined]);
        assert_eq!(selection.truechimers, 2);
    }

    #[test]
    fn a_trusted_source_is_outvoted_by_trusted_ones_only() {
        let mut candidates =
            [candidate(0, 0.0, 1e-3), candidate(1, 0.1, 1e-3), candidate(2, 0.1, 1e-3)];
        candidates[0].trust = true;
        let (selection, verdicts) = judged(&candidates);
        assert_eq!(selection.system_peer, Some(SourceId(0)));
        assert_eq!(verdicts[1..], [Verdict::Falseticker; 2]);
        candidates[1].trust = true;
        assert_eq!(judged(&candidates).0.system_peer, None);
    }

    #[test]
    fn two_that_contradict_are_no_majority() {
        let (selection, verdicts) = judged(&[candidate(0, 0.0, 1e-3), candidate(1, 0.1, 1e-3)]);
        assert_eq!(verdicts, [Verdict::NoMajority; 2]);
        assert_eq!(selection.system_peer, None);
    }

    #[test]
    fn a_wide_source_over_two_that_contradict_keeps_both() {
        let (selection, verdicts) =
            judged(&[candidate(0, -0.1, 1e-2), candidate(1, 0.1, 2e-2), candidate(2, 0.0, 1.0)]);
        assert_eq!(selection.truechimers, 3);
        assert_eq!(verdicts[0], Verdict::SystemPeer);
    }

    #[test]
    fn a_coarse_source_numbers_but_stays_in_reserve() {
        let mut pulse = candidate(1, 1e-7, 1e-6);
        pulse.pulse = true;
        let (selection, verdicts) = judged(&[candidate(0, 0.05, 0.2), pulse]);
        assert_eq!(verdicts, [Verdict::Reserve, Verdict::PulsePeer]);
        assert_eq!(selection.system_peer, Some(SourceId(1)));
    }

    #[test]
    fn one_further_down_stays_in_reserve_and_a_nearer_one_may_lead() {
        let mut candidates = [candidate(0, 0.0, 1e-3), candidate(1, 0.0, 1.1e-3)];
        candidates[1].stratum = 2;
        candidates.iter_mut().for_each(|c| c.interval = true);
        assert_eq!(judged(&candidates).1, [Verdict::SystemPeer, Verdict::Reserve]);
        (candidates[1].distance, candidates[1].rank) = (1e-4, 1e-4);
        assert_eq!(judged(&candidates).1, [Verdict::Combined, Verdict::SystemPeer]);
    }

    #[test]
    fn clustering_casts_out_what_scatters() {
        let mut candidates: Vec<Candidate> =
            (0..5).map(|i| candidate(i, f64::from(i) * 1e-6, 1e-3)).collect();
        candidates[4].offset = 9e-4;
        let (_, verdicts) = judged(&candidates);
        assert_eq!(verdicts[4], Verdict::Outlier);
        assert_eq!(verdicts.iter().filter(|v| v.is_used()).count(), 4);
    }

    #[test]
    fn preference_wins_and_loyalty_prevents_taking_turns() {
        let mut candidates = [candidate(0, 0.0, 1.0e-3), candidate(1, 0.0, 0.9e-3)];
        let mut verdicts = Vec::new();
        let kept = select(&candidates, Some(SourceId(0)), &mut verdicts);
        assert_eq!(kept.system_peer, Some(SourceId(0)));
        candidates[1].distance = 2e-3;
        let aged = select(&candidates, Some(SourceId(1)), &mut verdicts);
        assert_eq!(aged.system_peer, Some(SourceId(1)));
        candidates[1].rank = 0.5e-3;
        let taken = select(&candidates, Some(SourceId(0)), &mut verdicts);
        assert_eq!(taken.system_peer, Some(SourceId(1)));
        candidates[0].prefer = true;
        candidates[0].stratum = 2;
        let preferred = select(&candidates, Some(SourceId(1)), &mut verdicts);
        assert_eq!(preferred.system_peer, Some(SourceId(0)));
        candidates[0].stratum = 3;
        let may_follow_us = select(&candidates, Some(SourceId(1)), &mut verdicts);
        assert_eq!(may_follow_us.system_peer, Some(SourceId(1)));
    }

    proptest! {
        /// Whatever a minority says, a majority that shares an instant finds a system peer, and more
        /// than half of all agree with it.
        #[test]
        fn an_honest_majority_always_agrees(
            truth in -1.0..1.0f64,
            honest in prop::collection::vec((1e-6..1.0f64, -0.999..0.999f64), 2..12),
            liars in prop::collection::vec((-10.0..10.0f64, 0.0..1.0f64), 0..11),
        ) {
            let mut candidates = Vec::new();
            for (distance, place) in &honest {
                let id = u8::try_from(candidates.len()).unwrap();
                candidates.push(candidate(id, truth + place * distance, *distance));
            }
            for (offset, distance) in liars.iter().take(honest.len() - 1) {
                let id = u8::try_from(candidates.len()).unwrap();
                candidates.push(candidate(id, *offset, *distance));
            }
            let low = honest.iter().map(|(d, p)| p * d - d).fold(f64::MIN, f64::max);
            let high = honest.iter().map(|(d, p)| p * d + d).fold(f64::MAX, f64::min);
            prop_assert!(low <= high);
            let (selection, verdicts) = judged(&candidates);
            prop_assert!(selection.truechimers * 2 > candidates.len());
            prop_assert!(selection.system_peer.is_some());
            prop_assert_eq!(verdicts.len(), candidates.len());
            // One liar more can never make a deeper place than the honest ones have alone.
            if liars.is_empty() {
                prop_assert!(!verdicts.contains(&Verdict::Falseticker));
            }
        }

        #[test]
        fn the_order_of_the_candidates_does_not_matter(
            offsets in prop::collection::vec((-1.0..1.0f64, 1e-3..1.0f64), 1..10), shift in 0usize..10,
        ) {
            let mut candidates: Vec<Candidate> = offsets
                .iter()
                .enumerate()
                .map(|(i, (o, d))| candidate(u8::try_from(i).unwrap(), *o, *d))
                .collect();
            let (selection, verdicts) = judged(&candidates);
            let shift = shift % candidates.len();
            candidates.rotate_left(shift);
            let (again, mut rotated) = judged(&candidates);
            rotated.rotate_right(shift);
            prop_assert_eq!(selection, again);
            prop_assert_eq!(verdicts, rotated);
        }
    }
}
