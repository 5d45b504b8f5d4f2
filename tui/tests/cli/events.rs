//! Every event of the manual, from real runs: processes, sockets and files, and what goes wrong with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    process::{Command, Stdio},
};

use serde_json::{Map, Value};

use crate::world::{Ran, Running, World, bytes};

const SIZE: usize = 3_000_000;
const LOOPBACK: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// What was printed, by the kind of event.
#[derive(Default)]
struct Told(BTreeMap<String, Vec<Map<String, Value>>>);

impl Told {
    /// Every line is an event by itself.
    fn take(&mut self, ran: &Ran) {
        for line in ran.stdout.lines() {
            let event: Map<String, Value> = serde_json::from_str(line).unwrap();
            self.0.entry(event["event"].as_str().unwrap().to_owned()).or_default().push(event);
        }
    }
}

/// The examples of the manual, by the kind of event.
fn manual() -> BTreeMap<String, Map<String, Value>> {
    let lines = include_str!("../../../docs/json.md").lines();
    let examples = lines.filter(|line| line.starts_with("{\"event\""));
    let example = |line| serde_json::from_str::<Map<String, Value>>(line).unwrap();
    examples.map(example).map(|e| (e["event"].as_str().unwrap().to_owned(), e)).collect()
}

/// Fields that the manual says may be absent.
fn may_lack(kind: &str, field: &str) -> bool {
    matches!((kind, field), ("error", "hint") | ("stopped", "swarm" | "uploaded"))
}

/// Asserts that an event has the fields of the manual's example, and values of the same kind.
fn assert_like(example: &Map<String, Value>, event: &Map<String, Value>, kind: &str) {
    for field in event.keys() {
        assert!(example.contains_key(field), "{kind}: the manual lacks {field}");
    }
    for (field, shown) in example {
        let Some(value) = event.get(field) else {
            assert!(may_lack(kind, field), "{kind} lacks {field}: {event:?}");
            continue;
        };
        let same = value.is_null()
            || shown.is_null()
            || std::mem::discriminant(value) == std::mem::discriminant(shown);
        assert!(same, "{kind} {field}: {value}, and {shown} in the manual");
        if let Some(number) = value.as_f64() {
            assert!(number >= 0.0, "{kind} {field}: {number}");
        }
    }
}

/// Shares `film` on loopback, and returns the link.
fn seed(world: &World, more: &[&str]) -> (Running, String) {
    world.write("film", bytes(SIZE, 1));
    let seed = ["seed", "film", "--json", "--piece-length", "64K"];
    let mut seeder = world.start(&[&seed[..], &LOOPBACK, more].concat());
    let link = seeder.event("seeding")["link"].as_str().unwrap().to_owned();
    (seeder, link)
}

fn get<'a>(link: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["get", link, "-o", "copy", "--progress", "json"], &LOOPBACK[..], more].concat()
}

/// A share, a tracker and a download; then the file is changed, and the tracker ends.
fn a_day_of_a_swarm(told: &mut Told) {
    let world = World::new();
    let mut tracker = world.start(&[&["tracker", "--json"], &LOOPBACK[..]].concat());
    let at = tracker.event("listening")["tracker"].as_str().unwrap().to_owned();
    let (mut seeder, link) = seed(&world, &["--tracker", &at]);
    let ran = world.run(&get(&link, &["--seed", "never"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let steps = ["started", "completed", "stopped"];
    let kinds = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kinds: Vec<_> = kinds.map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    let main: Vec<_> = kinds.iter().filter(|kind| steps.contains(&kind.as_str())).collect();
    assert_eq!(main, steps, "{ran:?}");
    told.take(&ran);
    seeder.event("peer_left");

    fs::write(world.path("film"), bytes(SIZE, 2)).unwrap();
    let mut late = world.start(&[&["get", &link, "-o", "late", "--json"], &LOOPBACK[..]].concat());
    seeder.event("file_changed");
    late.event("progress");
    let stopped = late.stop();
    assert_eq!(stopped.code, 7, "{stopped:?}");
    told.take(&stopped);

    tracker.event("stats");
    let ran = tracker.stop();
    assert_eq!(ran.code, 0, "{ran:?}");
    told.take(&ran);
    seeder.event("tracker_down");
    told.take(&seeder.stop());
}

/// A seeder whose file was changed in a way that nothing but its bytes tells.
fn bad_data(told: &mut Told) {
    let world = World::new();
    let (seeder, link) = seed(&world, &[]);
    let path = world.path("film");
    let then = fs::metadata(&path).unwrap().modified().unwrap();
    let mut damaged = bytes(SIZE, 1);
    damaged[100_000] ^= 1;
    fs::write(&path, damaged).unwrap();
    File::options().append(true).open(&path).unwrap().set_modified(then).unwrap();
    let mut getter = world.start(&get(&link, &[]));
    wait_for(&mut getter, ["piece_corrupt", "peer_banned"]);
    let ran = getter.stop();
    assert_eq!(ran.code, 7, "{ran:?}");
    told.take(&ran);
    told.take(&seeder.stop());
}

/// Waits for an event of both kinds, in any order.
fn wait_for(running: &mut Running, kinds: [&str; 2]) {
    let mut missing = BTreeSet::from(kinds);
    while !missing.is_empty() {
        let line = running.line().unwrap_or_else(|| panic!("ended without {missing:?}"));
        let event: Value = serde_json::from_str(&line).unwrap();
        missing.remove(event["event"].as_str().unwrap());
    }
}

/// Somebody else where a peer and a tracker should be.
fn wrong_keys(told: &mut Told) {
    let world = World::new();
    world.write("film", bytes(1000, 1));
    let seed = [&["seed", "film", "--json"], &LOOPBACK[..]].concat();
    let mut other = world.start(&seed);
    let seeding = other.event("seeding");
    let wrong = |name: &str| {
        let (_, addr) = seeding[name].as_str().unwrap().split_once('@').unwrap();
        format!("{}@{addr}", "a".repeat(52))
    };
    let (peer, tracker) = (wrong("peer"), wrong("tracker"));
    let more = ["--identity", "other.key", "--peer", &peer, "--tracker", &tracker];
    let mut misled = world.start(&[&seed[..], &more].concat());
    wait_for(&mut misled, ["wrong_key", "tracker_wrong_key"]);
    told.take(&misled.stop());
    told.take(&other.stop());
}

/// Runs a download under a script of bash, which finds its command line in `$@`.
fn under(world: &World, shell: &[&str], script: &str, args: &[&str]) -> Running {
    let program = world.command(args);
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).args(["-c", script, "bash"]);
    command.arg(program.get_program()).args(program.get_args());
    command.current_dir(world.path("")).env("SWARM_HOME", world.home());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::start(command)
}

/// A disk with too little room, until something is removed. Whether this machine can have one.
fn a_full_disk(told: &mut Told) -> bool {
    const APART: [&str; 4] = ["unshare", "-r", "-m", "bash"];
    let can = Command::new("unshare").args(["-r", "-m", "true"]).output();
    if !can.is_ok_and(|ran| ran.status.success()) {
        println!("no file systems of one's own here: a full disk is not tried");
        return false;
    }
    let world = World::new();
    let (seeder, link) = seed(&world, &[]);
    fs::create_dir(world.path("copy")).unwrap();
    let fifo = Command::new("mkfifo").arg(world.path("go")).status().unwrap();
    assert!(fifo.success());
    let script = "mount -t tmpfs -o size=3400k none copy
        head -c 1200000 /dev/zero > copy/filler
        { read -r line < go; rm copy/filler; } &
        exec \"$@\"";
    let mut full = under(&world, &APART, script, &get(&link, &["--seed", "never"]));
    full.event("disk_full");
    fs::write(world.path("go"), "now\n").unwrap();
    full.event("disk_recovered");
    let ran = full.end();
    assert_eq!(ran.code, 0, "{ran:?}");
    told.take(&ran);
    told.take(&seeder.stop());
    true
}

/// A disk that refuses what is written, and not for lack of room.
fn a_failing_disk(told: &mut Told) {
    let world = World::new();
    let (seeder, link) = seed(&world, &[]);
    let script = "trap '' XFSZ; ulimit -f 1000; exec \"$@\"";
    let ran = under(&world, &["bash"], script, &get(&link, &[])).end();
    assert_eq!(ran.code, 6, "{ran:?}");
    told.take(&ran);
    told.take(&seeder.stop());
}

/// Slow enough to say how far it is.
fn a_demo(told: &mut Told) {
    let demo = ["demo", "--size", "6M", "--peers", "2", "--upload-limit", "3M", "--json"];
    let ran = World::new().run(&demo);
    assert_eq!(ran.code, 0, "{ran:?}");
    told.take(&ran);
}

#[test]
fn every_event_of_the_manual_happens_and_has_its_fields() {
    let mut told = Told::default();
    a_day_of_a_swarm(&mut told);
    bad_data(&mut told);
    wrong_keys(&mut told);
    a_failing_disk(&mut told);
    a_demo(&mut told);
    let mut manual = manual();
    for (kind, events) in &told.0 {
        let example = manual.get(kind).unwrap_or_else(|| panic!("the manual lacks {kind}"));
        events.iter().for_each(|event| assert_like(example, event, kind));
    }
    let mut full = Told::default();
    if !a_full_disk(&mut full) {
        manual.retain(|kind, _| kind != "disk_full" && kind != "disk_recovered");
    }
    for (kind, events) in &full.0 {
        events.iter().for_each(|event| assert_like(&manual[kind], event, kind));
    }
    told.0.append(&mut full.0);
    assert_eq!(told.0.keys().collect::<Vec<_>>(), manual.keys().collect::<Vec<_>>());
}

#[test]
fn jq_reads_progress_as_it_comes() {
    if Command::new("jq").arg("--version").output().is_err() {
        return println!("jq is not on this machine: it is not tried");
    }
    let world = World::new();
    let (seeder, link) = seed(&world, &[]);
    let filter = r#"select(.event == "completed") | "\(.path) \(.bytes) \(.from_seeds)""#;
    let script = format!("set -o pipefail; \"$@\" | jq -r '{filter}'");
    let ran = under(&world, &["bash"], &script, &get(&link, &["--seed", "never", "-q"])).end();
    let line = format!("copy/film {SIZE} {SIZE}\n");
    assert_eq!((ran.code, ran.stdout, ran.stderr.as_str()), (0, line, ""));
    assert_eq!(seeder.stop().code, 0);
}
