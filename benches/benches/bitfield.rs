//! Who has which pieces: what is asked of bitfields of 10^6 pieces.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use swarm_benches::zeros;
use swarm_proto::{bitfield::Bitfield, geometry::BLOCK_LEN};

const PIECES: u32 = 1_000_000;

fn every(nth: u32) -> Bitfield {
    let mut bytes = vec![0; PIECES.div_ceil(8) as usize];
    for piece in (0..PIECES).step_by(nth as usize) {
        bytes[piece as usize / 8] |= 0x80 >> (piece % 8);
    }
    Bitfield::from_bytes(PIECES, &bytes).unwrap()
}

fn whole(c: &mut Criterion) {
    let (second, third, full) = (every(2), every(3), Bitfield::full(PIECES));
    let bytes = second.to_bytes();
    let mut group = c.benchmark_group("bitfield of 10^6");
    group.throughput(Throughput::Elements(PIECES.into()));
    group.bench_function("from bytes", |b| {
        b.iter(|| Bitfield::from_bytes(PIECES, black_box(&bytes)).unwrap());
    });
    group.bench_function("to bytes", |b| b.iter(|| black_box(&second).to_bytes()));
    group.bench_function("each piece of it", |b| {
        b.iter(|| black_box(&second).iter().fold(0, |all, piece| all ^ piece));
    });
    group.bench_function("each piece that another lacks", |b| {
        b.iter(|| black_box(&third).difference(&second).fold(0, |all, piece| all ^ piece));
    });
    // Asked when a peer may have become of no use; the worst case is that it has.
    group.bench_function("has nothing new", |b| b.iter(|| black_box(&second).exceeds(&full)));
    group.finish();
}

fn single(c: &mut Criterion) {
    let manifest = zeros(1, u64::from(PIECES) * u64::from(BLOCK_LEN), BLOCK_LEN);
    // In no order, as pieces are had.
    let number = |n: u32| n.wrapping_mul(2_654_435_761) % PIECES;
    let geometry = manifest.geometry();
    let pieces: Vec<_> = (0..1000).map(|n| geometry.piece(number(n)).unwrap()).collect();
    let mut bits = every(2);
    let mut group = c.benchmark_group("bitfield, 1,000 pieces");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("has", |b| {
        b.iter(|| pieces.iter().filter(|piece| black_box(&bits).has(**piece)).count());
    });
    group.bench_function("insert and remove", |b| {
        b.iter(|| {
            for piece in &pieces {
                bits.insert(*piece);
            }
            for piece in &pieces {
                bits.remove(*piece);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, whole, single);
criterion_main!(benches);
