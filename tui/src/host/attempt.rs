//! One attempt to run a transfer: finds or makes what it needs, starts it, follows it, and ends it. A
//! task of its own, which tells the host what happens and owns nothing that the host needs.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use swarm_node::{
    Command, CreateOptions, Event, GetOptions, NodeError, Priority, Progress, SeedOptions,
    Snapshot, Source, State, Transfer,
};
use swarm_proto::{
    link::{Endpoint, Link},
    manifest::{Extras, Manifest},
};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc, watch},
    time,
};
use tokio_util::sync::CancellationToken;

use super::{EntryId, completion::Completion, orders::off_task, run::Setup, unchanged};
use crate::{
    exit::Failure,
    history::{self, Record, Role, everywhere},
    source::link_of,
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
        check: Check,
        /// By which it was fetched.
        link: Option<Link>,
    },
}

/// Whether everything is read before it is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    /// It has just been.
    No,
    All,
    /// Only if the files have not this print any more.
    Unless(String),
}

/// What an attempt has to tell, and what else is done for a transfer.
#[derive(Debug)]
pub(super) enum News {
    /// Nobody had the manifest yet.
    StillFinding(Failure),
    /// Files are read.
    Hashing(Progress),
    /// It runs. `fetched`: what is the user's own was fetched to its place before.
    Started { transfer: Transfer, link: Box<Link>, fetched: bool },
    /// All of it is verified and in place, and its files have this print.
    Whole { print: Option<String> },
    /// How it is.
    Snapshot(Arc<Snapshot>),
    /// What the engine says.
    Event(Event),
    /// So many events came faster than they were taken.
    Lost(u64),
    /// The attempt is over, and nothing of it runs any more: as it was told to, by itself, or with a
    /// failure. The last that it tells.
    Ended(Result<(), Failure>),
    /// The user's program for its completion has ended.
    Hooked(Result<(), Failure>),
    /// Its data is deleted: so many files.
    Deleted(Result<u64, Failure>),
}

/// Where the news goes: to the host, with the number of the entry.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    pub(super) id: EntryId,
    pub(super) news: mpsc::Sender<(EntryId, News)>,
}

impl Teller {
    /// Tells it, and waits if the host has much to hear.
    pub(super) async fn tell(&self, news: News) {
        // A host that has ended listens no more.
        let _ = self.news.send((self.id, news)).await;
    }
}

/// Runs until `end` is cancelled or the transfer ends by itself. Whatever it had begun is ended then.
pub(super) async fn run(setup: Arc<Setup>, goal: Goal, end: CancellationToken, teller: Teller) {
    let role = match &goal {
        Goal::Get { .. } => Role::Get,
        Goal::Seed { .. } => Role::Seed,
    };
    let starting = async {
        match goal {
            Goal::Get { source, output } => get(&setup, source, output, &teller).await,
            Goal::Seed { path, manifest, check, link } => {
                let manifest = match manifest {
                    Some(manifest) => manifest,
                    None => Arc::new(make(&setup, &path, &teller).await?),
                };
                seed(&setup, path, manifest, check, link).await
            }
        }
    };
    let ended = match end.run_until_cancelled(starting).await {
        Some(Ok((transfer, link))) => {
            let record = setup.cx.history.begin(&transfer, role, &link.to_string());
            let fetched = role == Role::Seed && was_fetched(&setup, &transfer).await;
            teller
                .tell(News::Started { transfer: transfer.clone(), link: Box::new(link), fetched })
                .await;
            follow(transfer, record, &end, &teller).await;
            Ok(())
        }
        Some(Err(failure)) => Err(failure),
        // What was tried is dropped, which loses nothing.
        None => Ok(()),
    };
    teller.tell(News::Ended(ended)).await;
}

/// Tells of a transfer that runs and writes its row of the history, until it has ended.
async fn follow(transfer: Transfer, mut record: Record, end: &CancellationToken, teller: &Teller) {
    let (mut snapshots, mut events) = (transfer.snapshots(), transfer.events());
    let first = Arc::clone(&snapshots.borrow());
    if first.state == State::Seeding && is_whole(&first) {
        teller.tell(News::Whole { print: print_of(&transfer).await }).await;
    }
    let mut completion = Completion::of(first.state);
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            changed = snapshots.changed() => {
                if changed.is_err() {
                    break;
                }
                let snapshot = Arc::clone(&snapshots.borrow_and_update());
                record.observe(&snapshot);
                teller.tell(News::Snapshot(snapshot)).await;
            }
            event = events.recv() => match event {
                Ok(Event::Completed) => {
                    completion.told();
                    tell_completed(&transfer, &snapshots, teller).await;
                }
                Ok(event) => teller.tell(News::Event(event)).await,
                Err(RecvError::Lagged(lost)) => teller.tell(News::Lost(lost)).await,
                Err(RecvError::Closed) => break,
            }
        }
        let (state, heard) = (snapshots.borrow().state, events.is_empty());
        if completion.is_lost(state, heard) {
            tell_completed(&transfer, &snapshots, teller).await;
        }
    }
    transfer.stop().await;
    let last = Arc::clone(&snapshots.borrow());
    record.end(&last);
    teller.tell(News::Snapshot(last)).await;
}

async fn tell_completed(
    transfer: &Transfer,
    snapshots: &watch::Receiver<Arc<Snapshot>>,
    teller: &Teller,
) {
    let whole = is_whole(&snapshots.borrow());
    if whole {
        // Before anybody is told who may do something with the files.
        teller.tell(News::Whole { print: print_of(transfer).await }).await;
    }
    teller.tell(News::Event(Event::Completed)).await;
}

/// Whether the history knows that this share was fetched to this place.
async fn was_fetched(setup: &Setup, transfer: &Transfer) -> bool {
    let Some(file) = setup.cx.paths.history.clone() else { return false };
    let (swarm, path) = (transfer.id(), transfer.path().to_owned());
    let look = move || Ok(history::was_fetched(&file, swarm, &everywhere(&path)));
    off_task(look).await.unwrap_or(false)
}

/// Whether a share that is complete lacks no file, for none was left out.
fn is_whole(snapshot: &Snapshot) -> bool {
    !snapshot.priorities.contains(&Priority::Skip)
}

async fn print_of(transfer: &Transfer) -> Option<String> {
    print(Arc::clone(transfer.manifest()), transfer.path().to_owned()).await
}

async fn print(manifest: Arc<Manifest>, path: PathBuf) -> Option<String> {
    off_task(move || Ok(unchanged::print_of(&manifest, &path))).await.ok().flatten()
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
    manifest: Arc<Manifest>,
    check: Check,
    link: Option<Link>,
) -> Result<(Transfer, Link), Failure> {
    let verify = match check {
        Check::No => false,
        Check::All => true,
        Check::Unless(then) => print(Arc::clone(&manifest), path.clone()).await != Some(then),
    };
    // What was fetched goes on with those whom it was fetched from.
    let own = setup.services.tracker().filter(|_| link.is_none());
    let mut trackers = setup.cx.settings.trackers.value.clone();
    trackers.extend(own.map(|tracker| tracker.local.clone()));
    let mut peers = setup.peers.clone();
    if let Some(link) = &link {
        trackers.extend_from_slice(&link.trackers);
        peers.extend_from_slice(&link.peers);
    }
    let options = SeedOptions { path, trackers, peers, verify };
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
    if let Some(link) = link {
        return Ok((transfer, link));
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
    let given_up = Arc::clone(&wanted.0);
    let made = off_task(move || {
        let made = swarm_node::create(&path, options, &mut |progress| {
            // A host that is busy hears of the next.
            let _ = teller.news.try_send((teller.id, News::Hashing(progress)));
            !given_up.load(Ordering::Relaxed)
        });
        Ok(made?)
    });
    made.await
}

/// Says, once dropped, that nobody waits any more.
#[derive(Debug, Default)]
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
