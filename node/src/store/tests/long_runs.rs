//! Runs through several files.

use super::*;

/// Three files: one of a block, one of two pieces, one of a block.
fn three() -> Sample {
    Sample::new(&[("a", 100), ("b", 20_000), ("c", 5)])
}

/// All blocks of it in one run, and their bytes.
fn all(sample: &Sample) -> (BlockRun, Vec<u8>) {
    let geometry = sample.manifest.geometry();
    let run = geometry.long_run(geometry.piece(0).unwrap(), 0, 4).unwrap();
    (run, [noise(0, 100), noise(1, 20_000), noise(2, 5)].concat())
}

#[test]
fn they_are_written_and_read_at_once() {
    let (sample, output) = (three(), output());
    let mut download = download(&sample, output.path()).unwrap();
    let (run, data) = all(&sample);
    download.store.submit(Job::Store { run, data: data.clone().into() });
    let Input::Stored { run: stored, leaves, .. } = download.answer() else { panic!() };
    assert_eq!((stored, leaves.len()), (run, 4));
    for (piece, leaf) in download.pieces().into_iter().zip(leaves) {
        assert!(sample.manifest.verifies(piece, &[leaf]));
        download.store.submit(Job::Record(piece));
        download.have.insert(piece);
    }
    download.store.submit(Job::Read { conn: CONN, run });
    let Input::BlocksRead { data: Ok(blocks), .. } = download.answer() else { panic!() };
    assert_eq!(bytes_of(blocks), data);
    download.completes_in(output.path());
}

#[test]
fn what_could_not_be_written_is_told_piece_by_piece() {
    let (sample, output) = (three(), output());
    let mut download = download(&sample, output.path()).unwrap();
    let pieces = download.pieces();
    // Something took the place of the second file.
    download.write(pieces[1]);
    download.pool.open_files().clear();
    fs::remove_file(work_folder(&sample, &output).join("parts/1")).unwrap();
    let (run, data) = all(&sample);
    download.store.submit(Job::Store { run, data: data.into() });
    let answers: Vec<_> = (0..4)
        .map(|_| match download.answer() {
            Input::Stored { run, leaves, .. } => {
                assert!(sample.manifest.verifies(run.piece(), &leaves));
                (run.piece().get(), true)
            }
            Input::StoreFailed { run, .. } => (run.piece().get(), false),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answers, [(0, true), (1, false), (2, false), (3, true)]);
}

#[test]
fn one_with_a_file_that_has_changed_is_not_read() {
    let (sample, output) = (three(), output());
    let mut download = download(&sample, output.path()).unwrap();
    download.completes_in(output.path());
    fs::write(output.path().join("share/c"), "other").unwrap();
    let (run, _) = all(&sample);
    download.store.submit(Job::Read { conn: CONN, run });
    let Input::BlocksRead { data: Err(failed), .. } = download.answer() else { panic!() };
    assert_eq!(failed, (download.pieces()[3], DiskError::Changed));
}
