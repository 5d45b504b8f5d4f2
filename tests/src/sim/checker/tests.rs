//! That the checker sees what it is there to see.

use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use swarm_proto::message::{Hello, PROTOCOL_VERSION};

use super::*;
use crate::sim::disk::DiskSpec;

const NODE: NodeId = NodeId(0);
const CONN: ConnId = ConnId(0);
const PEER: PeerId = PeerId::new([9; 32]);

/// An engine with pieces 0 and 1 of four, connected to a peer that has all and serves it.
struct Rig {
    checker: Checker,
    disk: Disk,
    share: Arc<Share>,
}

impl Rig {
    fn new() -> Self {
        let share = Arc::new(Share::random(1, 32 * 1024, &[128 * 1024]));
        let mut have = Bitfield::empty(4);
        have.insert(share.geometry().piece(0).unwrap());
        have.insert(share.geometry().piece(1).unwrap());
        let disk = Disk::new(&share, DiskSpec::default(), ChaCha8Rng::seed_from_u64(1), have);
        let mut rig = Self { checker: Checker::new(Arc::clone(&share)), disk, share };
        rig.checker.started(NODE, 48 * 1024, Vec::new());
        let hello = Hello {
            version: PROTOCOL_VERSION,
            swarm: rig.share.manifest().id(),
            peer: PEER,
            features: 0,
            client: String::new(),
            listen_port: 0,
            request_bytes_max: 1 << 20,
            run_blocks_max: 2,
        };
        let addr = "10.0.0.1:1".parse().unwrap();
        let side = swarm_engine::Side::Dialed;
        rig.checker.input(NODE, &Input::Connected { conn: CONN, peer: PEER, addr, side, hello });
        rig.sends(Message::Bitfield(vec![0b1100_0000].into()));
        rig.gets(Message::HaveAll);
        rig.gets(Message::Unchoke);
        rig
    }

    fn gets(&mut self, message: Message) {
        self.checker.input(NODE, &Input::Received { conn: CONN, message });
    }

    fn does(&mut self, output: &Output) {
        self.checker.output(NODE, output, &self.disk);
    }

    fn sends(&mut self, message: Message) {
        self.does(&Output::Send { conn: CONN, message });
    }

    fn requests(&mut self, piece: u32, first: u32, count: u32) {
        self.sends(Message::Request(RawRun { piece, first, count }));
    }

    /// What the checker has to say, in short.
    #[track_caller]
    fn objects(&mut self, expected: &str) {
        let found = self.checker.take_violation().map(|(_, what)| what).unwrap_or_default();
        assert!(found.contains(expected) && found.is_empty() == expected.is_empty(), "{found}");
    }

    fn block(&self, piece: u32) -> Bytes {
        let piece = self.share.geometry().piece(piece).unwrap();
        self.share.read(self.share.geometry().run(piece, 0, 1).unwrap())
    }
}

#[test]
fn an_exchange_by_the_rules_is_fine() {
    let mut rig = Rig::new();
    rig.requests(2, 0, 1);
    rig.gets(Message::Block { piece: 2, first: 0, data: rig.block(2) });
    rig.gets(Message::Request(RawRun { piece: 0, first: 0, count: 1 }));
    rig.sends(Message::Block { piece: 0, first: 0, data: rig.block(0) });
    rig.sends(Message::Have(vec![0, 1]));
    rig.does(&Output::Close { conn: CONN, reason: Goodbye::NothingToExchange });
    rig.objects("");
}

#[test]
fn a_piece_that_is_not_there_may_not_be_claimed() {
    let mut rig = Rig::new();
    rig.sends(Message::Have(vec![1, 2]));
    rig.objects("tells piece 2, which is not there");
    rig.does(&Output::Record(rig.share.geometry().piece(3).unwrap()));
    rig.objects("records piece 3");
    rig.does(&Output::Finish);
    rig.objects("finishes with piece 2");
}

#[test]
fn a_piece_that_went_bad_may_not_be_claimed() {
    let mut rig = Rig::new();
    let piece = rig.share.geometry().piece(1).unwrap();
    let run = rig.share.geometry().run(piece, 0, 1).unwrap();
    rig.disk.store(run, &Bytes::from(vec![0; 16 * 1024])).unwrap();
    rig.sends(Message::Have(vec![1]));
    rig.objects("tells piece 1, which is not there");
}

#[test]
fn only_true_bytes_may_be_sent_and_only_when_asked_for() {
    let mut rig = Rig::new();
    rig.sends(Message::Block { piece: 0, first: 0, data: rig.block(0) });
    rig.objects("not asked for");
    rig.gets(Message::Request(RawRun { piece: 0, first: 0, count: 1 }));
    rig.sends(Message::Block { piece: 0, first: 0, data: rig.block(1) });
    rig.objects("sends wrong bytes");
    rig.gets(Message::Request(RawRun { piece: 0, first: 0, count: 1 }));
    rig.sends(Message::Choke);
    rig.sends(Message::Block { piece: 0, first: 0, data: rig.block(0) });
    rig.objects("not asked for");
}

#[test]
fn a_request_must_make_sense_to_the_other_side() {
    let mut rig = Rig::new();
    rig.requests(4, 0, 1);
    rig.objects("requests what does not exist");
    rig.gets(Message::DontHave(vec![2]));
    rig.requests(2, 0, 1);
    rig.objects("the other side does not have");
    rig.gets(Message::Choke);
    rig.requests(3, 0, 1);
    rig.objects("while choked");
}

#[test]
fn memory_is_limited_whatever_is_open() {
    let mut rig = Rig::new();
    // One run of any length may be forgotten about; 48 KiB are allowed beyond that.
    rig.checker.nodes.get_mut(&NODE).unwrap().storing = LONGEST_RUN;
    rig.requests(2, 0, 2);
    rig.objects("");
    rig.requests(3, 0, 2);
    rig.objects("would hold");
}

#[test]
fn nobody_may_be_accused_who_is_not_suspect() {
    let mut rig = Rig::new();
    let ban = Output::Event(Event::PeerBanned { peer: PEER, piece: 2 });
    rig.does(&ban);
    rig.objects("bans innocent");
    rig.does(&Output::Close { conn: CONN, reason: Goodbye::Misbehaved });
    rig.objects("accuses innocent");
    rig.checker.suspect(PEER);
    rig.does(&ban);
    rig.objects("");
}

#[test]
fn a_closed_connection_stays_closed() {
    let mut rig = Rig::new();
    rig.does(&Output::Close { conn: CONN, reason: Goodbye::Duplicate });
    rig.sends(Message::KeepAlive);
    rig.objects("which has ended");
    rig.checker.input(NODE, &Input::Closed { conn: CONN, misbehaved: false });
    rig.does(&Output::Close { conn: CONN, reason: Goodbye::Duplicate });
    rig.objects("which has ended");
}
