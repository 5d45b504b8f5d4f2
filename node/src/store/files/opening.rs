//! Opening the files of a share, wherever they are.

use std::{fs::File, io, os::fd::OwnedFd, sync::Arc};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};
use swarm_proto::{geometry::FileIndex, path::SharePath};

use super::{Files, Home, Place, path_in_output};
use crate::{
    store::tree::FOLDER,
    walk::{open_file, open_file_at},
};

/// How a folder of the user's is opened, to open files in it. It may be a link, as where files are opened by
/// their paths.
const USERS_FOLDER: OFlags = FOLDER.difference(OFlags::NOFOLLOW);

/// The folder that a file was opened in last: those of a long run lie side by side, and the way to each would
/// take an eighth of the time that it takes to open and read it.
#[derive(Debug, Default)]
pub(super) struct Near<'a>(Option<(&'a str, OwnedFd)>);

impl<'a> Near<'a> {
    /// Opens the file at this path in its folder, and that first if need be, by `folder`. `None` if it has none,
    /// or one that cannot be opened, which is no reason that what is in it cannot be.
    fn open(
        &mut self,
        path: &'a SharePath,
        flags: OFlags,
        folder: impl FnOnce(&str) -> io::Result<OwnedFd>,
    ) -> Option<io::Result<File>> {
        let (parent, name) = path.folder_and_name()?;
        if self.0.as_ref().is_none_or(|(known, _)| *known != parent) {
            self.0 = Some((parent, folder(parent).ok()?));
        }
        let (_, open) = self.0.as_ref()?;
        Some(open_file_at(open, name, flags))
    }
}

impl Files {
    /// The file, open for reading, and where it is. It is kept open for the next time, if there is to be one.
    pub(super) fn open<'a>(
        &'a self,
        file: FileIndex,
        keep: bool,
        mut near: Option<&mut Near<'a>>,
    ) -> io::Result<(Arc<File>, Place)> {
        let mut place = self.place(file);
        if let Some(open) = keep.then(|| self.cache.get(self.key, file)).flatten() {
            return Ok((open, place));
        }
        let mut opened = self.retry(|| self.open_at(&place, file, near.as_deref_mut()));
        let moved = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if matches!(place, Place::Part(_)) && opened.as_ref().is_err_and(moved) {
            // It may have got its final name between the two steps, or be about to. It does so only once.
            drop(self.moving.lock());
            place = self.place(file);
            opened = self.retry(|| self.open_at(&place, file, near.as_deref_mut()));
        }
        Ok((self.opened(file, opened?, keep), place))
    }

    fn open_at<'a>(
        &'a self,
        place: &Place,
        file: FileIndex,
        near: Option<&mut Near<'a>>,
    ) -> io::Result<File> {
        match (&self.home, place) {
            (Home::Download { work, .. }, Place::Part(None)) => work.parts().open_part(file),
            (Home::Download { work, .. }, Place::Part(Some(part))) => {
                work.parts().reopen(file, part.known, None)
            }
            (Home::Download { tree, .. }, Place::Final(_)) => {
                let path = &self.manifest.file(file).path;
                let folder = |path: &str| tree.folder(&path_in_output(&self.manifest, path));
                let opened = near.and_then(|near| near.open(path, OFlags::NOFOLLOW, folder));
                opened.unwrap_or_else(|| tree.open_file(&self.path(file)))
            }
            (Home::Seed(root), _) => {
                let path = &self.manifest.file(file).path;
                let folder =
                    |path: &str| Ok(openat(CWD, root.join(path), USERS_FOLDER, Mode::empty())?);
                let opened = near.and_then(|near| near.open(path, OFlags::empty(), folder));
                opened.unwrap_or_else(|| open_file(path.below(root)))
            }
        }
    }

    pub(super) fn opened(&self, index: FileIndex, file: File, keep: bool) -> Arc<File> {
        let file = Arc::new(file);
        if keep {
            self.cache.put(self.key, index, &file);
        }
        file
    }

    /// Opens something; if descriptors have run out, once more without those that we can spare.
    pub(super) fn retry<T>(&self, mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let opened = open();
        match opened.as_ref().err().and_then(Errno::from_io_error) {
            Some(Errno::MFILE | Errno::NFILE) => {
                self.cache.clear();
                open()
            }
            _ => opened,
        }
    }
}
