//! Whole nodes over real sockets on loopback: what a user sees of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commanding;
mod failing;
mod fetching;
mod world;
