//! How useful two nodes are to each other.
//!
//! A hundred candidates lie all over the memory, so what is read of each is little: a part of its row,
//! and whether it has each of a few rare pieces.

use rand::{Rng, RngExt};

use super::{peer::Peer, row::Row, swarm::Swarm};

/// Words of 64 pieces that are compared: rows of up to 1,024 pieces whole, of longer ones a part
/// that is chosen anew each time. That is two lines of cache; who is better than whom shows in a
/// thousand pieces as well as in all.
const WORDS: usize = 16;
/// How many parts are tried to find one in which the seeker lacks a piece.
const TRIES_MAX: usize = 8;
/// How many of the rarest pieces count extra. Equals are in a new order now and then, so all of them
/// have their turn.
const RARE_MAX: usize = 4;

/// So many words of a row.
type Part = [u64; WORDS];

/// What is read of a candidate's row.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    part: Part,
    /// Bit n: whether it has the n-th of the rare pieces.
    rare: u32,
}

/// What the seeker has and lacks, prepared for comparison with many rows.
#[derive(Debug)]
pub(super) struct Measure {
    pieces: u32,
    /// First word that is compared, and how many are.
    first: usize,
    words: usize,
    /// What the seeker has in these words, and what it lacks.
    has: Part,
    lacks: Part,
    /// How many pieces that is.
    held: u32,
    lacked: u32,
    /// Rare pieces, and which of them the seeker has and lacks.
    rare: Vec<u32>,
    rare_held: u32,
    rare_lacked: u32,
}

impl Measure {
    /// For a seeker with this row, as far as it is known.
    pub(super) fn new(swarm: &Swarm, row: Option<&Row>, rng: &mut impl Rng) -> Self {
        let row = row.unwrap_or(&Row::Empty);
        let pieces = swarm.pieces().unwrap_or(0);
        let all = pieces.div_ceil(64) as usize;
        let words = all.min(WORDS);
        let (mean, seeds) = (swarm.mean_holders(), swarm.seeds.len() as u64);
        let rarest = swarm.rarest.list().iter().take(RARE_MAX);
        let rare: Vec<u32> = rarest
            .filter(|&&(holders, _)| u64::from(holders) + seeds < mean)
            .map(|&(_, piece)| piece)
            .collect();
        let rare_held = which(row, &rare);
        let mut this = Self {
            pieces,
            first: 0,
            words,
            has: [0; WORDS],
            lacks: [0; WORDS],
            held: 0,
            lacked: 0,
            rare_held,
            rare_lacked: which(&Row::Seed, &rare) & !rare_held,
            rare,
        };
        for _ in 0..TRIES_MAX {
            this.first = if all > words { rng.random_range(0..=all - words) } else { 0 };
            this.look_at(row);
            if this.lacked > 0 || *row == Row::Seed || all <= words {
                break;
            }
        }
        this
    }

    /// What is compared of this row.
    pub(super) fn view(&self, row: Option<&Row>) -> View {
        let mut part = [0; WORDS];
        let Some(row) = row else { return View { part, rare: 0 } };
        row.fill(self.pieces, self.first, &mut part[..self.words]);
        View { part, rare: which(row, &self.rare) }
    }

    /// How useful the peer and the seeker are to each other. A peer that has all that the seeker
    /// lacks is worth 1000, one that lacks all that there is and that the seeker has half as much;
    /// the rest is in proportion to these two.
    pub(super) fn merit(&self, peer: &Peer, view: &View) -> i64 {
        let (gain, give, rare_gain, rare_give) = match &peer.row {
            // Unknown: between nothing and all.
            None => (self.lacked / 2, self.held / 2, 0, 0),
            // Pieces that it has and the seeker lacks, and the reverse.
            Some(_) => (
                ones(&view.part, &self.lacks),
                self.held - ones(&view.part, &self.has),
                (view.rare & self.rare_lacked).count_ones(),
                (!view.rare & self.rare_held).count_ones(),
            ),
        };
        let gain = i64::from(gain) * 1000 / i64::from(self.lacked.max(1));
        let give = i64::from(give) * 500 / i64::from((self.held + self.lacked).max(1));
        let rare = i64::from(rare_gain) * 200 + i64::from(rare_give) * 100;
        // A node with all slots taken is worth half a seed less; one handed out 40 times since it
        // was last heard of has, for all we know, no room left.
        let busy = i64::from(peer.load) * 5 + i64::from(peer.handed.min(40)) * 25;
        gain + give + rare - busy
    }

    fn look_at(&mut self, row: &Row) {
        row.fill(self.pieces, self.first, &mut self.has[..self.words]);
        Row::Seed.fill(self.pieces, self.first, &mut self.lacks[..self.words]);
        self.lacks.iter_mut().zip(&self.has).for_each(|(lacks, has)| *lacks &= !has);
        self.held = ones(&self.has, &[u64::MAX; WORDS]);
        self.lacked = ones(&self.lacks, &[u64::MAX; WORDS]);
    }
}

/// Bit n: whether the row has the n-th of these pieces.
fn which(row: &Row, pieces: &[u32]) -> u32 {
    (0..).zip(pieces).fold(0, |bits, (n, &piece)| bits | u32::from(row.has(piece)) << n)
}

/// Pieces in both parts. Of fixed length, so that it becomes a few vector instructions.
fn ones(a: &Part, b: &Part) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
}
