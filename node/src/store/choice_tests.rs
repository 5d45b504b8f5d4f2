//! Files that are not wanted.

use swarm_engine::{
    DiskError,
    Priority::{High, Normal, Skip},
};

use super::{
    tests::{Download, chosen, download, output},
    *,
};
use crate::{
    ErrorKind,
    testing::{Sample, listing},
};

/// Two files with bytes, one in a folder, and one without.
fn sample() -> Sample {
    Sample::new(&[("a", 40_000), ("b/c", 20_000), ("empty", 0)])
}

fn only(pattern: &str) -> Selection {
    Selection { only: vec![pattern.into()], skip: Vec::new() }
}

fn fetch_file(run: &mut Download<'_>, number: u32) {
    let geometry = run.manifest().geometry().clone();
    for piece in geometry.file_pieces(geometry.file(number).unwrap()) {
        run.fetch(piece);
    }
}

/// The files in a folder, without what is in the working folder.
fn visible(output: &Path) -> Vec<String> {
    let all = listing(output).into_iter().map(|(path, ..)| path);
    all.filter(|path| !path.is_empty() && !path.starts_with(WORK_PREFIX)).collect()
}

#[test]
fn wanted_files_get_their_name_and_skipped_ones_are_absent() {
    let (sample, output) = (sample(), output());
    let mut run = chosen(&sample, output.path(), &only("c")).unwrap();
    assert_eq!(run.priorities, [Skip, Normal, Skip]);
    fetch_file(&mut run, 1);
    run.finish().unwrap();
    let name = &sample.manifest.info().name;
    assert_eq!(visible(output.path()), [name.clone(), format!("{name}/b"), format!("{name}/b/c")]);
    drop(run);

    // The choice holds until somebody makes another; what is there needs no fetching.
    let mut run = download(&sample, output.path()).unwrap();
    assert_eq!(run.priorities, [Skip, Normal, Skip]);
    run.finish().unwrap();
    run.store.submit(Job::KeepPriorities(vec![High, Normal, Skip]));
    run.store.close();
    drop(run);
    let run = download(&sample, output.path()).unwrap();
    assert_eq!(run.priorities, [High, Normal, Skip]);
    drop(run);
    let mut run = chosen(&sample, output.path(), &only("*")).unwrap();
    assert_eq!(run.priorities, []);
    assert!(run.finish().is_err(), "file a is not there");
    run.complete().unwrap();
    let whole = ["", "/a", "/b", "/b/c", "/empty"].map(|path| format!("{name}{path}"));
    assert_eq!(visible(output.path()), whole);
    assert!(!work_path(output.path(), sample.manifest.id()).exists());
}

#[test]
fn a_file_that_becomes_wanted_is_put_in_its_place_by_the_next_finish() {
    let (sample, output) = (sample(), output());
    let mut run = chosen(&sample, output.path(), &only("a")).unwrap();
    fetch_file(&mut run, 0);
    run.finish().unwrap();
    run.store.submit(Job::KeepPriorities(vec![]));
    fetch_file(&mut run, 1);
    run.finish().unwrap();
    assert_eq!(visible(output.path()).len(), 5);
    assert!(!work_path(output.path(), sample.manifest.id()).exists());
}

#[test]
fn what_lies_at_the_place_of_a_skipped_file_is_left_alone() {
    let (sample, output) = (sample(), output());
    let folder = output.path().join(&sample.manifest.info().name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), "mine").unwrap();
    assert_eq!(download(&sample, output.path()).err().unwrap().kind(), ErrorKind::Disk);
    let mut run = chosen(&sample, output.path(), &only("c")).unwrap();
    fetch_file(&mut run, 1);
    run.finish().unwrap();
    // Wanted after all, it still is not overwritten.
    run.store.submit(Job::KeepPriorities(vec![]));
    fetch_file(&mut run, 0);
    let error = run.finish().unwrap_err();
    let DiskError::Failed(why) = error else { panic!("{error:?}") };
    assert!(why.ends_with("/a exists and is something else; move it away"), "{why}");
    assert_eq!(fs::read(folder.join("a")).unwrap(), b"mine");
    fs::remove_file(folder.join("a")).unwrap();
    run.finish().unwrap();
    assert_eq!(fs::metadata(folder.join("a")).unwrap().len(), 40_000);
}

#[test]
fn a_pattern_that_fits_nothing_changes_nothing() {
    let (sample, output) = (sample(), output());
    let error = chosen(&sample, output.path(), &only("d")).err().unwrap();
    assert_eq!(error.to_string(), "no file of the share fits 'd'");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(fs::read_dir(output.path()).unwrap().next().is_none());
}
