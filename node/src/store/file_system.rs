//! What kind of file system a file is on, by the numbers of `linux/magic.h`.

use std::os::fd::AsFd;

#[cfg(target_os = "linux")]
const TMPFS: u64 = 0x0102_1994;

/// Whether the file has no disk: the place of a page is the page itself.
#[cfg(target_os = "linux")]
pub(super) fn is_in_memory(file: impl AsFd) -> bool {
    kind(file) == Some(TMPFS)
}

/// Whether the file system is one of our own machine's. On a server's the time of a file's last change may be
/// another one after it is closed.
#[cfg(target_os = "linux")]
pub(super) fn stamps_as_it_writes(on_it: impl AsFd) -> bool {
    /// Besides tmpfs: ext2 to ext4, XFS, Btrfs, F2FS, overlayfs, and ZFS, whose number is OpenZFS's own.
    const LOCAL: [u64; 6] =
        [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x794c_7630, 0x2fc1_2fc1];
    kind(on_it).is_some_and(|kind| kind == TMPFS || LOCAL.contains(&kind))
}

/// Elsewhere that is not known.
#[cfg(not(target_os = "linux"))]
pub(super) fn stamps_as_it_writes(_on_it: impl AsFd) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn kind(on_it: impl AsFd) -> Option<u64> {
    // Where the field is signed, the higher half is only its sign.
    rustix::fs::fstatfs(on_it).ok().map(|found| found.f_type as u64 & 0xffff_ffff)
}
