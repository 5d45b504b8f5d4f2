//! Where every byte of a share lies: the only piece, block and byte arithmetic there is.
//!
//! A share is a list of files. Each file is cut into pieces of one length (its last piece may be
//! shorter), and each piece into 16 KiB blocks (its last block may be shorter). A piece never spans
//! two files, as in BitTorrent v2 (BEP 52). Pieces are numbered through all files in order.
//!
//! A [`PieceIndex`], [`FileIndex`] or [`BlockRun`] can only be had from the [`Geometry`] that
//! checked it, so code that holds one needs no bounds check.

use std::ops::Range;

/// Bytes in a block: the unit of the hash tree and of requests (BEP 52).
pub const BLOCK_LEN: u32 = 16 * 1024;
/// The longest piece that a manifest may name.
pub const PIECE_LEN_MAX: u32 = 16 * 1024 * 1024;
/// The most pieces that a manifest may name: 32 MiB of digests for each million.
pub const PIECES_MAX: u32 = 1 << 22;
/// The most files that a manifest may name.
pub const FILES_MAX: u32 = 1 << 20;
/// The longest run of blocks in one request: 1 MiB.
pub const RUN_BLOCKS_MAX: u32 = 64;

/// The number of a piece that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// The number as it goes over the wire.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as an index into a slice with an entry for each piece.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// The number of a file that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIndex(u32);

impl FileIndex {
    /// The number in manifest order.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number as an index into a slice with an entry for each file.
    #[must_use]
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// A run of adjacent blocks: what one request asks for. At least one block, at most [`RUN_BLOCKS_MAX`].
///
/// Mostly they are of one piece. A long run goes on into the pieces that follow, which may be other files:
/// [`Geometry::parts`] takes it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRun {
    piece: PieceIndex,
    first: u32,
    count: u32,
}

impl BlockRun {
    /// The piece that the blocks, or the first of them, belong to.
    #[must_use]
    pub const fn piece(self) -> PieceIndex {
        self.piece
    }

    /// Number of the first block within its piece.
    #[must_use]
    pub const fn first(self) -> u32 {
        self.first
    }

    /// How many blocks.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Block numbers within the piece, if they are all of one.
    #[must_use]
    pub const fn blocks(self) -> Range<u32> {
        self.first..self.first + self.count
    }

    /// Byte offset of the run within its piece.
    #[must_use]
    pub const fn offset(self) -> u32 {
        self.first * BLOCK_LEN
    }
}

/// Where a piece lies: never in more than one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The file that holds the piece.
    pub file: FileIndex,
    /// Byte offset of the piece within the file.
    pub offset: u64,
    /// Length of the piece in bytes.
    pub len: u32,
}

/// The lengths do not make a share that this program carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GeometryError {
    /// Not a power of two of at least one block, or longer than [`PIECE_LEN_MAX`].
    #[error("piece length {0} is not a power of two between 16 KiB and 16 MiB")]
    PieceLength(u32),
    /// More pieces than [`PIECES_MAX`].
    #[error("more than {PIECES_MAX} pieces; use a longer piece length")]
    TooManyPieces,
    /// More files than [`FILES_MAX`].
    #[error("more than {FILES_MAX} files")]
    TooManyFiles,
    /// The lengths add up to more than 2^63 bytes.
    #[error("the files are longer than 2^63 bytes together")]
    TooLong,
}

/// The layout of a share. At most 20 bytes a file; nothing is kept per piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    piece_len: u32,
    pieces: u32,
    bytes: u64,
    files: Box<[File]>,
    guide: Guide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct File {
    len: u64,
    /// Number of the file's first piece; an empty file has the number of the next piece.
    first: u32,
}

impl Geometry {
    /// Lays out files of these lengths, in order.
    ///
    /// # Errors
    /// If a limit of this module is passed.
    pub fn new(
        piece_len: u32,
        lengths: impl IntoIterator<Item = u64>,
    ) -> Result<Self, GeometryError> {
        if !piece_len.is_power_of_two() || !(BLOCK_LEN..=PIECE_LEN_MAX).contains(&piece_len) {
            return Err(GeometryError::PieceLength(piece_len));
        }
        let (mut first, mut bytes, mut files) = (0_u32, 0_u64, Vec::new());
        for len in lengths {
            if files.len() >= FILES_MAX as usize {
                return Err(GeometryError::TooManyFiles);
            }
            files.push(File { len, first });
            bytes = bytes.checked_add(len).ok_or(GeometryError::TooLong)?;
            first = u32::try_from(len.div_ceil(u64::from(piece_len)))
                .ok()
                .and_then(|pieces| first.checked_add(pieces))
                .filter(|&pieces| pieces <= PIECES_MAX)
                .ok_or(GeometryError::TooManyPieces)?;
        }
        if bytes > i64::MAX as u64 {
            return Err(GeometryError::TooLong);
        }
        let guide = Guide::new(&files, first);
        Ok(Self { piece_len, pieces: first, bytes, files: files.into(), guide })
    }

    /// Bytes in every piece but the last of each file.
    #[must_use]
    pub const fn piece_length(&self) -> u32 {
        self.piece_len
    }

    /// How many pieces there are.
    #[must_use]
    pub const fn piece_count(&self) -> u32 {
        self.pieces
    }

    /// How many files there are.
    #[must_use]
    pub fn file_count(&self) -> u32 {
        // `new` has capped the number.
        self.files.len() as u32
    }

    /// Bytes in all files.
    #[must_use]
    pub const fn total_bytes(&self) -> u64 {
        self.bytes
    }

    /// The piece of this number, if there is one.
    #[must_use]
    pub const fn piece(&self, number: u32) -> Option<PieceIndex> {
        if number < self.pieces { Some(PieceIndex(number)) } else { None }
    }

    /// The file of this number, if there is one.
    #[must_use]
    pub fn file(&self, number: u32) -> Option<FileIndex> {
        (number < self.file_count()).then_some(FileIndex(number))
    }

    /// All pieces in order.
    pub fn pieces(
        &self,
    ) -> impl DoubleEndedIterator<Item = PieceIndex> + ExactSizeIterator + use<> {
        (0..self.pieces).map(PieceIndex)
    }

    /// All files in order.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = FileIndex> + ExactSizeIterator + use<> {
        (0..self.file_count()).map(FileIndex)
    }

    /// Bytes in a file.
    #[must_use]
    pub fn file_len(&self, file: FileIndex) -> u64 {
        self.files[file.as_usize()].len
    }

    /// The pieces of a file, in order; none for an empty file.
    pub fn file_pieces(
        &self,
        file: FileIndex,
    ) -> impl DoubleEndedIterator<Item = PieceIndex> + ExactSizeIterator + use<> {
        let next = self.files.get(file.as_usize() + 1).map_or(self.pieces, |next| next.first);
        (self.files[file.as_usize()].first..next).map(PieceIndex)
    }

    /// Where a piece lies.
    #[must_use]
    pub fn span(&self, piece: PieceIndex) -> Span {
        let near = self.guide.near(piece);
        // Of several files that start at this number all but the last are empty.
        let file = near.start + self.files[near].partition_point(|file| file.first <= piece.0) - 1;
        let offset = u64::from(piece.0 - self.files[file].first) * u64::from(self.piece_len);
        let len = (self.files[file].len - offset).min(u64::from(self.piece_len)) as u32;
        Span { file: FileIndex(file as u32), offset, len }
    }

    /// Bytes in a piece: at least 1.
    #[must_use]
    pub fn piece_len(&self, piece: PieceIndex) -> u32 {
        self.span(piece).len
    }

    /// Blocks in a piece: at least 1.
    #[must_use]
    pub fn block_count(&self, piece: PieceIndex) -> u32 {
        self.piece_len(piece).div_ceil(BLOCK_LEN)
    }

    /// Whether a piece is all of its file.
    #[must_use]
    pub fn is_file(&self, piece: PieceIndex) -> bool {
        let span = self.span(piece);
        self.file_len(span.file) == u64::from(span.len)
    }

    /// How many leaves the tree under a piece's digest has, padding among them: the full piece's
    /// width in a file of several pieces, else the next power of two of its blocks (BEP 52).
    #[must_use]
    pub fn tree_width(&self, piece: PieceIndex) -> u32 {
        let span = self.span(piece);
        if self.file_len(span.file) > u64::from(self.piece_len) {
            self.piece_len / BLOCK_LEN
        } else {
            span.len.div_ceil(BLOCK_LEN).next_power_of_two()
        }
    }

    /// The run of `count` blocks from block `first` of a piece, if it is one: not empty, not longer
    /// than [`RUN_BLOCKS_MAX`], inside the piece.
    #[must_use]
    pub fn run(&self, piece: PieceIndex, first: u32, count: u32) -> Option<BlockRun> {
        let end = first.checked_add(count)?;
        ((1..=RUN_BLOCKS_MAX).contains(&count) && end <= self.block_count(piece))
            .then_some(BlockRun { piece, first, count })
    }

    /// The run of `count` blocks from block `first` of a piece, which may go on into the pieces that
    /// follow, if it is one: not empty, not longer than [`RUN_BLOCKS_MAX`], inside the share.
    #[must_use]
    pub fn long_run(&self, piece: PieceIndex, first: u32, count: u32) -> Option<BlockRun> {
        if !(1..=RUN_BLOCKS_MAX).contains(&count) || first >= self.block_count(piece) {
            return None;
        }
        let run = BlockRun { piece, first, count };
        let blocks: u32 = self.parts(run).map(BlockRun::count).sum();
        (blocks == count).then_some(run)
    }

    /// The run of so many bytes from block `first` of a piece, which may go on into the pieces that follow, if
    /// it is one: as [`Geometry::long_run`], and it ends with a block.
    #[must_use]
    pub fn run_of_len(&self, piece: PieceIndex, first: u32, len: usize) -> Option<BlockRun> {
        let mut left = u32::try_from(len).ok().filter(|&len| len > 0)?;
        let (mut skipped, mut count) = (first.checked_mul(BLOCK_LEN)?, 0);
        for (_, span) in self.spans_from(piece) {
            let here = span.len.checked_sub(skipped)?;
            let taken = left.min(here);
            if taken < here && taken % BLOCK_LEN != 0 {
                return None;
            }
            count += taken.div_ceil(BLOCK_LEN);
            left -= taken;
            if left == 0 || count > RUN_BLOCKS_MAX {
                break;
            }
            skipped = 0;
        }
        // What is left lies beyond the share.
        (left == 0).then(|| self.long_run(piece, first, count)).flatten()
    }

    /// Whether a run goes on into the pieces that follow.
    #[must_use]
    pub fn is_long(&self, run: BlockRun) -> bool {
        run.first + run.count > self.block_count(run.piece)
    }

    /// The parts of a run, each of one piece, in order.
    pub fn parts(&self, run: BlockRun) -> impl Iterator<Item = BlockRun> {
        self.parts_with_len(run).map(|(part, _)| part)
    }

    /// The parts of a run and the bytes of each, where `data` is that of all of them.
    pub fn parts_of<'a>(
        &'a self,
        run: BlockRun,
        data: &'a [u8],
    ) -> impl Iterator<Item = (BlockRun, &'a [u8])> {
        self.parts_with_len(run).scan(data, |rest, (part, len)| {
            let (here, after) = rest.split_at_checked(len as usize)?;
            *rest = after;
            Some((part, here))
        })
    }

    /// Bytes in a run.
    #[must_use]
    pub fn run_len(&self, run: BlockRun) -> u32 {
        self.parts_with_len(run).map(|(_, len)| len).sum()
    }

    /// The parts of a run, and how many bytes each has.
    pub fn parts_with_len(&self, run: BlockRun) -> impl Iterator<Item = (BlockRun, u32)> {
        let (mut spans, mut first, mut left) = (self.spans_from(run.piece), run.first, run.count);
        std::iter::from_fn(move || {
            let (piece, span) = if left > 0 { spans.next()? } else { return None };
            let count = left.min(span.len.div_ceil(BLOCK_LEN).saturating_sub(first));
            let part = BlockRun { piece, first, count };
            let end = ((first + count) * BLOCK_LEN).min(span.len);
            (first, left) = (0, left - count);
            Some((part, end.saturating_sub(part.offset())))
        })
    }

    /// A piece and all that follow, and where they lie: mostly without a search for each.
    fn spans_from(&self, piece: PieceIndex) -> impl Iterator<Item = (PieceIndex, Span)> {
        let (mut next, mut last) = (Some(piece), None);
        std::iter::from_fn(move || {
            let piece = next?;
            let span = last.map_or_else(|| self.span(piece), |last| self.span_after(last, piece));
            (next, last) = (self.piece(piece.0 + 1), Some(span));
            Some((piece, span))
        })
    }

    /// Where a piece lies, if the one before it lies there.
    fn span_after(&self, before: Span, piece: PieceIndex) -> Span {
        let (mut file, mut offset) =
            (before.file.as_usize(), before.offset + u64::from(before.len));
        if offset == self.files[file].len {
            (file, offset) = (file + 1, 0);
        }
        // A million empty files may lie between the two.
        if self.files[file].len == 0 {
            return self.span(piece);
        }
        let len = (self.files[file].len - offset).min(u64::from(self.piece_len)) as u32;
        Span { file: FileIndex(file as u32), offset, len }
    }
}

/// Where to look for a piece's file. Every message names a piece, and in a share of many files each
/// search through all of them would miss the cache a dozen times.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Guide {
    /// Pieces are taken 2^shift at a time, which makes no more groups than there are files.
    shift: u32,
    /// For each group, the file of its first piece; and one more, of the last piece.
    files: Box<[u32]>,
}

impl Guide {
    fn new(files: &[File], pieces: u32) -> Self {
        let last = pieces.saturating_sub(1);
        let mut shift = 0;
        while (last >> shift) as usize >= files.len().max(1) {
            shift += 1;
        }
        let firsts = (0..=last >> shift).map(|group| group << shift).chain([last]);
        let mut file = 0;
        let file_of = |piece| {
            while files.get(file as usize + 1).is_some_and(|next| next.first <= piece) {
                file += 1;
            }
            file
        };
        Self { shift, files: firsts.map(file_of).collect() }
    }

    /// The files that may have the piece: the last of these that begins at or before it.
    fn near(&self, piece: PieceIndex) -> Range<usize> {
        let group = (piece.0 >> self.shift) as usize;
        self.files[group] as usize..self.files[group + 1] as usize + 1
    }
}

#[cfg(test)]
mod tests;
