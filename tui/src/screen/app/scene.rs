//! What is drawn: all that stands still while the screen is frozen.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use swarm_node::{Snapshot, State};

use crate::host::{Entry, EntryId, Origin, Phase, Session};

/// Seconds of rates that are kept: the longest that the chart shows. 16 bytes each.
pub const HISTORY_S: usize = 600;

/// The rates of a transfer, down and up in bytes a second: one sample a second, at most
/// [`HISTORY_S`], the latest last.
pub type Rates = VecDeque<(u64, u64)>;

/// What is drawn.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Time since the command began.
    pub now: Duration,
    /// The transfers and what they have in common.
    pub session: Arc<Session>,
    rates: HashMap<EntryId, Rates>,
}

impl Scene {
    /// The transfer of this number.
    pub fn entry(&self, id: EntryId) -> Option<&Arc<Entry>> {
        self.session.entries.iter().find(|entry| entry.id == id)
    }

    /// The rates of a transfer, empty until it runs.
    pub fn rates(&self, id: EntryId) -> &Rates {
        static NONE: Rates = Rates::new();
        self.rates.get(&id).unwrap_or(&NONE)
    }

    /// Takes in what the session is now.
    pub fn advance(&mut self, now: Duration, session: Arc<Session>) {
        let due = self.rates.is_empty() || now.as_secs() > self.now.as_secs();
        for entry in &session.entries {
            let Some(snapshot) = &entry.snapshot else { continue };
            let rates = self.rates.entry(entry.id).or_default();
            if due || rates.is_empty() {
                if rates.len() == HISTORY_S {
                    rates.pop_front();
                }
                rates.push_back((snapshot.down_rate, snapshot.up_rate));
            }
        }
        if self.rates.len() > session.entries.len() {
            self.rates.retain(|id, _| session.entries.iter().any(|entry| entry.id == *id));
        }
        (self.now, self.session) = (now, session);
    }
}

impl Entry {
    /// The engine's state, once it runs.
    pub fn state(&self) -> Option<State> {
        self.snapshot.as_ref().map(|snapshot| snapshot.state)
    }

    /// Whether the user holds it.
    pub fn is_paused(&self) -> bool {
        self.phase == Phase::Running && self.state() == Some(State::Paused)
    }

    /// Whether it was fetched and is shared on now.
    pub fn is_shared_on(&self) -> bool {
        self.origin == Origin::Downloaded
            && self.phase == Phase::Running
            && self.state() == Some(State::Seeding)
    }

    /// Bytes sent for every byte in it.
    pub fn ratio(&self) -> f64 {
        self.snapshot.as_ref().map_or(0.0, |snapshot: &Arc<Snapshot>| {
            let sent = self.sent_before.saturating_add(snapshot.totals.uploaded);
            sent as f64 / snapshot.bytes.max(1) as f64
        })
    }
}
