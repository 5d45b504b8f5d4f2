//! The registries behind a server: one for each share of the swarms, each behind a lock.
//!
//! Locks rather than tasks with channels: an announce takes microseconds, less than handing it to
//! another task and back, and aquatic's author found the same when he tried both. Several rather than
//! one, so that two cores seldom want the same; the limits are for all together. A swarm always falls
//! to the same one, by a hash that strangers cannot aim.

use std::{
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use swarm_proto::{
    announce::{Refusal, SCRAPE_MAX, TrackerReply, TrackerRequest},
    id::{PeerId, SwarmId},
};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::task::TaskTracker;

use crate::registry::{Config, Put, Registry, Usage};

/// Each shard's turn of [`Shards::expire`]: about a tenth of a millisecond.
const EXPIRE_BUDGET: usize = 10_000;
/// Manifests checked at a time. Each may take a second of a core and several times its length in
/// memory, and swarms live on meanwhile.
const CHECKS_MAX: usize = 2;

/// All registries of one server.
#[derive(Debug)]
pub(super) struct Shards {
    /// Never held over an await.
    shards: Box<[Mutex<Registry>]>,
    hasher: RandomState,
    started: Instant,
    checks: Semaphore,
    tasks: TaskTracker,
}

impl Shards {
    /// `tasks` is where work off the connections' threads is done.
    pub(super) fn new(config: &Config, seed: [u8; 32], tasks: TaskTracker) -> Self {
        // Four for each core: of two cores that both want one, few want the same.
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(16);
        let shards = Registry::shards(config, seed, 4 * cores as u32);
        Self {
            shards: shards.into_iter().map(Mutex::new).collect(),
            hasher: RandomState::new(),
            started: Instant::now(),
            checks: Semaphore::new(CHECKS_MAX),
            tasks,
        }
    }

    /// Answers one request. Waits for nothing but the check of a manifest.
    pub(super) async fn answer(
        &self,
        peer: PeerId,
        from: SocketAddr,
        request: TrackerRequest,
    ) -> TrackerReply {
        let now = self.started.elapsed();
        match request {
            TrackerRequest::Scrape(swarms) if swarms.len() <= SCRAPE_MAX => {
                TrackerReply::Scraped(swarms.iter().map(|id| self.shard(id).counts(id)).collect())
            }
            TrackerRequest::Scrape(_) => {
                TrackerReply::Refused { why: Refusal::Invalid, retry_s: 0 }
            }
            TrackerRequest::PutManifest { swarm, total, offset, data } => {
                // The place is taken before the last part is, so that no more manifests wait in
                // memory than are checked.
                let last = u64::from(offset) + data.len() as u64 == u64::from(total);
                let _place = if last { self.checks.acquire().await.ok() } else { None };
                let put = self.shard(&swarm).put(now, peer, swarm, total, offset, &data);
                match put {
                    Put::Reply(reply) => reply,
                    Put::Check(candidate) => {
                        let check = self.tasks.spawn_blocking(|| candidate.check());
                        // If the check panicked the manifest is none; the panic is on stderr.
                        let checked = check.await.unwrap_or(None);
                        self.shard(&swarm).admit(checked)
                    }
                }
            }
            TrackerRequest::Announce(ref announce) => {
                let swarm = announce.swarm;
                self.shard(&swarm).handle(now, peer, from, request)
            }
            TrackerRequest::GetManifest { swarm, offset } => {
                self.shard(&swarm).manifest_part(now, swarm, offset)
            }
        }
    }

    /// Forgets some of those who have not announced in time. Returns whether all were looked at.
    pub(super) fn expire(&self) -> bool {
        let now = self.started.elapsed();
        let rounds = self.shards.iter().map(|shard| lock(shard).expire(now, EXPIRE_BUDGET));
        rounds.fold(true, |all, round| all & round)
    }

    /// What all hold together.
    pub(super) fn usage(&self) -> Usage {
        // They share their gauges, so any of them knows.
        self.shards.first().map_or_else(Usage::default, |shard| lock(shard).usage())
    }

    fn shard(&self, swarm: &SwarmId) -> MutexGuard<'_, Registry> {
        let shard = self.hasher.hash_one(swarm) % self.shards.len() as u64;
        lock(&self.shards[shard as usize])
    }
}

/// A panic in one request must not stop the tracker; what it left half done is soft state, which the
/// next announces put right.
fn lock(shard: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
