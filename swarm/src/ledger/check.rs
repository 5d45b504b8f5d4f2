//! Truths that hold between the sums and sets of a ledger and its blocks.

use swarm_proto::geometry::PieceIndex;

use super::{Block, Ledger, block_len};
use crate::ConnId;

impl Ledger {
    /// Whether sums and sets are what the blocks say, and each asked block is known to `asked`.
    pub(crate) fn check(
        &self,
        asked: impl Fn(ConnId, PieceIndex, u32) -> bool,
    ) -> Result<(), String> {
        let (mut requested, mut storing) = (0, 0);
        for (&piece, partial) in &self.partial {
            let name = piece.get();
            if self.have.has(piece) || self.doubted.contains(&piece) {
                return Err(format!("piece {name} is unfinished and had or doubted"));
            }
            if partial.is_blank() {
                return Err(format!("piece {name} is begun and blank"));
            }
            if !self.wants(piece) && partial.is_at_rest() {
                return Err(format!("piece {name} is kept and not wanted"));
            }
            let free = partial.blocks().iter().filter(|block| **block == Block::Free).count();
            let open = free > 0 && self.wants(piece);
            if free != partial.free() as usize || open != self.open.contains(&piece) {
                return Err(format!("piece {name} has {free} free blocks, which is not noted"));
            }
            if partial.is_stored() != self.corrupt.contains(&piece) {
                return Err(format!("piece {name} is complete and not judged"));
            }
            for (number, block) in (0..).zip(partial.blocks()) {
                let len = block_len(self.geometry(), piece, number);
                match block {
                    Block::Requested(holders) => {
                        requested += len * holders.as_slice().len() as u64;
                        if !holders.as_slice().iter().all(|&conn| asked(conn, piece, number)) {
                            return Err(format!(
                                "block {number} of piece {name} is asked of nobody"
                            ));
                        }
                    }
                    Block::Storing(_) => storing += len,
                    Block::Free | Block::Stored { .. } => {}
                }
            }
        }
        let known = |piece| self.partial.contains_key(piece);
        if !self.open.iter().all(known) || !self.corrupt.iter().all(known) {
            return Err("a piece is open or corrupt and not begun".into());
        }
        if self.wanted.difference(&self.have).count() != self.lacking as usize {
            return Err(format!("noted are {} pieces lacking, which is wrong", self.lacking));
        }
        if self.doubted.iter().any(|&piece| self.have.has(piece)) {
            return Err("a piece is had and doubted".into());
        }
        if (requested, storing) != (self.requested, self.storing) {
            return Err(format!(
                "{requested} bytes requested and {storing} storing, noted are {} and {}",
                self.requested, self.storing
            ));
        }
        Ok(())
    }
}
