//! The full-screen view of one transfer.
//!
//! [`Screen`] is one of the views of progress. While it is up, a thread of its own (`run`) owns the
//! terminal (`term`) and the state (`app`, pure), draws it (`view`, and a file for each part) and
//! takes keys (`keys`). What the program says meanwhile goes into its log. It draws only when
//! something changed, at most 15 times a second.

mod app;
mod chart;
mod facts;
mod header;
mod help;
mod keys;
mod log;
mod palette;
mod peers;
mod pieces;
mod run;
#[cfg(test)]
mod sample;
mod term;
mod view;

use std::{
    sync::{
        Arc,
        mpsc::{self, SyncSender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use swarm_node::{Event, Progress, Snapshot, Transfer};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::AbortHandle,
};

use self::{app::App, palette::Palette};
pub use self::{
    app::{About, Action},
    term::give_back,
};
use crate::{
    exit::Failure,
    output::{Console, View},
};

/// Actions that wait to be taken in. The screen takes them as fast as they come; if it is held up,
/// news is lost rather than kept.
const QUEUE: usize = 256;

/// The view.
#[derive(Debug)]
pub struct Screen {
    console: Console,
    transfer: Transfer,
    stage: Stage,
}

/// Whether it is up.
#[derive(Debug)]
enum Stage {
    /// Not yet, or between two parts of a command.
    Down(Box<App>),
    Up {
        actions: SyncSender<Action>,
        thread: JoinHandle<App>,
        continued: AbortHandle,
    },
    /// The terminal is gone.
    Gone,
}

impl Screen {
    /// For a transfer. Nothing is drawn before the first snapshot.
    pub fn new(console: &Console, transfer: &Transfer, about: About) -> Self {
        let stage = Stage::Down(Box::new(App::new(about)));
        Self { console: console.clone(), transfer: transfer.clone(), stage }
    }

    fn raise(&self, app: App) -> Result<Stage, Failure> {
        let failed = |error| Failure::system(&error);
        let mut continues =
            signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw())).map_err(failed)?;
        let terminal = term::take().map_err(failed)?;
        let (actions, inbox) = mpsc::sync_channel(QUEUE);
        let palette = Palette::new(self.console.has_colour());
        let (keys, again, transfer) = (actions.clone(), actions.clone(), self.transfer.clone());
        let thread =
            thread::spawn(move || run::run(app, terminal, &transfer, palette, &inbox, keys));
        let continued = tokio::spawn(async move {
            while continues.recv().await.is_some() {
                // If the queue is full the screen is not suspended.
                let _ = again.try_send(Action::Continued);
            }
        });
        self.console.speak_to(Some(actions.clone()));
        Ok(Stage::Up { actions, thread, continued: continued.abort_handle() })
    }
}

impl View for Screen {
    fn hashing(&mut self, _: Duration, _: Progress) {}

    fn snapshot(&mut self, now: Duration, snapshot: &Arc<Snapshot>) -> Result<(), Failure> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Down(app) => self.raise(*app)?,
            stage => stage,
        };
        if let Stage::Up { actions, .. } = &self.stage {
            // One that finds the queue full is followed by another.
            let _ = actions.try_send(Action::Snapshot(now, Arc::clone(snapshot)));
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) -> bool {
        let Stage::Up { actions, .. } = &self.stage else { return false };
        let (warn, text) = log::describe(event);
        let _ = actions.try_send(Action::Line { warn, text });
        true
    }

    fn clear(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Up { actions, thread, continued } => {
                continued.abort();
                // If nobody takes it the thread has ended already.
                let _ = actions.send(Action::Leave);
                let app = thread.join();
                self.console.speak_to(None);
                // What it panicked with is on the terminal, which its hook has given back.
                app.map_or(Stage::Gone, |app| Stage::Down(Box::new(app)))
            }
            stage => stage,
        };
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear();
    }
}
