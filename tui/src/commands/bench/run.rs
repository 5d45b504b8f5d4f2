//! One run: the processes start, the clock starts, all getters finish, the copies are checked.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use swarm_proto::manifest::Manifest;
use tokio::time;

use super::{
    machine::work_and_time,
    measures::{Process, Run, Setup, Waits},
    message::{Job, News, manifest_of},
    on_a_thread,
    party::{self, Party},
    scratch::{Place, warm},
    view::View,
};
use crate::{
    commands::{Context, blocking, demo::compare::first_difference},
    exit::{Code, Failure},
    source::read_manifest,
    units::Span,
};

/// How often the view is refreshed, and the user's Ctrl-C is sure to be seen.
const TICK: Duration = Duration::from_millis(100);
/// When nothing has moved for this long, a run is given up: a benchmark that hangs is no benchmark.
const STALL: Duration = Duration::from_secs(60);

/// What is the same for all runs.
pub struct Stage {
    folder: PathBuf,
    kind: StageKind,
}

enum StageKind {
    /// A seeder of ours shares a file of random bytes.
    Local { source: PathBuf, manifest: Box<Manifest> },
    /// Others have it.
    Remote { link: Option<String>, peers: Vec<String> },
}

/// A getter of a run.
#[derive(Debug, Default, Clone)]
struct Getter {
    bytes_have: u64,
    downloaded: u64,
    /// Since the clock was started.
    done: Option<Duration>,
    process: Option<Process>,
}

/// The numbers of the processes of a run.
struct Cast {
    seeder: Option<usize>,
    getters: Vec<usize>,
}

impl Cast {
    /// The getter that has this number, if one has.
    fn getter<'a>(&self, number: usize, getters: &'a mut [Getter]) -> Option<&'a mut Getter> {
        let index = self.getters.iter().position(|getter| *getter == number)?;
        getters.get_mut(index)
    }
}

impl Stage {
    /// Random bytes, which a seeder of ours shares on loopback.
    pub fn local(folder: &Path, source: PathBuf, manifest: Manifest) -> Self {
        let kind = StageKind::Local { source, manifest: Box::new(manifest) };
        Self { folder: folder.to_owned(), kind }
    }

    /// A share that others have: behind a link, or described by the manifest in the folder.
    pub fn remote(folder: &Path, link: Option<String>, peers: Vec<String>) -> Self {
        Self { folder: folder.to_owned(), kind: StageKind::Remote { link, peers } }
    }

    /// Does the run with this number. What is fetched from others is filled in in the setup.
    pub async fn run(&self, cx: &Context, n: u32, setup: &mut Setup) -> Result<Run, Failure> {
        let mut party = Party::new();
        let done = self.play(cx, &mut party, n, setup).await;
        let ended = party.end().await;
        let run = done?;
        ended?;
        self.check(cx, setup).await?;
        self.remove_copies(cx, setup.getters).await?;
        Ok(run)
    }

    async fn play(
        &self,
        cx: &Context,
        party: &mut Party,
        n: u32,
        setup: &mut Setup,
    ) -> Result<Run, Failure> {
        let cast = self.start(cx, party, setup).await?;
        self.warm(cx, setup).await?;

        let mut getters = vec![Getter::default(); setup.getters as usize];
        let before = work_and_time();
        let waits = self.follow(cx, party, &cast, &mut getters, n, setup).await?;
        let machine_busy = before.zip(work_and_time()).and_then(|(before, after)| {
            let (work, time) = (after.0 - before.0, after.1 - before.1);
            (time > 0.0).then(|| work / time)
        });
        let seeder = last_words(party, &cast, &mut getters).await?;
        let seconds = getters.iter().filter_map(|getter| getter.done);
        Ok(Run {
            seconds: seconds.map(|done| done.as_secs_f64()).collect(),
            seeder,
            getters: getters.into_iter().filter_map(|getter| getter.process).collect(),
            waits,
            machine_busy,
        })
    }

    /// Starts all processes, and waits until they can begin.
    async fn start(&self, cx: &Context, party: &mut Party, setup: &Setup) -> Result<Cast, Failure> {
        let flags = party::flags(&cx.settings, matches!(self.kind, StageKind::Local { .. }));
        let (seeder, link, peers) = match &self.kind {
            StageKind::Local { source, .. } => {
                let data = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let job = Job::Seed { data };
                let seeder = party.start("the seeder", &self.folder, &flags, &job).await?;
                (Some(seeder), party.ready(seeder).await?, Vec::new())
            }
            StageKind::Remote { link, peers } => (None, link.clone(), peers.clone()),
        };
        let mut getters = Vec::new();
        for getter in 1..=setup.getters {
            let job = Job::Get { output: copy(getter), link: link.clone(), peers: peers.clone() };
            let name = format!("getter {getter}");
            getters.push(party.start(&name, &self.folder, &flags, &job).await?);
        }
        for &getter in &getters {
            party.ready(getter).await?;
        }
        Ok(Cast { seeder, getters })
    }

    /// Starts the clock, and follows all getters until they are done.
    async fn follow(
        &self,
        cx: &Context,
        party: &mut Party,
        cast: &Cast,
        getters: &mut [Getter],
        n: u32,
        setup: &mut Setup,
    ) -> Result<Waits, Failure> {
        let mut view = View::new(&cx.console, format!("run {n} of {}", setup.runs));
        let mut waits = Waits::default();
        let start = Instant::now();
        for &getter in &cast.getters {
            party.go(getter).await?;
        }
        let mut moved = start;
        while getters.iter().any(|getter| getter.done.is_none()) {
            tokio::select! {
                () = cx.stop.cancelled() => return Err(Failure::interrupted()),
                news = party.next() => {
                    let (number, news) = news?;
                    let Some(getter) = cast.getter(number, getters) else { continue };
                    // At a low rate it takes long until a piece is verified.
                    let before = getter.downloaded;
                    self.take(setup, getter, &mut waits, news, start)?;
                    if getter.downloaded > before {
                        moved = Instant::now();
                    }
                }
                () = time::sleep(TICK) => {}
            }
            if moved.elapsed() >= STALL {
                return Err(stalled());
            }
            let have = getters.iter().map(|getter| getter.bytes_have).sum();
            let done = getters.iter().filter(|getter| getter.done.is_some()).count();
            let all = setup.bytes.saturating_mul(u64::from(setup.getters));
            // How much it is may not be known yet.
            if all > 0 {
                view.show(have, all, &format!(", {done} of {} done", getters.len()));
            }
        }
        Ok(waits)
    }

    /// Takes in what a getter says.
    fn take(
        &self,
        setup: &mut Setup,
        getter: &mut Getter,
        waits: &mut Waits,
        news: News,
        start: Instant,
    ) -> Result<(), Failure> {
        match news {
            News::Started { swarm, bytes, piece_length } => {
                if matches!(self.kind, StageKind::Remote { .. }) {
                    let first = setup.swarm.is_none();
                    (setup.swarm, setup.bytes, setup.piece_length) =
                        (Some(swarm), bytes, piece_length);
                    if first {
                        let bytes = bytes.saturating_mul(u64::from(setup.getters));
                        Place::at(&self.folder).check(bytes)?;
                    }
                }
            }
            News::Progress { bytes_have, downloaded, bottleneck } => {
                (getter.bytes_have, getter.downloaded) = (bytes_have, downloaded);
                waits.add(bottleneck);
            }
            News::Completed { bytes } => {
                getter.bytes_have = bytes;
                getter.done = Some(start.elapsed());
            }
            News::Ended(_) => {
                let message = "a getter was stopped by somebody else";
                return Err(Failure::new(Code::Other, "bench_part", message));
            }
            News::Ready { .. } | News::Failed { .. } => {}
        }
        Ok(())
    }

    /// Gets the memory for the copies at hand, if they go into memory.
    async fn warm(&self, cx: &Context, setup: &Setup) -> Result<(), Failure> {
        if !setup.in_memory || setup.bytes == 0 {
            return Ok(());
        }
        let (folder, stop) = (self.folder.clone(), cx.stop.clone());
        let bytes = setup.bytes * u64::from(setup.getters);
        let warmed = move || warm(&folder, bytes, &mut |_| !stop.is_cancelled());
        let warmed = on_a_thread(cx, warmed).await?;
        warmed.map(drop).map_err(|error| Failure::file(&self.folder, &error))
    }

    /// Compares every copy with what was shared: byte by byte, or with the manifest if what was
    /// shared is elsewhere.
    async fn check(&self, cx: &Context, setup: &Setup) -> Result<(), Failure> {
        let folders: Vec<_> = (1..=setup.getters).map(|n| self.folder.join(copy(n))).collect();
        let found = match &self.kind {
            StageKind::Local { source, manifest } => {
                let (manifest, source) = (manifest.clone(), source.clone());
                let name = manifest.info().name.clone();
                let copies: Vec<_> = folders.iter().map(|folder| folder.join(&name)).collect();
                let compare = blocking(cx, move |progress| {
                    Ok(first_difference(&manifest, &source, &copies, progress))
                });
                compare.await?
            }
            StageKind::Remote { .. } => {
                let manifest = read_manifest(&self.folder.join(manifest_of(&copy(1))))?;
                let copies: Vec<_> =
                    folders.iter().map(|folder| folder.join(&manifest.info().name)).collect();
                let verify = blocking(cx, move |progress| {
                    for copy in &copies {
                        if !swarm_node::verify(&manifest, copy, progress)?.is_whole() {
                            return Ok(Some("a copy is not what the manifest says".to_owned()));
                        }
                    }
                    Ok(None)
                });
                verify.await?
            }
        };
        match found {
            _ if cx.stop.is_cancelled() => Err(Failure::interrupted()),
            None => Ok(()),
            Some(difference) => Err(Failure::new(Code::Verification, "verification", difference)),
        }
    }

    async fn remove_copies(&self, cx: &Context, getters: u32) -> Result<(), Failure> {
        let folders: Vec<_> = (1..=getters).map(|n| self.folder.join(copy(n))).collect();
        let remove = move || {
            let removed = folders.iter().map(|folder| {
                fs::remove_dir_all(folder).map_err(|error| Failure::file(folder, &error))
            });
            removed.collect::<Result<(), _>>()
        };
        on_a_thread(cx, remove).await?
    }
}

/// Lets all processes end, and takes what they say at the end. Returns the seeder's.
async fn last_words(
    party: &mut Party,
    cast: &Cast,
    getters: &mut [Getter],
) -> Result<Option<Process>, Failure> {
    party.dismiss();
    let mut seeder = None;
    while getters.iter().any(|getter| getter.process.is_none())
        || cast.seeder.is_some() != seeder.is_some()
    {
        let (number, news) = time::timeout(STALL, party.next()).await.map_err(|_| stalled())??;
        let News::Ended(process) = news else { continue };
        match cast.getter(number, getters) {
            Some(getter) => getter.process = Some(process),
            None => seeder = Some(process),
        }
    }
    Ok(seeder)
}

/// The folder of a getter.
fn copy(getter: u32) -> String {
    format!("getter-{getter}")
}

fn stalled() -> Failure {
    let message = format!("nothing moved for {}", Span(STALL));
    Failure::new(Code::Network, "stalled", message)
        .hint("check that somebody shares it and can be reached; SWARM_LOG_FILE=FILE keeps a log")
}
