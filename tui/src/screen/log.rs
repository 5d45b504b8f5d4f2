//! What was said while the screen was up: a bounded list, and its widget.

use std::{collections::VecDeque, time::Duration};

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};
use swarm_node::Event;

use super::palette::Palette;
use crate::{text::inert, units::Clock};

/// Lines kept: more than anybody scrolls back, and a few hundred kilobytes at most.
const LINES_MAX: usize = 1000;
/// Characters kept of a line: more than a wide terminal shows.
const CHARS_MAX: usize = 300;

/// The list, oldest first.
#[derive(Debug, Default)]
pub struct Log {
    lines: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    at: Duration,
    warn: bool,
    text: String,
}

impl Log {
    /// Adds one line. Colours and everything else that could steer a terminal are taken out.
    pub fn push(&mut self, at: Duration, warn: bool, text: &str) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        let text = inert(&without_colours(text).chars().take(CHARS_MAX).collect::<String>());
        self.lines.push_back(Entry { at, warn, text });
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Draws the lines that end `back` lines before the last.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, back: usize, palette: Palette) {
        let end = self.lines.len().saturating_sub(back);
        let start = end.saturating_sub(area.height.into());
        let lines = self.lines.range(start..end).map(|entry| entry.line(palette));
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
    }
}

impl Entry {
    fn line(&self, palette: Palette) -> Line<'_> {
        let at = Span::styled(format!(" {:>7} ", Clock(self.at.as_secs())), palette.dim());
        let mark = if self.warn { Span::styled("! ", palette.warn()) } else { Span::raw("  ") };
        Line::from(vec![at, mark, Span::raw(&self.text)])
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

/// What an event means, and whether it is a warning.
pub fn describe(event: &Event) -> (bool, String) {
    match event {
        Event::PeerJoined { peer, addr } => {
            (false, format!("peer {} joined from {addr}", peer.short()))
        }
        Event::PeerLeft { peer, reason: None } => (false, format!("peer {} left", peer.short())),
        Event::PeerLeft { peer, reason: Some(reason) } => {
            (false, format!("peer {} dropped: {reason:?}", peer.short()))
        }
        Event::PeerBanned { peer, piece } => (
            true,
            format!("peer {} sent bad data for piece {piece}: no longer talked to", peer.short()),
        ),
        Event::PieceCorrupt { piece } => {
            (true, format!("piece {piece} did not verify; what is bad is fetched again"))
        }
        Event::DiskFull => (true, "the disk is full: downloading waits for space".into()),
        Event::DiskRecovered => (false, "the disk takes data again".into()),
        Event::DiskFailed { message } => (true, format!("disk: {message}")),
        Event::FileChanged { file } => (
            true,
            format!("file {file} of the share was changed by another program and is checked again"),
        ),
        Event::Completed => (false, "everything is verified and in place".into()),
        Event::TrackerUp { tracker } => (false, format!("tracker {tracker} answers")),
        Event::TrackerDown { tracker } => {
            (true, format!("tracker {tracker} does not answer; trying again"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_plain_and_short() {
        let mut log = Log::default();
        log.push(Duration::ZERO, false, "\x1b[1;33mwarning:\x1b[0m a\u{7}b");
        assert_eq!(log.lines[0].text, r"warning: a\u{7}b");
        log.push(Duration::ZERO, false, &"x".repeat(10_000));
        assert_eq!(log.lines[1].text.len(), CHARS_MAX);
    }

    #[test]
    fn the_oldest_line_makes_room() {
        let mut log = Log::default();
        for n in 0..=LINES_MAX {
            log.push(Duration::ZERO, false, &n.to_string());
        }
        assert_eq!(log.len(), LINES_MAX);
        assert_eq!(log.lines[0].text, "1");
    }
}
