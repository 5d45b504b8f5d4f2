//! The help: every key, every command, and what the letters in the table of peers mean.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use super::{
    app::{App, Modal, window},
    keys,
    modal::middle,
    peers::FLAGS,
    verbs,
};
use crate::look::Palette;

/// Widest that it gets: the longest line.
const WIDTH: u16 = 76;

/// Draws it over the middle of everything else, without its first `top` lines if not all fit.
pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, top: usize, palette: Palette) {
    let line = |label: String, text: String| {
        Line::from(vec![Span::styled(format!(" {label:<8}"), palette.strong()), Span::raw(text)])
    };
    let keys = keys::of_page(app).map(|bind| line(bind.label.into(), bind.long.into()));
    let pages = app.pages().iter().enumerate();
    let pages = pages.map(|(n, page)| line((n + 1).to_string(), page.spec().about.into()));
    let mut lines: Vec<_> = keys.chain(pages).collect();
    lines.push(Line::styled(" COMMANDS behind :", palette.dim()));
    lines.extend(verbs::completions("").into_iter().map(|(verb, about)| line(verb, about)));
    lines.push(Line::styled(" FLAGS of a peer", palette.dim()));
    lines.extend(FLAGS.iter().map(|(letter, meaning)| line((*letter).into(), (*meaning).into())));
    let area = middle(area, WIDTH, (lines.len() as u16).saturating_add(2));
    let room = usize::from(area.height.saturating_sub(2));
    let top = top.min(lines.len().saturating_sub(room));
    let shown = window(top + room / 2, lines.len(), room);
    let mut block = Block::bordered().title(" Keys and commands ");
    if shown.len() < lines.len() {
        let of = format!(" {}-{} of {}", shown.start + 1, shown.end, lines.len());
        let text = if area.width < 30 { of + " " } else { of + ", Down scrolls " };
        block = block.title_bottom(Line::from(text).right_aligned());
    }
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines[shown].to_vec()).block(block), area);
}

/// The last line of the screen: the answer to the last key, and the keys that matter most, as far
/// as they fit. The way to the help stays.
pub fn footer(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    if let Some(notice) = &app.notice {
        let style = if notice.bad { palette.bad() } else { palette.good() };
        frame.render_widget(Paragraph::new(Line::styled(format!(" {}", notice.text), style)), area);
        return;
    }
    let room = usize::from(area.width);
    let mut keys: Vec<_> = keys::current(app)
        .filter_map(|bind| Some([format!(" {}", bind.label), format!(" {} ", bind.short?)]))
        .collect();
    let wide = |key: &[String; 2]| key.iter().map(|text| text.chars().count()).sum::<usize>();
    // The last is the help, if nothing lies over the page.
    let last = if app.modal.is_none() { keys.pop() } else { None };
    let mut left = room.saturating_sub(last.as_ref().map_or(0, wide));
    keys.retain(|key| {
        let fits = wide(key) <= left;
        left = if fits { left - wide(key) } else { 0 };
        fits
    });
    let spans = keys
        .into_iter()
        .chain(last)
        .flat_map(|[label, short]| [Span::styled(label, palette.strong()), Span::raw(short)]);
    if matches!(app.modal, Some(Modal::Prompt(_))) {
        return;
    }
    frame.render_widget(Paragraph::new(Line::from_iter(spans)), area);
}
