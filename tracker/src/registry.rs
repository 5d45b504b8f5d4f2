//! The registry: who is in which swarm, and has which pieces.
//!
//! Soft state, rebuilt from announces after a restart, and pure: time comes in as an argument and
//! chance as a seed, so a simulator runs the same code as a server. This file holds all swarms to
//! their limits; the rest has a file each:
//!
//! - `announce` the answer to an announce
//! - `swarm` the peers of one swarm and the piece counts; `peer` one of them, `row` its pieces
//! - `select` who meets whom, by `merit`; `rarest` the rarest pieces; `interval` when to announce again
//! - `address` where a peer may be dialled; `manifests` manifests on their way in
//! - `config` the limits; `gauges` what counts against them; `keyed` hashing with a secret
//!
//! An announce is one step: the peer is found or added, its report taken in, others chosen for it and
//! counted. No step looks at all peers or all swarms: [`Registry::expire`] goes round in small parts.

mod address;
mod announce;
mod config;
mod gauges;
mod interval;
mod keyed;
mod manifests;
mod merit;
mod peer;
mod rarest;
mod row;
mod select;
mod swarm;

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use swarm_proto::{
    announce::{Refusal, SCRAPE_MAX, SwarmCounts, TrackerReply, TrackerRequest},
    id::{PeerId, SwarmId},
    message::MANIFEST_PART_MAX,
};

pub use config::Config;
pub(crate) use manifests::{Candidate, Checked};

use gauges::Gauges;
use keyed::Keyed;
use manifests::{Part, Uploads};
use swarm::{Slot, Swarm};

/// When to come again after [`Refusal::Full`]: peers that have left make room within minutes.
const FULL_RETRY_S: u32 = 60;
/// When to come again for a manifest that is not there: somebody may be about to put it.
const NOT_FOUND_RETRY_S: u32 = 3;
/// Swarms that are looked at to find the one longest idle, when room is needed. As good as a look at
/// all of them, for what it costs.
const EVICT_LOOK: usize = 32;

/// All swarms of one tracker, or those of one of its shards.
#[derive(Debug)]
pub struct Registry {
    config: Config,
    gauges: Arc<Gauges>,
    rng: ChaCha8Rng,
    keyed: Keyed,
    index: HashMap<SwarmId, u32, Keyed>,
    swarms: Vec<Swarm>,
    /// In how many swarms each key is.
    memberships: HashMap<PeerId, u32, Keyed>,
    uploads: Uploads,
    /// Where [`expire`](Self::expire) goes on: a swarm, and a peer in it.
    cursor: (usize, usize),
}

/// What a registry holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Swarms with at least one peer or a manifest.
    pub swarms: u64,
    /// Peers, counted once for each swarm that they are in.
    pub peers: u64,
    /// Bytes of rows and piece counts.
    pub row_bytes: u64,
    /// Bytes of manifests.
    pub manifest_bytes: u64,
}

/// What a part of a manifest leads to.
#[derive(Debug)]
pub(crate) enum Put {
    /// This is the answer.
    Reply(TrackerReply),
    /// It was the last part: check it, then [`Registry::admit`] it.
    Check(Candidate),
}

impl Registry {
    /// An empty registry. `seed` decides every random choice and keys the hashing.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self::shard(config, seed, Arc::default())
    }

    /// `count` empty registries that share one set of limits. Each swarm must always be asked for at
    /// the same one.
    pub(crate) fn shards(config: &Config, seed: [u8; 32], count: u32) -> Vec<Self> {
        let gauges = Arc::<Gauges>::default();
        let mut seeds = ChaCha8Rng::from_seed(seed);
        let config = Config {
            // A key's swarms spread over the shards, so each grants its part, and as much again
            // because chance does not deal evenly.
            peer_swarms_max: (config.peer_swarms_max / count).saturating_mul(2).saturating_add(8),
            ..config.clone()
        };
        (0..count).map(|_| Self::shard(config.clone(), seeds.random(), gauges.clone())).collect()
    }

    fn shard(config: Config, seed: [u8; 32], gauges: Arc<Gauges>) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let keyed = Keyed::new([rng.next_u64(), rng.next_u64()]);
        Self {
            config,
            gauges,
            rng,
            keyed,
            index: HashMap::with_hasher(keyed),
            swarms: Vec::new(),
            memberships: HashMap::with_hasher(keyed),
            uploads: Uploads::new(keyed),
            cursor: (0, 0),
        }
    }

    /// Answers one request of an authenticated peer seen at `from`. `now` is the time since the
    /// caller's start.
    ///
    /// The last part of a manifest takes up to a second; all else takes microseconds.
    pub fn handle(
        &mut self,
        now: Duration,
        peer: PeerId,
        from: SocketAddr,
        request: TrackerRequest,
    ) -> TrackerReply {
        match request {
            TrackerRequest::Announce(announce) => self.announce(now, peer, from, &announce),
            TrackerRequest::GetManifest { swarm, offset } => self.manifest_part(now, swarm, offset),
            TrackerRequest::PutManifest { swarm, total, offset, data } => {
                match self.put(now, peer, swarm, total, offset, &data) {
                    Put::Reply(reply) => reply,
                    Put::Check(candidate) => self.admit(candidate.check()),
                }
            }
            TrackerRequest::Scrape(swarms) if swarms.len() <= SCRAPE_MAX => {
                TrackerReply::Scraped(swarms.iter().map(|swarm| self.counts(swarm)).collect())
            }
            TrackerRequest::Scrape(_) => refuse(Refusal::Invalid, 0),
        }
    }

    /// Forgets who has not announced in time, spending at most `budget` peers' worth of work. Goes
    /// on where it left off, and round at most once. Returns whether it came round.
    pub fn expire(&mut self, now: Duration, budget: usize) -> bool {
        let now_ms = millis(now);
        self.uploads.expire(now_ms, &self.config, &self.gauges);
        let mut budget = budget;
        let mut visits = self.swarms.len();
        while budget > 0 && visits > 0 {
            budget -= 1;
            let (at, from) = self.cursor;
            let Some(swarm) = self.swarms.get_mut(at) else {
                self.cursor = (0, 0);
                continue;
            };
            let before = swarm.row_bytes();
            let memberships = &mut self.memberships;
            let gauges = &self.gauges;
            let rest = swarm.expire(from, now_ms, &mut budget, |peer| {
                gauges.peers.give_back(1);
                forget_membership(memberships, &peer.id);
            });
            gauges.row_bytes.replace(before as u64, swarm.row_bytes() as u64);
            if let Some(rest) = rest {
                self.cursor = (at, rest);
                return false;
            }
            visits -= 1;
            let keep = swarm.manifest().is_some()
                && now_ms < swarm.idle_since_ms + self.config.manifest_keep_ms;
            if swarm.is_empty() && !keep {
                // Another swarm moves into the place, which is looked at next.
                self.remove_swarm(at);
                self.cursor = (at, 0);
            } else {
                self.cursor = (at + 1, 0);
            }
        }
        visits == 0
    }

    /// What this tracker holds, all shards together.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            swarms: self.gauges.swarms.get(),
            peers: self.gauges.peers.get(),
            row_bytes: self.gauges.row_bytes.get(),
            manifest_bytes: self.gauges.manifest_bytes.get(),
        }
    }

    /// Counts of one swarm; zeros if it is not known.
    pub(crate) fn counts(&self, swarm: &SwarmId) -> SwarmCounts {
        self.swarm(swarm).map_or_else(SwarmCounts::default, |swarm| SwarmCounts {
            seeds: swarm.seeds.len() as u32,
            leechers: swarm.leechers.len() as u32,
            completed: swarm.completed,
        })
    }

    /// Takes a part of a manifest.
    pub(crate) fn put(
        &mut self,
        now: Duration,
        peer: PeerId,
        swarm: SwarmId,
        total: u32,
        offset: u32,
        data: &Bytes,
    ) -> Put {
        let now_ms = millis(now);
        let Some(known) = self.swarm(&swarm) else {
            return Put::Reply(refuse(Refusal::Forbidden, 0));
        };
        if known.slot(&peer).is_none() {
            // Whoever stores something here takes part.
            return Put::Reply(refuse(Refusal::Forbidden, 0));
        }
        if known.manifest().is_some() {
            // Somebody else was faster. Nothing more need be sent.
            return Put::Reply(TrackerReply::ManifestPut { received: total });
        }
        let (config, gauges) = (&self.config, &self.gauges);
        match self.uploads.put(now_ms, peer, swarm, total, offset, data, config, gauges) {
            Part::Received(received) => Put::Reply(TrackerReply::ManifestPut { received }),
            Part::Complete(candidate) => Put::Check(candidate),
            Part::Invalid => Put::Reply(refuse(Refusal::Invalid, 0)),
            Part::Full => Put::Reply(refuse(Refusal::Full, FULL_RETRY_S)),
            Part::TooLong => Put::Reply(refuse(Refusal::Full, 0)),
        }
    }

    /// Keeps a manifest that was checked. `None`: the check failed.
    pub(crate) fn admit(&mut self, checked: Option<Checked>) -> TrackerReply {
        let Some(checked) = checked else { return refuse(Refusal::Invalid, 0) };
        let len = checked.bytes.len() as u32;
        let swarm = checked.swarm;
        match self.swarm(&swarm) {
            // All have left while it was checked.
            None => return refuse(Refusal::NotFound, 0),
            Some(swarm) if swarm.is_empty() => return refuse(Refusal::NotFound, 0),
            Some(swarm) if swarm.manifest().is_some() => {}
            Some(_) => {
                if !self.make_room_for_manifest(u64::from(len)) {
                    return refuse(Refusal::Full, FULL_RETRY_S);
                }
                if let Some(swarm) = self.swarm_mut(&swarm) {
                    swarm.learn(checked);
                }
            }
        }
        TrackerReply::ManifestPut { received: len }
    }

    /// A part of a manifest, of the most bytes that fit into one reply.
    pub(crate) fn manifest_part(
        &mut self,
        now: Duration,
        swarm: SwarmId,
        offset: u32,
    ) -> TrackerReply {
        let Some(swarm) = self.swarm_mut(&swarm) else {
            return refuse(Refusal::NotFound, NOT_FOUND_RETRY_S);
        };
        if swarm.is_empty() {
            swarm.idle_since_ms = millis(now);
        }
        let Some(bytes) = swarm.manifest() else {
            return refuse(Refusal::NotFound, NOT_FOUND_RETRY_S);
        };
        let from = offset as usize;
        if from > bytes.len() {
            return refuse(Refusal::Invalid, 0);
        }
        let to = bytes.len().min(from + MANIFEST_PART_MAX);
        TrackerReply::ManifestPart {
            total: bytes.len() as u32,
            offset,
            data: bytes.slice(from..to),
        }
    }

    fn swarm(&self, id: &SwarmId) -> Option<&Swarm> {
        self.index.get(id).map(|&at| &self.swarms[at as usize])
    }

    fn swarm_mut(&mut self, id: &SwarmId) -> Option<&mut Swarm> {
        self.index.get(id).map(|&at| &mut self.swarms[at as usize])
    }

    fn add_swarm(&mut self, now_ms: u64, id: SwarmId) -> Option<usize> {
        let max = self.config.swarms_max;
        if !self.gauges.swarms.take(1, max) {
            self.evict();
            if !self.gauges.swarms.take(1, max) {
                return None;
            }
        }
        let at = self.swarms.len();
        self.index.insert(id, at as u32);
        self.swarms.push(Swarm::new(id, self.keyed, now_ms));
        Some(at)
    }

    fn add_peer(&mut self, now_ms: u64, at: usize, id: PeerId) -> Result<Slot, NoRoom> {
        let swarm = &mut self.swarms[at];
        let memberships = self.memberships.get(&id).copied().unwrap_or(0);
        if memberships >= self.config.peer_swarms_max {
            self.drop_if_unused(at);
            return Err(NoRoom::Memberships);
        }
        let fits = swarm.len() < self.config.swarm_peers_max;
        if !fits || !self.gauges.peers.take(1, self.config.peers_max) {
            // A new swarm without its first peer stays for the answer, and expires.
            return Err(NoRoom::Peers);
        }
        self.memberships.insert(id, memberships + 1);
        Ok(swarm.join(id, now_ms))
    }

    fn make_room_for_manifest(&mut self, len: u64) -> bool {
        // Each round evicts the longest idle of a few swarms. If that many do not make room, the
        // rest is left to the next attempt.
        for _ in 0..EVICT_LOOK {
            if self.gauges.manifest_bytes.take(len, self.config.manifest_bytes_max) {
                return true;
            }
            if !self.evict() {
                return false;
            }
        }
        self.gauges.manifest_bytes.take(len, self.config.manifest_bytes_max)
    }

    /// Drops a swarm that has no peers, of those looked at the one that is longest idle.
    fn evict(&mut self) -> bool {
        if self.swarms.is_empty() {
            return false;
        }
        let looked = (0..EVICT_LOOK).map(|_| self.rng.random_range(0..self.swarms.len()));
        let idle = looked.filter(|&at| self.swarms[at].is_empty());
        match idle.min_by_key(|&at| self.swarms[at].idle_since_ms) {
            Some(at) => {
                self.remove_swarm(at);
                true
            }
            None => false,
        }
    }

    fn drop_if_unused(&mut self, at: usize) {
        if self.swarms[at].is_empty() && self.swarms[at].manifest().is_none() {
            self.remove_swarm(at);
        }
    }

    /// Removes a swarm without peers. The last one moves to its place.
    fn remove_swarm(&mut self, at: usize) {
        let swarm = self.swarms.swap_remove(at);
        self.index.remove(&swarm.id);
        if let Some(moved) = self.swarms.get(at) {
            self.index.insert(moved.id, at as u32);
        }
        self.gauges.swarms.give_back(1);
        self.gauges.row_bytes.give_back(swarm.row_bytes() as u64);
        self.gauges
            .manifest_bytes
            .give_back(swarm.manifest().map_or(0, |bytes| bytes.len() as u64));
    }
}

/// Why a peer was not added.
enum NoRoom {
    /// The swarm or the tracker has as many peers as it may.
    Peers,
    /// The key is in as many swarms as it may be.
    Memberships,
}

const fn refuse(why: Refusal, retry_s: u32) -> TrackerReply {
    TrackerReply::Refused { why, retry_s }
}

fn forget_membership(memberships: &mut HashMap<PeerId, u32, Keyed>, id: &PeerId) {
    if let Some(count) = memberships.get_mut(id) {
        *count -= 1;
        if *count == 0 {
            memberships.remove(id);
        }
    }
}

/// Whole milliseconds, so few that sums with any interval fit: 292 million years.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).map_or(u64::MAX / 2, |ms| ms.min(u64::MAX / 2))
}

#[cfg(test)]
mod tests;
