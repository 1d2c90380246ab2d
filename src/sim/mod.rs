//! World 2: a universe from a seed, where true time is known.
//!
//! ```text
//!   Scenario ─► Universe ─► World(seed) ─► Outcome      models: oscillator, path, receiver, …
//!    as written   checked     queue, nodes    figures     oracle: judged at every event
//! ```
//!
//! The models each take their plan (as a scenario file writes it), a seed and the start of the
//! world, own their random numbers, and are asked in order of true time. The nodes are the daemon's
//! own engine, associations and server; nothing here is known to them but stamps and bytes.

mod assumptions;
mod beside;
mod breaks;
mod clock;
mod count;
mod deeds;
mod happening;
mod keys;
mod log;
mod mutation;
mod node;
mod oracle;
mod oscillator;
mod outcome;
mod path;
mod plain;
mod plan;
mod queue;
mod queueing;
mod receiver;
mod receiver_plan;
mod record;
mod reference;
pub mod report;
mod run;
mod scenario;
mod stamps;
pub mod statistics;
pub mod swarm;
mod traffic;
mod truth;
mod turn;
mod universe;
mod upstream;
mod world;
mod written;

pub use assumptions::{Assumption, Broken, Sign};
pub use breaks::broken;
pub use clock::SimulatedClock;
pub use count::Count;
pub use happening::{Direction, Happening, What};
pub use keys::Announcement;
pub use mutation::{Change, Mutation, Target};
pub use oracle::{Law, Violation, Violations};
pub use oscillator::{Day, Oscillator, OscillatorPlan, Ramp};
pub use outcome::{Figures, Judged, Outcome};
pub use path::{Arrivals, Path, PathPlan, Reorder};
pub use queueing::{Queueing, Queues};
pub use receiver::{Channel, Emission, Receiver};
pub use receiver_plan::{Correction, Fault, Outlier, ReceiverKind, ReceiverPlan, Sawtooth, Wave};
pub use record::{Bits, Column, Deviations, Distribution, Range, Record, SourceRecord};
pub use reference::{Exchanged, KnownPath, Reference};
pub use run::{Keep, Summary, run, run_mutated};
pub use scenario::{
    Expect, Instant, LeapEntry, Leaping, LinkEntry, LocalEntry, NodeEntry, ReceiverEntry,
    ReceiverRole, Scenario, ServerEntry, Smearing, SourceEntry, Step,
};
pub use stamps::{Late, Stamp, StampPlan, Stamps};
pub use truth::{Leap, Truth};
pub use universe::{Mistake, Universe};
pub use upstream::{Drift, Hostile, Reply, SawtoothSlew, ServerPlan, Upstream, Wobble};
pub use world::World;
pub use written::written;
