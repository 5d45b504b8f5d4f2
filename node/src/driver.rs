//! The one task that owns a swarm's engine.
//!
//! It takes what happens in batches, hands it to the engine and does what the engine wants done. It
//! waits for nobody: connections, trackers and the disk have queues, and each queue has a bound, of
//! its own or by the engine's budgets. A peer that does not take what we send it is dropped.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use swarm_engine::{
    Command, ConnId, Event, Input, Outbox, Output, Side, Snapshot, Swarm, Target, Time,
    TrackerIndex,
};
use swarm_net::Security;
use swarm_proto::{
    id::SwarmId,
    message::{Hello, Message},
};
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::Sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    announcer::Ask,
    conn::{self, Arrival, Opened, Outgoing},
    hello,
    store::{InFile, Job, Store},
    transfer::Progressed,
};

/// Arrivals that may wait for the driver. A peer may send blocks that nobody asked for, 1 MiB each,
/// and all of these may be such.
pub(crate) const ARRIVALS_MAX: usize = 32;
/// Answers of the disk that are taken at once, before connections get their turn.
const ANSWERS_MAX: usize = 64;
/// Bytes that may wait for one peer beyond what the engine may have sent it as payload: messages
/// about pieces. More than that, and the peer does not read.
const CONTROL_BYTES_MAX: u64 = 4 << 20;
/// Snapshots are at most this frequent.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(100);
/// The engine is asked for the time at most this often, whatever its deadline says.
const TICK_MIN: Duration = Duration::from_millis(1);
/// How long goodbyes to peers and trackers may take when a swarm is stopped.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Everything that a swarm's tasks share.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) swarm: SwarmId,
    pub(crate) security: Security,
    /// What we say first on each connection.
    pub(crate) hello: Hello,
    /// Ends every task of the swarm at once.
    pub(crate) cancel: CancellationToken,
    /// Knows every task of the node.
    pub(crate) tasks: TaskTracker,
    /// Numbers of connections, counted over all swarms.
    pub(crate) conn_ids: Arc<AtomicU64>,
}

impl Scope {
    /// A number that no connection had before.
    pub(crate) fn next_conn(&self) -> ConnId {
        ConnId(self.conn_ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs a task of this swarm that ends with it at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            cancel.run_until_cancelled(task).await;
        });
    }
}

/// Where the driver hears from.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The disk's answers; bounded by what the engine asks of it.
    pub(crate) disk: mpsc::UnboundedReceiver<Input>,
    /// Trackers' answers and commands; bounded by the announces in flight and by the user's speed.
    pub(crate) control: mpsc::UnboundedReceiver<Input>,
    /// Connections.
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    /// Somebody wants the swarm stopped.
    pub(crate) stop: CancellationToken,
}

/// Where the driver reports to.
#[derive(Debug)]
pub(crate) struct Views {
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) progress: watch::Sender<Progressed>,
}

/// A swarm's engine and everything it acts through.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) engine: Swarm,
    pub(crate) scope: Arc<Scope>,
    pub(crate) store: Arc<Store>,
    pub(crate) trackers: Vec<mpsc::UnboundedSender<Ask>>,
    pub(crate) views: Views,
    /// Where connections that we dial send their arrivals.
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    /// Where a dial that came to nothing is reported.
    pub(crate) control: mpsc::UnboundedSender<Input>,
    /// Bytes that may wait for one peer.
    pub(crate) queue_max: u64,
    /// The engine's time zero.
    pub(crate) start: Instant,
    pub(crate) state: Running,
}

/// What the driver itself remembers between two turns.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// Connections that are up, with what waits for each.
    queues: HashMap<ConnId, Queue>,
    /// Connections that have come up and have not ended yet.
    open: usize,
    /// Trackers that owe us an answer, as often as they owe one.
    announcing: Vec<TrackerIndex>,
    /// The engine's last orders, emptied after each input.
    out: Outbox,
    /// What the disk is to do, handed over at the end of each turn.
    jobs: Vec<Job>,
    /// Something changed since the last snapshot.
    changed: bool,
    next_snapshot: Time,
    last_tick: Time,
    /// Set when the swarm is being stopped: when to wait no longer.
    stop_at: Option<Time>,
}

/// The way to one connection's task.
#[derive(Debug)]
struct Queue {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    bytes: u64,
}

/// Bytes that may wait for one peer when the engine may have this much payload under way.
pub(crate) const fn queue_max(send_bytes: u64) -> u64 {
    send_bytes.saturating_add(CONTROL_BYTES_MAX)
}

impl Driver {
    /// Drives the swarm until it is stopped; then closes the store.
    pub(crate) async fn run(mut self, mut sources: Sources) {
        let mut answers = Vec::with_capacity(ANSWERS_MAX);
        let mut arrivals = Vec::with_capacity(ARRIVALS_MAX);
        let mut sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        self.feed(Input::Tick);
        self.store.submit_all(self.state.jobs.drain(..));
        while !self.is_done() {
            self.set_alarm(&mut sleep);
            let stopping = self.state.stop_at.is_some();
            tokio::select! {
                biased;
                () = sources.stop.cancelled(), if !stopping => self.begin_stop(),
                _ = sources.disk.recv_many(&mut answers, ANSWERS_MAX) => {
                    answers.drain(..).for_each(|input| self.feed(input));
                }
                Some(input) = sources.control.recv() => self.on_control(input),
                _ = sources.arrivals.recv_many(&mut arrivals, ARRIVALS_MAX) => {
                    arrivals.drain(..).for_each(|arrival| self.on_arrival(arrival));
                }
                () = &mut sleep => {}
            }
            self.on_time();
            self.store.submit_all(self.state.jobs.drain(..));
        }
        self.finish().await;
    }

    fn now(&self) -> Time {
        let nanos = self.start.elapsed().as_nanos();
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Hands one input to the engine and does what it wants done.
    fn feed(&mut self, input: Input) {
        let mut out = std::mem::take(&mut self.state.out);
        self.engine.handle(self.now(), input, &mut out);
        out.drain(..).for_each(|output| self.perform(output));
        self.state.out = out;
        self.state.changed = true;
    }

    fn on_control(&mut self, input: Input) {
        if let Input::Announced { tracker, .. } | Input::AnnounceFailed { tracker, .. } = &input {
            // A tracker that we lost while it owed us nothing is reported as well.
            let owing = self.state.announcing.iter().position(|owing| owing == tracker);
            owing.map(|at| self.state.announcing.swap_remove(at));
        }
        self.feed(input);
    }

    fn on_arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Up { input, conn, queue } => {
                self.state.open += 1;
                if self.state.stop_at.is_none() {
                    self.state.queues.insert(conn, Queue { outgoing: queue, bytes: 0 });
                    self.feed(input);
                }
            }
            Arrival::On { conn, inputs } => {
                inputs.into_iter().for_each(|input| self.on_connection(conn, input));
            }
        }
    }

    fn on_connection(&mut self, conn: ConnId, input: Input) {
        match &input {
            Input::Closed { .. } => {
                self.state.open -= 1;
                self.state.queues.remove(&conn);
            }
            Input::Flushed { bytes, .. } => {
                if let Some(queue) = self.state.queues.get_mut(&conn) {
                    queue.bytes = queue.bytes.saturating_sub(*bytes);
                }
            }
            _ => {}
        }
        self.feed(input);
    }

    /// Lets the engine know the time when it asked for it, and front ends the state when it is due.
    fn on_time(&mut self) {
        let now = self.now();
        if self.engine.deadline().is_some_and(|due| due <= now)
            && now.since(self.state.last_tick) >= TICK_MIN
        {
            self.state.last_tick = now;
            self.feed(Input::Tick);
        }
        if self.state.changed && self.state.next_snapshot <= now {
            self.publish();
        }
    }

    /// Sets the alarm to whatever is due next.
    fn set_alarm(&self, sleep: &mut std::pin::Pin<Box<Sleep>>) {
        let tick = self.engine.deadline().map(|due| due.max(self.state.last_tick + TICK_MIN));
        let snapshot = self.state.changed.then_some(self.state.next_snapshot);
        let due = [tick, snapshot, self.state.stop_at].into_iter().flatten().min();
        // An hour stands for "nothing is due".
        let due = due.unwrap_or_else(|| self.now() + Duration::from_secs(3600));
        let at = (self.start + Duration::from_nanos(due.as_nanos())).into();
        if sleep.deadline() != at || sleep.is_elapsed() {
            sleep.as_mut().reset(at);
        }
    }

    /// Does one thing that the engine wants done.
    fn perform(&mut self, output: Output) {
        match output {
            Output::Dial(target) => self.dial(target),
            Output::Send { conn, message } => self.send(conn, Outgoing::Message(message)),
            Output::SendInPlace { conn, run, place } => {
                let place = place.get::<InFile>().expect("the store names no other place");
                self.send(conn, Outgoing::FromFile { run, place: place.clone() });
            }
            Output::Close { conn, reason } => {
                self.send(conn, Outgoing::Message(Message::Goodbye(reason)));
                self.state.queues.remove(&conn);
            }
            Output::Store { run, data } => self.state.jobs.push(Job::Store { run, data }),
            Output::Read { conn, run } => self.state.jobs.push(Job::Read { conn, run }),
            Output::ReadLeaves(piece) | Output::Check(piece) => {
                self.state.jobs.push(Job::ReadLeaves(piece));
            }
            Output::Record(piece) => self.state.jobs.push(Job::Record(piece)),
            Output::Forget(piece) => self.state.jobs.push(Job::Forget(piece)),
            Output::Finish => self.state.jobs.push(Job::Finish),
            Output::KeepPriorities(all) => self.state.jobs.push(Job::KeepPriorities(all)),
            Output::Announce { tracker, announce } => {
                self.state.announcing.push(tracker);
                self.ask(tracker, Ask::Announce(announce));
            }
            Output::PutManifest { tracker } => self.ask(tracker, Ask::PutManifest),
            Output::Event(event) => self.report(event),
        }
    }

    /// Queues something for a peer, or drops the peer if it has not taken what waits already.
    fn send(&mut self, conn: ConnId, outgoing: Outgoing) {
        let Some(queue) = self.state.queues.get_mut(&conn) else { return };
        queue.bytes += outgoing.encoded_len();
        if queue.bytes > self.queue_max {
            tracing::debug!(conn = conn.0, "dropped a peer that does not read");
            self.state.queues.remove(&conn);
        } else {
            // An error means that the connection has ended, which we are about to hear.
            let _ = queue.outgoing.send(outgoing);
        }
    }

    fn ask(&self, tracker: TrackerIndex, ask: Ask) {
        if let Some(announcer) = self.trackers.get(tracker.0 as usize) {
            // It ends only after us.
            let _ = announcer.send(ask);
        }
    }

    /// Dials in a task of its own, which goes on to serve the connection.
    fn dial(&self, target: Target) {
        let scope = Arc::clone(&self.scope);
        let (driver, control) = (self.arrivals.clone(), self.control.clone());
        self.scope.spawn(async move {
            match hello::dial(&scope.security, target, &scope.hello).await {
                Ok((conn, hello)) => {
                    let id = scope.next_conn();
                    let opened = Opened { id, side: Side::Dialed, hello, conn };
                    // The engine counts a dial until one of the two answers comes.
                    conn::run(opened, driver).await;
                }
                Err(error) => {
                    tracing::debug!(addr = %target.addr, %error, "dial failed");
                    let wrong_key = error.is_wrong_key();
                    let _ = control.send(Input::DialFailed { target, wrong_key });
                }
            }
        });
    }

    /// Tells whoever listens. The event is there before anybody who waits for the end wakes: what has
    /// led to it is to be said first.
    fn report(&mut self, event: Event) {
        tracing::debug!(swarm = %self.scope.swarm.short(), ?event);
        // No receiver is fine.
        let _ = self.views.events.send(event.clone());
        match event {
            Event::Completed => {
                self.views.progress.send_modify(|p| p.completed = true);
                // Whoever waits for the end wants its figures now, and not those of a moment ago.
                self.state.next_snapshot = Time::ZERO;
            }
            Event::DiskFailed { message } => {
                tracing::warn!(%message, "the disk failed");
                self.views.progress.send_modify(|p| p.failed = Some(message));
            }
            Event::DiskRecovered => self.views.progress.send_modify(|p| p.failed = None),
            _ => {}
        }
    }

    fn publish(&mut self) {
        let now = self.now();
        self.state.changed = false;
        self.state.next_snapshot = now + SNAPSHOT_EVERY;
        if self.views.snapshots.receiver_count() > 0 {
            self.views.snapshots.send_replace(Arc::new(self.engine.snapshot(now)));
        }
    }

    fn begin_stop(&mut self) {
        self.feed(Input::Command(Command::Stop));
        self.state.stop_at = Some(self.now() + STOP_GRACE);
        // Whoever the engine has not closed is closed now.
        self.state.queues.clear();
    }

    /// Whether the swarm is stopped and everybody was told, or has had the time to be.
    fn is_done(&self) -> bool {
        let told = self.state.open == 0 && self.state.announcing.is_empty();
        self.state.stop_at.is_some_and(|at| told || at <= self.now())
    }

    async fn finish(mut self) {
        self.scope.cancel.cancel();
        let store = Arc::clone(&self.store);
        if tokio::task::spawn_blocking(move || store.close()).await.is_err() {
            tracing::error!("closing the store panicked");
        }
        self.publish();
        self.views.progress.send_modify(|p| p.stopped = true);
    }
}
