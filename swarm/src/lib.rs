//! The swarm engine: a deterministic state machine.
//!
//! [`Swarm::handle`] takes one [`Input`] and the time, and puts what it wants done into an
//! [`Outbox`]. [`Swarm::deadline`] says when it wants an [`Input::Tick`] at the latest.
//! [`Swarm::snapshot`] is all that a front end sees. There is no socket, file, clock, thread or OS
//! randomness here: the same inputs at the same times from the same seed give the same outputs, in
//! the simulator, under the fuzzer and in production.

mod addresses;
mod announce;
mod answers;
mod blame;
mod bottleneck;
mod check;
mod choke;
mod choose;
mod config;
mod disk;
mod endgame;
mod eta;
mod event;
mod fetch;
mod gossip;
mod ledger;
mod members;
mod partial;
mod picker;
mod priority;
mod rate;
mod request;
mod serve;
mod session;
mod snapshot;
mod survey;
mod swarm;
mod time;
mod view;

pub use config::{Config, Order};
pub use event::{
    Blocks, Command, ConnId, DiskError, Event, Input, NoAnswer, Outbox, Output, Side, Spent,
    Target, TrackerIndex, Whereabouts,
};
pub use snapshot::{
    AVAILABILITY_MAX, BlockState, Bottleneck, PARTIALS_MAX, PartialSnapshot, PeerSnapshot,
    Priority, RUNS_MAX, RunSnapshot, Snapshot, State, Totals, TrackerSnapshot,
};
pub use swarm::Swarm;
pub use time::Time;
