//! How many copies of each piece there are, over all pieces: a figure for front ends.
//!
//! It takes a look at every piece, a millisecond for a million of them. So a share of many pieces is
//! surveyed once a second, however many snapshots are made.

use std::time::Duration;

use swarm_proto::bitfield::Bitfield;

use crate::{AVAILABILITY_MAX, Time, picker::Picker};

/// Between two surveys of a share of many pieces.
const EVERY: Duration = Duration::from_secs(1);
/// So many pieces are surveyed for each snapshot: it takes tens of microseconds.
const FEW: u32 = 1 << 15;

/// What the last survey found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    due: Time,
    /// Fewest copies of any piece.
    pub(crate) min: u32,
    /// Mean number of copies.
    pub(crate) mean: f32,
    /// Fewest copies of the pieces in each bucket.
    pub(crate) buckets: Vec<u8>,
}

impl Survey {
    /// Counts the copies among the peers and in `have`, unless that was done lately.
    pub(crate) fn update(&mut self, now: Time, picker: &Picker, have: &Bitfield) {
        if now < self.due {
            return;
        }
        if have.len() > FEW {
            self.due = now + EVERY;
        }
        let (copies, seeds) = picker.copies_of_all();
        let pieces = copies.len();
        let buckets = pieces.min(AVAILABILITY_MAX);
        let words = have.words();
        let ours = |piece: usize| (words[piece / 64] >> (63 - piece % 64) & 1) as u32;
        let fewest = (0..buckets).map(|n| {
            let all = n * pieces / buckets..(n + 1) * pieces / buckets;
            all.map(|piece| u32::from(copies[piece]) + ours(piece)).min().unwrap_or(0) + seeds
        });
        let fewest: Vec<u32> = fewest.collect();
        self.min = fewest.iter().copied().min().unwrap_or(0);
        let sum: u64 = copies.iter().map(|&copies| u64::from(copies)).sum();
        let mean = (sum + u64::from(have.count())) as f32 / pieces.max(1) as f32;
        self.mean = mean + seeds as f32;
        self.buckets.clear();
        self.buckets.extend(fewest.into_iter().map(|n| u8::try_from(n).unwrap_or(u8::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use swarm_proto::geometry::Geometry;

    use super::*;

    const fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn geometry(pieces: u32) -> Geometry {
        Geometry::new(16384, [u64::from(pieces) * 16384]).unwrap()
    }

    fn picker_of(geometry: &Geometry, have: &Bitfield) -> Picker {
        Picker::new(geometry, have, &Bitfield::full(have.len()), &[])
    }

    /// The pieces with these numbers.
    fn pieces(geometry: &Geometry, numbers: &[u32]) -> Bitfield {
        let mut set = Bitfield::empty(geometry.piece_count());
        for &number in numbers {
            set.insert(geometry.piece(number).unwrap());
        }
        set
    }

    #[test]
    fn our_copy_counts_as_a_peers_and_a_seed_for_all() {
        let geometry = geometry(4);
        let have = pieces(&geometry, &[0, 1]);
        let mut picker = picker_of(&geometry, &have);
        let mut survey = Survey::default();
        let mut seen = |picker: &Picker| {
            survey.update(at(0), picker, &have);
            (survey.min, survey.mean, survey.buckets.clone())
        };
        assert_eq!(seen(&picker), (0, 0.5, vec![1, 1, 0, 0]));
        for number in [0, 2, 3] {
            picker.gained(geometry.piece(number).unwrap());
        }
        assert_eq!(seen(&picker), (1, 1.25, vec![2, 1, 1, 1]));
        (0..300).for_each(|_| picker.seed_joined());
        assert_eq!(seen(&picker), (301, 301.25, vec![255; 4]));
    }

    #[test]
    fn a_bucket_shows_its_rarest_piece() {
        let geometry = geometry(2500);
        let picker = picker_of(&geometry, &Bitfield::empty(2500));
        let mut all: Vec<u32> = (0..2500).collect();
        all.remove(1249);
        let mut survey = Survey::default();
        survey.update(at(0), &picker, &pieces(&geometry, &all));
        assert_eq!(survey.buckets.len(), 1024);
        let empty: Vec<_> = (0..1024).filter(|&n| survey.buckets[n] == 0).collect();
        assert_eq!(empty, [511]);
        assert!((511 * 2500 / 1024..512 * 2500 / 1024).contains(&1249));
    }

    #[test]
    fn many_pieces_are_looked_at_once_a_second() {
        let pieces = FEW + 1;
        let geometry = geometry(pieces);
        let mut picker = picker_of(&geometry, &Bitfield::empty(pieces));
        let have = Bitfield::empty(pieces);
        let mut survey = Survey::default();
        survey.update(at(0), &picker, &have);
        picker.seed_joined();
        survey.update(at(999), &picker, &have);
        assert_eq!(survey.min, 0);
        survey.update(at(1000), &picker, &have);
        assert_eq!(survey.min, 1);
    }

    #[test]
    fn a_share_without_pieces_has_no_buckets() {
        let geometry = Geometry::new(16384, [0]).unwrap();
        let have = Bitfield::empty(0);
        let mut survey = Survey::default();
        survey.update(at(0), &picker_of(&geometry, &have), &have);
        assert_eq!((survey.min, survey.mean, survey.buckets), (0, 0.0, vec![]));
    }
}
