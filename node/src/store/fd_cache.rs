//! The files that a node keeps open, so that a share of 50,000 files needs few descriptors.

use std::{
    collections::VecDeque,
    fs::File,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use swarm_proto::geometry::FileIndex;

/// Keeps the files that were used last, up to a fixed number, over all shares.
#[derive(Debug)]
pub(crate) struct FdCache {
    max: usize,
    /// The one used last at the end. So few that to look through them costs less than the system call
    /// that is saved.
    open: Mutex<VecDeque<Entry>>,
    next_share: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    key: (ShareKey, FileIndex),
    file: Arc<File>,
}

/// Tells the files of one share from those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShareKey(u64);

impl FdCache {
    /// A cache of at most `max` files. Those in use beyond that are closed when their users are
    /// done with them.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, open: Mutex::default(), next_share: AtomicU64::new(0) }
    }

    /// A key for one more share.
    pub(crate) fn new_share(&self) -> ShareKey {
        ShareKey(self.next_share.fetch_add(1, Ordering::Relaxed))
    }

    /// The file, if it is open.
    pub(crate) fn get(&self, share: ShareKey, file: FileIndex) -> Option<Arc<File>> {
        let mut open = self.lock();
        let at = open.iter().rposition(|entry| entry.key == (share, file))?;
        let entry = open.remove(at)?;
        let file = Arc::clone(&entry.file);
        open.push_back(entry);
        Some(file)
    }

    /// Keeps a file open, in place of the one that was used the longest ago.
    pub(crate) fn put(&self, share: ShareKey, index: FileIndex, file: &Arc<File>) {
        let entry = Entry { key: (share, index), file: Arc::clone(file) };
        let mut open = self.lock();
        let same = open.iter().position(|old| old.key == entry.key);
        let full = open.len() >= self.max;
        let closed = same.or_else(|| full.then_some(0)).and_then(|at| open.remove(at));
        open.push_back(entry);
        // To close a file may take long; nobody waits for it with the lock held.
        drop(open);
        drop(closed);
    }

    /// Closes one file, as soon as nobody uses it.
    pub(crate) fn remove(&self, share: ShareKey, file: FileIndex) {
        self.retain(|key| key != (share, file));
    }

    /// Closes the files of these numbers, as soon as nobody uses them.
    pub(crate) fn remove_files(&self, share: ShareKey, files: &Range<u32>) {
        self.retain(|key| key.0 != share || !files.contains(&key.1.get()));
    }

    /// Closes the files of a share.
    pub(crate) fn remove_share(&self, share: ShareKey) {
        self.retain(|key| key.0 != share);
    }

    /// Closes everything: descriptors have run out.
    pub(crate) fn clear(&self) {
        self.retain(|_| false);
    }

    fn retain(&self, keep: impl Fn((ShareKey, FileIndex)) -> bool) {
        let mut open = self.lock();
        let (kept, closed) = open.drain(..).partition(|entry| keep(entry.key));
        *open = kept;
        drop(open);
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        // No code that can panic runs while the lock is held.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use swarm_proto::geometry::Geometry;

    use super::*;

    #[test]
    fn the_file_used_the_longest_ago_is_closed() {
        let geometry = Geometry::new(16384, [1, 1, 1]).unwrap();
        let [a, b, c] = [0, 1, 2].map(|number| geometry.file(number).unwrap());
        let cache = FdCache::new(2);
        let (share, other) = (cache.new_share(), cache.new_share());
        let file = Arc::new(tempfile::tempfile().unwrap());
        cache.put(share, a, &file);
        cache.put(share, b, &file);
        assert!(cache.get(share, a).is_some());
        cache.put(share, c, &file);
        let open = |share| [a, b, c].map(|index| cache.get(share, index).is_some());
        assert_eq!(open(share), [true, false, true]);
        assert_eq!(open(other), [false; 3]);
        cache.remove(share, a);
        assert_eq!(open(share), [false, false, true]);
        cache.clear();
        assert_eq!(Arc::strong_count(&file), 1);
    }
}
