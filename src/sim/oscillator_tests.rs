//! Tests of the oscillator.
