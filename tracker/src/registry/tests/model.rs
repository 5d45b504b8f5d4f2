//! The registry against a model that does everything the slow way.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const PIECES: u32 = 150;

#[derive(Debug, Clone)]
enum Step {
    Full(u32, Vec<bool>),
    All(u32),
    None(u32),
    /// Gained and lost, and whether the digest is right.
    Delta(u32, BTreeSet<u32>, BTreeSet<u32>, bool),
    Stop(u32),
    Wait(u64),
    Expire(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 1..6_u32;
    let some = || prop::collection::btree_set(0..PIECES, 0..20);
    prop_oneof![
        2 => (who.clone(), prop::collection::vec(any::<bool>(), PIECES as usize))
            .prop_map(|(n, row)| Step::Full(n, row)),
        1 => who.clone().prop_map(Step::All),
        1 => who.clone().prop_map(Step::None),
        6 => (who.clone(), some(), some(), prop::bool::weighted(0.8))
            .prop_map(|(n, gained, lost, right)| Step::Delta(n, gained, lost, right)),
        1 => who.prop_map(Step::Stop),
        2 => (0..20_u64).prop_map(Step::Wait),
        2 => (0..8_usize).prop_map(Step::Expire),
    ]
}

/// The rows of those who were heard of in time, by the registry's own intervals.
#[derive(Default)]
struct Model {
    rows: BTreeMap<u32, (BTreeSet<u32>, Duration)>,
}

impl Model {
    fn row(&self, n: u32) -> BTreeSet<u32> {
        self.rows.get(&n).map(|(row, _)| row.clone()).unwrap_or_default()
    }

    fn heard(&mut self, n: u32, row: BTreeSet<u32>, now: Duration, reply: &Announced) {
        let until = now + Duration::from_millis(interval::lifetime_ms(reply.interval_ms));
        self.rows.insert(n, (row, until));
    }
}

fn check(world: &World, model: &Model) -> Result<(), TestCaseError> {
    let swarm = world.swarm();
    // Whoever was heard of in time is there. Others may be, until expiry comes round to them.
    for (&n, (row, until)) in &model.rows {
        let slot = swarm.slot(&peer(n));
        prop_assert!(slot.is_some() || *until <= world.now);
        let Some(slot) = slot else { continue };
        let kept = swarm.peer(slot).row.as_ref().unwrap();
        prop_assert!((0..PIECES).all(|piece| kept.has(piece) == row.contains(&piece)));
    }
    let all = swarm.leechers.iter().chain(&swarm.seeds);
    for piece in 0..PIECES {
        let holders = all.clone().filter(|peer| peer.row.as_ref().unwrap().has(piece)).count();
        prop_assert_eq!(swarm.availability(piece) as usize, holders);
    }
    prop_assert!(swarm.seeds.iter().all(|peer| peer.row == Some(Row::Seed)));
    prop_assert!(swarm.leechers.iter().all(|peer| peer.row != Some(Row::Seed)));
    swarm.check();
    let usage = world.registry.usage();
    prop_assert_eq!(usage.peers as usize, swarm.len());
    prop_assert_eq!(usage.row_bytes as usize, swarm.row_bytes());
    prop_assert_eq!(world.registry.memberships.len(), swarm.len());
    Ok(())
}

proptest! {
    #[test]
    fn the_registry_does_as_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::with(Config { announce_burst: 1000, ..Config::default() });
        world.announced(0, announce(HaveReport::All));
        world.learn(PIECES);
        let mut model = Model::default();
        for step in steps {
            let now = world.now;
            match step {
                Step::Wait(seconds) => world.wait(seconds),
                Step::Expire(budget) => drop(world.registry.expire(now, budget)),
                Step::Stop(n) => {
                    let event = AnnounceEvent::Stopped;
                    world.announced(n, Announce { event, ..announce(HaveReport::None) });
                    model.rows.remove(&n);
                }
                Step::All(n) => {
                    let reply = world.announced(n, announce(HaveReport::All));
                    model.heard(n, (0..PIECES).collect(), now, &reply);
                }
                Step::None(n) => {
                    let reply = world.announced(n, announce(HaveReport::None));
                    model.heard(n, BTreeSet::new(), now, &reply);
                }
                Step::Full(n, bits) => {
                    let row: BTreeSet<u32> =
                        (0..PIECES).filter(|&piece| bits[piece as usize]).collect();
                    let reply = world.announced(n, announce(full(PIECES, row.iter().copied())));
                    prop_assert!(!reply.need_full);
                    model.heard(n, row, now, &reply);
                }
                Step::Delta(n, gained, lost, right) => {
                    if world.swarm().slot(&peer(n)).is_none() {
                        // Forgotten: the registry starts it with an empty row.
                        model.rows.remove(&n);
                    }
                    let mut row = model.row(n);
                    row.extend(&gained);
                    row.retain(|piece| !lost.contains(piece));
                    let digest = row_digest(row.iter().copied()).wrapping_add(u64::from(!right));
                    let have = HaveReport::Delta {
                        gained: gained.into_iter().collect(),
                        lost: lost.into_iter().collect(),
                        digest,
                    };
                    let reply = world.announced(n, announce(have));
                    prop_assert_eq!(reply.need_full, !right);
                    model.heard(n, row, now, &reply);
                }
            }
            // Peer 0 holds the swarm open.
            if world.now != now {
                world.announced(0, announce(HaveReport::All));
            }
            check(&world, &model)?;
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_answers(steps in prop::collection::vec((0..40_u32, 0..3_u8), 1..200)) {
        let run = || {
            let mut world = World::knowing(200);
            steps.iter().map(|&(n, kind)| {
                world.now += Duration::from_millis(700);
                let have = match kind {
                    0 => HaveReport::None,
                    1 => HaveReport::All,
                    _ => full(200, (n..n + 100).map(|p| p % 200)),
                };
                world.send(n, announce(have))
            }).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}
