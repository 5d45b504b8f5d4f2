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

use bytes::Bytes;
use rustix::process::{Resource, getrlimit};
use swarm_engine::{ConnId, Priority};
use swarm_net::Buffers;
use swarm_proto::geometry::{BlockRun, PieceIndex};

use crate::{
    NodeError,
    store::{FdCache, Share},
};

/// What the engine wants done on the disk. The queue of jobs has no limit of its own: the engine's
/// byte budgets (`buffer_bytes`, `send_bytes`) bound what it asks for before it has the answers.
#[derive(Debug)]
pub(crate) enum Job {
    /// Hash the blocks and write them. Answered by `Input::Stored` or `Input::StoreFailed`.
    Store {
        /// Which blocks.
        run: BlockRun,
        /// Their bytes.
        data: Bytes,
    },
    /// Read the blocks. Answered by `Input::BlocksRead`.
    Read {
        /// Whom they are for.
        conn: ConnId,
        /// Which blocks.
        run: BlockRun,
    },
    /// Read the piece as it is now and hash its blocks: `Output::ReadLeaves` and `Output::Check`.
    /// Answered by `Input::LeavesRead`.
    ReadLeaves(PieceIndex),
    /// The piece is verified. No answer, unless its data cannot be synced: then an
    /// `Input::LeavesRead` with the error.
    Record(PieceIndex),
    /// The piece is not to be trusted. No answer.
    Forget(PieceIndex),
    /// Every wanted piece was recorded: put everything in its place. Answered by
    /// `Input::Finished`.
    Finish,
    /// Remember how much each file is wanted. No answer.
    KeepPriorities(Vec<Priority>),
}

/// A job that a worker does.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) share: Arc<Share>,
    pub(crate) work: Work,
}

/// The part of a job that reads, writes or hashes; the rest is the recorder's.
#[derive(Debug)]
pub(crate) enum Work {
    Store { run: BlockRun, data: Bytes },
    Read { conn: ConnId, run: BlockRun },
    ReadLeaves(PieceIndex),
}

/// Threads that do the jobs of all swarms of a node, and the files that they keep open. Dropping it
/// blocks until what is queued is done and the threads have ended.
#[derive(Debug)]
pub(crate) struct DiskPool {
    queue: Arc<Queue>,
    open_files: Arc<FdCache>,
    buffers: Buffers,
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
    /// Reads since something else had its turn.
    in_a_row: u32,
    closed: bool,
}

/// Reads that may go before something else gets a turn. A read from the page cache takes a tenth of
/// the time that hashing and writing the same blocks does.
const READS_IN_A_ROW: u32 = 8;

/// The least number of open files that leaves something for connections.
const DESCRIPTORS_MIN: u64 = 64;
/// Files kept open when there is no shortage: more than any download works on at a time.
const OPEN_FILES_MAX: u64 = 64;
/// Threads when the caller names no number: a few even on one CPU, since a thread that waits for
/// the disk hashes nothing; a bound, since no disk we know of gains from more.
const THREADS: std::ops::RangeInclusive<usize> = 2..=16;

impl DiskPool {
    /// Starts the threads; 0 for one a CPU. What they read goes into `buffers`.
    ///
    /// # Errors
    /// If the system gives us too few file descriptors, or no threads.
    pub(crate) fn new(threads: usize, buffers: Buffers) -> Result<Self, NodeError> {
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
        let mut pool = Self { queue, open_files, buffers, threads: Vec::with_capacity(threads) };
        for number in 0..threads {
            let queue = Arc::clone(&pool.queue);
            let thread = thread::Builder::new()
                .name(format!("disk-{number}"))
                .spawn(move || queue.work())
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
    /// Adds a task; drops it if the pool is shut down.
    pub(crate) fn push(&self, task: Task) {
        let mut tasks = self.lock();
        if tasks.closed {
            drop(tasks);
            task.share.done();
            return;
        }
        match task.work {
            Work::Read { .. } => tasks.reads.push_back(task),
            Work::Store { .. } | Work::ReadLeaves(_) => tasks.others.push_back(task),
        }
        drop(tasks);
        self.changed.notify_one();
    }

    /// Does tasks until the queue is closed and empty.
    fn work(&self) {
        while let Some(task) = self.next() {
            task.share.work(task.work);
            task.share.done();
        }
    }

    fn next(&self) -> Option<Task> {
        let mut tasks = self.lock();
        loop {
            if let Some(task) = tasks.pop() {
                return Some(task);
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
    fn pop(&mut self) -> Option<Task> {
        if self.in_a_row < READS_IN_A_ROW
            && let Some(read) = self.reads.pop_front()
        {
            self.in_a_row += 1;
            return Some(read);
        }
        self.in_a_row = 0;
        self.others.pop_front().or_else(|| self.reads.pop_front())
    }
}
