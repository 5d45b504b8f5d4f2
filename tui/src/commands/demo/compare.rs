//! Whether copies are equal to their source: by their bytes, without the digests that made them.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use swarm_node::Progress;
use swarm_proto::manifest::Manifest;

use crate::text::inert;

/// What is different in the first copy that is not equal to the source, in words; `None` if all are
/// equal, or `progress` stopped it.
pub fn first_difference(
    manifest: &Manifest,
    source: &Path,
    copies: &[PathBuf],
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Option<String> {
    let total = manifest.geometry().total_bytes() * copies.len() as u64;
    let mut done = 0;
    for copy in copies {
        for file in &manifest.info().files {
            let at = |base: &Path| file.path.below(base);
            if let Some(difference) = difference(&at(source), &at(copy)) {
                return Some(difference);
            }
            done += file.length;
            if !progress(Progress { done, total }) {
                return None;
            }
        }
        for folder in &manifest.info().empty_folders {
            let folder = folder.below(copy);
            if !folder.is_dir() {
                return Some(format!("{} is missing", inert(&folder.display().to_string())));
            }
        }
    }
    None
}

fn difference(source: &Path, copy: &Path) -> Option<String> {
    let what = match same(source, copy) {
        Ok(true) => return None,
        Ok(false) => "differs from its source".into(),
        Err(error) => error.to_string(),
    };
    Some(format!("{}: {what}", inert(&copy.display().to_string())))
}

/// Same bytes, and executable or not alike.
fn same(a: &Path, b: &Path) -> io::Result<bool> {
    let executable = |path| Ok::<_, io::Error>(fs::metadata(path)?.permissions().mode() & 0o100);
    if executable(a)? != executable(b)? {
        return Ok(false);
    }
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let n = read_full(&mut a, &mut left)?;
        if n != read_full(&mut b, &mut right)? || left[..n] != right[..n] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_length_and_mode_are_compared() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8], mode| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let source = write("source", b"bytes", 0o644);
        assert_eq!(difference(&source, &write("equal", b"bytes", 0o600)), None);
        for (name, bytes, mode) in [
            ("flipped", &b"bytez"[..], 0o644),
            ("short", b"byte", 0o644),
            ("long", b"bytes!", 0o644),
            ("executable", b"bytes", 0o755),
        ] {
            let found = difference(&source, &write(name, bytes, mode)).unwrap();
            assert!(found.ends_with(&format!("{name}: differs from its source")), "{found}");
        }
        assert!(difference(&source, &folder.path().join("none")).is_some());
    }
}
