//! Whether blocks may go from their file to the network by themselves (`sendfile`), or are read first.
//!
//! Who sends them waits for the disk if they are not in the page cache, and that is a thread with many
//! connections. So only what is in the cache is sent from there; the rest is read by a disk thread.
//!
//! What is on its way then is the file's own memory and no copy: whoever overwrote the file would change that
//! too, and have an honest node send a bad block. So this is for parts only, which nobody else writes to. What
//! is left is a file that is overwritten right after it got its final name, while a run of it is still on its way.

use std::{fs::File, sync::Arc};

/// Where the bytes of a run are.
#[derive(Debug, Clone)]
pub(crate) struct InFile {
    /// Open for reading.
    pub(crate) file: Arc<File>,
    /// Bytes before them.
    pub(crate) offset: u64,
    /// Bytes of the whole run.
    pub(crate) len: u32,
}

/// Shorter runs are read. What waits to be sent holds descriptors, and a swarm's sixteen megabytes of that are
/// at most 64 runs, mostly of fewer files. It is the usual length of a piece.
const LEN_MIN: u32 = 256 << 10;
/// From one byte that is looked at to the next. The system reads ahead and forgets by larger parts; where a
/// page is missing between two that are there, the wait is short.
#[cfg(target_os = "linux")]
const LOOK_EVERY: u64 = 256 << 10;

impl InFile {
    /// Whether it may be sent from where it is, by its length and by what the system has of it.
    pub(super) fn may_be_sent(&self) -> bool {
        self.len >= LEN_MIN && is_cached(&self.file, self.offset, self.len)
    }
}

#[cfg(target_os = "linux")]
fn is_cached(file: &File, offset: u64, len: u32) -> bool {
    use std::io::IoSliceMut;

    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let end = offset + u64::from(len);
    let ask = |at| preadv2(file, &mut [IoSliceMut::new(&mut [0])], at, ReadWriteFlags::NOWAIT);
    for at in (offset..end).step_by(LOOK_EVERY as usize).chain([end - 1]) {
        match ask(at) {
            Ok(1) => {}
            // It cannot be asked, and needs not.
            Err(Errno::OPNOTSUPP) => return super::file_system::is_in_memory(file),
            _ => return false,
        }
    }
    true
}

/// Elsewhere the system cannot be asked.
#[cfg(not(target_os = "linux"))]
const fn is_cached(_: &File, _: u64, _: u32) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_long_run_that_was_just_written_may_be_sent() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![1; 3 * LEN_MIN as usize]).unwrap();
        // Not every file system can be asked.
        let can_be_asked = is_cached(&file, 0, 1);
        let file = Arc::new(file);
        let may_be_sent =
            |offset, len| InFile { file: Arc::clone(&file), offset, len }.may_be_sent();
        assert_eq!(may_be_sent(0, 2 * LEN_MIN), can_be_asked);
        assert_eq!(may_be_sent(u64::from(LEN_MIN), 2 * LEN_MIN), can_be_asked);
        assert!(!may_be_sent(0, LEN_MIN - 1), "too short");
        assert!(!may_be_sent(u64::from(LEN_MIN) + 1, 2 * LEN_MIN), "it ends before that");
    }
}
