//! Making a manifest of what is on the disk.

use std::path::Path;

use swarm_proto::manifest::{Extras, Manifest};

use crate::NodeError;

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
    /// Bytes in a piece; chosen for the size if not given.
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
    _path: &Path,
    _options: CreateOptions,
    _progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Manifest, NodeError> {
    todo!()
}
