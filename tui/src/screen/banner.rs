//! The line that asks whether to share on what has just arrived. It does not block: the files are
//! shared meanwhile.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{app::App, palette::Palette};
use crate::text::inert;

/// Draws it, if there is something to ask.
pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let Some(entry) = app.banner() else { return };
    let choices = [
        ("Enter", format!("share {}", entry.policy.describe())),
        ("t", "until ratio 1".into()),
        ("h", "for an hour".into()),
        ("F", "for ever".into()),
        ("x", "stop".into()),
    ];
    let mut line =
        vec![Span::styled(format!(" ✓ {} verified ", inert(&entry.name)), palette.good())];
    for (key, what) in choices {
        line.push(Span::styled(format!(" {key}"), palette.strong()));
        line.push(Span::raw(format!(" {what} ")));
    }
    frame.render_widget(Paragraph::new(Line::from(line)), area);
}
