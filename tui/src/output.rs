//! What the program says: results on stdout, everything else on stderr.
//!
//! All progress is a view of a [`Snapshot`]; the views are in the modules below and share this
//! console, so that a log line, a note and a bar never write over each other.

mod bar;
pub mod json;
mod plain;
#[cfg(test)]
pub mod sample;
pub mod table;

use std::{
    fmt::{Debug, Display},
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;
use swarm_node::{Event, Progress, Snapshot};
use swarm_proto::manifest::Manifest;

pub use self::bar::rows;
use crate::{
    args::ProgressMode,
    exit::Failure,
    look::{Glyphs, Palette, Theme},
    output::json::Line,
    text::inert,
    words::describe,
};

/// Where everything is printed.
#[derive(Debug, Clone)]
pub struct Console {
    json: bool,
    quiet: bool,
    colour: bool,
    mode: Mode,
    bars: MultiProgress,
    /// Of the full screen.
    look: (Theme, Glyphs),
    /// The full screen, while it is up: then all that is said goes into its log. Shared, as stderr is.
    screen: Arc<Mutex<Option<Box<dyn Listener>>>>,
}

/// What has the whole terminal, and takes in what is said meanwhile. Must not wait.
pub trait Listener: Debug + Send {
    /// Takes in one line.
    fn hear(&self, warn: bool, line: &str);
    /// The process is to stop for a while: gives the terminal back and stops it.
    fn suspend(&self);
}

/// How progress is shown, once that is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A full screen for a transfer, a bar for everything else.
    Screen,
    Bar,
    Plain,
    Json,
    Hidden,
}

impl Mode {
    /// Decides what `auto` means here. The command line that asks for nothing else gets a bar on a
    /// terminal; a file never gets a carriage return.
    pub fn decide(asked: ProgressMode, json: bool, quiet: bool, terminal: bool) -> Self {
        match asked {
            // A configuration file may ask for it where there is none; typed, it is refused before.
            ProgressMode::Tui if terminal && !json => Self::Screen,
            ProgressMode::Bar => Self::Bar,
            ProgressMode::Plain => Self::Plain,
            ProgressMode::Json => Self::Json,
            ProgressMode::None => Self::Hidden,
            ProgressMode::Tui | ProgressMode::Auto if json => Self::Json,
            ProgressMode::Tui | ProgressMode::Auto if quiet => Self::Hidden,
            ProgressMode::Auto if terminal => Self::Bar,
            ProgressMode::Tui | ProgressMode::Auto => Self::Plain,
        }
    }
}

/// Whether somebody sees stderr, on a terminal that can redraw a line.
pub fn on_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl Console {
    /// For this way of showing progress. `json`: results are JSON.
    pub fn new(json: bool, quiet: bool, mode: Mode) -> Self {
        let target = match mode {
            // Ten a second, as the snapshots come.
            Mode::Bar | Mode::Screen => ProgressDrawTarget::stderr_with_hz(10),
            _ => ProgressDrawTarget::hidden(),
        };
        let colour = on_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let bars = MultiProgress::with_draw_target(target);
        Self {
            json: json || mode == Mode::Json,
            quiet,
            colour,
            mode,
            bars,
            look: (Theme::Default, Glyphs::Block),
            screen: Arc::default(),
        }
    }

    /// The same for a command that answers with one object: its progress is not for stdout.
    pub fn for_answer(mut self) -> Self {
        if self.mode == Mode::Json {
            self.mode = Mode::Hidden;
        }
        self
    }

    /// Whether results are JSON.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result for people.
    ///
    /// # Errors
    /// If the reader went away.
    pub fn result(&self, text: impl Display) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.stdout(&text.to_string()) }
    }

    /// Prints a result for programs: one line of JSON.
    ///
    /// # Errors
    /// If the reader went away.
    pub fn object(&self, value: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string(value).map_err(io::Error::other);
        text.map_err(|error| stdout_failure(&error)).and_then(|text| self.stdout(&text))
    }

    /// Prints lines on stdout, as they are.
    ///
    /// # Errors
    /// If the reader went away, or the disk behind a redirection is full.
    pub fn stdout(&self, text: &str) -> Result<(), Failure> {
        let mut written = Ok(());
        self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            written = writeln!(out, "{text}").and_then(|()| out.flush());
        });
        written.map_err(|error| stdout_failure(&error))
    }

    /// Says something that is no result, unless asked to be quiet.
    pub fn note(&self, text: impl Display) {
        if !self.quiet {
            self.stderr(&text.to_string());
        }
    }

    /// Says that something is not as it should be.
    pub fn warn(&self, text: impl Display) {
        if self.to_screen(true, &text.to_string()) {
            return;
        }
        self.stderr(&format!("{} {text}", self.painted("warning:", "33")));
    }

    /// Says why the program ends, on stderr for people, and on stdout for programs.
    pub fn failure(&self, failure: &Failure) {
        // Paths and the words of others are in it.
        let (message, hint) = (inert(&failure.message), failure.hint.as_deref().map(inert));
        self.stderr(&format!("{} {message}", self.painted("error:", "31")));
        if let Some(hint) = hint {
            self.stderr(&format!("{} {hint}", self.painted("hint:", "36")));
        }
        if !failure.answered {
            // The program ends with this failure whether anybody still reads its output or not.
            let _ = self.object(&Line::error(failure));
        }
    }

    /// Says what the engine reports.
    ///
    /// # Errors
    /// If the reader went away.
    pub fn event(&self, event: &Event, manifest: &Manifest) -> Result<(), Failure> {
        // Our own `completed` has the figures.
        if *event != Event::Completed {
            self.object(event)?;
        }
        let files = &manifest.info().files;
        let (warn, text) = describe(event, |file| Some(files.get(file)?.path.to_string()));
        match event {
            // What a bar and lines show themselves, or what needs nobody's attention.
            Event::PeerJoined { .. }
            | Event::PeerLeft { .. }
            | Event::PieceCorrupt { .. }
            | Event::Completed
            | Event::TrackerUp { .. } => {}
            _ if warn => self.warn(text),
            _ => self.note(text),
        }
        Ok(())
    }

    /// A view of progress in the mode that was decided.
    pub fn progress(&self) -> Box<dyn View> {
        match self.mode {
            Mode::Bar | Mode::Screen => Box::new(bar::Bar::new(&self.bars)),
            Mode::Plain => Box::new(plain::Plain::new(self.clone())),
            Mode::Json => Box::new(json::Events::new(self.clone())),
            Mode::Hidden => Box::new(Hidden),
        }
    }

    /// The bars on the screen, for a view of several downloads; `None` if none are drawn.
    pub fn bars(&self) -> Option<&MultiProgress> {
        matches!(self.mode, Mode::Bar | Mode::Screen).then_some(&self.bars)
    }

    /// Whether transfers have the whole screen.
    pub fn has_screen(&self) -> bool {
        self.mode == Mode::Screen
    }

    /// What the full screen is drawn with.
    pub const fn palette(&self) -> Palette {
        Palette::new(self.look.0, self.look.1, self.colour)
    }

    /// The same for a command that is a full screen itself.
    pub const fn for_screen(mut self) -> Self {
        self.mode = Mode::Screen;
        self
    }

    /// The same with what the user chose for the full screen.
    pub const fn with_look(mut self, theme: Theme, glyphs: Glyphs) -> Self {
        self.look = (theme, glyphs);
        self
    }

    /// From now on all that is said goes to who has the terminal, or to stderr again.
    pub fn speak_to(&self, listener: Option<Box<dyn Listener>>) {
        *self.screen.lock().unwrap_or_else(PoisonError::into_inner) = listener;
    }

    /// Asks who has the terminal to stop the process for a while. Whether there is anybody.
    pub fn suspend(&self) -> bool {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.iter().for_each(|screen| screen.suspend());
        screen.is_some()
    }

    /// Whether the screen is up and took the text.
    fn to_screen(&self, warn: bool, text: &str) -> bool {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(screen) = &*screen {
            text.lines().for_each(|line| screen.hear(warn, line));
        }
        screen.is_some()
    }

    /// Whether progress is printed as lines.
    pub fn has_lines(&self) -> bool {
        self.mode == Mode::Plain
    }

    /// Whether progress is printed as events.
    pub fn has_events(&self) -> bool {
        self.mode == Mode::Json
    }

    /// A line on stderr, above the bars. If stderr is gone there is nobody to tell.
    pub fn stderr(&self, line: &str) {
        self.write_stderr(format!("{line}\n").as_bytes());
    }

    /// Bytes to stderr, above the bars.
    pub fn write_stderr(&self, bytes: &[u8]) {
        if self.to_screen(false, &String::from_utf8_lossy(bytes)) {
            return;
        }
        self.bars.suspend(|| {
            let _ = io::stderr().write_all(bytes);
        });
    }

    fn painted(&self, word: &str, colour: &str) -> String {
        if self.colour { format!("\x1b[1;{colour}m{word}\x1b[0m") } else { word.to_owned() }
    }
}

/// Something that shows progress.
pub trait View: Send {
    /// Reading and hashing.
    fn hashing(&mut self, now: Duration, progress: Progress);
    /// A transfer. `now` is the time since its start.
    ///
    /// # Errors
    /// If the reader of stdout went away.
    fn snapshot(&mut self, now: Duration, snapshot: &Arc<Snapshot>) -> Result<(), Failure>;
    /// Something that the engine reports. Whether the view shows it itself.
    fn event(&mut self, _: &Event) -> bool {
        false
    }
    /// Takes away what is on the screen.
    fn clear(&mut self) {}
}

struct Hidden;

impl View for Hidden {
    fn hashing(&mut self, _: Duration, _: Progress) {}

    fn snapshot(&mut self, _: Duration, _: &Arc<Snapshot>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Why nothing can be written to stdout any more.
pub fn stdout_failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::pipe(),
        _ => Failure::file("stdout".as_ref(), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_where_it_can_be_read() {
        let auto = |json, quiet, terminal| Mode::decide(ProgressMode::Auto, json, quiet, terminal);
        assert_eq!(auto(false, false, true), Mode::Bar);
        assert_eq!(auto(false, false, false), Mode::Plain);
        assert_eq!(auto(true, false, true), Mode::Json);
        assert_eq!(auto(false, true, true), Mode::Hidden);
        let tui = |json, terminal| Mode::decide(ProgressMode::Tui, json, false, terminal);
        assert_eq!(tui(false, true), Mode::Screen);
        assert_eq!(tui(false, false), Mode::Plain, "from the configuration file");
        assert_eq!(tui(true, true), Mode::Json);
        assert_eq!(Mode::decide(ProgressMode::Bar, true, true, false), Mode::Bar);
    }
}
