//! Introducing others: `tracker`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::settings::NetworkArgs;

const TRACKER_EXAMPLES: &str = "\
Examples:
  swarm tracker --listen 0.0.0.0:7000
      Prints KEY@HOST:PORT, for `--tracker` of seed, get and create.

Runs until Ctrl-C. It keeps its key, so the printed line stays good after a restart if --listen names
the port.";

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
