//! Stories about whole swarms, each told over many seeds.
//!
//! In every one of them the checker watches every step (see `swarm_tests::sim::checker`), so a story
//! only states what is special about it. `SWARM_SEEDS=1000` runs more seeds, `SWARM_SEED=7` runs one.

mod chaos;
mod faults;
mod rogues;
mod sharing;

use std::time::Duration;

use swarm_tests::sim::{Failure, Host};

/// An access of 50 Mbit/s out and 100 Mbit/s in.
const HOME: Host = Host::mbit(50, 100);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Seconds that so many bytes take at this many Mbit/s.
fn transfer(bytes: u64, mbit: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 * 8.0 / (mbit as f64 * 1e6))
}

/// Ends the test with the failure's own words.
#[track_caller]
#[expect(clippy::panic, reason = "this is how a test fails")]
fn ok<T>(result: Result<T, Failure>) -> T {
    result.unwrap_or_else(|failure| panic!("{failure}"))
}
