//! Where a benchmark keeps its files, and that nothing of them stays.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{machine, message::Job, party::Party};
use crate::{exit::Failure, room};

/// Where memory that looks like a disk usually is.
const MEMORY: &str = "/dev/shm";
/// What programs and the system need of the memory beside our files.
const MEMORY_SPARE: u64 = 256 << 20;

/// A folder that goes away with its owner: by [`Scratch::remove`] in order, and by a process that
/// outlives the owner if that is killed.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    keeper: Party,
}

impl Scratch {
    /// Makes a folder in `parent`.
    pub async fn new(parent: &Path) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("swarm-bench-");
        // The parts of a benchmark need a name that does not depend on where they are.
        let made = fs::canonicalize(parent).and_then(|parent| builder.tempdir_in(parent));
        let folder = made.map_err(|error| {
            Failure::file(parent, &error).hint("name a folder that you may write in")
        })?;
        let mut keeper = Party::new();
        keeper.start("the keeper of the folder", folder.path(), &[], &Job::Keep).await?;
        keeper.ready(0).await?;
        Ok(Self { folder, keeper })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes it.
    pub async fn remove(self) -> Result<(), Failure> {
        let path = self.folder.path().to_owned();
        let removed = self.folder.close().map_err(|error| Failure::file(&path, &error));
        self.keeper.end().await.and(removed)
    }
}

/// Where the files of a benchmark go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub folder: PathBuf,
    /// It is memory that looks like a disk.
    pub in_memory: bool,
}

impl Place {
    /// The folder that the user names, else memory if `bytes` fit, else the system's temporary one.
    pub fn choose(named: Option<&Path>, bytes: u64) -> Self {
        if let Some(folder) = named {
            return Self::at(folder);
        }
        let memory = Self::at(Path::new(MEMORY));
        let free = room::free(&memory.folder).unwrap_or(0);
        let available = machine::memory_available().unwrap_or(0).saturating_sub(MEMORY_SPARE);
        if memory.in_memory && bytes <= free.min(available) {
            memory
        } else {
            Self::at(&std::env::temp_dir())
        }
    }

    /// This folder, under its whole name: `.` says nothing in a report.
    pub fn at(folder: &Path) -> Self {
        let in_memory = is_memory(folder);
        // One that cannot be used is found out by whoever uses it.
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        Self { folder, in_memory }
    }

    /// Refuses what does not fit.
    pub fn check(&self, bytes: u64) -> Result<(), Failure> {
        let hint = "make it smaller with --size, or name another folder";
        room::check(&self.folder, bytes, hint)
    }
}

#[cfg(target_os = "linux")]
fn is_memory(folder: &Path) -> bool {
    /// `TMPFS_MAGIC` and `RAMFS_MAGIC` (statfs(2)).
    const MEMORY_KINDS: [u64; 2] = [0x0102_1994, 0x8584_58f6];
    rustix::fs::statfs(folder).is_ok_and(|stat| MEMORY_KINDS.contains(&(stat.f_type as u64)))
}

#[cfg(not(target_os = "linux"))]
fn is_memory(_: &Path) -> bool {
    false
}

/// Writes so many bytes and removes them again, so that the memory for them is at hand. A virtual
/// machine hands memory that nobody uses back to its host, and getting it again takes several times
/// as long as writing to it: the first run would measure the host. `false` if `go_on` says no.
pub fn warm(folder: &Path, bytes: u64, go_on: &mut dyn FnMut(u64) -> bool) -> io::Result<bool> {
    let path = folder.join("warm");
    let mut file = File::create(&path)?;
    let (zeros, mut done) = (vec![0_u8; 1 << 20], 0);
    while done < bytes && go_on(done) {
        let len = (bytes - done).min(zeros.len() as u64);
        file.write_all(&zeros[..len as usize])?;
        done += len;
    }
    drop(file);
    fs::remove_file(path)?;
    Ok(done >= bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_is_named_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::choose(Some(folder.path()), u64::MAX);
        assert_eq!(place.folder, folder.path().canonicalize().unwrap());
        assert_eq!(place.check(1), Ok(()));
        assert!(place.check(1 << 62).is_err());
    }

    #[test]
    fn what_does_not_fit_into_memory_goes_to_the_temporary_folder() {
        assert_eq!(Place::choose(None, u64::MAX), Place::at(&std::env::temp_dir()));
    }

    #[test]
    fn warming_leaves_nothing_and_can_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        assert!(warm(folder.path(), (1 << 20) + 1, &mut |_| true).unwrap());
        assert!(!warm(folder.path(), 1 << 20, &mut |_| false).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
