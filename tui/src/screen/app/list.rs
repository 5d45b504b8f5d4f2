//! The state of a list: what is selected, how it is sorted, what is filtered out.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use swarm_proto::id::PeerId;

use crate::{
    host::EntryId,
    screen::{filter::Filter, page::Sort},
};

/// Names a row by what it is of, so that a selection stays where it is when rows move.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// A transfer.
    Entry(EntryId),
    /// A peer of the selected transfer.
    Peer(PeerId),
    /// A piece, or a cell of the map that begins with it.
    Piece(u32),
    /// A file of the selected transfer, by its place in the manifest.
    File(u32),
    /// A folder of the selected transfer.
    Folder(Arc<[String]>),
    /// A line of the log, counted from the first.
    Line(u64),
    /// A run of the past.
    Record(u64),
}

/// The state of one page's list.
#[derive(Debug, Clone, Default)]
pub struct ListState {
    /// The selected row; none until the user moves.
    pub cursor: Option<RowKey>,
    /// Which of the page's orders it has.
    pub sort: usize,
    /// That order backwards.
    pub reverse: bool,
    /// What the rows must match.
    pub filter: Filter,
    /// Rows that show more than usual: a folder's contents, a peer's details, a piece's blocks.
    pub open: BTreeSet<RowKey>,
}

/// Rows that may be open at a time; more than anybody opens by hand.
const OPEN_MAX: usize = 1000;

impl ListState {
    /// Opens a row, or closes it again.
    pub fn toggle(&mut self, row: RowKey) {
        if !self.open.remove(&row) && self.open.len() < OPEN_MAX {
            self.open.insert(row);
        }
    }

    /// The title of the column that its rows are in the order of, and whether backwards.
    pub fn heading(&self, sorts: &[Sort]) -> Option<(&'static str, bool)> {
        sorts.get(self.sort)?.column.map(|title| (title, self.reverse))
    }
}

/// Which of `len` rows a pane of `height` shows so that row `at` is in its middle, as far as the ends
/// allow.
pub fn window(at: usize, len: usize, height: usize) -> Range<usize> {
    let first = at.saturating_sub(height / 2).min(len.saturating_sub(height));
    first..len.min(first + height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_always_seen() {
        assert_eq!(window(0, 10, 4), 0..4);
        assert_eq!(window(5, 10, 4), 3..7);
        assert_eq!(window(9, 10, 4), 6..10);
        assert_eq!(window(2, 3, 10), 0..3);
        assert_eq!(window(0, 0, 10), 0..0);
        assert_eq!(window(5, 10, 0).len(), 0);
        assert_eq!(window(5, 10, 1), 5..6);
    }
}
