//! Stories of whole registries.

use proptest::prelude::*;
use swarm_proto::announce::{
    Announce, AnnounceEvent, Announced, DELTA_MAX, HaveReport, WANT_MAX, row_digest,
};

use super::{peer::Peer, row::Row, *};

mod hostile;
mod manifest;
mod meeting;
mod model;

const SWARM: SwarmId = SwarmId::new([7; 32]);

fn peer(n: u32) -> PeerId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    PeerId::new(bytes)
}

/// The public address of a peer.
fn home(n: u32) -> SocketAddr {
    let [a, b, c, d] = n.to_be_bytes();
    SocketAddr::from(([100 + a, b, c, d], 50_000))
}

fn announce(have: HaveReport) -> Announce {
    Announce {
        swarm: SWARM,
        event: AnnounceEvent::Alive,
        port: 6881,
        advertise: None,
        have,
        uploaded: 0,
        downloaded: 0,
        want: 30,
        load: 0,
    }
}

fn full(pieces: u32, set: impl IntoIterator<Item = u32>) -> HaveReport {
    let mut bytes = vec![0; pieces.div_ceil(8) as usize];
    for piece in set {
        bytes[piece as usize / 8] |= 0x80 >> (piece % 8);
    }
    HaveReport::Full(bytes)
}

fn checked(swarm: SwarmId, pieces: u32, len: usize) -> Checked {
    let full_digest = row_digest(0..pieces);
    Checked { swarm, pieces, full_digest, bytes: vec![0xAB; len].into() }
}

/// A registry and its clock.
struct World {
    registry: Registry,
    now: Duration,
}

impl World {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        Self { registry: Registry::new(config, [1; 32]), now: Duration::from_secs(1000) }
    }

    /// A world in which peer 0, who has all pieces, has put the manifest.
    fn knowing(pieces: u32) -> Self {
        let mut world = Self::new();
        world.announced(0, announce(HaveReport::All));
        world.learn(pieces);
        world
    }

    fn learn(&mut self, pieces: u32) {
        let reply = self.registry.admit(Some(checked(SWARM, pieces, 1000)));
        assert_eq!(reply, TrackerReply::ManifestPut { received: 1000 });
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn send(&mut self, n: u32, announce: Announce) -> TrackerReply {
        self.registry.handle(self.now, peer(n), home(n), TrackerRequest::Announce(announce))
    }

    #[track_caller]
    fn announced(&mut self, n: u32, announce: Announce) -> Announced {
        match self.send(n, announce) {
            TrackerReply::Announced(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn expire(&mut self) {
        self.registry.expire(self.now, usize::MAX);
    }

    fn swarm(&self) -> &Swarm {
        self.registry.swarm(&SWARM).unwrap()
    }
}

fn ids(reply: &Announced) -> Vec<PeerId> {
    let mut ids: Vec<PeerId> = reply.peers.iter().map(|peer| peer.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn the_tables_cost_what_the_limits_say() {
    assert_eq!(size_of::<Peer>(), 128);
    // A place in its list and one in the table of slots, each with a quarter to spare, and one in
    // the table of memberships.
    let slots = (32 + size_of::<Slot>() + 1) * 8 / 7;
    let memberships = (32 + 4 + 1) * 8 / 7;
    let bytes = size_of::<Peer>() + slots + memberships;
    assert!(bytes <= 250, "{bytes}");
    assert!(size_of::<Swarm>() + slots <= 400, "{}", size_of::<Swarm>());
}
