//! Transfers between two processes over loopback, with keys, pasting and commands.

use std::{fs, path::Path, time::Duration};

use crate::{
    terminal::Terminal,
    world::{Running, World, assert_same, bytes},
};

/// Little enough for a test, and several pieces.
const SIZE: usize = 3 << 20;

/// A folder, and a process that shares it.
pub struct Seeder {
    pub world: World,
    pub link: String,
    _running: Running,
}

impl Seeder {
    /// A process that shares a folder on loopback.
    pub fn new() -> Self {
        Self::of(SIZE)
    }

    /// With a file of this length.
    pub fn of(size: usize) -> Self {
        let world = World::new();
        world.write("share/a.bin", bytes(size, 1));
        world.write("share/sub/b.bin", bytes(70_000, 2));
        world.write("share/sub/c.txt", "c");
        let mut running = world.start(&["seed", "share", "--json", "--listen", "127.0.0.1:0"]);
        let link = running.event("seeding")["link"].as_str().unwrap().to_owned();
        Self { world, link, _running: running }
    }

    /// `swarm tui` of somebody else on this machine, who fetches into `out`.
    pub fn tui(&self, args: &[&str], size: (u16, u16)) -> Terminal {
        Terminal::tui(&self.world, args, size)
    }

    fn out(&self) -> std::path::PathBuf {
        self.world.path("out/share")
    }

    fn assert_fetched(&self) {
        assert_same(&self.world.path("share"), &self.out());
    }
}

/// What a folder holds, hidden names among it; nothing if there is none.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
    names.sort();
    names
}

const ROOM: (u16, u16) = (100, 30);

#[test]
fn a_pasted_link_is_fetched_paused_removed_and_fetched_on() {
    let seeder = Seeder::new();
    let mut terminal = seeder.tui(&["--download-limit", "20K"], ROOM);
    terminal.see(&["Nothing is shared or fetched yet."]);
    // Wrapped, as out of a mail.
    let (start, end) = seeder.link.split_at(90);
    terminal.paste(&format!("{start}\r\n{end}\n"));
    terminal.see(&["add link or path: ", &seeder.link[seeder.link.len() - 20..]]);
    terminal.then("\r", &["1 transfer", "got  downloading"]);
    terminal.then("2", &["at your own download limit of 20.0 KiB/s"]);

    terminal.then("p", &["‖ paused"]);
    terminal.then("p", &["● downloading"]);
    terminal.then(":pause\r", &["‖ paused"]);
    terminal.then(":resume\r", &["● downloading"]);
    // Some of it has come.
    terminal.miss("  0.0 %");
    terminal.then("1", &["share"]);
    terminal.then("d", &["Nothing is shared or fetched yet."]);
    assert!(!seeder.out().exists(), "it has its name only when it is whole");
    assert_eq!(names(&seeder.world.path("out")).len(), 1, "what came of it stays");

    // The whole line that `swarm seed` prints will do.
    terminal.then(&format!(":limit down none --all\r:add 'swarm get {}'\r", seeder.link), &[]);
    terminal.see(&["share is here", "Enter share while needed"]);
    terminal.then("7", &["everything is verified and in place"]);
    seeder.assert_fetched();
    assert_eq!(names(&seeder.world.path("out")), ["share"]);
    terminal.quit();
}

#[test]
fn files_are_deleted_only_after_a_yes() {
    let seeder = Seeder::new();
    let mut terminal = seeder.tui(&[&seeder.link], ROOM);
    terminal.see(&["share is here"]);
    terminal.then("D", &["Remove share and delete what was downloaded?", "out/share"]);
    // Enter is No.
    terminal.keys("\r");
    terminal.miss("Sure?");
    terminal.see(&["share is here"]);
    seeder.assert_fetched();
    terminal.then("d", &["Nothing is shared or fetched yet."]);
    seeder.assert_fetched();

    // It is all there.
    terminal.then(&format!(":get {}\r", seeder.link), &["got  sharing"]);
    terminal.then(":remove --delete\r", &["Sure?"]);
    terminal.then("y", &["Nothing is shared or fetched yet."]);
    terminal.then("7", &["share: 3 files deleted"]);
    assert_eq!(names(&seeder.world.path("out")), [""; 0]);
    assert_eq!(names(&seeder.world.path("share")), ["a.bin", "sub"]);
    terminal.quit();
}

#[test]
fn what_has_arrived_is_shared_on_as_long_as_its_user_says() {
    let seeder = Seeder::new();
    for (key, said, then) in [
        ("t", "share is shared until ratio 1", "sharing"),
        ("F", "share is shared until stopped", "sharing"),
        ("x", "share is no longer shared", "stopped"),
    ] {
        let mut terminal = seeder.tui(&[&seeder.link], ROOM);
        terminal.see(&["share is here", "x stop", "got  sharing"]);
        terminal.then(key, &[said]);
        terminal.see(&[&format!("got  {then}")]);
        terminal.miss("x stop");
        terminal.quit();
        fs::remove_dir_all(seeder.world.path("out")).unwrap();
    }
    // Whoever has said so is not asked.
    let mut terminal = seeder.tui(&["--seed", "forever", &seeder.link], ROOM);
    terminal.see(&["got  sharing"]);
    assert!(!terminal.text().contains("x stop"));
    terminal.quit();
}

#[test]
fn a_list_is_filtered_sorted_and_frozen() {
    let world = World::new();
    for (name, size) in [("two", 2), ("one", 1), ("three", 3)] {
        world.write(name, vec![7; size << 20]);
    }
    let mut terminal = Terminal::tui(&world, &["two", "one", "three"], ROOM);
    terminal.see(&["3 transfers", "two", "one", "three"]);
    let order = |terminal: &Terminal| {
        let text = terminal.text();
        let mut names = ["one", "two", "three"];
        names.sort_by_key(|name| text.find(&format!("✓ {name} ")).unwrap_or(usize::MAX));
        names
    };
    let sorted = |terminal: &mut Terminal, expected: [&str; 3]| {
        terminal.read_until(|terminal| order(terminal) == expected);
    };
    // Nothing jumps: they stay as they were added.
    terminal.read_until(|terminal| terminal.text().matches("own  sharing").count() == 3);
    sorted(&mut terminal, ["two", "one", "three"]);
    terminal.then(":sort name\r", &["NAME▾"]);
    sorted(&mut terminal, ["one", "three", "two"]);
    terminal.then("S", &["NAME▴"]);
    sorted(&mut terminal, ["two", "three", "one"]);
    terminal.then("s", &["sorted by "]);

    terminal.then("/T", &["two", "three", "/T"]);
    terminal.miss("✓ one");
    terminal.keys("hr");
    terminal.miss("✓ two");
    terminal.then("\r", &["✓ three"]);
    terminal.then("\x1b", &["✓ one", "✓ two", "✓ three"]);
    terminal.then(":filter size>1.5M !th\r", &["✓ two"]);
    terminal.miss("✓ three");
    terminal.keys("\x1b");

    terminal.see(&["3 transfers", "✓ three"]);

    // What is removed meanwhile is still shown.
    terminal.then("f", &["frozen"]);
    terminal.then(":remove\r", &["3 transfers"]);
    terminal.quiet(Duration::from_secs(2));
    terminal.see(&["✓ one", "✓ two", "✓ three"]);
    terminal.then("f", &["2 transfers"]);
    terminal.miss("frozen");
    terminal.quit();
}

#[test]
fn limits_are_set_and_links_are_passed_on() {
    let seeder = Seeder::new();
    let mut terminal = seeder.tui(&["--download-limit", "20K", &seeder.link], ROOM);
    terminal.then("2", &["at your own download limit of 20.0 KiB/s"]);
    terminal.then("l", &["download limit (such as 10M, or none): "]);
    terminal.then("fast\r", &["expected a rate"]);
    terminal.then("\x1530K\r", &["at your own download limit of 30.0 KiB/s"]);
    terminal.then("u1M\r:show swarm\r", &["limit ↑        1.00 MiB/s"]);

    terminal.then("y", &["link sent to the clipboard"]);
    terminal.read_until(|terminal| !terminal.heard().clipboard.is_empty());
    assert_eq!(terminal.heard().clipboard, [seeder.link.as_str()]);
    terminal.then("?", &["Keys", "copy its link"]);
    terminal.then("\x1b[F\x1b[6~\x1b[6~\x1b[6~\x1b[6~\x1b[6~\x1b[6~", &["FLAGS of a peer"]);
    terminal.keys("q");
    terminal.miss("FLAGS");
    terminal.then("mm", &["the mouse is the terminal's again"]);
    terminal.quit();
}

#[test]
fn what_cannot_be_added_says_why_and_is_tried_again() {
    let world = World::new();
    let mut terminal = Terminal::tui(&world, &["later"], ROOM);
    terminal.see(&["later: no such file or folder"]);
    world.write("later", bytes(100_000, 3));
    terminal.then("a", &["add link or path: "]);
    terminal.then("later\r", &["✓ later"]);
    terminal.then("aswarm:?id=nonsense\r", &["is not 52 base32 characters"]);
    terminal.quit();
}

#[test]
fn what_was_fetched_is_marked_so_when_it_is_shared_by_its_path() {
    let seeder = Seeder::new();
    let loopback = ["--listen", "127.0.0.1:0", "-q"];
    let get = ["get", &seeder.link, "-o", "out", "--seed", "never"];
    let ran = seeder.world.run(&[&get[..], &loopback].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    for runs in [1, 2] {
        let mut terminal = seeder.tui(&["out/share"], ROOM);
        terminal.see(&["✓ share", " got "]);
        // The runs of before: one of the seeder, and all that had to do with what was fetched. This
        // one is among them too, once it has its row.
        terminal.then("8", &[" own "]);
        terminal.until("the runs", |screen| {
            let got = screen.contents().matches(" got ").count();
            got == runs || got == runs + 1
        });
        terminal.quit();
    }
}
