//! Everything that a front end sees of a swarm: plain data, made at most ten times a second.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use swarm_proto::id::{PeerId, SwarmId};

/// What a swarm is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Pieces on the disk are being verified.
    Checking,
    /// Pieces are missing.
    Downloading,
    /// Everything is verified; data is being synced and renamed.
    Finishing,
    /// Everything is verified, synced and in place.
    Seeding,
    /// The user paused it.
    Paused,
    /// Writing waits for space or for a disk that works.
    DiskTrouble,
    /// Stopped.
    Stopped,
}

/// Why a download is not as fast as it could be, decided from measured facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// Nothing to fetch, or not known.
    None,
    /// No peer is connected.
    NoPeers,
    /// Peers are connected but none has a piece that we lack.
    NothingOffered,
    /// All who have what we want choke us.
    Choked,
    /// The user's limit.
    Limit,
    /// Writing or hashing lags behind.
    Disk,
    /// The network or the other side.
    Network,
}

/// Counts of bytes since the swarm was started in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Payload received.
    pub downloaded: u64,
    /// Payload sent.
    pub uploaded: u64,
    /// Payload received that we had already.
    pub duplicate: u64,
    /// Payload received that did not verify.
    pub corrupt: u64,
    /// Payload received from peers that had every piece when they sent it.
    pub from_seeds: u64,
}

/// One peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerSnapshot {
    /// Who.
    pub id: PeerId,
    /// From where.
    pub addr: SocketAddr,
    /// Name and version of its program.
    pub client: String,
    /// We opened the connection.
    pub dialed: bool,
    /// Pieces it has.
    pub pieces: u32,
    /// We want something that it has.
    pub interested: bool,
    /// It does not serve us.
    pub choked_by: bool,
    /// It wants something that we have.
    pub wants_us: bool,
    /// We do not serve it.
    pub choking: bool,
    /// It holds our optimistic slot.
    pub optimistic: bool,
    /// It did not deliver in time.
    pub snubbed: bool,
    /// Payload bytes a second from it.
    pub down_rate: u64,
    /// Payload bytes a second to it.
    pub up_rate: u64,
    /// Payload bytes from it.
    pub downloaded: u64,
    /// Payload bytes to it.
    pub uploaded: u64,
    /// Bytes requested from it that have not arrived.
    pub requested: u64,
    /// How many bytes we would keep requested from it now.
    pub window: u64,
    /// Smallest time from request to data seen lately, in microseconds.
    pub latency_us: u64,
    /// Blocks from it that did not verify.
    pub bad_blocks: u32,
}

/// One tracker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerSnapshot {
    /// It answered the last announce.
    pub up: bool,
    /// Seconds until the next announce.
    pub next_s: u32,
    /// Nodes it knows that have every piece.
    pub seeds: u32,
    /// Nodes it knows that lack a piece.
    pub leechers: u32,
}

/// One swarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub swarm: SwarmId,
    /// What it is doing.
    pub state: State,
    /// What holds it back.
    pub bottleneck: Bottleneck,
    /// Pieces in the share.
    pub pieces: u32,
    /// Pieces verified.
    pub pieces_have: u32,
    /// Bytes in the share.
    pub bytes: u64,
    /// Bytes in verified pieces.
    pub bytes_have: u64,
    /// Payload bytes a second in, over the last seconds.
    pub down_rate: u64,
    /// Payload bytes a second out, over the last seconds.
    pub up_rate: u64,
    /// Seconds to completion at the present rate, if there is one.
    pub eta_s: Option<u64>,
    /// Counts since the start.
    pub totals: Totals,
    /// Connected peers, in the order they came.
    pub peers: Vec<PeerSnapshot>,
    /// Trackers, in the order given.
    pub trackers: Vec<TrackerSnapshot>,
    /// Fewest copies of any piece among connected peers, ourselves included.
    pub copies_min: u32,
    /// Mean number of copies of a piece among connected peers, ourselves included.
    pub copies_mean: f32,
    /// Pieces verified, one bit a piece as on the wire.
    #[serde(skip)]
    pub have: Vec<u8>,
    /// Pieces that are being fetched, ascending.
    #[serde(skip)]
    pub in_flight: Vec<u32>,
}
