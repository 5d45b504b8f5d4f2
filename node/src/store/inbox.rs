//! What the recorder is told. It is not woken for each piece: where pieces are small it would wait and wake for
//! longer than it works.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::recorder::Note;

/// Verified bytes that may wait to be looked at, if the recorder will look by itself in a moment: half of what
/// the shortest pass takes.
const BYTES_MAX: u64 = 4 << 20;

/// Notes for one recorder.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Held for a look.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    notes: Vec<Note>,
    /// Bytes of the pieces in them.
    bytes: u64,
    /// To be looked at now.
    urgent: bool,
    /// The recorder waits, and whether it knows until when.
    waiting: bool,
    timed: bool,
    /// Nobody will look any more.
    closed: bool,
}

impl Inbox {
    /// Adds a note about so many verified bytes, if it is one about such. Never blocks.
    pub(crate) fn push(&self, note: Note, bytes: u64) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.bytes = state.bytes.saturating_add(bytes);
        let can_wait = matches!(note, Note::Record(_)) && state.timed && state.bytes < BYTES_MAX;
        state.urgent |= !can_wait;
        state.notes.push(note);
        let wake = state.urgent && std::mem::take(&mut state.waiting);
        drop(state);
        if wake {
            self.changed.notify_one();
        }
    }

    /// Takes all notes, once there is one that cannot wait or it is `due`.
    pub(crate) fn take(&self, due: Option<Instant>) -> Vec<Note> {
        let mut state = self.lock();
        state.timed = due.is_some();
        // Without a time to look again, nothing can wait.
        while !state.urgent && (due.is_some() || state.notes.is_empty()) {
            state.waiting = true;
            let Some(due) = due else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (state.urgent, state.waiting, state.bytes) = (false, false, 0);
        // What comes while it works waits for its next look.
        state.timed = true;
        std::mem::take(&mut state.notes)
    }

    /// Drops what comes from now on.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread, time::Duration};

    use super::*;

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(3600))
    }

    #[test]
    fn what_cannot_wait_brings_along_what_could() {
        let inbox = Inbox::default();
        inbox.push(Note::Record(Vec::new()), 10);
        assert_eq!(inbox.take(None).len(), 1, "without a time to look again");
        inbox.push(Note::Record(Vec::new()), 10);
        inbox.push(Note::Finish, 0);
        assert_eq!(inbox.take(soon()).len(), 2);
        inbox.push(Note::Record(Vec::new()), 10);
        assert_eq!(inbox.take(Some(Instant::now())).len(), 1, "it is time");
    }

    #[test]
    fn many_bytes_wake_the_recorder() {
        let inbox = Arc::new(Inbox::default());
        let theirs = Arc::clone(&inbox);
        let recorder = thread::spawn(move || theirs.take(soon()).len());
        while !inbox.lock().waiting {
            thread::yield_now();
        }
        for _ in 0..4 {
            inbox.push(Note::Record(Vec::new()), 1 << 20);
        }
        assert_eq!(recorder.join().unwrap(), 4);
    }

    #[test]
    fn nobody_reads_what_comes_after_the_end() {
        let inbox = Inbox::default();
        inbox.close();
        inbox.push(Note::Close, 0);
        assert!(inbox.lock().notes.is_empty());
    }
}
