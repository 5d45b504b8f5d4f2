//! A downloader among many.

use std::hint::black_box;

use swarm_engine::{Config, ConnId, Input, Output, Side, Snapshot, Swarm, Time};
use swarm_proto::{bitfield::Bitfield, geometry::BLOCK_LEN, id::PeerId, message::Message};

use crate::share::zeros;

/// How many peers a crowd has.
pub const PEERS: u64 = 500;

/// A downloader with 500 peers, each with its share of the pieces, of which one serves it.
pub struct Crowd {
    engine: Swarm,
    pieces: u32,
    out: Vec<Output>,
    turn: u32,
}

impl Crowd {
    /// Of a share of so many pieces of one block.
    #[must_use]
    pub fn new(pieces: u32) -> Self {
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

    /// The state as a front end sees it.
    pub fn snapshot(&mut self, now: Time) -> Snapshot {
        self.engine.snapshot(now)
    }

    fn receive(&mut self, conn: u64, message: Message) {
        self.out.clear();
        let input = Input::Received { conn: ConnId(conn), message };
        self.engine.handle(Time::ZERO, input, &mut self.out);
        black_box(&self.out);
    }

    /// A peer says that it has a piece, which it may have said before.
    pub fn have(&mut self) {
        self.turn = self.turn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let peer = u64::from(self.turn >> 8) % PEERS;
        self.receive(peer, Message::Have(vec![(self.turn >> 4) % self.pieces]));
    }

    /// A peer serves us, is asked for four blocks, each a piece, and takes it all back.
    pub fn pick(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        let peer = u64::from(self.turn) % PEERS;
        self.receive(peer, Message::Unchoke);
        assert!(self.out.len() >= 4, "{:?}", self.out);
        self.receive(peer, Message::Choke);
    }
}
