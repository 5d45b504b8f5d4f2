//! What stays on the terminal after the screen: what came of each transfer, and how to go on.

use std::path::Path;

use crate::{
    host::{Entry, Origin, Phase, Session},
    text::{counted, inert, shell_quoted},
    units::{Bytes, Clock, Rate},
    words::percent,
};

/// The most lines: a screen of 24 rows keeps what was on it before, too.
const LINES_MAX: usize = 10;

/// The lines, three for each of a few transfers, or one for each of many. `kept`: the next session
/// goes on with them.
pub fn lines(session: &Session, kept: bool) -> Vec<String> {
    let entries = &session.entries;
    let whole = entries.len() * 3 <= LINES_MAX;
    let mut lines = Vec::new();
    for (n, entry) in entries.iter().enumerate() {
        if lines.len() + 1 >= LINES_MAX && n + 1 < entries.len() {
            lines.push(format!("… and {} more", entries.len() - n));
            break;
        }
        lines.push(format!("{}: {}", inert(&entry.name), outcome(entry)));
        if whole {
            lines.extend(traffic(entry).map(|text| format!("  {text}")));
            lines.extend(next(entry).map(|text| format!("  {text}")));
        }
    }
    if kept && !entries.is_empty() {
        lines.push("`swarm tui` goes on with what was open".into());
    }
    lines
}

/// `verified 5.30 GiB in 1:03 (84.2 MiB/s), in /data/weights`.
fn outcome(entry: &Entry) -> String {
    if let Phase::Failed { message, .. } = &entry.phase {
        return inert(message);
    }
    let Some(snapshot) = &entry.snapshot else { return "not begun".into() };
    let path = inert(&entry.path.display().to_string());
    let all = Bytes(snapshot.bytes);
    match (entry.origin, entry.took_s) {
        (Origin::Own, _) => format!("shared {all} from {path}"),
        (Origin::Downloaded, Some(took)) => {
            let received = entry.received_before.saturating_add(snapshot.totals.downloaded);
            let rate = Rate((received as f64 / took.max(0.001)) as u64);
            format!("verified {all} in {} ({rate}), in {path}", Clock(took as u64))
        }
        _ if snapshot.pieces_have == snapshot.pieces => format!("{all} verified, in {path}"),
        _ => format!("stopped with {} of {all} verified", Bytes(snapshot.bytes_have)),
    }
}

/// `from 3 peers, 40 % from seeds, duplicate 0.1 %; 1.20 GiB uploaded, ratio 0.23`.
fn traffic(entry: &Entry) -> Option<String> {
    let snapshot = entry.snapshot.as_ref()?;
    let totals = &snapshot.totals;
    let sent = format!("{} uploaded, ratio {:.2}", Bytes(totals.uploaded), entry.ratio());
    let peers = counted(entry.met.into(), "peer");
    if totals.downloaded == 0 {
        return Some(format!("{sent}, {peers}"));
    }
    let share = |part| percent(part, totals.downloaded);
    let (seeds, twice) = (share(totals.from_seeds), share(totals.duplicate));
    let from = format!("{peers}, {seeds:.0} % from seeds, duplicate {twice:.1} %");
    Some(format!("{from}; {sent}"))
}

/// The command that goes on with it.
fn next(entry: &Entry) -> Option<String> {
    let quoted = |path: &Path| shell_quoted(&inert(&path.display().to_string()));
    let snapshot = entry.snapshot.as_ref();
    let complete = snapshot.is_some_and(|snapshot| snapshot.pieces_have == snapshot.pieces);
    match (&entry.phase, entry.origin, &entry.link) {
        (_, Origin::Own, _) => Some(format!("share it again: swarm seed {}", quoted(&entry.path))),
        (_, _, Some(link)) => {
            // Where the share appears; not known before the manifest was.
            let output = match &entry.share {
                Some(_) => entry.path.parent().filter(|path| !path.as_os_str().is_empty()),
                None => Some(entry.path.as_path()),
            };
            let output = output.filter(|path| *path != Path::new("."));
            let output = output.map_or_else(String::new, |path| format!(" -o {}", quoted(path)));
            let what = if complete { "share it on" } else { "go on" };
            Some(format!("{what}: swarm get {}{output}", shell_quoted(link)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{output::sample, screen::sample::entry};

    fn session(entries: Vec<Entry>) -> Session {
        Session { entries: entries.into_iter().map(Arc::new).collect(), ..Session::default() }
    }

    #[test]
    fn a_few_transfers_are_summed_up_and_many_are_listed() {
        let done = Entry { took_s: Some(61.0), met: 3, ..entry(0, &sample::seeding()) };
        let own = Entry { origin: Origin::Own, met: 2, ..entry(2, &sample::seeding()) };
        assert_eq!(
            lines(&session(vec![done, own]), true),
            [
                "weights: verified 900 MiB in 1:01 (10.0 MiB/s), in ./weights",
                "  3 peers, 33 % from seeds, duplicate 0.6 %; 1.17 GiB uploaded, ratio 1.33",
                "  share it on: swarm get 'swarm:?id=6kku5bfx'",
                "weights-2: shared 900 MiB from ./weights2",
                "  2 peers, 33 % from seeds, duplicate 0.6 %; 1.17 GiB uploaded, ratio 1.33",
                "  share it again: swarm seed './weights2'",
                "`swarm tui` goes on with what was open",
            ]
        );
        let many =
            lines(&session((0..30).map(|n| entry(n, &sample::downloading())).collect()), false);
        assert_eq!(many.len(), LINES_MAX);
        assert_eq!(many[0], "weights: stopped with 600 MiB of 900 MiB verified");
        assert_eq!(many[9], "… and 21 more");
    }
}
