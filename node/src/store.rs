//! One share on the disk.
//!
//! A [`Store`] hands what the engine wants to those who do it: reading, writing and hashing to the
//! node's disk threads, and what has to be durable to the share's own recorder thread, which may
//! wait seconds for the disk. Both answer straight to the engine's driver.

mod fd_cache;
mod file_system;
mod files;
mod in_place;
mod inbox;
mod layout;
mod ledger;
mod parts;
mod pool;
mod priorities;
mod read;
mod recorder;
mod reserve;
mod resume;
mod settle;
mod share;
mod take_up;
mod tree;
mod work_folder;

use std::{
    fs, io, iter,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
pub(crate) use in_place::InFile;
pub(crate) use layout::Layout;
pub(crate) use parts::part_path;
pub(crate) use pool::DiskPool;
pub(crate) use share::Share;
use swarm_engine::{ConnId, Input, Priority};
use swarm_proto::{
    bitfield::Bitfield,
    geometry::{BlockRun, PieceIndex},
    id::SwarmId,
    manifest::{MANIFEST_LEN_MAX, Manifest},
    path::SharePath,
};
use tokio::sync::mpsc::UnboundedSender;
pub(crate) use tree::{Seen, Tree};
pub(crate) use work_folder::work_path;

use self::{
    files::{Files, Home, Place},
    inbox::Inbox,
    pool::Queue,
    recorder::{Note, Recorder},
    share::Work,
    take_up::{TakenUp, read_resume, take_up},
    work_folder::{WorkFolder, read_capped},
};
use crate::{
    NodeError, Progress, Selection,
    scan::scan,
    stamp::Stamp,
    walk::{WORK_PREFIX, open_file},
};

/// What the engine wants done on the disk. The queue of jobs has no limit of its own: the engine's
/// byte budgets (`buffer_bytes`, `send_bytes`) bound what it asks for before it has the answers.
#[derive(Debug)]
pub(crate) enum Job {
    /// Hash the blocks and write them. Answered by `Input::Stored` or `Input::StoreFailed`.
    Store {
        /// Which blocks.
        run: BlockRun,
        /// Their bytes.
        data: Bytes,
    },
    /// Read the blocks. Answered by `Input::BlocksRead`.
    Read {
        /// Whom they are for.
        conn: ConnId,
        /// Which blocks.
        run: BlockRun,
    },
    /// Read the piece as it is now and hash its blocks: `Output::ReadLeaves` and `Output::Check`.
    /// Answered by `Input::LeavesRead`.
    ReadLeaves(PieceIndex),
    /// The piece is verified. No answer, unless its data cannot be synced: then an
    /// `Input::Unsynced`.
    Record(PieceIndex),
    /// The piece is not to be trusted. No answer.
    Forget(PieceIndex),
    /// Every wanted piece was recorded: put everything in its place. Answered by
    /// `Input::Finished`.
    Finish,
    /// Remember how much each file is wanted. No answer.
    KeepPriorities(Vec<Priority>),
}

/// A share on the disk. Everything that the engine wants read or written goes through it.
#[derive(Debug)]
pub(crate) struct Store {
    share: Arc<Share>,
    queue: Arc<Queue>,
    /// None if there is nothing to record: the share is whole.
    notes: Option<Arc<Inbox>>,
    /// Taken by the first who closes the store.
    recorder: Mutex<Option<JoinHandle<()>>>,
}

/// A share that is ready for the engine.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The share.
    pub(crate) store: Store,
    /// The pieces that are verified and on the disk. If this is full, everything is already synced
    /// and under its final name: no `Finish` is needed (one that comes is answered at once).
    pub(crate) have: Bitfield,
    /// How much each file is wanted; empty if all are wanted alike.
    pub(crate) priorities: Vec<Priority>,
}

impl Store {
    /// Takes the lock, takes up what an earlier run left, verifies and adopts files that are
    /// already there. Blocking.
    ///
    /// # Errors
    /// If the folder cannot be used, another process has the download, files are in the way (then
    /// nothing was changed), or `progress` stopped it.
    pub(crate) fn for_download(
        pool: &DiskPool,
        manifest: Arc<Manifest>,
        output: &Path,
        selection: &Selection,
        answers: UnboundedSender<Input>,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Opened, NodeError> {
        check_names(&manifest)?;
        let chosen = selection.resolve(&manifest)?;
        fs::create_dir_all(output).map_err(NodeError::io("make the folder", output))?;
        let output = fs::canonicalize(output).map_err(NodeError::io("use", output))?;
        let tree = Tree::open(&output).map_err(NodeError::io("use", &output))?;
        let (work, new) = WorkFolder::open(&tree, &output, &manifest)?;
        let taken = choose(&work, &manifest, chosen).and_then(|priorities| {
            let resume = read_resume(&work, &manifest)?;
            let resume = resume.as_ref();
            let taken = take_up(&manifest, &tree, &work, &output, resume, &priorities, progress)?;
            Ok((taken, priorities))
        });
        let (taken, priorities) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                if new {
                    // As if we had never been here.
                    let _ = work.remove_all(&tree);
                }
                return Err(error);
            }
        };
        let TakenUp { places, recorded, verified, outdated } = taken;
        let files = Files::new(manifest, Home::Download { tree, work }, places, pool);
        let share = Arc::new(Share::new(files, answers));
        let (mut recorder, have) =
            Recorder::new(Arc::clone(&share), recorded, &verified, outdated, priorities.clone());
        let mut store = Self {
            share,
            queue: Arc::clone(pool.queue()),
            notes: None,
            recorder: Mutex::default(),
        };
        if have.is_full() && !priorities.contains(&Priority::Skip) {
            recorder.finish().map_err(NodeError::disk)?;
            return Ok(Opened { store, have, priorities });
        }
        let notes = Arc::new(Inbox::default());
        let noted = Arc::clone(&notes);
        let thread = thread::Builder::new()
            .name("recorder".into())
            .spawn(move || recorder.run(&noted))
            .map_err(NodeError::io("start a thread for", output))?;
        store.notes = Some(notes);
        store.recorder = Mutex::new(Some(thread));
        Ok(Opened { store, have, priorities })
    }

    /// Opens the file or folder that the manifest was made of. Blocking.
    ///
    /// # Errors
    /// If a file is not there or not as long as the manifest says; with `verify`, also if a piece
    /// does not verify, or `progress` stopped it.
    pub(crate) fn for_seeding(
        pool: &DiskPool,
        manifest: Arc<Manifest>,
        path: &Path,
        verify: bool,
        answers: UnboundedSender<Input>,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Opened, NodeError> {
        let path = fs::canonicalize(path).map_err(NodeError::io("share", path))?;
        let geometry = manifest.geometry();
        let mut places = Vec::with_capacity(geometry.file_count() as usize);
        for file in geometry.files() {
            let disk = manifest.file(file).path.below(&path);
            let metadata = fs::metadata(&disk).map_err(NodeError::io("share", &disk))?;
            let (found, wanted) = (metadata.len(), geometry.file_len(file));
            if !metadata.is_file() {
                return Err(NodeError::Differs { path: disk, why: "it is no file".into() });
            }
            if found != wanted {
                let why = format!("it has {found} bytes, not {wanted}");
                return Err(NodeError::Differs { path: disk, why });
            }
            places.push(Place::Final(Stamp::from(&metadata)));
        }
        if verify {
            verify_all(&manifest, &path, progress)?;
        }
        let have = Bitfield::full(geometry.piece_count());
        let files = Files::new(manifest, Home::Seed(path), places, pool);
        let store = Self {
            share: Arc::new(Share::new(files, answers)),
            queue: Arc::clone(pool.queue()),
            notes: None,
            recorder: Mutex::default(),
        };
        Ok(Opened { store, have, priorities: Vec::new() })
    }

    /// Whether the files are the user's own, which are never written to.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self.share.files.home(), Home::Seed(_))
    }

    /// The share, for reading it without the engine. It goes away with the store.
    pub(crate) fn share(&self) -> Weak<Share> {
        Arc::downgrade(&self.share)
    }

    /// Queues a job. Never blocks.
    #[cfg(test)]
    pub(crate) fn submit(&self, job: Job) {
        self.submit_all([job]);
    }

    /// Queues jobs: together, so that threads are woken once for many. Never blocks.
    pub(crate) fn submit_all(&self, jobs: impl IntoIterator<Item = Job>) {
        let (mut works, mut verified) = (Vec::new(), Vec::new());
        for job in jobs {
            let note = match job {
                Job::Store { run, data } => {
                    works.push(Work::Store { run, data });
                    continue;
                }
                Job::Read { conn, run } => {
                    works.push(Work::Read { conn, run });
                    continue;
                }
                Job::ReadLeaves(piece) => {
                    works.push(Work::ReadLeaves(piece));
                    continue;
                }
                Job::Record(piece) => {
                    verified.push(piece);
                    continue;
                }
                Job::Forget(piece) => {
                    self.share.forget(piece);
                    Note::Forget(piece)
                }
                Job::Finish => Note::Finish,
                Job::KeepPriorities(all) => Note::Priorities(all),
            };
            // The recorder hears of everything in order.
            self.note_verified(&mut verified);
            self.note(note);
        }
        self.note_verified(&mut verified);
        if !works.is_empty() && self.share.begin(works.len()) {
            self.queue.push(&self.share, works);
        }
    }

    fn note_verified(&self, pieces: &mut Vec<PieceIndex>) {
        if !pieces.is_empty() {
            self.note(Note::Record(std::mem::take(pieces)));
        }
    }

    /// Finishes queued jobs, syncs, saves resume state and releases the lock. Blocking. Jobs
    /// submitted later are dropped.
    pub(crate) fn close(&self) {
        self.share.close();
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(recorder) = recorder {
            self.note(Note::Close);
            if recorder.join().is_err() {
                tracing::error!("the recorder has panicked");
            }
        }
        self.share.files.close();
        if let Home::Download { work, .. } = self.share.files.home() {
            work.unlock();
        }
    }

    fn note(&self, note: Note) {
        match &self.notes {
            Some(notes) => {
                let geometry = self.share.files.manifest().geometry();
                let bytes = match &note {
                    Note::Record(pieces) => {
                        pieces.iter().map(|&piece| u64::from(geometry.piece_len(piece))).sum()
                    }
                    _ => 0,
                };
                notes.push(note, bytes);
            }
            // Nothing is left to record: everything is where it belongs.
            None => match note {
                Note::Finish => self.share.answer(Input::Finished(Ok(()))),
                Note::Forget(piece) => self.share.forgotten(piece),
                Note::Record(_) | Note::Priorities(_) | Note::Close => {}
            },
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

/// The manifest that an unfinished download into `output` keeps, if there is one of this id.
/// Blocking.
pub(crate) fn stored_manifest(output: &Path, id: SwarmId) -> Option<Manifest> {
    let file = open_file(work_path(output, id).join("manifest")).ok()?;
    let manifest = Manifest::decode(&read_capped(&file, MANIFEST_LEN_MAX as u64).ok()?).ok()?;
    (manifest.id() == id).then_some(manifest)
}

/// How much each file is wanted: as the user chose now, and else as before.
fn choose(
    work: &WorkFolder,
    manifest: &Manifest,
    chosen: Option<Vec<Priority>>,
) -> Result<Vec<Priority>, NodeError> {
    let path = || work.path().join("priorities");
    match chosen {
        Some(chosen) => {
            priorities::write(work, manifest, &chosen)
                .map_err(NodeError::io("write to", path()))?;
            Ok(chosen)
        }
        None => priorities::read(work, manifest).map_err(NodeError::io("read", path())),
    }
}

/// No name in a share may pose as a working folder: what somebody puts there would be believed by
/// the download that it belongs to.
fn check_names(manifest: &Manifest) -> Result<(), NodeError> {
    let info = manifest.info();
    let paths = info.files.iter().map(|file| &file.path).chain(&info.empty_folders);
    // Nearly all paths have it nowhere, which is faster seen than what their components begin with.
    let paths = paths.filter(|path| path.as_str().contains(WORK_PREFIX));
    let names = paths.flat_map(SharePath::components);
    match iter::once(&*info.name).chain(names).find(|name| name.starts_with(WORK_PREFIX)) {
        None => Ok(()),
        Some(name) => Err(NodeError::ReservedName { name: name.into() }),
    }
}

fn verify_all(
    manifest: &Manifest,
    path: &Path,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<(), NodeError> {
    let geometry = manifest.geometry();
    let disk = |file| manifest.file(file).path.below(path);
    let files: Vec<_> = geometry.files().collect();
    let mut state = Progress { done: 0, total: geometry.total_bytes() };
    let mut failed = None;
    let complete = progress(state)
        && scan(geometry, &files, &|file| open_file(disk(file)), &mut |piece, digest| {
            let path = || disk(geometry.span(piece).file);
            failed = match digest {
                Ok(digest) if digest == manifest.digest(piece) => None,
                Ok(_) => Some(NodeError::Differs {
                    path: path(),
                    why: format!("piece {} does not verify", piece.get()),
                }),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Some(NodeError::ChangedWhileReading { path: path() })
                }
                Err(error) => Some(NodeError::io("read", path())(error)),
            };
            state.done += u64::from(geometry.piece_len(piece));
            failed.is_none() && progress(state)
        });
    match failed {
        Some(error) => Err(error),
        None if complete => Ok(()),
        None => Err(NodeError::Stopped),
    }
}

#[cfg(test)]
mod choice_tests;
#[cfg(test)]
mod process_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod tests;
