//! The engine's shell: sockets, TLS, disk, resume and tracker client, as a library.
//!
//! A [`Node`] has one identity and one listener and carries any number of swarms. Each swarm is a
//! [`Transfer`]: its [`snapshots`](Transfer::snapshots) are what a front end shows, its
//! [`events`](Transfer::events) what it logs, and [`commands`](Transfer::command) what a user may
//! ask of it.
//!
//! # Embedding
//! A node runs on the caller's multi-threaded tokio runtime and keeps no global state, so a process
//! may have several. This shares a folder and fetches it with a second node:
//!
//! ```no_run
//! # use std::{path::PathBuf, sync::Arc};
//! # use swarm_node::*;
//! # async fn demo() -> Result<(), NodeError> {
//! let path = PathBuf::from("./weights");
//! let manifest = Arc::new(create(&path, CreateOptions::default(), &mut |_| true)?);
//! let seeder = Node::start(Identity::generate(), NodeConfig::default()).await?;
//! let options = SeedOptions { path, trackers: vec![], peers: vec![], verify: false };
//! let seeding = seeder.seed(manifest, options).await?;
//! let link = seeding.link("host.example", vec![]);
//!
//! let getter = Node::start(Identity::generate(), NodeConfig::default()).await?;
//! let options = GetOptions { output: "./copies".into(), ..GetOptions::default() };
//! let transfer = getter.get(Source::Link(link), options).await?;
//! transfer.completed().await?;
//! getter.shutdown().await;
//! # seeder.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`create`], [`verify`], [`discard`] and [`room_needed`] block, and belong on a thread that may. Everything else is async and may
//! be dropped at any await: nothing is left half-done. [`Node::shutdown`] joins every task and thread;
//! a process that ends without it loses nothing that was verified and synced.
//!
//! # Tasks
//! One task accepts. Each swarm has one task that owns its engine (`driver`), one for each connection
//! (`conn`) and one for each tracker (`announcer`). Threads of the node read, write and hash
//! (`store`). No task waits for a peer but that peer's own.

mod announcer;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod blocking;
mod conn;
mod create;
mod discard;
mod driver;
mod endpoint;
mod error;
mod fetch;
mod hello;
mod launch;
mod listener;
mod node;
mod room;
mod scan;
mod select;
mod shared;
mod stamp;
mod store;
mod swarms;
#[cfg(test)]
mod testing;
mod transfer;
mod verify;
mod walk;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub use create::{CreateOptions, create, default_piece_length, outline};
pub use discard::discard;
pub use error::{ErrorKind, NodeError};
pub use node::Node;
pub use room::room_needed;
pub use scan::Progress;
pub use select::Selection;
pub use swarm_engine::{Command, Event, Priority, Snapshot, State};
pub use swarm_net::{Identity, Transport};
use swarm_proto::{
    link::{Endpoint, Link},
    manifest::Manifest,
};
pub use transfer::Transfer;
pub use verify::{Verification, verify};

/// Settings of a node.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Address to accept peers on; port 0 picks one.
    pub listen: SocketAddr,
    /// Our address as others may dial it, if not the one they see.
    pub advertise: Option<IpAddr>,
    /// How connections are protected.
    pub transport: Transport,
    /// Threads that read, write and hash; 0 for one a CPU, but 2 at least and 16 at most.
    pub disk_threads: usize,
    /// For how long those named in a link are asked again for the manifest while they do not answer
    /// or do not have it yet.
    pub manifest_patience: Duration,
    /// Settings of each swarm. What the node itself knows is filled in: listening port, advertised
    /// address, trackers, which files are wanted, and whether they are the user's own.
    pub engine: swarm_engine::Config,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            listen: (Ipv6Addr::UNSPECIFIED, 0).into(),
            advertise: None,
            transport: Transport::Tls,
            disk_threads: 0,
            // A seeder that was started together with us is up by then; a dead link is said to be one
            // before a person gives up.
            manifest_patience: Duration::from_secs(10),
            engine: swarm_engine::Config::default(),
        }
    }
}

/// How to fetch a share.
#[derive(Debug, Clone, Default)]
pub struct GetOptions {
    /// The share appears in this folder under its own name.
    pub output: PathBuf,
    /// More trackers than the link or manifest names.
    pub trackers: Vec<Endpoint>,
    /// More peers than the link names.
    pub peers: Vec<Endpoint>,
    /// Which files. If nothing is chosen: those that an unfinished download into the same folder was
    /// to fetch, and else all.
    pub selection: Selection,
}

/// Where to fetch from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A link: the manifest comes from a tracker or a peer.
    Link(Link),
    /// A manifest that is at hand.
    Manifest(Arc<Manifest>),
}

/// How to share what is on the disk.
#[derive(Debug, Clone)]
pub struct SeedOptions {
    /// The file or folder that the manifest was made of.
    pub path: PathBuf,
    /// More trackers than the manifest names.
    pub trackers: Vec<Endpoint>,
    /// More peers.
    pub peers: Vec<Endpoint>,
    /// Read everything once before sharing it; else the files' sizes and times are trusted.
    pub verify: bool,
}
