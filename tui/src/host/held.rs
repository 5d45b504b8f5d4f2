//! One transfer of a session, as its owner keeps it.

use std::{collections::HashSet, sync::Arc, time::Instant};

use swarm_node::{Command, Snapshot, Source, State, Transfer};
use swarm_proto::{
    id::{PeerId, SwarmId},
    link::Link,
    manifest::Manifest,
};
use tokio::task::AbortHandle;

use super::{Entry, Phase, Share, attempt::Goal};
use crate::share::Sharing;

/// Peers that are remembered to be counted: 32 bytes each.
const MET_MAX: usize = 10_000;

/// One transfer.
pub(super) struct Held {
    pub(super) entry: Entry,
    pub(super) goal: Goal,
    /// Which attempt runs; news of others is old.
    pub(super) attempt: u64,
    pub(super) task: Option<AbortHandle>,
    pub(super) transfer: Option<Transfer>,
    /// How it is shared on, since when.
    pub(super) sharing: Option<(Sharing, Instant)>,
    /// It is being ended, for this reason.
    pub(super) ending: Option<String>,
    /// When its first attempt ran.
    pub(super) began: Option<Instant>,
    /// Whom payload came from or went to, as far as [`MET_MAX`].
    pub(super) met: HashSet<PeerId>,
}

impl Held {
    /// Nothing has been tried yet.
    pub(super) fn new(entry: Entry, goal: Goal) -> Self {
        Self {
            entry,
            goal,
            attempt: 0,
            task: None,
            transfer: None,
            sharing: None,
            ending: None,
            began: None,
            met: HashSet::new(),
        }
    }

    /// It runs.
    pub(super) fn begin(&mut self, transfer: Transfer, link: &Link) {
        let manifest = transfer.manifest();
        self.entry.phase = Phase::Running;
        self.began.get_or_insert_with(Instant::now);
        self.entry.name = manifest.info().name.clone();
        self.entry.path = transfer.path().to_owned();
        self.entry.link = Some(link.to_string());
        self.entry.share = Some(Arc::new(Share::of(manifest)));
        self.entry.snapshot = Some(Arc::clone(&transfer.snapshots().borrow()));
        if let Goal::Seed { manifest: kept, verify, .. } = &mut self.goal {
            // Another attempt need not read everything again.
            (*kept, *verify) = (Some(Arc::clone(manifest)), false);
        }
        if self.entry.state() == Some(State::Seeding) {
            // It was all here before; nobody has just waited for it.
            self.entry.decided = true;
        }
        self.transfer = Some(transfer);
    }

    /// Counts those who sent or took something.
    pub(super) fn meet(&mut self, snapshot: &Snapshot) {
        for peer in &snapshot.peers {
            if peer.downloaded + peer.uploaded > 0 && self.met.len() < MET_MAX {
                self.met.insert(peer.id);
            }
        }
        self.entry.met = self.met.len() as u32;
    }

    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::LimitUpload(limit) => self.entry.limits.up = limit,
            Command::LimitDownload(limit) => self.entry.limits.down = limit,
            _ => {}
        }
        if let Some(transfer) = &self.transfer {
            transfer.command(command);
        }
    }

    pub(super) fn manifest(&self) -> Option<Arc<Manifest>> {
        if let Some(transfer) = &self.transfer {
            return Some(Arc::clone(transfer.manifest()));
        }
        match &self.goal {
            Goal::Get { source: Source::Manifest(manifest), .. }
            | Goal::Seed { manifest: Some(manifest), .. } => Some(Arc::clone(manifest)),
            _ => None,
        }
    }

    pub(super) fn swarm(&self) -> Option<SwarmId> {
        match &self.goal {
            Goal::Get { source: Source::Link(link), .. } => Some(link.id),
            _ => self.manifest().map(|manifest| manifest.id()),
        }
    }
}
