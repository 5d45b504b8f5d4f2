//! One identity, one listener, any number of swarms.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use swarm_engine::{Command, Input, Swarm, Time, TrackerIndex};
use swarm_net::{Identity, Security, Transport, random_seed, socket};
use swarm_proto::{
    id::{PeerId, SwarmId},
    link::Endpoint,
    manifest::Manifest,
};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::AbortHandle,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    GetOptions, NodeConfig, NodeError, Progress, SeedOptions, Source, Transfer,
    announcer::{Announcer, TrackerClient},
    disk::DiskPool,
    driver::{ARRIVALS_MAX, Driver, Running, Scope, Sources, Views, queue_max},
    endpoint::{check_transport, resolve},
    fetch::{Origin, Search},
    listener,
    store::{Opened, Store, stored_manifest},
    swarms::{Claim, Entry, Swarms},
    transfer::{Events, Progressed},
};

/// Events that wait for a receiver that lags.
const EVENTS_MAX: usize = 1024;
/// First wait before a host name that leads nowhere is looked up again; doubled each time.
const RESOLVE_RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest such wait.
const RESOLVE_RETRY_MAX: Duration = Duration::from_secs(60);

/// One identity, one listener, any number of swarms. Dropping it stops everything as
/// [`Node::shutdown`] does, but nobody waits for it.
#[derive(Debug)]
pub struct Node {
    listen_addr: SocketAddr,
    shared: Arc<Shared>,
    stop: StopAll,
}

/// What the tasks of a node share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) config: NodeConfig,
    pub(crate) security: Security,
    pub(crate) swarms: Arc<Swarms>,
    pool: DiskPool,
    tasks: TaskTracker,
    /// Ends the listener and handshakes.
    accepting: CancellationToken,
    conn_ids: Arc<AtomicU64>,
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
        let pool = blocking(move || DiskPool::new(threads, buffers)).await?;
        let shared = Arc::new(Shared {
            security,
            identity,
            config,
            swarms: Arc::default(),
            pool,
            tasks: TaskTracker::new(),
            accepting: CancellationToken::new(),
            conn_ids: Arc::default(),
        });
        shared.spawn(listener::run(listener, Arc::clone(&shared)));
        let stop = StopAll(Arc::clone(&shared));
        Ok(Self { listen_addr, shared, stop })
    }

    /// The public key.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.shared.identity.peer_id()
    }

    /// The address that peers are accepted on.
    #[must_use]
    pub const fn listen_addr(&self) -> SocketAddr {
        self.listen_addr
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
        Ok(self.launch(claim, manifest, path, opened, disk, plan))
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
        Ok(self.launch(claim, manifest, path, opened, disk, plan))
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
        output: &std::path::Path,
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
        let client = self.tracker_client(any.clone());
        let patience = self.shared.config.manifest_patience;
        Search { swarm, origins, client, patience }.run().await
    }

    fn tracker_client(&self, endpoint: Endpoint) -> TrackerClient {
        let Shared { identity, security, config, .. } = &*self.shared;
        TrackerClient {
            security: security.clone(),
            transport: config.transport,
            me: identity.peer_id(),
            client: config.engine.client.clone(),
            endpoint,
        }
    }

    /// Starts the tasks of a swarm whose store is open.
    fn launch(
        &self,
        claim: Claim,
        manifest: Arc<Manifest>,
        path: PathBuf,
        Opened { store, have, priorities }: Opened,
        disk: mpsc::UnboundedReceiver<Input>,
        plan: Plan,
    ) -> Transfer {
        let shared = &self.shared;
        let config = swarm_engine::Config {
            listen_port: self.listen_addr.port(),
            advertise: shared.config.advertise,
            priorities,
            read_only: store.is_read_only(),
            trackers: plan.trackers.iter().map(place).collect(),
            ..shared.config.engine.clone()
        };
        let queue_max = queue_max(config.send_bytes);
        // A share without bytes has still to get its empty files.
        let completed = have.is_full() && !have.is_empty();
        let (start, me) = (Instant::now(), self.peer_id());
        let mut engine =
            Swarm::new(config, me, Arc::clone(&manifest), have, random_seed(), Time::ZERO);
        let scope = Arc::new(Scope {
            swarm: manifest.id(),
            security: shared.security.clone(),
            hello: engine.hello(),
            cancel: CancellationToken::new(),
            tasks: shared.tasks.clone(),
            conn_ids: Arc::clone(&shared.conn_ids),
        });
        let (control, control_out) = mpsc::unbounded_channel();
        let (arrivals, arrivals_out) = mpsc::channel(ARRIVALS_MAX);
        let stop = CancellationToken::new();
        let (snapshots, snapshots_out) = watch::channel(Arc::new(engine.snapshot(Time::ZERO)));
        let (progress, progress_out) =
            watch::channel(Progressed { completed, ..Default::default() });
        let sender = broadcast::Sender::new(EVENTS_MAX);
        let events = Events::new(&sender);

        let trackers = plan.trackers.into_iter().zip(0..).map(|(endpoint, index)| {
            let (asks, asks_out) = mpsc::unbounded_channel();
            let announcer = Announcer {
                client: self.tracker_client(endpoint),
                index: TrackerIndex(index),
                manifest: Arc::clone(&manifest),
                driver: control.clone(),
            };
            scope.spawn(announcer.run(asks_out));
            asks
        });
        let share = store.share();
        let driver = Driver {
            engine,
            store: Arc::new(store),
            trackers: trackers.collect(),
            views: Views { snapshots, events: sender, progress },
            arrivals: arrivals.clone(),
            control: control.clone(),
            queue_max,
            start,
            state: Running::default(),
            scope: Arc::clone(&scope),
        };
        for peer in plan.peers {
            scope.spawn(introduce(peer, control.clone()));
        }
        let sources =
            Sources { disk, control: control_out, arrivals: arrivals_out, stop: stop.clone() };
        claim.fill(Entry { scope, arrivals, stop: stop.clone() });
        shared.tasks.spawn(async move {
            driver.run(sources).await;
            drop(claim);
        });
        Transfer {
            manifest,
            path,
            reach: self.reach(),
            snapshots: snapshots_out,
            events,
            progress: progress_out,
            control,
            stop,
            share,
        }
    }

    /// This node as links name it, but for the host.
    fn reach(&self) -> Endpoint {
        let key = (self.shared.config.transport == Transport::Tls).then(|| self.peer_id());
        Endpoint { key, host: String::new(), port: self.listen_addr.port() }
    }
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
}

/// The trackers and peers of a swarm.
#[derive(Debug)]
struct Plan {
    trackers: Vec<Endpoint>,
    peers: Vec<Endpoint>,
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

/// Tells the engine where a peer is that somebody named, as soon as its host name leads somewhere.
async fn introduce(peer: Endpoint, driver: mpsc::UnboundedSender<Input>) {
    let mut wait = RESOLVE_RETRY_FIRST;
    loop {
        match resolve(&peer).await {
            Ok(addrs) => {
                for addr in addrs {
                    let _ = driver.send(Input::Command(Command::AddPeer { id: peer.key, addr }));
                }
                return;
            }
            Err(error) => tracing::info!(%peer, %error, "cannot find a peer"),
        }
        sleep(wait).await;
        wait = (wait * 2).min(RESOLVE_RETRY_MAX);
    }
}

/// Where an endpoint is, for people: without the key.
fn place(endpoint: &Endpoint) -> String {
    if endpoint.host.contains(':') {
        format!("[{}]:{}", endpoint.host, endpoint.port)
    } else {
        format!("{}:{}", endpoint.host, endpoint.port)
    }
}

fn dedup(endpoints: &mut Vec<Endpoint>) {
    let mut seen = std::collections::HashSet::new();
    endpoints.retain(|endpoint| seen.insert(endpoint.clone()));
}

/// Runs something that blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(NodeError::Stopped),
        },
    }
}

/// The same for work that may be long; it is told to stop when nobody waits for it any more.
async fn abandonable<T: Send + 'static>(
    work: impl FnOnce(&mut dyn FnMut(Progress) -> bool) -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    let waiting = Waiting::default();
    let alive = Arc::clone(&waiting.0);
    blocking(move || work(&mut |_| !alive.load(Ordering::Relaxed))).await
}

/// Says, once dropped, that nobody waits any more.
#[derive(Debug, Default)]
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
