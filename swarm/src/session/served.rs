//! What a peer asked of us.

use std::collections::VecDeque;

use swarm_proto::geometry::{BlockRun, Geometry, PieceIndex};

use crate::{Time, rate::Rate};

/// What a block costs to read at least, in bytes: it may be a file of its own, to be opened and closed.
const BLOCK_COST: u32 = 4096;

/// What a run costs to read, in bytes.
pub(crate) fn cost(geometry: &Geometry, run: BlockRun) -> u64 {
    geometry.run_len(run).max(run.count() * BLOCK_COST).into()
}

/// What a peer asked us for.
#[derive(Debug)]
pub(crate) struct Served {
    /// Payload to it.
    pub(crate) rate: Rate,
    pub(crate) sent: u64,
    pub(crate) sent_since_unchoke: u64,
    /// When it was last unchoked.
    pub(crate) unchoked: Time,
    /// Requests to be read, oldest first.
    pub(crate) queue: VecDeque<BlockRun>,
    pub(crate) queued: u64,
    /// Requests being read, oldest first, and what that costs.
    pub(crate) reading: VecDeque<BlockRun>,
    pub(crate) reading_bytes: u64,
    /// Bytes of messages that have not left for the kernel, and how fast they leave.
    pub(crate) unflushed: u64,
    pub(crate) drain: Rate,
    /// When it last took something, or had nothing to take.
    pub(crate) taken: Time,
    /// Bytes that it may be sent before others have their turn.
    pub(crate) credit: i64,
    /// It stands in the line of those to be served.
    pub(crate) in_line: bool,
    /// Requests past its limit, since the last one within it.
    pub(crate) excess: u32,
}

impl Served {
    pub(super) const fn new(now: Time) -> Self {
        Self {
            rate: Rate::for_people(now),
            sent: 0,
            sent_since_unchoke: 0,
            unchoked: now,
            queue: VecDeque::new(),
            queued: 0,
            reading: VecDeque::new(),
            reading_bytes: 0,
            unflushed: 0,
            drain: Rate::new(now),
            taken: now,
            credit: 0,
            in_line: false,
            excess: 0,
        }
    }

    /// A request to be served.
    pub(crate) fn push(&mut self, geometry: &Geometry, run: BlockRun) {
        self.queue.push_back(run);
        self.queued += u64::from(geometry.run_len(run));
    }

    /// The next request to be read.
    pub(crate) fn pop(&mut self, geometry: &Geometry) -> Option<BlockRun> {
        let run = self.queue.pop_front()?;
        self.queued -= u64::from(geometry.run_len(run));
        self.reading_bytes += cost(geometry, run);
        self.reading.push_back(run);
        Some(run)
    }

    /// A request was read. False if it is no longer wanted.
    pub(crate) fn read(&mut self, geometry: &Geometry, run: BlockRun) -> bool {
        let Some(at) = self.reading.iter().position(|&reading| reading == run) else {
            return false;
        };
        self.reading.remove(at);
        self.reading_bytes -= cost(geometry, run);
        true
    }

    /// Drops a request. False if it was not there.
    pub(crate) fn cancel(&mut self, geometry: &Geometry, run: BlockRun) -> bool {
        if let Some(at) = self.queue.iter().position(|&queued| queued == run) {
            self.queue.remove(at);
            self.queued -= u64::from(geometry.run_len(run));
            return true;
        }
        self.read(geometry, run)
    }

    /// Drops the requests for these pieces, ascending, that are not being read.
    pub(crate) fn withdraw(&mut self, geometry: &Geometry, pieces: &[PieceIndex]) -> Vec<BlockRun> {
        let is_gone = |part: BlockRun| pieces.binary_search(&part.piece()).is_ok();
        let gone = |run: &BlockRun| geometry.parts(*run).any(is_gone);
        let (dropped, kept): (Vec<_>, _) = self.queue.drain(..).partition(gone);
        self.queue = kept.into();
        self.queued -= dropped.iter().map(|&run| u64::from(geometry.run_len(run))).sum::<u64>();
        dropped
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.queued = 0;
        self.reading.clear();
        self.reading_bytes = 0;
    }
}
