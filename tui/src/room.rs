//! Whether a disk has room for what is to come.

use std::{
    io,
    path::{self, Path},
};

use rustix::fs::statvfs;
use swarm_node::{Priority, Snapshot, Transfer, room_needed};
use swarm_proto::{
    geometry::{BLOCK_LEN, FileIndex},
    manifest::Manifest,
};

use crate::{
    exit::{Code, Failure},
    units::Bytes,
};

/// Bytes that the disk has room for that the folder is on.
///
/// # Errors
/// If the folder is not there, or nobody says how full the disk is.
pub fn free(folder: &Path) -> io::Result<u64> {
    let stat = statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The same where the folder would be. A file system that does not say how full it is has no say.
pub fn free_at(folder: &Path) -> Option<u64> {
    let folder = path::absolute(folder).ok()?;
    folder.ancestors().find_map(|there| free(there).ok())
}

/// Refuses what does not fit into the folder; `hint` says what to do then.
///
/// # Errors
/// If there is less room than `bytes`.
pub fn check(folder: &Path, bytes: u64, hint: &str) -> Result<(), Failure> {
    let free = free(folder).map_err(|error| Failure::file(folder, &error))?;
    if bytes <= free {
        return Ok(());
    }
    let (need, has) = (Bytes(bytes), Bytes(free));
    let message = format!("{}: {need} are needed, {has} are free", folder.display());
    Err(Failure::new(Code::Disk, "disk_full", message).hint(hint))
}

/// Refuses copies of a share that do not fit into the folder.
///
/// # Errors
/// If there is too little room; `hint` says what to do then.
pub fn check_copies(
    folder: &Path,
    manifest: &Manifest,
    copies: u32,
    hint: &str,
) -> Result<(), Failure> {
    let geometry = manifest.geometry();
    // Files take whole blocks of the file system.
    let blocks = u64::from(geometry.file_count()) * u64::from(BLOCK_LEN);
    let one = geometry.total_bytes().saturating_add(blocks);
    check(folder, one.saturating_mul(u64::from(copies)), hint)
}

/// What to warn of, if there is less room in the folder than is still to come. Only a warning: others
/// write to the disk and remove from it meanwhile, and a download on a full disk waits for space.
pub fn lacking(folder: &Path, transfer: &Transfer, snapshot: &Snapshot) -> Option<String> {
    let missing = snapshot.bytes_wanted.saturating_sub(snapshot.bytes_have);
    let free = free_at(folder)?;
    said(missing, free)?;
    // Some of it may have its place already.
    let skipped =
        |file: FileIndex| snapshot.priorities.get(file.as_usize()) == Some(&Priority::Skip);
    let needed = room_needed(transfer.manifest(), transfer.path(), &mut |file| !skipped(file));
    said(missing.min(needed), free)
}

fn said(missing: u64, free: u64) -> Option<String> {
    let (missing_text, free_text) = (Bytes(missing), Bytes(free));
    (missing > free)
        .then(|| format!("{missing_text} are still to come and the disk has room for {free_text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_too_little_room_is_warned_of() {
        assert_eq!(said(5 << 30, 5 << 30), None);
        let warning = "5.00 GiB are still to come and the disk has room for 4.00 GiB";
        assert_eq!(said(5 << 30, 4 << 30).as_deref(), Some(warning));
    }

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        assert!(free(&below).is_err() && free_at(&below).is_some());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check(folder.path(), 1, "ask for less"), Ok(()));
        let failure = check(folder.path(), 1 << 62, "ask for less").unwrap_err();
        assert_eq!((failure.code, failure.kind), (Code::Disk, "disk_full"));
        assert!(failure.message.contains("4.00 EiB are needed, "), "{failure}");
        assert_eq!(failure.hint.as_deref(), Some("ask for less"));
    }
}
