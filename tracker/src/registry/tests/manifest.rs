//! How a tracker comes to know a swarm's manifest, and how it loses it.

use swarm_proto::{
    id::Digest,
    manifest::{Extras, FileInfo, Info, Manifest},
};

use super::*;

fn manifest(pieces: u32) -> Manifest {
    let info = Info {
        name: "share".into(),
        piece_length: 16 * 1024,
        files: vec![FileInfo {
            path: "".into(),
            length: u64::from(pieces) * 16 * 1024,
            executable: false,
            root: None,
        }],
        empty_folders: vec![],
    };
    let digests = (0..pieces).map(|n| Digest::new([n as u8; 32])).collect();
    Manifest::build(info, digests, Extras::default()).unwrap()
}

impl World {
    fn put(&mut self, n: u32, swarm: SwarmId, bytes: &[u8], at: usize, len: usize) -> TrackerReply {
        let data = Bytes::copy_from_slice(&bytes[at..bytes.len().min(at + len)]);
        let (total, offset) = (bytes.len() as u32, at as u32);
        let request = TrackerRequest::PutManifest { swarm, total, offset, data };
        self.registry.handle(self.now, peer(n), home(n), request)
    }

    fn get(&mut self, swarm: SwarmId, offset: u32) -> TrackerReply {
        let request = TrackerRequest::GetManifest { swarm, offset };
        self.registry.handle(self.now, peer(99), home(99), request)
    }
}

fn received(n: usize) -> TrackerReply {
    TrackerReply::ManifestPut { received: n as u32 }
}

const INVALID: TrackerReply = TrackerReply::Refused { why: Refusal::Invalid, retry_s: 0 };
const FORBIDDEN: TrackerReply = TrackerReply::Refused { why: Refusal::Forbidden, retry_s: 0 };
const NOT_FOUND: TrackerReply =
    TrackerReply::Refused { why: Refusal::NotFound, retry_s: NOT_FOUND_RETRY_S };

#[test]
fn a_manifest_goes_in_and_comes_out_in_parts() {
    let manifest = manifest(20_000);
    let (swarm, bytes) = (manifest.id(), manifest.encode());
    let mut world = World::new();
    let hello = Announce { swarm, ..announce(HaveReport::All) };
    assert!(world.announced(1, hello.clone()).need_manifest);
    assert_eq!(world.get(swarm, 0), NOT_FOUND);

    let mut at = 0;
    while at < bytes.len() {
        let end = bytes.len().min(at + MANIFEST_PART_MAX);
        assert_eq!(world.put(1, swarm, &bytes, at, MANIFEST_PART_MAX), received(end));
        at = end;
    }
    assert!(!world.announced(1, hello).need_manifest);
    let mut copy = Vec::new();
    while copy.len() < bytes.len() {
        match world.get(swarm, copy.len() as u32) {
            TrackerReply::ManifestPart { total, offset, data } => {
                assert_eq!((total as usize, offset as usize), (bytes.len(), copy.len()));
                copy.extend_from_slice(&data);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(copy, bytes);
    let (total, data) = (bytes.len() as u32, Bytes::new());
    let end = TrackerReply::ManifestPart { total, offset: total, data };
    assert_eq!(world.get(swarm, total), end);
    assert_eq!(world.get(swarm, total + 1), INVALID);
    assert_eq!(world.registry.usage().manifest_bytes, bytes.len() as u64);
    // Whoever comes later need not send it all.
    world.announced(2, Announce { swarm, ..announce(HaveReport::All) });
    assert_eq!(world.put(2, swarm, &bytes, 0, 10), received(bytes.len()));
}

#[test]
fn bytes_of_another_manifest_are_refused() {
    let mut world = World::new();
    world.announced(1, announce(HaveReport::All));
    let other = manifest(3).encode();
    assert_eq!(world.put(1, SWARM, &other, 0, 1 << 20), INVALID);
    assert_eq!(world.put(1, SWARM, b"no manifest at all", 0, 100), INVALID);
    assert_eq!(world.get(SWARM, 0), NOT_FOUND);
    assert_eq!(world.registry.gauges.upload_bytes.get(), 0);
}

#[test]
fn only_members_may_put() {
    let mut world = World::new();
    assert_eq!(world.put(1, SWARM, b"abc", 0, 3), FORBIDDEN);
    world.announced(2, announce(HaveReport::All));
    assert_eq!(world.put(1, SWARM, b"abc", 0, 3), FORBIDDEN);
}

#[test]
fn parts_come_in_order_or_begin_anew() {
    let manifest = manifest(100);
    let (swarm, bytes) = (manifest.id(), manifest.encode());
    let mut world = World::new();
    world.announced(1, Announce { swarm, ..announce(HaveReport::All) });
    assert_eq!(world.put(1, swarm, &bytes, 500, 100), INVALID);
    assert_eq!(world.put(1, swarm, &bytes, 0, 500), received(500));
    assert_eq!(world.put(1, swarm, &bytes, 600, 100), INVALID);
    assert_eq!(world.put(1, swarm, &bytes, 500, 100), INVALID, "the upload was dropped");
    assert_eq!(world.put(1, swarm, &bytes, 0, 500), received(500));
    assert_eq!(world.put(1, swarm, &bytes, 0, 600), received(600));
    assert_eq!(world.put(1, swarm, &bytes, 600, 0), INVALID, "an empty part");
    assert_eq!(world.put(1, swarm, &bytes, 0, 1 << 20), received(bytes.len()));
    let gauges = &world.registry.gauges;
    assert_eq!((gauges.uploads.get(), gauges.upload_bytes.get()), (0, 0));
}

#[test]
fn who_begins_and_does_not_go_on_makes_room_for_others() {
    let manifest = manifest(100);
    let (swarm, bytes) = (manifest.id(), manifest.encode());
    let mut world = World::with(Config { uploads_max: 2, ..Config::default() });
    // So long, with everybody still there.
    let pass = |world: &mut World, tens: u32| {
        for _ in 0..tens {
            world.wait(10);
            for n in 1..=3 {
                world.announced(n, Announce { swarm, ..announce(HaveReport::All) });
            }
            world.expire();
        }
    };
    pass(&mut world, 1);
    assert_eq!(world.put(1, swarm, &bytes, 0, 1), received(1));
    pass(&mut world, 5);
    assert_eq!(world.put(2, swarm, &bytes, 0, 1), received(1));
    let full = TrackerReply::Refused { why: Refusal::Full, retry_s: FULL_RETRY_S };
    assert_eq!(world.put(3, swarm, &bytes, 0, 1), full, "both may still go on");
    pass(&mut world, 1);
    assert_eq!(world.put(3, swarm, &bytes, 0, 1), received(1));
    assert_eq!(world.put(1, swarm, &bytes, 1, 1), INVALID, "it has stood still for a minute");
    assert_eq!(world.put(2, swarm, &bytes, 1, 1), received(2));
}

#[test]
fn uploads_have_limits() {
    let config = Config {
        uploads_max: 2,
        upload_bytes_max: 150,
        manifest_len_max: 1000,
        ..Config::default()
    };
    let retry_s = FULL_RETRY_S;
    let full = TrackerReply::Refused { why: Refusal::Full, retry_s };
    let mut world = World::with(config);
    for n in 1..=3 {
        world.announced(n, announce(HaveReport::All));
    }
    let bytes = [0; 900];
    assert_eq!(world.put(1, SWARM, &[0; 1001], 0, 10), TOO_LONG);
    assert_eq!(world.put(1, SWARM, &bytes, 0, 100), received(100));
    assert_eq!(world.put(2, SWARM, &bytes, 0, 40), received(40));
    assert_eq!(world.put(3, SWARM, &bytes, 0, 1), full);
    assert_eq!(world.put(2, SWARM, &bytes, 40, 11), full);
    assert_eq!(world.put(3, SWARM, &bytes, 0, 50), received(50));
    world.wait(601);
    world.expire();
    let gauges = &world.registry.gauges;
    assert_eq!((gauges.uploads.get(), gauges.upload_bytes.get()), (0, 0));
}

const TOO_LONG: TrackerReply = TrackerReply::Refused { why: Refusal::Full, retry_s: 0 };

#[test]
fn few_are_asked_for_the_manifest_and_others_if_they_do_not_deliver() {
    let mut world = World::new();
    let asked = |world: &mut World, n, have| world.announced(n, announce(have)).need_manifest;
    // It may be that the first has it, but one that has nothing is tried alone.
    assert!(asked(&mut world, 1, HaveReport::None));
    assert!(!asked(&mut world, 2, HaveReport::None));
    assert!(asked(&mut world, 3, HaveReport::All));
    assert!(!asked(&mut world, 4, full(8, [1])));
    assert!(asked(&mut world, 3, HaveReport::All), "and again as long as it is missing");
    world.wait(30);
    assert!(asked(&mut world, 4, full(8, [1])));
}

#[test]
fn rows_are_kept_once_the_number_of_pieces_is_known() {
    let mut world = World::new();
    let reply = world.announced(1, announce(full(16, [0, 1])));
    assert!(reply.need_full && reply.rarest.is_empty());
    world.learn(16);
    assert!(!world.announced(1, announce(full(16, [0, 1]))).need_full);
    assert_eq!(world.swarm().availability(0), 1);
}

#[test]
fn a_share_without_a_piece_has_only_seeds() {
    let mut world = World::new();
    world.announced(1, announce(HaveReport::None));
    world.learn(0);
    for have in [HaveReport::None, HaveReport::All, full(0, [])] {
        let reply = world.announced(1, announce(have));
        assert_eq!((reply.need_full, world.swarm().seeds.len()), (false, 1));
    }
}

#[test]
fn a_manifest_outlives_its_swarm_for_some_hours() {
    let mut world = World::knowing(10);
    world.wait(3600);
    world.expire();
    let usage = world.registry.usage();
    assert_eq!((usage.peers, usage.swarms, usage.manifest_bytes), (0, 1, 1000));
    assert!(matches!(world.get(SWARM, 0), TrackerReply::ManifestPart { .. }));
    world.wait(13 * 3600);
    world.expire();
    assert_eq!(world.registry.usage(), Usage::default());
}

#[test]
fn manifests_in_use_are_never_evicted_and_idle_ones_are() {
    let mut world = World::with(Config { manifest_bytes_max: 2500, ..Config::default() });
    let swarm = |n: u8| SwarmId::new([n; 32]);
    let learn = |world: &mut World, n: u8| {
        world.announced(u32::from(n), Announce { swarm: swarm(n), ..announce(HaveReport::All) });
        world.registry.admit(Some(checked(swarm(n), 10, 1000)))
    };
    assert_eq!(learn(&mut world, 1), received(1000));
    assert_eq!(learn(&mut world, 2), received(1000));
    let full = TrackerReply::Refused { why: Refusal::Full, retry_s: FULL_RETRY_S };
    assert_eq!(learn(&mut world, 3), full);
    let bye =
        Announce { swarm: swarm(2), event: AnnounceEvent::Stopped, ..announce(HaveReport::All) };
    world.announced(2, bye);
    assert_eq!(learn(&mut world, 3), received(1000));
    assert_eq!(world.get(swarm(2), 0), NOT_FOUND);
    assert_eq!(world.registry.usage().manifest_bytes, 2000);
}
