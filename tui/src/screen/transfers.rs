//! The list of transfers.

use ratatui::{Frame, layout::Rect, text::Line, widgets::Paragraph};

use super::{
    app::{App, RowKey},
    page::{Page, Spec},
    palette::Palette,
};
use crate::text::inert;

pub const PAGE: Spec = Spec {
    title: "Transfers",
    about: "all transfers",
    rows,
    sorts: &["added", "name"],
    step: Spec::one_by_one,
    draw,
};

fn rows(app: &App) -> Vec<RowKey> {
    let list = app.list(Page::Transfers);
    let entries = app.scene().session.entries.iter();
    entries
        .filter(|entry| list.filter.passes(&entry.name))
        .map(|entry| RowKey::Entry(entry.id))
        .collect()
}

fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let lines: Vec<_> = app
        .rows()
        .iter()
        .filter_map(|row| match row {
            RowKey::Entry(id) => app.scene().entry(*id),
            _ => None,
        })
        .map(|entry| {
            let line = Line::from(format!(" {}  {:?}", inert(&entry.name), entry.phase));
            let chosen = app.entry().is_some_and(|it| it.id == entry.id);
            if chosen { line.style(palette.selected()) } else { line }
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}
