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
    attempt::Goal,
    held::Held,
    run::{Keeper, now_s},
};
use crate::{
    commands::{beside, read_manifest},
    exit::Failure,
    share::Policy,
};

impl Keeper {
    pub(super) async fn obey(&mut self, order: Order) {
        match order {
            Order::AddLink { link, output } => match link.parse::<Link>() {
                Ok(link) => {
                    let name = link.name.clone().unwrap_or_else(|| link.id.short());
                    self.add_get(Source::Link(link), name, output);
                }
                Err(error) => self.complain(None, &error.into()),
            },
            Order::AddManifest { path, output } => {
                let path = at_home(path);
                let file = path.clone();
                match task::spawn_blocking(move || read_manifest(&file)).await {
                    Ok(Ok(manifest)) => {
                        self.add_manifest(&path, Arc::new(manifest), output).await;
                    }
                    Ok(Err(failure)) => self.complain(None, &failure),
                    // The process is ending.
                    Err(_) => {}
                }
            }
            Order::AddPath { path } => self.add_path(at_home(path)).await,
            Order::Remove { id, delete } => self.remove(id, delete),
            Order::Stop(id) => {
                self.halt(id, "on request");
            }
            Order::Start(id) => self.start(id),
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
    pub(super) async fn add_manifest(
        &mut self,
        path: &Path,
        manifest: Arc<Manifest>,
        output: Option<PathBuf>,
    ) {
        let data = beside(path, &manifest);
        if output.is_none() && data.exists() {
            self.add_own(data, Some(manifest)).await;
        } else {
            let name = manifest.info().name.clone();
            self.add_get(Source::Manifest(manifest), name, output);
        }
    }

    pub(super) async fn add_path(&mut self, path: PathBuf) {
        match path.metadata() {
            Ok(_) => self.add_own(path, None).await,
            Err(error) => self.complain(None, &Failure::file(&path, &error)),
        }
    }

    /// Shares what is here, with a tracker of our own if nobody named one.
    pub(super) async fn add_own(&mut self, path: PathBuf, manifest: Option<Arc<Manifest>>) {
        let named =
            manifest.as_ref().is_some_and(|manifest| !manifest.extras().trackers.is_empty());
        let settings = &self.setup.cx.settings;
        if !named && settings.trackers.value.is_empty() && self.setup.services.tracker().is_none() {
            let started =
                self.setup.services.start_tracker(&self.setup.cx, self.setup.tracker_listen).await;
            if let Err(failure) = started {
                return self.complain(None, &failure);
            }
            let tracker = self.setup.services.tracker();
            self.shown.tracker = tracker.map(|tracker| tracker.public.to_string());
        }
        let name = path.canonicalize().ok();
        let name = name.as_deref().unwrap_or(&path).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let entry =
            self.entry(name, path.clone(), Origin::Own, Phase::Hashing { done: 0, total: 0 });
        let verify = manifest.is_some();
        self.hold(entry, Goal::Seed { path, manifest, verify });
    }

    pub(super) fn add_get(&mut self, source: Source, name: String, output: Option<PathBuf>) {
        let output = output.map_or_else(|| self.shown.output.clone(), at_home);
        let entry = self.entry(name, output.clone(), Origin::Downloaded, Phase::Finding);
        let swarm = match &source {
            Source::Link(link) => link.id,
            Source::Manifest(manifest) => manifest.id(),
        };
        if self.held.iter().any(|held| held.swarm() == Some(swarm)) {
            return self.say(None, true, format!("{} is on the list already", entry.name));
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
            phase,
            share: None,
            snapshot: None,
            policy: if own { Policy::Forever } else { settings.seed.value },
            decided: own || !settings.asks_to_share(),
            limits: self.shown.limits,
            added_s: now_s(),
            completed_s: None,
            took_s: None,
            met: 0,
            hooked: false,
        }
    }

    pub(super) fn hold(&mut self, entry: Entry, goal: Goal) {
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

/// The path with the user's home for a `~` at its start, as no shell has read it.
fn at_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}
