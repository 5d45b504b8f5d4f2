//! A share on the disk without a node around it, for the benchmarks of this repository.

use std::{path::Path, sync::Arc};

use swarm_engine::{Input, Output};
use swarm_net::Buffers;
use swarm_proto::manifest::Manifest;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    NodeError, Selection,
    store::Store,
    store::{DiskPool, Job},
};

/// A share and the threads that read, write and hash it. All of it blocks.
#[derive(Debug)]
pub struct Disk {
    store: Store,
    answers: UnboundedReceiver<Input>,
    /// Dropped last: its threads end when nothing is left to do.
    _pool: DiskPool,
}

impl Disk {
    /// For a new download into the folder.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn for_download(manifest: Arc<Manifest>, output: &Path) -> Result<Self, NodeError> {
        let (pool, (sender, answers)) = (pool()?, unbounded_channel());
        let all = Selection::default();
        let opened = Store::for_download(&pool, manifest, output, &all, sender, &mut |_| true)?;
        Ok(Self { store: opened.store, answers, _pool: pool })
    }

    /// For the file or folder that the manifest was made of.
    ///
    /// # Errors
    /// If it is not there.
    pub fn for_seeding(manifest: Arc<Manifest>, path: &Path) -> Result<Self, NodeError> {
        let (pool, (sender, answers)) = (pool()?, unbounded_channel());
        let opened = Store::for_seeding(&pool, manifest, path, false, sender, &mut |_| true)?;
        Ok(Self { store: opened.store, answers, _pool: pool })
    }

    /// Has done what an engine wants done on the disk; anything else is not for it.
    pub fn submit(&self, output: Output) {
        let job = match output {
            Output::Store { run, data } => Job::Store { run, data },
            Output::Read { conn, run } => Job::Read { conn, run },
            Output::ReadLeaves(piece) | Output::Check(piece) => Job::ReadLeaves(piece),
            Output::Record(piece) => Job::Record(piece),
            Output::Forget(piece) => Job::Forget(piece),
            Output::Finish => Job::Finish,
            _ => return,
        };
        self.store.submit_all([job]);
    }

    /// The next answer for the engine; waits for it.
    ///
    /// # Panics
    /// If the threads have ended, which they do not while this is there.
    pub fn answer(&mut self) -> Input {
        self.answers.blocking_recv().expect("the store holds a sender")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.store.close();
    }
}

fn pool() -> Result<DiskPool, NodeError> {
    DiskPool::new(0, Buffers::default(), false)
}
