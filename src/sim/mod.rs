//! World 2: a universe from a seed, where true time is known.
//!
//! The models: each takes its plan (as a scenario file writes it), a seed and the start of the world,
//! owns its random numbers, and is asked in order of true time.

mod clock;
mod keys;
mod oscillator;
mod path;
mod queueing;
mod receiver;
mod receiver_plan;
mod reference;
mod stamps;
pub mod statistics;
mod upstream;

pub use clock::SimulatedClock;
pub use keys::Announcement;
pub use oscillator::{Day, Oscillator, OscillatorPlan, Ramp};
pub use path::{Arrivals, Path, PathPlan, Reorder};
pub use queueing::{Queueing, Queues};
pub use receiver::{Channel, Emission, Receiver};
pub use receiver_plan::{Correction, Fault, Outlier, ReceiverKind, ReceiverPlan, Sawtooth, Wave};
pub use reference::{Exchanged, KnownPath, Reference};
pub use stamps::{Late, Stamp, StampPlan, Stamps};
pub use upstream::{Drift, Hostile, Reply, SawtoothSlew, ServerPlan, Upstream, Wobble};
