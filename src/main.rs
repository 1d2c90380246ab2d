//! The `maser` program.
fn main() {}
