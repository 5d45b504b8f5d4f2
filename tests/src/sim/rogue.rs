//! Peers that don't keep to the rules, each in its own way.
//!
//! A rogue joins as anybody does: it announces itself to the tracker, is dialled, dials those that
//! the tracker names, and then behaves badly. It has the whole share at hand where lying needs it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use swarm_engine::{ConnId, Input, Target, TrackerIndex};
use swarm_proto::{
    announce::{Announce, AnnounceEvent, HaveReport, WANT_MAX},
    geometry::{BLOCK_LEN, BlockRun, RUN_BLOCKS_MAX},
    id::Digest,
    message::{Hello, Message, PROTOCOL_VERSION, PeerAddr, RawRun},
};

use super::{
    env::{Env, Event},
    tracker::{Ask, TRACKER_DELAY},
    world::NodeId,
};

/// How often a rogue that acts by itself does so.
const BEAT: Duration = Duration::from_millis(50);
/// How often a rogue announces itself.
const ANNOUNCE_EVERY: u32 = 100;

/// How a rogue misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Claims everything and serves it, with a bit flipped in one of so many blocks.
    Corrupt {
        /// 1: in every block.
        one_in: u32,
        /// What it says when it is asked for the digests of a piece's blocks.
        leaves: Leaves,
    },
    /// Claims everything, promises to serve, delivers nothing.
    Silent,
    /// Claims everything and rejects every request.
    Refuse,
    /// Claims everything and serves it, so many bytes at each beat of 50 ms.
    Drip(u64),
    /// Claims everything and takes back its promise to serve all the time.
    Fickle,
    /// Wants everything, and the same again, and what does not exist, without end.
    Flood,
    /// Wants everything and never reads what comes.
    Deaf,
    /// Says things that make no sense.
    Babble,
}

/// What a [`Behaviour::Corrupt`] says when asked for digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// The true ones: it convicts itself.
    True,
    /// Some that don't hash to the piece's digest.
    Wrong,
    /// Nothing.
    None,
}

/// One rogue.
#[derive(Debug)]
pub struct Rogue {
    id: NodeId,
    behaviour: Behaviour,
    rng: ChaCha8Rng,
    known: Vec<PeerAddr>,
    dialed: BTreeSet<PeerAddr>,
    /// Requests to serve, for each connection.
    conns: BTreeMap<ConnId, VecDeque<RawRun>>,
    beats: u32,
}

impl Rogue {
    /// A rogue that is not there yet. `known` are peers that it dials.
    #[must_use]
    pub const fn new(
        id: NodeId,
        behaviour: Behaviour,
        known: Vec<PeerAddr>,
        rng: ChaCha8Rng,
    ) -> Self {
        Self {
            id,
            behaviour,
            rng,
            known,
            dialed: BTreeSet::new(),
            conns: BTreeMap::new(),
            beats: 0,
        }
    }

    /// Joins.
    pub fn start(&mut self, env: &mut Env) {
        if self.behaviour == Behaviour::Deaf {
            env.net.deafen(env.card(self.id).host);
        }
        let known = std::mem::take(&mut self.known);
        self.dial_all(env, &known);
        self.beat(env);
    }

    /// Its time to act by itself has come.
    pub fn beat(&mut self, env: &mut Env) {
        if self.beats.is_multiple_of(ANNOUNCE_EVERY) && env.trackers > 0 {
            self.announce(env);
        }
        self.beats += 1;
        let conns: Vec<_> = self.conns.keys().copied().collect();
        for conn in conns {
            match self.behaviour {
                Behaviour::Drip(bytes) => self.serve(env, conn, bytes),
                Behaviour::Fickle => {
                    let message = if self.beats.is_multiple_of(2) {
                        Message::Unchoke
                    } else {
                        Message::Choke
                    };
                    say(env, conn, message);
                }
                Behaviour::Flood => self.flood(env, conn),
                Behaviour::Babble if self.rng.random_ratio(1, 4) => {
                    let message = self.nonsense(env);
                    say(env, conn, message);
                }
                _ => {}
            }
        }
        env.queue.after(BEAT, Event::Beat(self.id));
    }

    /// What it says first on a connection.
    #[must_use]
    pub fn hello(&self, env: &Env) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            swarm: env.share.manifest().id(),
            peer: env.card(self.id).peer,
            features: u64::MAX,
            client: "rogue/1".into(),
            listen_port: env.card(self.id).addr.port(),
            request_bytes_max: u32::MAX,
            run_blocks_max: RUN_BLOCKS_MAX,
        }
    }

    /// Something happens to it.
    pub fn handle(&mut self, env: &mut Env, input: Input) {
        match input {
            Input::Connected { conn, .. } => self.connected(env, conn),
            Input::Received { conn, message } => self.received(env, conn, message),
            Input::Closed { conn, .. } => {
                self.conns.remove(&conn);
            }
            Input::Announced { reply, .. } => self.dial_all(env, &reply.peers),
            _ => {}
        }
    }

    fn connected(&mut self, env: &mut Env, conn: ConnId) {
        self.conns.insert(conn, VecDeque::new());
        let first = match self.behaviour {
            Behaviour::Flood | Behaviour::Deaf => [Message::HaveNone, Message::Interested],
            Behaviour::Babble => [self.nonsense(env), self.nonsense(env)],
            _ => [Message::HaveAll, Message::Unchoke],
        };
        for message in first {
            say(env, conn, message);
        }
    }

    fn received(&mut self, env: &mut Env, conn: ConnId, message: Message) {
        match (self.behaviour, message) {
            (Behaviour::Corrupt { .. }, Message::Request(run)) => {
                self.conns.entry(conn).or_default().push_back(run);
                self.serve(env, conn, u64::MAX);
            }
            (Behaviour::Drip(_), Message::Request(run)) => {
                self.conns.entry(conn).or_default().push_back(run);
            }
            (Behaviour::Drip(_), Message::Cancel(run)) => {
                self.conns.entry(conn).or_default().retain(|&other| other != run);
            }
            (Behaviour::Refuse, Message::Request(run)) => say(env, conn, Message::Reject(run)),
            (Behaviour::Corrupt { leaves, .. }, Message::GetLeaves(piece)) => {
                if let Some(leaves) = self.leaves(env, leaves, piece) {
                    say(env, conn, Message::Leaves { piece, leaves });
                }
            }
            (Behaviour::Deaf, Message::Unchoke) => self.flood(env, conn),
            _ => {}
        }
    }

    /// Serves the oldest requests of a connection, so many bytes at most but at least one.
    fn serve(&mut self, env: &mut Env, conn: ConnId, bytes: u64) {
        let mut left = bytes;
        while left > 0
            && let Some(raw) = self.conns.get_mut(&conn).and_then(VecDeque::pop_front)
        {
            let geometry = env.share.geometry();
            let run =
                geometry.piece(raw.piece).and_then(|p| geometry.long_run(p, raw.first, raw.count));
            let Some(run) = run else { continue };
            let data = self.bytes(env, run);
            left = left.saturating_sub(data.len() as u64);
            say(env, conn, Message::Block { piece: raw.piece, first: raw.first, data });
        }
    }

    /// The bytes of a run as this rogue hands them out.
    fn bytes(&mut self, env: &Env, run: BlockRun) -> Bytes {
        let data = env.share.read(run);
        let Behaviour::Corrupt { one_in, .. } = self.behaviour else { return data };
        let mut bad = BytesMut::from(&data[..]);
        for block in bad.chunks_mut(BLOCK_LEN as usize) {
            if self.rng.random_ratio(1, one_in) {
                let at = self.rng.random_range(0..block.len());
                block[at] ^= 1 << self.rng.random_range(0..8);
            }
        }
        bad.freeze()
    }

    fn leaves(&self, env: &Env, leaves: Leaves, piece: u32) -> Option<Vec<Digest>> {
        let truth = env.share.leaves(env.share.geometry().piece(piece)?);
        match leaves {
            Leaves::True => Some(truth.to_vec()),
            Leaves::Wrong => Some(vec![Digest::new([7; 32]); truth.len()]),
            Leaves::None => None,
        }
    }

    /// Requests without end: all that exists, whether it is served or not, and more.
    fn flood(&mut self, env: &mut Env, conn: ConnId) {
        let pieces = env.share.geometry().piece_count();
        for _ in 0..100 {
            let piece = self.rng.random_range(0..=pieces);
            let count = self.rng.random_range(0..=RUN_BLOCKS_MAX);
            say(env, conn, Message::Request(RawRun { piece, first: 0, count }));
        }
    }

    /// A message that decodes and makes no sense here, or little.
    fn nonsense(&mut self, env: &Env) -> Message {
        let any = self.rng.random_range(0..u32::MAX);
        let piece = self.rng.random_range(0..=env.share.geometry().piece_count());
        let run = RawRun { piece, first: any % 8, count: any % 70 };
        let data = Bytes::from(vec![0; (any % 5) as usize * 7 + 1]);
        match self.rng.random_range(0..16) {
            0 => Message::Bitfield(data),
            1 => Message::Have(vec![any, piece]),
            2 => Message::DontHave(vec![piece, any]),
            3 => Message::Request(run),
            4 => Message::Cancel(run),
            5 => Message::Reject(run),
            6 => Message::Block { piece, first: any % 8, data },
            7 => Message::GetLeaves(any),
            8 => Message::Leaves { piece, leaves: Vec::new() },
            9 => Message::GetManifest { offset: any },
            10 => Message::ManifestPart { total: any, offset: any, data },
            11 => Message::Pex(vec![PeerAddr { id: env.card(self.id).peer, addr: env.nowhere() }]),
            12 => Message::Suggest(any),
            13 => Message::HaveAll,
            14 => Message::Unchoke,
            _ => Message::Interested,
        }
    }

    fn announce(&mut self, env: &mut Env) {
        let wants = matches!(self.behaviour, Behaviour::Flood | Behaviour::Deaf);
        let announce = Announce {
            swarm: env.share.manifest().id(),
            event: AnnounceEvent::Alive,
            port: env.card(self.id).addr.port(),
            advertise: None,
            have: if wants { HaveReport::None } else { HaveReport::All },
            uploaded: 0,
            downloaded: 0,
            want: WANT_MAX,
            load: 0,
        };
        let (from, tracker, ask) = (self.id, TrackerIndex(0), Ask::Announce(Box::new(announce)));
        env.queue.after(TRACKER_DELAY, Event::Ask { from, life: 0, tracker, ask });
    }

    fn dial_all(&mut self, env: &mut Env, peers: &[PeerAddr]) {
        for &peer in peers {
            if peer.id != env.card(self.id).peer && self.dialed.insert(peer) {
                env.dial(self.id, 0, Target::from(peer));
            }
        }
    }
}

fn say(env: &mut Env, conn: ConnId, message: Message) {
    env.net.send(env.queue.now(), conn, message);
}
