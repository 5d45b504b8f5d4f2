//! The help: every key, and what the letters in the table of peers mean.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use super::{app::App, keys::BINDINGS, palette::Palette, peers::FLAGS};

/// Widest that it gets: the longest line.
const WIDTH: u16 = 76;

/// Draws it over the middle of everything else.
pub fn draw(frame: &mut Frame<'_>, area: Rect, palette: Palette) {
    let line = |label: &'static str, text: &'static str| {
        Line::from(vec![Span::styled(format!(" {label:<8}"), palette.strong()), Span::raw(text)])
    };
    let mut lines: Vec<_> = BINDINGS.iter().map(|bind| line(bind.label, bind.long)).collect();
    lines.push(Line::styled(" FLAGS of a peer", palette.dim()));
    lines.extend(FLAGS.iter().map(|(letter, meaning)| line(letter, meaning)));
    let (width, height) = (WIDTH.min(area.width), (lines.len() as u16 + 2).min(area.height));
    let area = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" Keys ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// The last line of the screen: the keys that matter most, as far as they fit.
pub fn footer(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let mut line = Vec::new();
    for binding in BINDINGS {
        if let Some(short) = binding.short {
            line.push(Span::styled(format!(" {}", binding.label), palette.strong()));
            line.push(Span::raw(format!(" {short} ")));
        }
    }
    if app.copied {
        line.push(Span::styled("  link sent to the clipboard", palette.good()));
    }
    frame.render_widget(Paragraph::new(Line::from(line)), area);
}
