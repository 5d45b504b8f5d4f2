//! What the user typed. What it means, with the environment, the configuration file and the defaults,
//! is in [`config`](crate::config).

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the comments here are help texts for a terminal, where [::]:0 is an address"
)]

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use serde::{Deserialize, Serialize};
use swarm_node::Transport;
use swarm_proto::link::Endpoint;

use crate::{
    exit,
    share::Policy,
    units::{Bytes, Limit, Patience},
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
    Seed(SeedArgs),
    /// Fetch a share from everyone who has any part of it, and verify it
    #[command(visible_alias = "download")]
    Get(GetArgs),
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
    /// Show or make the configuration file
    Config(ConfigArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual pages, or write them to a folder
    Man(ManArgs),
}

/// How this machine is reached, and with which key.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Accept connections on this address; port 0 picks a free one [default: [::]:0, which is all]
    #[arg(long, value_name = "ADDR:PORT", env = "SWARM_LISTEN", hide_env_values = true)]
    pub listen: Option<SocketAddr>,
    /// The host that others can reach this machine at, if not the address that it has itself
    #[arg(long, value_name = "HOST", env = "SWARM_ADVERTISE", hide_env_values = true, value_hint = ValueHint::Hostname)]
    pub advertise: Option<String>,
    /// tls, or plain for closed networks: unencrypted, and nobody proves who they are
    #[arg(long, value_name = "KIND", env = "SWARM_TRANSPORT", hide_env_values = true)]
    pub transport: Option<TransportKind>,
}

/// [`Transport`], as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransportKind {
    /// Encrypted, both sides prove their key
    Tls,
    /// Unencrypted, and nobody proves who they are
    Plain,
}

impl From<TransportKind> for Transport {
    fn from(kind: TransportKind) -> Self {
        match kind {
            TransportKind::Tls => Self::Tls,
            TransportKind::Plain => Self::Plain,
        }
    }
}

/// Who else to ask, and how much to spend.
#[derive(Debug, Clone, Default, Args)]
pub struct SwarmArgs {
    /// Ask this tracker too; may be given several times
    #[arg(
        long = "tracker",
        value_name = "KEY@HOST:PORT",
        env = "SWARM_TRACKER",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Network"
    )]
    pub trackers: Vec<Endpoint>,
    /// Send at most this much a second, such as 10M or 100Mbit
    #[arg(
        long,
        value_name = "RATE",
        env = "SWARM_UPLOAD_LIMIT",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub upload_limit: Option<Limit>,
    /// Receive at most this much a second
    #[arg(
        long,
        value_name = "RATE",
        env = "SWARM_DOWNLOAD_LIMIT",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub download_limit: Option<Limit>,
    /// Connect to at most this many peers
    #[arg(long, value_name = "N", env = "SWARM_CONNECTIONS", hide_env_values = true, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    pub connections: Option<u32>,
    /// Serve at most this many peers at a time
    #[arg(long, value_name = "N", env = "SWARM_UPLOAD_SLOTS", hide_env_values = true, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    pub upload_slots: Option<u32>,
    /// Hold at most this much data in memory
    #[arg(
        long,
        value_name = "AMOUNT",
        env = "SWARM_MEMORY",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub memory: Option<Bytes>,
    /// Threads that read, write and hash; 0 for one a CPU
    #[arg(
        long,
        value_name = "N",
        env = "SWARM_DISK_THREADS",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub disk_threads: Option<usize>,
}

/// Where a download goes and when it ends.
#[derive(Debug, Clone, Default, Args)]
pub struct FetchArgs {
    /// The share appears in this folder, under its own name
    #[arg(short, long, value_name = "DIR", env = "SWARM_OUTPUT", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub output: Option<PathBuf>,
    /// What to do after completion: needed, never, forever, ratio:R or time:D [default: needed]
    ///
    /// - needed: share on while a connected peer lacks something, at most one copy and 10 minutes
    /// - never: stop at once
    /// - forever: share until stopped
    /// - ratio:1.5: share until one and a half copies are uploaded, whoever is there
    /// - time:30m: share for half an hour
    #[arg(long, value_name = "POLICY", env = "SWARM_SEED", hide_env_values = true)]
    #[arg(verbatim_doc_comment)]
    pub seed: Option<Policy>,
    /// Give up when nothing was received or could be stored for this long, or none [default: none on a terminal, else 2m]
    ///
    /// Counts only while something is missing. What has been verified is kept, and the same
    /// command goes on from there; the exit code is 4.
    #[arg(long, value_name = "TIME", env = "SWARM_TIMEOUT", hide_env_values = true)]
    pub timeout: Option<Patience>,
}

/// What goes into a manifest beside the files.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Manifest")]
pub struct ManifestArgs {
    /// Name of the share [default: the name of the file or folder]
    #[arg(long)]
    pub name: Option<String>,
    /// Bytes in a piece: a power of two from 16K to 16M [default: by size]
    #[arg(long, value_name = "AMOUNT")]
    pub piece_length: Option<Bytes>,
    /// A note for those who fetch it
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
    /// A word to find it by; may be given several times
    #[arg(long = "tag", value_name = "WORD")]
    pub tags: Vec<String>,
    /// Sign it with this machine's key
    #[arg(long)]
    pub sign: bool,
    /// Share what symbolic links point to; without this a link is an error
    #[arg(long)]
    pub follow_symlinks: bool,
}

const SEED_EXAMPLES: &str = "\
Examples:
  swarm seed ./weights
      Make a manifest, start a tracker, print `swarm get '…'` for the others, and serve.
  swarm seed ./weights --listen 10.0.0.7:6000
      The same, reachable at 10.0.0.7 port 6000, the tracker at port 6001. The link stays
      good when the command is run again.
  swarm seed ./weights --tracker KEY@tracker.example:7000
      Use a tracker that runs elsewhere (`swarm tracker` prints its KEY@HOST:PORT).
  swarm seed weights.swarm --data /mnt/weights
      Share what a manifest describes, after checking it.

Runs until Ctrl-C. The line to pass on is printed on stdout, everything else on stderr.";

/// `swarm seed`.
#[derive(Debug, Args)]
#[command(after_long_help = SEED_EXAMPLES)]
pub struct SeedArgs {
    /// The file or folder to share, or a manifest of it (FILE.swarm)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// With a manifest: where its file or folder is [default: beside the manifest]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: Option<PathBuf>,
    /// With a manifest: trust sizes and times instead of reading everything once
    #[arg(long)]
    pub skip_verify: bool,
    /// Also write the manifest to this file
    #[arg(long, value_name = "FILE.swarm", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,
    #[command(flatten)]
    pub manifest: ManifestArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Run the tracker on this address [default: the address of --listen and the next port]
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "trackers", help_heading = "Network")]
    pub tracker_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub swarm: SwarmArgs,
    /// Connect to this peer too; may be given several times
    #[arg(long = "peer", value_name = "KEY@HOST:PORT", help_heading = "Network")]
    pub peers: Vec<Endpoint>,
    /// Use the key in this file [default: one kept from earlier runs]
    #[arg(long, value_name = "FILE", help_heading = "Network", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
}

const GET_EXAMPLES: &str = "\
Examples:
  swarm get 'swarm:?id=…'              fetch into this folder
  swarm get 'swarm:?id=…' -o /data     fetch into /data
  swarm get weights.swarm --seed never stop as soon as everything is verified
  swarm get 'swarm:?id=…' --json       events for a program, one a line

Put the link in quotes: it has characters that a shell treats specially.
Run the same command again after an interruption, and it goes on from where it was. The path
of what was fetched is printed on stdout, everything else on stderr.";

/// `swarm get`.
#[derive(Debug, Args)]
#[command(after_long_help = GET_EXAMPLES)]
pub struct GetArgs {
    /// The link or manifest of the share
    #[arg(value_name = "LINK|FILE.swarm", value_hint = ValueHint::FilePath)]
    pub source: String,
    #[command(flatten)]
    pub fetch: FetchArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub swarm: SwarmArgs,
    /// Connect to this peer too; may be given several times
    #[arg(long = "peer", value_name = "KEY@HOST:PORT", help_heading = "Network")]
    pub peers: Vec<Endpoint>,
    /// Use the key in this file [default: a new one for each run]
    #[arg(long, value_name = "FILE", help_heading = "Network", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
}

const CREATE_EXAMPLES: &str = "\
Examples:
  swarm create ./weights                          writes weights.swarm into this folder
  swarm create ./weights -o /srv/weights.swarm    writes it there
  link=$(swarm create ./weights --tracker KEY@tracker.example:7000)

The link is printed on stdout, everything else on stderr.";

/// `swarm create`.
#[derive(Debug, Args)]
#[command(after_long_help = CREATE_EXAMPLES)]
pub struct CreateArgs {
    /// The file or folder to describe
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// Write the manifest to this file [default: NAME.swarm in this folder]
    #[arg(short, long, value_name = "FILE.swarm", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Replace the manifest if it exists
    #[arg(long)]
    pub force: bool,
    /// A tracker to name in it; may be given several times
    #[arg(
        long = "tracker",
        value_name = "KEY@HOST:PORT",
        env = "SWARM_TRACKER",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub trackers: Vec<Endpoint>,
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Sign with the key in this file [default: the one kept in SWARM_HOME]
    #[arg(long, value_name = "FILE", requires = "sign", help_heading = "Manifest", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
}

/// `swarm show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The manifest or link
    #[arg(value_name = "FILE.swarm|LINK", value_hint = ValueHint::FilePath)]
    pub source: String,
    /// List all files, however many there are
    #[arg(long)]
    pub all: bool,
}

/// `swarm verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The manifest
    #[arg(value_name = "FILE.swarm", value_hint = ValueHint::FilePath)]
    pub manifest: PathBuf,
    /// The file or folder that it describes [default: beside the manifest]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: Option<PathBuf>,
}

const TRACKER_EXAMPLES: &str = "\
Examples:
  swarm tracker --listen 0.0.0.0:7000
      Prints KEY@HOST:PORT, for `--tracker` of seed, get and create.

Runs until Ctrl-C. It keeps its key, so the printed line stays good after a restart.";

/// `swarm tracker`.
#[derive(Debug, Args)]
#[command(after_long_help = TRACKER_EXAMPLES)]
pub struct TrackerArgs {
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Use the key in this file [default: one kept from earlier runs]
    #[arg(long, value_name = "FILE", help_heading = "Network", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
}

const DEMO_EXAMPLES: &str = "\
Examples:
  swarm demo                      256 MiB of random bytes to 4 downloaders
  swarm demo big.iso              a file of your own; it is only read
  swarm demo --peers 8 --size 64M

Everything runs in this process, over encrypted connections on loopback, in a temporary folder
that is removed afterwards.";

/// `swarm demo`.
#[derive(Debug, Args)]
#[command(after_long_help = DEMO_EXAMPLES)]
pub struct DemoArgs {
    /// The file or folder to share [default: random bytes]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: Option<PathBuf>,
    /// How many downloaders
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub peers: u32,
    /// How many random bytes
    #[arg(long, value_name = "AMOUNT", default_value = "256M", conflicts_with = "path")]
    pub size: Bytes,
    /// Let the seeder send at most this much a second
    #[arg(long, value_name = "RATE", default_value = "none", hide_default_value = true)]
    pub upload_limit: Limit,
    /// Make the temporary folder in this one [default: the system's]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub temp: Option<PathBuf>,
}

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
