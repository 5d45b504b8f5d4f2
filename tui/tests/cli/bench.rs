//! Measuring: what is printed, what it is compared with, and that nothing stays.

use std::{fs, path::Path};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    queries::{assert_like_the_manual, example},
    world::{Ran, World, assert_fails},
};

/// The smallest benchmark that is one.
const TINY: [&str; 10] = [
    "bench",
    "--size=1M",
    "--getters=2",
    "--runs=1",
    "--dir=temp",
    "-q",
    "--json",
    "--memory=8M",
    "--disk-threads=1",
    "--connections=9",
];

fn world_with_temp() -> World {
    let world = World::new();
    fs::create_dir(world.path("temp")).unwrap();
    world
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().count() == 0
}

/// Asserts that objects have the same fields all the way down. What is null may be anything.
fn assert_same_shape(at: &str, a: &Value, b: &Value) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{at}");
            a.iter().for_each(|(key, value)| assert_same_shape(key, value, &b[key]));
        }
        (Value::Array(a), Value::Array(b)) => {
            if let (Some(a), Some(b)) = (a.first(), b.first()) {
                assert_same_shape(at, a, b);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        _ => assert_eq!(a.is_number(), b.is_number(), "{at}: {a} {b}"),
    }
}

fn compare(world: &World, old: &Value) -> Ran {
    world.write("old.json", old.to_string());
    world.run(&[&TINY[..], &["--compare", "old.json"]].concat())
}

/// A report that everything is better than, so that chance has no part in the test.
fn slow(report: &Value) -> Value {
    let mut slow = report.clone();
    for (name, figure) in slow["figures"].as_object_mut().unwrap() {
        figure["median"] = if name == "rate" { json!(1.0) } else { json!(1e12) };
    }
    slow
}

#[test]
fn a_benchmark_ends_with_figures_and_leaves_nothing() {
    let world = world_with_temp();
    let ran = world.run(&TINY);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let report = assert_like_the_manual("bench", &ran.stdout);
    assert_same_shape("bench", &report, &Value::Object(example("bench")));
    assert_eq!((&report["verified"], &report["compared"]), (&json!(true), &Value::Null));
    assert_eq!(report["settings"]["bytes"], 1 << 20);
    assert_eq!(report["settings"]["connections"], 9);
    let run = &report["runs"][0];
    assert_eq!(run["seconds"].as_array().unwrap().len(), 2);
    assert!(run["seeder"]["uploaded"].as_u64().unwrap() >= 1 << 20, "{run}");
    let sent = |process: &Value| process["uploaded"].as_u64().unwrap();
    let received = |process: &Value| process["downloaded"].as_u64().unwrap();
    let getters = run["getters"].as_array().unwrap();
    let all = sent(&run["seeder"]) + getters.iter().map(sent).sum::<u64>();
    assert!(all >= getters.iter().map(received).sum::<u64>(), "{run}");
    for getter in run["getters"].as_array().unwrap() {
        let sum = |name: &str| getter[name].as_u64().unwrap();
        assert_eq!(sum("downloaded") - sum("duplicate") - sum("corrupt"), 1 << 20, "{getter}");
    }
    assert!(is_empty(&world.path("temp")));
    assert!(!world.home().exists(), "a benchmark needs no home");

    // What is worse fails, what is better does not.
    let mut old = slow(&report);
    let same = compare(&world, &old);
    assert_eq!((same.code, same.stderr.as_str()), (0, ""), "{same:?}");
    let compared = &assert_like_the_manual("bench", &same.stdout)["compared"];
    assert_same_shape("compared", compared, &example("bench")["compared"]);
    assert_eq!(compared["changes"][0]["verdict"], "better");
    old["figures"]["seed_copies"]["median"] = json!(0.5);
    let worse = compare(&world, &old);
    assert_eq!(worse.code, 9, "{worse:?}");
    assert!(
        worse.stderr.starts_with("error: worse by more than 10 %: sent by the seeder\nhint: "),
        "{worse:?}"
    );
    let compared = &assert_like_the_manual("bench", &worse.stdout)["compared"];
    assert_eq!(compared["changes"][4]["verdict"], "worse");

    // Nothing is measured for a comparison that would say nothing.
    old["settings"]["getters"] = json!(3);
    let other = compare(&world, &old);
    assert_eq!(other.code, 2, "{other:?}");
    let what = "error: the earlier report is of something else: getters: 3 then, 2 now\nhint: ";
    assert!(other.stderr.starts_with(what), "{other:?}");
}

#[test]
fn a_report_for_people_is_a_table() {
    let world = world_with_temp();
    let ran = world.run(&["bench", "--size=1M", "--getters=1", "--runs=2", "--transport=plain"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "1 seeder, 1 getter, 1.00 MiB in pieces of 64.0 KiB over plain");
    assert!(lines[3].ends_with("lowest      highest  of 2 runs"), "{ran:?}");
    assert!(ran.stdout.contains("\nevery copy is equal to what was shared\n"), "{ran:?}");
    assert!(!ran.stderr.contains('\r'), "{ran:?}");
}

#[test]
fn what_is_no_report_is_refused_before_anything_runs() {
    let world = world_with_temp();
    world.write("old.json", "{}");
    let ran = world.run(&["bench", "--compare", "old.json"]);
    assert_fails(&ran, 2, "old.json: not a report: missing field `bench` at line 1 column 2");
    let ran = world.run(&["bench", "--compare", "none.json"]);
    assert_fails(&ran, 1, "none.json: no such file or folder");
    let ran = world.run(&["bench", "--dir", "temp", "--size", "8000T"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    let ran = world.run(&["bench", "--size", "0"]);
    assert_fails(&ran, 2, "--size: there is nothing to share");
    let ran = world.run(&["bench", "--listen", "127.0.0.1:0"]);
    assert_fails(&ran, 2, "--listen is for a real network");
    let ran = world.run(&["bench", "swarm:?id=broken"]);
    assert_eq!(ran.code, 3, "{ran:?}");
}

#[test]
fn a_real_share_is_fetched_and_measured() {
    let world = world_with_temp();
    world.write("share/file", crate::world::bytes(2 << 20, 1));
    let mut seeder = world.start(&["seed", "share", "--json", "--listen", "127.0.0.1:0"]);
    let link = seeder.event("seeding")["link"].as_str().unwrap().to_owned();
    let args = ["bench", &link, "--dir=temp", "--runs=2", "--json", "--listen=127.0.0.1:0", "-q"];
    let ran = world.run(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let report = assert_like_the_manual("bench", &ran.stdout);
    assert_eq!(report["settings"]["bytes"], 2 << 20);
    assert_eq!((&report["settings"]["getters"], &report["verified"]), (&json!(1), &json!(true)));
    assert_eq!(report["runs"][1]["getters"][0]["from_seeds"], 2 << 20);
    assert_eq!(report["figures"]["seed_copies"], Value::Null);
    assert!(is_empty(&world.path("temp")));
    seeder.stop();
}

#[test]
fn each_part_of_the_machine_is_an_object_as_the_manual_says() {
    let world = world_with_temp();
    for (heading, args) in [
        ("bench hash", &["bench", "hash", "--json"][..]),
        ("bench tls", &["bench", "tls", "--json"]),
        ("bench disk", &["bench", "disk", "temp", "--size=1M", "--files=3", "--json"]),
    ] {
        let ran = world.run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        let printed = assert_like_the_manual(heading, &ran.stdout);
        assert_same_shape(heading, &printed, &Value::Object(example(heading)));
    }
    assert!(is_empty(&world.path("temp")));
}

#[test]
fn whoever_stops_or_kills_it_finds_nothing_left() {
    let world = world_with_temp();
    let temp = world.path("temp");
    let start = || {
        // Slow, so that it is under way when it is said how far it is.
        let flags = ["--size=4M", "--getters=2", "--dir=temp", "--download-limit=100K"];
        let running = world.start(&[&["bench"], &flags[..]].concat());
        running.told("run 1 of ");
        running
    };
    // All its processes have its stderr, so what ends with that has ended.
    let ran = start().stop();
    assert_eq!((ran.code, ran.stdout.as_str()), (130, ""), "{ran:?}");
    assert!(is_empty(&temp));

    start().kill_and_outlive();
    assert!(is_empty(&temp));

    let running = start();
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 130);
    assert!(is_empty(&temp));
}
