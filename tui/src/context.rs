//! What every command that runs on is given.

use tokio_util::sync::CancellationToken;

use crate::{config::Settings, history::Journal, output::Console, paths::Paths};

/// What every command that runs on is given, and whatever works for it.
#[derive(Debug)]
pub struct Context {
    /// Where it says things.
    pub console: Console,
    /// Where files of its own are.
    pub paths: Paths,
    /// What is in force.
    pub settings: Settings,
    /// Where runs are written down.
    pub history: Journal,
    /// Cancelled when the user wants it to end.
    pub stop: CancellationToken,
}

impl Context {
    /// The same for a command that answers with one object.
    pub fn for_answer(self) -> Self {
        Self { console: self.console.for_answer(), ..self }
    }
}
