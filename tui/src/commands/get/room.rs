//! Whether the disk has room for what is still to come.

use std::path::{self, Path};

use rustix::fs::statvfs;
use swarm_node::Snapshot;

use crate::units::Bytes;

/// What to warn of, if there is less room in the folder than is still to come. Only a warning: others
/// write to the disk and remove from it meanwhile, and a download on a full disk waits for space.
pub fn lacking(folder: &Path, snapshot: &Snapshot) -> Option<String> {
    // Unfinished files have holes where nothing has come yet.
    said(snapshot.bytes_wanted.saturating_sub(snapshot.bytes_have), free(folder)?)
}

/// Bytes that the disk has room for where the folder is, or would be. A file system that does not say
/// how full it is has no say.
pub fn free(folder: &Path) -> Option<u64> {
    let folder = path::absolute(folder).ok()?;
    let stat = folder.ancestors().find_map(|there| statvfs(there).ok())?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
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
}
