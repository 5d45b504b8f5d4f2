//! What is picked, and that counts and buckets agree.

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

/// All pieces wanted and missing.
fn picker_of(geometry: &Geometry) -> Picker {
    let pieces = geometry.piece_count();
    Picker::new(geometry, &Bitfield::empty(pieces), &Bitfield::full(pieces), &[])
}

struct World {
    geometry: Geometry,
    picker: Picker,
    peers: Vec<Bitfield>,
    rng: ChaCha8Rng,
}

fn world(peers: &[&str]) -> World {
    let geometry = geometry(peers[0].len() as u32);
    let mut picker = picker_of(&geometry);
    let peers: Vec<_> = peers.iter().map(|art| pieces(art)).collect();
    for number in peers.iter().flat_map(Bitfield::iter) {
        picker.gained(geometry.piece(number).unwrap());
    }
    World { geometry, picker, peers, rng: ChaCha8Rng::seed_from_u64(1) }
}

impl World {
    /// All pieces that a hundred picks give, ascending.
    fn picks(&mut self, theirs: &str, rarest: &[(u32, u32)]) -> Vec<u32> {
        self.picks_of(Priority::Normal, theirs, rarest)
    }

    fn picks_of(&mut self, class: Priority, theirs: &str, rarest: &[(u32, u32)]) -> Vec<u32> {
        let theirs = pieces(theirs);
        let (picker, geometry, rng) = (&self.picker, &self.geometry, &mut self.rng);
        let mut picks: Vec<_> = (0..100)
            .filter_map(|_| picker.pick(geometry, class, &theirs, rarest, rng))
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
fn a_neighbour_comes_along_if_it_is_no_less_rare() {
    let mut w = world(&["xxxx.", "..x.."]);
    let after = |w: &World, number: u32, theirs: &str| {
        let piece = w.geometry.piece(number).unwrap();
        w.picker.neighbour(&w.geometry, piece, &pieces(theirs)).map(PieceIndex::get)
    };
    let of_each = |w: &World, theirs| (0..5).map(|n| after(w, n, theirs)).collect::<Vec<_>>();
    // Copies: 1 1 2 1 0.
    assert_eq!(of_each(&w, "xxxxx"), [Some(1), None, Some(3), Some(4), None]);
    assert_eq!(of_each(&w, "x..xx"), [None, None, Some(3), Some(4), None]);
    let begun = w.geometry.piece(3).unwrap();
    w.picker.remove(begun);
    assert_eq!(of_each(&w, "xxxxx"), [Some(1), None, None, Some(4), None]);
    let other = w.geometry.piece(1).unwrap();
    w.picker.remove(other);
    w.picker.set_priority(other, Priority::High);
    w.picker.insert(other);
    assert_eq!(after(&w, 0, "xxxxx"), None);
    w.check();
}

#[test]
fn the_first_comes_first_for_those_who_want_it_so() {
    let mut w = world(&["xxxxx", "xx...", ".x..."]);
    let first = |w: &World, theirs: &str| {
        let piece = w.picker.pick_first(&w.geometry, Priority::Normal, &pieces(theirs));
        piece.map(PieceIndex::get)
    };
    assert_eq!((first(&w, "xxxxx"), first(&w, "..x.x")), (Some(0), Some(2)));
    w.picker.remove(w.geometry.piece(0).unwrap());
    assert_eq!((first(&w, "xxxxx"), first(&w, "x....")), (Some(1), None));
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
fn each_class_has_its_own_rarest_and_a_skipped_piece_is_in_none() {
    let mut w = world(&["xxxxx", "xx.xx", "x..x."]);
    // Copies: 3 2 1 3 2.
    let set = |w: &mut World, number, priority| {
        let piece = w.geometry.piece(number).unwrap();
        w.picker.remove(piece);
        w.picker.set_priority(piece, priority);
        if priority != Priority::Skip {
            w.picker.insert(piece);
        }
    };
    assert_eq!(w.picker.classes().collect::<Vec<_>>(), [Priority::Normal]);
    set(&mut w, 0, Priority::High);
    set(&mut w, 3, Priority::High);
    set(&mut w, 2, Priority::Skip);
    set(&mut w, 4, Priority::Low);
    assert_eq!(w.picker.classes().collect::<Vec<_>>(), CLASSES);
    assert_eq!(w.picks_of(Priority::High, "xxxxx", &[(1, 1), (2, 1)]), [0, 3]);
    assert_eq!(w.picks_of(Priority::Normal, "xxxxx", &[]), [1]);
    assert_eq!(w.picks_of(Priority::Low, "xxxxx", &[]), [4]);
    assert!(w.picks_of(Priority::High, ".xx.x", &[]).is_empty());
    w.check();
    set(&mut w, 2, Priority::Low);
    assert_eq!(w.picks_of(Priority::Low, "xxxxx", &[]), [2]);
    w.check();
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
    let mut picker = picker_of(&geometry);
    let mut theirs = Bitfield::empty(10_000);
    for number in [4_000, 7_000] {
        let piece = geometry.piece(number).unwrap();
        theirs.insert(piece);
        picker.gained(piece);
    }
    picker.gained(geometry.piece(4_000).unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let pick = picker.pick(&geometry, Priority::Normal, &theirs, &[], &mut rng);
    assert_eq!(pick.map(PieceIndex::get), Some(7_000));
}

#[test]
fn counts_and_buckets_agree_after_any_history() {
    let geometry = geometry(40);
    let mut picker = picker_of(&geometry);
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
