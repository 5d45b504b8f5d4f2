//! Stories of files that are wanted more, less or not at all.

mod stage;

use stage::{BLOCK, Stage, conn, id};
use swarm_engine::{Bottleneck, Command, Config, DiskError, Event, Input, Output, Priority, State};
use swarm_proto::message::{Goodbye, Message, RawRun};

/// Four files of four pieces of four blocks, wanted this much; nothing is there.
fn files(priorities: [Priority; 4]) -> Stage {
    let config = Config { priorities: priorities.into(), ..Config::default() };
    Stage::of_files(4, 16, 4, &[], config)
}

fn set(s: &mut Stage, files: &[u32], priority: Priority) {
    s.command(Command::SetPriority { files: files.into(), priority });
}

/// The files that these requests are for, each once, in order.
fn asked(requests: &[RawRun]) -> Vec<u32> {
    let mut files: Vec<u32> = requests.iter().map(|run| run.piece / 4).collect();
    files.dedup();
    files
}

/// A seed answers one request at a time; returns the files in the order that they were asked for.
fn served_in_order(s: &mut Stage, number: u8) -> Vec<u32> {
    let (mut order, mut waiting) = (Vec::new(), Vec::new());
    loop {
        let new = s.requests(number);
        order.extend(asked(&new));
        waiting.extend(new);
        if waiting.is_empty() {
            order.dedup();
            return order;
        }
        s.ms(1);
        s.answer(number, waiting.remove(0));
        s.store();
    }
}

fn finish(s: &mut Stage) {
    assert!(s.take(|output| matches!(output, Output::Finish).then_some(())).len() == 1);
    assert_eq!(s.snapshot().state, State::Finishing);
    s.input(Input::Finished(Ok(())));
}

#[test]
fn files_come_in_the_order_that_they_are_wanted() {
    let mut s = files([Priority::Low, Priority::Normal, Priority::High, Priority::Skip]);
    s.seed(1);
    assert_eq!(served_in_order(&mut s, 1), [2, 1, 0]);
}

#[test]
fn without_what_is_skipped_it_is_complete_and_tells_the_truth() {
    let mut s = files([Priority::Skip, Priority::Normal, Priority::Skip, Priority::Skip]);
    s.seed(1);
    let snapshot = s.snapshot();
    assert_eq!((snapshot.pieces, snapshot.pieces_wanted), (16, 4));
    assert_eq!((snapshot.bytes_wanted, snapshot.bytes_have), (16 * BLOCK, 0));
    s.serve_all(1);
    finish(&mut s);
    let snapshot = s.snapshot();
    assert_eq!((snapshot.state, snapshot.eta_s), (State::Seeding, None));
    assert_eq!((snapshot.pieces_have, snapshot.pieces_wanted), (4, 4));
    assert_eq!(s.events().last(), Some(&Event::Completed));
    // Whoever comes hears of four pieces, and is served these.
    s.sent(1);
    s.connect(2);
    let bits = s.sent(2).into_iter().find_map(|message| match message {
        Message::Bitfield(bits) => Some(bits),
        _ => None,
    });
    assert_eq!(bits.as_deref(), Some(&[0b0000_1111, 0][..]));
}

#[test]
fn what_is_skipped_halfway_is_taken_back_and_comes_when_it_is_wanted_again() {
    let mut s = files([Priority::Normal; 4]);
    s.seed(1);
    let first = s.requests(1);
    s.answer(1, first[0]);
    s.store();
    let skipped: Vec<u32> = (0..4).collect();
    set(&mut s, &skipped, Priority::Skip);
    let cancelled = s.sent(1).into_iter().filter(|m| matches!(m, Message::Cancel(_))).count();
    assert!(cancelled >= first.len() - 1, "{cancelled} of {}", first.len());
    // An answer that was on its way is no fault, and no duplicate.
    s.answer(1, first[1]);
    assert_eq!(s.closed(), []);
    s.store();
    let snapshot = s.snapshot();
    assert_eq!((snapshot.totals.duplicate, snapshot.requested), (0, 0));
    assert_eq!(snapshot.in_flight, []);
    assert_eq!(snapshot.pieces_wanted, snapshot.pieces_have);
    s.ms(2000);
    assert_eq!(s.requests(1), []);

    set(&mut s, &[1, 2], Priority::Normal);
    s.ms(15_000);
    s.serve_all(1);
    assert_eq!(s.snapshot().pieces_have, 8);
    finish(&mut s);
    set(&mut s, &[0, 3], Priority::High);
    assert_eq!(s.snapshot().state, State::Downloading);
    s.serve_all(1);
    finish(&mut s);
    assert_eq!((s.snapshot().pieces_have, s.snapshot().priorities.len()), (16, 4));
}

#[test]
fn a_change_is_to_be_remembered_and_no_change_is_not() {
    let mut s = files([Priority::Normal; 4]);
    let kept = |s: &mut Stage| {
        s.take(|output| match output {
            Output::KeepPriorities(all) => Some(all.clone()),
            _ => None,
        })
    };
    set(&mut s, &[1, 7], Priority::Low);
    let low = vec![Priority::Normal, Priority::Low, Priority::Normal, Priority::Normal];
    assert_eq!(kept(&mut s), std::slice::from_ref(&low));
    assert_eq!(s.snapshot().priorities, low);
    set(&mut s, &[1], Priority::Low);
    assert!(kept(&mut s).is_empty());
    set(&mut s, &[1], Priority::Normal);
    assert_eq!(kept(&mut s), [vec![]]);
}

#[test]
fn a_skipped_file_that_is_there_is_served() {
    let config = Config { priorities: vec![Priority::Skip, Priority::Normal], ..Config::default() };
    let mut s = Stage::of_files(2, 4, 4, &[0, 1], config);
    assert_eq!(s.snapshot().pieces_wanted, 4);
    s.leech(1);
    s.ms(200);
    assert!(s.sent(1).contains(&Message::Unchoke));
    s.receive(1, Message::Request(RawRun { piece: 0, first: 0, count: 4 }));
    assert_eq!(s.read(), 1);
}

#[test]
fn a_file_that_becomes_wanted_while_others_are_put_in_their_place_is_put_there_too() {
    let config = Config { priorities: vec![Priority::Skip, Priority::Normal], ..Config::default() };
    let mut s = Stage::of_files(2, 4, 4, &[0, 1], config);
    s.seed(1);
    s.serve_all(1);
    let asked = |s: &mut Stage| s.take(|o| matches!(o, Output::Finish).then_some(())).len();
    assert_eq!(asked(&mut s), 1);
    // Every piece of it is there already.
    set(&mut s, &[0], Priority::Normal);
    assert_eq!(asked(&mut s), 0);
    s.input(Input::Finished(Ok(())));
    assert_eq!((s.snapshot().state, asked(&mut s)), (State::Finishing, 1));
    s.input(Input::Finished(Ok(())));
    assert_eq!(s.snapshot().state, State::Seeding);
}

#[test]
fn a_seed_that_may_not_write_does_not_miss_what_it_lost() {
    let config = Config { read_only: true, ..Config::default() };
    let mut s = Stage::new(4, 4, &[0, 1, 2, 3], config);
    s.seed(1);
    s.leech(2);
    s.ms(200);
    s.receive(2, Message::Request(RawRun { piece: 3, first: 0, count: 4 }));
    let (conn, run) = s.reads()[0];
    s.input(Input::BlocksRead { conn, run, data: Err((run.piece(), DiskError::Changed)) });
    assert_eq!(s.snapshot().state, State::Checking);
    check(&mut s, |piece| piece == 3);
    let snapshot = s.snapshot();
    assert_eq!(
        (snapshot.state, snapshot.pieces_have, snapshot.pieces_wanted),
        (State::Seeding, 3, 3)
    );
    s.ms(1000);
    assert_eq!(s.requests(1), []);
    assert!(!s.sent(1).contains(&Message::Interested));
    set(&mut s, &[0], Priority::High);
    assert_eq!(s.snapshot().priorities, []);

    // The user has put it back, and says so.
    s.command(Command::Verify);
    check(&mut s, |_| false);
    assert_eq!((s.snapshot().state, s.snapshot().pieces_have), (State::Seeding, 4));
}

/// Reads all pieces that are to be read again; some are not what they were.
fn check(s: &mut Stage, bad: impl Fn(u32) -> bool) {
    loop {
        let checks = s.take(|output| match output {
            Output::Check(piece) => Some(*piece),
            _ => None,
        });
        if checks.is_empty() {
            return;
        }
        for piece in checks {
            let mut leaves = s.leaves(piece.get());
            if bad(piece.get()) {
                leaves.reverse();
            }
            s.input(Input::LeavesRead { piece, leaves: Ok(leaves) });
        }
    }
}

#[test]
fn a_seed_that_was_let_go_is_dialled_again_when_more_is_wanted() {
    let mut s = files([Priority::Normal, Priority::Skip, Priority::Skip, Priority::Skip]);
    s.seed(1);
    s.serve_all(1);
    finish(&mut s);
    s.ms(10_000);
    assert_eq!(s.closed(), [(conn(1), Goodbye::NothingToExchange)]);
    let dials = |s: &mut Stage| {
        s.take(|output| match output {
            Output::Dial(target) => target.id,
            _ => None,
        })
    };
    assert!(dials(&mut s).is_empty());
    set(&mut s, &[3], Priority::Normal);
    s.ms(100);
    assert_eq!(dials(&mut s), [id(1)]);
    assert_eq!(s.snapshot().bottleneck, Bottleneck::NoPeers);
}
