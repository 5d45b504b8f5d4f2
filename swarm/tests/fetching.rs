//! Stories about getting data.

mod stage;

use stage::{BLOCK, Stage, conn, id};
use swarm_engine::{Bottleneck, Command, Config, DiskError, Event, Input, Output, State};
use swarm_proto::message::{Goodbye, Message, RawRun};

#[test]
fn a_download_from_one_peer_ends_with_everything_in_place() {
    let mut s = Stage::empty(8, 4);
    s.connect(1);
    assert_eq!(s.sent(1), [Message::HaveNone]);
    s.receive(1, Message::HaveAll);
    assert_eq!(s.sent(1), [Message::Interested]);
    assert_eq!(s.snapshot().bottleneck, Bottleneck::Choked);
    s.receive(1, Message::Unchoke);
    s.serve_all(1);
    assert_eq!(s.snapshot().state, State::Finishing);
    assert!(matches!(s.out.last(), Some(Output::Finish)), "{:?}", s.out.last());
    s.input(Input::Finished(Ok(())));
    assert_eq!(s.snapshot().state, State::Seeding);
    let events = s.events();
    assert_eq!(events.last(), Some(&Event::Completed));
    let totals = s.snapshot().totals;
    assert_eq!((totals.downloaded, totals.from_seeds), (32 * BLOCK, 32 * BLOCK));
    assert_eq!((totals.duplicate, totals.corrupt), (0, 0));
}

#[test]
fn the_first_window_is_four_blocks_and_each_answer_lets_it_grow() {
    let mut s = Stage::empty(64, 4);
    s.seed(1);
    let first = s.requests(1);
    assert_eq!(first.iter().map(|run| run.count).sum::<u32>(), 4);
    s.ms(20);
    for raw in first {
        s.answer(1, raw);
    }
    assert_eq!(s.requests(1).iter().map(|run| run.count).sum::<u32>(), 8);
}

#[test]
fn a_full_window_of_small_requests_is_filled_again_by_the_dozen() {
    let mut s = Stage::empty(2048, 1);
    s.seed(1);
    // So fast that its window is as large as without any latency it gets: 2 MiB.
    let mut open = s.requests(1);
    s.unchecked(|s| {
        for _ in 0..16 {
            if open.len() < 128 {
                open.drain(..).for_each(|raw| s.answer(1, raw));
                s.store();
                open = s.requests(1);
            }
        }
    });
    assert_eq!(open.len(), 128);
    open.drain(..31).for_each(|raw| s.answer(1, raw));
    assert_eq!(s.requests(1), []);
    s.answer(1, open[0]);
    assert_eq!(s.requests(1).len(), 32);
}

#[test]
fn a_disk_that_keeps_up_gets_no_more_than_keeps_it_busy() {
    // More than the window, which is 128 blocks without any latency.
    let config = Config { storing_bytes: 200 * BLOCK, ..Config::default() };
    let mut s = Stage::new(256, 4, &[], config);
    s.seed(1);
    let mut storing = 0;
    let answer_all = |s: &mut Stage, storing: &mut u32| loop {
        let asked = s.requests(1);
        if asked.is_empty() {
            break;
        }
        for raw in asked {
            *storing += raw.count;
            s.answer(1, raw);
        }
    };
    answer_all(&mut s, &mut storing);
    assert!((200..328).contains(&storing), "{storing}");
    assert_eq!(s.snapshot().bottleneck, Bottleneck::Disk);
    // As soon as less than that is left there is more.
    for (run, data) in s.stores() {
        assert_eq!(s.requests(1).is_empty(), storing >= 200, "{storing}");
        s.stored(run, &data);
        storing -= run.count();
        if !s.requests(1).is_empty() {
            break;
        }
    }
    assert!(storing < 200, "{storing}");
}

#[test]
fn while_the_disk_stalls_memory_is_filled() {
    let config = Config { storing_bytes: 200 * BLOCK, ..Config::default() };
    let mut s = Stage::new(512, 4, &[], config);
    s.seed(1);
    let mut storing = 0;
    for _ in 0..100 {
        for raw in s.requests(1) {
            storing += raw.count;
            s.answer(1, raw);
        }
        s.ms(15);
    }
    // But for what no whole run fits into.
    let full = (Config::default().buffer_bytes / BLOCK) as u32;
    assert!((full - 63..=full).contains(&storing), "{storing}");
}

#[test]
fn memory_bounds_what_is_asked_for_and_stored() {
    let config = Config { buffer_bytes: 10 * BLOCK, ..Config::default() };
    let mut s = Stage::new(64, 4, &[], config);
    for peer in 1..=5 {
        s.seed(peer);
    }
    let open: u32 = (1..=5).flat_map(|peer| s.requests(peer)).map(|run| run.count).sum();
    assert_eq!(open, 10);
    // The disk is slow: nothing more is asked for until it has stored something.
    s.seed(6);
    assert_eq!(s.requests(6), []);
    s.store();
    assert_eq!(s.snapshot().bottleneck, Bottleneck::Network);
}

#[test]
fn memory_that_is_nearly_used_up_is_not_asked_for_in_crumbs() {
    let config = Config { buffer_bytes: 64 * BLOCK, ..Config::default() };
    let mut s = Stage::new(64, 64, &[], config);
    s.seed(1);
    // Fast enough that its window is all the memory, and its runs an eighth of that or more.
    for _ in 0..8 {
        s.serve_one(1);
    }
    let asked = s.requests(1);
    assert_eq!(asked.iter().map(|run| run.count).sum::<u32>(), 64);
    for raw in asked {
        s.answer(1, raw);
    }
    // The disk frees one block after another; a request waits until there is room for eight.
    let blocks: Vec<_> = s.stores().iter().flat_map(|(run, _)| s.single_blocks(*run)).collect();
    for (stored, block) in (1..=8).zip(blocks) {
        assert_eq!(s.requests(1), [], "before block {stored}");
        s.stored(block, &s.bytes(block));
    }
    assert_eq!(s.requests(1).iter().map(|run| run.count).collect::<Vec<_>>(), [8]);
}

#[test]
fn what_a_choke_drops_is_asked_of_others_and_a_late_answer_is_no_fault() {
    let mut s = Stage::empty(1, 4);
    s.seed(1);
    let asked = s.requests(1);
    s.seed(2);
    assert_eq!(s.requests(2), []);
    s.receive(1, Message::Choke);
    assert_eq!(s.requests(2), asked);
    // It had sent a block before its choke was read.
    s.answer(1, asked[0]);
    assert_eq!(s.closed(), []);
    assert_eq!(s.sent(2).last(), Some(&Message::Cancel(asked[0])));
    s.receive(2, Message::Reject(asked[0]));
    for &raw in &asked[1..] {
        s.answer(2, raw);
    }
    s.store();
    assert_eq!(s.snapshot().pieces_have, 1);
    assert_eq!(s.snapshot().totals.duplicate, 0);
}

#[test]
fn a_stuck_peer_loses_its_requests_within_seconds() {
    let mut s = Stage::empty(16, 4);
    s.seed(1);
    s.serve_one(1);
    let stuck = s.requests(1);
    assert!(!stuck.is_empty());
    s.ms(3000);
    let sent = s.sent(1);
    assert!(stuck.iter().all(|&raw| sent.contains(&Message::Cancel(raw))), "{sent:?}");
    assert!(s.snapshot().peers[0].snubbed);
    s.seed(2);
    s.serve_all(2);
    assert_eq!(s.snapshot().pieces_have, 16);
}

#[test]
fn a_slow_peers_last_block_is_asked_of_a_fast_one_too_and_cancelled() {
    let mut s = Stage::empty(32, 4);
    // Peer 1 takes a second for each answer.
    s.seed(1);
    let slow = s.requests(1);
    s.ms(1000);
    s.answer(1, slow[0]);
    s.store();
    let slow: Vec<_> = slow[1..].iter().copied().chain(s.requests(1)).collect();
    s.seed(2);
    s.serve_all(2);
    // All that is left was asked of the slow one; the fast one is asked for it at once, or at the
    // next look.
    s.ms(100);
    s.serve_all(2);
    assert_eq!(s.snapshot().pieces_have, 32);
    let cancelled = s.sent(1).into_iter().filter(|m| matches!(m, Message::Cancel(_))).count();
    assert_eq!(cancelled, slow.len());
    // One was on its way nevertheless.
    s.answer(1, slow[0]);
    assert_eq!(s.snapshot().totals.duplicate, BLOCK * u64::from(slow[0].count));
    assert_eq!(s.closed(), []);
}

#[test]
fn a_peer_that_rejects_is_asked_again_after_a_while() {
    let mut s = Stage::empty(4, 4);
    s.seed(1);
    for raw in s.requests(1) {
        s.receive(1, Message::Reject(raw));
    }
    assert_eq!(s.requests(1), []);
    s.ms(2000);
    assert!(!s.requests(1).is_empty());
}

#[test]
fn what_is_asked_again_after_a_choke_may_be_rejected() {
    let mut s = Stage::empty(1, 4);
    s.seed(1);
    let asked = s.requests(1);
    s.receive(1, Message::Choke);
    s.receive(1, Message::Unchoke);
    assert_eq!(s.requests(1), asked);
    for &raw in &asked {
        s.receive(1, Message::Reject(raw));
    }
    // The choke had dropped the first requests: it is the second that are rejected.
    assert_eq!(s.snapshot().requested, 0);
    s.ms(2000);
    s.serve_all(1);
    assert_eq!(s.snapshot().pieces_have, 1);
}

#[test]
fn a_suggested_piece_comes_first() {
    let mut s = Stage::empty(100, 4);
    s.connect(1);
    s.receive(1, Message::HaveAll);
    s.receive(1, Message::Suggest(77));
    s.receive(1, Message::Unchoke);
    assert!(s.requests(1).iter().all(|run| run.piece == 77));
}

#[test]
fn the_download_limit_is_kept() {
    let config = Config { download_limit: Some(4 * BLOCK), ..Config::default() };
    let mut s = Stage::new(64, 4, &[], config);
    s.seed(1);
    for _ in 0..100 {
        s.ms(100);
        for raw in s.requests(1) {
            s.answer(1, raw);
        }
        s.store();
    }
    let downloaded = s.snapshot().totals.downloaded;
    assert!((36 * BLOCK..=44 * BLOCK).contains(&downloaded), "{downloaded} bytes in 10 s");
    assert_eq!(s.snapshot().bottleneck, Bottleneck::Limit);
    s.command(Command::LimitDownload(None));
    s.serve_all(1);
    assert_eq!(s.snapshot().pieces_have, 64);
}

#[test]
fn while_paused_nothing_is_asked_and_nobody_served() {
    let mut s = Stage::new(8, 4, &[0], Config::default());
    s.seed(1);
    s.leech(2);
    s.ms(200);
    assert!(s.sent(2).contains(&Message::Unchoke));
    let asked = s.requests(1);
    s.command(Command::Pause);
    s.ms(200);
    let cancelled: Vec<_> = asked.iter().map(|&raw| Message::Cancel(raw)).collect();
    assert_eq!(s.sent(1)[2..], cancelled);
    assert_eq!(s.sent(2), [Message::Choke]);
    assert_eq!(s.snapshot().state, State::Paused);
    for raw in asked {
        s.receive(1, Message::Reject(raw));
    }
    assert_eq!(s.requests(1), []);
    s.command(Command::Resume);
    s.ms(200);
    assert!(!s.requests(1).is_empty());
    assert_eq!(s.sent(2), [Message::Unchoke]);
}

#[test]
fn a_full_disk_stops_requests_tries_one_block_and_recovers() {
    let mut s = Stage::empty(8, 4);
    s.seed(1);
    for raw in s.requests(1) {
        s.answer(1, raw);
    }
    s.fail_stores(&DiskError::NoSpace);
    let failed = s.requests(1);
    for raw in failed {
        s.receive(1, Message::Reject(raw));
    }
    assert_eq!(s.snapshot().state, State::DiskTrouble);
    for wait in [3, 6, 12] {
        s.ms(wait * 1000 - 1);
        assert_eq!(s.requests(1), []);
        s.ms(1001);
        let probe = s.requests(1);
        assert!(matches!(probe[..], [RawRun { count: 1, .. }]), "{probe:?}");
        s.answer(1, probe[0]);
        s.fail_stores(&DiskError::NoSpace);
    }
    s.ms(25_000);
    let probe = s.requests(1);
    s.answer(1, probe[0]);
    s.store();
    s.serve_all(1);
    assert_eq!(s.snapshot().pieces_have, 8);
    let mut events = s.events();
    events.retain(|event| !matches!(event, Event::PeerJoined { .. }));
    assert_eq!(events, [Event::DiskFull, Event::DiskRecovered]);
}

#[test]
fn a_finish_that_fails_is_tried_again() {
    let mut s = Stage::empty(1, 4);
    s.seed(1);
    s.serve_all(1);
    s.input(Input::Finished(Err(DiskError::Failed("no such device".into()))));
    assert!(s.events().contains(&Event::DiskFailed { message: "no such device".into() }));
    s.out.clear();
    s.ms(5000);
    assert!(s.out.iter().any(|output| matches!(output, Output::Finish)));
    s.input(Input::Finished(Ok(())));
    assert_eq!(s.snapshot().state, State::Seeding);
}

#[test]
fn a_slow_disk_behind_thousands_of_small_pieces_is_waited_for() {
    let mut s = Stage::new(6000, 1, &[], Config { buffer_bytes: 1 << 30, ..Config::default() });
    s.seed(1);
    // Everything that may be begun is, and nothing is stored.
    let mut delivered = 0;
    loop {
        let requests = s.requests(1);
        if requests.is_empty() {
            break;
        }
        delivered += requests.len();
        s.unchecked(|s| requests.iter().for_each(|&raw| s.answer(1, raw)));
    }
    assert!(delivered < 6000, "{delivered}");
    s.unchecked(Stage::store);
    s.unchecked(|s| s.serve_all(1));
    assert_eq!(s.snapshot().pieces_have, 6000);
}

#[test]
fn a_corrupt_piece_from_one_peer_needs_no_proof() {
    let mut s = Stage::empty(4, 1);
    s.seed(1);
    let asked = s.requests(1);
    s.lie(1, asked[0]);
    s.store();
    assert_eq!(s.closed(), [(conn(1), Goodbye::CorruptData)]);
    let piece = asked[0].piece;
    let events = s.events();
    assert!(events.contains(&Event::PieceCorrupt { piece }));
    assert!(events.contains(&Event::PeerBanned { peer: id(1), piece }));
    s.input(Input::Closed { conn: conn(1), misbehaved: false });
    // It comes back under the same name and is sent away.
    s.connect_as(2, 1, swarm_engine::Side::Accepted);
    assert_eq!(s.closed(), [(conn(2), Goodbye::Misbehaved)]);
    s.seed(3);
    s.serve_all(3);
    assert_eq!(s.snapshot().pieces_have, 4);
}

/// One piece of 4 blocks, one of them from each of four peers, the one of `liar` bad.
fn mixed_piece(liar: u8) -> Stage {
    let mut s = Stage::empty(1, 4);
    for peer in 1..=4 {
        s.connect(peer);
        s.receive(peer, Message::HaveAll);
    }
    for peer in 1..=4 {
        s.receive(peer, Message::Unchoke);
        let asked = s.requests(peer);
        let first = asked[0];
        if peer == liar {
            s.lie(peer, first);
        } else {
            s.answer(peer, first);
        }
        // The rest goes to the next one.
        s.receive(peer, Message::Choke);
    }
    s.store();
    s
}

fn asked_for_leaves(s: &mut Stage) -> Vec<u8> {
    (1..=9).filter(|&peer| s.sent(peer).contains(&Message::GetLeaves(0))).collect()
}

#[test]
fn one_witness_names_the_liar_and_only_his_block_is_fetched_again() {
    let mut s = mixed_piece(2);
    let witness = asked_for_leaves(&mut s)[0];
    let leaves = s.leaves(0);
    s.events();
    s.receive(witness, Message::Leaves { piece: 0, leaves });
    let banned: Vec<_> =
        s.events().into_iter().filter(|e| matches!(e, Event::PeerBanned { .. })).collect();
    assert_eq!(banned, [Event::PeerBanned { peer: id(2), piece: 0 }]);
    assert_eq!(s.closed(), [(conn(2), Goodbye::CorruptData)]);
    s.receive(3, Message::Unchoke);
    assert_eq!(s.requests(3), [RawRun { piece: 0, first: 1, count: 1 }]);
    s.answer(3, RawRun { piece: 0, first: 1, count: 1 });
    s.store();
    assert_eq!(s.snapshot().pieces_have, 1);
    assert_eq!(s.snapshot().totals.corrupt, BLOCK);
}

#[test]
fn a_liar_is_named_after_he_has_left() {
    let mut s = mixed_piece(4);
    s.input(Input::Closed { conn: conn(4), misbehaved: false });
    let witness = asked_for_leaves(&mut s)[0];
    let leaves = s.leaves(0);
    s.receive(witness, Message::Leaves { piece: 0, leaves });
    assert!(s.events().contains(&Event::PeerBanned { peer: id(4), piece: 0 }));
}

#[test]
fn a_false_witness_convicts_himself_and_nobody_else() {
    let mut s = mixed_piece(2);
    let witness = asked_for_leaves(&mut s)[0];
    let mut leaves = s.leaves(0);
    leaves.swap(0, 3);
    s.receive(witness, Message::Leaves { piece: 0, leaves });
    assert_eq!(s.closed(), [(conn(witness), Goodbye::CorruptData)]);
    // The next one is asked.
    s.ms(1);
    let next = asked_for_leaves(&mut s)[0];
    assert_ne!(next, witness);
}

#[test]
fn without_a_witness_the_liar_is_named_when_the_piece_is_right() {
    let mut s = mixed_piece(2);
    // Nobody ever answers.
    s.ms(120_000);
    s.events();
    for peer in 1..=4 {
        s.input(Input::Closed { conn: conn(peer), misbehaved: false });
    }
    s.seed(5);
    s.serve_all(5);
    assert_eq!(s.snapshot().pieces_have, 1);
    let banned: Vec<_> =
        s.events().into_iter().filter(|e| matches!(e, Event::PeerBanned { .. })).collect();
    assert_eq!(banned, [Event::PeerBanned { peer: id(2), piece: 0 }]);
}

impl Stage {
    /// A peer answers the requests that are open, 1 ms each.
    fn serve_one(&mut self, number: u8) {
        for raw in self.requests(number) {
            self.ms(1);
            self.answer(number, raw);
            self.store();
        }
    }
}
