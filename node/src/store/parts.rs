//! The files of a download that do not have their final names yet, in the folder `parts` of the working
//! folder; [`super::layout`] says where in it.

use std::{
    borrow::Cow,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    fs::{AtFlags, Dir, DirEntry, Mode, OFlags, fsync, mkdirat, openat, unlinkat},
    io::Errno,
};
use swarm_proto::{geometry::FileIndex, manifest::Manifest};

use super::{
    file_system::stamps_as_it_writes,
    layout::{Folder, Layout},
    tree::{FOLDER, file_mode},
};
use crate::stamp::{Identity, Stamp};

/// Folders that are kept open: as many as [`Folder::Mod`] has.
const OPEN_MAX: usize = 16;

/// The folder of the parts, open.
#[derive(Debug)]
pub(crate) struct Parts {
    top: Arc<OwnedFd>,
    manifest: Arc<Manifest>,
    layout: Layout,
    stamps_as_it_writes: bool,
    /// Folders in it that were used last, the last one at the end. Held for a look.
    open: Mutex<Vec<(Folder, Arc<OwnedFd>)>>,
}

/// The folder that a thread made a part in last, while it works on what it took together: such parts lie side by
/// side. Each thread opens it for itself, as the kernel counts who is using an open folder, and two processors that
/// do so keep each other waiting.
#[derive(Debug, Default)]
pub(crate) struct LastFolder(Option<(Folder, OwnedFd)>);

impl LastFolder {
    fn get(
        &mut self,
        folder: Folder,
        open: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> io::Result<&OwnedFd> {
        let known = self.0.take().filter(|&(known, _)| known == folder);
        let found = match known {
            Some(found) => found,
            None => (folder, open()?),
        };
        Ok(&self.0.insert(found).1)
    }
}

impl Parts {
    /// Opens the folder `parts` in `work`, for the files of a share. Makes it if it is not there.
    pub(crate) fn open(work: impl AsFd, manifest: &Arc<Manifest>) -> io::Result<Self> {
        make_folder(&work, "parts")?;
        let top = Arc::new(openat(&work, "parts", FOLDER, Mode::empty())?);
        let (manifest, layout) = (Arc::clone(manifest), Layout::new(manifest));
        let stamps_as_it_writes = stamps_as_it_writes(&top);
        Ok(Self { top, manifest, layout, stamps_as_it_writes, open: Mutex::default() })
    }

    /// Whether the time of a file's last change is known for good once it is written to.
    pub(crate) const fn stamps_as_it_writes(&self) -> bool {
        self.stamps_as_it_writes
    }

    /// Where parts are.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The folder that the part of a file is in, and the part's name there.
    ///
    /// # Errors
    /// `NotFound` also if no part was made in it yet.
    pub(crate) fn find(&self, file: FileIndex) -> io::Result<(Arc<OwnedFd>, Cow<'_, str>)> {
        let folder = self.layout.folder(file);
        Ok((self.folder(folder, false)?, Layout::name(&self.manifest, folder, file)))
    }

    /// A folder of parts that is to get its final name as a whole: where it is, and its name there.
    ///
    /// # Errors
    /// If it holds anything but files with these inodes.
    pub(crate) fn folder_to_move(
        &self,
        first: u32,
        mut inodes: Vec<u64>,
    ) -> io::Result<(&OwnedFd, String)> {
        let folder = Folder::In(first);
        // One more than there should be is enough to know.
        let open = self.folder(folder, false)?;
        let found = entries(&*open)?.take(inodes.len() + 1);
        let mut found = found.map(|entry| Ok(entry?.ino())).collect::<io::Result<Vec<u64>>>()?;
        inodes.sort_unstable();
        found.sort_unstable();
        if found != inodes {
            return Err(io::Error::other("something else is in the folder of its parts"));
        }
        // Nothing is made in it any more.
        self.opened().retain(|&(open, _)| open != folder);
        Ok((&self.top, folder.name().unwrap_or_default()))
    }

    fn folder(&self, folder: Folder, make: bool) -> io::Result<Arc<OwnedFd>> {
        if folder == Folder::Top {
            return Ok(Arc::clone(&self.top));
        }
        let mut open = self.opened();
        if let Some(at) = open.iter().rposition(|&(known, _)| known == folder) {
            let found = open.remove(at);
            let opened = Arc::clone(&found.1);
            open.push(found);
            return Ok(opened);
        }
        drop(open);
        let opened = Arc::new(self.open_folder(folder, make)?);
        let mut open = self.opened();
        let closed = (open.len() >= OPEN_MAX).then(|| open.remove(0));
        open.push((folder, Arc::clone(&opened)));
        drop((open, closed));
        Ok(opened)
    }

    fn open_folder(&self, folder: Folder, make: bool) -> io::Result<OwnedFd> {
        let name = folder.name().unwrap_or_else(|| ".".into());
        match openat(&self.top, &name, FOLDER, Mode::empty()) {
            Err(Errno::NOENT) if make => {
                if make_folder(&self.top, &name)? {
                    // Somebody may have removed one that is still open.
                    self.opened().retain(|&(known, _)| known != folder);
                }
                Ok(openat(&self.top, &name, FOLDER, Mode::empty())?)
            }
            opened => Ok(opened?),
        }
    }

    fn opened(&self) -> MutexGuard<'_, Vec<(Folder, Arc<OwnedFd>)>> {
        // No code that can panic runs while the lock is held.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs the folders of these parts, so that they are found again.
    pub(crate) fn sync(&self, files: impl IntoIterator<Item = FileIndex>) -> io::Result<()> {
        let mut folders = vec![Folder::Top];
        for file in files {
            let folder = self.layout.folder(file);
            if !folders.contains(&folder) {
                fsync(self.folder(folder, false)?)?;
                folders.push(folder);
            }
        }
        Ok(fsync(&self.top)?)
    }

    /// Whether there is no part yet.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        Ok(entries(&self.top)?.next().transpose()?.is_none())
    }

    /// Opens the part of a file.
    pub(crate) fn open_part(&self, file: FileIndex) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (folder, name) = self.find(file)?;
        Ok(openat(folder, &*name, flags, Mode::empty())?.into())
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
            let (folder, name) = self.find(file)?;
            match statx(folder, &*name, AtFlags::SYMLINK_NOFOLLOW, flags) {
                Err(Errno::NOSYS) => {}
                Err(error) => return Err(error.into()),
                Ok(found) => return Ok((Identity::from(&found), Stamp::from(&found))),
            }
        }
        let metadata = self.open_part(file)?.metadata()?;
        Ok((Identity::from(&metadata), Stamp::from(&metadata)))
    }

    /// Opens the part of a file, and makes it, empty, if need be.
    pub(crate) fn make(
        &self,
        file: FileIndex,
        executable: bool,
        last: &mut LastFolder,
    ) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = self.layout.folder(file);
        let name = Layout::name(&self.manifest, folder, file);
        let made = match folder {
            Folder::In(_) => {
                let open = || self.open_folder(folder, true);
                openat(last.get(folder, open)?, &*name, flags, file_mode(executable))
            }
            // Files that follow each other are in different ones.
            Folder::Top | Folder::Mod(_) => {
                openat(self.folder(folder, true)?, &*name, flags, file_mode(executable))
            }
        };
        Ok(made?.into())
    }

    /// Removes all parts and the folders that they are in, of which the last is in `work`.
    pub(crate) fn remove_all(&self, work: impl AsFd) -> io::Result<()> {
        for entry in entries(&self.top)? {
            let entry = entry?;
            let name = entry.file_name();
            match unlinkat(&self.top, name, AtFlags::empty()) {
                // Not every file system tells what an entry is before.
                Err(Errno::ISDIR | Errno::PERM) => {
                    empty(&openat(&self.top, name, FOLDER, Mode::empty())?)?;
                    unlinkat(&self.top, name, AtFlags::REMOVEDIR)?;
                }
                result => result?,
            }
        }
        Ok(unlinkat(work, "parts", AtFlags::REMOVEDIR)?)
    }
}

/// Where the part of a file is in a working folder.
pub(crate) fn part_path(
    work: &Path,
    manifest: &Manifest,
    layout: &Layout,
    file: FileIndex,
) -> PathBuf {
    let folder = layout.folder(file);
    let mut path = work.join("parts");
    path.extend(folder.name());
    path.join(&*Layout::name(manifest, folder, file))
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
    folder: impl AsFd,
) -> rustix::io::Result<impl Iterator<Item = rustix::io::Result<DirEntry>>> {
    let itself = |entry: &DirEntry| matches!(entry.file_name().to_bytes(), b"." | b"..");
    Ok(Dir::read_from(folder)?.filter(move |entry| !entry.as_ref().is_ok_and(itself)))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::testing::Sample;

    #[test]
    fn a_part_is_where_it_is_said_to_be() {
        for (files, name) in [(3, "f"), (9, "f"), (1100, "folder/f")] {
            let named: Vec<_> = (0..files).map(|n| (format!("{name}{n:04}"), 5)).collect();
            let named: Vec<_> = named.iter().map(|(name, len)| (name.as_str(), *len)).collect();
            let manifest = Sample::new(&named).manifest;
            let (layout, work) = (Layout::new(&manifest), tempfile::tempdir().unwrap());
            let parts = Parts::open(File::open(work.path()).unwrap(), &manifest).unwrap();
            assert!(parts.is_empty().unwrap());
            let file = manifest.geometry().file(files - 1).unwrap();
            parts.make(file, false, &mut LastFolder::default()).unwrap().set_len(5).unwrap();
            let metadata = part_path(work.path(), &manifest, &layout, file).metadata().unwrap();
            assert_eq!(metadata.len(), 5);
            assert!(!parts.is_empty().unwrap());
            parts.remove_all(File::open(work.path()).unwrap()).unwrap();
            assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0);
        }
    }
}
