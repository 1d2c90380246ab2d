//! The report: runs as one page that needs nothing else, neither a network nor a script.
//!
//! ```text
//!   Outcome.record ─► course ─► error, frequency, ledger, verdicts ─┐
//!                 └───────────► allan, histogram ───────────────────┼─► page
//!   Outcome.figures ──────────► figures ────────────────────────────┘
//! ```
//!
//! Pure: data in, text out, the same bytes for the same runs. The plots are inline SVG whose curves
//! stretch with the page while text keeps its size; colours are classes of `style.css`, chosen so
//! that colour-blind readers can tell them apart, light or dark as the reader has it.

mod allan;
mod course;
mod error;
mod figure;
mod figures;
mod frame;
mod frequency;
mod histogram;
mod ledger;
mod page;
mod scale;
mod svg;
mod units;
mod verdicts;

#[cfg(test)]
mod tests;

pub use page::{Section, page};
pub use svg::escaped;
