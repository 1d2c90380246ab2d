//! World 2: a universe from a seed, where true time is known.

mod clock;
mod oscillator;

pub use clock::SimulatedClock;
pub use oscillator::Oscillator;
