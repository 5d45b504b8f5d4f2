//! The hidden folder of an unfinished download: `.swarm-<start of the id>/` beside what it becomes.
//!
//! ```text
//! lock        held while a process works on the download
//! manifest    so that the download can go on without a tracker
//! resume      which pieces are verified and synced
//! priorities  which files are wanted, if not all alike
//! parts/<n>   file number n of the manifest, of full length, with holes
//! ```

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{
        AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, fsync, mkdirat, openat, renameat,
        statat, unlinkat,
    },
    io::Errno,
};
use swarm_proto::{geometry::FileIndex, id::SwarmId};

use super::tree::{Tree, file_mode};
use crate::{NodeError, stamp::Stamp, walk::WORK_PREFIX};

/// Characters of the id in the folder's name: 80 bits, and the files in it carry the whole id.
const ID_LEN: usize = 16;
/// How often a lock is tried that the process before us just threw away.
const LOCK_TRIES: usize = 10;

/// A working folder, locked. The lock ends with [`WorkFolder::unlock`], or with the process.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
    folder: OwnedFd,
    parts: OwnedFd,
    lock: File,
}

/// Where the working folder of a download into `output` is.
pub(crate) fn work_path(output: &Path, id: SwarmId) -> PathBuf {
    output.join(format!("{WORK_PREFIX}{}", &id.to_string()[..ID_LEN]))
}

impl WorkFolder {
    /// Opens the folder, makes it if need be, and locks it. Also tells whether it is new.
    pub(crate) fn open(tree: &Tree, output: &Path, id: SwarmId) -> Result<(Self, bool), NodeError> {
        let path = work_path(output, id);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::try_open(tree, &path, name) {
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

    fn try_open(tree: &Tree, path: &Path, name: &str) -> io::Result<Option<(Self, bool)>> {
        let new = match mkdirat(tree.root(), name, Mode::from_raw_mode(0o777)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let folder = tree.folder(&[name])?;
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
        match mkdirat(&folder, "parts", Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let parts = tree.folder(&[name, "parts"])?;
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

    /// The folder of the part files.
    pub(crate) const fn parts(&self) -> &OwnedFd {
        &self.parts
    }

    /// The name of a part file in [`Self::parts`].
    pub(crate) fn part_name(file: FileIndex) -> String {
        file.get().to_string()
    }

    /// Opens the part of a file.
    pub(crate) fn open_part(&self, file: FileIndex) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.parts, Self::part_name(file), flags, Mode::empty())?.into())
    }

    /// Opens the part of a file to go on writing to it.
    ///
    /// # Errors
    /// `NotFound` also if it is not the one with this inode any more.
    pub(crate) fn reopen_part(&self, file: FileIndex, inode: u64) -> io::Result<File> {
        let part = self.open_part(file)?;
        if Stamp::from(&fstat(&part)?).inode == inode {
            Ok(part)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Whether there is no part yet.
    pub(crate) fn has_no_parts(&self) -> io::Result<bool> {
        for entry in Dir::read_from(&self.parts)? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens the part of a file of this length, and makes it if need be: with one hole, so that the
    /// disk fills as pieces arrive; or empty, if it is about to be written `whole`. Also tells what
    /// the file is known by.
    pub(crate) fn make_part(
        &self,
        file: FileIndex,
        len: u64,
        executable: bool,
        whole: bool,
    ) -> io::Result<(File, Stamp)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let part = openat(&self.parts, Self::part_name(file), flags, file_mode(executable))?;
        let stamp = Stamp::from(&fstat(&part)?);
        let part = File::from(part);
        if stamp.size != len && !(whole && stamp.size == 0) {
            part.set_len(len)?;
        }
        Ok((part, Stamp { size: len, ..stamp }))
    }

    /// Reads a small file, unless it is longer than `max` bytes. `None` if it is not there.
    pub(crate) fn read(&self, name: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.folder, name, flags, Mode::empty()) {
            Ok(file) => read_capped(&file.into(), max).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces a small file: after a crash it is the old one or the new one, whole.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = format!("{name}.new");
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.folder, &new, flags, file_mode(false))?);
        file.write_all(bytes)?;
        file.sync_all()?;
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

    /// Removes the folder and everything in it.
    pub(crate) fn remove_all(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }

    /// Lets another process have the download.
    pub(crate) fn unlock(&self) {
        if let Err(error) = flock(&self.lock, FlockOperation::Unlock) {
            tracing::debug!(%error, "cannot unlock");
        }
    }
}

/// Reads a file that may have at most `max` bytes.
pub(crate) fn read_capped(file: &File, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}
