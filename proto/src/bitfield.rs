//! A set of pieces.

use crate::geometry::PieceIndex;

/// Which of a fixed number of pieces are in a set. One bit a piece, spare bits always zero.
///
/// On the wire piece 0 is the highest bit of the first byte, as in BitTorrent (BEP 3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bitfield {
    len: u32,
    ones: u32,
    words: Box<[u64]>,
}

/// Bytes from outside that are no bitfield of the expected length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitfieldError {
    /// The number of bytes does not fit the number of pieces.
    #[error("bitfield of {got} bytes where {want} are needed")]
    Length {
        /// Bytes given.
        got: usize,
        /// Bytes that the number of pieces asks for.
        want: usize,
    },
    /// A bit past the last piece is set.
    #[error("bitfield has bits past its last piece")]
    SpareBits,
}

impl Bitfield {
    /// The empty set over `len` pieces.
    #[must_use]
    pub fn empty(len: u32) -> Self {
        Self { len, ones: 0, words: vec![0; len.div_ceil(64) as usize].into() }
    }

    /// The set of all `len` pieces.
    #[must_use]
    pub fn full(len: u32) -> Self {
        let mut words = vec![u64::MAX; len.div_ceil(64) as usize];
        if let (Some(last), spare @ 1..) = (words.last_mut(), len.next_multiple_of(64) - len) {
            *last <<= spare;
        }
        Self { len, ones: len, words: words.into() }
    }

    /// Reads wire bytes for `len` pieces.
    ///
    /// # Errors
    /// If there are too few or too many bytes, or a spare bit is set.
    pub fn from_bytes(len: u32, bytes: &[u8]) -> Result<Self, BitfieldError> {
        let want = len.div_ceil(8) as usize;
        if bytes.len() != want {
            return Err(BitfieldError::Length { got: bytes.len(), want });
        }
        let words: Box<[u64]> = bytes
            .chunks(8)
            .map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_be_bytes(word)
            })
            .collect();
        let ones = words.iter().map(|word| word.count_ones()).sum();
        let this = Self { len, ones, words };
        let spare = (len..len.next_multiple_of(64)).any(|i| this.bit(i));
        if spare { Err(BitfieldError::SpareBits) } else { Ok(this) }
    }

    /// The wire bytes: one bit a piece, rounded up to whole bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.truncate(self.len.div_ceil(8) as usize);
        bytes
    }

    /// The set as words of 64 pieces, piece 0 in the highest bit of the first; spare bits are zero.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// How many pieces the set is over.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether no piece is in the set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ones == 0
    }

    /// Whether every piece is in the set.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// How many pieces are in the set.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.ones
    }

    /// Whether the piece is in the set.
    ///
    /// # Panics
    /// If the piece is of another share.
    #[must_use]
    pub fn has(&self, piece: PieceIndex) -> bool {
        assert!(piece.get() < self.len, "piece of another share");
        self.bit(piece.get())
    }

    /// Puts a piece into the set; false if it was there.
    ///
    /// # Panics
    /// If the piece is of another share.
    pub fn insert(&mut self, piece: PieceIndex) -> bool {
        if self.has(piece) {
            return false;
        }
        self.words[piece.as_usize() / 64] |= mask(piece.get());
        self.ones += 1;
        true
    }

    /// Takes a piece out of the set; false if it was not there.
    ///
    /// # Panics
    /// If the piece is of another share.
    pub fn remove(&mut self, piece: PieceIndex) -> bool {
        if !self.has(piece) {
            return false;
        }
        self.words[piece.as_usize() / 64] &= !mask(piece.get());
        self.ones -= 1;
        true
    }

    /// The numbers in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| ones(i, word))
    }

    /// The numbers in this set and not in the other, ascending.
    ///
    /// # Panics
    /// If the sets are over different numbers of pieces.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        assert_eq!(self.len, other.len, "bitfields of different shares");
        let words = self.words.iter().zip(&other.words).enumerate();
        words.flat_map(|(i, (&mine, &theirs))| ones(i, mine & !theirs))
    }

    /// Whether any piece is in this set and not in the other.
    ///
    /// # Panics
    /// If the sets are over different numbers of pieces.
    #[must_use]
    pub fn exceeds(&self, other: &Self) -> bool {
        assert_eq!(self.len, other.len, "bitfields of different shares");
        self.words.iter().zip(&other.words).any(|(mine, theirs)| mine & !theirs != 0)
    }

    /// The numbers in both sets: from `start` on ascending, then those below it, so that a search
    /// that stops early can begin anywhere.
    ///
    /// # Panics
    /// If the sets are over different numbers of pieces.
    pub fn common_from<'a>(
        &'a self,
        other: &'a Self,
        start: u32,
    ) -> impl Iterator<Item = u32> + 'a {
        assert_eq!(self.len, other.len, "bitfields of different shares");
        let (count, first) = (self.words.len(), start as usize / 64);
        let from_start = u64::MAX >> (start % 64);
        // The first word comes twice: its bits from `start` on, and at the very end those below.
        let word = move |step: usize| {
            let i = (first + step) % count.max(1);
            let keep = if step == 0 {
                from_start
            } else if step == count {
                !from_start
            } else {
                u64::MAX
            };
            ones(i, self.words[i] & other.words[i] & keep)
        };
        (0..if count == 0 { 0 } else { count + 1 }).flat_map(word)
    }

    fn bit(&self, i: u32) -> bool {
        self.words.get(i as usize / 64).is_some_and(|word| word & mask(i) != 0)
    }
}

const fn mask(i: u32) -> u64 {
    1 << (63 - i % 64)
}

/// The numbers of the bits of word `i`, ascending.
fn ones(i: usize, mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = word.leading_zeros();
        (bit < 64).then(|| {
            word &= !mask(bit);
            i as u32 * 64 + bit
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    fn geometry(pieces: u32) -> Geometry {
        Geometry::new(16384, [u64::from(pieces) * 16384]).unwrap()
    }

    #[test]
    fn piece_0_is_the_highest_bit_of_the_first_byte() {
        let g = geometry(10);
        let mut set = Bitfield::empty(10);
        assert!(set.insert(g.piece(0).unwrap()));
        assert!(set.insert(g.piece(9).unwrap()));
        assert!(!set.insert(g.piece(9).unwrap()));
        assert_eq!(set.to_bytes(), [0b1000_0000, 0b0100_0000]);
        assert_eq!(Bitfield::from_bytes(10, &set.to_bytes()), Ok(set));
    }

    #[test]
    fn hostile_bytes_are_refused() {
        assert_eq!(Bitfield::from_bytes(10, &[0, 0x20]), Err(BitfieldError::SpareBits));
        let wrong = |got| Err(BitfieldError::Length { got, want: 2 });
        assert_eq!(Bitfield::from_bytes(10, &[0]), wrong(1));
        assert_eq!(Bitfield::from_bytes(10, &[0; 3]), wrong(3));
        assert_eq!(Bitfield::from_bytes(0, &[]), Ok(Bitfield::full(0)));
    }

    #[test]
    fn a_search_for_common_pieces_begins_anywhere_and_meets_each_once() {
        let g = geometry(150);
        let (mut a, mut b) = (Bitfield::empty(150), Bitfield::empty(150));
        for i in [0, 5, 63, 64, 70, 149] {
            a.insert(g.piece(i).unwrap());
            b.insert(g.piece(i).unwrap());
        }
        a.insert(g.piece(6).unwrap());
        b.insert(g.piece(7).unwrap());
        let from = |start| a.common_from(&b, start).collect::<Vec<_>>();
        assert_eq!(from(0), [0, 5, 63, 64, 70, 149]);
        assert_eq!(from(6), [63, 64, 70, 149, 0, 5]);
        assert_eq!(from(64), [64, 70, 149, 0, 5, 63]);
        assert_eq!(from(149), [149, 0, 5, 63, 64, 70]);
        assert_eq!(Bitfield::empty(0).common_from(&Bitfield::empty(0), 0).count(), 0);
    }

    #[test]
    fn full_and_empty_at_every_length() {
        for len in 0..200 {
            let full = Bitfield::full(len);
            assert_eq!(full.iter().count() as u32, len);
            assert_eq!(Bitfield::from_bytes(len, &full.to_bytes()), Ok(full.clone()));
            let empty = Bitfield::empty(len);
            assert_eq!(full.difference(&empty).collect::<Vec<_>>(), (0..len).collect::<Vec<_>>());
            assert_eq!(full.exceeds(&empty), len > 0);
            assert!(!empty.exceeds(&full));
        }
    }
}
