//! The thread of the screen: takes in what happened, draws when something changed, and does what the
//! keys ask for. A second thread waits for keys.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{self, Event};
use rustix::process::{Signal, getpid, kill_process};
use swarm_node::Transfer;

use super::{
    app::{Action, App, Effect},
    keys,
    palette::Palette,
    term::{self, Screen},
    view,
};

/// Between two frames: 15 a second look smooth and cost little.
const FRAME: Duration = Duration::from_millis(66);
/// How long the thread of the keys takes to notice that it is no longer wanted.
const KEY_POLL: Duration = Duration::from_millis(100);
/// Between frames nothing is to be done until something happens.
const IDLE: Duration = Duration::from_secs(3600);

/// Runs until told to leave or until the terminal is gone, and gives the terminal back.
pub fn run(
    mut app: App,
    screen: Screen,
    transfer: &Transfer,
    palette: Palette,
    actions: &Receiver<Action>,
    keys: SyncSender<Action>,
) -> App {
    let wanted = Arc::new(AtomicBool::new(true));
    let reader = {
        let wanted = Arc::clone(&wanted);
        thread::spawn(move || read_keys(&wanted, &keys))
    };
    // An error means that the terminal is gone. The hangup that comes with it ends the program in
    // its own way.
    let _ = follow(&mut app, screen, transfer, palette, actions);
    wanted.store(false, Ordering::SeqCst);
    // The reader does not panic, and has nothing to say.
    let _ = reader.join();
    term::give_back();
    app
}

fn follow(
    app: &mut App,
    mut screen: Screen,
    transfer: &Transfer,
    palette: Palette,
    actions: &Receiver<Action>,
) -> io::Result<()> {
    let mut drawn = Instant::now();
    let mut due = true;
    loop {
        let wait = if due { FRAME.saturating_sub(drawn.elapsed()) } else { IDLE };
        let action = match actions.recv_timeout(wait) {
            Ok(Action::Leave) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(action) => action,
            Err(RecvTimeoutError::Timeout) => {
                if !term::is_taken() {
                    return Ok(());
                }
                if due {
                    screen.draw(|frame| view::draw(frame, app, palette))?;
                    (drawn, due) = (Instant::now(), false);
                }
                continue;
            }
        };
        due = true;
        if matches!(action, Action::Continued) {
            term::give_back();
            screen = term::take()?;
        }
        match app.update(action) {
            None => {}
            Some(Effect::Command(command)) => transfer.command(command),
            Some(Effect::Copy) => term::copy(&app.about.link)?,
            // The same way as from outside, so that there is one.
            Some(Effect::Quit) => kill_process(getpid(), Signal::INT)?,
            Some(Effect::Suspend) => {
                term::give_back();
                kill_process(getpid(), Signal::TSTP)?;
                // The signal may take a moment; nothing is drawn before the process goes on.
                if !wait_until_continued(app, actions) {
                    return Ok(());
                }
                screen = term::take()?;
            }
        }
    }
}

/// Whether the screen is still wanted afterwards.
fn wait_until_continued(app: &mut App, actions: &Receiver<Action>) -> bool {
    while let Ok(action) = actions.recv() {
        match action {
            Action::Continued => return true,
            Action::Leave => return false,
            // Keys that were typed to the shell are not for us.
            Action::Key(_) => {}
            action => drop(app.update(action)),
        }
    }
    false
}

fn read_keys(wanted: &AtomicBool, keys: &SyncSender<Action>) {
    while wanted.load(Ordering::SeqCst) {
        let action = match event::poll(KEY_POLL).and_then(|any| any.then(event::read).transpose()) {
            Ok(Some(Event::Key(key))) => keys::meaning(key).map(Action::Key),
            Ok(Some(Event::Resize(..))) => Some(Action::Redraw),
            Ok(_) => None,
            // The terminal is gone.
            Err(_) => return,
        };
        // A full queue cannot last: its other end only draws. It closes when nobody looks any more.
        if action.is_some_and(|action| keys.send(action).is_err()) {
            return;
        }
    }
}
