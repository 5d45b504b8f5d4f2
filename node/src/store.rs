//! One share on the disk.

use std::{path::Path, sync::Arc};

use swarm_engine::Input;
use swarm_proto::{bitfield::Bitfield, id::SwarmId, manifest::Manifest};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    NodeError, Progress,
    disk::{DiskPool, Job},
};

/// A share on the disk. Everything that the engine wants read or written goes through it.
#[derive(Debug)]
pub(crate) struct Store {}

/// A share that is ready for the engine.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The share.
    pub(crate) store: Store,
    /// The pieces that are verified and on the disk. If this is full, everything is already synced
    /// and under its final name: no `Finish` is needed (one that comes is answered at once).
    pub(crate) have: Bitfield,
}

impl Store {
    /// Takes the lock, takes up what an earlier run left, verifies and adopts files that are
    /// already there. Blocking.
    pub(crate) fn for_download(
        _pool: &DiskPool,
        _manifest: Arc<Manifest>,
        _output: &Path,
        _answers: UnboundedSender<Input>,
        _progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Opened, NodeError> {
        todo!()
    }

    /// Opens the file or folder that the manifest was made of. Blocking.
    pub(crate) fn for_seeding(
        _pool: &DiskPool,
        _manifest: Arc<Manifest>,
        _path: &Path,
        _verify: bool,
        _answers: UnboundedSender<Input>,
        _progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Opened, NodeError> {
        todo!()
    }

    /// Queues a job. Never blocks.
    pub(crate) fn submit(&self, _job: Job) {
        todo!()
    }

    /// Finishes queued jobs, syncs, saves resume state and releases the lock. Blocking. Jobs
    /// submitted later are dropped.
    pub(crate) fn close(&self) {
        todo!()
    }
}

/// The manifest that an unfinished download into `output` keeps, if there is one of this id.
/// Blocking.
pub(crate) fn stored_manifest(_output: &Path, _id: SwarmId) -> Option<Manifest> {
    todo!()
}
