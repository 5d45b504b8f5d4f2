//! What the disk threads and the recorder of a share have in common: its files, what is under way, and
//! the way to the engine.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use swarm_engine::{ConnId, Input, Spent};
use swarm_proto::{
    digest::hash_runs,
    geometry::{BLOCK_LEN, BlockRun, Geometry, PieceIndex},
    id::Digest,
};
use tokio::sync::mpsc::UnboundedSender;

use super::{files::Files, parts::LastFolder};

/// The longest that an answer waits for others: a batch that has to wait for the disk is not answered
/// all at once.
const ANSWER_WITHIN: Duration = Duration::from_millis(1);

/// The part of a job that reads, writes or hashes; the rest is the recorder's.
#[derive(Debug)]
pub(crate) enum Work {
    Store { run: BlockRun, data: Bytes },
    Read { conn: ConnId, run: BlockRun },
    ReadLeaves(PieceIndex),
}

impl Work {
    pub(super) fn is_read(&self) -> bool {
        matches!(self, Self::Read { .. })
    }

    /// Bytes that it moves, roughly; none to speak of for what is no transfer of blocks.
    pub(super) fn bytes(&self) -> Option<usize> {
        match self {
            Self::Store { data, .. } => Some(data.len()),
            Self::Read { run, .. } => Some((run.count() * BLOCK_LEN) as usize),
            Self::ReadLeaves(_) => None,
        }
    }
}

/// What a thread has at hand while it stores what it took together.
struct Storing {
    /// The digests of the blocks, piece by piece. All of them are hashed at once, and are still in the processor's
    /// cache when the kernel reads them to write them.
    runs: std::vec::IntoIter<Vec<Digest>>,
    /// What hashing took, until it is accounted for.
    spent: Duration,
    folder: LastFolder,
}

impl Storing {
    fn new(geometry: &Geometry, works: &[Work]) -> Self {
        let begun = Instant::now();
        let mut runs: Vec<&[u8]> = Vec::new();
        for work in works {
            if let Work::Store { run, data } = work {
                runs.extend(geometry.parts_of(*run, data).map(|(_, data)| data));
            }
        }
        let runs = hash_runs(&runs).into_iter();
        Self { runs, spent: begun.elapsed(), folder: LastFolder::default() }
    }

    /// The digests of the next part of a run, and how long hashing took beyond what was told before.
    fn next(&mut self) -> (Vec<Digest>, Duration) {
        (self.runs.next().unwrap_or_default(), std::mem::take(&mut self.spent))
    }
}

/// What the disk threads and the recorder of a share have in common.
#[derive(Debug)]
pub(crate) struct Share {
    pub(super) files: Files,
    answers: UnboundedSender<Input>,
    /// Held for a look. The condition is signalled when work is done or a piece is forgotten.
    state: Mutex<ShareState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct ShareState {
    /// Tasks queued or under way.
    tasks: usize,
    closed: bool,
    forgetting: Forgetting,
}

/// Pieces that the record on the disk may still claim, and how often each is being forgotten: it may be
/// fetched and recorded again before the recorder has come to the first time.
#[derive(Debug, Default)]
struct Forgetting(HashMap<PieceIndex, u32>);

impl Forgetting {
    fn begin(&mut self, piece: PieceIndex) {
        *self.0.entry(piece).or_default() += 1;
    }

    fn end(&mut self, piece: PieceIndex) {
        if let Entry::Occupied(mut times) = self.0.entry(piece) {
            *times.get_mut() -= 1;
            if *times.get() == 0 {
                times.remove();
            }
        }
    }

    fn contains_any(&self, mut pieces: impl Iterator<Item = PieceIndex>) -> bool {
        !self.0.is_empty() && pieces.any(|piece| self.0.contains_key(&piece))
    }
}

impl Share {
    pub(super) fn new(files: Files, answers: UnboundedSender<Input>) -> Self {
        Self { files, answers, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Does what was queued together, and answers: for as much at a time as takes a moment, so that
    /// the driver is woken once for many.
    pub(crate) fn work(&self, works: Vec<Work>) {
        let (begun, count) = (Instant::now(), works.len());
        let mut answers = Vec::with_capacity(count);
        let mut storing = Storing::new(self.files.manifest().geometry(), &works);
        for work in works {
            self.results_of(work, &mut storing, &mut answers);
            if begun.elapsed() >= ANSWER_WITHIN {
                answers.drain(..).for_each(|answer| self.answer(answer));
            }
        }
        answers.into_iter().for_each(|answer| self.answer(answer));
        self.done(count);
    }

    fn results_of(&self, work: Work, storing: &mut Storing, answers: &mut Vec<Input>) {
        match work {
            Work::Store { run, data } => self.store(run, &data, storing, answers),
            Work::Read { conn, run } => {
                answers.push(Input::BlocksRead { conn, run, data: self.files.read_for_peer(run) });
            }
            Work::ReadLeaves(piece) => {
                answers.push(Input::LeavesRead { piece, leaves: self.files.leaves(piece) });
            }
        }
    }

    /// Writes a run: one answer if all of it went well, else one for each of its parts.
    fn store(&self, run: BlockRun, data: &[u8], storing: &mut Storing, answers: &mut Vec<Input>) {
        let geometry = self.files.manifest().geometry();
        let (mut results, mut leaves, mut spent) = (Vec::new(), Vec::new(), Spent::default());
        self.wait_until_forgotten(|| geometry.parts_of(run, data).map(|(part, _)| part.piece()));
        for (part, data) in geometry.parts_of(run, data) {
            let (digests, hashing) = storing.next();
            leaves.extend(digests);
            let begun = Instant::now();
            results.push((part, self.files.write(part, data, &mut storing.folder)));
            spent.hashing += hashing;
            spent.writing += begun.elapsed();
        }
        if results.iter().all(|(_, written)| written.is_ok()) {
            answers.push(Input::Stored { run, leaves, spent });
            return;
        }
        let mut leaves = leaves.into_iter();
        for (part, written) in results {
            let leaves = leaves.by_ref().take(part.count() as usize).collect();
            answers.push(match written {
                Ok(()) => Input::Stored { run: part, leaves, spent: Spent::default() },
                Err(error) => Input::StoreFailed { run: part, error },
            });
        }
    }

    /// So many tasks have been done, or dropped.
    pub(crate) fn done(&self, count: usize) {
        self.state().tasks -= count;
        self.changed.notify_all();
    }

    /// Sends an answer. Nobody may be left to hear it: then the swarm is being stopped.
    pub(super) fn answer(&self, answer: Input) {
        let _ = self.answers.send(answer);
    }

    /// Counts tasks; false if the store is closed.
    pub(super) fn begin(&self, count: usize) -> bool {
        let mut state = self.state();
        if !state.closed {
            state.tasks += count;
        }
        !state.closed
    }

    /// Lets no more tasks in and waits for those that are.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        while state.tasks > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn forget(&self, piece: PieceIndex) {
        self.state().forgetting.begin(piece);
    }

    pub(super) fn forgotten(&self, piece: PieceIndex) {
        self.state().forgetting.end(piece);
        self.changed.notify_all();
    }

    /// No piece is overwritten while the record on the disk claims that it is verified: a crash
    /// in between would make the claim a lie. This is rare, and the recorder is quick about it.
    fn wait_until_forgotten<I: Iterator<Item = PieceIndex>>(&self, pieces: impl Fn() -> I) {
        let mut state = self.state();
        while state.forgetting.contains_any(pieces()) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, ShareState> {
        // No code that can panic runs while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_forgotten_twice_is_waited_for_twice() {
        let piece = Geometry::new(BLOCK_LEN, [1]).unwrap().piece(0).unwrap();
        let mut forgetting = Forgetting::default();
        forgetting.begin(piece);
        forgetting.begin(piece);
        forgetting.end(piece);
        assert!(forgetting.contains_any([piece].into_iter()));
        forgetting.end(piece);
        forgetting.end(piece);
        assert!(!forgetting.contains_any([piece].into_iter()));
    }
}
