//! Giving files their final names, once all of their pieces are recorded.

use std::{
    collections::BTreeSet,
    io,
    ops::Range,
    time::{Duration, Instant},
};

use swarm_engine::DiskError;
use swarm_proto::geometry::FileIndex;

use super::{
    files::{Files, Part, disk_error, path_in_output},
    parts::LastFolder,
    tree::{Placer, Tree},
    work_folder::WorkFolder,
};
use crate::stamp::Stamp;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Settled<'a> {
    /// The folders that something was put into, and those above them, to be synced.
    pub(crate) touched: BTreeSet<Vec<&'a str>>,
    /// How long it took.
    pub(crate) took: Duration,
    /// The last thing that went wrong. What could be put in its place was.
    pub(crate) result: Result<(), DiskError>,
}

/// Gives files their final names. Who is whole and who is skipped is the recorder's to say.
#[derive(Debug)]
pub(crate) struct Settler<'a, Whole, Skipped> {
    pub(crate) files: &'a Files,
    pub(crate) tree: &'a Tree,
    pub(crate) work: &'a WorkFolder,
    /// Every piece of a file is recorded.
    pub(crate) is_whole: Whole,
    /// A file is not wanted. Its place is the user's.
    pub(crate) is_skipped: Skipped,
    /// Nobody waits for more.
    pub(crate) last: bool,
}

/// What is to be done with the files of a folder that can be moved as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing: they are in their place.
    Moved,
    /// Nothing yet: others are to come.
    Waiting,
    /// Each gets its name by itself.
    Apart,
}

impl<'a, Whole, Skipped> Settler<'a, Whole, Skipped>
where
    Whole: Fn(FileIndex) -> bool,
    Skipped: Fn(FileIndex) -> bool,
{
    /// Gives each of these files that is whole and wanted its final name, in order.
    pub(crate) fn settle(self, files: impl IntoIterator<Item = FileIndex>) -> Settled<'a> {
        let begun = Instant::now();
        let (mut placer, mut result) = (Placer::new(self.tree), Ok(()));
        let (mut folder, mut verdict) = (0..0, Verdict::Apart);
        let ready = |&file: &FileIndex| (self.is_whole)(file) && !(self.is_skipped)(file);
        for (file, part) in self.files.parts(files.into_iter().filter(ready)) {
            if !folder.contains(&file.get()) {
                let whole = self.work.parts().layout().whole_folder(file);
                folder = whole.cloned().unwrap_or(0..0);
                verdict = whole.map_or(Verdict::Apart, |files| self.try_folder(files, &mut placer));
            }
            let settled = match verdict {
                Verdict::Moved => Ok(()),
                // To look at all of a folder when it is moved would keep a user waiting.
                Verdict::Waiting => part.map_or(Ok(()), |part| self.see(file, part).map(drop)),
                Verdict::Apart => self.place(file, part, &mut placer),
            };
            if let Err(error) = settled {
                result = Err(in_place_error(&self.files.path(file), &error));
            }
        }
        Settled { touched: placer.into_touched(), took: begun.elapsed(), result }
    }

    /// Moves a folder with all of these files in it, if it can be.
    fn try_folder(&self, files: &Range<u32>, placer: &mut Placer<'a>) -> Verdict {
        if self.files.any_is_final(files) || self.each(files).any(&self.is_skipped) {
            return Verdict::Apart;
        }
        if !self.each(files).all(&self.is_whole) {
            return if self.last { Verdict::Apart } else { Verdict::Waiting };
        }
        match self.place_folder(files, placer) {
            Ok(()) => Verdict::Moved,
            // Somebody has made the folder, most likely. If it is something else it is told file by file.
            Err(error) => {
                tracing::debug!(first = files.start, %error, "cannot move a folder as a whole");
                Verdict::Apart
            }
        }
    }

    fn place_folder(&self, files: &Range<u32>, placer: &mut Placer<'a>) -> io::Result<()> {
        let manifest = self.files.manifest();
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let parts = self.files.parts(self.each(files));
        let &(first, _) = parts.first().ok_or_else(missing)?;
        let (folder, _) = manifest.file(first).path.folder_and_name().ok_or_else(missing)?;
        let mut last = LastFolder::default();
        let stamps = parts.into_iter().map(|(file, part)| match part {
            Some(part) => self.see(file, part),
            None => self.make_empty(file, &mut last),
        });
        let stamps = stamps.collect::<io::Result<Vec<_>>>()?;
        let inodes = stamps.iter().map(|stamp| stamp.inode).collect();
        self.files.settle(files.clone(), || {
            let (top, name) = self.work.parts().folder_to_move(files.start, inodes)?;
            placer.place_folder(top, &name, &path_in_output(manifest, folder))?;
            Ok(stamps)
        })
    }

    /// Makes a file that has no part because it is empty, in the folder of the parts that it will be moved with.
    fn make_empty(&self, file: FileIndex, last: &mut LastFolder) -> io::Result<Stamp> {
        let (parts, info) = (self.work.parts(), self.files.manifest().file(file));
        if info.length > 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        let stamp = Stamp::from(&parts.make(file, info.executable, last)?.metadata()?);
        if stamp.size == 0 { Ok(stamp) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }

    fn place(
        &self,
        file: FileIndex,
        part: Option<Part>,
        placer: &mut Placer<'a>,
    ) -> io::Result<()> {
        let path = self.files.path(file);
        let info = self.files.manifest().file(file);
        self.files.settle(file.get()..file.get() + 1, || {
            if info.length == 0 {
                return Ok(vec![placer.make_empty(&path, info.executable)?]);
            }
            let part = part.ok_or(io::ErrorKind::NotFound)?;
            let mut stamp = self.look_at(file, part)?;
            let (folder, name) = self.work.parts().find(file)?;
            placer.place(folder, &name, &path)?;
            // As it was written, or at least before it moved: what was done to it since will not pass for it.
            stamp.modified_ns = part.whole_ns.unwrap_or(stamp.modified_ns);
            // Where a move changes the inode's number it is read once more.
            Ok(vec![stamp])
        })
    }

    /// A part that is whole, as it was when that was seen. What somebody does to it until it is moved is
    /// noticed when it is read, as if it were done later.
    fn see(&self, file: FileIndex, part: Part) -> io::Result<Stamp> {
        if let Some(modified_ns) = part.whole_ns {
            let size = self.files.manifest().file(file).length;
            return Ok(Stamp { size, modified_ns, inode: part.known.inode });
        }
        let stamp = self.look_at(file, part)?;
        self.files.note_whole(file, stamp);
        Ok(stamp)
    }

    /// A part as it is. What others put in its place, or cut shorter, was never verified.
    fn look_at(&self, file: FileIndex, part: Part) -> io::Result<Stamp> {
        let len = self.files.manifest().file(file).length;
        let (found, stamp) = self.work.parts().look_at(file)?;
        let is_ours = found == part.known && stamp.size == len;
        if is_ours { Ok(stamp) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn each(&self, files: &Range<u32>) -> impl Iterator<Item = FileIndex> {
        files.clone().filter_map(|number| self.files.manifest().geometry().file(number))
    }
}

/// Why something could not be put in its place, for the user.
pub(crate) fn in_place_error(path: &[&str], error: &io::Error) -> DiskError {
    let path = path.join("/");
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            DiskError::Failed(format!("{path} exists and is something else; move it away"))
        }
        io::ErrorKind::NotFound => DiskError::Failed(format!(
            "cannot put {path} in its place: its folder, or what had arrived of it, was removed"
        )),
        _ => disk_error(&format!("put {path} in its place"), error),
    }
}
