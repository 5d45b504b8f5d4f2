//! Following a transfer: its snapshots to the view, its events to the console.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use swarm_node::{Event, Snapshot, State, Transfer};
use swarm_proto::manifest::Manifest;
use tokio::{
    sync::{
        broadcast::{
            self,
            error::{RecvError, TryRecvError},
        },
        watch,
    },
    time,
};

use super::Context;
use crate::{
    exit::Failure,
    history::{Record, Role},
    host::{Entry, EntryId, Limits, Origin, Phase, Share},
    output::{Console, View},
    screen::Screen,
    share::{Policy, Sharing},
    text::counted,
};

/// Even when nothing happens the caller looks at the clock this often.
const TICK: Duration = Duration::from_secs(1);

/// A snapshot follows its event within this time; if it does not, the one before has to do.
const SNAPSHOT_MAX: Duration = Duration::from_secs(1);

/// The first snapshot of a transfer that is complete: it has the final counts.
pub async fn settled(snapshots: &mut watch::Receiver<Arc<Snapshot>>) -> Arc<Snapshot> {
    let seeding = snapshots.wait_for(|snapshot| snapshot.state == State::Seeding);
    // The borrow that it returns must not outlive the wait.
    let _ = time::timeout(SNAPSHOT_MAX, seeding).await.map(drop);
    Arc::clone(&snapshots.borrow_and_update())
}

/// A transfer that is being followed.
pub struct Watch {
    console: Console,
    view: Box<dyn View>,
    /// Whether the screen asks for how long it is shared, and what the user has said.
    asks: bool,
    answer: watch::Receiver<Option<Policy>>,
    /// Until the transfer has ended as the user wanted.
    record: Option<Record>,
    start: Instant,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    events: broadcast::Receiver<Event>,
    manifest: Arc<Manifest>,
}

impl Watch {
    /// From now on, also for the history. `start` is when the user's command began; `link` is what
    /// others fetch the same with.
    pub fn new(
        cx: &Context,
        transfer: &Transfer,
        role: Role,
        link: String,
        start: Instant,
    ) -> Self {
        let console = &cx.console;
        let record = Some(cx.history.begin(transfer, role, &link));
        let verb = role.word();
        let snapshots = transfer.snapshots();
        // Nobody has waited for what was all here before.
        let asks = console.has_screen()
            && cx.settings.asks_to_share()
            && snapshots.borrow().state != State::Seeding;
        let (say, answer) = watch::channel(None);
        let view: Box<dyn View> = if console.has_screen() {
            let policy = cx.settings.seed.value;
            let entry = Entry { policy, decided: !asks, ..entry(transfer, verb, link) };
            Box::new(Screen::new(console, transfer, verb, start, entry, say))
        } else {
            console.progress()
        };
        let (console, events) = (console.clone(), transfer.events());
        let manifest = Arc::clone(transfer.manifest());
        Self { console, view, asks, answer, record, start, snapshots, events, manifest }
    }

    /// How a download is shared on that has just been completed, with this policy unless the user
    /// has still to say another.
    pub fn sharing(&self, policy: Policy) -> Sharing {
        let asks = self.asks && self.answer().is_none();
        if asks { Sharing::asking(policy) } else { Sharing::new(policy) }
    }

    /// What the user has said on the screen about how long that is.
    pub fn answer(&self) -> Option<Policy> {
        *self.answer.borrow()
    }

    /// Waits for news, a second at most, and shows them. Cancel-safe.
    ///
    /// # Errors
    /// If the reader of stdout went away.
    pub async fn next(&mut self) -> Result<Arc<Snapshot>, Failure> {
        tokio::select! {
            // The sender goes away with the transfer; then the clock is all that is left.
            Ok(()) = self.snapshots.changed() => {}
            event = self.events.recv() => match event {
                Ok(event) => self.say(&event)?,
                Err(RecvError::Lagged(lost)) => self.say_lost(lost),
                // The transfer has ended.
                Err(RecvError::Closed) => time::sleep(TICK).await,
            },
            // There is somebody to answer only where there is a screen.
            Ok(()) = self.answer.changed() => {}
            () = time::sleep(TICK) => {}
        }
        let snapshot = self.latest();
        if let Some(record) = &mut self.record {
            record.observe(&snapshot);
        }
        self.view.snapshot(self.start.elapsed(), &snapshot)?;
        Ok(snapshot)
    }

    /// Says what has happened up to now and was not said yet.
    ///
    /// # Errors
    /// If the reader of stdout went away.
    pub fn catch_up(&mut self) -> Result<(), Failure> {
        loop {
            match self.events.try_recv() {
                Ok(event) => self.say(&event)?,
                Err(TryRecvError::Lagged(lost)) => self.say_lost(lost),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(()),
            }
        }
    }

    fn say(&mut self, event: &Event) -> Result<(), Failure> {
        if self.view.event(event) { Ok(()) } else { self.console.event(event, &self.manifest) }
    }

    /// Whoever reads our output has kept us from listening.
    fn say_lost(&self, events: u64) {
        self.console
            .warn(format_args!("{} lost: nobody read them in time", counted(events, "event")));
    }

    /// The latest snapshot.
    pub fn latest(&mut self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow_and_update())
    }

    /// The first snapshot after completion: it has the final counts.
    pub async fn settled(&mut self) -> Arc<Snapshot> {
        let snapshot = settled(&mut self.snapshots).await;
        if let Some(record) = &mut self.record {
            record.observe(&snapshot);
        }
        snapshot
    }

    /// The transfer has ended as the user wanted; without this, the history says that it failed.
    pub fn ended(&mut self) {
        let last = self.latest();
        if let Some(record) = self.record.take() {
            record.end(&last);
        }
    }

    /// Takes the bar off the screen, before the last words.
    pub fn clear(&mut self) {
        self.view.clear();
    }
}

/// What the screen shows of it beside its news.
fn entry(transfer: &Transfer, verb: &'static str, link: String) -> Entry {
    Entry {
        id: EntryId::default(),
        name: transfer.manifest().info().name.clone(),
        path: transfer.path().to_owned(),
        link: Some(link),
        origin: if verb == "seed" { Origin::Own } else { Origin::Downloaded },
        fetched: false,
        phase: Phase::Running,
        share: Some(Arc::new(Share::of(transfer.manifest()))),
        snapshot: None,
        policy: Policy::default(),
        decided: true,
        limits: Limits::default(),
        added_s: 0,
        completed_s: None,
        took_s: None,
        received_before: 0,
        sent_before: 0,
        met: 0,
        hooked: false,
    }
}
