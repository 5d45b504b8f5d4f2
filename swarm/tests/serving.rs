//! Stories about giving data.

mod stage;

use stage::{BLOCK, Stage, conn, run};
use swarm_engine::{Command, Config, DiskError, Event, Input, Output, State};
use swarm_proto::{geometry::PieceIndex, message::Message};

#[test]
fn a_request_is_read_and_sent() {
    let mut s = Stage::serving();
    s.receive(1, Message::Request(run(3, 1, 2)));
    assert_eq!(s.read(), 1);
    let data = s.bytes(s.run(run(3, 1, 2)));
    assert_eq!(s.sent(1), [Message::Block { piece: 3, first: 1, data }]);
    assert_eq!(s.snapshot().totals.uploaded, 2 * BLOCK);
}

#[test]
fn a_request_that_cannot_be_served_is_rejected_and_forgiven() {
    let mut s = Stage::new(8, 4, &[3], Config::default());
    s.connect(1);
    s.receive(1, Message::HaveNone);
    s.sent(1);
    // Choked, as it may not have heard yet.
    s.receive(1, Message::Request(run(3, 0, 1)));
    assert_eq!(s.sent(1), [Message::Reject(run(3, 0, 1))]);
    s.receive(1, Message::Interested);
    s.ms(200);
    s.sent(1);
    // A piece that we don't have, as after a withdrawal that it has not heard of yet.
    s.receive(1, Message::Request(run(4, 0, 1)));
    assert_eq!(s.sent(1), [Message::Reject(run(4, 0, 1))]);
    assert_eq!(s.closed(), []);
}

#[test]
fn a_cancelled_request_is_rejected_once_and_not_sent() {
    let mut s = Stage::serving();
    s.receive(1, Message::Request(run(0, 0, 4)));
    s.receive(1, Message::Cancel(run(0, 0, 4)));
    assert_eq!(s.sent(1), [Message::Reject(run(0, 0, 4))]);
    assert_eq!(s.read(), 1);
    assert_eq!(s.sent(1), []);
    // Cancelled after it was sent: nothing more to say.
    s.receive(1, Message::Request(run(1, 0, 1)));
    s.read();
    s.sent(1);
    s.receive(1, Message::Cancel(run(1, 0, 1)));
    assert_eq!(s.sent(1), []);
}

#[test]
fn reading_goes_no_further_ahead_than_the_peer_drains() {
    let mut s = Stage::full(64, 64);
    s.leech(1);
    for piece in 0..32 {
        s.receive(1, Message::Request(run(piece, 0, 64)));
    }
    // Half a MiB is the least; a run is not cut for it.
    assert_eq!(s.read(), 1);
    assert_eq!(s.read(), 0);
    let flushed = s.sent(1).iter().map(encoded_len).sum();
    s.input(Input::Flushed { conn: conn(1), bytes: flushed });
    assert!(s.read() >= 1);
}

fn encoded_len(message: &Message) -> u64 {
    use swarm_proto::codec::Frame as _;
    message.encoded_len() as u64
}

#[test]
fn bytes_are_shared_fairly_whatever_the_runs() {
    let config = Config { upload_limit: Some(2 << 20), ..Config::default() };
    let pieces: Vec<u32> = (0..64).collect();
    let mut s = Stage::new(64, 64, &pieces, config);
    s.leech(1);
    s.leech(2);
    s.ms(200);
    for piece in 0..32 {
        s.receive(1, Message::Request(run(piece, 0, 64)));
        for block in 0..64 {
            s.receive(2, Message::Request(run(piece, block, 1)));
        }
    }
    for _ in 0..100 {
        s.ms(100);
        s.read();
        for peer in [1, 2] {
            let bytes = s.sent(peer).iter().map(encoded_len).sum();
            s.input(Input::Flushed { conn: conn(peer), bytes });
        }
    }
    let uploaded: Vec<u64> = s.snapshot().peers.iter().map(|peer| peer.uploaded).collect();
    let total = uploaded[0] + uploaded[1];
    assert!((20 << 20..=22 << 20).contains(&total), "{total} bytes in 10 s at 2 MiB/s");
    assert!(uploaded[0].abs_diff(uploaded[1]) <= 2 << 20, "{uploaded:?}");
}

#[test]
fn peers_that_could_trade_are_suggested_different_pieces() {
    let mut s = Stage::full(64, 4);
    for peer in [1, 2] {
        s.leech(peer);
    }
    s.ms(200);
    let suggested = |s: &mut Stage, peer| {
        let sent = s.sent(peer).into_iter();
        sent.filter_map(|m| if let Message::Suggest(piece) = m { Some(piece) } else { None })
            .collect::<Vec<_>>()
    };
    for peer in [1, 2] {
        s.receive(peer, Message::Have(vec![39 + u32::from(peer)]));
    }
    let (first, second) = (suggested(&mut s, 1), suggested(&mut s, 2));
    assert!(!first.is_empty() && !second.is_empty());
    assert!(first.iter().all(|piece| !second.contains(piece)), "{first:?} {second:?}");
    // Whoever takes one up is told of another.
    s.receive(1, Message::Request(run(first[0], 0, 4)));
    let next = suggested(&mut s, 1);
    assert!(!next.is_empty(), "{first:?} {second:?}");
    assert!(next.iter().all(|piece| !second.contains(piece)));
}

#[test]
fn news_of_pieces_is_gathered_while_it_comes_fast() {
    let mut s = Stage::empty(20, 4);
    s.leech(2);
    s.seed(1);
    s.sent(2);
    s.ms(1000);
    s.sent(2);
    s.serve_all(1);
    s.ms(20);
    let mut told = Vec::new();
    let mut messages = 0;
    for message in s.sent(2) {
        if let Message::Have(pieces) = message {
            messages += 1;
            told.extend(pieces);
        }
    }
    told.sort_unstable();
    assert_eq!(told, (0..20).collect::<Vec<_>>());
    assert!(messages <= 10, "{messages} messages about 20 pieces in 80 ms");
}

#[test]
fn a_peer_that_cares_for_nothing_is_told_once_a_second() {
    let mut s = Stage::empty(40, 4);
    for peer in [2, 3] {
        s.connect(peer);
        s.receive(peer, Message::HaveNone);
    }
    s.seed(1);
    let gain = |s: &mut Stage| {
        for raw in s.requests(1) {
            s.answer(1, raw);
            s.store();
        }
        s.ms(20);
    };
    let told = |s: &mut Stage, peer| -> usize {
        s.sent(peer).iter().map(|m| if let Message::Have(p) = m { p.len() } else { 0 }).sum()
    };
    gain(&mut s);
    assert_eq!((told(&mut s, 2), told(&mut s, 3)), (1, 1), "both may want it");
    s.receive(2, Message::Interested);
    gain(&mut s);
    gain(&mut s);
    assert_eq!((told(&mut s, 2), told(&mut s, 3)), (6, 0));
    s.ms(1000);
    assert_eq!((told(&mut s, 2), told(&mut s, 3)), (0, 6));
    gain(&mut s);
    assert_eq!(told(&mut s, 3), 0);
    let told_2 = told(&mut s, 2);
    // Once it cares it hears at once.
    s.receive(3, Message::Interested);
    assert_eq!(told(&mut s, 3), told_2);
    gain(&mut s);
    assert_eq!(told(&mut s, 3), told(&mut s, 2));
}

/// The pieces that are to be read again now.
fn checks(s: &mut Stage) -> Vec<PieceIndex> {
    s.take(|o| if let Output::Check(p) = o { Some(*p) } else { None })
}

#[test]
fn a_changed_file_is_withdrawn_read_again_and_offered_again() {
    let mut s = Stage::serving();
    s.receive(1, Message::Request(run(3, 0, 1)));
    let (to, wanted) = s.reads()[0];
    s.input(Input::BlocksRead {
        conn: to,
        run: wanted,
        data: Err((wanted.piece(), DiskError::Changed)),
    });
    let all: Vec<u32> = (0..8).collect();
    assert_eq!(s.sent(1)[..2], [Message::Reject(run(3, 0, 1)), Message::DontHave(all)]);
    assert_eq!(s.snapshot().state, State::Checking);
    assert!(s.events().contains(&Event::FileChanged { file: 0 }));
    let forgotten = s.take(|o| if let Output::Forget(p) = o { Some(p.get()) } else { None });
    assert_eq!(forgotten, (0..8).collect::<Vec<_>>());
    // Piece 5 is another one now, all others are as they were.
    loop {
        let due = checks(&mut s);
        if due.is_empty() {
            break;
        }
        for piece in due {
            let mut leaves = s.leaves(piece.get());
            if piece.get() == 5 {
                leaves.swap(0, 1);
            }
            s.input(Input::LeavesRead { piece, leaves: Ok(leaves) });
        }
    }
    s.ms(50);
    let snapshot = s.snapshot();
    assert_eq!((snapshot.pieces_have, snapshot.state), (7, State::Seeding));
    let told: usize =
        s.sent(1).iter().map(|m| if let Message::Have(p) = m { p.len() } else { 0 }).sum();
    assert_eq!(told, 7);
    // The file is the user's: what is in it now is not written over, and so not fetched.
    assert_eq!(snapshot.pieces_wanted, 7);
    s.seed(2);
    s.ms(1000);
    assert_eq!(s.requests(2), []);
}

#[test]
fn pieces_in_doubt_are_not_forgotten_when_the_user_has_all_read_again() {
    let mut s = Stage::serving();
    s.receive(1, Message::Request(run(3, 0, 1)));
    let (to, wanted) = s.reads()[0];
    s.input(Input::BlocksRead {
        conn: to,
        run: wanted,
        data: Err((wanted.piece(), DiskError::Changed)),
    });
    s.command(Command::Verify);
    let mut due = checks(&mut s);
    while !due.is_empty() {
        for piece in due {
            let leaves = s.leaves(piece.get());
            s.input(Input::LeavesRead { piece, leaves: Ok(leaves) });
        }
        due = checks(&mut s);
    }
    let snapshot = s.snapshot();
    assert_eq!((snapshot.pieces_have, snapshot.state), (8, State::Seeding));
}

/// What the check read may have been in memory alone.
#[test]
fn a_check_under_way_does_not_answer_for_what_could_not_be_synced() {
    let mut s = Stage::serving();
    s.command(Command::Verify);
    let record = |o: &Output| if let Output::Record(p) = o { Some(p.get()) } else { None };
    let answer = |s: &mut Stage, piece: PieceIndex| {
        let leaves = Ok(s.leaves(piece.get()));
        s.input(Input::LeavesRead { piece, leaves });
    };
    let first = checks(&mut s)[0];
    s.input(Input::Unsynced(first));
    assert_eq!(s.snapshot().pieces_have, 7);
    answer(&mut s, first);
    assert_eq!((s.snapshot().pieces_have, s.take(record)), (7, vec![]));
    // The others come first, and then this one once more.
    let mut checked = Vec::new();
    loop {
        let due = checks(&mut s);
        if due.is_empty() {
            break;
        }
        checked.extend(&due);
        due.into_iter().for_each(|piece| answer(&mut s, piece));
    }
    assert!(checked.contains(&first), "{checked:?}");
    assert_eq!((s.snapshot().pieces_have, s.take(record)), (8, vec![first.get()]));
}

#[test]
fn one_change_of_a_file_is_one_event_however_much_of_it_was_asked_for() {
    let config = Config { send_bytes: 4 * BLOCK, ..Config::default() };
    let mut s = Stage::new(8, 2, &[0, 1, 2, 3, 4, 5, 6, 7], config);
    s.leech(1);
    s.sent(1);
    for piece in [6, 7, 5, 0] {
        s.receive(1, Message::Request(run(piece, 0, 2)));
    }
    // Two are being read, which is as much as memory allows, and two wait.
    let [(to, six), (_, seven)] = s.reads()[..] else { panic!("two reads") };
    // The file ends before piece 5 now.
    s.input(Input::BlocksRead { conn: to, run: six, data: Err((six.piece(), DiskError::Changed)) });
    let rejected = [6, 5, 0].map(|piece| Message::Reject(run(piece, 0, 2)));
    assert_eq!(s.sent(1)[..3], rejected);
    let mut due = checks(&mut s);
    let answer = |s: &mut Stage, piece: PieceIndex| {
        let leaves = s.leaves(piece.get());
        let leaves = if piece.get() < 5 { Ok(leaves) } else { Err(DiskError::Changed) };
        s.input(Input::LeavesRead { piece, leaves });
    };
    answer(&mut s, due.remove(0));
    assert_eq!(s.snapshot().pieces_have, 1);
    s.input(Input::BlocksRead {
        conn: to,
        run: seven,
        data: Err((seven.piece(), DiskError::Changed)),
    });
    while !due.is_empty() {
        due.drain(..).for_each(|piece| answer(&mut s, piece));
        due = checks(&mut s);
    }
    assert_eq!(s.snapshot().pieces_have, 5);
    let changes = s.events().into_iter().filter(|e| *e == Event::FileChanged { file: 0 });
    assert_eq!(changes.count(), 1);
    assert_eq!(s.reads(), []);
}

#[test]
fn the_digests_of_a_piece_are_handed_over_if_they_are_right() {
    let mut s = Stage::serving();
    s.receive(1, Message::GetLeaves(2));
    let leaves = s.leaves(2);
    s.input(Input::LeavesRead { piece: s.piece(2), leaves: Ok(leaves.clone()) });
    assert_eq!(s.sent(1), [Message::Leaves { piece: 2, leaves }]);
}

#[test]
fn the_manifest_is_handed_over() {
    let mut s = Stage::serving();
    s.receive(1, Message::GetManifest { offset: 7 });
    let encoded = s.manifest.encode();
    let total = encoded.len() as u32;
    let data = encoded[7..].to_vec().into();
    assert_eq!(s.sent(1), [Message::ManifestPart { total, offset: 7, data }]);
}
