//! The first thing that a new user tries.

use serde_json::Value;

use crate::world::{World, bytes};

#[test]
fn a_demo_ends_with_equal_copies_and_leaves_nothing() {
    let world = World::new();
    let temp = world.path("temp");
    std::fs::create_dir(&temp).unwrap();
    let ran = world.run(&["demo", "--size", "8M", "--temp", "temp"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("4 copies of 8.00 MiB in "), "{ran:?}");
    assert!(lines[0].ends_with(" s, all equal to the source"), "{ran:?}");
    assert_eq!(lines.len(), 4, "{ran:?}");
    assert!(!ran.stderr.contains('\r'), "{ran:?}");
    assert_eq!(std::fs::read_dir(temp).unwrap().count(), 0);
    assert!(!world.home().exists(), "a demo needs no home");
}

#[test]
fn a_demo_of_the_users_own_folder_for_programs() {
    let world = World::new();
    world.write("share/one", bytes(3 << 20, 1));
    world.write("share/two", bytes(100, 2));
    let args = ["demo", "share", "--peers", "2", "--json", "--progress", "none", "-q"];
    let ran = world.run(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let events: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["demo", "demo_completed", "demo_completed", "demo_summary"]);
    let summary = &events[3];
    assert_eq!((&summary["verified"], &summary["downloaders"]), (&true.into(), &2.into()));
    assert_eq!(summary["bytes"], (3 << 20) + 100);
}

#[test]
fn a_demo_that_does_not_fit_says_so_first() {
    let ran = World::new().run(&["demo", "--size", "8000T"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (6, ""), "{ran:?}");
    assert!(ran.stderr.contains("are needed, "), "{ran:?}");
    assert!(ran.stderr.contains("hint: make it smaller with --size"), "{ran:?}");
}
