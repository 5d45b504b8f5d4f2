//! One module a command, and what several of them need.

pub mod bench;
pub mod completions;
pub mod config;
pub mod create;
pub mod demo;
pub mod get;
pub mod history;
pub mod man;
pub mod seed;
pub mod show;
pub mod tracker;
pub mod tui;
pub mod verify;
mod watch;

use std::time::Instant;

use swarm_node::{NodeError, Progress};
use tokio::task;

use crate::{context::Context, exit::Failure};

/// Does work that blocks, shows its progress, and stops it when the user wants it to end.
pub async fn blocking<T: Send + 'static>(
    cx: &Context,
    work: impl FnOnce(&mut dyn FnMut(Progress) -> bool) -> Result<T, NodeError> + Send + 'static,
) -> Result<T, Failure> {
    let (mut view, stop, start) = (cx.console.progress(), cx.stop.clone(), Instant::now());
    let done = task::spawn_blocking(move || {
        let result = work(&mut |progress| {
            view.hashing(start.elapsed(), progress);
            !stop.is_cancelled()
        });
        view.clear();
        result
    });
    match done.await {
        Ok(Err(NodeError::Stopped)) => Err(Failure::interrupted()),
        Ok(result) => result.map_err(Failure::from),
        // The work does not panic.
        Err(error) => Err(Failure::bug(error)),
    }
}
