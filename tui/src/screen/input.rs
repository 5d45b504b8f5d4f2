//! The thread that waits for keys. It sleeps until there is one, or until it is no longer wanted.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::mpsc::{SyncSender, TrySendError},
    thread::{self, JoinHandle},
    time::Duration,
};

use ratatui::crossterm::event::{self, Event, MouseEventKind};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, write},
    pipe::{PipeFlags, pipe_with},
};

use super::app::Action;

/// The thread; dropping it ends it.
pub struct Keys {
    /// Written to for the thread to look again, closed for it to end.
    wake: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Begins to send what is typed.
    pub fn read(actions: SyncSender<Action>) -> io::Result<Self> {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let thread = thread::spawn(move || read(&woken, &actions));
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    /// Takes in that the terminal has another size. It is news for crossterm as well, which hands out
    /// one thing at a time and would keep the next key back behind it.
    pub fn resized(&self) {
        if let Some(wake) = &self.wake {
            // A pipe that is full wakes the thread as well.
            let _ = write(wake, &[0]);
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, and has nothing to say.
            let _ = thread.join();
        }
    }
}

fn read(woken: &OwnedFd, actions: &SyncSender<Action>) {
    let stdin = io::stdin();
    loop {
        // What was read from the terminal together with the key before.
        while event::poll(Duration::ZERO).unwrap_or(false) {
            let Ok(event) = event::read() else { return };
            // A screen that is held up loses keys rather than getting them all later.
            let sent = action(event).map_or(Ok(()), |action| actions.try_send(action));
            if matches!(sent, Err(TrySendError::Disconnected(_))) {
                return;
            }
        }
        let mut fds = [
            PollFd::new(&stdin, PollFlags::IN),
            PollFd::from_borrowed_fd(woken.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if fds.iter().any(|fd| fd.revents().intersects(gone)) {
            return;
        }
        if !fds[1].revents().is_empty() {
            // However often it was written to, once is enough.
            let _ = rustix::io::read(woken, &mut [0; 64]);
        }
    }
}

fn action(event: Event) -> Option<Action> {
    match event {
        Event::Key(key) => Some(Action::Key(key)),
        Event::Paste(text) => Some(Action::Paste(text)),
        Event::Resize(width, height) => Some(Action::Resize(width, height)),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollUp => Some(Action::Wheel(-3)),
            MouseEventKind::ScrollDown => Some(Action::Wheel(3)),
            _ => None,
        },
        Event::FocusGained | Event::FocusLost => None,
    }
}
