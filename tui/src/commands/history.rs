//! `swarm history`, `swarm stats` and `swarm ls`: what was done before.

use std::{
    collections::HashSet,
    io::{self, IsTerminal},
    path::Path,
};

use ratatui::crossterm::terminal;
use serde_json::{Value, json};

use crate::{
    args::{HistoryArgs, ListArgs, LsArgs},
    exit::{Code, Failure},
    history::{self, End, History, Run, Share, Sums},
    output::{
        Console,
        table::{self, Cell, Column},
    },
    paths::Paths,
    text::counted,
    units::{Bytes, Clock, Date, Rate, Span},
    words::percent,
};

/// Of `history`, as programs know them. On a narrow terminal some fall away.
const RUNS: [Column; 12] = [
    Column::new("STARTED", 0),
    Column::new("WHAT", 2),
    Column::name("NAME", 0),
    Column::new("SIZE", 4),
    Column::new("DOWN", 5),
    Column::new("RATE", 6),
    Column::new("FROM", 9),
    Column::new("UP", 3),
    Column::new("TO", 10),
    Column::new("TIME", 7),
    Column::new("END", 1),
    Column::path("PATH", 8),
];
/// The same of `ls`.
const SHARES: [Column; 8] = [
    Column::name("NAME", 0),
    Column::new("SIZE", 3),
    Column::new("HAVE", 1),
    Column::new("KIND", 4),
    Column::new("STATE", 0),
    Column::new("UP", 5),
    Column::new("LAST", 6),
    Column::path("PATH", 2),
];

/// `swarm history`.
pub fn history(console: &Console, paths: &Paths, args: &HistoryArgs) -> Result<(), Failure> {
    let History { runs, .. } = read(paths, if args.all { usize::MAX } else { args.limit })?;
    console.object(&json!({ "runs": runs.iter().map(run_object).collect::<Vec<_>>() }))?;
    if runs.is_empty() && !console.is_json() {
        console.note("nothing was shared or fetched yet");
    }
    let rows = runs.iter().map(|run| (run_row(run), run.link.as_str()));
    list(console, &RUNS, rows.collect(), &args.list)
}

/// `swarm ls`.
pub fn ls(console: &Console, paths: &Paths, args: &LsArgs) -> Result<(), Failure> {
    let History { shares, .. } = read(paths, 0)?;
    let shares: Vec<_> = shares.into_iter().map(|share| (Standing::of(&share), share)).collect();
    let objects: Vec<_> =
        shares.iter().map(|(standing, share)| share_object(*standing, share)).collect();
    console.object(&json!({ "shares": objects }))?;
    if shares.is_empty() && !console.is_json() {
        console.note("no share is known yet");
    }
    let rows = shares.iter().map(|(standing, s)| (share_row(*standing, s), s.link.as_str()));
    list(console, &SHARES, rows.collect(), &args.list)
}

/// `swarm stats`.
pub fn stats(console: &Console, paths: &Paths) -> Result<(), Failure> {
    let History { shares, sums, .. } = read(paths, 0)?;
    // At several places it is still one share.
    let shares = shares.iter().map(|share| share.swarm).collect::<HashSet<_>>().len();
    console.object(&sums_object(&sums, shares))?;
    sum_lines(&sums, shares).iter().try_for_each(|line| console.result(line))
}

fn read(paths: &Paths, limit: usize) -> Result<History, Failure> {
    let Some(path) = &paths.history else { return Ok(History::default()) };
    history::read(path, limit).map_err(|error| {
        let message = format!("history {}: {error}", path.display());
        Failure::new(Code::Disk, "history", message).hint(
            "transfers work without it; move the file away and a new one is begun, or name \
             another folder with SWARM_HOME",
        )
    })
}

/// Prints rows, each with a link.
fn list(
    console: &Console,
    columns: &[Column],
    rows: Vec<(Vec<Cell>, &str)>,
    args: &ListArgs,
) -> Result<(), Failure> {
    let (mut rows, links): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let mut columns = columns.to_vec();
    if args.links {
        columns.push(Column::new("LINK", 0));
        rows.iter_mut().zip(links).for_each(|(row, link)| row.push(Cell::text(link)));
    }
    // A link is to be copied, so that everything else may take what room it likes.
    let room = || {
        if args.links {
            usize::MAX / 2
        } else {
            terminal::size().map_or(80, |(columns, _)| columns.into())
        }
    };
    let width = io::stdout().is_terminal().then(room);
    // People need no heading of nothing; a program gets the same first line each time.
    let header = !(args.no_header || width.is_some() && rows.is_empty());
    table::print(console, &columns, &rows, header, width)
}

fn run_row(run: &Run) -> Vec<Cell> {
    let bytes = |bytes| Cell::number(&Bytes(bytes), &bytes);
    vec![
        Cell::moment(&Date(run.started), run.started),
        Cell::text(run.role.word()),
        Cell::text(&run.name),
        bytes(run.bytes),
        bytes(run.downloaded),
        Cell::number(&Rate(run.down_rate()), &run.down_rate()),
        Cell::number(&run.peers_from, &run.peers_from),
        bytes(run.uploaded),
        Cell::number(&run.peers_to, &run.peers_to),
        Cell::number(&Clock(run.seconds as u64), &run.seconds),
        Cell::text(run.end.word()),
        Cell::text(&lossy(&run.path)),
    ]
}

/// How a share is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// A process is at it.
    Running,
    /// Everything was verified, and something is there.
    Complete,
    /// A part is missing; `get` goes on from what there is.
    Incomplete,
    /// Everything was verified, and nothing is there any more.
    Missing,
}

impl Standing {
    fn of(share: &Share) -> Self {
        match share.end {
            End::Running => Self::Running,
            _ if share.bytes_have < share.bytes => Self::Incomplete,
            _ if share.path.exists() => Self::Complete,
            _ => Self::Missing,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Missing => "missing",
        }
    }
}

fn share_row(standing: Standing, share: &Share) -> Vec<Cell> {
    let have = format!("{} %", percent(share.bytes_have, share.bytes));
    vec![
        Cell::text(&share.name),
        Cell::number(&Bytes(share.bytes), &share.bytes),
        Cell::number(&have, &share.bytes_have),
        Cell::text(kind(share)),
        Cell::text(standing.word()),
        Cell::number(&Bytes(share.uploaded), &share.uploaded),
        Cell::moment(&Date(share.updated), share.updated),
        Cell::text(&lossy(&share.path)),
    ]
}

const fn kind(share: &Share) -> &'static str {
    if share.own { "own" } else { "downloaded" }
}

fn sum_lines(sums: &Sums, shares: usize) -> Vec<String> {
    let line = |label: &str, text: String| format!("{label:<10} {text}");
    let seeds = sums.runs.saturating_sub(sums.gets);
    let since = sums.since.map_or_else(|| "never".into(), |since| Date(since).to_string());
    let ratio = sums.ratio().map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}"));
    let seeded = match sums.downloaded {
        0 => 0,
        all => (sums.from_seeds as f64 * 100.0 / all as f64).round() as u64,
    };
    let time = std::time::Duration::from_secs(sums.seconds as u64);
    vec![
        line("since", since),
        line(
            "runs",
            format!(
                "{} of get ({} completed), {seeds} of seed, {} together",
                sums.gets,
                sums.completed,
                Span(time)
            ),
        ),
        line("shares", counted(shares as u64, "known share")),
        line("downloaded", format!("{} ({seeded} % from seeds)", Bytes(sums.downloaded))),
        line("uploaded", Bytes(sums.uploaded).to_string()),
        line("ratio", ratio),
        line(
            "wasted",
            format!("{} received twice, {} bad", Bytes(sums.duplicate), Bytes(sums.corrupt)),
        ),
    ]
}

fn run_object(run: &Run) -> Value {
    json!({
        "swarm": run.swarm,
        "name": run.name,
        "role": run.role,
        "path": lossy(&run.path),
        "link": run.link,
        "bytes": run.bytes,
        "bytes_have": run.bytes_have,
        "resumed": run.resumed,
        "started": run.started,
        "updated": run.updated,
        "seconds": run.seconds,
        "completed": run.completed,
        "end": run.end,
        "downloaded": run.downloaded,
        "uploaded": run.uploaded,
        "from_seeds": run.from_seeds,
        "duplicate": run.duplicate,
        "corrupt": run.corrupt,
        "down_rate": run.down_rate(),
        "up_rate": run.up_rate(),
        "down_peak": run.down_peak,
        "up_peak": run.up_peak,
        "peers_from": run.peers_from,
        "peers_to": run.peers_to,
        "host": run.keeper.host,
        "pid": run.keeper.pid,
    })
}

fn share_object(standing: Standing, share: &Share) -> Value {
    json!({
        "swarm": share.swarm,
        "name": share.name,
        "path": lossy(&share.path),
        "link": share.link,
        "bytes": share.bytes,
        "bytes_have": share.bytes_have,
        "kind": kind(share),
        "state": standing.word(),
        "updated": share.updated,
        "downloaded": share.downloaded,
        "uploaded": share.uploaded,
    })
}

fn sums_object(sums: &Sums, shares: usize) -> Value {
    json!({
        "since": sums.since,
        "runs": sums.runs,
        "gets": sums.gets,
        "completed": sums.completed,
        "shares": shares,
        "seconds": sums.seconds,
        "downloaded": sums.downloaded,
        "uploaded": sums.uploaded,
        "ratio": sums.ratio(),
        "from_seeds": sums.from_seeds,
        "duplicate": sums.duplicate,
        "corrupt": sums.corrupt,
    })
}

/// JSON has no other bytes than text.
fn lossy(path: &Path) -> std::borrow::Cow<'_, str> {
    path.to_string_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_a_few_lines() {
        let sums = Sums {
            runs: 5,
            gets: 3,
            completed: 2,
            since: Some(0),
            seconds: 3700.4,
            downloaded: 4 << 30,
            uploaded: 6 << 30,
            from_seeds: 1 << 30,
            duplicate: 1024,
            corrupt: 0,
        };
        assert_eq!(
            sum_lines(&sums, 1),
            [
                "since      1970-01-01 00:00 UTC",
                "runs       3 of get (2 completed), 2 of seed, 1h1m40s together",
                "shares     1 known share",
                "downloaded 4.00 GiB (25 % from seeds)",
                "uploaded   6.00 GiB",
                "ratio      1.50",
                "wasted     1.00 KiB received twice, 0 B bad",
            ]
        );
        assert_eq!(sum_lines(&Sums::default(), 0)[0], "since      never");
    }
}
