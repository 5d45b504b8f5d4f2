//! Telling whether the files of a share are as they were, without reading them.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use aws_lc_rs::digest::{Context, SHA256};
use swarm_proto::{id::Digest, manifest::Manifest};

/// A digest of the sizes, times of change and inodes of all files; `None` if one cannot be looked at.
/// Blocks.
pub(super) fn print_of(manifest: &Manifest, path: &Path) -> Option<String> {
    let mut all = Context::new(&SHA256);
    for file in &manifest.info().files {
        let found = fs::metadata(file.path.below(path)).ok()?;
        let times = [found.mtime().cast_unsigned(), found.mtime_nsec().cast_unsigned()];
        for number in [found.len(), times[0], times[1], found.ino()] {
            all.update(&number.to_le_bytes());
        }
    }
    // SHA-256 has as many bytes as a digest of ours.
    all.finish().as_ref().try_into().ok().map(|digest| Digest::new(digest).to_string())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use swarm_node::CreateOptions;

    use super::*;

    #[test]
    fn a_file_that_was_touched_replaced_or_removed_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let share = dir.path().join("share");
        fs::create_dir(&share).unwrap();
        fs::write(share.join("a"), "one").unwrap();
        fs::write(share.join("b"), "two").unwrap();
        let options = CreateOptions::default();
        let manifest = swarm_node::create(&share, options, &mut |_| true).unwrap();
        let print = || print_of(&manifest, &share);
        let first = print();
        assert!(first.is_some());
        assert_eq!(print(), first);

        let b = File::options().append(true).open(share.join("b")).unwrap();
        let then = b.metadata().unwrap().modified().unwrap();
        b.set_modified(then + std::time::Duration::from_nanos(1)).unwrap();
        assert_ne!(print(), first, "touched");
        b.set_modified(then).unwrap();
        assert_eq!(print(), first);
        fs::write(dir.path().join("new"), "two").unwrap();
        fs::rename(dir.path().join("new"), share.join("b")).unwrap();
        assert_ne!(print(), first, "another file with the same bytes");
        fs::remove_file(share.join("b")).unwrap();
        assert_eq!(print(), None, "gone");
    }
}
