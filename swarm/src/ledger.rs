//! The state of every piece; nothing else changes it.
//!
//! ```text
//!               ask               all blocks stored, verified
//!   Missing ──────────► Partial ───────────────────────────────► Have
//!    ▲  ▲ ◄────────────  │   ▲                                    │
//!    │  │   all free      │   │ bad blocks free again              │ file changed, disk failed
//!    │  │                 ▼   │                                    ▼
//!    │  │               Corrupt (all stored, does not verify)    Doubted ──► Have
//!    │  └──────────────────────────────────────────────────────────┘  read again
//! ```
//!
//! It also keeps the two sums that bound memory: bytes asked for, and bytes handed to the disk.

mod arrived;
mod check;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_proto::{
    bitfield::Bitfield,
    geometry::{BLOCK_LEN, BlockRun, Geometry, PieceIndex},
    id::{Digest, PeerId},
    manifest::Manifest,
};

pub(crate) use self::arrived::Arrived;
use crate::{
    ConnId,
    partial::{Block, Holders, Partial},
};

/// All pieces of a swarm.
#[derive(Debug)]
pub(crate) struct Ledger {
    manifest: Arc<Manifest>,
    have: Bitfield,
    bytes_have: u64,
    /// Pieces to be had.
    wanted: Bitfield,
    /// How many of these are not verified, and their bytes.
    lacking: u32,
    bytes_lacking: u64,
    partial: BTreeMap<PieceIndex, Partial>,
    /// Unfinished pieces with a free block.
    open: BTreeSet<PieceIndex>,
    /// Unfinished pieces that are complete and do not verify.
    corrupt: BTreeSet<PieceIndex>,
    /// Pieces that were verified and have to be read again before they count.
    doubted: BTreeSet<PieceIndex>,
    requested: u64,
    storing: u64,
}

/// What became of a piece when blocks of it were stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Blocks are missing.
    Unfinished,
    /// It is verified. These sent bad blocks for it earlier, as has now come out.
    Verified(Vec<(PeerId, u32)>),
    /// It does not verify. These contributed, in order of their first block.
    Corrupt(Vec<PeerId>),
}

impl Ledger {
    /// Of the pieces in `have` the bytes are on the disk and verified; those in `wanted` are to be.
    pub(crate) fn new(manifest: Arc<Manifest>, have: Bitfield, wanted: Bitfield) -> Self {
        let geometry = manifest.geometry();
        let len = |number| geometry.piece(number).map_or(0, |p| u64::from(geometry.piece_len(p)));
        let bytes_have = have.iter().map(len).sum();
        let bytes_lacking = if wanted.is_full() {
            geometry.total_bytes() - bytes_have
        } else {
            wanted.difference(&have).map(len).sum()
        };
        let lacking = wanted.difference(&have).count() as u32;
        Self {
            wanted,
            lacking,
            bytes_lacking,
            manifest,
            have,
            bytes_have,
            partial: BTreeMap::new(),
            open: BTreeSet::new(),
            corrupt: BTreeSet::new(),
            doubted: BTreeSet::new(),
            requested: 0,
            storing: 0,
        }
    }

    /// How the pieces lie in the files.
    pub(crate) fn geometry(&self) -> &Geometry {
        self.manifest.geometry()
    }

    /// Verified pieces.
    pub(crate) const fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Bytes in verified pieces.
    pub(crate) const fn bytes_have(&self) -> u64 {
        self.bytes_have
    }

    /// Whether a piece is to be had, or stays if it is there.
    pub(crate) fn wants(&self, piece: PieceIndex) -> bool {
        self.wanted.has(piece)
    }

    /// Whether all pieces of a run are so.
    pub(crate) fn wants_all(&self, run: BlockRun) -> bool {
        self.geometry().parts(run).all(|part| self.wants(part.piece()))
    }

    /// Whether all of a run may be given.
    pub(crate) fn has_all(&self, run: BlockRun) -> bool {
        self.geometry().parts(run).all(|part| self.have.has(part.piece()))
    }

    /// Whether a piece is to be had and is not verified.
    pub(crate) fn lacks(&self, piece: PieceIndex) -> bool {
        self.wants(piece) && !self.have.has(piece)
    }

    /// How many of a peer's pieces are so.
    pub(crate) fn lacking_of(&self, theirs: &Bitfield) -> u32 {
        let geometry = self.geometry();
        let lacking = theirs.difference(&self.have).filter_map(|number| geometry.piece(number));
        lacking.filter(|&piece| self.wants(piece)).count() as u32
    }

    /// How many pieces are so.
    pub(crate) const fn lacking(&self) -> u32 {
        self.lacking
    }

    /// The bytes in them.
    pub(crate) const fn bytes_lacking(&self) -> u64 {
        self.bytes_lacking
    }

    /// Whether everything is verified that is to be had.
    pub(crate) const fn is_complete(&self) -> bool {
        self.lacking == 0
    }

    /// A piece is to be had from now on, or is not. Blocks of an unfinished one that is not are
    /// forgotten as soon as none is on its way to the disk; requests are for the caller to release.
    pub(crate) fn want(&mut self, piece: PieceIndex, wanted: bool) {
        let changed = if wanted { self.wanted.insert(piece) } else { self.wanted.remove(piece) };
        if changed && !self.have.has(piece) {
            let len = u64::from(self.geometry().piece_len(piece));
            if wanted {
                self.lacking += 1;
                self.bytes_lacking += len;
            } else {
                self.lacking -= 1;
                self.bytes_lacking -= len;
            }
        }
        self.note(piece);
    }

    /// Bytes asked for, once for each connection asked.
    pub(crate) const fn requested(&self) -> u64 {
        self.requested
    }

    /// Bytes on their way to the disk.
    pub(crate) const fn storing(&self) -> u64 {
        self.storing
    }

    /// Pieces begun and not verified, ascending.
    pub(crate) fn unfinished(&self) -> impl ExactSizeIterator<Item = PieceIndex> {
        self.partial.keys().copied()
    }

    /// The same with their blocks.
    pub(crate) fn partials(&self) -> impl Iterator<Item = (PieceIndex, &Partial)> {
        self.partial.iter().map(|(&piece, partial)| (piece, partial))
    }

    /// Bytes that have arrived for unfinished pieces, whose last blocks are counted as whole ones.
    pub(crate) fn unverified(&self) -> u64 {
        let stored: u64 = self.partial.values().map(|partial| u64::from(partial.stored())).sum();
        self.storing + stored * u64::from(BLOCK_LEN)
    }

    /// Unfinished pieces with a free block, ascending, and how many blocks are free.
    pub(crate) fn open(&self) -> impl Iterator<Item = (PieceIndex, u32)> {
        self.open.iter().map(|piece| (*piece, self.partial[piece].free()))
    }

    /// Who delivered the blocks of an unfinished piece.
    pub(crate) fn contributors(&self, piece: PieceIndex) -> Vec<PeerId> {
        self.partial.get(&piece).map(Partial::contributors).unwrap_or_default()
    }

    /// Whether the piece was verified once and is being read again.
    pub(crate) fn is_doubted(&self, piece: PieceIndex) -> bool {
        self.doubted.contains(&piece)
    }

    /// Whether the piece is to be had and nothing of it is there, asked for or in doubt.
    pub(crate) fn is_missing(&self, piece: PieceIndex) -> bool {
        self.lacks(piece) && !self.partial.contains_key(&piece) && !self.is_doubted(piece)
    }

    /// The next blocks of a piece that nobody is asked for, at most `max` (at least 1).
    pub(crate) fn free_run(&mut self, piece: PieceIndex, max: u32) -> Option<BlockRun> {
        if let Some(partial) = self.partial.get_mut(&piece) {
            let (first, count) = partial.free_run(max)?;
            return self.geometry().run(piece, first, count);
        }
        if !self.is_missing(piece) {
            return None;
        }
        let geometry = self.geometry();
        geometry.run(piece, 0, max.min(geometry.block_count(piece)))
    }

    /// The first blocks of `run` that are asked of others and may be asked of `conn` too.
    pub(crate) fn shared_run(&self, conn: ConnId, run: BlockRun, max: u32) -> Option<BlockRun> {
        let partial = self.partial.get(&run.piece())?;
        let may_share = |&block: &u32| match partial.block(block) {
            Block::Requested(holders) => holders.has_room_for(conn),
            _ => false,
        };
        let first = run.blocks().find(may_share)?;
        let count = (first..run.blocks().end).take(max as usize).take_while(may_share).count();
        self.geometry().run(run.piece(), first, count as u32)
    }

    /// Whether any of these blocks is still to be delivered.
    pub(crate) fn is_wanted(&self, run: BlockRun) -> bool {
        self.geometry().parts(run).any(|part| self.is_part_wanted(part))
    }

    fn is_part_wanted(&self, run: BlockRun) -> bool {
        let Some(partial) = self.partial.get(&run.piece()) else {
            return self.is_missing(run.piece());
        };
        run.blocks().any(|block| matches!(partial.block(block), Block::Free | Block::Requested(_)))
    }

    /// Bytes of these blocks that are in neither sum and would be if the blocks arrived.
    pub(crate) fn uncounted(&self, run: BlockRun) -> u64 {
        let parts = self.geometry().parts_with_len(run);
        parts.map(|(part, len)| self.uncounted_in(part, len)).sum()
    }

    /// The same for a part of a run that has so many bytes.
    fn uncounted_in(&self, run: BlockRun, len: u32) -> u64 {
        let Some(partial) = self.partial.get(&run.piece()) else {
            return if self.is_missing(run.piece()) { len.into() } else { 0 };
        };
        let free = run.blocks().filter(|&block| partial.block(block) == Block::Free);
        free.map(|block| block_len(self.geometry(), run.piece(), block)).sum()
    }

    /// Whether any of these blocks is asked for or on its way to the disk.
    pub(crate) fn is_under_way(&self, run: BlockRun) -> bool {
        let under_way = |block| matches!(block, Block::Requested(_) | Block::Storing(_));
        self.geometry().parts(run).any(|part| {
            let partial = self.partial.get(&part.piece());
            partial.is_some_and(|p| part.blocks().any(|block| under_way(p.block(block))))
        })
    }

    /// `conn` is asked for a run that [`free_run`](Self::free_run) or
    /// [`shared_run`](Self::shared_run) gave, and for missing pieces after it.
    pub(crate) fn request(&mut self, conn: ConnId, run: BlockRun) {
        let manifest = Arc::clone(&self.manifest);
        for (part, len) in manifest.geometry().parts_with_len(run) {
            let blocks = || manifest.geometry().block_count(part.piece());
            let partial =
                self.partial.entry(part.piece()).or_insert_with(|| Partial::new(blocks()));
            for block in part.blocks() {
                partial.request(block, conn);
            }
            self.requested += u64::from(len);
            self.note(part.piece());
        }
    }

    /// `conn` is no longer asked for these blocks.
    pub(crate) fn release(&mut self, conn: ConnId, run: BlockRun) {
        let manifest = Arc::clone(&self.manifest);
        for part in manifest.geometry().parts(run) {
            let Some(partial) = self.partial.get_mut(&part.piece()) else { continue };
            for block in part.blocks() {
                if partial.release(block, conn) {
                    self.requested -= block_len(manifest.geometry(), part.piece(), block);
                }
            }
            self.note(part.piece());
        }
    }

    /// Blocks were delivered by `sender` over `conn`, in answer to a request, however late.
    pub(crate) fn arrived(&mut self, conn: ConnId, sender: PeerId, run: BlockRun) -> Arrived {
        let manifest = Arc::clone(&self.manifest);
        let mut arrived = Arrived::default();
        for part in manifest.geometry().parts(run) {
            self.part_arrived(conn, sender, part, &mut arrived);
        }
        self.storing += arrived.useful;
        arrived
    }

    fn part_arrived(&mut self, conn: ConnId, sender: PeerId, run: BlockRun, arrived: &mut Arrived) {
        if !self.is_part_wanted(run) {
            return;
        }
        let geometry = self.manifest.geometry();
        let blocks = geometry.block_count(run.piece());
        let partial = self.partial.entry(run.piece()).or_insert_with(|| Partial::new(blocks));
        let free = partial.free();
        // The stretch of adjacent useful blocks that is being gathered.
        let mut stretch: Option<(u32, u32)> = None;
        for block in run.blocks() {
            let holders = match partial.block(block) {
                Block::Free => None,
                Block::Requested(holders) => Some(holders),
                Block::Storing(_) | Block::Stored { .. } => {
                    arrived.gather(geometry, run.piece(), stretch.take());
                    continue;
                }
            };
            for &holder in holders.iter().flat_map(Holders::as_slice) {
                self.requested -= block_len(geometry, run.piece(), block);
                if holder != conn && !arrived.others.contains(&holder) {
                    arrived.others.push(holder);
                }
            }
            partial.arrive(block, sender);
            stretch = stretch.map_or(Some((block, 1)), |(first, count)| Some((first, count + 1)));
        }
        arrived.gather(geometry, run.piece(), stretch);
        // What was asked for was not free.
        if partial.free() != free {
            self.note(run.piece());
        }
    }

    /// Blocks of one piece are on the disk, with these digests.
    pub(crate) fn stored(&mut self, run: BlockRun, leaves: &[Digest]) -> Progress {
        let Some(partial) = self.partial.get_mut(&run.piece()) else { return Progress::Unfinished };
        for (block, &leaf) in run.blocks().zip(leaves) {
            if matches!(partial.block(block), Block::Storing(_)) {
                self.storing -= block_len(self.manifest.geometry(), run.piece(), block);
                partial.store(block, leaf);
            }
        }
        let Some(leaves) = partial.is_stored().then(|| partial.leaves()).flatten() else {
            self.note(run.piece());
            return Progress::Unfinished;
        };
        if self.manifest.verifies(run.piece(), &leaves) {
            let liars = partial.liars_among_suspects();
            self.partial.remove(&run.piece());
            self.corrupt.remove(&run.piece());
            self.insert(run.piece());
            Progress::Verified(liars)
        } else {
            self.corrupt.insert(run.piece());
            Progress::Corrupt(partial.contributors())
        }
    }

    /// Blocks could not be stored: they are to be fetched again.
    pub(crate) fn store_failed(&mut self, run: BlockRun) {
        let manifest = Arc::clone(&self.manifest);
        for part in manifest.geometry().parts(run) {
            let Some(partial) = self.partial.get_mut(&part.piece()) else { continue };
            for block in part.blocks() {
                if matches!(partial.block(block), Block::Storing(_)) {
                    self.storing -= block_len(manifest.geometry(), part.piece(), block);
                    partial.reset(block);
                }
            }
            self.note(part.piece());
        }
    }

    /// Somebody hands over the digests of a corrupt piece. `None` if they do not prove themselves
    /// or are not needed; else who sent bad blocks, which are free again.
    pub(crate) fn judge(
        &mut self,
        piece: PieceIndex,
        leaves: &[Digest],
    ) -> Option<Vec<(PeerId, u32)>> {
        if !self.corrupt.contains(&piece) || !self.manifest.verifies(piece, leaves) {
            return None;
        }
        self.corrupt.remove(&piece);
        let liars = self.partial.get_mut(&piece)?.convict(leaves);
        self.note(piece);
        Some(liars)
    }

    /// A corrupt piece is fetched anew; who sent what is remembered until it verifies.
    pub(crate) fn suspect(&mut self, piece: PieceIndex) {
        if self.corrupt.remove(&piece)
            && let Some(partial) = self.partial.get_mut(&piece)
        {
            partial.suspect_all();
            self.note(piece);
        }
    }

    /// A corrupt piece is fetched anew; there is no doubt who is to blame.
    pub(crate) fn drop_blocks(&mut self, piece: PieceIndex) {
        if self.corrupt.remove(&piece) {
            self.partial.remove(&piece);
        }
    }

    /// A verified piece is no longer to be relied on. False if it was not verified.
    pub(crate) fn doubt(&mut self, piece: PieceIndex) -> bool {
        let had = self.remove(piece);
        if had {
            self.doubted.insert(piece);
        }
        had
    }

    /// A piece that is not there may be, after all: it is being read.
    pub(crate) fn hope(&mut self, piece: PieceIndex) {
        if !self.have.has(piece) && !self.partial.contains_key(&piece) {
            self.doubted.insert(piece);
        }
    }

    /// A piece that was doubted has been read again.
    pub(crate) fn settle(&mut self, piece: PieceIndex, good: bool) {
        if self.doubted.remove(&piece) && good {
            self.insert(piece);
        }
    }

    /// A verified piece turned out to be bad. False if it was not verified.
    pub(crate) fn remove(&mut self, piece: PieceIndex) -> bool {
        let had = self.have.remove(piece);
        if had {
            let len = u64::from(self.geometry().piece_len(piece));
            self.bytes_have -= len;
            if self.wants(piece) {
                self.lacking += 1;
                self.bytes_lacking += len;
            }
        }
        had
    }

    fn insert(&mut self, piece: PieceIndex) {
        if self.have.insert(piece) {
            let len = u64::from(self.geometry().piece_len(piece));
            self.bytes_have += len;
            if self.wants(piece) {
                self.lacking -= 1;
                self.bytes_lacking -= len;
            }
        }
    }

    /// Brings the set of open pieces up to date, and forgets a piece of which nothing is left or
    /// nothing is wanted.
    fn note(&mut self, piece: PieceIndex) {
        let Some(partial) = self.partial.get(&piece) else { return };
        let wanted = self.wanted.has(piece);
        if wanted && partial.free() > 0 {
            self.open.insert(piece);
        } else {
            self.open.remove(&piece);
        }
        if partial.is_blank() || (!wanted && partial.is_at_rest()) {
            self.partial.remove(&piece);
            self.open.remove(&piece);
        }
    }
}

fn block_len(geometry: &Geometry, piece: PieceIndex, block: u32) -> u64 {
    geometry.run(piece, block, 1).map_or(0, |run| u64::from(geometry.run_len(run)))
}

#[cfg(test)]
mod tests;
