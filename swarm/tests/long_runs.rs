//! Runs that go on into the pieces that follow: dozens of small files in one request.

mod stage;

use stage::*;
use swarm_engine::{Command, Config, DiskError, Event, Input, Output, Priority};
use swarm_proto::message::{Goodbye, LONG_RUNS, Message, RawRun};

const FILES: u32 = 200;

/// Files of one block each.
fn small_files() -> Stage {
    let mut s = Stage::of_files(FILES, FILES, 1, &[], Config::default());
    s.features = LONG_RUNS;
    s
}

/// Eight files of two blocks, of which these are there.
fn with(have: &[u32]) -> Stage {
    let mut s = Stage::of_files(8, 8, 2, have, Config::default());
    s.features = LONG_RUNS;
    s.leech(1);
    s.sent(1);
    s
}

/// The files of one block that a request names.
fn pieces(run: RawRun) -> Vec<u32> {
    (run.piece..run.piece + run.count).collect()
}

fn recorded(s: &mut Stage) -> Vec<u32> {
    s.take(|output| match output {
        Output::Record(piece) => Some(piece.get()),
        _ => None,
    })
}

/// A seed answers until it is asked for more than one file at a time. What it is asked for then, the long
/// request first.
fn warm_up(s: &mut Stage) -> Vec<RawRun> {
    s.seed(1);
    let mut open = s.requests(1);
    while open.iter().all(|run| run.count < 4) {
        s.ms(1);
        let run = open.remove(0);
        s.answer(1, run);
        s.store();
        open.extend(s.requests(1));
    }
    recorded(s);
    open.sort_by_key(|run| u32::MAX - run.count);
    open
}

#[test]
fn files_that_follow_each_other_come_in_one_answer() {
    let mut s = small_files();
    let mut open = warm_up(&mut s);
    while let Some(run) = open.pop() {
        s.ms(1);
        s.answer(1, run);
        let stores = s.stores();
        assert_eq!(stores.len(), 1, "as it came");
        s.stored(stores[0].0, &stores[0].1);
        assert_eq!(recorded(&mut s), pieces(run));
        open.extend(s.requests(1));
    }
    assert_eq!(s.take(|output| matches!(output, Output::Finish).then_some(())).len(), 1);
    let snapshot = s.snapshot();
    assert_eq!((snapshot.pieces_have, snapshot.totals.duplicate), (FILES, 0));
}

/// No request is for more blocks than that, however fast the answers come.
fn asks_only_for(blocks: u32, s: &mut Stage) {
    s.seed(1);
    let open = s.requests(1);
    answer_all(s, open, |run| assert!(run.count <= blocks, "{run:?}"));
    assert_eq!(s.snapshot().pieces_have, FILES);
}

/// A seed answers these requests and all that follow.
fn answer_all(s: &mut Stage, mut open: Vec<RawRun>, look: impl Fn(RawRun)) {
    while let Some(run) = open.pop() {
        look(run);
        s.ms(1);
        s.answer(1, run);
        s.store();
        open.extend(s.requests(1));
    }
}

#[test]
fn who_does_not_know_of_them_is_asked_file_by_file() {
    let mut s = small_files();
    s.features = 0;
    asks_only_for(1, &mut s);
}

#[test]
fn pieces_of_one_file_are_asked_for_one_by_one() {
    let mut s = Stage::of_files(1, FILES, 2, &[], Config::default());
    s.features = LONG_RUNS;
    asks_only_for(2, &mut s);
}

#[test]
fn a_bad_block_in_a_long_answer_spoils_its_own_piece_only() {
    let mut s = small_files();
    let run = warm_up(&mut s)[0];
    // The first byte is wrong, so the first piece is.
    s.lie(1, run);
    s.store();
    let named = pieces(run);
    assert_eq!(recorded(&mut s), named[1..]);
    let banned = Event::PeerBanned { peer: id(1), piece: named[0] };
    assert!(s.events().contains(&banned));
}

#[test]
fn what_could_not_be_written_of_a_long_answer_is_asked_for_again() {
    let mut s = small_files();
    let run = warm_up(&mut s)[0];
    s.answer(1, run);
    s.requests(1);
    let (stored, data) = s.stores().remove(0);
    let parts: Vec<_> = s.geometry().parts(stored).collect();
    let cut = s.geometry().run_len(parts[0]) as usize;
    s.stored(parts[0], &data[..cut]);
    for &part in &parts[1..] {
        s.input(Input::StoreFailed { run: part, error: DiskError::NoSpace });
    }
    assert_eq!(recorded(&mut s), pieces(run)[..1]);
    for message in s.sent(1) {
        if let Message::Cancel(run) = message {
            s.receive(1, Message::Reject(run));
        }
    }
    // One block tries the disk, as after any failure.
    s.ms(4_100);
    let tried = s.requests(1);
    assert_eq!(tried.iter().map(|run| run.count).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_file_that_is_not_wanted_any_more_takes_its_run_back_and_the_rest_comes_with_others() {
    let mut s = small_files();
    let mut open = warm_up(&mut s);
    let run = open.remove(0);
    let unwanted = pieces(run)[1];
    s.command(Command::SetPriority { files: vec![unwanted], priority: Priority::Skip });
    let sent = s.sent(1);
    assert!(sent.contains(&Message::Cancel(run)), "{sent:?}");
    s.receive(1, Message::Reject(run));
    open.extend(sent.into_iter().filter_map(|message| match message {
        Message::Request(run) => Some(run),
        _ => None,
    }));
    answer_all(&mut s, open, |run| assert!(!pieces(run).contains(&unwanted), "{run:?}"));
    assert_eq!(s.snapshot().pieces_have, FILES - 1);
}

#[test]
fn a_long_request_gets_one_answer() {
    let mut s = with(&[0, 1, 2, 3, 4, 5, 6]);
    s.receive(1, Message::Request(run(2, 1, 6)));
    assert_eq!(s.read(), 1);
    let data = s.bytes(s.run(run(2, 1, 6)));
    assert_eq!(s.sent(1), [Message::Block { piece: 2, first: 1, data }]);
    // One piece of it is not there.
    s.receive(1, Message::Request(run(5, 0, 6)));
    assert_eq!(s.sent(1), [Message::Reject(run(5, 0, 6))]);
    // Taken back before it was read.
    s.receive(1, Message::Request(run(0, 0, 6)));
    s.receive(1, Message::Cancel(run(0, 0, 6)));
    assert_eq!(s.sent(1), [Message::Reject(run(0, 0, 6))]);
}

#[test]
fn nobody_asks_past_the_end_of_the_share() {
    let mut s = with(&[0, 1, 2, 3, 4, 5, 6, 7]);
    s.receive(1, Message::Request(run(6, 0, 5)));
    assert_eq!(s.closed(), [(conn(1), Goodbye::Misbehaved)]);
}

#[test]
fn if_one_of_many_files_has_changed_only_that_one_is_withdrawn() {
    let mut s = with(&[0, 1, 2, 3, 4, 5, 6, 7]);
    s.receive(1, Message::Request(run(1, 0, 6)));
    let (to, wanted) = s.reads()[0];
    let data = Err((s.piece(2), DiskError::Changed));
    s.input(Input::BlocksRead { conn: to, run: wanted, data });
    assert_eq!(s.sent(1), [Message::Reject(run(1, 0, 6)), Message::DontHave(vec![2])]);
    assert!(s.events().contains(&Event::FileChanged { file: 2 }));
}
