//! Settings that several commands take, from flags here, from variables and the file elsewhere.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use serde::{Deserialize, Serialize};
use swarm_node::Transport;
use swarm_proto::link::Endpoint;

use crate::{
    share::Policy,
    units::{Bytes, Limit, Patience},
};

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

/// Whom to meet first, and as whom.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct PeerArgs {
    /// Connect to this peer too; may be given several times
    #[arg(long = "peer", value_name = "KEY@HOST:PORT")]
    pub peers: Vec<Endpoint>,
    /// Use the key in this file [default: one kept from earlier runs; for get, a new one each time]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
}

/// Where the tracker of this process is, if nobody names another one.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct OwnTrackerArgs {
    /// Run the tracker on this address [default: the address of --listen and the next port]
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "trackers")]
    pub tracker_listen: Option<SocketAddr>,
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

impl TransportKind {
    /// The word that is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Plain => "plain",
        }
    }
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
    /// Connect to at most this many peers [default: 80]
    #[arg(long, value_name = "N", env = "SWARM_CONNECTIONS", hide_env_values = true, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    pub connections: Option<u32>,
    /// Serve at most this many peers at a time [default: 8]
    #[arg(long, value_name = "N", env = "SWARM_UPLOAD_SLOTS", hide_env_values = true, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Limits")]
    pub upload_slots: Option<u32>,
    /// Hold at most this much data in memory [default: 40M]
    #[arg(
        long,
        value_name = "AMOUNT",
        env = "SWARM_MEMORY",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub memory: Option<Bytes>,
    /// Threads that read, write and hash; 0 for one a CPU, 2 at least and 16 at most [default: 0]
    #[arg(
        long,
        value_name = "N",
        env = "SWARM_DISK_THREADS",
        hide_env_values = true,
        help_heading = "Limits"
    )]
    pub disk_threads: Option<usize>,
    /// Whether to keep what is shared and fetched in the history [default: true]
    #[arg(long, value_name = "true|false", env = "SWARM_HISTORY", hide_env_values = true)]
    pub history: Option<bool>,
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
    /// command goes on from there; the exit code is 4, or 6 if the disk is why. `tui` never gives up.
    #[arg(long, value_name = "TIME", env = "SWARM_TIMEOUT", hide_env_values = true)]
    pub timeout: Option<Patience>,
}

/// What else is done for a download.
#[derive(Debug, Clone, Default, Args)]
pub struct HookArgs {
    /// Run this program when everything is there; given again, an argument for it
    ///
    /// The first WORD is the program, each further one an argument, passed on as it is: no shell
    /// reads them. The program's environment has SWARM_PATH (where the share is), SWARM_NAME,
    /// SWARM_ID, SWARM_LINK, SWARM_BYTES and SWARM_SECONDS. What it prints goes to stderr, or nowhere
    /// under a full screen. Sharing goes on beside it. It is ended after an hour. `get` ends after it;
    /// if it fails, the exit code is 10, and the download is complete nevertheless. `tui` says so in
    /// its log. The variable SWARM_ON_COMPLETE names a program without arguments, spaces and all; an
    /// empty one runs nothing, whatever the configuration file says.
    #[arg(
        long,
        value_name = "WORD",
        allow_hyphen_values = true,
        env = "SWARM_ON_COMPLETE",
        hide_env_values = true
    )]
    pub on_complete: Vec<String>,
}
