//! The folder that a download appears in, opened so that nothing outside of it is ever touched.
//!
//! Every step goes through the descriptor of the folder before, without following links: a link
//! that somebody planted in the output leads nowhere.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, linkat, mkdirat, openat, renameat, statat, unlinkat},
    io::Errno,
};

use crate::stamp::Stamp;

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// The umask takes away what the user does not want to give.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o777);

/// The mode to make a file with.
pub(crate) const fn file_mode(executable: bool) -> Mode {
    Mode::from_raw_mode(if executable { 0o777 } else { 0o666 })
}

/// An output folder.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Nothing,
    File(Stamp),
    Folder,
    /// A link, a device, or a file where a folder has to be.
    Other,
}

impl Tree {
    /// Opens the folder. It may be a link itself: the user named it.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        Ok(Self { root: openat(CWD, root, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())? })
    }

    /// The folder itself.
    pub(crate) const fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Opens the folder below the root at `path`, the root itself if that is empty.
    pub(crate) fn folder(&self, path: &[&str]) -> io::Result<OwnedFd> {
        self.descend(path, false)
    }

    /// Makes the folder at `path` and all on the way, as far as they are not there.
    pub(crate) fn make_folder(&self, path: &[&str]) -> io::Result<OwnedFd> {
        self.descend(path, true)
    }

    /// What is at `path`.
    pub(crate) fn look(&self, path: &[&str]) -> io::Result<Seen> {
        match self.open_file(path) {
            Ok(file) => {
                let metadata = file.metadata()?;
                Ok(if metadata.is_file() {
                    Seen::File(Stamp::from(&metadata))
                } else if metadata.is_dir() {
                    Seen::Folder
                } else {
                    Seen::Other
                })
            }
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOENT) => Ok(Seen::Nothing),
                // A link; a file on the way; a socket.
                Some(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => Ok(Seen::Other),
                _ => Err(error),
            },
        }
    }

    /// Opens the file at `path` for reading.
    pub(crate) fn open_file(&self, path: &[&str]) -> io::Result<File> {
        let (name, folder) = split(path)?;
        // NONBLOCK: to open a pipe must not wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(openat(self.folder(folder)?, name, flags, Mode::empty())?.into())
    }

    /// Makes an empty file at `path`, and the folders on the way.
    ///
    /// # Errors
    /// `AlreadyExists` if anything is there.
    pub(crate) fn make_empty_file(&self, path: &[&str], executable: bool) -> io::Result<()> {
        let (name, folder) = split(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(self.make_folder(folder)?, name, flags, file_mode(executable))?;
        Ok(())
    }

    /// Moves the file `name` of folder `from` to `path`, and makes the folders on the way.
    ///
    /// # Errors
    /// `AlreadyExists` if anything is there: nothing is ever replaced.
    pub(crate) fn place(&self, from: impl AsFd, name: &str, path: &[&str]) -> io::Result<()> {
        let (new_name, folder) = split(path)?;
        let folder = self.make_folder(folder)?;
        let (from, to) = (from.as_fd(), folder.as_fd());
        match rename_noreplace(from, name, to, new_name) {
            // This file system cannot. A second name for the file is refused if there is one.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            result => return Ok(result?),
        }
        match linkat(from, name, to, new_name, AtFlags::empty()) {
            Ok(()) => return Ok(unlinkat(from, name, AtFlags::empty())?),
            // Nor can it give a file two names.
            Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::MLINK) => {}
            Err(error) => return Err(error.into()),
        }
        match statat(to, new_name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(renameat(from, name, to, new_name)?),
            Ok(_) => Err(Errno::EXIST.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn descend(&self, path: &[&str], make: bool) -> io::Result<OwnedFd> {
        let mut folder = self.root.try_clone()?;
        for name in path {
            folder = match openat(&folder, *name, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) if make => {
                    match mkdirat(&folder, *name, FOLDER_MODE) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    openat(&folder, *name, FOLDER, Mode::empty())?
                }
                opened => opened?,
            };
        }
        Ok(folder)
    }
}

fn split<'a, 'b>(path: &'a [&'b str]) -> io::Result<(&'b str, &'a [&'b str])> {
    let (name, folder) = path.split_last().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((name, folder))
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_noreplace(
    from: impl AsFd,
    name: &str,
    to: impl AsFd,
    new_name: &str,
) -> rustix::io::Result<()> {
    use rustix::fs::{RenameFlags, renameat_with};
    renameat_with(from, name, to, new_name, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_noreplace(
    _from: impl AsFd,
    _name: &str,
    _to: impl AsFd,
    _new_name: &str,
) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}
