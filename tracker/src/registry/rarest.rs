//! The rarest pieces of a swarm.
//!
//! Finding them takes a look at each piece's count, so a list longer than any reply is kept and made
//! anew only when counts have changed and some time has passed, in proportion to the number of
//! pieces. Early in a swarm nearly all pieces are equally rare; if each node were told the same few of
//! them, all would fetch the same. So equals are drawn at random, for each list and each reply.

use rand::{Rng, RngExt};
use swarm_proto::announce::RAREST_MAX;

use super::row::Row;

/// Pieces in the list: enough that a node which has most of them still finds some that it lacks.
const LIST_MAX: usize = 4 * RAREST_MAX;
/// The list is at least this old when it is made anew: sooner, nobody could have acted on the last.
const AGE_MIN_MS: u64 = 100;
/// And for each piece this much older: 16 s for the four million of the largest share. Making it
/// costs about a thousandth of that.
const AGE_PIECE_NS: u64 = 4000;

/// A list of the rarest pieces that anybody has, as they were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Rarest {
    /// Holders among those that are not seeds, and the piece; ascending, equals in random order.
    list: Vec<(u32, u32)>,
    made_ms: Option<u64>,
    /// Whether there were seeds then.
    seeded: bool,
    stale: bool,
}

impl Rarest {
    /// Some count has changed.
    pub(super) const fn touch(&mut self) {
        self.stale = true;
    }

    /// Makes the list anew if that is due. `counts` has the holders of each piece that are not seeds;
    /// `seeded` says whether there are seeds.
    pub(super) fn refresh(
        &mut self,
        now_ms: u64,
        counts: &[u32],
        seeded: bool,
        rng: &mut impl Rng,
    ) {
        let age_min_ms = AGE_MIN_MS + counts.len() as u64 * AGE_PIECE_NS / 1_000_000;
        let due = self.made_ms.is_none_or(|made| now_ms >= made + age_min_ms);
        let stale = self.stale || self.seeded != seeded;
        if !stale || !due || counts.is_empty() {
            return;
        }
        (self.stale, self.seeded, self.made_ms) = (false, seeded, Some(now_ms));
        self.list.clear();
        // What nobody has cannot be fetched, so it is not rare but missing.
        let least = u32::from(!seeded);
        let Some(limit) = nth_smallest(counts, least, LIST_MAX) else { return };
        // All pieces below the limit are in the list, and there are fewer of them than it is long.
        // Those at the limit are taken from a random place on until the list is full.
        let start = rng.random_range(0..counts.len());
        let (tail, head) = counts.split_at(start);
        let from_start = (start as u32..).zip(head).chain((0..).zip(tail));
        let below = counts.iter().filter(|&&n| (least..limit).contains(&n)).count();
        let mut at_limit = LIST_MAX.saturating_sub(below);
        for (piece, &n) in from_start {
            if (least..limit).contains(&n) {
                self.list.push((n, piece));
            } else if n == limit && at_limit > 0 {
                at_limit -= 1;
                self.list.push((n, piece));
            }
        }
        shuffle(&mut self.list, rng);
        self.list.sort_by_key(|&(n, _)| n);
    }

    /// The rarest pieces not in `row`, with all their holders, rarest first, at most `max`.
    pub(super) fn lacking(
        &self,
        row: &Row,
        seeds: u32,
        max: usize,
        rng: &mut impl Rng,
    ) -> Vec<(u32, u32)> {
        let mut lacked: Vec<(u32, u32)> = self
            .list
            .iter()
            .filter(|&&(_, piece)| *row == Row::Seed || !row.has(piece))
            .map(|&(n, piece)| (piece, n + seeds))
            .collect();
        if let Some(&(_, last)) = lacked.get(max) {
            // More pieces than there are places are equally rare as the last one: draw.
            let from = lacked.partition_point(|&(_, n)| n < last);
            let to = lacked.partition_point(|&(_, n)| n <= last);
            for place in from..max {
                lacked.swap(place, rng.random_range(place..to));
            }
        }
        lacked.truncate(max);
        lacked
    }

    /// The rarest pieces and their holders that are not seeds, rarest first, equals in random order.
    pub(super) fn list(&self) -> &[(u32, u32)] {
        &self.list
    }

    /// Bytes that the list holds on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.list.capacity() * 8
    }
}

/// The value that the `n`-th smallest count has of those that are at least `least`; the largest if
/// there are fewer.
fn nth_smallest(counts: &[u32], least: u32, n: usize) -> Option<u32> {
    let mut counts: Vec<u32> = counts.iter().copied().filter(|&count| count >= least).collect();
    let at = n.min(counts.len()).checked_sub(1)?;
    Some(*counts.select_nth_unstable(at).1)
}

fn shuffle<T>(items: &mut [T], rng: &mut impl Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.random_range(0..=i));
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn rarest(counts: &[u32], seed: u64) -> Rarest {
        let mut rarest = Rarest::default();
        rarest.touch();
        rarest.refresh(0, counts, false, &mut ChaCha8Rng::seed_from_u64(seed));
        rarest
    }

    #[test]
    fn the_rarest_come_first() {
        let counts: Vec<u32> = (0..1000).map(|piece| 1000 - piece).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let told = rarest(&counts, 1).lacking(&Row::Empty, 5, 3, &mut rng);
        assert_eq!(told, [(999, 6), (998, 7), (997, 8)]);
    }

    #[test]
    fn a_node_is_told_of_what_it_lacks_and_a_seed_of_all() {
        let rarest = rarest(&[1, 2, 3, 4], 1);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(rarest.lacking(&Row::Prefix(2), 0, 64, &mut rng), [(2, 3), (3, 4)]);
        assert_eq!(rarest.lacking(&Row::Seed, 1, 2, &mut rng), [(0, 2), (1, 3)]);
    }

    #[test]
    fn equally_rare_pieces_are_told_equally_often() {
        let mut counts = vec![7; 500];
        counts[123] = 1;
        let mut times = vec![0_u32; 500];
        for seed in 0..2000 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let told = rarest(&counts, seed).lacking(&Row::Empty, 0, RAREST_MAX, &mut rng);
            assert_eq!((told.len(), told[0]), (RAREST_MAX, (123, 1)));
            told.iter().for_each(|&(piece, _)| times[piece as usize] += 1);
        }
        times.remove(123);
        // 2000 lists of 63 out of 499: 252 each, standard deviation 15.
        assert!(times.iter().all(|n| (175..330).contains(n)), "{times:?}");
    }

    #[test]
    fn what_nobody_has_is_not_rare() {
        let mut rarest = rarest(&[0, 3, 0, 2], 1);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(rarest.list(), [(2, 3), (3, 1)]);
        // A seed has come.
        rarest.refresh(1000, &[0, 3, 0, 2], true, &mut rng);
        let told = rarest.lacking(&Row::Prefix(2), 1, 64, &mut rng);
        assert_eq!(told, [(2, 1), (3, 3)]);
        assert_eq!(nth_smallest(&[0, 0], 1, 5), None);
    }

    #[test]
    fn the_list_is_not_made_anew_without_need() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = vec![5; 10_000];
        let mut rarest = rarest(&counts, 1);
        counts[9] = 1;
        rarest.refresh(1000, &counts, false, &mut rng);
        assert_eq!(rarest.list()[0].0, 5, "nobody said that a count has changed");
        rarest.touch();
        rarest.refresh(139, &counts, false, &mut rng);
        assert_eq!(rarest.list()[0].0, 5, "it is not old enough");
        rarest.refresh(140, &counts, false, &mut rng);
        assert_eq!(rarest.list()[0], (1, 9));
    }
}
