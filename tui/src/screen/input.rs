//! The thread that waits for keys. It sleeps until there is one, or until it is no longer wanted.
//!
//! It reads the terminal itself: crossterm waits for the size of the terminal in the same place, and
//! what is typed while that changes may stay there until the next key.

mod decode;

use std::{
    cell::Cell,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::mpsc::SyncSender,
    thread::{self, JoinHandle},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
    pipe::{PipeFlags, pipe_with},
};

use self::decode::Decoder;
use super::app::Action;

/// Bytes that are read at once; more are read next.
const READ: usize = 4096;

/// The thread; dropping it ends it. Whoever listens must have stopped before, lest it waits for ever.
pub struct Keys {
    /// Closed for the thread to end.
    wanted: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Keys {
    /// Begins to send what is typed.
    pub fn read(actions: SyncSender<Action>) -> io::Result<Self> {
        let (unwanted, wanted) = pipe_with(PipeFlags::CLOEXEC)?;
        let thread = thread::spawn(move || follow(&unwanted, &actions));
        Ok(Self { wanted: Some(wanted), thread: Some(thread) })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        drop(self.wanted.take());
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, and has nothing to say.
            let _ = thread.join();
        }
    }
}

/// Until the other end of the pipe is closed, the terminal is gone, or nobody listens.
fn follow(unwanted: &OwnedFd, actions: &SyncSender<Action>) {
    let stdin = io::stdin();
    let (mut decoder, mut bytes, heard) = (Decoder::default(), [0; READ], Cell::new(true));
    let send = |action| {
        // Keys wait while the screen is held up, here and in the system, and none is lost: a link may
        // be pasted into a terminal that does not say so.
        heard.set(actions.send(action).is_ok());
    };
    while heard.get() {
        let mut fds = [
            PollFd::new(&stdin, PollFlags::IN),
            PollFd::from_borrowed_fd(unwanted.as_fd(), PollFlags::IN),
        ];
        // A duration of this length is one of the system's, too.
        let patience = decoder.patience().and_then(|patience| Timespec::try_from(patience).ok());
        match poll(&mut fds, patience.as_ref()) {
            Ok(0) => decoder.give_up(send),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return,
        }
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if fds.iter().any(|fd| fd.revents().intersects(gone)) {
            return;
        }
        if fds[0].revents().contains(PollFlags::IN) {
            match read(&stdin, &mut bytes) {
                Ok(0) => return,
                Ok(length) => decoder.feed(&bytes[..length], send),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return,
            }
        }
    }
}
