use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use swarm_proto::{
    digest::hash_blocks,
    geometry::BLOCK_LEN,
    manifest::{Extras, FileInfo, Info},
    tree,
};

use super::*;

const ANN: PeerId = PeerId::new([1; 32]);
const BOB: PeerId = PeerId::new([2; 32]);
const BLOCK: u64 = BLOCK_LEN as u64;
/// Two files: pieces of 4, 4 and 2 blocks, and one of a single short block.
const FILES: [u64; 2] = [10 * BLOCK, 5];

fn manifest() -> Arc<Manifest> {
    let file = |(name, length): (&str, u64)| FileInfo {
        path: name.into(),
        length,
        executable: false,
        root: None,
    };
    let info = Info {
        name: "share".into(),
        piece_length: 4 * BLOCK_LEN,
        files: ["a", "b"].into_iter().zip(FILES).map(file).collect(),
        empty_folders: vec![],
    };
    let digest = |(number, width)| tree::root(&truth(number), width);
    let digests = [(0, 4), (1, 4), (2, 4), (3, 1)].map(digest).to_vec();
    Arc::new(Manifest::build(info, digests, Extras::default()).unwrap())
}

/// The digests of the blocks of a piece, all of whose bytes are its number.
fn truth(number: u32) -> Vec<Digest> {
    let len = [4 * BLOCK, 4 * BLOCK, 2 * BLOCK, 5][number as usize];
    let mut leaves = Vec::new();
    hash_blocks(&vec![number as u8; len as usize], &mut leaves);
    leaves
}

fn true_leaves(run: BlockRun) -> Vec<Digest> {
    let all = truth(run.piece().get());
    run.blocks().map(|block| all[block as usize]).collect()
}

fn ledger() -> Ledger {
    let manifest = manifest();
    let have = Bitfield::empty(manifest.geometry().piece_count());
    let wanted = Bitfield::full(have.len());
    Ledger::new(manifest, have, wanted)
}

impl Ledger {
    fn at(&self, piece: u32, first: u32, count: u32) -> BlockRun {
        self.geometry().run(self.geometry().piece(piece).unwrap(), first, count).unwrap()
    }

    fn next(&mut self, piece: u32, max: u32) -> Option<(u32, u32)> {
        let run = self.free_run(self.geometry().piece(piece).unwrap(), max)?;
        Some((run.first(), run.count()))
    }

    /// One peer delivers a whole run, and it is stored with these digests.
    fn deliver(&mut self, sender: PeerId, run: BlockRun, leaves: &[Digest]) -> Progress {
        self.request(ConnId(9), run);
        assert_eq!(self.arrived(ConnId(9), sender, run).store, [run]);
        self.stored(run, leaves)
    }
}

#[test]
fn a_piece_goes_from_missing_to_had() {
    let mut l = ledger();
    let (head, tail) = (l.at(0, 0, 3), l.at(0, 3, 1));
    assert_eq!(l.deliver(ANN, head, &true_leaves(head)), Progress::Unfinished);
    assert_eq!(l.unfinished().count(), 1);
    assert_eq!(l.deliver(BOB, tail, &true_leaves(tail)), Progress::Verified(vec![]));
    assert_eq!((l.have().count(), l.bytes_have()), (1, 4 * BLOCK));
    assert_eq!((l.unfinished().count(), l.next(0, 9)), (0, None));
}

#[test]
fn bytes_are_counted_while_asked_for_and_while_stored() {
    let mut l = ledger();
    let run = l.at(2, 0, 2);
    l.request(ConnId(1), run);
    l.request(ConnId(2), run);
    assert_eq!((l.requested(), l.storing()), (4 * BLOCK, 0));
    let arrived = l.arrived(ConnId(1), ANN, run);
    assert_eq!((arrived.useful, arrived.others), (2 * BLOCK, vec![ConnId(2)]));
    assert_eq!((l.requested(), l.storing()), (0, 2 * BLOCK));
    // The second copy is of no use.
    assert_eq!(l.arrived(ConnId(2), BOB, run).useful, 0);
    l.stored(run, &true_leaves(run));
    assert_eq!((l.requested(), l.storing()), (0, 0));
}

#[test]
fn a_piece_that_nobody_is_asked_for_any_more_is_missing_again() {
    let mut l = ledger();
    let run = l.at(1, 0, 4);
    l.request(ConnId(1), run);
    assert!(!l.is_missing(run.piece()));
    l.release(ConnId(1), run);
    assert!(l.is_missing(run.piece()));
    assert_eq!(l.next(1, 9), Some((0, 4)));
}

#[test]
fn what_is_partly_there_already_is_stored_in_parts() {
    let mut l = ledger();
    let (all, middle) = (l.at(0, 0, 4), l.at(0, 1, 2));
    l.request(ConnId(1), all);
    l.request(ConnId(2), middle);
    l.arrived(ConnId(2), BOB, middle);
    let arrived = l.arrived(ConnId(1), ANN, all);
    assert_eq!(arrived.store, [l.at(0, 0, 1), l.at(0, 3, 1)]);
    assert_eq!(arrived.useful, 2 * BLOCK);
}

#[test]
fn proven_digests_free_the_bad_block_and_name_its_sender() {
    let mut l = ledger();
    let (head, tail) = (l.at(0, 0, 3), l.at(0, 3, 1));
    l.deliver(ANN, head, &true_leaves(head));
    let wrong = [Digest::new([0; 32])];
    assert_eq!(l.deliver(BOB, tail, &wrong), Progress::Corrupt(vec![ANN, BOB]));
    assert_eq!(l.judge(head.piece(), &wrong), None, "that is no proof");
    assert_eq!(l.judge(head.piece(), &truth(0)), Some(vec![(BOB, 1)]));
    assert_eq!(l.next(0, 9), Some((3, 1)));
    assert_eq!(l.deliver(ANN, tail, &true_leaves(tail)), Progress::Verified(vec![]));
}

#[test]
fn a_doubted_piece_is_neither_had_nor_missing() {
    let mut l = ledger();
    let run = l.at(3, 0, 1);
    l.deliver(ANN, run, &true_leaves(run));
    assert!(l.doubt(run.piece()));
    assert_eq!((l.have().count(), l.bytes_have(), l.next(3, 1)), (0, 0, None));
    l.settle(run.piece(), true);
    assert_eq!((l.have().count(), l.bytes_have()), (1, 5));
    l.doubt(run.piece());
    l.settle(run.piece(), false);
    assert!(l.is_missing(run.piece()));
}

/// What may happen to a ledger. Numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
enum Step {
    Ask { conn: u64, piece: u32, max: u32 },
    Share { conn: u64, from: u64 },
    Answer { conn: u64 },
    TakeBack { conn: u64 },
    Store { good: bool },
    StoreFails,
    Judge { piece: u32, right: bool },
    Suspect { piece: u32 },
    Doubt { piece: u32 },
    Settle { piece: u32, good: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let (conn, piece) = (0..4_u64, 0..4_u32);
    prop_oneof![
        4 => (conn.clone(), piece.clone(), 1..5_u32)
            .prop_map(|(conn, piece, max)| Step::Ask { conn, piece, max }),
        2 => (conn.clone(), conn.clone()).prop_map(|(conn, from)| Step::Share { conn, from }),
        4 => conn.clone().prop_map(|conn| Step::Answer { conn }),
        1 => conn.prop_map(|conn| Step::TakeBack { conn }),
        4 => prop::bool::weighted(0.8).prop_map(|good| Step::Store { good }),
        1 => Just(Step::StoreFails),
        1 => (piece.clone(), any::<bool>()).prop_map(|(piece, right)| Step::Judge { piece, right }),
        1 => piece.clone().prop_map(|piece| Step::Suspect { piece }),
        1 => piece.clone().prop_map(|piece| Step::Doubt { piece }),
        1 => (piece, any::<bool>()).prop_map(|(piece, good)| Step::Settle { piece, good }),
    ]
}

/// A ledger with what its surroundings know: who was asked for what, and what is being stored.
struct World {
    ledger: Ledger,
    asked: BTreeMap<u64, BTreeSet<BlockRun>>,
    storing: Vec<(BlockRun, bool)>,
}

impl World {
    fn take(&mut self, step: Step) {
        let l = &mut self.ledger;
        let piece = |l: &Ledger, number| l.geometry().piece(number).unwrap();
        match step {
            Step::Ask { conn, piece: number, max } => {
                let piece = piece(l, number);
                if let Some(run) = l.free_run(piece, max) {
                    l.request(ConnId(conn), run);
                    self.asked.entry(conn).or_default().insert(run);
                }
            }
            Step::Share { conn, from } => {
                let theirs = self.asked.get(&from).and_then(|runs| runs.first().copied());
                if let Some(run) = theirs.and_then(|run| l.shared_run(ConnId(conn), run, 64)) {
                    l.request(ConnId(conn), run);
                    self.asked.entry(conn).or_default().insert(run);
                }
            }
            Step::Answer { conn } => {
                let Some(run) = self.asked.entry(conn).or_default().pop_first() else { return };
                let sender = PeerId::new([conn as u8; 32]);
                let arrived = l.arrived(ConnId(conn), sender, run);
                // Every other sender lies.
                let good = conn % 2 == 0;
                self.storing.extend(arrived.store.into_iter().map(|run| (run, good)));
            }
            Step::TakeBack { conn } => {
                let Some(run) = self.asked.entry(conn).or_default().pop_last() else { return };
                l.release(ConnId(conn), run);
            }
            Step::Store { good } => {
                let Some((run, honest)) = self.storing.pop() else { return };
                let leaves = if honest || good {
                    true_leaves(run)
                } else {
                    vec![Digest::new([0; 32]); run.count() as usize]
                };
                l.stored(run, &leaves);
            }
            Step::StoreFails => {
                let Some((run, _)) = self.storing.pop() else { return };
                l.store_failed(run);
            }
            Step::Judge { piece: number, right } => {
                let leaves = if right { truth(number) } else { vec![] };
                for (liar, _) in l.judge(piece(l, number), &leaves).into_iter().flatten() {
                    assert_eq!(liar.as_bytes()[0] % 2, 1, "an honest peer is blamed");
                }
            }
            Step::Suspect { piece: number } => l.suspect(piece(l, number)),
            Step::Doubt { piece: number } => {
                l.doubt(piece(l, number));
            }
            Step::Settle { piece: number, good } => l.settle(piece(l, number), good),
        }
    }
}

proptest! {
    #[test]
    fn sums_and_states_agree_after_any_history(steps in prop::collection::vec(step(), 0..300)) {
        let asked = BTreeMap::new();
        let mut world = World { ledger: ledger(), asked, storing: Vec::new() };
        for step in steps {
            world.take(step);
            let asked = &world.asked;
            let result = world.ledger.check(|conn, piece, block| {
                let runs = asked.get(&conn.0).into_iter().flatten();
                runs.filter(|run| run.piece() == piece).any(|run| run.blocks().contains(&block))
            });
            prop_assert_eq!(result, Ok(()), "after {:?}", step);
        }
    }
}
