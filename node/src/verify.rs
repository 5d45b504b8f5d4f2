//! Checking what is on the disk against a manifest, without changing anything.

use std::{collections::BTreeSet, fs, path::Path};

use swarm_proto::{
    geometry::{FileIndex, PieceIndex},
    manifest::Manifest,
};

use crate::{NodeError, Progress, scan::scan, walk::open_file};

/// What [`verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Bytes in pieces that verify.
    pub good_bytes: u64,
    /// Pieces that do not verify, ascending; those of missing files are among them.
    pub bad_pieces: Vec<u32>,
    /// Files and empty folders that are not there, by manifest path.
    pub missing: Vec<String>,
    /// Files with bytes that do not verify, or with bytes past their end, by manifest path.
    pub damaged: Vec<String>,
}

impl Verification {
    /// Whether the share is exactly what the manifest says.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.bad_pieces.is_empty() && self.missing.is_empty() && self.damaged.is_empty()
    }
}

/// Reads a share and checks every piece. Changes nothing. Blocking, as [`create`](crate::create()).
/// `path` is the file or folder itself, as it was given to `create`.
///
/// # Errors
/// If `progress` stopped it. What cannot be read counts as missing.
pub fn verify(
    manifest: &Manifest,
    path: &Path,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Verification, NodeError> {
    let geometry = manifest.geometry();
    let disk = |file: FileIndex| manifest.file(file).path.below(path);
    let (mut missing, mut damaged, mut present) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut bad = Vec::new();
    for file in geometry.files() {
        let path = disk(file);
        let found = fs::metadata(&path).ok().filter(fs::Metadata::is_file);
        // Without the right to read it, it is as good as missing. Only a file is opened: to open a
        // pipe is to wait for its other end.
        match found.filter(|_| open_file(&path).is_ok()) {
            Some(metadata) => {
                present.push(file);
                if metadata.len() != geometry.file_len(file) {
                    damaged.insert(file);
                }
            }
            None => {
                missing.insert(file);
                bad.extend(geometry.file_pieces(file).map(PieceIndex::get));
            }
        }
    }
    let total = present.iter().map(|&file| geometry.file_len(file)).sum();
    let (mut state, mut good_bytes) = (Progress { done: 0, total }, 0);
    let complete = progress(state)
        && scan(geometry, &present, &|file| open_file(disk(file)), &mut |piece, digest| {
            let len = u64::from(geometry.piece_len(piece));
            if digest.is_ok_and(|digest| digest == manifest.digest(piece)) {
                good_bytes += len;
            } else {
                bad.push(piece.get());
                damaged.insert(geometry.span(piece).file);
            }
            state.done += len;
            progress(state)
        });
    if !complete {
        return Err(NodeError::Stopped);
    }
    bad.sort_unstable();
    let name = |path| manifest.info().name_of(path).to_owned();
    let name_of = |file: FileIndex| name(&manifest.file(file).path);
    let folders = manifest.info().empty_folders.iter();
    let no_folder = folders.filter(|folder| !folder.below(path).is_dir());
    Ok(Verification {
        good_bytes,
        bad_pieces: bad,
        missing: missing.into_iter().map(name_of).chain(no_folder.map(name)).collect(),
        damaged: damaged.into_iter().map(name_of).collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::testing::{Sample, listing};

    #[test]
    fn a_whole_share_is_whole() {
        let sample = Sample::new(&[("a", 40_000), ("b/c", 0)]);
        let found = verify(&sample.manifest, &sample.path, &mut |_| true).unwrap();
        assert!(found.is_whole());
        assert_eq!(found.good_bytes, 40_000);
    }

    #[test]
    fn what_differs_is_named_and_nothing_is_changed() {
        let files = ["cut", "flipped", "fine", "gone", "long", "not/there"];
        let sample = Sample::new(&files.map(|name| (name, 40_000)));
        let at = |name: &str| sample.path.join(name);
        let open = |name| fs::File::options().write(true).open(at(name)).unwrap();
        open("cut").set_len(20_000).unwrap();
        open("flipped").write_all_at(b"?", 39_999).unwrap();
        open("long").write_all_at(b"?", 40_000).unwrap();
        fs::remove_file(at("gone")).unwrap();
        fs::remove_dir_all(at("not")).unwrap();
        let before = listing(&sample.path);
        let found = verify(&sample.manifest, &sample.path, &mut |_| true).unwrap();
        let wanted = Verification {
            good_bytes: 16_384 + 32_768 + 40_000 + 40_000,
            // In order of path: cut 0-2, fine 3-5, flipped 6-8, gone 9-11, long 12-14, not/there.
            bad_pieces: vec![1, 2, 8, 9, 10, 11, 15, 16, 17],
            missing: vec!["gone".into(), "not/there".into()],
            damaged: vec!["cut".into(), "flipped".into(), "long".into()],
        };
        assert_eq!(found, wanted);
        assert_eq!(listing(&sample.path), before);
    }

    #[test]
    fn it_can_be_stopped() {
        let sample = Sample::file("film.mkv", 40_000);
        let stopped = verify(&sample.manifest, &sample.path, &mut |_| false);
        assert!(matches!(stopped, Err(NodeError::Stopped)));
    }
}
