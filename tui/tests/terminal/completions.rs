//! Completions in the shells that are here, with the key that everybody uses.

use std::process::Command;

use crate::{terminal::Terminal, world::World};

/// A shell, without anything of the user's, that has read our completions.
fn shell(world: &World, name: &str, args: &[&str], load: &str) -> Option<Terminal> {
    let Ok(found) = Command::new(name).arg("--version").output() else {
        println!("{name} is not on this machine: its completions are not tried");
        return None;
    };
    assert!(found.status.success(), "{found:?}");
    let script = world.run(&["completions", name]);
    assert_eq!((script.code, script.stderr.as_str()), (0, ""), "{name}");
    world.write("completions", script.stdout);
    let program = Terminal::command(world, &[]);
    let mut command = Command::new(name);
    command.args(args).current_dir(world.path("")).env("HOME", world.path(""));
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut terminal = Terminal::start(command, (100, 30));
    // In two parts, lest the answer be seen in the question.
    terminal.keys(&format!("{load}; echo rea''dy\r"));
    terminal.see(&["\nready"]);
    Some(terminal)
}

/// Types a part of a word and the key, and expects the whole.
fn assert_completes(terminal: &mut Terminal, typed: &str, whole: &str) {
    terminal.keys(&format!("{typed}\t"));
    terminal.see(&[whole]);
    // The line goes, unread.
    terminal.keys("\x15");
}

fn assert_knows_commands_options_and_words(mut terminal: Terminal) {
    for (typed, whole) in [
        ("swarm verif", "swarm verify "),
        ("swarm get --download-l", "swarm get --download-limit"),
        ("swarm config sh", "swarm config show "),
        ("swarm seed --transport pl", "swarm seed --transport plain"),
    ] {
        assert_completes(&mut terminal, typed, whole);
    }
}

#[test]
fn bash_completes() {
    let world = World::new();
    let args = ["--norc", "--noprofile", "-i"];
    shell(&world, "bash", &args, "source ./completions")
        .into_iter()
        .for_each(assert_knows_commands_options_and_words);
}

#[test]
fn zsh_completes() {
    let world = World::new();
    let load = "autoload -Uz compinit && compinit -D -u && source ./completions";
    shell(&world, "zsh", &["-f", "-i"], load)
        .into_iter()
        .for_each(assert_knows_commands_options_and_words);
}

#[test]
fn fish_completes() {
    let world = World::new();
    shell(&world, "fish", &["--no-config", "-i"], "source ./completions")
        .into_iter()
        .for_each(assert_knows_commands_options_and_words);
}
