//! A terminal with a user: a pseudo-terminal, an emulator that reads what the program draws, and keys.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    num::NonZeroU16,
    os::unix::process::ExitStatusExt,
    process::{Child, Command},
    sync::Mutex,
    time::{Duration, Instant},
};

use pty_process::{
    Size,
    blocking::{self, Pty},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, Signal, kill_process},
    termios::{LocalModes, Termios, tcgetattr},
};
use vt100::{Callbacks, MouseProtocolMode, Parser, Screen};

use crate::world::{World, wait_until_stopped};

/// For anything to happen. A loaded machine takes long; what never comes fails the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sizes that everything is tried at, in columns and rows.
pub const SIZES: [(u16, u16); 5] = [(200, 60), (100, 30), (80, 24), (60, 15), (20, 5)];

/// Pseudo-terminals are opened one at a time: a child that is started meanwhile would inherit the end
/// that its own terminal hangs up by.
static OPENING: Mutex<()> = Mutex::new(());

/// A terminal with a program on it.
pub struct Terminal {
    /// `None` once it was closed.
    pty: Option<Pty>,
    parser: Parser<Heard>,
    child: Child,
    /// How the terminal was set before the program came.
    before: Termios,
    /// All that was written, for whoever looks for what an emulator does not keep.
    pub written: Vec<u8>,
}

/// What an emulator hears but does not show.
#[derive(Debug, Default)]
pub struct Heard {
    /// Frames, by the mark at their end.
    pub frames: usize,
    /// What was put on the clipboard.
    pub clipboard: Vec<String>,
}

impl Callbacks for Heard {
    fn unhandled_csi(
        &mut self,
        _: &mut Screen,
        prefix: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        last: char,
    ) {
        if (prefix, params, last) == (Some(b'?'), &[&[2026]], 'l') {
            self.frames += 1;
        }
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], data: &[u8]) {
        self.clipboard.push(unbase64(data));
    }
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

impl Terminal {
    /// The program, as on a terminal of its user's.
    pub fn command(world: &World, args: &[&str]) -> Command {
        let mut command = world.command(args);
        command.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
        command.env("RUST_BACKTRACE", "0");
        command
    }

    /// `swarm tui` on loopback, with downloads in `out` and nothing of an earlier one.
    pub fn tui(world: &World, args: &[&str], size: (u16, u16)) -> Self {
        let all = [&["tui", "--fresh", "-o", "out", "--listen", "127.0.0.1:0"], args].concat();
        Self::start(Self::command(world, &all), size)
    }

    /// Starts a command on a terminal of this size, which it has for itself.
    pub fn start(command: Command, (columns, rows): (u16, u16)) -> Self {
        let one = OPENING.lock().unwrap();
        let (pty, pts) = blocking::open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let before = tcgetattr(&pty).unwrap();
        let child = blocking::Command::from(command).spawn(pts).unwrap();
        drop(one);
        let parser =
            Parser::new_with_callbacks(cells(rows), cells(columns), 1000, Heard::default());
        Self { pty: Some(pty), parser, child, before, written: Vec::new() }
    }

    /// Types, character by character as a keyboard does.
    pub fn keys(&mut self, keys: &str) {
        self.pty.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Pastes, as a terminal does for a program that knows of it.
    pub fn paste(&mut self, text: &str) {
        self.until("bracketed paste", Screen::bracketed_paste);
        self.keys(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Makes it larger or smaller.
    pub fn resize(&mut self, (columns, rows): (u16, u16)) {
        self.parser.set_size(cells(rows), cells(columns));
        self.pty.as_ref().unwrap().resize(Size::new(rows, columns)).unwrap();
    }

    /// Waits until the screen is as wanted. What came with it is read to its end.
    pub fn until(&mut self, what: &str, mut wanted: impl FnMut(&Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted(self.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.read(left) {
                panic!("waited for {what}, and there is\n{}", self.picture());
            }
        }
    }

    /// Waits until all of these are on the screen.
    pub fn see(&mut self, texts: &[&str]) {
        self.until(&format!("{texts:?}"), |screen| {
            let text = contents(screen);
            texts.iter().all(|wanted| text.contains(wanted))
        });
    }

    /// Waits until this is not on the screen.
    pub fn miss(&mut self, text: &str) {
        self.until(&format!("no {text:?}"), |screen| !contents(screen).contains(text));
    }

    /// Types, and waits until all of these are on the screen.
    pub fn then(&mut self, keys: &str, texts: &[&str]) {
        self.keys(keys);
        self.see(texts);
    }

    /// One step back, until this is not on the screen.
    pub fn back(&mut self, text: &str) {
        self.keys("\x1b");
        self.miss(text);
    }

    /// Waits until this is so.
    pub fn read_until(&mut self, mut wanted: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !wanted(self) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && self.read(left), "in vain:\n{}", self.picture());
        }
    }

    /// Waits until nothing is written for so long.
    pub fn quiet(&mut self, length: Duration) {
        let end = Instant::now() + PATIENCE;
        while self.read(length) {
            assert!(Instant::now() < end, "never quiet\n{}", self.picture());
        }
    }

    /// Reads what is written within this time, as much as there is at once. Whether there was any.
    pub fn read(&mut self, within: Duration) -> bool {
        let Some(pty) = &mut self.pty else { return false };
        let mut fds = [PollFd::new(pty, PollFlags::IN)];
        let within = Timespec::try_from(within).unwrap();
        match poll(&mut fds, Some(&within)) {
            Ok(0) => return false,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("{error}"),
        }
        let mut bytes = [0; 1 << 16];
        match pty.read(&mut bytes) {
            // Linux says so when the last process on it has ended.
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.parser.process(&bytes[..n]);
                self.written.extend_from_slice(&bytes[..n]);
                true
            }
        }
    }

    /// What the emulator makes of all that was written.
    pub fn screen(&self) -> &Screen {
        self.parser.screen()
    }

    /// What the emulator itself has no place for: frames and the clipboard.
    pub fn heard(&self) -> &Heard {
        self.parser.callbacks()
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        contents(self.screen())
    }

    /// What is on the screen in a frame, for messages.
    fn picture(&self) -> String {
        let (rows, columns) = self.screen().size();
        let mut picture = String::new();
        for row in self.screen().rows(0, columns.get()) {
            let _ = writeln!(picture, "|{row}");
        }
        format!("{columns}x{rows}\n{picture}")
    }

    /// Whether keys come one by one, unseen, and those for signals among them.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(self.pty.as_ref().unwrap()).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    /// Waits until the screen is up.
    pub fn up(&mut self) {
        self.until("the screen", |screen| screen.alternate_screen() && screen.hide_cursor());
        assert!(self.is_raw());
    }

    /// Asserts that the terminal is as it was before the program came.
    pub fn assert_restored(&self) {
        let screen = self.screen();
        assert!(!screen.alternate_screen(), "{}", self.picture());
        assert!(!screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), MouseProtocolMode::None);
        let now = tcgetattr(self.pty.as_ref().unwrap()).unwrap();
        let before = &self.before;
        assert_eq!(
            (now.input_modes, now.output_modes, now.control_modes, now.local_modes),
            (before.input_modes, before.output_modes, before.control_modes, before.local_modes)
        );
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The number of the program's process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits until the program has stopped, but not ended.
    pub fn wait_until_stopped(&self) {
        wait_until_stopped(self.pid());
    }

    /// The terminal goes away, as when its window is closed.
    pub fn hang_up(&mut self) {
        drop(self.pty.take());
    }

    /// Ends the program as its user does, who is asked nothing.
    pub fn quit(&mut self) {
        self.keys("q");
        assert_eq!(self.end(), 0, "{}", self.picture());
        self.assert_restored();
    }

    /// Waits for the end of the program, and reads its last words. Returns its exit code, or that of a
    /// signal as a shell has it.
    pub fn end(&mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        while self.read(end.saturating_duration_since(Instant::now())) {}
        assert!(Instant::now() < end, "does not end\n{}", self.picture());
        let status = self.child.wait().unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Most have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a screen, a line each.
fn contents(screen: &Screen) -> String {
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).collect::<Vec<_>>().join("\n")
}

/// The text of RFC 4648's base64: six bits a letter.
fn unbase64(letters: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let place = |letter: &u8| LETTERS.iter().position(|known| known == letter);
    let bits: Vec<_> = letters
        .iter()
        .filter_map(place)
        .flat_map(|six| (0..6).rev().map(move |bit| (six >> bit & 1) as u8))
        .collect();
    let bytes = bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit));
    String::from_utf8(bytes.collect()).unwrap()
}
