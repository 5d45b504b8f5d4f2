//! What is shared: random bytes, their manifest, and what each block of them must hash to.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use swarm_proto::{
    digest::hash_blocks,
    geometry::{BLOCK_LEN, BlockRun, Geometry, PieceIndex},
    id::Digest,
    manifest::{Extras, FileInfo, Info, Manifest},
    path::SharePath,
    tree,
};

/// The true content of a share. All nodes refer to the one copy of it, so a run with many nodes
/// needs little more memory than the share.
#[derive(Debug)]
pub struct Share {
    manifest: Arc<Manifest>,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    leaves: Vec<Digest>,
}

impl Share {
    /// Files of these lengths with random content.
    ///
    /// # Panics
    /// If the lengths make no valid share: a mistake in the scenario.
    #[must_use]
    pub fn random(seed: u64, piece_length: u32, lengths: &[u64]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let geometry = Geometry::new(piece_length, lengths.iter().copied())
            .expect("a scenario's share has a valid geometry");
        let pieces: Vec<_> = geometry
            .pieces()
            .map(|piece| {
                let mut bytes = vec![0; geometry.piece_len(piece) as usize];
                rng.fill_bytes(&mut bytes);
                let mut leaves = Vec::new();
                hash_blocks(&bytes, &mut leaves);
                Piece { bytes: bytes.into(), leaves }
            })
            .collect();
        let digests = geometry
            .pieces()
            .map(|piece| tree::root(&pieces[piece.as_usize()].leaves, geometry.tree_width(piece)))
            .collect();
        let files = lengths.iter().enumerate().map(|(i, &length)| FileInfo {
            path: if lengths.len() == 1 { SharePath::default() } else { format!("{i:06}").into() },
            length,
            executable: false,
            root: None,
        });
        let info = Info {
            name: "share".into(),
            piece_length,
            files: files.collect(),
            empty_folders: Vec::new(),
        };
        let manifest = Manifest::build(info, digests, Extras::default())
            .expect("a scenario's share has a valid manifest");
        Self { manifest: Arc::new(manifest), pieces }
    }

    /// The manifest that all nodes have.
    #[must_use]
    pub const fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Where every byte lies.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        self.manifest.geometry()
    }

    /// The true bytes of a run of blocks.
    #[must_use]
    pub fn read(&self, run: BlockRun) -> Bytes {
        let part = |part: BlockRun| {
            let start = part.offset() as usize;
            let end = start + self.geometry().run_len(part) as usize;
            self.pieces[part.piece().as_usize()].bytes.slice(start..end)
        };
        if !self.geometry().is_long(run) {
            return part(run);
        }
        let mut bytes = BytesMut::with_capacity(self.geometry().run_len(run) as usize);
        self.geometry().parts(run).for_each(|run| bytes.extend_from_slice(&part(run)));
        bytes.freeze()
    }

    /// The true bytes of one block.
    #[must_use]
    pub fn block(&self, piece: PieceIndex, block: u32) -> &[u8] {
        let bytes = &self.pieces[piece.as_usize()].bytes;
        let start = (block * BLOCK_LEN) as usize;
        &bytes[start..bytes.len().min(start + BLOCK_LEN as usize)]
    }

    /// The true digests of a piece's blocks.
    #[must_use]
    pub fn leaves(&self, piece: PieceIndex) -> &[Digest] {
        &self.pieces[piece.as_usize()].leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_bytes_verify() {
        let share = Share::random(7, 32 * 1024, &[100_000, 0, 5, 65_536]);
        let geometry = share.geometry().clone();
        for piece in geometry.pieces() {
            assert!(share.manifest().verifies(piece, share.leaves(piece)));
            let run = geometry.run(piece, 0, geometry.block_count(piece)).unwrap();
            let mut leaves = Vec::new();
            hash_blocks(&share.read(run), &mut leaves);
            assert_eq!(leaves, share.leaves(piece));
            let blocks: Vec<u8> =
                run.blocks().flat_map(|block| share.block(piece, block).to_vec()).collect();
            assert_eq!(blocks, share.read(run));
        }
    }

    #[test]
    fn the_seed_decides_the_content() {
        let id = |seed| Share::random(seed, 32 * 1024, &[100_000]).manifest().id();
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
    }
}
