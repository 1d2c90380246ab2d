//! `maser ledger`: the error bound term by term, and why each term is there.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::{Scaled, table};
use super::{Sight, nanoseconds, nanoseconds_of};
use crate::state::Term;
use crate::time::Duration;

/// The bound as a sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Whether the bound may be believed; it may not before the first lock.
    pub synchronised: bool,
    /// The served time at this report, RFC 3339.
    pub served_time: String,
    /// Since the coefficients were published.
    pub age_ns: f64,
    /// Each summand, zero ones included.
    pub terms: Vec<LedgerTerm>,
    /// Their sum: |served − true time| is at most this.
    pub bound_ns: f64,
    /// What the bound gains a second while no sample comes.
    pub growth_ns_per_s: f64,
    /// What RFC 5905 §11.2.1 would claim instead: the root distance by the source that is followed,
    /// without MINDISP.
    pub root_distance_ns: Option<f64>,
}

/// One summand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerTerm {
    /// Its name.
    pub term: String,
    /// Its size now.
    pub value_ns: f64,
    /// What it gains a second.
    pub growth_ns_per_s: f64,
    /// Where it comes from.
    pub meaning: String,
    /// What must be so for it to hold.
    pub assumption: String,
}

impl Ledger {
    /// The ledger of an instant.
    pub fn of(sight: &Sight<'_>) -> Self {
        let (state, now) = (sight.state, sight.now);
        let (ledger, later) = (state.ledger(now), state.ledger(now + Duration::SECOND));
        let entry = |term: Term| LedgerTerm {
            term: term.name().to_owned(),
            value_ns: nanoseconds(ledger.of(term)),
            growth_ns_per_s: nanoseconds(later.of(term) - ledger.of(term)),
            meaning: term.meaning().to_owned(),
            assumption: term.assumption().to_owned(),
        };
        let mut terms: Vec<LedgerTerm> = Term::ALL.into_iter().map(entry).collect();
        // What the bound has beyond its terms, so that the lines do add up.
        terms.push(LedgerTerm {
            term: "resolution".to_owned(),
            value_ns: nanoseconds(state.bound(now).seconds() - ledger.sum()),
            growth_ns_per_s: 0.0,
            meaning: "the served time is published in nanoseconds".to_owned(),
            assumption: "nothing else is served".to_owned(),
        });
        let followed = state.selected.and_then(|id| sight.sources.get(id.index()));
        let root_distance = followed.and_then(|source| source.root_distance_at(now));
        Self {
            synchronised: state.is_synchronised(),
            served_time: state.utc(now).to_string(),
            age_ns: nanoseconds_of(now.since(state.anchor)),
            terms,
            bound_ns: nanoseconds_of(state.bound(now)),
            growth_ns_per_s: nanoseconds(later.sum() - ledger.sum()),
            root_distance_ns: root_distance.map(nanoseconds),
        }
    }
}

impl fmt::Display for Ledger {
    /// The ledger for a terminal: every term that is not zero, the sum, and what all that assumes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grown = |rate: f64| match rate {
            r if r > 0.0 => format!("{}/s", Scaled::of_nanoseconds(r).signed()),
            _ => String::new(),
        };
        let row = |name: &str, value: f64, growth: f64, meaning: &str| {
            let value = Scaled::of_nanoseconds(value).to_string();
            vec![name.to_owned(), value, grown(growth), meaning.to_owned()]
        };
        let head = ["term", "error", "growth", "where it comes from"].map(str::to_owned).to_vec();
        let mut rows = vec![head];
        let terms = || self.terms.iter().filter(|term| term.value_ns != 0.0);
        rows.extend(terms().map(|t| row(&t.term, t.value_ns, t.growth_ns_per_s, &t.meaning)));
        let meaning = match self.synchronised {
            true => "true time is within this of served time, if",
            false => "not synchronised: nothing is claimed; else, if",
        };
        rows.push(row("sum", self.bound_ns, self.growth_ns_per_s, meaning));
        table(f, &[false, true, true, false], &rows)?;
        let assumed = terms().map(|t| vec![format!("  {}", t.term), t.assumption.clone()]);
        table(f, &[false, false], &assumed.collect::<Vec<_>>())?;
        if let Some(distance) = self.root_distance_ns {
            let distance = Scaled::of_nanoseconds(distance);
            writeln!(f, "RFC 5905 would claim {distance}: root distance of the source followed")?;
        }
        Ok(())
    }
}
