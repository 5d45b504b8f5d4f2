//! Which pieces one node claims to have, in the smallest of a few forms.
//!
//! A dense row costs a bit a piece. Most nodes of a grown swarm need none of it: seeds have all,
//! newcomers none, sequential readers a prefix, and those about to start or to finish a few pieces
//! or all but a few. Every row is kept in the smallest form that fits, so equal sets have equal rows.

use swarm_proto::{announce::piece_mix, bitfield::Bitfield};

/// A set of pieces. The number of pieces of the swarm is not stored with each row: its methods take
/// it, and it must be the same each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// No piece.
    Empty,
    /// All pieces.
    Seed,
    /// The first pieces, this many of them: more than [`sparse_max`], and less than all of them.
    Prefix(u32),
    /// These pieces only, ascending, at most [`sparse_max`].
    SparseHave(Box<[u32]>),
    /// All but these pieces, ascending, at most [`sparse_max`].
    SparseMiss(Box<[u32]>),
    /// Any other set, and how many pieces are in it.
    Dense { ones: u32, words: Box<[u64]> },
}

/// The most piece numbers in a sparse row: half the bytes of a dense one, and few enough that a
/// change stays a short copy.
const fn sparse_max(pieces: u32) -> usize {
    let half = pieces as usize / 64;
    if half < 64 { half } else { 64 }
}

const fn mask(piece: u32) -> u64 {
    1 << (63 - piece % 64)
}

/// The word with the first `n` pieces set, `n` at most 64.
const fn first_pieces(n: u32) -> u64 {
    if n == 0 { 0 } else { u64::MAX << (64 - n) }
}

impl Row {
    /// The row of a bitfield that was checked against the number of pieces.
    pub(super) fn new(bits: &Bitfield) -> Self {
        if bits.is_full() {
            return Self::Seed;
        }
        let mut row = Self::Dense { ones: bits.count(), words: bits.words().into() };
        row.compact(bits.len());
        row
    }

    /// Whether the piece is in the set.
    pub(super) fn has(&self, piece: u32) -> bool {
        match self {
            Self::Empty => false,
            Self::Seed => true,
            Self::Prefix(n) => piece < *n,
            Self::SparseHave(list) => list.binary_search(&piece).is_ok(),
            Self::SparseMiss(list) => list.binary_search(&piece).is_err(),
            Self::Dense { words, .. } => words[piece as usize / 64] & mask(piece) != 0,
        }
    }

    /// How many pieces are in the set.
    pub(super) fn count(&self, pieces: u32) -> u32 {
        match self {
            Self::Empty => 0,
            Self::Seed => pieces,
            Self::Prefix(n) => *n,
            Self::SparseHave(list) => list.len() as u32,
            Self::SparseMiss(list) => pieces - list.len() as u32,
            Self::Dense { ones, .. } => *ones,
        }
    }

    /// Calls `f` with each piece in the set, ascending.
    pub(super) fn for_each(&self, pieces: u32, mut f: impl FnMut(u32)) {
        match self {
            Self::Empty => {}
            Self::Seed => (0..pieces).for_each(f),
            Self::Prefix(n) => (0..*n).for_each(f),
            Self::SparseHave(list) => list.iter().copied().for_each(f),
            Self::SparseMiss(_) => (0..pieces).filter(|&piece| self.has(piece)).for_each(f),
            Self::Dense { words, .. } => {
                for (at, &word) in (0..).zip(words) {
                    each_piece(at * 64, word, &mut f);
                }
            }
        }
    }

    /// [`row_digest`] of the set.
    pub(super) fn digest(&self, pieces: u32) -> u64 {
        let mut sum = 0_u64;
        self.for_each(pieces, |piece| sum = sum.wrapping_add(piece_mix(piece)));
        sum
    }

    /// The set as words of 64 pieces from word `first` on, written to `out`, the first piece of each
    /// word in its highest bit.
    pub(super) fn fill(&self, pieces: u32, first: usize, out: &mut [u64]) {
        match self {
            Self::Empty => out.fill(0),
            Self::Seed => prefix_words(pieces, first, out),
            Self::Prefix(n) => prefix_words(*n, first, out),
            Self::SparseHave(list) => {
                out.fill(0);
                flip(list, first, out);
            }
            Self::SparseMiss(list) => {
                prefix_words(pieces, first, out);
                flip(list, first, out);
            }
            Self::Dense { words, .. } => out.copy_from_slice(&words[first..first + out.len()]),
        }
    }

    /// Puts a piece into the set or takes it out; false if nothing changed. After the last of a
    /// batch of changes [`compact`](Self::compact) is due.
    pub(super) fn set(&mut self, piece: u32, present: bool, pieces: u32) -> bool {
        if self.has(piece) == present {
            return false;
        }
        match self {
            Self::Empty => *self = Self::SparseHave(Box::default()),
            Self::Seed => *self = Self::SparseMiss(Box::default()),
            _ => {}
        }
        match self {
            Self::Prefix(n) if present && piece == *n => *n += 1,
            Self::Prefix(n) if !present && piece + 1 == *n => *n -= 1,
            Self::SparseHave(list) if !present || list.len() < sparse_max(pieces) => {
                toggle(list, piece);
            }
            Self::SparseMiss(list) if present || list.len() < sparse_max(pieces) => {
                toggle(list, piece);
            }
            _ => {
                let (ones, words) = self.make_dense(pieces);
                words[piece as usize / 64] ^= mask(piece);
                *ones = if present { *ones + 1 } else { *ones - 1 };
            }
        }
        true
    }

    /// Brings the row into its smallest form.
    pub(super) fn compact(&mut self, pieces: u32) {
        let count = self.count(pieces);
        let few = sparse_max(pieces);
        if count == pieces {
            *self = Self::Seed;
        } else if count == 0 {
            *self = Self::Empty;
        } else if count as usize <= few {
            if !matches!(self, Self::SparseHave(_)) {
                let mut list = Vec::with_capacity(count as usize);
                self.for_each(pieces, |piece| list.push(piece));
                *self = Self::SparseHave(list.into());
            }
        } else if (pieces - count) as usize <= few {
            if !matches!(self, Self::SparseMiss(_)) {
                *self = Self::SparseMiss(self.missing(pieces).into());
            }
        } else if let Self::Dense { ones, words } = self
            && is_prefix(*ones, words)
        {
            *self = Self::Prefix(*ones);
        }
    }

    /// Bytes that the row holds on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Empty | Self::Seed | Self::Prefix(_) => 0,
            Self::SparseHave(list) | Self::SparseMiss(list) => list.len() * 4,
            Self::Dense { words, .. } => words.len() * 8,
        }
    }

    fn make_dense(&mut self, pieces: u32) -> (&mut u32, &mut [u64]) {
        if !matches!(self, Self::Dense { .. }) {
            let mut words = vec![0; pieces.div_ceil(64) as usize].into_boxed_slice();
            self.fill(pieces, 0, &mut words);
            *self = Self::Dense { ones: self.count(pieces), words };
        }
        match self {
            Self::Dense { ones, words } => (ones, words),
            _ => unreachable!("made dense above"),
        }
    }

    fn missing(&self, pieces: u32) -> Vec<u32> {
        let mut list = Vec::new();
        let mut words = vec![0; pieces.div_ceil(64) as usize];
        self.fill(pieces, 0, &mut words);
        for (at, word) in (0..).zip(words) {
            let missing = !word & first_pieces((pieces - at * 64).min(64));
            each_piece(at * 64, missing, |piece| list.push(piece));
        }
        list
    }
}

/// Calls `f` with each piece of a word that begins at piece `base`.
fn each_piece(base: u32, mut word: u64, mut f: impl FnMut(u32)) {
    while word != 0 {
        let bit = word.leading_zeros();
        word &= !(1 << (63 - bit));
        f(base + bit);
    }
}

/// Writes the set of the first `n` pieces, from word `first` on.
fn prefix_words(n: u32, first: usize, out: &mut [u64]) {
    for (at, word) in (first as u32..).zip(out) {
        *word = first_pieces(n.saturating_sub(at * 64).min(64));
    }
}

/// Flips these pieces in words that begin at word `first`.
fn flip(list: &[u32], first: usize, out: &mut [u64]) {
    for &piece in list {
        if let Some(word) = (piece as usize / 64).checked_sub(first).and_then(|at| out.get_mut(at))
        {
            *word ^= mask(piece);
        }
    }
}

fn toggle(list: &mut Box<[u32]>, piece: u32) {
    let mut longer = std::mem::take(list).into_vec();
    match longer.binary_search(&piece) {
        Ok(at) => drop(longer.remove(at)),
        Err(at) => longer.insert(at, piece),
    }
    *list = longer.into();
}

fn is_prefix(ones: u32, words: &[u64]) -> bool {
    // Stops at the first word that is not full, which for most rows is the first.
    let full = words.iter().take_while(|&&word| word == u64::MAX).count();
    let rest = ones - full as u32 * 64;
    rest < 64 && words.get(full).is_none_or(|&word| word == first_pieces(rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use swarm_proto::announce::row_digest;

    use super::*;

    fn row(pieces: u32, set: impl IntoIterator<Item = u32>) -> Row {
        let mut row = Row::Empty;
        for piece in set {
            row.set(piece, true, pieces);
        }
        row.compact(pieces);
        row
    }

    #[test]
    fn each_set_takes_its_smallest_form() {
        assert_eq!(row(1000, []), Row::Empty);
        assert_eq!(row(1000, 0..1000), Row::Seed);
        assert_eq!(row(1000, 0..500), Row::Prefix(500));
        assert_eq!(row(1000, [3, 999]), Row::SparseHave([3, 999].into()));
        assert_eq!(row(1000, (0..1000).filter(|&p| p != 70)), Row::SparseMiss([70].into()));
        let even = row(1000, (0..1000).filter(|p| p % 2 == 0));
        assert!(matches!(even, Row::Dense { ones: 500, .. }));
        assert_eq!(even.heap_bytes(), 128);
    }

    #[test]
    fn a_share_of_few_pieces_is_never_sparse() {
        assert_eq!(row(1, [0]), Row::Seed);
        assert!(matches!(row(40, [7]), Row::Dense { ones: 1, .. }));
        assert_eq!(row(40, 0..39), Row::Prefix(39));
        assert_eq!(row(0, []), Row::Seed);
    }

    #[test]
    fn a_row_of_words_can_start_anywhere() {
        let rows = [row(300, 0..200), row(300, [5, 150, 299]), row(300, (0..300).step_by(2))];
        for row in rows.iter().chain([&Row::Seed, &Row::Empty]) {
            let mut all = [0; 5];
            row.fill(300, 0, &mut all);
            let mut part = [0; 2];
            row.fill(300, 2, &mut part);
            assert_eq!(part, all[2..4]);
            let ones: u32 = all.iter().map(|word| word.count_ones()).sum();
            assert_eq!(ones, row.count(300));
        }
    }

    proptest! {
        #[test]
        fn a_row_is_the_set_that_was_put_into_it(
            pieces in 1_u32..700,
            steps in prop::collection::vec((any::<u32>(), 0_u32..200, any::<bool>()), 0..40),
        ) {
            let (mut row, mut set) = (Row::Empty, BTreeSet::new());
            for (start, run, present) in steps {
                for piece in (start % pieces..pieces).take(run as usize) {
                    let changed = if present { set.insert(piece) } else { set.remove(&piece) };
                    prop_assert_eq!(row.set(piece, present, pieces), changed);
                }
                row.compact(pieces);
                prop_assert_eq!(row.count(pieces) as usize, set.len());
                prop_assert!((0..pieces).all(|piece| row.has(piece) == set.contains(&piece)));
                let mut listed = Vec::new();
                row.for_each(pieces, |piece| listed.push(piece));
                prop_assert!(listed.iter().eq(&set));
                prop_assert_eq!(row.digest(pieces), row_digest(set.iter().copied()));
                let mut bytes = vec![0; pieces.div_ceil(8) as usize];
                for &piece in &set {
                    bytes[piece as usize / 8] |= 0x80 >> (piece % 8);
                }
                let bits = Bitfield::from_bytes(pieces, &bytes).unwrap();
                prop_assert_eq!(Row::new(&bits), row.clone());
            }
        }
    }
}
