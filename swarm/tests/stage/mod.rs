//! One engine on a stage, where the test plays everybody else: peers, disk, trackers.

#![allow(dead_code, reason = "each story uses a part of the stage")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helper ends the test")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use swarm_engine::{
    Command, Config, ConnId, DiskError, Event, Input, Output, Side, Snapshot, Spent, Swarm, Time,
};
use swarm_proto::{
    bitfield::Bitfield,
    digest::hash_blocks,
    geometry::{BLOCK_LEN, BlockRun, Geometry, PieceIndex},
    id::{Digest, PeerId},
    manifest::{Extras, FileInfo, Info, Manifest},
    message::{Goodbye, Hello, Message, RawRun},
    path::SharePath,
    tree,
};

pub(crate) const BLOCK: u64 = BLOCK_LEN as u64;
/// Our own id: greater than that of any peer below 128, smaller than that of the others.
pub(crate) const ME: PeerId = PeerId::new([128; 32]);

pub(crate) struct Stage {
    pub(crate) swarm: Swarm,
    pub(crate) now: Time,
    pub(crate) data: Vec<u8>,
    pub(crate) manifest: Arc<Manifest>,
    /// What the engine has wanted done and the test has not looked at yet.
    pub(crate) out: Vec<Output>,
    /// What peers that connect can do beyond version 1.
    pub(crate) features: u64,
    /// Whether to look for contradictions after each input.
    checking: bool,
}

pub(crate) fn conn(number: u8) -> ConnId {
    ConnId(u64::from(number))
}

pub(crate) fn id(number: u8) -> PeerId {
    PeerId::new([number; 32])
}

pub(crate) fn run(piece: u32, first: u32, count: u32) -> RawRun {
    RawRun { piece, first, count }
}

/// The bytes of the share: different in each block.
fn content(len: u64) -> Vec<u8> {
    (0..len).map(|i| (i / BLOCK * 31 + i % 251) as u8).collect()
}

/// A share of this many files of equal length, a whole number of pieces each if there are several.
fn share(data: &[u8], blocks_per_piece: u64, files: u32) -> Manifest {
    let piece_len = blocks_per_piece * BLOCK;
    let length = data.len() as u64 / u64::from(files);
    let width = length.min(piece_len).div_ceil(BLOCK).next_power_of_two() as u32;
    let root = |piece: &[u8]| {
        let mut leaves = Vec::new();
        hash_blocks(piece, &mut leaves);
        tree::root(&leaves, width)
    };
    let digests = data.chunks(piece_len as usize).map(root).collect();
    let file = |number: u32| FileInfo {
        path: if files == 1 { SharePath::default() } else { format!("file {number:03}").into() },
        length,
        executable: false,
        root: None,
    };
    let info = Info {
        name: "share".into(),
        piece_length: piece_len as u32,
        files: (0..files).map(file).collect(),
        empty_folders: vec![],
    };
    Manifest::build(info, digests, Extras::default()).unwrap()
}

impl Stage {
    /// A share of so many pieces of so many blocks, of which we have none.
    pub(crate) fn empty(pieces: u32, blocks_per_piece: u64) -> Self {
        Self::new(pieces, blocks_per_piece, &[], Config::default())
    }

    /// The same, and we have them all.
    pub(crate) fn full(pieces: u32, blocks_per_piece: u64) -> Self {
        let all: Vec<u32> = (0..pieces).collect();
        Self::new(pieces, blocks_per_piece, &all, Config::default())
    }

    /// A seed of eight pieces with one peer that is served.
    pub(crate) fn serving() -> Self {
        let mut s = Self::full(8, 4);
        s.leech(1);
        assert_eq!(s.sent(1), [Message::HaveAll, Message::Unchoke]);
        s
    }

    pub(crate) fn new(pieces: u32, blocks_per_piece: u64, have: &[u32], config: Config) -> Self {
        Self::of_files(1, pieces, blocks_per_piece, have, config)
    }

    /// The same, with the pieces in so many files.
    pub(crate) fn of_files(
        files: u32,
        pieces: u32,
        blocks_per_piece: u64,
        have: &[u32],
        config: Config,
    ) -> Self {
        let data = content(u64::from(pieces) * blocks_per_piece * BLOCK);
        let manifest = Arc::new(share(&data, blocks_per_piece, files));
        let mut ours = Bitfield::empty(pieces);
        for &number in have {
            ours.insert(manifest.geometry().piece(number).unwrap());
        }
        let now = Time::ZERO;
        let swarm = Swarm::new(config, ME, Arc::clone(&manifest), ours, [3; 32], now);
        Self { swarm, now, data, manifest, out: Vec::new(), features: 0, checking: true }
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        self.manifest.geometry()
    }

    pub(crate) fn piece(&self, number: u32) -> PieceIndex {
        self.geometry().piece(number).unwrap()
    }

    /// Hands over one input, and looks for contradictions after it.
    pub(crate) fn input(&mut self, input: Input) {
        let mut what = format!("{input:?}");
        what.truncate(200);
        self.swarm.handle(self.now, input, &mut self.out);
        if self.checking
            && let Err(error) = self.swarm.check_invariants()
        {
            panic!("{error}\nafter {what}");
        }
    }

    /// A step of thousands of inputs: contradictions are looked for only at its end.
    pub(crate) fn unchecked(&mut self, step: impl FnOnce(&mut Self)) {
        self.checking = false;
        step(self);
        self.checking = true;
        self.input(Input::Tick);
    }

    /// Lets time pass, with a tick whenever the engine wants one.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.swarm.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.input(Input::Tick);
            assert!(self.swarm.deadline().is_none_or(|next| next > self.now), "a busy tick");
        }
        self.now = end;
    }

    pub(crate) fn ms(&mut self, ms: u64) {
        self.pass(Duration::from_millis(ms));
    }

    pub(crate) fn hello(&self, number: u8) -> Hello {
        let mut hello = self.swarm.hello();
        hello.peer = id(number);
        hello.features = self.features;
        hello.listen_port = 7000 + u16::from(number);
        hello
    }

    /// Peer `number` connects over the connection of that number.
    pub(crate) fn connect(&mut self, number: u8) {
        self.connect_as(number, number, Side::Accepted);
    }

    pub(crate) fn connect_as(&mut self, connection: u8, number: u8, side: Side) {
        let addr = ([10, 0, 0, number], 7000 + u16::from(number)).into();
        let (peer, hello) = (id(number), self.hello(number));
        self.input(Input::Connected { conn: conn(connection), peer, addr, side, hello });
    }

    pub(crate) fn receive(&mut self, number: u8, message: Message) {
        self.input(Input::Received { conn: conn(number), message });
    }

    /// A peer that has everything and serves us.
    pub(crate) fn seed(&mut self, number: u8) {
        self.connect(number);
        self.receive(number, Message::HaveAll);
        self.receive(number, Message::Unchoke);
    }

    /// A peer that has nothing and wants all.
    pub(crate) fn leech(&mut self, number: u8) {
        self.connect(number);
        self.receive(number, Message::HaveNone);
        self.receive(number, Message::Interested);
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    /// Everything that was sent to a peer since the last look.
    pub(crate) fn sent(&mut self, number: u8) -> Vec<Message> {
        self.take(|output| match output {
            Output::Send { conn: to, message } if *to == conn(number) => Some(message.clone()),
            _ => None,
        })
    }

    /// Requests to a peer since the last look.
    pub(crate) fn requests(&mut self, number: u8) -> Vec<RawRun> {
        let request = |output: &Output| match output {
            Output::Send { conn: to, message: Message::Request(run) } if *to == conn(number) => {
                Some(*run)
            }
            _ => None,
        };
        self.take(request)
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        self.take(|output| match output {
            Output::Event(event) => Some(event.clone()),
            _ => None,
        })
    }

    pub(crate) fn closed(&mut self) -> Vec<(ConnId, Goodbye)> {
        self.take(|output| match output {
            Output::Close { conn, reason } => Some((*conn, *reason)),
            _ => None,
        })
    }

    /// Takes out what `what` recognises.
    pub(crate) fn take<T>(&mut self, what: impl Fn(&Output) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        self.out.retain(|output| match what(output) {
            Some(found) => {
                taken.push(found);
                false
            }
            None => true,
        });
        taken
    }

    /// The true bytes of a run.
    pub(crate) fn bytes(&self, run: BlockRun) -> Bytes {
        let bytes = |part: BlockRun| {
            let start = part.piece().as_usize() * self.geometry().piece_length() as usize
                + part.offset() as usize;
            &self.data[start..start + self.geometry().run_len(part) as usize]
        };
        self.geometry().parts(run).flat_map(bytes).copied().collect()
    }

    pub(crate) fn run(&self, raw: RawRun) -> BlockRun {
        self.geometry().long_run(self.piece(raw.piece), raw.first, raw.count).unwrap()
    }

    /// A peer answers a request.
    pub(crate) fn answer(&mut self, number: u8, raw: RawRun) {
        let data = self.bytes(self.run(raw));
        self.answer_with(number, raw, data);
    }

    /// A peer answers a request, and the first byte is wrong.
    pub(crate) fn lie(&mut self, number: u8, raw: RawRun) {
        let mut data = self.bytes(self.run(raw)).to_vec();
        data[0] ^= 1;
        self.answer_with(number, raw, data.into());
    }

    pub(crate) fn answer_with(&mut self, number: u8, raw: RawRun, data: Bytes) {
        self.receive(number, Message::Block { piece: raw.piece, first: raw.first, data });
    }

    /// Writes everything that waits for the disk.
    pub(crate) fn store(&mut self) {
        for (run, data) in self.stores() {
            self.stored(run, &data);
        }
    }

    /// These blocks, as they came, are on the disk.
    pub(crate) fn stored(&mut self, run: BlockRun, data: &[u8]) {
        let mut leaves = Vec::new();
        for (_, data) in self.geometry().parts_of(run, data) {
            hash_blocks(data, &mut leaves);
        }
        let spent = Spent::default();
        self.input(Input::Stored { run, leaves, spent });
    }

    /// The blocks of a run, each as a run of its own.
    pub(crate) fn single_blocks(&self, run: BlockRun) -> Vec<BlockRun> {
        let blocks = run.first()..run.first() + run.count();
        blocks.filter_map(|block| self.geometry().run(run.piece(), block, 1)).collect()
    }

    pub(crate) fn stores(&mut self) -> Vec<(BlockRun, Bytes)> {
        self.take(|output| match output {
            Output::Store { run, data } => Some((*run, data.clone())),
            _ => None,
        })
    }

    /// Fails to write everything that waits for the disk.
    pub(crate) fn fail_stores(&mut self, error: &DiskError) {
        for (run, _) in self.stores() {
            self.input(Input::StoreFailed { run, error: error.clone() });
        }
    }

    /// Reads everything that is to be read for uploading.
    pub(crate) fn read(&mut self) -> usize {
        let reads = self.reads();
        for &(conn, run) in &reads {
            let data = Ok(self.bytes(run).into());
            self.input(Input::BlocksRead { conn, run, data });
        }
        reads.len()
    }

    pub(crate) fn reads(&mut self) -> Vec<(ConnId, BlockRun)> {
        self.take(|output| match output {
            Output::Read { conn, run } => Some((*conn, *run)),
            _ => None,
        })
    }

    /// The true digests of a piece.
    pub(crate) fn leaves(&self, number: u32) -> Vec<Digest> {
        let len = self.geometry().piece_length() as usize;
        let start = number as usize * len;
        let mut leaves = Vec::new();
        hash_blocks(&self.data[start..(start + len).min(self.data.len())], &mut leaves);
        leaves
    }

    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.swarm.snapshot(self.now)
    }

    /// A peer answers all its requests, 1 ms each, and everything is stored, until it is asked for
    /// nothing more.
    pub(crate) fn serve_all(&mut self, number: u8) {
        loop {
            let requests = self.requests(number);
            if requests.is_empty() {
                return;
            }
            for raw in requests {
                self.ms(1);
                self.answer(number, raw);
                self.store();
            }
        }
    }
}
