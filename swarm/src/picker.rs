//! How rare each piece is among our peers, and which piece to begin next.
//!
//! Pieces that nobody has begun lie in buckets, one for each number of copies among the connected
//! peers. A peer's `Have` moves a piece to the next bucket: two writes, however many pieces and peers
//! there are. Peers that have everything are one counter, since they make every piece equally less
//! rare. A pick looks into the rarest buckets first and at a bounded number of pieces.
//!
//! Pieces of files that the user wants more than others have buckets of their own.

use rand::{Rng, RngExt};
use swarm_proto::{
    bitfield::Bitfield,
    geometry::{Geometry, PieceIndex},
};

use crate::Priority;

/// How many pieces of the rarest buckets are looked at before the peer's own pieces are sampled. A
/// peer that has a fair part of the share has one of so many with near certainty.
const TRIES: usize = 128;
/// How many of the pieces that a peer with few has are compared when the buckets gave none.
const SAMPLE: usize = 16;
/// The place of a piece that lies in no bucket.
const NOWHERE: u32 = u32::MAX;

/// The classes that pieces are picked from, in this order. What is skipped is in none.
const CLASSES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

/// Availability of all pieces, and the pieces that may be begun. 8 bytes a piece, and 4 more for
/// each that may be begun.
#[derive(Debug)]
pub(crate) struct Picker {
    /// Peers that have the piece, those that were seeds when they came not among them.
    copies: Vec<u16>,
    /// Peers that had every piece when they came.
    seeds: u32,
    /// Where in its bucket each piece lies.
    place: Vec<u32>,
    /// How much each piece is wanted.
    priorities: Vec<Priority>,
    /// The pieces that may be begun, one a class.
    fresh: [Fresh; CLASSES.len()],
}

/// The pieces of one class that may be begun.
#[derive(Debug)]
struct Fresh {
    /// How many pieces are in the class, begun or not.
    pieces: u32,
    /// Those that may be begun, by copies.
    buckets: Vec<Vec<PieceIndex>>,
    /// The same as a set.
    set: Bitfield,
}

impl Picker {
    /// No peers yet; all pieces that are in `wanted` and not in `have` may be begun. `priorities`
    /// has one entry a file, or none if all are as by default.
    pub(crate) fn new(
        geometry: &Geometry,
        have: &Bitfield,
        wanted: &Bitfield,
        priorities: &[Priority],
    ) -> Self {
        let pieces = geometry.piece_count();
        let fresh = |class| {
            let all = if class == Priority::Normal { pieces } else { 0 };
            Fresh { pieces: all, buckets: Vec::new(), set: Bitfield::empty(pieces) }
        };
        let mut this = Self {
            copies: vec![0; pieces as usize],
            seeds: 0,
            place: vec![NOWHERE; pieces as usize],
            priorities: vec![Priority::Normal; pieces as usize],
            fresh: CLASSES.map(fresh),
        };
        for (file, &priority) in geometry.files().zip(priorities) {
            geometry.file_pieces(file).for_each(|piece| this.set_priority(piece, priority));
        }
        for piece in geometry.pieces().filter(|&piece| wanted.has(piece) && !have.has(piece)) {
            this.insert(piece);
        }
        this
    }

    /// How much a piece is wanted.
    pub(crate) fn priority(&self, piece: PieceIndex) -> Priority {
        self.priorities[piece.as_usize()]
    }

    /// A piece that may not be begun now is wanted this much.
    pub(crate) fn set_priority(&mut self, piece: PieceIndex, priority: Priority) {
        debug_assert!(!self.is_fresh(piece), "it lies in a bucket of its class");
        let before = std::mem::replace(&mut self.priorities[piece.as_usize()], priority);
        if let Some(class) = class(before) {
            self.fresh[class].pieces -= 1;
        }
        if let Some(class) = class(priority) {
            self.fresh[class].pieces += 1;
        }
    }

    /// The classes that any piece is in, those wanted most first.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Priority> + use<> {
        let used = self.fresh.each_ref().map(|fresh| fresh.pieces > 0);
        CLASSES.into_iter().zip(used).filter(|&(_, used)| used).map(|(class, _)| class)
    }

    /// Peers that have the piece.
    pub(crate) fn copies(&self, piece: PieceIndex) -> u32 {
        u32::from(self.copies[piece.as_usize()]) + self.seeds
    }

    /// Peers that had every piece when they came.
    pub(crate) const fn seeds(&self) -> u32 {
        self.seeds
    }

    /// Peers that have each piece, but for those that have every piece; and how many these are.
    pub(crate) fn copies_of_all(&self) -> (&[u16], u32) {
        (&self.copies, self.seeds)
    }

    /// Whether any piece may be begun.
    pub(crate) fn has_fresh(&self) -> bool {
        self.fresh.iter().any(|fresh| !fresh.set.is_empty())
    }

    /// Whether a piece may be begun.
    pub(crate) fn is_fresh(&self, piece: PieceIndex) -> bool {
        self.place[piece.as_usize()] != NOWHERE
    }

    /// A peer that has everything came.
    pub(crate) const fn seed_joined(&mut self) {
        self.seeds += 1;
    }

    /// A peer that was counted by [`seed_joined`](Self::seed_joined) left.
    pub(crate) const fn seed_left(&mut self) {
        self.seeds -= 1;
    }

    /// A peer has one piece more.
    pub(crate) fn gained(&mut self, piece: PieceIndex) {
        self.set_copies(piece, self.copies[piece.as_usize()].saturating_add(1));
    }

    /// A peer has one piece less, or left.
    pub(crate) fn lost(&mut self, piece: PieceIndex) {
        self.set_copies(piece, self.copies[piece.as_usize()].saturating_sub(1));
    }

    /// The piece may be begun.
    pub(crate) fn insert(&mut self, piece: PieceIndex) {
        if !self.is_fresh(piece) {
            self.put(piece);
        }
    }

    /// The piece was begun, or is no longer wanted.
    pub(crate) fn remove(&mut self, piece: PieceIndex) {
        if self.is_fresh(piece) {
            self.take(piece);
        }
    }

    /// A piece of a class to begin with a peer that has the pieces in `theirs`: one of the rarest, by
    /// chance among equals. `rarest` are the pieces that the tracker counted to be the rarest of the whole
    /// swarm: they win against pieces that our neighbours have as often, or one time less.
    pub(crate) fn pick(
        &self,
        geometry: &Geometry,
        class: Priority,
        theirs: &Bitfield,
        rarest: &[(u32, u32)],
        rng: &mut impl Rng,
    ) -> Option<PieceIndex> {
        let fresh = self.fresh_of(class)?;
        let local = pick_from_buckets(&fresh.buckets, theirs, rng)
            .or_else(|| self.pick_from_theirs(geometry, fresh, theirs, rng))?;
        let bar = self.copies[local.as_usize()].saturating_add(1);
        // A random one of them, so that not all nodes that know the same list want the same piece.
        let start = if rarest.is_empty() { 0 } else { rng.random_range(0..rarest.len()) };
        let (tail, head) = rarest.split_at(start);
        let global = head
            .iter()
            .chain(tail)
            .filter_map(|&(number, _)| geometry.piece(number))
            .find(|&piece| {
                fresh.set.has(piece) && theirs.has(piece) && self.copies[piece.as_usize()] <= bar
            });
        Some(global.unwrap_or(local))
    }

    /// Whether any piece of a list may be begun with a peer.
    pub(crate) fn may_begin_any(
        &self,
        geometry: &Geometry,
        list: &[(u32, u32)],
        theirs: &Bitfield,
    ) -> bool {
        let mut pieces = list.iter().filter_map(|&(number, _)| geometry.piece(number));
        pieces.any(|piece| self.is_fresh(piece) && theirs.has(piece))
    }

    /// The piece after this one, if it may be begun with a peer instead: of the same class, and no less rare.
    pub(crate) fn neighbour(
        &self,
        geometry: &Geometry,
        piece: PieceIndex,
        theirs: &Bitfield,
    ) -> Option<PieceIndex> {
        let next = geometry.piece(piece.get().checked_add(1)?)?;
        let alike = self.priority(next) == self.priority(piece)
            && self.copies[next.as_usize()] <= self.copies[piece.as_usize()];
        (alike && self.is_fresh(next) && theirs.has(next)).then_some(next)
    }

    /// Any piece of a class to begin with a peer, whatever its rarity: the first pieces of a download are to
    /// come soon and to differ from those of others.
    pub(crate) fn pick_any(
        &self,
        geometry: &Geometry,
        class: Priority,
        theirs: &Bitfield,
        rng: &mut impl Rng,
    ) -> Option<PieceIndex> {
        let fresh = self.fresh_of(class)?;
        let start = rng.random_range(0..geometry.piece_count().max(1));
        fresh.set.common_from(theirs, start).next().and_then(|number| geometry.piece(number))
    }

    /// The first piece of a class to begin with a peer, in the order of the share.
    pub(crate) fn pick_first(
        &self,
        geometry: &Geometry,
        class: Priority,
        theirs: &Bitfield,
    ) -> Option<PieceIndex> {
        let fresh = self.fresh_of(class)?;
        fresh.set.common_from(theirs, 0).next().and_then(|number| geometry.piece(number))
    }

    /// The pieces of a class, if any of it may be begun.
    fn fresh_of(&self, priority: Priority) -> Option<&Fresh> {
        class(priority).map(|class| &self.fresh[class]).filter(|fresh| !fresh.set.is_empty())
    }

    /// For a peer that has little of what is rare: the rarest of some of its pieces. It goes over
    /// 64 pieces at a time, and all of them only if there is nothing to be had from this peer.
    fn pick_from_theirs(
        &self,
        geometry: &Geometry,
        fresh: &Fresh,
        theirs: &Bitfield,
        rng: &mut impl Rng,
    ) -> Option<PieceIndex> {
        let start = rng.random_range(0..geometry.piece_count().max(1));
        let sample = fresh.set.common_from(theirs, start).take(SAMPLE);
        sample.filter_map(|number| geometry.piece(number)).min_by_key(|p| self.copies[p.as_usize()])
    }

    fn set_copies(&mut self, piece: PieceIndex, copies: u16) {
        let fresh = self.is_fresh(piece);
        if fresh {
            self.take(piece);
        }
        self.copies[piece.as_usize()] = copies;
        if fresh {
            self.put(piece);
        }
    }

    fn put(&mut self, piece: PieceIndex) {
        let copies = usize::from(self.copies[piece.as_usize()]);
        let Some(class) = class(self.priority(piece)) else { return };
        let Fresh { buckets, set, .. } = &mut self.fresh[class];
        set.insert(piece);
        if buckets.len() <= copies {
            buckets.resize_with(copies + 1, Vec::new);
        }
        let bucket = &mut buckets[copies];
        self.place[piece.as_usize()] = bucket.len() as u32;
        bucket.push(piece);
    }

    fn take(&mut self, piece: PieceIndex) {
        let Some(class) = class(self.priority(piece)) else { return };
        let Fresh { buckets, set, .. } = &mut self.fresh[class];
        set.remove(piece);
        let bucket = &mut buckets[usize::from(self.copies[piece.as_usize()])];
        let place = std::mem::replace(&mut self.place[piece.as_usize()], NOWHERE) as usize;
        bucket.swap_remove(place);
        if let Some(moved) = bucket.get(place) {
            self.place[moved.as_usize()] = place as u32;
        }
    }
}

/// The place of a class in [`CLASSES`].
const fn class(priority: Priority) -> Option<usize> {
    match priority {
        Priority::High => Some(0),
        Priority::Normal => Some(1),
        Priority::Low => Some(2),
        Priority::Skip => None,
    }
}

fn pick_from_buckets(
    buckets: &[Vec<PieceIndex>],
    theirs: &Bitfield,
    rng: &mut impl Rng,
) -> Option<PieceIndex> {
    let mut tries = TRIES;
    for bucket in buckets.iter().filter(|bucket| !bucket.is_empty()) {
        let (tail, head) = bucket.split_at(rng.random_range(0..bucket.len()));
        let mut looked_at = head.iter().chain(tail).take(tries);
        if let Some(&piece) = looked_at.find(|&&piece| theirs.has(piece)) {
            return Some(piece);
        }
        tries = tries.saturating_sub(bucket.len());
        if tries == 0 {
            break;
        }
    }
    None
}

impl Picker {
    /// Whether the counts are those of these peers, and the buckets those of the counts.
    pub(crate) fn check<'a>(
        &self,
        geometry: &Geometry,
        seeds: u32,
        others: impl Iterator<Item = &'a Bitfield>,
    ) -> Result<(), String> {
        let mut copies = vec![0_u16; self.copies.len()];
        for theirs in others {
            theirs.iter().for_each(|number| copies[number as usize] += 1);
        }
        if copies != self.copies || seeds != self.seeds {
            return Err("availability is not what the peers have".into());
        }
        for piece in geometry.pieces() {
            let place = self.place[piece.as_usize()];
            let fresh = class(self.priority(piece)).map(|class| &self.fresh[class]);
            let copies = usize::from(copies[piece.as_usize()]);
            let bucket = fresh.and_then(|fresh| fresh.buckets.get(copies));
            let there = bucket.and_then(|bucket| bucket.get(place as usize)) == Some(&piece);
            let others = self.fresh.iter().filter(|other| other.set.has(piece)).count();
            if there != self.is_fresh(piece) || others != usize::from(there) {
                return Err(format!("piece {} is not in its bucket", piece.get()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
