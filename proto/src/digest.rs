//! SHA-256, one message or many at a time.
//!
//! One message is `sha2`'s work. The blocks of a piece, and the nodes on one level of a tree, are
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
    let (blocks, rest) = data.split_at(data.len() - data.len() % BLOCK_LEN as usize);
    leaves.reserve(data.len().div_ceil(BLOCK_LEN as usize));
    kernel.hash_each(blocks, BLOCK_LEN as usize, |digest| leaves.push(Digest::new(digest)));
    if !rest.is_empty() {
        leaves.push(sha256(rest));
    }
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
    fn a_node_without_a_neighbour_is_left_out() {
        let nodes: Vec<u8> = (0..32 * 5).collect();
        let mut parents = Vec::new();
        hash_pairs(&nodes, &mut parents);
        let expected = [sha256(&nodes[..64]), sha256(&nodes[64..128])];
        assert_eq!(parents, expected.map(|digest| *digest.as_bytes()).as_flattened());
    }
}
