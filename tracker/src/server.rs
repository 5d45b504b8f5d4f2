//! Sockets to the registry and back.
//!
//! One task accepts, one forgets silent peers, and one serves each connection. All of them end when
//! the server does: [`Server::shutdown`] waits for the last. Connections stay open between announces,
//! since a handshake costs a hundred times what an announce does.

mod gate;
mod session;
mod shards;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use swarm_net::{
    Identity, Security, Transport, random_seed,
    socket::{self, Acceptor},
};
use swarm_proto::{
    announce::{TRACKER_VERSION, TrackerHello},
    id::PeerId,
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing::{debug, warn};

use crate::registry;
use gate::Gate;
use shards::Shards;

/// How often some of the silent peers are looked for while there are more than one look takes in.
const EXPIRE_EVERY: Duration = Duration::from_millis(250);
/// How often where one look takes in all: little beside the shortest interval between two announces,
/// and hardly ever for a tracker that runs beside a share of somebody's own.
const EXPIRE_REST: Duration = Duration::from_secs(2);

/// Settings of a tracker.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address to listen on; port 0 picks one.
    pub listen: SocketAddr,
    /// How connections are protected.
    pub transport: Transport,
    /// Limits and intervals.
    pub registry: registry::Config,
    /// Open connections at a time. Each takes a file descriptor, and what else the process does needs
    /// some too.
    pub connections_max: u32,
}

impl ServerConfig {
    /// With the usual limits, for a process that has nothing else to do and descriptors enough.
    #[must_use]
    pub fn new(listen: SocketAddr, transport: Transport) -> Self {
        let registry = registry::Config::default();
        Self { listen, transport, registry, connections_max: gate::CONNECTIONS_MAX }
    }
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

/// A running tracker. Dropped, it stops as well, but nobody waits for its tasks.
#[derive(Debug)]
pub struct Server {
    peer_id: PeerId,
    listen_addr: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: DropGuard,
}

/// What all tasks of a server use.
#[derive(Debug)]
struct Shared {
    security: Security,
    hello: TrackerHello,
    shards: Shards,
    gate: Gate,
    announces: AtomicU64,
    started: Instant,
    stop: CancellationToken,
}

impl Shared {
    fn count_announce(&self) {
        self.announces.fetch_add(1, Relaxed);
    }
}

impl Server {
    /// Listens and answers.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    #[expect(clippy::unused_async, reason = "it needs a runtime to run on, which this asks for")]
    pub async fn start(identity: &Identity, config: ServerConfig) -> io::Result<Self> {
        let listener = socket::listen(config.listen)?;
        let listen_addr = listener.local_addr()?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let client = concat!("swarm/", env!("CARGO_PKG_VERSION")).into();
        let shared = Arc::new(Shared {
            security: Security::new(identity, config.transport),
            hello: TrackerHello { version: TRACKER_VERSION, peer: identity.peer_id(), client },
            shards: Shards::new(&config.registry, random_seed(), tasks.clone()),
            gate: Gate::new(config.connections_max),
            announces: AtomicU64::new(0),
            started: Instant::now(),
            stop: stop.clone(),
        });
        tasks.spawn(accept(listener, shared.clone(), tasks.clone()));
        tasks.spawn(expire(shared.clone()));
        let (stopped, buffers) = (stop.clone(), shared.security.buffers().clone());
        tasks.spawn(async move {
            stopped.run_until_cancelled(buffers.keep_trimmed()).await;
        });
        let peer_id = identity.peer_id();
        Ok(Self { peer_id, listen_addr, shared, tasks, stop: stop.drop_guard() })
    }

    /// The key that clients must expect.
    #[must_use]
    pub const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Where it listens.
    #[must_use]
    pub const fn listen_addr(&self) -> SocketAddr {
        self.listen_addr
    }

    /// What it holds now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let usage = self.shared.shards.usage();
        Stats {
            swarms: usage.swarms,
            peers: usage.peers,
            connections: self.shared.gate.open().into(),
            announces: self.shared.announces.load(Relaxed),
        }
    }

    /// Stops accepting, closes every connection and joins every task.
    pub async fn shutdown(self) {
        self.stop.disarm().cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tasks: TaskTracker) {
    let mut acceptor = Acceptor::new(listener);
    while let Some(accepted) = shared.stop.run_until_cancelled(acceptor.accept()).await {
        match accepted {
            Ok((socket, from)) => match shared.gate.enter(from.ip()) {
                Some(pass) => drop(tasks.spawn(session::run(socket, pass, shared.clone()))),
                None => debug!(%from, "no room for another connection"),
            },
            Err(error) => warn!(%error, "cannot accept connections now; trying again"),
        }
    }
}

async fn expire(shared: Arc<Shared>) {
    let mut rest = EXPIRE_EVERY;
    while shared.stop.run_until_cancelled(sleep(rest)).await.is_some() {
        rest = if shared.shards.expire() { EXPIRE_REST } else { EXPIRE_EVERY };
    }
}
