//! The hidden folder of an unfinished download: `.swarm-<start of the id>/` beside what it becomes.
//!
//! ```text
//! lock        held while a process works on the download
//! manifest    so that the download can go on without a tracker
//! resume      which pieces are verified and synced
//! priorities  which files are wanted, if not all alike
//! parts/      files that do not have their final names yet, of full length, with holes
//! ```

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{
        AtFlags, FlockOperation, Mode, OFlags, flock, fstat, fsync, openat, renameat, statat,
        unlinkat,
    },
    io::Errno,
    process::geteuid,
};
use swarm_proto::{id::SwarmId, manifest::Manifest};

use super::{
    parts::{Parts, empty, make_folder},
    tree::{Tree, file_mode},
};
use crate::{NodeError, walk::WORK_PREFIX};

/// Characters of the id in the folder's name: 80 bits, and the files in it carry the whole id.
const ID_LEN: usize = 16;
/// How a small file is opened. NONBLOCK: nobody waits for the other end of a pipe in its place.
const SMALL_FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
/// How often a lock is tried that the process before us just threw away.
const LOCK_TRIES: usize = 10;

/// A working folder, locked. The lock ends with [`WorkFolder::unlock`], or with the process.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
    folder: OwnedFd,
    parts: Parts,
    lock: File,
}

/// Where the working folder of a download into `output` is.
pub(crate) fn work_path(output: &Path, id: SwarmId) -> PathBuf {
    output.join(format!("{WORK_PREFIX}{}", &id.to_string()[..ID_LEN]))
}

impl WorkFolder {
    /// Opens the folder for a share, makes it if need be, and locks it. Also tells whether it is new.
    pub(crate) fn open(
        tree: &Tree,
        output: &Path,
        manifest: &Arc<Manifest>,
    ) -> Result<(Self, bool), NodeError> {
        let path = work_path(output, manifest.id());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::try_open(tree, &path, name, manifest) {
                // The lock we took was removed by the process that held it before.
                Ok(None) => {}
                // The folder was removed between two steps.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < LOCK_TRIES => {}
                Ok(Some(opened)) => return Ok(opened),
                Err(error) if Errno::from_io_error(&error) == Some(Errno::WOULDBLOCK) => {
                    return Err(NodeError::Locked { path: path.join("lock") });
                }
                Err(error) => return Err(NodeError::io("use", &path)(error)),
            }
            if tries >= LOCK_TRIES {
                return Err(NodeError::Locked { path: path.join("lock") });
            }
        }
    }

    fn try_open(
        tree: &Tree,
        path: &Path,
        name: &str,
        manifest: &Arc<Manifest>,
    ) -> io::Result<Option<(Self, bool)>> {
        let new = make_folder(tree.root(), name)?;
        let folder = tree.folder(&[name])?;
        if !is_ours(&folder)? {
            // Whoever owns it could put in its place what they like at any time.
            return Err(io::Error::other("it belongs to another user"));
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = File::from(openat(&folder, "lock", flags, file_mode(false))?);
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            // Some network file systems have no locks. To refuse to work there helps nobody.
            Err(error @ (Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK)) => {
                tracing::warn!(path = %path.display(), %error, "downloading without a lock");
            }
            Err(error) => return Err(error.into()),
        }
        let held = fstat(&lock)?;
        match statat(&folder, "lock", AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino) => {}
            Ok(_) | Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let parts = Parts::open(&folder, manifest)?;
        fsync(&folder)?;
        fsync(tree.root())?;
        Ok(Some((Self { path: path.into(), folder, parts, lock }, new)))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder itself.
    pub(crate) const fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    /// The part files.
    pub(crate) const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Reads a small file, unless it is longer than `max` bytes. `None` if it is not there.
    pub(crate) fn read(&self, name: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        match openat(&self.folder, name, OFlags::RDONLY | SMALL_FILE, Mode::empty()) {
            Ok(file) => read_capped(&file.into(), max).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces a small file: after a crash it is the old one or the new one, whole.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = format!("{name}.new");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | SMALL_FILE;
        let mut file = File::from(openat(&self.folder, &new, flags, file_mode(false))?);
        file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| {
            // It may be half of a long one, and the disk full.
            let _ = unlinkat(&self.folder, &new, AtFlags::empty());
        })?;
        renameat(&self.folder, &new, &self.folder, name)?;
        Ok(fsync(&self.folder)?)
    }

    /// Removes a small file.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(fsync(&self.folder)?),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a small file aside that we cannot use, for whoever wants to know why.
    pub(crate) fn set_aside(&self, name: &str) -> io::Result<()> {
        Ok(renameat(&self.folder, name, &self.folder, format!("{name}.bad"))?)
    }

    /// Removes the folder from the tree that it was opened in, and everything in it. It goes by what
    /// is open, and not by the path: the output may have been moved since, and another download may
    /// have begun where it was.
    pub(crate) fn remove_all(&self, tree: &Tree) -> io::Result<()> {
        self.parts.remove_all(&self.folder)?;
        empty(&self.folder)?;
        let name = self.path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(unlinkat(tree.root(), name, AtFlags::REMOVEDIR)?)
    }

    /// Lets another process have the download.
    pub(crate) fn unlock(&self) {
        if let Err(error) = flock(&self.lock, FlockOperation::Unlock) {
            tracing::debug!(%error, "cannot unlock");
        }
    }
}

/// Whether a folder belongs to whom a file that we make in it belongs to. On network file systems that
/// may be somebody else than who we are here.
fn is_ours(folder: &OwnedFd) -> io::Result<bool> {
    let owner = fstat(folder)?.st_uid;
    if owner == geteuid().as_raw() {
        return Ok(true);
    }
    let name = format!("owner.{}", std::process::id());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | SMALL_FILE;
    let ours = fstat(openat(folder, &name, flags, file_mode(false))?)?.st_uid;
    unlinkat(folder, &name, AtFlags::empty())?;
    Ok(owner == ours)
}

/// Reads a file that may have at most `max` bytes.
pub(crate) fn read_capped(file: &File, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}
