//! World 2: a universe from a seed, where true time is known.

mod clock;
mod oscillator;
mod queue;

pub use clock::SimulatedClock;
pub use oscillator::Oscillator;
