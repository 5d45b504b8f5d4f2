//! All downloaders of a demo at once: a bar each, or lines, or events.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar};
use swarm_node::Snapshot;

use super::Downloader;
use crate::{
    exit::Failure,
    output::{Console, json::Line, rows},
    text::counted,
    units::{Bytes, Rate},
    words::percent,
};

/// Lines and events come this often.
const INTERVAL: Duration = Duration::from_secs(1);

/// The view.
pub struct View {
    console: Console,
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    last: Option<Duration>,
}

impl View {
    /// Nothing is shown before there is news.
    pub fn new(console: &Console, downloaders: usize) -> Self {
        let names = (1..=downloaders).map(|n| format!("downloader {n:<2}"));
        let bars = console.bars().map(|bars| (bars.clone(), rows(bars, names)));
        Self { console: console.clone(), bars, last: None }
    }

    /// Shows where everybody is.
    ///
    /// # Errors
    /// If the reader of stdout went away.
    pub fn show(&mut self, now: Duration, downloaders: &[Downloader]) -> Result<(), Failure> {
        if let Some((_, bars)) = &self.bars {
            for (bar, downloader) in bars.iter().zip(downloaders) {
                let snapshot = downloader.snapshot();
                bar.set_length(snapshot.bytes.max(1));
                bar.set_position(snapshot.bytes_have);
                bar.set_message(words(&snapshot, downloader.done));
            }
        }
        if self.last.is_some_and(|last| now - last < INTERVAL) {
            return Ok(());
        }
        self.last = Some(now);
        if self.console.has_lines() {
            self.console.stderr(&line(downloaders));
        }
        if !self.console.has_events() {
            return Ok(());
        }
        for (n, downloader) in downloaders.iter().enumerate() {
            let snapshot = downloader.snapshot();
            self.console.object(&Line::DemoProgress {
                downloader: n as u32 + 1,
                bytes_have: snapshot.bytes_have,
                down_rate: snapshot.down_rate,
                from_seeds: snapshot.totals.from_seeds,
            })?;
        }
        Ok(())
    }

    /// Leaves the bars on the screen as they are: they are part of the result.
    pub fn clear(&mut self) {
        for bar in self.bars.iter().flat_map(|(_, bars)| bars) {
            bar.abandon();
        }
    }
}

fn words(snapshot: &Snapshot, done: Option<Duration>) -> String {
    let peers = peers_share(snapshot);
    match done {
        Some(done) => {
            format!("verified in {:.2} s, {peers:.0} % from other downloaders", done.as_secs_f64())
        }
        None => {
            let percent = percent(snapshot.bytes_have, snapshot.bytes);
            let rate = Rate(snapshot.down_rate);
            format!("{percent:.0} %, {rate}, {peers:.0} % from other downloaders")
        }
    }
}

/// How much came from those who were still downloading themselves, in percent.
fn peers_share(snapshot: &Snapshot) -> f64 {
    let totals = &snapshot.totals;
    let peers = totals.downloaded.saturating_sub(totals.from_seeds);
    peers as f64 * 100.0 / totals.downloaded.max(1) as f64
}

fn line(downloaders: &[Downloader]) -> String {
    let snapshots: Vec<_> = downloaders.iter().map(Downloader::snapshot).collect();
    let sum = |part: fn(&Snapshot) -> u64| snapshots.iter().map(|s| part(s)).sum::<u64>();
    let (have, all) = (sum(|s| s.bytes_have), sum(|s| s.bytes));
    let done = downloaders.iter().filter(|d| d.done.is_some()).count();
    format!(
        "{:.0} %: {} of {}, {}, {} of {} done",
        percent(have, all),
        Bytes(have),
        Bytes(all),
        Rate(sum(|s| s.down_rate)),
        done,
        counted(downloaders.len() as u64, "downloader"),
    )
}
