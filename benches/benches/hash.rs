//! Bytes hashed a second on one core, by each kernel that this CPU can run.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use swarm_benches::zeros;
use swarm_proto::{
    digest::{Kernel, hash_blocks_with},
    geometry::BLOCK_LEN,
    tree,
};

/// Pieces as they come from the disk or the network: larger than the first two caches together.
fn blocks(c: &mut Criterion) {
    let mut group = c.benchmark_group("hash_blocks");
    for (name, blocks) in [("4 MiB piece", 256), ("64 KiB piece", 4)] {
        let data: Vec<u8> = (0..blocks * BLOCK_LEN).map(|i| (i ^ (i >> 8)) as u8).collect();
        group.throughput(Throughput::Bytes(data.len() as u64));
        for kernel in Kernel::available() {
            group.bench_function(BenchmarkId::new(kernel.to_string(), name), |b| {
                let mut leaves = Vec::new();
                b.iter(|| {
                    leaves.clear();
                    hash_blocks_with(kernel, black_box(&data), &mut leaves);
                });
            });
        }
    }
    group.finish();
}

/// The tree over the blocks of a piece of 16 MiB, by the best kernel.
fn nodes(c: &mut Criterion) {
    let mut leaves = Vec::new();
    hash_blocks_with(Kernel::best(), &vec![0; 1024 * BLOCK_LEN as usize], &mut leaves);
    let mut group = c.benchmark_group("tree");
    group.throughput(Throughput::Elements(1023));
    group.bench_function("1024 leaves", |b| b.iter(|| tree::root(black_box(&leaves), 1024)));
    // What a peer hands over so that a bad block can be told from the good ones.
    let manifest = zeros(1, 64 << 20, 16 << 20);
    let piece = manifest.geometry().piece(1).expect("there are four");
    group.bench_function("proof of 1024 leaves", |b| {
        b.iter(|| assert!(manifest.verifies(piece, black_box(&leaves))));
    });
    group.finish();
}

criterion_group!(benches, blocks, nodes);
criterion_main!(benches);
