//! What tells a file from a changed or another one without reading it.

use std::{fs::Metadata, os::unix::fs::MetadataExt, time::UNIX_EPOCH};

use rustix::fs::Stat;
#[cfg(target_os = "linux")]
use rustix::fs::{Statx, StatxFlags};

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
        Self { size, modified_ns: since_1970(seconds, nanoseconds), inode }
    }
}

/// What tells a file from another one that got its name, whatever either holds. The inode's number does
/// not: ext4 gives that of a file that was removed to the next one that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The inode's number.
    pub(crate) inode: u64,
    /// When it was made, in nanoseconds since 1970; 0 where the file system does not say.
    pub(crate) born_ns: i64,
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let born_ns = born.and_then(|since| since.as_nanos().try_into().ok()).unwrap_or_default();
        Self { inode: metadata.ino(), born_ns }
    }
}

#[cfg(target_os = "linux")]
impl From<&Statx> for Identity {
    fn from(found: &Statx) -> Self {
        let told = found.stx_mask & StatxFlags::BTIME.bits() != 0;
        let born = found.stx_btime;
        let born_ns = if told { since_1970(born.tv_sec, born.tv_nsec.into()) } else { 0 };
        Self { inode: found.stx_ino, born_ns }
    }
}

#[cfg(target_os = "linux")]
impl From<&Statx> for Stamp {
    fn from(found: &Statx) -> Self {
        let modified = found.stx_mtime;
        Self::new(found.stx_size, modified.tv_sec, modified.tv_nsec.into(), found.stx_ino)
    }
}

const fn since_1970(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
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
