//! The handle of one running swarm.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use swarm_engine::{Command, Event, Input, Snapshot};
use swarm_proto::{
    geometry::PieceIndex,
    id::SwarmId,
    link::{Endpoint, Link},
    manifest::Manifest,
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{NodeError, blocking::blocking, store::Share};

/// How far a swarm has come, for those who wait for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progressed {
    /// Everything is verified, synced and in place.
    pub(crate) completed: bool,
    /// The disk refuses to take data, and not for want of space.
    pub(crate) failed: Option<String>,
    /// The swarm has ended and its store is closed.
    pub(crate) stopped: bool,
}

/// Where events are heard. The first receiver is made before there are any: a swarm runs before its
/// handle is given away, and what goes wrong at once is what its user should know.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    /// Taken by who asks first. Held for a look.
    first: Arc<Mutex<Option<broadcast::Receiver<Event>>>>,
}

impl Events {
    /// Of this sender, from its first event on.
    pub(crate) fn new(sender: &broadcast::Sender<Event>) -> Self {
        let first = Arc::new(Mutex::new(Some(sender.subscribe())));
        Self { sender: sender.clone(), first }
    }

    fn receiver(&self) -> broadcast::Receiver<Event> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.unwrap_or_else(|| self.sender.subscribe())
    }
}

/// One running swarm. Dropping it does not stop the swarm; [`Transfer::stop`] does.
#[derive(Debug, Clone)]
pub struct Transfer {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) path: PathBuf,
    /// How this node is reached: its key, if it proves one, and its port.
    pub(crate) reach: Endpoint,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) events: Events,
    pub(crate) progress: watch::Receiver<Progressed>,
    pub(crate) control: mpsc::UnboundedSender<Input>,
    pub(crate) stop: CancellationToken,
    pub(crate) share: Weak<Share>,
}

impl Transfer {
    /// The swarm's id.
    #[must_use]
    pub fn id(&self) -> SwarmId {
        self.manifest.id()
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Where the share is, or will be when complete.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The link to pass on: this share, these trackers, and this node as a peer at `host`, the name
    /// or address that others reach this machine by.
    #[must_use]
    pub fn link(&self, host: &str, trackers: Vec<Endpoint>) -> Link {
        Link {
            id: self.id(),
            name: Some(self.manifest.info().name.clone()),
            trackers,
            peers: vec![Endpoint { host: host.to_owned(), ..self.reach.clone() }],
        }
    }

    /// The latest snapshot; changes at most ten times a second.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Events from now on; who asks first also gets those that came before. A receiver that lags
    /// loses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.receiver()
    }

    /// Asks the engine for something. A swarm that has ended does nothing any more.
    pub fn command(&self, command: Command) {
        if command == Command::Stop {
            self.stop.cancel();
        } else {
            let _ = self.control.send(Input::Command(command));
        }
    }

    /// Waits until everything is verified, synced and in place. A full disk is waited for.
    ///
    /// # Errors
    /// If the disk fails in another way than being full (the transfer goes on trying until it is
    /// stopped), or the transfer is stopped before.
    pub async fn completed(&self) -> Result<(), NodeError> {
        let mut progress = self.progress.clone();
        let ended = |p: &Progressed| p.completed || p.stopped || p.failed.is_some();
        let end = match progress.wait_for(ended).await {
            Ok(end) => end.clone(),
            // The driver is gone.
            Err(_) => return Err(NodeError::Stopped),
        };
        match end {
            Progressed { completed: true, .. } => Ok(()),
            Progressed { failed: Some(why), .. } => Err(NodeError::Disk(why)),
            _ => Err(NodeError::Stopped),
        }
    }

    /// Reads a piece as soon as it is verified. What was read is verified once more: these are the
    /// bytes that the manifest describes, whatever has become of the file.
    ///
    /// # Errors
    /// If the transfer ends before, or the piece cannot be read or was changed by somebody else.
    pub async fn read(&self, piece: PieceIndex) -> Result<Vec<u8>, NodeError> {
        let (byte, bit) = (piece.as_usize() / 8, 0x80 >> (piece.get() % 8));
        let has = |snapshot: &Arc<Snapshot>| snapshot.have.get(byte).is_some_and(|b| b & bit != 0);
        let mut snapshots = self.snapshots.clone();
        // An error means that the driver is gone.
        snapshots.wait_for(has).await.map(drop).map_err(|_| NodeError::Stopped)?;
        let share = self.share.clone();
        blocking(move || share.upgrade().ok_or(NodeError::Stopped)?.read_piece(piece)).await
    }

    /// Says goodbye, syncs and saves resume state.
    pub async fn stop(&self) {
        self.stop.cancel();
        let mut progress = self.progress.clone();
        // An error means that the driver is gone, which is just as well.
        let _ = progress.wait_for(|p| p.stopped).await;
    }
}
