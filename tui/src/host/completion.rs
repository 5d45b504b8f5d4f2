//! When a download is complete. The engine says so in an event, and events can be lost if whoever
//! listens is held up; its latest snapshot never is.

use swarm_node::State;

/// Whether a completion is still to be told.
#[derive(Debug)]
pub(super) struct Completion {
    awaited: bool,
    /// The snapshots are of after the last completion.
    settled: bool,
}

impl Completion {
    /// Of a transfer that begins in this state. What is all here is not waited for.
    pub(super) const fn of(state: State) -> Self {
        Self { awaited: !matches!(state, State::Seeding), settled: true }
    }

    /// The event has come.
    pub(super) const fn told(&mut self) {
        (self.awaited, self.settled) = (false, false);
    }

    /// Looks at the latest snapshot, which follows the events of its time. Whether there was a completion
    /// whose event is lost. `heard`: all events up to now were taken in.
    pub(super) const fn is_lost(&mut self, state: State, heard: bool) -> bool {
        match state {
            // Files that were left out are wanted now, or something has to be fetched again.
            State::Downloading => self.awaited |= self.settled,
            State::Seeding => {
                self.settled = true;
                if self.awaited && heard {
                    self.told();
                    return true;
                }
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use State::{Downloading, Finishing, Seeding};

    #[test]
    fn a_completion_is_told_once_whether_its_event_comes_or_not() {
        let mut told = Completion::of(Downloading);
        assert!(!told.is_lost(Finishing, true));
        told.told();
        // Of before the event.
        assert!(!told.is_lost(Downloading, true));
        assert!(!told.is_lost(Seeding, true) && !told.is_lost(Seeding, true));

        let mut lost = Completion::of(Downloading);
        assert!(!lost.is_lost(Seeding, false), "it may be among those that wait");
        assert!(lost.is_lost(Seeding, true));
        assert!(!lost.is_lost(Seeding, true));
    }

    #[test]
    fn what_is_wanted_later_is_completed_again() {
        let mut more = Completion::of(Seeding);
        assert!(!more.is_lost(Seeding, true), "nobody has waited for it");
        assert!(!more.is_lost(Downloading, true));
        assert!(more.is_lost(Seeding, true));
    }
}
