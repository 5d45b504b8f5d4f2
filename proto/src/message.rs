//! What two peers say to each other.
//!
//! Numbers in a message are as the other side sent them: nothing is checked here beyond the limits
//! that keep decoding cheap. The engine turns a piece number into a
//! [`PieceIndex`](crate::geometry::PieceIndex) or drops the peer.
//! Bytes on the wire: [`codec`](crate::codec) and `docs/protocol.md`.

use std::net::SocketAddr;

use bincode::{Decode, Encode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::{Digest, PeerId, SwarmId};

/// The version of the peer protocol that this crate speaks.
pub const PROTOCOL_VERSION: u16 = 1;
/// The most bytes of a client's name in a [`Hello`].
pub const CLIENT_LEN_MAX: usize = 64;
/// The most pieces in one [`Message::Have`] or [`Message::DontHave`].
pub const HAVE_MAX: usize = 4096;
/// The most addresses in one [`Message::Pex`].
pub const PEX_MAX: usize = 64;
/// The most bytes of a manifest in one [`Message::ManifestPart`].
pub const MANIFEST_PART_MAX: usize = 256 * 1024;

/// A bit of [`Hello::features`]: a run may go on into the pieces that follow.
pub const LONG_RUNS: u64 = 1;

/// The first message in each direction, sent once, by the dialling side first.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// Version of the protocol: [`PROTOCOL_VERSION`].
    pub version: u16,
    /// The swarm that this connection is for.
    pub swarm: SwarmId,
    /// Who speaks. Over TLS it must be the key of the session; over plain transport it is a claim.
    pub peer: PeerId,
    /// Bits for what this side can do beyond version 1; unknown bits are ignored.
    pub features: u64,
    /// Name and version of the program, at most [`CLIENT_LEN_MAX`] bytes of printable ASCII.
    pub client: String,
    /// The TCP port that this side accepts peers on; 0 if it accepts none.
    pub listen_port: u16,
    /// How many bytes the other side may have requested and not yet received. A request past it is
    /// rejected.
    pub request_bytes_max: u32,
    /// How many blocks one request may name, at most
    /// [`RUN_BLOCKS_MAX`](crate::geometry::RUN_BLOCKS_MAX).
    pub run_blocks_max: u32,
}

/// A run of blocks as the wire names it; see [`BlockRun`](crate::geometry::BlockRun).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RawRun {
    /// Number of the piece.
    pub piece: u32,
    /// Number of the first block in the piece.
    pub first: u32,
    /// How many blocks.
    pub count: u32,
}

/// A node and where it accepts peers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct PeerAddr {
    /// The key that must answer there. Over plain transport: the name that was claimed there.
    pub id: PeerId,
    /// The address to dial.
    pub addr: SocketAddr,
}

/// Why one side ends a connection, in words for the other side's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goodbye {
    /// The node stops.
    Shutdown,
    /// The user stopped this swarm.
    SwarmStopped,
    /// The node does not have this swarm.
    UnknownSwarm,
    /// No room for another connection.
    TooManyPeers,
    /// The two are connected already.
    Duplicate,
    /// Both sides are the same node.
    Myself,
    /// Neither side has anything that the other lacks.
    NothingToExchange,
    /// The other side broke the protocol.
    Misbehaved,
    /// The other side sent data that does not verify.
    CorruptData,
    /// The other side did not answer in time.
    TimedOut,
    /// The versions do not match.
    Version,
}

/// A message after the [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Nothing: keeps the connection open.
    KeepAlive,
    /// Requests from you are not served from now on; those that are open are dropped.
    Choke,
    /// Requests from you are served.
    Unchoke,
    /// You have pieces that I want.
    Interested,
    /// You have no piece that I want.
    NotInterested,
    /// I have every piece. One of the three `Have*`/`Bitfield` messages is sent once, first.
    HaveAll,
    /// I have no piece.
    HaveNone,
    /// I have these pieces: one bit a piece, see [`Bitfield`](crate::bitfield::Bitfield).
    Bitfield(Bytes),
    /// I have these pieces too. At most [`HAVE_MAX`].
    Have(Vec<u32>),
    /// I no longer have these pieces (they changed or got lost on my disk). At most [`HAVE_MAX`].
    DontHave(Vec<u32>),
    /// Send me these blocks. Where both sides have said [`LONG_RUNS`], they may be of several pieces.
    Request(RawRun),
    /// I no longer need these blocks. The run is one that was requested.
    Cancel(RawRun),
    /// I will not send these blocks. The run is one that was requested.
    Reject(RawRun),
    /// The blocks of one request, all of them.
    Block {
        /// Number of the piece.
        piece: u32,
        /// Number of the first block in the piece.
        first: u32,
        /// The bytes of the whole run.
        data: Bytes,
    },
    /// Send me the digests of the blocks of this piece.
    GetLeaves(u32),
    /// The digests of all blocks of a piece, in order. They hash to the digest of the piece.
    Leaves {
        /// Number of the piece.
        piece: u32,
        /// One digest a block.
        leaves: Vec<Digest>,
    },
    /// Send me the manifest from this byte on.
    GetManifest {
        /// Byte offset in the encoded manifest.
        offset: u32,
    },
    /// Bytes of the encoded manifest, at most [`MANIFEST_PART_MAX`].
    ManifestPart {
        /// Bytes in the whole encoded manifest.
        total: u32,
        /// Byte offset of this part.
        offset: u32,
        /// The bytes.
        data: Bytes,
    },
    /// Nodes that I am connected to, at the addresses that I reached them at, or where they say that
    /// they listen. At most [`PEX_MAX`].
    Pex(Vec<PeerAddr>),
    /// I suggest that you ask me for this piece next.
    Suggest(u32),
    /// The last message before the connection is closed.
    Goodbye(Goodbye),
}
