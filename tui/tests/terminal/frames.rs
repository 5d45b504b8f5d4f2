//! What is written to the terminal: how often, and in which colours.

use std::time::{Duration, Instant};

use crate::{
    terminal::Terminal,
    transfers::Seeder,
    world::{World, bytes},
};

const ROOM: (u16, u16) = (100, 30);

#[test]
fn a_fast_download_is_drawn_fifteen_times_a_second_at_most() {
    let seeder = Seeder::of(60 << 20);
    let start = Instant::now();
    // Two seconds, so that it is seen under way however fast the machine is.
    let mut terminal = seeder.tui(&["--download-limit", "30M", &seeder.link], ROOM);
    terminal.see(&["● share"]);
    terminal.then("2", &["share is here"]);
    // All of them, and all of the time: a loaded machine makes fewer.
    let (frames, seconds) = (terminal.heard().frames, start.elapsed().as_secs_f64());
    assert!(frames as f64 <= 15.0 * seconds + 2.0, "{frames} frames in {seconds:.1} s");
    assert!(frames > 2, "{frames} frames in {seconds:.1} s");
    terminal.quit();
}

#[test]
fn a_screen_on_which_nothing_happens_writes_nothing() {
    let world = World::new();
    world.write("film", bytes(300_000, 5));
    let mut terminal = Terminal::tui(&world, &["film"], ROOM);
    terminal.see(&["✓ film"]);
    // Several looks at the clock, ticks of the host and of the tracker.
    terminal.quiet(Duration::from_secs(4));
    terminal.quit();
}

/// All parameters of all sequences that say how characters look (ECMA-48 SGR).
fn looks(written: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(written);
    let mut all = Vec::new();
    for sequence in text.split("\x1b[").skip(1) {
        let end = sequence.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap();
        if sequence[end..].starts_with('m') {
            all.extend(sequence[..end].split(';').map(|n| n.parse::<u16>().unwrap_or(0)));
        }
    }
    all
}

/// Everything that a download of a screen of this kind has to say.
fn written(name: &str, value: &str) -> Vec<u8> {
    let seeder = Seeder::new();
    let args =
        ["tui", "--fresh", "-o", "out", "--listen", "127.0.0.1:0", "--download-limit", "20K"];
    let mut command = Terminal::command(&seeder.world, &[&args[..], &[&seeder.link]].concat());
    command.env(name, value);
    let mut terminal = Terminal::start(command, ROOM);
    terminal.see(&["● share"]);
    for (key, text) in [("2", "Pieces  "), ("4", "Unfinished"), ("5", "a.bin"), ("6", "Trackers")] {
        terminal.then(key, &[text]);
    }
    terminal.then(":nonsense\r", &["help lists them"]);
    terminal.back(":nonsense");
    terminal.quit();
    std::mem::take(&mut terminal.written)
}

#[test]
fn sixteen_colours_are_enough() {
    let looks = looks(&written("TERM", "xterm"));
    assert!(looks.contains(&32) && looks.contains(&36) && looks.contains(&1), "{looks:?}");
    // 38 and 48 begin a colour of a larger palette.
    let known =
        |n: &u16| matches!(n, 0..=9 | 22..=29 | 30..=37 | 39..=47 | 49 | 90..=97 | 100..=107);
    assert!(looks.iter().all(known), "{looks:?}");
}

#[test]
fn without_colours_there_are_none() {
    let looks = looks(&written("NO_COLOR", "1"));
    assert!(looks.iter().all(|n| matches!(n, 0..=9 | 22..=29)), "{looks:?}");
    assert!(looks.contains(&7), "what is selected is told by something else");
}
