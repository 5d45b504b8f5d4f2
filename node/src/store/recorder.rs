//! Making verified pieces durable.
//!
//! The order is the promise: a piece's data is written, then synced, and only then does the resume
//! state claim it. Whole files get their final name between the last two steps. Pieces are gathered
//! for a moment and recorded together, so that one sync serves many.

use std::{
    collections::BTreeSet,
    io,
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::fs::fsync;
use swarm_engine::{DiskError, Input, Priority};
use swarm_proto::{
    bitfield::Bitfield,
    geometry::{FileIndex, PieceIndex},
    manifest::MANIFEST_LEN_MAX,
};

use super::{
    Share,
    files::{Home, Place, SYNCS_MAX, disk_error, path_in_output},
    inbox::Inbox,
    ledger::{Ledger, Lost},
    priorities,
    resume::Resume,
    settle::{Settled, Settler, in_place_error},
    tree::Tree,
    work_folder::WorkFolder,
};

/// How long a verified piece may wait for others: what a crash costs at most. One before the first record also costs
/// the manifest, which a link leads to as it did a moment before.
const WAIT: Duration = Duration::from_secs(2);
/// How many bytes may wait: what a fast disk writes in a moment, so that no sync takes long.
const WAIT_BYTES: u64 = 128 << 20;
/// And towards the end, when no more are missing.
const WAIT_BYTES_LAST: u64 = 8 << 20;
/// How many pieces may wait, if no pass has to be waited for: where they are small, to give files
/// their names takes longer than to sync them, and can go on beside the download.
const WAIT_PIECES: usize = 8192;
/// A pass that had the disk for long, to sync and to save, is followed by a pause this many times as
/// long, so that the disk's time goes to the payload, however many files the share has.
const PAUSE: u32 = 10;

/// What the recorder is told.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    Record(Vec<PieceIndex>),
    Forget(PieceIndex),
    Finish,
    Priorities(Vec<Priority>),
    Close,
}

/// Owns the record of a download.
#[derive(Debug)]
pub(crate) struct Recorder {
    share: Arc<Share>,
    ledger: Ledger,
    /// How much each file is wanted; empty if all are wanted alike.
    priorities: Vec<Priority>,
    /// Pieces forgotten since the last time that the resume state on the disk was put right.
    forgotten: Vec<PieceIndex>,
    /// That state claims a piece that is forgotten.
    claims_too_much: bool,
    /// That state claims less than it could.
    behind: bool,
    /// When to record what waits.
    due: Option<Instant>,
    /// Nothing but a great deal of waiting bytes is recorded before.
    paused_until: Instant,
    /// The manifest is in the working folder.
    keeps_manifest: bool,
    /// Everything is in its place.
    finished: bool,
}

impl Recorder {
    /// A recorder that goes on from `recorded` pieces, and `verified` ones that it has yet to
    /// record. Also returns the set of both. If the record on the disk is `outdated` it is put right
    /// first: a new part may get the inode of one that is gone, and must not be taken for it.
    pub(crate) fn new(
        share: Arc<Share>,
        recorded: Bitfield,
        verified: &[PieceIndex],
        outdated: bool,
        priorities: Vec<Priority>,
    ) -> (Self, Bitfield) {
        let mut have = recorded.clone();
        for &piece in verified {
            have.insert(piece);
        }
        let ledger = Ledger::new(Arc::clone(share.files.manifest()), recorded);
        let mut this = Self {
            share,
            ledger,
            priorities,
            forgotten: Vec::new(),
            claims_too_much: outdated,
            behind: outdated,
            due: None,
            paused_until: Instant::now(),
            keeps_manifest: false,
            finished: false,
        };
        verified.iter().for_each(|&piece| this.record(piece));
        if outdated {
            // What fails is reported piece by piece, and the record goes if it cannot be replaced.
            let _ = this.flush(true);
            this.unclaim();
        }
        (this, have)
    }

    /// Takes notes until told to close.
    pub(crate) fn run(mut self, inbox: &Inbox) {
        // What a download of a moment never needs is not written: the manifest is kept as late as the record.
        self.wake_later();
        let mut open = true;
        while open {
            // All of them are served by the same sync and the same write.
            let mut notes = inbox.take(self.due).into_iter();
            open = notes.all(|note| self.take(note));
            self.unclaim();
            let due = self.due.is_some_and(|due| due <= Instant::now());
            let save = due || !open;
            if save {
                self.keep_manifest();
            }
            if save || self.is_full() {
                // What failed has been reported piece by piece.
                let _ = self.flush(save);
            }
        }
        inbox.close();
    }

    /// Keeps the manifest beside the parts, for whoever comes back with no more than a link. The download goes
    /// on without it if need be: it is tried again when there is more to record.
    fn keep_manifest(&mut self) {
        let Home::Download { work, .. } = self.share.files.home() else { return };
        if self.keeps_manifest || self.finished {
            return;
        }
        let bytes = self.share.files.manifest().encode();
        let kept = match work.read("manifest", MANIFEST_LEN_MAX as u64) {
            Ok(Some(kept)) if kept == bytes => Ok(()),
            _ => work.write("manifest", &bytes),
        };
        match kept {
            Ok(()) => self.keeps_manifest = true,
            Err(error) => {
                tracing::warn!(path = %work.path().display(), %error, "cannot keep the manifest");
            }
        }
    }

    /// Whether what waits is recorded before its time.
    fn is_full(&self) -> bool {
        let many = self.ledger.waiting_pieces() >= WAIT_PIECES;
        // Towards the end passes get shorter, and with them the last one, which a user waits for.
        let enough = self.ledger.missing_bytes().clamp(WAIT_BYTES_LAST, WAIT_BYTES);
        self.ledger.waiting_bytes() >= enough || many && self.paused_until <= Instant::now()
    }

    /// Takes one note; false if it is the last.
    fn take(&mut self, note: Note) -> bool {
        match note {
            Note::Record(pieces) => pieces.into_iter().for_each(|piece| self.record(piece)),
            Note::Forget(piece) => self.forget(piece),
            Note::Finish => {
                self.unclaim();
                let result = self.finish();
                self.share.answer(Input::Finished(result));
            }
            Note::Priorities(priorities) => self.keep(priorities),
            Note::Close => return false,
        }
        true
    }

    /// Puts everything in its place: syncs, and gives every wanted file its final name. If that is
    /// all of the share, makes what is empty, and removes the working folder; else the folder stays,
    /// with what is there of skipped files and the choice that they are. May be tried again after an
    /// error, and when more is wanted.
    pub(crate) fn finish(&mut self) -> Result<(), DiskError> {
        if self.finished {
            return Ok(());
        }
        let all = self.put_in_place();
        match all {
            // The record went with the working folder.
            Ok(true) => (self.finished, self.behind, self.due) = (true, false, None),
            Ok(false) | Err(_) => self.save(),
        }
        all.map(drop)
    }

    /// Tells whether that was all of the share.
    fn put_in_place(&mut self) -> Result<bool, DiskError> {
        self.settle_waiting()?.1?;
        let share = Arc::clone(&self.share);
        let geometry = share.files.manifest().geometry();
        let wanted: Vec<_> =
            geometry.files().filter(|&file| !is_skipped(&self.priorities, file)).collect();
        let missing: u32 = wanted.iter().map(|&file| self.ledger.lacking(file)).sum();
        if missing > 0 {
            return Err(DiskError::Failed(format!("{missing} pieces are not recorded")));
        }
        let Home::Download { tree, work } = share.files.home() else { return Ok(true) };
        let all = wanted.len() == geometry.files().len();
        self.settle(tree, work, wanted, true).1?;
        if !all {
            return Ok(false);
        }
        self.make_empty_folders(tree)?;
        // What is in its place has been synced, and is found there by a later run even if some of
        // this folder is left.
        if let Err(error) = work.remove_all(tree).and_then(|()| Ok(fsync(tree.root())?)) {
            tracing::warn!(path = %work.path().display(), %error, "cannot remove the working folder");
        }
        Ok(true)
    }

    /// How much each file is wanted has changed. It is not lost if it cannot be written now: the
    /// next change is, and the user may say it again.
    fn keep(&mut self, priorities: Vec<Priority>) {
        self.priorities = priorities;
        let Home::Download { work, .. } = self.share.files.home() else { return };
        if self.finished {
            return;
        }
        let kept = priorities::write(work, self.share.files.manifest(), &self.priorities);
        if let Err(error) = kept {
            tracing::warn!(path = %work.path().display(), %error, "cannot save the choice of files");
        }
    }

    fn record(&mut self, piece: PieceIndex) {
        // Once everything is in its place there is no record any more.
        if self.finished {
            return;
        }
        match self.ledger.record(piece) {
            Ok(()) => self.wake_later(),
            Err(Lost) => {
                self.report(piece);
            }
        }
    }

    fn forget(&mut self, piece: PieceIndex) {
        if !self.finished && self.ledger.forget(piece) {
            self.claims_too_much = true;
        }
        self.forgotten.push(piece);
    }

    /// Takes forgotten pieces out of the resume state on the disk, and lets them be written again.
    fn unclaim(&mut self) {
        if self.claims_too_much {
            self.save();
        }
        if self.claims_too_much
            && let Home::Download { work, .. } = self.share.files.home()
        {
            // Without a record everything is verified; with this one these pieces would not be.
            match work.remove("resume") {
                Ok(()) => self.claims_too_much = false,
                Err(error) => {
                    tracing::error!(path = %work.path().display(), %error, "cannot remove a record");
                }
            }
        }
        for piece in self.forgotten.drain(..) {
            self.share.forgotten(piece);
        }
    }

    /// Syncs what waits, has files settled, and records all of it, unless that can wait until it is due: a fast
    /// download has many passes before, and the record of many files is long. If syncing fails nothing is known
    /// of what was written since the last time: its pieces are reported as lost.
    fn flush(&mut self, save: bool) -> Result<(), DiskError> {
        if save {
            self.due = None;
        }
        if self.ledger.waiting_bytes() == 0 && !self.behind {
            return Ok(());
        }
        let begun = Instant::now();
        let (moving, settled) = self.settle_waiting()?;
        if save {
            self.save();
        } else {
            self.behind = true;
        }
        // What it takes to rename files goes on beside the download.
        let on_disk = begun.elapsed().saturating_sub(moving);
        self.paused_until = Instant::now() + on_disk * PAUSE;
        if self.behind {
            self.wake_later();
        }
        settled
    }

    /// Syncs what waits and gives files their names, and leaves it to the caller to save that. The first
    /// error is of syncing; what comes of the names is told with how long they took.
    fn settle_waiting(&mut self) -> Result<(Duration, Result<(), DiskError>), DiskError> {
        let share = Arc::clone(&self.share);
        let Home::Download { tree, work } = share.files.home() else {
            return Ok((Duration::ZERO, Ok(())));
        };
        let geometry = share.files.manifest().geometry();
        let batch = self.ledger.take_waiting();
        let files: BTreeSet<_> = batch.iter().map(|&piece| geometry.span(piece).file).collect();
        if let Err((error, written)) = self.sync(work, &files) {
            self.ledger.sync_failed(&batch, written);
            tracing::warn!(?error, pieces = batch.len(), "what was written could not be synced");
            batch.into_iter().for_each(|piece| self.report(piece));
            return Err(error);
        }
        self.ledger.synced(&batch);
        Ok(self.settle(tree, work, files, false))
    }

    /// Syncs the data of these files. On failure, also returns every piece written to since the
    /// last good sync.
    fn sync(
        &self,
        work: &WorkFolder,
        files: &BTreeSet<FileIndex>,
    ) -> Result<(), (DiskError, Vec<PieceIndex>)> {
        let all = &self.share.files;
        let geometry = all.manifest().geometry();
        let many = files.len() > SYNCS_MAX || all.needs_sync_of_all();
        let at_once = cfg!(target_os = "linux") && many;
        let take = || -> Vec<PieceIndex> {
            if at_once {
                return all.take_unsynced(None);
            }
            files.iter().flat_map(|&file| all.take_unsynced(Some(file))).collect()
        };
        let mut written = take();
        let synced = if at_once {
            sync_file_system(work.folder()).map_err(|error| disk_error("sync the disk", &error))
        } else {
            files.iter().try_for_each(|&file| {
                all.sync(file).map_err(|error| all.disk_error("sync", file, &error))
            })
        };
        let synced = synced.and_then(|()| {
            // New part files have to be found again.
            let is_part = |file: &FileIndex| matches!(all.place(*file), Place::Part(_));
            let files = files.iter().copied().filter(|file| !at_once && is_part(file));
            work.parts().sync(files).map_err(|error| disk_error("sync the folder of parts", &error))
        });
        synced.map_err(|error| {
            // The system reports a lost write once, and it may have been one of these, too.
            written.extend(take());
            // What is read from now on comes from the disk, not from pages that never got there.
            let doubtful = written.iter().map(|&piece| geometry.span(piece).file);
            for file in doubtful.chain(files.iter().copied()).collect::<BTreeSet<_>>() {
                all.drop_cached(file);
            }
            (error, written)
        })
    }

    /// Gives every one of these files that is whole and wanted its final name, and syncs the folders; the
    /// last of a folder that is moved as a whole, or whoever waits for it with the `last` pass, has it moved.
    /// Also tells how long the first of the two took.
    fn settle(
        &mut self,
        tree: &Tree,
        work: &WorkFolder,
        files: impl IntoIterator<Item = FileIndex>,
        last: bool,
    ) -> (Duration, Result<(), DiskError>) {
        let (ledger, priorities) = (&self.ledger, &self.priorities);
        let settler = Settler {
            files: &self.share.files,
            tree,
            work,
            is_whole: |file| ledger.is_whole(file),
            is_skipped: |file| is_skipped(priorities, file),
            last,
        };
        let Settled { touched, took, result } = settler.settle(files);
        (took, sync_folders(tree, &touched).and(result))
    }

    fn make_empty_folders(&self, tree: &Tree) -> Result<(), DiskError> {
        let manifest = self.share.files.manifest();
        let mut folders = BTreeSet::new();
        for folder in &manifest.info().empty_folders {
            let path = path_in_output(manifest, folder.as_str());
            tree.make_folder(&path).map_err(|error| in_place_error(&path, &error))?;
            folders.extend((0..=path.len()).map(|len| path[..len].to_vec()));
        }
        sync_folders(tree, &folders)
    }

    /// Replaces the resume state. The old one stays if that fails, and is tried again.
    fn save(&mut self) {
        self.keep_manifest();
        let Home::Download { work, .. } = self.share.files.home() else { return };
        let files = &self.share.files;
        let resume = Resume { have: self.ledger.durable().clone(), files: files.kept() };
        let saved = work.write("resume", &resume.encode(files.manifest().id()));
        self.behind = saved.is_err();
        match saved {
            Ok(()) => self.claims_too_much = false,
            Err(error) => {
                tracing::warn!(path = %work.path().display(), %error, "cannot save resume state");
                if error.kind() == io::ErrorKind::NotFound {
                    files.orphan();
                }
            }
        }
    }

    fn report(&self, piece: PieceIndex) {
        self.share.answer(Input::Unsynced(piece));
    }

    fn wake_later(&mut self) {
        let due = (Instant::now() + WAIT).max(self.paused_until);
        self.due.get_or_insert(due);
    }
}

fn is_skipped(priorities: &[Priority], file: FileIndex) -> bool {
    priorities.get(file.as_usize()) == Some(&Priority::Skip)
}

fn sync_folders(tree: &Tree, folders: &BTreeSet<Vec<&str>>) -> Result<(), DiskError> {
    let synced = if cfg!(target_os = "linux") && folders.len() > SYNCS_MAX {
        sync_file_system(tree.root())
    } else {
        folders.iter().try_for_each(|path| Ok(fsync(tree.folder(path)?)?))
    };
    synced.map_err(|error| disk_error("sync the output folder", &error))
}

#[cfg(target_os = "linux")]
fn sync_file_system(on_it: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(on_it)?)
}

/// Elsewhere there is no such call, and files are synced one by one.
#[cfg(not(target_os = "linux"))]
fn sync_file_system(_on_it: impl AsFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
