//! The way of a frame to the terminal: in one piece, and not at all if nothing changed.
//!
//! A frame is kept until it is whole, and marked as such (DEC private mode 2026), so that a terminal
//! that knows the mark never shows half of one. Terminals that do not know it ignore it.
//!
//! Colours are named as the first 16 always were (SGR 30 to 37, 90 to 97): crossterm would name them as
//! entries of a palette of 256, which some terminals do not have.

use std::io::{self, Write};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    crossterm::{
        cursor::{Hide, MoveTo, Show},
        queue,
        terminal::{self, BeginSynchronizedUpdate, EndSynchronizedUpdate},
    },
    layout::{Position, Size},
    style::{Color, Modifier},
};

/// Sends frames to a terminal.
#[derive(Debug)]
pub struct Frames<W> {
    out: W,
    /// What is not sent yet.
    frame: Vec<u8>,
    /// Where the terminal has its cursor after that, and whether it is seen; as far as that is known.
    at: Option<Position>,
    seen: Option<bool>,
}

impl<W: Write> Frames<W> {
    /// To a terminal that nothing is known of.
    pub const fn new(out: W) -> Self {
        Self { out, frame: Vec::new(), at: None, seen: None }
    }

    fn clearing(&mut self) -> CrosstermBackend<&mut Vec<u8>> {
        self.at = None;
        CrosstermBackend::new(&mut self.frame)
    }
}

/// How characters look from here on, whatever they looked like before.
fn look(out: &mut impl Write, cell: &Cell) -> io::Result<()> {
    const MODIFIERS: [(Modifier, u8); 9] = [
        (Modifier::BOLD, 1),
        (Modifier::DIM, 2),
        (Modifier::ITALIC, 3),
        (Modifier::UNDERLINED, 4),
        (Modifier::SLOW_BLINK, 5),
        (Modifier::RAPID_BLINK, 6),
        (Modifier::REVERSED, 7),
        (Modifier::HIDDEN, 8),
        (Modifier::CROSSED_OUT, 9),
    ];
    write!(out, "\x1b[0")?;
    for (_, code) in MODIFIERS.iter().filter(|(one, _)| cell.modifier.contains(*one)) {
        write!(out, ";{code}")?;
    }
    for code in [colour(cell.fg), colour(cell.bg).map(|code| code + 10)].into_iter().flatten() {
        write!(out, ";{code}")?;
    }
    write!(out, "m")
}

/// The number of a colour of letters; 10 more is that of a background.
const fn colour(colour: Color) -> Option<u8> {
    Some(match colour {
        Color::Black => 30,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::Gray => 37,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        Color::White => 97,
        // The terminal's own; no palette here has others.
        Color::Reset | Color::Rgb(..) | Color::Indexed(_) => return None,
    })
}

impl<W: Write> Backend for Frames<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let (mut next, mut last) = (None, None::<&Cell>);
        for (x, y, cell) in content {
            if next != Some((x, y)) {
                queue!(self.frame, MoveTo(x, y))?;
            }
            let same = |last: &Cell| {
                (last.fg, last.bg, last.modifier) == (cell.fg, cell.bg, cell.modifier)
            };
            if !last.is_some_and(same) {
                look(&mut self.frame, cell)?;
            }
            self.frame.extend_from_slice(cell.symbol().as_bytes());
            // What is wider than it seems is followed by another place.
            (next, last) = (Some((x.saturating_add(1), y)), Some(cell));
        }
        if last.is_some() {
            self.frame.extend_from_slice(b"\x1b[0m");
            self.at = None;
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.seen.replace(false) == Some(false) { Ok(()) } else { queue!(self.frame, Hide) }
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.seen.replace(true) == Some(true) { Ok(()) } else { queue!(self.frame, Show) }
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // Nobody asks, and the terminal would have to be asked, behind the back of whoever waits for
        // keys.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let at = position.into();
        if self.at.replace(at) == Some(at) {
            return Ok(());
        }
        queue!(self.frame, MoveTo(at.x, at.y))
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clearing().clear()
    }

    fn clear_region(&mut self, which: ClearType) -> io::Result<()> {
        self.clearing().clear_region(which)
    }

    fn size(&self) -> io::Result<Size> {
        terminal::size().map(Size::from)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.clearing().window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut whole = Vec::with_capacity(self.frame.len() + 16);
        queue!(whole, BeginSynchronizedUpdate)?;
        whole.append(&mut self.frame);
        queue!(whole, EndSynchronizedUpdate)?;
        self.out.write_all(&whole)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{
        Frame, Terminal, TerminalOptions, Viewport, layout::Rect, style::Style, text::Line,
    };

    use super::*;

    /// What is sent when this is drawn.
    fn sent(terminal: &mut Terminal<Frames<Vec<u8>>>, draw: impl FnOnce(&mut Frame<'_>)) -> String {
        terminal.draw(draw).unwrap();
        String::from_utf8(std::mem::take(&mut terminal.backend_mut().out)).unwrap()
    }

    #[test]
    fn a_frame_is_sent_whole_and_only_if_it_is_another() {
        let viewport = Viewport::Fixed(Rect::new(0, 0, 9, 1));
        let options = TerminalOptions { viewport };
        let mut terminal = Terminal::with_options(Frames::new(Vec::new()), options).unwrap();
        let line = |text: &'static str, cursor: Option<u16>| {
            move |frame: &mut Frame<'_>| {
                frame.render_widget(Line::styled(text, Style::new().fg(Color::Red)), frame.area());
                if let Some(x) = cursor {
                    frame.set_cursor_position((x, 0));
                }
            }
        };
        let first = sent(&mut terminal, line("one", None));
        assert!(first.starts_with("\x1b[?2026h") && first.ends_with("\x1b[?2026l"), "{first:?}");
        assert!(first.contains("\x1b[0;31mone") && first.contains("\x1b[?25l"), "{first:?}");
        assert_eq!(sent(&mut terminal, line("one", None)), "");
        assert_eq!(
            sent(&mut terminal, line("one", Some(3))),
            "\x1b[?2026h\x1b[?25h\x1b[1;4H\x1b[?2026l"
        );
        assert_eq!(sent(&mut terminal, line("one", Some(3))), "");
        let next = sent(&mut terminal, line("onx", Some(3)));
        assert!(next.contains("\x1b[1;3H") && next.contains('x'), "{next:?}");
        assert!(!next.contains("on") && next.ends_with("\x1b[1;4H\x1b[?2026l"), "{next:?}");
    }

    #[test]
    fn looks_are_named_as_every_terminal_knows_them() {
        let named = |style: Style| {
            let mut bytes = Vec::new();
            look(&mut bytes, Cell::new("x").set_style(style)).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(named(Style::new()), "\x1b[0m");
        assert_eq!(named(Style::new().fg(Color::LightCyan).bold().reversed()), "\x1b[0;1;7;96m");
        assert_eq!(named(Style::new().fg(Color::White).bg(Color::Black)), "\x1b[0;97;40m");
    }
}
