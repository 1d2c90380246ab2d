//! What the daemon's threads show to those who report it: snapshots, read at any pace.

use std::sync::Arc;

use super::client::Place;
use super::clock::StampClock;
use super::conductor::ConductorReport;
use super::plan::Plan;
use super::service::ServiceReport;
use crate::engine::SourceReport;
use crate::pipe::Reader;
use crate::state::State;

/// Readers of everything that is published. Cloning costs a few reference counts.
#[derive(Clone)]
pub struct Published {
    /// The engine's state.
    pub state: Reader<State>,
    /// One report for each source, in the order of the plan.
    pub sources: Vec<Reader<SourceReport>>,
    /// Where each is asked, if it is a server.
    pub places: Vec<Option<Reader<Place>>>,
    /// The conductor's report of itself.
    pub conductor: Reader<ConductorReport>,
    /// One report for each service thread.
    pub services: Vec<Reader<ServiceReport>>,
    /// The clock of the stamps: at its reading the state is evaluated.
    pub clock: StampClock,
    /// What is run.
    pub plan: Arc<Plan>,
}
