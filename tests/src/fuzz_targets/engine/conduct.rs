//! Whether an engine keeps the rules of `docs/protocol.md` on one connection, judged from what it
//! sends and what it was sent.

use std::collections::BTreeSet;

use swarm_proto::{
    geometry::{BlockRun, Geometry},
    message::{Hello, LONG_RUNS, Message, RawRun},
};

/// One connection of the engine.
#[derive(Debug)]
pub(super) struct Conduct {
    request_bytes_max: u64,
    run_blocks_max: u32,
    /// The peer knows of runs through several pieces.
    long_runs: bool,
    /// The engine has said which pieces it has.
    introduced: bool,
    interested: bool,
    /// The engine serves the peer.
    serves: bool,
    /// The peer serves the engine.
    served: bool,
    /// What the peer has, as it says.
    peer_has: BTreeSet<u32>,
    /// What the engine asked for and waits for.
    asked: Vec<RawRun>,
    /// What it has cancelled: a rejection is for these first.
    cancelled: Vec<RawRun>,
    /// What the peer's choke has dropped: a rejection is for these last, since they get no answer
    /// unless they crossed the choke.
    dropped: Vec<RawRun>,
    /// What the peer asked for and waits for.
    owed: Vec<RawRun>,
    /// Where in the manifest the peer asked to go on.
    parts_owed: Vec<u32>,
}

impl Conduct {
    /// Of a peer that was told this hello.
    pub(super) fn new(hello: &Hello) -> Self {
        Self {
            request_bytes_max: hello.request_bytes_max.into(),
            run_blocks_max: hello.run_blocks_max,
            long_runs: hello.features & LONG_RUNS != 0,
            introduced: false,
            interested: false,
            serves: false,
            served: false,
            peer_has: BTreeSet::new(),
            asked: Vec::new(),
            cancelled: Vec::new(),
            dropped: Vec::new(),
            owed: Vec::new(),
            parts_owed: Vec::new(),
        }
    }

    /// The peer sends something, whether it may or not.
    pub(super) fn received(&mut self, geometry: &Geometry, message: &Message) {
        let pieces = geometry.piece_count();
        match message {
            Message::HaveAll => self.peer_has = (0..pieces).collect(),
            Message::HaveNone => self.peer_has.clear(),
            Message::Bitfield(bits) => {
                let has =
                    |p: &u32| bits.get(*p as usize / 8).is_some_and(|b| b << (p % 8) & 0x80 != 0);
                self.peer_has = (0..pieces).filter(has).collect();
            }
            Message::Have(gained) => self.peer_has.extend(gained),
            Message::DontHave(lost) => self.peer_has.retain(|piece| !lost.contains(piece)),
            Message::Unchoke => self.served = true,
            Message::Choke => {
                self.served = false;
                self.dropped.append(&mut self.asked);
            }
            Message::Block { piece, first, data } => {
                let run = run_of(geometry, *piece, *first, data.len());
                let _ = take(&mut self.asked, run)
                    || take(&mut self.cancelled, run)
                    || take(&mut self.dropped, run);
            }
            Message::Reject(run) => {
                let _ = take(&mut self.cancelled, *run)
                    || take(&mut self.asked, *run)
                    || take(&mut self.dropped, *run);
            }
            Message::Request(run) => self.owed.push(*run),
            Message::GetManifest { offset } => self.parts_owed.push(*offset),
            _ => {}
        }
    }

    /// The engine sends something. `held` are the pieces that it has verified.
    pub(super) fn sent(&mut self, geometry: &Geometry, held: &BTreeSet<u32>, message: &Message) {
        let first = matches!(message, Message::HaveAll | Message::HaveNone | Message::Bitfield(_));
        assert_ne!(self.introduced, first, "what it has comes first and once: {message:?}");
        self.introduced = true;
        match message {
            Message::HaveAll => assert_eq!(held.len(), geometry.piece_count() as usize),
            Message::HaveNone => assert!(held.is_empty()),
            Message::Have(pieces) => {
                assert!(pieces.iter().all(|piece| held.contains(piece)), "{pieces:?} of {held:?}");
            }
            Message::Interested | Message::NotInterested => {
                let interested = *message == Message::Interested;
                assert_ne!(self.interested, interested, "interest that is known");
                self.interested = interested;
            }
            Message::Choke | Message::Unchoke => {
                let serves = *message == Message::Unchoke;
                assert_ne!(self.serves, serves, "a choke that is known");
                self.serves = serves;
                if !serves {
                    self.owed.clear();
                }
            }
            Message::Request(run) => self.asks(geometry, *run),
            Message::Cancel(run) => {
                assert!(take(&mut self.asked, *run), "{run:?} is not open");
                self.cancelled.push(*run);
            }
            Message::Block { piece, first, data } => {
                assert!(self.serves, "a choked peer is served");
                let run = run_of(geometry, *piece, *first, data.len());
                assert!(take(&mut self.owed, run), "{run:?} was not asked for");
            }
            Message::Reject(run) => {
                assert!(take(&mut self.owed, *run), "{run:?} was not asked for");
            }
            Message::ManifestPart { offset, .. } => {
                let at = self.parts_owed.iter().position(|owed| owed == offset);
                self.parts_owed.swap_remove(at.expect("a part that somebody asked for"));
            }
            _ => {}
        }
    }

    fn asks(&mut self, geometry: &Geometry, run: RawRun) {
        assert!(self.served, "a request while choked");
        let long =
            geometry.piece(run.piece).and_then(|p| geometry.long_run(p, run.first, run.count));
        let long = long.expect("the engine asks for blocks that exist");
        let mut pieces = geometry.parts(long).map(|part| part.piece().get());
        assert!(
            pieces.all(|piece| self.peer_has.contains(&piece)),
            "a request for what is not there"
        );
        assert!(self.long_runs || !geometry.is_long(long), "{run:?} is not understood");
        assert!(run.count <= self.run_blocks_max, "{run:?} has too many blocks");
        assert!(!self.asked.contains(&run), "{run:?} is open already");
        self.asked.push(run);
        let bytes: u64 = self.asked.iter().map(|run| len(geometry, *run)).sum();
        assert!(bytes <= self.request_bytes_max, "{bytes} bytes are open");
    }
}

/// Bytes in a run, which must be one.
fn len(geometry: &Geometry, run: RawRun) -> u64 {
    let checked =
        geometry.piece(run.piece).and_then(|p| geometry.long_run(p, run.first, run.count));
    geometry.run_len(checked.expect("the engine asks for blocks that exist")).into()
}

/// The run that so many bytes are, or none that anybody asks for.
fn run_of(geometry: &Geometry, piece: u32, first: u32, len: usize) -> RawRun {
    let run = geometry.piece(piece).and_then(|piece| geometry.run_of_len(piece, first, len));
    RawRun { piece, first, count: run.map_or(0, BlockRun::count) }
}

/// Takes one out, if it is there.
fn take(runs: &mut Vec<RawRun>, run: RawRun) -> bool {
    let at = runs.iter().position(|open| *open == run);
    at.map(|at| runs.remove(at)).is_some()
}
