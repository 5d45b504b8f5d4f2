//! `swarm completions`: a script for the user's shell.

use clap::CommandFactory;

use crate::{
    args::{Cli, CompletionsArgs},
    exit::Failure,
    output::Console,
};

/// Prints the script for a shell.
pub fn run(console: &Console, args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "swarm", &mut script);
    console.stdout(String::from_utf8_lossy(&script).trim_end())
}
