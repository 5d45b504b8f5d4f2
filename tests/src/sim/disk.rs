//! A node's disk: blocks in memory, work that takes time, and faults on demand.
//!
//! A block that holds the true bytes is only marked as such, and its digest is looked up, which is
//! the same as hashing it and takes no time. Whatever else was written is kept and really hashed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use swarm_engine::{DiskError, Time};
use swarm_proto::{
    bitfield::Bitfield,
    digest::hash_blocks,
    geometry::{BlockRun, PieceIndex},
    id::Digest,
};

use super::share::Share;

/// What the disk is like, faults included.
#[derive(Debug, Clone, Copy)]
pub struct DiskSpec {
    /// Mean time of an operation; one may take between half and one and a half of it, so answers
    /// come out of order.
    pub latency: Duration,
    /// Bytes read or written and hashed a second.
    pub rate: u64,
    /// Of a thousand operations so many fail.
    pub failures: u32,
    /// Of a thousand blocks written so many are stored with a bit flipped, and nobody is told.
    pub rot: u32,
}

impl Default for DiskSpec {
    /// A solid-state disk behind one core that hashes.
    fn default() -> Self {
        Self { latency: Duration::from_micros(200), rate: 800_000_000, failures: 0, rot: 0 }
    }
}

/// One node's copy of the share. It outlives the node's process.
#[derive(Debug)]
pub struct Disk {
    share: Arc<Share>,
    spec: DiskSpec,
    rng: ChaCha8Rng,
    blocks: Vec<Vec<Block>>,
    /// Pieces in the resume record.
    recorded: Bitfield,
    /// Pieces that were synced: they outlive a crash, in the record or not.
    synced: Bitfield,
    /// Pieces whose file somebody changed and that have not been read again since.
    doubtful: BTreeSet<PieceIndex>,
    /// Blocks that went bad without notice: the node cannot know.
    rotten: BTreeSet<PieceIndex>,
    full: bool,
    free_at: Time,
}

#[derive(Debug, Clone)]
enum Block {
    Missing,
    True,
    Other(Bytes),
}

impl Disk {
    /// A disk that holds and has recorded these pieces.
    #[must_use]
    pub fn new(share: &Arc<Share>, spec: DiskSpec, rng: ChaCha8Rng, have: Bitfield) -> Self {
        let geometry = share.geometry();
        let blocks = geometry.pieces().map(|piece| {
            let block = if have.has(piece) { Block::True } else { Block::Missing };
            vec![block; geometry.block_count(piece) as usize]
        });
        Self {
            share: Arc::clone(share),
            spec,
            rng,
            blocks: blocks.collect(),
            synced: have.clone(),
            recorded: have,
            doubtful: BTreeSet::new(),
            rotten: BTreeSet::new(),
            full: false,
            free_at: Time::ZERO,
        }
    }

    /// When an operation on so many bytes that is asked for now will be done.
    pub fn schedule(&mut self, now: Time, bytes: u64) -> Time {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.spec.rate.max(1));
        self.free_at = self.free_at.max(now) + Duration::from_nanos(nanos as u64);
        let latency = self.spec.latency.as_nanos() as u64;
        self.free_at + Duration::from_nanos(self.rng.random_range(latency / 2..=latency * 3 / 2))
    }

    /// Writes blocks and says what they hash to.
    ///
    /// # Errors
    /// If the disk is full or fails; then nothing is written.
    pub fn store(&mut self, run: BlockRun, data: &Bytes) -> Result<Vec<Digest>, DiskError> {
        if self.full {
            return Err(DiskError::NoSpace);
        }
        self.fail()?;
        let share = Arc::clone(&self.share);
        let mut leaves = Vec::with_capacity(run.count() as usize);
        let blocks = share.geometry().parts(run).flat_map(|part| {
            let piece = part.piece();
            part.blocks().map(move |block| (piece, block))
        });
        let mut rest = data.clone();
        for (piece, block) in blocks {
            let bytes = rest.split_to(self.share.block(piece, block).len());
            let stored = if bytes == self.share.block(piece, block) {
                leaves.push(self.share.leaves(piece)[block as usize]);
                Block::True
            } else {
                hash_blocks(&bytes, &mut leaves);
                Block::Other(bytes)
            };
            self.blocks[piece.as_usize()][block as usize] = stored;
            if self.rng.random_range(0..1000) < self.spec.rot {
                self.flip(piece, block);
                self.rotten.insert(piece);
            }
        }
        Ok(leaves)
    }

    /// Reads blocks that are to be uploaded.
    ///
    /// # Errors
    /// If the disk fails, or the file was changed since its piece was last checked.
    pub fn read(&mut self, run: BlockRun) -> Result<Bytes, (PieceIndex, DiskError)> {
        self.fail().map_err(|error| (run.piece(), error))?;
        let parts: Vec<BlockRun> = self.share.geometry().parts(run).collect();
        let mut pieces = parts.iter().map(|part| part.piece());
        if let Some(piece) = pieces.find(|piece| self.doubtful.contains(piece)) {
            return Err((piece, DiskError::Changed));
        }
        let is_true = |part: &BlockRun| {
            let blocks = &self.blocks[part.piece().as_usize()];
            let range = part.first() as usize..(part.first() + part.count()) as usize;
            blocks[range].iter().all(|block| matches!(block, Block::True))
        };
        if parts.iter().all(is_true) {
            return Ok(self.share.read(run));
        }
        let mut bytes = BytesMut::new();
        for part in parts {
            for block in part.blocks() {
                bytes.extend_from_slice(&self.bytes(part.piece(), block));
            }
        }
        Ok(bytes.freeze())
    }

    /// Reads a whole piece as it is now and says what its blocks hash to. Nothing about it is in
    /// doubt after that.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn check(&mut self, piece: PieceIndex) -> Result<Vec<Digest>, DiskError> {
        self.fail()?;
        self.doubtful.remove(&piece);
        let mut leaves = Vec::new();
        for block in 0..self.share.geometry().block_count(piece) {
            hash_blocks(&self.bytes(piece, block), &mut leaves);
        }
        Ok(leaves)
    }

    /// Puts a piece into the resume record.
    pub fn record(&mut self, piece: PieceIndex) {
        self.synced.insert(piece);
        self.recorded.insert(piece);
    }

    /// Takes a piece out of the resume record.
    pub fn forget(&mut self, piece: PieceIndex) {
        self.recorded.remove(piece);
    }

    /// The pieces in the resume record.
    #[must_use]
    pub const fn recorded(&self) -> &Bitfield {
        &self.recorded
    }

    /// Whether every block of a piece is as it should be.
    #[must_use]
    pub fn is_true(&self, piece: PieceIndex) -> bool {
        self.blocks[piece.as_usize()].iter().all(|block| matches!(block, Block::True))
    }

    /// Whether the true bytes of a block are there.
    #[must_use]
    pub fn has_block(&self, piece: PieceIndex, block: u32) -> bool {
        matches!(self.blocks[piece.as_usize()][block as usize], Block::True)
    }

    /// Whether the node cannot know that a piece is bad: somebody changed it behind its back and it
    /// has not looked since, or a bit flipped.
    #[must_use]
    pub fn excused(&self, piece: PieceIndex) -> bool {
        self.doubtful.contains(&piece) || self.rotten.contains(&piece)
    }

    /// From now on there is no space for a write, or there is again.
    pub const fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// From now on of a thousand operations so many fail.
    pub const fn set_failures(&mut self, failures: u32) {
        self.spec.failures = failures;
    }

    /// Somebody else writes something into a piece. The whole file is in doubt.
    pub fn change(&mut self, piece: PieceIndex) {
        self.flip(piece, 0);
        let geometry = self.share.geometry();
        self.doubtful.extend(geometry.file_pieces(geometry.span(piece).file));
    }

    /// The process dies: what was not synced is not to be relied on, so it is gone.
    pub fn crash(&mut self) {
        for piece in self.share.geometry().pieces().filter(|&piece| !self.synced.has(piece)) {
            self.blocks[piece.as_usize()].fill(Block::Missing);
        }
        self.free_at = Time::ZERO;
    }

    /// Reads everything and records what verifies, as a seeder's shell does when it starts.
    pub fn verify(&mut self) {
        self.doubtful.clear();
        for piece in self.share.geometry().pieces() {
            if self.is_true(piece) {
                self.recorded.insert(piece);
            } else {
                self.recorded.remove(piece);
            }
        }
    }

    fn flip(&mut self, piece: PieceIndex, block: u32) {
        let mut bytes = self.bytes(piece, block).to_vec();
        bytes[0] ^= 1;
        self.blocks[piece.as_usize()][block as usize] = Block::Other(bytes.into());
    }

    /// The bytes of a block; zeros where nothing was written, as in a sparse file.
    fn bytes(&self, piece: PieceIndex, block: u32) -> Bytes {
        let truth = self.share.block(piece, block);
        match &self.blocks[piece.as_usize()][block as usize] {
            Block::Missing => vec![0; truth.len()].into(),
            Block::True => Bytes::copy_from_slice(truth),
            Block::Other(bytes) => bytes.clone(),
        }
    }

    fn fail(&mut self) -> Result<(), DiskError> {
        if self.rng.random_range(0..1000) < self.spec.failures {
            return Err(DiskError::Failed("the disk of the simulator failed".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn disk(spec: DiskSpec, complete: bool) -> (Arc<Share>, Disk) {
        let share = Arc::new(Share::random(3, 32 * 1024, &[100_000]));
        let pieces = share.geometry().piece_count();
        let have = if complete { Bitfield::full(pieces) } else { Bitfield::empty(pieces) };
        let disk = Disk::new(&share, spec, ChaCha8Rng::seed_from_u64(1), have);
        (share, disk)
    }

    fn run(share: &Share, piece: u32) -> BlockRun {
        let geometry = share.geometry();
        let piece = geometry.piece(piece).unwrap();
        geometry.run(piece, 0, geometry.block_count(piece)).unwrap()
    }

    #[test]
    fn what_is_stored_is_read_and_hashed() {
        let (share, mut disk) = disk(DiskSpec::default(), false);
        for number in 0..share.geometry().piece_count() {
            let run = run(&share, number);
            let leaves = disk.store(run, &share.read(run)).unwrap();
            assert_eq!(leaves, share.leaves(run.piece()));
            assert_eq!(disk.read(run), Ok(share.read(run)));
            assert!(disk.is_true(run.piece()));
            assert_eq!(disk.check(run.piece()).unwrap(), leaves);
        }
        let run = run(&share, 1);
        let wrong = Bytes::from(vec![7; share.read(run).len()]);
        let leaves = disk.store(run, &wrong).unwrap();
        assert_ne!(leaves, share.leaves(run.piece()));
        assert_eq!(disk.read(run), Ok(wrong));
        assert!(!disk.is_true(run.piece()));
    }

    #[test]
    fn a_crash_keeps_only_what_is_recorded() {
        let (share, mut disk) = disk(DiskSpec::default(), false);
        for number in [0, 2] {
            let run = run(&share, number);
            disk.store(run, &share.read(run)).unwrap();
        }
        disk.record(run(&share, 2).piece());
        disk.crash();
        assert!(!disk.is_true(run(&share, 0).piece()));
        assert!(disk.is_true(run(&share, 2).piece()));
        assert_eq!(disk.recorded().iter().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_full_disk_writes_nothing_and_reads_on() {
        let (share, mut disk) = disk(DiskSpec::default(), true);
        disk.set_full(true);
        let run = run(&share, 0);
        assert_eq!(disk.store(run, &share.read(run)), Err(DiskError::NoSpace));
        assert_eq!(disk.read(run), Ok(share.read(run)));
    }

    #[test]
    fn a_change_puts_the_whole_file_in_doubt_until_it_is_checked() {
        let (share, mut disk) = disk(DiskSpec::default(), true);
        disk.change(run(&share, 0).piece());
        for number in [0, 3] {
            let run = run(&share, number);
            assert_eq!(disk.read(run), Err((run.piece(), DiskError::Changed)));
        }
        let (changed, same) = (run(&share, 0).piece(), run(&share, 3).piece());
        assert!(!share.manifest().verifies(changed, &disk.check(changed).unwrap()));
        assert!(share.manifest().verifies(same, &disk.check(same).unwrap()));
        assert_eq!(disk.read(run(&share, 3)), Ok(share.read(run(&share, 3))));
    }

    #[test]
    fn work_queues_up_at_the_rate_of_the_disk() {
        let spec = DiskSpec { latency: Duration::ZERO, rate: 1_000_000, ..DiskSpec::default() };
        let (_, mut disk) = disk(spec, false);
        let at = |ms| Time::ZERO + Duration::from_millis(ms);
        assert_eq!(disk.schedule(at(0), 100_000), at(100));
        assert_eq!(disk.schedule(at(50), 100_000), at(200));
        assert_eq!(disk.schedule(at(900), 100_000), at(1000));
    }
}
