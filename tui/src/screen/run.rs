//! The thread of the screen: takes in what happened, draws when something changed, and does what the
//! keys ask for. A second thread waits for keys.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender},
    time::{Duration, Instant},
};

use rustix::process::{Signal, getpid, kill_process};

use super::{
    app::{Action, App, Effect},
    input::Keys,
    open_folder, suspend,
    term::{self, Screen},
    view,
};
use crate::{host::Order, look::Palette};

/// Between two frames: 15 a second look smooth and cost little.
const FRAME: Duration = Duration::from_millis(66);
/// How often it looks at the clock when nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// What the screen works with.
pub struct Stage {
    /// The terminal.
    pub screen: Screen,
    pub palette: Palette,
    /// When the command began.
    pub start: Instant,
    /// Takes what the user wants done.
    pub orders: Box<dyn Fn(Order) + Send>,
    /// What happened.
    pub inbox: Receiver<Action>,
    /// The other end of it.
    pub actions: SyncSender<Action>,
}

/// Runs until told to leave or until the terminal is gone, and gives the terminal back.
pub fn run(mut app: App, stage: Stage) -> App {
    // An error means that the terminal is gone. The hangup that comes with it ends the program in
    // its own way.
    let _ = follow(&mut app, stage);
    term::give_back();
    app
}

fn follow(app: &mut App, stage: Stage) -> io::Result<()> {
    let _keys = Keys::read(stage.actions.clone())?;
    // Goes before the keys do: they may be waiting for it.
    let mut stage = stage;
    let size = stage.screen.size()?;
    app.update(Action::Resize(size.width, size.height));
    term::mouse(app.mouse)?;
    let mut drawn = Instant::now();
    let mut due = true;
    loop {
        let wait = if due { FRAME.saturating_sub(drawn.elapsed()) } else { TICK };
        let action = match stage.inbox.recv_timeout(wait) {
            Ok(Action::Leave) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(action) => action,
            Err(RecvTimeoutError::Timeout) => {
                if !term::is_taken() {
                    return Ok(());
                }
                if due {
                    stage.screen.draw(|frame| view::draw(frame, app, stage.palette))?;
                    (drawn, due) = (Instant::now(), false);
                    continue;
                }
                Action::Tick(stage.start.elapsed())
            }
        };
        due = true;
        match action {
            Action::Suspended if !suspended(app, &mut stage)? => return Ok(()),
            // Somebody may have stopped us without asking, and the shell has used the terminal.
            Action::Continued => retake(app, &mut stage)?,
            _ => {}
        }
        for effect in app.update(action) {
            if !perform(app, &mut stage, effect)? {
                return Ok(());
            }
        }
    }
}

/// Does what is to be done outside. Whether the screen is still wanted afterwards.
fn perform(app: &mut App, stage: &mut Stage, effect: Effect) -> io::Result<bool> {
    match effect {
        Effect::Order(order) => (stage.orders)(order),
        Effect::Copy(text) => term::copy(&text)?,
        Effect::Mouse(on) => term::mouse(on)?,
        Effect::OpenFolder(path) => {
            if let Err(why) = open_folder::open(&path) {
                app.say(true, why);
            }
        }
        // The same way as from outside, so that there is one.
        Effect::Quit => kill_process(getpid(), Signal::INT)?,
        Effect::Suspend if suspend::has_shell() => suspend::ask()?,
        Effect::Suspend => app.say(true, "there is no shell here that could bring it back"),
    }
    Ok(true)
}

/// Gives the terminal back, stops the process, and takes the terminal again when it goes on. Whether the
/// screen is still wanted afterwards.
fn suspended(app: &mut App, stage: &mut Stage) -> io::Result<bool> {
    term::give_back();
    suspend::stop()?;
    // The signal may take a moment; nothing is drawn before the process goes on.
    let wanted = wait_until_continued(app, &stage.inbox);
    if wanted {
        retake(app, stage)?;
    }
    Ok(wanted)
}

/// Takes the terminal anew, whatever it looks like now.
fn retake(app: &mut App, stage: &mut Stage) -> io::Result<()> {
    term::give_back();
    stage.screen = term::take()?;
    term::mouse(app.mouse)
}

/// Whether the screen is still wanted afterwards.
fn wait_until_continued(app: &mut App, inbox: &Receiver<Action>) -> bool {
    while let Ok(action) = inbox.recv() {
        match action {
            Action::Continued => return true,
            Action::Leave => return false,
            // Keys that were typed to the shell are not for us.
            Action::Key(_) | Action::Paste(_) => {}
            action => drop(app.update(action)),
        }
    }
    false
}
