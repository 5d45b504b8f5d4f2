//! Making a manifest of what is on the disk.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use swarm_proto::{
    geometry::{BLOCK_LEN, Geometry, PIECE_LEN_MAX},
    id::Digest,
    manifest::{Extras, FileInfo, Info, Manifest},
    path::{NameError, check_name},
};

use crate::{
    NodeError,
    scan::scan,
    stamp::Stamp,
    walk::{Found, walk},
};

/// Progress of reading and hashing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all, once known.
    pub total: u64,
}

/// Settings for making a manifest.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// Name of the share; the path's own name if not given.
    pub name: Option<String>,
    /// Bytes in a piece; [`default_piece_length`] if not given.
    pub piece_length: Option<u32>,
    /// What may change without changing the id.
    pub extras: Extras,
    /// Share what symbolic links point to. Without it a link is an error, never skipped.
    pub follow_symlinks: bool,
}

/// Makes a manifest of a file or folder. Blocking: call it from a thread that may wait.
/// `progress` is called now and then; returning false stops.
///
/// # Errors
/// If something cannot be read, changes while it is read, or may not be in a manifest.
pub fn create(
    path: &Path,
    options: CreateOptions,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Manifest, NodeError> {
    let name = match options.name {
        Some(name) => name,
        None => own_name(path)?,
    };
    check_name(&name).map_err(|source| NodeError::Name { path: path.into(), source })?;
    let found = walk(path, options.follow_symlinks)?;
    let total = found.files.iter().map(|file| file.stamp.size).fold(0, u64::saturating_add);
    let piece_length = options.piece_length.unwrap_or_else(|| default_piece_length(total));
    let geometry = Geometry::new(piece_length, found.files.iter().map(|file| file.stamp.size))?;
    let digests = hash(path, &found, &geometry, progress)?;
    unchanged(path, &found)?;
    let files = found.files.into_iter().map(|file| FileInfo {
        path: file.path,
        length: file.stamp.size,
        executable: file.executable,
        root: None,
    });
    let empty_folders = found.empty_folders;
    let info = Info { name, piece_length, files: files.collect(), empty_folders };
    Ok(Manifest::build(info, digests, options.extras)?)
}

/// The piece length for a share of so many bytes: what gives 1,000 to 2,000 pieces, as the time
/// lost at the start and the end of a distribution is a few pieces' worth. At least 64 KiB, so that
/// messages about pieces stay small beside them; only where that leaves a handful of pieces, 16 KiB.
#[must_use]
pub fn default_piece_length(bytes: u64) -> u32 {
    const PIECES: u64 = 2000;
    const LEAST: u32 = 64 << 10;
    if bytes <= 4 * u64::from(LEAST) {
        return BLOCK_LEN;
    }
    let length = bytes.div_ceil(PIECES).checked_next_power_of_two().unwrap_or(u64::MAX);
    u32::try_from(length).unwrap_or(u32::MAX).clamp(LEAST, PIECE_LEN_MAX)
}

/// The last component of the path, or of the folder that it stands for (`.`, `..`).
fn own_name(path: &Path) -> Result<String, NodeError> {
    let resolved = match path.file_name() {
        Some(_) => path.to_path_buf(),
        None => fs::canonicalize(path).map_err(NodeError::io("read", path))?,
    };
    let name = resolved.file_name().unwrap_or_default();
    name.to_str().map(String::from).ok_or_else(|| NodeError::Name {
        path: path.into(),
        source: NameError { name: name.to_string_lossy().into(), why: "is not UTF-8" },
    })
}

fn hash(
    root: &Path,
    found: &Found,
    geometry: &Geometry,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Vec<Digest>, NodeError> {
    let mut digests = vec![Digest::new([0; 32]); geometry.piece_count() as usize];
    let mut state = Progress { done: 0, total: geometry.total_bytes() };
    let mut failed = None;
    let files: Vec<_> = geometry.files().collect();
    let disk = |file: usize| below(root, &found.files[file].path);
    let complete = progress(state)
        && scan(
            geometry,
            &files,
            &|file| File::open(disk(file.as_usize())),
            &mut |piece, digest| {
                match digest {
                    Ok(digest) => digests[piece.as_usize()] = digest,
                    Err(error) => {
                        failed = Some((disk(geometry.span(piece).file.as_usize()), error));
                        return false;
                    }
                }
                state.done += u64::from(geometry.piece_len(piece));
                progress(state)
            },
        );
    match failed {
        Some((path, error)) => Err(unreadable(path, error)),
        None if complete => Ok(digests),
        None => Err(NodeError::Stopped),
    }
}

/// Stats every file again: none may have changed since it was found.
fn unchanged(root: &Path, found: &Found) -> Result<(), NodeError> {
    for file in &found.files {
        let path = below(root, &file.path);
        match fs::metadata(&path) {
            Ok(metadata) if Stamp::from(&metadata) == file.stamp => {}
            Ok(_) => return Err(NodeError::ChangedWhileReading { path }),
            Err(error) => return Err(unreadable(path, error)),
        }
    }
    Ok(())
}

/// A file that was there a moment ago and is gone or shorter now has changed.
fn unreadable(path: PathBuf, source: io::Error) -> NodeError {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => {
            NodeError::ChangedWhileReading { path }
        }
        _ => NodeError::Io { action: "read", path, source },
    }
}

/// Where a file of a share is, if the share is at `root`.
pub(crate) fn below(root: &Path, components: &[String]) -> PathBuf {
    let mut path = root.to_path_buf();
    path.extend(components);
    path
}
