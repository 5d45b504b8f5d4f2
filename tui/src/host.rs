//! One process that carries any number of transfers, and what a front end sees of it.
//!
//! A front end gives [`Order`]s and is shown [`Session`]s and [`Remark`]s: plain data that can be
//! written down and sent, so that it need not live in the same process.

mod attempt;
mod completion;
mod ending;
mod held;
mod lost;
mod memory;
mod orders;
mod restore;
mod run;
mod stopwatch;
#[cfg(test)]
mod tests;
mod unchanged;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use swarm_node::{Command, Snapshot};
use swarm_proto::{geometry::PieceIndex, id::SwarmId, manifest::Manifest};

pub use self::{
    lost::Lost,
    memory::Earlier,
    run::{Host, Setup},
};
use crate::share::Policy;

/// Entries of a session. Each has a task, a store and up to 80 connections, and the screen goes
/// through all of them ten times a second; who has more to share runs a second process.
pub const ENTRIES_MAX: usize = 256;

/// Names an entry. A session never gives a number twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct EntryId(pub u64);

/// What a front end may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Fetch what a link names.
    AddLink {
        /// The link, as it was typed or pasted.
        link: String,
        /// The folder that the share appears in, if not the usual one.
        output: Option<PathBuf>,
    },
    /// Fetch what a manifest file describes.
    AddManifest {
        /// The `.swarm` file.
        path: PathBuf,
        /// The folder that the share appears in, if not the usual one.
        output: Option<PathBuf>,
    },
    /// Share a file or folder.
    AddPath {
        /// Which.
        path: PathBuf,
    },
    /// End a transfer and take it off the list.
    Remove {
        /// Which.
        id: EntryId,
        /// Delete its data too.
        delete: bool,
    },
    /// End a transfer and leave it on the list.
    Stop(EntryId),
    /// Begin again with one that failed or was stopped.
    Start(EntryId),
    /// Ask the engine of one transfer for something.
    Engine {
        /// Which.
        id: EntryId,
        /// What.
        command: Command,
    },
    /// Ask the engines of all transfers, and of those to come if it is a limit.
    All(Command),
    /// How long a download is shared on.
    Share {
        /// Which.
        id: EntryId,
        /// For so long, counted from its completion.
        policy: Policy,
    },
}

/// Everything that a front end shows, but for what was said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The transfers, in the order they were added.
    pub entries: Vec<Arc<Entry>>,
    /// Where peers are accepted.
    pub listen: Option<SocketAddr>,
    /// The tracker of this process as others dial it, if it runs one.
    pub tracker: Option<String>,
    /// Where downloads appear.
    pub output: PathBuf,
    /// Limits that a new transfer gets.
    pub limits: Limits,
}

/// Bytes a second that one transfer may move; `None` for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Sent to peers.
    pub up: Option<u64>,
    /// Received from peers.
    pub down: Option<u64>,
}

/// One transfer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// The share's name, as it came; the id's start while no name is known.
    pub name: String,
    /// Where it is or will be on the disk.
    pub path: PathBuf,
    /// What others fetch it with, once that is known.
    pub link: Option<String>,
    /// Whose it is.
    pub origin: Origin,
    /// It is shared as the user's own, and was fetched to its place at some time before.
    pub fetched: bool,
    /// How far it is on its way to running.
    pub phase: Phase,
    /// What is in it, once the manifest is here.
    pub share: Option<Arc<Share>>,
    /// The engine's latest news, once it runs.
    pub snapshot: Option<Arc<Snapshot>>,
    /// For how long it is shared after completion.
    pub policy: Policy,
    /// The user need not be asked for how long: it was said, or it is not finished yet.
    pub decided: bool,
    /// Its limits.
    pub limits: Limits,
    /// When it was added, in seconds since 1970.
    pub added_s: u64,
    /// When everything was verified and in place, in seconds since 1970; not if it was from the
    /// start.
    pub completed_s: Option<u64>,
    /// How long it was fetched until then, in seconds, without the time in which it was held.
    pub took_s: Option<f64>,
    /// Payload received before this run of it, in bytes.
    pub received_before: u64,
    /// Payload sent before this run of it, in bytes.
    pub sent_before: u64,
    /// How many peers sent something to us or took something from us.
    pub met: u32,
    /// The user's program for its completion runs.
    pub hooked: bool,
}

impl Entry {
    /// The path of the file of this number in the share, once that is known.
    pub fn path_of(&self, file: usize) -> Option<String> {
        self.share.as_ref()?.files.get(file).map(|file| file.path.join("/"))
    }
}

/// Whose files they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// They were on this machine before.
    Own,
    /// They came from others.
    Downloaded,
}

/// How far a transfer is on its way to running, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Somebody is looked for who has the manifest.
    Finding {
        /// Why nobody gave it yet, once that is known.
        trouble: Option<String>,
    },
    /// Files are read to make or to check a manifest.
    Hashing {
        /// Bytes done.
        done: u64,
        /// Bytes in all, once known.
        total: u64,
    },
    /// The engine runs; its state is in the snapshot.
    Running,
    /// It ended, and can be begun again.
    Stopped {
        /// Why, after "stopped: ".
        why: String,
    },
    /// It could not go on, and can be tried again.
    Failed {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// What a manifest says, for people. All names are as they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The swarm's id.
    pub swarm: SwarmId,
    /// Length of a piece in bytes.
    pub piece_length: u32,
    /// Pieces in all.
    pub pieces: u32,
    /// Bytes in all.
    pub bytes: u64,
    /// The files, in the order of the manifest.
    pub files: Vec<ShareFile>,
    /// A note of whoever made it; may be empty.
    pub comment: String,
}

/// One file of a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareFile {
    /// Its path in the share; empty if the share is this one file.
    pub path: Vec<String>,
    /// Its length in bytes.
    pub length: u64,
    /// Its first piece. Pieces never span files.
    pub first_piece: u32,
    /// Its pieces.
    pub pieces: u32,
}

impl Share {
    /// What the manifest says.
    pub fn of(manifest: &Manifest) -> Self {
        let geometry = manifest.geometry();
        let files = geometry.files().map(|index| {
            let file = manifest.file(index);
            let mut pieces = geometry.file_pieces(index);
            ShareFile {
                path: file.path.components().map(str::to_owned).collect(),
                length: file.length,
                pieces: pieces.len() as u32,
                first_piece: pieces.next().map_or(0, PieceIndex::get),
            }
        });
        Self {
            swarm: manifest.id(),
            piece_length: geometry.piece_length(),
            pieces: geometry.piece_count(),
            bytes: geometry.total_bytes(),
            files: files.collect(),
            comment: manifest.extras().comment.clone(),
        }
    }
}

/// Something said of a transfer, or of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Which transfer, if it is of one.
    pub entry: Option<EntryId>,
    /// It is a warning.
    pub warn: bool,
    /// One line, as it came.
    pub text: String,
}
