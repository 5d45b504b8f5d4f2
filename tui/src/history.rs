//! What was shared and fetched, when, how fast and from how many.
//!
//! A [`Run`] is one transfer in one process, from its start to its end. Every process of the user
//! writes its runs into one `history.db`: a [`Journal`] owns the file (`store`, SQLite) on a thread
//! of its own, and a transfer hands its figures to a [`Record`] that puts them there at the start,
//! each half minute, at completion and at the end. A process that is killed cannot say so; whoever
//! reads its row finds it [`End::Interrupted`], because nobody is there who keeps it.
//!
//! A transfer never waits for the history and never fails for it.

mod journal;
mod schema;
mod store;
mod tally;

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    process::{Pid, test_kill_process},
    system::uname,
};
use serde::{Deserialize, Serialize};
use swarm_proto::id::SwarmId;

pub use self::{
    journal::{Journal, Record},
    store::{HistoryError, Store},
};

/// A run that goes on is written at least this often, so that its row says that it does.
pub const INTERVAL: Duration = Duration::from_secs(30);
/// A row that nobody has written for so long is nobody's: two writes may be late, a third is not.
const ABANDONED: Duration = Duration::from_secs(100);

/// What a process does with a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Fetches it, and shares on.
    Get,
    /// Shares what was there.
    Seed,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It has not.
    Running,
    /// With everything there.
    Done,
    /// On request, with something missing.
    Stopped,
    /// With an error.
    Failed,
    /// Without a word: killed, or the machine went down.
    Interrupted,
}

impl Role {
    /// The command that does it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Seed => "seed",
        }
    }
}

impl End {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One transfer in one process. Moments are seconds since 1970, lengths of time are seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The share.
    pub swarm: SwarmId,
    /// Its name. Somebody else's word: print it through [`inert`](crate::text::inert).
    pub name: String,
    /// What was done.
    pub role: Role,
    /// Where the share is, or was to be.
    pub path: PathBuf,
    /// What others fetch it with.
    pub link: String,
    /// Bytes in the share.
    pub bytes: u64,
    /// Bytes verified at the end.
    pub bytes_have: u64,
    /// Bytes that an earlier run had left.
    pub resumed: u64,
    /// When it began.
    pub started: u64,
    /// When it was written last; its end, if it has ended.
    pub updated: u64,
    /// How long it ran.
    pub seconds: f64,
    /// When everything was there, counted from the start; for a download only.
    pub completed: Option<f64>,
    /// How it ended.
    pub end: End,
    /// Payload received.
    pub downloaded: u64,
    /// Payload sent.
    pub uploaded: u64,
    /// Payload received from peers that had everything.
    pub from_seeds: u64,
    /// Payload received twice.
    pub duplicate: u64,
    /// Payload received that did not verify.
    pub corrupt: u64,
    /// Highest rate in, in bytes a second.
    pub down_peak: u64,
    /// Highest rate out, in bytes a second.
    pub up_peak: u64,
    /// Peers that payload came from.
    pub peers_from: u32,
    /// Peers that payload went to.
    pub peers_to: u32,
    /// The process that keeps the row.
    pub keeper: Keeper,
}

impl Run {
    /// Payload in, over the time it took, in bytes a second.
    pub fn down_rate(&self) -> u64 {
        rate(self.downloaded, self.completed.unwrap_or(self.seconds))
    }

    /// Payload out, over all the time, in bytes a second.
    pub fn up_rate(&self) -> u64 {
        rate(self.uploaded, self.seconds)
    }

    /// As a reader sees it: nobody writes a row of a process that is gone.
    fn judged(mut self, now: u64, here: &Keeper, is_alive: impl Fn(u32) -> bool) -> Self {
        let fresh = self.updated.abs_diff(now) < ABANDONED.as_secs();
        // Of processes on other machines that share our home, the age of the row is all we know.
        let gone = self.keeper.host == here.host && !is_alive(self.keeper.pid);
        if self.end == End::Running && (!fresh || gone) {
            self.end = End::Interrupted;
        }
        self
    }
}

fn rate(bytes: u64, seconds: f64) -> u64 {
    if seconds > 0.0 { (bytes as f64 / seconds) as u64 } else { 0 }
}

/// A process on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeper {
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
}

impl Keeper {
    /// This process.
    pub fn here() -> Self {
        let host = uname().nodename().to_string_lossy().into_owned();
        Self { host, pid: std::process::id() }
    }
}

fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // A process that we may not signal is there.
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// A share that was fetched to, or shared from, a place: all its runs together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Which.
    pub swarm: SwarmId,
    /// Its name. Somebody else's word: print it through [`inert`](crate::text::inert).
    pub name: String,
    /// Where it is, or will be when complete.
    pub path: PathBuf,
    /// What others fetch it with, as of the last run.
    pub link: String,
    /// Bytes in the share.
    pub bytes: u64,
    /// Bytes verified, as of the last run.
    pub bytes_have: u64,
    /// It was never fetched to this place: it was made here.
    pub own: bool,
    /// The last run, as a reader sees its end.
    pub end: End,
    /// When the last run was written last.
    pub updated: u64,
    /// Payload received in all runs.
    pub downloaded: u64,
    /// Payload sent in all runs.
    pub uploaded: u64,
}

/// All runs together, those among them whose rows were dropped to keep the file small.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// How many runs.
    pub runs: u64,
    /// How many of them fetched something.
    pub gets: u64,
    /// How many downloads came to their end.
    pub completed: u64,
    /// When the first began.
    pub since: Option<u64>,
    /// How long they ran, together.
    pub seconds: f64,
    /// Payload received.
    pub downloaded: u64,
    /// Payload sent.
    pub uploaded: u64,
    /// Payload received from peers that had everything.
    pub from_seeds: u64,
    /// Payload received twice.
    pub duplicate: u64,
    /// Payload received that did not verify.
    pub corrupt: u64,
}

impl Sums {
    /// Bytes sent for each byte received.
    pub fn ratio(&self) -> Option<f64> {
        (self.downloaded > 0).then(|| self.uploaded as f64 / self.downloaded as f64)
    }
}

/// Everything that is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The latest runs, newest first.
    pub runs: Vec<Run>,
    /// The shares, by the time of their last run, newest first.
    pub shares: Vec<Share>,
    /// The totals.
    pub sums: Sums,
}

/// Reads the history, at most `limit` runs of it. No file is an empty history. Blocks: call it from a
/// thread that may.
///
/// # Errors
/// If the file is there and cannot be read, or is not ours.
pub fn read(path: &Path, limit: usize) -> Result<History, HistoryError> {
    let Some(store) = Store::open_existing(path)? else { return Ok(History::default()) };
    let (now, here) = (unix_now(), Keeper::here());
    let judge = |run: Run| run.judged(now, &here, is_alive);
    let all: Vec<Run> = store.runs()?.into_iter().map(judge).collect();
    let (shares, sums) = (shares(&all), store.sums()?);
    let runs = all.into_iter().take(limit).collect();
    Ok(History { runs, shares, sums })
}

/// Whether a share was ever fetched to this place, as far as the history can be read. Blocks.
pub fn was_fetched(file: &Path, swarm: SwarmId, path: &Path) -> bool {
    let known = read(file, 0).unwrap_or_default().shares;
    known.iter().any(|share| share.swarm == swarm && share.path == path && !share.own)
}

/// The shares of these runs, which are in the order newest first.
fn shares(runs: &[Run]) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for run in runs {
        let place = *places.entry((run.swarm, &run.path)).or_insert_with(|| {
            shares.push(Share {
                swarm: run.swarm,
                name: run.name.clone(),
                path: run.path.clone(),
                link: run.link.clone(),
                bytes: run.bytes,
                bytes_have: run.bytes_have,
                own: true,
                end: run.end,
                updated: run.updated,
                downloaded: 0,
                uploaded: 0,
            });
            shares.len() - 1
        });
        let share = &mut shares[place];
        share.own &= run.role == Role::Seed;
        share.downloaded = share.downloaded.saturating_add(run.downloaded);
        share.uploaded = share.uploaded.saturating_add(run.uploaded);
    }
    shares
}

/// A path that means the same wherever it is read.
pub fn everywhere(path: &Path) -> PathBuf {
    let resolved = path.canonicalize().or_else(|_| match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            folder.canonicalize().map(|folder| folder.join(name))
        }
        _ => Err(io::ErrorKind::NotFound.into()),
    });
    resolved.or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// Seconds since 1970; 0 if the clock is before that.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A download of 1000 bytes that began at 100 and was written last at 200.
    pub fn run(name: &str) -> Run {
        Run {
            swarm: SwarmId::new([name.len() as u8; 32]),
            name: name.into(),
            role: Role::Get,
            path: format!("/data/{name}").into(),
            link: format!("swarm:?dn={name}"),
            bytes: 1000,
            bytes_have: 400,
            resumed: 100,
            started: 100,
            updated: 200,
            seconds: 100.0,
            completed: None,
            end: End::Running,
            downloaded: 300,
            uploaded: 150,
            from_seeds: 200,
            duplicate: 2,
            corrupt: 1,
            down_peak: 30,
            up_peak: 20,
            peers_from: 3,
            peers_to: 2,
            keeper: Keeper { host: "here".into(), pid: 7 },
        }
    }

    #[test]
    fn a_run_is_interrupted_when_its_process_is_gone_or_silent() {
        let here = Keeper { host: "here".into(), pid: 1 };
        let end = |run: Run, now, alive| run.judged(now, &here, |_| alive).end;
        assert_eq!(end(run("a"), 230, true), End::Running);
        assert_eq!(end(run("a"), 230, false), End::Interrupted, "killed");
        assert_eq!(end(run("a"), 300, true), End::Interrupted, "another process has its number");
        assert_eq!(end(run("a"), 190, true), End::Running, "the clock was set back");
        let far = Keeper { host: "far".into(), pid: 7 };
        assert_eq!(end(Run { keeper: far.clone(), ..run("a") }, 230, false), End::Running);
        assert_eq!(end(Run { keeper: far, ..run("a") }, 400, false), End::Interrupted);
        assert_eq!(end(Run { end: End::Done, ..run("a") }, 400, false), End::Done);
    }

    #[test]
    fn this_process_is_alive_and_no_process_is_not() {
        assert!(is_alive(std::process::id()));
        assert!(!is_alive(0));
        assert!(!is_alive(u32::MAX));
    }

    #[test]
    fn rates_are_over_the_time_that_counts() {
        let done = Run { completed: Some(10.0), ..run("a") };
        assert_eq!((run("a").down_rate(), done.down_rate()), (3, 30));
        assert_eq!((run("a").up_rate(), done.up_rate()), (1, 1));
        assert_eq!(Run { seconds: 0.0, ..run("a") }.down_rate(), 0);
    }

    #[test]
    fn a_share_is_own_until_it_is_fetched_to_the_same_place() {
        let seeded = |name| Run { role: Role::Seed, bytes_have: 1000, ..run(name) };
        let shares = shares(&[seeded("a"), seeded("bb"), run("bb"), seeded("a")]);
        let brief: Vec<_> =
            shares.iter().map(|s| (s.name.as_str(), s.own, s.bytes_have, s.uploaded)).collect();
        assert_eq!(brief, [("a", true, 1000, 300), ("bb", false, 1000, 300)]);
    }

    #[test]
    fn paths_are_made_absolute_also_where_nothing_is_yet() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        assert_eq!(everywhere(Path::new("src")), here.join("src"));
        assert_eq!(everywhere(Path::new("src/../none")), here.join("none"));
        assert_eq!(everywhere(Path::new("none")), here.join("none"));
        assert_eq!(everywhere(Path::new("no/where")), here.join("no/where"));
    }
}
