//! Writing the history while transfers go on.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use swarm_node::{Snapshot, State, Transfer};

use super::{End, HistoryError, Keeper, Role, Run, Store, everywhere, tally::Tally, unix_now};

/// Runs that wait to be written. Each transfer adds one each half minute; a writer that is this far
/// behind is stuck, and the next figures hold those that are lost.
const QUEUE: usize = 1024;
/// How long the end of the program waits for the last rows: longer than for a process that is just
/// writing, shorter than the patience of whoever ended it.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// A run, for the writer. Each has all that is known, so that any of them may be lost.
struct Note {
    key: u64,
    run: Box<Run>,
    /// Nothing will come after it.
    last: bool,
}

/// The thread that writes the history. Dropping it waits for what is still to be written.
#[derive(Debug)]
pub struct Journal {
    notes: Option<SyncSender<Note>>,
    /// Nothing comes from it; it ends with the thread. Locked by nobody but the drop, so that a journal
    /// can be shared.
    closed: Mutex<Receiver<()>>,
    keys: AtomicU64,
}

impl Journal {
    /// Writes to this file, or nowhere. `warn` is told the first thing that goes wrong, and that a
    /// damaged file was set aside; nothing else comes of it.
    pub fn start(
        path: Option<PathBuf>,
        warn: impl Fn(fmt::Arguments<'_>) + Send + 'static,
    ) -> Self {
        let (close, closed) = mpsc::sync_channel::<()>(0);
        let notes = path.map(|path| {
            let (notes, inbox) = mpsc::sync_channel(QUEUE);
            thread::spawn(move || {
                // Its end is what tells that all is written.
                let _close = close;
                let mut writer =
                    Writer { path, store: None, rows: HashMap::new(), warned: false, warn };
                inbox.into_iter().for_each(|note| writer.write(&note));
            });
            notes
        });
        Self { notes, closed: Mutex::new(closed), keys: AtomicU64::new(0) }
    }

    /// A transfer begins. `link` is what others fetch it with.
    pub fn begin(&self, transfer: &Transfer, role: Role, link: &str) -> Record {
        let (manifest, bytes_have) =
            (transfer.manifest(), transfer.snapshots().borrow().bytes_have);
        let resumed = if role == Role::Get { bytes_have } else { 0 };
        let now = unix_now();
        let run = Run {
            swarm: transfer.id(),
            name: manifest.info().name.clone(),
            role,
            path: everywhere(transfer.path()),
            link: link.to_owned(),
            bytes: manifest.geometry().total_bytes(),
            bytes_have,
            resumed,
            started: now,
            updated: now,
            seconds: 0.0,
            completed: None,
            end: End::Running,
            downloaded: 0,
            uploaded: 0,
            from_seeds: 0,
            duplicate: 0,
            corrupt: 0,
            down_peak: 0,
            up_peak: 0,
            peers_from: 0,
            peers_to: 0,
            keeper: Keeper::here(),
        };
        self.record(run)
    }

    fn record(&self, run: Run) -> Record {
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        let (tally, notes) = (Tally::new(run), self.notes.clone());
        let record = Record { key, tally, begun: Instant::now(), notes, complete: false };
        record.send(false);
        record
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.notes.take().is_some() {
            // Nothing is ever sent here: the writer's end is what is waited for. What is not
            // written by then is lost, and its row looks like that of a process that was killed.
            let closed = self.closed.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = closed.recv_timeout(CLOSE_MAX);
        }
    }
}

/// One transfer's entry in the history. Dropping it says that it failed; [`Record::end`] says better.
#[derive(Debug)]
pub struct Record {
    key: u64,
    tally: Tally,
    begun: Instant,
    notes: Option<SyncSender<Note>>,
    /// Everything was there when it was last looked at.
    complete: bool,
}

impl Record {
    /// Takes in a snapshot. Cheap: to be called with each.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        self.complete = snapshot.state == State::Seeding;
        if self.tally.observe(self.begun.elapsed(), snapshot) {
            self.tally.run.updated = unix_now();
            self.send(false);
        }
    }

    /// The transfer ended as the user wanted, with everything there or not.
    pub fn end(mut self, last: &Snapshot) {
        // A transfer that was stopped says so, and no longer whether it was complete.
        let complete = self.complete || last.bytes_have >= last.bytes_wanted;
        self.tally.observe(self.begun.elapsed(), last);
        self.close(if complete { End::Done } else { End::Stopped });
    }

    fn close(&mut self, end: End) {
        (self.tally.run.updated, self.tally.run.end) = (unix_now(), end);
        self.send(true);
        self.notes = None;
    }

    fn send(&self, last: bool) {
        if let Some(notes) = &self.notes {
            let run = Box::new(self.tally.run.clone());
            // A full queue is a writer that is stuck, and it has said why.
            let _ = notes.try_send(Note { key: self.key, run, last });
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.notes.is_some() {
            self.close(End::Failed);
        }
    }
}

/// What the thread owns.
struct Writer<W> {
    path: PathBuf,
    store: Option<Store>,
    /// The rows of the runs that go on.
    rows: HashMap<u64, i64>,
    warned: bool,
    warn: W,
}

impl<W: Fn(fmt::Arguments<'_>)> Writer<W> {
    fn write(&mut self, note: &Note) {
        let mut written = self.try_write(note);
        if matches!(written, Err(HistoryError::Damaged)) {
            // It became so since it was opened: opened again, it is set aside.
            self.store = None;
            written = self.try_write(note);
        }
        if let Err(error) = written
            && !std::mem::replace(&mut self.warned, true)
        {
            (self.warn)(format_args!("history {}: {error}; it is not kept", show(&self.path)));
        }
    }

    fn try_write(&mut self, note: &Note) -> Result<(), HistoryError> {
        if self.store.as_ref().is_some_and(Store::is_gone) {
            self.store = None;
        }
        if self.store.is_none() {
            let (store, aside) = Store::open(&self.path)?;
            if let Some(aside) = aside {
                let (path, aside) = (show(&self.path), show(&aside));
                (self.warn)(format_args!("history {path}: damaged; it is now {aside}"));
            }
            // Rows of another file.
            self.rows.clear();
            self.store = Some(store);
        }
        let Some(store) = &mut self.store else { return Ok(()) };
        let row = store.put(self.rows.get(&note.key).copied(), &note.run)?;
        if note.last {
            self.rows.remove(&note.key);
        } else {
            self.rows.insert(note.key, row);
        }
        Ok(())
    }
}

fn show(path: &Path) -> String {
    crate::text::inert(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::PermissionsExt,
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::{history::tests::run, output::sample};

    /// A journal, and what it said.
    fn journal(path: &Path) -> (Journal, Arc<Mutex<Vec<String>>>) {
        let said = Arc::<Mutex<Vec<String>>>::default();
        let warnings = Arc::clone(&said);
        let warn = move |text: fmt::Arguments<'_>| warnings.lock().unwrap().push(text.to_string());
        (Journal::start(Some(path.into()), warn), said)
    }

    fn ends(path: &Path) -> Vec<End> {
        let (store, _) = Store::open(path).unwrap();
        store.runs().unwrap().iter().map(|run| run.end).collect()
    }

    #[test]
    fn a_run_is_written_at_its_start_and_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let (journal, said) = journal(&path);
        let (mut done, stopped) = (journal.record(run("a")), journal.record(run("b")));
        let dropped = journal.record(run("c"));
        let mut killed = journal.record(run("d"));
        done.observe(&sample::seeding());
        done.end(&sample::seeding());
        stopped.end(&sample::downloading());
        drop(dropped);
        killed.notes = None;
        drop(killed);
        drop(journal);
        assert_eq!(ends(&path), [End::Running, End::Failed, End::Stopped, End::Done]);
        assert_eq!(*said.lock().unwrap(), [""; 0]);
    }

    #[test]
    fn a_damaged_file_is_replaced_and_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        fs::write(&path, "this is no database").unwrap();
        let (journal, said) = journal(&path);
        journal.record(run("a")).end(&sample::seeding());
        journal.record(run("b")).end(&sample::seeding());
        drop(journal);
        assert_eq!(ends(&path).len(), 2);
        let said = said.lock().unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(": damaged; it is now "), "{said:?}");
    }

    #[test]
    fn what_cannot_be_written_is_said_once_and_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A folder in its place is refused to root as well.
        let path = folder.path().join("history.db");
        fs::create_dir(&path).unwrap();
        let (journal, said) = journal(&path);
        journal.record(run("a")).end(&sample::seeding());
        journal.record(run("b")).end(&sample::seeding());
        drop(journal);
        let said = said.lock().unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].ends_with("; it is not kept"), "{said:?}");
    }

    #[test]
    fn a_file_that_is_removed_meanwhile_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let (journal, _) = journal(&path);
        let record = journal.record(run("a"));
        journal.record(run("b")).end(&sample::seeding());
        while !path.exists() || ends(&path).len() < 2 {
            thread::yield_now();
        }
        fs::remove_file(&path).unwrap();
        record.end(&sample::seeding());
        drop(journal);
        assert_eq!(ends(&path), [End::Done]);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn without_a_file_nothing_is_kept_and_nothing_is_said() {
        let journal = Journal::start(None, |text| panic!("{text}"));
        journal.record(run("a")).end(&sample::seeding());
    }
}
