//! Announces that a tracker's registry answers a second on one core, answers checked: each names as
//! many peers as were asked for, and never the one that asked.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on has failed")]

use std::{hint::black_box, net::SocketAddr, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use swarm_proto::{
    announce::{
        Announce, AnnounceEvent, HaveReport, TrackerReply, TrackerRequest, piece_mix, row_digest,
    },
    geometry::BLOCK_LEN,
    id::{Digest, PeerId, SwarmId},
    manifest::{Extras, FileInfo, Info, Manifest},
    message::MANIFEST_PART_MAX,
};
use swarm_tracker::registry::{Config, Registry};

/// As many as the default piece length makes at most.
const PIECES: u32 = 2000;
const WANT: u8 = 30;

/// A busy tracker. One in four peers is a seed, the others have every second piece.
struct World {
    registry: Registry,
    swarms: Vec<SwarmId>,
    peers: u32,
    now: Duration,
    /// The next to announce.
    next: u32,
    /// How often all have announced.
    round: u32,
    /// Digest of the even pieces.
    even: u64,
}

impl World {
    fn new(peers: u32, swarms: u32) -> Self {
        let config = Config {
            peers_max: 10_000_000,
            swarm_peers_max: 10_000_000,
            row_bytes_max: 4 << 30,
            manifest_bytes_max: 4 << 30,
            // Whoever announces a million times a second asks too often.
            announce_burst: u32::MAX,
            ..Config::default()
        };
        let mut world = Self {
            registry: Registry::new(config, [7; 32]),
            swarms: Vec::new(),
            peers,
            now: Duration::ZERO,
            next: 0,
            round: 0,
            even: row_digest((0..PIECES).step_by(2)),
        };
        for n in 0..swarms {
            let manifest = manifest(n);
            world.swarms.push(manifest.id());
            world.announce(n, HaveReport::None);
            world.put(n, &manifest);
        }
        for n in 0..peers {
            let row = HaveReport::Full(vec![0xAA; PIECES as usize / 8]);
            let have = if world.is_seed(n) { HaveReport::All } else { row };
            world.announce(n, have);
        }
        world
    }

    fn is_seed(&self, n: u32) -> bool {
        (n as usize / self.swarms.len()).is_multiple_of(4)
    }

    fn put(&mut self, n: u32, manifest: &Manifest) {
        let bytes = bytes::Bytes::from(manifest.encode());
        let total = bytes.len() as u32;
        for offset in (0..total).step_by(MANIFEST_PART_MAX) {
            let end = bytes.len().min(offset as usize + MANIFEST_PART_MAX);
            let data = bytes.slice(offset as usize..end);
            let swarm = manifest.id();
            let request = TrackerRequest::PutManifest { swarm, total, offset, data };
            let reply = self.registry.handle(self.now, peer(n), home(n), request);
            assert_eq!(reply, TrackerReply::ManifestPut { received: end as u32 });
        }
    }

    fn announce(&mut self, n: u32, have: HaveReport) -> usize {
        let announce = Announce {
            swarm: self.swarms[n as usize % self.swarms.len()],
            event: AnnounceEvent::Alive,
            port: 6881,
            advertise: None,
            have,
            uploaded: 0,
            downloaded: 0,
            want: WANT,
            load: (n % 100) as u8,
        };
        self.now += Duration::from_micros(2);
        let request = TrackerRequest::Announce(announce);
        let reply = self.registry.handle(self.now, peer(n), home(n), request);
        let TrackerReply::Announced(reply) = reply else { panic!("{reply:?}") };
        assert!(reply.peers.iter().all(|other| other.id != peer(n)));
        reply.peers.len()
    }

    /// The regular announce of the next peer: a leecher has gained or lost one piece, a seed nothing.
    fn step(&mut self) -> usize {
        let n = self.next;
        self.next += 1;
        if self.next == self.peers {
            (self.next, self.round) = (0, self.round + 1);
        }
        let have = if self.is_seed(n) { HaveReport::All } else { self.delta() };
        self.announce(n, have)
    }

    /// Rows have the even pieces; in even rounds all gain piece 1, in odd ones they lose it again.
    fn delta(&self) -> HaveReport {
        if self.round.is_multiple_of(2) {
            let digest = self.even.wrapping_add(piece_mix(1));
            HaveReport::Delta { gained: vec![1], lost: vec![], digest }
        } else {
            HaveReport::Delta { gained: vec![], lost: vec![1], digest: self.even }
        }
    }
}

fn manifest(n: u32) -> Manifest {
    let file = FileInfo {
        path: "".into(),
        length: u64::from(PIECES) * u64::from(BLOCK_LEN),
        executable: false,
        root: None,
    };
    let info = Info {
        name: format!("share {n}"),
        piece_length: BLOCK_LEN,
        files: vec![file],
        empty_folders: vec![],
    };
    let digests = vec![Digest::new([1; 32]); PIECES as usize];
    Manifest::build(info, digests, Extras::default()).unwrap()
}

fn peer(n: u32) -> PeerId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    PeerId::new(bytes)
}

fn home(n: u32) -> SocketAddr {
    let [a, b, c, d] = n.to_be_bytes();
    SocketAddr::from(([100 + a, b, c, d], 50_000))
}

fn announces(c: &mut Criterion) {
    let mut group = c.benchmark_group("announce");
    group.throughput(Throughput::Elements(1));
    group.sample_size(20);
    for (peers, swarms) in [(200_000, 1), (200_000, 10_000), (1_000_000, 1000)] {
        let mut world = World::new(peers, swarms);
        // In the smallest swarm a seed is told of all leechers.
        let expected = usize::from(WANT).min((peers / swarms) as usize * 3 / 4);
        let name = format!("{peers} peers, {swarms} swarms");
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| assert!(black_box(world.step()) >= expected));
        });
    }
    group.finish();
}

fn expiry(c: &mut Criterion) {
    let mut group = c.benchmark_group("expire");
    group.throughput(Throughput::Elements(10_000));
    group.sample_size(20);
    let mut world = World::new(200_000, 10);
    group.bench_function("10000 peers who are all there", |b| {
        b.iter(|| world.registry.expire(world.now, 10_000));
    });
    assert_eq!(world.registry.usage().peers, 200_000);
    group.finish();
}

criterion_group!(benches, announces, expiry);
criterion_main!(benches);
