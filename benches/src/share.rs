//! Shares of zeros, which cost next to nothing to describe.

use std::sync::Arc;

use swarm_proto::{
    digest::hash_blocks,
    geometry::BLOCK_LEN,
    id::Digest,
    manifest::{Extras, FileInfo, Info, Manifest},
    path::SharePath,
    tree,
};

/// A share of zeros: every whole block has the same digest. Lengths in bytes; `length` is that of
/// each file.
#[must_use]
pub fn zeros(files: u32, length: u64, piece_length: u32) -> Arc<Manifest> {
    let file = |number: u32| FileInfo {
        path: if files == 1 { SharePath::default() } else { format!("{number:08}").into() },
        length,
        executable: false,
        root: None,
    };
    let info = Info {
        name: "zeros".into(),
        piece_length,
        files: (0..files).map(file).collect(),
        empty_folders: Vec::new(),
    };
    let whole = u64::from(piece_length);
    let width = if length > whole {
        piece_length / BLOCK_LEN
    } else {
        (length.div_ceil(BLOCK_LEN.into()) as u32).next_power_of_two()
    };
    let digest = |len: u64| tree::root(&leaves(len as usize), width);
    let (full, last) = (digest(whole.min(length)), digest((length - 1) % whole + 1));
    let pieces = length.div_ceil(whole);
    let of_file = |_| (0..pieces).map(move |n| if n + 1 == pieces { last } else { full });
    let digests = (0..files).flat_map(of_file).collect();
    Arc::new(Manifest::build(info, digests, Extras::default()).expect("a valid share"))
}

/// The digests of the blocks of so many zeros.
#[must_use]
pub fn leaves(len: usize) -> Vec<Digest> {
    let mut leaves = Vec::new();
    hash_blocks(&vec![0; len], &mut leaves);
    leaves
}
