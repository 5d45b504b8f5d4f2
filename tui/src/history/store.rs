//! The file, in SQLite.
//!
//! Its rollback journal (the default) is kept rather than a write-ahead log: there is a write each
//! half minute, so that nothing is gained by a log, and a home may be on a network file system or
//! read-only, where a log's shared memory does not work.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags, Row, RowIndex, TransactionBehavior, params, types::Type,
};
use rustix::fs::{FlockOperation, flock};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use swarm_proto::id::SwarmId;

use super::{Keeper, Run, Sums, schema, unix_now};

/// How many runs are kept: years of daily use in a file of about 4 MB, all of it read at once.
const RUNS_MAX: i64 = 10_000;
/// How long we wait for another process that is writing. A write takes milliseconds, and a command
/// that ends waits no longer than this for its last row.
const BUSY: Duration = Duration::from_secs(2);

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It is not what we wrote.
    #[error("the file is damaged")]
    Damaged,
    /// Somebody else's file has its name.
    #[error("the file is not one of swarm's")]
    Foreign,
    /// A newer program made it.
    #[error("a newer version of swarm wrote it (version {found}, this one knows {known})")]
    Newer {
        /// The version of the file.
        found: usize,
        /// The newest version that we know.
        known: usize,
    },
    /// Another process is writing, for longer than we wait.
    #[error("another process holds it")]
    Busy,
    /// It cannot be written.
    #[error("it may not be written")]
    ReadOnly,
    /// The file or its folder cannot be used.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Anything else that SQLite says.
    #[error("{0}")]
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            _ if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => Self::Damaged,
            _ => Self::Sql(error),
        }
    }
}

/// An open history.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// Which file has the name, as far as we know.
    file: FileId,
    db: Connection,
}

/// A file whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|meta| Self(meta.dev(), meta.ino()))
    }
}

impl Store {
    /// Opens the history for writing, and makes it if it is not there. A damaged one is set aside;
    /// the second value is where.
    pub fn open(path: &Path) -> Result<(Self, Option<PathBuf>), HistoryError> {
        make(path)?;
        match Self::try_open(path) {
            Err((HistoryError::Damaged, Some(file))) => {
                let aside = set_aside(path, file)?;
                make(path)?;
                Self::try_open(path).map(|store| (store, aside)).map_err(|(error, _)| error)
            }
            opened => opened.map(|store| (store, None)).map_err(|(error, _)| error),
        }
    }

    /// Opens the history if there is one.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, HistoryError> {
        match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
            // Made by another process that is about to fill it, or died before it did.
            Ok(meta) if meta.len() == 0 => return Ok(None),
            Ok(_) => {}
        }
        Self::try_open(path).map(Some).map_err(|(error, _)| error)
    }

    /// Opens what is there. Also tells which file was tried.
    fn try_open(path: &Path) -> Result<Self, (HistoryError, Option<FileId>)> {
        let file = FileId::of(path).map_err(|error| (error.into(), None))?;
        let db = connect(path).map_err(|error| (error, Some(file)))?;
        Ok(Self { path: path.into(), file, db })
    }

    /// Whether somebody else moved or removed the file.
    pub fn is_gone(&self) -> bool {
        FileId::of(&self.path).ok() != Some(self.file)
    }

    /// Writes a run: into its row, or into a new one if it has none. Returns the row.
    pub fn put(&mut self, row: Option<i64>, run: &Run) -> Result<i64, HistoryError> {
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let values = params![
            row,
            run.swarm.to_string(),
            run.name,
            word(&run.role),
            run.path.as_os_str().as_bytes(),
            run.link,
            int(run.bytes),
            int(run.bytes_have),
            int(run.resumed),
            int(run.started),
            int(run.updated),
            run.seconds,
            run.completed,
            word(&run.end),
            int(run.downloaded),
            int(run.uploaded),
            int(run.from_seeds),
            int(run.duplicate),
            int(run.corrupt),
            int(run.down_peak),
            int(run.up_peak),
            run.peers_from,
            run.peers_to,
            run.keeper.host,
            run.keeper.pid,
        ];
        // Without a row of its own, SQLite gives it a number that no run had before.
        change.execute(&format!("INSERT OR REPLACE INTO runs VALUES ({PLACES})"), values)?;
        let written = change.last_insert_rowid();
        if row.is_none() {
            drop_oldest(&change, RUNS_MAX)?;
        }
        change.commit()?;
        Ok(written)
    }

    /// All runs, newest first, as they were written.
    pub fn runs(&self) -> Result<Vec<Run>, HistoryError> {
        let mut select = self.db.prepare("SELECT * FROM runs ORDER BY started DESC, id DESC")?;
        let runs = select.query_map([], run)?.collect::<Result<_, _>>()?;
        Ok(runs)
    }

    /// The totals of all runs that ever were.
    pub fn sums(&self) -> Result<Sums, HistoryError> {
        let sums_of_all = sum_columns();
        let all =
            format!("SELECT {sums_of_all} FROM (SELECT * FROM dropped UNION ALL {EACH} FROM runs)");
        Ok(self.db.query_one(&all, [], sums)?)
    }
}

/// Makes an empty file, and its folder, if there is none. What somebody fetched is for their eyes
/// only; SQLite gives its journal the mode of the file.
fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn connect(path: &Path) -> Result<Connection, HistoryError> {
    // No CREATE: the file is there. A file that may not be written is opened for reading.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    schema::migrate(&mut db, schema::STEPS)?;
    let sound: String = db.query_one("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound == "ok" { Ok(db) } else { Err(HistoryError::Damaged) }
}

/// Gives a damaged file another name, unless another process was quicker. Returns the new name.
fn set_aside(path: &Path, damaged: FileId) -> Result<Option<PathBuf>, HistoryError> {
    let folder = File::open(path.parent().unwrap_or_else(|| Path::new(".")))?;
    // One at a time: else the second could move away the good file that the first has made. Where
    // there are no locks that is a risk worth taking.
    let _ = flock(&folder, FlockOperation::LockExclusive);
    if FileId::of(path).ok() != Some(damaged) {
        return Ok(None);
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".damaged-{}", unix_now()));
    let aside = PathBuf::from(name);
    // A journal belongs to its file: played back into the next one it would damage that too.
    let journal = |of: &Path| {
        let mut name = of.as_os_str().to_owned();
        name.push("-journal");
        PathBuf::from(name)
    };
    match fs::rename(journal(path), journal(&aside)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    fs::rename(path, &aside)?;
    Ok(Some(aside))
}

/// One row of sums for each run.
const EACH: &str = "SELECT 1, role = 'get', completed IS NOT NULL, started, seconds,
    downloaded, uploaded, from_seeds, duplicate, corrupt";
/// The sums of such rows. In floating point, which is exact up to nine petabytes and has no end: a sum
/// of whole numbers that is too large would be an error for ever.
fn sum_columns() -> String {
    let sum = |name: &str| format!("CAST(min(total({name}), 9e18) AS INTEGER)");
    let [runs, gets, completed] = ["runs", "gets", "completed"].map(sum);
    let bytes = ["downloaded", "uploaded", "from_seeds", "duplicate", "corrupt"].map(sum);
    format!("{runs}, {gets}, {completed}, min(since), total(seconds), {}", bytes.join(", "))
}

/// Keeps the file small: of more than `max` runs, those that were written longest ago go, and only
/// their sums stay.
fn drop_oldest(db: &Connection, max: i64) -> rusqlite::Result<()> {
    let excess =
        db.query_one("SELECT count(*) - ?1 FROM runs", [max], |row| row.get::<_, i64>(0))?;
    if excess <= 0 {
        return Ok(());
    }
    let oldest = "id IN (SELECT id FROM runs ORDER BY updated, id LIMIT ?1)";
    db.execute(&format!("INSERT INTO dropped {EACH} FROM runs WHERE {oldest}"), [excess])?;
    db.execute(&format!("DELETE FROM runs WHERE {oldest}"), [excess])?;
    let sums = sum_columns();
    db.execute_batch(&format!(
        "CREATE TEMP TABLE fold AS SELECT {sums} FROM dropped;
         DELETE FROM dropped;
         INSERT INTO dropped SELECT * FROM temp.fold;
         DROP TABLE temp.fold;"
    ))
}

/// A place for each column of `runs`.
const PLACES: &str = "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?";

/// The run in a row. Whoever can write the file can write anything into it: what makes no sense is
/// a damaged file.
fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let swarm = row.get::<_, String>("swarm")?;
    Ok(Run {
        swarm: swarm.parse::<SwarmId>().map_err(nonsense)?,
        name: row.get("name")?,
        role: named(row, "role")?,
        path: OsString::from_vec(row.get("path")?).into(),
        link: row.get("link")?,
        bytes: count(row, "bytes")?,
        bytes_have: count(row, "bytes_have")?,
        resumed: count(row, "resumed")?,
        started: count(row, "started")?,
        updated: count(row, "updated")?,
        seconds: row.get("seconds")?,
        completed: row.get("completed")?,
        end: named(row, "end")?,
        downloaded: count(row, "downloaded")?,
        uploaded: count(row, "uploaded")?,
        from_seeds: count(row, "from_seeds")?,
        duplicate: count(row, "duplicate")?,
        corrupt: count(row, "corrupt")?,
        down_peak: count(row, "down_peak")?,
        up_peak: count(row, "up_peak")?,
        peers_from: row.get("peers_from")?,
        peers_to: row.get("peers_to")?,
        keeper: Keeper { host: row.get("host")?, pid: row.get("pid")? },
    })
}

fn sums(row: &Row<'_>) -> rusqlite::Result<Sums> {
    Ok(Sums {
        runs: count(row, 0)?,
        gets: count(row, 1)?,
        completed: count(row, 2)?,
        since: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
        seconds: row.get(4)?,
        downloaded: count(row, 5)?,
        uploaded: count(row, 6)?,
        from_seeds: count(row, 7)?,
        duplicate: count(row, 8)?,
        corrupt: count(row, 9)?,
    })
}

/// SQLite's whole numbers have a sign.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0))
}

/// A word of ours, the same as in JSON.
fn word(value: &impl Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

fn named<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    serde_json::from_value(Value::String(row.get(column)?)).map_err(nonsense)
}

fn nonsense(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::history::{End, Role, tests::run};

    fn folder() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        (folder, path)
    }

    fn open(path: &Path) -> Store {
        let (store, aside) = Store::open(path).unwrap();
        assert_eq!(aside, None);
        store
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let (_folder, path) = folder();
        let (mut store, other) = (open(&path), Run { role: Role::Seed, ..run("b") });
        let row = store.put(None, &run("a")).unwrap();
        store.put(None, &other).unwrap();
        let odd = Run {
            path: OsString::from_vec(b"/caf\xe9\n'; DROP TABLE runs; --".to_vec()).into(),
            name: "\u{202E}'\"\n".into(),
            completed: Some(0.5),
            end: End::Done,
            bytes: u64::MAX,
            ..run("a")
        };
        assert_eq!(store.put(Some(row), &odd).unwrap(), row);
        let runs = open(&path).runs().unwrap();
        assert_eq!(runs, [other, Run { bytes: i64::MAX as u64, ..odd }]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn two_who_have_it_open_see_each_others_rows() {
        let (_folder, path) = folder();
        let (mut one, mut two) = (open(&path), open(&path));
        let (a, b) = (one.put(None, &run("a")).unwrap(), two.put(None, &run("b")).unwrap());
        assert_ne!(a, b);
        one.put(Some(a), &Run { uploaded: 9, ..run("a") }).unwrap();
        let uploaded: Vec<_> = two.runs().unwrap().iter().map(|run| run.uploaded).collect();
        assert_eq!(uploaded, [150, 9]);
    }

    #[test]
    fn who_waits_too_long_is_told_so() {
        let (_folder, path) = folder();
        let (one, mut two) = (open(&path), open(&path));
        two.db.busy_timeout(Duration::ZERO).unwrap();
        one.db.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(matches!(two.put(None, &run("a")), Err(HistoryError::Busy)));
        one.db.execute_batch("COMMIT").unwrap();
        two.put(None, &run("a")).unwrap();
    }

    #[test]
    fn dropped_runs_stay_in_the_totals() {
        let (_folder, path) = folder();
        let mut store = open(&path);
        let seed = Run { role: Role::Seed, started: 50, updated: 60, ..run("old") };
        store.put(None, &seed).unwrap();
        store.put(None, &Run { updated: 70, completed: Some(3.0), ..run("older") }).unwrap();
        store.put(None, &Run { updated: 300, ..run("running") }).unwrap();
        let before = store.sums().unwrap();
        assert_eq!((before.runs, before.gets, before.completed), (3, 2, 1));
        assert_eq!((before.since, before.seconds, before.uploaded), (Some(50), 300.0, 450));
        for left in [2, 1, 1] {
            drop_oldest(&store.db, left).unwrap();
            assert_eq!(store.runs().unwrap().len() as i64, left);
            assert_eq!(store.sums().unwrap(), before);
        }
        assert_eq!(store.runs().unwrap()[0].name, "running");
    }

    #[test]
    fn totals_have_no_end() {
        let (_folder, path) = folder();
        let mut store = open(&path);
        for name in ["a", "b", "c"] {
            store.put(None, &Run { uploaded: u64::MAX, ..run(name) }).unwrap();
        }
        assert_eq!(store.sums().unwrap().uploaded, 9_000_000_000_000_000_000);
        drop_oldest(&store.db, 1).unwrap();
        drop_oldest(&store.db, 0).unwrap();
        assert_eq!(store.sums().unwrap().uploaded, 9_000_000_000_000_000_000);
    }

    #[test]
    fn whatever_becomes_of_the_file_it_is_read_or_refused_and_another_is_begun() {
        let (folder, path) = folder();
        let mut store = open(&path);
        for n in 0..30 {
            store.put(None, &run(&n.to_string())).unwrap();
        }
        drop(store);
        let sound = fs::read(&path).unwrap();
        // Multiplication spreads the numbers of the tries over the file.
        let spread = |n: usize, over: usize| n.wrapping_mul(0x9E37_79B9) % over;
        for n in 0..300 {
            let mut bytes = sound.clone();
            for hit in 0..=n % 4 {
                let at = spread(n * 4 + hit, bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
            }
            bytes.truncate(if n % 7 == 0 { spread(n, sound.len()) } else { sound.len() });
            fs::write(&path, &bytes).unwrap();
            // What counts is that it returns.
            let _ = crate::history::read(&path, 10);
            match Store::open(&path) {
                Ok((mut store, _)) => drop(store.put(None, &run("new"))),
                Err(HistoryError::Foreign | HistoryError::Newer { .. }) => {}
                Err(error) => panic!("{n}: {error}"),
            }
            for entry in fs::read_dir(folder.path()).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
    }

    #[test]
    fn a_damaged_file_is_set_aside_whole() {
        for damage in [&b"no database at all, but long enough to be looked at"[..], &[0xFF; 9000]] {
            let (folder, path) = folder();
            fs::write(&path, damage).unwrap();
            assert!(matches!(Store::open_existing(&path), Err(HistoryError::Damaged)));
            let (mut store, aside) = Store::open(&path).unwrap();
            store.put(None, &run("a")).unwrap();
            assert_eq!(fs::read(aside.unwrap()).unwrap(), damage);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn a_write_that_a_crash_cut_short_is_taken_back() {
        let (folder, path) = folder();
        let mut store = open(&path);
        store.put(None, &run("a")).unwrap();
        // Pages go to the file before the end of the change, as in one that is large.
        let change = "PRAGMA cache_size = 1; BEGIN IMMEDIATE;
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
            INSERT INTO runs SELECT NULL, swarm, hex(zeroblob(99)), role, path, link, bytes,
                bytes_have, resumed, started, updated, seconds, completed, \"end\", downloaded,
                uploaded, from_seeds, duplicate, corrupt, down_peak, up_peak, peers_from,
                peers_to, host, pid FROM runs, n;
            UPDATE runs SET name = 'torn';";
        store.db.execute_batch(change).unwrap();
        // What is on the disk now is what a process leaves that is killed.
        let crashed = folder.path().join("crashed.db");
        for end in ["", "-journal"] {
            let [from, to] = [&path, &crashed].map(|path| format!("{}{end}", path.display()));
            fs::copy(from, to).unwrap();
        }
        let torn = fs::read(&crashed).unwrap();
        assert!(torn.windows(4).any(|bytes| bytes == b"torn"), "nothing was written yet");
        assert_eq!(open(&crashed).runs().unwrap(), [run("a")]);
    }

    #[test]
    fn damage_within_is_found_when_it_is_opened() {
        let (_folder, path) = folder();
        let mut store = open(&path);
        for n in 0..50 {
            store.put(None, &run(&n.to_string())).unwrap();
        }
        drop(store);
        let mut bytes = fs::read(&path).unwrap();
        let tail = bytes.len() - 4096;
        bytes[tail..].fill(0x55);
        fs::write(&path, bytes).unwrap();
        let (store, aside) = Store::open(&path).unwrap();
        assert!(aside.is_some());
        assert_eq!(store.runs().unwrap(), []);
    }

    #[test]
    fn only_the_damaged_file_is_moved_and_not_the_one_after_it() {
        let (_folder, path) = folder();
        fs::write(&path, "damaged").unwrap();
        let damaged = FileId::of(&path).unwrap();
        // Kept open, so that its number is not given to the next file.
        let _held = File::open(&path).unwrap();
        assert!(set_aside(&path, damaged).unwrap().is_some());
        open(&path).put(None, &run("a")).unwrap();
        assert_eq!(set_aside(&path, damaged).unwrap(), None);
        assert_eq!(open(&path).runs().unwrap().len(), 1);
    }

    #[test]
    fn nothing_is_made_by_reading() {
        let (folder, path) = folder();
        assert!(Store::open_existing(&path).unwrap().is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(&path, "").unwrap();
        assert!(Store::open_existing(&path).unwrap().is_none());
    }

    #[test]
    fn a_file_that_was_removed_is_noticed() {
        let (_folder, path) = folder();
        let store = open(&path);
        assert!(!store.is_gone());
        fs::remove_file(&path).unwrap();
        assert!(store.is_gone());
        let other = open(&path);
        assert!(!other.is_gone());
    }
}
