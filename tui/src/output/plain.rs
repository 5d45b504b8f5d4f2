//! Progress as lines: for log files, pipes and terminals that cannot redraw.

use std::{sync::Arc, time::Duration};

use swarm_engine::Bottleneck;
use swarm_node::{Progress, Snapshot, State};

use super::{Console, View};
use crate::{
    exit::Failure,
    words::{amount, figures, percent, status},
};

/// A line at least this often while anything moves.
const INTERVAL: Duration = Duration::from_secs(10);
/// Reading and hashing that takes no longer than this is not mentioned.
const SHORT: Duration = Duration::from_secs(1);
/// And a line each time this share is done, in percent.
const STEP: f64 = 10.0;

/// When a line is due. Pure.
#[derive(Debug, Default)]
struct Pace {
    /// When the last one was printed.
    last: Option<Duration>,
    /// How many steps were done then.
    steps: u32,
    /// What the swarm was doing then, and whether it was alone.
    doing: Option<(State, bool)>,
}

impl Pace {
    fn due(&mut self, now: Duration, percent: f64, doing: Option<(State, bool)>) -> bool {
        let steps = (percent / STEP) as u32;
        let due = self.last.is_none_or(|last| now.saturating_sub(last) >= INTERVAL)
            || steps > self.steps
            || doing != self.doing;
        if due {
            (self.last, self.steps, self.doing) = (Some(now), steps, doing);
        }
        due
    }
}

/// A line now and then.
#[derive(Debug)]
pub struct Plain {
    console: Console,
    hashing: Pace,
    transfer: Pace,
    /// What was printed last: a share that nobody fetches need not fill a log with one line.
    line: String,
}

impl Plain {
    /// Nothing is printed before there is news.
    pub fn new(console: Console) -> Self {
        let (hashing, transfer) = (Pace::default(), Pace::default());
        Self { console, hashing, transfer, line: String::new() }
    }
}

impl View for Plain {
    fn hashing(&mut self, now: Duration, progress: Progress) {
        let done = percent(progress.done, progress.total);
        // What is read in a moment is not worth a line.
        if now >= SHORT && progress.total > 0 && self.hashing.due(now, done, None) {
            let amount = amount(progress.done, progress.total);
            self.console.stderr(&format!("hashing {done:.0} %: {amount}"));
        }
    }

    fn snapshot(&mut self, now: Duration, snapshot: &Arc<Snapshot>) -> Result<(), Failure> {
        let done = percent(snapshot.bytes_have, snapshot.bytes_wanted);
        let alone = snapshot.bottleneck == Bottleneck::NoPeers;
        if self.transfer.due(now, done, Some((snapshot.state, alone))) {
            let line = line(snapshot, done);
            if line != self.line {
                self.console.stderr(&line);
                self.line = line;
            }
        }
        Ok(())
    }
}

fn line(snapshot: &Snapshot, done: f64) -> String {
    let (state, figures) = (status(snapshot), figures(snapshot).join(", "));
    match snapshot.state {
        State::Seeding | State::Stopped => format!("{state}: {figures}"),
        _ => format!("{state} {done:.1} %: {figures}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::sample;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_line_comes_each_tenth_each_ten_seconds_and_with_each_change() {
        let mut pace = Pace::default();
        let downloading = Some((State::Downloading, false));
        assert!(pace.due(secs(0), 0.0, downloading), "the first");
        assert!(!pace.due(secs(1), 9.9, downloading));
        assert!(pace.due(secs(2), 10.0, downloading), "a tenth");
        assert!(!pace.due(secs(11), 19.0, downloading));
        assert!(pace.due(secs(12), 19.0, downloading), "ten seconds");
        assert!(pace.due(secs(13), 19.0, Some((State::Downloading, true))), "alone");
        assert!(pace.due(secs(14), 19.0, Some((State::DiskTrouble, true))), "disk");
        assert!(!pace.due(secs(15), 19.0, Some((State::DiskTrouble, true))));
    }

    #[test]
    fn a_line_says_how_far_it_is() {
        assert_eq!(
            line(&sample::downloading(), 66.6),
            "downloading 66.6 %: 600 MiB of 900 MiB, down 80.0 MiB/s, up 5.00 MiB/s, 0:05 left, \
             2 peers (1 seed)"
        );
        assert_eq!(
            line(&sample::seeding(), 100.0),
            "sharing: up 5.00 MiB/s, 1.17 GiB uploaded, 2 peers (1 seed)"
        );
    }
}
