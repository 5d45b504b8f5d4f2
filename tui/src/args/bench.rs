//! Measuring: `bench`.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueHint};
use swarm_proto::link::Endpoint;

use super::{
    settings::{NetworkArgs, SwarmArgs},
    share::piece_length,
};
use crate::units::{Bytes, UnitError};

const BENCH_EXAMPLES: &str = "\
Examples:
  swarm bench                         a seeder and 4 getters on this machine, 3 times
  swarm bench --getters 1 --size 1G --transport plain
  swarm bench --json > before.json    keep the figures, and later
  swarm bench --compare before.json   fail with exit code 9 if something got 10 % worse
  swarm bench 'swarm:?id=…'           fetch a real share into a scratch folder
  swarm bench hash                    what this processor hashes a second
  swarm bench disk /data              what the disk of /data writes and reads a second
  swarm bench tls                     what this processor encrypts a second

The seeder and each getter are processes of their own. Everything is written into a temporary
folder, random bytes in memory if there is enough, and removed at the end. Every copy is compared
with what was shared, after the clock has stopped.";

/// `swarm bench`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = BENCH_EXAMPLES)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub what: Option<BenchCommand>,
    #[command(flatten)]
    pub swarm: BenchSwarmArgs,
}

impl BenchArgs {
    /// Whether this is a process that another `swarm bench` has started.
    pub fn is_part(&self) -> bool {
        matches!(self.what, Some(BenchCommand::Part(_)))
    }

    /// The settings among the flags.
    pub fn settings(&self) -> (&NetworkArgs, &SwarmArgs) {
        match &self.what {
            Some(BenchCommand::Part(part)) => (&part.network, &part.tuning),
            _ => (&self.swarm.network, &self.swarm.tuning),
        }
    }
}

/// One part of the machine at a time.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Measure SHA-256, in every way that this processor can run it
    Hash,
    /// Measure a disk the way a download uses it
    Disk(BenchDiskArgs),
    /// Measure encryption, and a stream over loopback with it and without
    Tls,
    /// Do one process's part of a benchmark; `swarm bench` runs it
    #[command(hide = true)]
    Part(Box<PartArgs>),
}

/// A whole swarm.
#[derive(Debug, Args)]
pub struct BenchSwarmArgs {
    /// Fetch this share from those who have it, instead of sharing random bytes on this machine
    #[arg(value_name = "LINK|FILE.swarm", value_hint = ValueHint::FilePath)]
    pub source: Option<String>,
    /// How many processes fetch at the same time [default: 4, or 1 with a link]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub getters: Option<u32>,
    /// How many random bytes to share
    #[arg(long, value_name = "AMOUNT", default_value = "256M", conflicts_with = "source")]
    pub size: Bytes,
    /// Bytes in a piece: a power of two from 16K to 16M [default: by size]
    #[arg(long, value_name = "AMOUNT", value_parser = piece_length, conflicts_with = "source")]
    pub piece_length: Option<u32>,
    /// How many times; the figures are medians
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Work in a temporary folder in this one [default: in memory if random bytes are shared and fit, else the system's]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Compare with what `swarm bench --json` printed earlier
    #[arg(long, value_name = "OLD.json", value_hint = ValueHint::FilePath)]
    pub compare: Option<PathBuf>,
    /// With --compare: fail if a figure is worse by more than this
    #[arg(long, value_name = "PERCENT", default_value = "10", requires = "compare")]
    pub threshold: Percent,
    #[command(flatten)]
    pub network: NetworkArgs,
    /// With a link: connect to this peer too; may be given several times
    #[arg(
        long = "peer",
        value_name = "KEY@HOST:PORT",
        requires = "source",
        help_heading = "Network"
    )]
    pub peers: Vec<Endpoint>,
    #[command(flatten)]
    pub tuning: SwarmArgs,
}

/// `swarm bench disk`.
#[derive(Debug, Args)]
pub struct BenchDiskArgs {
    /// A folder on the disk; a temporary folder is made in it
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// How much to write and read
    #[arg(long, value_name = "AMOUNT", default_value = "1G")]
    pub size: Bytes,
    /// How many small files to make, of 4 KiB each
    #[arg(long, value_name = "N", default_value = "2000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub files: u32,
}

/// `swarm bench part`: what to do comes through stdin.
#[derive(Debug, Args)]
pub struct PartArgs {
    /// The folder of the benchmark
    pub folder: PathBuf,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub tuning: SwarmArgs,
}

/// A share of something in percent, with its sign or without.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(pub f64);

const PERCENT: UnitError = UnitError::expected("a percentage such as 10 or 2.5%");

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = text.trim().trim_end_matches('%').trim_end();
        let value: f64 = number.parse().map_err(|_| PERCENT)?;
        // Nothing can get worse by so much that more than this is of use.
        (0.0..=10_000.0).contains(&value).then_some(Self(value)).ok_or(PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_read_with_and_without_its_sign() {
        for (text, value) in [("10", 10.0), ("2.5%", 2.5), ("0 %", 0.0)] {
            assert_eq!(text.parse(), Ok(Percent(value)), "{text}");
        }
        for text in ["", "%", "-1", "NaN", "inf", "ten", "10001"] {
            assert_eq!(text.parse::<Percent>(), Err(PERCENT), "{text}");
        }
    }
}
