//! What the history holds after one and several processes, however they ended.

use std::{fs, path::Path};

use rusqlite::Connection;
use serde_json::Value;

use crate::{
    queries::assert_like_the_manual,
    world::{Ran, Running, World, assert_fails, bytes},
};

const SIZE: usize = 3 << 20;

fn seed(world: &World, args: &[&str]) -> (Running, String) {
    world.write("share.bin", bytes(SIZE, 1));
    let all = [&["seed", "share.bin", "--json", "--listen", "127.0.0.1:0"], args].concat();
    let mut running = world.start(&all);
    let link = running.event("seeding")["link"].as_str().unwrap().to_owned();
    (running, link)
}

fn get<'a>(link: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let base = ["get", link, "-o", output, "--listen", "127.0.0.1:0", "--seed", "never", "-q"];
    [&base, more].concat()
}

/// The runs that `history` lists, newest first.
fn runs(world: &World) -> Vec<Value> {
    let ran = world.run(&["history", "--json", "--all"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    answer["runs"].as_array().unwrap().clone()
}

fn brief(run: &Value) -> String {
    let word = |key: &str| run[key].as_str().unwrap().to_owned();
    format!("{} {}", word("role"), word("end"))
}

/// Asserts that the download was done, and what it said of the history.
fn assert_fetched(world: &World, ran: &Ran, path: &str, warning: &str) {
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(fs::read(world.path(path)).unwrap(), bytes(SIZE, 1));
    let mut lines = ran.stderr.lines();
    assert!(lines.next().unwrap_or_default().contains(warning), "{ran:?}");
    assert_eq!(lines.next(), None, "{ran:?}");
}

#[test]
fn what_was_shared_and_fetched_is_listed_and_added_up() {
    let world = World::new();
    let (seeder, link) = seed(&world, &[]);
    assert_eq!(world.run(&get(&link, "copy", &[])).code, 0);
    // Which of the two is newer is not told within a second.
    let sorted = || {
        let mut runs = runs(&world);
        runs.sort_by_key(brief);
        runs
    };
    let both = sorted();
    assert_eq!(both.iter().map(brief).collect::<Vec<_>>(), ["get done", "seed running"]);
    let fetched = &both[0];
    assert_eq!((&fetched["downloaded"], &fetched["from_seeds"]), (&SIZE.into(), &SIZE.into()));
    assert_eq!((&fetched["peers_from"], &fetched["peers_to"]), (&1.into(), &0.into()));
    assert!(fetched["completed"].as_f64().unwrap() <= fetched["seconds"].as_f64().unwrap());
    assert_eq!(seeder.stop().code, 0);
    let sharing = &sorted()[1];
    assert_eq!((brief(sharing).as_str(), &sharing["uploaded"]), ("seed done", &SIZE.into()));

    let answer = world.run(&["history", "--json", "-n", "1"]).stdout;
    let listed = assert_like_the_manual("history", &answer);
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1);
    let sums = assert_like_the_manual("stats", &world.run(&["stats", "--json"]).stdout);
    assert_eq!(
        (&sums["runs"], &sums["gets"], &sums["completed"]),
        (&2.into(), &1.into(), &1.into())
    );
    assert_eq!((&sums["ratio"], &sums["shares"]), (&1.0.into(), &1.into()), "at two places");
    assert!(world.run(&["stats"]).stdout.contains("\nuploaded   3.00 MiB\n"));

    // One place it was made at, one it was fetched to, which is gone now.
    fs::remove_file(world.path("copy/share.bin")).unwrap();
    let known = assert_like_the_manual("ls", &world.run(&["ls", "--json"]).stdout);
    let mut known = known["shares"].as_array().unwrap().clone();
    known.sort_by_key(|share| share["kind"].as_str().unwrap().to_owned());
    let words = |n: usize| {
        let word = |key: &str| known[n][key].as_str().unwrap().to_owned();
        format!("{} {} {}", word("kind"), word("state"), word("path"))
    };
    let path = |name: &str| world.path("").canonicalize().unwrap().join(name).display().to_string();
    assert_eq!(words(0), format!("downloaded missing {}", path("copy/share.bin")));
    assert_eq!(words(1), format!("own complete {}", path("share.bin")));
    assert_eq!(known[1]["link"], link.as_str());
}

#[test]
fn lists_are_lines_with_tabs_for_programs() {
    let world = World::new();
    let nothing = world.run(&["history"]);
    assert_eq!((nothing.code, nothing.stderr.as_str()), (0, "nothing was shared or fetched yet\n"));
    assert_eq!(world.run(&["ls", "--no-header"]).stdout, "");
    assert!(world.run(&["stats"]).stdout.starts_with("since      never\n"));
    assert!(!world.home().exists(), "looking makes nothing");

    let (seeder, link) = seed(&world, &[]);
    assert_eq!(seeder.stop().code, 0);
    let ran = world.run(&["history"]);
    let lines: Vec<Vec<_>> = ran.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines[0][..4], ["started", "what", "name", "size"]);
    assert_eq!(lines[1][1..4], ["seed", "share.bin", "3145728"]);
    let path = world.path("").canonicalize().unwrap().join("share.bin");
    assert_eq!(lines[1][10..], ["done", path.to_str().unwrap()]);
    let ran = world.run(&["history", "--links"]);
    assert!(ran.stdout.ends_with(&format!("\t{link}\n")), "{ran:?}");
    let ran = world.run(&["ls", "--links", "--no-header"]);
    assert!(ran.stdout.ends_with(&format!("\t{link}\n")), "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), 1);
}

#[test]
fn many_processes_write_at_once() {
    let world = World::new();
    let (seeder, link) = seed(&world, &[]);
    let folders: Vec<_> = (0..6).map(|n| format!("copy{n}")).collect();
    let all: Vec<_> = folders.iter().map(|folder| world.start(&get(&link, folder, &[]))).collect();
    for ran in all.into_iter().map(Running::end) {
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    }
    assert_eq!(seeder.stop().code, 0);
    let mut ends: Vec<_> = runs(&world).iter().map(brief).collect();
    ends.sort();
    assert_eq!(ends, [vec!["get done"; 6], vec!["seed done"]].concat());
}

#[test]
fn a_process_that_is_killed_was_interrupted() {
    let world = World::new();
    let (seeder, link) = seed(&world, &["--upload-limit", "100K"]);
    let mut killed = world.start(&get(&link, "copy", &["--json"]));
    killed.event("progress");
    // The row is written by a thread of its own; at the latest when others see it.
    while !runs(&world).iter().any(|run| brief(run) == "get running") {}
    killed.kill();
    let ends: Vec<_> = runs(&world).iter().map(brief).collect();
    assert_eq!(ends, ["get interrupted", "seed running"]);
    seeder.kill();
    let known: Value = serde_json::from_str(&world.run(&["ls", "--json"]).stdout).unwrap();
    let states: Vec<_> =
        known["shares"].as_array().unwrap().iter().map(|share| &share["state"]).collect();
    assert_eq!(states, ["incomplete", "complete"]);
}

#[test]
fn a_download_that_fails_and_one_that_is_stopped_say_so() {
    let world = World::new();
    let (seeder, link) = seed(&world, &["--upload-limit", "100K"]);
    let mut stopped = world.start(&get(&link, "copy", &["--json"]));
    stopped.event("progress");
    assert_eq!(stopped.stop().code, 7);
    assert_eq!(seeder.stop().code, 0);
    world.create("share.bin");
    let nobody = format!("{}@127.0.0.1:9", "a".repeat(52));
    let args = get("share.bin.swarm", "other", &["--peer", &nobody, "--timeout", "1s"]);
    assert_eq!(world.run(&args).code, 4);
    let ends: Vec<_> = runs(&world).iter().map(brief).collect();
    assert_eq!(ends, ["get failed", "get stopped", "seed done"]);
}

#[test]
fn a_damaged_history_is_set_aside_and_stops_nothing() {
    let world = World::new();
    let (seeder, link) = seed(&world, &["--history", "false"]);
    fs::write(world.home().join("history.db"), "not a database").unwrap();
    assert_fails(
        &world.run(&["history"]),
        6,
        &format!("history {}: the file is damaged", world.home().join("history.db").display()),
    );
    let ran = world.run(&get(&link, "copy", &[]));
    assert_fetched(&world, &ran, "copy/share.bin", ": damaged; it is now ");
    assert_eq!(seeder.stop().code, 0);
    assert_eq!(runs(&world).iter().map(brief).collect::<Vec<_>>(), ["get done"]);
    let aside = fs::read_dir(world.home()).unwrap().map(|entry| entry.unwrap().path());
    let aside: Vec<_> = aside.filter(|path| path.to_string_lossy().contains(".damaged-")).collect();
    assert_eq!(fs::read(&aside[0]).unwrap(), b"not a database");
}

#[test]
fn a_newer_history_is_left_alone_and_stops_nothing() {
    let world = World::new();
    let (seeder, _) = seed(&world, &[]);
    assert_eq!((seeder.stop().code, runs(&world).len()), (0, 1));
    let path = world.home().join("history.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let newer = fs::read(&path).unwrap();
    let (seeder, link) = seed(&world, &["--history", "false"]);
    let ran = world.run(&get(&link, "copy", &[]));
    assert_fetched(&world, &ran, "copy/share.bin", ": a newer version of swarm wrote it");
    assert_eq!(seeder.stop().code, 0);
    assert_eq!(fs::read(&path).unwrap(), newer);
    assert_eq!(world.run(&["stats"]).code, 6);
}

#[test]
fn a_home_that_cannot_be_written_stops_nothing() {
    let world = World::new();
    let (seeder, link) = seed(&world, &[]);
    let mut command = world.command(&get(&link, "copy", &[]));
    // Nobody can make a folder here, not even root.
    command.env("SWARM_HOME", Path::new("/proc/none"));
    let ran = Running::start(command).end();
    assert_fetched(&world, &ran, "copy/share.bin", "warning: history /proc/none/history.db: ");
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn nothing_is_kept_if_the_user_says_so() {
    let world = World::new();
    let (seeder, _) = seed(&world, &["--history", "false"]);
    assert_eq!(seeder.stop().code, 0);
    assert!(!world.home().join("history.db").exists());
}
