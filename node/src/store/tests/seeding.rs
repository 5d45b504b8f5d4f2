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

#[test]
fn long_runs_are_sent_from_their_file_as_they_are_read_and_not_once_it_has_changed() {
    let Sample { dir, path, .. } = Sample::file("film.mkv", 600_000);
    let options = CreateOptions { piece_length: Some(1 << 18), ..CreateOptions::default() };
    let manifest = Arc::new(create(&path, options, &mut |_| true).unwrap());
    let sample = Sample { dir, path, manifest };
    let pool = DiskPool::new(1, Buffers::default(), true).unwrap();
    let (opened, mut answers) = seed(&sample, &pool, true).unwrap();
    let [long, short] = [1, 2].map(|n| sample.manifest.geometry().piece(n).unwrap());
    let mut read = |piece| read(&opened.store, &mut answers, &sample.manifest, piece);
    assert_eq!(read(long).unwrap(), noise(0, 600_000)[1 << 18..1 << 19]);
    assert_eq!(read(short).unwrap(), noise(0, 600_000)[1 << 19..]);
    fs::write(&sample.path, noise(1, 600_000)).unwrap();
    assert_eq!(read(long), Err(DiskError::Changed));
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
