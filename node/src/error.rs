//! Why something could not be done, in words that say what to do about it.

use std::{io, net::SocketAddr, path::PathBuf};

use swarm_engine::DiskError;
use swarm_proto::{geometry::GeometryError, manifest::ManifestError, path::NameError};

/// Whose fault it is, as far as a caller treats it differently. The program's exit codes follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The manifest or link cannot be used.
    Manifest,
    /// No peer or tracker could be reached, or an address cannot be used.
    Network,
    /// Bytes are not what the manifest says.
    Verification,
    /// A file or folder cannot be read or written, or is in the way.
    Disk,
    /// Stopped on request; what was done is kept.
    Stopped,
    /// Another process works on the same download.
    Locked,
    /// What the caller asked for does not fit the share.
    Usage,
    /// Anything else.
    Other,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The share cannot have a manifest, or bytes are none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The share is too large for the piece length.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// A file or folder could not be read, written or made.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A name of the share that a manifest may not hold.
    #[error("cannot share {}: {source}; rename it", path.display())]
    Name {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with its name.
        source: NameError,
    },
    /// Names in a share that a manifest may not hold.
    #[error("cannot share {}: {}", path.display(), bad_names(.first, *.count))]
    Names {
        /// The folder.
        path: PathBuf,
        /// What is wrong with the first few.
        first: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// A share without a name: the root of the file system.
    #[error("cannot share {}: it has no name; give it one with --name", path.display())]
    NoName {
        /// The folder.
        path: PathBuf,
    },
    /// A name in a manifest that could pose as one of our own files.
    #[error(
        "the share holds the name {name:?}, which is kept for unfinished downloads; it is not fetched"
    )]
    ReservedName {
        /// The name.
        name: String,
    },
    /// A pattern for files that fits none of the share.
    #[error("no file of the share fits '{pattern}'")]
    NoSuchFile {
        /// As the user wrote it.
        pattern: String,
    },
    /// Nothing is left of the share to fetch.
    #[error("every file is left out")]
    NothingSelected,
    /// Something in a share that is neither file nor folder.
    #[error("cannot share {}: it is {what}; move it out of the share", path.display())]
    NotAFile {
        /// What is in the way.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A folder in a list of files.
    #[error("cannot share {}: it is a folder, and a list names files; `find DIR -type f` lists those in a folder", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A symbolic link in a share, without consent to follow it.
    #[error("cannot share {}: it is a symbolic link; use --follow-symlinks to share what it points to", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// A folder without a file.
    #[error("nothing to share: {} holds no file; put one into it or name another folder", path.display())]
    NothingToShare {
        /// The folder.
        path: PathBuf,
    },
    /// A file was changed while it was hashed.
    #[error("{} changed while it was read; try again when nothing writes to it", path.display())]
    ChangedWhileReading {
        /// The file.
        path: PathBuf,
    },
    /// A file to be shared is not the one that the manifest describes.
    #[error("{} is not what the manifest says: {why}; run `swarm verify` to see what differs", path.display())]
    Differs {
        /// The file or folder.
        path: PathBuf,
        /// What is different.
        why: String,
    },
    /// Something that is not ours is where a file has to go.
    #[error("{} exists and is something else; move it away or choose another folder with --output", path.display())]
    TargetExists {
        /// What is in the way. It has not been changed.
        path: PathBuf,
    },
    /// Another process works on the same download.
    #[error("another process works on this download (lock {})", path.display())]
    Locked {
        /// The lock that it holds.
        path: PathBuf,
    },
    /// What is downloaded could not be put in its place.
    #[error("{0}")]
    Disk(String),
    /// The process may open too few files to do anything useful.
    #[error(
        "only {limit} files may be open at a time, {needed} are needed; raise it with `ulimit -n`"
    )]
    FewDescriptors {
        /// The limit in force.
        limit: u64,
        /// The least that will do.
        needed: u64,
    },
    /// Peers cannot be accepted on the address.
    #[error("cannot listen on {addr}: {source}{}", listen_hint(.source))]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A tracker or peer that was named cannot be used by this node.
    #[error("cannot use {endpoint}: {why}")]
    Endpoint {
        /// As it was named.
        endpoint: String,
        /// Why not, and what to do.
        why: String,
    },
    /// Nobody who was asked has the manifest.
    #[error("{}", no_manifest(.tried))]
    NoManifest {
        /// Who was asked, and what came of it.
        tried: Vec<(String, String)>,
    },
    /// This node has the swarm already.
    #[error("this share is already being seeded or fetched here")]
    AlreadyRunning,
    /// The caller stopped it.
    #[error("stopped")]
    Stopped,
}

impl NodeError {
    /// Whose fault it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Manifest(_) | Self::Geometry(_) | Self::ReservedName { .. } => {
                ErrorKind::Manifest
            }
            Self::Io { .. }
            | Self::ChangedWhileReading { .. }
            | Self::TargetExists { .. }
            | Self::Disk(_)
            | Self::FewDescriptors { .. } => ErrorKind::Disk,
            Self::Differs { .. } => ErrorKind::Verification,
            Self::Locked { .. } => ErrorKind::Locked,
            Self::Stopped => ErrorKind::Stopped,
            Self::NoSuchFile { .. } | Self::NothingSelected => ErrorKind::Usage,
            Self::Listen { .. } | Self::Endpoint { .. } | Self::NoManifest { .. } => {
                ErrorKind::Network
            }
            Self::AlreadyRunning
            | Self::Name { .. }
            | Self::Names { .. }
            | Self::NoName { .. }
            | Self::NotAFile { .. }
            | Self::Folder { .. }
            | Self::Symlink { .. }
            | Self::NothingToShare { .. } => ErrorKind::Other,
        }
    }

    /// A disk error that the engine has no part in.
    pub(crate) fn disk(error: DiskError) -> Self {
        Self::Disk(match error {
            DiskError::NoSpace => "no space is left on the disk".into(),
            DiskError::Changed => "a file was changed by somebody else".into(),
            DiskError::Failed(why) => why,
        })
    }

    /// For `map_err`: what was tried on which path.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

fn bad_names(first: &[String], count: usize) -> String {
    let more = count.saturating_sub(first.len());
    let names = match (first, more) {
        ([only], 0) => return format!("{only}; rename it"),
        (_, 0) => first.join(", "),
        (_, more) => format!("{}, and {more} more", first.join(", ")),
    };
    format!("{count} names in it: {names}; rename them, or share an archive of the folder")
}

fn listen_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program has the port, port 0 picks a free one",
        io::ErrorKind::AddrNotAvailable => "; it is not an address of this machine",
        io::ErrorKind::PermissionDenied => "; ports below 1024 are for root, choose a higher one",
        _ => "",
    }
}

fn no_manifest(tried: &[(String, String)]) -> String {
    if tried.is_empty() {
        return "nobody to ask for the manifest: the link names no tracker and no peer; \
                name one with --tracker or --peer"
            .into();
    }
    let tried: Vec<_> = tried.iter().map(|(who, why)| format!("{who}: {why}")).collect();
    format!("no manifest found; {}", tried.join("; "))
}
