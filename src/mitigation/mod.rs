//! Whom to believe: correctness intervals, a majority of them, and the best of that.
//!
//! RFC 5905 §11.2: each source claims an interval that contains the true time. A majority whose
//! intervals share an instant are truechimers; the rest are falsetickers. Clustering casts out those
//! that scatter most, and what is left is combined.

mod region;
mod select;
mod verdict;

pub use region::region;
pub use select::{Candidate, Selection, select};
pub use verdict::Verdict;
