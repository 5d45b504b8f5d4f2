//! Swarms in which some peers misbehave. That no innocent is ever accused is for the checker.

use swarm_tests::sim::{
    Behaviour, Host, KIB, MIB, NodeId, Report, Scenario, for_seeds, rogue::Leaves,
};

use crate::{HOME, ok, secs};

/// A seeder, four leechers and a rogue, which is the last node.
fn with_rogue(seed: u64, behaviour: Behaviour) -> Scenario {
    Scenario::new(seed).seeders(1, HOME).leechers(4, HOME).rogue(behaviour, HOME)
}

const ROGUE: NodeId = NodeId(5);

/// Whether everybody who got bad bytes banned the rogue, and nobody else.
fn justice(report: &Report) {
    for node in report.leechers() {
        let banned: &[NodeId] = if node.corrupt > 0 { &[ROGUE] } else { &[] };
        assert_eq!(node.banned, banned, "{report:?}");
    }
}

#[test]
fn a_peer_that_sends_only_bad_blocks_is_named_and_banned() {
    for_seeds(30, |seed| {
        for leaves in [Leaves::True, Leaves::Wrong, Leaves::None] {
            let report =
                ok(with_rogue(seed, Behaviour::Corrupt { one_in: 1, leaves }).run(secs(60)));
            justice(&report);
        }
    });
}

#[test]
fn a_peer_that_hides_few_bad_blocks_among_good_ones_is_named_and_banned() {
    for_seeds(30, |seed| {
        for leaves in [Leaves::True, Leaves::Wrong, Leaves::None] {
            let behaviour = Behaviour::Corrupt { one_in: 5, leaves };
            // Long pieces, so that honest peers share most of them with the rogue.
            let scenario = with_rogue(seed, behaviour).share(4 * MIB, 256 * KIB);
            justice(&ok(scenario.run(secs(60))));
        }
    });
}

#[test]
fn several_peers_that_send_bad_blocks_are_no_match_for_one_seeder() {
    for_seeds(15, |seed| {
        let behaviour = Behaviour::Corrupt { one_in: 3, leaves: Leaves::Wrong };
        let scenario = with_rogue(seed, behaviour)
            .share(2 * MIB, 128 * KIB)
            .rogue(behaviour, HOME)
            .rogue(behaviour, HOME);
        ok(scenario.run(secs(120)));
    });
}

#[test]
fn a_peer_that_promises_and_delivers_nothing_costs_little_time() {
    for_seeds(20, |seed| {
        for behaviour in [Behaviour::Silent, Behaviour::Refuse, Behaviour::Fickle] {
            let report = ok(with_rogue(seed, behaviour).run(secs(60)));
            assert!(report.last_finish().unwrap() < secs(12), "{behaviour:?} {report:?}");
        }
    });
}

#[test]
fn a_slow_peer_among_fast_ones_costs_little_time() {
    for_seeds(20, |seed| {
        let build = |slow: bool| {
            let scenario = Scenario::new(seed).share(4 * MIB, 64 * KIB).seeders(3, HOME);
            let scenario = if slow { scenario.seeders(1, Host::mbit(1, 1)) } else { scenario };
            scenario.leechers(1, HOME).run(secs(60))
        };
        let without = ok(build(false)).last_finish().unwrap();
        let with = ok(build(true)).last_finish().unwrap();
        assert!(with < without * 2, "{without:?} without, {with:?} with a slow one");
    });
}

#[test]
fn a_peer_that_drips_does_not_hold_up_the_last_piece() {
    for_seeds(20, |seed| {
        let report = ok(with_rogue(seed, Behaviour::Drip(1)).run(secs(60)));
        assert!(report.last_finish().unwrap() < secs(8), "{report:?}");
    });
}

#[test]
fn floods_and_nonsense_and_deaf_ears_stop_nobody() {
    for_seeds(20, |seed| {
        for behaviour in [Behaviour::Flood, Behaviour::Babble, Behaviour::Deaf] {
            ok(with_rogue(seed, behaviour).run(secs(60)));
        }
    });
}

#[test]
fn a_crowd_of_rogues_of_every_kind() {
    for_seeds(10, |seed| {
        let corrupt = Behaviour::Corrupt { one_in: 2, leaves: Leaves::None };
        let mut scenario = with_rogue(seed, corrupt);
        for behaviour in [
            Behaviour::Silent,
            Behaviour::Refuse,
            Behaviour::Drip(1000),
            Behaviour::Fickle,
            Behaviour::Flood,
            Behaviour::Deaf,
            Behaviour::Babble,
        ] {
            scenario = scenario.rogue(behaviour, HOME);
        }
        ok(scenario.run(secs(120)));
    });
}
