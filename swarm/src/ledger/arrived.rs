//! What becomes of blocks that arrive.

use swarm_proto::geometry::{BlockRun, Geometry, PieceIndex};

use crate::ConnId;

/// What became of blocks that arrived.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// To be stored: runs of blocks that were not there yet, each of one piece.
    pub(crate) store: Vec<BlockRun>,
    /// Bytes in them.
    pub(crate) useful: u64,
    /// Who else was asked for some of them.
    pub(crate) others: Vec<ConnId>,
}

impl Arrived {
    /// A stretch of blocks of a piece, the first and how many, if there is one, is to be stored.
    pub(super) fn gather(
        &mut self,
        geometry: &Geometry,
        piece: PieceIndex,
        stretch: Option<(u32, u32)>,
    ) {
        let run = stretch.and_then(|(first, count)| geometry.run(piece, first, count));
        if let Some(run) = run {
            self.useful += u64::from(geometry.run_len(run));
            self.store.push(run);
        }
    }
}
