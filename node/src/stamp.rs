//! What tells a file from a changed or another one without reading it.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

/// Size, time of last change and inode of a file. Two changes within one tick of the kernel's clock
/// (a few milliseconds) that keep the size cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Bytes.
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified_ns: i64,
    /// The inode's number.
    pub(crate) inode: u64,
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        let seconds = metadata.mtime().saturating_mul(1_000_000_000);
        Self {
            size: metadata.len(),
            modified_ns: seconds.saturating_add(metadata.mtime_nsec()),
            inode: metadata.ino(),
        }
    }
}
