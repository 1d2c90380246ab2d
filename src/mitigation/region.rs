//! Where the truth may lie when it is not known who lies (Marzullo's fusion).

/// The least range that holds every instant which at least `depth` of the intervals contain; `None`
/// if there is none. If all but `n − depth` of `n` intervals are right, the truth lies in it.
pub fn region(intervals: &[(f64, f64)], depth: usize) -> Option<(f64, f64)> {
    let depth_at =
        |at: f64| intervals.iter().filter(|(low, high)| *low <= at && at <= *high).count();
    let deep = |at: &f64| depth_at(*at) >= depth.max(1);
    // Where the depth reaches or leaves a value, an interval begins or ends.
    let low = intervals.iter().map(|i| i.0).filter(deep).min_by(f64::total_cmp)?;
    let high = intervals.iter().map(|i| i.1).filter(deep).max_by(f64::total_cmp)?;
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_wide_interval_over_two_that_contradict_keeps_both() {
        let intervals = [(-1.0, 1.0), (-0.6, -0.5), (0.2, 0.3)];
        assert_eq!(region(&intervals, 3), None);
        assert_eq!(region(&intervals, 2), Some((-0.6, 0.3)));
        assert_eq!(region(&intervals, 1), Some((-1.0, 1.0)));
        assert_eq!(region(&[], 1), None);
    }

    proptest! {
        #[test]
        fn the_truth_is_in_it_however_the_liars_lie(
            honest in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64), 1..8),
            liars in prop::collection::vec((-9.0..9.0f64, 0.0..2.0f64), 0..7),
        ) {
            let mut intervals: Vec<(f64, f64)> = honest.iter().map(|(a, b)| (-a, *b)).collect();
            intervals.extend(liars.iter().map(|(low, length)| (*low, low + length)));
            let (low, high) = region(&intervals, honest.len()).unwrap();
            prop_assert!(low <= 0.0 && high >= 0.0);
        }
    }
}
