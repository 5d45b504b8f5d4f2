//! The files of one share: where each one is now, and reading and writing blocks of it.
//!
//! ```text
//!   Part ──(every piece verified and synced)──> Final ──(changed by somebody)──> Final, in doubt
//!                                                 ^──(read again and verified)──┘
//! ```
//! A part file is ours alone. A final file is the user's: it is never written to, and what is read
//! from it counts only as long as the file is the one that was verified.

mod reading;

use std::{
    collections::{BTreeSet, HashSet},
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::io::Errno;
use swarm_engine::DiskError;
use swarm_net::Buffers;
use swarm_proto::{
    geometry::{BlockRun, FileIndex, PieceIndex},
    manifest::Manifest,
};

use super::pool::DiskPool;
use super::{
    fd_cache::{FdCache, ShareKey},
    resume::Kept,
    tree::Tree,
    work_folder::WorkFolder,
};
use crate::{
    stamp::{Identity, Stamp},
    walk::{below, names_below, open_file},
};

/// Where one file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the working folder, as this file and no other; or nowhere yet.
    Part(Option<Identity>),
    /// Whole, under its final name, as it was when it was verified or last seen to have changed.
    Final(Stamp),
}

/// Where a share is.
#[derive(Debug)]
pub(crate) enum Home {
    /// In this output folder, while it is not whole also in a working folder.
    Download {
        /// The output folder.
        tree: Tree,
        /// The working folder.
        work: WorkFolder,
    },
    /// Where the user has it.
    Seed(PathBuf),
}

/// Files that may be written to at the same time, more than there are threads for one share. Two
/// writers of one file wait for each other in the kernel, which lets the second one spin: a sixth of
/// the CPU time of a fast download to a disk.
const TURNS: usize = 16;

/// The files of one share. Shared by all disk threads.
#[derive(Debug)]
pub(crate) struct Files {
    manifest: Arc<Manifest>,
    home: Home,
    cache: Arc<FdCache>,
    buffers: Buffers,
    /// Peers are sent blocks from the files themselves where that is of use.
    sends_from_files: bool,
    key: ShareKey,
    /// Held for a look.
    places: Mutex<Places>,
    /// Held while a file gets its final name: who finds a part gone waits for this and looks again.
    moving: Mutex<()>,
    /// Pieces written to since their file was last synced. Held for a look.
    unsynced: Mutex<BTreeSet<PieceIndex>>,
    /// Somebody removed the working folder. Files that are open could still be written to, and
    /// nobody would ever see it.
    orphaned: AtomicBool,
    /// Held while a file is written to; one of these for each file.
    turns: [Mutex<()>; TURNS],
}

#[derive(Debug)]
struct Places {
    /// One a file.
    files: Vec<Place>,
    /// Pieces of final files that have changed: to be verified again before they are read.
    doubted: HashSet<PieceIndex>,
}

impl Files {
    /// The files of a share, each in its place. They are opened through the pool.
    pub(crate) fn new(
        manifest: Arc<Manifest>,
        home: Home,
        files: Vec<Place>,
        pool: &DiskPool,
    ) -> Self {
        let (cache, buffers) = (Arc::clone(pool.open_files()), pool.buffers().clone());
        let key = cache.new_share();
        let places = Mutex::new(Places { files, doubted: HashSet::new() });
        Self {
            manifest,
            home,
            cache,
            buffers,
            sends_from_files: pool.sends_from_files(),
            key,
            places,
            moving: Mutex::default(),
            unsynced: Mutex::default(),
            orphaned: AtomicBool::new(false),
            turns: Default::default(),
        }
    }

    /// The manifest of the share.
    pub(crate) const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Where the files belong.
    pub(crate) const fn home(&self) -> &Home {
        &self.home
    }

    /// Writes blocks to their part file.
    pub(crate) fn write(&self, run: BlockRun, data: &[u8]) -> Result<(), DiskError> {
        let geometry = self.manifest.geometry();
        let span = geometry.span(run.piece());
        debug_assert_eq!(data.len(), geometry.run_len(run) as usize, "the engine has checked it");
        let part = self.part_for_writing(span.file, data.len() as u64)?;
        // Noted before, for a sync that fails while we write, and after, for the next one.
        self.note_unsynced(run.piece());
        let turn = self.turns[span.file.as_usize() % TURNS].lock();
        let written = part.write_all_at(data, span.offset + u64::from(run.offset()));
        if written.is_err() && data.len() as u64 == geometry.file_len(span.file) {
            // It was made empty, to be written at once. Now it is like any other part.
            let _ = part.set_len(data.len() as u64);
        }
        drop(turn);
        written.map_err(|error| self.disk_error("write to", span.file, &error))?;
        self.note_unsynced(run.piece());
        Ok(())
    }

    /// What a download remembers of its files.
    pub(crate) fn kept(&self) -> Vec<(FileIndex, Kept)> {
        let geometry = self.manifest.geometry();
        let places = self.places();
        let kept = geometry.files().zip(&places.files).filter_map(|(file, place)| match place {
            Place::Part(known) => known.map(|known| (file, Kept::Part(known))),
            Place::Final(stamp) => {
                // A file that has changed is to be looked at again.
                let mut pieces = geometry.file_pieces(file);
                let doubted = !places.doubted.is_empty()
                    && pieces.any(|piece| places.doubted.contains(&piece));
                (!doubted).then_some((file, Kept::Final(*stamp)))
            }
        });
        kept.collect()
    }

    /// Where a file is now.
    pub(crate) fn place(&self, file: FileIndex) -> Place {
        self.places().files[file.as_usize()]
    }

    /// Has `act` bring files of these numbers to their final places, and remembers them as what was
    /// verified: `act` returns a stamp for each.
    pub(crate) fn settle(
        &self,
        files: Range<u32>,
        act: impl FnOnce() -> io::Result<Vec<Stamp>>,
    ) -> io::Result<()> {
        // Not with the places locked: every thread asks for them all the time.
        let moving = self.moving.lock();
        let stamps = act()?;
        debug_assert_eq!(stamps.len(), files.len(), "one a file");
        let now = stamps.into_iter().map(Place::Final);
        self.places().files.splice(files.start as usize..files.end as usize, now);
        drop(moving);
        // They were open for writing.
        self.cache.remove_files(self.key, &files);
        Ok(())
    }

    /// The working folder is gone: nothing is written any more.
    pub(crate) fn orphan(&self) {
        self.orphaned.store(true, Ordering::Relaxed);
    }

    fn note_unsynced(&self, piece: PieceIndex) {
        self.unsynced().insert(piece);
    }

    /// Takes the pieces written since the last sync: of one file, or of all.
    pub(crate) fn take_unsynced(&self, file: Option<FileIndex>) -> BTreeSet<PieceIndex> {
        let mut unsynced = self.unsynced();
        let Some(file) = file else { return std::mem::take(&mut *unsynced) };
        let mut pieces = self.manifest.geometry().file_pieces(file);
        let (Some(first), last) = (pieces.next(), pieces.next_back()) else {
            return BTreeSet::new();
        };
        unsynced.extract_if(first..=last.unwrap_or(first), |_| true).collect()
    }

    /// Syncs one file's data.
    pub(crate) fn sync(&self, file: FileIndex) -> io::Result<()> {
        self.open(file, true)?.0.sync_data()
    }

    /// Has the system forget what it holds of a file in memory and has no more intention to write.
    /// After a failed sync that may be all there is of it.
    pub(crate) fn drop_cached(&self, file: FileIndex) {
        #[cfg(target_os = "linux")]
        if let Ok((open, _)) = self.open(file, true) {
            let dropped = rustix::fs::fadvise(&open, 0, None, rustix::fs::Advice::DontNeed);
            tracing::debug!(file = file.get(), ?dropped, "dropped what was in memory");
        }
        // Elsewhere it cannot be asked to.
        #[cfg(not(target_os = "linux"))]
        let _ = file;
    }

    /// Closes what is open.
    pub(crate) fn close(&self) {
        self.cache.remove_share(self.key);
    }

    /// The path of a file below the output folder: the share's name first.
    pub(crate) fn path(&self, file: FileIndex) -> Vec<&str> {
        path_in_output(&self.manifest, &self.manifest.file(file).path)
    }

    /// What became of something we did to a file, in the engine's words.
    pub(crate) fn disk_error(&self, action: &str, file: FileIndex, error: &io::Error) -> DiskError {
        let gone = matches!(
            error.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::StaleNetworkFileHandle
        );
        if gone && action == "read" {
            return DiskError::Changed;
        }
        disk_error(&format!("{action} {}", self.path(file).join("/")), error)
    }

    /// The part of a file, to write so many bytes to.
    fn part_for_writing(&self, file: FileIndex, writes: u64) -> Result<Arc<File>, DiskError> {
        let theirs = |path: PathBuf| {
            let path = path.display();
            DiskError::Failed(format!("{path} has changed; what is yours is not written to"))
        };
        let (work, known) = match (&self.home, self.place(file)) {
            (Home::Download { work, .. }, _) if self.orphaned.load(Ordering::Relaxed) => {
                let path = work.path().display();
                return Err(DiskError::Failed(format!("{path} was removed by another program")));
            }
            (Home::Download { work, .. }, Place::Part(known)) => (work, known),
            (Home::Download { .. }, Place::Final(_)) => {
                return Err(theirs(self.path(file).iter().collect()));
            }
            (Home::Seed(root), _) => {
                return Err(theirs(below(root, &self.manifest.file(file).path)));
            }
        };
        let len = self.manifest.geometry().file_len(file);
        let whole = writes == len;
        // Also what is written to only once: an inode that is open does not leave memory before it is
        // synced, and takes no error of its writing along.
        if let Some(open) = self.cache.get(self.key, file) {
            return Ok(open);
        }
        let executable = self.manifest.file(file).executable;
        let part = match known {
            None => {
                self.retry(|| work.parts().make(file, len, executable, whole)).map(|(part, now)| {
                    self.places().files[file.as_usize()] = Place::Part(Some(now));
                    part
                })
            }
            Some(known) => {
                // What was cut off would be a hole. What is written whole has nothing to lose.
                let held = (!whole).then_some(len);
                self.retry(|| work.parts().reopen(file, known, held))
            }
        };
        match part {
            Ok(part) => Ok(self.opened(file, part, true)),
            // One made anew would have a hole for every piece that the old one held.
            Err(error) if known.is_some() && error.kind() == io::ErrorKind::NotFound => {
                let path = self.path(file).join("/");
                let why = "was removed by another program while it was downloaded";
                Err(DiskError::Failed(format!("{path} {why}")))
            }
            Err(error) => Err(self.disk_error("write to", file, &error)),
        }
    }

    /// The file, open for reading, and where it is. It is kept open for the next time, if there is to be one.
    fn open(&self, file: FileIndex, keep: bool) -> io::Result<(Arc<File>, Place)> {
        let mut place = self.place(file);
        if let Some(open) = keep.then(|| self.cache.get(self.key, file)).flatten() {
            return Ok((open, place));
        }
        let mut opened = self.retry(|| self.open_at(&place, file));
        let moved = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if matches!(place, Place::Part(_)) && opened.as_ref().is_err_and(moved) {
            // It may have got its final name between the two steps, or be about to. It does so only once.
            drop(self.moving.lock());
            place = self.place(file);
            opened = self.retry(|| self.open_at(&place, file));
        }
        Ok((self.opened(file, opened?, keep), place))
    }

    fn open_at(&self, place: &Place, file: FileIndex) -> io::Result<File> {
        match (&self.home, place) {
            (Home::Seed(root), _) => open_file(below(root, &self.manifest.file(file).path)),
            (Home::Download { work, .. }, Place::Part(None)) => work.parts().open_part(file),
            (Home::Download { work, .. }, Place::Part(Some(known))) => {
                work.parts().reopen(file, *known, None)
            }
            (Home::Download { tree, .. }, Place::Final(_)) => tree.open_file(&self.path(file)),
        }
    }

    fn opened(&self, index: FileIndex, file: File, keep: bool) -> Arc<File> {
        let file = Arc::new(file);
        if keep {
            self.cache.put(self.key, index, &file);
        }
        file
    }

    /// Opens something; if descriptors have run out, once more without those that we can spare.
    fn retry<T>(&self, open: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let opened = open();
        match opened.as_ref().err().and_then(Errno::from_io_error) {
            Some(Errno::MFILE | Errno::NFILE) => {
                self.cache.clear();
                open()
            }
            _ => opened,
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // A thread that panicked with the lock held has left at worst a file in its old place.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsynced(&self) -> MutexGuard<'_, BTreeSet<PieceIndex>> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path below the output folder of something in a share: the share's name first.
pub(crate) fn path_in_output<'a>(manifest: &'a Manifest, path: &'a [String]) -> Vec<&'a str> {
    names_below(&manifest.info().name, path)
}

/// Why the system refused something, in the engine's words.
pub(crate) fn disk_error(action: &str, error: &io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::NoSpace,
        _ => DiskError::Failed(format!("cannot {action}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let error = |errno: Errno| disk_error("write to a", &errno.into());
        assert_eq!(error(Errno::NOSPC), DiskError::NoSpace);
        assert_eq!(error(Errno::DQUOT), DiskError::NoSpace);
        let DiskError::Failed(message) = error(Errno::IO) else { panic!() };
        assert!(message.starts_with("cannot write to a: "), "{message}");
    }
}
