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
    merit::{Measure, View},
    row::Row,
    swarm::{Slot, Swarm},
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
    let measure = Measure::new(swarm, seeker.row, rng);
    // Rows are fetched before any is compared, so that the waits for memory overlap.
    let views: Vec<View> =
        candidates.iter().map(|&slot| measure.view(swarm.peer(slot).row.as_ref())).collect();
    // A random number decides between equals: their order here follows their place in the swarm.
    let mut by_merit: Vec<(i64, u32, Slot)> = candidates
        .into_iter()
        .zip(&views)
        .map(|(slot, view)| (measure.merit(swarm.peer(slot), view), rng.next_u32(), slot))
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
