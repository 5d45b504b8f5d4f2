//! A download between two engines, with neither network nor disk.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use swarm_engine::{Config, ConnId, Input, Output, Side, Spent, Swarm, Time};
use swarm_proto::{
    bitfield::Bitfield,
    codec::Frame as _,
    geometry::{BLOCK_LEN, RUN_BLOCKS_MAX},
    id::{Digest, PeerId},
    manifest::Manifest,
};

use crate::share::leaves;

const CONN: ConnId = ConnId(1);

/// Two engines joined by queues.
pub struct Pair {
    engines: [Swarm; 2],
    manifest: Arc<Manifest>,
    inputs: VecDeque<(usize, Input)>,
    block: Bytes,
    leaf: Digest,
    now: Time,
    finished: bool,
}

impl Pair {
    /// One engine that has the share of zeros, and one that wants it.
    #[must_use]
    pub fn new(manifest: &Arc<Manifest>) -> Self {
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
    #[must_use]
    pub fn run(mut self) -> u64 {
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
                let data = Ok(self.block.slice(..len(run)).into());
                self.inputs.push_back((from, Input::BlocksRead { conn, run, data }));
            }
            Output::Finish => self.finished = true,
            _ => {}
        }
    }
}
