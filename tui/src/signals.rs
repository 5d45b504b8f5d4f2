//! Ctrl-C, SIGTERM and SIGHUP: the first is a request, the second an order.

use std::{io, process, thread, time::Duration};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{exit::Code, hook, output::Console, screen};

/// How long a graceful end may take before it is forced: longer than saying goodbye and syncing
/// needs, shorter than the patience of whoever sent the signal. What is on the disk is good at any
/// moment.
const GRACE: Duration = Duration::from_secs(5);

/// Begins to listen. The token is cancelled by the first signal. Must be called in a runtime.
///
/// # Errors
/// If the signals cannot be handled.
pub fn stop_on_signal(console: Console) -> io::Result<CancellationToken> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        hangup: signal(SignalKind::hangup())?,
    };
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        token.cancel();
        console.note("stopping (again to force)");
        watch_dog(console.clone());
        signals.next().await;
        force(&console);
    });
    Ok(stop)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Ends the process when it has not ended by itself. A thread, because what hangs may be the runtime.
fn watch_dog(console: Console) {
    thread::spawn(move || {
        thread::sleep(GRACE);
        last_words(&console);
        console.warn(format_args!("not stopped after {} s; forced", GRACE.as_secs()));
        force(&console);
    });
}

fn force(console: &Console) -> ! {
    last_words(console);
    hook::kill_all();
    process::exit(Code::Interrupted as i32)
}

/// Gives the terminal back at once: what is said from now on is the last, and is to be seen.
fn last_words(console: &Console) {
    screen::give_back();
    console.speak_to(None);
}
