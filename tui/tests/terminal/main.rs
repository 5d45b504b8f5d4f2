//! The full screen of the real program, on a real pseudo-terminal: what an emulator shows after each
//! key, and what the program leaves of the terminal.
#![expect(unreachable_pub, reason = "tests offer nothing to anybody outside")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

/// What the shells of users make of the completions.
mod completions;
/// How it ends, and what the shell gets back.
mod endings;
/// What is drawn, how often, and in which colours.
mod frames;
/// Every page at every size.
mod pages;
/// Driving the program.
mod terminal;
/// Transfers by keys, pasting and commands.
mod transfers;
/// Running the program in a folder of its own.
#[path = "../cli/world.rs"]
#[expect(dead_code, reason = "shared with other tests, which need other parts")]
mod world;
