//! Frames between a node and a tracker.

use std::ops::RangeInclusive;

use bincode::{enc::write::Writer, error::EncodeError};
use bytes::Bytes;

use super::{
    Body, check_client, check_part, count_len, ensure, get, peer::PEER_ADDR_LEN_MAX, put, take,
    take_u32, varint,
};
use crate::{
    announce::{
        Announce, DELTA_MAX, HaveReport, RAREST_MAX, SCRAPE_MAX, SwarmCounts, TrackerHello,
        TrackerReply, TrackerRequest, WANT_MAX,
    },
    geometry::PIECES_MAX,
    id::SwarmId,
    message::{CLIENT_LEN_MAX, MANIFEST_PART_MAX},
};

/// Frame kinds between a node and a tracker: a reply's is its request's plus 0x10.
mod kind {
    pub(super) const HELLO: u8 = 0x80;
    pub(super) const ANNOUNCE: u8 = 0x90;
    pub(super) const GET_MANIFEST: u8 = 0x91;
    pub(super) const PUT_MANIFEST: u8 = 0x92;
    pub(super) const SCRAPE: u8 = 0x93;
    pub(super) const ANNOUNCED: u8 = 0xA0;
    pub(super) const MANIFEST_PART: u8 = 0xA1;
    pub(super) const MANIFEST_PUT: u8 = 0xA2;
    pub(super) const SCRAPED: u8 = 0xA3;
    pub(super) const REFUSED: u8 = 0xAF;
}

/// What a [`TrackerHello`] may take in memory: little, because a stranger sends it.
const HELLO_MEMORY: usize = 1024;
/// Bytes of the row of a node in the largest swarm.
const ROW_LEN_MAX: usize = (PIECES_MAX / 8) as usize;
/// What an announce may take in memory: a full row, and some for its other fields.
const ANNOUNCE_MEMORY: usize = ROW_LEN_MAX + 1024;
/// What any other message in bincode may take in memory: 64 peers of 64 bytes are the most.
const CONTROL_MEMORY: usize = 16 * 1024;
/// Bytes before the payload of a part that a node puts.
const PUT_HEAD: usize = 32 + 8;
/// Bytes before the payload of a part that a tracker sends.
const PART_HEAD: usize = 8;

impl Body for TrackerHello {
    fn lengths(kind: u8) -> Option<RangeInclusive<usize>> {
        (kind == kind::HELLO).then_some(34..=varint::U16 + 32 + 1 + CLIENT_LEN_MAX)
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
        check_client(&self.client)
    }
}

impl Body for TrackerRequest {
    fn lengths(kind: u8) -> Option<RangeInclusive<usize>> {
        /// All but the row: swarm, event, port, address, two counters, `want` and `load`.
        const ANNOUNCE: usize = 32 + 1 + varint::U16 + (1 + 1 + 16) + 2 * varint::U64 + 2;
        const FULL: usize = 1 + count_len(ROW_LEN_MAX) + ROW_LEN_MAX;
        Some(match kind {
            kind::ANNOUNCE => 40..=ANNOUNCE + FULL,
            kind::GET_MANIFEST => 33..=32 + varint::U32,
            kind::PUT_MANIFEST => PUT_HEAD + 1..=PUT_HEAD + MANIFEST_PART_MAX,
            kind::SCRAPE => 1..=count_len(SCRAPE_MAX) + SCRAPE_MAX * 32,
            _ => return None,
        })
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Announce(_) => kind::ANNOUNCE,
            Self::GetManifest { .. } => kind::GET_MANIFEST,
            Self::PutManifest { .. } => kind::PUT_MANIFEST,
            Self::Scrape(_) => kind::SCRAPE,
        }
    }

    fn write(&self, to: &mut impl Writer) -> Result<Option<&Bytes>, EncodeError> {
        match self {
            Self::Announce(announce) => put(announce, to)?,
            Self::GetManifest { swarm, offset } => put((swarm, offset), to)?,
            Self::PutManifest { swarm, total, offset, data } => {
                to.write(swarm.as_bytes())?;
                to.write(&total.to_le_bytes())?;
                to.write(&offset.to_le_bytes())?;
                return Ok(Some(data));
            }
            Self::Scrape(swarms) => put(swarms, to)?,
        }
        Ok(None)
    }

    fn read(kind: u8, mut body: Bytes) -> Option<Self> {
        Some(match kind {
            kind::ANNOUNCE => Self::Announce(get::<_, ANNOUNCE_MEMORY>(&body)?),
            kind::GET_MANIFEST => {
                let (swarm, offset) = control(&body)?;
                Self::GetManifest { swarm, offset }
            }
            kind::PUT_MANIFEST => Self::PutManifest {
                swarm: SwarmId::new(take(&mut body)?),
                total: take_u32(&mut body)?,
                offset: take_u32(&mut body)?,
                data: body,
            },
            kind::SCRAPE => Self::Scrape(control::<Vec<SwarmId>>(&body)?),
            _ => return None,
        })
    }

    fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Announce(announce) => check_announce(announce),
            Self::GetManifest { .. } => Ok(()),
            Self::PutManifest { total, offset, data, .. } => {
                let sized = (1..=MANIFEST_PART_MAX).contains(&data.len());
                ensure(sized, "a part has 1 byte to 256 KiB")?;
                check_part(*total, *offset, data)
            }
            Self::Scrape(swarms) => {
                ensure(swarms.len() <= SCRAPE_MAX, "at most 64 swarms in one scrape")
            }
        }
    }
}

fn check_announce(announce: &Announce) -> Result<(), &'static str> {
    match &announce.have {
        HaveReport::None | HaveReport::All => {}
        HaveReport::Full(row) => {
            ensure(row.len() <= ROW_LEN_MAX, "a row is over at most 4,194,304 pieces")?;
        }
        HaveReport::Delta { gained, lost, .. } => ensure(
            gained.len() <= DELTA_MAX && lost.len() <= DELTA_MAX,
            "a delta names at most 4,096 pieces gained and as many lost",
        )?,
    }
    ensure(announce.want <= WANT_MAX, "an announce asks for at most 64 peers")?;
    ensure(announce.load <= 100, "a load is at most 100 percent")
}

impl Body for TrackerReply {
    fn lengths(kind: u8) -> Option<RangeInclusive<usize>> {
        const PEERS: usize = count_len(WANT_MAX as usize) + WANT_MAX as usize * PEER_ADDR_LEN_MAX;
        const RAREST: usize = count_len(RAREST_MAX) + RAREST_MAX * 2 * varint::U32;
        /// Five numbers, two flags and an address, besides.
        const ANNOUNCED: usize = PEERS + RAREST + 5 * varint::U32 + 2 + (1 + 16 + varint::U16);
        Some(match kind {
            kind::ANNOUNCED => 15..=ANNOUNCED,
            kind::MANIFEST_PART => PART_HEAD..=PART_HEAD + MANIFEST_PART_MAX,
            kind::MANIFEST_PUT => 1..=varint::U32,
            kind::SCRAPED => 1..=count_len(SCRAPE_MAX) + SCRAPE_MAX * 3 * varint::U32,
            kind::REFUSED => 2..=1 + varint::U32,
            _ => return None,
        })
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Announced(_) => kind::ANNOUNCED,
            Self::ManifestPart { .. } => kind::MANIFEST_PART,
            Self::ManifestPut { .. } => kind::MANIFEST_PUT,
            Self::Scraped(_) => kind::SCRAPED,
            Self::Refused { .. } => kind::REFUSED,
        }
    }

    fn write(&self, to: &mut impl Writer) -> Result<Option<&Bytes>, EncodeError> {
        match self {
            Self::Announced(announced) => put(announced, to)?,
            Self::ManifestPart { total, offset, data } => {
                to.write(&total.to_le_bytes())?;
                to.write(&offset.to_le_bytes())?;
                return Ok(Some(data));
            }
            Self::ManifestPut { received } => put(received, to)?,
            Self::Scraped(counts) => put(counts, to)?,
            Self::Refused { why, retry_s } => put((why, retry_s), to)?,
        }
        Ok(None)
    }

    fn read(kind: u8, mut body: Bytes) -> Option<Self> {
        Some(match kind {
            kind::ANNOUNCED => Self::Announced(control(&body)?),
            kind::MANIFEST_PART => Self::ManifestPart {
                total: take_u32(&mut body)?,
                offset: take_u32(&mut body)?,
                data: body,
            },
            kind::MANIFEST_PUT => Self::ManifestPut { received: control(&body)? },
            kind::SCRAPED => Self::Scraped(control::<Vec<SwarmCounts>>(&body)?),
            kind::REFUSED => {
                let (why, retry_s) = control(&body)?;
                Self::Refused { why, retry_s }
            }
            _ => return None,
        })
    }

    fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Announced(announced) => {
                let named = announced.peers.len() <= WANT_MAX as usize;
                ensure(named, "an answer names at most 64 peers")?;
                let rarest = announced.rarest.len() <= RAREST_MAX;
                ensure(rarest, "an answer names at most 64 rarest pieces")
            }
            Self::ManifestPart { total, offset, data } => {
                ensure(data.len() <= MANIFEST_PART_MAX, "a part has at most 256 KiB")?;
                check_part(*total, *offset, data)
            }
            Self::ManifestPut { .. } | Self::Refused { .. } => Ok(()),
            Self::Scraped(counts) => {
                ensure(counts.len() <= SCRAPE_MAX, "at most 64 swarms in one scrape")
            }
        }
    }
}

fn control<T: bincode::Decode<()>>(body: &[u8]) -> Option<T> {
    get::<T, CONTROL_MEMORY>(body)
}
