//! The piece map. A cell stands for as many neighbouring pieces as it takes to fit them all; its
//! glyph tells the least finished thing in it, so that one missing piece is never invisible.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, Paragraph},
};
use swarm_node::Snapshot;

use super::{page::Spec, palette::Palette};

/// What a cell says of its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// One of them is being fetched.
    InFlight,
    /// All are verified.
    Have,
    /// Some are verified.
    Part,
    /// None is.
    Missing,
}

impl Cell {
    const fn glyph(self) -> &'static str {
        match self {
            Self::Have => "█",
            Self::Part => "▓",
            Self::InFlight => "▒",
            Self::Missing => "·",
        }
    }

    const fn style(self, palette: Palette) -> Style {
        match self {
            Self::Have => palette.good(),
            Self::Part => palette.down(),
            Self::InFlight => palette.warn(),
            Self::Missing => palette.dim(),
        }
    }
}

pub const PAGE: Spec = Spec {
    title: "Pieces",
    about: "its pieces",
    rows: |_| Vec::new(),
    sorts: &[],
    step: Spec::one_by_one,
    draw: |frame, area, app, palette| {
        if let Some(snapshot) = app.snapshot() {
            draw(frame, area, snapshot, palette);
        }
    },
};

/// Draws the map in a frame with its counts and its legend.
pub fn draw(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let flying = snapshot.in_flight.len() as u32;
    let missing = snapshot.pieces.saturating_sub(snapshot.pieces_have).saturating_sub(flying);
    let have = snapshot.pieces_have;
    let mut block = Block::bordered()
        .border_style(palette.dim())
        .title(format!(" Pieces  {have} have · {flying} in flight · {missing} missing "));
    let inner = block.inner(area);
    let room = usize::from(inner.width) * usize::from(inner.height);
    let (cells, each) = cells(snapshot, room);
    if area.width >= 90 {
        let scale = if each > 1 { format!(" 1 cell = {each} pieces ") } else { String::new() };
        block = block.title_top(Line::from(scale).right_aligned());
    }
    if area.width >= 50 {
        let legend = " █ have ▓ part ▒ in flight · missing ";
        block = block.title_bottom(Line::from(legend).right_aligned());
    }
    frame.render_widget(block, area);
    let rows = cells.chunks(usize::from(inner.width).max(1)).map(|row| {
        Line::from_iter(row.iter().map(|cell| Span::styled(cell.glyph(), cell.style(palette))))
    });
    frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()), inner);
}

/// The cells that all pieces make in this much room, and how many pieces one cell holds.
fn cells(snapshot: &Snapshot, room: usize) -> (Vec<Cell>, usize) {
    let pieces = snapshot.pieces as usize;
    if room == 0 || pieces == 0 {
        return (Vec::new(), 1);
    }
    let each = pieces.div_ceil(room);
    let starts = (0..pieces).step_by(each);
    let cells = starts.map(|start| cell(snapshot, start, (start + each).min(pieces)));
    (cells.collect(), each)
}

fn cell(snapshot: &Snapshot, start: usize, end: usize) -> Cell {
    let flying = &snapshot.in_flight;
    let first = flying.partition_point(|piece| (*piece as usize) < start);
    if flying.get(first).is_some_and(|piece| (*piece as usize) < end) {
        return Cell::InFlight;
    }
    match (start..end).filter(|piece| bit(&snapshot.have, *piece)).count() {
        0 => Cell::Missing,
        n if n == end - start => Cell::Have,
        _ => Cell::Part,
    }
}

/// Whether a piece is verified: piece 0 is the highest bit of the first byte.
fn bit(have: &[u8], piece: usize) -> bool {
    have.get(piece / 8).is_some_and(|byte| byte & (0x80 >> (piece % 8)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::sample;

    fn drawn(snapshot: &Snapshot, room: usize) -> String {
        cells(snapshot, room).0.into_iter().map(Cell::glyph).collect()
    }

    #[test]
    fn a_cell_is_full_only_if_all_its_pieces_are_verified() {
        let have = vec![0b1111_0111, 0b1000_0000];
        let snapshot = Snapshot { pieces: 12, have, in_flight: vec![10], ..sample::downloading() };
        assert_eq!(drawn(&snapshot, 12), "████·████·▒·");
        assert_eq!(drawn(&snapshot, 6), "██▓█▓▒");
        assert_eq!(drawn(&snapshot, 5), "█▓█▒", "three to a cell");
        assert_eq!(drawn(&snapshot, 1), "▒");
        assert_eq!(drawn(&snapshot, 0), "");
    }
}
