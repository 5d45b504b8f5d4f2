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
    borrow::Cow,
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError, mpsc::SyncSender},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;
use swarm_engine::{Bottleneck, PeerSnapshot};
use swarm_node::{Event, Progress, Snapshot, State};
use swarm_proto::manifest::Manifest;

pub use self::bar::rows;
use crate::{
    args::ProgressMode,
    exit::Failure,
    host::Remark,
    output::json::Line,
    screen::{self, Action, Glyphs, Palette, Theme},
    text::{counted, inert},
    units::{Bytes, Clock, Rate},
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
    screen: Arc<Mutex<Option<SyncSender<Action>>>>,
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
        match event {
            Event::PeerBanned { peer, piece } => self.warn(format_args!(
                "peer {} sent bad data for piece {piece} and is no longer talked to",
                peer.short()
            )),
            Event::WrongKey { addr } => self.warn(format_args!(
                "the peer at {addr} proved another key than the one that was named"
            )),
            Event::DiskFull => self.warn("the disk is full: downloading waits for space"),
            Event::DiskRecovered => self.note("the disk takes data again"),
            Event::DiskFailed { message } => self.warn(format_args!("disk: {}", inert(message))),
            Event::FileChanged { file } => {
                let path = manifest.info().files.get(*file as usize).map(|file| &*file.path);
                self.warn(inert(&changed(path.unwrap_or_default())));
            }
            Event::TrackerWrongKey { name, .. } => {
                let name = inert(name);
                self.warn(format_args!(
                    "tracker {name} proved another key than the one that was named"
                ));
            }
            Event::TrackerDown { name, .. } => {
                let name = inert(name);
                self.warn(format_args!("tracker {name} does not answer; trying again"));
            }
            _ => {}
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

    /// From now on all that is said goes into the log of this screen, or to stderr again.
    pub fn speak_to(&self, screen: Option<SyncSender<Action>>) {
        *self.screen.lock().unwrap_or_else(PoisonError::into_inner) = screen;
    }

    /// Gives the terminal back at once, for last words.
    pub fn drop_screen(&self) {
        screen::give_back();
        self.speak_to(None);
    }

    /// Whether the screen is up and took the text.
    fn to_screen(&self, warn: bool, text: &str) -> bool {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(actions) = &*screen {
            for line in text.lines() {
                // What a screen that is held up cannot take is lost, as it would be off its end.
                let remark = Remark { entry: None, warn, text: line.to_owned() };
                let _ = actions.try_send(Action::Remark(remark));
            }
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

/// Bytes of bytes, so that they line up with nothing but read well.
fn amount(done: u64, total: u64) -> String {
    format!("{} of {}", Bytes(done), Bytes(total))
}

/// How far it is, in percent, rounded down: 100 only when all is done.
pub fn percent(done: u64, total: u64) -> f64 {
    if total == 0 { 100.0 } else { (done as f64 / total as f64 * 1000.0).floor() / 10.0 }
}

/// Peers that have everything.
fn seeds(snapshot: &Snapshot) -> usize {
    snapshot.peers.iter().filter(|peer| peer.pieces == snapshot.pieces).count()
}

/// What goes on, in a word or two.
pub fn state(state: State) -> &'static str {
    match state {
        State::Checking => "checking",
        State::Downloading => "downloading",
        State::Finishing => "finishing",
        State::Seeding => "sharing",
        State::Paused => "paused",
        State::DiskTrouble => "waiting for the disk",
        State::Stopped => "stopped",
    }
}

/// What goes on with a transfer, in a few words: also whether it shares less than everything.
pub fn status(snapshot: &Snapshot) -> Cow<'static, str> {
    match snapshot.pieces.saturating_sub(snapshot.pieces_have) {
        n @ 1.. if snapshot.state == State::Seeding => {
            format!("sharing all but {}", counted(n.into(), "piece")).into()
        }
        _ => state(snapshot.state).into(),
    }
}

/// Says that a file was changed that is shared. `path` is its path in the share, which is this one
/// file if that is empty.
pub fn changed(path: &[String]) -> String {
    let name = if path.is_empty() { "the file".into() } else { path.join("/") };
    format!(
        "{name} was changed by another program: it is read again, and what differs is not shared; \
         share it anew for a link to what it is now"
    )
}

/// Whether all trackers were asked and none answered. One that is being asked may still do so.
pub fn no_tracker_answers(snapshot: &Snapshot) -> bool {
    let trackers = &snapshot.trackers;
    !trackers.is_empty() && trackers.iter().all(|tracker| !tracker.up && tracker.next_s > 0)
}

/// Why it is slow, if that is known.
pub fn bottleneck(snapshot: &Snapshot) -> Option<Cow<'static, str>> {
    if snapshot.state != State::Downloading {
        return None;
    }
    Some(match snapshot.bottleneck {
        Bottleneck::None | Bottleneck::Network => return None,
        Bottleneck::NoPeers if no_tracker_answers(snapshot) => {
            "no peers: no tracker answers".into()
        }
        Bottleneck::NoPeers => "no peers".into(),
        Bottleneck::NothingOffered => "no peer has what is missing".into(),
        Bottleneck::Choked => "choked by all peers".into(),
        Bottleneck::Limit => match snapshot.down_limit {
            Some(limit) => format!("limited to {}", Rate(limit)).into(),
            None => "limited".into(),
        },
        Bottleneck::RarePieces => "waiting for rare pieces".into(),
        Bottleneck::Hashing => "hashing is slow".into(),
        Bottleneck::Disk => "waiting for the disk".into(),
    })
}

/// The figures of a transfer behind its percentage: `3.49 GiB of 5.69 GiB`, `84.2 MiB/s`, ….
fn figures(snapshot: &Snapshot) -> Vec<String> {
    let sharing = matches!(snapshot.state, State::Seeding | State::Stopped);
    let mut parts = Vec::new();
    if sharing {
        parts.push(format!("up {}", Rate(snapshot.up_rate)));
        parts.push(format!("{} uploaded", Bytes(snapshot.totals.uploaded)));
    } else {
        parts.push(amount(snapshot.bytes_have, snapshot.bytes_wanted));
        parts.push(format!("down {}", Rate(snapshot.down_rate)));
        if snapshot.up_rate > 0 {
            parts.push(format!("up {}", Rate(snapshot.up_rate)));
        }
        if let Some(eta) = snapshot.eta_s {
            parts.push(format!("{} left", Clock(eta)));
        }
    }
    let slow = bottleneck(snapshot);
    let alone = slow.is_some() && snapshot.peers.is_empty();
    // Before what a narrow terminal has no room for.
    parts.extend(slow.map(Into::into));
    if !alone {
        parts.push(peers(snapshot));
    }
    parts
}

/// `5 peers (2 seeds)`.
pub fn peers(snapshot: &Snapshot) -> String {
    let peers: &[PeerSnapshot] = &snapshot.peers;
    let count = counted(peers.len() as u64, "peer");
    match seeds(snapshot) {
        0 => count,
        n => format!("{count} ({})", counted(n as u64, "seed")),
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

    #[test]
    fn a_hundred_percent_is_all_of_it() {
        assert_eq!(percent(999_999_999, 1_000_000_000), 99.9);
        assert_eq!(percent(0, 0), 100.0);
        assert_eq!(percent(5, 5), 100.0);
    }

    #[test]
    fn every_cause_has_its_phrase() {
        let phrase = |bottleneck| {
            let down_limit = Some(2 << 20);
            let snapshot = Snapshot { bottleneck, down_limit, ..sample::downloading() };
            self::bottleneck(&snapshot)
        };
        for (cause, expected) in [
            (Bottleneck::None, None),
            (Bottleneck::NoPeers, Some("no peers")),
            (Bottleneck::NothingOffered, Some("no peer has what is missing")),
            (Bottleneck::Choked, Some("choked by all peers")),
            (Bottleneck::Limit, Some("limited to 2.00 MiB/s")),
            (Bottleneck::RarePieces, Some("waiting for rare pieces")),
            (Bottleneck::Hashing, Some("hashing is slow")),
            (Bottleneck::Disk, Some("waiting for the disk")),
            (Bottleneck::Network, None),
        ] {
            assert_eq!(phrase(cause).as_deref(), expected, "{cause:?}");
        }
        let paused = Snapshot {
            state: State::Paused,
            bottleneck: Bottleneck::NoPeers,
            ..sample::downloading()
        };
        assert_eq!(bottleneck(&paused), None);
    }

    #[test]
    fn who_shares_less_than_everything_says_so() {
        let mut snapshot = sample::seeding();
        assert_eq!(status(&snapshot), "sharing");
        snapshot.pieces_have -= 1;
        assert_eq!(status(&snapshot), "sharing all but 1 piece");
        snapshot.pieces_have -= 1;
        assert_eq!(status(&snapshot), "sharing all but 2 pieces");
        assert_eq!(status(&sample::downloading()), "downloading");
    }

    #[test]
    fn the_figures_say_what_matters_in_each_state() {
        let mut snapshot = sample::downloading();
        assert_eq!(
            figures(&snapshot).join(", "),
            "600 MiB of 900 MiB, down 80.0 MiB/s, up 5.00 MiB/s, 0:05 left, 2 peers (1 seed)"
        );
        (snapshot.down_rate, snapshot.up_rate, snapshot.eta_s) = (0, 0, None);
        snapshot.peers.clear();
        snapshot.bottleneck = Bottleneck::NoPeers;
        assert_eq!(figures(&snapshot).join(", "), "600 MiB of 900 MiB, down 0 B/s, no peers");
        assert_eq!(
            figures(&sample::seeding()).join(", "),
            "up 5.00 MiB/s, 1.17 GiB uploaded, 2 peers (1 seed)"
        );
    }
}
