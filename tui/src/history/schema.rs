//! What the history file looks like, and how a file of an older version becomes one of this.

use rusqlite::{Connection, TransactionBehavior};

use super::HistoryError;

/// Tells our files from other SQLite files: `swrm`.
const APPLICATION: i32 = 0x7377_726D;

/// Each step makes a file of one version one of the next; the first begins with an empty file. A step
/// that was released is never changed: what comes later is added below.
pub(super) const STEPS: &[&str] = &[
    // `dropped` is one row: the sums of the runs that were dropped.
    "CREATE TABLE runs (
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         swarm TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
         path BLOB NOT NULL, link TEXT NOT NULL,
         bytes INTEGER NOT NULL, bytes_have INTEGER NOT NULL, resumed INTEGER NOT NULL,
         started INTEGER NOT NULL, updated INTEGER NOT NULL,
         seconds REAL NOT NULL, completed REAL, \"end\" TEXT NOT NULL,
         downloaded INTEGER NOT NULL, uploaded INTEGER NOT NULL, from_seeds INTEGER NOT NULL,
         duplicate INTEGER NOT NULL, corrupt INTEGER NOT NULL,
         down_peak INTEGER NOT NULL, up_peak INTEGER NOT NULL,
         peers_from INTEGER NOT NULL, peers_to INTEGER NOT NULL,
         host TEXT NOT NULL, pid INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE dropped (
         runs INTEGER NOT NULL, gets INTEGER NOT NULL, completed INTEGER NOT NULL, since INTEGER,
         seconds REAL NOT NULL, downloaded INTEGER NOT NULL, uploaded INTEGER NOT NULL,
         from_seeds INTEGER NOT NULL, duplicate INTEGER NOT NULL, corrupt INTEGER NOT NULL
     ) STRICT;
     INSERT INTO dropped VALUES (0, 0, 0, NULL, 0.0, 0, 0, 0, 0, 0);",
];

/// Brings the file to the newest version: all steps that it lacks, or none of them.
pub(super) fn migrate(db: &mut Connection, steps: &[&str]) -> Result<(), HistoryError> {
    if version(db)? == steps.len() {
        return Ok(());
    }
    // Two processes may find the same old file: the second waits here, and finds a new one.
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&change)?;
    let Some(missing) = steps.get(found..) else {
        return Err(HistoryError::Newer { found, known: steps.len() });
    };
    for step in missing {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", steps.len() as i64)?;
    Ok(change.commit()?)
}

/// The version of the file; 0 is one in which nothing is yet.
fn version(db: &Connection) -> Result<usize, HistoryError> {
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let empty: bool =
        db.query_one("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    match usize::try_from(version) {
        Ok(0) if application == 0 && empty => Ok(0),
        Ok(version) if application == i64::from(APPLICATION) => Ok(version),
        _ => Err(HistoryError::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &[&str] = &[STEPS[0], "ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT '-'"];

    #[test]
    fn an_old_file_gets_what_is_new_and_keeps_its_rows() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, STEPS).unwrap();
        db.execute("UPDATE dropped SET runs = 7", []).unwrap();
        migrate(&mut db, NEXT).unwrap();
        assert_eq!(version(&db).unwrap(), 2);
        db.prepare("SELECT note FROM runs").unwrap();
        let runs: i64 = db.query_one("SELECT runs FROM dropped", [], |row| row.get(0)).unwrap();
        assert_eq!(runs, 7);
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_version() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, STEPS).unwrap();
        let bad = [STEPS[0], "CREATE TABLE new (a) STRICT", "CREATE TABLE runs (a INTEGER)"];
        assert!(migrate(&mut db, &bad).is_err());
        assert_eq!(version(&db).unwrap(), 1);
        assert!(db.prepare("SELECT * FROM new").is_err());
    }

    #[test]
    fn a_newer_file_and_somebody_elses_are_left_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, NEXT).unwrap();
        let newer = migrate(&mut db, STEPS);
        assert!(matches!(newer, Err(HistoryError::Newer { found: 2, known: 1 })), "{newer:?}");
        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE theirs (a)").unwrap();
        assert!(matches!(migrate(&mut db, STEPS), Err(HistoryError::Foreign)));
    }
}
