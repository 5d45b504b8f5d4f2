//! The SHA-256 tree over a file's blocks, exactly as BitTorrent v2 defines it (BEP 52).
//!
//! The leaves are the digests of 16 KiB blocks, and each node above is the SHA-256 of its two
//! children. Missing leaves are 32 zero bytes, unhashed. In a file of several pieces the tree under
//! each piece has one width, so that all piece digests are on one level (the file's piece layer);
//! a file of one piece is padded only to the next power of two of its own blocks.

use std::sync::LazyLock;

use crate::{
    digest,
    geometry::{BLOCK_LEN, FileIndex, Geometry},
    id::Digest,
};

/// The root over 2^i missing leaves, for each height i that a tree of files can have: the same in
/// every tree, so hashed once.
static EMPTY: LazyLock<[Digest; 64]> = LazyLock::new(|| {
    let mut roots = [Digest::new([0; 32]); 64];
    for height in 1..roots.len() {
        roots[height] = parent(roots[height - 1], roots[height - 1]);
    }
    roots
});

/// The root over `leaves`, padded with zero digests to `width` leaves.
///
/// # Panics
/// If `width` is not a power of two, or there are more leaves than that.
#[must_use]
pub fn root(leaves: &[Digest], width: u32) -> Digest {
    climb(leaves, width, 0)
}

/// The root of a file, from the digests of the pieces of all files; `None` if the file is empty.
///
/// # Panics
/// If there is not a digest for each piece up to the file's last.
pub(crate) fn root_of_file(
    geometry: &Geometry,
    file: FileIndex,
    digests: &[Digest],
) -> Option<Digest> {
    let mut pieces = geometry.file_pieces(file);
    let first = pieces.next()?.as_usize();
    let layer = &digests[first..=first + pieces.len()];
    if has_layer(geometry, file) {
        Some(root_of_layer(layer, geometry.piece_length() / BLOCK_LEN))
    } else {
        layer.first().copied()
    }
}

/// Whether a file has more than one piece, and so a layer of digests below its root.
pub(crate) fn has_layer(geometry: &Geometry, file: FileIndex) -> bool {
    geometry.file_len(file) > u64::from(geometry.piece_length())
}

/// The root over a piece layer, padded to the next power of two with pieces that have no block.
fn root_of_layer(pieces: &[Digest], piece_width: u32) -> Digest {
    let width = u32::try_from(pieces.len()).expect("a share has fewer than 2^32 pieces");
    climb(pieces, width.next_power_of_two(), piece_width.trailing_zeros() as usize)
}

/// The root over `nodes` at a height above the leaves, padded with empty ones to `width` nodes.
fn climb(nodes: &[Digest], width: u32, height: usize) -> Digest {
    assert!(width.is_power_of_two(), "a tree is as wide as a power of two");
    assert!(nodes.len() <= width as usize, "more leaves than the tree is wide");
    let top = height + width.trailing_zeros() as usize;
    // Nodes lie end to end, so that two that are hashed together are one message.
    let mut level: Vec<u8> = Vec::with_capacity(nodes.len().next_multiple_of(2) * 32);
    nodes.iter().for_each(|node| level.extend(node.as_bytes()));
    let mut above = Vec::with_capacity(level.len() / 2);
    for empty in &EMPTY[height..top] {
        // All further right is padding, and its roots are known: one stands for the rest.
        if level.len() % 64 == 32 {
            level.extend(empty.as_bytes());
        }
        above.clear();
        digest::hash_pairs(&level, &mut above);
        std::mem::swap(&mut level, &mut above);
    }
    level.first_chunk().map_or(EMPTY[top], |root| Digest::new(*root))
}

fn parent(left: Digest, right: Digest) -> Digest {
    digest::sha256([left, right].map(|node| *node.as_bytes()).as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_BLOCK: Digest = Digest::new([0; 32]);

    const fn leaf(n: u8) -> Digest {
        Digest::new([n; 32])
    }

    #[test]
    fn one_leaf_is_its_own_root() {
        assert_eq!(root(&[leaf(1)], 1), leaf(1));
        assert_eq!(root(&[], 1), NO_BLOCK);
    }

    #[test]
    fn missing_leaves_are_zero() {
        let zero = parent(NO_BLOCK, NO_BLOCK);
        assert_eq!(root(&[], 2), zero);
        assert_eq!(root(&[leaf(1)], 4), parent(parent(leaf(1), NO_BLOCK), zero));
        let three = [leaf(1), leaf(2), leaf(3)];
        let right = parent(leaf(3), NO_BLOCK);
        assert_eq!(root(&three, 4), parent(parent(leaf(1), leaf(2)), right));
    }

    #[test]
    fn a_layer_is_padded_with_empty_pieces() {
        let three = [leaf(1), leaf(2), leaf(3)];
        let empty = root(&[], 16);
        let right = parent(leaf(3), empty);
        assert_eq!(root_of_layer(&three, 16), parent(parent(leaf(1), leaf(2)), right));
    }

    #[test]
    #[should_panic(expected = "more leaves")]
    fn more_leaves_than_the_tree_is_wide() {
        let _ = root(&[leaf(1), leaf(2)], 1);
    }
}
