//! Who takes part in a run, and on what terms.

use std::{sync::Arc, time::Duration};

use rand::Rng;
use swarm_engine::Config;
use swarm_proto::{bitfield::Bitfield, geometry::PieceIndex, id::PeerId};

use super::{
    KIB, MIB,
    checker::Checker,
    clock::Queue,
    disk::{Disk, DiskSpec},
    env::{Card, Env, Event, address},
    net::{Host, Net},
    node::Node,
    report::{Failure, NodeReport, Report},
    rogue::{Behaviour, Rogue},
    seeds::rng_for,
    share::Share,
    trace::Trace,
    tracker::Tracker,
    world::{Actor, NodeId, World},
};

/// A description of a world, from which [`Scenario::build`] makes one.
///
/// ```
/// use std::time::Duration;
/// use swarm_tests::sim::{Host, MIB, KIB, Scenario};
///
/// let report = Scenario::new(1)
///     .share(MIB, 64 * KIB)
///     .seeders(1, Host::mbit(50, 100))
///     .leechers(3, Host::mbit(50, 100))
///     .run(Duration::from_secs(10))
///     .expect("nothing goes wrong and all finish");
/// assert!(report.seed_copies() < 3.0);
/// ```
#[derive(Debug, Clone)]
pub struct Scenario {
    seed: u64,
    piece_length: u32,
    files: Vec<u64>,
    trackers: u32,
    ipv6: bool,
    nodes: Vec<NodeSpec>,
    /// Where the nodes that were added last begin.
    group: usize,
}

/// One node of a scenario.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    role: Role,
    /// Its access to the network.
    pub host: Host,
    /// Its disk.
    pub disk: DiskSpec,
    /// Settings of its engine. Port, trackers and name are filled in.
    pub config: Config,
    /// When it joins.
    pub start: Duration,
    /// Which pieces a leecher has from the start.
    pub has: Vec<u32>,
    /// Whether others can dial it.
    pub listens: bool,
    /// Nodes that its user names as peers, by number.
    pub knows: Vec<usize>,
    /// The key that `knows` of others names for it is not its own.
    pub impostor: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Seeder,
    Leecher,
    Rogue(Behaviour),
}

impl Scenario {
    /// One tracker, nobody else, and a share of 2 MiB in pieces of 64 KiB.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            piece_length: 64 * KIB as u32,
            files: Vec::new(),
            trackers: 1,
            ipv6: false,
            nodes: Vec::new(),
            group: 0,
        }
    }

    /// One file of so many bytes in pieces of so many.
    #[must_use]
    pub fn share(self, bytes: u64, piece_length: u64) -> Self {
        self.files(&[bytes], piece_length)
    }

    /// Files of so many bytes in pieces of so many.
    #[must_use]
    pub fn files(self, lengths: &[u64], piece_length: u64) -> Self {
        Self { files: lengths.to_vec(), piece_length: piece_length as u32, ..self }
    }

    /// How many trackers there are.
    #[must_use]
    pub const fn trackers(mut self, count: u32) -> Self {
        self.trackers = count;
        self
    }

    /// All addresses are IPv6 ones.
    #[must_use]
    pub const fn ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }

    /// Adds nodes that have everything.
    #[must_use]
    pub fn seeders(self, count: usize, host: Host) -> Self {
        self.add(count, host, Role::Seeder)
    }

    /// Adds nodes that have nothing.
    #[must_use]
    pub fn leechers(self, count: usize, host: Host) -> Self {
        self.add(count, host, Role::Leecher)
    }

    /// Adds a node that misbehaves.
    #[must_use]
    pub fn rogue(self, behaviour: Behaviour, host: Host) -> Self {
        self.add(1, host, Role::Rogue(behaviour))
    }

    /// Changes the nodes that the last call added.
    #[must_use]
    pub fn with(mut self, change: impl FnMut(&mut NodeSpec)) -> Self {
        self.nodes[self.group..].iter_mut().for_each(change);
        self
    }

    fn add(mut self, count: usize, host: Host, role: Role) -> Self {
        self.group = self.nodes.len();
        let node = NodeSpec {
            role,
            host,
            disk: DiskSpec::default(),
            config: Config::default(),
            start: Duration::ZERO,
            has: Vec::new(),
            listens: true,
            knows: Vec::new(),
            impostor: false,
        };
        self.nodes.extend(std::iter::repeat_n(node, count));
        self
    }

    /// Builds the world, runs until every leecher has finished, and reports.
    ///
    /// # Errors
    /// If that takes longer than `limit`, or something happens that must not.
    pub fn run(&self, limit: Duration) -> Result<Report, Failure> {
        let mut world = self.build();
        world.finish(limit)?;
        Ok(world.report())
    }

    /// Builds the world.
    #[must_use]
    pub fn build(&self) -> World {
        let files = if self.files.is_empty() { &[2 * MIB][..] } else { &self.files };
        let share = Arc::new(Share::random(self.seed, self.piece_length, files));
        let mut env = Env {
            queue: Queue::new(),
            net: Net::default(),
            checker: Checker::new(Arc::clone(&share)),
            share,
            trace: Trace::new(),
            cards: Vec::new(),
            reports: Vec::new(),
            trackers: self.trackers,
        };
        for (i, node) in self.nodes.iter().enumerate() {
            let mut key = [0; 32];
            self.rng("key", i).fill_bytes(&mut key);
            env.cards.push(Card {
                peer: PeerId::new(key),
                addr: address(i, self.ipv6, node.listens),
                host: env.net.add(node.host),
                alive: false,
            });
            env.reports.push(NodeReport {
                seeder: node.role == Role::Seeder,
                rogue: matches!(node.role, Role::Rogue(_)),
                ..NodeReport::default()
            });
            // A disk that loses bits makes a liar of an honest node.
            if node.disk.rot > 0 || matches!(node.role, Role::Rogue(_)) {
                env.checker.suspect(PeerId::new(key));
            }
            env.queue.after(node.start, Event::Start(NodeId(i)));
        }
        let actors = (0..self.nodes.len()).map(|i| self.actor(&env, i)).collect();
        let trackers = (0..self.trackers as usize).map(|i| Tracker::new(self.rng("tracker", i)));
        World::new(self.seed, env, actors, trackers.collect())
    }

    fn actor(&self, env: &Env, i: usize) -> Actor {
        let (id, spec) = (NodeId(i), &self.nodes[i]);
        let known = spec.knows.iter().map(|&other| {
            let mut peer = env.peer_addr(NodeId(other));
            if self.nodes[other].impostor {
                peer.id = PeerId::new([0xEE; 32]);
            }
            peer
        });
        let (known, rng) = (known.collect(), self.rng("node", i));
        if let Role::Rogue(behaviour) = spec.role {
            return Actor::Rogue(Box::new(Rogue::new(id, behaviour, known, rng)));
        }
        let geometry = env.share.geometry();
        let mut have = Bitfield::empty(geometry.piece_count());
        let held =
            |piece: &PieceIndex| spec.role == Role::Seeder || spec.has.contains(&piece.get());
        geometry.pieces().filter(held).for_each(|piece| {
            have.insert(piece);
        });
        let disk = Disk::new(&env.share, spec.disk, self.rng("disk", i), have);
        let config = Config {
            listen_port: env.card(id).addr.port(),
            trackers: (0..self.trackers).map(|n| format!("tracker {n}")).collect(),
            ..spec.config.clone()
        };
        Actor::Honest(Box::new(Node::new(id, config, known, disk, rng)))
    }

    fn rng(&self, what: &str, i: usize) -> rand_chacha::ChaCha8Rng {
        rng_for(self.seed, what, i as u64)
    }
}
