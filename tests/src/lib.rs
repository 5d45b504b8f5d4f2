//! Tests that need more than one crate, and the simulator that they run in.

pub mod fuzz_targets;
pub mod sim;
