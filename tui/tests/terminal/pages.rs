//! Every page at every size: it opens, and shows what it is for as far as there is room.

use crate::{
    terminal::{SIZES, Terminal},
    transfers::Seeder,
};

/// A page: its key, and what it shows on a roomy terminal, where it is narrow, and in a corner.
type Page =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const PAGES: [Page; 8] = [
    ("1", &["1 transfer", "KIND", "share", "got"], &["1 transfer", "share"], &["DONE", "● share"]),
    (
        "2",
        &["Pieces  ", "Throughput", "copies", "1 peer", "ADDRESS", "127.0.0.1:"],
        &["Pieces  ", "1 peer", "127.0.0.1:"],
        &["● downloading", "2 Overview", " %", "↓ "],
    ),
    (
        "3",
        &["1 peer", "FLAGS", "127.0.0.1:"],
        &["1 peer", "127.0.0.1:"],
        &["3 Peers", " %", "↓ ", "q quit"],
    ),
    (
        "4",
        &["Pieces  ", "copies", "Unfinished"],
        &["Pieces  "],
        &["4 Pieces", " %", "↓ ", "q quit"],
    ),
    (
        "5",
        &["3 files", "WANTED", "a.bin", "sub/"],
        &["3 files", "a.bin"],
        &["5 Files", " %", "↓ ", "q quit"],
    ),
    (
        "6",
        &["Trackers", "Efficiency", "This machine"],
        &["Trackers", "Efficiency"],
        &["6 Swarm", " %", "↓ ", "q quit"],
    ),
    (
        "7",
        &["joined from 127.0.0.1:", "answers"],
        &["joined from 127.0.0.1:"],
        &["7 Log", " %", "↓ ", "q quit"],
    ),
    ("8", &["BEGAN", "share", "running"], &["BEGAN", "share"], &["8 Hi", "share", "DONE"]),
];

/// A download that lasts longer than any test.
fn downloading(seeder: &Seeder, size: (u16, u16)) -> Terminal {
    let mut terminal = seeder.tui(&["--download-limit", "20K", &seeder.link], size);
    terminal.up();
    terminal.see(&["● share"]);
    terminal
}

#[test]
fn every_page_opens_at_every_size() {
    let seeder = Seeder::new();
    for size in SIZES {
        let mut terminal = downloading(&seeder, size);
        for (key, roomy, narrow, corner) in PAGES {
            terminal.keys(key);
            terminal.see(match size.0 {
                80.. => roomy,
                60.. => narrow,
                _ => corner,
            });
        }
        // By the next one, and round.
        terminal.then("\t", &["● share", "DONE"]);
        terminal.quit();
    }
}

#[test]
fn what_lies_over_a_page_fits_every_size() {
    let seeder = Seeder::new();
    let mut terminal = downloading(&seeder, (100, 30));
    for size in SIZES {
        terminal.resize(size);
        terminal.then("?", &["┌ Keys ", "q "]);
        terminal.back("┌ Keys ");
        let needs = if size.1 < 30 { "The code needs" } else { "Esc closes" };
        terminal.then("Y", &[needs]);
        terminal.back(needs);
        terminal.then("D", &["Remove", "delete", "y yes", "n no"]);
        terminal.keys("\r");
        terminal.miss("y yes");
        terminal.then("/", &["/"]);
        terminal.until("a cursor", |screen| !screen.hide_cursor());
        terminal.then("nobody", &["/nobody", "No transfer"]);
        terminal.keys("\x1b");
        terminal.until("no cursor", vt100::Screen::hide_cursor);
        terminal.then(":lmit\r", &["unrecognized"]);
        terminal.back("unrecognized");
        terminal.see(&["● share"]);
    }
    terminal.quit();
}

#[test]
fn no_size_is_too_small_while_a_transfer_runs() {
    let seeder = Seeder::new();
    let mut terminal = downloading(&seeder, (100, 30));
    terminal.then("2", &["Pieces  ", "ADDRESS"]);
    let odd = [(1, 1), (2, 1), (1, 2), (1, 100), (300, 1), (3, 3), (10, 4), (200, 2), (21, 6)];
    for size in odd.into_iter().chain(SIZES).chain([(1, 1)]) {
        let before = terminal.heard().frames;
        terminal.resize(size);
        terminal.read_until(|terminal| terminal.heard().frames > before);
        for keys in ["1", "2", "3", "4", "5", "6", "7", "8", "?\x1b", "Y\x1b", "Dn", ":\x1b", "2"] {
            // Who turns the mouse on or off is heard at any size.
            let mouse = terminal.screen().mouse_protocol_mode();
            terminal.keys(&format!("{keys}m"));
            terminal.until("another mouse", |screen| screen.mouse_protocol_mode() != mouse);
        }
        terminal.until("something", |screen| !screen.contents().trim().is_empty());
        if size == (300, 1) {
            // One row has what matters most.
            terminal.see(&[" of 3.07 MiB   ↓ "]);
        }
    }
    terminal.resize((100, 30));
    terminal.see(&["swarm tui  share", "● downloading", "Pieces  ", "ADDRESS", "q quit"]);
    terminal.quit();
}

#[test]
fn lists_of_the_past_do_not_wrap_on_a_usual_terminal() {
    let seeder = Seeder::new();
    let long = "a-folder-with-a-name-that-takes-more-room-than-there-is-for-it".repeat(2);
    let get = ["get", &seeder.link, "-o", &long, "--seed", "never", "-q"];
    let ran = seeder.world.run(&[&get[..], &["--listen", "127.0.0.1:0"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    for (list, columns) in [("ls", "STATE"), ("history", "END")] {
        let mut terminal =
            Terminal::start(Terminal::command(&seeder.world, &[list, "--no-header"]), (80, 24));
        assert_eq!(terminal.end(), 0);
        // Of the seeder and of the download.
        let text = terminal.text();
        assert_eq!(text.lines().filter(|line| !line.trim().is_empty()).count(), 2, "{text}");
        let mut terminal = Terminal::start(Terminal::command(&seeder.world, &[list]), (80, 24));
        assert_eq!(terminal.end(), 0);
        assert!(terminal.text().contains(columns), "{}", terminal.text());
    }
}
