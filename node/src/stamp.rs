//! What tells a file from a changed or another one without reading it.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

use rustix::fs::Stat;

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

impl Stamp {
    const fn new(size: u64, seconds: i64, nanoseconds: i64, inode: u64) -> Self {
        let modified_ns = seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        Self { size, modified_ns, inode }
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self::new(metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino())
    }
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Self {
        Self::new(stat.st_size as u64, stat.st_mtime, stat.st_mtime_nsec as i64, stat.st_ino)
    }
}
