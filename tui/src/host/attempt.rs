//! One attempt to run a transfer: finds or makes what it needs, starts it, and follows it. A task of
//! its own, which tells the host what happens and owns nothing that the host needs.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use swarm_node::{
    Command, CreateOptions, Event, GetOptions, NodeError, Progress, SeedOptions, Snapshot, Source,
    Transfer,
};
use swarm_proto::{
    link::{Endpoint, Link},
    manifest::{Extras, Manifest},
};
use tokio::{
    sync::{mpsc, watch},
    task, time,
};

use super::{EntryId, run::Setup};
use crate::{
    commands::show::link_of,
    exit::Failure,
    history::{Record, Role},
};

/// Between two rounds of asking for a manifest.
const ROUND_PAUSE: Duration = Duration::from_secs(2);
/// How long the place of an attempt that was stopped just now may take to become free.
const PLACE_PAUSE: Duration = Duration::from_millis(100);
/// How often that is looked at: five seconds, more than stopping ever takes.
const PLACE_TRIES: usize = 50;

/// What is to be transferred.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    /// Fetch this into a folder.
    Get { source: Source, output: PathBuf },
    /// Share this file or folder.
    Seed {
        path: PathBuf,
        /// Made of it, if there is one already.
        manifest: Option<Arc<Manifest>>,
        /// Read everything before it is shared.
        verify: bool,
    },
}

/// What an attempt has to tell.
#[derive(Debug)]
pub(super) enum News {
    /// Nobody had the manifest yet.
    StillFinding(Failure),
    /// Files are read.
    Hashing(Progress),
    /// It runs.
    Started { transfer: Transfer, link: Link },
    /// How it is.
    Snapshot(Arc<Snapshot>),
    /// What the engine says.
    Event(Event),
    /// It could not go on.
    Failed(Failure),
    /// The user's program for its completion has ended.
    Hooked(Result<(), Failure>),
    /// It was stopped, or stopped and taken away, and its data deleted: so many files.
    Ended { removed: bool, deleted: Option<Result<u64, Failure>> },
}

/// Where the news goes: to the host, with the number of the entry and of the attempt.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    pub(super) id: EntryId,
    pub(super) attempt: u64,
    pub(super) news: mpsc::Sender<(EntryId, u64, News)>,
}

impl Teller {
    pub(super) async fn tell(&self, news: News) {
        // A host that has ended listens no more.
        let _ = self.news.send((self.id, self.attempt, news)).await;
    }
}

/// The row of the history. However an attempt that has begun comes to its end, by itself or aborted,
/// it is what the user wanted.
struct Kept {
    record: Option<Record>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            record.end(&self.snapshots.borrow());
        }
    }
}

/// Runs until the transfer ends or the task is aborted, which loses nothing.
pub(super) async fn run(setup: Arc<Setup>, goal: Goal, limits: Vec<Command>, teller: Teller) {
    let role = match &goal {
        Goal::Get { .. } => Role::Get,
        Goal::Seed { .. } => Role::Seed,
    };
    let started = match goal {
        Goal::Get { source, output } => get(&setup, source, output, &teller).await,
        Goal::Seed { path, manifest, verify } => {
            seed(&setup, path, manifest, verify, &teller).await
        }
    };
    let (transfer, link) = match started {
        Ok(started) => started,
        Err(failure) => return teller.tell(News::Failed(failure)).await,
    };
    limits.into_iter().for_each(|limit| transfer.command(limit));
    let record = setup.cx.history.begin(&transfer, role, &link.to_string());
    let mut kept = Kept { record: Some(record), snapshots: transfer.snapshots() };
    let (mut snapshots, mut events) = (transfer.snapshots(), transfer.events());
    teller.tell(News::Started { transfer, link }).await;
    let mut stopped = false;
    while !stopped {
        tokio::select! {
            changed = snapshots.changed() => {
                stopped = changed.is_err();
                let snapshot = Arc::clone(&snapshots.borrow_and_update());
                if let Some(record) = &mut kept.record {
                    record.observe(&snapshot);
                }
                teller.tell(News::Snapshot(snapshot)).await;
            }
            Ok(event) = events.recv() => teller.tell(News::Event(event)).await,
        }
    }
}

async fn get(
    setup: &Setup,
    source: Source,
    output: PathBuf,
    teller: &Teller,
) -> Result<(Transfer, Link), Failure> {
    let trackers = setup.cx.settings.trackers.value.clone();
    let link = match &source {
        Source::Link(link) => link.clone(),
        Source::Manifest(manifest) => {
            let named = manifest.extras().trackers.iter().chain(&trackers).cloned().collect();
            Link { trackers: named, ..link_of(manifest) }
        }
    };
    if link.trackers.len() + link.peers.len() + trackers.len() + setup.peers.len() == 0 {
        return Err(Failure::usage("nobody to ask: no tracker and no peer")
            .hint("start again with --tracker KEY@HOST:PORT, or add a link that names one"));
    }
    let options =
        GetOptions { output, trackers, peers: setup.peers.clone(), ..GetOptions::default() };
    let mut tries = 0;
    loop {
        match setup.services.node.get(source.clone(), options.clone()).await {
            Ok(transfer) => return Ok((transfer, link)),
            Err(error @ NodeError::NoManifest { .. }) => {
                teller.tell(News::StillFinding(error.into())).await;
                time::sleep(ROUND_PAUSE).await;
            }
            Err(error) => wait_for_place(error, &mut tries).await?,
        }
    }
}

/// Waits if the place in the node is still that of an attempt before.
async fn wait_for_place(error: NodeError, tries: &mut usize) -> Result<(), Failure> {
    *tries += 1;
    if !matches!(error, NodeError::AlreadyRunning) || *tries > PLACE_TRIES {
        return Err(error.into());
    }
    time::sleep(PLACE_PAUSE).await;
    Ok(())
}

async fn seed(
    setup: &Setup,
    path: PathBuf,
    manifest: Option<Arc<Manifest>>,
    verify: bool,
    teller: &Teller,
) -> Result<(Transfer, Link), Failure> {
    let manifest = match manifest {
        Some(manifest) => manifest,
        None => Arc::new(make(setup, &path, teller).await?),
    };
    let own = setup.services.tracker();
    let mut trackers = setup.cx.settings.trackers.value.clone();
    trackers.extend(own.map(|tracker| tracker.local.clone()));
    let options = SeedOptions { path, trackers, peers: setup.peers.clone(), verify };
    let mut tries = 0;
    let transfer = loop {
        match setup.services.node.seed(Arc::clone(&manifest), options.clone()).await {
            Ok(transfer) => break transfer,
            Err(error) => wait_for_place(error, &mut tries).await?,
        }
    };
    if own.is_some() {
        // It sees us come from an address that is of no use to others.
        transfer.command(Command::Advertise(setup.services.routable().await));
    }
    let trackers = setup.services.trackers(&setup.cx, &manifest.extras().trackers);
    let peers: Vec<Endpoint> = vec![setup.services.peer.clone()];
    Ok((transfer, Link { trackers, peers, ..link_of(&manifest) }))
}

/// Makes a manifest, and says how far it is.
async fn make(setup: &Setup, path: &Path, teller: &Teller) -> Result<Manifest, Failure> {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let trackers = setup.services.trackers(&setup.cx, &[]);
    let extras = Extras { trackers, created, ..Extras::default() };
    let options = CreateOptions { extras, ..CreateOptions::default() };
    let (path, teller) = (path.to_owned(), teller.clone());
    let wanted = Wanted::default();
    let still = Arc::clone(&wanted.0);
    let done = task::spawn_blocking(move || {
        swarm_node::create(&path, options, &mut |progress| {
            // A host that is busy hears of the next.
            let _ = teller.news.try_send((teller.id, teller.attempt, News::Hashing(progress)));
            !still.load(Ordering::Relaxed)
        })
    });
    match done.await {
        Ok(made) => Ok(made?),
        Err(error) => Err(Failure::new(crate::exit::Code::Other, "bug", error.to_string())),
    }
}

/// Says, once dropped, that nobody waits any more.
#[derive(Debug, Default)]
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
