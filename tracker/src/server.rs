//! Sockets to the registry and back.

use std::{io, net::SocketAddr};

use swarm_net::{Identity, Transport};
use swarm_proto::id::PeerId;

use crate::registry;

/// Settings of a tracker.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address to listen on; port 0 picks one.
    pub listen: SocketAddr,
    /// How connections are protected.
    pub transport: Transport,
    /// Limits and intervals.
    pub registry: registry::Config,
}

/// What a running tracker holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Swarms with at least one peer or a manifest.
    pub swarms: u64,
    /// Peers in all swarms.
    pub peers: u64,
    /// Open connections.
    pub connections: u64,
    /// Announces answered.
    pub announces: u64,
}

/// A running tracker.
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Listens and answers.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(_identity: &Identity, _config: ServerConfig) -> io::Result<Self> {
        todo!()
    }

    /// The key that clients must expect.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        todo!()
    }

    /// Where it listens.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        todo!()
    }

    /// What it holds now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        todo!()
    }

    /// Stops accepting, closes every connection and joins every task.
    pub async fn shutdown(self) {
        todo!()
    }
}
