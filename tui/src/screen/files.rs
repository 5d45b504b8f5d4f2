//! Files.

use ratatui::{Frame, layout::Rect};

use super::{
    app::{App, RowKey},
    page::Spec,
    palette::Palette,
};

pub const PAGE: Spec =
    Spec { title: "Files", about: "its files", rows, sorts: &[], step: Spec::one_by_one, draw };

fn rows(_: &App) -> Vec<RowKey> {
    Vec::new()
}

fn draw(_: &mut Frame<'_>, _: Rect, _: &App, _: Palette) {}
