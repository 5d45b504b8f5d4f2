//! Room on the disk for a file that arrives piece by piece, in any order.
//!
//! A file made with one hole is laid out in the order in which its pieces are written, which is one
//! of chance: who reads it later has a disk seek back and forth. Where its place is reserved at
//! once it is in one piece, and writing to it costs the system less.

use std::{fs::File, io};

/// Shorter files are whole before the system finds a place for them.
const RESERVED_MIN: u64 = 4 << 20;

/// Gives a new part its length, and reserves its place on the disk if that can be done without
/// writing to it. Several threads may do so at once, and one may have written to it already.
pub(super) fn make_room(part: &File, len: u64) -> io::Result<()> {
    make_room_by(reserve, part, len)
}

fn make_room_by(
    reserve: impl FnOnce(&File, u64) -> io::Result<()>,
    part: &File,
    len: u64,
) -> io::Result<()> {
    part.set_len(len)?;
    if len >= RESERVED_MIN && has_room(part, len) {
        // Where it fails there is a hole, or half of one, which can be filled as well. Nothing is taken
        // back: that would take what another thread has written.
        let _ = reserve(part, len);
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn reserve(part: &File, len: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};

    Ok(fallocate(part, FallocateFlags::empty(), 0, len)?)
}

#[cfg(not(target_os = "linux"))]
fn reserve(_part: &File, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether there is a disk, with more room than that. What does not fit is downloaded as far as it does.
#[cfg(target_os = "linux")]
fn has_room(part: &File, len: u64) -> bool {
    !super::file_system::is_in_memory(part) && room(part) > len
}

/// Elsewhere nothing is reserved.
#[cfg(not(target_os = "linux"))]
const fn has_room(_part: &File, _len: u64) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn room(part: &File) -> u64 {
    let found = rustix::fs::fstatvfs(part);
    found.map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    /// In bytes. Some file systems count a little of their own with it.
    fn reserved(part: &File) -> u64 {
        part.metadata().map_or(0, |found| found.blocks() * 512)
    }

    #[test]
    fn a_long_file_has_its_place_from_the_beginning_where_the_file_system_can_give_it() {
        let [theirs, ours] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        make_room(&ours, RESERVED_MIN).unwrap();
        assert_eq!(ours.metadata().unwrap().len(), RESERVED_MIN);
        let can = has_room(&theirs, RESERVED_MIN) && reserve(&theirs, RESERVED_MIN).is_ok();
        assert_eq!(reserved(&ours) >= RESERVED_MIN, can);
    }

    #[test]
    fn a_file_that_is_short_or_does_not_fit_is_a_hole() {
        let too_long = room(&tempfile::tempfile().unwrap()).saturating_mul(2).min(i64::MAX as u64);
        for len in [RESERVED_MIN - 1, too_long] {
            let part = tempfile::tempfile().unwrap();
            match make_room(&part, len) {
                Ok(()) => {
                    assert_eq!(part.metadata().unwrap().len(), len);
                    assert!(reserved(&part) < 8192, "{}", reserved(&part));
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::FileTooLarge),
            }
        }
    }

    #[test]
    fn what_another_thread_has_written_stays() {
        let part = tempfile::tempfile().unwrap();
        make_room(&part, RESERVED_MIN).unwrap();
        part.write_all_at(b"theirs", 1 << 20).unwrap();
        let refused = |_: &File, _| Err(io::ErrorKind::StorageFull.into());
        for again in [make_room(&part, RESERVED_MIN), make_room_by(refused, &part, RESERVED_MIN)] {
            again.unwrap();
            let mut found = [0; 6];
            part.read_exact_at(&mut found, 1 << 20).unwrap();
            assert_eq!((&found, part.metadata().unwrap().len()), (b"theirs", RESERVED_MIN));
        }
    }

    #[test]
    fn memory_is_not_taken_before_it_is_written_to() {
        let Ok(part) = tempfile::tempfile_in("/dev/shm") else { return };
        make_room(&part, RESERVED_MIN).unwrap();
        assert_eq!(reserved(&part), 0);
    }
}
