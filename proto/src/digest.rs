//! SHA-256, one message or many at a time.

use sha2::{Digest as _, Sha256};

use crate::{geometry::BLOCK_LEN, id::Digest};

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

/// SHA-256 of each 16 KiB block of `data` (the last may be shorter), appended to `leaves`.
pub fn hash_blocks(data: &[u8], leaves: &mut Vec<Digest>) {
    leaves.extend(data.chunks(BLOCK_LEN as usize).map(sha256));
}

/// SHA-256 of each pair of neighbouring digests: one level of a tree. An odd one at the end is
/// left out.
pub(crate) fn hash_pairs(nodes: &[Digest], parents: &mut Vec<Digest>) {
    parents.extend(nodes.chunks_exact(2).map(|pair| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(pair[0].as_bytes());
        bytes[32..].copy_from_slice(pair[1].as_bytes());
        sha256(&bytes)
    }));
}

/// SHA-256 of a message that arrives in parts.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes to the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes that were added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::new(self.0.finalize().into())
    }
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
    fn a_message_in_parts_has_the_digest_of_the_whole() {
        let mut hasher = Hasher::default();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish(), sha256(b"abc"));
    }
}
