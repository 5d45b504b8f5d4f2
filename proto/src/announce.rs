//! What a node and a tracker say to each other.
//!
//! The connection stays open and carries requests and replies, a reply for each request, in order.
//! Bytes on the wire: [`codec`](crate::codec) and `docs/protocol.md`.

use std::net::SocketAddr;

use bincode::{Decode, Encode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    id::{PeerId, SwarmId},
    message::PeerAddr,
};

/// The version of the tracker protocol that this crate speaks.
pub const TRACKER_VERSION: u16 = 1;
/// The most peers that one announce may ask for.
pub const WANT_MAX: u8 = 64;
/// The most pieces gained or lost in one [`HaveReport::Delta`]; past it a full row is shorter.
pub const DELTA_MAX: usize = 4096;
/// The most pieces in [`Announced::rarest`].
pub const RAREST_MAX: usize = 64;
/// The most swarms in one scrape.
pub const SCRAPE_MAX: usize = 64;

/// The first message in each direction on a connection to a tracker.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TrackerHello {
    /// Version of the protocol: [`TRACKER_VERSION`].
    pub version: u16,
    /// Who speaks: over TLS it must be the key of the session; over plain transport it is a claim.
    pub peer: PeerId,
    /// Name and version of the program, at most 64 bytes of printable ASCII.
    pub client: String,
}

/// Where in its life a download is when it announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnounceEvent {
    /// The first announce of this run.
    Started,
    /// A regular one.
    Alive,
    /// The download has just been completed.
    Completed,
    /// The node leaves: it is forgotten at once.
    Stopped,
}

/// Which pieces the announcing node has.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum HaveReport {
    /// None.
    None,
    /// All.
    All,
    /// One bit a piece, see [`Bitfield`](crate::bitfield::Bitfield).
    Full(Vec<u8>),
    /// What changed since the last announce that this tracker acknowledged.
    Delta {
        /// Pieces gained, at most [`DELTA_MAX`].
        gained: Vec<u32>,
        /// Pieces lost, at most [`DELTA_MAX`].
        lost: Vec<u32>,
        /// [`row_digest`] of the row after the change; a tracker that gets another asks for a full
        /// row.
        digest: u64,
    },
}

/// "I am in this swarm."
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Announce {
    /// The swarm.
    pub swarm: SwarmId,
    /// Where in its life the download is.
    pub event: AnnounceEvent,
    /// The TCP port that the node accepts peers on; 0 if it accepts none.
    pub port: u16,
    /// The host that the node wants to be reached at, if not the address that the tracker sees.
    /// Only an address literal; trackers may ignore it.
    pub advertise: Option<std::net::IpAddr>,
    /// Which pieces the node has.
    pub have: HaveReport,
    /// Payload bytes sent to peers in this run.
    pub uploaded: u64,
    /// Payload bytes received from peers in this run.
    pub downloaded: u64,
    /// How many peers the node would like to be told of, at most [`WANT_MAX`].
    pub want: u8,
    /// Upload slots in use, in percent: a tracker sends newcomers to idle nodes.
    pub load: u8,
}

/// The answer to an [`Announce`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Announced {
    /// When to announce again, in milliseconds.
    pub interval_ms: u32,
    /// The soonest that another announce is welcome, in milliseconds.
    pub min_interval_ms: u32,
    /// Peers chosen for this node.
    pub peers: Vec<PeerAddr>,
    /// Nodes that have every piece, without the announcing one.
    pub seeds: u32,
    /// Nodes that lack a piece, without the announcing one.
    pub leechers: u32,
    /// How many downloads this tracker saw completed.
    pub completed: u32,
    /// The rarest pieces of the swarm that somebody has and the announcing node lacks, and how many
    /// nodes have each, rarest first, at most [`RAREST_MAX`]; for a seed those of all pieces. Empty
    /// while the tracker does not know the manifest.
    pub rarest: Vec<(u32, u32)>,
    /// The tracker lacks this node's row or the digest did not match: send a full one next time.
    pub need_full: bool,
    /// The tracker lacks the manifest: put it.
    pub need_manifest: bool,
    /// The address that the tracker sees this node at.
    pub observed: SocketAddr,
}

/// What a node asks of a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerRequest {
    /// "I am in this swarm."
    Announce(Announce),
    /// Send the manifest of a swarm from this byte on.
    GetManifest {
        /// The swarm.
        swarm: SwarmId,
        /// Byte offset in the encoded manifest.
        offset: u32,
    },
    /// A part of a manifest; parts come in order, the first at offset 0.
    PutManifest {
        /// The swarm.
        swarm: SwarmId,
        /// Bytes in the whole encoded manifest.
        total: u32,
        /// Byte offset of this part.
        offset: u32,
        /// The bytes, at most [`MANIFEST_PART_MAX`](crate::message::MANIFEST_PART_MAX).
        data: Bytes,
    },
    /// Counts for these swarms, at most [`SCRAPE_MAX`].
    Scrape(Vec<SwarmId>),
}

/// Counts of one swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SwarmCounts {
    /// Nodes that have every piece.
    pub seeds: u32,
    /// Nodes that lack a piece.
    pub leechers: u32,
    /// Downloads that this tracker saw completed.
    pub completed: u32,
}

/// Why a tracker does not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It does not know the swarm, or not its manifest.
    NotFound,
    /// A limit of the tracker is reached; try again later.
    Full,
    /// Asked too often; try again later.
    TooOften,
    /// The request is not a valid one.
    Invalid,
    /// The node may not do this here.
    Forbidden,
}

/// What a tracker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerReply {
    /// To [`TrackerRequest::Announce`].
    Announced(Announced),
    /// To [`TrackerRequest::GetManifest`].
    ManifestPart {
        /// Bytes in the whole encoded manifest.
        total: u32,
        /// Byte offset of this part.
        offset: u32,
        /// The bytes.
        data: Bytes,
    },
    /// To [`TrackerRequest::PutManifest`]: how many bytes have arrived so far.
    ManifestPut {
        /// Bytes received so far.
        received: u32,
    },
    /// To [`TrackerRequest::Scrape`], in the order asked.
    Scraped(Vec<SwarmCounts>),
    /// To any request.
    Refused {
        /// Why.
        why: Refusal,
        /// Seconds to wait before asking again; 0 if asking again is of no use.
        retry_s: u32,
    },
}

/// Digest of a row of pieces that both ends of a [`HaveReport::Delta`] compare: the sum, wrapping,
/// of a mixed value for each piece held. Order does not matter and one piece is added or taken out
/// in one step. It guards against lost updates, not against liars.
#[must_use]
pub fn row_digest(pieces: impl IntoIterator<Item = u32>) -> u64 {
    pieces.into_iter().fold(0, |sum, piece| sum.wrapping_add(piece_mix(piece)))
}

/// One piece's share of [`row_digest`]: the finaliser of `SplitMix64` (Steele et al., 2014).
#[must_use]
pub const fn piece_mix(piece: u32) -> u64 {
    let mut x = (piece as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
