//! How rare each piece is among our peers, and which piece to begin next.
//!
//! Pieces that nobody has begun lie in buckets, one for each number of copies among the connected
//! peers. A peer's `Have` moves a piece to the next bucket: two writes, however many pieces and peers
//! there are. Peers that have everything are one counter, since they make every piece equally less
//! rare. A pick looks into the rarest buckets first and at a bounded number of pieces.

use rand::{Rng, RngExt};
use swarm_proto::{
    bitfield::Bitfield,
    geometry::{Geometry, PieceIndex},
};

/// How many pieces of the rarest buckets are looked at before the peer's own pieces are sampled. A
/// peer that has a fair part of the share has one of so many with near certainty.
const TRIES: usize = 128;
/// How many of the pieces that a peer with few has are compared when the buckets gave none.
const SAMPLE: usize = 16;
/// The place of a piece that lies in no bucket.
const NOWHERE: u32 = u32::MAX;

/// Availability of all pieces, and the pieces that may be begun. 7 bytes a piece, and 4 more for
/// each that may be begun.
#[derive(Debug)]
pub(crate) struct Picker {
    /// Peers that have the piece, those that were seeds when they came not among them.
    copies: Vec<u16>,
    /// Peers that have every piece.
    seeds: u32,
    /// The pieces that may be begun, by copies.
    buckets: Vec<Vec<PieceIndex>>,
    /// Where in its bucket each piece lies.
    place: Vec<u32>,
    /// The same pieces as a set.
    fresh: Bitfield,
}

impl Picker {
    /// No peers yet; all pieces that are not in `have` may be begun.
    pub(crate) fn new(geometry: &Geometry, have: &Bitfield) -> Self {
        let pieces = geometry.piece_count();
        let mut this = Self {
            copies: vec![0; pieces as usize],
            seeds: 0,
            buckets: Vec::new(),
            place: vec![NOWHERE; pieces as usize],
            fresh: Bitfield::empty(pieces),
        };
        for piece in geometry.pieces().filter(|&piece| !have.has(piece)) {
            this.insert(piece);
        }
        this
    }

    /// Peers that have the piece.
    pub(crate) fn copies(&self, piece: PieceIndex) -> u32 {
        u32::from(self.copies[piece.as_usize()]) + self.seeds
    }

    /// Peers that have each piece, but for those that have every piece; and how many these are.
    pub(crate) fn copies_of_all(&self) -> (&[u16], u32) {
        (&self.copies, self.seeds)
    }

    /// Whether any piece may be begun.
    pub(crate) const fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Whether a piece may be begun.
    pub(crate) fn is_fresh(&self, piece: PieceIndex) -> bool {
        self.fresh.has(piece)
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
        if self.fresh.insert(piece) {
            self.put(piece);
        }
    }

    /// The piece was begun, or is no longer wanted.
    pub(crate) fn remove(&mut self, piece: PieceIndex) {
        if self.fresh.remove(piece) {
            self.take(piece);
        }
    }

    /// A piece to begin with a peer that has the pieces in `theirs`: one of the rarest, by chance
    /// among equals. `rarest` are the pieces that the tracker counted to be the rarest of the whole
    /// swarm: they win against pieces that our neighbours have as often, or one time less.
    pub(crate) fn pick(
        &self,
        geometry: &Geometry,
        theirs: &Bitfield,
        rarest: &[(u32, u32)],
        rng: &mut impl Rng,
    ) -> Option<PieceIndex> {
        let local = self
            .pick_from_buckets(theirs, rng)
            .or_else(|| self.pick_from_theirs(geometry, theirs, rng))?;
        let bar = self.copies[local.as_usize()].saturating_add(1);
        // A random one of them, so that not all nodes that know the same list want the same piece.
        let start = if rarest.is_empty() { 0 } else { rng.random_range(0..rarest.len()) };
        let (tail, head) = rarest.split_at(start);
        let global = head
            .iter()
            .chain(tail)
            .filter_map(|&(number, _)| geometry.piece(number))
            .find(|&piece| {
                self.is_fresh(piece) && theirs.has(piece) && self.copies[piece.as_usize()] <= bar
            });
        Some(global.unwrap_or(local))
    }

    /// Any piece to begin with a peer, whatever its rarity: the first pieces of a download are to
    /// come soon and to differ from those of others.
    pub(crate) fn pick_any(
        &self,
        geometry: &Geometry,
        theirs: &Bitfield,
        rng: &mut impl Rng,
    ) -> Option<PieceIndex> {
        let start = rng.random_range(0..geometry.piece_count().max(1));
        self.fresh.common_from(theirs, start).next().and_then(|number| geometry.piece(number))
    }

    fn pick_from_buckets(&self, theirs: &Bitfield, rng: &mut impl Rng) -> Option<PieceIndex> {
        let mut tries = TRIES;
        for bucket in self.buckets.iter().filter(|bucket| !bucket.is_empty()) {
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

    /// For a peer that has little of what is rare: the rarest of some of its pieces. It goes over
    /// 64 pieces at a time, and all of them only if there is nothing to be had from this peer.
    fn pick_from_theirs(
        &self,
        geometry: &Geometry,
        theirs: &Bitfield,
        rng: &mut impl Rng,
    ) -> Option<PieceIndex> {
        let start = rng.random_range(0..geometry.piece_count().max(1));
        let sample = self.fresh.common_from(theirs, start).take(SAMPLE);
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
        if self.buckets.len() <= copies {
            self.buckets.resize_with(copies + 1, Vec::new);
        }
        let bucket = &mut self.buckets[copies];
        self.place[piece.as_usize()] = bucket.len() as u32;
        bucket.push(piece);
    }

    fn take(&mut self, piece: PieceIndex) {
        let bucket = &mut self.buckets[usize::from(self.copies[piece.as_usize()])];
        let place = std::mem::replace(&mut self.place[piece.as_usize()], NOWHERE) as usize;
        bucket.swap_remove(place);
        if let Some(moved) = bucket.get(place) {
            self.place[moved.as_usize()] = place as u32;
        }
    }
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
            let bucket = self.buckets.get(usize::from(copies[piece.as_usize()]));
            let there = bucket.and_then(|bucket| bucket.get(place as usize)) == Some(&piece);
            if there != self.is_fresh(piece) || there != (place != NOWHERE) {
                return Err(format!("piece {} is not in its bucket", piece.get()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn geometry(pieces: u32) -> Geometry {
        Geometry::new(16384, [u64::from(pieces) * 16384]).unwrap()
    }

    /// Pieces as art: `x` has it, anything else does not.
    fn pieces(art: &str) -> Bitfield {
        let g = geometry(art.len() as u32);
        let mut set = Bitfield::empty(g.piece_count());
        for (piece, _) in g.pieces().zip(art.bytes()).filter(|&(_, c)| c == b'x') {
            set.insert(piece);
        }
        set
    }

    struct World {
        geometry: Geometry,
        picker: Picker,
        peers: Vec<Bitfield>,
        rng: ChaCha8Rng,
    }

    fn world(peers: &[&str]) -> World {
        let geometry = geometry(peers[0].len() as u32);
        let mut picker = Picker::new(&geometry, &Bitfield::empty(geometry.piece_count()));
        let peers: Vec<_> = peers.iter().map(|art| pieces(art)).collect();
        for number in peers.iter().flat_map(Bitfield::iter) {
            picker.gained(geometry.piece(number).unwrap());
        }
        World { geometry, picker, peers, rng: ChaCha8Rng::seed_from_u64(1) }
    }

    impl World {
        /// All pieces that a hundred picks give, ascending.
        fn picks(&mut self, theirs: &str, rarest: &[(u32, u32)]) -> Vec<u32> {
            let theirs = pieces(theirs);
            let mut picks: Vec<_> = (0..100)
                .filter_map(|_| self.picker.pick(&self.geometry, &theirs, rarest, &mut self.rng))
                .map(PieceIndex::get)
                .collect();
            picks.sort_unstable();
            picks.dedup();
            picks
        }

        fn check(&self) {
            self.picker.check(&self.geometry, 0, self.peers.iter()).unwrap();
        }
    }

    #[test]
    fn the_rarest_come_first_and_equals_by_chance() {
        let mut w = world(&["xxxxx", "xx.x.", "x....", "x..x."]);
        // Copies: 4 2 1 3 1.
        assert_eq!(w.picks("xxxxx", &[]), [2, 4]);
        assert_eq!(w.picks("xx.x.", &[]), [1]);
        assert_eq!(w.picks("x..x.", &[]), [3]);
        assert!(w.picks(".....", &[]).is_empty());
        w.check();
    }

    #[test]
    fn begun_pieces_are_not_picked_and_come_back() {
        let mut w = world(&["xxx", "x.x"]);
        let piece = w.geometry.piece(1).unwrap();
        w.picker.remove(piece);
        assert_eq!(w.picks("xxx", &[]), [0, 2]);
        w.picker.gained(piece);
        w.peers.push(pieces(".x."));
        w.picker.insert(piece);
        assert_eq!(w.picks("xxx", &[]), [0, 1, 2]);
        w.check();
    }

    #[test]
    fn the_trackers_rarest_break_near_ties_only() {
        let mut w = world(&["xxxx", "xxx.", "..x.", "..x."]);
        // Copies: 2 2 4 1.
        assert_eq!(w.picks("xxx.", &[(1, 7), (2, 3)]), [1]);
        assert_eq!(w.picks("xxxx", &[(0, 1)]), [0]);
        assert_eq!(w.picks("xxxx", &[(2, 1), (99, 1)]), [3]);
    }

    #[test]
    fn seeds_are_one_counter() {
        let mut w = world(&["x."]);
        w.picker.seed_joined();
        let copies = |w: &World, i| w.picker.copies(w.geometry.piece(i).unwrap());
        assert_eq!((copies(&w, 0), copies(&w, 1)), (2, 1));
        w.picker.seed_left();
        assert_eq!((copies(&w, 0), copies(&w, 1)), (1, 0));
    }

    #[test]
    fn a_peer_with_little_among_many_pieces_is_still_used() {
        let geometry = geometry(10_000);
        let mut picker = Picker::new(&geometry, &Bitfield::empty(10_000));
        let mut theirs = Bitfield::empty(10_000);
        for number in [4_000, 7_000] {
            let piece = geometry.piece(number).unwrap();
            theirs.insert(piece);
            picker.gained(piece);
        }
        picker.gained(geometry.piece(4_000).unwrap());
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let pick = picker.pick(&geometry, &theirs, &[], &mut rng);
        assert_eq!(pick.map(PieceIndex::get), Some(7_000));
    }

    #[test]
    fn counts_and_buckets_agree_after_any_history() {
        let geometry = geometry(40);
        let mut picker = Picker::new(&geometry, &Bitfield::empty(40));
        let mut peers = vec![Bitfield::empty(40); 5];
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..5_000 {
            let piece = geometry.piece(rng.random_range(0..40)).unwrap();
            let theirs = &mut peers[rng.random_range(0..5)];
            match rng.random_range(0..4) {
                0 if theirs.insert(piece) => picker.gained(piece),
                1 if theirs.remove(piece) => picker.lost(piece),
                2 => picker.insert(piece),
                3 => picker.remove(piece),
                _ => {}
            }
        }
        picker.check(&geometry, 0, peers.iter()).unwrap();
    }
}
