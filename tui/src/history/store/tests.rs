//! That what is written is read, by whomever, whatever became of the file.

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
