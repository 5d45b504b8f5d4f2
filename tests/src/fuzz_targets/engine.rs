//! An engine among peers, a disk and a tracker that do what the input says.
//!
//! The shell's side of the contract is kept: jobs are answered once, and data that was stored hashes
//! to what it is. Peers do as they like, but for one: it is honest, and must never be banned.

mod conduct;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use conduct::Conduct;
use swarm_engine::{
    Command, Config, ConnId, DiskError, Event, Input, NoAnswer, Output, Priority, Side, Spent,
    Swarm, Target, Time, TrackerIndex,
};
use swarm_proto::{
    announce::{Announced, Refusal, TrackerRequest},
    bitfield::Bitfield,
    codec::Frame,
    digest::hash_blocks,
    geometry::{BLOCK_LEN, BlockRun, PieceIndex},
    id::{Digest, PeerId},
    message::{Goodbye, Hello, LONG_RUNS, Message, PROTOCOL_VERSION, PeerAddr, RawRun},
};

use super::{is_encoded_as_itself, source::Source};
use crate::sim::share::Share;

/// Inputs to the engine in one run.
const STEPS_MAX: usize = 2000;
/// Ticks that the engine may ask for before time goes on: one for each of its parts, generously.
const TICKS_MAX: u32 = 16;
/// This peer is honest. The engine itself is peer 0.
const HONEST: u8 = 1;
const PEERS: usize = 6;

/// What happens to an engine.
pub fn engine_inputs(data: &[u8]) {
    let mut source = Source::new(data);
    let mut world = World::new(&mut source);
    for _ in 0..STEPS_MAX {
        if source.is_empty() {
            break;
        }
        let input = world.choose(&mut source);
        world.handle(input);
    }
}

/// Two files, the first of which has a short last piece, 3 and 5 blocks in pieces of two blocks, and two that
/// are so small that they are asked for together.
fn share() -> &'static Share {
    static SHARE: OnceLock<Share> = OnceLock::new();
    SHARE.get_or_init(|| {
        Share::random(1, 2 * BLOCK_LEN, &[40_000, 0, 5 * u64::from(BLOCK_LEN), 9, 20_000])
    })
}

const fn peer(number: u8) -> PeerId {
    PeerId::new([number; 32])
}

fn addr(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 1000 + u16::from(number)))
}

/// Work that the engine wants done and that has not been.
#[derive(Debug)]
enum Job {
    Dial(Target),
    Store(BlockRun, Bytes),
    Read(ConnId, BlockRun),
    Leaves(PieceIndex),
    Finish,
    Announce(TrackerIndex),
}

#[derive(Debug)]
struct Link {
    peer: u8,
    /// Whether the engine keeps the rules on it.
    conduct: Conduct,
    /// What the engine asked for over it and got no answer to, whether it still waits or not.
    requests: Vec<RawRun>,
    leaves: Vec<u32>,
    unflushed: u64,
    /// The engine has ended it.
    closing: bool,
}

struct World {
    engine: Swarm,
    now: Time,
    conns: u64,
    links: BTreeMap<ConnId, Link>,
    jobs: Vec<Job>,
    stopped: bool,
    /// Ticks since time last went on.
    ticks: u32,
    recorded: BTreeSet<PieceIndex>,
}

impl World {
    fn new(source: &mut Source<'_>) -> Self {
        let share = share();
        let mut have = Bitfield::empty(share.geometry().piece_count());
        let held = source.byte();
        let pieces = share.geometry().pieces().filter(|p| held >> p.get() & 1 == 1);
        let recorded: BTreeSet<_> = pieces.collect();
        for &piece in &recorded {
            have.insert(piece);
        }
        let config = Config {
            upload_limit: source.one_in(4).then_some(100_000),
            download_limit: source.one_in(4).then_some(100_000),
            connections_max: 4,
            dials_max: 3,
            upload_slots: 2,
            buffer_bytes: 6 * u64::from(BLOCK_LEN),
            send_bytes: 4 * u64::from(BLOCK_LEN),
            trackers: vec!["tracker".into(); usize::from(source.byte() % 3)],
            ..Config::default()
        };
        let (now, seed) = (Time::from_nanos(1), [source.byte(); 32]);
        let manifest = Arc::clone(share.manifest());
        Self {
            engine: Swarm::new(config, peer(0), manifest, have, seed, now),
            now,
            conns: 0,
            links: BTreeMap::new(),
            jobs: Vec::new(),
            stopped: false,
            ticks: 0,
            recorded,
        }
    }

    /// The next thing that happens.
    fn choose(&mut self, source: &mut Source<'_>) -> Input {
        match source.byte() % 16 {
            0 => {
                self.now += source.duration();
                self.ticks = 0;
                Input::Tick
            }
            1 => self.tick(),
            2 => self.connect(source, None),
            3..=8 => self.message(source),
            9..=13 => self.answer(source),
            14 => self.end_or_flush(source),
            _ => self.command(source),
        }
    }

    /// The time that the engine asked for has come.
    fn tick(&mut self) -> Input {
        let Some(deadline) = self.engine.deadline() else { return Input::Tick };
        if deadline > self.now {
            self.now = deadline;
            self.ticks = 0;
        }
        self.ticks += 1;
        assert!(self.ticks <= TICKS_MAX, "the engine asks for ticks and time does not go on");
        Input::Tick
    }

    fn connect(&mut self, source: &mut Source<'_>, dialed: Option<Target>) -> Input {
        self.conns += 1;
        let conn = ConnId(self.conns);
        let number = source.below(PEERS) as u8;
        let side = if dialed.is_some() { Side::Dialed } else { Side::Accepted };
        let id = dialed.and_then(|target| target.id).unwrap_or_else(|| peer(number));
        let number = id.as_bytes()[0];
        let hello = Hello {
            version: PROTOCOL_VERSION,
            swarm: share().manifest().id(),
            peer: id,
            features: if source.one_in(2) { LONG_RUNS } else { 0 },
            client: String::new(),
            listen_port: u16::from(source.byte()),
            request_bytes_max: source.around(8).saturating_mul(BLOCK_LEN),
            run_blocks_max: 1 + u32::from(source.byte() % 64),
        };
        let link = Link {
            peer: number,
            conduct: Conduct::new(&hello),
            requests: Vec::new(),
            leaves: Vec::new(),
            unflushed: 0,
            closing: false,
        };
        self.links.insert(conn, link);
        let addr = dialed.map_or_else(|| addr(number), |target| target.addr);
        Input::Connected { conn, peer: id, addr, side, hello }
    }

    /// One of the connections, those that the engine has just ended among them.
    fn link(&mut self, source: &mut Source<'_>) -> Option<(ConnId, &mut Link)> {
        let at = source.below(self.links.len());
        self.links.iter_mut().nth(at).map(|(&conn, link)| (conn, link))
    }

    fn message(&mut self, source: &mut Source<'_>) -> Input {
        let Some((conn, link)) = self.link(source) else { return self.connect(source, None) };
        let message = match source.byte() % 4 {
            0 => any_message(source),
            1..=2 => reply(link, source),
            _ => None,
        };
        let message = message.unwrap_or_else(|| plausible_message(source));
        // Data and digests of the honest peer are true, whatever it says otherwise.
        let message = if link.peer == HONEST { honest(message) } else { message };
        link.conduct.received(share().geometry(), &message);
        Input::Received { conn, message }
    }

    fn end_or_flush(&mut self, source: &mut Source<'_>) -> Input {
        let ends = source.one_in(4);
        let misbehaved = source.one_in(3);
        let Some((conn, link)) = self.link(source) else { return Input::Tick };
        if ends || link.closing {
            self.links.remove(&conn);
            return Input::Closed { conn, misbehaved };
        }
        Input::Flushed { conn, bytes: std::mem::take(&mut link.unflushed) }
    }

    /// Somebody does what the engine asked for, or fails.
    fn answer(&mut self, source: &mut Source<'_>) -> Input {
        if source.one_in(16) {
            let at = source.below(self.recorded.len());
            return self.recorded.iter().nth(at).map_or(Input::Tick, |&p| Input::Unsynced(p));
        }
        if self.jobs.is_empty() {
            return self.tick();
        }
        let job = self.jobs.swap_remove(source.below(self.jobs.len()));
        let error = match source.byte() {
            1..=5 => Some(DiskError::NoSpace),
            6..=10 => Some(DiskError::Changed),
            11..=15 => Some(DiskError::Failed("no".into())),
            _ => None,
        };
        match (job, error) {
            (Job::Dial(target), None) => self.connect(source, Some(target)),
            (Job::Dial(target), Some(_)) => {
                Input::DialFailed { target, wrong_key: source.one_in(2) }
            }
            (Job::Store(run, data), None) => {
                let mut leaves = Vec::new();
                for (_, data) in share().geometry().parts_of(run, &data) {
                    hash_blocks(data, &mut leaves);
                }
                Input::Stored { run, leaves, spent: Spent::default() }
            }
            (Job::Store(run, _), Some(error)) => Input::StoreFailed { run, error },
            (Job::Read(conn, run), None) => {
                Input::BlocksRead { conn, run, data: Ok(share().read(run).into()) }
            }
            (Job::Read(conn, run), Some(error)) => {
                let parts: Vec<_> = share().geometry().parts(run).collect();
                let piece = parts[source.below(parts.len())].piece();
                Input::BlocksRead { conn, run, data: Err((piece, error)) }
            }
            (Job::Leaves(piece), None) => {
                let mut leaves = share().leaves(piece).to_vec();
                if source.one_in(8) {
                    leaves[0] = Digest::new([1; 32]);
                }
                Input::LeavesRead { piece, leaves: Ok(leaves) }
            }
            (Job::Leaves(piece), Some(error)) => Input::LeavesRead { piece, leaves: Err(error) },
            (Job::Finish, None) => Input::Finished(Ok(())),
            (Job::Finish, Some(error)) => Input::Finished(Err(error)),
            (Job::Announce(tracker), None) => {
                Input::Announced { tracker, reply: announced(source) }
            }
            (Job::Announce(tracker), Some(_)) => {
                let why = match source.byte() % 4 {
                    0 => NoAnswer::Lost,
                    1 => NoAnswer::WrongKey,
                    _ => NoAnswer::Refused(Refusal::Full, source.around(100)),
                };
                Input::AnnounceFailed { tracker, why }
            }
        }
    }

    fn command(&mut self, source: &mut Source<'_>) -> Input {
        Input::Command(match source.byte() % 16 {
            0 | 1 => Command::Pause,
            2..=4 => Command::Resume,
            5 => Command::LimitUpload(Some(u64::from(source.number()))),
            6 => Command::LimitUpload(None),
            7 => Command::LimitDownload(Some(u64::from(source.number()))),
            8 => Command::LimitDownload(None),
            9 | 10 => {
                let number = source.below(PEERS) as u8;
                Command::AddPeer { id: source.one_in(2).then(|| peer(number)), addr: addr(number) }
            }
            11 => Command::Announce,
            12 => Command::Verify,
            13 => Command::Advertise(Some([10, 0, 0, 9].into())),
            14 if source.one_in(8) => Command::Stop,
            14 => Command::Announce,
            _ => {
                let all = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];
                let files = vec![source.number() % 4];
                Command::SetPriority { files, priority: all[source.below(all.len())] }
            }
        })
    }

    fn handle(&mut self, input: Input) {
        self.stopped |= matches!(input, Input::Command(Command::Stop));
        let mut outbox = Vec::new();
        self.engine.handle(self.now, input, &mut outbox);
        for output in outbox {
            self.perform(output);
        }
        if let Err(contradiction) = self.engine.check_invariants() {
            panic!("{contradiction}");
        }
        let _ = self.engine.snapshot(self.now);
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Dial(target) => self.jobs.push(Job::Dial(target)),
            Output::Send { conn, message } => self.send(conn, &message),
            Output::SendInPlace { .. } => unreachable!("blocks are read as bytes here"),
            Output::Close { conn, reason } => {
                // A connection that was refused, or that has ended by itself at the same time.
                let Some(link) = self.links.get_mut(&conn) else { return };
                link.closing = true;
                is_encoded_as_itself(&Message::Goodbye(reason));
            }
            Output::Store { run, data } => {
                assert_eq!(data.len(), share().geometry().run_len(run) as usize);
                self.jobs.push(Job::Store(run, data));
            }
            Output::Read { conn, run } => {
                let mut pieces = share().geometry().parts(run).map(BlockRun::piece);
                let held = pieces.all(|piece| self.recorded.contains(&piece));
                assert!(held, "only verified pieces are read");
                self.jobs.push(Job::Read(conn, run));
            }
            Output::ReadLeaves(piece) | Output::Check(piece) => self.jobs.push(Job::Leaves(piece)),
            Output::Record(piece) => {
                self.recorded.insert(piece);
            }
            Output::Forget(piece) => {
                self.recorded.remove(&piece);
            }
            Output::Finish => self.jobs.push(Job::Finish),
            Output::KeepPriorities(_) => {}
            Output::Announce { tracker, announce } => {
                is_encoded_as_itself(&TrackerRequest::Announce(announce));
                // Whoever stops does not wait for the answer.
                if !self.stopped {
                    self.jobs.push(Job::Announce(tracker));
                }
            }
            Output::PutManifest { .. } => {}
            Output::Event(Event::PeerBanned { peer: banned, .. }) => {
                assert_ne!(banned, peer(HONEST), "an honest peer is banned");
            }
            Output::Event(_) => {}
        }
    }

    fn send(&mut self, conn: ConnId, message: &Message) {
        is_encoded_as_itself(message);
        let Some(link) = self.links.get_mut(&conn) else { panic!("a message to nobody") };
        assert!(!link.closing, "a message after the last one");
        link.unflushed += message.encoded_len() as u64;
        let held = self.recorded.iter().map(|piece| piece.get()).collect();
        link.conduct.sent(share().geometry(), &held, message);
        match *message {
            Message::Request(run) => link.requests.push(run),
            Message::GetLeaves(piece) => link.leaves.push(piece),
            _ => {}
        }
    }
}

/// Bytes as they may come over the wire.
fn any_message(source: &mut Source<'_>) -> Option<Message> {
    let (kind, body) = (source.byte(), source.some());
    let [a, b, c, d] = (body.len() as u32 + 1).to_le_bytes();
    let header = Message::header([a, b, c, d, kind]).ok()?;
    Message::decode(header, Bytes::copy_from_slice(body)).ok()
}

/// An answer to something that the engine asked for.
fn reply(link: &mut Link, source: &mut Source<'_>) -> Option<Message> {
    if !link.leaves.is_empty() && source.one_in(2) {
        let number = link.leaves.swap_remove(source.below(link.leaves.len()));
        let mut leaves = share().leaves(share().geometry().piece(number)?).to_vec();
        if source.one_in(3) {
            leaves[0] = Digest::new([2; 32]);
        }
        return Some(Message::Leaves { piece: number, leaves });
    }
    if link.requests.is_empty() {
        return None;
    }
    let wire = link.requests.remove(source.below(link.requests.len()));
    let geometry = share().geometry();
    let run = geometry.long_run(geometry.piece(wire.piece)?, wire.first, wire.count)?;
    if source.one_in(6) {
        return Some(Message::Reject(wire));
    }
    let mut data = share().read(run);
    if source.one_in(3) {
        data = Bytes::from(vec![0; data.len()]);
    }
    Some(Message::Block { piece: wire.piece, first: wire.first, data })
}

/// A message about pieces that mostly exist.
fn plausible_message(source: &mut Source<'_>) -> Message {
    let pieces = share().geometry().piece_count();
    match source.byte() % 20 {
        0 => Message::KeepAlive,
        1 => Message::Choke,
        2 | 3 => Message::Unchoke,
        4 => Message::Interested,
        5 => Message::NotInterested,
        6 | 7 => Message::HaveAll,
        8 => Message::HaveNone,
        9 => Message::Bitfield(vec![source.byte() & 0xF8].into()),
        10 => Message::Have(source.some().iter().map(|&b| u32::from(b) % pieces).collect()),
        11 => Message::DontHave(source.some().iter().map(|&b| u32::from(b) % pieces).collect()),
        12 | 13 => Message::Request(run(source)),
        14 => Message::Cancel(run(source)),
        15 => Message::Reject(run(source)),
        16 => Message::GetLeaves(source.around(pieces)),
        17 => Message::GetManifest { offset: source.around(500) },
        18 => {
            let peers = source.some().iter().map(|&b| b % 16).take(64);
            Message::Pex(peers.map(|b| PeerAddr { id: peer(b), addr: addr(b) }).collect())
        }
        _ if source.one_in(2) => Message::Suggest(source.around(pieces)),
        _ => {
            Message::Goodbye(if source.one_in(2) { Goodbye::Shutdown } else { Goodbye::Duplicate })
        }
    }
}

fn run(source: &mut Source<'_>) -> RawRun {
    RawRun {
        piece: source.around(share().geometry().piece_count()),
        first: source.around(2),
        count: 1 + u32::from(source.byte() % 3),
    }
}

/// The same message, with data and digests that are true wherever there can be any.
fn honest(message: Message) -> Message {
    let geometry = share().geometry();
    match message {
        Message::Block { piece, first, data } => {
            let count = (data.len() as u32).div_ceil(BLOCK_LEN);
            let run = geometry.piece(piece).and_then(|p| geometry.long_run(p, first, count));
            let data = run.map_or(data, |run| share().read(run));
            Message::Block { piece, first, data }
        }
        Message::Leaves { piece, leaves } => {
            let piece_index = geometry.piece(piece);
            let leaves = piece_index.map_or(leaves, |piece| share().leaves(piece).to_vec());
            Message::Leaves { piece, leaves }
        }
        other => other,
    }
}

fn announced(source: &mut Source<'_>) -> Announced {
    let peers = source.some().iter().map(|&b| b % 16).take(64);
    Announced {
        interval_ms: source.around(60).saturating_mul(1000),
        min_interval_ms: source.around(2).saturating_mul(1000),
        peers: peers.map(|b| PeerAddr { id: peer(b), addr: addr(b) }).collect(),
        seeds: source.around(5),
        leechers: source.around(5),
        completed: 0,
        rarest: vec![(source.around(share().geometry().piece_count()), 1)],
        need_full: source.one_in(3),
        need_manifest: source.one_in(3),
        observed: addr(0),
    }
}
