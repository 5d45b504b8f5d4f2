//! Who has which pieces: a pure registry, and the server around it.
//!
//! A tracker knows which nodes are in a swarm and what each of them has, tells nodes whom to meet, and
//! never takes part in a transfer. All that it knows is rebuilt from announces after a restart, so it
//! writes nothing to disk.
//!
//! - [`registry`] decides: no sockets, no clock, no randomness but a seed.
//! - [`Server`] acts: connections, time, and one registry for each share of the swarms.

mod allowance;
pub mod registry;
mod server;

pub use server::{Server, ServerConfig, Stats};
