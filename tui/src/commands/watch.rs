//! Following a transfer: its snapshots to the view, its events to the console.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use swarm_node::{Event, Snapshot, State, Transfer};
use tokio::{
    sync::{broadcast, watch},
    time,
};

use crate::{
    exit::Failure,
    output::{Console, View},
    screen::{About, Screen},
    text::inert,
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
    start: Instant,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    events: broadcast::Receiver<Event>,
}

impl Watch {
    /// From now on. `verb` is the user's command and `start` when it began; `link` is what others
    /// fetch the same with.
    pub fn new(
        console: &Console,
        transfer: &Transfer,
        verb: &'static str,
        link: String,
        start: Instant,
    ) -> Self {
        let view: Box<dyn View> = if console.has_screen() {
            Box::new(Screen::new(console, transfer, about(transfer, verb, link)))
        } else {
            console.progress()
        };
        Self {
            console: console.clone(),
            view,
            start,
            snapshots: transfer.snapshots(),
            events: transfer.events(),
        }
    }

    /// Waits for news, a second at most, and shows them. Cancel-safe.
    ///
    /// # Errors
    /// If the reader of stdout went away.
    pub async fn next(&mut self) -> Result<Arc<Snapshot>, Failure> {
        tokio::select! {
            // The sender goes away with the transfer; then the clock is all that is left.
            Ok(()) = self.snapshots.changed() => {}
            Ok(event) = self.events.recv() => {
                if !self.view.event(&event) {
                    self.console.event(&event)?;
                }
            }
            () = time::sleep(TICK) => {}
        }
        let snapshot = self.latest();
        self.view.snapshot(self.start.elapsed(), &snapshot)?;
        Ok(snapshot)
    }

    /// The latest snapshot.
    pub fn latest(&mut self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow_and_update())
    }

    /// The first snapshot after completion: it has the final counts.
    pub async fn settled(&mut self) -> Arc<Snapshot> {
        settled(&mut self.snapshots).await
    }

    /// Takes the bar off the screen, before the last words.
    pub fn clear(&mut self) {
        self.view.clear();
    }
}

fn about(transfer: &Transfer, verb: &'static str, link: String) -> About {
    let manifest = transfer.manifest();
    About {
        verb,
        name: inert(&manifest.info().name),
        id: transfer.id().short(),
        piece_length: manifest.geometry().piece_length(),
        path: inert(&transfer.path().display().to_string()),
        link,
    }
}
