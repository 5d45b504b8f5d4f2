//! Progress as a bar that redraws itself, on stderr.

use std::{sync::Arc, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use swarm_node::{Progress, Snapshot, State};

use super::{View, amount, figures, percent, status};
use crate::{exit::Failure, units::Rate};

/// The bar takes a third of the line, so that the figures are readable on 80 columns.
const TEMPLATE: &str = "{prefix} {bar:25} {msg}";
/// The same for a transfer that is complete: there is nothing to fill.
const DONE: &str = "{prefix}: {msg}";

/// One bar.
#[derive(Debug)]
pub struct Bar {
    bars: MultiProgress,
    bar: Option<ProgressBar>,
    done: bool,
}

impl Bar {
    /// A row below those that there are.
    pub fn new(bars: &MultiProgress) -> Self {
        Self { bars: bars.clone(), bar: None, done: false }
    }

    fn bar(&mut self) -> &ProgressBar {
        self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(1).with_style(style(TEMPLATE));
            self.bars.add(bar)
        })
    }
}

impl View for Bar {
    fn hashing(&mut self, now: Duration, progress: Progress) {
        // A short wait is not worth a bar that flickers by.
        if progress.total == 0 || now < Duration::from_millis(200) {
            return;
        }
        let rate = progress.done as f64 / now.as_secs_f64();
        let (done, rate) = (percent(progress.done, progress.total), Rate(rate as u64));
        let bar = self.bar();
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_prefix("hashing");
        bar.set_message(format!("{done:.0} %, {}, {rate}", amount(progress.done, progress.total)));
    }

    fn snapshot(&mut self, _: Duration, snapshot: &Arc<Snapshot>) -> Result<(), Failure> {
        let done = snapshot.state == State::Seeding;
        if done != self.done {
            self.done = done;
            let template = if done { DONE } else { TEMPLATE };
            self.bar().set_style(style(template));
        }
        let bar = self.bar();
        bar.set_length(snapshot.bytes_wanted.max(1));
        bar.set_position(snapshot.bytes_have);
        bar.set_prefix(status(snapshot));
        let figures = figures(snapshot);
        if done {
            bar.set_message(figures);
        } else {
            let percent = percent(snapshot.bytes_have, snapshot.bytes_wanted);
            bar.set_message(format!("{percent:.1} %, {figures}"));
        }
        Ok(())
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }
}

/// Bars for several downloads below each other.
pub fn rows(bars: &MultiProgress, names: impl IntoIterator<Item = String>) -> Vec<ProgressBar> {
    let row = |name| bars.add(ProgressBar::new(1).with_style(style(TEMPLATE)).with_prefix(name));
    names.into_iter().map(row).collect()
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file, and a test reads each.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("██░")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [TEMPLATE, DONE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
