//! The task that owns the transfers of a session.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use swarm_node::{Command, Event, State};
use swarm_proto::{link::Endpoint, manifest::Manifest};
use tokio::{
    sync::{mpsc, watch},
    task::{self, AbortHandle, JoinHandle},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    EntryId, Limits, Order, Origin, Phase, Remark, Session,
    attempt::{self, Goal, News, Teller},
    held::Held,
};
use crate::{
    commands::Context,
    exit::Failure,
    history::everywhere,
    hook::{Facts, Hook},
    screen,
    services::Services,
    share::{Policy, Sharing},
    text::counted,
};

/// Orders that wait: more than anybody gives while one is carried out.
const ORDERS: usize = 64;
/// News that waits. Whoever has more waits too.
const NEWS: usize = 256;
/// Remarks that wait for a front end. One that does not take them loses the rest.
const REMARKS: usize = 256;
/// Between two sessions that are shown: as often as an engine makes a snapshot.
const SHOW: Duration = Duration::from_millis(100);
/// How often the clock is looked at, for those who share on for a time.
const TICK: Duration = Duration::from_secs(1);

/// What all transfers of a session use.
#[derive(Debug)]
pub struct Setup {
    pub cx: Context,
    pub services: Services,
    /// Peers to connect to in every swarm.
    pub peers: Vec<Endpoint>,
    /// Where a tracker of this process listens, if not on the port after the node's.
    pub tracker_listen: Option<SocketAddr>,
}

/// The ends of a session that a front end holds.
#[derive(Debug)]
pub struct Host {
    pub orders: mpsc::Sender<Order>,
    pub session: watch::Receiver<Arc<Session>>,
    pub remarks: mpsc::Receiver<Remark>,
    stop: CancellationToken,
    task: JoinHandle<Setup>,
}

impl Host {
    /// Begins with no transfers.
    pub fn start(setup: Setup) -> Self {
        let (orders, orders_out) = mpsc::channel(ORDERS);
        let (remarks, remarks_out) = mpsc::channel(REMARKS);
        let (news, news_out) = mpsc::channel(NEWS);
        let settings = &setup.cx.settings;
        let limits =
            Limits { up: settings.upload_limit.value.0, down: settings.download_limit.value.0 };
        let first = Session {
            listen: Some(setup.services.node.listen_addr()),
            output: settings.output.value.clone(),
            limits,
            ..Session::default()
        };
        let (session, session_out) = watch::channel(Arc::new(first.clone()));
        let keeper = Keeper {
            setup: Arc::new(setup),
            held: Vec::new(),
            shown: first,
            next: 1,
            session,
            remarks,
            news,
            stop: CancellationToken::new(),
            hooks: TaskTracker::new(),
        };
        let stop = keeper.stop.clone();
        let task = tokio::spawn(keeper.run(orders_out, news_out, stop.clone()));
        Self { orders, session: session_out, remarks: remarks_out, stop, task }
    }

    /// Ends all transfers, and then what they used. Returns the last state.
    pub async fn shutdown(self) -> Arc<Session> {
        let Self { session, stop, task, .. } = self;
        stop.cancel();
        if let Ok(setup) = task.await {
            setup.services.shutdown().await;
        }
        let last = session.borrow();
        Arc::clone(&last)
    }
}

/// Owns everything.
pub(super) struct Keeper {
    pub(super) setup: Arc<Setup>,
    pub(super) held: Vec<Held>,
    /// What is shown but for the entries.
    pub(super) shown: Session,
    pub(super) next: u64,
    pub(super) session: watch::Sender<Arc<Session>>,
    pub(super) remarks: mpsc::Sender<Remark>,
    pub(super) news: mpsc::Sender<(EntryId, u64, News)>,
    /// The session ends.
    pub(super) stop: CancellationToken,
    /// The user's programs that run.
    pub(super) hooks: TaskTracker,
}

impl Keeper {
    async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut news: mpsc::Receiver<(EntryId, u64, News)>,
        stop: CancellationToken,
    ) -> Setup {
        self.warn();
        let mut show_at: Option<time::Instant> = None;
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            let clock = self.held.iter().any(|held| held.sharing.is_some());
            tokio::select! {
                () = stop.cancelled() => break,
                Some(order) = orders.recv() => self.obey(order).await,
                Some((id, attempt, news)) = news.recv() => self.hear(id, attempt, news),
                () = time::sleep_until(show_at.unwrap_or_else(time::Instant::now)), if show_at.is_some() => {
                    self.show();
                    show_at = None;
                    continue;
                }
                _ = tick.tick(), if clock => {
                    self.look_at_the_clock();
                    continue;
                }
            }
            show_at = show_at.or_else(|| Some(time::Instant::now() + SHOW));
        }
        self.end(&mut news).await
    }

    /// Says what the user should know of how others reach this process.
    fn warn(&self) {
        let peer = &self.setup.services.peer;
        if peer.key.is_none() {
            let text = "transport is plain: nothing is encrypted and nobody proves who they are";
            self.say(None, true, text);
        }
        if peer.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()) {
            let text =
                "links of this session work on this machine only; --advertise HOST changes that";
            self.say(None, true, text);
        }
    }

    /// Ends all transfers at once, and takes in their last news.
    async fn end(mut self, news: &mut mpsc::Receiver<(EntryId, u64, News)>) -> Setup {
        for held in &self.held {
            match &held.transfer {
                Some(transfer) => transfer.command(Command::Stop),
                None => held.task.iter().for_each(AbortHandle::abort),
            }
        }
        for held in &mut self.held {
            if let Some(transfer) = held.transfer.take() {
                transfer.stop().await;
                held.entry.snapshot = Some(Arc::clone(&transfer.snapshots().borrow()));
            }
            held.task.iter().for_each(AbortHandle::abort);
        }
        news.close();
        // They end with the session, and none is left behind.
        self.hooks.close();
        self.hooks.wait().await;
        self.show();
        let Self { mut setup, held, .. } = self;
        drop(held);
        loop {
            match Arc::try_unwrap(setup) {
                Ok(setup) => return setup,
                // A task that was aborted lets go of it at its next await.
                Err(shared) => {
                    setup = shared;
                    time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    fn show(&self) {
        let entries = self.held.iter().map(|held| Arc::new(held.entry.clone())).collect();
        self.session.send_replace(Arc::new(Session { entries, ..self.shown.clone() }));
    }

    pub(super) fn say(&self, entry: Option<EntryId>, warn: bool, text: impl Into<String>) {
        let _ = self.remarks.try_send(Remark { entry, warn, text: text.into() });
    }

    pub(super) fn complain(&self, entry: Option<EntryId>, failure: &Failure) {
        let hint = failure.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        self.say(entry, true, format!("{}{hint}", failure.message));
    }

    pub(super) fn find(&mut self, id: EntryId) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.entry.id == id)
    }

    /// Begins an attempt, unless one goes on.
    pub(super) fn start(&mut self, id: EntryId) {
        let (setup, news) = (Arc::clone(&self.setup), self.news.clone());
        let Some(held) = self.find(id) else { return };
        if held.task.is_some() || held.ending.is_some() {
            return;
        }
        held.attempt += 1;
        held.sharing = None;
        held.entry.snapshot = None;
        held.entry.phase = match &held.goal {
            Goal::Get { .. } => Phase::Finding,
            Goal::Seed { .. } => Phase::Hashing { done: 0, total: 0 },
        };
        let Limits { up, down } = held.entry.limits;
        let limits = vec![Command::LimitUpload(up), Command::LimitDownload(down)];
        let teller = Teller { id, attempt: held.attempt, news };
        let task = tokio::spawn(attempt::run(setup, held.goal.clone(), limits, teller));
        held.task = Some(task.abort_handle());
    }

    /// Takes in what an attempt tells.
    fn hear(&mut self, id: EntryId, attempt: u64, news: News) {
        let Some(held) = self.find(id) else { return };
        // The user's program outlives the attempt that it was run for.
        if held.attempt != attempt && !matches!(news, News::Hooked(_)) {
            return;
        }
        match news {
            News::StillFinding(failure) => self.complain(Some(id), &failure),
            News::Hashing(progress) => {
                if held.transfer.is_none() {
                    let (done, total) = (progress.done, progress.total);
                    held.entry.phase = Phase::Hashing { done, total };
                }
            }
            News::Started { transfer, link } => held.begin(transfer, &link),
            News::Snapshot(snapshot) => {
                held.meet(&snapshot);
                held.entry.snapshot = Some(snapshot);
                self.share_on(id);
            }
            News::Event(event) => {
                let completed = event == Event::Completed;
                if completed {
                    held.entry.completed_s = Some(now_s());
                    held.entry.took_s = held.began.map(|began| began.elapsed().as_secs_f64());
                }
                let (warn, text) = screen::describe(&event);
                self.say(Some(id), warn, text);
                if completed {
                    self.run_hook(id);
                }
            }
            News::Hooked(ended) => {
                held.entry.hooked = false;
                match ended {
                    Ok(()) => self.say(Some(id), false, "the program of --on-complete has ended"),
                    Err(failure) => self.complain(Some(id), &failure),
                }
            }
            News::Failed(failure) => {
                held.task = None;
                held.entry.phase =
                    Phase::Failed { message: failure.message.clone(), hint: failure.hint.clone() };
                self.complain(Some(id), &failure);
            }
            News::Ended { removed, deleted } => self.ended(id, removed, deleted),
        }
    }

    fn ended(&mut self, id: EntryId, removed: bool, deleted: Option<Result<u64, Failure>>) {
        let Some(held) = self.find(id) else { return };
        held.task.take().iter().for_each(AbortHandle::abort);
        held.transfer = None;
        let why = held.ending.take().unwrap_or_default();
        let name = held.entry.name.clone();
        held.entry.phase = Phase::Stopped { why };
        match deleted {
            Some(Ok(files)) => {
                self.say(None, false, format!("{name}: {} deleted", counted(files, "file")));
            }
            // What could not be deleted stays on the list, so that it can be tried again.
            Some(Err(failure)) => return self.complain(Some(id), &failure),
            None => {}
        }
        if removed {
            self.held.retain(|held| held.entry.id != id);
        }
    }

    pub(super) fn remove(&mut self, id: EntryId, delete: bool) {
        self.stop(id, "removed", true, delete);
    }

    pub(super) fn halt(&mut self, id: EntryId, why: &str) {
        self.stop(id, why, false, false);
    }

    /// Ends a transfer in a task of its own: to say goodbye and to delete takes a while.
    fn stop(&mut self, id: EntryId, why: &str, remove: bool, delete: bool) {
        let news = self.news.clone();
        let Some(held) = self.find(id).filter(|held| held.ending.is_none()) else { return };
        held.ending = Some(why.to_owned());
        held.sharing = None;
        let (transfer, path) = (held.transfer.clone(), held.entry.path.clone());
        if transfer.is_none() {
            held.task.take().iter().for_each(AbortHandle::abort);
        }
        let manifest = held.manifest().filter(|_| delete);
        let teller = Teller { id, attempt: held.attempt, news };
        tokio::spawn(async move {
            if let Some(transfer) = &transfer {
                transfer.stop().await;
            }
            let deleted = match manifest {
                Some(manifest) => Some(delete_data(manifest, path).await),
                None => None,
            };
            teller.tell(News::Ended { removed: remove, deleted }).await;
        });
    }

    pub(super) fn share(&mut self, id: EntryId, policy: Policy) {
        let Some(held) = self.find(id) else { return };
        held.entry.decided = true;
        held.entry.policy = policy;
        if let Some((sharing, _)) = &mut held.sharing {
            sharing.decide(policy);
        }
        let stopped = matches!(held.entry.phase, Phase::Stopped { .. });
        match policy {
            Policy::Never => self.share_on(id),
            _ if stopped => self.start(id),
            _ => {}
        }
    }

    /// Begins to share on what has just been completed, and ends it when its time has come.
    fn share_on(&mut self, id: EntryId) {
        let Some(held) = self.find(id) else { return };
        let seeding = held.entry.state() == Some(State::Seeding);
        if held.entry.origin == Origin::Own || !seeding || held.ending.is_some() {
            return;
        }
        let begin = if held.entry.decided { Sharing::new } else { Sharing::asking };
        let policy = held.entry.policy;
        let (sharing, since) = held.sharing.get_or_insert_with(|| (begin(policy), Instant::now()));
        let Some(snapshot) = &held.entry.snapshot else { return };
        if let Some(why) = sharing.ended(since.elapsed(), snapshot) {
            held.entry.decided = true;
            let text = format!("stopped sharing: {why}");
            self.say(Some(id), false, text);
            self.halt(id, why);
        }
    }

    /// Runs the program that the user has for what is complete, unless it still runs.
    fn run_hook(&mut self, id: EntryId) {
        let (setup, news, stop) = (Arc::clone(&self.setup), self.news.clone(), self.stop.clone());
        let hooks = self.hooks.clone();
        let Some(held) = self.find(id).filter(|held| !held.entry.hooked) else { return };
        let (Some(transfer), Some(link)) = (&held.transfer, &held.entry.link) else { return };
        // What is wanted is there, also if the snapshot is still one of before.
        let (path, bytes) =
            (everywhere(transfer.path()), transfer.snapshots().borrow().bytes_wanted);
        let took = held.began.map(|began| began.elapsed()).unwrap_or_default();
        let name = &transfer.manifest().info().name;
        let facts = Facts { path: &path, name, id: transfer.id(), link, bytes, took };
        let cx = &setup.cx;
        let words = &cx.settings.on_complete.value;
        let Some(hook) = Hook::start(words, &facts, &cx.console, stop) else { return };
        held.entry.hooked = true;
        let attempt = held.attempt;
        hooks.spawn(async move {
            let ended = hook.ended().await;
            Teller { id, attempt, news }.tell(News::Hooked(ended)).await;
        });
    }

    fn look_at_the_clock(&mut self) {
        let sharing = self.held.iter().filter(|held| held.sharing.is_some());
        for id in sharing.map(|held| held.entry.id).collect::<Vec<_>>() {
            self.share_on(id);
        }
    }
}

async fn delete_data(manifest: Arc<Manifest>, path: PathBuf) -> Result<u64, Failure> {
    let done = task::spawn_blocking(move || swarm_node::discard(&manifest, &path)).await;
    match done {
        Ok(result) => Ok(result?),
        Err(error) => Err(Failure::new(crate::exit::Code::Other, "bug", error.to_string())),
    }
}

/// Seconds since 1970.
pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
