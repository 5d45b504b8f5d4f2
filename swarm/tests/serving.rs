//! Stories about giving data, and about keeping company.

mod stage;

use std::time::Duration;

use stage::{BLOCK, ME, Stage, conn, id};
use swarm_engine::{Command, Config, DiskError, Event, Input, Output, Side, State};
use swarm_proto::{
    geometry::PieceIndex,
    message::{Goodbye, Message, PeerAddr, RawRun},
};

fn run(piece: u32, first: u32, count: u32) -> RawRun {
    RawRun { piece, first, count }
}

/// A seed with one peer that is served.
fn serving() -> Stage {
    let mut s = Stage::full(8, 4);
    s.leech(1);
    assert_eq!(s.sent(1), [Message::HaveAll, Message::Unchoke]);
    s
}

#[test]
fn a_request_is_read_and_sent() {
    let mut s = serving();
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
    let mut s = serving();
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

#[test]
fn a_changed_file_is_withdrawn_read_again_and_offered_again() {
    let mut s = serving();
    s.receive(1, Message::Request(run(3, 0, 1)));
    let (to, wanted) = s.reads()[0];
    s.input(Input::BlocksRead { conn: to, run: wanted, data: Err(DiskError::Changed) });
    let all: Vec<u32> = (0..8).collect();
    assert_eq!(s.sent(1)[..2], [Message::Reject(run(3, 0, 1)), Message::DontHave(all)]);
    assert_eq!(s.snapshot().state, State::Checking);
    assert!(s.events().contains(&Event::FileChanged { file: 0 }));
    let forgotten = s.take(|o| if let Output::Forget(p) = o { Some(p.get()) } else { None });
    assert_eq!(forgotten, (0..8).collect::<Vec<_>>());
    // Piece 5 is another one now, all others are as they were.
    let checks = |s: &mut Stage| s.take(|o| if let Output::Check(p) = o { Some(*p) } else { None });
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
    let mut s = serving();
    s.receive(1, Message::Request(run(3, 0, 1)));
    let (to, wanted) = s.reads()[0];
    s.input(Input::BlocksRead { conn: to, run: wanted, data: Err(DiskError::Changed) });
    s.command(Command::Verify);
    let check = |o: &Output| if let Output::Check(p) = o { Some(*p) } else { None };
    let mut due = s.take(check);
    while !due.is_empty() {
        for piece in due {
            let leaves = s.leaves(piece.get());
            s.input(Input::LeavesRead { piece, leaves: Ok(leaves) });
        }
        due = s.take(check);
    }
    let snapshot = s.snapshot();
    assert_eq!((snapshot.pieces_have, snapshot.state), (8, State::Seeding));
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
    s.input(Input::BlocksRead { conn: to, run: six, data: Err(DiskError::Changed) });
    let rejected = [6, 5, 0].map(|piece| Message::Reject(run(piece, 0, 2)));
    assert_eq!(s.sent(1)[..3], rejected);
    let check = |o: &Output| if let Output::Check(p) = o { Some(*p) } else { None };
    let mut due = s.take(check);
    let answer = |s: &mut Stage, piece: PieceIndex| {
        let leaves = s.leaves(piece.get());
        let leaves = if piece.get() < 5 { Ok(leaves) } else { Err(DiskError::Changed) };
        s.input(Input::LeavesRead { piece, leaves });
    };
    answer(&mut s, due.remove(0));
    assert_eq!(s.snapshot().pieces_have, 1);
    s.input(Input::BlocksRead { conn: to, run: seven, data: Err(DiskError::Changed) });
    while !due.is_empty() {
        due.drain(..).for_each(|piece| answer(&mut s, piece));
        due = s.take(check);
    }
    assert_eq!(s.snapshot().pieces_have, 5);
    let changes = s.events().into_iter().filter(|e| *e == Event::FileChanged { file: 0 });
    assert_eq!(changes.count(), 1);
    assert_eq!(s.reads(), []);
}

#[test]
fn the_digests_of_a_piece_are_handed_over_if_they_are_right() {
    let mut s = serving();
    s.receive(1, Message::GetLeaves(2));
    let leaves = s.leaves(2);
    s.input(Input::LeavesRead { piece: s.piece(2), leaves: Ok(leaves.clone()) });
    assert_eq!(s.sent(1), [Message::Leaves { piece: 2, leaves }]);
}

#[test]
fn the_manifest_is_handed_over() {
    let mut s = serving();
    s.receive(1, Message::GetManifest { offset: 7 });
    let encoded = s.manifest.encode();
    let total = encoded.len() as u32;
    let data = encoded[7..].to_vec().into();
    assert_eq!(s.sent(1), [Message::ManifestPart { total, offset: 7, data }]);
}

#[test]
fn of_two_connections_both_ends_keep_the_same() {
    // Ours has the greater id than peer 1's: the one that peer 1 dialled stays.
    for (number, kept) in [(1, Side::Accepted), (200, Side::Dialed)] {
        let other = if kept == Side::Dialed { Side::Accepted } else { Side::Dialed };
        let mut s = Stage::empty(4, 4);
        s.connect_as(10, number, kept);
        s.connect_as(11, number, other);
        assert_eq!(s.closed(), [(conn(11), Goodbye::Duplicate)], "{number}");
        let mut s = Stage::empty(4, 4);
        s.connect_as(10, number, other);
        s.connect_as(11, number, kept);
        assert_eq!(s.closed(), [(conn(10), Goodbye::Duplicate)], "{number}");
    }
}

#[test]
fn we_do_not_talk_to_ourselves() {
    let mut s = Stage::empty(4, 4);
    let addr = ([10, 0, 0, 128], 7128).into();
    s.command(Command::AddPeer { id: None, addr });
    let dials = |s: &mut Stage| s.take(|o| matches!(o, Output::Dial(_)).then_some(()));
    assert_eq!(dials(&mut s).len(), 1);
    let hello = s.swarm.hello();
    let input = Input::Connected { conn: conn(1), peer: ME, addr, side: Side::Dialed, hello };
    s.input(input);
    assert_eq!(s.closed(), [(conn(1), Goodbye::Myself)]);
    s.pass(Duration::from_secs(3600));
    assert_eq!(dials(&mut s).len(), 0);
}

#[test]
fn seeds_part_after_a_moment() {
    let mut s = Stage::full(4, 4);
    s.connect(1);
    s.receive(1, Message::HaveAll);
    s.ms(4000);
    assert_eq!(s.closed(), []);
    s.ms(3000);
    assert_eq!(s.closed(), [(conn(1), Goodbye::NothingToExchange)]);
}

#[test]
fn peers_are_told_of_each_other() {
    let mut s = Stage::empty(4, 4);
    s.leech(1);
    s.leech(2);
    s.ms(3000);
    let told = |number: u8, s: &mut Stage| {
        s.sent(number)
            .into_iter()
            .find_map(|m| if let Message::Pex(p) = m { Some(p) } else { None })
    };
    let peer = |n: u8| PeerAddr { id: id(n), addr: ([10, 0, 0, n], 7000 + u16::from(n)).into() };
    assert_eq!(told(1, &mut s), Some(vec![peer(2)]));
    assert_eq!(told(2, &mut s), Some(vec![peer(1)]));
    s.ms(300_000);
    assert_eq!(told(1, &mut s), None, "nothing is told twice");
}

#[test]
fn silence_is_kept_alive_and_then_ended() {
    let mut s = Stage::empty(4, 4);
    s.leech(1);
    s.sent(1);
    s.ms(110_000);
    assert_eq!(s.sent(1), [Message::KeepAlive, Message::KeepAlive]);
    s.ms(20_000);
    assert_eq!(s.closed(), [(conn(1), Goodbye::TimedOut)]);
}

#[test]
fn a_peer_that_takes_nothing_is_ended_however_much_it_says() {
    let mut s = serving();
    s.receive(1, Message::Request(run(0, 0, 1)));
    s.read();
    // A little now and then is enough...
    for _ in 0..4 {
        s.ms(60_000);
        s.receive(1, Message::KeepAlive);
        s.input(Input::Flushed { conn: conn(1), bytes: 1 });
    }
    assert_eq!(s.closed(), []);
    // ...nothing is not...
    for _ in 0..2 {
        s.ms(61_000);
        s.receive(1, Message::KeepAlive);
    }
    assert_eq!(s.closed(), [(conn(1), Goodbye::TimedOut)]);
    // ...but for who is sent nothing.
    let mut s = serving();
    s.input(Input::Flushed { conn: conn(1), bytes: BLOCK });
    for _ in 0..20 {
        s.ms(20_000);
        s.receive(1, Message::KeepAlive);
        s.input(Input::Flushed { conn: conn(1), bytes: BLOCK });
    }
    assert_eq!(s.closed(), []);
}

#[test]
fn who_only_stays_gives_way_to_a_newcomer() {
    let config = Config { connections_max: 3, ..Config::default() };
    let mut s = Stage::new(4, 2, &[0, 1, 2, 3], config);
    let ask = |s: &mut Stage, asker: u8| {
        s.receive(asker, Message::Request(run(0, 0, 1)));
        s.read();
    };
    let later = |s: &mut Stage, readers: &[u8]| {
        s.ms(10_000);
        for &reader in readers {
            s.input(Input::Flushed { conn: conn(reader), bytes: BLOCK });
        }
    };
    s.leech(1);
    ask(&mut s, 1);
    s.connect(2);
    s.receive(2, Message::HaveNone);
    s.connect(3);
    // They may be about to say what they want.
    s.leech(4);
    assert_eq!(s.closed(), [(conn(4), Goodbye::TooManyPeers)]);
    later(&mut s, &[1]);
    s.leech(5);
    s.leech(6);
    [5, 6].into_iter().for_each(|asker| ask(&mut s, asker));
    let nothing = Goodbye::NothingToExchange;
    assert_eq!(s.closed(), [(conn(2), nothing), (conn(3), nothing)]);
    // Whoever wants something keeps its place, unless it takes nothing of what it wants.
    later(&mut s, &[1, 5, 6]);
    s.leech(7);
    assert_eq!(s.closed(), [(conn(7), Goodbye::TooManyPeers)]);
    ask(&mut s, 5);
    later(&mut s, &[1, 6]);
    s.leech(8);
    assert_eq!(s.closed(), [(conn(5), nothing)]);
    // Nor does it if it asks for nothing although it is served.
    later(&mut s, &[1, 6, 8]);
    s.leech(9);
    assert_eq!(s.closed(), [(conn(8), nothing)]);
}

#[test]
fn a_peer_without_room_is_asked_again_soon() {
    let mut s = Stage::empty(4, 4);
    let dials = |s: &mut Stage| s.take(|o| matches!(o, Output::Dial(_)).then_some(())).len();
    s.command(Command::AddPeer { id: Some(id(1)), addr: ([10, 0, 0, 1], 7001).into() });
    assert_eq!(dials(&mut s), 1);
    s.connect_as(1, 1, Side::Dialed);
    s.receive(1, Message::Goodbye(Goodbye::TooManyPeers));
    s.ms(9_000);
    assert_eq!(dials(&mut s), 0);
    s.ms(11_000);
    assert_eq!(dials(&mut s), 1);
}

#[test]
fn what_breaks_the_rules_ends_the_connection() {
    let block = |piece, len: usize| Message::Block { piece, first: 0, data: vec![0; len].into() };
    let breaches = [
        Message::HaveAll,
        Message::Bitfield(vec![0].into()),
        Message::Have(vec![8]),
        Message::DontHave(vec![8]),
        Message::Request(run(8, 0, 1)),
        Message::Request(run(0, 4, 1)),
        Message::Request(run(0, 0, 0)),
        Message::Request(run(0, 0, u32::MAX)),
        Message::Cancel(run(0, 3, 2)),
        Message::Reject(run(9, 0, 1)),
        block(0, 16384),
        block(0, 100),
        block(0, 0),
        block(99, 16384),
        Message::GetLeaves(8),
        Message::Leaves { piece: 8, leaves: vec![] },
        Message::ManifestPart { total: 1, offset: 0, data: vec![0].into() },
        Message::Suggest(8),
    ];
    for breach in breaches {
        let mut s = Stage::empty(8, 4);
        s.leech(1);
        s.receive(1, breach.clone());
        assert_eq!(s.closed(), [(conn(1), Goodbye::Misbehaved)], "{breach:?}");
    }
    // Anything before the set of pieces.
    for early in [Message::KeepAlive, Message::Unchoke, Message::Have(vec![1])] {
        let mut s = Stage::empty(8, 4);
        s.connect(1);
        s.receive(1, early.clone());
        assert_eq!(s.closed(), [(conn(1), Goodbye::Misbehaved)], "{early:?}");
    }
    for bits in [vec![], vec![0, 0]] {
        let mut s = Stage::empty(8, 4);
        s.connect(1);
        s.receive(1, Message::Bitfield(bits.into()));
        assert_eq!(s.closed(), [(conn(1), Goodbye::Misbehaved)]);
    }
}

#[test]
fn a_flood_of_requests_to_a_choking_peer_ends() {
    let mut s = Stage::full(8, 4);
    s.connect(1);
    s.receive(1, Message::HaveNone);
    for _ in 0..20_000 {
        if !s.closed().is_empty() {
            return;
        }
        s.receive(1, Message::Request(run(0, 0, 1)));
        s.sent(1);
    }
    panic!("it goes on for ever");
}

#[test]
fn after_stop_nothing_is_wanted() {
    let mut s = serving();
    s.command(Command::Stop);
    assert_eq!(s.closed(), [(conn(1), Goodbye::SwarmStopped)]);
    assert_eq!(s.swarm.deadline(), None);
    assert_eq!(s.snapshot().state, State::Stopped);
    s.connect(2);
    assert_eq!(s.closed(), [(conn(2), Goodbye::SwarmStopped)]);
}

#[test]
fn an_idle_swarm_sleeps() {
    let mut s = Stage::full(4, 4);
    assert_eq!(s.swarm.deadline(), None);
    s.leech(1);
    let mut ticks = 0;
    let end = s.now + Duration::from_secs(60);
    while let Some(due) = s.swarm.deadline().filter(|due| *due <= end) {
        s.now = due;
        s.input(Input::Tick);
        ticks += 1;
    }
    assert!(ticks <= 70, "{ticks} wakes in a minute");
}
