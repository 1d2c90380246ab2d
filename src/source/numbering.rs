//! Which second does a pulse begin?
//!
//! ```text
//!   edge e      label "T" arrives at t
//!     |────gap────|
//!   ──┴───────────┴──────────┴──►  raw clock      T ≤ true time at t < T + 1
//! ```
//!
//! Text names an instant that has passed, and comes less than a second after it. So the true time of
//! the edge lies in `[T − gap, T − gap + 1)`, which holds exactly one whole second. Once the line's
//! delay is known, the nearest second to `T + delay − gap` is taken instead, which also numbers text
//! that comes later than a second or jitters across an edge.
//!
//! Three agreeing pairs start a count; from then on edges are counted by their distance, and a label
//! that contradicts the count is not believed (the wrong-second guard). Only ten in a row that
//! contradict it alike end it.

use crate::time::{Duration, Frequency, Raw, Timestamp, Utc};

/// Counts the seconds of one pulse with the labels of one text source.
#[derive(Clone, Debug, Default)]
pub struct Numbering {
    last_label: Option<Label>,
    last_edge: Option<Timestamp<Raw>>,
    /// Edges off the grid in a row: after three the train is where they are.
    off_train: u32,
    candidate: Option<Pair>,
    agreeing: u32,
    counted: Option<Pair>,
    contradiction: i64,
    contradicting: u32,
    delays: Delays,
}

#[derive(Clone, Copy, Debug)]
struct Label {
    at: Timestamp<Raw>,
    utc: Timestamp<Utc>,
}

/// An edge and the second that it begins.
#[derive(Clone, Copy, Debug)]
struct Pair {
    edge: Timestamp<Raw>,
    second: i64,
}

/// What became of a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    /// There is no edge to pair it with.
    NoEdge,
    /// It came so much off its turn: text piled up somewhere. Not believed.
    Late(Duration),
    /// It agrees with those before; the count has not begun.
    Agreeing,
    /// The count begins.
    Begun,
    /// It confirms the count.
    Confirmed,
    /// It is so many seconds off the count. Not believed.
    Wrong(i64),
    /// It was off alike for too long: the count is given up.
    Lost(i64),
}

/// What became of an edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edge {
    /// It begins this second; so many were missed before it.
    Second(Timestamp<Utc>, u32),
    /// It belongs to the train, but the count has not begun.
    Unnumbered,
    /// It came too soon after the last one. Dropped.
    Doubled(Duration),
    /// It is this far from where the train has an edge. Dropped.
    OffGrid(Duration),
}

impl Numbering {
    /// An edge at `at`. Edges come in order of time.
    pub fn edge(&mut self, at: Timestamp<Raw>) -> Edge {
        let Some(last) = self.last_edge else {
            self.last_edge = Some(at);
            return Edge::Unnumbered;
        };
        let since = at - last;
        let seconds = since.round_seconds();
        let off = since - Duration::from_seconds(seconds);
        if seconds < 1 {
            // Whatever follows within half a second of an edge is its echo.
            return Edge::Doubled(since);
        }
        if off.abs() > GRID_TOLERANCE + GRID_RATE.over(since) {
            self.off_train += 1;
            if self.off_train <= TRAIN_MOVES_AFTER {
                return Edge::OffGrid(off);
            }
            // The train itself was mistaken; whatever was counted on it is void.
            self.forget_count();
        }
        self.off_train = 0;
        self.last_edge = Some(at);
        let Some(counted) = self.counted else { return Edge::Unnumbered };
        let passed = at - counted.edge;
        if passed > COUNT_TRUSTED_FOR {
            // Nobody counts on a crystal for so long.
            self.forget_count();
            return Edge::Unnumbered;
        }
        let pair = Pair { edge: at, second: counted.second + passed.round_seconds() };
        self.counted = Some(pair);
        let missed = u32::try_from(seconds - 1).unwrap_or(0);
        Edge::Second(Timestamp::from_seconds(pair.second), missed)
    }

    /// Text that began to arrive at `at` says `utc`.
    pub fn label(&mut self, at: Timestamp<Raw>, utc: Timestamp<Utc>) -> Heard {
        let label = Label { at, utc };
        if let Some(last) = self.last_label.replace(label) {
            let by = (at - last.at) - (utc - last.utc);
            // A pause is no lateness, unless it shows that text had piled up.
            if by.abs() > TURN_TOLERANCE {
                return Heard::Late(by);
            }
        }
        let Some(edge) = self.last_edge.filter(|e| *e <= at && at - *e < PAIR_WITHIN) else {
            return Heard::NoEdge;
        };
        let gap = at - edge;
        let second = self.second_of(utc, gap);
        match self.counted {
            None => self.propose(Pair { edge, second }, utc, gap),
            Some(counted) => {
                let expected = counted.second + (edge - counted.edge).round_seconds();
                self.compare(second - expected, label, Pair { edge, second: expected })
            }
        }
    }

    /// What was seen lies `by` later on the raw clock, because somebody moved it, or its seconds are
    /// numbered `seconds` higher, because UTC leapt.
    pub fn shift(&mut self, by: Duration, seconds: i64) {
        if let Some(label) = &mut self.last_label {
            label.at = label.at + by;
            label.utc = label.utc + Duration::from_seconds(seconds);
        }
        self.last_edge = self.last_edge.map(|edge| edge + by);
        for pair in [&mut self.candidate, &mut self.counted].into_iter().flatten() {
            pair.edge = pair.edge + by;
            pair.second += seconds;
        }
    }

    /// The second that the count gives an edge at `at`.
    pub fn second_at(&self, at: Timestamp<Raw>) -> Option<Timestamp<Utc>> {
        let counted = self.counted?;
        let passed = (at - counted.edge).round_seconds();
        Some(Timestamp::from_seconds(counted.second + passed))
    }

    /// Whether seconds are counted now.
    pub fn is_counting(&self) -> bool {
        self.counted.is_some()
    }

    /// How long text takes from the instant it names to its arrival, and half the spread of that;
    /// `None` until it was compared with edges a few times.
    pub fn delay(&self) -> Option<(Duration, Duration)> {
        self.delays.median()
    }

    fn second_of(&self, utc: Timestamp<Utc>, gap: Duration) -> i64 {
        match self.delays.median() {
            Some((delay, _)) => (utc + delay - gap).round_to_second().seconds(),
            // The whole second in [T − gap, T − gap + 1).
            None => (utc - gap + Duration::SECOND - Duration::from_units(1)).seconds(),
        }
    }

    fn propose(&mut self, pair: Pair, utc: Timestamp<Utc>, gap: Duration) -> Heard {
        let agrees = self.candidate.is_some_and(|former| {
            pair.second - former.second == (pair.edge - former.edge).round_seconds()
        });
        self.candidate = Some(pair);
        self.agreeing = if agrees { self.agreeing + 1 } else { 1 };
        self.delays.push(Timestamp::<Utc>::from_seconds(pair.second) + gap - utc);
        if self.agreeing < AGREEMENT {
            return Heard::Agreeing;
        }
        self.counted = Some(pair);
        self.contradicting = 0;
        Heard::Begun
    }

    fn compare(&mut self, by: i64, label: Label, expected: Pair) -> Heard {
        if by == 0 {
            self.contradicting = 0;
            let second = Timestamp::<Utc>::from_seconds(expected.second);
            self.delays.push(second + (label.at - expected.edge) - label.utc);
            return Heard::Confirmed;
        }
        let alike = self.contradiction == by;
        self.contradicting = if alike { self.contradicting + 1 } else { 1 };
        self.contradiction = by;
        if self.contradicting < CONTRADICTION {
            return Heard::Wrong(by);
        }
        self.forget_count();
        Heard::Lost(by)
    }

    fn forget_count(&mut self) {
        self.counted = None;
        self.candidate = None;
        self.agreeing = 0;
        self.contradicting = 0;
        self.delays = Delays::default();
    }
}

/// The last observed delays of a line.
#[derive(Clone, Copy, Debug, Default)]
struct Delays {
    ring: [Duration; DELAYS],
    count: usize,
}

impl Delays {
    fn push(&mut self, delay: Duration) {
        self.ring[self.count % DELAYS] = delay;
        self.count += 1;
    }

    /// Median and half spread, once enough were seen.
    fn median(&self) -> Option<(Duration, Duration)> {
        if self.count < DELAYS_MIN {
            return None;
        }
        let mut sorted = self.ring;
        let seen = &mut sorted[..self.count.min(DELAYS)];
        seen.sort_unstable();
        let median = seen[seen.len() / 2];
        let spread = (seen[seen.len() - 1] - median).max(median - seen[0]);
        Some((median, spread))
    }
}

/// Pairs in a row that start a count.
const AGREEMENT: u32 = 3;
/// Equal contradictions in a row that end it.
const CONTRADICTION: u32 = 10;
/// How far an edge may be from the train: interrupts and threads are a few milliseconds late at most,
/// and no usable oscillator is off by more than 500 ppm, doubled.
const GRID_TOLERANCE: Duration = Duration::from_millis(5);
const GRID_RATE: Frequency = Frequency::from_ppm(1000.0);
/// Edges off the grid in a row after which they, not the train, are right.
const TRAIN_MOVES_AFTER: u32 = 3;
/// How far the distance of two labels may be from the distance of their arrivals.
const TURN_TOLERANCE: Duration = Duration::from_millis(450);
/// Text older than this past an edge has no business with it.
const PAIR_WITHIN: Duration = Duration::from_millis(1200);
/// 250 ms at 500 ppm are 500 s.
const COUNT_TRUSTED_FOR: Duration = Duration::from_seconds(500);
/// Delays remembered, and how many make a calibration.
const DELAYS: usize = 32;
const DELAYS_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_700_000_000;

    fn raw(second: i64, millis: i64) -> Timestamp<Raw> {
        // The raw clock is 0.4 s ahead of the truth.
        Timestamp::from_seconds(second) + Duration::from_millis(millis + 400)
    }

    fn utc(second: i64) -> Timestamp<Utc> {
        Timestamp::from_seconds(second)
    }

    /// `count` seconds of edges with text `delay` ms after each.
    fn counting(delay: i64, count: i64) -> Numbering {
        let mut numbering = Numbering::default();
        for s in START..START + count {
            numbering.edge(raw(s, 0));
            numbering.label(raw(s, delay), utc(s));
        }
        numbering
    }

    #[test]
    fn three_agreeing_pairs_begin_the_count() {
        for delay in [0, 1, 120, 500, 998] {
            let mut n = Numbering::default();
            let mut heard = Vec::new();
            for s in START..START + 4 {
                n.edge(raw(s, 0));
                heard.push(n.label(raw(s, delay), utc(s)));
            }
            let want = [Heard::Agreeing, Heard::Agreeing, Heard::Begun, Heard::Confirmed];
            assert_eq!(heard, want, "delay {delay}");
            assert_eq!(n.edge(raw(START + 4, 0)), Edge::Second(utc(START + 4), 0));
        }
    }

    #[test]
    fn text_that_comes_before_the_next_edge_by_microseconds_is_numbered_rightly() {
        let mut n = counting(999, 12);
        assert_eq!(n.edge(raw(START + 12, 0)), Edge::Second(utc(START + 12), 0));
        let (delay, spread) = n.delay().unwrap();
        assert!((delay.seconds() - 0.999).abs() < 1e-15 && spread.seconds() < 1e-15);
    }

    #[test]
    fn once_calibrated_text_may_jitter_across_an_edge() {
        let mut n = counting(900, 20);
        for (k, late) in [(0, 950), (1, 1010), (2, 1040), (3, 880)] {
            let s = START + 20 + k;
            n.edge(raw(s, 0));
            if late > 1000 {
                n.edge(raw(s + 1, 0));
            }
            assert_eq!(n.label(raw(s, late), utc(s)), Heard::Confirmed, "{late}");
        }
    }

    #[test]
    fn a_wrong_second_is_not_believed_and_does_not_shift_the_count() {
        let mut n = counting(200, 12);
        for k in 0..9 {
            let s = START + 12 + k;
            assert_eq!(n.edge(raw(s, 0)), Edge::Second(utc(s), 0));
            let heard = n.label(raw(s, 200), utc(s + 1));
            // The first one is off its turn as well, for it comes two seconds after the last.
            if k == 0 {
                assert!(matches!(heard, Heard::Late(_)), "{heard:?}");
            } else {
                assert_eq!(heard, Heard::Wrong(1));
            }
        }
        let s = START + 21;
        n.edge(raw(s, 0));
        assert!(matches!(n.label(raw(s, 200), utc(s)), Heard::Late(_)));
        n.edge(raw(s + 1, 0));
        assert_eq!(n.label(raw(s + 1, 200), utc(s + 1)), Heard::Confirmed);
    }

    #[test]
    fn ten_equal_contradictions_renumber() {
        let mut n = counting(200, 12);
        let mut last = Heard::NoEdge;
        for k in 0..11 {
            let s = START + 12 + k;
            n.edge(raw(s, 0));
            last = n.label(raw(s, 200), utc(s - 18));
        }
        assert_eq!(last, Heard::Lost(-18));
        for k in 11..14 {
            let s = START + 12 + k;
            assert_eq!(n.edge(raw(s, 0)), Edge::Unnumbered);
            last = n.label(raw(s, 200), utc(s - 18));
        }
        assert_eq!(last, Heard::Begun);
        let s = START + 26;
        assert_eq!(n.edge(raw(s, 0)), Edge::Second(utc(s - 18), 0));
    }

    #[test]
    fn text_that_piled_up_while_the_process_was_stopped_is_not_believed() {
        let mut n = counting(200, 12);
        // Five seconds are read in one go, together with their edges.
        for s in START + 12..START + 17 {
            assert_eq!(n.edge(raw(s, 0)), Edge::Second(utc(s), 0));
        }
        for s in START + 12..START + 17 {
            let heard = n.label(raw(START + 16, 900), utc(s));
            assert!(matches!(heard, Heard::Late(_)), "{heard:?}");
        }
        let mut heard = Vec::new();
        for s in START + 17..START + 20 {
            assert_eq!(n.edge(raw(s, 0)), Edge::Second(utc(s), 0));
            heard.push(n.label(raw(s, 200), utc(s)));
        }
        assert_eq!(heard[1..], [Heard::Confirmed; 2]);
    }

    #[test]
    fn doubled_and_missed_edges() {
        let mut n = counting(200, 12);
        let doubled = n.edge(raw(START + 11, 300));
        assert!(matches!(doubled, Edge::Doubled(_)), "{doubled:?}");
        assert_eq!(n.edge(raw(START + 15, 0)), Edge::Second(utc(START + 15), 3));
        let off = n.edge(raw(START + 17, 400));
        assert!(matches!(off, Edge::OffGrid(_)), "{off:?}");
        assert_eq!(n.edge(raw(START + 18, 0)), Edge::Second(utc(START + 18), 2));
    }

    #[test]
    fn a_bouncing_contact_is_one_edge() {
        let mut n = counting(200, 12);
        for s in START + 12..START + 16 {
            assert_eq!(n.edge(raw(s, 0)), Edge::Second(utc(s), 0));
            for echo in [50, 100, 150, 200, 400] {
                let heard = n.edge(raw(s, echo));
                assert!(matches!(heard, Edge::Doubled(_)), "{echo}: {heard:?}");
            }
            let stray = n.edge(raw(s, 800));
            assert!(matches!(stray, Edge::OffGrid(_)), "{stray:?}");
        }
    }

    #[test]
    fn a_train_that_began_on_a_stray_edge_moves() {
        let mut n = Numbering::default();
        n.edge(raw(START - 1, 600));
        for s in START..START + 9 {
            n.edge(raw(s, 0));
            n.label(raw(s, 100), utc(s));
        }
        assert_eq!(n.edge(raw(START + 9, 0)), Edge::Second(utc(START + 9), 0));
    }

    #[test]
    fn a_count_is_not_trusted_over_ten_minutes() {
        let mut n = counting(200, 12);
        assert_eq!(n.edge(raw(START + 700, 0)), Edge::Unnumbered);
    }

    proptest! {
        /// Whatever is lost or late, an edge is never given a wrong second while the receiver
        /// tells the truth.
        #[test]
        fn a_truthful_receiver_never_leads_to_a_wrong_second(
            delay in 0i64..950, jitter in 0i64..49,
            story in prop::collection::vec((0u8..8, 0i64..1000, any::<bool>()), 1..200),
        ) {
            let mut n = Numbering::default();
            for (k, (fate, random, edge)) in story.into_iter().enumerate() {
                let s = START + i64::try_from(k).unwrap();
                let late = delay + random % (jitter + 1);
                // Shared memory is looked at now and then: a label may be handed over before the
                // edge that it follows.
                if fate == 7 {
                    n.label(raw(s, late), utc(s));
                }
                let came = (edge || fate > 1).then(|| n.edge(raw(s, 0)));
                if let Some(Edge::Second(second, _)) = came {
                    prop_assert_eq!(second, utc(s));
                }
                if fate != 0 && fate != 7 {
                    n.label(raw(s, late), utc(s));
                }
            }
        }
    }
}
