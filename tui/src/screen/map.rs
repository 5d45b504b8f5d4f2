//! The piece map. A cell stands for as many neighbouring pieces as it takes to fit them all; it tells
//! the least finished thing among them, so that one missing piece is never invisible.
//!
//! It is made anew for each frame, because that is cheap: the bits of a million pieces are 16 000
//! words, counted in some ten microseconds.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::look::{Glyphs, Palette};

/// What a cell says of its pieces. The earlier in this list, the more it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// One of them did not verify, and is fetched again.
    Failed,
    /// One of them is being fetched.
    InFlight,
    /// Some are verified, or one of them has some of its blocks.
    Part,
    /// None is verified.
    Missing,
    /// All are verified.
    Have,
}

impl Cell {
    /// Its glyph among whole blocks.
    pub const fn glyph(self) -> char {
        match self {
            Self::Failed => '!',
            Self::InFlight => '▒',
            Self::Part => '▓',
            Self::Missing => '·',
            Self::Have => '█',
        }
    }

    /// Its colour.
    pub const fn style(self, palette: Palette) -> Style {
        match self {
            Self::Failed => palette.bad(),
            Self::InFlight => palette.busy(),
            Self::Part => palette.down(),
            Self::Missing => palette.dim(),
            Self::Have => palette.good(),
        }
    }
}

/// What is known of the pieces. The lists are ascending.
#[derive(Debug, Clone, Copy)]
pub struct Pieces<'a> {
    /// How many there are.
    pub count: u32,
    /// Which are verified: piece 0 is the highest bit of the first byte.
    pub have: &'a [u8],
    /// Those being fetched.
    pub in_flight: &'a [u32],
    /// Those that have some of their blocks, and nobody is asked for the rest.
    pub started: &'a [u32],
    /// Those that did not verify, and have not since.
    pub failed: &'a [u32],
}

impl Pieces<'_> {
    /// How many pieces a slot stands for where there is room for so many slots. At least 1.
    pub const fn each(&self, room: usize) -> usize {
        if room == 0 {
            1
        } else {
            (self.count as usize).div_ceil(room) + (self.count == 0) as usize
        }
    }

    /// The state of the slot for the pieces from `start` to before `end`.
    pub fn cell(&self, start: usize, end: usize) -> Cell {
        let end = end.min(self.count as usize);
        if any(self.failed, start, end) {
            return Cell::Failed;
        }
        if any(self.in_flight, start, end) {
            return Cell::InFlight;
        }
        match ones(self.have, start, end) {
            n if n == end.saturating_sub(start) => Cell::Have,
            0 if !any(self.started, start, end) => Cell::Missing,
            _ => Cell::Part,
        }
    }

    /// The slots that all pieces make where there is room for so many.
    pub fn cells(&self, room: usize) -> Vec<Cell> {
        if room == 0 {
            return Vec::new();
        }
        let each = self.each(room);
        let starts = (0..self.count as usize).step_by(each);
        starts.map(|start| self.cell(start, start + each)).collect()
    }
}

/// Whether one of a sorted list is from `start` to before `end`.
fn any(sorted: &[u32], start: usize, end: usize) -> bool {
    let first = sorted.partition_point(|piece| (*piece as usize) < start);
    sorted.get(first).is_some_and(|piece| (*piece as usize) < end)
}

/// How many bits are set from `start` to before `end`; bit 0 is the highest of the first byte. What
/// lies past the last byte is not set.
pub fn ones(bits: &[u8], start: usize, end: usize) -> usize {
    let end = end.min(bits.len() * 8);
    if start >= end {
        return 0;
    }
    let (first, last) = (start / 8, (end - 1) / 8);
    let head = 0xff_u8 >> (start % 8);
    let tail = 0xff_u8 << (7 - (end - 1) % 8);
    if first == last {
        return (bits[first] & head & tail).count_ones() as usize;
    }
    let (words, rest) = bits[first + 1..last].as_chunks::<8>();
    let whole: u32 = words.iter().map(|word| u64::from_ne_bytes(*word).count_ones()).sum();
    let odd: u32 = rest.iter().map(|byte| byte.count_ones()).sum();
    ((bits[first] & head).count_ones() + (bits[last] & tail).count_ones() + whole + odd) as usize
}

/// Whether a bit is set.
pub fn bit(bits: &[u8], n: usize) -> bool {
    bits.get(n / 8).is_some_and(|byte| byte & (0x80 >> (n % 8)) != 0)
}

/// How many slots a cell of the screen has.
pub const fn slots(palette: Palette) -> usize {
    match palette.glyphs() {
        Glyphs::Half => 2,
        Glyphs::Block | Glyphs::Ascii => 1,
    }
}

/// Draws the map into all of the area. Returns how many pieces a slot stands for.
pub fn draw(buffer: &mut Buffer, area: Rect, pieces: &Pieces<'_>, palette: Palette) -> usize {
    let area = area.intersection(buffer.area);
    let width = usize::from(area.width) * slots(palette);
    let room = width * usize::from(area.height);
    let cells = pieces.cells(room);
    for (row, y) in cells.chunks(width.max(1)).zip(area.rows()) {
        for (slots, at) in row.chunks(slots(palette)).zip(y.columns()) {
            let (glyph, style) = match *slots {
                [left, right] if left != right => halves(left, right, palette),
                [cell, ..] => (cell.glyph(), cell.style(palette)),
                [] => (' ', Style::new()),
            };
            buffer[(at.x, at.y)].set_char(glyph).set_style(style);
        }
    }
    pieces.each(room)
}

/// Two slots in one cell: what is missing is the background, else the left one is in front.
fn halves(left: Cell, right: Cell, palette: Palette) -> (char, Style) {
    match (left, right) {
        (Cell::Missing, right) => ('▐', right.style(palette)),
        (left, Cell::Missing) => ('▌', left.style(palette)),
        (left, right) => {
            let behind = right.style(palette).fg.unwrap_or_default();
            ('▌', left.style(palette).bg(behind))
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Color;

    use super::*;
    use crate::look::Theme;

    const NONE: Pieces<'_> =
        Pieces { count: 0, have: &[], in_flight: &[], started: &[], failed: &[] };

    fn drawn(pieces: &Pieces<'_>, room: usize) -> String {
        pieces.cells(room).into_iter().map(Cell::glyph).collect()
    }

    #[test]
    fn a_cell_is_full_only_if_all_its_pieces_are_verified() {
        let have = [0b1111_0111, 0b1000_0000];
        let pieces = Pieces { count: 12, have: &have, in_flight: &[10], ..NONE };
        assert_eq!(drawn(&pieces, 12), "████·████·▒·");
        assert_eq!(drawn(&pieces, 6), "██▓█▓▒");
        assert_eq!(drawn(&pieces, 5), "█▓█▒", "three to a cell");
        assert_eq!(drawn(&pieces, 1), "▒");
        assert_eq!(drawn(&pieces, 0), "");
        assert_eq!(drawn(&NONE, 5), "");
    }

    #[test]
    fn the_worst_of_a_cell_wins() {
        let pieces = Pieces {
            count: 10,
            have: &[0b1000_0000, 0],
            in_flight: &[2, 3],
            started: &[4, 5],
            failed: &[3, 5],
        };
        assert_eq!(drawn(&pieces, 10), "█·▒!▓!····");
        assert_eq!(drawn(&pieces, 5), "▓!!··");
        assert_eq!(drawn(&pieces, 1), "!");
    }

    #[test]
    fn bits_are_counted_across_words_as_one_by_one() {
        let bits: Vec<u8> = (0..40_u32).map(|n| (n * 37 + 11) as u8).collect();
        for start in 0..330 {
            for end in start..330 {
                let slow = (start..end).filter(|n| bit(&bits, *n)).count();
                assert_eq!(ones(&bits, start, end), slow, "{start}..{end}");
            }
        }
    }

    #[test]
    fn a_short_bitfield_says_that_nothing_is_there() {
        let pieces = Pieces { count: 20, have: &[0xff], ..NONE };
        assert_eq!(drawn(&pieces, 20), "████████············");
    }

    #[test]
    fn half_blocks_show_two_slots_and_never_more_than_is_there() {
        let palette = Palette::new(Theme::Default, Glyphs::Half, true);
        let pieces = Pieces { count: 7, have: &[0b1110_1000], in_flight: &[5], ..NONE };
        let area = Rect::new(0, 0, 4, 1);
        let mut buffer = Buffer::empty(area);
        assert_eq!(draw(&mut buffer, area, &pieces, palette), 1);
        let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(text, "█▌▌·");
        assert_eq!((buffer[(1, 0)].fg, buffer[(1, 0)].bg), (Color::Green, Color::Reset));
        assert_eq!((buffer[(2, 0)].fg, buffer[(2, 0)].bg), (Color::Green, Color::Yellow));
    }

    #[test]
    fn a_million_pieces_share_the_cells_that_there_are() {
        let count = 1_000_000;
        let have: Vec<u8> = (0..count / 8).map(|n: u32| (n % 251) as u8).collect();
        let in_flight: Vec<u32> = (0..count).step_by(1000).collect();
        let pieces = Pieces { count, have: &have, in_flight: &in_flight, ..NONE };
        let area = Rect::new(0, 0, 200, 60);
        let mut buffer = Buffer::empty(area);
        let palette = Palette::new(Theme::Default, Glyphs::Half, true);
        // Two slots a cell.
        assert_eq!(
            draw(&mut buffer, area, &pieces, palette),
            1_000_000_usize.div_ceil(2 * 200 * 60)
        );
    }
}
