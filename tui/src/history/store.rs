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
mod tests;
