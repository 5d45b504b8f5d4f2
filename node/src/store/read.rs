//! Reading whole pieces, for somebody who wants the bytes themselves.

use swarm_engine::DiskError;
use swarm_proto::{
    digest::hash_blocks,
    geometry::{PieceIndex, RUN_BLOCKS_MAX},
};

use super::Share;
use crate::NodeError;

impl Share {
    /// Reads a piece that is verified, and verifies what was read: what a peer is sent it checks
    /// itself, and nobody checks this. Blocking.
    ///
    /// # Errors
    /// If the store is closed, or the piece cannot be read or is not what it was.
    pub(crate) fn read_piece(&self, piece: PieceIndex) -> Result<Vec<u8>, NodeError> {
        if !self.begin(1) {
            return Err(NodeError::Stopped);
        }
        let read = self.read_and_verify(piece);
        self.done(1);
        read.map_err(NodeError::disk)
    }

    fn read_and_verify(&self, piece: PieceIndex) -> Result<Vec<u8>, DiskError> {
        let manifest = self.files.manifest();
        let geometry = manifest.geometry();
        let blocks = geometry.block_count(piece);
        let mut bytes = Vec::with_capacity(geometry.piece_len(piece) as usize);
        let mut leaves = Vec::with_capacity(blocks as usize);
        let runs = (0..blocks)
            .step_by(RUN_BLOCKS_MAX as usize)
            .filter_map(|first| geometry.run(piece, first, RUN_BLOCKS_MAX.min(blocks - first)));
        for run in runs {
            let part = self.files.read(run).map_err(|(_, error)| error)?;
            hash_blocks(&part, &mut leaves);
            bytes.extend_from_slice(&part);
        }
        if manifest.verifies(piece, &leaves) { Ok(bytes) } else { Err(DiskError::Changed) }
    }
}
