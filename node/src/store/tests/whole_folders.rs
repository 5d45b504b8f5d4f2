//! Folders of small files get their name as a whole, if nothing speaks against it.

use super::*;

/// A file, and a folder of nine small ones, the third of which is empty. Piece 0 is the file's, pieces
/// 1 to 8 are theirs.
fn small_files() -> Sample {
    let names: Vec<String> = (0..9).map(|number| format!("s/{number}")).collect();
    let small =
        names.iter().enumerate().map(|(n, name)| (name.as_str(), if n == 2 { 0 } else { 99 }));
    Sample::new(&[("a", 10_000)].into_iter().chain(small).collect::<Vec<_>>())
}

/// What of the share is in its place.
fn there(output: &TempDir) -> Vec<String> {
    let share = output.path().join("share");
    let all = if share.exists() { listing(&share) } else { Vec::new() };
    all.into_iter().filter(|(_, bytes, _)| bytes.is_some()).map(|(path, ..)| path).collect()
}

#[test]
fn they_are_there_all_at_once_also_in_a_later_run() {
    let (sample, output) = (small_files(), output());
    let mut first = download(&sample, output.path()).unwrap();
    let pieces = first.pieces();
    pieces[..7].iter().for_each(|&piece| first.fetch(piece));
    first.store.close();
    assert_eq!(there(&output), ["a"]);
    drop(first);
    let mut second = download(&sample, output.path()).unwrap();
    assert_eq!(second.have.count(), 7);
    pieces[7..].iter().for_each(|&piece| second.fetch(piece));
    second.store.close();
    assert_eq!(there(&output).len(), 10, "also before anybody asks to finish");
    drop(second);
    let mut third = download(&sample, output.path()).unwrap();
    assert_eq!(third.have.count(), 9);
    third.completes_in(output.path());
    assert_eq!(names(output.path()), ["share"]);
}

#[test]
fn a_folder_that_somebody_made_meanwhile_is_filled_file_by_file() {
    let (sample, output) = (small_files(), output());
    let mut download = download(&sample, output.path()).unwrap();
    let folder = output.path().join("share/s");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("4"), "mine").unwrap();
    let why = "share/s/4 exists and is something else; move it away".to_owned();
    assert_eq!(download.complete(), Err(DiskError::Failed(why)));
    assert_eq!(fs::read(folder.join("4")).unwrap(), b"mine");
    // The empty one comes at the very end.
    assert_eq!(there(&output).len(), 9);
    fs::rename(folder.join("4"), folder.join("mine")).unwrap();
    assert_eq!(download.finish(), Ok(()));
    fs::remove_file(folder.join("mine")).unwrap();
    assert_eq!(listing(&output.path().join("share")), listing(&sample.path));
}

#[test]
fn one_that_is_there_already_is_adopted_and_one_that_is_doubted_recorded_again() {
    let (sample, output) = (small_files(), output());
    download(&sample, output.path()).unwrap().completes_in(output.path());
    // Nothing is recorded any more: everything is read, and nothing is to be moved.
    let mut again = download(&sample, output.path()).unwrap();
    assert_eq!(again.have.count(), 9);
    assert_eq!(again.finish(), Ok(()));
    drop(again);
    fs::remove_file(output.path().join("share/a")).unwrap();
    let mut again = download(&sample, output.path()).unwrap();
    assert_eq!(again.have.count(), 8);
    for &piece in &again.pieces()[1..3] {
        again.store.submit(Job::Forget(piece));
        again.store.submit(Job::Record(piece));
    }
    again.completes_in(output.path());
    assert_eq!(names(output.path()), ["share"]);
}

#[test]
fn what_is_written_again_while_it_waits_is_known_as_it_is_then() {
    let (sample, output) = (small_files(), output());
    let mut first = download(&sample, output.path()).unwrap();
    let pieces = first.pieces();
    pieces[..8].iter().for_each(|&piece| first.fetch(piece));
    // A pass that sees them.
    assert!(first.finish().is_err());
    first.store.submit(Job::Forget(pieces[3]));
    first.fetch(pieces[3]);
    first.fetch(pieces[8]);
    assert_eq!(first.finish(), Ok(()));
    let run = runs(&sample.manifest, pieces[3])[0];
    first.store.submit(Job::Read { conn: CONN, run });
    let answer = first.answer();
    assert!(matches!(answer, Input::BlocksRead { data: Ok(_), .. }), "{answer:?}");
}

#[test]
fn without_those_that_are_not_wanted_each_gets_its_name_by_itself() {
    let (sample, output) = (small_files(), output());
    let selection = Selection { skip: vec!["s/4".into()], ..Selection::default() };
    let mut first = chosen(&sample, output.path(), &selection).unwrap();
    let pieces = first.pieces();
    pieces[..3].iter().for_each(|&piece| first.fetch(piece));
    first.store.close();
    assert_eq!(there(&output), ["a", "s/0", "s/1"]);
    drop(first);
    // They are found there, and what is wanted after all goes to them.
    let all = Selection { only: vec!["*".into()], ..Selection::default() };
    let mut second = chosen(&sample, output.path(), &all).unwrap();
    assert_eq!(second.have.count(), 3);
    second.completes_in(output.path());
}

#[test]
fn nothing_else_comes_along() {
    let (sample, output) = (small_files(), output());
    let mut download = download(&sample, output.path()).unwrap();
    download.fetch(download.pieces()[1]);
    let parts = work_folder(&sample, &output).join("parts/in1");
    fs::write(parts.join("theirs"), "theirs").unwrap();
    download.completes_in(output.path());
}

#[test]
fn what_took_the_place_of_one_does_not_get_its_name() {
    let (sample, output) = (small_files(), output());
    let mut download = download(&sample, output.path()).unwrap();
    for piece in download.pieces() {
        download.write(piece);
    }
    let part = work_folder(&sample, &output).join("parts/in1/4");
    fs::write(part.with_file_name("theirs"), [7; 99]).unwrap();
    fs::rename(part.with_file_name("theirs"), part).unwrap();
    for piece in download.pieces() {
        download.store.submit(Job::Record(piece));
    }
    let removed = "its folder, or what had arrived of it, was removed";
    let why = format!("cannot put share/s/4 in its place: {removed}");
    assert_eq!(download.finish(), Err(DiskError::Failed(why)));
    assert!(!output.path().join("share/s/4").exists());
    assert_eq!(there(&output).len(), 8, "without the empty one as well");
}

#[test]
fn they_are_read_while_they_get_their_name() {
    reads_go_on(&small_files());
}
