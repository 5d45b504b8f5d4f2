//! Whom a node is told of.
//!
//! A few peers are drawn at random and the best of them chosen: with a hundred candidates the best
//! thirty are nearly as good as the best of a million, and the cost does not depend on the swarm's
//! size. Good is a peer that has what the node lacks and lacks what it has, above all rare pieces;
//! one that is idle; and one that was not handed out to many others, so that nobody is known to all
//! and nobody to none. A quarter of the answer is drawn without regard to merit: choice by merit alone
//! makes cliques, and random edges keep the graph connected and its diameter small.
//!
//! Seeds are told of leechers only. Nobody is told of itself, of a peer whose time is over, or of one
//! that it could not dial.

use rand::{Rng, RngExt};
use swarm_proto::message::PeerAddr;

use super::{
    address::Reach,
    row::Row,
    swarm::{Peer, Slot, Swarm},
};

/// All of a swarm this large are candidates; of a larger one as many are drawn.
const CANDIDATES_MAX: usize = 128;
/// Fewer candidates than this are never drawn: merit needs a choice.
const CANDIDATES_MIN: usize = 48;
/// Draws when too few of those drawn can be handed out. In a swarm where most accept no peers the
/// answer is short.
const DRAWS_MAX: usize = 4;
/// One place in this many is filled at random.
const RANDOM_SHARE: usize = 4;
/// Words of 64 pieces that are compared: rows of up to 1,024 pieces whole, of longer ones a part
/// that is chosen anew each time. That is two lines of cache a candidate; who is better than whom
/// shows in a thousand pieces as well as in all.
const WORDS: usize = 16;
/// How many parts are tried to find one in which the seeker lacks a piece.
const PARTS_MAX: usize = 8;
/// How many of the rarest pieces count extra.
const RARE_MAX: usize = 16;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeker<'a> {
    /// Its place, if it is in the swarm.
    pub(super) slot: Option<Slot>,
    /// What it has, as far as is known.
    pub(super) row: Option<&'a Row>,
    /// Whose addresses it can dial.
    pub(super) reach: Reach,
    /// How many peers it would like to be told of.
    pub(super) want: usize,
}

/// Chooses peers for the seeker, the most useful ones first.
pub(super) fn select(
    swarm: &Swarm,
    seeker: Seeker<'_>,
    now_ms: u64,
    rng: &mut impl Rng,
) -> Vec<Slot> {
    if seeker.want == 0 {
        return Vec::new();
    }
    let mut candidates = candidates(swarm, seeker, now_ms, rng);
    let random =
        if candidates.len() > seeker.want { seeker.want.div_ceil(RANDOM_SHARE) } else { 0 };
    // The random ones go to the end of the answer.
    for place in 0..random {
        let last = candidates.len() - place;
        candidates.swap(rng.random_range(0..last), last - 1);
    }
    let by_chance = candidates.split_off(candidates.len() - random);
    let measure = Measure::new(swarm, seeker, rng);
    // Rows are fetched before any is compared, so that the waits for memory overlap.
    let rows: Vec<Part> =
        candidates.iter().map(|&slot| measure.part(swarm.peer(slot).row.as_ref())).collect();
    // A random number decides between equals: their order here follows their place in the swarm.
    let mut by_merit: Vec<(i64, u32, Slot)> = candidates
        .into_iter()
        .zip(&rows)
        .map(|(slot, row)| (measure.merit(swarm.peer(slot), row), rng.next_u32(), slot))
        .collect();
    by_merit.sort_unstable_by_key(|&(merit, chance, _)| std::cmp::Reverse((merit, chance)));
    by_merit.truncate(seeker.want - random);
    let chosen = by_merit.into_iter().map(|(_, _, slot)| slot).chain(by_chance);
    without_repeated_claims(swarm, chosen)
}

/// The addresses of these peers.
pub(super) fn addresses(swarm: &Swarm, slots: &[Slot]) -> Vec<PeerAddr> {
    let peers = slots.iter().map(|&slot| swarm.peer(slot));
    peers.filter_map(|peer| Some(PeerAddr { id: peer.id, addr: peer.addr? })).collect()
}

/// Peers that may be handed out to the seeker, each once.
fn candidates(swarm: &Swarm, seeker: Seeker<'_>, now_ms: u64, rng: &mut impl Rng) -> Vec<Slot> {
    let leechers = swarm.leechers.len() as u32;
    let pool = if matches!(seeker.row, Some(Row::Seed)) { leechers } else { swarm.len() as u32 };
    let slot = |at: u32| match at.checked_sub(leechers) {
        None => Slot::Leecher(at),
        Some(seed) => Slot::Seed(seed),
    };
    let eligible = |&slot: &Slot| {
        let peer = swarm.peer(slot);
        let reachable = peer.reach.is_some_and(|reach| reach >= seeker.reach);
        Some(slot) != seeker.slot && reachable && peer.until_ms > now_ms
    };
    if pool as usize <= CANDIDATES_MAX {
        return (0..pool).map(slot).filter(eligible).collect();
    }
    let draw = (seeker.want * 2).clamp(CANDIDATES_MIN, CANDIDATES_MAX);
    let (mut drawn, mut chosen) = (Vec::with_capacity(draw), Vec::new());
    for _ in 0..DRAWS_MAX {
        drawn.extend((0..draw).map(|_| rng.random_range(0..pool)));
        drawn.sort_unstable();
        drawn.dedup();
        chosen = drawn.iter().map(|&at| slot(at)).filter(eligible).collect();
        if chosen.len() >= seeker.want.max(draw / 2) {
            break;
        }
    }
    chosen
}

/// Drops peers whose host they named themselves if another one in the answer is at the same address:
/// else many keys could send one node to the same victim many times.
fn without_repeated_claims(swarm: &Swarm, slots: impl Iterator<Item = Slot>) -> Vec<Slot> {
    let mut chosen: Vec<Slot> = Vec::with_capacity(slots.size_hint().0);
    for slot in slots {
        let peer = swarm.peer(slot);
        let repeated =
            peer.claimed && chosen.iter().any(|&other| swarm.peer(other).addr == peer.addr);
        if !repeated {
            chosen.push(slot);
        }
    }
    chosen
}

/// So many words of a row.
type Part = [u64; WORDS];

/// What the seeker has and lacks, prepared for comparison with many rows.
struct Measure {
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
    /// Rare pieces, and whether the seeker has each.
    rare: Vec<(u32, bool)>,
}

impl Measure {
    fn new(swarm: &Swarm, seeker: Seeker<'_>, rng: &mut impl Rng) -> Self {
        let row = seeker.row.unwrap_or(&Row::Empty);
        let mean = swarm.mean_holders();
        let seeds = swarm.seeds.len() as u64;
        let list = swarm.rarest.list().iter();
        let rare = list
            .take(RARE_MAX)
            .filter(|&&(holders, _)| u64::from(holders) + seeds < mean)
            .map(|&(_, piece)| (piece, row.has(piece)))
            .collect();
        let pieces = swarm.pieces().unwrap_or(0);
        let all = pieces.div_ceil(64) as usize;
        let words = all.min(WORDS);
        let (has, lacks) = ([0; WORDS], [0; WORDS]);
        let mut this = Self { pieces, first: 0, words, has, lacks, held: 0, lacked: 0, rare };
        let complete = matches!(row, Row::Seed);
        for _ in 0..PARTS_MAX {
            this.first = if all > words { rng.random_range(0..=all - words) } else { 0 };
            row.fill(pieces, this.first, &mut this.has[..words]);
            Row::Seed.fill(pieces, this.first, &mut this.lacks[..words]);
            this.lacks.iter_mut().zip(&this.has).for_each(|(lacks, has)| *lacks &= !has);
            this.held = ones(&this.has, &[u64::MAX; WORDS]);
            this.lacked = ones(&this.lacks, &[u64::MAX; WORDS]);
            if this.lacked > 0 || complete || all <= words {
                break;
            }
        }
        this
    }

    /// How useful the peer and the seeker are to each other. A peer that has all that the seeker
    /// lacks is worth 1000, one that lacks all that there is and that the seeker has half as much;
    /// the rest is in proportion to these two.
    fn merit(&self, peer: &Peer, row: &Part) -> i64 {
        let (gain, give) = match &peer.row {
            // Unknown: between nothing and all.
            None => (self.lacked / 2, self.held / 2),
            // Pieces that it has and the seeker lacks, and the reverse.
            Some(_) => (ones(row, &self.lacks), self.held - ones(row, &self.has)),
        };
        let gain = i64::from(gain) * 1000 / i64::from(self.lacked.max(1));
        let give = i64::from(give) * 500 / i64::from((self.held + self.lacked).max(1));
        let rare: i64 = peer.row.as_ref().map_or(0, |row| {
            let worth = |&(piece, mine): &(u32, bool)| match (mine, row.has(piece)) {
                (false, true) => 60,
                (true, false) => 30,
                _ => 0,
            };
            self.rare.iter().map(worth).sum()
        });
        // A node with all slots taken is worth half a seed less; one handed out 40 times since it
        // was last heard of has, for all we know, no room left.
        let busy = i64::from(peer.load) * 5 + i64::from(peer.handed.min(40)) * 25;
        gain + give + rare - busy
    }

    /// The part of a row that is compared.
    fn part(&self, row: Option<&Row>) -> Part {
        let mut part = [0; WORDS];
        if let Some(row) = row {
            row.fill(self.pieces, self.first, &mut part[..self.words]);
        }
        part
    }
}

/// Pieces in both sets. Of fixed length, so that it becomes a few vector instructions.
fn ones(a: &Part, b: &Part) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
}
