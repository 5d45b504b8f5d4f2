//! One transfer of a session, as its owner keeps it.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Instant};

use swarm_node::{Command, Snapshot, Source, State, Transfer};
use swarm_proto::{
    id::{PeerId, SwarmId},
    link::Link,
    manifest::Manifest,
};
use tokio_util::sync::CancellationToken;

use super::{Entry, Phase, Share, attempt::Goal};
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
    /// When its first attempt ran.
    pub(super) began: Option<Instant>,
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
            began: None,
            met: HashSet::new(),
        }
    }

    /// It runs.
    pub(super) fn begin(&mut self, transfer: Transfer, link: &Link) {
        let manifest = transfer.manifest();
        // They may have been changed while it was looked for.
        transfer.command(Command::LimitUpload(self.entry.limits.up));
        transfer.command(Command::LimitDownload(self.entry.limits.down));
        self.kept = Some((Arc::clone(manifest), transfer.path().to_owned()));
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
            if (peer.downloaded > 0 || peer.uploaded > 0) && self.met.len() < MET_MAX {
                self.met.insert(peer.id);
            }
        }
        self.entry.met = self.met.len() as u32;
    }

    /// Passes on what is asked of its engine; limits hold for later attempts, too.
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
