//! The folder that a download appears in, opened so that nothing outside of it is ever touched.
//!
//! Every step goes through the descriptor of the folder before, without following links: a link
//! that somebody planted in the output leads nowhere.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, Stat, linkat, mkdirat, openat, renameat, statat,
        unlinkat,
    },
    io::Errno,
};

use crate::{stamp::Stamp, walk::open_file_at};

/// How a folder is opened: itself, and not what a link leads to.
pub(crate) const FOLDER: OFlags =
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
        open_file_at(self.folder(folder)?, name, OFlags::NOFOLLOW)
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

/// Puts files into their final places one after the other. The folder that one has gone into stays
/// open for the next, which is most often its neighbour.
#[derive(Debug)]
pub(crate) struct Placer<'a> {
    tree: &'a Tree,
    folder: Option<OwnedFd>,
    /// The path of `folder`.
    path: Vec<&'a str>,
    touched: BTreeSet<Vec<&'a str>>,
}

impl<'a> Placer<'a> {
    /// For this tree.
    pub(crate) const fn new(tree: &'a Tree) -> Self {
        Self { tree, folder: None, path: Vec::new(), touched: BTreeSet::new() }
    }

    /// Moves the file `name` of folder `from` to `path`, and makes the folders on the way.
    ///
    /// # Errors
    /// `AlreadyExists` if anything is there: nothing is ever replaced.
    pub(crate) fn place(
        &mut self,
        from: impl AsFd,
        name: &str,
        path: &[&'a str],
    ) -> io::Result<()> {
        let (new_name, folder) = split(path)?;
        let to = self.enter(folder)?;
        move_to(from.as_fd(), name, to.as_fd(), new_name)
    }

    /// Moves the folder `name` of folder `from`, and what is in it, to `path`, and makes the folders on the
    /// way.
    ///
    /// # Errors
    /// `AlreadyExists` if anything is there.
    pub(crate) fn place_folder(
        &mut self,
        from: impl AsFd,
        name: &str,
        path: &[&'a str],
    ) -> io::Result<()> {
        self.place(from, name, path)?;
        self.touched.insert(path.to_vec());
        Ok(())
    }

    /// Makes an empty file at `path`, and the folders on the way.
    ///
    /// # Errors
    /// `AlreadyExists` if anything is there but an empty file.
    pub(crate) fn make_empty(&mut self, path: &[&'a str], executable: bool) -> io::Result<Stamp> {
        let (name, folder) = split(path)?;
        let to = self.enter(folder)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let was_there = match openat(to, name, flags, file_mode(executable)) {
            Ok(_) => false,
            Err(Errno::EXIST) => true,
            Err(error) => return Err(error.into()),
        };
        let there = statat(to, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if was_there && !is_empty_file(&there) {
            return Err(Errno::EXIST.into());
        }
        Ok(Stamp::from(&there))
    }

    /// The folders that something was put into, and those above them, which may be new.
    pub(crate) fn into_touched(self) -> BTreeSet<Vec<&'a str>> {
        self.touched
    }

    fn enter(&mut self, path: &[&'a str]) -> io::Result<&OwnedFd> {
        let folder = match self.folder.take() {
            Some(folder) if self.path == path => folder,
            _ => {
                let folder = self.tree.make_folder(path)?;
                self.touched.extend((0..=path.len()).map(|len| path[..len].to_vec()));
                self.path = path.to_vec();
                folder
            }
        };
        Ok(self.folder.insert(folder))
    }
}

/// Moves a file and never replaces another.
fn move_to(from: BorrowedFd<'_>, name: &str, to: BorrowedFd<'_>, new_name: &str) -> io::Result<()> {
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

fn is_empty_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_size == 0
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
