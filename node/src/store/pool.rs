//! The threads that read, write and hash, shared by all swarms of a node.
//!
//! They are plain threads, since files have no readiness to wait for: an async runtime would only
//! hide the same threads. All swarms share one queue, reads for peers first and else in order of
//! arrival: a swarm gets its share of the disk by asking for little at a time, which the engine's
//! budgets see to.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use rustix::process::{Resource, getrlimit};
use swarm_net::Buffers;

use super::{
    fd_cache::FdCache,
    share::{Share, Work},
};
use crate::NodeError;

/// A job that a worker does.
#[derive(Debug)]
struct Task {
    share: Arc<Share>,
    work: Work,
}

/// Threads that do the jobs of all swarms of a node, and the files that they keep open. Dropping it
/// blocks until what is queued is done and the threads have ended.
#[derive(Debug)]
pub(crate) struct DiskPool {
    queue: Arc<Queue>,
    open_files: Arc<FdCache>,
    buffers: Buffers,
    sends_from_files: bool,
    threads: Vec<JoinHandle<()>>,
}

/// The tasks that no thread has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    tasks: Mutex<Tasks>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Tasks {
    /// What a peer waits for. It goes first: peers judge us by how soon we answer, and a downloader
    /// whose answers stood in line behind its own writes would be passed over for the seeder.
    reads: VecDeque<Task>,
    /// Everything else.
    others: VecDeque<Task>,
    /// Batches of reads since something else had its turn.
    in_a_row: u32,
    closed: bool,
}

/// Batches of reads that may go before something else gets a turn. A read from the page cache takes a tenth of
/// the time that hashing and writing the same blocks does.
const READS_IN_A_ROW: u32 = 8;

/// Bytes of one share that a thread takes at once. A run of many blocks is work enough by itself;
/// where every piece is a small file, waking a thread for each would cost more than its write.
const BATCH_BYTES: usize = 256 << 10;

/// Bytes that wait for each thread or are at work in it, at which a download asks for no more: two of the longest
/// runs.
const STORING_PER_THREAD: u64 = 2 << 20;

/// The least number of open files that leaves something for connections.
const DESCRIPTORS_MIN: u64 = 64;
/// Files kept open when there is no shortage: more than any download works on at a time.
const OPEN_FILES_MAX: u64 = 64;
/// With fewer, what waits to be sent must not hold any.
const DESCRIPTORS_TO_SEND_FROM: u64 = 512;
/// Threads when the caller names no number: a few even on one CPU, since a thread that waits for
/// the disk hashes nothing; a bound, since no disk we know of gains from more.
const THREADS: std::ops::RangeInclusive<usize> = 2..=16;

impl DiskPool {
    /// Starts the threads; 0 for one a CPU. What they read goes into `buffers`; with `sends_from_files`
    /// they leave to the connections what these can send from a file by themselves.
    ///
    /// # Errors
    /// If the system gives us too few file descriptors, or no threads.
    pub(crate) fn new(
        threads: usize,
        buffers: Buffers,
        sends_from_files: bool,
    ) -> Result<Self, NodeError> {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        if limit < DESCRIPTORS_MIN {
            return Err(NodeError::FewDescriptors { limit, needed: DESCRIPTORS_MIN });
        }
        // An eighth: connections need theirs too.
        let open_files = Arc::new(FdCache::new((limit / 8).min(OPEN_FILES_MAX) as usize));
        let threads = match threads {
            0 => thread::available_parallelism()
                .map_or(1, usize::from)
                .clamp(*THREADS.start(), *THREADS.end()),
            threads => threads,
        };
        let queue = Arc::new(Queue::default());
        let started = Vec::with_capacity(threads);
        let sends_from_files = sends_from_files && limit >= DESCRIPTORS_TO_SEND_FROM;
        let mut pool = Self { queue, open_files, buffers, sends_from_files, threads: started };
        for number in 0..threads {
            let queue = Arc::clone(&pool.queue);
            let thread = thread::Builder::new()
                .name(format!("disk-{number}"))
                .spawn(move || queue.work(threads))
                .map_err(NodeError::io("start threads for", "the disk"))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    pub(crate) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(crate) const fn open_files(&self) -> &Arc<FdCache> {
        &self.open_files
    }

    /// Whether peers are sent blocks from the files themselves where that is of use.
    pub(crate) const fn sends_from_files(&self) -> bool {
        self.sends_from_files
    }

    /// Bytes to be stored that keep all threads busy.
    pub(crate) fn storing_bytes(&self) -> u64 {
        self.threads.len() as u64 * STORING_PER_THREAD
    }

    pub(crate) const fn buffers(&self) -> &Buffers {
        &self.buffers
    }
}

impl Drop for DiskPool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a disk thread has panicked");
            }
        }
    }
}

impl Queue {
    /// Adds tasks of one share; drops them if the pool is shut down.
    pub(crate) fn push(&self, share: &Arc<Share>, works: Vec<Work>) {
        let mut tasks = self.lock();
        if tasks.closed {
            drop(tasks);
            share.done(works.len());
            return;
        }
        let count = works.len();
        for work in works {
            tasks.line(work.is_read()).push_back(Task { share: Arc::clone(share), work });
        }
        drop(tasks);
        if count == 1 {
            self.changed.notify_one();
        } else {
            self.changed.notify_all();
        }
    }

    /// Does tasks, as one of so many threads, until the queue is closed and empty.
    fn work(&self, threads: usize) {
        while let Some((share, works)) = self.next(threads) {
            share.work(works);
        }
    }

    fn next(&self, threads: usize) -> Option<(Arc<Share>, Vec<Work>)> {
        let mut tasks = self.lock();
        loop {
            if let Some(batch) = tasks.pop(threads) {
                return Some(batch);
            }
            if tasks.closed {
                return None;
            }
            tasks = self.changed.wait(tasks).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        // No code that can panic runs while the lock is held.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tasks {
    fn line(&mut self, read: bool) -> &mut VecDeque<Task> {
        if read { &mut self.reads } else { &mut self.others }
    }

    /// What one of so many threads does next: a task, and of what waits behind it in the same line
    /// as much of the same share as is little work, but no more than its part.
    fn pop(&mut self, threads: usize) -> Option<(Arc<Share>, Vec<Work>)> {
        let in_turn = !self.reads.is_empty() && self.in_a_row < READS_IN_A_ROW;
        let reads = in_turn || self.others.is_empty();
        self.in_a_row = if in_turn { self.in_a_row + 1 } else { 0 };
        let line = self.line(reads);
        let part = line.len().div_ceil(threads.max(1));
        let Task { share, work } = line.pop_front()?;
        let mut room = work.bytes().and_then(|bytes| BATCH_BYTES.checked_sub(bytes));
        let mut works = vec![work];
        while works.len() < part
            && let Some(next) = line.front().filter(|next| Arc::ptr_eq(&next.share, &share))
            && let Some(rest) =
                room.zip(next.work.bytes()).and_then(|(room, b)| room.checked_sub(b))
        {
            room = Some(rest);
            works.extend(line.pop_front().map(|task| task.work));
        }
        Some((share, works))
    }
}

#[cfg(test)]
mod tests {
    use swarm_engine::ConnId;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::{store::Store, testing::Sample};

    /// What one of two threads takes at a time, as numbers of pieces, until nothing is left.
    fn taken(mut tasks: Tasks) -> Vec<Vec<u32>> {
        let number = |work: &Work| match work {
            Work::Store { run, .. } | Work::Read { run, .. } => run.piece().get(),
            Work::ReadLeaves(piece) => piece.get(),
        };
        let batches = std::iter::from_fn(|| tasks.pop(2));
        batches.map(|(_, works)| works.iter().map(number).collect()).collect()
    }

    #[test]
    fn small_tasks_of_a_share_are_done_together_and_shared_among_the_threads() {
        let sample = Sample::new(&[("a", 64 << 14)]);
        let pool = DiskPool::new(1, Buffers::default(), false).unwrap();
        let open = || {
            let (answers, manifest) = (unbounded_channel().0, Arc::clone(&sample.manifest));
            let path = &sample.path;
            Store::for_seeding(&pool, manifest, path, false, answers, &mut |_| true).unwrap().store
        };
        let (first, second) = (open(), open());
        let share = |store: &Store| store.share().upgrade().unwrap();
        let geometry = sample.manifest.geometry();
        let piece = |number| geometry.piece(number).unwrap();
        let read = |n| Work::Read { conn: ConnId(1), run: geometry.run(piece(n), 0, 1).unwrap() };
        let tasks = |works: Vec<(Arc<Share>, Work)>| {
            let mut tasks = Tasks::default();
            for (share, work) in works {
                tasks.line(work.is_read()).push_back(Task { share, work });
            }
            tasks
        };
        // Half of what waits, then half of the rest; and no more than 16 blocks.
        let reads = (0..6).map(|n| (share(&first), read(n)));
        assert_eq!(taken(tasks(reads.collect())), [vec![0, 1, 2], vec![3, 4], vec![5]]);
        let reads = (0..64).map(|n| (share(&first), read(n)));
        assert_eq!(taken(tasks(reads.collect()))[0], Vec::from_iter(0..16));
        // What belongs to another share, or is more work, is left to whoever comes next.
        let mixed = [
            (share(&first), read(0)),
            (share(&second), read(1)),
            (share(&first), read(2)),
            (share(&first), Work::ReadLeaves(piece(3))),
            (share(&first), Work::ReadLeaves(piece(4))),
        ];
        assert_eq!(taken(tasks(mixed.into())), [[0], [1], [2], [3], [4]]);
    }
}
