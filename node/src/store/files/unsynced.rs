//! What was written and is not known to be on the disk.

use swarm_proto::{
    bitfield::Bitfield,
    geometry::{FileIndex, Geometry, PieceIndex},
};

/// More files than this are synced with one call for the whole file system.
pub(crate) const SYNCS_MAX: usize = 32;

/// Pieces written to since their file was last synced.
#[derive(Debug)]
pub(super) struct Unsynced {
    pieces: Bitfield,
    /// How many of them are files of one piece.
    files: usize,
    /// Such a file was closed. What is not open may leave memory, and the error if it could not be written goes
    /// with it: only a sync of the whole file system still tells.
    closed: bool,
}

impl Unsynced {
    pub(super) fn new(geometry: &Geometry) -> Self {
        Self { pieces: Bitfield::empty(geometry.piece_count()), files: 0, closed: false }
    }

    /// A piece is written to, which may be all of its file.
    pub(super) fn note(&mut self, piece: PieceIndex, is_file: bool) {
        if self.pieces.insert(piece) && is_file {
            self.files += 1;
        }
    }

    /// Whether a file that is written at once may be closed: there are so many that all will be synced with one
    /// call. To keep the last 64 of 50,000 open costs a twentieth of the time.
    pub(super) const fn may_close(&self) -> bool {
        cfg!(target_os = "linux") && self.files > SYNCS_MAX
    }

    /// Such a file was closed.
    pub(super) const fn note_closed(&mut self) {
        self.closed = true;
    }

    /// Whether only a sync of the whole file system will do.
    pub(super) const fn needs_all(&self) -> bool {
        self.closed
    }

    /// Takes all pieces.
    pub(super) fn take_all(&mut self, geometry: &Geometry) -> Vec<PieceIndex> {
        let all = std::mem::replace(self, Self::new(geometry)).pieces;
        all.iter().filter_map(|piece| geometry.piece(piece)).collect()
    }

    /// Takes the pieces of a file.
    pub(super) fn take(&mut self, geometry: &Geometry, file: FileIndex) -> Vec<PieceIndex> {
        let mut pieces = geometry.file_pieces(file);
        let (Some(first), last) = (pieces.next(), pieces.next_back()) else { return Vec::new() };
        let last = last.unwrap_or(first);
        // Word by word: there may be millions, of which few were written.
        let found = self.pieces.common_from(&self.pieces, first.get());
        let found = found.filter_map(|number| geometry.piece(number));
        let found: Vec<_> = found.take_while(|&piece| (first..=last).contains(&piece)).collect();
        for &piece in &found {
            self.pieces.remove(piece);
            self.files -= usize::from(geometry.is_file(piece));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 1 << 14;

    /// Forty files of one piece, and one of five.
    fn geometry() -> Geometry {
        Geometry::new(1 << 14, (0..40).map(|_| 7).chain([5 * BLOCK])).unwrap()
    }

    fn numbers(pieces: &[PieceIndex]) -> Vec<u32> {
        pieces.iter().map(|piece| piece.get()).collect()
    }

    #[test]
    fn the_pieces_of_a_file_or_of_all_are_taken_once() {
        let g = geometry();
        let mut unsynced = Unsynced::new(&g);
        for number in [3, 41, 44, 44, 0] {
            let piece = g.piece(number).unwrap();
            unsynced.note(piece, g.is_file(piece));
        }
        let long = g.file(40).unwrap();
        assert_eq!(numbers(&unsynced.take(&g, long)), [41, 44]);
        assert_eq!(unsynced.take(&g, long), []);
        assert_eq!(numbers(&unsynced.take(&g, g.file(3).unwrap())), [3]);
        assert_eq!(numbers(&unsynced.take_all(&g)), [0]);
        assert_eq!(unsynced.take_all(&g), []);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn small_files_are_closed_when_there_are_more_than_are_synced_one_by_one() {
        let g = geometry();
        let mut unsynced = Unsynced::new(&g);
        let note = |unsynced: &mut Unsynced, numbers: std::ops::Range<u32>| {
            for piece in numbers.map(|number| g.piece(number).unwrap()) {
                unsynced.note(piece, g.is_file(piece));
            }
        };
        // Pieces of a long file do not count, nor one that is written to twice.
        note(&mut unsynced, 40..45);
        note(&mut unsynced, 0..32);
        note(&mut unsynced, 0..1);
        assert!(!unsynced.may_close());
        note(&mut unsynced, 32..33);
        assert!(unsynced.may_close());
        unsynced.take(&g, g.file(0).unwrap());
        assert!(!unsynced.may_close() && !unsynced.needs_all());
        unsynced.note_closed();
        assert!(unsynced.needs_all());
        unsynced.take_all(&g);
        assert!(!unsynced.needs_all() && !unsynced.may_close());
    }
}
