//! `swarm get -o -`: a file on stdout, verified and in order, while it arrives.
//!
//! The pieces come from a working folder that is removed at the end: a reader that is slower than the
//! network costs space there and no memory. At most three pieces are held: one that is being read,
//! one that waits, and one that is being written.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
    thread,
    time::{Duration, SystemTime},
};

use rustix::fs::{FlockOperation, flock};
use swarm_node::Transfer;
use swarm_proto::manifest::Manifest;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use crate::{
    args::GetArgs, config::Origin, context::Context, exit::Failure, history::Journal,
    output::stdout_failure, room, share::Policy,
};

/// If the user wants a stream: makes the folder for the data, which goes away with its guard, and sets
/// what follows from that. Nothing stays, so nothing is shared on, kept in the history or handed to a
/// program of the user's.
pub fn prepare(cx: &mut Context, args: &GetArgs) -> Result<Option<Folder>, Failure> {
    let settings = &mut cx.settings;
    // A folder of that name can be named `./-`.
    if settings.output.value != Path::new("-") {
        return Ok(None);
    }
    if cx.console.is_json() {
        return Err(Failure::usage("with -o - stdout is for the file, and --json needs it too")
            .hint("leave one of them out"));
    }
    if !(args.only.is_empty() && args.skip.is_empty()) {
        return Err(Failure::usage("with -o - there is one file, and nothing to choose from")
            .hint("leave out --only and --skip, or name a folder with -o"));
    }
    // What a configuration says is meant for downloads that stay.
    if settings.seed.origin == Origin::Flag && settings.seed.value != Policy::Never {
        return Err(Failure::usage("with -o - nothing stays that could be shared on")
            .hint("leave out --seed, or name a folder with -o"));
    }
    if settings.on_complete.origin == Origin::Flag && !settings.on_complete.value.is_empty() {
        return Err(Failure::usage("with -o - nothing stays that a program could be run for")
            .hint("leave out --on-complete, or name a folder with -o"));
    }
    let parent = std::env::temp_dir();
    sweep(&parent, SystemTime::now());
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent);
    let folder = folder.map_err(|error| Failure::file(&parent, &error).hint(ELSEWHERE))?;
    let lock = File::open(folder.path()).and_then(|lock| flock_of(&lock).map(|()| lock));
    // A file system without locks is no reason not to stream.
    let folder = Folder { dir: folder, _lock: lock.ok() };
    settings.output.value = folder.dir.path().to_owned();
    settings.seed.value = Policy::Never;
    settings.on_complete.value.clear();
    cx.history = Journal::start(None, |_| {});
    Ok(Some(folder))
}

/// The folder of a stream. It is ours as long as we hold its lock.
#[derive(Debug)]
pub struct Folder {
    dir: TempDir,
    _lock: Option<File>,
}

/// How the folders of streams are called.
const PREFIX: &str = "swarm-get-";
/// One that is younger may not be locked yet by who has just made it.
const STALE: Duration = Duration::from_secs(60);

/// Removes what streams have left that were killed or forced to end.
fn sweep(parent: &Path, now: SystemTime) {
    let Ok(found) = fs::read_dir(parent) else { return };
    for entry in found.flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PREFIX)) && is_stale(&entry, now) {
            // What cannot be removed is somebody else's affair.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a folder is the user's and nobody has it any more. A link, which anybody may put into a
/// common folder, is none.
fn is_stale(entry: &fs::DirEntry, now: SystemTime) -> bool {
    let Ok(meta) = entry.metadata() else { return false };
    let old =
        meta.modified().is_ok_and(|then| now.duration_since(then).is_ok_and(|age| age >= STALE));
    let ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
    ours && old && File::open(entry.path()).is_ok_and(|folder| flock_of(&folder).is_ok())
}

fn flock_of(folder: &File) -> io::Result<()> {
    Ok(flock(folder, FlockOperation::NonBlockingLockExclusive)?)
}

const ELSEWHERE: &str = "name another folder in TMPDIR, or one to fetch into with -o";

/// Refuses a share that is not a file, or does not fit.
pub fn check(manifest: &Manifest, folder: &Folder) -> Result<(), Failure> {
    match manifest.info().files.as_slice() {
        [file] if file.path.is_empty() => {}
        _ => {
            return Err(Failure::usage("the share is a folder, and -o - writes a single file")
                .hint("name a folder to fetch into with -o"));
        }
    }
    room::check_copies(folder.dir.path(), manifest, 1, ELSEWHERE)
}

/// Writes every piece as soon as it and all before it are verified. Returns when all is written.
pub async fn to_stdout(transfer: &Transfer) -> Result<(), Failure> {
    let mut writer = Writer::start().map_err(|error| stdout_failure(&error))?;
    for piece in transfer.manifest().geometry().pieces() {
        writer.write(transfer.read(piece).await?).await?;
    }
    writer.finish().await
}

/// A failure as it is where nothing is left to go on from.
pub fn without_rest(failure: Failure) -> Failure {
    match failure.kind {
        "stopped" => Failure::interrupted(),
        "no_peers" => failure.hint(
            "check that somebody shares it and can be reached; --timeout sets how long to wait",
        ),
        "disk" => failure.hint(ELSEWHERE),
        _ => failure,
    }
}

/// A thread that writes, since a reader may take as long as it likes. It is left behind when the
/// program ends before it: what hangs in it is the reader's affair.
struct Writer {
    pieces: mpsc::Sender<Vec<u8>>,
    end: oneshot::Receiver<io::Result<()>>,
}

impl Writer {
    fn start() -> io::Result<Self> {
        // A file of our own: the standard one looks for ends of lines.
        let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let (pieces, mut inbox) = mpsc::channel::<Vec<u8>>(1);
        let (say, end) = oneshot::channel();
        thread::Builder::new().name("stdout".into()).spawn(move || {
            let mut written = Ok(());
            while written.is_ok()
                && let Some(bytes) = inbox.blocking_recv()
            {
                written = stdout.write_all(&bytes);
            }
            // Nobody listens if the program ends for another reason.
            let _ = say.send(written);
        })?;
        Ok(Self { pieces, end })
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        match self.pieces.send(bytes).await {
            Ok(()) => Ok(()),
            // The thread has ended early, and says why.
            Err(_) => ended((&mut self.end).await),
        }
    }

    async fn finish(self) -> Result<(), Failure> {
        let Self { pieces, end } = self;
        drop(pieces);
        ended(end.await)
    }
}

fn ended(end: Result<io::Result<()>, oneshot::error::RecvError>) -> Result<(), Failure> {
    match end {
        Ok(written) => written.map_err(|error| stdout_failure(&error)),
        // The thread does not panic.
        Err(error) => Err(Failure::bug(error)),
    }
}
