//! The threads that read, write and hash, shared by all swarms of a node.

use bytes::Bytes;
use swarm_engine::ConnId;
use swarm_proto::geometry::{BlockRun, PieceIndex};

use crate::NodeError;

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
    /// Every piece was recorded: put everything in its place. Answered by `Input::Finished`.
    Finish,
}

/// Threads that do the jobs of all swarms of a node.
#[derive(Debug)]
pub(crate) struct DiskPool {}

impl DiskPool {
    /// Starts the threads; 0 for one a CPU.
    pub(crate) fn new(_threads: usize) -> Result<Self, NodeError> {
        todo!()
    }

    /// Does what is queued and joins the threads. Blocking.
    pub(crate) fn shutdown(self) {
        todo!()
    }
}
