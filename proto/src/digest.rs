//! SHA-256, one message or many at a time.
//!
//! One message is `sha2`'s work. The blocks of pieces, and the nodes on one level of a tree, are
//! many messages of one length that do not depend on each other, so they are hashed side by side, one
//! in each lane of a vector register, where the CPU does that faster than its SHA instructions, or
//! has none: see [`Kernel`].

#[cfg(target_arch = "x86_64")]
#[macro_use]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod kernel;

pub use kernel::Kernel;

use sha2::{Digest as _, Sha256};

use crate::{geometry::BLOCK_LEN, id::Digest};

const BLOCK: usize = BLOCK_LEN as usize;
/// In the place of a digest that is yet to be computed.
const NOT_YET: Digest = Digest::new([0; 32]);

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

/// SHA-256 of each 16 KiB block of `data` (the last may be shorter), appended to `leaves`.
///
/// Hand over as much as there is: 32 blocks take little longer than one where lanes are used.
pub fn hash_blocks(data: &[u8], leaves: &mut Vec<Digest>) {
    hash_blocks_with(Kernel::best(), data, leaves);
}

/// [`hash_blocks`] by a kernel of choice, to compare them.
pub fn hash_blocks_with(kernel: Kernel, data: &[u8], leaves: &mut Vec<Digest>) {
    let (blocks, rest) = data.split_at(data.len() - data.len() % BLOCK);
    leaves.reserve(data.len().div_ceil(BLOCK));
    kernel.hash_each(blocks, BLOCK, |digest| leaves.push(Digest::new(digest)));
    if !rest.is_empty() {
        leaves.push(sha256(rest));
    }
}

/// [`hash_blocks`] of each of these runs of blocks. Blocks of one length are hashed side by side, whichever
/// run they are of: where files are small, a run alone would fill few lanes.
#[must_use]
pub fn hash_runs(runs: &[&[u8]]) -> Vec<Vec<Digest>> {
    hash_runs_with(Kernel::best(), runs)
}

/// [`hash_runs`] by a kernel of choice, to compare them.
#[must_use]
pub fn hash_runs_with(kernel: Kernel, runs: &[&[u8]]) -> Vec<Vec<Digest>> {
    let mut leaves: Vec<_> =
        runs.iter().map(|run| vec![NOT_YET; run.chunks(BLOCK).len()]).collect();
    let mut blocks = Vec::new();
    for (of, run) in runs.iter().enumerate() {
        blocks.extend(run.chunks(BLOCK).enumerate().map(|(at, block)| (block, of, at)));
    }
    blocks.sort_by_key(|(block, ..)| block.len());
    for alike in blocks.chunk_by(|(a, ..), (b, ..)| a.len() == b.len()) {
        let mut places = alike.iter();
        let mut emit = |digest| {
            if let Some(&(_, of, at)) = places.next() {
                leaves[of][at] = digest;
            }
        };
        // Lanes take whole chunks of the algorithm.
        if alike[0].0.len() % 64 == 0 {
            kernel.hash_messages(alike.len(), |n| alike[n].0, |digest| emit(Digest::new(digest)));
        } else {
            alike.iter().for_each(|(block, ..)| emit(sha256(block)));
        }
    }
    leaves
}

/// SHA-256 of each 64 bytes of `nodes`, appended to `parents`: one level of a tree. Bytes at the end
/// that are fewer are left out.
pub(crate) fn hash_pairs(nodes: &[u8], parents: &mut Vec<u8>) {
    const PAIR: usize = 2 * 32;
    let pairs = &nodes[..nodes.len() - nodes.len() % PAIR];
    Kernel::best().hash_each(pairs, PAIR, |digest| parents.extend_from_slice(&digest));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4 examples, as published by NIST.
    #[test]
    fn known_messages_have_their_known_digests() {
        let hex = |bytes: &[u8]| sha256(bytes).to_string();
        assert_eq!(hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn the_last_block_may_be_short() {
        let data = vec![7; 2 * BLOCK_LEN as usize + 1];
        let mut leaves = Vec::new();
        hash_blocks(&data, &mut leaves);
        let full = sha256(&data[..BLOCK_LEN as usize]);
        assert_eq!(leaves, [full, full, sha256(&[7])]);
    }

    #[test]
    fn every_kernel_says_the_same_of_blocks() {
        let data: Vec<u8> = (0..35 * BLOCK_LEN + 5).map(|i| (i * 31 + (i >> 8)) as u8).collect();
        let expected: Vec<_> = data.chunks(BLOCK_LEN as usize).map(sha256).collect();
        for kernel in Kernel::available() {
            let mut leaves = Vec::new();
            hash_blocks_with(kernel, &data, &mut leaves);
            assert_eq!(leaves, expected, "{kernel}");
        }
    }

    #[test]
    fn runs_hashed_together_have_the_digests_that_they_have_alone() {
        let data: Vec<u8> = (0..200_000_u32).map(|i| (i * 31 + (i >> 8)) as u8).collect();
        // Two kinds of short ones, more than there are lanes; some of several blocks; an empty one.
        let lens =
            [4096; 37].into_iter().chain([100; 3]).chain([3 * BLOCK, BLOCK + 64, 0, 4096, 64]);
        let runs: Vec<&[u8]> = lens.enumerate().map(|(n, len)| &data[n * 7..][..len]).collect();
        let alone = |run: &&[u8]| run.chunks(BLOCK).map(sha256).collect::<Vec<_>>();
        let expected: Vec<_> = runs.iter().map(alone).collect();
        for kernel in Kernel::available() {
            assert_eq!(hash_runs_with(kernel, &runs), expected, "{kernel}");
        }
        assert!(hash_runs(&[]).is_empty());
    }

    #[test]
    fn a_node_without_a_neighbour_is_left_out() {
        let nodes: Vec<u8> = (0..32 * 5).collect();
        let mut parents = Vec::new();
        hash_pairs(&nodes, &mut parents);
        let expected = [sha256(&nodes[..64]), sha256(&nodes[64..128])];
        assert_eq!(parents, expected.map(|digest| *digest.as_bytes()).as_flattened());
    }
}
