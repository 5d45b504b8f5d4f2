//! Roots and piece layers against those that libtorrent makes of the same bytes; see
//! `vectors/make_merkle.py`.

use serde_json::Value;
use swarm_proto::{
    digest::hash_blocks,
    geometry::BLOCK_LEN,
    id::Digest,
    manifest::{Extras, FileInfo, Info, Manifest},
    path::SharePath,
    tree,
};

#[test]
fn files_have_the_roots_that_libtorrent_gives_them() {
    let vectors: Value = serde_json::from_str(include_str!("vectors/merkle.json")).unwrap();
    let vectors = vectors.as_array().unwrap();
    assert_eq!(vectors.len(), 60);
    let content = content(6 << 20);
    for vector in vectors {
        let number = |key: &str| vector[key].as_u64().unwrap();
        let (size, piece_length) = (number("size"), number("piece_length") as u32);
        let layer: Vec<_> =
            vector["piece_layer"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();

        let manifest = manifest(&content[..size as usize], piece_length);
        let file = manifest.geometry().file(0).unwrap();
        let root = manifest.file(file).root.unwrap().to_string();
        assert_eq!(root, vector["root"], "size {size}, pieces of {piece_length}");
        let digests: Vec<_> =
            manifest.geometry().pieces().map(|p| manifest.digest(p).to_string()).collect();
        if layer.is_empty() {
            assert_eq!(digests, [root], "a file of one piece has no layer");
        } else {
            assert_eq!(digests, layer, "size {size}, pieces of {piece_length}");
        }
    }
}

/// Makes the manifest of one file as a seeder does: piece by piece.
fn manifest(data: &[u8], piece_length: u32) -> Manifest {
    let width = piece_length / BLOCK_LEN;
    let one_piece = data.len() <= piece_length as usize;
    let digests: Vec<Digest> = data
        .chunks(piece_length as usize)
        .map(|piece| {
            let mut leaves = Vec::new();
            hash_blocks(piece, &mut leaves);
            let width = if one_piece { (leaves.len() as u32).next_power_of_two() } else { width };
            tree::root(&leaves, width)
        })
        .collect();
    let length = data.len() as u64;
    let file = FileInfo { path: SharePath::default(), length, executable: false, root: None };
    let info =
        Info { name: "f.bin".into(), piece_length, files: vec![file], empty_folders: Vec::new() };
    let manifest = Manifest::build(info, digests, Extras::default()).expect("a share of one file");
    for (piece, bytes) in manifest.geometry().pieces().zip(data.chunks(piece_length as usize)) {
        let mut leaves = Vec::new();
        hash_blocks(bytes, &mut leaves);
        assert!(manifest.verifies(piece, &leaves));
    }
    manifest
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + (i >> 8) * 17 + 7) as u8).collect()
}
