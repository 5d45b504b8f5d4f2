//! One identity, one listener, any number of swarms.

use std::{collections::HashSet, net::SocketAddr, path::Path, sync::Arc};

use swarm_net::{Identity, Security, Transport, socket};
use swarm_proto::{
    id::{PeerId, SwarmId},
    link::Endpoint,
    manifest::Manifest,
};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    GetOptions, NodeConfig, NodeError, SeedOptions, Source, Transfer,
    blocking::{abandonable, blocking},
    endpoint::check_transport,
    fetch::{Origin, Search},
    launch::{Plan, launch},
    listener,
    shared::Shared,
    store::DiskPool,
    store::{Store, stored_manifest},
};

/// One identity, one listener, any number of swarms. Dropping it stops everything as
/// [`Node::shutdown`] does, but nobody waits for it.
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
    stop: StopAll,
}

impl Node {
    /// Listens and is ready for swarms.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(identity: Identity, config: NodeConfig) -> Result<Self, NodeError> {
        let addr = config.listen;
        let cannot_listen = |source| NodeError::Listen { addr, source };
        let listener = socket::listen(addr).map_err(cannot_listen)?;
        let listen_addr = listener.local_addr().map_err(cannot_listen)?;
        let threads = config.disk_threads;
        let security = Security::new(&identity, config.transport);
        let buffers = security.buffers().clone();
        let plain = config.transport == Transport::Plain;
        let pool = blocking(move || DiskPool::new(threads, buffers, plain)).await?;
        let shared = Arc::new(Shared {
            security,
            identity,
            config,
            swarms: Arc::default(),
            listen_addr,
            pool,
            tasks: TaskTracker::new(),
            accepting: CancellationToken::new(),
            conn_ids: Arc::default(),
        });
        shared.spawn(listener::run(listener, Arc::clone(&shared)));
        shared.spawn(shared.security.buffers().clone().keep_trimmed());
        let stop = StopAll(Arc::clone(&shared));
        Ok(Self { shared, stop })
    }

    /// The public key.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.shared.identity.peer_id()
    }

    /// The address that peers are accepted on.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        self.shared.listen_addr
    }

    /// Shares what is on the disk.
    ///
    /// # Errors
    /// If the files are not there or are not what the manifest says.
    pub async fn seed(
        &self,
        manifest: Arc<Manifest>,
        options: SeedOptions,
    ) -> Result<Transfer, NodeError> {
        let SeedOptions { path, trackers, peers, verify } = options;
        let claim = self.shared.swarms.claim(manifest.id())?;
        let plan = self.plan(&manifest, trackers, peers)?;
        let (answers, disk) = mpsc::unbounded_channel();
        let (shared, from, of) = (Arc::clone(&self.shared), path.clone(), Arc::clone(&manifest));
        let opened = abandonable(move |progress| {
            Store::for_seeding(&shared.pool, of, &from, verify, answers, progress)
        })
        .await?;
        Ok(launch(&self.shared, claim, manifest, path, opened, disk, plan))
    }

    /// The manifest of a share: the one at hand, or what a link leads to. Nothing is fetched but that,
    /// and nothing is written.
    ///
    /// # Errors
    /// If no manifest can be found.
    pub async fn manifest(
        &self,
        source: Source,
        options: &GetOptions,
    ) -> Result<Arc<Manifest>, NodeError> {
        let link = match source {
            Source::Manifest(manifest) => return Ok(manifest),
            Source::Link(link) => link,
        };
        let trackers = [&options.trackers[..], &link.trackers].concat();
        let peers = [&options.peers[..], &link.peers].concat();
        self.find_manifest(link.id, &options.output, &trackers, &peers).await.map(Arc::new)
    }

    /// Fetches a share: finds the manifest if it is not at hand, takes up what an earlier run left,
    /// and starts. Returns when the transfer runs, not when it is complete.
    ///
    /// # Errors
    /// If no manifest can be found, the folder cannot be used, another process has it, or files
    /// that are not ours are in the way.
    pub async fn get(&self, source: Source, options: GetOptions) -> Result<Transfer, NodeError> {
        let GetOptions { output, mut trackers, mut peers, selection } = options;
        let (claim, manifest) = match source {
            Source::Manifest(manifest) => (self.shared.swarms.claim(manifest.id())?, manifest),
            Source::Link(link) => {
                let claim = self.shared.swarms.claim(link.id)?;
                trackers.extend(link.trackers);
                peers.extend(link.peers);
                let manifest = self.find_manifest(link.id, &output, &trackers, &peers).await?;
                (claim, Arc::new(manifest))
            }
        };
        let plan = self.plan(&manifest, trackers, peers)?;
        let path = output.join(&manifest.info().name);
        let (answers, disk) = mpsc::unbounded_channel();
        let (shared, of) = (Arc::clone(&self.shared), Arc::clone(&manifest));
        let opened = abandonable(move |progress| {
            Store::for_download(&shared.pool, of, &output, &selection, answers, progress)
        })
        .await?;
        Ok(launch(&self.shared, claim, manifest, path, opened, disk, plan))
    }

    /// Stops everything: says goodbye, syncs, saves resume state, joins every task. Takes no longer
    /// than a few seconds.
    pub async fn shutdown(self) {
        let Self { shared, stop, .. } = self;
        drop(stop);
        shared.tasks.close();
        shared.tasks.wait().await;
        // The last owner joins the disk's threads.
        let _ = tokio::task::spawn_blocking(move || drop(shared)).await;
    }

    /// Checks what the user named, and adds the trackers that the manifest names.
    fn plan(
        &self,
        manifest: &Manifest,
        mut trackers: Vec<Endpoint>,
        mut peers: Vec<Endpoint>,
    ) -> Result<Plan, NodeError> {
        let transport = self.shared.config.transport;
        self.check_endpoints(trackers.iter().chain(&peers))?;
        for tracker in &manifest.extras().trackers {
            match check_transport(tracker, transport) {
                Ok(()) => trackers.push(tracker.clone()),
                Err(error) => {
                    tracing::warn!(%tracker, %error, "a tracker of the manifest is left out");
                }
            }
        }
        dedup(&mut trackers);
        dedup(&mut peers);
        Ok(Plan { trackers, peers })
    }

    fn check_endpoints<'a>(
        &self,
        mut endpoints: impl Iterator<Item = &'a Endpoint>,
    ) -> Result<(), NodeError> {
        let transport = self.shared.config.transport;
        endpoints.try_for_each(|endpoint| {
            check_transport(endpoint, transport).map_err(|error| NodeError::Endpoint {
                endpoint: endpoint.to_string(),
                why: error.to_string(),
            })
        })
    }

    async fn find_manifest(
        &self,
        swarm: SwarmId,
        output: &Path,
        trackers: &[Endpoint],
        peers: &[Endpoint],
    ) -> Result<Manifest, NodeError> {
        let output = output.to_owned();
        if let Some(manifest) = blocking(move || Ok(stored_manifest(&output, swarm))).await? {
            return Ok(manifest);
        }
        self.check_endpoints(trackers.iter().chain(peers))?;
        let mut origins: Vec<_> = trackers.iter().cloned().map(Origin::Tracker).collect();
        origins.extend(peers.iter().cloned().map(Origin::Peer));
        let Some(Origin::Tracker(any) | Origin::Peer(any)) = origins.first() else {
            return Err(NodeError::NoManifest { tried: Vec::new() });
        };
        let client = self.shared.tracker_client(any.clone());
        let patience = self.shared.config.manifest_patience;
        Search { swarm, origins, client, patience }.run().await
    }
}

/// Stops everything when it is dropped.
#[derive(Debug)]
struct StopAll(Arc<Shared>);

impl Drop for StopAll {
    fn drop(&mut self) {
        self.0.accepting.cancel();
        self.0.swarms.stop();
    }
}

fn dedup(endpoints: &mut Vec<Endpoint>) {
    let mut seen = HashSet::new();
    endpoints.retain(|endpoint| seen.insert(endpoint.clone()));
}
