//! Sharing and fetching between processes, over loopback, and how they end.

/// Downloads that are interrupted or refused, and what is lost: nothing.
mod setbacks;

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Instant,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    queries::assert_like_the_manual,
    world::{Ran, Running, World, assert_fails, assert_same, bytes},
};

/// Enough for several pieces from several peers, little enough for a test.
const SIZE: usize = 6 << 20;

/// A folder of every kind of entry.
fn write_share(world: &World) {
    world.write("share/big", bytes(SIZE, 1));
    let tool = world.write("share/bin/tool", bytes(70_000, 2));
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
    world.write("share/none", "");
    fs::create_dir(world.path("share/empty")).unwrap();
}

/// `seed` on loopback, as far as it serves.
fn seed(world: &World, args: &[&str]) -> (Running, Value) {
    let all = [&["seed", "share", "--json", "--listen", "127.0.0.1:0"], args].concat();
    let mut running = world.start(&all);
    let seeding = running.event("seeding");
    (running, seeding)
}

/// The arguments of a `get` on loopback.
fn get<'a>(link: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["get", link, "-o", output, "--json", "--listen", "127.0.0.1:0"], more].concat()
}

fn last_event(ran: &Ran) -> Value {
    serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap()
}

fn find_event(ran: &Ran, kind: &str) -> Value {
    let mut events = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.find(|event| event["event"] == kind).unwrap_or_else(|| panic!("no {kind}: {ran:?}"))
}

fn executable(path: &Path) -> bool {
    fs::metadata(path).unwrap().permissions().mode() & 0o100 != 0
}

#[test]
fn one_command_shares_and_another_fetches() {
    let world = World::new();
    write_share(&world);
    let mut seeder = world.start(&["seed", "share", "--listen", "127.0.0.1:0"]);
    let line = seeder.line().unwrap();
    // What is printed is a command line that can be pasted.
    let link = line.strip_prefix("swarm get '").unwrap().strip_suffix('\'').unwrap();
    let ran = world.run(&["get", link, "-o", "copy", "--listen", "127.0.0.1:0"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "copy/share\n"), "{ran:?}");
    assert!(!ran.stderr.contains('\r'), "{ran:?}");
    assert!(ran.stderr.contains("\nverified 6.07 MiB in 0:0"), "{ran:?}");
    assert!(ran.stderr.contains("\nstopped sharing: nobody needs it"), "{ran:?}");
    assert_same(&world.path("share"), &world.path("copy/share"));
    assert!(executable(&world.path("copy/share/bin/tool")));
    assert!(!executable(&world.path("copy/share/big")));

    let ended = seeder.stop();
    assert_eq!((ended.code, ended.stdout), (0, line + "\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("\nstopping (again to force)\n"), "{}", ended.stderr);
    // Nothing but the copy is left of the download.
    assert_eq!(fs::read_dir(world.path("copy")).unwrap().count(), 1);
}

#[test]
fn programs_read_events() {
    let world = World::new();
    write_share(&world);
    let (seeder, seeding) = seed(&world, &[]);
    assert_eq!((&seeding["name"], &seeding["tracker"]), (&"share".into(), &seeding["trackers"][0]));
    let link = seeding["link"].as_str().unwrap();
    assert!(link.contains(seeding["tracker"].as_str().unwrap()), "{link}");
    assert!(link.contains(seeding["peer"].as_str().unwrap()), "{link}");

    let ran = world.run(&get(link, "copy", &["--seed", "never", "-q"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let started = find_event(&ran, "started");
    assert_eq!((&started["swarm"], &started["bytes_have"]), (&seeding["swarm"], &0.into()));
    let done = find_event(&ran, "completed");
    assert_eq!((&done["swarm"], &done["path"]), (&seeding["swarm"], &"copy/share".into()));
    assert_eq!((&done["bytes"], &done["downloaded"]), (&seeding["bytes"], &seeding["bytes"]));
    assert_eq!(done["from_seeds"], seeding["bytes"]);
    assert_eq!((&done["corrupt"], &done["resumed"]), (&0.into(), &0.into()));
    assert_eq!(last_event(&ran)["event"], "stopped");

    let ended = seeder.stop();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(last_event(&ended)["uploaded"], seeding["bytes"]);
}

#[test]
fn a_dry_run_of_get_prints_what_would_be_fetched_and_writes_nothing() {
    let world = World::new();
    write_share(&world);
    let (seeder, seeding) = seed(&world, &[]);
    let link = seeding["link"].as_str().unwrap();
    let here = ["--dry-run", "-o", "copy", "--listen", "127.0.0.1:0"];
    let look = |more: &[&str]| world.run(&[&["get", link], &here[..], more].concat());
    let ran = look(&["-q"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "name       share");
    assert!(lines[1].ends_with(" in 3 files, 1 empty folder"), "{ran:?}");
    assert_eq!(lines[3], "into       copy/share");
    assert!(lines[4].starts_with("free       "), "{ran:?}");
    let chosen = look(&["--only", "bin", "-q"]);
    let size = "size       68.4 KiB (70000 bytes) in 1 file";
    assert_eq!(chosen.stdout.lines().nth(1), Some(size), "{chosen:?}");

    let ran = look(&["--only", "bin", "--json"]);
    let printed = assert_like_the_manual("get --dry-run", &ran.stdout);
    assert_eq!(printed["bytes_wanted"], 70_000);
    let wanted = printed["files"].as_array().unwrap().iter().filter(|file| file["wanted"] == true);
    assert_eq!(wanted.map(|file| &file["path"]).collect::<Vec<_>>(), ["bin/tool"]);
    assert_fails(&look(&["--only", "none such"]), 2, "no file of the share fits 'none such'");
    assert!(!world.path("copy").exists());
    // One could be taken for a stream of the file.
    let stream = world.run(&["get", link, "--dry-run", "-o", "-"]);
    assert_fails(&stream, 2, "--dry-run writes nothing, and -o - would be nothing else");
    assert_eq!(seeder.stop().code, 0);
}

/// A limit holds the rate where most machines can. One that is too busy for that is slow on our clock
/// too: what is said about rates and the time left is held against what came in meanwhile.
#[test]
fn what_is_told_of_a_steady_download_is_what_happens() {
    const RATE: f64 = (800 << 10) as f64;
    let world = World::new();
    world.write("share", bytes(SIZE, 1));
    let (seeder, seeding) = seed(&world, &["--piece-length", "64K"]);
    let link = seeding["link"].as_str().unwrap();
    let flags = ["--seed", "never", "--download-limit", "800K"];
    let mut getter = world.start(&get(link, "copy", &flags));
    getter.event("started");
    let (started, mut told, mut completed) = (Instant::now(), Vec::new(), None);
    while let Some(line) = getter.line() {
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["event"] == "completed" {
            completed = Some(Instant::now());
            assert_eq!(fs::read(world.path("copy/share")).unwrap(), bytes(SIZE, 1));
        } else if event["event"] == "progress" && completed.is_none() {
            told.push((Instant::now(), event));
        }
    }
    assert_eq!(getter.end().code, 0);
    seeder.stop();

    let figure = |event: &Value, name: &str| event[name].as_u64().unwrap();
    let completed = completed.expect("it says when it is complete");
    let mean = SIZE as f64 / (completed - started).as_secs_f64();
    assert!(mean < 1.1 * RATE, "{mean}");
    let points = told.iter().map(|(at, event)| (*at, figure(event, "downloaded")));
    let lowest = lowest_rate(points.chain([(completed, SIZE as u64)])).min(mean);
    // An average is not below all that is averaged, and nothing is above the limit for long.
    let likely = 0.8 * lowest..1.2 * RATE;
    let mut estimates = 0;
    for (_, event) in told {
        let have = figure(&event, "bytes_have");
        // Whole pieces, of which every byte was received.
        assert_eq!((have, have % (64 << 10)), (figure(&event, "pieces_have") * (64 << 10), 0));
        assert!(have <= figure(&event, "downloaded"), "{event}");
        assert!(have < SIZE as u64 || event["state"] != "downloading", "{event}");
        if event["state"] == "downloading" && have >= SIZE as u64 / 2 {
            assert!(likely.contains(&(figure(&event, "down_rate") as f64)), "{likely:?} {event}");
            // Whole seconds are told.
            let (left, eta) = ((SIZE as u64 - have) as f64, figure(&event, "eta_s") as f64);
            let times = left / likely.end - 1.0..left / likely.start + 1.0;
            assert!(times.contains(&eta), "{times:?} {event}");
            estimates += 1;
        }
    }
    assert!(estimates >= 1, "nothing was told of the second half");
}

/// The lowest rate between these counts of bytes, from the first byte on. Half a second at least is
/// looked at, or it would be of single blocks. Where nothing was told for longer than a second the
/// machine stood still, which is as good as nothing.
fn lowest_rate(points: impl Iterator<Item = (Instant, u64)>) -> f64 {
    let (mut last, mut lowest) = (None, f64::INFINITY);
    for (at, bytes) in points.filter(|(_, bytes)| *bytes > 0) {
        let (since, before) = *last.get_or_insert((at, bytes));
        let seconds = (at - since).as_secs_f64();
        if seconds >= 0.5 {
            last = Some((at, bytes));
            let rate = bytes.saturating_sub(before) as f64 / seconds;
            lowest = if seconds < 1.5 { rate.min(lowest) } else { 0.0 };
        }
    }
    lowest
}

#[test]
fn a_manifest_and_a_separate_tracker_do_as_well() {
    let world = World::new();
    write_share(&world);
    let mut tracker = world.start(&["tracker", "--json", "--listen", "127.0.0.1:0"]);
    let listening = tracker.event("listening");
    let at = listening["tracker"].as_str().unwrap();
    assert_eq!(world.run(&["create", "share", "--tracker", at]).code, 0);
    let mut seeder = world.start(&["seed", "share.swarm", "--json", "--listen", "127.0.0.1:0"]);
    assert_eq!(seeder.event("seeding")["trackers"], Value::Array(vec![at.into()]));
    let ran = world.run(&get("share.swarm", "copy", &[]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_same(&world.path("share"), &world.path("copy/share"));
    assert_eq!(seeder.stop().code, 0);
    let ended = tracker.stop();
    assert_eq!((ended.code, last_event(&ended)["event"].clone()), (0, "stopped".into()));
}

#[test]
fn a_list_of_files_is_shared_from_the_folder_that_they_are_in() {
    let world = World::new();
    write_share(&world);
    let create = |list: &str, args: &[&str]| {
        let mut command = world.command(&[&["create", "-", "-q"], args].concat());
        command.stdin(File::open(world.write("list", list)).unwrap());
        Running::start(command).end()
    };
    assert_fails(&create("share/none", &[]), 2, "a list on stdin says no name for the share");
    let wrong = create("share/none\n../x", &["--name", "some"]);
    assert_fails(&wrong, 2, r#"stdin, line 2: "../x" leads out of folders"#);
    let made = create("./share/bin/tool\0share/none\0", &["-0", "--name", "some"]);
    assert_eq!(made.code, 0, "{made:?}");

    let on = ["--data", ".", "--json", "--listen", "127.0.0.1:0"];
    let mut seeder = world.start(&[&["seed", "some.swarm"], &on[..]].concat());
    let seeding = seeder.event("seeding");
    let ran = world.run(&get(seeding["link"].as_str().unwrap(), "copy", &["--seed", "never"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let copy = world.path("copy/some/share");
    assert_same(&world.path("share/bin"), &copy.join("bin"));
    assert_eq!(fs::read_dir(copy).unwrap().count(), 2);
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn a_tracker_keeps_its_key_and_is_one_line() {
    let world = World::new();
    let key = || {
        let mut tracker = world.start(&["tracker", "--listen", "127.0.0.1:0"]);
        let line = tracker.line().unwrap();
        let ended = tracker.stop();
        assert_eq!((ended.code, ended.stdout), (0, format!("{line}\n")));
        line.split_once('@').unwrap().0.to_owned()
    };
    assert_eq!(key(), key());
    let mode = fs::metadata(world.home().join("tracker.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_link_of_a_fixed_port_stays_good() {
    let world = World::new();
    write_share(&world);
    let link = || {
        let (seeder, seeding) =
            seed(&world, &["--tracker", &format!("{}@127.0.0.1:9", "a".repeat(52))]);
        assert_eq!(seeder.stop().code, 0);
        let link = seeding["link"].as_str().unwrap();
        link.rsplit_once(':').unwrap().0.to_owned()
    };
    assert_eq!(link(), link());
}

#[test]
fn four_fetch_at_once_and_help_each_other() {
    let world = World::new();
    write_share(&world);
    let (seeder, seeding) = seed(&world, &["--upload-limit", "4M"]);
    let link = seeding["link"].as_str().unwrap();
    let outputs = ["one", "two", "three", "four"];
    let running: Vec<_> =
        outputs.iter().map(|output| world.start(&get(link, output, &[]))).collect();
    let mut from_peers = 0;
    for (output, running) in outputs.iter().zip(running) {
        let ran = running.end();
        assert_eq!(ran.code, 0, "{ran:?}");
        from_peers += find_event(&ran, "completed")["from_peers"].as_u64().unwrap();
        assert_same(&world.path("share"), &world.path(output).join("share"));
    }
    assert!(from_peers > 0);
    let sent = last_event(&seeder.stop())["uploaded"].as_u64().unwrap();
    assert!(sent < 3 * SIZE as u64, "{sent}");
}

#[test]
fn both_ends_of_ipv6() {
    // A machine without IPv6 cannot show anything here.
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let world = World::new();
    write_share(&world);
    let mut seeder = world.start(&["seed", "share", "--json", "--listen", "[::1]:0"]);
    let seeding = seeder.event("seeding");
    let link = seeding["link"].as_str().unwrap();
    assert!(link.contains("@[::1]:") || link.contains("%5B::1%5D"), "{link}");
    let ran = world.run(&["get", link, "-o", "copy", "--listen", "[::1]:0", "-q"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "copy/share\n"), "{ran:?}");
    assert_same(&world.path("share"), &world.path("copy/share"));
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn plain_transport_says_so() {
    let world = World::new();
    write_share(&world);
    let (seeder, seeding) = seed(&world, &["--transport", "plain"]);
    let link = seeding["link"].as_str().unwrap();
    assert!(link.contains("plain:127.0.0.1:"), "{link}");
    let plain = ["--transport", "plain", "--seed", "never"];
    let ran = world.run(&get(link, "copy", &plain));
    assert_eq!(ran.code, 0, "{ran:?}");
    let warning =
        "warning: transport is plain: nothing is encrypted and nobody proves who they are";
    assert!(ran.stderr.contains(warning), "{ran:?}");
    assert_same(&world.path("share"), &world.path("copy/share"));
    assert!(seeder.stop().stderr.contains(warning));
}

#[test]
fn a_signal_of_the_system_ends_a_tracker() {
    let world = World::new();
    let mut tracker = world.start(&["tracker", "--listen", "127.0.0.1:0"]);
    tracker.line().unwrap();
    tracker.signal(Signal::TERM);
    let ended = tracker.end();
    assert_eq!(ended.code, 0, "{ended:?}");
}
