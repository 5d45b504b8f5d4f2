//! What the engine itself costs: no network, no disk, no hashing of payload.
//!
//! `transfer` pumps a share from one engine to another, so a figure holds both ends' work for every
//! message. `picker` shows that the cost of a `Have` and of choosing what to request does not grow
//! with the number of pieces, and `snapshot` what a front end costs.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use swarm_benches::{Crowd, Pair, zeros};
use swarm_engine::Time;

const MIB: u64 = 1 << 20;

fn transfer(c: &mut Criterion) {
    let mut group = c.benchmark_group("transfer");
    group.sample_size(10);
    let shares = [
        ("1 GiB, 1 MiB pieces", zeros(1, 1024 * MIB, 1 << 20)),
        ("1 GiB, 64 KiB pieces", zeros(1, 1024 * MIB, 1 << 16)),
        ("20,000 files of 3 KiB", zeros(20_000, 3 * 1024, 1 << 16)),
    ];
    for (name, manifest) in shares {
        let geometry = manifest.geometry();
        if geometry.file_count() == 1 {
            group.throughput(Throughput::Bytes(geometry.total_bytes()));
        } else {
            group.throughput(Throughput::Elements(geometry.piece_count().into()));
        }
        group.bench_function(name, |b| b.iter(|| Pair::new(&manifest).run()));
    }
    group.finish();
}

fn picker(c: &mut Criterion) {
    let mut group = c.benchmark_group("picker");
    for pieces in [1_000, 10_000, 100_000, 1_000_000] {
        let mut crowd = Crowd::new(pieces);
        group.bench_function(BenchmarkId::new("have", pieces), |b| b.iter(|| crowd.have()));
        group.bench_function(BenchmarkId::new("pick 4", pieces), |b| b.iter(|| crowd.pick()));
    }
    group.finish();
}

fn snapshot(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot");
    for pieces in [1_000, 100_000, 1_000_000] {
        let mut crowd = Crowd::new(pieces);
        group.bench_function(BenchmarkId::new("between surveys", pieces), |b| {
            b.iter(|| crowd.snapshot(Time::ZERO));
        });
        let mut seconds = 0;
        group.bench_function(BenchmarkId::new("with a survey", pieces), |b| {
            b.iter(|| {
                seconds += 1;
                crowd.snapshot(Time::from_nanos(seconds * 1_000_000_000))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, transfer, picker, snapshot);
criterion_main!(benches);
