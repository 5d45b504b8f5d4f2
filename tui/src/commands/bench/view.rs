//! How far a benchmark is: a bar, or a line a second, or nothing.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::{
    output::{Console, rows},
    units::Rate,
    words::percent,
};

/// Lines come this often.
const INTERVAL: Duration = Duration::from_secs(1);

/// The view.
pub struct View {
    console: Console,
    name: String,
    bar: Option<ProgressBar>,
    start: Instant,
    last: Duration,
}

impl View {
    /// Of a step that is called `name`.
    pub fn new(console: &Console, name: String) -> Self {
        let bar = console.bars().and_then(|bars| rows(bars, [name.clone()]).pop());
        Self { console: console.clone(), name, bar, start: Instant::now(), last: Duration::ZERO }
    }

    /// Shows that `done` of `total` bytes are done.
    pub fn show(&mut self, done: u64, total: u64, more: &str) {
        let now = self.start.elapsed();
        let rate = Rate((done as f64 / now.as_secs_f64().max(0.001)) as u64);
        let text = || format!("{:.0} %, {rate}{more}", percent(done, total));
        if let Some(bar) = &self.bar {
            bar.set_length(total.max(1));
            bar.set_position(done);
            bar.set_message(text());
        }
        if self.console.has_lines() && now - self.last >= INTERVAL {
            self.last = now;
            self.console.stderr(&format!("{}: {}", self.name, text()));
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
