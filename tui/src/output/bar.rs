//! Progress as a bar that redraws itself, on stderr.

use std::{sync::Arc, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use ratatui::crossterm::terminal;
use swarm_node::{Progress, Snapshot, State};

use super::View;
use crate::{
    exit::Failure,
    units::Rate,
    words::{amount, figures, percent, status},
};

/// Where there is room.
const TEMPLATE: &str = "{prefix} {bar:25} {msg}";
/// Where there is less of it.
const SHORT: &str = "{prefix} {bar:10} {msg}";
/// Where the figures need all of it.
const BARE: &str = "{prefix} {wide_msg}";
/// For a transfer that is complete: there is nothing to fill.
const DONE: &str = "{prefix}: {wide_msg}";

/// One bar.
#[derive(Debug)]
pub struct Bar {
    bars: MultiProgress,
    bar: Option<ProgressBar>,
    template: &'static str,
}

impl Bar {
    /// A row below those that there are.
    pub fn new(bars: &MultiProgress) -> Self {
        Self { bars: bars.clone(), bar: None, template: TEMPLATE }
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
        let columns = terminal::size().map_or(80, |(columns, _)| columns);
        let (template, text) = fitting(snapshot, columns.into());
        if template != self.template {
            self.template = template;
            self.bar().set_style(style(template));
        }
        let bar = self.bar();
        bar.set_length(snapshot.bytes_wanted.max(1));
        bar.set_position(snapshot.bytes_have);
        bar.set_prefix(status(snapshot));
        bar.set_message(text);
        Ok(())
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }
}

/// What is shown on a line of so many columns. A line that is longer is drawn over two and leaves
/// parts of itself behind when the terminal scrolls, so the bar gives way first, and then how many
/// bytes the percentage means.
fn fitting(snapshot: &Snapshot, columns: usize) -> (&'static str, String) {
    let mut parts = figures(snapshot);
    if snapshot.state == State::Seeding {
        return (DONE, parts.join(", "));
    }
    let percent = percent(snapshot.bytes_have, snapshot.bytes_wanted);
    let text = |parts: &[String]| format!("{percent:.1} %, {}", parts.join(", "));
    let all = text(&parts);
    let without_amount = text(&parts.split_off(1));
    // With a space on each side of the bar, and one that stays free.
    let room = columns.saturating_sub(status(snapshot).chars().count() + 3);
    let tries = [(TEMPLATE, 25, &all), (SHORT, 10, &all), (SHORT, 10, &without_amount)];
    let fits = |&&(_, bar, text): &&(_, usize, &String)| bar + text.chars().count() <= room;
    match tries.iter().find(fits) {
        Some((template, _, text)) => (template, (*text).clone()),
        None => (BARE, without_amount),
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
    use crate::output::sample;

    #[test]
    fn the_templates_are_valid() {
        for template in [TEMPLATE, SHORT, BARE, DONE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn the_figures_matter_more_than_the_bar() {
        let at = |columns| fitting(&sample::downloading(), columns);
        let all = "66.6 %, 600 MiB of 900 MiB, down 80.0 MiB/s, up 5.00 MiB/s, 0:05 left, 2 peers \
                   (1 seed)";
        let some = "66.6 %, down 80.0 MiB/s, up 5.00 MiB/s, 0:05 left, 2 peers (1 seed)";
        assert_eq!(at(200), (TEMPLATE, all.into()));
        assert_eq!(at(120), (SHORT, all.into()));
        assert_eq!(at(100), (SHORT, some.into()));
        assert_eq!(at(80), (BARE, some.into()));
        assert_eq!(fitting(&sample::seeding(), 80).0, DONE);
    }
}
