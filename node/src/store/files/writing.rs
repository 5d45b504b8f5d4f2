//! Writing blocks to the parts of files, and nowhere else.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use swarm_engine::DiskError;
use swarm_proto::geometry::{BlockRun, FileIndex, PieceIndex};

use super::{Files, Home, Part, Place, TURNS};
use crate::{
    stamp::{Identity, Stamp},
    store::{parts::LastFolder, reserve::make_room, work_folder::WorkFolder},
};

/// The most bytes in one write. The kernel looks for a single block of memory for all that a write adds to a file
/// (large folios of ext4, XFS and others). Of blocks of a MiB there are few where memory was in use for long; and a
/// virtual machine may have given those that are free to its host, to get them back page by page: 1 GiB took 2.2 s
/// then, and 0.7 s in writes of this size.
const WRITE_MAX: usize = 128 << 10;

impl Files {
    /// Writes blocks to their part file.
    pub(crate) fn write(
        &self,
        run: BlockRun,
        data: &[u8],
        last: &mut LastFolder,
    ) -> Result<(), DiskError> {
        let geometry = self.manifest.geometry();
        let span = geometry.span(run.piece());
        debug_assert_eq!(data.len(), geometry.run_len(run) as usize, "the engine has checked it");
        let is_file = geometry.file_len(span.file) == u64::from(span.len);
        // Noted before, for a sync that fails while we write, and after, for the next one.
        let note = |closed| {
            let mut unsynced = self.unsynced();
            unsynced.note(run.piece(), is_file);
            if closed {
                unsynced.note_closed();
            }
            unsynced.may_close()
        };
        let may_close = note(false);
        if data.len() as u64 == geometry.file_len(span.file) {
            let open = self.write_whole(span.file, data, last)?;
            note(may_close);
            if !may_close {
                self.opened(span.file, open, true);
            }
            return Ok(());
        }
        let part = self.part_for_writing(span.file, last)?;
        let turn = self.turns[span.file.as_usize() % TURNS].lock();
        let written = write_all_at(&part, data, span.offset + u64::from(run.offset()));
        drop(turn);
        written.map_err(|error| self.disk_error("write to", span.file, &error))?;
        note(false);
        Ok(())
    }

    /// Makes the part of a file, or finds it, and writes all of it. One look tells all that has to be
    /// known of it: shares may have a great many such files. Nobody else writes to the file meanwhile: what would
    /// be written is under way here.
    fn write_whole(
        &self,
        file: FileIndex,
        data: &[u8],
        last: &mut LastFolder,
    ) -> Result<File, DiskError> {
        let failed = |error| self.disk_error("write to", file, &error);
        let (work, known) = self.may_write_to(file)?;
        let open = match known {
            None => {
                let executable = self.manifest.file(file).executable;
                self.retry(|| work.parts().make(file, executable, last)).map_err(failed)?
            }
            // What it held, and how long it was, is of no account.
            Some(part) => self
                .retry(|| work.parts().reopen(file, part.known, None))
                .map_err(|error| self.cannot_reopen(file, &error))?,
        };
        let written = write_all_at(&open, data, 0);
        let mut found = open.metadata().map_err(failed)?;
        if found.len() != data.len() as u64 {
            // It was longer, or could not be written. Then it has a hole, like any other part.
            let _ = open.set_len(data.len() as u64);
            found = open.metadata().map_err(failed)?;
        }
        let stamp = Stamp::from(&found);
        let is_stamped = written.is_ok() && work.parts().stamps_as_it_writes();
        let whole_ns = is_stamped.then_some(stamp.modified_ns);
        self.set_part(file, Part { known: Identity::from(&found), whole_ns });
        written.map(|()| open).map_err(failed)
    }

    /// The part of a file, open to write some of it.
    fn part_for_writing(
        &self,
        file: FileIndex,
        last: &mut LastFolder,
    ) -> Result<Arc<File>, DiskError> {
        let (work, known) = self.may_write_to(file)?;
        if let Some(Part { known, whole_ns: Some(_) }) = known {
            self.set_part(file, known.into());
        }
        if let Some(open) = self.cache.get(self.key, file) {
            return Ok(open);
        }
        let len = self.manifest.geometry().file_len(file);
        let part = match known {
            None => {
                let executable = self.manifest.file(file).executable;
                self.retry(|| {
                    let part = work.parts().make(file, executable, last)?;
                    let found = part.metadata()?;
                    if found.len() != len {
                        make_room(&part, len)?;
                    }
                    self.set_part(file, Identity::from(&found).into());
                    Ok(part)
                })
                .map_err(|error| self.disk_error("write to", file, &error))?
            }
            // What was cut off would be a hole.
            Some(part) => self
                .retry(|| work.parts().reopen(file, part.known, Some(len)))
                .map_err(|error| self.cannot_reopen(file, &error))?,
        };
        Ok(self.opened(file, part, true))
    }

    /// The working folder, and the part of a file if there is one, if the file is ours to write to.
    fn may_write_to(&self, file: FileIndex) -> Result<(&WorkFolder, Option<Part>), DiskError> {
        let theirs = |path: PathBuf| {
            let path = path.display();
            Err(DiskError::Failed(format!("{path} has changed; what is yours is not written to")))
        };
        match (&self.home, self.place(file)) {
            (Home::Download { work, .. }, _) if self.orphaned.load(Ordering::Relaxed) => {
                let path = work.path().display();
                Err(DiskError::Failed(format!("{path} was removed by another program")))
            }
            (Home::Download { work, .. }, Place::Part(part)) => Ok((work, part)),
            (Home::Download { .. }, Place::Final(_)) => theirs(self.path(file).iter().collect()),
            (Home::Seed(root), _) => theirs(self.manifest.file(file).path.below(root)),
        }
    }

    /// Why a part cannot be written to any more. One made anew would have a hole for every piece that
    /// the old one held.
    fn cannot_reopen(&self, file: FileIndex, error: &io::Error) -> DiskError {
        if error.kind() != io::ErrorKind::NotFound {
            return self.disk_error("write to", file, error);
        }
        let path = self.path(file).join("/");
        DiskError::Failed(format!("{path} was removed by another program while it was downloaded"))
    }

    fn set_part(&self, file: FileIndex, part: Part) {
        self.places().files[file.as_usize()] = Place::Part(Some(part));
    }

    /// Whether only a sync of the whole file system will do for what was written.
    pub(crate) fn needs_sync_of_all(&self) -> bool {
        self.unsynced().needs_all()
    }

    /// Takes the pieces written since the last sync: of one file, or of all.
    pub(crate) fn take_unsynced(&self, file: Option<FileIndex>) -> Vec<PieceIndex> {
        let geometry = self.manifest.geometry();
        let mut unsynced = self.unsynced();
        match file {
            Some(file) => unsynced.take(geometry, file),
            None => unsynced.take_all(geometry),
        }
    }
}

fn write_all_at(file: &File, data: &[u8], at: u64) -> io::Result<()> {
    let mut parts = (at..).step_by(WRITE_MAX).zip(data.chunks(WRITE_MAX));
    parts.try_for_each(|(at, data)| file.write_all_at(data, at))
}
