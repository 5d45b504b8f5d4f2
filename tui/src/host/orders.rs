//! What each order does, above all adding something.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use swarm_node::{Command, Source};
use swarm_proto::{link::Link, manifest::Manifest};
use tokio::task;

use super::{
    ENTRIES_MAX, Entry, EntryId, Order, Origin, Phase,
    attempt::{Check, Goal},
    held::Held,
    run::{Keeper, Setup, now_s},
};
use crate::{
    exit::{Code, Failure},
    share::Policy,
    source::{beside, is_manifest, read_manifest},
};

impl Keeper {
    /// Does what is asked, or begins to.
    pub(super) async fn obey(&mut self, order: Order) {
        match order {
            Order::AddLink { link, output } => match link.parse::<Link>() {
                Ok(link) => {
                    let name = link.name.clone().unwrap_or_else(|| link.id.short());
                    self.add_get(Source::Link(link), name, output);
                }
                Err(error) => self.complain(None, &error.into()),
            },
            Order::AddManifest { path, output } => self.add_manifest(at_home(path), output).await,
            Order::AddPath { path } => self.add_path(at_home(path)).await,
            Order::Remove { id, delete } => self.remove(id, delete),
            Order::Stop(id) => {
                self.halt(id, "on request");
            }
            Order::Start(id) => self.start_again(id),
            Order::Engine { id, command } => {
                if let Some(held) = self.find(id) {
                    held.command(command);
                }
            }
            Order::All(command) => {
                match command {
                    Command::LimitUpload(limit) => self.shown.limits.up = limit,
                    Command::LimitDownload(limit) => self.shown.limits.down = limit,
                    _ => {}
                }
                self.held.iter_mut().for_each(|held| held.command(command.clone()));
            }
            Order::Share { id, policy } => self.share(id, policy),
        }
    }

    /// A manifest whose files are beside it is shared, another one is fetched.
    async fn add_manifest(&mut self, path: PathBuf, output: Option<PathBuf>) {
        let read = off_task(move || {
            let manifest = read_manifest(&path)?;
            let data = beside(&path, &manifest);
            let is_there = data.exists();
            Ok((Arc::new(manifest), is_there.then_some(data)))
        });
        match (read.await, output) {
            (Ok((manifest, Some(data))), None) => self.add_own(data, Some(manifest)).await,
            (Ok((manifest, _)), output) => {
                let name = manifest.info().name.clone();
                self.add_get(Source::Manifest(manifest), name, output);
            }
            (Err(failure), _) => self.complain(None, &failure),
        }
    }

    /// Shares what is there; of a manifest the files beside it, as `swarm seed` does.
    async fn add_path(&mut self, path: PathBuf) {
        let look = |path: &Path| path.metadata().map_err(|error| Failure::file(path, &error));
        let found = off_task(move || {
            if !(look(&path)?.is_file() && is_manifest(&path)) {
                return Ok((path, None));
            }
            let manifest = read_manifest(&path)?;
            let data = beside(&path, &manifest);
            look(&data)?;
            Ok((data, Some(Arc::new(manifest))))
        });
        match found.await {
            Ok((path, manifest)) => self.add_own(path, manifest).await,
            Err(failure) => self.complain(None, &failure),
        }
    }

    /// Starts a tracker of our own, if nobody named one for a share of ours. Whether there is one.
    pub(super) async fn need_tracker(&mut self, manifest: Option<&Manifest>) -> bool {
        let named = manifest.is_some_and(|manifest| !manifest.extras().trackers.is_empty());
        let Setup { cx, services, tracker_listen, .. } = &*self.setup;
        if named || !cx.settings.trackers.value.is_empty() || services.tracker().is_some() {
            return true;
        }
        if let Err(failure) = services.start_tracker(cx, *tracker_listen).await {
            self.complain(None, &failure);
            return false;
        }
        self.shown.tracker = services.tracker().map(|tracker| tracker.public.to_string());
        true
    }

    /// What is added again goes on, if it does not.
    fn listed(&mut self, id: EntryId) {
        let name = self.find(id).map(|held| held.entry.name.clone()).unwrap_or_default();
        self.say(None, true, format!("{name} is on the list already"));
        self.start_again(id);
    }

    /// Shares what is here.
    async fn add_own(&mut self, path: PathBuf, manifest: Option<Arc<Manifest>>) {
        if !self.need_tracker(manifest.as_deref()).await {
            return;
        }
        // `.` has no name of its own.
        let place = off_task({
            let path = path.clone();
            move || Ok(path.canonicalize().unwrap_or(path))
        });
        let place = place.await.unwrap_or_else(|_| path.clone());
        let check = if manifest.is_some() { Check::All } else { Check::No };
        if let Some(held) = self.held.iter_mut().find(|held| held.is_own(&path, &place)) {
            let id = held.entry.id;
            if held.attempt.is_none() {
                // As it is now, which may not be what it was.
                held.goal = Goal::Seed { path, manifest, check, link: None };
            }
            return self.listed(id);
        }
        let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let entry =
            self.entry(name, path.clone(), Origin::Own, Phase::Hashing { done: 0, total: 0 });
        self.hold(entry, Goal::Seed { path, manifest, check, link: None });
    }

    fn add_get(&mut self, source: Source, name: String, output: Option<PathBuf>) {
        let output = output.map_or_else(|| self.shown.output.clone(), at_home);
        let entry =
            self.entry(name, output.clone(), Origin::Downloaded, Phase::Finding { trouble: None });
        let swarm = match &source {
            Source::Link(link) => link.id,
            Source::Manifest(manifest) => manifest.id(),
        };
        if let Some(held) = self.held.iter().find(|held| held.swarm() == Some(swarm)) {
            return self.listed(held.entry.id);
        }
        let link = match &source {
            Source::Link(link) => Some(link.to_string()),
            Source::Manifest(_) => None,
        };
        self.hold(Entry { link, ..entry }, Goal::Get { source, output });
    }

    /// An entry that has just been added.
    pub(super) fn entry(&self, name: String, path: PathBuf, origin: Origin, phase: Phase) -> Entry {
        let settings = &self.setup.cx.settings;
        let own = origin == Origin::Own;
        Entry {
            id: EntryId(self.next),
            name,
            path,
            link: None,
            origin,
            fetched: false,
            phase,
            share: None,
            snapshot: None,
            policy: if own { Policy::Forever } else { settings.seed.value },
            decided: own || !settings.asks_to_share(),
            limits: self.shown.limits,
            added_s: now_s(),
            completed_s: None,
            took_s: None,
            received_before: 0,
            sent_before: 0,
            met: 0,
            hooked: false,
        }
    }

    fn hold(&mut self, entry: Entry, goal: Goal) {
        if self.held.len() >= ENTRIES_MAX {
            let text = format!("there are {ENTRIES_MAX} transfers; remove one first");
            return self.say(None, true, text);
        }
        self.next += 1;
        let id = entry.id;
        self.held.push(Held::new(entry, goal));
        self.start(id);
    }
}

/// Looks at the disk where that may take a while.
pub(super) async fn off_task<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Failure::new(Code::Other, "bug", error.to_string())),
    }
}

/// The path with the user's home for a `~` at its start, as no shell has read it.
fn at_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}
