//! Stories of what front ends are shown.

mod stage;

use std::time::Duration;

use stage::{BLOCK, Stage, id};
use swarm_engine::{BlockState, Bottleneck, Command, Config, Input, RunSnapshot, Spent, State};
use swarm_proto::{digest::hash_blocks, message::Message};

fn bottleneck(s: &mut Stage) -> Bottleneck {
    s.snapshot().bottleneck
}

#[test]
fn the_first_thing_that_holds_a_download_back_is_named() {
    let mut s = Stage::empty(8, 4);
    assert_eq!(bottleneck(&mut s), Bottleneck::NoPeers);
    s.connect(1);
    s.receive(1, Message::HaveNone);
    assert_eq!(bottleneck(&mut s), Bottleneck::NothingOffered);
    s.receive(1, Message::Have(vec![0]));
    assert_eq!(bottleneck(&mut s), Bottleneck::Choked);
    s.receive(1, Message::Unchoke);
    assert_eq!(bottleneck(&mut s), Bottleneck::Network);
    s.command(Command::Pause);
    assert_eq!(bottleneck(&mut s), Bottleneck::None);
}

#[test]
fn rare_pieces_are_the_cause_when_most_peers_have_nothing_left_to_give() {
    let mut s = Stage::empty(8, 4);
    s.seed(1);
    for leecher in [2, 3] {
        s.connect(leecher);
        s.receive(leecher, Message::HaveNone);
        s.receive(leecher, Message::Unchoke);
    }
    assert_eq!(bottleneck(&mut s), Bottleneck::RarePieces);
    // With another seed it is two of four, who are as busy as they can be.
    s.seed(4);
    assert_eq!(bottleneck(&mut s), Bottleneck::Network);
    // One more has nothing: few again, until one of the few takes no requests though it could.
    s.connect(5);
    s.receive(5, Message::HaveNone);
    assert_eq!(bottleneck(&mut s), Bottleneck::RarePieces);
    for raw in s.requests(4) {
        s.receive(4, Message::Reject(raw));
    }
    assert_eq!(bottleneck(&mut s), Bottleneck::Network);
}

#[test]
fn a_slow_processor_is_told_from_a_slow_disk_by_what_each_took() {
    for (hashing, writing, expected) in [(9, 1, Bottleneck::Hashing), (1, 9, Bottleneck::Disk)] {
        let config = Config { buffer_bytes: 64 * BLOCK, ..Config::default() };
        let mut s = Stage::new(256, 4, &[], config);
        s.seed(1);
        let mut waiting = Vec::new();
        // Everything comes at once, and one run in ten milliseconds is stored.
        for _ in 0..100 {
            s.ms(10);
            for raw in s.requests(1) {
                s.answer(1, raw);
            }
            waiting.extend(s.stores());
            if !waiting.is_empty() {
                let (run, data) = waiting.remove(0);
                let mut leaves = Vec::new();
                hash_blocks(&data, &mut leaves);
                let ms = Duration::from_millis;
                let spent = Spent { hashing: ms(hashing), writing: ms(writing) };
                s.input(Input::Stored { run, leaves, spent });
            }
        }
        assert_eq!(bottleneck(&mut s), expected);
    }
}

#[test]
fn at_a_steady_rate_the_estimate_is_within_a_fifth_once_half_is_done() {
    // 200 blocks, one in 100 ms: 20 s in all.
    let mut s = Stage::empty(50, 4);
    s.seed(1);
    let (mut waiting, mut seen) = (Vec::new(), 0);
    for done in 1..=200_u64 {
        s.ms(100);
        waiting.extend(s.requests(1).into_iter().flat_map(|raw| {
            let blocks = s.single_blocks(s.run(raw));
            assert!(raw.count == 1 || !blocks.is_empty());
            [raw]
        }));
        let raw = waiting.remove(0);
        let count = u64::from(raw.count);
        s.ms(100 * (count - 1));
        s.answer(1, raw);
        s.store();
        let snapshot = s.snapshot();
        if snapshot.state != State::Downloading {
            break;
        }
        let half = snapshot.bytes_have * 2 >= snapshot.bytes;
        if half && snapshot.bytes - snapshot.bytes_have > 20 * BLOCK {
            let missing = (snapshot.bytes - snapshot.bytes_have) / BLOCK;
            let truth = missing as f64 / 10.0;
            let eta = snapshot.eta_s.unwrap() as f64;
            assert!((eta - truth).abs() <= truth / 5.0 + 1.0, "{eta} for {truth} at {done}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
    let snapshot = s.snapshot();
    assert_eq!((snapshot.state, snapshot.eta_s), (State::Finishing, None));
}

#[test]
fn the_blocks_of_an_unfinished_piece_name_who_sends_them() {
    let mut s = Stage::empty(1, 8);
    s.seed(1);
    let requests = s.requests(1);
    let first = requests[0];
    s.answer(1, first);
    let run = |first, count, state| RunSnapshot { first, count, state };
    let asked = s.requests(1).into_iter().chain(requests[1..].iter().copied());
    let asked: u32 = asked.map(|raw| raw.count).sum();
    let mut runs = vec![
        run(0, first.count, BlockState::Storing(id(1))),
        run(first.count, asked, BlockState::Requested(id(1))),
        run(first.count + asked, 8 - first.count - asked, BlockState::Missing),
    ];
    runs.retain(|run| run.count > 0);
    let partials = s.snapshot().partials;
    assert_eq!((partials.len(), partials[0].piece, partials[0].blocks), (1, 0, 8));
    assert_eq!(partials[0].runs, runs);
    s.store();
    assert_eq!(s.snapshot().partials[0].runs[0].state, BlockState::Stored(id(1)));
}

#[test]
fn what_is_in_force_is_shown() {
    let config = Config { trackers: vec!["t.example:1".into()], ..Config::default() };
    let mut s = Stage::new(4, 4, &[], config);
    s.command(Command::LimitUpload(Some(1000)));
    s.command(Command::LimitDownload(Some(2 << 20)));
    s.ms(100);
    s.seed(1);
    s.connect(2);
    s.receive(2, Message::HaveNone);
    let snapshot = s.snapshot();
    assert_eq!((snapshot.up_limit, snapshot.down_limit), (Some(1000), Some(2 << 20)));
    assert_eq!(snapshot.trackers[0].name, "t.example:1");
    assert_eq!((snapshot.copies_min, snapshot.availability), (1, vec![1; 4]));
    assert_eq!((snapshot.known_peers, snapshot.upload_slots), (2, 8));
    assert!(snapshot.requested > 0 && snapshot.requested <= snapshot.buffer);
}
