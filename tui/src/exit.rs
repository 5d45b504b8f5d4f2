//! How the program ends: exit codes, and errors as the user sees them.

use std::{fmt, io, path::Path, process::ExitCode};

use swarm_node::{ErrorKind, NodeError};
use swarm_proto::{link::LinkError, manifest::ManifestError};

/// What the program's exit code means. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Anything that has no number of its own.
    Other = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// A manifest or a link is damaged or not one.
    Manifest = 3,
    /// No peers, no tracker, or no network.
    Network = 4,
    /// Bytes are not what the manifest says.
    Verification = 5,
    /// The disk is full, not writable, or broken.
    Disk = 6,
    /// Stopped before completion; the same command goes on from there.
    Stopped = 7,
    /// Another process works on the same download.
    Locked = 8,
    /// `bench --compare`: something got worse by more than the threshold.
    Slower = 9,
    /// The download is complete, and the user's program for that failed.
    Hook = 10,
    /// Interrupted, with nothing to go on from; or told a second time to stop.
    Interrupted = 130,
    /// The reader of our output went away, as if SIGPIPE had ended us.
    Pipe = 141,
}

/// The section of the help that explains the codes.
pub const HELP: &str = "\
Exit codes:
    0  done and verified
    1  another error
    2  the command line or the configuration is wrong
    3  the manifest or link is bad
    4  no peers, no tracker, or no network
    5  verification failed
    6  the disk is full, not writable, or failed; or something is in the way
    7  stopped before completion; the same command goes on from there
    8  another process works on the same download
    9  swarm bench --compare: a figure is worse by more than the threshold
   10  the download is complete, but the program of --on-complete failed
  130  interrupted by a second Ctrl-C, or where there is nothing to go on from
  141  the reader of the output went away";

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Why the program ends without having done what it was asked: what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// A word for programs.
    pub kind: &'static str,
    /// What is wrong, on one line.
    pub message: String,
    /// What to do about it, on one line.
    pub hint: Option<String>,
    /// The object on stdout says it already: programs get one object from a question.
    pub answered: bool,
}

impl Failure {
    /// A failure without advice.
    pub fn new(code: Code, kind: &'static str, message: impl Into<String>) -> Self {
        Self { code, kind, message: message.into(), hint: None, answered: false }
    }

    /// Adds what the user can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what the user can do, if nothing better is known.
    pub fn hint_if_none(mut self, hint: &str) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// A failure from a text of the libraries, which put their advice, if they have any, behind a
    /// semicolon.
    fn advised(code: Code, kind: &'static str, text: &str) -> Self {
        match text.rsplit_once("; ") {
            Some((message, hint)) => Self::new(code, kind, message).hint(hint),
            None => Self::new(code, kind, text),
        }
    }

    /// The object that was printed is the answer; nothing more is said to programs.
    pub fn answered(mut self) -> Self {
        self.answered = true;
        self
    }

    /// Something is wrong with what was typed.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, "usage", message)
    }

    /// The user stopped something that leaves nothing behind.
    pub fn interrupted() -> Self {
        Self::new(Code::Interrupted, "interrupted", "interrupted")
    }

    /// The reader of our output went away: nobody is left to be told.
    pub fn pipe() -> Self {
        Self::new(Code::Pipe, "pipe", "the reader of the output went away")
    }

    /// A fault of this program. What it said of it is on the screen.
    pub fn bug(error: impl fmt::Display) -> Self {
        Self::new(Code::Other, "bug", error.to_string())
    }

    /// The system does not give us what any program needs.
    pub fn system(error: &io::Error) -> Self {
        let failure = Self::new(Code::Other, "system", error.to_string());
        if rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MFILE) {
            return failure.hint("raise the limit with `ulimit -n`");
        }
        failure
    }

    /// A file or folder of the user's cannot be read or written.
    pub fn file(path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind as K;
        let failure =
            |code, kind, what: &str| Self::new(code, kind, format!("{}: {what}", path.display()));
        match error.kind() {
            K::NotFound => failure(Code::Other, "not_found", "no such file or folder")
                .hint("check the spelling, and the folder you are in"),
            K::PermissionDenied => failure(Code::Disk, "permission", "permission denied")
                .hint("change its permissions, or name another place"),
            K::StorageFull | K::QuotaExceeded => failure(Code::Disk, "disk_full", "no space left")
                .hint("free some space and run the same command again"),
            K::ReadOnlyFilesystem => failure(Code::Disk, "permission", "the disk is read-only")
                .hint("name another place"),
            K::AlreadyExists => failure(Code::Disk, "exists", "exists already")
                .hint("name another place, or move it away"),
            _ => failure(Code::Disk, "disk", &error.to_string()),
        }
    }

    /// An address cannot be listened on.
    pub fn listen(what: &str, addr: impl fmt::Display, error: &io::Error) -> Self {
        use io::ErrorKind as K;
        let failure = |kind, why: &str| {
            Self::new(Code::Network, kind, format!("cannot listen on {addr} {what}: {why}"))
        };
        match error.kind() {
            K::AddrInUse => failure("port_taken", "another program has the port")
                .hint("name another port, or 0 for any free one"),
            K::PermissionDenied => failure("port_forbidden", "not allowed")
                .hint("name a port above 1023, or 0 for any free one"),
            K::AddrNotAvailable => failure("address", "this machine does not have that address")
                .hint("name an address of this machine, or 0.0.0.0 or [::] for all of them"),
            _ => failure("listen", &error.to_string()),
        }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let (code, kind) = match error.kind() {
            ErrorKind::Manifest => (Code::Manifest, "manifest"),
            ErrorKind::Network => (Code::Network, "network"),
            ErrorKind::Verification => (Code::Verification, "verification"),
            ErrorKind::Disk => (Code::Disk, "disk"),
            ErrorKind::Stopped => (Code::Stopped, "stopped"),
            ErrorKind::Locked => (Code::Locked, "locked"),
            ErrorKind::Usage => (Code::Usage, "usage"),
            ErrorKind::Other => (Code::Other, "share"),
        };
        match error {
            NodeError::Io { action, ref path, ref source } => {
                let message = without_number(&error.to_string()).to_owned();
                let failure = Self::new(code, kind, message.clone());
                match source.kind() {
                    // What is not there to be read was misspelt. What cannot be made has no room here.
                    io::ErrorKind::NotFound if action != "read" => {
                        failure.hint("name another place")
                    }
                    // `-o FILE` is what other programs take.
                    io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory
                        if action == "make the folder" =>
                    {
                        failure.hint(
                            "name a folder with -o: the share appears in it under its own name",
                        )
                    }
                    _ => Self { message, ..Self::file(path, source) },
                }
            }
            NodeError::NoName { .. } => Self::advised(Code::Usage, "usage", &error.to_string()),
            NodeError::Listen { addr, source } => Self::listen("for peers", addr, &source),
            NodeError::NoManifest { tried } => {
                Self::new(code, "no_manifest", format!("no manifest: {}", who_and_why(&tried)))
                    .hint("check that it is still shared there, and that the link is whole")
            }
            NodeError::NoSuchFile { .. } => Self::new(code, kind, error.to_string())
                .hint("the same with --dry-run and without patterns lists its files"),
            NodeError::Locked { .. } => Self::new(code, kind, error.to_string())
                .hint("wait for it or stop it, or choose another folder with --output"),
            _ => Self::advised(code, kind, without_number(&error.to_string())),
        }
    }
}

/// What the system says, for people.
fn without_number(text: &str) -> &str {
    text.split_once(" (os error").map_or(text, |(words, _)| words)
}

/// `tracker a:1 and peer b:2: connection refused, peer c:3: no answer in time`, without keys, which
/// tell nobody anything, and without the system's numbers.
fn who_and_why(tried: &[(String, String)]) -> String {
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for (who, why) in tried {
        let why = without_number(why);
        let who = match (who.split_once(' '), who.split_once('@')) {
            (Some((what, _)), Some((_, address))) => format!("{what} {address}"),
            _ => who.clone(),
        };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, all)) => all.push(who),
            None => reasons.push((why, vec![who])),
        }
    }
    let reasons = reasons.iter().map(|(why, who)| {
        // As it is in the middle of a sentence.
        let system = why.starts_with("Connection") || why.starts_with("Network");
        let why = if system { why.to_lowercase() } else { (*why).to_owned() };
        format!("{}: {why}", who.join(" and "))
    });
    reasons.collect::<Vec<_>>().join(", ")
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        Self::advised(Code::Manifest, "manifest", &error.to_string())
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::advised(Code::Manifest, "link", &error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_manifest_is_named_without_keys_and_with_the_same_reason_once() {
        let refused = "Connection refused (os error 111)";
        let tried = [
            ("tracker 2b7c@192.0.2.2:7000", refused),
            ("peer brlg@[::1]:6000", refused),
            ("peer plain:c:1", "no answer in time"),
        ];
        let tried = tried.map(|(who, why)| (who.into(), why.into())).to_vec();
        let failure = Failure::from(NodeError::NoManifest { tried });
        assert_eq!(
            failure.message,
            "no manifest: tracker 192.0.2.2:7000 and peer [::1]:6000: connection refused, peer \
             plain:c:1: no answer in time"
        );
    }
}
