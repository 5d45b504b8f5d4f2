//! The engine's shell: sockets, TLS, disk, resume and tracker client, as a library.
//!
//! A [`Node`] has one identity and one listener and carries any number of swarms. Each swarm is a
//! [`Transfer`].

mod create;
mod disk;
mod error;
mod scan;
mod stamp;
mod store;
#[cfg(test)]
mod testing;
mod verify;
mod walk;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

pub use create::{CreateOptions, Progress, create, default_piece_length};
pub use error::{ErrorKind, NodeError};
pub use swarm_engine::{Command, Event, Snapshot, State};
pub use swarm_net::{Identity, Transport};
use swarm_proto::{
    id::{PeerId, SwarmId},
    link::{Endpoint, Link},
    manifest::Manifest,
};
use tokio::sync::{broadcast, watch};
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
    /// Threads that read, write and hash; 0 for one a CPU.
    pub disk_threads: usize,
    /// Settings of each swarm.
    pub engine: swarm_engine::Config,
}

impl Default for NodeConfig {
    fn default() -> Self {
        todo!()
    }
}

/// How to fetch a share.
#[derive(Debug, Clone)]
pub struct GetOptions {
    /// The share appears in this folder under its own name.
    pub output: PathBuf,
    /// More trackers than the link or manifest names.
    pub trackers: Vec<Endpoint>,
    /// More peers than the link names.
    pub peers: Vec<Endpoint>,
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

/// One identity, one listener, any number of swarms.
#[derive(Debug)]
pub struct Node {}

impl Node {
    /// Listens and is ready for swarms.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(_identity: Identity, _config: NodeConfig) -> Result<Self, NodeError> {
        todo!()
    }

    /// The public key.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        todo!()
    }

    /// The address that peers are accepted on.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        todo!()
    }

    /// Shares what is on the disk.
    ///
    /// # Errors
    /// If the files are not there or are not what the manifest says.
    pub async fn seed(
        &self,
        _manifest: Arc<Manifest>,
        _options: SeedOptions,
    ) -> Result<Transfer, NodeError> {
        todo!()
    }

    /// Fetches a share: finds the manifest if it is not at hand, takes up what an earlier run left,
    /// and starts. Returns when the transfer runs, not when it is complete.
    ///
    /// # Errors
    /// If no manifest can be found, the folder cannot be used, another process has it, or files
    /// that are not ours are in the way.
    pub async fn get(&self, _source: Source, _options: GetOptions) -> Result<Transfer, NodeError> {
        todo!()
    }

    /// Stops everything: says goodbye, syncs, saves resume state, joins every task. Takes no longer
    /// than a few seconds.
    pub async fn shutdown(self) {
        todo!()
    }
}

/// One running swarm. Dropping it does not stop the swarm; [`Transfer::stop`] does.
#[derive(Debug, Clone)]
pub struct Transfer {}

impl Transfer {
    /// The swarm's id.
    #[must_use]
    pub fn id(&self) -> SwarmId {
        todo!()
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Arc<Manifest> {
        todo!()
    }

    /// Where the share is, or will be when complete.
    #[must_use]
    pub fn path(&self) -> &Path {
        todo!()
    }

    /// The latest snapshot; changes at most ten times a second.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        todo!()
    }

    /// Events from now on. A receiver that lags loses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        todo!()
    }

    /// Asks the engine for something.
    pub fn command(&self, _command: Command) {
        todo!()
    }

    /// Waits until everything is verified, synced and in place.
    ///
    /// # Errors
    /// If the disk fails for good or the transfer is stopped before.
    pub async fn completed(&self) -> Result<(), NodeError> {
        todo!()
    }

    /// Says goodbye, syncs and saves resume state.
    pub async fn stop(&self) {
        todo!()
    }
}
