//! A block's path through engine and disk, without a network: it arrives as a message, is hashed and
//! written, its piece is recorded, and at the end everything is synced and named. And the way back.
//!
//! Files are in the folder for temporary files (`TMPDIR`), so `TMPDIR=/dev/shm` leaves the disk out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on has failed")]

use std::{collections::VecDeque, fs, hint::black_box, sync::Arc, time::Instant};

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use swarm_benches::zeros;
use swarm_engine::{Config, ConnId, Input, Output, Side, Swarm, Time};
use swarm_node::bench::Disk;
use swarm_proto::{
    bitfield::Bitfield,
    geometry::{BLOCK_LEN, RUN_BLOCKS_MAX},
    id::PeerId,
    manifest::Manifest,
    message::{Message, RawRun},
};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
const CONN: ConnId = ConnId(1);

/// A download whose only peer answers at once.
struct Download {
    engine: Swarm,
    disk: Disk,
    inputs: VecDeque<Input>,
    block: Bytes,
    begun: Instant,
    /// Removed at the end.
    _folder: TempDir,
}

impl Download {
    fn new(manifest: &Arc<Manifest>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::for_download(Arc::clone(manifest), folder.path()).unwrap();
        let have = Bitfield::empty(manifest.geometry().piece_count());
        let me = PeerId::new([2; 32]);
        let engine =
            Swarm::new(Config::default(), me, Arc::clone(manifest), have, [2; 32], Time::ZERO);
        let mut hello = engine.hello();
        hello.peer = PeerId::new([1; 32]);
        let (peer, addr, side) = (hello.peer, ([10, 0, 0, 1], 7000).into(), Side::Dialed);
        let said = [Message::HaveAll, Message::Unchoke];
        let mut inputs = VecDeque::from([Input::Connected { conn: CONN, peer, addr, side, hello }]);
        inputs.extend(said.map(|message| Input::Received { conn: CONN, message }));
        let block = Bytes::from(vec![0; (RUN_BLOCKS_MAX * BLOCK_LEN) as usize]);
        Self { engine, disk, inputs, block, begun: Instant::now(), _folder: folder }
    }

    /// Until everything is under its final name.
    fn run(mut self) {
        let mut out = Vec::new();
        self.begun = Instant::now();
        loop {
            // Only the disk keeps us waiting, since the peer does not.
            let input = self.inputs.pop_front().unwrap_or_else(|| self.disk.answer());
            match input {
                Input::Finished(done) => return done.unwrap(),
                Input::StoreFailed { error, .. } => panic!("{error:?}"),
                _ => {}
            }
            let now = Time::from_nanos(self.begun.elapsed().as_nanos() as u64);
            self.engine.handle(now, input, &mut out);
            for output in out.drain(..) {
                match output {
                    Output::Send { message: Message::Request(run), .. } => self.send(run),
                    other => self.disk.submit(other),
                }
            }
        }
    }

    fn send(&mut self, run: RawRun) {
        let data = self.block.slice(..(run.count * BLOCK_LEN) as usize);
        let message = Message::Block { piece: run.piece, first: run.first, data };
        self.inputs.push_back(Input::Received { conn: CONN, message });
    }
}

fn download(c: &mut Criterion) {
    let mut group = c.benchmark_group("download");
    group.sample_size(10);
    for (name, piece_length) in [("1 MiB pieces", 1 << 20), ("64 KiB pieces", 1 << 16)] {
        let manifest = zeros(1, 64 * MIB, piece_length);
        group.throughput(Throughput::Bytes(64 * MIB));
        group.bench_function(BenchmarkId::new("64 MiB", name), |b| {
            b.iter_batched(|| Download::new(&manifest), Download::run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// One run to a thread of the disk and back, when nothing else is to be done.
fn run(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = zeros(1, 64 * MIB, 1 << 20);
    let seeded = folder.path().join(&manifest.info().name);
    fs::write(&seeded, vec![0; 64 << 20]).unwrap();
    let mut from = Disk::for_seeding(Arc::clone(&manifest), &seeded).unwrap();
    let to_folder = tempfile::tempdir().unwrap();
    let mut to = Disk::for_download(Arc::clone(&manifest), to_folder.path()).unwrap();
    let mut group = c.benchmark_group("run");
    for (name, blocks) in [("1 block", 1), ("64 blocks", RUN_BLOCKS_MAX)] {
        let piece = manifest.geometry().piece(3).unwrap();
        let run = manifest.geometry().run(piece, 0, blocks).unwrap();
        let data = Bytes::from(vec![0; (blocks * BLOCK_LEN) as usize]);
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function(BenchmarkId::new("store", name), |b| {
            b.iter(|| {
                to.submit(Output::Store { run, data: data.clone() });
                black_box(to.answer())
            });
        });
        group.bench_function(BenchmarkId::new("read", name), |b| {
            b.iter(|| {
                from.submit(Output::Read { conn: CONN, run });
                black_box(from.answer())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, download, run);
criterion_main!(benches);
