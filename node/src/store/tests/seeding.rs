//! Sharing what is on the disk.

use super::*;
use crate::{CreateOptions, create};

fn seed(
    sample: &Sample,
    pool: &DiskPool,
    verify: bool,
) -> Result<(Opened, UnboundedReceiver<Input>), NodeError> {
    let (sender, answers) = unbounded_channel();
    let manifest = Arc::clone(&sample.manifest);
    Store::for_seeding(pool, manifest, &sample.path, verify, sender, &mut |_| true)
        .map(|opened| (opened, answers))
}

#[test]
fn a_seeder_reads_what_it_shares() {
    let (sample, pool) = (varied(), DiskPool::new(2, Buffers::default(), false).unwrap());
    let (opened, mut answers) = seed(&sample, &pool, true).unwrap();
    assert!(opened.have.is_full());
    let manifest = &sample.manifest;
    let last = manifest.geometry().piece(2).unwrap();
    let data = read(&opened.store, &mut answers, manifest, last).unwrap();
    assert_eq!(data, noise(0, 40_000)[32_768..]);
    assert_eq!(check(&opened.store, &mut answers, manifest, last), Ok(true));
    opened.store.submit(Job::Store { run: runs(manifest, last)[0], data });
    assert!(matches!(answers.blocking_recv(), Some(Input::StoreFailed { .. })));
}

/// A file with two pieces of 256 KiB and a short one.
fn film() -> Sample {
    let Sample { dir, path, .. } = Sample::file("film.mkv", 600_000);
    let options = CreateOptions { piece_length: Some(1 << 18), ..CreateOptions::default() };
    let manifest = Arc::new(create(&path, options, &mut |_| true).unwrap());
    Sample { dir, path, manifest }
}

#[test]
fn what_is_the_users_is_read_before_it_is_sent_and_not_once_it_has_changed() {
    let (sample, pool) = (film(), DiskPool::new(1, Buffers::default(), true).unwrap());
    let (opened, mut answers) = seed(&sample, &pool, true).unwrap();
    let piece = sample.manifest.geometry().piece(1).unwrap();
    let mut blocks = || blocks(&opened.store, &mut answers, &sample.manifest, piece);
    let Ok(Blocks::Read(data)) = blocks() else { panic!() };
    fs::write(&sample.path, noise(1, 600_000)).unwrap();
    assert_eq!(data, noise(0, 600_000)[1 << 18..1 << 19]);
    assert!(matches!(blocks(), Err(DiskError::Changed)));
}

#[test]
fn long_runs_of_a_part_are_sent_from_it() {
    let (sample, output) = (film(), TempDir::new().unwrap());
    let pool = DiskPool::new(1, Buffers::default(), true).unwrap();
    let mut d = download_through(pool, &sample, output.path(), &Selection::default()).unwrap();
    let [long, short] = [1, 2].map(|n| d.pieces()[n]);
    d.write(long);
    d.write(short);
    let work = work_path(&output.path().canonicalize().unwrap(), sample.manifest.id());
    let part = File::open(work.join("parts/0")).unwrap();
    // Not every file system can be asked whether it would have to read it.
    let place = InFile { file: Arc::new(part), offset: 1 << 18, len: 1 << 18 };
    let expected = place.may_be_sent();
    let mut blocks = |piece| blocks(&d.store, &mut d.answers, &sample.manifest, piece).unwrap();
    assert_eq!(matches!(blocks(long), Blocks::InPlace(_)), expected);
    assert_eq!(bytes_of(blocks(long)), noise(0, 600_000)[1 << 18..1 << 19]);
    assert!(matches!(blocks(short), Blocks::Read(data) if data == noise(0, 600_000)[1 << 19..]));
}

#[test]
fn a_share_that_is_not_what_the_manifest_says_is_not_seeded() {
    let (sample, pool) = (varied(), DiskPool::new(1, Buffers::default(), false).unwrap());
    let file = sample.path.join("a");
    fs::write(&file, noise(1, 40_000)).unwrap();
    assert!(seed(&sample, &pool, false).is_ok());
    let error = seed(&sample, &pool, true).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Verification, "{error}");
    fs::write(&file, "short").unwrap();
    let error = seed(&sample, &pool, false).err().unwrap();
    assert!(error.to_string().contains("it has 5 bytes, not 40000"), "{error}");
    fs::remove_file(&file).unwrap();
    let error = seed(&sample, &pool, false).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Disk, "{error}");
}

#[test]
fn a_file_changed_under_a_seeder_is_noticed_and_can_be_trusted_again() {
    let (sample, pool) = (varied(), DiskPool::new(1, Buffers::default(), false).unwrap());
    let (opened, mut answers) = seed(&sample, &pool, false).unwrap();
    let manifest = &sample.manifest;
    let [first, second] = [0, 1].map(|n| manifest.geometry().piece(n).unwrap());
    assert!(read(&opened.store, &mut answers, manifest, first).is_ok());
    let path = sample.path.join("a");
    let later = |seconds| SystemTime::now() + Duration::from_secs(seconds);
    let change = |byte: u8, seconds| {
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[byte], 20_000).unwrap();
        file.set_times(FileTimes::new().set_modified(later(seconds))).unwrap();
    };
    let right = noise(0, 40_000)[20_000];
    change(!right, 10);
    let mut reads = |piece| read(&opened.store, &mut answers, manifest, piece);
    assert_eq!(reads(first), Err(DiskError::Changed));
    assert_eq!(reads(second), Err(DiskError::Changed));
    assert_eq!(check(&opened.store, &mut answers, manifest, first), Ok(true));
    assert_eq!(check(&opened.store, &mut answers, manifest, second), Ok(false));
    // What verifies is shared again, the rest is not.
    let mut reads = |piece| read(&opened.store, &mut answers, manifest, piece);
    assert!(reads(first).is_ok());
    assert_eq!(reads(second), Err(DiskError::Changed));
    // Put right, it is noticed as another change.
    change(right, 20);
    assert_eq!(reads(first), Err(DiskError::Changed));
    for piece in [first, second] {
        assert_eq!(check(&opened.store, &mut answers, manifest, piece), Ok(true));
    }
    let mut reads = |piece| read(&opened.store, &mut answers, manifest, piece);
    assert!(reads(first).is_ok());
    assert!(reads(second).is_ok());
}

#[test]
fn a_file_cut_or_removed_under_a_seeder_is_noticed() {
    let (sample, pool) = (varied(), DiskPool::new(1, Buffers::default(), false).unwrap());
    let (opened, mut answers) = seed(&sample, &pool, false).unwrap();
    let manifest = &sample.manifest;
    let piece = manifest.geometry().piece(1).unwrap();
    let path = sample.path.join("a");
    File::options().write(true).open(&path).unwrap().set_len(20_000).unwrap();
    assert_eq!(read(&opened.store, &mut answers, manifest, piece).unwrap_err(), DiskError::Changed);
    assert_eq!(
        check(&opened.store, &mut answers, manifest, piece).unwrap_err(),
        DiskError::Changed
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(
        check(&opened.store, &mut answers, manifest, piece).unwrap_err(),
        DiskError::Changed
    );
    assert_eq!(read(&opened.store, &mut answers, manifest, piece).unwrap_err(), DiskError::Changed);
}

/// To open a pipe for reading waits for somebody who writes to it.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_in_the_place_of_a_file_keeps_no_thread_waiting() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let (sample, pool) = (varied(), DiskPool::new(1, Buffers::default(), false).unwrap());
    let (opened, mut answers) = seed(&sample, &pool, false).unwrap();
    let path = sample.path.join("a");
    fs::remove_file(&path).unwrap();
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let manifest = &sample.manifest;
    let [piece, other] = [1, 5].map(|n| manifest.geometry().piece(n).unwrap());
    assert_eq!(read(&opened.store, &mut answers, manifest, piece), Err(DiskError::Changed));
    assert!(read(&opened.store, &mut answers, manifest, other).is_ok());
}

#[test]
fn a_closed_store_takes_no_jobs() {
    let (sample, pool) = (varied(), DiskPool::new(1, Buffers::default(), false).unwrap());
    let (opened, mut answers) = seed(&sample, &pool, false).unwrap();
    opened.store.close();
    opened.store.submit(Job::ReadLeaves(sample.manifest.geometry().piece(0).unwrap()));
    drop(opened);
    drop(pool);
    assert!(answers.blocking_recv().is_none());
}
