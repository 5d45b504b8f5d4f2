//! The real program, as a user runs it: what it prints where, how it ends, and what it leaves behind.
#![expect(unreachable_pub, reason = "tests offer nothing to anybody outside")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

/// Bad input: what is said, the exit code, and that nothing is left behind.
mod bad_input;
/// Measuring.
mod bench;
/// The demo.
mod demo;
/// A second request to end, while the first is being obeyed.
mod endings;
/// Every event of the manual, from real runs.
mod events;
/// What is kept of earlier runs.
mod history;
/// Programs that are run when a download is complete.
mod hooks;
/// Every command whose output nobody reads.
mod pipes;
/// Commands that answer a question and end.
mod queries;
/// A file on stdout while it arrives.
mod streams;
/// Sharing and fetching between processes.
mod transfers;
/// Running the program in a folder of its own.
mod world;
