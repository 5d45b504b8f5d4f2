//! Requests that nobody honest sends, and more of them than there is room for.

use super::*;

const INVALID: TrackerReply = TrackerReply::Refused { why: Refusal::Invalid, retry_s: 0 };
const FULL: TrackerReply = TrackerReply::Refused { why: Refusal::Full, retry_s: FULL_RETRY_S };

fn delta(gained: Vec<u32>, lost: Vec<u32>) -> HaveReport {
    HaveReport::Delta { gained, lost, digest: 0 }
}

#[test]
fn rows_that_cannot_be_are_refused_and_change_nothing() {
    let mut world = World::knowing(12);
    world.announced(1, announce(full(12, [3])));
    for have in [
        HaveReport::Full(vec![]),
        HaveReport::Full(vec![0; 1]),
        HaveReport::Full(vec![0; 3]),
        HaveReport::Full(vec![0; 600_000]),
        HaveReport::Full(vec![0, 0b0000_1000]),
        delta(vec![12], vec![]),
        delta(vec![0, 1], vec![u32::MAX]),
        delta(vec![0; DELTA_MAX + 1], vec![]),
        delta(vec![], vec![0; DELTA_MAX + 1]),
    ] {
        world.wait(1);
        assert_eq!(world.send(1, announce(have)), INVALID);
        assert_eq!(world.swarm().availability(0), 1);
    }
    let greedy = Announce { want: WANT_MAX + 1, ..announce(HaveReport::None) };
    assert_eq!(world.send(1, greedy), INVALID);
    assert_eq!(world.swarm().availability(3), 2);
    let many = TrackerRequest::Scrape(vec![SWARM; SCRAPE_MAX + 1]);
    assert_eq!(world.registry.handle(world.now, peer(1), home(1), many), INVALID);
}

#[test]
fn a_delta_that_repeats_and_contradicts_itself_is_harmless() {
    let mut world = World::knowing(100);
    let reply = world.announced(1, announce(delta(vec![5, 5, 5, 6], vec![5, 5, 7])));
    assert!(reply.need_full);
    let availability: Vec<u32> = (4..8).map(|piece| world.swarm().availability(piece)).collect();
    assert_eq!(availability, [1, 1, 2, 1]);
}

#[test]
fn whoever_asks_too_often_is_told_when_to_come_again() {
    let mut world = World::new();
    for _ in 0..10 {
        world.announced(1, announce(HaveReport::None));
    }
    let refused = world.send(1, announce(HaveReport::None));
    assert_eq!(refused, TrackerReply::Refused { why: Refusal::TooOften, retry_s: 1 });
    world.announced(2, announce(HaveReport::None));
    world.wait(1);
    world.announced(1, announce(HaveReport::None));
    // Leaving is always allowed.
    let bye = Announce { event: AnnounceEvent::Stopped, ..announce(HaveReport::None) };
    world.announced(1, bye);
}

#[test]
fn over_the_limit_of_peers_one_is_answered_and_not_remembered() {
    let mut world = World::with(Config { swarm_peers_max: 3, ..Config::default() });
    for n in 1..=3 {
        world.announced(n, announce(HaveReport::None));
    }
    let reply = world.announced(4, announce(HaveReport::None));
    assert_eq!((reply.peers.len(), reply.leechers), (3, 3));
    assert_eq!(world.registry.usage().peers, 3);
    // One that is known is still welcome.
    assert_eq!(world.announced(1, announce(HaveReport::None)).peers.len(), 2);

    let mut world = World::with(Config { peers_max: 1, ..Config::default() });
    world.announced(1, announce(HaveReport::All));
    let other = SwarmId::new([9; 32]);
    world.announced(2, Announce { swarm: other, ..announce(HaveReport::All) });
    assert_eq!(world.registry.usage().peers, 1);
    world.expire();
    assert_eq!(world.registry.usage().swarms, 1, "the other swarm did not stay");
}

#[test]
fn one_key_can_not_fill_the_table_of_swarms() {
    let config = Config { peer_swarms_max: 5, swarms_max: 7, ..Config::default() };
    let mut world = World::with(config);
    let mut join = |n, swarm| {
        world.send(n, Announce { swarm: SwarmId::new([swarm; 32]), ..announce(HaveReport::All) })
    };
    for swarm in 0..5 {
        assert!(matches!(join(1, swarm), TrackerReply::Announced(_)));
    }
    assert_eq!(join(1, 5), FULL);
    assert!(matches!(join(2, 5), TrackerReply::Announced(_)));
    assert!(matches!(join(2, 6), TrackerReply::Announced(_)));
    assert_eq!(join(2, 7), FULL);
    assert_eq!(world.registry.usage().swarms, 7);
}

#[test]
fn an_idle_swarm_makes_room_for_a_new_one() {
    let mut world = World::with(Config { swarms_max: 1, ..Config::default() });
    world.announced(0, announce(HaveReport::All));
    world.learn(10);
    world.announced(0, Announce { event: AnnounceEvent::Stopped, ..announce(HaveReport::All) });
    assert_eq!(world.registry.usage().swarms, 1);
    let other = Announce { swarm: SwarmId::new([9; 32]), ..announce(HaveReport::All) };
    world.announced(1, other);
    let usage = world.registry.usage();
    assert_eq!((usage.swarms, usage.manifest_bytes), (1, 0));
}

#[test]
fn without_room_for_rows_peers_still_meet() {
    let mut world = World::with(Config { row_bytes_max: 5000, ..Config::default() });
    world.announced(0, announce(HaveReport::All));
    world.learn(1000);
    let half = || announce(full(1000, (0..1000).step_by(2)));
    // Counts take 4,000 bytes, and the list of the rarest pieces some more, each row 128.
    for n in 1..=20 {
        let reply = world.announced(n, half());
        assert!(!reply.need_full && !reply.peers.is_empty());
    }
    let kept = world.swarm().leechers.iter().filter(|peer| peer.row.is_some()).count();
    assert!((1..8).contains(&kept), "{kept}");
    let again = HaveReport::Delta { gained: vec![1], lost: vec![], digest: 0 };
    assert!(!world.announced(20, announce(again)).need_full, "a full row would not be kept");
    // Seeds and newcomers cost nothing.
    assert!(!world.announced(20, announce(HaveReport::All)).need_full);
    assert_eq!(world.swarm().seeds.len(), 2);
}
