//! Which files are wanted, and which first.
//!
//! Skipping a file takes nothing away: what is verified of it stays and is shared, what is asked for
//! is taken back, what is missing is no longer missed. A swarm is complete when it lacks nothing that
//! is wanted, and what peers and trackers are told stays the truth: which pieces are here.

use swarm_proto::{
    bitfield::Bitfield,
    geometry::{FileIndex, Geometry},
};

use crate::{Config, ConnId, Outbox, Output, Priority, Swarm, Time};

/// How much each file is wanted as the settings say; empty if all are as by default.
pub(crate) fn of_config(config: &Config, geometry: &Geometry) -> Vec<Priority> {
    let mut priorities = config.priorities.clone();
    if !priorities.is_empty() {
        priorities.resize(geometry.file_count() as usize, Priority::Normal);
    }
    normal(priorities)
}

/// The pieces that are wanted.
pub(crate) fn wanted(config: &Config, geometry: &Geometry, priorities: &[Priority]) -> Bitfield {
    if config.read_only {
        return Bitfield::empty(geometry.piece_count());
    }
    let mut wanted = Bitfield::full(geometry.piece_count());
    let skipped = |file: &FileIndex| priorities.get(file.as_usize()) == Some(&Priority::Skip);
    for piece in geometry.files().filter(skipped).flat_map(|file| geometry.file_pieces(file)) {
        wanted.remove(piece);
    }
    wanted
}

/// A list that says nothing is empty.
fn normal(priorities: Vec<Priority>) -> Vec<Priority> {
    let says_nothing = priorities.iter().all(|&priority| priority == Priority::Normal);
    if says_nothing { Vec::new() } else { priorities }
}

impl Swarm {
    /// How much a file is wanted.
    fn priority(&self, file: FileIndex) -> Priority {
        self.priorities.get(file.as_usize()).copied().unwrap_or_default()
    }

    /// The user wants these files this much.
    pub(crate) fn set_priority(
        &mut self,
        now: Time,
        files: &[u32],
        priority: Priority,
        out: &mut Outbox,
    ) {
        if self.config.read_only {
            return;
        }
        let geometry = self.manifest.geometry();
        let files = files.iter().filter_map(|&number| geometry.file(number));
        let changed: Vec<FileIndex> =
            files.filter(|&file| self.priority(file) != priority).collect();
        if changed.is_empty() {
            return;
        }
        let unskipped = changed.iter().any(|&file| self.priority(file) == Priority::Skip);
        self.priorities.resize(geometry.file_count() as usize, Priority::Normal);
        for &file in &changed {
            self.priorities[file.as_usize()] = priority;
        }
        self.priorities = normal(std::mem::take(&mut self.priorities));
        out.push(Output::KeepPriorities(self.priorities.clone()));
        for file in changed {
            for piece in self.manifest.geometry().file_pieces(file) {
                self.picker.remove(piece);
                self.picker.set_priority(piece, priority);
                self.ledger.want(piece, priority != Priority::Skip);
                self.refresh(piece);
            }
        }
        self.wants_changed(now, out);
        if unskipped {
            if self.disk.is_done() {
                // Whoever had nothing for us may have something now.
                self.book.useful_again(now);
                self.announcer.now_please(now);
            }
            // Files may have to be put in their place, even if no piece is missing.
            self.disk.reopen();
        }
    }

    /// Brings what is asked for and who is interesting in line with what is wanted now.
    fn wants_changed(&mut self, now: Time, out: &mut Outbox) {
        let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
        for &conn in &conns {
            let ledger = &self.ledger;
            let Some(session) = self.sessions.get_mut(&conn) else { continue };
            session.wanted = session.have.as_ref().map_or(0, |have| ledger.lacking_of(have));
            if session.asked.queue().any(|ask| !ledger.wants_all(ask.run)) {
                self.take_back_unwanted(now, conn, out);
            }
        }
        for conn in conns {
            self.update_interest(now, conn, out);
            self.note_use(now, conn);
        }
        self.fetch.freed();
        self.choker.expedite(now);
    }
}
