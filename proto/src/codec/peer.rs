//! Frames between peers.

use std::ops::RangeInclusive;

use bincode::{enc::write::Writer, error::EncodeError};
use bytes::Bytes;

use super::{
    Body, HEADER_LEN, LENGTH_LEN, check_client, check_part, count_len, ensure, get, put, take_u32,
    varint,
};
use crate::{
    geometry::{BLOCK_LEN, PIECE_LEN_MAX, PIECES_MAX, RUN_BLOCKS_MAX},
    id::Digest,
    message::{
        CLIENT_LEN_MAX, HAVE_MAX, Hello, MANIFEST_PART_MAX, Message, PEX_MAX, PeerAddr, RawRun,
    },
};

/// Frame kinds between peers. A kind names one message in all of swarm: trackers use others.
mod kind {
    pub(super) const HELLO: u8 = 0x00;
    pub(super) const KEEP_ALIVE: u8 = 0x01;
    pub(super) const GOODBYE: u8 = 0x02;
    pub(super) const CHOKE: u8 = 0x10;
    pub(super) const UNCHOKE: u8 = 0x11;
    pub(super) const INTERESTED: u8 = 0x12;
    pub(super) const NOT_INTERESTED: u8 = 0x13;
    pub(super) const HAVE_ALL: u8 = 0x20;
    pub(super) const HAVE_NONE: u8 = 0x21;
    pub(super) const BITFIELD: u8 = 0x22;
    pub(super) const HAVE: u8 = 0x23;
    pub(super) const DONT_HAVE: u8 = 0x24;
    pub(super) const REQUEST: u8 = 0x30;
    pub(super) const CANCEL: u8 = 0x31;
    pub(super) const REJECT: u8 = 0x32;
    pub(super) const BLOCK: u8 = 0x33;
    pub(super) const SUGGEST: u8 = 0x34;
    pub(super) const GET_LEAVES: u8 = 0x40;
    pub(super) const LEAVES: u8 = 0x41;
    pub(super) const GET_MANIFEST: u8 = 0x50;
    pub(super) const MANIFEST_PART: u8 = 0x51;
    pub(super) const PEX: u8 = 0x60;
}

/// What a [`Hello`] may take in memory: little, because a stranger sends it.
const HELLO_MEMORY: usize = 1024;
/// What any other message in bincode may take in memory: 32 KiB of leaf digests are the most.
const CONTROL_MEMORY: usize = 64 * 1024;
/// Blocks in the longest piece.
const LEAVES_MAX: usize = (PIECE_LEN_MAX / BLOCK_LEN) as usize;
/// Bytes in the longest run of blocks.
const RUN_LEN_MAX: usize = (RUN_BLOCKS_MAX * BLOCK_LEN) as usize;
/// Bytes before the payload of a block.
const BLOCK_HEAD: usize = 8;
/// Bytes of a block's frame before its payload.
pub const BLOCK_FRAME_HEAD: usize = HEADER_LEN + BLOCK_HEAD;
/// Bytes before the payload of a part of a manifest.
const PART_HEAD: usize = 8;
/// Bytes of a [`PeerAddr`]: a key, the address family, 4 or 16 bytes of address, a port.
pub(super) const PEER_ADDR_LEN_MAX: usize = 32 + 1 + 16 + varint::U16;

/// What goes before the payload of a [`Message::Block`], for a payload that is sent from where it lies.
/// `len` is in bytes, at most that of the longest run.
#[must_use]
pub fn block_frame_head(piece: u32, first: u32, len: u32) -> [u8; BLOCK_FRAME_HEAD] {
    debug_assert!(
        (1..=RUN_LEN_MAX).contains(&(len as usize)),
        "a message of ours keeps the limits"
    );
    let length = (BLOCK_FRAME_HEAD - LENGTH_LEN) as u32 + len;
    let mut head = [0; BLOCK_FRAME_HEAD];
    head[..LENGTH_LEN].copy_from_slice(&length.to_le_bytes());
    head[LENGTH_LEN] = kind::BLOCK;
    head[HEADER_LEN..].copy_from_slice(&block_head(piece, first));
    head
}

/// What a block's body begins with.
fn block_head(piece: u32, first: u32) -> [u8; BLOCK_HEAD] {
    let mut head = [0; BLOCK_HEAD];
    head[..4].copy_from_slice(&piece.to_le_bytes());
    head[4..].copy_from_slice(&first.to_le_bytes());
    head
}

impl Body for Hello {
    fn lengths(kind: u8) -> Option<RangeInclusive<usize>> {
        const MAX: usize = varint::U16
            + 2 * 32
            + varint::U64
            + (1 + CLIENT_LEN_MAX)
            + varint::U16
            // The second number is at most `RUN_BLOCKS_MAX`.
            + (varint::U32 + 1);
        (kind == kind::HELLO).then_some(70..=MAX)
    }

    fn kind(&self) -> u8 {
        kind::HELLO
    }

    fn write(&self, to: &mut impl Writer) -> Result<Option<&Bytes>, EncodeError> {
        put(self, to).map(|()| None)
    }

    fn read(_: u8, body: Bytes) -> Option<Self> {
        get::<_, HELLO_MEMORY>(&body)
    }

    fn check(&self) -> Result<(), &'static str> {
        check_client(&self.client)?;
        ensure(
            (1..=RUN_BLOCKS_MAX).contains(&self.run_blocks_max),
            "a request may name 1 to 64 blocks",
        )
    }
}

impl Body for Message {
    fn lengths(kind: u8) -> Option<RangeInclusive<usize>> {
        const RUN: RangeInclusive<usize> = 3..=varint::U32 + varint::U32 + 1;
        const PIECES: RangeInclusive<usize> = 1..=count_len(HAVE_MAX) + HAVE_MAX * varint::U32;
        const LEAVES: usize = varint::U32 + count_len(LEAVES_MAX) + LEAVES_MAX * 32;
        Some(match kind {
            kind::KEEP_ALIVE
            | kind::CHOKE
            | kind::UNCHOKE
            | kind::INTERESTED
            | kind::NOT_INTERESTED
            | kind::HAVE_ALL
            | kind::HAVE_NONE => 0..=0,
            kind::BITFIELD => 1..=(PIECES_MAX / 8) as usize,
            kind::HAVE | kind::DONT_HAVE => PIECES,
            kind::REQUEST | kind::CANCEL | kind::REJECT => RUN,
            kind::BLOCK => BLOCK_HEAD + 1..=BLOCK_HEAD + RUN_LEN_MAX,
            kind::GET_LEAVES | kind::GET_MANIFEST | kind::SUGGEST => 1..=varint::U32,
            kind::LEAVES => 1 + 1 + 32..=LEAVES,
            kind::MANIFEST_PART => PART_HEAD..=PART_HEAD + MANIFEST_PART_MAX,
            kind::PEX => 1..=count_len(PEX_MAX) + PEX_MAX * PEER_ADDR_LEN_MAX,
            kind::GOODBYE => 1..=1,
            _ => return None,
        })
    }

    fn kind(&self) -> u8 {
        match self {
            Self::KeepAlive => kind::KEEP_ALIVE,
            Self::Choke => kind::CHOKE,
            Self::Unchoke => kind::UNCHOKE,
            Self::Interested => kind::INTERESTED,
            Self::NotInterested => kind::NOT_INTERESTED,
            Self::HaveAll => kind::HAVE_ALL,
            Self::HaveNone => kind::HAVE_NONE,
            Self::Bitfield(_) => kind::BITFIELD,
            Self::Have(_) => kind::HAVE,
            Self::DontHave(_) => kind::DONT_HAVE,
            Self::Request(_) => kind::REQUEST,
            Self::Cancel(_) => kind::CANCEL,
            Self::Reject(_) => kind::REJECT,
            Self::Block { .. } => kind::BLOCK,
            Self::GetLeaves(_) => kind::GET_LEAVES,
            Self::Leaves { .. } => kind::LEAVES,
            Self::GetManifest { .. } => kind::GET_MANIFEST,
            Self::ManifestPart { .. } => kind::MANIFEST_PART,
            Self::Pex(_) => kind::PEX,
            Self::Suggest(_) => kind::SUGGEST,
            Self::Goodbye(_) => kind::GOODBYE,
        }
    }

    fn write(&self, to: &mut impl Writer) -> Result<Option<&Bytes>, EncodeError> {
        match self {
            Self::KeepAlive
            | Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::HaveAll
            | Self::HaveNone => {}
            Self::Bitfield(bits) => return Ok(Some(bits)),
            Self::Have(pieces) | Self::DontHave(pieces) => put(pieces, to)?,
            Self::Request(run) | Self::Cancel(run) | Self::Reject(run) => put(run, to)?,
            Self::Block { piece, first, data } => {
                to.write(&block_head(*piece, *first))?;
                return Ok(Some(data));
            }
            Self::GetLeaves(piece) | Self::Suggest(piece) => put(piece, to)?,
            Self::Leaves { piece, leaves } => put((piece, leaves), to)?,
            Self::GetManifest { offset } => put(offset, to)?,
            Self::ManifestPart { total, offset, data } => {
                to.write(&total.to_le_bytes())?;
                to.write(&offset.to_le_bytes())?;
                return Ok(Some(data));
            }
            Self::Pex(peers) => put(peers, to)?,
            Self::Goodbye(reason) => put(reason, to)?,
        }
        Ok(None)
    }

    fn read(kind: u8, mut body: Bytes) -> Option<Self> {
        Some(match kind {
            kind::KEEP_ALIVE => Self::KeepAlive,
            kind::CHOKE => Self::Choke,
            kind::UNCHOKE => Self::Unchoke,
            kind::INTERESTED => Self::Interested,
            kind::NOT_INTERESTED => Self::NotInterested,
            kind::HAVE_ALL => Self::HaveAll,
            kind::HAVE_NONE => Self::HaveNone,
            kind::BITFIELD => Self::Bitfield(body),
            kind::HAVE => Self::Have(control(&body)?),
            kind::DONT_HAVE => Self::DontHave(control(&body)?),
            kind::REQUEST => Self::Request(control(&body)?),
            kind::CANCEL => Self::Cancel(control(&body)?),
            kind::REJECT => Self::Reject(control(&body)?),
            kind::BLOCK => {
                Self::Block { piece: take_u32(&mut body)?, first: take_u32(&mut body)?, data: body }
            }
            kind::SUGGEST => Self::Suggest(control(&body)?),
            kind::GET_LEAVES => Self::GetLeaves(control(&body)?),
            kind::LEAVES => {
                let (piece, leaves) = control::<(u32, Vec<Digest>)>(&body)?;
                Self::Leaves { piece, leaves }
            }
            kind::GET_MANIFEST => Self::GetManifest { offset: control(&body)? },
            kind::MANIFEST_PART => Self::ManifestPart {
                total: take_u32(&mut body)?,
                offset: take_u32(&mut body)?,
                data: body,
            },
            kind::PEX => Self::Pex(control::<Vec<PeerAddr>>(&body)?),
            kind::GOODBYE => Self::Goodbye(control(&body)?),
            _ => return None,
        })
    }

    fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::KeepAlive
            | Self::Choke
            | Self::Unchoke
            | Self::Interested
            | Self::NotInterested
            | Self::HaveAll
            | Self::HaveNone
            | Self::GetLeaves(_)
            | Self::GetManifest { .. }
            | Self::Suggest(_)
            | Self::Goodbye(_) => Ok(()),
            Self::Bitfield(bits) => ensure(
                (1..=(PIECES_MAX / 8) as usize).contains(&bits.len()),
                "a bitfield is over 1 to 4,194,304 pieces",
            ),
            Self::Have(pieces) | Self::DontHave(pieces) => {
                ensure(pieces.len() <= HAVE_MAX, "at most 4,096 pieces in one message")
            }
            Self::Request(RawRun { count, .. })
            | Self::Cancel(RawRun { count, .. })
            | Self::Reject(RawRun { count, .. }) => {
                ensure((1..=RUN_BLOCKS_MAX).contains(count), "a run has 1 to 64 blocks")
            }
            Self::Block { data, .. } => {
                ensure((1..=RUN_LEN_MAX).contains(&data.len()), "a run has 1 byte to 1 MiB")
            }
            Self::Leaves { leaves, .. } => {
                ensure((1..=LEAVES_MAX).contains(&leaves.len()), "a piece has 1 to 1,024 blocks")
            }
            Self::ManifestPart { total, offset, data } => {
                ensure(data.len() <= MANIFEST_PART_MAX, "a part has at most 256 KiB")?;
                check_part(*total, *offset, data)
            }
            Self::Pex(peers) => ensure(peers.len() <= PEX_MAX, "at most 64 peers in one message"),
        }
    }
}

fn control<T: bincode::Decode<()>>(body: &[u8]) -> Option<T> {
    get::<T, CONTROL_MEMORY>(body)
}
