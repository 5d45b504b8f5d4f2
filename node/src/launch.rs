//! Starting the tasks of one swarm.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use swarm_engine::{Command, Input, Swarm, Time, TrackerIndex};
use swarm_net::random_seed;
use swarm_proto::{link::Endpoint, manifest::Manifest};
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Transfer,
    announcer::Announcer,
    driver::{ARRIVALS_MAX, Driver, Running, Scope, Sources, Views, queue_max},
    endpoint::resolve,
    shared::Shared,
    store::Opened,
    swarms::{Claim, Entry},
    transfer::{Events, Progressed},
};

/// Events that wait for a receiver that lags.
const EVENTS_MAX: usize = 1024;
/// First wait before a host name that leads nowhere is looked up again; doubled each time.
const RESOLVE_RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest such wait.
const RESOLVE_RETRY_MAX: Duration = Duration::from_secs(60);

/// The trackers and peers of a swarm, each once.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) trackers: Vec<Endpoint>,
    pub(crate) peers: Vec<Endpoint>,
}

/// Starts the tasks of a swarm whose store is open.
pub(crate) fn launch(
    shared: &Shared,
    claim: Claim,
    manifest: Arc<Manifest>,
    path: PathBuf,
    Opened { store, have, priorities }: Opened,
    disk: mpsc::UnboundedReceiver<Input>,
    plan: Plan,
) -> Transfer {
    let config = swarm_engine::Config {
        listen_port: shared.listen_addr.port(),
        advertise: shared.config.advertise,
        priorities,
        read_only: store.is_read_only(),
        trackers: plan.trackers.iter().map(place).collect(),
        storing_bytes: shared.pool.storing_bytes(),
        ..shared.config.engine.clone()
    };
    let queue_max = queue_max(config.send_bytes);
    // A share without bytes has still to get its empty files.
    let completed = have.is_full() && !have.is_empty();
    let (start, me) = (Instant::now(), shared.identity.peer_id());
    let mut engine = Swarm::new(config, me, Arc::clone(&manifest), have, random_seed(), Time::ZERO);
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
    let (progress, progress_out) = watch::channel(Progressed { completed, ..Default::default() });
    let sender = broadcast::Sender::new(EVENTS_MAX);
    let events = Events::new(&sender);

    let trackers = plan.trackers.into_iter().zip(0..).map(|(endpoint, index)| {
        let (asks, asks_out) = mpsc::unbounded_channel();
        let announcer = Announcer {
            client: shared.tracker_client(endpoint),
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
        reach: shared.reach(),
        snapshots: snapshots_out,
        events,
        progress: progress_out,
        control,
        stop,
        share,
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
