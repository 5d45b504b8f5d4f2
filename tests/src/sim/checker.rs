//! What must be true of a swarm, whatever happens in it.
//!
//! The checker sees every input and output of every honest engine, keeps its own books from the
//! messages alone, and knows the true bytes. It ends the run when an engine
//!
//! - tells anybody that it has a piece whose bytes on its disk don't verify, or records one,
//! - sends bytes that are not the true ones,
//! - requests what does not exist, what its user or the other side does not want or have, while it is
//!   choked, or more at a time than the other side or its own memory allows,
//! - answers what was not asked, or talks on a connection that has ended,
//! - bans or accuses a peer that kept to the rules,
//! - contradicts itself ([`Swarm::check_invariants`], now and then).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use swarm_engine::{ConnId, Event, Input, Output, Priority, Swarm, Time};
use swarm_proto::{
    announce::HaveReport,
    bitfield::Bitfield,
    geometry::{BLOCK_LEN, BlockRun, Geometry, PieceIndex, RUN_BLOCKS_MAX},
    id::PeerId,
    message::{Goodbye, LONG_RUNS, Message, RawRun},
};

use super::{disk::Disk, share::Share, world::NodeId};

/// Inputs of one node between two looks at all of its state: a look costs as much as the share has
/// pieces.
const LOOK_EVERY: u32 = 64;

/// Bytes in the longest run that can be requested.
const LONGEST_RUN: u64 = RUN_BLOCKS_MAX as u64 * BLOCK_LEN as u64;

/// Books about all honest nodes, and the first thing that must not be.
#[derive(Debug)]
pub struct Checker {
    share: Arc<Share>,
    /// Nodes that don't keep to the rules, and honest ones whose disk betrays them: whatever is
    /// said about these may be true.
    suspects: BTreeSet<PeerId>,
    nodes: BTreeMap<NodeId, Books>,
    violation: Option<(Option<NodeId>, String)>,
}

/// What one engine did, as seen from outside.
#[derive(Debug, Default)]
struct Books {
    buffer_bytes: u64,
    /// How much each file is wanted; those past the end as by default.
    priorities: Vec<Priority>,
    sessions: BTreeMap<ConnId, Session>,
    /// Bytes of requests that are open at others, and bytes handed to the disk and not stored yet.
    requested: u64,
    storing: u64,
    inputs: u32,
}

/// One connection of one engine.
#[derive(Debug)]
struct Session {
    peer: PeerId,
    request_bytes_max: u64,
    run_blocks_max: u32,
    /// It knows of runs through several pieces.
    long_runs: bool,
    /// What the other side said it has.
    theirs: Bitfield,
    /// The other side serves us.
    unchoked: bool,
    /// We said what we have.
    introduced: bool,
    closing: bool,
    /// The other side has said goodbye; whoever closes then only echoes its reason.
    left: bool,
    /// Our requests that are open, and their bytes.
    ours_open: BTreeSet<Run>,
    requested: u64,
    /// Their requests that are open, and how often each was made.
    theirs_open: BTreeMap<Run, u32>,
}

/// Piece, first block, number of blocks.
type Run = (u32, u32, u32);

impl Checker {
    /// Nothing has happened.
    #[must_use]
    pub const fn new(share: Arc<Share>) -> Self {
        Self { share, suspects: BTreeSet::new(), nodes: BTreeMap::new(), violation: None }
    }

    /// Whatever is said about this node may be true.
    pub fn suspect(&mut self, peer: PeerId) {
        self.suspects.insert(peer);
    }

    /// An engine starts, with this much memory for what it downloads, and wants each file this much.
    pub fn started(&mut self, node: NodeId, buffer_bytes: u64, priorities: Vec<Priority>) {
        self.nodes.insert(node, Books { buffer_bytes, priorities, ..Books::default() });
    }

    /// Takes the first thing that must not be.
    pub const fn take_violation(&mut self) -> Option<(Option<NodeId>, String)> {
        self.violation.take()
    }

    /// Whether something was that must not be.
    #[must_use]
    pub const fn is_violated(&self) -> bool {
        self.violation.is_some()
    }

    /// Something that must not be was seen elsewhere.
    pub fn violated(&mut self, node: NodeId, what: String) {
        self.violation.get_or_insert((Some(node), what));
    }

    /// An engine is about to get an input.
    pub fn input(&mut self, node: NodeId, input: &Input) {
        let pieces = self.share.geometry().piece_count();
        let Some(books) = self.nodes.get_mut(&node) else { return };
        books.inputs += 1;
        match input {
            Input::Connected { conn, peer, hello, .. } => {
                let session = Session {
                    peer: *peer,
                    request_bytes_max: hello.request_bytes_max.into(),
                    run_blocks_max: hello.run_blocks_max,
                    long_runs: hello.features & LONG_RUNS != 0,
                    theirs: Bitfield::empty(pieces),
                    unchoked: false,
                    introduced: false,
                    closing: false,
                    left: false,
                    ours_open: BTreeSet::new(),
                    requested: 0,
                    theirs_open: BTreeMap::new(),
                };
                books.sessions.insert(*conn, session);
            }
            Input::Closed { conn, .. } => {
                if let Some(session) = books.sessions.remove(conn) {
                    books.requested -= session.requested;
                }
            }
            Input::Received { conn, message } => self.received(node, *conn, message),
            Input::Stored { run, .. } | Input::StoreFailed { run, .. } => {
                books.storing -= u64::from(self.share.geometry().run_len(*run));
            }
            _ => {}
        }
    }

    /// An engine wants something done.
    pub fn output(&mut self, node: NodeId, output: &Output, disk: &Disk) {
        let geometry = self.share.geometry();
        let Some(books) = self.nodes.get_mut(&node) else { return };
        match output {
            Output::Send { conn, message } => self.sent(node, *conn, message, disk),
            Output::Close { conn, reason } => {
                let Some(session) = books.sessions.get_mut(conn) else {
                    return self.violated(node, format!("closes {conn:?}, which has ended"));
                };
                if std::mem::replace(&mut session.closing, true) {
                    return self.violated(node, format!("closes {conn:?} twice"));
                }
                let peer = session.peer;
                let accusation = matches!(reason, Goodbye::Misbehaved | Goodbye::CorruptData);
                if accusation && !session.left && !self.suspects.contains(&peer) {
                    self.violated(node, format!("accuses innocent {peer:?}: {reason:?}"));
                }
            }
            Output::Store { run, data } => {
                let len = geometry.run_len(*run);
                books.storing += u64::from(len);
                if data.len() != len as usize {
                    self.violated(node, format!("stores {} bytes as {run:?}", data.len()));
                }
            }
            Output::Record(piece) => self.claims(node, disk, [piece.get()], "records"),
            Output::Finish => {
                let wanted = geometry.pieces().filter(|&piece| books.wants(geometry, piece));
                let wanted: Vec<_> = wanted.map(PieceIndex::get).collect();
                self.claims(node, disk, wanted, "finishes with");
            }
            Output::KeepPriorities(priorities) => books.priorities.clone_from(priorities),
            Output::Announce { announce, .. } => match &announce.have {
                HaveReport::None => {}
                HaveReport::All => {
                    let all: Vec<_> = (0..geometry.piece_count()).collect();
                    self.claims(node, disk, all, "announces");
                }
                HaveReport::Full(bytes) => {
                    match Bitfield::from_bytes(geometry.piece_count(), bytes) {
                        Ok(have) => self.claims(node, disk, have.iter(), "announces"),
                        Err(error) => self.violated(node, format!("announces {error}")),
                    }
                }
                HaveReport::Delta { gained, .. } => {
                    self.claims(node, disk, gained.iter().copied(), "announces");
                }
            },
            Output::Event(Event::PeerBanned { peer, piece }) if !self.suspects.contains(peer) => {
                self.violated(node, format!("bans innocent {peer:?} for piece {piece}"));
            }
            _ => {}
        }
    }

    /// Looks at the whole state of an engine now and then.
    pub fn look(&mut self, node: NodeId, engine: &mut Swarm, disk: &Disk, now: Time) {
        let Some(books) = self.nodes.get(&node) else { return };
        if books.inputs % LOOK_EVERY != 0 {
            return;
        }
        if let Err(contradiction) = engine.check_invariants() {
            return self.violated(node, contradiction);
        }
        let snapshot = engine.snapshot(now);
        let pieces = self.share.geometry().piece_count();
        match Bitfield::from_bytes(pieces, &snapshot.have) {
            Ok(have) if have.count() == snapshot.pieces_have => {
                self.claims(node, disk, have.iter(), "has");
            }
            _ => self.violated(node, "shows a bitfield that does not fit its counts".into()),
        }
    }

    fn received(&mut self, node: NodeId, conn: ConnId, message: &Message) {
        let geometry = self.share.geometry();
        let Some(books) = self.nodes.get_mut(&node) else { return };
        let Some(session) = books.sessions.get_mut(&conn) else { return };
        match message {
            Message::Choke => {
                session.unchoked = false;
                session.ours_open.clear();
                books.requested -= std::mem::take(&mut session.requested);
            }
            Message::Unchoke => session.unchoked = true,
            Message::Goodbye(_) => session.left = true,
            Message::HaveAll => session.theirs = Bitfield::full(geometry.piece_count()),
            Message::Bitfield(bytes) => {
                if let Ok(have) = Bitfield::from_bytes(geometry.piece_count(), bytes) {
                    session.theirs = have;
                }
            }
            Message::Have(pieces) => {
                for piece in pieces.iter().filter_map(|&piece| geometry.piece(piece)) {
                    session.theirs.insert(piece);
                }
            }
            Message::DontHave(pieces) => {
                for piece in pieces.iter().filter_map(|&piece| geometry.piece(piece)) {
                    session.theirs.remove(piece);
                }
            }
            Message::Request(raw) => {
                *session.theirs_open.entry(key(*raw)).or_default() += 1;
            }
            Message::Reject(raw) if session.ours_open.remove(&key(*raw)) => {
                let bytes = len(&self.share, *raw);
                session.requested -= bytes;
                books.requested -= bytes;
            }
            Message::Block { piece, first, data } => {
                let found =
                    session.ours_open.range((*piece, *first, 0)..=(*piece, *first, u32::MAX));
                let found =
                    found.copied().find(|&run| len(&self.share, raw(run)) == data.len() as u64);
                if let Some(run) = found {
                    session.ours_open.remove(&run);
                    session.requested -= data.len() as u64;
                    books.requested -= data.len() as u64;
                }
            }
            _ => {}
        }
    }

    fn sent(&mut self, node: NodeId, conn: ConnId, message: &Message, disk: &Disk) {
        let Some(books) = self.nodes.get_mut(&node) else { return };
        let Some(session) = books.sessions.get_mut(&conn).filter(|session| !session.closing) else {
            return self.violated(node, format!("sends on {conn:?}, which has ended"));
        };
        let introduction =
            matches!(message, Message::HaveAll | Message::HaveNone | Message::Bitfield(_));
        if std::mem::replace(&mut session.introduced, true) == introduction {
            return self.violated(node, "says what it has not first, or twice".into());
        }
        let pieces = self.share.geometry().piece_count();
        match message {
            Message::HaveAll => self.claims(node, disk, 0..pieces, "tells"),
            Message::Bitfield(bytes) => match Bitfield::from_bytes(pieces, bytes) {
                Ok(have) => self.claims(node, disk, have.iter(), "tells"),
                Err(error) => self.violated(node, format!("tells {error}")),
            },
            Message::Have(pieces) => self.claims(node, disk, pieces.iter().copied(), "tells"),
            Message::Choke => session.theirs_open.clear(),
            Message::Request(raw) => {
                if let Err(what) = requests(&self.share, books, conn, *raw) {
                    self.violated(node, format!("{what} {raw:?}"));
                }
            }
            Message::Cancel(raw) => {
                if !session.ours_open.remove(&key(*raw)) {
                    return self.violated(node, format!("cancels what is not open: {raw:?}"));
                }
                let bytes = len(&self.share, *raw);
                session.requested -= bytes;
                books.requested -= bytes;
            }
            Message::Reject(raw) => {
                // A request may have come after we dropped all with a choke.
                close_theirs(session, key(*raw));
            }
            Message::Block { piece, first, data } => {
                let open =
                    session.theirs_open.range((*piece, *first, 0)..=(*piece, *first, u32::MAX));
                let runs: Vec<_> = open.map(|(run, _)| *run).collect();
                let run =
                    runs.into_iter().find(|&run| len(&self.share, raw(run)) == data.len() as u64);
                let Some(run) = run else {
                    return self.violated(node, format!("sends {piece}[{first}], not asked for"));
                };
                close_theirs(session, run);
                let run = checked(&self.share, raw(run));
                let truth = run.map_or_else(bytes::Bytes::new, |run| self.share.read(run));
                let geometry = self.share.geometry();
                let excused = run
                    .is_some_and(|run| geometry.parts(run).any(|part| disk.excused(part.piece())));
                if *data != truth && !excused {
                    self.violated(node, format!("sends wrong bytes as {piece}[{first}]"));
                }
            }
            _ => {}
        }
    }

    /// An engine says that it has these pieces.
    fn claims(
        &mut self,
        node: NodeId,
        disk: &Disk,
        pieces: impl IntoIterator<Item = u32>,
        verb: &str,
    ) {
        for number in pieces {
            let good = |piece: PieceIndex| disk.is_true(piece) || disk.excused(piece);
            if !self.share.geometry().piece(number).is_some_and(good) {
                return self.violated(node, format!("{verb} piece {number}, which is not there"));
            }
        }
    }
}

impl Books {
    /// Whether the user wants the file that a piece is of.
    fn wants(&self, geometry: &Geometry, piece: PieceIndex) -> bool {
        self.priorities.get(geometry.span(piece).file.as_usize()) != Some(&Priority::Skip)
    }
}

/// Enters a request of ours, or says what is wrong with it.
fn requests(share: &Share, books: &mut Books, conn: ConnId, raw: RawRun) -> Result<(), String> {
    let run = checked(share, raw).ok_or("requests what does not exist:")?;
    let parts = || share.geometry().parts(run);
    if !parts().all(|part| books.wants(share.geometry(), part.piece())) {
        return Err("requests what its user does not want:".into());
    }
    let Some(session) = books.sessions.get_mut(&conn) else { return Ok(()) };
    if !session.unchoked {
        return Err("requests while choked:".into());
    }
    if !session.long_runs && share.geometry().is_long(run) {
        return Err("requests what the other side does not understand:".into());
    }
    if !parts().all(|part| session.theirs.has(part.piece())) {
        return Err("requests what the other side does not have:".into());
    }
    // A peer that was silent for long may be asked once more for what it has not answered.
    if session.ours_open.insert(key(raw)) {
        let bytes = len(share, raw);
        session.requested += bytes;
        books.requested += bytes;
    }
    if raw.count > session.run_blocks_max || session.requested > session.request_bytes_max {
        return Err("requests more than the other side allows:".into());
    }
    // A request that was given up on without a word is still in these books, one for each peer.
    let given_up = books.sessions.len() as u64 * LONGEST_RUN;
    let (held, most) = (books.requested + books.storing, books.buffer_bytes);
    if held > most + given_up {
        return Err(format!("would hold {held} bytes, {most} allowed:"));
    }
    Ok(())
}

fn close_theirs(session: &mut Session, run: Run) {
    if let Some(times) = session.theirs_open.get_mut(&run) {
        *times -= 1;
        if *times == 0 {
            session.theirs_open.remove(&run);
        }
    }
}

fn checked(share: &Share, raw: RawRun) -> Option<BlockRun> {
    share.geometry().long_run(share.geometry().piece(raw.piece)?, raw.first, raw.count)
}

/// Bytes in a run; 0 if there is no such run.
fn len(share: &Share, raw: RawRun) -> u64 {
    checked(share, raw).map_or(0, |run| share.geometry().run_len(run).into())
}

const fn key(raw: RawRun) -> Run {
    (raw.piece, raw.first, raw.count)
}

const fn raw((piece, first, count): Run) -> RawRun {
    RawRun { piece, first, count }
}

#[cfg(test)]
mod tests;
