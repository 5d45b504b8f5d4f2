//! What a session has open, kept on the disk so that the next one goes on with it.
//!
//! ```text
//! session/lock         held while a process keeps its session here
//! session/list.json    the transfers
//! session/<id>.swarm   the manifests of those that are shared, or were added by one
//! ```
//! Every file is replaced atomically, so that a process that is killed leaves the list of a moment
//! before. A thread of its own writes: a transfer never waits for it and never fails for it.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread::{self, JoinHandle},
};

use serde::{Deserialize, Serialize};
use swarm_proto::{id::SwarmId, manifest::Manifest};

use super::{ENTRIES_MAX, Limits, Origin};
use crate::{history::unix_now, share::Policy, source::read_manifest, text::inert};

/// A list of another version is left alone.
const VERSION: u32 = 1;
/// Bytes of a list that is read: of 256 entries with the longest links and paths, twice over.
const LIST_MAX: u64 = 16 << 20;
/// Things that wait to be written. There is one when a transfer is added, changed or removed; a disk
/// that is this far behind gets the rest with the next list.
const QUEUE: usize = 64;

/// One transfer, as the next session needs to know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Memo {
    /// Name of the share, as it came.
    pub(super) name: String,
    /// The folder that it is fetched into, or what is shared.
    #[serde(with = "any_path")]
    pub(super) place: PathBuf,
    pub(super) aim: Aim,
    pub(super) origin: Origin,
    /// The link that it was added by, or that it was given.
    pub(super) link: Option<String>,
    /// Whose manifest is kept beside the list.
    pub(super) manifest: Option<SwarmId>,
    pub(super) stand: Stand,
    pub(super) policy: Policy,
    pub(super) decided: bool,
    pub(super) limits: Limits,
    pub(super) added_s: u64,
    pub(super) completed_s: Option<u64>,
    pub(super) so_far: SoFar,
}

/// What is done with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Aim {
    /// It is fetched. `begun`: something of it is on the disk.
    Get { begun: bool },
    /// It is all there. Its files need no reading while they have this print.
    Share { print: Option<String> },
}

/// What the user wants of it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stand {
    Running,
    Paused,
    /// `enough`: because it was shared for as long as was asked.
    Stopped {
        why: String,
        enough: bool,
    },
}

/// Sums over all sessions that had it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SoFar {
    /// Payload received and sent, in bytes.
    pub(super) downloaded: u64,
    pub(super) uploaded: u64,
    /// Time that it was shared on after completion, in seconds.
    pub(super) shared_s: u64,
    /// Time that it was fetched, in seconds; an older version did not keep it.
    #[serde(default)]
    pub(super) fetched_s: f64,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    version: u32,
    entries: Vec<Memo>,
}

/// Where a session is kept, by one process at a time.
#[derive(Debug)]
pub struct Memory {
    folder: PathBuf,
    /// What the session before had open.
    pub(super) earlier: Vec<Memo>,
    lock: File,
}

/// What a session begins with; by default with nothing, and nothing of it is kept.
#[derive(Debug, Default)]
pub struct Earlier {
    /// Where it goes on and is kept.
    pub memory: Option<Memory>,
    /// What the user should know of that, in a sentence.
    pub warning: Option<String>,
}

impl Earlier {
    /// Takes the folder and reads what is in it. If another process has it, or it cannot be used,
    /// nothing is kept. Blocks.
    pub fn open(folder: &Path) -> Self {
        match Memory::open(folder) {
            Ok((memory, warning)) => Self { memory: Some(memory), warning },
            Err(why) => Self { memory: None, warning: Some(why) },
        }
    }
}

impl Memory {
    /// The second value is a warning. An error says why nothing is kept.
    fn open(folder: &Path) -> Result<(Self, Option<String>), String> {
        let failed = |error: io::Error| {
            format!("{}: {error}; what is open is not kept", inert(&folder.display().to_string()))
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        // A file system without locks is no reason to forget everything.
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err("another swarm tui has the transfers of the last session; \
                        this one begins with none, and they are not kept"
                .into());
        }
        let mut memory = Self { folder: folder.to_owned(), earlier: Vec::new(), lock };
        let warning = match memory.read() {
            Ok(list) => {
                memory.earlier = list;
                None
            }
            Err(Unread::Newer) => {
                return Err("a newer version of swarm has kept the last session; \
                            this one begins with nothing, and is not kept"
                    .into());
            }
            Err(Unread::Io(error)) => return Err(failed(error)),
            Err(Unread::Damaged) => {
                let aside = folder.join(format!("list.json.damaged-{}", unix_now()));
                fs::rename(memory.list(), &aside).map_err(failed)?;
                let aside = inert(&aside.display().to_string());
                Some(format!("the list of the last session was damaged; it is now {aside}"))
            }
        };
        if warning.is_none() {
            memory.sweep();
        }
        Ok((memory, warning))
    }

    fn list(&self) -> PathBuf {
        self.folder.join("list.json")
    }

    fn read(&self) -> Result<Vec<Memo>, Unread> {
        let file = match File::open(self.list()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Unread::Io(error)),
        };
        let mut text = Vec::new();
        file.take(LIST_MAX + 1).read_to_end(&mut text).map_err(Unread::Io)?;
        if text.len() as u64 > LIST_MAX {
            return Err(Unread::Damaged);
        }
        #[derive(Deserialize)]
        struct Any {
            version: u32,
        }
        let any: Any = serde_json::from_slice(&text).map_err(|_| Unread::Damaged)?;
        if any.version > VERSION {
            return Err(Unread::Newer);
        }
        let list: List = serde_json::from_slice(&text).map_err(|_| Unread::Damaged)?;
        Ok(list.entries.into_iter().take(ENTRIES_MAX).collect())
    }

    /// Removes the manifests that no entry needs any more, and what a process that was killed left.
    fn sweep(&self) {
        let needed: Vec<PathBuf> =
            self.earlier.iter().filter_map(|memo| memo.manifest).map(|id| self.file(id)).collect();
        let Ok(found) = fs::read_dir(&self.folder) else { return };
        for path in found.flatten().map(|entry| entry.path()) {
            let ours = path.extension().is_some_and(|ext| ext == "swarm" || ext == "part");
            if ours && !needed.contains(&path) {
                // What stays takes room and does no harm.
                let _ = fs::remove_file(path);
            }
        }
    }

    fn file(&self, id: SwarmId) -> PathBuf {
        self.folder.join(format!("{id}.swarm"))
    }

    /// The manifest that is kept of a share. Blocks.
    pub(super) fn manifest(&self, id: SwarmId) -> Option<Manifest> {
        read_manifest(&self.file(id)).ok().filter(|manifest| manifest.id() == id)
    }

    /// Begins to write. `warn` is told the first thing that goes wrong.
    pub(super) fn start(self, warn: impl Fn(String) + Send + 'static) -> Writer {
        let (notes, inbox) = mpsc::sync_channel(QUEUE);
        let thread = thread::spawn(move || self.run(&inbox, &warn));
        Writer { notes, thread }
    }

    fn run(self, inbox: &Receiver<Note>, warn: &dyn Fn(String)) {
        let mut warned = false;
        for note in inbox {
            let written = match note {
                Note::List(entries) => serde_json::to_vec(&List { version: VERSION, entries })
                    .map_err(io::Error::other)
                    .and_then(|text| self.replace(&self.list(), &text)),
                Note::Manifest(manifest) => {
                    let file = self.file(manifest.id());
                    if file.exists() { Ok(()) } else { self.replace(&file, &manifest.encode()) }
                }
            };
            if let Err(error) = written
                && !std::mem::replace(&mut warned, true)
            {
                let folder = inert(&self.folder.display().to_string());
                warn(format!("{folder}: {error}; the next session may not know what is open now"));
            }
        }
        // Only now may another process have it.
        drop(self.lock);
    }

    /// Writes a file so that it is the old or the new one, whatever happens.
    fn replace(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let part = file.with_extension("part");
        let mut new = File::create(&part)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        fs::rename(&part, file)?;
        File::open(&self.folder)?.sync_all()
    }
}

/// Why there is no list.
enum Unread {
    Damaged,
    Newer,
    Io(io::Error),
}

enum Note {
    List(Vec<Memo>),
    Manifest(Arc<Manifest>),
}

/// The end of the writing thread that the owner of a session holds.
#[derive(Debug)]
pub(super) struct Writer {
    notes: SyncSender<Note>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Keeps this list. Whether it will be written; if not, another one may later.
    pub(super) fn list(&self, entries: Vec<Memo>) -> bool {
        self.notes.try_send(Note::List(entries)).is_ok()
    }

    /// Keeps a manifest. What is lost costs the next session time, and nothing else.
    pub(super) fn manifest(&self, manifest: Arc<Manifest>) {
        let _ = self.notes.try_send(Note::Manifest(manifest));
    }

    /// Keeps the last list, and waits until it is written. Blocks.
    pub(super) fn close(self, last: Vec<Memo>) {
        let _ = self.notes.send(Note::List(last));
        drop(self.notes);
        // If it has panicked, what it said is on the terminal.
        let _ = self.thread.join();
    }
}

/// A path as text where it is text, else as bytes.
mod any_path {
    use std::{
        ffi::OsString,
        os::unix::ffi::{OsStrExt, OsStringExt},
        path::{Path, PathBuf},
    };

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Any {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => text.serialize(to),
            None => path.as_os_str().as_bytes().serialize(to),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(match Any::deserialize(from)? {
            Any::Text(text) => text.into(),
            Any::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    use super::*;

    fn memo(name: &str) -> Memo {
        Memo {
            name: name.into(),
            place: format!("/data/{name}").into(),
            aim: Aim::Share { print: Some("3333".into()) },
            origin: Origin::Downloaded,
            link: Some("swarm:?id=a".into()),
            manifest: Some(SwarmId::new([7; 32])),
            stand: Stand::Stopped { why: "time is up".into(), enough: true },
            policy: Policy::Ratio(2.0),
            decided: true,
            limits: Limits { up: Some(5), down: None },
            added_s: 1,
            completed_s: Some(2),
            so_far: SoFar { downloaded: 3, uploaded: 4, shared_s: 5, fetched_s: 6.5 },
        }
    }

    fn keep(folder: &Path, memos: Vec<Memo>) {
        let (memory, _) = Memory::open(folder).unwrap();
        memory.start(|text| panic!("{text}")).close(memos);
    }

    #[test]
    fn what_is_kept_is_there_again_whatever_it_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("home/session");
        let odd = Memo {
            place: OsString::from_vec(b"/data/\xff".to_vec()).into(),
            aim: Aim::Get { begun: true },
            stand: Stand::Paused,
            ..memo("odd")
        };
        keep(&folder, vec![memo("a"), odd.clone()]);
        let (memory, warning) = Memory::open(&folder).unwrap();
        assert_eq!((memory.earlier.as_slice(), warning), (&[memo("a"), odd][..], None));
    }

    #[test]
    fn a_second_process_gets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let first = Memory::open(dir.path()).unwrap();
        assert!(Memory::open(dir.path()).unwrap_err().starts_with("another swarm tui"));
        drop(first);
        assert!(Memory::open(dir.path()).is_ok());
    }

    #[test]
    fn a_damaged_list_is_set_aside_and_a_newer_one_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("list.json");
        for damaged in ["", "{\"version\":1,\"entr", "{\"version\":1,\"entries\":[{}]}"] {
            fs::write(&list, damaged).unwrap();
            let (memory, warning) = Memory::open(dir.path()).unwrap();
            assert!(memory.earlier.is_empty());
            assert!(warning.unwrap().contains("damaged; it is now "));
            assert!(!list.exists());
        }
        fs::write(&list, "{\"version\":2,\"more\":1}").unwrap();
        assert!(Memory::open(dir.path()).unwrap_err().starts_with("a newer version"));
        assert!(list.exists());
    }

    #[test]
    fn manifests_go_with_their_entries() {
        let dir = tempfile::tempdir().unwrap();
        let kept = SwarmId::new([7; 32]);
        let names = [format!("{kept}.swarm"), "other.swarm".into(), "x.part".into()];
        names.iter().for_each(|name| fs::write(dir.path().join(name), "").unwrap());
        keep(dir.path(), vec![memo("a")]);
        names.iter().for_each(|name| fs::write(dir.path().join(name), "").unwrap());
        let (memory, _) = Memory::open(dir.path()).unwrap();
        let there: Vec<_> = names.iter().map(|name| dir.path().join(name).exists()).collect();
        assert_eq!(there, [true, false, false]);
        assert_eq!(memory.manifest(kept), None, "it is no manifest");
    }
}
