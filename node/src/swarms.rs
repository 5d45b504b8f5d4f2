//! Which swarms a node has, and how connections find them.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use swarm_proto::id::SwarmId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{NodeError, conn::Arrival, driver::Scope};

/// The swarms of a node, by id.
#[derive(Debug, Default)]
pub(crate) struct Swarms {
    /// Held for one look-up. A swarm that is being started has no entry yet, only its place.
    running: Mutex<HashMap<SwarmId, Option<Entry>>>,
}

/// How a connection gets to its swarm.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) scope: Arc<Scope>,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) stop: CancellationToken,
}

/// A swarm's place in the node; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    swarms: Arc<Swarms>,
    swarm: SwarmId,
}

impl Swarms {
    /// Takes the place of a swarm.
    ///
    /// # Errors
    /// If it is taken.
    pub(crate) fn claim(self: &Arc<Self>, swarm: SwarmId) -> Result<Claim, NodeError> {
        match self.lock().entry(swarm) {
            hash_map::Entry::Occupied(_) => Err(NodeError::AlreadyRunning),
            hash_map::Entry::Vacant(place) => {
                place.insert(None);
                Ok(Claim { swarms: Arc::clone(self), swarm })
            }
        }
    }

    /// The swarm of this id, if it runs.
    pub(crate) fn find(&self, swarm: SwarmId) -> Option<Entry> {
        self.lock().get(&swarm)?.clone()
    }

    /// Stops every swarm that runs.
    pub(crate) fn stop(&self) {
        self.lock().values().flatten().for_each(|entry| entry.stop.cancel());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SwarmId, Option<Entry>>> {
        // Nothing that is done under the lock can panic half-way.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// The swarm runs now: connections may come.
    pub(crate) fn fill(&self, entry: Entry) {
        self.swarms.lock().insert(self.swarm, Some(entry));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.swarms.lock().remove(&self.swarm);
    }
}
