//! What was said while the screen was up: a bounded list, and its widget.

use std::{collections::VecDeque, time::Duration};

use ratatui::{
    Frame,
    layout::Rect,
    text::{self, Span},
    widgets::Paragraph,
};

use super::{
    app::{App, RowKey, window},
    filter::{Fact, Facts, Value},
    page::{Page, Spec},
};
use crate::{
    host::{EntryId, Remark},
    look::Palette,
    text::inert,
    units::Clock,
};

/// Lines kept: more than anybody scrolls back, and a few hundred kilobytes at most.
const LINES_MAX: usize = 1000;
/// Characters kept of a line: more than a wide terminal shows.
const CHARS_MAX: usize = 300;

/// Of the selected transfer and the session.
pub const PAGE: Spec = Spec {
    title: "Log",
    about: "what was said, and who came and went",
    rows,
    sorts: &[],
    step: Spec::one_by_one,
    draw: |frame, area, app, palette| draw(frame, area, app, app.rows(), palette),
};

/// The list, oldest first.
#[derive(Debug, Default)]
pub struct Log {
    lines: VecDeque<Line>,
    /// Lines that have made room.
    dropped: u64,
}

/// A line.
#[derive(Debug)]
pub struct Line {
    /// When, as the time since the command began.
    pub at: Duration,
    /// Of which transfer, if it is of one.
    pub entry: Option<EntryId>,
    pub warn: bool,
    /// Safe to print.
    pub text: String,
}

impl Log {
    /// Adds one line. Colours and everything else that could steer a terminal are taken out.
    pub fn push(&mut self, at: Duration, remark: &Remark) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
            self.dropped += 1;
        }
        let text = without_colours(&remark.text).chars().take(CHARS_MAX).collect::<String>();
        let Remark { entry, warn, .. } = *remark;
        self.lines.push_back(Line { at, entry, warn, text: inert(&text) });
    }

    /// All lines that are kept, each with its number since the first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = (u64, &Line)> {
        self.lines.iter().enumerate().map(|(n, line)| (self.dropped + n as u64, line))
    }

    /// The line of this number, if it is kept.
    pub fn line(&self, number: u64) -> Option<&Line> {
        self.lines.get(usize::try_from(number.checked_sub(self.dropped)?).ok()?)
    }
}

/// The lines that are of the selected transfer or of none.
pub fn rows(app: &App) -> Vec<RowKey> {
    let filter = &app.list(Page::Log).filter;
    let of = app.entry().map(|entry| entry.id);
    let ours = |line: &Line| line.entry.is_none() || line.entry == of;
    let lines = app.log.lines().filter(|(_, line)| ours(line) && filter.passes(*line));
    lines.map(|(number, _)| RowKey::Line(number)).collect()
}

/// Draws the last of these lines, or those around the selected one.
pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, rows: &[RowKey], palette: Palette) {
    let cursor = if app.page == Page::Log { app.cursor() } else { None };
    let shown = window(cursor.unwrap_or(rows.len()), rows.len(), area.height.into());
    let lines = shown.filter_map(|at| {
        let RowKey::Line(number) = rows.get(at)? else { return None };
        let line = app.log.line(*number)?.drawn(palette);
        Some(if cursor == Some(at) { line.style(palette.selected()) } else { line })
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

impl Facts for Line {
    fn fact(&self, fact: Fact) -> Option<Value<'_>> {
        match fact {
            Fact::Name => Some(self.text.as_str().into()),
            Fact::State => Some(if self.warn { "warning" } else { "note" }.into()),
            _ => None,
        }
    }
}

impl Line {
    fn drawn(&self, palette: Palette) -> text::Line<'_> {
        let at = Span::styled(format!(" {:>7} ", Clock(self.at.as_secs())), palette.dim());
        let mark = if self.warn { Span::styled("! ", palette.warn()) } else { Span::raw("  ") };
        text::Line::from(vec![at, mark, Span::raw(&self.text)])
    }
}

/// The text without the escape sequences that colour it (ECMA-48 CSI: up to a letter).
fn without_colours(text: &str) -> String {
    let (mut plain, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            chars.find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{app::Action, sample};

    fn said(text: &str) -> Remark {
        Remark { entry: None, warn: false, text: text.into() }
    }

    #[test]
    fn lines_are_plain_and_short() {
        let mut log = Log::default();
        log.push(Duration::ZERO, &said("\x1b[1;33mwarning:\x1b[0m a\u{7}b"));
        assert_eq!(log.line(0).unwrap().text, r"warning: a\u{7}b");
        log.push(Duration::ZERO, &said(&"x".repeat(10_000)));
        assert_eq!(log.line(1).unwrap().text.len(), CHARS_MAX);
    }

    #[test]
    fn a_page_of_it_shows_the_latest_and_marks_warnings() {
        let mut app = sample::app();
        for second in 43..=75 {
            app.update(sample::news(second, vec![sample::entry(0, &sample::downloading())]));
            let warn = second % 10 == 0;
            let text = if warn {
                "the disk is full: downloading waits for space".into()
            } else {
                format!("peer 6kku5bfx{} joined from 10.0.0.{second}:6000", second % 7)
            };
            app.update(Action::Remark(Remark { entry: Some(EntryId(0)), warn, text }));
        }
        let of_another = Remark { entry: Some(EntryId(1)), ..said("of another transfer") };
        app.update(Action::Remark(of_another));
        sample::press(&mut app, "6");
        sample::assert_screen(&app, 100, 30, "log-100x30");
        sample::press(&mut app, "/state:warning\n");
        sample::assert_screen(&app, 80, 24, "log-80x24");
    }

    #[test]
    fn the_oldest_line_makes_room() {
        let mut log = Log::default();
        for n in 0..=LINES_MAX {
            log.push(Duration::ZERO, &said(&n.to_string()));
        }
        assert_eq!(log.lines().count(), LINES_MAX);
        assert!(log.line(0).is_none());
        assert_eq!(log.line(1).unwrap().text, "1");
    }
}
