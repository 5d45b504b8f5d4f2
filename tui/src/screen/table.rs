//! Tables. A list of columns makes the header and the rows; where it is narrow, the columns that
//! matter least fall away first. Figures stand right in columns of a fixed width, so that nothing
//! jumps. Only the rows that are seen are made.

use std::{cmp::Ordering, ops::Range};

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, Widget},
};

use super::app::window;
use crate::{look::Palette, text::counted, words::percent};

/// One column; `K` names it.
#[derive(Debug, Clone, Copy)]
pub struct Column<K> {
    /// Which.
    pub of: K,
    pub title: &'static str,
    /// In cells of the terminal; the least if it grows.
    pub width: u16,
    pub shape: Shape,
    /// The higher, the sooner it falls away. Rank 0 stays.
    pub rank: u8,
}

/// Where a column's text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// At the left: names.
    Left,
    /// At the right: figures.
    Right,
    /// At the left, with what room the others leave, up to so many cells: a figure far from its name is
    /// nobody's.
    Grow(u16),
}

impl<K> Column<K> {
    /// Text at the left.
    pub const fn left(of: K, title: &'static str, width: u16, rank: u8) -> Self {
        Self { of, title, width, shape: Shape::Left, rank }
    }

    /// Text at the right.
    pub const fn right(of: K, title: &'static str, width: u16, rank: u8) -> Self {
        Self { of, title, width, shape: Shape::Right, rank }
    }

    /// Text at the left, with the room that the others leave.
    pub const fn grow(of: K, title: &'static str, width: u16, rank: u8) -> Self {
        Self { of, title, width, shape: Shape::Grow(GROW_MAX), rank }
    }

    /// The same, as wide as there is room for.
    pub const fn fill(of: K, title: &'static str, width: u16, rank: u8) -> Self {
        Self { of, title, width, shape: Shape::Grow(u16::MAX), rank }
    }
}

/// Cells of a name that are left at least.
const NAME_MIN: u16 = 6;

/// Rows of a frame with a header and a row in it.
const FRAMED_MIN: u16 = 4;

/// Cells of a name, if it is wider than that where it stands alone.
const GROW_MAX: u16 = 72;

/// The columns that fit, a space between them, each with its width.
pub fn fitting<K>(columns: &[Column<K>], width: u16) -> Vec<(&Column<K>, u16)> {
    let mut kept: Vec<_> = columns.iter().collect();
    let needed = |kept: &[&Column<K>]| kept.iter().map(|column| column.width + 1).sum::<u16>();
    while needed(&kept) > width.saturating_add(1) {
        let worst = kept.iter().map(|column| column.rank).max().unwrap_or(0);
        if worst == 0 {
            break;
        }
        kept.retain(|column| column.rank != worst);
    }
    // A name that is cut tells more than a figure that is.
    let mut lacking = needed(&kept).saturating_sub(width.saturating_add(1));
    let mut spare = width.saturating_add(1).saturating_sub(needed(&kept));
    let grows = |column: &&Column<K>| matches!(column.shape, Shape::Grow(_));
    let mut growing = kept.iter().copied().filter(grows).count() as u16;
    let mut sized = Vec::with_capacity(kept.len());
    for column in kept {
        let mut cells = column.width;
        if let Shape::Grow(most) = column.shape {
            // Those that grow share alike; the last has what the others do not take.
            let more = (spare / growing).min(most.saturating_sub(cells));
            let less = lacking.min(cells.saturating_sub(NAME_MIN));
            (spare, lacking, growing) = (spare - more, lacking - less, growing - 1);
            cells = cells + more - less;
        }
        sized.push((column, cells));
    }
    sized
}

/// What a table shows besides its columns.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Rows in all.
    pub rows: usize,
    /// The selected one.
    pub cursor: Option<usize>,
    /// The title of the column that the rows are in the order of, and whether backwards.
    pub sort: Option<(&'static str, bool)>,
}

/// Draws a frame and returns what is in it. Where it would leave no row below a header there is none.
pub fn framed(frame: &mut Frame<'_>, area: Rect, block: Block<'_>) -> Rect {
    let inner = within(area, &block);
    if inner != area {
        frame.render_widget(block, area);
    }
    inner
}

/// What would be in a frame, if there is room for one.
pub fn within(area: Rect, block: &Block<'_>) -> Rect {
    if area.height < FRAMED_MIN { area } else { block.inner(area) }
}

/// Draws a header and as many rows as fit, so that the selected one is among them. Returns which.
/// `row` finds what a row is of, once for all of its cells, and `cell` makes the text of one.
pub fn draw<K: Copy, T>(
    buffer: &mut Buffer,
    area: Rect,
    columns: &[Column<K>],
    view: View,
    palette: Palette,
    row: impl Fn(usize) -> Option<T>,
    cell: impl Fn(&T, K) -> Line<'static>,
) -> Range<usize> {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return 0..0;
    }
    let columns = fitting(columns, area.width);
    let header = Rect { height: 1, ..area };
    put(buffer, header, &columns, |column| {
        let arrow = match view.sort {
            Some((title, back)) if title == column.title => {
                if back {
                    "▴"
                } else {
                    "▾"
                }
            }
            _ => "",
        };
        Line::from(format!("{}{arrow}", column.title))
    });
    buffer.set_style(header, palette.dim());
    let room = usize::from(area.height - 1);
    let shown = window(view.cursor.unwrap_or(0), view.rows, room);
    for (y, at) in (area.y + 1..).zip(shown.clone()) {
        let line = Rect { y, height: 1, ..area };
        if let Some(row) = row(at) {
            put(buffer, line, &columns, |column| cell(&row, column.of));
        }
        if view.cursor == Some(at) {
            // The colours of single cells would make patches.
            buffer.set_style(line, Style::reset().patch(palette.selected()));
        }
    }
    shown
}

/// The title of a list of which so many rows match: `3 of 5 peers`, or `5 peers` if all do.
pub fn title(rows: usize, all: usize, what: &str) -> String {
    let count = counted(all as u64, what);
    if rows < all { format!(" {rows} of {count} ") } else { format!(" {count} ") }
}

/// Says in the frame below a list which of its rows are shown, if not all are.
pub fn extent(
    buffer: &mut Buffer,
    area: Rect,
    shown: &Range<usize>,
    rows: usize,
    palette: Palette,
) {
    if shown.len() < rows && area.width >= 40 && area.height >= FRAMED_MIN {
        let text = format!(" {}-{} of {rows} ", shown.start + 1, shown.end);
        let at = Rect { y: area.bottom() - 1, height: 1, width: area.width - 1, ..area };
        Line::styled(text, palette.dim()).right_aligned().render(at, buffer);
    }
}

fn put<K>(
    buffer: &mut Buffer,
    area: Rect,
    columns: &[(&Column<K>, u16)],
    text: impl Fn(&Column<K>) -> Line<'static>,
) {
    let mut x = area.x;
    for (column, width) in columns {
        let width = (*width).min(area.right().saturating_sub(x));
        let line = cut(text(column), width);
        // A text may be wider than its characters are one by one.
        let used = u16::try_from(line.width()).unwrap_or(u16::MAX).min(width);
        let indent = if column.shape == Shape::Right { width - used } else { 0 };
        buffer.set_line(x + indent, area.y, &line, width - indent);
        x = (x + width).saturating_add(1).min(area.right());
    }
}

/// The line, shortened with an ellipsis if it is wider than this.
pub fn cut(line: Line<'static>, width: u16) -> Line<'static> {
    let width = usize::from(width);
    if line.width() <= width {
        return line;
    }
    let mut left = width.saturating_sub(1);
    let mut spans = Vec::new();
    for span in line.spans {
        let (text, used) = prefix(&span.content, left);
        left -= used;
        let whole = text.len() == span.content.len();
        spans.push(Span::styled(text.to_owned(), span.style));
        if !whole {
            break;
        }
    }
    if width > 0 {
        spans.push(Span::raw("…"));
    }
    Line::from(spans).style(line.style)
}

/// The longest start of a text that is at most so wide, and how wide it is.
fn prefix(text: &str, width: usize) -> (&str, usize) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let wide = Span::raw(c.to_string()).width();
        if used + wide > width {
            return (&text[..at], used);
        }
        used += wide;
    }
    (text, used)
}

/// A bar of whole cells: full only if all is done.
pub fn bar(done: u64, total: u64, width: usize) -> String {
    let full = (percent(done, total) / 100.0 * width as f64) as usize;
    let full = full.min(width);
    "█".repeat(full) + &"░".repeat(width - full)
}

/// Puts rows into an order; those that are equal stay as they were, whichever way round it is.
pub fn sort<T>(rows: &mut [T], back: bool, compare: impl Fn(&T, &T) -> Ordering) {
    rows.sort_by(|a, b| if back { compare(b, a) } else { compare(a, b) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::{Glyphs, Theme};

    const COLUMNS: &[Column<u8>] = &[
        Column::grow(0, "NAME", 6, 0),
        Column::left(1, "KIND", 4, 2),
        Column::right(2, "SIZE", 6, 1),
    ];

    fn drawn(width: u16, height: u16, view: View) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let palette = Palette::new(Theme::Mono, Glyphs::Block, false);
        draw(&mut buffer, area, COLUMNS, view, palette, Some, |row, column| match column {
            0 => Line::from(format!("row number {row}")),
            1 => Line::from("own"),
            _ => Line::from(format!("{} B", row * 100)),
        });
        let rows = buffer.content.chunks(width.into());
        rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
    }

    const VIEW: View = View { rows: 9, cursor: Some(5), sort: Some(("SIZE", true)) };

    #[test]
    fn figures_stand_right_and_names_are_cut() {
        assert_eq!(
            drawn(21, 4, VIEW),
            [
                "NAME      KIND  SIZE▴",
                "row numb… own   400 B",
                "row numb… own   500 B",
                "row numb… own   600 B"
            ]
        );
    }

    #[test]
    fn the_columns_that_matter_least_fall_away_first() {
        assert_eq!(drawn(13, 2, VIEW), ["NAME    SIZE▴", "row n…  500 B"]);
        assert_eq!(drawn(6, 2, VIEW), ["NAME  ", "row n…"]);
        assert_eq!(drawn(1, 2, VIEW), ["…", "…"]);
    }

    #[test]
    fn wide_characters_are_not_torn() {
        assert_eq!(cut(Line::from("日本語"), 5).to_string(), "日本…");
        assert_eq!(cut(Line::from("日本語"), 4).to_string(), "日…");
        assert_eq!(cut(Line::from("日本語"), 6).to_string(), "日本語");
        assert_eq!(cut(Line::from("x"), 0).to_string(), "");
    }

    #[test]
    fn equal_rows_keep_their_places_both_ways() {
        let mut rows = [(1, 'a'), (2, 'b'), (1, 'c'), (2, 'd')];
        sort(&mut rows, true, |a, b| a.0.cmp(&b.0));
        assert_eq!(rows.map(|row| row.1), ['b', 'd', 'a', 'c']);
        sort(&mut rows, false, |a, b| a.0.cmp(&b.0));
        assert_eq!(rows.map(|row| row.1), ['a', 'c', 'b', 'd']);
    }

    #[test]
    fn a_text_that_is_wider_than_its_characters_fits_at_the_right_too() {
        let area = Rect::new(0, 0, 4, 2);
        let mut buffer = Buffer::empty(area);
        let view = View { rows: 1, cursor: None, sort: None };
        let palette = Palette::new(Theme::Default, Glyphs::Block, false);
        let columns = [Column::right((), "X", 4, 0)];
        // A heart, and that it is to be drawn as a picture.
        let cell = |_: &(), ()| Line::from("\u{2764}\u{FE0F}".repeat(5));
        draw(&mut buffer, area, &columns, view, palette, |_| Some(()), cell);
    }
}
