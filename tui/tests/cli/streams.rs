//! `swarm get -o -`: a file on stdout while it arrives.

use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

use crate::world::{Ran, Running, World, assert_fails};

/// A file of several pieces, and more than a pipe holds: lines that do not repeat.
fn text() -> String {
    (0..400_000).map(|number| format!("{number:015}\n")).collect()
}

/// Shares `path`, and returns the link.
fn seed(world: &World, path: &str, more: &[&str]) -> (Running, String) {
    let all = [&["seed", path, "--json", "--listen", "127.0.0.1:0"], more].concat();
    let mut running = world.start(&all);
    let link = running.event("seeding")["link"].as_str().unwrap().to_owned();
    (running, link)
}

/// Fetches to stdout, with a temporary folder of its own.
fn stream(world: &World, link: &str, more: &[&str]) -> Running {
    let temp = world.path("temp");
    fs::create_dir_all(&temp).unwrap();
    let all = [&["get", link, "-o", "-", "--listen", "127.0.0.1:0"], more].concat();
    let mut command = world.command(&all);
    command.env("TMPDIR", temp);
    Running::start(command)
}

fn assert_nothing_left(world: &World) {
    assert_eq!(fs::read_dir(world.path("temp")).unwrap().count(), 0);
    assert!(!world.path("-").exists());
}

#[test]
fn a_file_arrives_in_order_and_nothing_stays() {
    let world = World::new();
    let text = text();
    world.write("log", &text);
    let (seeder, link) = seed(&world, "log", &[]);
    let ran = stream(&world, &link, &[]).end();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout == text, "{} bytes that differ", ran.stdout.len());
    assert!(ran.stderr.contains("\nverified 6.10 MiB in 0:0"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("sharing on"), "{}", ran.stderr);
    assert_nothing_left(&world);
    // It is no download that could be gone on with or shared.
    let known = world.run(&["ls", "--json"]);
    assert!(!known.stdout.contains("swarm-get-"), "{known:?}");
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn a_reader_need_not_wait_for_the_end_nor_for_anything_of_it() {
    let world = World::new();
    world.write("log", text());
    let (seeder, link) = seed(&world, "log", &["--upload-limit", "1M"]);
    let mut running = stream(&world, &link, &["-q"]);
    assert_eq!(running.line().unwrap(), "000000000000000");
    let closed = running.close_stdout().end();
    assert_eq!((closed.code, closed.stderr.as_str()), (141, ""));
    assert_nothing_left(&world);

    let mut running = stream(&world, &link, &["-q"]);
    assert_eq!(running.line().unwrap(), "000000000000000");
    let Ran { code, stderr, .. } = running.stop();
    assert_eq!((code, stderr.lines().last()), (130, Some("error: interrupted")));
    assert_nothing_left(&world);
    seeder.stop();
}

#[test]
fn what_a_killed_stream_has_left_goes_with_a_later_one() {
    let world = World::new();
    world.write("log", text());
    let (seeder, link) = seed(&world, "log", &["--upload-limit", "1M"]);
    let mut killed = stream(&world, &link, &["-q"]);
    assert_eq!(killed.line().unwrap(), "000000000000000");
    killed.kill();
    let mut running = stream(&world, &link, &["-q"]);
    assert_eq!(running.line().unwrap(), "000000000000000");
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for folder in fs::read_dir(world.path("temp")).unwrap() {
        File::open(folder.unwrap().path()).unwrap().set_modified(hour_ago).unwrap();
    }
    let third = stream(&world, &link, &["--timeout", "1s", "--seed", "forever"]).end();
    assert_eq!(third.code, 2, "refused, before anything is looked at");
    assert_eq!(fs::read_dir(world.path("temp")).unwrap().count(), 2);
    let mut third = stream(&world, &link, &["-q"]);
    assert_eq!(third.line().unwrap(), "000000000000000");
    assert_eq!(fs::read_dir(world.path("temp")).unwrap().count(), 2, "the one that runs is left");
    third.stop();
    running.stop();
    assert_nothing_left(&world);
    seeder.stop();
}

#[test]
fn an_empty_file_is_an_empty_stream() {
    let world = World::new();
    world.write("none", "");
    let (seeder, link) = seed(&world, "none", &[]);
    let ran = stream(&world, &link, &[]).end();
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert_nothing_left(&world);
    seeder.stop();
}

#[test]
fn what_is_no_single_file_or_needs_stdout_too_is_refused() {
    let world = World::new();
    world.write("share/one", "1");
    let (seeder, link) = seed(&world, "share", &[]);
    let folder = stream(&world, &link, &[]).end();
    assert_fails(&folder, 2, "the share is a folder, and -o - writes a single file");
    assert_nothing_left(&world);
    let chosen = stream(&world, &link, &["--only", "one"]).end();
    assert_fails(&chosen, 2, "with -o - there is one file, and nothing to choose from");
    let sharing = stream(&world, &link, &["--seed", "forever"]).end();
    assert_fails(&sharing, 2, "with -o - nothing stays that could be shared on");
    let hook = stream(&world, &link, &["--on-complete", "true"]).end();
    assert_fails(&hook, 2, "with -o - nothing stays that a program could be run for");
    let json = stream(&world, &link, &["--json"]).end();
    let error = "error: with -o - stdout is for the file, and --json needs it too\n";
    assert_eq!((json.code, json.stderr.starts_with(error)), (2, true), "{json:?}");
    assert_eq!(json.stdout.lines().count(), 1, "{json:?}");
    assert_nothing_left(&world);
    seeder.stop();
}
