//! Shares to test with.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use swarm_proto::manifest::Manifest;
use tempfile::TempDir;

use crate::{CreateOptions, create};

/// A share in a folder of its own, removed at the end.
pub(crate) struct Sample {
    pub(crate) dir: TempDir,
    /// The share itself.
    pub(crate) path: PathBuf,
    pub(crate) manifest: Arc<Manifest>,
}

impl Sample {
    /// A folder `share` with files of these lengths, named a, b, …: `"x/y"` makes a folder on the
    /// way. Pieces of 16 KiB.
    pub(crate) fn new(files: &[(&str, usize)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("share");
        fs::create_dir(&path).unwrap();
        for (seed, &(name, len)) in files.iter().enumerate() {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, noise(seed as u64, len)).unwrap();
        }
        Self::of(dir, path)
    }

    /// A share of one file.
    pub(crate) fn file(name: &str, len: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, noise(0, len)).unwrap();
        Self::of(dir, path)
    }

    /// The share at `path`, as it is there now.
    pub(crate) fn of(dir: TempDir, path: PathBuf) -> Self {
        let manifest = create(&path, small_pieces(), &mut |_| true).unwrap();
        Self { dir, path, manifest: Arc::new(manifest) }
    }
}

/// Pieces so small that a test has several.
pub(crate) fn small_pieces() -> CreateOptions {
    CreateOptions { piece_length: Some(16384), ..CreateOptions::default() }
}

/// Bytes without a pattern (xorshift64).
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(len).collect()
}

/// Everything below a folder, or the file itself: path, contents, whether it may be executed.
/// Folders have no contents.
pub(crate) fn listing(root: &Path) -> Vec<(String, Option<Vec<u8>>, bool)> {
    let mut all = Vec::new();
    let mut left = vec![root.to_path_buf()];
    while let Some(path) = left.pop() {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            all.push((name, None, false));
        } else {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            all.push((name, Some(fs::read(&path).unwrap()), executable));
        }
    }
    all.sort();
    all
}
