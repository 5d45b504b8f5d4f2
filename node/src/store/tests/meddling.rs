//! Other programs in our folders: nothing of theirs is taken for what was verified, and nothing of
//! anybody's is overwritten or removed.

use super::*;

#[test]
fn nothing_is_written_once_the_working_folder_is_removed() {
    let (sample, output) = (varied(), output());
    let mut download = download(&sample, output.path()).unwrap();
    let first = download.pieces()[0];
    // All of the first file.
    download.pieces()[..3].iter().for_each(|&piece| download.fetch(piece));
    let work = work_path(&fs::canonicalize(output.path()).unwrap(), sample.manifest.id());
    fs::remove_dir_all(&work).unwrap();
    let removed = "its folder, or what had arrived of it, was removed";
    let why = format!("cannot put share/a in its place: {removed}");
    assert_eq!(download.finish(), Err(DiskError::Failed(why)));
    // Its file is still open.
    let why = format!("{} was removed by another program", work.display());
    assert_eq!(download.try_write(first), Err(DiskError::Failed(why)));
}

#[test]
fn a_part_that_was_removed_is_not_made_anew_with_a_hole_for_what_it_held() {
    let (sample, output) = (varied(), output());
    let mut download = download(&sample, output.path()).unwrap();
    let pieces = download.pieces();
    download.fetch(pieces[0]);
    let part = work_folder(&sample, &output).join("parts/0");
    fs::rename(&part, part.with_file_name("aside")).unwrap();
    // It was open until now.
    download.pool.open_files().clear();
    let why = "share/a was removed by another program while it was downloaded".to_owned();
    assert_eq!(download.try_write(pieces[1]), Err(DiskError::Failed(why.clone())));
    assert!(!part.exists());
    // Nor is another one in its place written to.
    fs::write(&part, "theirs").unwrap();
    assert_eq!(download.try_write(pieces[1]), Err(DiskError::Failed(why)));
    assert_eq!(fs::read(&part).unwrap(), b"theirs");
    fs::remove_file(&part).unwrap();
    fs::remove_file(part.with_file_name("aside")).unwrap();
    download.store.close();
    drop(download);
    let mut again = self::download(&sample, output.path()).unwrap();
    assert_eq!(again.have.count(), 0);
    again.completes_in(output.path());
}

/// Every byte was verified, and then somebody else's file took the place of a part.
#[test]
fn what_took_the_place_of_a_part_does_not_get_its_name() {
    let theirs: [fn(&Path); 3] = [
        |part| {
            fs::write(part.with_file_name("theirs"), [7; 40_000]).unwrap();
            fs::rename(part.with_file_name("theirs"), part).unwrap();
        },
        |part| File::options().write(true).open(part).unwrap().set_len(39_999).unwrap(),
        |part| fs::remove_file(part).unwrap(),
    ];
    for (put, closed) in theirs.into_iter().zip([false, true, true]) {
        let (sample, output) = (varied(), output());
        let mut download = download(&sample, output.path()).unwrap();
        download.pieces().into_iter().for_each(|piece| download.write(piece));
        if closed {
            download.pool.open_files().clear();
        }
        put(&work_folder(&sample, &output).join("parts/0"));
        download.store.submit_all(download.pieces().into_iter().map(Job::Record));
        download.store.submit(Job::Finish);
        let error = loop {
            match download.answer() {
                Input::Finished(result) => break result.unwrap_err(),
                // A part that is gone cannot be synced.
                Input::Unsynced(_) => {}
                other => panic!("{other:?}"),
            }
        };
        let DiskError::Failed(message) = error else { panic!("{error:?}") };
        assert!(message.starts_with("cannot "), "{message}");
        assert!(!output.path().join("share/a").exists());
        download.store.close();
        drop(download);
        let mut again = self::download(&sample, output.path()).unwrap();
        again.completes_in(output.path());
    }
}

/// ext4 gives the inode's number of a file that was removed to the next one.
#[test]
fn a_part_made_anew_between_two_runs_is_read_whatever_its_inode_is() {
    let (sample, output) = (varied(), output());
    let mut first = download(&sample, output.path()).unwrap();
    first.pieces()[..2].iter().for_each(|&piece| first.fetch(piece));
    let part = work_folder(&sample, &output).join("parts/0");
    let born = fs::metadata(&part).unwrap().created().ok();
    first.store.close();
    drop(first);
    // The kernel's clock for such things goes on every few milliseconds.
    let probe = output.path().join("probe");
    while born.is_some() && fs::metadata(&probe).and_then(|probe| probe.created()).ok() <= born {
        let _ = fs::remove_file(&probe);
        fs::write(&probe, "").unwrap();
    }
    fs::remove_file(probe).unwrap();
    fs::remove_file(&part).unwrap();
    fs::write(&part, [7; 40_000]).unwrap();
    let mut second = download(&sample, output.path()).unwrap();
    assert_eq!(second.have.count(), 0);
    second.completes_in(output.path());
}

#[test]
fn a_part_that_was_cut_is_not_written_on_with_a_hole() {
    let (sample, output) = (varied(), output());
    let mut download = download(&sample, output.path()).unwrap();
    let pieces = download.pieces();
    download.fetch(pieces[0]);
    let part = work_folder(&sample, &output).join("parts/0");
    download.pool.open_files().clear();
    File::options().write(true).open(&part).unwrap().set_len(10).unwrap();
    let why = "share/a was removed by another program while it was downloaded".into();
    assert_eq!(download.try_write(pieces[1]), Err(DiskError::Failed(why)));
}

/// The user moves the output away and begins the same download where it was.
#[test]
fn whoever_finishes_elsewhere_leaves_a_download_at_the_old_path_alone() {
    let (sample, dir) = (varied(), output());
    let [old, new] = ["old", "new"].map(|name| dir.path().join(name));
    let mut first = download(&sample, &old).unwrap();
    fs::rename(&old, &new).unwrap();
    let mut second = download(&sample, &old).unwrap();
    let pieces = second.pieces();
    second.fetch(pieces[0]);
    first.completes_in(&new);
    assert_eq!(names(&new), ["share"]);
    second.completes_in(&old);
    assert_eq!(names(&old), ["share"]);
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_in_the_working_folder_keep_nobody_waiting() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let (sample, output) = (varied(), output());
    let first = download(&sample, output.path()).unwrap();
    first.store.close();
    drop(first);
    for name in ["resume", "priorities", "manifest", "resume.new"] {
        let pipe = work_folder(&sample, &output).join(name);
        let _ = fs::remove_file(&pipe);
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    }
    let outcome = download(&sample, output.path()).map(|mut download| download.complete());
    // It may refuse, and then says so; or read what is not there as nothing.
    assert!(matches!(outcome, Ok(Ok(())) | Err(_)), "{outcome:?}");
}
