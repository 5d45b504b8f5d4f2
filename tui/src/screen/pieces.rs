//! Pieces: the map with the copies that there are, and every unfinished piece down to its blocks and
//! who sends them.

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Paragraph},
};
use swarm_engine::{BlockState, PartialSnapshot};
use swarm_node::Snapshot;

use super::{
    app::{App, RowKey},
    blocks::{self, Senders},
    filter::{Fact, Facts, Value},
    map::{self, Pieces},
    page::{Page, Spec},
    table::{self, Column, View},
};
use crate::{
    host::{Share, ShareFile},
    look::{Glyphs, Palette},
    text::inert,
};

/// Of the selected transfer.
pub const PAGE: Spec = Spec {
    title: "Pieces",
    about: "its pieces, and the blocks of those that are not finished",
    rows,
    sorts: &[],
    step: Spec::one_by_one,
    draw,
};

#[derive(Debug, Clone, Copy)]
enum Col {
    Piece,
    Blocks,
    Done,
    From,
    File,
}

/// What falls away first has the highest rank.
const COLUMNS: &[Column<Col>] = &[
    Column::right(Col::Piece, "PIECE", 7, 0),
    Column::left(Col::Blocks, "BLOCKS", 32, 2),
    Column::right(Col::Done, "DONE", 9, 1),
    Column::left(Col::From, "FROM", 8, 3),
    Column::grow(Col::File, "FILE", 12, 4),
];

/// The unfinished pieces, and the one whose number is the filter.
fn rows(app: &App) -> Vec<RowKey> {
    let Some(snapshot) = app.snapshot() else { return Vec::new() };
    let filter = &app.list(Page::Pieces).filter;
    let asked = filter.text().parse().ok().filter(|piece| *piece < snapshot.pieces);
    if let Some(piece) = asked {
        return vec![RowKey::Piece(piece)];
    }
    let share = app.entry().and_then(|entry| entry.share.as_deref());
    let unfinished = snapshot.partials.iter().map(|partial| partial.piece);
    unfinished
        .filter(|piece| filter.passes(&Piece { piece: *piece, share }))
        .map(RowKey::Piece)
        .collect()
}

/// A piece, for the filter.
struct Piece<'a> {
    piece: u32,
    share: Option<&'a Share>,
}

impl Facts for Piece<'_> {
    fn fact(&self, fact: Fact) -> Option<Value<'_>> {
        match fact {
            Fact::Name => Some(name(file_of(self.share?, self.piece)?).into()),
            _ => None,
        }
    }
}

/// The unfinished pieces by what goes on with them, each list ascending.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unfinished {
    /// Somebody is asked for some of it, or it is on its way to the disk.
    in_flight: Vec<u32>,
    /// Some of it is there, and nobody is asked for the rest.
    started: Vec<u32>,
    /// All of it is there and does not verify.
    failed: Vec<u32>,
}

impl Unfinished {
    fn of(snapshot: &Snapshot) -> Self {
        let mut this = Self::default();
        for piece in &snapshot.in_flight {
            let all = |is: fn(BlockState) -> bool| {
                let partial =
                    snapshot.partials.binary_search_by_key(piece, |partial| partial.piece);
                partial.is_ok_and(|at| snapshot.partials[at].runs.iter().all(|run| is(run.state)))
            };
            let list = if all(|state| matches!(state, BlockState::Stored(_))) {
                &mut this.failed
            } else if all(|state| matches!(state, BlockState::Stored(_) | BlockState::Missing)) {
                &mut this.started
            } else {
                &mut this.in_flight
            };
            list.push(*piece);
        }
        this
    }
}

/// Rows in which [`map()`] shows every piece by itself, with its frame and the copies.
pub fn map_rows(pieces: u32, width: u16, palette: Palette) -> u16 {
    let row = usize::from(width.saturating_sub(2)).max(1) * map::slots(palette);
    u16::try_from((pieces as usize).div_ceil(row) + 3).unwrap_or(u16::MAX)
}

/// Draws the map in a frame with its counts, its legend, and the row of copies if there is room.
pub fn map(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let unfinished = Unfinished::of(snapshot);
    let have = snapshot.pieces_have;
    let begun = snapshot.in_flight.len() as u32;
    let missing = snapshot.pieces.saturating_sub(have).saturating_sub(begun);
    let flying = unfinished.in_flight.len();
    let mut block = Block::bordered()
        .border_style(palette.dim())
        .title(format!(" Pieces  {have} have · {flying} in flight · {missing} missing "));
    let inner = block.inner(area);
    let below = u16::from(inner.height >= 3);
    let place = Rect { height: inner.height - below, ..inner };
    let pieces = Pieces {
        count: snapshot.pieces,
        have: &snapshot.have,
        in_flight: &unfinished.in_flight,
        started: &unfinished.started,
        failed: &unfinished.failed,
    };
    let room = usize::from(place.width) * usize::from(place.height) * map::slots(palette);
    let each = pieces.each(room);
    if area.width >= 90 && each > 1 {
        let what = if map::slots(palette) > 1 { "half a cell" } else { "1 cell" };
        block = block.title_top(Line::from(format!(" {what} = {each} pieces ")).right_aligned());
    }
    if area.width >= 60 {
        let legend = " █ have ▓ part ▒ in flight · missing ! bad ";
        block = block.title_bottom(Line::from(legend).right_aligned());
    }
    frame.render_widget(block, area);
    map::draw(frame.buffer_mut(), place, &pieces, palette);
    let row = Rect { y: place.bottom(), height: below, ..inner };
    copies(frame.buffer_mut(), row, snapshot, palette);
}

/// Heights of the copies, lowest first.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `copies ▆▅▆▁▆▇  1 least  8.4 mean`: from the first piece to the last, the fewest copies of any piece in
/// each column, as a height or a digit. What nobody has is `!`. That we are the only one is no reason for
/// alarm to us, but one to stay.
fn copies(buffer: &mut Buffer, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return;
    }
    let label = "copies ";
    let (least, mean) = (snapshot.copies_min, snapshot.copies_mean);
    let figures = format!("  {least:>3} least {mean:>5.1} mean");
    let room = usize::from(area.width);
    if room < label.len() + figures.len() + 10 {
        return;
    }
    let width = room - label.len() - figures.len();
    let columns = lows(&snapshot.availability, width);
    let most = columns.iter().copied().max().unwrap_or(0).max(2);
    let alone = if snapshot.pieces_have < snapshot.pieces { palette.bad() } else { palette.warn() };
    let mut spans = vec![Span::styled(label, palette.dim())];
    spans.extend(columns.iter().map(|&low| match low {
        2.. if palette.glyphs() == Glyphs::Ascii => {
            let digit = char::from_digit(low.into(), 10).unwrap_or('+');
            Span::styled(digit.to_string(), palette.good())
        }
        1 if palette.glyphs() == Glyphs::Ascii => Span::styled("1", alone),
        0 => Span::styled("!", palette.bad()),
        1 => Span::styled("▁", alone),
        n => {
            let height = usize::from(n) * (HEIGHTS.len() - 1) / usize::from(most);
            Span::styled(HEIGHTS[height].to_string(), palette.good())
        }
    }));
    if columns.is_empty() {
        spans.push(Span::raw(" ".repeat(width)));
    }
    let style = match least {
        0 => palette.bad(),
        1 => alone,
        _ => palette.dim(),
    };
    spans.push(Span::styled(figures, style));
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}

/// The least of the buckets in each of so many columns.
fn lows(buckets: &[u8], columns: usize) -> Vec<u8> {
    if buckets.is_empty() {
        return Vec::new();
    }
    let bucket = |column: usize| column * buckets.len() / columns;
    let low = |column| {
        let start = bucket(column);
        let end = bucket(column + 1).max(start + 1);
        buckets[start..end].iter().copied().min().unwrap_or(0)
    };
    (0..columns).map(low).collect()
}

/// The page: the map above, the unfinished pieces below, the blocks of the selected one at the end.
fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let (Some(entry), Some(snapshot)) = (app.entry(), app.snapshot()) else { return };
    let rows = app.rows();
    let cursor = app.cursor().unwrap_or(0);
    let selected = match rows.get(cursor) {
        Some(RowKey::Piece(piece)) => Some(*piece),
        _ => None,
    };
    let share = entry.share.as_deref();
    // Where there is little room the blocks go first, then the map.
    let map_rows = match area.height {
        18.. => area.height / 3,
        8.. => 4,
        _ => 0,
    };
    let left = area.height - map_rows;
    // As many as the blocks need, with their frame and the names, and at most half.
    let blocks_of = |piece| partial(snapshot, piece).map_or(0, |partial| partial.blocks);
    let wanted =
        selected.map_or(0, |piece| blocks_of(piece).div_ceil(u32::from(area.width.max(3) - 2)) + 3);
    let block_rows = if left >= 10 { (left / 2).min(wanted.max(4) as u16) } else { 0 };
    let block_rows = if selected.is_some() { block_rows } else { 0 };
    let map_area = Rect { height: map_rows, ..area };
    let list = Rect { y: map_area.bottom(), height: left - block_rows, ..area };
    if map_rows > 0 {
        map(frame, map_area, snapshot, palette);
    }
    let senders = Senders::of(snapshot);
    unfinished(frame, list, app, snapshot, share, &senders, palette);
    if let Some(piece) = selected.filter(|_| block_rows > 0) {
        let place = Rect { y: list.bottom(), height: block_rows, ..area };
        blocks::draw(frame, place, piece, snapshot, share, &senders, palette);
    }
}

fn unfinished(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &App,
    snapshot: &Snapshot,
    share: Option<&Share>,
    senders: &Senders,
    palette: Palette,
) {
    let rows = app.rows();
    let more = snapshot.in_flight.len().saturating_sub(snapshot.partials.len());
    let title = match app.list(Page::Pieces).filter.text() {
        "" if more > 0 => format!(" Unfinished  {} of {} ", rows.len(), snapshot.in_flight.len()),
        "" => format!(" Unfinished  {} ", rows.len()),
        filter => format!(" Pieces /{} ", inert(filter)),
    };
    let mut block = Block::bordered().border_style(palette.dim()).title(title);
    if area.width >= 60 {
        block = block.title_top(Line::from(" / and a number shows any piece ").right_aligned());
    }
    let inner = table::framed(frame, area, block);
    if rows.is_empty() {
        let text = if snapshot.pieces_have >= snapshot.pieces_wanted {
            " all pieces are verified"
        } else {
            " no piece is being fetched now"
        };
        frame.render_widget(Paragraph::new(text).style(palette.dim()), inner);
        return;
    }
    let cursor = Some(app.cursor().unwrap_or(0));
    let view = View { rows: rows.len(), cursor, sort: None };
    let find = |at: usize| match rows[at] {
        RowKey::Piece(piece) => Some((piece, partial(snapshot, piece))),
        _ => None,
    };
    let cell = |&(piece, partial): &(u32, Option<&PartialSnapshot>), column| match (column, partial)
    {
        (Col::Piece, _) => Line::from(piece.to_string()),
        (Col::File, _) => {
            let file = share.and_then(|share| file_of(share, piece));
            Line::styled(file.map_or_else(String::new, name), palette.dim())
        }
        (Col::Blocks, Some(partial)) => blocks::strip(partial, 32, senders, palette),
        (Col::Blocks, None) if map::bit(&snapshot.have, piece as usize) => {
            Line::styled("verified", palette.good())
        }
        (Col::Blocks, None) => Line::styled("missing", palette.dim()),
        (Col::Done, Some(partial)) => {
            Line::from(format!("{}/{}", arrived(partial), partial.blocks))
        }
        (Col::From, Some(partial)) => Line::from(senders.letters_of(partial)),
        (Col::Done | Col::From, None) => Line::from("-"),
    };
    table::draw(frame.buffer_mut(), inner, COLUMNS, view, palette, find, cell);
}

/// What is known of the blocks of a piece, if it is unfinished.
pub fn partial(snapshot: &Snapshot, piece: u32) -> Option<&PartialSnapshot> {
    snapshot.partials.iter().find(|partial| partial.piece == piece)
}

/// How many of its blocks are here.
fn arrived(partial: &PartialSnapshot) -> u32 {
    let here = |state: BlockState| matches!(state, BlockState::Storing(_) | BlockState::Stored(_));
    partial.runs.iter().filter(|run| here(run.state)).map(|run| run.count).sum()
}

/// The file that a piece is of.
pub fn file_of(share: &Share, piece: u32) -> Option<&ShareFile> {
    // Empty files have the number of the next piece; the last that starts here has it.
    let after = share.files.partition_point(|file| file.first_piece <= piece);
    share.files[..after].iter().rev().find(|file| file.pieces > 0)
}

/// A file's path, for people.
pub fn name(file: &ShareFile) -> String {
    inert(&file.path.join("/"))
}

#[cfg(test)]
mod tests {
    use swarm_engine::RunSnapshot;

    use super::*;
    use crate::screen::sample;

    #[test]
    fn a_column_shows_its_least_copies() {
        assert_eq!(lows(&[5, 4, 1, 9, 9, 9], 3), [4, 1, 9]);
        assert_eq!(lows(&[5, 1], 4), [5, 5, 1, 1]);
        assert_eq!(lows(&[3, 0, 7], 1), [0]);
        assert_eq!(lows(&[], 5), Vec::<u8>::new());
    }

    #[test]
    fn what_is_on_its_way_to_the_disk_is_here() {
        assert_eq!(arrived(&sample::downloading().partials[0]), 30);
    }

    #[test]
    fn a_piece_that_nobody_is_asked_for_waits_or_has_failed() {
        let mut snapshot = sample::downloading();
        let stored = |run: &RunSnapshot| matches!(run.state, BlockState::Stored(_));
        let missing = |run: &RunSnapshot| run.state == BlockState::Missing;
        snapshot.partials[1].runs.retain(|run| stored(run) || missing(run));
        snapshot.partials[2].runs.retain(stored);
        let unfinished = Unfinished::of(&snapshot);
        assert_eq!((unfinished.started, unfinished.failed), (vec![701], vec![702]));
        assert_eq!(unfinished.in_flight.len(), 14);
    }

    #[test]
    fn a_number_shows_any_piece() {
        let mut app = sample::app();
        sample::press(&mut app, "3/12\n");
        assert_eq!(app.rows(), [RowKey::Piece(12)]);
        sample::press(&mut app, "\x1b/99999\n");
        assert_eq!(app.rows(), []);
    }

    #[test]
    fn a_piece_is_of_the_file_that_has_bytes_in_it() {
        let file = |path: &str, first_piece, pieces| ShareFile {
            path: vec![path.into()],
            length: u64::from(pieces),
            first_piece,
            pieces,
        };
        let files = vec![file("a", 0, 2), file("b", 2, 0), file("c", 2, 1), file("d", 3, 0)];
        let entry = sample::entry(0, &sample::downloading());
        let share = Share { files, ..(*entry.share.unwrap()).clone() };
        let names = |piece| file_of(&share, piece).map(name);
        assert_eq!(names(1), Some("a".into()));
        assert_eq!(names(2), Some("c".into()));
    }

    #[test]
    fn all_pieces_on_a_roomy_and_on_a_usual_terminal() {
        let mut app = sample::app();
        sample::press(&mut app, "3");
        sample::assert_screen(&app, 100, 30, "pieces-100x30");
        sample::assert_screen(&app, 80, 24, "pieces-80x24");
    }
}
