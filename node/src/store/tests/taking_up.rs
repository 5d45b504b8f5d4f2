//! What an earlier run, or somebody else, has left where a download goes.

use super::*;

#[test]
fn what_was_recorded_is_not_read_again() {
    let (sample, output) = (varied(), output());
    let mut first = download(&sample, output.path()).unwrap();
    let pieces = first.pieces();
    first.fetch(pieces[0]);
    first.write(pieces[1]);
    first.fetch(pieces[3]);
    first.store.close();
    drop(first);
    // Damage that only reading would find: it shows that nothing was read.
    let part = work_folder(&sample, &output).join("parts/0");
    File::options().write(true).open(part).unwrap().write_all_at(b"?", 0).unwrap();
    let mut seen = Vec::new();
    let pool = DiskPool::new(1, Buffers::default(), false).unwrap();
    let (sender, _answers) = unbounded_channel();
    let manifest = Arc::clone(&sample.manifest);
    let all = Selection::default();
    let opened =
        Store::for_download(&pool, manifest, output.path(), &all, sender, &mut |progress| {
            seen.push(progress);
            true
        });
    assert_eq!(opened.unwrap().have.iter().collect::<Vec<_>>(), [0, 3]);
    assert_eq!(seen, [Progress { done: 0, total: 0 }]);
}

#[test]
fn without_a_record_everything_is_verified() {
    for damage in [b"".as_slice(), b"garbage", &[0; 5000]] {
        let (sample, output) = (varied(), output());
        let mut first = download(&sample, output.path()).unwrap();
        let pieces = first.pieces();
        first.fetch(pieces[0]);
        first.write(pieces[2]);
        first.fetch(pieces[3]);
        first.store.close();
        drop(first);
        fs::write(work_folder(&sample, &output).join("resume"), damage).unwrap();
        let mut second = download(&sample, output.path()).unwrap();
        assert_eq!(second.have.iter().collect::<Vec<_>>(), [0, 2, 3]);
        assert_eq!(fs::read(work_folder(&sample, &output).join("resume.bad")).unwrap(), damage);
        second.completes_in(output.path());
    }
}

#[test]
fn of_many_files_the_parts_are_found_in_the_folders_that_they_were_put_in() {
    let names: Vec<String> = (0..1024).map(|number| format!("{number:04}")).collect();
    // The last one is in a folder, so that the one of the others cannot be moved as a whole.
    let names = names.iter().map(String::as_str).chain(["z/last"]);
    let files: Vec<_> = names.map(|name| (name, 20_000)).collect();
    let (sample, output) = (Sample::new(&files), output());
    let mut first = download(&sample, output.path()).unwrap();
    let pieces = first.pieces();
    // Half of file 0, and of file 33.
    first.fetch(pieces[0]);
    first.fetch(pieces[66]);
    first.store.close();
    drop(first);
    let work = work_folder(&sample, &output);
    let sizes =
        ["parts/mod0/0", "parts/mod1/33"].map(|part| fs::metadata(work.join(part)).unwrap().len());
    assert_eq!(sizes, [20_000; 2]);
    let mut second = download(&sample, output.path()).unwrap();
    assert_eq!(second.have.iter().collect::<Vec<_>>(), [0, 66]);
    second.completes_in(output.path());
    assert!(!work.exists());
}

#[test]
fn a_part_that_was_replaced_or_cut_is_not_trusted() {
    let (sample, output) = (varied(), output());
    let mut first = download(&sample, output.path()).unwrap();
    let pieces = first.pieces();
    first.fetch(pieces[0]);
    first.fetch(pieces[5]);
    first.store.close();
    drop(first);
    let parts = work_folder(&sample, &output).join("parts");
    let mut bytes = fs::read(parts.join("0")).unwrap();
    bytes[0] ^= 1;
    fs::write(parts.join("new"), bytes).unwrap();
    fs::rename(parts.join("new"), parts.join("0")).unwrap();
    File::options().write(true).open(parts.join("2")).unwrap().set_len(20_000).unwrap();
    let mut second = download(&sample, output.path()).unwrap();
    assert!(second.have.is_empty(), "{:?}", second.have);
    second.completes_in(output.path());
}

/// A small file is written at once, whatever lies in the place of its part.
#[test]
fn what_is_left_of_a_part_is_written_over() {
    let sample = Sample::new(&[("a", 5000), ("b", 5000), ("c", 5000)]);
    let output = output();
    download(&sample, output.path()).unwrap().store.close();
    let parts = work_folder(&sample, &output).join("parts");
    for (name, len) in [("0", 9000), ("1", 5000), ("2", 10)] {
        fs::write(parts.join(name), vec![7; len]).unwrap();
    }
    let mut second = download(&sample, output.path()).unwrap();
    assert!(second.have.is_empty(), "{:?}", second.have);
    second.completes_in(output.path());
}

#[test]
fn a_whole_file_changed_between_two_runs_is_not_trusted() {
    let (sample, output) = (varied(), output());
    let mut first = download(&sample, output.path()).unwrap();
    for &piece in &first.pieces()[..3] {
        first.fetch(piece);
    }
    first.store.close();
    drop(first);
    let path = output.path().join("share/a");
    let file = File::options().write(true).open(&path).unwrap();
    let later = SystemTime::now() + Duration::from_secs(10);
    // Touched, it is read and found good. Changed, it is somebody else's.
    file.set_times(FileTimes::new().set_modified(later)).unwrap();
    assert_eq!(download(&sample, output.path()).unwrap().have.count(), 3);
    file.write_all_at(b"?", 0).unwrap();
    let error = download(&sample, output.path()).err().unwrap();
    assert!(matches!(error, NodeError::TargetExists { .. }), "{error}");
}

#[test]
fn two_processes_cannot_have_one_download() {
    let (sample, output) = (varied(), output());
    let first = download(&sample, output.path()).unwrap();
    let error = download(&sample, output.path()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Locked);
    first.store.close();
    assert!(download(&sample, output.path()).is_ok());
}

#[test]
fn the_manifest_is_kept_for_a_run_without_a_tracker() {
    let (sample, output) = (varied(), output());
    assert_eq!(stored_manifest(output.path(), sample.manifest.id()), None);
    let download = download(&sample, output.path()).unwrap();
    drop(download);
    let kept = stored_manifest(output.path(), sample.manifest.id());
    assert_eq!(kept.as_ref(), Some(&*sample.manifest));
    assert_eq!(stored_manifest(output.path(), SwarmId::new([1; 32])), None);
}

#[test]
fn files_that_are_already_there_are_adopted() {
    let sample = varied();
    let folder = sample.dir.path();
    let before = listing(folder);
    let mut whole = download(&sample, folder).unwrap();
    assert!(whole.have.is_full());
    assert_eq!(whole.finish(), Ok(()));
    drop(whole);
    assert_eq!(listing(folder), before);

    fs::remove_file(sample.path.join("a")).unwrap();
    fs::remove_file(sample.path.join("empty")).unwrap();
    let source = varied();
    let mut partial = download(&source, folder).unwrap();
    assert_eq!(partial.have.iter().collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(partial.complete(), Ok(()));
    drop(partial);
    assert_eq!(listing(folder), before);
}

#[test]
fn a_file_that_is_something_else_is_left_alone() {
    type Make<'a> = &'a dyn Fn(&Path);
    let intruders: [(&str, Make<'_>); 6] = [
        ("a", &|path| fs::write(path, noise(99, 40_000)).unwrap()),
        ("a", &|path| fs::write(path, "mine").unwrap()),
        ("empty", &|path| fs::write(path, "mine").unwrap()),
        ("b/d", &|path| fs::write(path, "mine").unwrap()),
        ("b/nothing/here", &|path| fs::write(path, "mine").unwrap()),
        ("b/c", &|path| fs::create_dir(path).unwrap()),
    ];
    let sample = varied();
    for (name, make) in intruders {
        let output = output();
        let path = output.path().join("share").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        make(&path);
        let before = listing(output.path());
        let error = download(&sample, output.path()).err().unwrap();
        let NodeError::TargetExists { path: named } = error else { panic!("{name}: {error}") };
        assert!(named.starts_with(fs::canonicalize(path).unwrap()), "{name}: {named:?}");
        assert_eq!(listing(output.path()), before, "{name}");
    }
}
