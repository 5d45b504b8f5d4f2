//! The program itself: `config`, `completions` and `man`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::settings::{FetchArgs, HookArgs, NetworkArgs, SwarmArgs};

/// `swarm config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting in force, and whether it is from a flag, a variable, the file, or a default
    Show(Box<ShowConfigArgs>),
    /// Write a configuration file that explains every setting
    Init {
        /// Replace the file if it exists
        #[arg(long)]
        force: bool,
    },
    /// Print where the configuration file is looked for
    Path,
}

/// `swarm config show`. It takes the flags whose effect it shows.
#[derive(Debug, Args)]
pub struct ShowConfigArgs {
    #[command(flatten)]
    pub fetch: FetchArgs,
    #[command(flatten)]
    pub hook: HookArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub swarm: SwarmArgs,
}

/// `swarm completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `swarm man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write one page a command into this folder [default: print swarm(1)]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
}
