//! Checking what is on the disk against a manifest, without changing anything.

use std::path::Path;

use swarm_proto::manifest::Manifest;

use crate::{NodeError, Progress};

/// What [`verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Bytes in pieces that verify.
    pub good_bytes: u64,
    /// Pieces that do not verify.
    pub bad_pieces: Vec<u32>,
    /// Files that are not there, by manifest path.
    pub missing: Vec<String>,
    /// Files with bytes that do not verify, by manifest path.
    pub damaged: Vec<String>,
}

/// Reads a share and checks every piece. Changes nothing. Blocking, as [`create`](crate::create()).
///
/// # Errors
/// If `progress` stopped it. What cannot be read counts as missing.
pub fn verify(
    _manifest: &Manifest,
    _path: &Path,
    _progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Verification, NodeError> {
    todo!()
}
