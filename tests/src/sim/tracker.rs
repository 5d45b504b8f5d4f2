//! A tracker that runs the shipped registry.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use swarm_engine::{Input, NoAnswer, Time, TrackerIndex};
use swarm_proto::{
    announce::{Announce, TrackerReply, TrackerRequest},
    id::PeerId,
    manifest::Manifest,
    message::MANIFEST_PART_MAX,
};
use swarm_tracker::registry::{Config, Registry};

/// Time from any node to a tracker, or back.
pub const TRACKER_DELAY: Duration = Duration::from_millis(5);
/// How often a tracker looks for peers that are gone.
pub const EXPIRE_EVERY: Duration = Duration::from_secs(1);

/// One tracker. What it holds is gone when it stops.
#[derive(Debug)]
pub struct Tracker {
    registry: Option<Registry>,
    rng: ChaCha8Rng,
}

/// What a node's shell wants of a tracker.
#[derive(Debug)]
pub enum Ask {
    /// An announce, to be answered.
    Announce(Box<Announce>),
    /// Take the manifest.
    PutManifest,
}

impl Tracker {
    /// A running tracker.
    #[must_use]
    pub fn new(rng: ChaCha8Rng) -> Self {
        let mut this = Self { registry: None, rng };
        this.start();
        this
    }

    /// Starts it again, knowing nothing.
    pub fn start(&mut self) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.registry = Some(Registry::new(Config::default(), seed));
    }

    /// Stops it.
    pub fn stop(&mut self) {
        self.registry = None;
    }

    /// Forgets who has not announced in time.
    pub fn expire(&mut self, now: Time) {
        if let Some(registry) = &mut self.registry {
            registry.expire(now.since(Time::ZERO), 1000);
        }
    }

    /// Does what a node asks; says what to tell its engine, if anything.
    pub fn ask(
        &mut self,
        now: Time,
        tracker: TrackerIndex,
        (peer, from): (PeerId, SocketAddr),
        manifest: &Manifest,
        ask: Ask,
    ) -> Option<Input> {
        let now = now.since(Time::ZERO);
        let Some(registry) = &mut self.registry else {
            return Some(Input::AnnounceFailed { tracker, why: NoAnswer::Lost });
        };
        match ask {
            Ask::Announce(announce) => {
                let request = TrackerRequest::Announce(*announce);
                Some(match registry.handle(now, peer, from, request) {
                    TrackerReply::Announced(reply) => Input::Announced { tracker, reply },
                    TrackerReply::Refused { why, retry_s } => {
                        let why = NoAnswer::Refused(why, retry_s);
                        Input::AnnounceFailed { tracker, why }
                    }
                    _ => Input::AnnounceFailed { tracker, why: NoAnswer::Lost },
                })
            }
            Ask::PutManifest => {
                let bytes = Bytes::from(manifest.encode());
                let total = bytes.len() as u32;
                for start in (0..bytes.len()).step_by(MANIFEST_PART_MAX) {
                    let data = bytes.slice(start..bytes.len().min(start + MANIFEST_PART_MAX));
                    let offset = start as u32;
                    let swarm = manifest.id();
                    let request = TrackerRequest::PutManifest { swarm, total, offset, data };
                    registry.handle(now, peer, from, request);
                }
                None
            }
        }
    }
}
