//! Stories about keeping company: who stays connected, who has to go, and who is asked again.

mod stage;

use std::time::Duration;

use stage::{BLOCK, ME, Stage, conn, id, run};
use swarm_engine::{Command, Config, Input, Output, Side, State};
use swarm_proto::message::{Goodbye, Message, PeerAddr};

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
    let mut s = Stage::serving();
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
    let mut s = Stage::serving();
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
        Message::Request(run(0, 3, 2)),
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
    let mut s = Stage::serving();
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
