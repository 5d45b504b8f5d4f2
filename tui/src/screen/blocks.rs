//! The blocks of one unfinished piece, each as the letter of the peer that sends it.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, Paragraph},
};
use swarm_engine::{BlockState, PartialSnapshot};
use swarm_node::Snapshot;
use swarm_proto::id::PeerId;

use super::{
    map,
    pieces::{file_of, name, partial},
    table,
};
use crate::{host::Share, look::Palette, units::Bytes};

/// All blocks of the selected piece, each as the letter of who sends it, and whose letter is whose.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    piece: u32,
    snapshot: &Snapshot,
    share: Option<&Share>,
    senders: &Senders,
    palette: Palette,
) {
    let title = match share.and_then(|share| file_of(share, piece).map(|file| (share, file))) {
        Some((share, file)) => {
            let offset = u64::from(piece - file.first_piece) * u64::from(share.piece_length);
            let length = u64::from(share.piece_length).min(file.length.saturating_sub(offset));
            format!(" Piece {piece}  {} at {} of {} ", Bytes(length), Bytes(offset), name(file))
        }
        None => format!(" Piece {piece} "),
    };
    let mut block = Block::bordered().border_style(palette.dim()).title(title);
    if area.width >= 76 {
        let legend = " A stored  a asked for  . nobody is asked ";
        block = block.title_bottom(Line::from(legend).right_aligned());
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(partial) = partial(snapshot, piece) else {
        let text = if map::bit(&snapshot.have, piece as usize) {
            Line::styled(" verified", palette.good())
        } else {
            Line::styled(" missing: nobody is asked for it yet", palette.dim())
        };
        return frame.render_widget(Paragraph::new(text), inner);
    };
    // Blocks in the rows above, those who send them in the last.
    let legend = Rect { y: inner.bottom().saturating_sub(1), height: inner.height.min(1), ..inner };
    let place = Rect { height: inner.height - legend.height, ..inner };
    let cells: Vec<_> = partial
        .runs
        .iter()
        .flat_map(|run| std::iter::repeat_n(run.state, run.count as usize))
        .collect();
    let buffer = frame.buffer_mut();
    for (row, y) in cells.chunks(usize::from(place.width).max(1)).zip(place.rows()) {
        for (state, at) in row.iter().zip(y.columns()) {
            let (glyph, style) = senders.glyph(*state, palette);
            buffer[(at.x, at.y)].set_char(glyph).set_style(style);
        }
    }
    let names = senders.of_piece(partial).into_iter().filter_map(|(letter, peer)| {
        let peer = snapshot.peers.iter().find(|other| other.id == peer)?;
        Some(format!("{letter} {}", peer.addr))
    });
    let names = format!(" {}", names.collect::<Vec<_>>().join("  "));
    frame.render_widget(table::cut(Line::styled(names, palette.dim()), legend.width), legend);
}

/// A piece's blocks in so many cells, the worst of those that share one.
pub fn strip(
    partial: &PartialSnapshot,
    width: usize,
    senders: &Senders,
    palette: Palette,
) -> Line<'static> {
    let cells = (partial.blocks as usize).min(width);
    let rank = |state: BlockState| match state {
        BlockState::Missing => 0,
        BlockState::Requested(_) => 1,
        BlockState::Storing(_) => 2,
        BlockState::Stored(_) => 3,
    };
    let mut worst = vec![None; cells];
    for run in &partial.runs {
        for block in run.first..run.first.saturating_add(run.count).min(partial.blocks) {
            let cell = block as usize * cells / partial.blocks as usize;
            let least = worst[cell].is_none_or(|other| rank(run.state) < rank(other));
            if least {
                worst[cell] = Some(run.state);
            }
        }
    }
    Line::from_iter(worst.into_iter().map(|state| {
        let (glyph, style) = senders.glyph(state.unwrap_or(BlockState::Missing), palette);
        Span::styled(glyph.to_string(), style)
    }))
}

/// A letter for each peer that sends something, the same in all of the page.
#[derive(Debug, Default)]
pub struct Senders(Vec<PeerId>);

/// Letters that there are; whoever comes after shares the last.
const LETTERS: usize = 26;

impl Senders {
    /// In the order the peers came, so that a letter stays with its peer.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self(snapshot.peers.iter().map(|peer| peer.id).collect())
    }

    /// Its letter in capitals; `?` if it has left.
    fn letter(&self, peer: PeerId) -> char {
        match self.0.iter().position(|other| *other == peer) {
            Some(at) => char::from(b'A' + at.min(LETTERS - 1) as u8),
            None => '?',
        }
    }

    fn glyph(&self, state: BlockState, palette: Palette) -> (char, Style) {
        match state {
            BlockState::Missing => ('.', palette.dim()),
            BlockState::Requested(peer) => (self.letter(peer).to_ascii_lowercase(), palette.busy()),
            BlockState::Storing(peer) => (self.letter(peer), palette.down()),
            BlockState::Stored(peer) => (self.letter(peer), palette.good()),
        }
    }

    /// Who sends blocks of a piece, in the order of their letters.
    fn of_piece(&self, partial: &PartialSnapshot) -> Vec<(char, PeerId)> {
        let mut senders: Vec<_> = partial
            .runs
            .iter()
            .filter_map(|run| match run.state {
                BlockState::Missing => None,
                BlockState::Requested(peer)
                | BlockState::Storing(peer)
                | BlockState::Stored(peer) => Some((self.letter(peer), peer)),
            })
            .collect();
        senders.sort_unstable();
        senders.dedup();
        senders
    }

    /// The letters of those who send blocks of a piece, together.
    pub fn letters_of(&self, partial: &PartialSnapshot) -> String {
        let mut letters: Vec<_> =
            self.of_piece(partial).iter().map(|(letter, _)| *letter).collect();
        letters.dedup();
        letters.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::sample;

    #[test]
    fn blocks_bear_the_letter_of_who_sends_them() {
        let mut app = sample::app();
        sample::press(&mut app, "3");
        let snapshot = app.snapshot().unwrap();
        let senders = Senders::of(snapshot);
        let palette = sample::palette();
        let first = &snapshot.partials[0];
        assert_eq!(
            strip(first, 64, &senders, palette).to_string(),
            format!("{}{}{}{}", "A".repeat(20), "B".repeat(10), "b".repeat(14), ".".repeat(20))
        );
        assert_eq!(
            strip(first, 8, &senders, palette).to_string(),
            "AABbb...",
            "the worst of each eight"
        );
        assert_eq!(senders.letters_of(first), "AB");
    }
}
