//! What the screen knows, and what each key and each piece of news does to it. Pure: time comes with
//! the news, and what must be done outside is returned.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use swarm_node::{Command, Snapshot, State};

use super::log::Log;

/// Seconds of rates that are kept and drawn.
pub const HISTORY_S: usize = 60;

/// What does not change while the screen is up. All texts are safe to print.
#[derive(Debug, Clone)]
pub struct About {
    /// `get` or `seed`.
    pub verb: &'static str,
    /// The share's name.
    pub name: String,
    /// The start of its id.
    pub id: String,
    /// Length of a piece in bytes.
    pub piece_length: u32,
    /// Where it is or will be on the disk.
    pub path: String,
    /// What others fetch it with.
    pub link: String,
}

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// Some of everything.
    #[default]
    Overview,
    /// All peers.
    Peers,
    /// What was said.
    Log,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Action {
    /// News of the transfer, so long after the command began.
    Snapshot(Duration, Arc<Snapshot>),
    /// The engine or the program has something to say.
    Line {
        /// It is a warning.
        warn: bool,
        /// One line, as it came.
        text: String,
    },
    /// A key that means something.
    Key(Key),
    /// The terminal has another size, or shows something else.
    Redraw,
    /// The process goes on after it was suspended.
    Continued,
    /// Give the terminal back.
    Leave,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Show(Page),
    Next,
    Up,
    Down,
    PageUp,
    PageDown,
    Pause,
    Freeze,
    Copy,
    Help,
    Back,
    Suspend,
    Quit,
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the engine.
    Command(Command),
    /// Put the link on the user's clipboard.
    Copy,
    /// End as after Ctrl-C.
    Quit,
    /// Stop the process as after Ctrl-Z.
    Suspend,
}

/// What is drawn: all that stands still while frozen.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Time since the command began.
    pub now: Duration,
    /// The latest snapshot.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Bytes a second down and up, one sample a second, at most [`HISTORY_S`], the latest last.
    pub rates: VecDeque<(u64, u64)>,
}

/// The state of the screen.
#[derive(Debug)]
pub struct App {
    pub about: About,
    pub page: Page,
    pub help: bool,
    /// The user asked for the end.
    pub stopping: bool,
    /// The link was copied; shown until the next key.
    pub copied: bool,
    pub log: Log,
    /// First row shown of the peers, or how far back the log is scrolled.
    pub scroll: usize,
    live: Scene,
    frozen: Option<Scene>,
}

/// Rows that a page key moves by: less than any page shows, so that nothing is skipped.
const PAGE_ROWS: usize = 10;

impl App {
    pub fn new(about: About) -> Self {
        Self {
            about,
            page: Page::Overview,
            help: false,
            stopping: false,
            copied: false,
            log: Log::default(),
            scroll: 0,
            live: Scene::default(),
            frozen: None,
        }
    }

    /// What to draw.
    pub fn scene(&self) -> &Scene {
        self.frozen.as_ref().unwrap_or(&self.live)
    }

    pub const fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Takes in what happened. Returns what to do outside.
    pub fn update(&mut self, action: Action) -> Option<Effect> {
        match action {
            Action::Snapshot(now, snapshot) => self.live.advance(now, snapshot),
            Action::Line { warn, text } => self.log.push(self.live.now, warn, &text),
            Action::Key(key) => return self.key(key),
            Action::Redraw | Action::Continued | Action::Leave => {}
        }
        None
    }

    fn key(&mut self, key: Key) -> Option<Effect> {
        self.copied = false;
        match key {
            Key::Show(page) => self.show(page),
            Key::Next => self.show(self.page.next()),
            Key::Up => self.scroll_by(-1),
            Key::Down => self.scroll_by(1),
            Key::PageUp => self.scroll_by(-(PAGE_ROWS as isize)),
            Key::PageDown => self.scroll_by(PAGE_ROWS as isize),
            Key::Help => self.help = !self.help,
            Key::Back => self.help = false,
            Key::Freeze => {
                self.frozen = if self.is_frozen() { None } else { Some(self.live.clone()) };
            }
            Key::Copy => {
                self.copied = true;
                return Some(Effect::Copy);
            }
            Key::Pause => {
                let paused = self.live.state() == Some(State::Paused);
                let command = if paused { Command::Resume } else { Command::Pause };
                return Some(Effect::Command(command));
            }
            Key::Suspend => return Some(Effect::Suspend),
            Key::Quit => {
                self.stopping = true;
                return Some(Effect::Quit);
            }
        }
        None
    }

    fn show(&mut self, page: Page) {
        (self.page, self.help, self.scroll) = (page, false, 0);
    }

    fn scroll_by(&mut self, rows: isize) {
        let peers = self.scene().snapshot.as_ref().map_or(0, |snapshot| snapshot.peers.len());
        let (all, rows) = match self.page {
            Page::Overview | Page::Peers => (peers, rows),
            // The log's end is where one looks first.
            Page::Log => (self.log.len(), -rows),
        };
        self.scroll = self.scroll.saturating_add_signed(rows).min(all.saturating_sub(1));
    }
}

impl Page {
    pub const ALL: [Self; 3] = [Self::Overview, Self::Peers, Self::Log];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Peers => "Peers",
            Self::Log => "Log",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Overview => Self::Peers,
            Self::Peers => Self::Log,
            Self::Log => Self::Overview,
        }
    }
}

impl Scene {
    fn state(&self) -> Option<State> {
        self.snapshot.as_ref().map(|snapshot| snapshot.state)
    }

    fn advance(&mut self, now: Duration, snapshot: Arc<Snapshot>) {
        if self.snapshot.is_none() || now.as_secs() > self.now.as_secs() {
            if self.rates.len() == HISTORY_S {
                self.rates.pop_front();
            }
            self.rates.push_back((snapshot.down_rate, snapshot.up_rate));
        }
        (self.now, self.snapshot) = (now, Some(snapshot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{output::sample, screen::sample::about};

    fn news(seconds: u64, down_rate: u64) -> Action {
        let snapshot = Snapshot { down_rate, ..sample::downloading() };
        Action::Snapshot(Duration::from_secs(seconds), Arc::new(snapshot))
    }

    #[test]
    fn rates_are_kept_once_a_second_and_for_a_minute() {
        let mut app = App::new(about());
        app.update(news(1, 5));
        app.update(news(1, 6));
        assert_eq!(app.scene().rates, [(5, 5 << 20)]);
        for second in 2..200 {
            app.update(news(second, second));
        }
        assert_eq!(app.scene().rates.len(), HISTORY_S);
        assert_eq!(app.scene().rates.back(), Some(&(199, 5 << 20)));
    }

    #[test]
    fn a_frozen_screen_stands_still_and_then_catches_up() {
        let mut app = App::new(about());
        app.update(news(1, 10));
        app.update(Action::Key(Key::Freeze));
        app.update(news(2, 20));
        assert_eq!(app.scene().now, Duration::from_secs(1));
        app.update(Action::Key(Key::Freeze));
        assert_eq!(app.scene().now, Duration::from_secs(2));
        assert_eq!(app.scene().rates, [(10, 5 << 20), (20, 5 << 20)]);
    }

    #[test]
    fn the_pause_key_undoes_a_pause() {
        let mut app = App::new(about());
        app.update(news(1, 0));
        let pause = app.update(Action::Key(Key::Pause));
        assert_eq!(pause, Some(Effect::Command(Command::Pause)));
        let paused = Snapshot { state: State::Paused, ..sample::downloading() };
        app.update(Action::Snapshot(Duration::from_secs(2), Arc::new(paused)));
        let resume = app.update(Action::Key(Key::Pause));
        assert_eq!(resume, Some(Effect::Command(Command::Resume)));
    }

    #[test]
    fn a_list_scrolls_no_further_than_its_last_row() {
        let mut app = App::new(about());
        app.update(news(1, 0));
        app.update(Action::Key(Key::PageDown));
        assert_eq!(app.scroll, 1, "two peers");
        app.update(Action::Key(Key::Up));
        app.update(Action::Key(Key::Up));
        assert_eq!(app.scroll, 0);
    }

    #[test]
    fn quitting_is_asked_of_the_program_and_said_on_the_screen() {
        let mut app = App::new(about());
        assert_eq!(app.update(Action::Key(Key::Quit)), Some(Effect::Quit));
        assert!(app.stopping);
    }
}
