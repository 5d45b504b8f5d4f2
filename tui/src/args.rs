//! What the user typed. What it means, with the environment, the configuration file and the defaults,
//! is in [`config`](crate::config).

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the comments here are help texts for a terminal, where [::]:0 is an address"
)]

mod bench;
mod demo;
mod get;
mod history;
mod inspect;
mod program;
mod settings;
mod share;
pub mod tips;
mod tracker;
mod tui;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use serde::{Deserialize, Serialize};

pub use self::{
    bench::{BenchArgs, BenchCommand, BenchDiskArgs, BenchSwarmArgs, PartArgs},
    demo::DemoArgs,
    get::GetArgs,
    history::{HistoryArgs, ListArgs, LsArgs},
    inspect::{ShowArgs, VerifyArgs},
    program::{CompletionsArgs, ConfigArgs, ConfigCommand, ManArgs},
    settings::{FetchArgs, HookArgs, NetworkArgs, SwarmArgs, TransportKind},
    share::{CreateArgs, ManifestArgs, SeedArgs},
    tracker::TrackerArgs,
    tui::TuiArgs,
};
use crate::{
    exit,
    look::{Glyphs, Theme},
};

const ABOUT: &str = "Get the same large files onto many machines, fast and verified";

const LONG_ABOUT: &str = "\
Get the same large files onto many machines, fast and verified.

One machine shares with one command, the others fetch with one command. Everybody who fetches \
passes on what they have, so one machine need not carry it all. Connections are encrypted, and \
every byte is checked against the link.";

const EXAMPLES: &str = "\
Examples:
  swarm demo                        see it work, all on this machine
  swarm seed ./weights              share a folder; prints the command for the others
  swarm get 'swarm:?id=…' -o /data  fetch it into /data
  swarm get 'swarm:?id=…' --download-limit 10M --seed forever
                                    no faster than that, and share it on until Ctrl-C
  swarm get 'swarm:?id=…' --progress tui
                                    watch it: how far, from whom, and why it is not faster
  swarm tui                         share and fetch on one screen, and leave it open
  swarm create ./weights            only make weights.swarm, to share later or elsewhere

Files:
  Settings come from flags, then SWARM_* variables, then config.toml, then defaults;
  `swarm config show` prints each with its origin. With SWARM_HOME set, configuration and
  keys are in that folder.

";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "swarm",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = "`swarm --help` has examples and exit codes; `swarm help COMMAND` explains a command.",
    after_long_help = format!("{EXAMPLES}{}", exit::HELP),
    arg_required_else_help = true,
    disable_help_subcommand = false,
    max_term_width = 100,
)]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// What is printed, and where.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print JSON on stdout: one object, or one event a line from commands that run on
    #[arg(long, global = true)]
    pub json: bool,
    /// How progress is shown [default: a bar on a terminal, else lines]
    #[arg(long, global = true, value_name = "HOW", env = "SWARM_PROGRESS", hide_env_values = true)]
    pub progress: Option<ProgressMode>,
    /// Colours of the full screen [default: default]
    #[arg(long, global = true, value_name = "NAME", env = "SWARM_THEME", hide_env_values = true)]
    pub theme: Option<Theme>,
    /// What the full screen is drawn with [default: block, or ascii where the locale is not UTF-8]
    #[arg(long, global = true, value_name = "SET", env = "SWARM_GLYPHS", hide_env_values = true)]
    pub glyphs: Option<Glyphs>,
    /// Print only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log more to stderr: -v what happens, -vv why, -vvv every message
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Write the log to this file instead, with what -vv shows or more
    #[arg(long, global = true, value_name = "FILE", env = "SWARM_LOG_FILE", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub log_file: Option<PathBuf>,
    /// Read the settings from this file instead of the usual one
    #[arg(long, global = true, value_name = "FILE", env = "SWARM_CONFIG", hide_env_values = true, value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgressMode {
    /// A bar on a terminal, lines elsewhere, events with --json
    Auto,
    /// A full screen for get and seed, a bar for the rest; needs a terminal
    Tui,
    /// A bar that redraws itself, on stderr
    Bar,
    /// A line every 10 seconds or 10 percent, on stderr
    Plain,
    /// A JSON event a second, on stdout
    Json,
    /// Not at all
    None,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Share a file or folder: make its manifest, print the command to fetch it, serve
    #[command(visible_alias = "share")]
    Seed(SeedArgs),
    /// Fetch a share from everyone who has any part of it, and verify it
    #[command(visible_aliases = ["fetch", "download"])]
    Get(GetArgs),
    /// Share and fetch any number of things on one screen; needs a terminal
    Tui(Box<TuiArgs>),
    /// Make a manifest (.swarm file) of a file or folder and print its link
    Create(CreateArgs),
    /// Print what a manifest or link says
    Show(ShowArgs),
    /// Check files on the disk against a manifest
    Verify(VerifyArgs),
    /// Run a tracker: it tells those who share and fetch about each other
    Tracker(TrackerArgs),
    /// Share and fetch on this machine alone, to see it work
    Demo(DemoArgs),
    /// Measure what this machine can do, and what limits it
    Bench(Box<BenchArgs>),
    /// List what was shared and fetched: when, how fast, from how many
    History(HistoryArgs),
    /// Print the totals of all that was shared and fetched
    Stats,
    /// List the shares that are known: where they are, how far, and their links
    Ls(LsArgs),
    /// Show or make the configuration file
    Config(ConfigArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual pages, or write them to a folder
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_and_command_is_explained() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
