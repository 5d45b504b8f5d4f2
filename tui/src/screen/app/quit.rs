//! Ending the program, and what would be lost by it.

use swarm_node::State;

use super::{App, Confirm, Effect, Modal};
use crate::{
    host::{Entry, Origin, Phase},
    text::inert,
};

impl App {
    /// Asks before the end only if something would be lost by it.
    pub(super) fn quit(&mut self) -> Vec<Effect> {
        let losses: Vec<_> =
            self.live.session.entries.iter().filter_map(|entry| loss(entry)).collect();
        // Who is asked and insists, with Ctrl-C, has answered.
        let asked =
            matches!(&self.modal, Some(Modal::Confirm(c)) if c.then.contains(&Effect::Quit));
        if losses.is_empty() || self.stopping || asked {
            self.modal = None;
            self.stopping = true;
            return vec![Effect::Quit];
        }
        let mut question = losses;
        question.push("Quit all the same?".into());
        self.modal = Some(Modal::Confirm(Confirm { question, then: vec![Effect::Quit] }));
        Vec::new()
    }
}

/// What is lost if the program ends now, in a sentence.
fn loss(entry: &Entry) -> Option<String> {
    let name = inert(&entry.name);
    if entry.hooked {
        return Some(format!("The program of --on-complete still runs for {name}."));
    }
    if entry.origin != Origin::Own {
        // What is verified stays, and is gone on from.
        return None;
    }
    if matches!(entry.phase, Phase::Hashing { .. }) {
        return Some(format!("{name} is still being read, which would begin anew."));
    }
    let snapshot = entry.snapshot.as_ref().filter(|_| entry.phase == Phase::Running)?;
    if snapshot.state != State::Seeding {
        return None;
    }
    let known = snapshot.trackers.iter().any(|tracker| tracker.seeds > 1);
    let complete = known || snapshot.peers.iter().any(|peer| peer.pieces >= snapshot.pieces);
    let wanted = !snapshot.peers.is_empty() || snapshot.totals.uploaded > 0;
    (wanted && !complete)
        .then(|| format!("Nobody else has all of {name} yet; others could not finish it."))
}
