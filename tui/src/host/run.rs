//! The task that owns the transfers of a session.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use swarm_node::Event;
use swarm_proto::link::Endpoint;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    EntryId, Limits, Lost, Order, Phase, Remark, Session,
    attempt::{self, Goal, News, Teller},
    held::Held,
    memory::Earlier,
    restore::Kept,
};
use crate::{
    context::Context,
    exit::Failure,
    history::everywhere,
    hook::{Facts, Hook},
    services::Services,
    share::Policy,
    text::counted,
    words::describe,
};

/// Orders that wait: more than anybody gives while one is carried out.
const ORDERS: usize = 64;
/// News that waits. Whoever has more waits too.
const NEWS: usize = 256;
/// Remarks that wait for a front end. One that does not take them loses the rest, and is told how many.
const REMARKS: usize = 256;
/// Between two sessions that are shown: as often as an engine makes a snapshot.
const SHOW: Duration = Duration::from_millis(100);
/// How often the clock is looked at, for those who share on for a time.
const TICK: Duration = Duration::from_secs(1);

/// What all transfers of a session use.
#[derive(Debug)]
pub struct Setup {
    /// Settings, paths, and where the history is kept.
    pub cx: Context,
    /// What listens.
    pub services: Services,
    /// Peers to connect to in every swarm.
    pub peers: Vec<Endpoint>,
    /// Where a tracker of this process listens, if not on the port after the node's.
    pub tracker_listen: Option<SocketAddr>,
}

/// The ends of a session that a front end holds.
#[derive(Debug)]
pub struct Host {
    /// What is asked of it.
    pub orders: mpsc::Sender<Order>,
    /// How everything is; changes at most ten times a second.
    pub session: watch::Receiver<Arc<Session>>,
    /// What is said. Whoever takes too long loses some.
    pub remarks: mpsc::Receiver<Remark>,
    stop: CancellationToken,
    task: JoinHandle<Setup>,
}

impl Host {
    /// Begins with what there is, and keeps what it has for the next session.
    pub fn start(setup: Setup, earlier: Earlier) -> Self {
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
            lost: Lost::default(),
            news,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            kept: None,
        };
        let stop = keeper.stop.clone();
        let task = tokio::spawn(keeper.run(earlier, orders_out, news_out, stop.clone()));
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
    /// Those that nobody took.
    pub(super) lost: Lost,
    pub(super) news: mpsc::Sender<(EntryId, News)>,
    /// The session ends.
    pub(super) stop: CancellationToken,
    /// Everything that is under way: attempts, deletions, the user's programs.
    pub(super) tasks: TaskTracker,
    /// For the next session.
    pub(super) kept: Option<Kept>,
}

impl Keeper {
    async fn run(
        mut self,
        earlier: Earlier,
        mut orders: mpsc::Receiver<Order>,
        mut news: mpsc::Receiver<(EntryId, News)>,
        stop: CancellationToken,
    ) -> Setup {
        self.warn();
        if let Some(text) = earlier.warning {
            self.say(None, true, text);
        }
        if let Some(memory) = earlier.memory {
            self.restore(memory).await;
        }
        let mut show_at: Option<time::Instant> = None;
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            let clock = self.held.iter().any(|held| held.sharing.is_some());
            tokio::select! {
                () = stop.cancelled() => break,
                Some(order) = orders.recv() => self.obey(order).await,
                Some((id, news)) = news.recv() => self.hear(id, news),
                () = time::sleep_until(show_at.unwrap_or_else(time::Instant::now)), if show_at.is_some() => {
                    self.show();
                    self.remember();
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

    /// Ends all transfers at once, takes in their last news, and deletes what was to be deleted.
    async fn end(mut self, news: &mut mpsc::Receiver<(EntryId, News)>) -> Setup {
        // Before anything that takes long: the end may be forced.
        self.remember();
        self.held.iter_mut().for_each(|held| held.at_end = Some(held.stand()));
        self.held
            .iter()
            .filter_map(|held| held.attempt.as_ref())
            .for_each(CancellationToken::cancel);
        self.tasks.close();
        loop {
            tokio::select! {
                Some((id, news)) = news.recv() => self.hear(id, news),
                () = self.tasks.wait() => match news.try_recv() {
                    // The last one told this before it ended, and there may be more to do.
                    Ok((id, news)) => self.hear(id, news),
                    Err(_) => break,
                },
            }
        }
        self.show();
        self.remember_at_the_end().await;
        let Self { setup, .. } = self;
        Arc::into_inner(setup).expect("every task that shared it has ended")
    }

    /// Lets the front end see how everything is.
    pub(super) fn show(&self) {
        self.lost.own_up(|remark| self.remarks.try_send(remark).is_ok());
        let entries = self.held.iter().map(|held| Arc::new(held.entry.clone())).collect();
        self.session.send_replace(Arc::new(Session { entries, ..self.shown.clone() }));
    }

    /// Says something to the user, unless nobody takes it.
    pub(super) fn say(&self, entry: Option<EntryId>, warn: bool, text: impl Into<String>) {
        let remark = Remark { entry, warn, text: text.into() };
        self.lost.say(remark, |remark| self.remarks.try_send(remark).is_ok());
    }

    /// Says what went wrong, and what can be done.
    pub(super) fn complain(&self, entry: Option<EntryId>, failure: &Failure) {
        let hint = failure.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
        self.say(entry, true, format!("{}{hint}", failure.message));
    }

    /// The entry of this number, if it is still held.
    pub(super) fn find(&mut self, id: EntryId) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.entry.id == id)
    }

    /// Begins an attempt because the user wants it. What was shared for as long as was asked is shared
    /// until the user stops it.
    pub(super) fn start_again(&mut self, id: EntryId) {
        let Some(held) = self.find(id).filter(|held| held.attempt.is_none()) else { return };
        held.paused = false;
        if std::mem::take(&mut held.enough) {
            (held.entry.policy, held.entry.decided) = (Policy::Forever, true);
        }
        self.start(id);
    }

    /// Begins an attempt, unless one goes on.
    pub(super) fn start(&mut self, id: EntryId) {
        let (setup, news, tasks) = (Arc::clone(&self.setup), self.news.clone(), self.tasks.clone());
        let Some(held) = self.find(id) else { return };
        if held.attempt.is_some() || held.ending.is_some() {
            return;
        }
        held.sum_up();
        held.entry.phase = match &held.goal {
            Goal::Get { .. } => Phase::Finding { trouble: None },
            Goal::Seed { .. } => Phase::Hashing { done: 0, total: 0 },
        };
        let end = CancellationToken::new();
        held.attempt = Some(end.clone());
        tasks.spawn(attempt::run(setup, held.goal.clone(), end, Teller { id, news }));
    }

    /// Takes in what is told of a transfer.
    fn hear(&mut self, id: EntryId, news: News) {
        let Some(held) = self.find(id) else { return };
        match news {
            News::StillFinding(failure) => {
                // It may be stopped meanwhile. Once is enough as long as it stays the same.
                if let Phase::Finding { trouble } = &mut held.entry.phase
                    && trouble.as_ref() != Some(&failure.message)
                {
                    *trouble = Some(failure.message.clone());
                    self.complain(Some(id), &failure);
                }
            }
            News::Hashing(progress) => {
                // Whoever reads may say this once more after the attempt was given up.
                if let Phase::Hashing { done, total } = &mut held.entry.phase {
                    (*done, *total) = (progress.done, progress.total);
                }
            }
            News::Started { transfer, link, fetched } => {
                held.entry.fetched = fetched;
                if held.begin(transfer, &link) {
                    self.completed(id);
                }
            }
            News::Whole { print } => held.whole(print),
            News::Snapshot(snapshot) => {
                held.take_in(snapshot);
                self.share_on(id);
            }
            News::Lost(events) => {
                let text = format!("{} lost: too many at a time", counted(events, "event"));
                self.say(Some(id), true, text);
            }
            News::Event(Event::Completed) => self.completed(id),
            News::Event(event) => {
                let (warn, text) = describe(&event, |file| held.entry.path_of(file));
                self.say(Some(id), warn, text);
            }
            News::Hooked(ended) => {
                held.entry.hooked = false;
                match ended {
                    Ok(()) => self.say(Some(id), false, "the program of --on-complete has ended"),
                    Err(failure) => self.complain(Some(id), &failure),
                }
            }
            News::Ended(result) => self.ended(id, result),
            News::Deleted(result) => self.deleted(id, result),
        }
    }

    /// Everything that is wanted of a transfer is here.
    fn completed(&mut self, id: EntryId) {
        let Some(held) = self.find(id) else { return };
        held.complete();
        let (warn, text) = describe(&Event::Completed, |file| held.entry.path_of(file));
        self.say(Some(id), warn, text);
        self.run_hook(id);
    }

    /// Runs the program that the user has for what is complete, unless it still runs.
    fn run_hook(&mut self, id: EntryId) {
        let (setup, news, stop) = (Arc::clone(&self.setup), self.news.clone(), self.stop.clone());
        let tasks = self.tasks.clone();
        let Some(held) = self.find(id).filter(|held| !held.entry.hooked) else { return };
        let (Some(transfer), Some(link)) = (&held.transfer, &held.entry.link) else { return };
        // What is wanted is there, also if the snapshot is still one of before.
        let (path, bytes) =
            (everywhere(transfer.path()), transfer.snapshots().borrow().bytes_wanted);
        let took = Duration::from_secs_f64(held.entry.took_s.unwrap_or_default());
        let name = &transfer.manifest().info().name;
        let facts = Facts { path: &path, name, id: transfer.id(), link, bytes, took };
        let cx = &setup.cx;
        let words = &cx.settings.on_complete.value;
        let Some(hook) = Hook::start(words, &facts, &cx.console, stop) else { return };
        held.entry.hooked = true;
        tasks.spawn(async move {
            let ended = hook.ended().await;
            Teller { id, news }.tell(News::Hooked(ended)).await;
        });
    }
}

/// Seconds since 1970.
pub(super) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
