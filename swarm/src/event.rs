//! Everything that goes into the engine and everything that comes out of it.
//!
//! These enums are closed on purpose: a reader sees all triggers and all effects in one place, and a
//! recorded list of `(Time, Input)` with the seed is a whole run.

use std::{
    any::Any,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use swarm_proto::{
    announce::{Announce, Announced, Refusal},
    geometry::{BlockRun, PieceIndex},
    id::{Digest, PeerId},
    message::{Goodbye, Hello, Message, PeerAddr},
};

use crate::Priority;

/// One connection, from its handshake to its end. The shell never uses a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// One of the trackers that the engine was told of, by its place in that list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackerIndex(pub u32);

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// We did.
    Dialed,
    /// The other side did.
    Accepted,
}

/// Somebody to dial. Over plain transport the id may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The node that must answer, if one is known.
    pub id: Option<PeerId>,
    /// Where.
    pub addr: SocketAddr,
}

impl From<PeerAddr> for Target {
    fn from(peer: PeerAddr) -> Self {
        Self { id: Some(peer.id), addr: peer.addr }
    }
}

/// Why the disk could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskError {
    /// No space is left: wait, seed on, try again.
    NoSpace,
    /// The file is not what was verified: it was changed, replaced or removed by somebody else.
    Changed,
    /// Anything else, in words for the user.
    Failed(String),
}

/// What storing a run took, to tell a slow disk from a slow processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Time to hash the blocks.
    pub hashing: Duration,
    /// Time to write them.
    pub writing: Duration,
}

/// What happens to the engine.
#[derive(Debug, Clone)]
pub enum Input {
    /// A connection is ready: transport authenticated, both hellos exchanged, swarm id checked.
    Connected {
        /// Names the connection from now on.
        conn: ConnId,
        /// Who is at the other end: the key of the TLS session, or the claim over plain transport.
        peer: PeerId,
        /// The other end's address.
        addr: SocketAddr,
        /// Who opened it.
        side: Side,
        /// What the other side said first.
        hello: Hello,
    },
    /// A [`Output::Dial`] came to nothing.
    DialFailed {
        /// Whom we wanted.
        target: Target,
        /// The address answered, with another key.
        wrong_key: bool,
    },
    /// A message came in.
    Received {
        /// From where.
        conn: ConnId,
        /// What.
        message: Message,
    },
    /// Bytes of sent messages have left for the kernel. Sum of all `Flushed` = sum of the encoded
    /// lengths of all messages sent on the connection so far.
    Flushed {
        /// Where to.
        conn: ConnId,
        /// How many since the last time.
        bytes: u64,
    },
    /// A connection has ended, for any reason, an [`Output::Close`] among them.
    Closed {
        /// Which.
        conn: ConnId,
        /// The other side broke the framing or the codec: its fault, not the network's.
        misbehaved: bool,
    },
    /// Answer to [`Output::Store`]: the bytes are written (not synced), and these are the digests
    /// of the blocks, one each.
    Stored {
        /// Which blocks.
        run: BlockRun,
        /// One digest a block, in order.
        leaves: Vec<Digest>,
        /// What it took.
        spent: Spent,
    },
    /// Answer to [`Output::Store`]: nothing can be said of these blocks.
    StoreFailed {
        /// Which blocks.
        run: BlockRun,
        /// Why.
        error: DiskError,
    },
    /// Answer to [`Output::Read`].
    BlocksRead {
        /// Whom they are for.
        conn: ConnId,
        /// Which blocks.
        run: BlockRun,
        /// The bytes or where they are, or which of the pieces could not be read, and why.
        data: Result<Blocks, (PieceIndex, DiskError)>,
    },
    /// Answer to [`Output::Check`] and [`Output::ReadLeaves`]: the digests of all blocks of the
    /// piece as it is on the disk now.
    LeavesRead {
        /// Which piece.
        piece: PieceIndex,
        /// One digest a block, or why there are none.
        leaves: Result<Vec<Digest>, DiskError>,
    },
    /// What was written of a piece that was to be recorded may never have got to the disk. It is
    /// neither recorded nor on its way to it any more.
    Unsynced(PieceIndex),
    /// Answer to [`Output::Finish`]: everything is synced and has its final name, or why not.
    Finished(Result<(), DiskError>),
    /// A tracker answered an announce.
    Announced {
        /// Which tracker.
        tracker: TrackerIndex,
        /// What it said.
        reply: Announced,
    },
    /// A tracker did not answer, or refused.
    AnnounceFailed {
        /// Which tracker.
        tracker: TrackerIndex,
        /// Why.
        why: NoAnswer,
    },
    /// The user or the embedding program wants something.
    Command(Command),
    /// Time has passed: [`Swarm::deadline`](crate::Swarm::deadline) is due.
    Tick,
}

/// What a front end may ask of a running swarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Request nothing and serve nothing; connections stay.
    Pause,
    /// Undo [`Command::Pause`].
    Resume,
    /// Bytes a second that may be sent to peers; `None` for no limit.
    LimitUpload(Option<u64>),
    /// Bytes a second that may be received from peers; `None` for no limit.
    LimitDownload(Option<u64>),
    /// How much these files are wanted. Numbers that no file has are ignored, and so is all of it
    /// where the files are the user's own.
    SetPriority {
        /// Numbers of files in the manifest.
        files: Vec<u32>,
        /// What holds for all of them from now on.
        priority: Priority,
    },
    /// Dial this address.
    AddPeer {
        /// The key that must answer, unknown over plain transport.
        id: Option<PeerId>,
        /// The address.
        addr: SocketAddr,
    },
    /// Ask all trackers now, as far as they allow.
    Announce,
    /// Read all pieces again and drop those that do not verify.
    Verify,
    /// Our address as others may dial it changed.
    Advertise(Option<IpAddr>),
    /// Tell trackers and peers goodbye. After this the engine asks for nothing more.
    Stop,
}

/// Blocks for a peer.
#[derive(Debug, Clone)]
pub enum Blocks {
    /// Their bytes, all of them.
    Read(Bytes),
    /// They can be sent from where they are. Answered with [`Output::SendInPlace`].
    InPlace(Whereabouts),
}

impl From<Bytes> for Blocks {
    fn from(bytes: Bytes) -> Self {
        Self::Read(bytes)
    }
}

/// What the shell needs to find bytes again, an open file for example. The engine only hands it back.
#[derive(Clone)]
pub struct Whereabouts(Arc<dyn Any + Send + Sync>);

impl Whereabouts {
    /// Hides what the shell knows.
    #[must_use]
    pub fn new(known: impl Any + Send + Sync) -> Self {
        Self(Arc::new(known))
    }

    /// What it was made of, if that was a `T`.
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Whereabouts")
    }
}

/// What the engine wants done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Open a connection. Answered by [`Input::Connected`] or [`Input::DialFailed`].
    Dial(Target),
    /// Queue a message on a connection. A shell whose queue is full ends the connection.
    Send {
        /// Where to.
        conn: ConnId,
        /// What.
        message: Message,
    },
    /// Queue a [`Message::Block`] with the bytes that are in this place.
    SendInPlace {
        /// Where to.
        conn: ConnId,
        /// Which blocks.
        run: BlockRun,
        /// Where they are.
        place: Whereabouts,
    },
    /// Queue a [`Message::Goodbye`], then end the connection. Nothing more is sent to it.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        reason: Goodbye,
    },
    /// Hash these blocks and write them to their place. Answered by [`Input::Stored`] or
    /// [`Input::StoreFailed`].
    Store {
        /// Which blocks.
        run: BlockRun,
        /// Their bytes, all of them.
        data: Bytes,
    },
    /// Read these blocks of a verified piece. Answered by [`Input::BlocksRead`].
    Read {
        /// Whom they are for.
        conn: ConnId,
        /// Which blocks.
        run: BlockRun,
    },
    /// Read a piece that we hold, and hash its blocks, for a peer that asked for the digests.
    /// Answered by [`Input::LeavesRead`].
    ReadLeaves(PieceIndex),
    /// Read a piece again because what is on the disk is in doubt. Answered by
    /// [`Input::LeavesRead`].
    Check(PieceIndex),
    /// This piece is verified: record it, after its data is synced. If that fails,
    /// [`Input::Unsynced`] follows.
    Record(PieceIndex),
    /// This piece is no longer to be trusted: take it out of the record.
    Forget(PieceIndex),
    /// Every wanted piece is verified: sync everything and give every wanted file its final name.
    /// Answered by [`Input::Finished`].
    Finish,
    /// How much each file is wanted has changed, to be remembered for a later run: one a file, none
    /// if all are [`Priority::Normal`].
    KeepPriorities(Vec<Priority>),
    /// Send this announce. Answered by [`Input::Announced`] or [`Input::AnnounceFailed`].
    Announce {
        /// To which tracker.
        tracker: TrackerIndex,
        /// What to say.
        announce: Announce,
    },
    /// The tracker lacks the manifest: put it there before the next announce.
    PutManifest {
        /// To which tracker.
        tracker: TrackerIndex,
    },
    /// Something that a user may want to know.
    Event(Event),
}

/// Something that a user may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A peer joined.
    PeerJoined {
        /// Who.
        peer: PeerId,
        /// From where.
        addr: SocketAddr,
    },
    /// A peer left, or was dropped.
    PeerLeft {
        /// Who.
        peer: PeerId,
        /// Why we closed it; `None` if the other side or the network did.
        reason: Option<Goodbye>,
    },
    /// A peer was proven to have sent bad data, or to lie about a piece, and will not be talked to
    /// again.
    PeerBanned {
        /// Who.
        peer: PeerId,
        /// For which piece.
        piece: u32,
    },
    /// Where the link or the user says that a peer is, somebody else answers. Said once an address.
    WrongKey {
        /// Where.
        addr: SocketAddr,
    },
    /// A piece did not verify and is fetched again, as far as it is bad.
    PieceCorrupt {
        /// Which.
        piece: u32,
    },
    /// The disk is full: downloading waits, uploading goes on.
    DiskFull,
    /// The disk takes data again.
    DiskRecovered,
    /// The disk failed.
    DiskFailed {
        /// In words.
        message: String,
    },
    /// A verified file was changed by somebody else.
    FileChanged {
        /// Number of the file in the manifest.
        file: u32,
    },
    /// Every wanted piece is verified, synced and under its final name.
    Completed,
    /// A tracker answers, for the first time or again.
    TrackerUp {
        /// Its place in the list.
        tracker: u32,
        /// Where it is, for people.
        name: String,
    },
    /// A tracker does not answer or refuses.
    TrackerDown {
        /// Its place in the list.
        tracker: u32,
        /// Where it is, for people.
        name: String,
    },
    /// Where a tracker should be, somebody else answers. Said once, until it answers.
    TrackerWrongKey {
        /// Its place in the list.
        tracker: u32,
        /// Where it should be, for people.
        name: String,
    },
}

/// Why a tracker gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// It could not be reached, or made no sense.
    Lost,
    /// Somebody else is in its place.
    WrongKey,
    /// It does not want to, and not to be asked again for so many seconds.
    Refused(Refusal, u32),
}

/// Where the engine puts what it wants done. The caller owns it, empties it after each call, and can
/// forget nothing.
pub type Outbox = Vec<Output>;
