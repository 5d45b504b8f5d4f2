//! A world in virtual time that runs the shipped engine and the shipped tracker registry.
//!
//! Everything that decides in a real node decides here too; what is replaced is what a kernel does:
//! the network ([`net`]), the disk ([`disk`]) and the passing of time ([`clock`]). One thread works
//! off one queue of events, ordered by time and then by the order in which they were put in, and
//! every random choice comes from one seed. So a run is its seed: the same scenario with the same
//! seed does the same things in the same order, which [`trace`] condenses into one number and a
//! test compares.
//!
//! ```text
//!  Scenario ──build──▶ World ── events ──▶ Node ── Input ──▶ swarm_engine::Swarm
//!                        │  ▲                │                      │
//!                        │  └── net, disk ◀──┴───── Output ◀────────┘
//!                        ├──▶ Rogue     peers that lie, stall or babble
//!                        ├──▶ Tracker   swarm_tracker::registry::Registry
//!                        └──▶ Checker   sees every input and output, knows the true bytes
//! ```
//!
//! The [`checker`] is told of every input and output of every engine and knows what the bytes
//! should be. It ends the run at the first thing that must never happen, with the seed to replay.
//!
//! What a simulation like this cannot show: what hashing and TLS cost, kernel buffers, a real sync,
//! and mistakes in the tokio shell. Those are for tests with real sockets and processes.

pub mod checker;
pub mod clock;
pub mod disk;
pub mod env;
pub mod net;
pub mod node;
pub mod report;
pub mod rogue;
pub mod scenario;
pub mod seeds;
pub mod share;
pub mod trace;
pub mod tracker;
pub mod world;

pub use net::Host;
pub use report::{Failure, NodeReport, Report};
pub use rogue::Behaviour;
pub use scenario::Scenario;
pub use seeds::for_seeds;
pub use world::{NodeId, World};

/// 1024 bytes.
pub const KIB: u64 = 1024;
/// 1024 KiB.
pub const MIB: u64 = 1024 * KIB;
