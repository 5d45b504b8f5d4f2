//! How transfers end: on request, when they were shared for long enough, and with a failure.
//!
//! An attempt that is to end is told so and says when nothing of it runs any more. Only then is its data
//! deleted and the entry taken off the list, or may another attempt begin.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use swarm_node::State;
use swarm_proto::manifest::Manifest;

use super::{
    EntryId, Origin, Phase,
    attempt::{News, Teller},
    held::Ending,
    orders::off_task,
    run::Keeper,
};
use crate::{
    exit::Failure,
    share::{Policy, Sharing},
    text::counted,
};

impl Keeper {
    /// Takes a transfer off the list when it has ended, and deletes its data if that is wanted.
    pub(super) fn remove(&mut self, id: EntryId, delete: bool) {
        self.stop(id, Ending { why: "removed".into(), remove: true, delete });
    }

    /// Ends a transfer that goes on.
    pub(super) fn halt(&mut self, id: EntryId, why: &str) {
        if self.find(id).is_some_and(|held| held.attempt.is_some()) {
            self.stop(id, Ending { why: why.into(), ..Ending::default() });
        }
    }

    fn stop(&mut self, id: EntryId, ending: Ending) {
        let Some(held) = self.find(id) else { return };
        held.stop_sharing();
        if let Some(before) = &mut held.ending {
            before.remove |= ending.remove;
            before.delete |= ending.delete;
            return;
        }
        held.ending = Some(ending);
        match &held.attempt {
            Some(end) => end.cancel(),
            None => self.settle(id),
        }
    }

    /// An attempt is over.
    pub(super) fn ended(&mut self, id: EntryId, result: Result<(), Failure>) {
        let Some(held) = self.find(id) else { return };
        held.stop_sharing();
        held.fetching.run(false, Instant::now());
        (held.attempt, held.transfer) = (None, None);
        let why = held.ending.as_ref().map_or_else(String::new, |ending| ending.why.clone());
        match result {
            Ok(()) => held.entry.phase = Phase::Stopped { why },
            Err(failure) => {
                let (message, hint) = (failure.message.clone(), failure.hint.clone());
                held.entry.phase = Phase::Failed { message, hint };
                self.complain(Some(id), &failure);
            }
        }
        self.settle(id);
    }

    /// Does what was to be done once nothing of a transfer runs.
    fn settle(&mut self, id: EntryId) {
        let (news, tasks) = (self.news.clone(), self.tasks.clone());
        let Some(held) = self.find(id) else { return };
        let Some(ending) = &held.ending else { return };
        let remove = ending.remove;
        match held.kept.clone().filter(|_| ending.delete) {
            // It is still ending: nothing else may happen to it meanwhile.
            Some((manifest, path)) => {
                tasks.spawn(async move {
                    let deleted = delete(manifest, path).await;
                    Teller { id, news }.tell(News::Deleted(deleted)).await;
                });
            }
            None => {
                if ending.delete {
                    let name = held.entry.name.clone();
                    self.say(None, false, format!("{name}: it never ran, so nothing is deleted"));
                }
                self.settled(id, remove);
            }
        }
    }

    /// The data of a transfer is deleted, or could not be.
    pub(super) fn deleted(&mut self, id: EntryId, result: Result<u64, Failure>) {
        let Some(held) = self.find(id) else { return };
        match result {
            Ok(files) => {
                let text = format!("{}: {} deleted", held.entry.name, counted(files, "file"));
                self.say(None, false, text);
                self.settled(id, true);
            }
            // It stays on the list, so that it can be tried again.
            Err(failure) => {
                held.ending = None;
                self.complain(Some(id), &failure);
            }
        }
    }

    fn settled(&mut self, id: EntryId, remove: bool) {
        if remove {
            self.held.retain(|held| held.entry.id != id);
        } else if let Some(held) = self.find(id) {
            held.ending = None;
        }
    }

    /// The user has said for how long to share.
    pub(super) fn share(&mut self, id: EntryId, policy: Policy) {
        let Some(held) = self.find(id) else { return };
        held.entry.decided = true;
        held.entry.policy = policy;
        if let Some((sharing, _)) = &mut held.sharing {
            sharing.decide(policy);
        }
        let stopped = matches!(held.entry.phase, Phase::Stopped { .. });
        if std::mem::take(&mut held.enough) {
            // The time is counted from now.
            held.so_far.shared_s = 0;
        }
        match policy {
            Policy::Never => self.share_on(id),
            _ if stopped => self.start(id),
            _ => {}
        }
    }

    /// Begins to share on what has just been completed, and ends it when its time has come.
    pub(super) fn share_on(&mut self, id: EntryId) {
        let Some(held) = self.find(id) else { return };
        let seeding = held.entry.state() == Some(State::Seeding);
        let ends = held.ending.is_some() || held.attempt.is_none();
        if held.entry.origin == Origin::Own || !seeding || ends {
            return;
        }
        let begin = if held.entry.decided { Sharing::new } else { Sharing::asking };
        let policy = held.entry.policy;
        let earlier = Duration::from_secs(held.so_far.shared_s);
        let before = held.so_far.uploaded;
        let (sharing, since) = held
            .sharing
            .get_or_insert_with(|| (begin(policy).after(earlier, before), Instant::now()));
        let Some(snapshot) = &held.entry.snapshot else { return };
        if let Some(why) = sharing.ended(earlier + since.elapsed(), snapshot) {
            (held.entry.decided, held.enough) = (true, true);
            self.say(Some(id), false, format!("stopped sharing: {why}"));
            self.halt(id, why);
        }
    }

    /// For those whose time may have come.
    pub(super) fn look_at_the_clock(&mut self) {
        let sharing = self.held.iter().filter(|held| held.sharing.is_some());
        for id in sharing.map(|held| held.entry.id).collect::<Vec<_>>() {
            self.share_on(id);
        }
    }
}

async fn delete(manifest: Arc<Manifest>, path: PathBuf) -> Result<u64, Failure> {
    off_task(move || Ok(swarm_node::discard(&manifest, &path)?)).await
}
