//! No record claims what was forgotten.

use super::*;

#[test]
fn a_forgotten_piece_is_out_of_the_record_before_it_is_overwritten() {
    let (sample, output) = (varied(), output());
    let pieces = leave_two_pieces(&sample, &output);
    let mut second = download(&sample, output.path()).unwrap();
    assert_eq!(second.have.count(), 2);
    second.store.submit(Job::Forget(pieces[0]));
    second.write(pieces[0]);
    // The write has been answered, so the record must be right already.
    assert_eq!(claimed(&sample, &output), [1]);
    second.have.remove(pieces[0]);
    assert_eq!(second.complete(), Ok(()));
}

/// An earlier run that recorded the first two pieces. Returns all of them.
fn leave_two_pieces(sample: &Sample, output: &TempDir) -> Vec<PieceIndex> {
    let mut first = download(sample, output.path()).unwrap();
    let pieces = first.pieces();
    first.fetch(pieces[0]);
    first.fetch(pieces[1]);
    first.store.close();
    pieces
}

/// The pieces that the record on the disk claims.
fn claimed(sample: &Sample, output: &TempDir) -> Vec<u32> {
    let bytes = fs::read(work_folder(sample, output).join("resume")).unwrap();
    let geometry = sample.manifest.geometry();
    let resume = resume::Resume::decode(&bytes, sample.manifest.id(), geometry).unwrap();
    resume.have.iter().collect()
}

/// The new part may get the inode of the one that is gone, and a crash may come before the first
/// piece is recorded. The record must not speak for it then.
#[test]
fn what_is_gone_is_out_of_the_record_before_it_is_made_anew() {
    let (sample, output) = (varied(), output());
    leave_two_pieces(&sample, &output);
    assert_eq!(claimed(&sample, &output), [0, 1]);
    fs::remove_file(work_folder(&sample, &output).join("parts/0")).unwrap();
    let mut second = download(&sample, output.path()).unwrap();
    assert_eq!(second.have.count(), 0);
    assert_eq!(claimed(&sample, &output), []);
    assert_eq!(second.complete(), Ok(()));
}

#[test]
fn a_thousand_pieces_are_forgotten_with_few_writes() {
    let (sample, output) = (Sample::file("big", 1000 << 14), output());
    let mut download = download(&sample, output.path()).unwrap();
    // All but one: a whole file gets its final name, and is not written to again.
    for &piece in &download.pieces()[..999] {
        download.fetch(piece);
    }
    // Whoever changes a file makes the engine forget all of it at once.
    for piece in download.pieces() {
        download.store.submit(Job::Forget(piece));
    }
    let first = download.pieces()[0];
    download.write(first);
    let why = "1000 pieces are not recorded".into();
    assert_eq!(download.finish(), Err(DiskError::Failed(why)));
    assert_eq!(download.complete(), Ok(()));
    assert_eq!(fs::read(output.path().join("big")).unwrap(), noise(0, 1000 << 14));
}
