//! What the tasks of a node share.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
};

use swarm_net::{Identity, Security, Transport};
use swarm_proto::link::Endpoint;
use tokio::task::AbortHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{NodeConfig, announcer::TrackerClient, store::DiskPool, swarms::Swarms};

/// What the tasks of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Who we are.
    pub(crate) identity: Identity,
    /// What the user of the node set.
    pub(crate) config: NodeConfig,
    /// How connections are protected.
    pub(crate) security: Security,
    /// Which swarms there are.
    pub(crate) swarms: Arc<Swarms>,
    /// Where peers are accepted.
    pub(crate) listen_addr: SocketAddr,
    /// Reads, writes and hashes for all swarms.
    pub(crate) pool: DiskPool,
    /// Knows every task.
    pub(crate) tasks: TaskTracker,
    /// Ends the listener and handshakes.
    pub(crate) accepting: CancellationToken,
    /// Numbers of connections, counted over all swarms.
    pub(crate) conn_ids: Arc<AtomicU64>,
}

impl Shared {
    /// Runs a task that ends when nobody is accepted any more.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let accepting = self.accepting.clone();
        let task = self.tasks.spawn(async move {
            accepting.run_until_cancelled(task).await;
        });
        task.abort_handle()
    }

    /// How a tracker is asked.
    pub(crate) fn tracker_client(&self, endpoint: Endpoint) -> TrackerClient {
        let Self { identity, security, config, .. } = self;
        TrackerClient {
            security: security.clone(),
            transport: config.transport,
            me: identity.peer_id(),
            client: config.engine.client.clone(),
            endpoint,
        }
    }

    /// This node as links name it, but for the host.
    pub(crate) fn reach(&self) -> Endpoint {
        let key = (self.config.transport == Transport::Tls).then(|| self.identity.peer_id());
        Endpoint { key, host: String::new(), port: self.listen_addr.port() }
    }
}
