//! Going on with what the session before had open, and keeping what this one has.

use std::{
    collections::HashSet,
    path::{Path, PathBuf, absolute},
    sync::Arc,
    time::{Duration, Instant},
};

use swarm_node::Source;
use swarm_proto::{id::SwarmId, link::Link, manifest::Manifest};
use tokio::task;

use super::{
    Entry, Origin, Phase, Remark, Share,
    attempt::{Check, Goal},
    held::Held,
    memory::{Aim, Memo, Memory, SoFar, Stand, Writer},
    run::Keeper,
};
use crate::{config, text::counted};

/// Sums alone are kept this often: what a process that is killed has sent since is not counted.
const SUMS: Duration = Duration::from_secs(30);

/// What is kept of a session.
#[derive(Debug)]
pub(super) struct Kept {
    writer: Writer,
    last: Vec<Memo>,
    at: Instant,
    manifests: HashSet<SwarmId>,
}

impl Keeper {
    /// Takes up what the session before had open, and keeps from now on what is.
    pub(super) async fn restore(&mut self, memory: Memory) {
        let read = task::spawn_blocking(move || {
            let find = |memo: &Memo| memo.manifest.and_then(|id| memory.manifest(id)).map(Arc::new);
            let earlier: Vec<_> =
                memory.earlier.iter().map(|memo| (memo.clone(), find(memo))).collect();
            (memory, earlier)
        });
        // The process is ending.
        let Ok((memory, earlier)) = read.await else { return };
        let (remarks, lost) = (self.remarks.clone(), self.lost.clone());
        let writer = memory.start(move |text| {
            let remark = Remark { entry: None, warn: true, text };
            lost.say(remark, |remark| remarks.try_send(remark).is_ok());
        });
        let manifests = earlier.iter().filter_map(|(_, manifest)| Some(manifest.as_ref()?.id()));
        let manifests = manifests.collect();
        if !earlier.is_empty() {
            let count = counted(earlier.len() as u64, "transfer");
            self.say(None, false, format!("{count} of the last session; --fresh begins with none"));
        }
        for (memo, manifest) in earlier {
            self.take_up(memo, manifest).await;
        }
        self.kept = Some(Kept { writer, last: self.memos(), at: Instant::now(), manifests });
        self.show();
    }

    /// Puts one transfer of the session before on the list, and lets it go on.
    async fn take_up(&mut self, memo: Memo, manifest: Option<Arc<Manifest>>) {
        let link = memo.link.as_ref().and_then(|link| link.parse::<Link>().ok());
        let begun = !matches!(memo.aim, Aim::Get { begun: false });
        let Some(goal) = goal(&memo, manifest.clone(), link) else {
            let text = format!("{} cannot go on: its link and manifest are gone", memo.name);
            return self.say(None, true, text);
        };
        if let (Origin::Own, Goal::Seed { .. }) = (memo.origin, &goal) {
            self.need_tracker(manifest.as_deref()).await;
        }
        let settings = &self.setup.cx.settings;
        let (mut entry, typed) = (self.entry_of(&memo), self.shown.limits);
        let by_flag = |origin| matches!(origin, config::Origin::Flag | config::Origin::Env);
        // What is said now goes before what was said then.
        if by_flag(settings.upload_limit.origin) {
            entry.limits.up = typed.up;
        }
        if by_flag(settings.download_limit.origin) {
            entry.limits.down = typed.down;
        }
        if !memo.decided {
            entry.policy = settings.seed.value;
            entry.decided = !settings.asks_to_share();
        }
        let gone = begun && is_gone(&memo.place);
        if gone {
            let place = memo.place.display();
            entry.phase = Phase::Failed {
                message: format!("{place}: no such file or folder"),
                hint: Some("put it back and press r, or d takes it off the list".into()),
            };
            self.say(None, true, format!("{}: {place} is gone", memo.name));
        }
        let id = entry.id;
        let mut held = Held::new(entry, goal);
        held.so_far = memo.so_far;
        held.kept = manifest.filter(|_| begun).map(|manifest| {
            let path = match memo.aim {
                Aim::Get { .. } => memo.place.join(&manifest.info().name),
                Aim::Share { .. } => memo.place.clone(),
            };
            (manifest, path)
        });
        if let Some((manifest, path)) = &held.kept {
            // What is there of it is known before it runs, also if it is not to run.
            held.entry.share = Some(Arc::new(Share::of(manifest)));
            held.entry.path.clone_from(path);
        }
        held.paused = memo.stand == Stand::Paused;
        held.enough = matches!(memo.stand, Stand::Stopped { enough: true, .. });
        self.next += 1;
        self.held.push(held);
        if !gone && !matches!(memo.stand, Stand::Stopped { .. }) {
            self.start(id);
        }
    }

    fn entry_of(&self, memo: &Memo) -> Entry {
        let phase = match &memo.stand {
            Stand::Stopped { why, .. } => Phase::Stopped { why: why.clone() },
            _ => Phase::Finding { trouble: None },
        };
        Entry {
            link: memo.link.clone(),
            policy: memo.policy,
            decided: memo.decided,
            limits: memo.limits,
            added_s: memo.added_s,
            completed_s: memo.completed_s,
            received_before: memo.so_far.downloaded,
            sent_before: memo.so_far.uploaded,
            ..self.entry(memo.name.clone(), memo.place.clone(), memo.origin, phase)
        }
    }

    fn memos(&self) -> Vec<Memo> {
        // What is being removed is gone for the next session.
        let stays = |held: &&Held| !held.ending.as_ref().is_some_and(|ending| ending.remove);
        self.held.iter().filter(stays).map(Held::memo).collect()
    }

    /// Keeps what has changed since it was kept last.
    pub(super) fn remember(&mut self) {
        let Some(mut kept) = self.kept.take() else { return };
        for held in &self.held {
            if let Some(manifest) = held.manifest()
                && kept.manifests.insert(manifest.id())
            {
                kept.writer.manifest(Arc::clone(manifest));
            }
        }
        let now = self.memos();
        let due = kept.at.elapsed() >= SUMS && now != kept.last;
        if (due || !same_but_sums(&now, &kept.last)) && kept.writer.list(now.clone()) {
            (kept.last, kept.at) = (now, Instant::now());
        }
        self.kept = Some(kept);
    }

    /// Keeps what is open at the end.
    pub(super) async fn remember_at_the_end(&mut self) {
        self.remember();
        let Some(kept) = self.kept.take() else { return };
        let last = self.memos();
        // If it fails, the process is ending in a hurry.
        let _ = task::spawn_blocking(move || kept.writer.close(last)).await;
    }
}

impl Held {
    /// What the next session needs to know.
    fn memo(&self) -> Memo {
        let (aim, place) = match &self.goal {
            Goal::Get { output, .. } => (Aim::Get { begun: self.kept.is_some() }, output),
            Goal::Seed { path, check, .. } => {
                let print = match check {
                    Check::Unless(print) => Some(print.clone()),
                    Check::No | Check::All => None,
                };
                (Aim::Share { print }, path)
            }
        };
        let entry = &self.entry;
        Memo {
            name: entry.name.clone(),
            place: absolute(place).unwrap_or_else(|_| place.clone()),
            aim,
            origin: entry.origin,
            link: entry.link.clone(),
            manifest: self.manifest().map(|manifest| manifest.id()),
            stand: self.at_end.clone().unwrap_or_else(|| self.stand()),
            policy: entry.policy,
            decided: entry.decided,
            limits: entry.limits,
            added_s: entry.added_s,
            completed_s: entry.completed_s,
            so_far: self.sums(),
        }
    }

    /// What the user wants of it.
    pub(super) fn stand(&self) -> Stand {
        match &self.entry.phase {
            Phase::Stopped { why } => Stand::Stopped { why: why.clone(), enough: self.enough },
            _ if self.paused => Stand::Paused,
            _ => Stand::Running,
        }
    }

    fn manifest(&self) -> Option<&Arc<Manifest>> {
        match (&self.kept, &self.goal) {
            (Some((manifest, _)), _)
            | (None, Goal::Get { source: Source::Manifest(manifest), .. })
            | (None, Goal::Seed { manifest: Some(manifest), .. }) => Some(manifest),
            _ => None,
        }
    }

    /// What was done, this attempt included.
    pub(super) fn sums(&self) -> SoFar {
        let SoFar { mut downloaded, mut uploaded, mut shared_s, mut fetched_s } = self.so_far;
        if let Some(snapshot) = &self.entry.snapshot {
            downloaded = downloaded.saturating_add(snapshot.totals.downloaded);
            uploaded = uploaded.saturating_add(snapshot.totals.uploaded);
        }
        if let Some((_, since)) = &self.sharing {
            shared_s = shared_s.saturating_add(since.elapsed().as_secs());
        }
        fetched_s += self.fetching.elapsed(Instant::now()).as_secs_f64();
        SoFar { downloaded, uploaded, shared_s, fetched_s }
    }
}

/// What is to be done again. `None` if nobody can know any more what to fetch.
fn goal(memo: &Memo, manifest: Option<Arc<Manifest>>, link: Option<Link>) -> Option<Goal> {
    let get = |output: PathBuf| {
        let source = match (&link, &manifest) {
            // It names those who have it, and what is begun has its manifest beside it.
            (Some(link), _) => Source::Link(link.clone()),
            (None, Some(manifest)) => Source::Manifest(Arc::clone(manifest)),
            (None, None) => return None,
        };
        Some(Goal::Get { source, output })
    };
    let path = memo.place.clone();
    match (&memo.aim, memo.origin) {
        (Aim::Get { .. }, _) => get(path),
        (Aim::Share { .. }, Origin::Own) if manifest.is_none() => {
            Some(Goal::Seed { path, manifest: None, check: Check::No, link: None })
        }
        // What is there of it is found and verified.
        (Aim::Share { .. }, Origin::Downloaded) if manifest.is_none() => {
            get(path.parent().unwrap_or(&path).to_owned())
        }
        (Aim::Share { print }, origin) => {
            let check = print.clone().map_or(Check::All, Check::Unless);
            let link = link.filter(|_| origin == Origin::Downloaded);
            Some(Goal::Seed { path, manifest, check, link })
        }
    }
}

/// Whether nothing is at a place: a disk that is not mounted must not be taken for an empty one.
fn is_gone(place: &Path) -> bool {
    matches!(place.try_exists(), Ok(false))
}

fn same_but_sums(a: &[Memo], b: &[Memo]) -> bool {
    let same = |(a, b): (&Memo, &Memo)| {
        let b = Memo { so_far: a.so_far, ..b.clone() };
        *a == b
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}
