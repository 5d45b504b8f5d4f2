//! What the benchmarks have in common: shares, two engines that talk, a crowd around one.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has failed")]

mod crowd;
mod pair;
mod share;

pub use crowd::{Crowd, PEERS};
pub use pair::Pair;
pub use share::{leaves, zeros};
