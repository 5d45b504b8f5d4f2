//! One swarm: its peers, their rows, and how many have each piece.
//!
//! Seeds and leechers are kept apart, each without gaps, so that either can be drawn from at random
//! and counted without a look at anyone. Piece counts are of leechers only; a seed adds one to all
//! pieces at once by being in the other list. So seeds come and go without touching the counts.
//!
//! How many pieces there are is known from the manifest alone, never from a peer's claim. Until it is
//! there, only "all" and "none" are kept.

use std::collections::HashMap;

use bytes::Bytes;
use rand::Rng;
use swarm_proto::{
    announce::{HaveReport, piece_mix},
    bitfield::Bitfield,
    id::{PeerId, SwarmId},
};

use super::{keyed::Keyed, manifests::Checked, peer::Peer, rarest::Rarest, row::Row};

/// Where a peer is. Valid until a peer joins, leaves or becomes a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Leecher(u32),
    Seed(u32),
}

/// A manifest and what a swarm needs to know of it.
#[derive(Debug)]
struct Known {
    pieces: u32,
    full_digest: u64,
    bytes: Bytes,
}

/// A peer was asked for the manifest.
#[derive(Debug)]
struct Ask {
    peer: PeerId,
    until_ms: u64,
}

/// How long a peer that was asked for the manifest is waited for before another is asked.
const ASK_MS: u64 = 30_000;
/// How many peers that have pieces are asked for the manifest at a time: two, since one may be slow
/// or gone.
const ASK_HOLDERS: usize = 2;

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reported {
    /// The row is as reported.
    Kept,
    /// The row is unknown or differs from the peer's: a full one is needed.
    NeedFull,
    /// The report names pieces that there are not, or has not one bit a piece.
    Invalid,
}

/// One swarm.
#[derive(Debug)]
pub(super) struct Swarm {
    pub(super) id: SwarmId,
    slots: HashMap<PeerId, Slot, Keyed>,
    pub(super) leechers: Vec<Peer>,
    pub(super) seeds: Vec<Peer>,
    known: Option<Known>,
    /// Leechers that have each piece; no entries until a leecher has any.
    counts: Vec<u32>,
    /// Sum of `counts`.
    held: u64,
    pub(super) rarest: Rarest,
    /// Downloads seen completed.
    pub(super) completed: u32,
    asked: Vec<Ask>,
    /// When it was last used while it had no peers.
    pub(super) idle_since_ms: u64,
    /// Heap bytes of all rows.
    row_bytes: usize,
}

impl Swarm {
    /// One that nobody is in.
    pub(super) fn new(id: SwarmId, keyed: Keyed, now_ms: u64) -> Self {
        Self {
            id,
            slots: HashMap::with_hasher(keyed),
            leechers: Vec::new(),
            seeds: Vec::new(),
            known: None,
            counts: Vec::new(),
            held: 0,
            rarest: Rarest::default(),
            completed: 0,
            asked: Vec::new(),
            idle_since_ms: now_ms,
            row_bytes: 0,
        }
    }

    /// How many peers are in it.
    pub(super) fn len(&self) -> usize {
        self.leechers.len() + self.seeds.len()
    }

    /// Whether nobody is.
    pub(super) fn is_empty(&self) -> bool {
        self.leechers.is_empty() && self.seeds.is_empty()
    }

    /// How many pieces there are, if the manifest is known.
    pub(super) fn pieces(&self) -> Option<u32> {
        self.known.as_ref().map(|known| known.pieces)
    }

    /// The bytes of the manifest, if they are known.
    pub(super) fn manifest(&self) -> Option<&Bytes> {
        self.known.as_ref().map(|known| &known.bytes)
    }

    /// Bytes of rows, counts and the list of rarest pieces.
    pub(super) fn row_bytes(&self) -> usize {
        self.row_bytes + self.counts.capacity() * 4 + self.rarest.heap_bytes()
    }

    /// Where the peer of this key is, if it is in the swarm.
    pub(super) fn slot(&self, id: &PeerId) -> Option<Slot> {
        self.slots.get(id).copied()
    }

    /// # Panics
    /// If the slot is out of date.
    pub(super) fn peer(&self, slot: Slot) -> &Peer {
        match slot {
            Slot::Leecher(at) => &self.leechers[at as usize],
            Slot::Seed(at) => &self.seeds[at as usize],
        }
    }

    /// # Panics
    /// If the slot is out of date.
    pub(super) fn peer_mut(&mut self, slot: Slot) -> &mut Peer {
        match slot {
            Slot::Leecher(at) => &mut self.leechers[at as usize],
            Slot::Seed(at) => &mut self.seeds[at as usize],
        }
    }

    /// Adds a peer that is not in the swarm. It starts as a leecher without a piece.
    pub(super) fn join(&mut self, id: PeerId, now_ms: u64) -> Slot {
        self.push(Peer::new(id, now_ms))
    }

    /// Takes a peer out.
    pub(super) fn leave(&mut self, slot: Slot, now_ms: u64) -> Peer {
        let peer = self.take(slot);
        self.slots.remove(&peer.id);
        if let Some(row) = &peer.row {
            self.row_bytes -= row.heap_bytes();
            if !peer.is_seed() {
                self.count_out(row);
            }
        }
        if self.is_empty() {
            // What is left is the manifest, kept for whoever comes back.
            self.idle_since_ms = now_ms;
            self.counts = Vec::new();
            self.rarest = Rarest::default();
            self.slots.shrink_to_fit();
        }
        peer
    }

    /// Takes in which pieces a peer has. `room` is how many bytes rows may still grow by; past it a
    /// row is not kept. Returns where the peer is now.
    pub(super) fn report(&mut self, slot: Slot, have: &HaveReport, room: u64) -> (Slot, Reported) {
        match (have, self.pieces()) {
            (HaveReport::None, Some(0)) | (HaveReport::All, _) => {
                self.keep(slot, Some(Row::Seed), room)
            }
            (HaveReport::None, _) => self.keep(slot, Some(Row::Empty), room),
            (HaveReport::Full(_) | HaveReport::Delta { .. }, None) => self.keep(slot, None, room),
            (HaveReport::Full(bytes), Some(pieces)) => match Bitfield::from_bytes(pieces, bytes) {
                Ok(bits) => self.keep(slot, Some(Row::new(&bits)), room),
                Err(_) => (slot, Reported::Invalid),
            },
            (HaveReport::Delta { gained, lost, digest }, Some(pieces)) => {
                if gained.iter().chain(lost).any(|&piece| piece >= pieces) {
                    return (slot, Reported::Invalid);
                }
                self.change(slot, gained, lost, pieces, *digest, room)
            }
        }
    }

    /// The manifest has arrived.
    pub(super) fn learn(&mut self, manifest: Checked) {
        self.asked = Vec::new();
        self.known = Some(Known {
            pieces: manifest.pieces,
            full_digest: manifest.full_digest,
            bytes: manifest.bytes,
        });
    }

    /// Whether this peer is to be asked for the manifest. Few are at a time: those that have pieces
    /// surely have it, of the others at most one is tried.
    pub(super) fn ask_for_manifest(&mut self, slot: Slot, now_ms: u64) -> bool {
        if self.known.is_some() {
            return false;
        }
        let Peer { id, row, .. } = self.peer(slot);
        let (id, limit) = (*id, if *row == Some(Row::Empty) { 1 } else { ASK_HOLDERS });
        self.asked.retain(|ask| ask.until_ms > now_ms && ask.peer != id);
        if self.asked.len() >= limit {
            return false;
        }
        self.asked.push(Ask { peer: id, until_ms: now_ms + ASK_MS });
        true
    }

    /// Brings the list of rarest pieces up to date, if that is due.
    pub(super) fn refresh_rarest(&mut self, now_ms: u64, rng: &mut impl Rng) {
        self.rarest.refresh(now_ms, &self.counts, !self.seeds.is_empty(), rng);
    }

    /// How many peers have a piece, on average over all pieces, rounded down.
    pub(super) fn mean_holders(&self) -> u64 {
        let pieces = u64::from(self.pieces().unwrap_or(0));
        self.seeds.len() as u64 + self.held.checked_div(pieces).unwrap_or(0)
    }

    /// Whether some piece has no more than `holders` holders, as far as is known.
    pub(super) fn is_rare(&self, holders: u64) -> bool {
        let leechers = self.rarest.list().first().map_or(0, |&(n, _)| n);
        self.seeds.len() as u64 + u64::from(leechers) <= holders
    }

    /// Forgets peers whose time is over, from position `from` on, and hands them to `gone`. Returns
    /// where to go on if `budget`, which sinks by the work done, is used up; `None` at the end.
    pub(super) fn expire(
        &mut self,
        from: usize,
        now_ms: u64,
        budget: &mut usize,
        mut gone: impl FnMut(Peer),
    ) -> Option<usize> {
        let mut at = from;
        while at < self.len() {
            if *budget == 0 {
                return Some(at);
            }
            let leechers = self.leechers.len();
            let slot = match at.checked_sub(leechers) {
                None => Slot::Leecher(at as u32),
                Some(seed) => Slot::Seed(seed as u32),
            };
            let mut cost = 1;
            if self.peer(slot).until_ms <= now_ms {
                // Another peer moves into the place, which is looked at next.
                let peer = self.leave(slot, now_ms);
                cost += peer.row.as_ref().map_or(0, Row::heap_bytes) / 8;
                gone(peer);
            } else {
                at += 1;
            }
            *budget = budget.saturating_sub(cost);
        }
        None
    }

    /// Replaces a peer's row.
    fn keep(&mut self, slot: Slot, row: Option<Row>, room: u64) -> (Slot, Reported) {
        let pieces = self.pieces();
        let old = self.peer_mut(slot).row.take();
        let old_bytes = old.as_ref().map_or(0, Row::heap_bytes);
        let row = row.filter(|row| {
            let new_counts = self.counts.is_empty() && !matches!(row, Row::Empty | Row::Seed);
            let counts = if new_counts { u64::from(pieces.unwrap_or(0)) * 4 } else { 0 };
            row.heap_bytes() as u64 + counts <= room + old_bytes as u64
        });
        // Without room a full row would be refused again and again; better not to ask for it.
        let reported = match (&row, pieces) {
            (None, None) => Reported::NeedFull,
            _ => Reported::Kept,
        };
        if let Some(old) = old.filter(|row| *row != Row::Seed) {
            self.count_out(&old);
        }
        if let Some(row) = row.as_ref().filter(|row| **row != Row::Seed) {
            self.count_in(row);
        }
        let digest = match (&row, &self.known) {
            (Some(Row::Seed), Some(known)) => known.full_digest,
            (Some(row), Some(known)) => row.digest(known.pieces),
            _ => 0,
        };
        self.row_bytes = self.row_bytes - old_bytes + row.as_ref().map_or(0, Row::heap_bytes);
        let peer = self.peer_mut(slot);
        (peer.row, peer.digest) = (row, digest);
        (self.settle(slot), reported)
    }

    /// Changes a peer's row piece by piece.
    fn change(
        &mut self,
        slot: Slot,
        gained: &[u32],
        lost: &[u32],
        pieces: u32,
        digest: u64,
        room: u64,
    ) -> (Slot, Reported) {
        let old = self.peer_mut(slot).row.take();
        let old_bytes = old.as_ref().map_or(0, Row::heap_bytes);
        // A row that turns dense takes a bit a piece, the first one of a swarm also its counts.
        let counts = if self.counts.is_empty() { u64::from(pieces) * 4 } else { 0 };
        if old_bytes as u64 + room < u64::from(pieces / 8) + counts {
            self.peer_mut(slot).row = old;
            return self.keep(slot, None, room);
        }
        let Some(mut row) = old else { return (slot, Reported::NeedFull) };
        let mut sum = self.peer(slot).digest;
        if row == Row::Seed {
            if lost.is_empty() {
                self.peer_mut(slot).row = Some(row);
                return (slot, if sum == digest { Reported::Kept } else { Reported::NeedFull });
            }
            // From now on it is counted piece by piece.
            self.count_in(&row);
        }
        self.allot_counts(pieces);
        let changes = gained.iter().map(|&p| (p, true)).chain(lost.iter().map(|&p| (p, false)));
        let mut changed = false;
        for (piece, present) in changes {
            if row.set(piece, present, pieces) {
                changed = true;
                let count = &mut self.counts[piece as usize];
                if present {
                    *count += 1;
                    self.held += 1;
                    sum = sum.wrapping_add(piece_mix(piece));
                } else {
                    *count -= 1;
                    self.held -= 1;
                    sum = sum.wrapping_sub(piece_mix(piece));
                }
            }
        }
        row.compact(pieces);
        if changed {
            self.rarest.touch();
        }
        if row == Row::Seed {
            self.count_out(&row);
        }
        self.row_bytes = self.row_bytes - old_bytes + row.heap_bytes();
        let peer = self.peer_mut(slot);
        (peer.row, peer.digest) = (Some(row), sum);
        let reported = if sum == digest { Reported::Kept } else { Reported::NeedFull };
        (self.settle(slot), reported)
    }

    /// Moves a peer to the list that its row belongs to.
    fn settle(&mut self, slot: Slot) -> Slot {
        if self.peer(slot).is_seed() == matches!(slot, Slot::Seed(_)) {
            return slot;
        }
        let peer = self.take(slot);
        self.push(peer)
    }

    fn push(&mut self, peer: Peer) -> Slot {
        let id = peer.id;
        let (list, slot): (_, fn(u32) -> Slot) = if peer.is_seed() {
            (&mut self.seeds, Slot::Seed)
        } else {
            (&mut self.leechers, Slot::Leecher)
        };
        // The limit on peers of a swarm keeps the number far below 2^32.
        let slot = slot(list.len() as u32);
        list.push(peer);
        self.slots.insert(id, slot);
        slot
    }

    /// Takes a peer out of its list; the last one of the list moves to its place.
    fn take(&mut self, slot: Slot) -> Peer {
        let (list, at) = match slot {
            Slot::Leecher(at) => (&mut self.leechers, at as usize),
            Slot::Seed(at) => (&mut self.seeds, at as usize),
        };
        let peer = list.swap_remove(at);
        if let Some(moved) = list.get(at) {
            self.slots.insert(moved.id, slot);
        }
        if list.capacity() > 64 && list.len() < list.capacity() / 4 {
            list.shrink_to(list.len() * 2);
        }
        peer
    }

    fn count_in(&mut self, row: &Row) {
        let Some(pieces) = self.pieces().filter(|_| *row != Row::Empty) else { return };
        self.allot_counts(pieces);
        self.rarest.touch();
        row.for_each(pieces, |piece| self.counts[piece as usize] += 1);
        self.held += u64::from(row.count(pieces));
    }

    fn count_out(&mut self, row: &Row) {
        let Some(pieces) = self.pieces().filter(|_| *row != Row::Empty) else { return };
        self.rarest.touch();
        row.for_each(pieces, |piece| self.counts[piece as usize] -= 1);
        self.held -= u64::from(row.count(pieces));
    }

    fn allot_counts(&mut self, pieces: u32) {
        if self.counts.is_empty() {
            self.counts = vec![0; pieces as usize];
            self.rarest.touch();
        }
    }
}

#[cfg(test)]
impl Swarm {
    /// How many peers have a piece, as far as is known.
    pub(super) fn availability(&self, piece: u32) -> u32 {
        self.seeds.len() as u32 + self.counts.get(piece as usize).copied().unwrap_or(0)
    }

    /// Recomputes what is kept up to date.
    pub(super) fn check(&self) {
        assert_eq!(self.slots.len(), self.len());
        for (at, peer) in (0..).zip(&self.leechers) {
            assert_eq!(self.slot(&peer.id), Some(Slot::Leecher(at)));
        }
        for (at, peer) in (0..).zip(&self.seeds) {
            assert_eq!(self.slot(&peer.id), Some(Slot::Seed(at)));
        }
        let rows = || self.leechers.iter().filter_map(|peer| Some((peer, peer.row.as_ref()?)));
        let pieces = self.pieces().unwrap_or(0);
        assert_eq!(self.held, rows().map(|(_, row)| u64::from(row.count(pieces))).sum::<u64>());
        assert_eq!(self.row_bytes, rows().map(|(_, row)| row.heap_bytes()).sum::<usize>());
        for (peer, row) in rows() {
            assert_eq!(peer.digest, row.digest(pieces));
        }
    }
}
