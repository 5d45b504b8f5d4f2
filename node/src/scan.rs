//! Reading and hashing whole files on all cores: what creating, verifying and taking up a download
//! have in common.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use swarm_proto::{
    digest::hash_blocks,
    geometry::{BLOCK_LEN, FileIndex, Geometry, PieceIndex, Span},
    id::Digest,
    tree,
};

/// Bytes that a thread reads at once: as many blocks as are hashed side by side, and short enough to
/// be still in the core's own cache when they are. The system reads ahead of it.
const READ_LEN: u32 = 32 * BLOCK_LEN;
/// What a thread takes from the list at a time: enough that the threads seldom meet, little enough
/// that none is left alone with a long rest.
const TAKE_BYTES: u64 = 4 << 20;
const TAKE_PIECES: usize = 64;
/// More threads than this gain nothing on any disk that we know of. Each has one file open.
const THREADS_MAX: usize = 32;

/// Progress of reading and hashing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, once known.
    pub total: u64,
}

/// Opens a file of a share for reading. Called by several threads at a time.
pub(crate) type Open<'a> = &'a (dyn Fn(FileIndex) -> io::Result<File> + Sync);

/// Reads and hashes every piece of `files`, on all cores. Calls `visit` on this thread with the
/// digest of each piece, in no particular order; it returns false to stop. Returns whether it went
/// to the end.
///
/// Holds 512 KiB and one open file a thread, however long the files are.
pub(crate) fn scan(
    geometry: &Geometry,
    files: &[FileIndex],
    open: Open<'_>,
    visit: &mut dyn FnMut(PieceIndex, io::Result<Digest>) -> bool,
) -> bool {
    let pieces = Mutex::new(files.iter().flat_map(|&file| geometry.file_pieces(file)));
    let stop = AtomicBool::new(false);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    // A few results each: a slow visitor holds the threads back, and memory is bounded.
    let (results, visited) = mpsc::sync_channel(2 * threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (results, pieces, stop) = (results.clone(), &pieces, &stop);
            scope.spawn(move || {
                let mut reader = Reader::new(geometry, open);
                loop {
                    let batch = {
                        let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
                        take(geometry, &mut *pieces)
                    };
                    let mut digests = Vec::with_capacity(batch.len());
                    for piece in batch {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        digests.push((piece, reader.digest(piece)));
                    }
                    // Nothing was left to take, or the visitor has gone.
                    if digests.is_empty() || results.send(digests).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        for (piece, digest) in visited.into_iter().flatten() {
            if !visit(piece, digest) {
                stop.store(true, Ordering::Relaxed);
                return false;
            }
        }
        true
    })
}

fn take(geometry: &Geometry, pieces: &mut impl Iterator<Item = PieceIndex>) -> Vec<PieceIndex> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while bytes < TAKE_BYTES && batch.len() < TAKE_PIECES {
        let Some(piece) = pieces.next() else { break };
        bytes += u64::from(geometry.piece_len(piece));
        batch.push(piece);
    }
    batch
}

/// One thread's open file and buffers.
struct Reader<'a> {
    geometry: &'a Geometry,
    open: Open<'a>,
    file: Option<(FileIndex, File)>,
    buffer: Vec<u8>,
    leaves: Vec<Digest>,
}

impl<'a> Reader<'a> {
    fn new(geometry: &'a Geometry, open: Open<'a>) -> Self {
        Self { geometry, open, file: None, buffer: Vec::new(), leaves: Vec::new() }
    }

    fn digest(&mut self, piece: PieceIndex) -> io::Result<Digest> {
        let span = self.geometry.span(piece);
        let file = match self.file.take() {
            Some((index, file)) if index == span.file => file,
            _ => (self.open)(span.file)?,
        };
        self.leaves.clear();
        hash_span(&file, span, &mut self.buffer, &mut self.leaves)?;
        self.file = Some((span.file, file));
        Ok(tree::root(&self.leaves, self.geometry.tree_width(piece)))
    }
}

/// Reads a piece of an open file and appends the digests of its blocks. Grows `buffer` to 512 KiB at
/// most.
pub(crate) fn hash_span(
    file: &File,
    span: Span,
    buffer: &mut Vec<u8>,
    leaves: &mut Vec<Digest>,
) -> io::Result<()> {
    buffer.resize(buffer.len().max(span.len.min(READ_LEN) as usize), 0);
    let mut done = 0;
    while done < span.len {
        let part = &mut buffer[..(span.len - done).min(READ_LEN) as usize];
        file.read_exact_at(part, span.offset + u64::from(done))?;
        hash_blocks(part, leaves);
        done += part.len() as u32;
    }
    Ok(())
}
