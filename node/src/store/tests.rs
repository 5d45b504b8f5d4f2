//! Downloads and seeding on real folders.

mod forgetting;
mod long_runs;
mod meddling;
mod seeding;
mod taking_up;
mod whole_folders;

use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::{FileExt, PermissionsExt, symlink},
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use swarm_engine::{Blocks, ConnId, DiskError};
use swarm_net::Buffers;
use swarm_proto::geometry::{BlockRun, RUN_BLOCKS_MAX};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::{
    ErrorKind,
    testing::{Sample, listing, noise},
};

const CONN: ConnId = ConnId(7);

/// A sample on its way into another folder.
pub(super) struct Download<'a> {
    sample: &'a Sample,
    pub(super) store: Store,
    pub(super) have: Bitfield,
    pub(super) priorities: Vec<Priority>,
    pub(super) answers: UnboundedReceiver<Input>,
    // Last, so that the store is closed before.
    pool: DiskPool,
}

pub(super) fn download<'a>(sample: &'a Sample, output: &Path) -> Result<Download<'a>, NodeError> {
    chosen(sample, output, &Selection::default())
}

pub(super) fn chosen<'a>(
    sample: &'a Sample,
    output: &Path,
    selection: &Selection,
) -> Result<Download<'a>, NodeError> {
    let pool = DiskPool::new(2, Buffers::default(), false).unwrap();
    download_through(pool, sample, output, selection)
}

fn download_through<'a>(
    pool: DiskPool,
    sample: &'a Sample,
    output: &Path,
    selection: &Selection,
) -> Result<Download<'a>, NodeError> {
    let (sender, answers) = unbounded_channel();
    let manifest = Arc::clone(&sample.manifest);
    let Opened { store, have, priorities } =
        Store::for_download(&pool, manifest, output, selection, sender, &mut |_| true)?;
    Ok(Download { sample, store, have, priorities, answers, pool })
}

impl Download<'_> {
    pub(super) fn manifest(&self) -> &Manifest {
        &self.sample.manifest
    }

    pub(super) fn pieces(&self) -> Vec<PieceIndex> {
        self.sample.manifest.geometry().pieces().collect()
    }

    fn answer(&mut self) -> Input {
        self.answers.blocking_recv().unwrap()
    }

    /// Stores a piece as the engine does, in runs, and checks the answers.
    pub(super) fn write(&mut self, piece: PieceIndex) {
        self.try_write(piece).unwrap();
    }

    pub(super) fn try_write(&mut self, piece: PieceIndex) -> Result<(), DiskError> {
        let manifest = Arc::clone(&self.sample.manifest);
        let (geometry, span) = (manifest.geometry(), manifest.geometry().span(piece));
        let source = manifest.file(span.file).path.below(&self.sample.path);
        let source = File::open(source).unwrap();
        let mut leaves = Vec::new();
        for run in runs(&manifest, piece) {
            let mut data = vec![0; geometry.run_len(run) as usize];
            source.read_exact_at(&mut data, span.offset + u64::from(run.offset())).unwrap();
            self.store.submit(Job::Store { run, data: data.into() });
            match self.answer() {
                Input::Stored { run: stored, leaves: some, .. } if stored == run => {
                    leaves.extend(some);
                }
                Input::StoreFailed { run: failed, error } if failed == run => return Err(error),
                other => panic!("{other:?}"),
            }
        }
        assert!(manifest.verifies(piece, &leaves));
        Ok(())
    }

    /// Stores and records a piece.
    pub(super) fn fetch(&mut self, piece: PieceIndex) {
        self.write(piece);
        self.store.submit(Job::Record(piece));
    }

    /// Stores and records whatever is missing, and finishes.
    pub(super) fn complete(&mut self) -> Result<(), DiskError> {
        for piece in self.pieces() {
            if !self.have.has(piece) {
                self.fetch(piece);
                self.have.insert(piece);
            }
        }
        self.finish()
    }

    /// Completes it: the share is there as it is at its source.
    #[track_caller]
    fn completes_in(&mut self, output: &Path) {
        assert_eq!(self.complete(), Ok(()));
        assert_eq!(listing(&output.join("share")), listing(&self.sample.path));
    }

    pub(super) fn finish(&mut self) -> Result<(), DiskError> {
        self.store.submit(Job::Finish);
        match self.answer() {
            Input::Finished(result) => result,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn read(&mut self, piece: PieceIndex) -> Result<Bytes, DiskError> {
        read(&self.store, &mut self.answers, &self.sample.manifest, piece)
    }
}

fn runs(manifest: &Manifest, piece: PieceIndex) -> Vec<BlockRun> {
    let count = manifest.geometry().block_count(piece);
    let firsts = (0..count).step_by(RUN_BLOCKS_MAX as usize);
    let run = |first| manifest.geometry().run(piece, first, RUN_BLOCKS_MAX.min(count - first));
    firsts.map(|first| run(first).unwrap()).collect()
}

fn read(
    store: &Store,
    answers: &mut UnboundedReceiver<Input>,
    manifest: &Manifest,
    piece: PieceIndex,
) -> Result<Bytes, DiskError> {
    blocks(store, answers, manifest, piece).map(bytes_of)
}

fn blocks(
    store: &Store,
    answers: &mut UnboundedReceiver<Input>,
    manifest: &Manifest,
    piece: PieceIndex,
) -> Result<Blocks, DiskError> {
    let run = runs(manifest, piece)[0];
    store.submit(Job::Read { conn: CONN, run });
    match answers.blocking_recv().unwrap() {
        Input::BlocksRead { conn: CONN, run: of, data } if of == run => {
            data.map_err(|(failed, error)| {
                assert_eq!(failed, piece);
                error
            })
        }
        other => panic!("{other:?}"),
    }
}

/// Blocks as a peer gets them.
fn bytes_of(blocks: Blocks) -> Bytes {
    match blocks {
        Blocks::Read(bytes) => bytes,
        Blocks::InPlace(place) => {
            let InFile { file, offset, len } = place.get().unwrap();
            let mut bytes = vec![0; *len as usize];
            file.read_exact_at(&mut bytes, *offset).unwrap();
            bytes.into()
        }
    }
}

/// Whether what is on the disk now verifies.
pub(super) fn check(
    store: &Store,
    answers: &mut UnboundedReceiver<Input>,
    manifest: &Manifest,
    piece: PieceIndex,
) -> Result<bool, DiskError> {
    store.submit(Job::ReadLeaves(piece));
    match answers.blocking_recv().unwrap() {
        Input::LeavesRead { piece: of, leaves } if of == piece => {
            leaves.map(|leaves| manifest.verifies(piece, &leaves))
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn output() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(super) fn work_folder(sample: &Sample, output: &TempDir) -> std::path::PathBuf {
    work_path(output.path(), sample.manifest.id())
}

/// Three files of 3, 1 and 2 pieces, an empty one, an empty folder, and a program.
pub(super) fn varied() -> Sample {
    let sample = Sample::new(&[("a", 40_000), ("b/c", 1), ("b/d/e", 32_768), ("empty", 0)]);
    fs::create_dir_all(sample.path.join("b/nothing/here")).unwrap();
    let program = sample.path.join("b/c");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let Sample { dir, path, .. } = sample;
    Sample::of(dir, path)
}

#[test]
fn a_download_appears_under_its_name_and_leaves_nothing_else() {
    let (sample, output) = (varied(), output());
    let mut download = download(&sample, output.path()).unwrap();
    assert!(download.have.is_empty());
    assert_eq!(download.complete(), Ok(()));
    assert_eq!(names(output.path()), ["share"]);
    assert_eq!(listing(&output.path().join("share")), listing(&sample.path));
    // It can be read on, and finished again.
    let pieces = download.pieces();
    assert_eq!(download.read(pieces[3]).unwrap(), noise(1, 1));
    assert_eq!(download.finish(), Ok(()));
}

#[test]
fn a_share_of_one_file_is_that_file() {
    let (sample, output) = (Sample::file("film.mkv", 100_000), output());
    let mut download = download(&sample, output.path()).unwrap();
    assert_eq!(download.complete(), Ok(()));
    assert_eq!(fs::read(output.path().join("film.mkv")).unwrap(), noise(0, 100_000));
    assert_eq!(names(output.path()), ["film.mkv"]);
}

#[test]
fn a_whole_file_has_its_name_before_the_rest_is_there() {
    let (sample, output) = (varied(), output());
    let mut first = download(&sample, output.path()).unwrap();
    let pieces = first.pieces();
    for &piece in &pieces[..4] {
        first.fetch(piece);
    }
    first.fetch(pieces[5]);
    first.store.close();
    let share = output.path().join("share");
    assert_eq!(names(&share), ["a", "b"]);
    assert_eq!(names(&share.join("b")), ["c"]);
    assert_eq!(fs::read(share.join("a")).unwrap(), noise(0, 40_000));
    drop(first);
    let mut second = download(&sample, output.path()).unwrap();
    assert_eq!(second.have.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 5]);
    assert_eq!(second.complete(), Ok(()));
    assert_eq!(listing(&share), listing(&sample.path));
}

#[test]
fn a_file_that_appears_during_a_download_is_not_overwritten() {
    let (sample, output) = (varied(), output());
    let mut download = download(&sample, output.path()).unwrap();
    let mine = output.path().join("share/a");
    fs::create_dir(output.path().join("share")).unwrap();
    fs::write(&mine, "mine").unwrap();
    let DiskError::Failed(message) = download.complete().unwrap_err() else { panic!() };
    assert_eq!(message, "share/a exists and is something else; move it away");
    assert_eq!(fs::read(&mine).unwrap(), b"mine");
    // Once it is out of the way, nothing has to be fetched again.
    fs::remove_file(mine).unwrap();
    assert_eq!(download.finish(), Ok(()));
    assert_eq!(listing(&output.path().join("share")), listing(&sample.path));
}

#[test]
fn a_link_in_the_output_leads_nowhere() {
    let (sample, elsewhere) = (varied(), output());
    // The share's own folder; a folder in it; a file in it.
    for (link, folder) in [("share", ""), ("share/b", "share"), ("share/a", "share")] {
        let output = output();
        fs::create_dir_all(output.path().join(folder)).unwrap();
        symlink(elsewhere.path(), output.path().join(link)).unwrap();
        let error = download(&sample, output.path()).err().unwrap();
        assert!(matches!(error, NodeError::TargetExists { .. }), "{link}: {error}");
    }
    // The same, planted during the download.
    let output = output();
    let mut download = download(&sample, output.path()).unwrap();
    symlink(elsewhere.path(), output.path().join("share")).unwrap();
    assert!(matches!(download.complete(), Err(DiskError::Failed(_))));
    assert_eq!(names(elsewhere.path()), Vec::<String>::new());
}

#[test]
fn no_share_may_pose_as_a_working_folder() {
    let dir = output();
    let path = dir.path().join("innocent");
    fs::write(&path, "x").unwrap();
    let name = format!("{WORK_PREFIX}abcdefghijklmnop");
    let options = crate::CreateOptions { name: Some(name), ..Default::default() };
    let sample = match crate::create(&path, options, &mut |_| true) {
        Ok(manifest) => Sample { dir, path, manifest: Arc::new(manifest) },
        Err(error) => panic!("{error}"),
    };
    let error = download(&sample, output().path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Manifest, "{error}");
}

#[test]
fn reading_goes_on_while_files_get_their_names() {
    reads_go_on(&varied());
}

fn reads_go_on(sample: &Sample) {
    let output = output();
    let mut download = download(sample, output.path()).unwrap();
    let pieces = download.pieces();
    for &piece in &pieces {
        download.fetch(piece);
    }
    download.store.submit(Job::Finish);
    let (mut reads, mut finished) = (0, false);
    while !finished || reads < 600 {
        for &piece in &pieces {
            let run = runs(&sample.manifest, piece)[0];
            download.store.submit(Job::Read { conn: CONN, run });
        }
        for _ in &pieces {
            match download.answer() {
                Input::BlocksRead { data, .. } => reads += usize::from(data.is_ok()),
                Input::Finished(result) => finished = result.is_ok(),
                other => panic!("{other:?}"),
            }
        }
    }
    // Every read but the one in whose place the finish was answered has been taken out.
    assert_eq!((reads + 1) % pieces.len(), 0);
}

/// A pipe can be opened, but not synced.
#[cfg(target_os = "linux")]
#[test]
fn pieces_that_could_not_be_synced_are_reported_and_fetched_again() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let (sample, output) = (varied(), output());
    let mut download = download(&sample, output.path()).unwrap();
    let pieces = download.pieces();
    let part = work_folder(&sample, &output).join("parts/0");
    let aside = part.with_file_name("aside");
    download.fetch(pieces[0]);
    download.write(pieces[1]);
    download.fetch(pieces[5]);
    download.pool.open_files().clear();
    fs::rename(&part, &aside).unwrap();
    mknodat(CWD, &part, FileType::Fifo, Mode::RWXU, 0).unwrap();
    download.store.submit(Job::Finish);
    for piece in [pieces[0], pieces[5]] {
        match download.answer() {
            Input::Unsynced(lost) => assert_eq!(lost, piece),
            other => panic!("{other:?}"),
        }
    }
    let failed = download.answer();
    let Input::Finished(Err(DiskError::Failed(message))) = failed else { panic!("{failed:?}") };
    assert!(message.starts_with("cannot sync share/a: "), "{message}");
    fs::rename(aside, part).unwrap();
    download.pool.open_files().clear();
    // Written before the failure, and verified only now: it may be lost as well.
    download.store.submit(Job::Record(pieces[1]));
    let answer = download.answer();
    let Input::Unsynced(piece) = answer else { panic!("{answer:?}") };
    assert_eq!(piece, pieces[1]);
    assert!(!output.path().join("share").exists());
    download.completes_in(output.path());
}

#[test]
fn a_finished_file_is_the_users_and_not_written_to() {
    let (sample, output) = (varied(), output());
    let mut download = download(&sample, output.path()).unwrap();
    assert_eq!(download.complete(), Ok(()));
    let piece = download.pieces()[0];
    let mine = output.path().join("share/a");
    fs::write(&mine, "mine").unwrap();
    assert_eq!(download.read(piece), Err(DiskError::Changed));
    download.store.submit(Job::Forget(piece));
    let message = "share/a has changed; what is yours is not written to".into();
    assert_eq!(download.try_write(piece), Err(DiskError::Failed(message)));
    assert_eq!(fs::read(mine).unwrap(), b"mine");
}

#[test]
fn finishing_with_a_piece_missing_is_refused() {
    let (sample, output) = (varied(), output());
    let mut download = download(&sample, output.path()).unwrap();
    let pieces = download.pieces();
    download.fetch(pieces[0]);
    let why = "5 pieces are not recorded".into();
    assert_eq!(download.finish(), Err(DiskError::Failed(why)));
}

#[test]
fn a_stopped_verification_leaves_things_as_they_were() {
    let sample = varied();
    let before = listing(sample.dir.path());
    let pool = DiskPool::new(1, Buffers::default(), false).unwrap();
    let (sender, _answers) = unbounded_channel();
    let manifest = Arc::clone(&sample.manifest);
    let opened = Store::for_download(
        &pool,
        manifest,
        sample.dir.path(),
        &Selection::default(),
        sender,
        &mut |p| p.done == 0,
    );
    assert_eq!(opened.err().unwrap().kind(), ErrorKind::Stopped);
    assert_eq!(listing(sample.dir.path()), before);
}
