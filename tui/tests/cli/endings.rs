//! A second request to end, while the first is being obeyed.

use rustix::process::Signal;

use crate::world::{Ran, Running, World, assert_same, bytes};

const LOOPBACK: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// A tracker, and the key and address of it. While it is stopped, saying goodbye to it takes seconds.
fn tracker(world: &World) -> (Running, String) {
    let mut tracker = world.start(&[&["tracker"], &LOOPBACK[..]].concat());
    let at = tracker.line().unwrap();
    (tracker, at)
}

/// Asks twice, and returns what came of it.
fn stop_twice(running: Running) -> Ran {
    running.signal(Signal::INT);
    running.told("stopping (again to force)");
    running.stop()
}

#[test]
fn a_seeder_that_is_told_twice_ends_at_once() {
    let world = World::new();
    world.write("share", bytes(300_000, 1));
    let (tracker, at) = tracker(&world);
    let mut seeder =
        world.start(&[&["seed", "share", "--json", "--tracker", &at], &LOOPBACK[..]].concat());
    seeder.event("tracker_up");
    tracker.suspend();
    let ran = stop_twice(seeder);
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.stderr.ends_with("stopping (again to force)\n"), "{ran:?}");
    assert!(!ran.stdout.contains("stopped"), "{ran:?}");
    tracker.kill();
}

#[test]
fn a_download_that_is_told_twice_ends_at_once_and_is_gone_on_with() {
    let world = World::new();
    world.write("share", bytes(3 << 20, 1));
    let (tracker, at) = tracker(&world);
    let seed = ["seed", "share", "--json", "--tracker", &at, "--upload-limit", "1M"];
    let mut seeder = world.start(&[&seed[..], &LOOPBACK].concat());
    let link = seeder.event("seeding")["link"].as_str().unwrap().to_owned();
    let get = [&["get", &link, "-o", "copy", "--json"], &LOOPBACK[..]].concat();
    let mut getter = world.start(&get);
    while getter.event("progress")["bytes_have"].as_u64().unwrap() < 1 << 20 {}
    tracker.suspend();
    let ran = stop_twice(getter);
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.stderr.ends_with("stopping (again to force)\n"), "{ran:?}");

    tracker.signal(Signal::CONT);
    let mut again = world.start(&[&get[..], &["--seed", "never"]].concat());
    let resumed = again.event("started")["bytes_have"].as_u64().unwrap();
    assert!(resumed > 0, "what was verified and synced is kept");
    assert_eq!(again.end().code, 0);
    assert_same(&world.path("share"), &world.path("copy/share"));
    assert_eq!((seeder.stop().code, tracker.stop().code), (0, 0));
}

#[test]
fn a_program_that_does_not_end_holds_up_nobody_who_asks_twice() {
    let world = World::new();
    world.write("share", bytes(300_000, 1));
    let mut seeder = world.start(&[&["seed", "share", "--json"], &LOOPBACK[..]].concat());
    let link = seeder.event("seeding")["link"].as_str().unwrap().to_owned();
    // It says when it cannot be ended any more but by force, and ends after three seconds.
    let deaf = "trap : TERM; echo deaf >&2; for n in $(seq 30); do sleep 0.1; done";
    let hook = ["--on-complete", "sh", "--on-complete", "-c", "--on-complete", deaf];
    let get = ["get", &link, "-o", "copy", "--seed", "never"];
    let getter = world.start(&[&get[..], &hook, &LOOPBACK].concat());
    getter.told("deaf");
    let ran = stop_twice(getter);
    assert_eq!((ran.code, ran.stdout.as_str()), (130, "copy/share\n"), "{ran:?}");
    assert_same(&world.path("share"), &world.path("copy/share"));
    assert_eq!(seeder.stop().code, 0);
}
