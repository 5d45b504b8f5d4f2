//! The full screen.
//!
//! While it is up, a thread of its own (`run`) owns the terminal (`term`) and the state (`app`,
//! pure), draws it (`view`, and a file for each page) and takes keys (`input`, `keys`). What the
//! program says meanwhile goes into its log. It draws only when something changed, at most 15 times a
//! second.
//!
//! What it shows is a [`Session`], and what its user wants done are [`Order`]s. [`Screen`] shows the
//! one transfer of a command in this way.

mod app;
mod banner;
mod blocks;
mod chart;
mod files;
mod filter;
mod frames;
mod header;
mod help;
mod history;
mod input;
mod keys;
mod log;
mod map;
mod modal;
mod open_folder;
mod overview;
mod page;
mod peers;
mod pieces;
mod qr;
mod run;
#[cfg(test)]
pub mod sample;
mod suspend;
mod swarm;
mod table;
mod term;
mod transfers;
mod verbs;
mod view;
mod why;

use std::{
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use swarm_node::{Event, Progress, Snapshot, Transfer};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

pub use self::{
    app::{Action, App, Kind, order_of},
    history::Past,
    term::give_back,
};
use crate::{
    exit::Failure,
    host::{Entry, Lost, Order, Remark, Session},
    output::{Console, Listener, View},
    share::Policy,
    words::describe,
};

/// Actions that wait to be taken in. The screen takes them as fast as they come; if it is held up,
/// news is lost rather than kept, and lines of the log are counted.
const QUEUE: usize = 256;

/// The terminal while it is ours.
#[derive(Debug)]
pub struct Raised {
    console: Console,
    actions: SyncSender<Action>,
    ear: Ear,
    thread: Option<JoinHandle<App>>,
    /// The thread has ended.
    gone: CancellationToken,
    continued: AbortHandle,
}

impl Raised {
    /// Takes the terminal and shows the state of `app`. Orders are handed out from another thread.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub fn new(
        console: &Console,
        app: App,
        start: Instant,
        orders: Box<dyn Fn(Order) + Send>,
    ) -> Result<Self, Failure> {
        let failed = |error| Failure::system(&error);
        let mut continues =
            signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())).map_err(failed)?;
        let mut resizes = signal(SignalKind::window_change()).map_err(failed)?;
        suspend::listen(console).map_err(failed)?;
        let screen = term::take().map_err(failed)?;
        let (actions, inbox) = mpsc::sync_channel(QUEUE);
        let palette = console.palette();
        let stage = run::Stage { screen, palette, start, orders, inbox, actions: actions.clone() };
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        let thread = thread::spawn(move || {
            // However it ends.
            let _guard = guard;
            run::run(app, stage)
        });
        let again = actions.clone();
        let continued = tokio::spawn(async move {
            loop {
                let action = tokio::select! {
                    Some(()) = continues.recv() => Action::Continued,
                    Some(()) = resizes.recv() => match term::size() {
                        Some((width, height)) => Action::Resize(width, height),
                        None => continue,
                    },
                    else => return,
                };
                // If the queue is full the screen is not suspended, and is drawn soon.
                let _ = again.try_send(action);
            }
        });
        let ear = Ear { actions: actions.clone(), lost: Lost::default() };
        console.speak_to(Some(Box::new(ear.clone())));
        let continued = continued.abort_handle();
        Ok(Self { console: console.clone(), actions, ear, thread: Some(thread), gone, continued })
    }

    /// Waits until the screen has ended by itself: the terminal is gone, or something panicked.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Tells the screen what happened. What it cannot take now is followed by more.
    pub fn tell(&self, action: Action) {
        let _ = self.actions.try_send(action);
    }

    /// Adds a line to the log. Those that it cannot take now are counted, and the count is said.
    pub fn remark(&self, remark: Remark) {
        self.ear.remark(remark);
    }

    /// Gives the terminal back. Returns the state, unless the screen panicked: then the message is on
    /// the terminal, which its hook has given back.
    pub fn lower(mut self) -> Option<App> {
        self.end()
    }

    fn end(&mut self) -> Option<App> {
        let thread = self.thread.take()?;
        self.continued.abort();
        // If nobody takes it the thread has ended already.
        let _ = self.actions.send(Action::Leave);
        let app = thread.join();
        self.console.speak_to(None);
        app.ok()
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the program says while the screen is up: it goes into its log.
#[derive(Debug, Clone)]
struct Ear {
    actions: SyncSender<Action>,
    /// What a screen that was held up could not take.
    lost: Lost,
}

impl Ear {
    fn remark(&self, remark: Remark) {
        let send = |remark| self.actions.try_send(Action::Remark(remark)).is_ok();
        self.lost.say(remark, send);
    }
}

impl Listener for Ear {
    fn hear(&self, warn: bool, line: &str) {
        self.remark(Remark { entry: None, warn, text: line.to_owned() });
    }

    fn suspend(&self) {
        // A screen that is held up does without, as with all that comes then.
        let _ = self.actions.try_send(Action::Suspended);
    }
}

/// The screen of a command that carries one transfer: a view of its progress.
#[derive(Debug)]
pub struct Screen {
    console: Console,
    transfer: Transfer,
    start: Instant,
    entry: Entry,
    answer: watch::Sender<Option<Policy>>,
    stage: Stage,
}

/// Whether it is up.
#[derive(Debug)]
enum Stage {
    /// Not yet, or between two parts of a command.
    Down(Box<App>),
    Up(Raised),
    /// The terminal is gone.
    Gone,
}

impl Screen {
    /// For a transfer. Nothing is drawn before the first snapshot. `entry` is what is known of it;
    /// `answer` is told for how long it is shared, once the user says so.
    pub fn new(
        console: &Console,
        transfer: &Transfer,
        verb: &'static str,
        start: Instant,
        entry: Entry,
        answer: watch::Sender<Option<Policy>>,
    ) -> Self {
        let stage = Stage::Down(Box::new(App::new(Kind::One { verb })));
        Self { console: console.clone(), transfer: transfer.clone(), start, entry, answer, stage }
    }

    fn raise(&self, app: App) -> Result<Stage, Failure> {
        let (transfer, answer) = (self.transfer.clone(), self.answer.clone());
        let orders = Box::new(move |order| match order {
            Order::Engine { command, .. } | Order::All(command) => transfer.command(command),
            Order::Share { policy, .. } => drop(answer.send_replace(Some(policy))),
            // The others are of those who carry several transfers, and have no keys here.
            _ => {}
        });
        Raised::new(&self.console, app, self.start, orders).map(Stage::Up)
    }
}

impl View for Screen {
    fn hashing(&mut self, _: Duration, _: Progress) {}

    fn snapshot(&mut self, now: Duration, snapshot: &Arc<Snapshot>) -> Result<(), Failure> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Down(app) => self.raise(*app)?,
            Stage::Up(screen) if screen.gone.is_cancelled() => {
                drop(screen);
                self.console
                    .warn("the screen has ended; the transfer goes on, and Ctrl-C stops it");
                Stage::Gone
            }
            stage => stage,
        };
        if let Stage::Up(screen) = &self.stage {
            self.entry.snapshot = Some(Arc::clone(snapshot));
            if let Some(policy) = *self.answer.borrow() {
                (self.entry.policy, self.entry.decided) = (policy, true);
            }
            let entries = vec![Arc::new(self.entry.clone())];
            let session = Session { entries, ..Session::default() };
            screen.tell(Action::Session(now, Arc::new(session)));
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) -> bool {
        let Stage::Up(screen) = &self.stage else { return false };
        let (warn, text) = describe(event, |file| self.entry.path_of(file));
        screen.remark(Remark { entry: Some(self.entry.id), warn, text });
        true
    }

    fn clear(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Up(screen) => {
                screen.lower().map_or(Stage::Gone, |app| Stage::Down(Box::new(app)))
            }
            stage => stage,
        };
    }
}
