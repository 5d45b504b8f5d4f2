//! Swarms in which nothing goes wrong.

use swarm_engine::Command;
use swarm_tests::sim::{Host, KIB, MIB, NodeId, Scenario, for_seeds};

use crate::{HOME, millis, ok, secs, transfer};

#[test]
fn one_to_one() {
    for_seeds(30, |seed| {
        let report = ok(Scenario::new(seed).seeders(1, HOME).leechers(1, HOME).run(secs(10)));
        // The whole share at the seeder's rate, and half a second to meet and warm up.
        assert!(report.last_finish().unwrap() < transfer(2 * MIB, 50) + millis(500));
        assert_eq!((report.nodes[0].uploaded, report.duplicate()), (2 * MIB, 0));
    });
}

#[test]
fn shares_of_all_shapes_arrive() {
    let shapes: [(&[u64], u64); 7] = [
        (&[1], 16 * KIB),
        (&[16 * KIB], 16 * KIB),
        (&[16 * KIB + 1], 16 * KIB),
        (&[100_000, 0, 0, 1, 65_536, 40_000], 32 * KIB),
        (&[3 * MIB + 5], 1024 * KIB),
        (&[5 * MIB], 4 * 1024 * KIB),
        (&[20_000; 40], 64 * KIB),
    ];
    for_seeds(5, |seed| {
        for (lengths, piece_length) in shapes {
            let scenario =
                Scenario::new(seed).files(lengths, piece_length).seeders(1, HOME).leechers(2, HOME);
            ok(scenario.run(secs(10)));
        }
    });
}

#[test]
fn a_share_without_bytes_is_complete_at_once() {
    ok(Scenario::new(1).files(&[0, 0], 16 * KIB).seeders(1, HOME).leechers(1, HOME).run(secs(1)));
}

#[test]
fn one_to_twenty() {
    for_seeds(10, |seed| {
        let scenario =
            Scenario::new(seed).share(4 * MIB, 64 * KIB).seeders(1, HOME).leechers(20, HOME);
        let report = ok(scenario.run(secs(30)));
        // From the seeder alone it would take 20 times as long as one copy.
        assert!(report.last_finish().unwrap() < transfer(4 * MIB, 50) * 4, "{report:?}");
        assert!(report.seed_copies() < 3.0, "{}", report.seed_copies());
        assert!(report.duplicate() < report.bytes, "{}", report.duplicate());
    });
}

#[test]
fn a_late_joiner_gets_everything_too() {
    for_seeds(20, |seed| {
        let scenario = Scenario::new(seed)
            .seeders(1, HOME)
            .leechers(4, HOME)
            .leechers(1, HOME)
            .with(|node| node.start = secs(20));
        let report = ok(scenario.run(secs(60)));
        // Five peers have everything by then.
        assert!(report.nodes[5].finished.unwrap() < secs(2), "{report:?}");
    });
}

#[test]
fn the_seeder_leaves_once_the_others_hold_every_piece() {
    for_seeds(20, |seed| {
        for graceful in [false, true] {
            let seeder = NodeId(0);
            let mut world = Scenario::new(seed).seeders(1, HOME).leechers(6, HOME).build();
            assert!(ok(world.run_until(secs(30), |world| world.complete_without(seeder))));
            assert!(!world.all_finished());
            if graceful {
                ok(world.stop(seeder));
            } else {
                world.kill(seeder);
            }
            ok(world.finish(secs(60)));
        }
    });
}

#[test]
fn nobody_else_can_be_dialled_but_the_seeder() {
    for_seeds(10, |seed| {
        let scenario = Scenario::new(seed)
            .seeders(1, HOME)
            .leechers(5, HOME)
            .with(|node| node.listens = false);
        ok(scenario.run(secs(30)));
    });
}

#[test]
fn over_ipv6() {
    for_seeds(10, |seed| {
        ok(Scenario::new(seed).ipv6().seeders(1, HOME).leechers(4, HOME).run(secs(20)));
    });
}

#[test]
fn without_a_tracker_peers_find_each_other_through_one_that_all_know() {
    for_seeds(20, |seed| {
        let scenario = Scenario::new(seed)
            .trackers(0)
            .share(4 * MIB, 64 * KIB)
            .seeders(1, Host::mbit(10, 10))
            .leechers(6, HOME)
            .with(|node| node.knows = vec![0]);
        let mut world = scenario.build();
        ok(world.finish(secs(60)));
        let report = world.report();
        assert!(report.seed_copies() < 3.0, "{}", report.seed_copies());
        let strangers =
            |node: usize| report.nodes[node].downloaded.keys().filter(|from| from.0 != 0).count();
        assert!((1..=6).all(|node| strangers(node) > 0), "{report:?}");
    });
}

#[test]
fn two_nodes_that_dial_each_other_at_once_keep_one_connection() {
    for_seeds(50, |seed| {
        let mut world = Scenario::new(seed)
            .trackers(0)
            .seeders(1, HOME)
            .with(|node| node.knows = vec![1, 2])
            .leechers(1, HOME)
            .with(|node| node.knows = vec![0, 2])
            .leechers(1, HOME)
            .with(|node| node.knows = vec![0, 1])
            .build();
        ok(world.run_for(millis(200)));
        for (node, others) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
            assert_eq!(world.neighbours(NodeId(node)), others.map(NodeId), "of node {node}");
        }
        ok(world.finish(secs(10)));
    });
}

#[test]
fn an_upload_limit_is_kept() {
    for_seeds(10, |seed| {
        let limit = 500_000;
        let mut world = Scenario::new(seed)
            .seeders(1, HOME)
            .with(|node| node.config.upload_limit = Some(limit))
            .leechers(3, HOME)
            .build();
        let seeder = NodeId(0);
        let mut last = 0;
        for second in 1..5 {
            ok(world.run_for(secs(1)));
            let sent = world.report().nodes[seeder.0].uploaded;
            // The limit, and what may be saved up or sent ahead: one request.
            assert!(sent - last <= limit + MIB, "{} in second {second}", sent - last);
            last = sent;
        }
        assert!(last <= 4 * limit + MIB, "{last}");
        world.command(seeder, Command::LimitUpload(None));
        ok(world.finish(secs(30)));
    });
}

#[test]
fn a_download_limit_is_kept() {
    for_seeds(10, |seed| {
        let limit = 250_000;
        let scenario = Scenario::new(seed)
            .seeders(2, HOME)
            .leechers(1, HOME)
            .with(|node| node.config.download_limit = Some(limit));
        let report = ok(scenario.run(secs(60)));
        let expected = (2 * MIB - MIB / 2) / limit;
        assert!(report.last_finish().unwrap() >= secs(expected), "{report:?}");
    });
}

#[test]
fn a_paused_download_stands_still() {
    for_seeds(10, |seed| {
        let mut world = Scenario::new(seed).seeders(1, HOME).leechers(1, HOME).build();
        let leecher = NodeId(1);
        ok(world.run_for(millis(150)));
        world.command(leecher, Command::Pause);
        // What was under way may still come.
        ok(world.run_for(secs(2)));
        let before = world.recorded(leecher);
        ok(world.run_for(secs(5)));
        assert_eq!(world.recorded(leecher), before);
        world.command(leecher, Command::Resume);
        ok(world.finish(secs(10)));
    });
}

#[test]
fn the_same_seed_does_the_same_things() {
    let digest = |seed| {
        let scenario = Scenario::new(seed).seeders(1, HOME).leechers(5, HOME);
        let report = ok(scenario.run(secs(30)));
        (report.trace, report.time)
    };
    for_seeds(5, |seed| {
        assert_eq!(digest(seed), digest(seed));
        assert_ne!(digest(seed).0, digest(seed + 1000).0);
    });
}
