//! One transfer of a session, as its owner keeps it.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use swarm_node::{Command, Snapshot, Source, State, Transfer};
use swarm_proto::{
    id::{PeerId, SwarmId},
    link::Link,
    manifest::Manifest,
};
use tokio_util::sync::CancellationToken;

use super::{
    Entry, Origin, Phase, Share,
    attempt::{Check, Goal},
    memory::{SoFar, Stand},
    run::now_s,
    stopwatch::Stopwatch,
};
use crate::share::Sharing;

/// Peers that are remembered to be counted: 32 bytes each.
const MET_MAX: usize = 10_000;

/// One transfer.
pub(super) struct Held {
    pub(super) entry: Entry,
    pub(super) goal: Goal,
    /// Ends the attempt that goes on, if one does.
    pub(super) attempt: Option<CancellationToken>,
    pub(super) transfer: Option<Transfer>,
    /// What an attempt has put on the disk, and where.
    pub(super) kept: Option<(Arc<Manifest>, PathBuf)>,
    /// How it is shared on, since when.
    pub(super) sharing: Option<(Sharing, Instant)>,
    /// It is being ended.
    pub(super) ending: Option<Ending>,
    /// It was shared for as long as was asked.
    pub(super) enough: bool,
    /// The user wants it to hold.
    pub(super) paused: bool,
    /// How it stood when the session ended.
    pub(super) at_end: Option<Stand>,
    /// What earlier attempts did.
    pub(super) so_far: SoFar,
    /// How long this attempt has fetched.
    pub(super) fetching: Stopwatch,
    /// Whom payload came from or went to, as far as [`MET_MAX`].
    pub(super) met: HashSet<PeerId>,
}

/// What becomes of a transfer once nothing of it runs.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Why it ends, after "stopped: ".
    pub(super) why: String,
    /// It goes off the list.
    pub(super) remove: bool,
    /// Its data goes, too.
    pub(super) delete: bool,
}

impl Held {
    /// Nothing has been tried yet.
    pub(super) fn new(entry: Entry, goal: Goal) -> Self {
        Self {
            entry,
            goal,
            attempt: None,
            transfer: None,
            kept: None,
            sharing: None,
            ending: None,
            enough: false,
            paused: false,
            at_end: None,
            so_far: SoFar::default(),
            fetching: Stopwatch::default(),
            met: HashSet::new(),
        }
    }

    /// It runs. Returns whether an earlier attempt fetched the last of it and was stopped before it
    /// could say so.
    pub(super) fn begin(&mut self, transfer: Transfer, link: &Link) -> bool {
        let manifest = transfer.manifest();
        // They may have been changed while it was looked for.
        transfer.command(Command::LimitUpload(self.entry.limits.up));
        transfer.command(Command::LimitDownload(self.entry.limits.down));
        if self.paused {
            transfer.command(Command::Pause);
        }
        self.kept = Some((Arc::clone(manifest), transfer.path().to_owned()));
        self.entry.phase = Phase::Running;
        self.entry.name = manifest.info().name.clone();
        self.entry.path = transfer.path().to_owned();
        self.entry.link = Some(link.to_string());
        self.entry.share = Some(Arc::new(Share::of(manifest)));
        let snapshot = Arc::clone(&transfer.snapshots().borrow());
        self.take_in(snapshot);
        if let Goal::Seed { manifest: kept, .. } = &mut self.goal {
            // Another attempt need not make it again.
            *kept = Some(Arc::clone(manifest));
        }
        self.transfer = Some(transfer);
        let here = self.entry.state() == Some(State::Seeding) && self.entry.completed_s.is_none();
        let unsaid = here && self.so_far.downloaded > 0;
        // What was all here before nobody has waited for.
        self.entry.decided |= here && !unsaid;
        unsaid
    }

    /// All of it is there: from now on it is shared, and read again only if its files change.
    pub(super) fn whole(&mut self, print: Option<String>) {
        let Some(transfer) = &self.transfer else { return };
        let check = print.map_or(Check::All, Check::Unless);
        let link = match &self.goal {
            Goal::Get { .. } => self.entry.link.as_ref().and_then(|link| link.parse().ok()),
            Goal::Seed { link, .. } => link.clone(),
        };
        let (path, manifest) = (transfer.path().to_owned(), Some(Arc::clone(transfer.manifest())));
        self.goal = Goal::Seed { path, manifest, check, link };
    }

    /// Another attempt begins: what this one did is counted among what was done before.
    pub(super) fn sum_up(&mut self) {
        self.stop_sharing();
        self.so_far = self.sums();
        self.entry.snapshot = None;
        self.fetching = Stopwatch::default();
        self.entry.received_before = self.so_far.downloaded;
        self.entry.sent_before = self.so_far.uploaded;
    }

    /// How its transfer is now.
    pub(super) fn take_in(&mut self, snapshot: Arc<Snapshot>) {
        self.meet(&snapshot);
        let fetches = match snapshot.state {
            State::Checking | State::Downloading | State::Finishing | State::DiskTrouble => true,
            State::Seeding | State::Paused | State::Stopped => false,
        };
        self.fetching.run(fetches, Instant::now());
        self.entry.snapshot = Some(snapshot);
    }

    /// Everything that is wanted is here.
    pub(super) fn complete(&mut self) {
        self.entry.completed_s = Some(now_s());
        self.entry.took_s = Some(self.sums().fetched_s);
    }

    /// The time that it was shared is kept.
    pub(super) fn stop_sharing(&mut self) {
        if let Some((_, since)) = self.sharing.take() {
            self.so_far.shared_s += since.elapsed().as_secs();
        }
    }

    /// Counts those who sent or took something.
    fn meet(&mut self, snapshot: &Snapshot) {
        for peer in &snapshot.peers {
            if (peer.downloaded > 0 || peer.uploaded > 0) && self.met.len() < MET_MAX {
                self.met.insert(peer.id);
            }
        }
        self.entry.met = self.met.len() as u32;
    }

    /// Passes on what is asked of its engine; limits and a pause hold for later attempts, too.
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::LimitUpload(limit) => self.entry.limits.up = limit,
            Command::LimitDownload(limit) => self.entry.limits.down = limit,
            Command::Pause => self.paused = true,
            Command::Resume => self.paused = false,
            _ => {}
        }
        if let Some(transfer) = &self.transfer {
            transfer.command(command);
        }
    }

    /// Whether it shares the user's own files at a place, which may have two names.
    pub(super) fn is_own(&self, path: &Path, place: &Path) -> bool {
        let Goal::Seed { path: own, .. } = &self.goal else { return false };
        self.entry.origin == Origin::Own && (own == path || own == place)
    }

    /// The share's id, if it is known: a share is made first.
    pub(super) fn swarm(&self) -> Option<SwarmId> {
        match &self.goal {
            Goal::Get { source: Source::Link(link), .. } => Some(link.id),
            Goal::Get { source: Source::Manifest(manifest), .. }
            | Goal::Seed { manifest: Some(manifest), .. } => Some(manifest.id()),
            Goal::Seed { manifest: None, .. } => None,
        }
    }
}
