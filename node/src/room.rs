//! How much room the disk has yet to give to a download.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use swarm_proto::{geometry::FileIndex, manifest::Manifest};

use crate::store::{Layout, part_path, work_path};

/// The bytes for which the `wanted` files of a share at `path` have no place on the disk yet. That is less
/// than what is missing of them where place was reserved. Blocking; looks at every such file.
#[must_use]
pub fn room_needed(
    manifest: &Manifest,
    path: &Path,
    wanted: &mut dyn FnMut(FileIndex) -> bool,
) -> u64 {
    let geometry = manifest.geometry();
    let work = path.parent().map(|output| work_path(output, manifest.id()));
    let layout = Layout::new(manifest);
    let needed = |file: FileIndex| {
        let len = geometry.file_len(file);
        let part = work.as_ref().map(|work| part_path(work, manifest, &layout, file));
        let found = part
            .and_then(|part| fs::symlink_metadata(part).ok())
            .or_else(|| fs::symlink_metadata(manifest.file(file).path.below(path)).ok())
            .filter(fs::Metadata::is_file);
        // Blocks of a file's metadata count 512 bytes, wherever they are.
        len.saturating_sub(found.map_or(0, |found| found.blocks().saturating_mul(512)))
    };
    geometry.files().filter(|&file| wanted(file)).map(needed).sum()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::testing::{Sample, noise};

    #[test]
    fn what_has_its_place_needs_no_room() {
        let sample = Sample::new(&[("a", 64 << 10), ("b", 64 << 10), ("c", 64 << 10)]);
        let (manifest, output) = (&sample.manifest, tempfile::tempdir().unwrap());
        let path = output.path().join("share");
        // In KiB, to the next 8: some file systems count a little of their own with a file.
        let needed = |wanted: &[u32]| {
            let bytes = room_needed(manifest, &path, &mut |file| wanted.contains(&file.get()));
            bytes.next_multiple_of(8 << 10) >> 10
        };
        assert_eq!(needed(&[0, 1, 2]), 192);
        // One is whole, half of another has arrived in its part, and the third is a hole.
        fs::create_dir(&path).unwrap();
        fs::copy(sample.path.join("a"), path.join("a")).unwrap();
        let parts = work_path(output.path(), manifest.id()).join("parts");
        fs::create_dir_all(&parts).unwrap();
        fs::write(parts.join("1"), noise(1, 32 << 10)).unwrap();
        File::create(parts.join("2")).unwrap().set_len(64 << 10).unwrap();
        // Some file systems find a place for what is written only when it is synced.
        for written in [path.join("a"), parts.join("1")] {
            File::open(written).unwrap().sync_all().unwrap();
        }
        assert_eq!(needed(&[0, 1, 2]), 96);
        assert_eq!((needed(&[0]), needed(&[1]), needed(&[])), (0, 32, 0));
    }
}
