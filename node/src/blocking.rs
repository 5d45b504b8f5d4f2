//! Work that blocks, on threads that may.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{NodeError, Progress};

/// Runs something that blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(NodeError::Stopped),
        },
    }
}

/// The same for work that may be long; it is told to stop when nobody waits for it any more.
pub(crate) async fn abandonable<T: Send + 'static>(
    work: impl FnOnce(&mut dyn FnMut(Progress) -> bool) -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    let waiting = Waiting::default();
    let alive = Arc::clone(&waiting.0);
    blocking(move || work(&mut |_| !alive.load(Ordering::Relaxed))).await
}

/// Says, once dropped, that nobody waits any more.
#[derive(Debug, Default)]
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
