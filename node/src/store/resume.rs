//! What a download remembers between two runs.
//!
//! ```text
//! magic       8 bytes   "SWRESUME"
//! version     u16       2
//! swarm       32 bytes  id
//! pieces      u32       how many the share has
//! have        bytes     one bit a piece, piece 0 highest, rounded up
//! files       u32       how many entries follow
//!   file      u32       number in the manifest, ascending
//!   place     u8        0: part file, 1: under its final name
//!   size      u64       0 of a part, which has its full length
//!   time      i64       nanoseconds since 1970: when a part was made, a final file last modified
//!   inode     u64
//! checksum    32 bytes  SHA-256 of all of the above
//! ```
//! Integers are little-endian. A bit is only set after the data of its piece was synced, so the set
//! is always a part of the truth. Whatever does not read as this is ignored and everything is
//! verified again: it may cost time, never data.

use swarm_proto::{
    bitfield::Bitfield,
    digest::sha256,
    geometry::{FileIndex, Geometry},
    id::SwarmId,
};

use crate::stamp::{Identity, Stamp};

const MAGIC: &[u8; 8] = b"SWRESUME";
const VERSION: u16 = 2;
const HEAD_LEN: u64 = 8 + 2 + 32 + 4;
const ENTRY_LEN: u64 = 4 + 1 + 8 + 8 + 8;
const CHECKSUM_LEN: usize = 32;

/// The state of a download as it was when its data was last synced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resume {
    /// Pieces that are verified and synced.
    pub(crate) have: Bitfield,
    /// The files that hold them, ascending.
    pub(crate) files: Vec<(FileIndex, Kept)>,
}

/// A file as we left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// A part file. It may have been written to after this was, so what it holds is no mark of it.
    Part(Identity),
    /// Whole, under its final name.
    Final(Stamp),
}

/// The longest state that a share of this geometry can have.
pub(crate) fn len_max(geometry: &Geometry) -> u64 {
    let have = u64::from(geometry.piece_count().div_ceil(8));
    HEAD_LEN + have + 4 + u64::from(geometry.file_count()) * ENTRY_LEN + CHECKSUM_LEN as u64
}

impl Resume {
    /// The bytes of the file.
    pub(crate) fn encode(&self, id: SwarmId) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(id.as_bytes());
        bytes.extend(self.have.len().to_le_bytes());
        bytes.extend(self.have.to_bytes());
        // There are no more of them than files in a share, which fit.
        bytes.extend((self.files.len() as u32).to_le_bytes());
        for (file, kept) in &self.files {
            let (place, size, time, inode) = match *kept {
                Kept::Part(Identity { inode, born_ns }) => (0, 0, born_ns, inode),
                Kept::Final(Stamp { size, modified_ns, inode }) => (1, size, modified_ns, inode),
            };
            bytes.extend(file.get().to_le_bytes());
            bytes.push(place);
            bytes.extend(u64::to_le_bytes(size));
            bytes.extend(time.to_le_bytes());
            bytes.extend(inode.to_le_bytes());
        }
        bytes.extend(sha256(&bytes).as_bytes());
        bytes
    }

    /// Reads the bytes of the file, if they are the state of this share, whole, and of a version
    /// that we know.
    pub(crate) fn decode(bytes: &[u8], id: SwarmId, geometry: &Geometry) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>()?;
        if sha256(body).as_bytes() != checksum {
            return None;
        }
        let mut rest = body;
        let known = take(&mut rest)? == *MAGIC
            && u16::from_le_bytes(take(&mut rest)?) == VERSION
            && take(&mut rest)? == *id.as_bytes()
            && u32::from_le_bytes(take(&mut rest)?) == geometry.piece_count();
        if !known {
            return None;
        }
        let have = rest.split_off(..geometry.piece_count().div_ceil(8) as usize)?;
        let have = Bitfield::from_bytes(geometry.piece_count(), have).ok()?;
        let count = u32::from_le_bytes(take(&mut rest)?);
        let mut files: Vec<(FileIndex, Kept)> = Vec::new();
        for _ in 0..count {
            let file = geometry.file(u32::from_le_bytes(take(&mut rest)?))?;
            // Ascending: so there are no more of them than files.
            if files.last().is_some_and(|&(last, _)| last >= file) {
                return None;
            }
            let [place] = take(&mut rest)?;
            let size = u64::from_le_bytes(take(&mut rest)?);
            let time = i64::from_le_bytes(take(&mut rest)?);
            let inode = u64::from_le_bytes(take(&mut rest)?);
            let kept = match (place, size) {
                (0, 0) => Kept::Part(Identity { inode, born_ns: time }),
                (1, _) => Kept::Final(Stamp { size, modified_ns: time, inode }),
                _ => return None,
            };
            files.push((file, kept));
        }
        rest.is_empty().then_some(Self { have, files })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, more) = rest.split_first_chunk()?;
    *rest = more;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn geometry() -> Geometry {
        Geometry::new(16384, [40_000, 0, 16384]).unwrap()
    }

    fn resume() -> Resume {
        let geometry = geometry();
        let mut have = Bitfield::empty(4);
        have.insert(geometry.piece(1).unwrap());
        have.insert(geometry.piece(3).unwrap());
        let part = Identity { inode: 7, born_ns: -1 };
        let whole = Stamp { size: 16384, modified_ns: 1 << 60, inode: u64::MAX };
        let file = |number| geometry.file(number).unwrap();
        Resume { have, files: vec![(file(0), Kept::Part(part)), (file(2), Kept::Final(whole))] }
    }

    const ID: SwarmId = SwarmId::new([9; 32]);

    #[test]
    fn a_state_survives_being_written_and_read() {
        let bytes = resume().encode(ID);
        assert!(bytes.len() as u64 <= len_max(&geometry()));
        assert_eq!(Resume::decode(&bytes, ID, &geometry()), Some(resume()));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() {
        let bytes = resume().encode(ID);
        for len in 0..bytes.len() {
            assert_eq!(Resume::decode(&bytes[..len], ID, &geometry()), None, "{len}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Resume::decode(&bytes, ID, &geometry()), None, "{bit}");
        }
    }

    #[test]
    fn another_share_or_version_is_ignored_even_if_its_checksum_is_right() {
        let bytes = resume().encode(ID);
        assert_eq!(Resume::decode(&bytes, SwarmId::new([8; 32]), &geometry()), None);
        let other = Geometry::new(16384, [40_000, 0, 16385]).unwrap();
        assert_eq!(Resume::decode(&bytes, ID, &other), None);
        let forged = |at, byte| Resume::decode(&forged(&bytes, at, 1, &[byte]), ID, &geometry());
        assert_eq!(forged(8, 2), Some(resume()));
        // An earlier version, and a later one; a bit past the last piece; a wild count; a part with a
        // size; the same file twice; a place that does not exist.
        for (at, byte) in [(8, 1), (8, 3), (46, 0x51), (50, 0xFF), (56, 1), (80, 0), (84, 2)] {
            assert_eq!(forged(at, byte), None, "{at}");
        }
    }

    /// The bytes with what was put in the place of some of them, and a checksum that is right.
    fn forged(bytes: &[u8], at: usize, len: usize, new: &[u8]) -> Vec<u8> {
        let mut body = bytes[..bytes.len() - CHECKSUM_LEN].to_vec();
        let at = at.min(body.len());
        let end = (at + len).min(body.len());
        body.splice(at..end, new.iter().copied());
        body.extend(*sha256(&body).as_bytes());
        body
    }

    proptest! {
        #[test]
        fn what_somebody_forged_is_a_state_or_none(
            at in 0..200_usize,
            len in 0..40_usize,
            new in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = forged(&resume().encode(ID), at, len, &new);
            if let Some(resume) = Resume::decode(&bytes, ID, &geometry()) {
                prop_assert_eq!(resume.encode(ID), bytes);
            }
        }
    }
}
