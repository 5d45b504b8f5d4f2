//! Deleting what a share put on the disk.

use std::{
    collections::BTreeSet,
    fs::{File, TryLockError},
    io, iter,
    path::Path,
};

use rustix::{
    fs::{AtFlags, fsync, unlinkat},
    io::Errno,
};
use swarm_proto::{
    manifest::Manifest,
    path::{SharePath, folder_and_name},
};

use crate::{
    NodeError,
    store::{Seen, Tree, work_path},
    walk::names_below,
};

/// Deletes the files of a share at `path`, and what an unfinished download of it left beside that.
/// Returns how many files it deleted.
///
/// Only what the manifest describes goes: a file of another length stays, and so does a folder with
/// anything else in it. No link is followed below `path`. Blocking, and not to be called while the
/// share is transferred.
///
/// # Errors
/// If another process has the unfinished download, and then nothing is deleted; or if something cannot
/// be deleted, and then what was deleted before is gone.
pub fn discard(manifest: &Manifest, path: &Path) -> Result<u64, NodeError> {
    let failed = |error| NodeError::io("delete", path)(error);
    // `.` and `..` have no name of their own.
    let whole = match path.canonicalize() {
        Ok(path) => path,
        // The unfinished download of a share that is not there yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(failed(error)),
    };
    let name = whole.file_name().and_then(|name| name.to_str());
    let (Some(output), Some(name)) = (whole.parent(), name) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    let output = if output.as_os_str().is_empty() { Path::new(".") } else { output };
    let tree = match Tree::open(output) {
        Ok(tree) => tree,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    let work = work_path(output, manifest.id());
    let _lock = lock(&work)?;
    let mut deleted = 0;
    for file in &manifest.info().files {
        let file_path = names_below(name, file.path.as_str());
        match tree.look(&file_path).map_err(failed)? {
            Seen::File(stamp) if stamp.size == file.length => {
                delete(&tree, &file_path, AtFlags::empty()).map_err(failed)?;
                deleted += 1;
            }
            _ => {}
        }
    }
    for folder in folders(manifest) {
        match delete(&tree, &names_below(name, folder), AtFlags::REMOVEDIR) {
            // It holds something that is not of the share, or is no folder of it.
            Err(error) if is_kept(&error) => {}
            result => result.map_err(failed)?,
        }
    }
    match std::fs::remove_dir_all(&work) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fsync(tree.root()).map_err(|error| failed(error.into()))?;
    Ok(deleted)
}

/// Keeps other processes from the download until it is dropped; `None` if there is none.
fn lock(work: &Path) -> Result<Option<File>, NodeError> {
    let path = work.join("lock");
    // To write as well: some network file systems lock nothing for those who only read.
    let lock = match File::options().read(true).write(true).open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(NodeError::io("delete", &path)(error)),
    };
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Err(NodeError::Locked { path }),
        // A file system without locks is no reason to keep everything.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(lock)),
    }
}

/// The folders of a share, the innermost first, the share itself last if it is a folder.
fn folders<'a>(manifest: &'a Manifest) -> Vec<&'a str> {
    let info = manifest.info();
    let of_files = info.files.iter().filter_map(|file| Some(file.path.folder_and_name()?.0));
    let named = info.empty_folders.iter().map(SharePath::as_str).chain(of_files);
    let around = |folder: &&'a str| Some(folder_and_name(folder)?.0);
    let all: BTreeSet<&str> =
        named.flat_map(|folder| iter::successors(Some(folder), around)).collect();
    // A folder is sorted before what is in it.
    all.into_iter().rev().collect()
}

fn delete(tree: &Tree, path: &[&str], flags: AtFlags) -> io::Result<()> {
    let Some((name, folder)) = path.split_last() else { return Ok(()) };
    Ok(unlinkat(tree.folder(folder)?, *name, flags)?)
}

fn is_kept(error: &io::Error) -> bool {
    let kept = [Errno::NOTEMPTY, Errno::EXIST, Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
    Errno::from_io_error(error).is_some_and(|errno| kept.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{CreateOptions, create};

    fn share(root: &Path) -> Manifest {
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(root.join("empty")).unwrap();
        fs::write(root.join("a/b/one"), "one").unwrap();
        fs::write(root.join("two"), "two!").unwrap();
        create(root, CreateOptions::default(), &mut |_| true).unwrap()
    }

    #[test]
    fn a_share_goes_whole() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("share");
        let manifest = share(&root);
        let work = work_path(dir.path(), manifest.id());
        fs::create_dir_all(work.join("parts")).unwrap();
        assert_eq!(discard(&manifest, &root).unwrap(), 2);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(discard(&manifest, &root).unwrap(), 0, "nothing is left");
    }

    #[test]
    fn what_is_not_of_the_share_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("share");
        let manifest = share(&root);
        fs::write(root.join("a/mine"), "mine").unwrap();
        fs::write(root.join("two"), "changed since").unwrap();
        assert_eq!(discard(&manifest, &root).unwrap(), 1);
        assert_eq!(fs::read_to_string(root.join("a/mine")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(root.join("two")).unwrap(), "changed since");
        assert!(!root.join("a/b").exists() && !root.join("empty").exists());
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("share");
        let manifest = share(&root);
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(root.join("a"), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, root.join("a")).unwrap();
        assert_eq!(discard(&manifest, &root).unwrap(), 1);
        assert!(elsewhere.join("b/one").exists());
    }

    #[test]
    fn what_another_process_works_on_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("share");
        let manifest = share(&root);
        let work = work_path(dir.path(), manifest.id());
        fs::create_dir(&work).unwrap();
        let theirs = File::create(work.join("lock")).unwrap();
        theirs.lock().unwrap();
        let refused = discard(&manifest, &root);
        assert!(matches!(refused, Err(NodeError::Locked { .. })), "{refused:?}");
        assert!(root.join("a/b/one").exists() && work.exists());
        drop(theirs);
        assert_eq!(discard(&manifest, &root).unwrap(), 2);
        assert!(!work.exists());
    }
}
