//! The files of one share: where each one is now, and reading and writing blocks of it.
//!
//! ```text
//!   Part ──(every piece verified and synced)──> Final ──(changed by somebody)──> Final, in doubt
//!                                                 ^──(read again and verified)──┘
//! ```
//! A part file is ours alone. A final file is the user's: it is never written to, and what is read
//! from it counts only as long as the file is the one that was verified.

mod opening;
mod reading;
mod unsynced;
mod writing;

use std::{
    collections::HashSet,
    io,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use swarm_engine::DiskError;
use swarm_net::Buffers;
use swarm_proto::{
    geometry::{FileIndex, PieceIndex},
    manifest::Manifest,
};

pub(crate) use self::unsynced::SYNCS_MAX;
use self::unsynced::Unsynced;
use super::pool::DiskPool;
use super::{
    fd_cache::{FdCache, ShareKey},
    resume::Kept,
    tree::Tree,
    work_folder::WorkFolder,
};
use crate::{
    stamp::{Identity, Stamp},
    walk::names_below,
};

/// Where one file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the working folder, as this file and no other; or nowhere yet.
    Part(Option<Part>),
    /// Whole, under its final name, as it was when it was verified or last seen to have changed.
    Final(Stamp),
}

/// A part that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Which file it is.
    pub(crate) known: Identity,
    /// When it was last modified, in nanoseconds since 1970, if all of it was written and it was looked
    /// at since.
    pub(crate) whole_ns: Option<i64>,
}

impl From<Identity> for Part {
    fn from(known: Identity) -> Self {
        Self { known, whole_ns: None }
    }
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
    unsynced: Mutex<Unsynced>,
    /// Somebody removed the working folder. Files that are open could still be written to, and
    /// nobody would ever see it.
    orphaned: AtomicBool,
    /// Held while some of a file is written; one of these for each file.
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
        let unsynced = Mutex::new(Unsynced::new(manifest.geometry()));
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
            unsynced,
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

    /// What a download remembers of its files.
    pub(crate) fn kept(&self) -> Vec<(FileIndex, Kept)> {
        let geometry = self.manifest.geometry();
        let places = self.places();
        let kept = geometry.files().zip(&places.files).filter_map(|(file, place)| match place {
            Place::Part(part) => part.map(|part| (file, Kept::Part(part.known))),
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

    /// Those of these files that do not have their final name yet, and their parts, as far as they were
    /// made.
    pub(crate) fn parts(
        &self,
        files: impl IntoIterator<Item = FileIndex>,
    ) -> Vec<(FileIndex, Option<Part>)> {
        let places = self.places();
        let part = |file: FileIndex| match places.files[file.as_usize()] {
            Place::Part(part) => Some((file, part)),
            Place::Final(_) => None,
        };
        files.into_iter().filter_map(part).collect()
    }

    /// Whether any of the files with these numbers has its final name.
    pub(crate) fn any_is_final(&self, files: &Range<u32>) -> bool {
        let files = files.start as usize..files.end as usize;
        self.places().files[files].iter().any(|place| matches!(place, Place::Final(_)))
    }

    /// The part of a file is whole, and was looked at: nobody writes to it meanwhile.
    pub(crate) fn note_whole(&self, file: FileIndex, seen: Stamp) {
        if let Place::Part(Some(part)) = &mut self.places().files[file.as_usize()] {
            part.whole_ns = Some(seen.modified_ns);
        }
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

    /// Syncs one file's data.
    pub(crate) fn sync(&self, file: FileIndex) -> io::Result<()> {
        self.open(file, true, None)?.0.sync_data()
    }

    /// Has the system forget what it holds of a file in memory and has no more intention to write.
    /// After a failed sync that may be all there is of it.
    pub(crate) fn drop_cached(&self, file: FileIndex) {
        #[cfg(target_os = "linux")]
        if let Ok((open, _)) = self.open(file, true, None) {
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
        path_in_output(&self.manifest, self.manifest.file(file).path.as_str())
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

    fn places(&self) -> MutexGuard<'_, Places> {
        // A thread that panicked with the lock held has left at worst a file in its old place.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsynced(&self) -> MutexGuard<'_, Unsynced> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path below the output folder of something in a share: the share's name first.
pub(crate) fn path_in_output<'a>(manifest: &'a Manifest, path: &'a str) -> Vec<&'a str> {
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
    use rustix::io::Errno;

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
