//! How it ends, and what the shell gets back.

use std::{fs, process::Command};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    terminal::Terminal,
    transfers::Seeder,
    world::{World, assert_same, bytes},
};

const USUAL: (u16, u16) = (80, 24);

/// `swarm tui` that shares something nobody wants.
fn sharing(world: &World) -> Terminal {
    world.write("film", bytes(300_000, 5));
    let mut terminal = Terminal::tui(world, &["film"], USUAL);
    terminal.up();
    terminal.see(&["✓ film"]);
    terminal
}

#[test]
fn a_summary_stays_where_the_screen_was() {
    let seeder = Seeder::new();
    seeder.world.write("film", bytes(300_000, 5));
    let mut terminal = seeder.tui(&["film", &seeder.link, "--mouse"], USUAL);
    terminal.up();
    terminal.see(&["✓ film", "Enter share while needed"]);
    terminal.keys("q");
    assert_eq!(terminal.end(), 0);
    terminal.assert_restored();
    let text = terminal.text();
    for line in [
        "film: shared 293 KiB from film",
        "  0 B uploaded, ratio 0.00, 0 peers",
        "  share it again: swarm seed 'film'",
        "share: verified 3.07 MiB in 0:0",
        "  1 peer, 100 % from seeds, duplicate 0.0 %; 0 B uploaded, ratio 0.00",
        "  share it on: swarm get 'swarm:?id=",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
}

#[test]
fn signals_end_it_as_its_key_does() {
    let world = World::new();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut terminal = sharing(&world);
        terminal.signal(signal);
        assert_eq!(terminal.end(), 0, "{signal:?}");
        terminal.assert_restored();
        assert!(terminal.text().contains("film: shared"), "{}", terminal.text());
    }
    let mut terminal = sharing(&world);
    terminal.keys("\x03");
    assert_eq!(terminal.end(), 0);
    terminal.assert_restored();
}

#[test]
fn it_ends_with_its_terminal() {
    let world = World::new();
    let mut terminal = sharing(&world);
    terminal.hang_up();
    assert_eq!(terminal.end(), 0);
}

#[test]
fn it_asks_before_something_is_lost() {
    let world = World::new();
    world.write("film", bytes(3 << 20, 5));
    let mut terminal = Terminal::tui(&world, &["film"], USUAL);
    terminal.see(&["✓ film"]);
    terminal.keys("y");
    terminal.read_until(|terminal| !terminal.heard().clipboard.is_empty());
    let link = terminal.heard().clipboard[0].clone();
    let slow = ["get", &link, "-o", "out", "--json", "--download-limit", "20K", "--listen"];
    let mut getter = world.start(&[&slow[..], &["127.0.0.1:0"]].concat());
    getter.event("started");
    terminal.then("2", &["1 peer"]);

    terminal.then("q", &["Nobody else has all of film yet", "Quit all the same?"]);
    terminal.keys("n");
    terminal.miss("Quit all the same?");
    // Ctrl-C asks as well, and has answered if it comes again.
    terminal.then("\x03", &["Quit all the same?"]);
    terminal.keys("y");
    assert_eq!(terminal.end(), 0);
    terminal.assert_restored();
    assert_eq!(getter.stop().code, 7);
}

#[test]
fn it_is_suspended_and_goes_on() {
    let world = World::new();
    world.write("film", bytes(300_000, 5));
    // A shell with jobs, as it is only such that one can be stopped under.
    let script = r#"set -m; "$@"; echo "stopped $?"; read line; fg; echo "ended $?""#;
    let tui = Terminal::command(
        &world,
        &["tui", "--fresh", "film", "--listen", "127.0.0.1:0", "--mouse"],
    );
    let mut terminal = Terminal::start(under(&tui, script), USUAL);
    terminal.up();
    terminal.see(&["✓ film"]);
    terminal.keys("\x1a");
    terminal.see(&["stopped 1"]);
    terminal.assert_restored();

    terminal.keys("\r");
    terminal.up();
    terminal.see(&["✓ film", "q quit"]);
    terminal.until("the mouse", |screen| {
        screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None
    });
    // Also where a line is typed, and in another size.
    terminal.then(":pau", &[":pau"]);
    terminal.resize((100, 30));
    terminal.see(&[":pau", "RATIO"]);
    terminal.keys("\x1b");
    terminal.quit();
    assert!(terminal.text().contains("ended 0"), "{}", terminal.text());
}

#[test]
fn a_signal_from_outside_suspends_it_too() {
    let world = World::new();
    world.write("film", bytes(300_000, 5));
    let script = r#"set -m; sh -c 'echo $$ > pid; exec "$@"' sh "$@"
        echo "stopped $?"; read line; fg; echo "ended $?""#;
    let tui = Terminal::command(&world, &["tui", "--fresh", "film", "--listen", "127.0.0.1:0"]);
    let mut terminal = Terminal::start(under(&tui, script), USUAL);
    terminal.up();
    terminal.see(&["✓ film"]);
    let pid = fs::read_to_string(world.path("pid")).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TSTP).unwrap();
    terminal.see(&["stopped 1"]);
    terminal.assert_restored();
    terminal.keys("\r");
    terminal.up();
    terminal.see(&["✓ film", "q quit"]);
    terminal.quit();
    assert!(terminal.text().contains("ended 0"), "{}", terminal.text());
}

#[test]
fn where_no_shell_could_bring_it_back_only_a_signal_suspends_it() {
    let world = World::new();
    let mut terminal = sharing(&world);
    terminal.then("\x1a", &["there is no shell here"]);
    // Whoever sends this can send the other one, too.
    for _ in 0..2 {
        terminal.signal(Signal::TSTP);
        terminal.until("the shell's screen", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        terminal.wait_until_stopped();
        terminal.assert_restored();
        terminal.signal(Signal::CONT);
        terminal.up();
        terminal.see(&["✓ film", "q quit"]);
    }
    // A signal that nobody can handle leaves the terminal as it is; what follows draws all of it.
    terminal.signal(Signal::STOP);
    terminal.wait_until_stopped();
    let drawn = terminal.heard().frames;
    terminal.signal(Signal::CONT);
    terminal.read_until(|terminal| terminal.heard().frames > drawn);
    terminal.see(&["✓ film", "q quit"]);
    terminal.quit();
}

#[test]
fn a_second_request_ends_at_once() {
    let world = World::new();
    let mut tracker = world.start(&["tracker", "--listen", "127.0.0.1:0"]);
    let at = tracker.line().unwrap();
    world.write("film", bytes(300_000, 5));
    for (keys, said) in [("q", "stopping"), ("\x03", "stopping")] {
        let mut terminal = Terminal::tui(&world, &["film", "--tracker", &at], USUAL);
        terminal.see(&["✓ film"]);
        terminal.then("6", &["✓ answers"]);
        // Saying goodbye to a tracker that does not answer takes its time.
        tracker.suspend();
        terminal.then(keys, &[said]);
        terminal.keys(keys);
        assert_eq!(terminal.end(), 130);
        terminal.assert_restored();
        tracker.signal(Signal::CONT);
    }
    assert_eq!(tracker.stop().code, 0);
}

#[test]
fn a_second_request_ends_a_download_on_the_whole_screen_at_once() {
    let world = World::new();
    let mut tracker = world.start(&["tracker", "--listen", "127.0.0.1:0"]);
    let at = tracker.line().unwrap();
    world.write("film", bytes(300_000, 5));
    let here = ["--tracker", &at, "--listen", "127.0.0.1:0"];
    let mut seeder = world.start(&[&["seed", "film", "--json"], &here[..]].concat());
    let link = seeder.event("seeding")["link"].as_str().unwrap().to_owned();
    let get = ["get", &link, "-o", "out", "--progress", "tui", "--seed", "forever"];
    let mut terminal =
        Terminal::start(Terminal::command(&world, &[&get[..], &here].concat()), USUAL);
    terminal.up();
    terminal.see(&["✓ sharing"]);
    tracker.suspend();
    // The screen is gone by the time that the rest ends.
    terminal.keys("\x03");
    terminal.until("the shell's screen", |screen| !screen.alternate_screen());
    terminal.signal(Signal::INT);
    assert_eq!(terminal.end(), 130);
    terminal.assert_restored();
    assert_same(&world.path("film"), &world.path("out/film"));
    tracker.kill();
    seeder.kill();
}

/// A command under a shell that runs this script.
fn under(command: &Command, script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "`:panic` is in debug builds only")]
fn a_panic_gives_the_terminal_back_before_it_speaks() {
    let world = World::new();
    let mut terminal = sharing(&world);
    terminal.then("m:panic", &[":panic"]);
    terminal.keys("\r");
    assert_eq!(terminal.end(), 1);
    terminal.assert_restored();
    let text = terminal.text();
    for line in ["panicked at", "asked for by :panic", "film: shared", "error: the screen ended"] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "`:panic` is in debug builds only")]
fn a_download_outlives_its_screen() {
    let seeder = Seeder::new();
    let args = ["get", &seeder.link, "-o", "out", "--progress", "tui", "--seed", "never"];
    let limited = [&args[..], &["--download-limit", "2M", "--listen", "127.0.0.1:0"]].concat();
    let mut terminal = Terminal::start(Terminal::command(&seeder.world, &limited), USUAL);
    terminal.up();
    terminal.see(&["● downloading"]);
    terminal.keys(":panic\r");
    assert_eq!(terminal.end(), 0);
    terminal.assert_restored();
    let text = terminal.text();
    for line in ["asked for by :panic", "the transfer goes on", "verified 3.07 MiB"] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    assert_same(&seeder.world.path("share"), &seeder.world.path("out/share"));
}

#[test]
fn one_download_on_the_whole_screen_is_left_and_gone_on_with() {
    let seeder = Seeder::new();
    let args = ["get", &seeder.link, "-o", "out", "--progress", "tui", "--listen", "127.0.0.1:0"];
    let slow = [&args[..], &["--download-limit", "20K"]].concat();
    let mut terminal = Terminal::start(Terminal::command(&seeder.world, &slow), USUAL);
    terminal.up();
    terminal.see(&["swarm get  share", "● downloading", "1 peer"]);
    terminal.keys("q");
    assert_eq!(terminal.end(), 7);
    terminal.assert_restored();

    let mut terminal = Terminal::start(Terminal::command(&seeder.world, &args), USUAL);
    terminal.see(&["✓ sharing", "Enter share", "x stop"]);
    terminal.keys("x");
    assert_eq!(terminal.end(), 0);
    terminal.assert_restored();
    assert_same(&seeder.world.path("share"), &seeder.world.path("out/share"));
}
