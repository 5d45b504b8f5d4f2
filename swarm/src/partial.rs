//! One unfinished piece: the state of each of its blocks.
//!
//! ```text
//!          ask             arrive            on disk
//!   Free ───────► Requested ─────► Storing ─────────► Stored
//!    ▲  ◄───────              (also straight from Free,│ all stored:
//!    │  taken back             if an answer comes late)│ verify
//!    └──────── store failed, or proven bad ◄───────────┘
//! ```
//!
//! Who delivered a block stays known until the piece is verified, so that a bad block has one name
//! to it, also when its sender is long gone.

use smallvec::{SmallVec, smallvec};
use swarm_proto::id::{Digest, PeerId};

use crate::ConnId;

/// How many connections may be asked for the same block at a time: one that is slow, one in its
/// stead, and one more if that is stuck as well.
pub(crate) const HOLDERS_MAX: usize = 3;
/// The most digests kept of blocks that nobody could prove bad; the oldest are given up.
const SUSPECTS_MAX: usize = 4096;

/// One block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// Nobody is asked for it.
    Free,
    /// These are asked for it.
    Requested(Holders),
    /// Its bytes are on their way to the disk; the number of who delivered them.
    Storing(u32),
    /// Its bytes are on the disk, unverified.
    Stored {
        /// Their digest.
        leaf: Digest,
        /// Number of who delivered them.
        from: u32,
    },
}

/// A few connections: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holders {
    conns: [ConnId; HOLDERS_MAX],
    len: u8,
}

impl Holders {
    const fn one(conn: ConnId) -> Self {
        Self { conns: [conn; HOLDERS_MAX], len: 1 }
    }

    /// All of them, in the order they were asked.
    pub(crate) fn as_slice(&self) -> &[ConnId] {
        &self.conns[..usize::from(self.len)]
    }

    /// Whether `conn` may be asked as well.
    pub(crate) fn has_room_for(&self, conn: ConnId) -> bool {
        usize::from(self.len) < HOLDERS_MAX && !self.as_slice().contains(&conn)
    }

    fn with(mut self, conn: ConnId) -> Self {
        debug_assert!(self.has_room_for(conn), "the caller has looked");
        self.conns[usize::from(self.len)] = conn;
        self.len += 1;
        self
    }

    fn without(mut self, conn: ConnId) -> Option<Self> {
        let at = self.as_slice().iter().position(|&holder| holder == conn)?;
        self.conns.copy_within(at + 1..usize::from(self.len), at);
        self.len -= 1;
        (self.len > 0).then_some(self)
    }
}

/// The blocks of an unfinished piece. A share of small files has a great many pieces of one block, which should
/// not allocate anything each.
#[derive(Debug)]
pub(crate) struct Partial {
    blocks: SmallVec<[Block; 1]>,
    free: u32,
    stored: u32,
    /// No block below this one is free.
    first_free: u32,
    /// Everyone who delivered a block; blocks name them by number.
    senders: SmallVec<[PeerId; 1]>,
    /// Blocks of an earlier attempt that failed as a whole, whose senders could not be told apart.
    suspects: Vec<(u32, Digest, u32)>,
}

impl Partial {
    /// All blocks free.
    pub(crate) fn new(blocks: u32) -> Self {
        Self {
            blocks: smallvec![Block::Free; blocks as usize],
            free: blocks,
            stored: 0,
            first_free: 0,
            senders: SmallVec::new(),
            suspects: Vec::new(),
        }
    }

    /// Blocks that nobody is asked for.
    pub(crate) const fn free(&self) -> u32 {
        self.free
    }

    /// Whether there is nothing in it that would be lost with it.
    pub(crate) fn is_blank(&self) -> bool {
        self.free as usize == self.blocks.len() && self.suspects.is_empty()
    }

    /// Whether every block is on the disk.
    pub(crate) fn is_stored(&self) -> bool {
        self.stored as usize == self.blocks.len()
    }

    /// Whether blocks are missing and none is asked for or on its way to the disk.
    pub(crate) fn is_at_rest(&self) -> bool {
        (self.free + self.stored) as usize == self.blocks.len() && self.free > 0
    }

    /// One block.
    pub(crate) fn block(&self, block: u32) -> Block {
        self.blocks[block as usize]
    }

    /// All blocks.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Blocks on the disk.
    pub(crate) const fn stored(&self) -> u32 {
        self.stored
    }

    /// Who has a number that a block names.
    pub(crate) fn sender(&self, number: u32) -> PeerId {
        self.senders[number as usize]
    }

    /// The first free blocks that lie side by side, at most `max`: the first and how many.
    pub(crate) fn free_run(&mut self, max: u32) -> Option<(u32, u32)> {
        if self.free == 0 {
            return None;
        }
        let is_free = |block: &Block| *block == Block::Free;
        let ahead = &self.blocks[self.first_free as usize..];
        self.first_free += ahead.iter().position(is_free)? as u32;
        let ahead = &self.blocks[self.first_free as usize..];
        let count = ahead.iter().take(max as usize).take_while(|block| is_free(block)).count();
        Some((self.first_free, count as u32))
    }

    /// `conn` is asked for a block that is free or has room for another holder.
    pub(crate) fn request(&mut self, block: u32, conn: ConnId) {
        let holders = match self.block(block) {
            Block::Free => Holders::one(conn),
            Block::Requested(holders) => holders.with(conn),
            Block::Storing(_) | Block::Stored { .. } => return,
        };
        self.set(block, Block::Requested(holders));
    }

    /// `conn` is no longer asked for a block. False if it was not.
    pub(crate) fn release(&mut self, block: u32, conn: ConnId) -> bool {
        let Block::Requested(holders) = self.block(block) else { return false };
        if !holders.as_slice().contains(&conn) {
            return false;
        }
        self.set(block, holders.without(conn).map_or(Block::Free, Block::Requested));
        true
    }

    /// A block that is free or requested was delivered.
    pub(crate) fn arrive(&mut self, block: u32, sender: PeerId) {
        let known = self.senders.iter().position(|&known| known == sender);
        let from = known.unwrap_or_else(|| {
            self.senders.push(sender);
            self.senders.len() - 1
        });
        self.set(block, Block::Storing(from as u32));
    }

    /// A block is on the disk.
    pub(crate) fn store(&mut self, block: u32, leaf: Digest) {
        if let Block::Storing(from) = self.block(block) {
            self.set(block, Block::Stored { leaf, from });
        }
    }

    /// A block is to be fetched again.
    pub(crate) fn reset(&mut self, block: u32) {
        self.set(block, Block::Free);
    }

    /// The digests of all blocks, if all are stored.
    pub(crate) fn leaves(&self) -> Option<SmallVec<[Digest; 1]>> {
        let leaf = |block: &Block| match *block {
            Block::Stored { leaf, .. } => Some(leaf),
            _ => None,
        };
        self.blocks.iter().map(leaf).collect()
    }

    /// Who delivered what is stored, each once, in order of their first block.
    pub(crate) fn contributors(&self) -> Vec<PeerId> {
        let mut numbers: Vec<u32> = Vec::new();
        for block in &self.blocks {
            if let Block::Stored { from, .. } = *block
                && !numbers.contains(&from)
            {
                numbers.push(from);
            }
        }
        numbers.into_iter().map(|number| self.senders[number as usize]).collect()
    }

    /// Frees the stored blocks whose digest is not the proven one, and names their senders, each
    /// with the number of bad blocks.
    pub(crate) fn convict(&mut self, proven: &[Digest]) -> Vec<(PeerId, u32)> {
        let mut liars = Liars::default();
        for (block, &truth) in (0..).zip(proven) {
            if let Block::Stored { leaf, from } = self.block(block)
                && leaf != truth
            {
                liars.add(self.senders[from as usize]);
                self.reset(block);
            }
        }
        liars.0
    }

    /// Frees all blocks but remembers them: the truth, once known, will name the liars.
    pub(crate) fn suspect_all(&mut self) {
        for number in 0..self.blocks.len() as u32 {
            if let Block::Stored { leaf, from } = self.block(number) {
                self.suspects.push((number, leaf, from));
                self.reset(number);
            }
        }
        let excess = self.suspects.len().saturating_sub(SUSPECTS_MAX);
        self.suspects.drain(..excess);
    }

    /// The senders of remembered blocks that differ from what has proven right.
    pub(crate) fn liars_among_suspects(&self) -> Vec<(PeerId, u32)> {
        let mut liars = Liars::default();
        for &(block, suspected, from) in &self.suspects {
            if let Block::Stored { leaf, .. } = self.block(block)
                && leaf != suspected
            {
                liars.add(self.senders[from as usize]);
            }
        }
        liars.0
    }

    fn set(&mut self, block: u32, to: Block) {
        let slot = &mut self.blocks[block as usize];
        self.free -= u32::from(*slot == Block::Free);
        self.stored -= u32::from(matches!(slot, Block::Stored { .. }));
        *slot = to;
        self.stored += u32::from(matches!(to, Block::Stored { .. }));
        if to == Block::Free {
            self.free += 1;
            self.first_free = self.first_free.min(block);
        }
    }
}

/// Peers, each with a number of bad blocks, in the order found.
#[derive(Default)]
struct Liars(Vec<(PeerId, u32)>);

impl Liars {
    fn add(&mut self, peer: PeerId) {
        match self.0.iter_mut().find(|(liar, _)| *liar == peer) {
            Some((_, bad)) => *bad += 1,
            None => self.0.push((peer, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: PeerId = PeerId::new([1; 32]);
    const BOB: PeerId = PeerId::new([2; 32]);
    const GOOD: Digest = Digest::new([7; 32]);
    const BAD: Digest = Digest::new([8; 32]);

    fn deliver(partial: &mut Partial, block: u32, sender: PeerId, leaf: Digest) {
        partial.arrive(block, sender);
        partial.store(block, leaf);
    }

    #[test]
    fn a_block_may_be_asked_of_three_and_taken_back() {
        let mut p = Partial::new(2);
        for conn in 1..=3 {
            p.request(0, ConnId(conn));
        }
        let Block::Requested(holders) = p.block(0) else { panic!("{:?}", p.block(0)) };
        assert!(!holders.has_room_for(ConnId(4)));
        assert_eq!(p.free_run(8), Some((1, 1)));
        assert!(p.release(0, ConnId(2)));
        assert!(!p.release(0, ConnId(2)));
        assert!(p.release(0, ConnId(1)) && p.release(0, ConnId(3)));
        assert_eq!(p.free_run(8), Some((0, 2)));
        assert!(p.is_blank());
    }

    #[test]
    fn a_run_of_free_blocks_stops_at_the_first_that_is_not() {
        let mut p = Partial::new(8);
        for block in [0, 4] {
            p.request(block, ConnId(1));
        }
        assert_eq!(p.free_run(64), Some((1, 3)));
        assert_eq!(p.free_run(2), Some((1, 2)));
        assert_eq!(p.free(), 6);
    }

    #[test]
    fn only_the_sender_of_the_bad_block_is_named() {
        let mut p = Partial::new(3);
        deliver(&mut p, 0, ANN, GOOD);
        deliver(&mut p, 1, BOB, BAD);
        deliver(&mut p, 2, ANN, GOOD);
        assert!(p.is_stored());
        assert_eq!(p.contributors(), [ANN, BOB]);
        assert_eq!(p.convict(&[GOOD; 3]), [(BOB, 1)]);
        assert_eq!(p.free_run(8), Some((1, 1)));
    }

    #[test]
    fn without_a_proof_the_liar_is_named_once_the_piece_is_right() {
        let mut p = Partial::new(2);
        deliver(&mut p, 0, ANN, GOOD);
        deliver(&mut p, 1, BOB, BAD);
        p.suspect_all();
        assert_eq!(p.free(), 2);
        assert!(!p.is_blank());
        deliver(&mut p, 0, BOB, GOOD);
        deliver(&mut p, 1, ANN, GOOD);
        assert_eq!(p.liars_among_suspects(), [(BOB, 1)]);
    }
}
