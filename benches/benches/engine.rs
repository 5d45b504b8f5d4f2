//! What the engine itself costs: no network, no disk, no hashing of payload.
//!
//! `transfer` pumps a share from one engine to another, so a figure holds both ends' work for every
//! message. `picker` shows that the cost of a `Have` and of choosing what to request does not grow
//! with the number of pieces, and `snapshot` what a front end costs.

use std::{collections::VecDeque, hint::black_box, sync::Arc};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use swarm_engine::{Config, ConnId, Input, Output, Side, Spent, Swarm, Time};
use swarm_proto::{
    bitfield::Bitfield,
    codec::Frame as _,
    digest::hash_blocks,
    geometry::{BLOCK_LEN, RUN_BLOCKS_MAX},
    id::{Digest, PeerId},
    manifest::{Extras, FileInfo, Info, Manifest},
    message::Message,
    tree,
};

const MIB: u64 = 1 << 20;
const CONN: ConnId = ConnId(1);

/// A share of zeros: every whole block has the same digest.
fn zeros(files: u32, length: u64, piece_length: u32) -> Arc<Manifest> {
    let file = |number: u32| FileInfo {
        path: if files == 1 { Vec::new() } else { vec![format!("{number:08}")] },
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

fn leaves(len: usize) -> Vec<Digest> {
    let mut leaves = Vec::new();
    hash_blocks(&vec![0; len], &mut leaves);
    leaves
}

/// Two engines joined by queues.
struct Pair {
    engines: [Swarm; 2],
    manifest: Arc<Manifest>,
    inputs: VecDeque<(usize, Input)>,
    block: Bytes,
    leaf: Digest,
    now: Time,
    finished: bool,
}

impl Pair {
    fn new(manifest: &Arc<Manifest>) -> Self {
        let pieces = manifest.geometry().piece_count();
        let engine = |number: u8, have| {
            let me = PeerId::new([number; 32]);
            Swarm::new(Config::default(), me, Arc::clone(manifest), have, [number; 32], Time::ZERO)
        };
        let engines = [engine(1, Bitfield::full(pieces)), engine(2, Bitfield::empty(pieces))];
        let connected = |to: usize| {
            let hello = engines[1 - to].hello();
            let side = if to == 0 { Side::Accepted } else { Side::Dialed };
            let addr = ([10, 0, 0, 1], 7000).into();
            (to, Input::Connected { conn: CONN, peer: hello.peer, addr, side, hello })
        };
        let inputs = [connected(0), connected(1)].into();
        Self {
            engines,
            manifest: Arc::clone(manifest),
            inputs,
            block: Bytes::from(vec![0; (RUN_BLOCKS_MAX * BLOCK_LEN) as usize]),
            leaf: leaves(BLOCK_LEN as usize)[0],
            now: Time::ZERO,
            finished: false,
        }
    }

    /// Runs until the second engine has everything; returns the number of inputs.
    fn run(mut self) -> u64 {
        let (mut out, mut count) = (Vec::new(), 0);
        while !self.finished {
            let Some((to, input)) = self.inputs.pop_front() else {
                let deadline = self.engines.iter().filter_map(Swarm::deadline).min();
                self.now = self.now.max(deadline.expect("a transfer under way has deadlines"));
                self.inputs.extend([(0, Input::Tick), (1, Input::Tick)]);
                continue;
            };
            // As fast as a driver that takes 2 µs an input.
            self.now = Time::from_nanos(self.now.as_nanos() + 2_000);
            self.engines[to].handle(self.now, input, &mut out);
            count += 1;
            for output in out.drain(..) {
                self.act(to, output);
            }
        }
        count
    }

    fn act(&mut self, from: usize, output: Output) {
        let len = |run| self.manifest.geometry().run_len(run) as usize;
        match output {
            Output::Send { conn, message } => {
                let bytes = message.encoded_len() as u64;
                self.inputs.push_back((from, Input::Flushed { conn, bytes }));
                self.inputs.push_back((1 - from, Input::Received { conn, message }));
            }
            Output::Store { run, data } => {
                let whole = data.len().is_multiple_of(BLOCK_LEN as usize);
                let leaves =
                    if whole { vec![self.leaf; run.count() as usize] } else { leaves(data.len()) };
                self.inputs
                    .push_back((from, Input::Stored { run, leaves, spent: Spent::default() }));
            }
            Output::Read { conn, run } => {
                let data = Ok(self.block.slice(..len(run)));
                self.inputs.push_back((from, Input::BlocksRead { conn, run, data }));
            }
            Output::Finish => self.finished = true,
            _ => {}
        }
    }
}

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

/// A downloader with 500 peers, each with its share of the pieces, of which one serves it.
struct Crowd {
    engine: Swarm,
    pieces: u32,
    out: Vec<Output>,
    turn: u32,
}

const PEERS: u64 = 500;

impl Crowd {
    fn new(pieces: u32) -> Self {
        let manifest = zeros(1, u64::from(pieces) * u64::from(BLOCK_LEN), BLOCK_LEN);
        let config = Config { connections_max: PEERS as u32, ..Config::default() };
        let (me, none) = (PeerId::new([255; 32]), Bitfield::empty(pieces));
        let mut engine = Swarm::new(config, me, manifest, none, [7; 32], Time::ZERO);
        let mut out = Vec::new();
        for number in 0..PEERS {
            let (conn, side) = (ConnId(number), Side::Accepted);
            let mut hello = engine.hello();
            hello.peer = PeerId::new(
                [(number / 2) as u8, number as u8].repeat(16).try_into().expect("32 bytes"),
            );
            let (peer, addr) = (hello.peer, ([10, 0, 0, 1], 7000).into());
            engine.handle(Time::ZERO, Input::Connected { conn, peer, addr, side, hello }, &mut out);
            // Every 50th piece, from another one on for each peer.
            let mut bits = vec![0_u8; pieces.div_ceil(8) as usize];
            for piece in (number as u32 % 50..pieces).step_by(50) {
                bits[piece as usize / 8] |= 0x80 >> (piece % 8);
            }
            let message = Message::Bitfield(bits.into());
            engine.handle(Time::ZERO, Input::Received { conn, message }, &mut out);
        }
        Self { engine, pieces, out, turn: 0 }
    }

    fn receive(&mut self, conn: u64, message: Message) {
        self.out.clear();
        let input = Input::Received { conn: ConnId(conn), message };
        self.engine.handle(Time::ZERO, input, &mut self.out);
        black_box(&self.out);
    }

    /// A peer that has every piece but those of its neighbours says so, one by one.
    fn have(&mut self) {
        self.turn = self.turn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let peer = u64::from(self.turn >> 8) % PEERS;
        self.receive(peer, Message::Have(vec![(self.turn >> 4) % self.pieces]));
    }

    /// A peer serves us, is asked for four blocks, each a piece, and takes it all back.
    fn pick(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        let peer = u64::from(self.turn) % PEERS;
        self.receive(peer, Message::Unchoke);
        assert!(self.out.len() >= 4, "{:?}", self.out);
        self.receive(peer, Message::Choke);
    }
}

fn snapshot(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot");
    for pieces in [1_000, 100_000, 1_000_000] {
        let mut crowd = Crowd::new(pieces);
        group.bench_function(BenchmarkId::new("between surveys", pieces), |b| {
            b.iter(|| crowd.engine.snapshot(Time::ZERO));
        });
        let mut seconds = 0;
        group.bench_function(BenchmarkId::new("with a survey", pieces), |b| {
            b.iter(|| {
                seconds += 1;
                crowd.engine.snapshot(Time::from_nanos(seconds * 1_000_000_000))
            });
        });
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

criterion_group!(benches, transfer, picker, snapshot);
criterion_main!(benches);
