//! The thread that waits for keys. It sleeps until there is one, or until it is no longer wanted.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::mpsc::SyncSender,
    thread::{self, JoinHandle},
    time::Duration,
};

use ratatui::crossterm::event::{self, Event, MouseEventKind};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};

use super::app::Action;

/// The thread; dropping it ends it.
pub struct Keys {
    /// Closed to wake the thread.
    wake: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Begins to send what is typed.
    pub fn read(actions: SyncSender<Action>) -> io::Result<Self> {
        let (woken, wake) = pipe_with(PipeFlags::CLOEXEC)?;
        let thread = thread::spawn(move || read(&woken, &actions));
        Ok(Self { wake: Some(wake), thread: Some(thread) })
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
            // If nobody takes it nobody looks any more.
            if action(event).is_some_and(|action| actions.try_send(action).is_err()) {
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
        if !fds[1].revents().is_empty() || fds[0].revents().intersects(gone) {
            return;
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
