//! Programs that are run when a download is complete.

use std::{fs, os::unix::fs::PermissionsExt};

use rustix::process::Signal;
use serde_json::Value;

use crate::world::{Ran, Running, World, assert_fails, bytes};

/// What a shell would make a mess of.
const NAME: &str = "it's $(touch pwned) `touch pwned`; touch pwned & share";

/// Shares a file of that name, and returns its link.
fn seed(world: &World) -> (Running, String) {
    world.write(NAME, bytes(200_000, 1));
    let mut seeder = world.start(&["seed", NAME, "--json", "--listen", "127.0.0.1:0"]);
    let seeding = seeder.event("seeding");
    (seeder, seeding["link"].as_str().unwrap().into())
}

/// The arguments of a `get` with a program and its arguments.
fn get<'a>(link: &'a str, more: &[&'a str], hook: &[&'a str]) -> Vec<&'a str> {
    let hook: Vec<_> = hook.iter().flat_map(|word| ["--on-complete", word]).collect();
    [&["get", link, "-o", "copy", "--listen", "127.0.0.1:0"], more, &hook].concat()
}

fn last_event(ran: &Ran) -> Value {
    serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn a_program_is_told_what_was_fetched_and_no_shell_reads_it() {
    let world = World::new();
    let (seeder, link) = seed(&world);
    // Each fact and each argument ends with a byte that none of them can have.
    let facts = r#"printf '%s\0' "$@" "$SWARM_NAME" "$SWARM_PATH" "$SWARM_ID" "$SWARM_LINK" \
        "$SWARM_BYTES" "$SWARM_SECONDS" > facts; echo said"#;
    world.write("hook.sh", facts);
    let hook = ["sh", "hook.sh", "$(touch pwned)", "two words", "--seed"];
    let ran = world.run(&get(&link, &["--seed", "never"], &hook));
    assert_eq!((ran.code, ran.stdout), (0, format!("copy/{NAME}\n")), "{}", ran.stderr);
    assert!(ran.stderr.contains("\nsaid\n"), "{}", ran.stderr);

    let facts = fs::read_to_string(world.path("facts")).unwrap();
    let facts: Vec<_> = facts.split_terminator('\0').collect();
    let path = world.path("copy").canonicalize().unwrap().join(NAME);
    let id = link.strip_prefix("swarm:?id=").unwrap().split('&').next().unwrap();
    let expected =
        [&hook[2..], &[NAME, path.to_str().unwrap(), id, link.as_str(), "200000"]].concat();
    assert_eq!(facts[..expected.len()], expected);
    let seconds: f64 = facts[expected.len()].parse().unwrap();
    assert!(seconds > 0.0 && facts.len() == expected.len() + 1, "{facts:?}");
    assert!(!world.path("pwned").exists());
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn a_program_that_fails_is_told_from_a_download_that_fails() {
    let world = World::new();
    let (seeder, link) = seed(&world);
    let ran = world.run(&get(&link, &["--json", "--seed", "never"], &["sh", "-c", "exit 3"]));
    let last = last_event(&ran);
    assert_eq!((ran.code, &last["code"], &last["kind"]), (10, &10.into(), &"hook".into()));
    assert_eq!(last["message"], "sh: ended with exit status: 3");
    assert!(ran.stdout.contains(r#"{"event":"completed""#), "{ran:?}");
    assert_eq!(fs::read(world.path("copy").join(NAME)).unwrap(), bytes(200_000, 1));

    // One that is not there is known before anything is fetched.
    let ran = world.run(&get(&link, &[], &["no-such-program -x"]));
    assert_fails(&ran, 2, r#"on-complete: "no-such-program -x" is no program that can be run"#);
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn sharing_goes_on_beside_a_program_and_ctrl_c_ends_both() {
    let world = World::new();
    let (seeder, link) = seed(&world);
    let more = ["--json", "--seed", "forever"];
    let mut getter = world.start(&get(&link, &more, &["sleep", "1000"]));
    getter.event("completed");
    let shared = |event: &Value| event["state"] == "seeding";
    while !shared(&getter.event("progress")) {}
    let ran = getter.stop();
    let last = last_event(&ran);
    assert_eq!((ran.code, &last["kind"]), (10, &"hook".into()), "{ran:?}");
    assert_eq!(last["message"], "sleep: was ended before it was done");
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn a_program_that_does_not_want_to_end_is_ended_with_us_by_force() {
    let world = World::new();
    let (seeder, link) = seed(&world);
    let stubborn = ["sh", "-c", "trap '' TERM; echo deaf; sleep 20; echo outlived"];
    let getter = world.start(&get(&link, &["--seed", "forever"], &stubborn));
    getter.told("deaf");
    getter.signal(Signal::INT);
    getter.told("stopping");
    // Now that the first is taken in. Its stderr is read until nobody has it any more.
    let ran = getter.stop();
    // On a machine that stood still meanwhile it was ended by its own time.
    assert!(ran.code == 130 || ran.code == 10, "{ran:?}");
    assert!(!ran.stderr.contains("outlived"), "{ran:?}");
    assert_eq!(seeder.stop().code, 0);
}

#[test]
fn the_configuration_file_may_name_it() {
    let world = World::new();
    let (seeder, link) = seed(&world);
    let config = world.write("config.toml", "on-complete = ['touch', 'was here']\nseed = 'never'");
    let config = config.to_str().unwrap();
    assert_eq!(world.run(&get(&link, &["--config", config], &[])).code, 0);
    assert!(world.path("was here").exists());
    let shown = world.run(&["config", "show", "--json", "--config", config]).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let setting = &shown["settings"]["on-complete"];
    assert_eq!(setting["value"], serde_json::json!(["touch", "was here"]), "{shown}");

    // A variable goes before it, and is one word whatever is in it.
    let program = world.write("a tool; touch pwned", "#!/bin/sh\ntouch \"ran $#\"\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = world.command(&get(&link, &["--config", config], &[]));
    command.env("SWARM_ON_COMPLETE", &program);
    let ran = Running::start(command).end();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(world.path("ran 0").exists() && !world.path("pwned").exists());
    assert_eq!(seeder.stop().code, 0);
}
