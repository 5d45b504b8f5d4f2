//! `swarm tui`: any number of transfers on one screen.

mod farewell;

use std::{
    collections::HashSet,
    env,
    mem::{Discriminant, discriminant},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use swarm_node::Identity;
use tokio::{task, time};

use crate::{
    args::TuiArgs,
    context::Context,
    exit::{Code, Failure},
    history::{self, INTERVAL},
    hook,
    host::{Earlier, Entry, EntryId, Host, Phase, Session, Setup},
    paths::Key,
    screen::{Action, App, Kind, Past, Raised, order_of},
    services::Services,
};

/// Runs a session on the full screen until the user leaves it.
pub async fn run(mut cx: Context, args: TuiArgs) -> Result<(), Failure> {
    let start = Instant::now();
    cx.console = cx.console.for_screen();
    hook::check(&cx.settings.on_complete.value, env::var_os("PATH").as_deref())?;
    let (console, stop) = (cx.console.clone(), cx.stop.clone());
    let history = cx.paths.history.clone();
    // Two sessions on one machine are two nodes of the swarm.
    let kept = cx.paths.identity_alone(Key::Session, args.peer.identity.as_deref())?;
    let (identity, _held) =
        kept.map_or_else(|| (Identity::generate(), None), |(i, f)| (i, Some(f)));
    // A download is announced from where the tracker sees us; what is shared says so for itself.
    let services = Services::start(&cx, identity, None, false).await?;
    let TuiArgs { what, peer, tracker, mouse, fresh, .. } = args;
    let (peers, tracker_listen) = (peer.peers, tracker.tracker_listen);
    let earlier = match cx.paths.session.clone().filter(|_| !fresh) {
        // If it fails, the process is ending.
        Some(folder) => {
            task::spawn_blocking(move || Earlier::open(&folder)).await.unwrap_or_default()
        }
        None => Earlier::default(),
    };
    let kept = earlier.memory.is_some();
    let mut host = Host::start(Setup { cx, services, peers, tracker_listen }, earlier);
    for text in &what {
        // The host takes orders from the start.
        let _ = host.orders.send(order_of(text)).await;
    }
    let orders = host.orders.clone();
    let mut app = App::new(Kind::Session);
    app.mouse = mouse;
    let give = Box::new(move |order| drop(orders.blocking_send(order)));
    let screen = match Raised::new(&console, app, start, give) {
        Ok(screen) => screen,
        Err(failure) => {
            host.shutdown().await;
            return Err(failure);
        }
    };
    let mut look = time::interval(INTERVAL);
    let mut under_way = Vec::new();
    // Without a screen nobody could see or end what goes on.
    let mut gone = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = screen.gone() => {
                gone = true;
                break;
            }
            _ = look.tick() => {
                if let Some(past) = past(history.clone()).await {
                    screen.tell(Action::Past(past));
                }
            }
            Ok(()) = host.session.changed() => {
                let session = Arc::clone(&host.session.borrow_and_update());
                // What begins, completes or ends changes the past.
                let now = stages(&session);
                if now != under_way {
                    under_way = now;
                    look.reset_after(WRITTEN);
                }
                screen.tell(Action::Session(start.elapsed(), session));
            }
            Some(remark) = host.remarks.recv() => screen.remark(remark),
        }
    }
    screen.tell(Action::Stopping);
    let last = host.shutdown().await;
    screen.lower();
    for line in farewell::lines(&last, kept) {
        console.note(line);
    }
    // A terminal that hangs up says so, and that is an end like others.
    if gone && !stop.is_cancelled() {
        return Err(Failure::new(
            Code::Other,
            "screen",
            "the screen ended, and the transfers with it",
        ));
    }
    Ok(())
}

/// How far each transfer is, as far as the history has it.
fn stages(session: &Session) -> Vec<(EntryId, Discriminant<Phase>, Option<u64>)> {
    let stage = |entry: &Arc<Entry>| (entry.id, discriminant(&entry.phase), entry.completed_s);
    session.entries.iter().map(stage).collect()
}

/// How long after a transfer has begun or ended that is written down at the latest, on a machine that is
/// not overloaded.
const WRITTEN: Duration = Duration::from_secs(1);

/// Runs of the past that the screen lists: more than anybody scrolls through.
const PAST_MAX: usize = 1000;

/// What was shared and fetched before; `None` if that cannot be read, which `swarm history` explains.
async fn past(path: Option<PathBuf>) -> Option<Vec<Past>> {
    let read = move || history::read(path?.as_path(), PAST_MAX).ok();
    let history = task::spawn_blocking(read).await.ok()??;
    // Counted from the first that ever was, so that a new one changes no other's number.
    let numbers = (0..history.sums.runs).rev();
    let fetched: HashSet<_> =
        history.shares.iter().filter(|s| !s.own).map(|s| (s.swarm, s.path.as_path())).collect();
    let past = numbers.zip(&history.runs).map(|(number, run)| {
        Past::of(run, number, fetched.contains(&(run.swarm, run.path.as_path())))
    });
    Some(past.collect())
}
