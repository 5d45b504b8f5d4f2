//! Every command whose output nobody reads: it ends quietly, as if it had been told to.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::world::{Ran, Running, World, bytes};

/// A command line for each command. They say little by themselves, so that what is on stderr is a
/// complaint.
fn lines(link: &str) -> Vec<Vec<&str>> {
    let here = ["--listen", "127.0.0.1:0"];
    let small = ["--size=1M", "--dir=temp"];
    let mut lines: Vec<Vec<&str>> = vec![
        // Without an address for others its link is warned of.
        [&["seed", "share", "--advertise", "192.0.2.7"], &here[..]].concat(),
        [&["get", link, "-o", "copy"], &here[..]].concat(),
        [&["get", link, "--dry-run"], &here[..]].concat(),
        [&["tracker"], &here[..]].concat(),
        vec!["create", "share", "--force"],
        vec!["create", "share", "--dry-run", "--force"],
        vec!["show", "share.swarm"],
        vec!["show", link],
        vec!["verify", "share.swarm"],
        vec!["demo", "--size=1M"],
        vec!["history"],
        vec!["stats"],
        vec!["ls"],
        vec!["config", "show"],
        vec!["config", "path"],
        vec!["config", "init", "--force"],
        vec!["completions", "bash"],
        vec!["man"],
        vec!["help"],
        vec!["help", "get"],
    ];
    lines.push([&["bench", "--getters=1", "--runs=1", "--memory=8M"], &small[..]].concat());
    lines.push(vec!["bench", "disk", "temp", "--size=1M"]);
    lines
}

/// The commands that the help names.
fn commands(world: &World) -> Vec<String> {
    let help = world.run(&["-h"]).stdout;
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  "));
    names
        .filter_map(|line| line.split(' ').next())
        .filter(|n| !n.is_empty())
        .map(Into::into)
        .collect()
}

fn assert_quiet(ran: &Ran, args: &[&str]) {
    assert!(ran.code == 141 || ran.code == 0, "{args:?} {ran:?}");
    assert_eq!(ran.stderr, "", "{args:?}");
}

#[test]
fn every_command_ends_quietly_when_nobody_reads() {
    let world = World::new();
    world.write("share/one", bytes(200_000, 1));
    std::fs::create_dir(world.path("temp")).unwrap();
    world.create("share");
    let mut seeder = world.start(&["seed", "share", "--json", "--listen", "127.0.0.1:0"]);
    let link = seeder.event("seeding")["link"].as_str().unwrap().to_owned();
    let lines = lines(&link);
    for command in commands(&world) {
        // The screen has no output, and says so where there is no terminal.
        let known = command == "tui" || lines.iter().any(|line| line[0] == command);
        assert!(known, "nothing is tried of {command}");
    }
    for line in &lines {
        // Its help takes no flags.
        let quiet: &[&str] = if line[0] == "help" { &[] } else { &["-q"] };
        for json in [&[][..], &["--json"]] {
            let json = if quiet.is_empty() { &[] } else { json };
            let args = [&line[..], quiet, json].concat();
            // Gone from the start.
            assert_quiet(&world.start(&args).close_stdout().end(), &args);
            // Gone after the first byte. Who prints one line and serves has nothing more to say, and
            // a tracker that nobody uses has not either.
            if !(line[0] == "tracker" || line[0] == "seed" && json.is_empty()) {
                assert_quiet(&into_head(&world, &args), &args);
            }
        }
    }
    assert_eq!(seeder.stop().code, 0);
}

/// The link has been read, which is all that there is on stdout.
#[test]
fn a_share_is_served_on_when_its_link_was_read() {
    let world = World::new();
    world.write("share/one", bytes(200_000, 1));
    let mut seeder = world.start(&["seed", "share", "--listen", "127.0.0.1:0", "-q"]);
    let line = seeder.line().unwrap();
    let link = line.strip_prefix("swarm get '").unwrap().strip_suffix('\'').unwrap();
    let seeder = seeder.close_stdout();
    let here = ["--listen", "127.0.0.1:0", "--seed", "never", "-q"];
    let ran = world.run(&[&["get", link, "-o", "copy"], &here[..]].concat());
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "copy/share\n"), "{ran:?}");
    seeder.signal(Signal::INT);
    assert_eq!(seeder.end().code, 0);
}

/// Runs a command with its output into `head -c 1`, as a shell does.
fn into_head(world: &World, args: &[&str]) -> Ran {
    let program = world.command(args);
    let mut command = Command::new("bash");
    // The code of the program, not that of `head`.
    command.args(["-c", r#""$@" | head -c 1 > /dev/null; exit "${PIPESTATUS[0]}""#, "bash"]);
    command.arg(program.get_program()).args(program.get_args());
    command.current_dir(world.path("")).env("SWARM_HOME", world.home());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::start(command).end()
}
