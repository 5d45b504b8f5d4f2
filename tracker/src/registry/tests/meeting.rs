//! Who meets whom, and what they are told.

use swarm_proto::message::PeerAddr;

use super::*;

#[test]
fn the_first_two_learn_of_each_other() {
    let mut world = World::new();
    let first = world.announced(1, announce(HaveReport::All));
    assert_eq!((first.peers.len(), first.seeds, first.leechers), (0, 0, 0));
    let second = world.announced(2, announce(HaveReport::None));
    assert_eq!(second.peers, [PeerAddr { id: peer(1), addr: "100.0.0.1:6881".parse().unwrap() }]);
    assert_eq!((second.seeds, second.leechers), (1, 0));
    assert_eq!(second.observed, home(2));
    let first = world.announced(1, announce(HaveReport::All));
    assert_eq!((ids(&first), first.seeds, first.leechers), (vec![peer(2)], 0, 1));
}

#[test]
fn seeds_are_told_of_leechers_only() {
    let mut world = World::knowing(100);
    for n in 1..10 {
        world.announced(n, announce(HaveReport::All));
    }
    world.announced(20, announce(HaveReport::None));
    assert_eq!(ids(&world.announced(1, announce(HaveReport::All))), [peer(20)]);
    assert_eq!(world.announced(20, announce(HaveReport::None)).peers.len(), 10);
}

#[test]
fn whoever_accepts_no_peers_is_not_handed_out() {
    let mut world = World::new();
    world.announced(1, Announce { port: 0, ..announce(HaveReport::All) });
    let reply = world.announced(2, announce(HaveReport::None));
    assert_eq!((reply.peers.len(), reply.seeds), (0, 1));
}

#[test]
fn an_address_is_told_to_those_who_can_dial_it() {
    let mut world = World::new();
    let mut from = |n: u32, ip: &str| {
        let from = SocketAddr::new(ip.parse().unwrap(), 5000);
        let request = TrackerRequest::Announce(announce(HaveReport::None));
        match world.registry.handle(world.now, peer(n), from, request) {
            TrackerReply::Announced(reply) => ids(&reply),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(from(1, "127.0.0.1"), []);
    assert_eq!(from(2, "10.0.0.2"), []);
    assert_eq!(from(3, "203.0.113.3"), []);
    assert_eq!(from(1, "127.0.0.1"), [peer(2), peer(3)]);
    assert_eq!(from(2, "10.0.0.2"), [peer(3)]);
    assert_eq!(from(3, "203.0.113.3"), []);
}

#[test]
fn a_host_that_many_name_is_told_once() {
    let mut world = World::new();
    for n in 1..10 {
        let advertise = Some("198.51.100.1".parse().unwrap());
        world.announced(n, Announce { advertise, ..announce(HaveReport::All) });
    }
    assert_eq!(world.announced(20, announce(HaveReport::None)).peers.len(), 1);
}

#[test]
fn whoever_stops_is_forgotten_at_once() {
    let mut world = World::new();
    world.announced(1, announce(HaveReport::All));
    let bye = Announce { event: AnnounceEvent::Stopped, ..announce(HaveReport::All) };
    assert_eq!(world.announced(1, bye.clone()).peers, []);
    assert_eq!(world.registry.usage(), Usage::default());
    world.announced(1, bye);
    assert_eq!(world.registry.usage(), Usage::default());
}

#[test]
fn whoever_falls_silent_is_forgotten_after_twice_its_interval() {
    let mut world = World::new();
    let interval_ms = world.announced(1, announce(HaveReport::All)).interval_ms;
    world.now += Duration::from_millis(u64::from(interval_ms) * 2);
    world.expire();
    assert_eq!(world.registry.usage().peers, 1);
    world.now += Duration::from_millis(u64::from(interval_ms) / 4 + 5000);
    // Even before it is swept away it is not handed out.
    assert_eq!(world.announced(2, announce(HaveReport::None)).peers, []);
    world.expire();
    assert_eq!(world.registry.usage().peers, 1);
    assert!(world.swarm().slot(&peer(1)).is_none());
}

#[test]
fn expiry_goes_round_in_small_parts() {
    let mut world = World::new();
    for n in 0..100 {
        let swarm = SwarmId::new([(n % 7) as u8; 32]);
        world.announced(n, Announce { swarm, ..announce(HaveReport::All) });
    }
    world.wait(3600);
    let mut left = vec![100];
    while left.last() != Some(&0) {
        let round = world.registry.expire(world.now, 10);
        assert!(!round || left.len() > 1, "there are more than it looks at");
        left.push(world.registry.usage().peers);
        assert!(left.len() < 30, "{left:?}");
    }
    assert!(left.windows(2).all(|pair| pair[0] - pair[1] <= 10), "{left:?}");
    assert!(world.registry.expire(world.now, 10), "nobody is left");
    world.expire();
    assert_eq!(world.registry.usage(), Usage::default());
}

#[test]
fn completions_are_counted_once_each() {
    let mut world = World::knowing(10);
    world.announced(1, announce(full(10, 0..5)));
    let gained =
        HaveReport::Delta { gained: (5..10).collect(), lost: vec![], digest: row_digest(0..10) };
    let done = Announce { event: AnnounceEvent::Completed, ..announce(gained) };
    let reply = world.announced(1, done);
    assert_eq!((reply.completed, reply.need_full), (1, false));
    let again = Announce { event: AnnounceEvent::Completed, ..announce(HaveReport::All) };
    assert_eq!(world.announced(1, again.clone()).completed, 1);
    // Whoever has not all pieces has not completed.
    let claims = Announce { have: full(10, 0..9), ..again };
    assert_eq!(world.announced(2, claims).completed, 1);
    let counts = world.registry.counts(&SWARM);
    assert_eq!(counts, SwarmCounts { seeds: 2, leechers: 1, completed: 1 });
}

#[test]
fn the_rarest_pieces_are_told_with_all_their_holders() {
    let mut world = World::knowing(4);
    world.announced(1, announce(full(4, [0, 1])));
    world.announced(2, announce(full(4, [0])));
    world.wait(1);
    let reply = world.announced(3, announce(full(4, [0])));
    let mut rarest = reply.rarest;
    rarest[..2].sort_unstable();
    assert_eq!(rarest, [(2, 1), (3, 1), (1, 2)]);
}

#[test]
fn a_delta_changes_the_row() {
    let mut world = World::knowing(100);
    world.announced(1, announce(full(100, 0..40)));
    let delta = HaveReport::Delta {
        gained: vec![50, 99],
        lost: vec![0],
        digest: row_digest((1..40).chain([50, 99])),
    };
    assert!(!world.announced(1, announce(delta)).need_full);
    assert_eq!(world.swarm().availability(50), 2);
    assert_eq!(world.swarm().availability(0), 1);
}

#[test]
fn a_delta_that_does_not_fit_asks_for_the_whole_row() {
    let mut world = World::knowing(100);
    let lost_update =
        HaveReport::Delta { gained: vec![50], lost: vec![], digest: row_digest([49, 50]) };
    // A newcomer starts with an empty row.
    assert!(world.announced(1, announce(lost_update)).need_full);
    assert!(!world.announced(1, announce(full(100, [49, 50]))).need_full);
}

#[test]
fn a_seed_that_loses_a_piece_is_a_leecher() {
    let mut world = World::knowing(1000);
    world.announced(1, announce(HaveReport::All));
    let lost = HaveReport::Delta {
        gained: vec![],
        lost: vec![3],
        digest: row_digest((0..1000).filter(|&p| p != 3)),
    };
    let reply = world.announced(1, announce(lost));
    assert_eq!((reply.seeds, reply.need_full), (1, false));
    assert_eq!(world.swarm().availability(3), 1);
    let again = HaveReport::Delta { gained: vec![3], lost: vec![], digest: row_digest(0..1000) };
    assert!(!world.announced(1, announce(again)).need_full);
    assert_eq!((world.swarm().seeds.len(), world.swarm().availability(3)), (2, 2));
}

#[test]
fn in_a_large_swarm_everyone_is_handed_out_about_equally_often() {
    let mut world = World::knowing(1000);
    let have = |n: u32| announce(full(1000, (n..n + 400).map(|piece| piece % 1000)));
    let mut times = vec![0_u32; 1001];
    // Those who came early were told to all that came next; it takes a round to make up for that.
    for round in 0..3 {
        for n in 1..=1000 {
            world.wait(1);
            for other in world.announced(n, have(n)).peers {
                times[number(other.id)] += u32::from(round == 2);
            }
            keep_alive(&mut world);
        }
    }
    let (min, max) = (times[1..].iter().min().unwrap(), times[1..].iter().max().unwrap());
    // Draws without any correction would give a standard deviation of 5.5.
    assert!(*min >= 15 && *max <= 50, "{min} to {max} around a mean of 30");
}

/// All peers stay, whatever their intervals.
fn keep_alive(world: &mut World) {
    let until_ms = millis(world.now) + 1_000_000;
    each_peer(world, |peer| peer.until_ms = until_ms);
}

/// Nobody was handed out so far.
fn forget_handed(world: &mut World) {
    each_peer(world, |peer| peer.handed = 0);
}

fn each_peer(world: &mut World, f: impl FnMut(&mut Peer)) {
    let swarm = world.registry.swarm_mut(&SWARM).unwrap();
    swarm.leechers.iter_mut().chain(&mut swarm.seeds).for_each(f);
}

/// The number that [`peer`] made this name of.
fn number(id: PeerId) -> usize {
    let [a, b, c, d, ..] = *id.as_bytes();
    u32::from_le_bytes([a, b, c, d]) as usize
}

#[test]
fn equals_are_drawn_uniformly_and_never_oneself() {
    let mut world = World::new();
    for n in 1..=400 {
        world.announced(n, announce(HaveReport::None));
    }
    let mut times = vec![0_u32; 401];
    for _ in 0..3000 {
        world.wait(1);
        keep_alive(&mut world);
        forget_handed(&mut world);
        let reply = world.announced(200, Announce { want: 10, ..announce(HaveReport::None) });
        assert_eq!(reply.peers.len(), 10);
        for other in reply.peers {
            times[number(other.id)] += 1;
        }
    }
    assert_eq!(times[200], 0);
    times.remove(200);
    // 3000 draws of 10 out of 399: 75 each, standard deviation 8.6. Five of them to either side.
    assert!(times[1..].iter().all(|n| (32..=118).contains(n)), "{times:?}");
}

#[test]
fn those_who_have_what_one_lacks_come_first() {
    let mut world = World::new();
    world.announced(0, Announce { port: 0, ..announce(HaveReport::All) });
    world.learn(1000);
    // 100 have the same half as the seeker, 10 have the other one.
    for n in 1..=100 {
        world.announced(n, announce(full(1000, 0..500)));
    }
    for n in 101..=110 {
        world.announced(n, announce(full(1000, 500..1000)));
    }
    let reply = world.announced(200, Announce { want: 12, ..announce(full(1000, 0..500)) });
    assert_eq!(reply.peers.len(), 12);
    let mut useful: Vec<PeerId> = reply.peers[..9].iter().map(|peer| peer.id).collect();
    useful.sort_unstable();
    useful.dedup();
    assert!(useful.len() == 9 && useful.iter().all(|id| (101..=110).any(|n| peer(n) == *id)));
}

#[test]
fn holders_of_rare_pieces_come_first() {
    let mut world = World::knowing(1000);
    world.announced(0, Announce { event: AnnounceEvent::Stopped, ..announce(HaveReport::All) });
    // All have half of what there is; of the rest only five have anything, one piece.
    for n in 1..=105 {
        let have = if n <= 100 { full(1000, 0..500) } else { full(1000, (0..500).chain([777])) };
        world.announced(n, announce(have));
    }
    forget_handed(&mut world);
    world.wait(1);
    let reply = world.announced(200, Announce { want: 8, ..announce(HaveReport::None) });
    let mut first: Vec<usize> = reply.peers[..5].iter().map(|peer| number(peer.id)).collect();
    first.sort_unstable();
    first.retain(|n| *n > 100);
    // Two of them may have been taken for the places that are filled at random.
    assert!(first.len() >= 3, "{reply:?}");
}

#[test]
fn idle_nodes_come_before_busy_ones() {
    let mut world = World::knowing(100);
    for n in 1..=100 {
        let load = if n <= 20 { 10 } else { 100 };
        world.announced(n, Announce { load, ..announce(full(100, 0..50)) });
    }
    forget_handed(&mut world);
    let reply = world.announced(200, Announce { want: 16, ..announce(HaveReport::None) });
    let idle = reply.peers[..12].iter().filter(|p| (0..=20).any(|n| peer(n) == p.id)).count();
    assert_eq!(idle, 12);
}

#[test]
fn everyone_can_reach_everyone_through_whom_they_were_told_of() {
    let mut world = World::new();
    let mut near: Vec<Vec<usize>> = vec![vec![]; 501];
    for n in 1..=500_u32 {
        let have = if n == 1 { HaveReport::All } else { HaveReport::None };
        for other in world.announced(n, Announce { want: 5, ..announce(have) }).peers {
            near[n as usize].push(number(other.id));
            near[number(other.id)].push(n as usize);
        }
    }
    let (mut seen, mut next) = (vec![false; 501], vec![1]);
    while let Some(n) = next.pop() {
        if !std::mem::replace(&mut seen[n], true) {
            next.extend(&near[n]);
        }
    }
    assert!(seen[1..].iter().all(|&seen| seen));
    assert!(near.iter().all(|near| near.len() < 60), "nobody is told to all");
}

#[test]
fn a_tracker_that_has_just_started_hands_out_short_intervals() {
    let mut world = World::new();
    for n in 0..50 {
        assert!(world.announced(n, announce(HaveReport::All)).interval_ms <= 5000);
    }
    // They go on announcing; after some minutes the same peers are calm.
    let mut last = 0;
    for _ in 0..16 {
        world.now += Duration::from_millis(u64::from(last));
        last = world.announced(3, announce(HaveReport::All)).interval_ms;
    }
    assert!((250_000..350_000).contains(&last), "{last}");
}
