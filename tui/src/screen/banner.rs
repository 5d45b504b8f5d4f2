//! The line that asks whether to share on what has just arrived. It does not block: the files are
//! shared meanwhile.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{app::App, table::cut};
use crate::{look::Palette, share::Policy, text::inert};

/// Draws it, if there is something to ask. The choices matter more than the name, and the first more
/// than the last.
pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let Some(entry) = app.banner() else { return };
    let keep = match entry.policy {
        Policy::Needed => "share while needed".into(),
        policy => format!("share {}", policy.describe()),
    };
    let choices = [
        ("Enter", keep),
        ("t", "to ratio 1".into()),
        ("h", "an hour".into()),
        ("F", "for ever".into()),
        ("x", "stop".into()),
    ];
    let choices: Vec<_> = choices
        .into_iter()
        .flat_map(|(key, what)| {
            [Span::styled(format!("  {key}"), palette.strong()), Span::raw(format!(" {what}"))]
        })
        .collect();
    let asked: usize = choices.iter().map(Span::width).sum();
    // Room for the mark, and a few letters at least.
    let room = usize::from(area.width).saturating_sub(asked + 1).max(8) as u16;
    let name = Span::styled(format!(" ✓ {} is here", inert(&entry.name)), palette.good());
    let mut line = cut(Line::from(name), room);
    line.spans.extend(choices);
    frame.render_widget(line, area);
}
