//! The files of a download that do not have their final names yet: `parts/<n>` in the working folder,
//! where `n` is the file's number; `parts/mod<k>/<n>`, where `k` is `n` modulo 16, if there are many.

use std::{
    fs::File,
    io,
    iter::once,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Dir, DirEntry, Mode, OFlags, fsync, mkdirat, openat, unlinkat},
    io::Errno,
};
use swarm_proto::geometry::FileIndex;

use super::{
    reserve::make_room,
    tree::{FOLDER, file_mode},
};
use crate::stamp::{Identity, Stamp};

/// With more files than this the parts lie in several folders: those who make files in a folder and
/// whoever moves them out wait for each other, and where files are small that is all they do.
const FOLDER_FILES: u32 = 1024;
/// How many folders that are: some for each thread that makes files. Each is kept open.
const FOLDERS: u32 = 16;

/// The folder of the parts, open.
#[derive(Debug)]
pub(crate) struct Parts {
    top: OwnedFd,
    /// The folders in it, by the files' numbers modulo [`FOLDERS`]; none if there are few files.
    folders: Vec<OwnedFd>,
}

impl Parts {
    /// Opens the folder `parts` in `work`, for so many files. Makes what is not there.
    pub(crate) fn open(work: impl AsFd, files: u32) -> io::Result<Self> {
        make_folder(&work, "parts")?;
        let top = openat(&work, "parts", FOLDER, Mode::empty())?;
        let mut folders = Vec::new();
        if files > FOLDER_FILES {
            for name in folder_names() {
                make_folder(&top, &name)?;
                folders.push(openat(&top, &name, FOLDER, Mode::empty())?);
            }
            fsync(&top)?;
        }
        Ok(Self { top, folders })
    }

    /// The folder that the part of a file is in.
    pub(crate) fn folder(&self, file: FileIndex) -> &OwnedFd {
        self.folders.get(file.as_usize() % FOLDERS as usize).unwrap_or(&self.top)
    }

    /// The name of a part file in its folder.
    pub(crate) fn name(file: FileIndex) -> String {
        file.get().to_string()
    }

    /// Syncs the folders, so that new parts are found again.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.all().try_for_each(|folder| Ok(fsync(folder)?))
    }

    /// Whether there is no part yet.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        for folder in self.all() {
            if entries(folder)?.next().transpose()?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens the part of a file.
    pub(crate) fn open_part(&self, file: FileIndex) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(self.folder(file), Self::name(file), flags, Mode::empty())?.into())
    }

    /// Opens the part of a file again, which has this length, if there is one to hold it to.
    ///
    /// # Errors
    /// `NotFound` also if it is not the one that we know any more.
    pub(crate) fn reopen(
        &self,
        file: FileIndex,
        known: Identity,
        len: Option<u64>,
    ) -> io::Result<File> {
        let part = self.open_part(file)?;
        let found = part.metadata()?;
        if Identity::from(&found) == known && len.is_none_or(|len| len == found.len()) {
            Ok(part)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// What is in the place of a part.
    pub(crate) fn look_at(&self, file: FileIndex) -> io::Result<(Identity, Stamp)> {
        // One call in place of three: a share may have a great many files.
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{StatxFlags, statx};

            let of_stamp = StatxFlags::INO | StatxFlags::SIZE | StatxFlags::MTIME;
            let flags = of_stamp | StatxFlags::BTIME;
            let name = Self::name(file);
            match statx(self.folder(file), name, AtFlags::SYMLINK_NOFOLLOW, flags) {
                Err(Errno::NOSYS) => {}
                Err(error) => return Err(error.into()),
                Ok(found) => return Ok((Identity::from(&found), Stamp::from(&found))),
            }
        }
        let metadata = self.open_part(file)?.metadata()?;
        Ok((Identity::from(&metadata), Stamp::from(&metadata)))
    }

    /// Opens the part of a file of this length, and makes it if need be: with room for all of it, or
    /// empty, if it is about to be written `whole`. Also tells what the file is known by.
    pub(crate) fn make(
        &self,
        file: FileIndex,
        len: u64,
        executable: bool,
        whole: bool,
    ) -> io::Result<(File, Identity)> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let part = openat(self.folder(file), Self::name(file), flags, file_mode(executable))?;
        let part = File::from(part);
        let found = part.metadata()?;
        if found.len() != len && !(whole && found.len() == 0) {
            make_room(&part, len)?;
        }
        Ok((part, Identity::from(&found)))
    }

    /// Removes all parts and the folders that they are in, of which the last is in `work`.
    pub(crate) fn remove_all(&self, work: impl AsFd) -> io::Result<()> {
        for (folder, name) in self.folders.iter().zip(folder_names()) {
            empty(folder)?;
            unlinkat(&self.top, &name, AtFlags::REMOVEDIR)?;
        }
        empty(&self.top)?;
        Ok(unlinkat(work, "parts", AtFlags::REMOVEDIR)?)
    }

    /// The folders that parts may be in.
    fn all(&self) -> impl Iterator<Item = &OwnedFd> {
        let top = once(&self.top).filter(|_| self.folders.is_empty());
        self.folders.iter().chain(top)
    }
}

/// Where the part of a file is in a working folder for a share of so many.
pub(crate) fn part_path(work: &Path, files: u32, file: FileIndex) -> PathBuf {
    let mut path = work.join("parts");
    if files > FOLDER_FILES {
        path.extend(folder_names().nth(file.as_usize() % FOLDERS as usize));
    }
    path.join(Parts::name(file))
}

fn folder_names() -> impl Iterator<Item = String> {
    (0..FOLDERS).map(|rest| format!("mod{rest}"))
}

/// Makes a folder; false if it was there.
pub(crate) fn make_folder(parent: impl AsFd, name: &str) -> io::Result<bool> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Empties a folder that has no folders in it.
pub(crate) fn empty(folder: &OwnedFd) -> io::Result<()> {
    for entry in entries(folder)? {
        unlinkat(folder, entry?.file_name(), AtFlags::empty())?;
    }
    Ok(())
}

/// What is in a folder.
fn entries(
    folder: &OwnedFd,
) -> rustix::io::Result<impl Iterator<Item = rustix::io::Result<DirEntry>>> {
    let itself = |entry: &DirEntry| matches!(entry.file_name().to_bytes(), b"." | b"..");
    Ok(Dir::read_from(folder)?.filter(move |entry| !entry.as_ref().is_ok_and(itself)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use swarm_proto::geometry::Geometry;

    use super::*;

    #[test]
    fn a_part_is_where_it_is_said_to_be() {
        for files in [FOLDER_FILES, FOLDER_FILES + 1] {
            let geometry = Geometry::new(16384, vec![5; files as usize]).unwrap();
            let work = tempfile::tempdir().unwrap();
            let parts = Parts::open(File::open(work.path()).unwrap(), files).unwrap();
            let file = geometry.file(33).unwrap();
            parts.make(file, 5, false, false).unwrap();
            let metadata = part_path(work.path(), files, file).metadata().unwrap();
            assert_eq!(metadata.len(), 5);
        }
    }
}
