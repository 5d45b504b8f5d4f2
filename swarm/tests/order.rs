//! In which order pieces are asked for.

mod stage;

use stage::Stage;
use swarm_engine::{Config, Order};
use swarm_proto::message::Message;

#[test]
fn small_pieces_are_asked_for_in_order_up_to_the_length_of_a_usual_one() {
    for (blocks, together) in [(1, 16), (4, 4), (16, 1)] {
        let mut s = Stage::empty(2048, blocks);
        // Another one who downloads: it should get other pieces first than we do.
        s.connect(2);
        s.receive(2, Message::HaveNone);
        s.seed(1);
        let asked = first_pieces(&mut s, 100);
        let rows: Vec<_> = rows(&asked).collect();
        assert_eq!(rows.iter().max(), Some(&together), "{rows:?}");
        // One ends with the share, one with the test, and one where an earlier one began.
        let cut_short = rows.iter().filter(|&&row| row < together).count();
        assert!(cut_short <= 3 && rows.len() > 6, "{blocks} blocks: {rows:?}");
    }
}

#[test]
fn where_all_peers_are_seeds_it_goes_on_in_order_to_the_end() {
    for blocks in [1, 4] {
        let mut s = Stage::empty(1000, blocks);
        s.seed(1);
        let asked = first_pieces(&mut s, 1000);
        assert_eq!(asked.len(), 1000);
        // From where it began to the end of the share, and from somewhere in what is left up to there,
        // and so on.
        assert!(
            rows(&asked).count() <= 20,
            "{blocks} blocks: {:?}",
            rows(&asked).collect::<Vec<_>>()
        );
    }
}

/// The pieces that peer 1 is asked for first, so many of them at least.
fn first_pieces(s: &mut Stage, count: usize) -> Vec<u32> {
    let mut asked = Vec::new();
    while asked.len() < count {
        for raw in s.requests(1) {
            asked.push(raw.piece);
            s.answer(1, raw);
        }
        s.store();
        s.ms(20);
        asked.dedup();
    }
    asked
}

/// How many pieces follow each other without a gap.
fn rows(asked: &[u32]) -> impl Iterator<Item = usize> {
    asked.chunk_by(|a, b| a + 1 == *b).map(<[u32]>::len)
}

#[test]
fn a_reader_who_wants_the_bytes_in_order_gets_them_so() {
    let config = Config { order: Order::Sequential, ..Config::default() };
    let mut s = Stage::new(40, 4, &[], config);
    s.seed(1);
    // What a seed would have us fetch for the good of all waits for its turn.
    s.receive(1, Message::Suggest(30));
    let mut asked = Vec::new();
    while s.snapshot().pieces_have < 40 {
        for raw in s.requests(1) {
            asked.extend((raw.first..raw.first + raw.count).map(|block| (raw.piece, block)));
            s.answer(1, raw);
        }
        s.store();
        s.ms(20);
    }
    let in_order: Vec<_> =
        (0..40).flat_map(|piece| (0..4).map(move |block| (piece, block))).collect();
    assert_eq!(asked, in_order);
}

#[test]
fn whoever_lacks_what_comes_next_is_asked_for_the_first_that_it_has() {
    let config = Config { order: Order::Sequential, ..Config::default() };
    let mut s = Stage::new(40, 4, &[], config);
    s.connect(1);
    s.receive(1, Message::HaveNone);
    s.receive(1, Message::Have(vec![9, 7]));
    s.receive(1, Message::Unchoke);
    s.seed(2);
    let first = |s: &mut Stage, peer| s.requests(peer).first().map(|raw| (raw.piece, raw.first));
    assert_eq!(first(&mut s, 1), Some((7, 0)));
    assert_eq!(first(&mut s, 2), Some((0, 0)));
}
