//! Seeing it work: `demo`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::units::{Bytes, Limit};

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
