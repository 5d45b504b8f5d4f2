//! Snapshots for tests.

use swarm_engine::{Bottleneck, PeerSnapshot, Totals};
use swarm_node::{Snapshot, State};
use swarm_proto::id::{PeerId, SwarmId};

/// Two thirds done, from a seed and a leecher.
pub fn downloading() -> Snapshot {
    Snapshot {
        swarm: SwarmId::new([7; 32]),
        state: State::Downloading,
        bottleneck: Bottleneck::None,
        pieces: 900,
        pieces_have: 600,
        pieces_wanted: 900,
        bytes: 900 << 20,
        bytes_have: 600 << 20,
        bytes_wanted: 900 << 20,
        down_rate: 80 << 20,
        up_rate: 5 << 20,
        down_limit: None,
        up_limit: None,
        eta_s: Some(5),
        totals: Totals {
            downloaded: 610 << 20,
            uploaded: 100 << 20,
            duplicate: 4 << 20,
            corrupt: 0,
            from_seeds: 200 << 20,
        },
        corrupt_pieces: 0,
        endgame: false,
        requested: 3 << 20,
        storing: 1 << 20,
        buffer: 24 << 20,
        unchoked: 1,
        upload_slots: 8,
        choke_s: 6,
        known_peers: 7,
        peers: vec![peer(1, 900), peer(2, 300)],
        trackers: Vec::new(),
        copies_min: 1,
        copies_mean: 1.9,
        availability: Vec::new(),
        have: Vec::new(),
        in_flight: Vec::new(),
        partials: Vec::new(),
        priorities: Vec::new(),
    }
}

/// All done, one of two peers still lacks something.
pub fn seeding() -> Snapshot {
    let done = downloading();
    Snapshot {
        state: State::Seeding,
        pieces_have: done.pieces,
        bytes_have: done.bytes,
        down_rate: 0,
        eta_s: None,
        totals: Totals { uploaded: 1200 << 20, ..done.totals },
        ..done
    }
}

fn peer(n: u8, pieces: u32) -> PeerSnapshot {
    PeerSnapshot {
        id: PeerId::new([n; 32]),
        addr: ([10, 0, 0, n], 6000).into(),
        client: "swarm/0.1.0".into(),
        dialed: true,
        pieces,
        interested: true,
        choked_by: false,
        wants_us: pieces < 900,
        choking: false,
        optimistic: false,
        snubbed: false,
        down_rate: 40 << 20,
        up_rate: 2 << 20,
        downloaded: 300 << 20,
        uploaded: 50 << 20,
        requested: 1 << 20,
        window: 2 << 20,
        latency_us: 300,
        bad_blocks: 0,
    }
}
