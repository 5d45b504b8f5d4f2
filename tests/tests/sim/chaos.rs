//! First everything fails at random, then the world is made whole again: nothing bad may happen in
//! the first part, and everybody must finish in the second.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use swarm_engine::{Command, Order, Priority, State};
use swarm_tests::sim::{
    Behaviour, KIB, MIB, NodeId, Scenario, World, for_seeds, rogue::Leaves, scenario::NodeSpec,
    seeds::rng_for,
};

use crate::{HOME, ok, secs};

/// Files of several pieces, of a part of one, and of none.
const FILES: [u64; 6] = [700 * KIB, 0, 300_000, 64 * KIB, 1, 900 * KIB + 7];
/// A seeder and five leechers; a rogue may come after them.
const HONEST: usize = 6;

#[test]
fn chaos_and_then_peace() {
    chaos(&[2 * MIB]);
}

/// They are asked for and answered by the dozen.
#[test]
fn chaos_among_small_files_and_then_peace() {
    chaos(&[20_000; 100]);
}

fn chaos(files: &[u64]) {
    for_seeds(40, |seed| {
        let mut rng = rng_for(seed, "chaos", 0);
        let mut world =
            Scenario::new(seed).files(files, 32 * KIB).seeders(1, HOME).leechers(5, HOME).build();
        for _ in 0..40 {
            ok(world.run_for(Duration::from_millis(rng.random_range(1..500))));
            fail(&mut world, &mut rng);
        }
        repair(&mut world);
        ok(world.finish(secs(600)));
    });
}

#[test]
fn chaos_with_users_who_change_their_minds_and_then_peace() {
    for_seeds(40, |seed| {
        let mut rng = rng_for(seed, "minds", 0);
        let mut scenario = Scenario::new(seed)
            .files(&FILES, 32 * KIB)
            .seeders(1, HOME)
            .with(|node| set_up(node, &mut rng))
            .leechers(HONEST - 1, HOME)
            .with(|node| {
                set_up(node, &mut rng);
                if rng.random() {
                    node.config.priorities = FILES.map(|_| priority(&mut rng)).into();
                }
            });
        if rng.random_ratio(1, 3) {
            scenario = scenario.rogue(behaviour(&mut rng), HOME);
        }
        let mut world = scenario.build();
        for _ in 0..60 {
            ok(world.run_for(Duration::from_millis(rng.random_range(1..300))));
            if rng.random() {
                fail(&mut world, &mut rng);
            } else {
                let node = NodeId(rng.random_range(0..HONEST));
                world.command(node, command(&mut rng));
            }
        }
        repair(&mut world);
        for node in honest() {
            for command in [
                Command::Resume,
                Command::LimitUpload(None),
                Command::LimitDownload(None),
                Command::SetPriority {
                    files: (0..FILES.len() as u32).collect(),
                    priority: Priority::Normal,
                },
            ] {
                world.command(node, command);
            }
        }
        // Who had skipped something has finished before: what counts is on the disks.
        let pieces = world.env().share.geometry().piece_count();
        let whole = |world: &World| honest().all(|node| world.recorded(node) == pieces);
        let done = ok(world.run_until(secs(600), whole));
        let recorded: Vec<_> = honest().map(|node| world.recorded(node)).collect();
        assert!(done, "seed {seed}: of {pieces} pieces {recorded:?}");
        ok(world.run_for(secs(5)));
        let states = honest().map(|node| world.snapshot(node).unwrap().state);
        assert_eq!(states.collect::<Vec<_>>(), [State::Seeding; HONEST], "seed {seed}");
    });
}

fn honest() -> impl Iterator<Item = NodeId> {
    (0..HONEST).map(NodeId)
}

/// Settings of any user, on a machine of any kind.
fn set_up(node: &mut NodeSpec, rng: &mut ChaCha8Rng) {
    let config = &mut node.config;
    config.order = if rng.random() { Order::Sequential } else { Order::RarestFirst };
    config.buffer_bytes = one_of(rng, [128 * KIB, 512 * KIB, 24 * MIB]);
    config.send_bytes = one_of(rng, [128 * KIB, 16 * MIB]);
    config.upload_slots = rng.random_range(1..=8);
    config.connections_max = rng.random_range(3..=8);
    config.upload_limit = limit(rng);
    config.download_limit = limit(rng);
    node.disk.rate = one_of(rng, [4_000_000, 800_000_000]);
}

fn one_of<T: Copy, const N: usize>(rng: &mut ChaCha8Rng, all: [T; N]) -> T {
    all[rng.random_range(0..N)]
}

fn limit(rng: &mut ChaCha8Rng) -> Option<u64> {
    rng.random_ratio(1, 3).then(|| rng.random_range(20_000..2_000_000))
}

fn priority(rng: &mut ChaCha8Rng) -> Priority {
    one_of(rng, [Priority::Skip, Priority::Low, Priority::Normal, Priority::High])
}

fn behaviour(rng: &mut ChaCha8Rng) -> Behaviour {
    let kinds = [
        Behaviour::Corrupt { one_in: 3, leaves: Leaves::True },
        Behaviour::Corrupt { one_in: 3, leaves: Leaves::Wrong },
        Behaviour::Corrupt { one_in: 1, leaves: Leaves::None },
        Behaviour::Silent,
        Behaviour::Refuse,
        Behaviour::Drip(1000),
        Behaviour::Fickle,
        Behaviour::Flood,
        Behaviour::Deaf,
        Behaviour::Babble,
    ];
    one_of(rng, kinds)
}

/// What a user may ask for.
fn command(rng: &mut ChaCha8Rng) -> Command {
    match rng.random_range(0..10) {
        0 => Command::Pause,
        1 => Command::Resume,
        2 => Command::LimitUpload(limit(rng)),
        3 => Command::LimitDownload(limit(rng)),
        4 => Command::Verify,
        5 => Command::Announce,
        _ => {
            // One may be named twice, or not be there.
            let files = (0..rng.random_range(1..4)).map(|_| rng.random_range(0..7)).collect();
            Command::SetPriority { files, priority: priority(rng) }
        }
    }
}

/// Something goes wrong, or is mended.
fn fail(world: &mut World, rng: &mut ChaCha8Rng) {
    let [node, other] = [(); 2].map(|()| NodeId(rng.random_range(0..HONEST)));
    match rng.random_range(0..10) {
        0 | 1 if world.alive(node) => world.kill(node),
        0..=2 if !world.alive(node) => world.start(node),
        3 | 4 if node != other => world.cut(node, other),
        5 if node != other => world.heal(node, other),
        6 => world.reset(node),
        7 => set_disk(world, node, rng.random(), 0),
        8 => set_disk(world, node, false, rng.random_range(0..200)),
        9 if rng.random() => world.stop_tracker(0),
        9 => world.start_tracker(0),
        _ => {}
    }
}

/// Whether a disk has space, and of how many operations in a thousand it fails.
fn set_disk(world: &mut World, node: NodeId, full: bool, failures: u32) {
    if let Some(disk) = world.disk(node) {
        disk.set_full(full);
        disk.set_failures(failures);
    }
}

/// From now on everything works.
fn repair(world: &mut World) {
    world.start_tracker(0);
    for node in honest() {
        world.rejoin(node);
        set_disk(world, node, false, 0);
        if !world.alive(node) {
            world.start(node);
        }
    }
}
